#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""systemd.py - Debian's systemd, as it is, for guests

Live update came to systemd with version 261. It is taken from the newest suite that has it,
unpacked under build/tools, never installed. What of it a guest runs goes into its initramfs
with the libraries that it is linked with; those that it would load if it found them stay out.

    systemd.py      fetch and unpack it; say which version that is and where
"""
from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from guest import ROOT
from packages import LIBRARIES, Missing, debian, once, program

OLDEST = "261"
UNITS = "usr/lib/systemd/system"
PROCESS_1 = "usr/lib/systemd/systemd"
SHUTDOWN = "usr/lib/systemd/systemd-shutdown"
TEST_LUO = "usr/lib/systemd/tests/unit-tests/manual/test-luo"


@dataclass(frozen=True)
class Unpacked:
    """Packages of systemd in one version, and those of others, in a folder of their own."""
    name: str
    systemd: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def root(self) -> Path:
        return ROOT / "build/tools" / self.name

    def unpack(self) -> str:
        """What is fetched and unpacked; its version."""
        version = debian("release", str(self.root), OLDEST, *self.systemd)
        debian("unpack", str(self.root), *self.others)
        return version

    def version(self) -> str:
        """Its version, once it is there."""
        return once(self.root, " ".join((*self.systemd, *self.others)), self.unpack)

    def files(self, *programs: str) -> dict:
        """Programs and their libraries, as an initramfs wants to have them."""
        self.version()
        found: dict = {}
        for name in programs:
            found |= program(self.root, name, f"{LIBRARIES}/systemd")
        return found


# What runs at the very end of a host, by itself; and all of it
END = Unpacked("systemd-end", ("systemd-standalone-shutdown", "systemd-tests",
                               "libsystemd-shared"), ("libc6",))
WHOLE = Unpacked("systemd", ("systemd", "systemd-tests", "systemd-boot-tools",
                             "libsystemd-shared", "libsystemd0"),
                 ("libc6", "libmount1", "libblkid1", "libselinux1", "libpcre2-8-0"))


def host(more: Path, *programs: str) -> dict:
    """A host whose process 1 is systemd, with the units that start and end it, and more."""
    found = WHOLE.files(*programs, PROCESS_1, "usr/lib/systemd/systemd-executor", "usr/bin/systemctl",
                        "usr/bin/systemd-run", SHUTDOWN, TEST_LUO, f"{LIBRARIES}/libmount.so.1")
    units = WHOLE.root / UNITS
    for path in (*units.glob("*.target"), *units.glob("*.slice"),
                 *units.glob("systemd-kexec.service"), *units.glob("systemd-reboot.service")):
        if not path.is_symlink():
            found[f"{UNITS}/{path.name}"] = path
    found |= {f"etc/systemd/system/{path.name}": path for path in more.iterdir()}
    return found | {"init": f"-> {PROCESS_1}", "etc/os-release": b"ID=test\n",
                    "etc/machine-id": b"", "boot/initrd": "-> /sys/firmware/initrd"}


def main() -> int:
    try:
        for what in (END, WHOLE):
            print(f"{what.version()} in {what.root}")
    except Missing as why:
        print(f"systemd.py: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
