#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""demo_vm.py [--guest-memory MIB] [--steps N] [--append ARGS]

A virtual machine that does not notice that the kernel under it is replaced.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from demo import SAMPLES, Storyteller, compile_init
from guest import BUILD, ROOT, GuestError, Initramfs, image, trouble
from packages import Missing, program, with_libraries

OUT = BUILD / "demo-vm"
QEMU = "usr/bin/qemu-system-x86_64"


def compile_guest(out: Path) -> Path:
    """The firmware of the virtual machine, which is all its software."""
    sources = [SAMPLES / f"vm_guest.{end}" for end in ("lds", "S", "c")]
    if out.exists() and out.stat().st_mtime > max(p.stat().st_mtime for p in sources):
        return out
    elf = out.with_suffix(".elf")
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-m32", "-march=i686", "-mgeneral-regs-only", "-O2", "-Wall", "-Wextra",
                    "-ffreestanding", "-fno-pic", "-fno-stack-protector", "-fcf-protection=none",
                    "-fno-asynchronous-unwind-tables", "-ffixed-ebx", "-nostdlib", "-static",
                    "-no-pie", "-Wl,--build-id=none", "-T", *map(str, sources), "-o", str(elf)],
                   check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".rom", str(elf), str(out)], check=True)
    return out


def initramfs(kernel: Path) -> Initramfs:
    root = with_libraries("qemu-system-x86")
    return Initramfs({
        "init": compile_init(OUT / "init", ("vm_agent", "vm_qemu", "host", "sessions")),
        "vm_guest.bin": compile_guest(OUT / "vm_guest.bin"), "bzImage": kernel,
    } | program(root, QEMU))


def main() -> int:
    ap = argparse.ArgumentParser(description="a virtual machine that does not notice")
    ap.add_argument("--kernel", type=Path, default=image("lean"))
    ap.add_argument("--memory", default="2G")
    ap.add_argument("--append", default="", help="more arguments for both kernels")
    args = ap.parse_args()
    try:
        guest = Storyteller("demo-vm", args.kernel, initramfs(args.kernel).packed(), args.append,
                            args.memory)
        out = guest.run()
    except (GuestError, Missing, OSError, subprocess.CalledProcessError) as err:
        print(f"demo_vm.py: {err}", file=sys.stderr)
        return 2
    print(trouble(out.kernel), out.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
