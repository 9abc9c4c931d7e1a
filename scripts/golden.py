#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""golden.py - keep what a kernel hands over, for KUnit to read for ever after

    golden.py KERNEL NAME [extent]      writes kernel/liveupdate/tests/luo_golden_NAME.h

Boots that kernel (stock-interop, interop, or a path), has it hand over the small image of
kexec/golden.c, and keeps what the next kernel, our own, found in memory. Memfds are in
it as memfd-v2, or as memfd-extent-v1.
"""
from __future__ import annotations

import re
import sys
from pathlib import Path

import check
import guest
from checks.guests import run_programs
from checks.result import Options, Result
from checks.suites import MEMFD_V2

TESTS = guest.ROOT / "kernel/liveupdate/tests"


def pieces(lines: list[str]) -> list[tuple[str, int, bytes]]:
    found = []
    for line in lines:
        m = re.match(r"# golden: (\S+) (0x[0-9a-f]+) ([0-9a-f]+)$", line)
        if m:
            found.append((m[1], int(m[2], 16), bytes.fromhex(m[3])))
    return found


def array(data: bytes) -> str:
    rows = [", ".join(f"0x{b:02x}" for b in data[i:i + 8]) for i in range(0, len(data), 8)]
    return "".join(f"\t{row},\n" for row in rows)


def header(name: str, release: str, found: list[tuple[str, int, bytes]]) -> str:
    out = [f"""/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Linux {release} handed over, byte by byte, as scripts/golden.py found it in
 * memory. Never changed, only ever read: see luo_golden_image.h.
 */
"""]
    for i, (what, _, data) in enumerate(found):
        out.append(f"/* {what} */\nstatic const u8 luo_golden_{name}_{i}[] = {{\n{array(data)}}};\n")
    out.append(f"static const struct luo_golden_piece luo_golden_{name}[] = {{\n" + "".join(
        f"\t{{ \"{what}\", 0x{phys:x}, luo_golden_{name}_{i}, sizeof(luo_golden_{name}_{i}) }},\n"
        for i, (what, phys, _) in enumerate(found)) + "\t{}\n};\n")
    return "\n".join(out)


def main() -> int:
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["extent"]):
        print(__doc__, file=sys.stderr)
        return 2
    kernel, name = Path(sys.argv[1]), sys.argv[2]
    if not kernel.exists():
        kernel = guest.image(sys.argv[1])
    opts = Options(kernel=kernel, next_kernel=guest.image("interop"), memory="2G",
                   prefix="", debug=False, append="")
    res = Result("golden")
    run_programs(res, opts, ["kexec_test"], 2, "luo_stage=1 luo_test=golden "
                 + ("luo_golden=extent" if sys.argv[3:] else MEMFD_V2))
    check.show(res)
    log = (guest.LOGS / "golden.log").read_text(errors="replace")
    release = re.search(r"Linux version (\S+)", log)
    found = pieces([line.removeprefix("| ") for line in log.splitlines()])
    if res.failed or not found or not release:
        return 1
    out = TESTS / f"luo_golden_{name}.h"
    out.write_text(header(name, release[1], found))
    print(f"{out.relative_to(guest.ROOT)}: {len(found)} pieces, {release[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
