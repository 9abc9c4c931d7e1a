#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""bench.py [--quick] [--host] [--case NAME] [--jobs N]

What a live update costs, in guest instructions, on our kernel and on the stock one; with --host
on the one configured as Debian's and on our everyday one.

Each case runs in sizes that show how its cost grows, each in a guest of its own that counts one
nanosecond per instruction (-icount), so that nothing depends on how busy this machine is. The
guest's program, bench/bench.c, verifies all contents; a run that does not come to its end counts
as failed. Results go to build/bench/, or bench-host: results.json, a plot per case, the guests'
logs to build/logs/bench-*.log.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from guest import BUILD, ROOT, Guest, GuestError, Initramfs, image

OUT = BUILD / "bench"
SELFTESTS = ROOT / "tools/testing/selftests/liveupdate"
# What is measured and what stands beside it, by the name of the kernel that build.sh makes
NAMES = {"lean": "ours", "stock": "stock"}
HOST = {"host": "host", "lean": "lean"}
ICOUNT = ("-M", "i8042=off", "-icount", "shift=0,sleep=off")
# ACPI waits for the next tick twice on its way up, or does not, for no reason of ours: that is
# 8 M instructions that come and go.
QUIET = " acpi=off"
ARGS = ("console=ttyS0 nokaslr noapictimer reboot=p kho=on liveupdate=on panic=-1 retain_initrd "
        "kho_scratch=64M,64M,32M")


@dataclass(frozen=True)
class Case:
    """One kind of work; `stock` are the sizes that the stock kernel gets done in minutes."""
    name: str
    unit: str
    full: tuple[int, ...]
    quick: tuple[int, ...]
    stock: int = 1 << 30

    def sizes(self, quick: bool, kernel: str) -> list[int]:
        return [s for s in (self.quick if quick else self.full)
                if kernel != "stock" or s <= self.stock]


CASES = (
    Case("sessions", "sessions", (1, 64, 500, 2000, 10000), (1, 64, 2000), 2000),
    Case("files", "memfds of a page", (1, 64, 1000, 4000, 10000), (64, 4000), 4000),
    Case("files-scattered", "memfds of a page, scattered", (64, 1000, 4000, 10000), (4000,), 4000),
    Case("contiguous", "MiB", (1, 16, 128, 512, 1024, 2048), (64, 512, 2048)),
    Case("scattered", "MiB", (1, 8, 32, 128, 512, 1024), (32, 128), 32),
    Case("sparse", "MiB, one page in 64", (64, 512), (512,)),
)


def first() -> str:
    """What is measured"""
    return next(iter(NAMES.values()))


def second() -> str:
    """What stands beside it"""
    return list(NAMES.values())[1]


class BenchError(Exception):
    """A guest did not come to its end; says which."""


def compile_init() -> Path:
    """The guest's program, static."""
    OUT.mkdir(parents=True, exist_ok=True)
    out = OUT / "init"
    libluo = ROOT / "tools/liveupdate"
    helpers = [SELFTESTS / f"lib/{name}.c" for name in ("text", "memfd", "kexec")]
    sources = [ROOT / "bench/bench.c", *helpers, libluo / "libluo.c"]
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-static", f"-I{ROOT / 'include/uapi'}",
                    f"-I{SELFTESTS}", f"-I{libluo}", f"-I{BUILD / 'linux/tools/testing/selftests'}",
                    "-o", str(out), *map(str, sources)], check=True)
    return out


def numbers(lines: list[str]) -> dict[str, int]:
    """What the program said."""
    found = {}
    for line in lines:
        m = re.fullmatch(r"bench (\S+) (\d+)", line.strip())
        if m:
            found[m.group(1)] = int(m.group(2))
    return found


def run(kernel: str, name: str, size: int, init: Path, icount: bool = True,
        phases: bool = False) -> tuple[dict[str, int], list[str]]:
    """One guest: its numbers, and what its kernels logged."""
    files: dict = {"init": init, "boot/kernel": image(kernel)}
    args = f"{ARGS} bench={name} bench_size={size}{QUIET if icount and not phases else ''}"
    args += " loglevel=8 initcall_debug" if phases else " quiet"
    how = "" if icount else "-4cpus"
    guest = Guest(f"bench-{NAMES[kernel]}-{name}-{size}{how}{'-phases' if phases else ''}",
                  image(kernel), Initramfs(files).packed(), memory="4G", cpus=1 if icount else 4,
                  more=ICOUNT if icount else ICOUNT[:2], base_args=args,
                  accel="tcg,thread=single" if icount else "tcg,thread=multi")
    out = guest.run()
    found = numbers(out.tests)
    if "done" not in found:
        said = [line for line in out.tests if line.startswith("# ")]
        raise BenchError(f"{guest.name}: {out.why or (said or ['died'])[-1]}; log: "
                         f"{os.path.relpath(out.log, ROOT)}")
    found["blackout"] = found["at-init"] - found["at-reboot"]
    return found, out.kernel


def phases_of(found: dict[str, int], kernel: list[str]) -> dict[str, int]:
    """Cut the blackout at what the kernels logged, by their own clocks."""
    text = [re.match(r"\[ *(\d+)\.(\d{6})\] (.*)", line) for line in kernel]
    stamps = [(int(m.group(1)) * 10**9 + int(m.group(2)) * 1000, m.group(3)) for m in text if m]
    marks = {m.group(1): (i, int(m.group(2)) - t) for i, (t, line) in enumerate(stamps)
             for m in [re.match(r"bench: (\w+) at (\d+)", line)] if m}
    (first, base1), (last, base2) = marks["reboot"], marks["init"]

    def at(pattern: str, base: int) -> int:
        for t, line in stamps[first:last]:
            if re.search(pattern, line):
                return t + base
        raise BenchError(f"the kernel did not log {pattern!r}")

    cuts = [("freeze and serialize", at(r"shutdown$", base1)),
            ("device shutdown", at("Starting new kernel", base1)),
            ("jump, until the clock runs", base2),
            ("early boot", at("^Memory: ", base2)),
            ("init", found["at-init"])]
    out, since = {}, found["at-reboot"]
    for name, when in cuts:
        out[name] = when - since
        since = when
    return out


def plot(case: Case, results: dict) -> Path:
    """Both kernels' curves, on log axes."""
    svg = OUT / f"{case.name}.svg"
    steps = ("blackout", "preserve", "preserve-others", "create-one-more", "retrieve",
             "retrieve-others", "open-and-first")
    curves, data = [], []
    for kernel in NAMES.values():
        sizes = results[kernel].get(case.name, {})
        for step in steps:
            rows = [(s, v[step]) for s, v in sorted(sizes.items()) if v.get(step)]
            if rows:
                block = f"$d{len(curves)}"
                data.append(f"{block} << EOD\n" + "\n".join(f"{a} {b}" for a, b in rows) + "\nEOD")
                style = "dt 1" if kernel == first() else "dt 3"
                curves.append(f"{block} with linespoints lw 2 lc {steps.index(step) + 1} {style} "
                              f"title '{kernel}: {step}'")
    script = "\n".join([*data, f"set terminal svg size 800,500 background '#ffffff'; "
                        f"set output '{svg}'; set logscale xy; set key outside noenhanced; "
                        f"set grid; set xlabel '{case.unit}'; set ylabel 'instructions'; "
                        f"set title 'A live update, {first()} and {second()}'",
                        "plot " + ", ".join(curves)])
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode:
        raise BenchError(f"gnuplot, {case.name}: {done.stderr.strip()}")
    return svg


def human(n: float) -> str:
    for limit, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if abs(n) >= limit:
            return f"{n / limit:.4g} {unit}"
    return f"{n:.4g}"


def table(results: dict) -> None:
    print(f"{'case':<16}{'size':>7}  {'step':<20}{first():>12}{second():>12}  "
          f"{second()}/{first()}")
    for case in CASES:
        for size, mine in sorted(results[first()].get(case.name, {}).items()):
            other = results[second()].get(case.name, {}).get(size, {})
            for step, value in mine.items():
                if step.startswith("at-") or step in ("done", "runs", "ticks-per-ms"):
                    continue
                theirs = other.get(step)
                ratio = f"{theirs / value:9.2f} x" if theirs and value else ""
                print(f"{case.name:<16}{size:>7}  {step:<20}{human(value):>12}"
                      f"{human(theirs) if theirs is not None else '-':>12}  {ratio}")


def extra(results: dict, init: Path) -> None:
    """Where an empty blackout goes, and what bringing down and up four CPUs adds."""
    for kernel, name in NAMES.items():
        found, log = run(kernel, "sessions", 1, init, phases=True)
        results["phases"][name] = phases_of(found, log)
        found, _ = run(kernel, "sessions", 1, init, icount=False)
        results["four-cpus-ms"][name] = round(found["blackout"] / found["ticks-per-ms"])
    print("an empty blackout, with the kernels' log on the console:")
    for phase, value in results["phases"][first()].items():
        print(f"  {phase:<30}{human(value):>10}{human(results['phases'][second()][phase]):>10}")
    print("with 4 CPUs, in ms of time, not repeatable: "
          + ", ".join(f"{k} {v}" for k, v in results["four-cpus-ms"].items()))


def measure(cases: list[Case], quick: bool, jobs: int, init: Path, results: dict) -> list[str]:
    """All sizes of all cases on both kernels, the long ones first."""
    work = [(k, c.name, s) for c in cases for k in NAMES for s in c.sizes(quick, k)]
    work.sort(key=lambda w: (w[1] == "scattered") * w[2] * (20 if w[0] == "stock" else 1) + w[2],
              reverse=True)
    failed = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {pool.submit(run, *w, init): w for w in work}
        for i, f in enumerate(concurrent.futures.as_completed(futures), 1):
            kernel, name, size = futures[f]
            try:
                results[NAMES[kernel]].setdefault(name, {})[size] = f.result()[0]
                print(f"{i:4}/{len(work)}  {NAMES[kernel]} {name} {size}", flush=True)
            except BenchError as err:
                failed.append(str(err))
                print(f"{i:4}/{len(work)}  FAILED {err}", flush=True)
    return failed


def main() -> int:
    global OUT                                  # pylint: disable=global-statement
    ap = argparse.ArgumentParser(description="count what a live update costs, ours and stock")
    ap.add_argument("--quick", action="store_true", help="few sizes, under four minutes")
    ap.add_argument("--host", action="store_true", help="the kernel configured as Debian's")
    ap.add_argument("--case", help="only this one")
    ap.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="guests at a time")
    args = ap.parse_args()
    cases = [c for c in CASES if args.case in (None, c.name)]
    if not cases:
        print(f"bench.py: no case {args.case}; there are {', '.join(c.name for c in CASES)}",
              file=sys.stderr)
        return 2

    if args.host:
        NAMES.clear()
        NAMES.update(HOST)
        OUT = OUT.with_name("bench-host")       # pylint: disable=invalid-name
    results: dict = {first(): {}, second(): {}, "phases": {}, "four-cpus-ms": {}}
    start = time.monotonic()
    try:
        init = compile_init()
        failed = measure(cases, args.quick, args.jobs, init, results)
        table(results)
        if not args.case:
            extra(results, init)
        plots = [plot(c, results) for c in cases if results[first()].get(c.name)]
    except (BenchError, GuestError, OSError, subprocess.CalledProcessError) as err:
        print(f"bench.py: {err}", file=sys.stderr)
        return 2
    out = OUT / "results.json"
    out.write_text(json.dumps(results, indent=1))
    for line in failed:
        print(f"FAILED {line}")
    print(f"{time.monotonic() - start:.0f} s; results: {os.path.relpath(out, ROOT)}")
    print("plots: " + " ".join(os.path.relpath(p, ROOT) for p in plots))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
