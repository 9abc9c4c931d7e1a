#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""uapi.py - is our uapi header a superset of the base's at source level?

Every macro and enumerator that the base's header defines has to be in ours with the same value, and
every struct with the same fields at the same offsets; ours may add fields at the end. Prints a line
per difference and "N names compared"; the exit status is 1 if there is one.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from guest import BUILD, ROOT

HEADER = "linux/liveupdate.h"


def gcc(*args: str, source: str) -> str:
    run = subprocess.run(["gcc", "-x", "c", *args, "-"], input=source, capture_output=True,
                         text=True, check=False)
    if run.returncode:
        sys.exit(f"uapi.py: gcc {' '.join(args)}: {run.stderr.strip()}")
    return run.stdout


def names(header: Path) -> dict[str, str]:
    """What a header itself defines: an expression for each name, as C understands it."""
    source = header.read_text()
    found = {}
    for macro in re.findall(r"^\s*#\s*define\s+(LIVEUPDATE_\w+)\s+\S", source, re.M):
        found[macro] = macro
    plain = gcc("-E", "-P", "-fdirectives-only", source=re.sub(r"^\s*#.*(\\\n.*)*", "", source, flags=re.M))
    for body in re.findall(r"\benum\s*\w*\s*\{(.*?)\}", plain, re.S):
        for name in re.findall(r"(?:^|,)\s*(\w+)", body):
            found[name] = name
    for tag, body in re.findall(r"\bstruct\s+(\w+)\s*\{(.*?)\}", plain, re.S):
        fields = re.findall(r"(\w+)\s*(?:\[[^]]*\])?\s*;", body)
        for field in fields:
            found[f"{tag}.{field}"] = f"__builtin_offsetof(struct {tag}, {field})"
        last = f"((struct {tag} *)0)->{fields[-1]}"
        found[f"end of {tag}"] = \
            f"__builtin_offsetof(struct {tag}, {fields[-1]}) + sizeof({last})"
    return found


def values(header: Path, wanted: dict[str, str]) -> dict[str, str]:
    """Their values in that header; names that it does not have are left out."""
    have = {}
    probe = f'#include <stdio.h>\n#include "{header}"\nint main(void)\n{{\n'
    lines = {name: f'\tprintf("%s\\t%llu\\n", "{name}", (unsigned long long)({expression}));\n'
             for name, expression in wanted.items()}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "probe"
        missing = set()
        while True:
            body = "".join(line for name, line in lines.items() if name not in missing)
            run = subprocess.run(["gcc", "-x", "c", f"-I{header.parent.parent}", "-o", program, "-"],
                                 input=f"{probe}{body}\treturn 0;\n}}\n", capture_output=True,
                                 text=True, check=False)
            if run.returncode == 0:
                break
            text = f"{probe}{body}".splitlines()
            bad = {m[1] for at in re.findall(r"<stdin>:(\d+):\d+: error", run.stderr)
                   if (m := re.search(r'"%s\\t%llu\\n", "([^"]+)"', text[int(at) - 1]))}
            if not bad:
                sys.exit(f"uapi.py: {header}: {run.stderr.strip()}")
            missing |= bad
        for line in subprocess.run([program], capture_output=True, text=True,
                                   check=True).stdout.splitlines():
            name, value = line.split("\t")
            have[name] = value
    return have


def main() -> int:
    base = BUILD / "stock/include/uapi" / HEADER
    ours = ROOT / "include/uapi" / HEADER
    wanted = names(base)
    theirs, mine = values(base, wanted), values(ours, wanted)
    differences = 0
    for name in wanted:
        if name not in theirs:
            sys.exit(f"uapi.py: {name} has no value in {base}")
        if mine.get(name) != theirs[name]:
            differences += 1
            print(f"{name}: {theirs[name]} in the base, {mine.get(name, 'missing')} in ours")
    print(f"{len(wanted)} names compared")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
