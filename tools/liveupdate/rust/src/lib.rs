// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
//! Live update: hand file descriptors over to the next kernel, by libluo.so.0. See libluo(3).
//!
//! ```no_run
//! use std::{fs::File, time::Duration};
//! use luo::{Error, Session};
//!
//! fn restore() -> Result<Option<File>, Error> {
//!     let session = match Session::retrieve("vm-1", true, Duration::from_secs(1)) {
//!         Err(Error::Absent) => return Ok(None), // start from nothing
//!         found => found?,
//!     };
//!     let memfd = session.retrieve_fd(1)?; // after an error it is there for the next try
//!     session.finish()?;
//!     Ok(Some(memfd.into()))
//! }
//! ```
//!
//! If the library is not where the linker looks for it:
//! `RUSTFLAGS="$(pkg-config --libs-only-L libluo)" cargo build`.

#![warn(missing_docs)]

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_uint};
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;
use std::{fmt, io};

#[link(name = "luo")]
extern "C" {
    fn luo_open_wait(ms: c_uint) -> c_int;
    fn luo_create(dev: c_int, name: *const c_char) -> c_int;
    fn luo_retrieve(dev: c_int, name: *const c_char, flags: u64) -> c_int;
    fn luo_preserve(session: c_int, fd: c_int, token: u64) -> c_int;
    fn luo_retrieve_fd(session: c_int, token: u64) -> c_int;
    fn luo_finish(session: c_int) -> c_int;
    fn luo_get_name(session: c_int, name: *mut c_char) -> c_int;
    fn luo_freeze(session: c_int, token: *mut u64) -> c_int;
    fn luo_thaw(session: c_int) -> c_int;
    fn luo_errno_name(err: c_int) -> *const c_char;
}

/// Bytes of a session's name, at most.
pub const NAME_MAX: usize = 63;

/// Why a call has failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// There is no device: live update is off, or unknown to this kernel.
    Off,
    /// Nothing was handed over by that name or token.
    Absent,
    /// It was handed over in a format that another kernel may read: do not start from nothing.
    Incompatible,
    /// It was handed over and is corrupted.
    Damaged,
    /// No handler for such files; its module may not be loaded yet.
    NoHandler,
    /// Not now: the device is open, a file is in use, or the reboot has begun.
    Busy,
    /// A session's name has 1 to [`NAME_MAX`] bytes, none of them 0.
    Name,
    /// A session cannot be frozen: the token of the file that has refused, or 0, and an errno.
    Refused(u64, i32),
    /// Any other errno.
    Os(i32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Error::Off => "live update is off",
            Error::Absent => "absent",
            Error::Incompatible => "unsupported version",
            Error::Damaged => "damaged",
            Error::NoHandler => "no handler",
            Error::Busy => "busy",
            Error::Name => "not the name of a session",
            Error::Refused(token, errno) => {
                let why = io::Error::from_raw_os_error(errno);
                return write!(f, "refused, token {token}: {why}");
            }
            Error::Os(errno) => return io::Error::from_raw_os_error(errno).fmt(f),
        };
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

/// What was returned. Of what is absent each call has its own idea.
fn check(result: c_int, absent: Error) -> Result<c_int, Error> {
    if result >= 0 {
        return Ok(result);
    }
    // SAFETY: it takes a number and returns a constant, or NULL.
    let name = unsafe { luo_errno_name(result).as_ref() };
    // SAFETY: the constant ends with a zero.
    Err(match name.map(|first| unsafe { CStr::from_ptr(first) }.to_bytes()) {
        Some(b"ENOENT") => absent,
        Some(b"EBUSY") => Error::Busy,
        Some(b"ENODEV") => Error::NoHandler,
        Some(b"EPROTONOSUPPORT") => Error::Incompatible,
        Some(b"EUCLEAN") => Error::Damaged,
        _ => Error::Os(-result),
    })
}

fn done(result: c_int) -> Result<(), Error> {
    check(result, Error::Absent).map(drop)
}

fn owned(result: c_int, absent: Error) -> Result<OwnedFd, Error> {
    // SAFETY: libluo has just opened it, for us.
    check(result, absent).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A session. Dropping one for the next kernel unpreserves what is in it.
#[derive(Debug)]
pub struct Session(OwnedFd);

impl Session {
    /// One for the next kernel. Waits so long for a device that is busy.
    pub fn create(name: impl AsRef<[u8]>, wait: Duration) -> Result<Self, Error> {
        // SAFETY: the name ends with a zero.
        Self::open(name.as_ref(), wait, |dev, name| unsafe { luo_create(dev, name) })
    }

    /// The previous kernel's. With `keep`, dropping it without [`finish`](Self::finish) loses
    /// nothing.
    pub fn retrieve(name: impl AsRef<[u8]>, keep: bool, wait: Duration) -> Result<Self, Error> {
        // LIVEUPDATE_RETRIEVE_KEEP is 1.
        let flags = keep.into();
        // SAFETY: the name ends with a zero.
        Self::open(name.as_ref(), wait, |dev, name| unsafe { luo_retrieve(dev, name, flags) })
    }

    fn open(
        name: &[u8],
        wait: Duration,
        call: impl FnOnce(c_int, *const c_char) -> c_int,
    ) -> Result<Self, Error> {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(Error::Name);
        }
        let name = CString::new(name).map_err(|_| Error::Name)?;
        let ms = c_uint::try_from(wait.as_millis()).unwrap_or(c_uint::MAX);
        // SAFETY: it takes a number.
        let dev = owned(unsafe { luo_open_wait(ms) }, Error::Off)?;
        owned(call(dev.as_raw_fd(), name.as_ptr()), Error::Absent).map(Session)
    }

    /// Preserves a file as `token`; it may be closed afterwards.
    pub fn preserve(&self, file: impl AsFd, token: u64) -> Result<(), Error> {
        // SAFETY: both descriptors are borrowed for the call.
        let result = unsafe { luo_preserve(self.raw(), file.as_fd().as_raw_fd(), token) };
        check(result, Error::NoHandler).map(drop)
    }

    /// A new descriptor of the previous kernel's file `token`.
    pub fn retrieve_fd(&self, token: u64) -> Result<OwnedFd, Error> {
        // SAFETY: the descriptor is ours.
        owned(unsafe { luo_retrieve_fd(self.raw(), token) }, Error::Absent)
    }

    /// Frees what was not retrieved; from now on it is a session for the next kernel.
    pub fn finish(&self) -> Result<(), Error> {
        // SAFETY: the descriptor is ours.
        done(unsafe { luo_finish(self.raw()) })
    }

    /// Does ahead of the reboot what can be done.
    pub fn freeze(&self) -> Result<(), Error> {
        let mut token = 0;
        // SAFETY: the descriptor is ours, and the token has its size.
        match unsafe { luo_freeze(self.raw(), &mut token) } {
            0 => Ok(()),
            err => Err(Error::Refused(token, -err)),
        }
    }

    /// Undoes [`freeze`](Self::freeze).
    pub fn thaw(&self) -> Result<(), Error> {
        // SAFETY: the descriptor is ours.
        done(unsafe { luo_thaw(self.raw()) })
    }

    /// Its name.
    pub fn name(&self) -> Result<Vec<u8>, Error> {
        let mut name = [0u8; NAME_MAX + 1];
        // SAFETY: the name with its zero fits.
        done(unsafe { luo_get_name(self.raw(), name.as_mut_ptr().cast()) })?;
        Ok(name.iter().copied().take_while(|&c| c != 0).collect())
    }

    fn raw(&self) -> c_int {
        self.0.as_raw_fd()
    }
}

/// To pass it on to another process.
impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Session> for OwnedFd {
    fn from(session: Session) -> Self {
        session.0
    }
}

/// One that another process has sent.
impl From<OwnedFd> for Session {
    fn from(fd: OwnedFd) -> Self {
        Session(fd)
    }
}

#[cfg(test)]
mod tests;
