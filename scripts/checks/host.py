# SPDX-License-Identifier: GPL-2.0
"""host.py - suites that are programs of this machine"""
from __future__ import annotations

import os
import re
import subprocess

import bench
from guest import LOGS, ROOT

from .ktap import add_ktap, documents
from .result import Broken, Options, Result


def make_user(res: Result, target: str, log_name: str) -> tuple[int, list[str]]:
    """make, in the folder of the pure code: its status, and what was said."""
    folder = ROOT / "tools/testing/liveupdate"
    if not (folder / "Makefile").exists():
        raise Broken("tools/testing/liveupdate has no Makefile")
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{log_name}.log"
    with open(log, "w", encoding="utf-8") as out:
        ret = subprocess.run(["make", "-s", "-C", str(folder), target], stdout=out,
                             stderr=subprocess.STDOUT, check=False).returncode
    res.log = os.path.relpath(log, ROOT)
    return ret, log.read_text(errors="replace").splitlines()


def run_user(res: Result, _opts: Options) -> None:
    """Pure code under sanitizers: a program of this machine that prints KTAP."""
    ret, lines = make_user(res, "run", "user")
    for doc in documents(lines):
        add_ktap(res, doc)
    if ret and not res.failed:
        res.fail(f"make run ended with status {ret}")


def run_fuzz(res: Result, _opts: Options, target: str) -> None:
    """A fuzzer for its bounded time. It has to tell at the end what it has seen."""
    ret, lines = make_user(res, target, target)
    told = [line for line in lines if line.startswith("fuzzed: ")]
    bad = [line for line in lines if re.search(r"ERROR: |runtime error: |not so: ", line)]
    res.judge(not ret and bool(told), "\n    ".join(
        [f"make {target} ended with status {ret}", *(bad or lines)[-8:]]))


def run_script(res: Result, _opts: Options, name: str) -> None:
    """A script of scripts/ that may speak KTAP; if it does not, its status is the result."""
    script = ROOT / "scripts" / name
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{script.stem}.log"
    with open(log, "w", encoding="utf-8") as out:
        ret = subprocess.run([str(script)], stdout=out, stderr=subprocess.STDOUT,
                             check=False).returncode
    res.log = os.path.relpath(log, ROOT)
    lines = log.read_text(errors="replace").splitlines()
    for doc in documents(lines):
        add_ktap(res, doc)
    if ret and not res.failed:
        res.fail("\n    ".join([f"{name} ended with status {ret}", *lines[-8:]]))
    elif not ret and not res.passed:
        res.passed += 1


def run_coverage(res: Result, _opts: Options) -> None:
    """scripts/coverage.py: the suites once more, on a kernel that counts its lines."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / "coverage.log"
    with open(log, "w", encoding="utf-8") as out:
        for args in (["build.sh", "coverage"], ["coverage.py", "--jobs", "1"]):
            ret = subprocess.run([str(ROOT / "scripts" / args[0]), *args[1:]], stdout=out,
                                 stderr=subprocess.STDOUT, check=False).returncode
            if ret:
                break
    res.log = os.path.relpath(log, ROOT)
    res.judge(not ret, "\n    ".join([f"{args[0]} ended with status {ret}",
                                     *log.read_text(errors="replace").splitlines()[-8:]]))


def run_bench(res: Result, _opts: Options) -> None:
    """The measuring program is built of the selftests' parts, and measured only now and then."""
    bench.compile_init()
    res.passed += 1
