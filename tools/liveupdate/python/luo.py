# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""luo - live update for Python, by libluo.so.0

In the next kernel, or, if that is the first one, from nothing:

    try:
        with luo.Session.retrieve("vm-1") as session:
            memfd = session.retrieve_fd(1)
            ...                     # a failure here leaves the session to the next try
            session.finish()
    except luo.Absent:
        memfd = os.memfd_create("vm-1")

For the next kernel; the session has to stay open until the reboot:

    session = luo.Session.create("vm-1")
    session.preserve(memfd, 1)

Descriptors are numbers, as in os, and the caller's to close. See libluo(3).
"""
from __future__ import annotations

import ctypes
import errno
import os

_lib = ctypes.CDLL("libluo.so.0")
_lib.luo_retrieve.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint64]
_lib.luo_preserve.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_uint64]
_lib.luo_retrieve_fd.argtypes = [ctypes.c_int, ctypes.c_uint64]
_lib.luo_freeze.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_uint64)]
_lib.luo_strerror.restype = ctypes.c_char_p

NAME_MAX = 63


class Absent(OSError):
    """Nothing was handed over by that name or token."""


class Off(Absent):
    """There is no device: live update is off, or unknown to this kernel."""


class Incompatible(OSError):
    """It was handed over in a format that another kernel may read: do not start from nothing."""


class Damaged(OSError):
    """It was handed over and is corrupted."""


class Busy(OSError):
    """Not now: the device is open, a file is in use, or the reboot has begun."""


class NoHandler(OSError):
    """No handler for such files; its module may not be loaded yet."""


_ERRORS = {errno.ENOENT: Absent, errno.EPROTONOSUPPORT: Incompatible, errno.EUCLEAN: Damaged,
           errno.EBUSY: Busy, errno.ENODEV: NoHandler}


def _check(result: int, what: str, absent: type[OSError] = Absent) -> int:
    """Raise what was returned, if it is an errno. Of what is absent each call has its own idea."""
    if result >= 0:
        return result
    kind = absent if result == -errno.ENOENT else _ERRORS.get(-result, OSError)
    said = {Off: b"live update is off", NoHandler: b"no handler"}.get(kind) or \
        _lib.luo_strerror(result)
    raise kind(-result, said.decode(), what)


class Session:
    """A session of live update. Closing one for the next kernel unpreserves what is in it:
    close() and the end of a with block do that, the garbage collector does not."""

    def __init__(self, fd: int) -> None:
        """Take over a descriptor, such as one that another process has sent."""
        self._fd = fd

    @classmethod
    def create(cls, name: str | bytes, wait_ms: int = 1000) -> Session:
        """One for the next kernel. Wait so long for a device that is busy."""
        return cls._open(name, wait_ms, _lib.luo_create)

    @classmethod
    def retrieve(cls, name: str | bytes, keep: bool = True, wait_ms: int = 1000) -> Session:
        """The previous kernel's. With keep, closing it without finish() loses nothing."""
        return cls._open(name, wait_ms, _lib.luo_retrieve, int(keep))

    @classmethod
    def _open(cls, name: str | bytes, wait_ms: int, call, *args: int) -> Session:
        raw = os.fsencode(name)
        if not 0 < len(raw) <= NAME_MAX or 0 in raw:
            raise ValueError(f"a session's name has 1 to {NAME_MAX} bytes, none of them 0")
        device = _check(_lib.luo_open_wait(wait_ms), "/dev/liveupdate", Off)
        try:
            return cls(_check(call(device, raw, *args), os.fsdecode(raw)))
        finally:
            os.close(device)

    def preserve(self, fd: int, token: int) -> None:
        """Preserve a file; its descriptor may be closed afterwards."""
        token.to_bytes(8, "little")     # raises OverflowError; ctypes would cut it
        _check(_lib.luo_preserve(self.fileno(), fd, token), f"token {token}", NoHandler)

    def retrieve_fd(self, token: int) -> int:
        """Return a new descriptor of the previous kernel's file."""
        token.to_bytes(8, "little")
        return _check(_lib.luo_retrieve_fd(self.fileno(), token), f"token {token}")

    def finish(self) -> None:
        """Free what was not retrieved; from now on it is a session for the next kernel."""
        _check(_lib.luo_finish(self.fileno()), "finish")

    def freeze(self) -> None:
        """Do ahead of the reboot what can be done; the message has the token that refused."""
        token = ctypes.c_uint64()
        result = _lib.luo_freeze(self.fileno(), ctypes.byref(token))
        _check(result, f"freeze, token {token.value}")

    def thaw(self) -> None:
        """Undo freeze()."""
        _check(_lib.luo_thaw(self.fileno()), "thaw")

    def name(self) -> str:
        """Return its name, as os.fsdecode() has it."""
        raw = ctypes.create_string_buffer(NAME_MAX + 1)
        _check(_lib.luo_get_name(self.fileno(), raw), "name")
        return os.fsdecode(raw.value)

    def fileno(self) -> int:
        """Return its descriptor, to be passed on to another process."""
        if self._fd < 0:
            raise ValueError("the session is closed")
        return self._fd

    def close(self) -> None:
        """Close it; a second time does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
