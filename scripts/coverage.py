#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""coverage.py - which lines of kernel/liveupdate do KUnit and the selftests run?

Runs the suites of the everyday tier that boot a guest, on the kernel of build/out/coverage,
which counts with the kernel's own gcov support. Each kernel of a guest sends what it has
counted through a third serial port, before it jumps or ends. A line that any of them has
run is covered. What runs between that and the kexec is not seen.

Prints a table, writes which lines were not run to build/coverage/missed.txt, and fails if a
suite does, or if one of FLOORS is not reached.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import gzip
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import check
from checks.result import Options, Result, Suite, Tier
from checks.suites import suites
from guest import BUILD, ROOT, image

OUT = BUILD / "out/coverage"
DATA = BUILD / "coverage"
OURS = "kernel/liveupdate/luo_"
# Per cent of lines, by the beginning of a file's name
FLOORS = {"luo_flb": 95.0}

Lines = dict[str, dict[int, bool]]


def frames(stream: bytes):
    """Yield path and contents of each counter file in what a guest has sent."""
    at = 0
    while at < len(stream):
        end = stream.index(b"\n", at)
        size, path = stream[at:end].decode().split(" ", 1)
        at = end + 1 + int(size)
        if at > len(stream):
            raise ValueError(f"{path} is cut off")
        yield path, stream[end + 1:at]


def gcov(gcda: Path) -> dict:
    """What gcov has to say about one counter file that lies beside its notes."""
    out = subprocess.run(["gcov", "--json-format", "--stdout", gcda.name], cwd=gcda.parent,
                         capture_output=True, check=True).stdout
    return json.loads(gzip.decompress(out) if out[:2] == b"\x1f\x8b" else out)


def unpack(stream: bytes, folder: Path):
    """Lay the counters out with their notes, kernel by kernel; yield each counter file."""
    seen: dict[str, int] = defaultdict(int)
    for path, data in frames(stream):
        name = Path(path).name
        notes = OUT / "kernel/liveupdate" / Path(name).with_suffix(".gcno")
        if not name.startswith("luo_") or not notes.exists():
            continue
        seen[name] += 1
        place = folder / str(seen[name])
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(notes, place)
        (place / name).write_bytes(data)
        yield place / name


def add(lines: Lines, report: dict) -> None:
    """Merge what gcov says of a file into what is known."""
    for file in report["files"]:
        at = file["file"].find(OURS)
        if at < 0 or not file["file"].endswith(".c"):
            continue
        known = lines[file["file"][at:]]
        for line in file["lines"]:
            number = line["line_number"]
            known[number] = known.get(number, False) or line["count"] > 0


def run(some: list[Suite], opts: Options, jobs: int) -> list[Result]:
    """Run them all; what fails is shown."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        results = []
        for future in concurrent.futures.as_completed(
                [pool.submit(check.run_suite, s, opts) for s in some]):
            results.append(future.result())
            check.show(results[-1])
    return results


def table(lines: Lines) -> bool:
    """Print it, write down what was missed; are the floors reached?"""
    good, total, total_run = True, 0, 0
    missed = []
    for file, known in sorted(lines.items()):
        ran = sum(known.values())
        percent = 100 * ran / len(known)
        floor = next((f for name, f in FLOORS.items() if Path(file).name.startswith(name)), 0.0)
        low = percent < floor
        good &= not low
        total, total_run = total + len(known), total_run + ran
        print(f"{file:<44} {ran:4} of {len(known):4} lines  {percent:5.1f} %"
              + (f"  want {floor} %" if low else ""))
        missed += [f"{file}:{number}" for number in sorted(known) if not known[number]]
    print(f"{'all of kernel/liveupdate/luo_*':<44} {total_run:4} of {total:4} lines  "
          f"{100 * total_run / max(total, 1):5.1f} %")
    (DATA / "missed.txt").write_text("\n".join(missed) + "\n")
    print(f"lines that were not run: {(DATA / 'missed.txt').relative_to(ROOT)}")
    return good and total > 0


def main() -> int:
    ap = argparse.ArgumentParser(description="line coverage of kernel/liveupdate")
    ap.add_argument("--test", metavar="NAME", help="only suites of this name, part or glob")
    ap.add_argument("--jobs", type=int, default=2)
    args = ap.parse_args()

    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    opts = Options(kernel=image("coverage"), next_kernel=image("coverage"), memory="2G",
                   prefix="coverage-", debug=False, append="luo_gcov=1", gcov=DATA)
    some = [replace(s, name=f"coverage-{s.name}")
            for s in check.chosen(suites(), Tier.CHECK, args.test)
            if s.name not in ("user", "style", "coverage", "completion", "libluo", "vmtest")]
    results = run(some, opts, args.jobs)

    lines: Lines = defaultdict(dict)
    for stream in sorted(DATA.glob("*.gcov")):
        for gcda in unpack(stream.read_bytes(), DATA / stream.stem):
            add(lines, gcov(gcda))
    good = table(lines)
    failed = sum(r.failed for r in results)
    print(f"{sum(r.passed for r in results)} passed, {failed} failed")
    return 0 if good and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
