#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench_scratch.py [--kernel NAME] [--stock IMAGE]

How much memory Kexec HandOver sets aside on hosts of many sizes, of our kernel and of the stock
one, beside what is the most that ours may take: 40 MiB and 5 for each GiB up to 8, 1 beyond (140
MiB with 64 GiB), and twice the image and the initramfs. The last line is "N passed, N
failed"; the table is kept in build/bench/scratch.md.
"""
from __future__ import annotations

import argparse
import shutil
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from checks.guests import numa
from guest import BUILD, Guest, GuestError, Initramfs, image

OUT = BUILD / "bench/scratch.md"
INIT = b"""#!/bin/busybox sh
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t debugfs debugfs /sys/kernel/debug
echo "sizes $(/bin/busybox cat /sys/kernel/debug/kho/out/scratch_len | /bin/busybox tr '\\n' ' ')"
/bin/busybox reboot -f
"""


@dataclass(frozen=True)
class Host:
    memory: str
    args: str = ""
    nodes: tuple[str, ...] = ()

    def __str__(self) -> str:
        nodes = f"{len(self.nodes)} nodes" if self.nodes else ""
        return ", ".join(filter(None, (self.memory, nodes, self.args)))

    def mebibytes(self) -> int:
        return int(self.memory[:-1]) * (1024 if self.memory[-1] == "G" else 1)

    def most(self, loaded: int) -> int:
        """MiB that ours may take, given those of the image and the initramfs."""
        gibibytes = self.mebibytes() / 1024
        base = 140 if gibibytes >= 64 else 40 + 5 * min(gibibytes, 8) + max(gibibytes - 8, 0)
        return int(base + 2 * loaded)


HOSTS = tuple(Host(memory, args) for memory, crash in (
    ("512M", ""), ("800M", ""), ("1G", "128M"), ("2G", "256M"), ("4G", "512M"), ("8G", "512M"),
    ("64G", "512M")) for args in dict.fromkeys(("", f"crashkernel={crash}" if crash else "")))
NODES = (Host("4G", "", ("2G", "2G")), Host("8G", "", ("4G", "4G")))


def measure(name: str, kernel: Path, host: Host, initramfs: Path) -> int:
    """MiB of scratch; 0 if there is no handover."""
    more = numa(host.nodes)
    if not more:            # of memory that is not touched nothing is needed here
        more = ("-object", f"memory-backend-ram,id=all,size={host.memory},reserve=off",
                "-machine", "memory-backend=all")
    guest = Guest(f"scratch-{name}-{host}".replace(" ", ""), kernel, initramfs, host.args,
                  host.memory, longest=120, more=more)
    out = guest.run()
    said = [line for line in out.kernel + out.tests if line.startswith("sizes")]
    if out.why or not said:
        raise GuestError(f"{name}, {host}: {out.why or 'no answer'}; see {out.log}")
    return sum(int(word, 0) for word in said[0].split()[1:]) >> 20


def image_size(kernel: Path) -> int:
    """What a bzImage takes in memory, in bytes: see init_size in Documentation/arch/x86/boot.rst"""
    return struct.unpack_from("<I", kernel.read_bytes(), 0x260)[0]


def main() -> int:
    ap = argparse.ArgumentParser(description="memory set aside, on hosts of many sizes")
    ap.add_argument("--kernel", default="lean", help="that of build.sh: lean, host")
    ap.add_argument("--stock", type=Path, default=image("stock"))
    args = ap.parse_args()

    kernel, passed, failed = image(args.kernel), 0, 0
    rows = ["| host | stock | ours | ours at most |", "|---|---|---|---|"]
    try:
        busybox = Path(shutil.which("busybox") or "")
        if not busybox.is_file():
            raise GuestError("busybox is missing: run make setup")
        initramfs = Initramfs({"init": INIT, "bin/busybox": busybox.resolve(),
                               "sys/.keep": b"", }).packed()
        loaded = (image_size(kernel) + initramfs.stat().st_size + (1 << 20) - 1) >> 20
        for host in HOSTS + (NODES if args.kernel == "host" else ()):
            ours = measure("ours", kernel, host, initramfs)
            stock = measure("stock", args.stock, host, initramfs) if args.stock.exists() else None
            good = 0 < ours <= host.most(loaded)
            passed, failed = passed + good, failed + (not good)
            rows.append(f"| {host} | {'?' if stock is None else stock or 'off'} | "
                        f"{ours or 'off'} | {host.most(loaded)} |")
            print(rows[-1], flush=True)
    except (GuestError, OSError) as err:
        print(f"bench_scratch.py: {err}", file=sys.stderr)
        failed += 1
    rows.append(f"\nMiB; image and initramfs: {loaded} MiB")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("\n".join(rows) + "\n")
    print(f"{passed} passed, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
