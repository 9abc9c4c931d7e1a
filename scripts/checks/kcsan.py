# SPDX-License-Identifier: GPL-2.0
"""kcsan.py - programs on the kernel that notices data races

A data race of the base's code with itself is not ours to judge.
"""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

from guest import ROOT

from .guests import run_programs
from .result import Options, Result

# A data race is ours if one of so many innermost functions of either stack is: what raced may
# be a helper that we have called
RACE_DEPTH = 3


def our_functions(kernel: Path) -> set[str]:
    """What our objects define, and what our patches add to the base's."""
    out = kernel.parents[3]
    folders = ("kernel/liveupdate/**/*.o", "mm/memfd_luo*.o", "mm/hwpoison_kho*.o")
    objects = [str(o) for g in folders for o in out.glob(g)]
    symbols = subprocess.run(["nm", "--defined-only", *objects], capture_output=True, text=True,
                             check=True).stdout
    names = set(re.findall(r" [tT] ([a-z]\w+)", symbols))
    for patch in (ROOT / "patches").glob("*.patch"):
        names |= set(re.findall(r"^\+(?:[a-z_]+ )+\**(\w+)\(", patch.read_text(), re.M))
    return names


def races(log: list[str]) -> list[list[str]]:
    """The reports of KCSAN: title and both stacks, without offsets."""
    found: list[list[str]] = []
    open_ = False
    for line in (re.sub(r"^\[ *[0-9.]+\] ?", "", line) for line in log):
        if line.startswith("BUG: KCSAN:"):
            found.append([line])
            open_ = True
        elif line.startswith("====") or line.startswith("Reported by"):
            open_ = False
        elif open_:
            found[-1].append(line)
    return found


def is_ours(report: list[str], ours: set[str]) -> bool:
    """A hash table's worker is the base's, and what races with it is inlined into our code."""
    depth = RACE_DEPTH
    for line in report[1:]:
        frame = re.match(r" +(\w+)(?:\.\w+)*\+0x", line)
        if not frame:
            depth = RACE_DEPTH
            continue
        if frame[1] in ours and depth > 0 and "rht_deferred_worker" not in report[0]:
            return True
        depth -= 1
    return False


def run_racy(res: Result, opts: Options, *args, **kw) -> None:
    """Data races of the base's code among itself are not ours to judge."""
    log = run_programs(res, opts, *args, allow="BUG: KCSAN: ", **kw)
    ours = our_functions(opts.kernel)
    for report in races(log or []):
        if is_ours(report, ours):
            res.fail("\n    ".join(report))
