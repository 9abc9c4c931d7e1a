#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""arrows.py GLOB... - do the C files call each other in a circle?

Prints the calls that do, a line for each pair of files, and then how many there are. A call is
the name of a function or variable that another of the files defines.
"""
from __future__ import annotations

import glob
import re
import sys
from pathlib import Path

# At the start of a line, as kernel style has it, and not static
FUNCTION = re.compile(r"^(?!static\b|extern\b|typedef\b|#)[a-z][\w \t*]*?\b(\w+)\([^;{}]*\)\s*"
                      r"(?:__\w+\([^{};]*\)\s*)*\{", re.M)
VARIABLE = re.compile(r"^(?!static\b|extern\b|typedef\b|#)[a-z][\w \t*]*?\b(\w+)(?:\[\w*\])* =|"
                      r"^DEFINE_(?:MUTEX|SPINLOCK|SRCU|XARRAY)\((\w+)", re.M)
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def arrows(files: list[str]) -> dict[tuple[str, str], set[str]]:
    """Which file uses which names of which other file."""
    text = {f: NOISE.sub(" ", Path(f).read_text()) for f in files}
    home = {(m[1] or m[2] if m.re is VARIABLE else m[1]): f for f in files
            for pattern in (VARIABLE, FUNCTION) for m in pattern.finditer(text[f])}
    found: dict[tuple[str, str], set[str]] = {}
    for f in files:
        for name in set(re.findall(r"\w+", text[f])) & home.keys():
            if home[name] != f:
                found.setdefault((f, home[name]), set()).add(name)
    return found


def reachable(start: str, found: dict[tuple[str, str], set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        at = todo.pop()
        new = {b for a, b in found if a == at} - seen
        seen |= new
        todo += new
    return seen


def main() -> int:
    files = [f for pattern in sys.argv[1:] for f in sorted(glob.glob(pattern))]
    if not files:
        print(f"arrows.py: no file is called {' or '.join(sys.argv[1:]) or 'nothing'}")
        return 2
    found = arrows(files)
    reach = {f: reachable(f, found) for f in files}
    circle = [f for f in files if f in reach[f]]
    for (a, b), names in sorted(found.items()):
        if a in reach[b]:
            print(f"{a} -> {b}: {', '.join(sorted(names))}")
    print(f"{len(files)} files, {len(found)} arrows, {len(circle)} in circles")
    return bool(circle)


if __name__ == "__main__":
    sys.exit(main())
