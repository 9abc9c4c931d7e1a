#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""check.py - run the tests of a tier, sum them up

    check.py --tier check|debug|all|user|kunit|stock|interop|systemd|kvm|kcsan|host|configs|deb [--test NAME]
             [--list] [--jobs N]

A suite is one program or one guest: a row of the table in checks/suites.py. What it says is
KTAP, read by the kernel tree's own parser (tools/testing/kunit). The last line is "N passed,
N failed[, N skipped]"; the exit status is not 0 if anything failed, if nothing ran, or if a
suite ended before its plan was fulfilled. Results for machines: build/results/TIER.json.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import fnmatch
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import guest
from checks.guests import RESULTS
from checks.result import Broken, Options, Result, Suite, Tier
from checks.suites import LONG, suites
from guest import GuestError
from packages import Missing

# What nobody looks at and costs the debug kernel half of its boot: 512 terminals of BSD's kind,
# 15 of 16 RAM disks
SPARED = "pty.legacy_count=0 brd.rd_nr=1"


def run_suite(suite: Suite, opts: Options) -> Result:
    res = Result(suite.name)
    start = time.monotonic()
    try:
        suite.start(res, opts)
        if not res.passed + res.failed + res.skipped:
            res.fail("nothing ran")
    except Missing as why:
        res.skipped += 1
        res.skips.append(str(why))
    except (Broken, GuestError, OSError, subprocess.SubprocessError) as err:
        res.fail(str(err))
    res.seconds = round(time.monotonic() - start, 1)
    return res


print_lock = threading.Lock()


def show(res: Result) -> None:
    verdict = "FAIL" if res.failed else "PASS" if res.passed else "SKIP"
    counts = f"{res.passed} passed"
    if res.failed:
        counts += f", {res.failed} failed"
    if res.skipped:
        counts += f", {res.skipped} skipped"
    with print_lock:
        for why in res.skips:
            print(f"      skipped {res.name}: {why}")
        print(f"{verdict}  {res.name:<22} {counts:<40} {res.seconds:7.1f} s", flush=True)
        for why in list(dict.fromkeys(res.failures))[:20]:
            print(f"    {why}")
        if len(res.failures) > 20:
            print(f"    ... and {len(res.failures) - 20} failures more")
        if res.failed and res.log:
            print(f"    log: {res.log}", flush=True)


def chosen(all_suites: list[Suite], tier: Tier, pattern: str | None) -> list[Suite]:
    if pattern:
        return [s for s in all_suites if fnmatch.fnmatch(s.name, pattern)] or \
               [s for s in all_suites if pattern in s.name]
    return [s for s in all_suites if tier in s.tiers]


def everything(tier: Tier) -> list[Suite]:
    """The suites of this tier's kernel; all of the debug kernel's too, if it is to be all."""
    found = suites()
    if tier is Tier.ALL:
        found += [replace(s, name=f"debug-{s.name}", tiers=Tier.ALL, debug=True)
                  for s in suites() if Tier.DEBUG in s.tiers]
    return found


def options(args: argparse.Namespace, debug: bool) -> Options:
    flavour = "debug" if debug else f"lean{guest.PAGES}"
    kernel = args.kernel or guest.image(flavour)
    append = f"{SPARED} {args.append}".rstrip() if debug else args.append
    return Options(kernel=kernel, next_kernel=args.next or kernel,
                   memory=args.memory or ("3G" if debug else "2G"),
                   prefix="debug-" if debug else f"{guest.PAGES}-" if guest.PAGES else "",
                   debug=debug, append=append)


def default_jobs() -> int:
    """A guest has two CPUs, of which one is mostly idle. With three guests on two, one of the
    debug kernel has been seen to hang at boot, on its way to another clock source."""
    return min(2, os.cpu_count() or 1)


def main() -> int:
    ap = argparse.ArgumentParser(description="run tests and sum them up")
    ap.add_argument("--tier", default="check", choices=[tier.name.lower() for tier in Tier])
    ap.add_argument("--test", metavar="NAME", help="only suites of this name, part or glob")
    ap.add_argument("--list", action="store_true", help="say which suites there are")
    ap.add_argument("--jobs", type=int, help="suites at a time")
    ap.add_argument("--kernel", type=Path, help="kernel to boot instead of our own")
    ap.add_argument("--next", type=Path, help="kernel to go to, if another one")
    ap.add_argument("--append", default="", help="more for the kernels' command line")
    ap.add_argument("--memory", help="memory of guests, as QEMU's -m wants it")
    args = ap.parse_args()

    tier = Tier[args.tier.upper()]
    picked = chosen(everything(tier), tier, args.test)
    if args.list:
        for s in picked:
            print(f"{s.name:<22} {s.what}")
        return 0
    picked.sort(key=lambda s: s.name not in LONG)
    start = time.monotonic()
    jobs = args.jobs or default_jobs()
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(run_suite, s, options(args, s.debug or tier is Tier.DEBUG))
                   for s in picked]
        results = []
        for f in concurrent.futures.as_completed(futures):
            results.append(f.result())
            show(results[-1])
    return finish(args.tier, results, time.monotonic() - start)


def finish(tier: str, results: list[Result], seconds: float) -> int:
    passed, failed, skipped = (sum(getattr(r, k) for r in results)
                               for k in ("passed", "failed", "skipped"))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{tier}.json").write_text(json.dumps({
        "tier": tier, "passed": passed, "failed": failed, "skipped": skipped,
        "seconds": round(seconds, 1), "suites": [asdict(r) for r in results]}, indent=1))
    if not results:
        print("no such test")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
