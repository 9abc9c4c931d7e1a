#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""demo.py [--kernel BZIMAGE] [--next BZIMAGE] [--memory 2G] [--append ARGS]

A live update in a QEMU guest, told step by step. The guest's program is samples/liveupdate/demo.c,
its tools are this machine's kexec-tools. The kernel's log goes to build/logs/demo.log.
Exit status 0: every memfd came back as it was; 1: it did not; 2: it could not be tried.
"""
import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from guest import (BUILD, ROOT, Guest, GuestError, Initramfs, image, shared_libraries,
                   trouble)

SAMPLES = ROOT / "samples/liveupdate"
TOOL = ROOT / "tools/liveupdate"
UAPI = ROOT / "include/uapi"


def kexec_tools() -> dict:
    """The installed kexec with what it is linked to, for the initramfs."""
    kexec = shutil.which("kexec", path="/sbin:/usr/sbin:" + os.environ.get("PATH", ""))
    if not kexec:
        raise GuestError("kexec is missing: run make setup")
    return {"sbin/kexec": Path(kexec).resolve(), **shared_libraries(Path(kexec))}


def compile_init(out: Path, names: tuple[str, ...], libraries: tuple[str, ...] = (),
                 static: bool = True) -> Path:
    """A guest's program, static as a rule; again only if a source has changed."""
    headers = [UAPI / "linux/liveupdate.h", *SAMPLES.glob("*.h"), TOOL / "libluo.h"]
    sources = [SAMPLES / f"{name}.c" for name in names] + [TOOL / "libluo.c"]
    if not out.exists() or out.stat().st_mtime < max(p.stat().st_mtime for p in headers + sources):
        out.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", *(["-static"] if static else []),
                        f"-I{UAPI}", f"-I{TOOL}", "-o", str(out),
                        *map(str, sources), *libraries], check=True)
    return out


class Storyteller(Guest):
    """Shows the programs' port as it comes, and keeps the kernel's log for later."""

    def take(self, raw, sink, log):
        super().take(raw, sink, log)
        if sink[1]:
            print(sink[0][-1], flush=True)


def main() -> int:
    ap = argparse.ArgumentParser(description="a live update in a QEMU guest, step by step")
    ap.add_argument("--kernel", type=Path, default=image("lean"),
                    help="the first kernel")
    ap.add_argument("--next", type=Path, help="the second kernel, by default the same")
    ap.add_argument("--memory", default="2G")
    ap.add_argument("--append", default="", help="more arguments for both kernels")
    args = ap.parse_args()

    try:
        init = compile_init(BUILD / "demo/init", ("demo", "host"), ("-lnettle",))
        files = {"init": init, "bzImage": args.next or args.kernel}
        initramfs = Initramfs(files | kexec_tools()).packed()
        guest = Storyteller("demo", args.kernel, initramfs, args.append, args.memory)
        print(f"== booting {os.path.relpath(args.kernel, ROOT)} in a guest of {args.memory}",
              flush=True)
        out = guest.run()
    except (GuestError, OSError, subprocess.CalledProcessError) as err:
        print(f"demo.py: {err}", file=sys.stderr)
        return 2

    bad = trouble(out.kernel)
    for line in bad:
        print(f"the kernel complained: {line}")
    log = os.path.relpath(out.log, ROOT)
    if out.tests[-1:] == ["demo: PASS"] and not bad:
        print(f"({out.seconds:.0f} s in all; the kernels' log: {log})")
        return 0
    print(f"demo: the live update failed{', ' + out.why if out.why else ''}; "
          f"the kernels' log: {log}")
    for line in out.kernel[-5:] if out.tests[-1:] != ["demo: FAIL"] else []:
        print(f"    {line}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
