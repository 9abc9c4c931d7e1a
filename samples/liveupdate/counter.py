#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A service that counts, and in the next kernel counts on: that of `make demo-host`.

It knows nothing of live update. Its count is in a memfd that it has given to systemd to keep, see
FileDescriptorStorePreserve= in systemd.service(5), and systemd preserves what it keeps.
"""
import mmap
import os
import signal
import struct
import sys
import time

from systemd import daemon


def kept(name: str) -> int | None:
    """The descriptor of that name that systemd has kept."""
    fds = daemon.listen_fds_with_names()
    return next((fd for fd in fds if fds[fd] == name), None)


def main() -> None:
    fd = kept("count")
    if fd is None:
        fd = os.memfd_create("count")
        os.ftruncate(fd, mmap.PAGESIZE)
        daemon.notify("FDSTORE=1\nFDNAME=count", fds=[fd])
    memory = mmap.mmap(fd, mmap.PAGESIZE)

    def count() -> int:
        return struct.unpack_from("Q", memory)[0]

    def end(*_args) -> None:
        print(f"ends at {count()}", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print(f"counts from {count()}", flush=True)
    daemon.notify("READY=1")
    while True:
        struct.pack_into("Q", memory, 0, count() + 1)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
