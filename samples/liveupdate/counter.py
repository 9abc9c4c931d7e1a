#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A service that counts, and in the next kernel counts on: that of `make demo-host`.

It knows nothing of live update. Its count is in a memfd that it has given to systemd to keep, see
FileDescriptorStorePreserve= in systemd.service(5), and systemd preserves what it keeps.
"""
import mmap
import os
import signal
import socket
import struct
import sys
import time


def notify(text: str, *fds: int) -> None:
    """As sd_notify(3) does."""
    path = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + path[1:] if path[0] == "@" else path)
        socket.send_fds(sock, [text.encode()], fds)


def kept(name: str) -> int | None:
    """The descriptor of that name that systemd has kept."""
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    return 3 + names.index(name) if name in names else None


def main() -> None:
    fd = kept("count")
    if fd is None:
        fd = os.memfd_create("count")
        os.ftruncate(fd, mmap.PAGESIZE)
        notify("FDSTORE=1\nFDNAME=count", fd)
    memory = mmap.mmap(fd, mmap.PAGESIZE)

    def count() -> int:
        return struct.unpack_from("Q", memory)[0]

    def end(*_args) -> None:
        print(f"ends at {count()}", flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    print(f"counts from {count()}", flush=True)
    notify("READY=1")
    while True:
        struct.pack_into("Q", memory, 0, count() + 1)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
