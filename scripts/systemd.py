#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""systemd.py - Debian's systemd, as it is, for guests

Live update came to systemd with version 261. It is taken from the newest suite that has it,
unpacked under build/tools, never installed. What of it a guest runs goes into its initramfs
with the libraries that it is linked with; those that it would load if it found them stay out.

    systemd.py      say which version that is and where it was unpacked
"""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from guest import ROOT, shared_libraries

OLDEST = "261"
UNPACKED = ROOT / "build/tools/systemd"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
SHUTDOWN = "usr/lib/systemd/systemd-shutdown"
TEST_LUO = "usr/lib/systemd/tests/unit-tests/manual/test-luo"

# All of one source, and what they need from others
SYSTEMD = ("systemd-standalone-shutdown", "systemd-tests", "libsystemd-shared")
OTHERS = ("libc6",)


class Missing(Exception):
    """There is no such systemd here; the text says why."""


def debian(*args: str) -> str:
    """What debian.sh prints."""
    run = subprocess.run([str(ROOT / "scripts/debian.sh"), *args], capture_output=True,
                         text=True, check=False)
    if run.returncode:
        said = run.stderr.strip().splitlines() or [f"debian.sh ended with {run.returncode}"]
        raise Missing(said[-1])
    return run.stdout.strip()


def unpack() -> str:
    """Fetch and unpack, unless that has been done; its version."""
    stamp = UNPACKED / "version"
    wanted = " ".join((*SYSTEMD, *OTHERS))
    if stamp.exists():
        version, _, packages = stamp.read_text().partition("\n")
        if packages == wanted:
            return version
    shutil.rmtree(UNPACKED, ignore_errors=True)
    version = debian("release", str(UNPACKED), OLDEST, *SYSTEMD)
    debian("unpack", str(UNPACKED), *OTHERS)
    stamp.write_text(f"{version}\n{wanted}")
    return version


def files(*programs: str) -> dict:
    """These programs and their libraries, as an initramfs wants to have them."""
    unpack()
    found: dict = {}
    for name in programs:
        found[name] = UNPACKED / name
        found |= shared_libraries(UNPACKED / name, UNPACKED,
                                  (LIBRARIES, f"{LIBRARIES}/systemd"))
    return found


def main() -> int:
    try:
        print(f"{unpack()} in {UNPACKED}")
    except Missing as why:
        print(f"systemd.py: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
