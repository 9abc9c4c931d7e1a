// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
//! On a machine without live update

use super::*;
use std::fs::File;
use std::path::Path;

#[test]
fn errnos_have_meanings() {
    let known = [2, 16, 19, 93, 117, 22].map(|errno| done(-errno).unwrap_err().to_string());
    let words = ["absent", "busy", "no handler", "unsupported version", "damaged"];
    assert_eq!(known[..5], words);
    assert_eq!(known[5], "Invalid argument (os error 22)");
}

#[test]
fn wrong_names_are_refused() {
    for name in [&b""[..], b"a\0b", &[b'x'; NAME_MAX + 1]] {
        assert_eq!(Session::create(name, Duration::ZERO).unwrap_err(), Error::Name);
    }
}

#[test]
fn without_a_device_it_is_off() {
    if !Path::new("/dev/liveupdate").exists() {
        let found = Session::retrieve("vm-1", true, Duration::from_millis(20));
        assert_eq!(found.unwrap_err(), Error::Off);
    }
}

#[test]
fn another_file_is_no_session() {
    let file = File::options().write(true).open("/dev/full").unwrap();
    let session = Session::from(OwnedFd::from(file.try_clone().unwrap()));
    let enotty = 25;
    assert_eq!(session.preserve(&file, 1), Err(Error::Os(enotty)));
    assert_eq!(session.retrieve_fd(1).unwrap_err(), Error::Os(enotty));
    assert_eq!(session.name(), Err(Error::Os(enotty)));
    assert_eq!(session.freeze(), Err(Error::Refused(0, enotty)));
}
