#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""check_series.py - is the series of `make series` one that can be sent?

    check_series.py [--from N]      begin the builds at the Nth patch, for trying things out

Each patch is applied to the untouched base with git am, after those that come before it, looked at
by checkpatch, and built with live update on, up to a linked vmlinux, and off, at W=1: nothing may
be said about a file that the series touches. A fix applies to the base by itself as well. No series
has more than MOST_PATCHES, and no patch is larger than LARGEST, but what cannot be cut. What comes out must be build/linux, file by file; it is built with clang, its
kernel-doc and documents are read, and each of its files must have an entry in MAINTAINERS.

The last line is "N passed, N failed".
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import check
import series
from checks.result import Result
from guest import BUILD, LOGS, ROOT, TREES

OUT = TREES / "series"
TREE = BUILD / "series-tree"
MOST_PATCHES = 30
LARGEST = 60 * 1024
# The removal of what is there: half of it would not build
UNCUT = ("liveupdate-Remove-the-current-orchestrator",)
FOLDERS = ["arch/x86/kernel/", "kernel/", "lib/", "mm/", "samples/"]
ON = ("base", "x86_64", "lean", "series")
OFF = ("base", "x86_64", "lean", "off")
GIT = ["git", "-c", "user.name=Live Update", "-c", "user.email=liveupdate@localhost",
       "-c", "gc.auto=0"]


def run(args: list[str], log: str, cwd: Path = TREE) -> tuple[int, list[str]]:
    """Status and output, which is also kept in build/logs."""
    LOGS.mkdir(parents=True, exist_ok=True)
    # The tree's scripts want the Python that Debian's modules belong to; ccache as in build.sh
    env = os.environ | {"PATH": f"/usr/bin:{os.environ['PATH']}", "CCACHE_NOHASHDIR": "1",
                        "CCACHE_BASEDIR": str(ROOT), "CCACHE_SLOPPINESS": "time_macros",
                        "CCACHE_IGNOREOPTIONS": "-fmacro-prefix-map=*"}
    done = subprocess.run(args, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    (LOGS / f"series-{log}.log").write_text(done.stdout)
    return done.returncode, done.stdout.splitlines()


def judge(res: Result, good: bool, what: str, said: list[str]) -> bool:
    """Count it, with the first lines of what was said if it is bad."""
    if good:
        res.passed += 1
    else:
        res.fail("\n    ".join([what, *said[:12]]))
    return good


# ---- the tree

def base_tree(touched: set[str]) -> None:
    """The untouched base. Git has only to know what the series touches, and gets copies of
    it: everything else is a hard link. And the licences, which checkpatch looks up there."""
    shutil.rmtree(TREE, ignore_errors=True)
    subprocess.run(["cp", "-al", str(series.STOCK), str(TREE)], check=True)
    there = sorted(p for p in touched if (TREE / p).is_file())
    for path in there:
        (TREE / path).unlink()
        shutil.copy2(series.STOCK / path, TREE / path)
    subprocess.run(["git", "init", "-q"], cwd=TREE, check=True)
    subprocess.run(["git", "add", "-f", "--pathspec-from-file=-"], cwd=TREE, check=True,
                   input="\n".join([*there, "LICENSES"]), text=True)
    subprocess.run([*GIT, "commit", "-q", "-m", "base"], cwd=TREE, check=True)


# ---- building

class Config:
    """One configuration of the tree, built in a folder of its own."""

    def __init__(self, name: str, fragments: tuple[str, ...], make: list[str]) -> None:
        self.name = name
        self.out = BUILD / "out" / f"series-{name}"
        self.wanted = "".join((ROOT / f"configs/{f}.config").read_text() for f in fragments)
        self.make = ["make", "-s", f"O={self.out}", f"-j{os.cpu_count()}", "W=1", "ARCH=x86_64",
                     "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970", *make]

    def configure(self) -> list[str]:
        """Options go away where they are not known yet; return those."""
        self.out.mkdir(parents=True, exist_ok=True)
        config = self.out / ".config"
        run([*self.make, "tinyconfig"], f"{self.name}-config")
        with open(config, "a", encoding="ascii") as f:
            f.write(self.wanted)
        run([*self.make, "olddefconfig"], f"{self.name}-config")
        return self.missing(config.read_text().splitlines())

    def missing(self, have: list[str]) -> list[str]:
        want: dict[str, str] = {}
        for line in self.wanted.splitlines():
            m = re.match(r"(?:# )?(CONFIG_\w+)(?:=(.*)| is not set)$", line)
            if m:
                want[m[1]] = m[2] or "n"
        got = dict(line.split("=", 1) for line in have if line.startswith("CONFIG_"))
        return [f"{k}={v}" for k, v in want.items() if got.get(k, "n") != v]

    def build(self, targets: list[str], touched: set[str], log: str) -> tuple[bool, list[str]]:
        """Does it build, and is nothing said about what the series touches?"""
        status, said = run([*self.make, *targets], f"{log}-{self.name}")
        found = [ln for ln in said for m in [re.match(r"(?:\.\./)*(?:\S*/series-tree/)?(\S+?):\d*:?.*"
                                                      r"(?:warning|error)", ln)]
                 if m and (status or m[1] in touched)]
        if status and not found:
            found = [ln for ln in said if "***" in ln or "error" in ln.lower()] or said[-5:]
        return not status and not found, found


GCC = ["CC=ccache gcc", "HOSTCC=ccache gcc"]
CLANG = ["LLVM=-19", "CC=ccache clang-19", "HOSTCC=ccache clang-19"]


def checkpatch(res: Result, patch: Path) -> None:
    # libelf has names in CamelCase, and the history of the base, which Fixes: names, is not here.
    libelf = re.search(r"^\+\+\+ b/tools/liveupdate/(notes|preserved)\.c$", patch.read_text(), re.M)
    ignore = "FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID" + ",CAMELCASE" * bool(libelf)
    status, said = run(["scripts/checkpatch.pl", "--strict", "--no-signoff", "--ignore", ignore,
                        "--terse", "--no-summary", "--show-types", str(patch)],
                       f"{number(patch)}-checkpatch")
    judge(res, not status and not said, "checkpatch", said)


def number(patch: Path) -> str:
    """With the series that it is in, for names of logs."""
    return f"{patch.parent.name}-{patch.name[:4]}"


def check_sizes(res: Result, patches: list[Path]) -> None:
    for name in series.SERIES:
        some = [p for p in patches if p.parent.name == name and not series.is_letter(p)]
        judge(res, 0 < len(some) <= MOST_PATCHES, f"{name} has {len(some)} patches", [])
        for patch in some:
            size = patch.stat().st_size
            judge(res, size <= LARGEST or patch.stem[5:] in UNCUT,
                  f"{number(patch)} has {size} bytes", [])


def check_alone(res: Result, patches: list[Path]) -> None:
    """Each fix can be sent by itself."""
    for patch in [p for p in patches if p.parent.name == "fixes"]:
        status, said = run(["git", "apply", "--check", str(patch)], f"{number(patch)}-alone")
        judge(res, not status, f"{number(patch)} does not apply by itself", said)


def check_patch(res: Result, patch: Path, configs: list[Config], touched: set[str],
                builds: bool) -> bool:
    status, said = run([*GIT, "am", "-q", "--empty=drop", str(patch)], f"{number(patch)}-am")
    if not judge(res, not status, "git am", said):
        return False
    checkpatch(res, patch)
    if not builds:
        return True
    changed = re.findall(r"^(?:---|\+\+\+) [ab]/(\S+)", patch.read_text(), re.M)
    for config in configs:
        if any(Path(p).name.startswith("Kconfig") for p in changed) or not config.out.exists():
            config.configure()
        targets = ["vmlinux"] if config.name == "on" else FOLDERS
        judge(res, *named(config.build(targets, touched, number(patch)),
                          f"with live update {config.name}"))
    return True


def named(outcome: tuple[bool, list[str]], what: str) -> tuple[bool, str, list[str]]:
    return outcome[0], what, outcome[1]


# ---- the whole

def check_equal(res: Result) -> None:
    status, said = run(["diff", "-rq", "--exclude=.git", "--exclude=.checkpatch-*",
                        str(series.LINUX), str(TREE)], "equal")
    judge(res, not status, "it is not build/linux", said)


def check_last(res: Result, touched: set[str]) -> None:
    """All options at once, the base's own test of FLBs among them, and clang."""
    for name, fragments, make in (("on", (*ON, "interop"), GCC), ("off", OFF, GCC),
                                  ("clang-on", (*ON, "interop"), CLANG), ("clang-off", OFF, CLANG)):
        config = Config(name, fragments, make)
        lost = config.configure()
        judge(res, not lost, f"{name}: options are not to be had", lost)
        targets = ["vmlinux"] if name == "on" else FOLDERS
        judge(res, *named(config.build(targets, touched, "last"), f"{name}: does not build clean"))


def check_docs(res: Result, touched: set[str]) -> None:
    code = sorted(p for p in touched if p.endswith((".c", ".h")) and (TREE / p).exists() and
                  not p.startswith("tools/") and (ROOT / p).exists())
    _, said = run(["scripts/kernel-doc", "-none", "-Wall", *code], "kernel-doc")
    judge(res, not said, "kernel-doc", said)
    status, said = run([str(ROOT / "scripts/docs.sh"), str(TREE), str(BUILD / "series-docs")],
                       "docs")
    judge(res, not status, "the documents", said)


def check_maintainers(res: Result, touched: set[str]) -> None:
    """Our files have somebody who looks after them. Some of the base's have only the list."""
    for path in sorted(touched):
        if not (TREE / path).exists():
            continue
        _, said = run(["scripts/get_maintainer.pl", "--no-git", "--no-git-fallback", "--no-tree",
                       "-f", path], "maintainers")
        want = "maintainer" if (ROOT / path).exists() else "@"
        judge(res, any(want in line for line in said), f"{path}: no {want}", said)


def main() -> int:
    ap = argparse.ArgumentParser(description="check the patch series")
    ap.add_argument("--from", type=int, default=1, dest="first", metavar="N")
    args = ap.parse_args()

    start = time.monotonic()
    results: list[Result] = []

    def suite(name: str, action, *more) -> bool:
        res = Result(name)
        begun = time.monotonic()
        try:
            action(res, *more)
        except (OSError, subprocess.SubprocessError, series.SeriesError) as err:
            res.fail(str(err))
        res.seconds = time.monotonic() - begun
        results.append(res)
        check.show(res)
        return not res.failed

    try:
        touched = series.touched()
        patches = series.write(OUT)
        base_tree(touched)
    except (OSError, subprocess.SubprocessError, series.SeriesError) as err:
        res = Result("series")
        res.fail(str(err))
        check.show(res)
        return check.finish("series", [res], 0)
    for out in BUILD.glob("out/series-*"):
        shutil.rmtree(out)
    configs = [Config("on", ON, GCC), Config("off", OFF, GCC)]
    suite("sizes", check_sizes, patches)
    suite("fixes, each by itself", check_alone, patches)
    number_of = {patch: i for i, patch in enumerate(
        (p for p in patches if not series.is_letter(p)), 1)}
    for patch in patches:
        suite(f"{patch.parent.name}/{patch.name[:30]}", check_patch, patch, configs, touched,
              number_of.get(patch, 0) >= args.first)
    suite("equal to build/linux", check_equal)
    suite("all options, clang", check_last, touched)
    suite("documents", check_docs, touched)
    suite("maintainers", check_maintainers, touched)
    return check.finish("series", results, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
