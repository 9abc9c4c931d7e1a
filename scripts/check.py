#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""check.py - run the tests of a tier, sum them up

    check.py --tier check|debug|all|user|kunit|stock|interop|systemd|kvm|kcsan [--test NAME] [--list]
             [--jobs N]

A suite is one program or one guest. What it says is KTAP, read by the kernel tree's own
parser (tools/testing/kunit). The last line is "N passed, N failed[, N skipped]"; the exit
status is not 0 if anything failed, if nothing ran, or if a suite ended before its plan was
fulfilled. Results for machines: build/results/TIER.json.

To add a test: a case in one of the programs of tools/testing/selftests/liveupdate needs
nothing here; a new program is a line in suites().
"""
from __future__ import annotations

import argparse
import concurrent.futures
import fnmatch
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Callable

import bench
import demo_vm
import guest
import images
import systemd
from guest import (BUILD, LOGS, LUOCTL, ROOT, TREES, Guest, GuestError, Initramfs,
                   luoctl_arguments, trouble)
from packages import Missing

SELFTESTS = ROOT / "tools/testing/selftests/liveupdate"
SELFTESTS_OUT = BUILD / f"selftests{guest.PAGES}"
STOCK_OUT = BUILD / "stock-selftests"
# What tests of luoctl use in a shell
BUSYBOX = ("sh", "cat", "cmp", "grep", "ln", "ls", "mkdir", "mount", "rm", "sleep", "test", "true",
           "umount", "unshare", "wc")
RESULTS = BUILD / "results"
# A failed vmalloc shows where it was called from. A BUG or WARNING has a line of its own.
FAULT_NOISE = "Call Trace:"
STOCK_PROGRAMS = ("luo_kexec_simple", "luo_multi_session", "luo_stress_sessions",
                  "luo_stress_files")


class Broken(Exception):
    """A suite could not be run to its end; the text says why."""


@dataclass
class Result:
    """What a suite came to. A reason goes with each failure and each skip."""
    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    skips: list[str] = field(default_factory=list)
    log: str = ""

    def fail(self, why: str) -> None:
        self.failed += 1
        self.failures.append(why)


@dataclass
class Suite:
    """A name, the tiers it belongs to, and how to run it into a Result."""
    name: str
    tiers: tuple[str, ...]
    what: str
    run: Callable[[Result], None]


@dataclass
class Options:
    """What the command line said and every suite may want to know."""
    kernel: Path
    next_kernel: Path
    memory: str
    prefix: str         # of log names, so that tiers do not share them
    debug: bool
    append: str         # to every command line
    cpus: int = 0       # of guests; 0: as many as they have by default
    gcov: Path | None = None    # where guests leave what they counted


# ---- KTAP

def base_tree() -> Path:
    """The kernel tree whose tools we use: the built one, or else the untouched one."""
    for tree in (TREES / "linux", TREES / "stock"):
        if (tree / "tools/testing/kunit/kunit_parser.py").exists():
            return tree
    raise Broken("no kernel tree under build/; run make first")


parser_lock = threading.Lock()


def parse(lines: list[str]):
    """Let the tree's parser read one KTAP document."""
    with parser_lock:
        path = str(base_tree() / "tools/testing/kunit")
        if path not in sys.path:
            sys.path.insert(0, path)
        import kunit_parser                     # pylint: disable=import-outside-toplevel
        import kunit_printer                    # pylint: disable=import-outside-toplevel
        return kunit_parser.parse_run_tests(lines, kunit_printer.null_printer)


def leaves(test, above: str = ""):
    """Every test that is not a group, with its full name."""
    name = f"{above}.{test.name}" if above else test.name
    if test.name == "main":
        name = above
    if not test.subtests:
        yield name, test
    for sub in test.subtests:
        yield from leaves(sub, name)


def skip_reasons(lines: list[str]) -> list[str]:
    found = []
    for line in lines:
        m = re.search(r"ok \d+ (?:- )?(.*?)\s*# SKIP\s*(.*)", line, re.I)
        if m:
            found.append(f"{m.group(1)}: {m.group(2) or 'no reason given'}")
    return found


def bail_outs(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("Bail out!")]


def explain(what: str, log: list[str]) -> str:
    """A failure with what the program said about it, but not all of it."""
    said = [line for line in log if line.strip() and not re.match(
        r"#\s+(RUN|OK|FAIL) |.*Test (failed|terminated by assertion)", line)]
    # Lines that name a place in the source, and what stands around them
    places = {i for i, line in enumerate(said) if re.search(r"\.c:\d+", line)}
    near = {j for i in places for j in (i - 1, i, i + 1)}
    picked = [line for i, line in enumerate(said) if not places or i in near]
    more = [f"... and {len(picked) - 9} lines more"] if len(picked) > 9 else []
    return "\n    ".join([what, *picked[:9], *more])


def add_ktap(res: Result, lines: list[str], where: str = "") -> None:
    """Add what one document says. A test that crashed or is missing has failed."""
    test = parse(lines)
    counts = test.counts
    bad = counts.failed + counts.crashed
    if counts.errors and not bad:
        bad = 1
    res.passed += counts.passed
    res.skipped += counts.skipped
    res.failed += bad
    res.skips += skip_reasons(lines)
    named = 0
    for name, leaf in leaves(test):
        if leaf.status.name not in ("SUCCESS", "SKIPPED"):
            named += 1
            res.failures.append(explain(f"{where}{name or 'missing'}: {leaf.status.name.lower()}",
                                        leaf.log or bail_outs(lines)))
    if counts.errors and not named:
        res.failures.append(f"{where}output does not fit its plan")
    if not any(re.match(r"1\.\.\d+", line) for line in lines):
        res.fail(f"{where}output without a plan")


# ---- guests

@dataclass
class Part:
    """What one program said in one kernel."""
    program: str
    lines: list[str] = field(default_factory=list)
    status: int | None = None           # None: it never came back


def split_parts(lines: list[str]) -> tuple[list[Part], bool]:
    """Cut a guest's output at the marks that luo_init makes; did it come to its end?"""
    parts: list[Part] = []
    for line in lines:
        m = re.match(r"# luo: (begin|end) (\S+) (\d+)", line)
        if not m:
            if parts:
                parts[-1].lines.append(line)
        elif m.group(1) == "begin":
            parts.append(Part(m.group(2)))
        elif m.group(2) == "guest":
            return parts, True
        elif parts:
            parts[-1].status = int(m.group(3))
    return parts, False


def nested(parts: list[Part]) -> str:
    """All plans of a guest as one document."""
    out = ["KTAP version 1", f"1..{len(parts)}"]
    for i, part in enumerate(parts, 1):
        out += ["    " + line for line in part.lines]
        good = not any(line.startswith(("not ok", "Bail out")) for line in part.lines)
        out.append(f"{'ok' if good else 'not ok'} {i} {part.program}.{i}")
    return "\n".join(out) + "\n"


def selftest_files(opts: Options, programs: list[str], two: bool) -> dict:
    files: dict[str, Path | bytes | str] = {"init": SELFTESTS_OUT / "luo_init"}
    for prog in programs:
        if (SELFTESTS_OUT / prog).exists():
            files[f"bin/{prog}"] = SELFTESTS_OUT / prog
    if two:
        files["boot/kernel"] = opts.kernel
        if opts.next_kernel != opts.kernel:
            files["boot/kernel-2"] = opts.next_kernel
    return files


def need_kernel(kernel: Path) -> None:
    if not kernel.exists():
        raise Broken(f"no kernel at {os.path.relpath(kernel, ROOT)}: make builds it")


def log_name(res: Result, opts: Options) -> str:
    return opts.prefix + res.name.removeprefix(opts.prefix)


def modules(opts: Options) -> dict:
    """What tests load, if it is not built in."""
    out = opts.kernel.resolve().parent / "../../.."
    config = out / ".config"
    wanted = config.read_text() if config.exists() else ""
    return {f"lib/modules/{path.name}": path for option, path in (
        ("SAMPLE_LIVEUPDATE_FLB", out / "samples/liveupdate/flb_sample.ko"),
        ("LIVEUPDATE_FLB_TEST", out / "kernel/liveupdate/tests/luo_flb_test.ko"),
        ("LIVEUPDATE_FLB_TEST", out / "kernel/liveupdate/tests/luo_device_test.ko"))
        if f"CONFIG_{option}=m\n" in wanted}


def boot(res: Result, opts: Options, files: dict, append: str, allow: str | None = None,
         panics: str = ""):
    """Run a guest and add to the result what its kernel complained about, up to the panic
    that is expected."""
    need_kernel(opts.kernel)
    name = log_name(res, opts)
    machine = Guest(name, opts.kernel, Initramfs(files).packed(), f"{append} {opts.append}",
                    opts.memory)
    if opts.cpus:
        machine.cpus = opts.cpus
    if opts.gcov:
        machine.more = ("-serial", f"file:{opts.gcov / name}.gcov")
    out = machine.run()
    res.log = os.path.relpath(out.log, ROOT)
    bad = trouble(out.kernel[:panic_line(out.kernel, panics)], allow)
    if bad:
        res.fail("kernel log: " + "\n    ".join(bad[:8]))
    if out.why:
        res.fail(out.why)
    elif out.status:
        res.fail(f"QEMU ended with status {out.status}")
    return out


def panic_line(lines: list[str], panics: str) -> int | None:
    """Where the expected panic is; None without one."""
    return next((i for i, line in enumerate(lines)
                 if panics and re.search(f"Kernel panic - not syncing: {panics}$", line)), None)


def check_panic(res: Result, log: list[str], last: list[Part], panics: str) -> bool:
    """Is that panic there, and did the last kernel come to no result before it?"""
    at = panic_line(log, panics)
    if at is None:
        res.fail(f"the kernel was to panic: {panics}")
    elif len(last) > 1 or any(re.match("(not )?ok ", ln) for p in last for ln in p.lines):
        res.fail(f"the kernel was to panic earlier: {panics}")
    else:
        res.passed += 1
        return True
    return False


def expect_lines(res: Result, log: list[str], pattern: str, times: int = 1) -> None:
    count = sum(bool(re.search(pattern, line)) for line in log)
    if count == times:
        res.passed += 1
    else:
        res.fail(f"{count} lines of the kernel's log have {pattern!r} in them, not {times}")


def counted(programs) -> str:
    """What ran, in its order; how often, if that was more than once in a row."""
    runs = [(name, len(list(group))) for name, group in itertools.groupby(programs)]
    return ", ".join(f"{name} x {n}" if n > 1 else name for name, n in runs) or "nothing"


def run_programs(res: Result, opts: Options, programs: list[str], kernels: int = 1,
                 env: str = "", extra: dict | None = None, image: bool = False,
                 once_in_log: tuple[str, ...] = (), allow: str | None = None,
                 panics: str = "") -> list[str]:
    """Boot with our /init, which runs the programs; each has one document per kernel.
    Each text of `once_in_log` must stand in exactly one line of the kernel's log. If there
    is a pattern `panics`, the last kernel must end with that panic, before any result.
    Returns the kernel's log."""
    build_selftests()
    files = selftest_files(opts, programs, kernels > 1 or image) | (extra or {})
    if kernels > 1 or image:
        files |= modules(opts)
    append = f"luo_run={','.join(programs)} luo_required=1 {env}".rstrip()
    expected = list(programs) * kernels
    if panics:
        expected = list(programs) * (kernels - 1)
    elif opts.debug:
        append += " luo_kmemleak=1"
        expected.append("kmemleak")
    out = boot(res, opts, files, append, allow, panics)
    parts, complete = split_parts(out.tests)
    if panics and check_panic(res, out.kernel, parts[len(expected):], panics):
        parts, complete = parts[:len(expected)], True
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{log_name(res, opts)}.ktap").write_text(nested(parts))
    for i, part in enumerate(parts, 1):
        where = f"kernel {i}: " if kernels > 1 and part.program != "kmemleak" else ""
        add_ktap(res, part.lines, where)
        if part.status is not None and part.status > 4 and not res.failures:
            res.fail(f"{where}{part.program} ended with status {part.status}")
    for text in once_in_log:
        expect_lines(res, out.kernel, re.escape(text))
    if [p.program for p in parts] != expected:
        res.fail(f"ran {counted(p.program for p in parts)}, expected {counted(expected)}")
    elif not complete:
        res.fail("the guest died before its end")
    return out.kernel


def run_kunit(res: Result, opts: Options, glob: str) -> None:
    """The kernel's own unit tests: KTAP in its log, before it looks for an init."""
    build_selftests()
    out = boot(res, opts, {"init": SELFTESTS_OUT / "luo_init"},
               f"kunit.enable=1 kunit.autorun=1 kunit.filter_glob={glob}"
               + (" luo_kmemleak=1" if opts.debug else ""))
    lines = [re.sub(r"^\[ *[\d.]+\](?:\[ *[TC]\d+\])? ?", "", ln) for ln in out.kernel]
    lines = [ln for ln in lines if re.match(r"\s*(#|K?TAP version|1\.\.\d|(not )?ok |kunit)", ln)]
    if not any(ln.startswith("KTAP version") for ln in lines):
        raise Broken("the kernel ran no KUnit test; is CONFIG_KUNIT on, and any suite?")
    add_ktap(res, lines)
    parts, complete = split_parts(out.tests)
    for part in parts:
        add_ktap(res, part.lines)
    if not complete:
        res.fail("the guest died before its end")
    elif opts.debug and [p.program for p in parts] != ["kmemleak"]:
        res.fail("nobody has looked for leaks")


# ---- programs to build, once

build_lock = threading.Lock()
built: dict[str, str] = {}


def once(what: str, action: Callable[[], None]) -> None:
    """Do it the first time; the others learn of its failure too."""
    with build_lock:
        if what not in built:
            try:
                action()
                built[what] = ""
            except (Broken, OSError, subprocess.SubprocessError) as err:
                built[what] = str(err)
        if built[what]:
            raise Broken(built[what])


def make(args: list[str], log_name: str) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{log_name}.log"
    with open(log, "w", encoding="utf-8") as out:
        ret = subprocess.run(["make", f"-j{os.cpu_count()}", *args], stdout=out,
                             stderr=subprocess.STDOUT, check=False).returncode
    if ret:
        tail = [ln for ln in log.read_text().splitlines() if "error" in ln.lower()][:5]
        raise Broken("\n    ".join([f"make failed, see {os.path.relpath(log, ROOT)}", *tail]))


# For the tests' Makefiles
CROSS = ["CC=aarch64-linux-gnu-gcc"] if guest.ARCH == "arm64" else []
PAGE = [f"PAGE={int(guest.PAGES.removesuffix('k')) * 1024}"] if guest.PAGES else []


def build_selftests() -> None:
    def action() -> None:
        SELFTESTS_OUT.mkdir(parents=True, exist_ok=True)
        make(["-C", str(SELFTESTS_OUT), "-f", str(SELFTESTS / "Makefile"), f"SRC={SELFTESTS}",
              f"KSELFTEST={base_tree() / 'tools/testing/selftests'}",
              f"UAPI={ROOT / 'include/uapi'}", *CROSS, *PAGE], "build-selftests")
    once("selftests", action)


def build_stock_selftests() -> None:
    """The base's own programs, unmodified, against our header. They build in their source
    folder, so this happens in a copy of it."""
    def action() -> None:
        source = TREES / "stock/tools/testing/selftests"
        if not (source / "liveupdate").is_dir():
            raise Broken("no stock tree; run make first")
        copy = STOCK_OUT / "tools/testing/selftests"
        if not copy.exists():
            shutil.copytree(source, copy, symlinks=True, ignore=lambda d, names: [
                n for n in names if Path(d) == source and (source / n).is_dir()
                and n not in ("liveupdate", "kselftest")])
            (STOCK_OUT / "scripts").mkdir(exist_ok=True)
            shutil.copy(TREES / "stock/scripts/subarch.include", STOCK_OUT / "scripts")
        make(["-C", str(copy / "liveupdate"), f"OUTPUT={STOCK_OUT}",
              f"KHDR_INCLUDES=-isystem {ROOT / 'include/uapi'}", "LDFLAGS=-static", *CROSS],
             "build-stock-selftests")
    once("stock selftests", action)


def build_luoctl() -> None:
    """luoctl, for a guest that has no libraries."""
    once("luoctl", lambda: make(luoctl_arguments(), "build-luoctl"))


# ---- suites

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


def run_user(res: Result) -> None:
    """Pure code under sanitizers: a program of this machine that prints KTAP."""
    ret, lines = make_user(res, "run", "user")
    for doc in documents(lines):
        add_ktap(res, doc)
    if ret and not res.failed:
        res.fail(f"make run ended with status {ret}")


def run_fuzz(res: Result, target: str) -> None:
    """A fuzzer for its bounded time. It has to tell at the end what it has seen."""
    ret, lines = make_user(res, target, target)
    told = [line for line in lines if line.startswith("fuzzed: ")]
    bad = [line for line in lines if re.search(r"ERROR: |runtime error: |not so: ", line)]
    if ret or not told:
        res.fail("\n    ".join([f"make {target} ended with status {ret}", *(bad or lines)[-8:]]))
    else:
        res.passed += 1


def documents(lines: list[str]) -> list[list[str]]:
    """Cut at each version line that is not indented."""
    docs: list[list[str]] = []
    for line in lines:
        if re.match(r"K?TAP version \d+", line):
            docs.append([])
        if docs:
            docs[-1].append(line)
    return docs


def run_script(res: Result, name: str) -> None:
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


def run_coverage(res: Result) -> None:
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
    if ret:
        res.fail("\n    ".join([f"{args[0]} ended with status {ret}",
                                *log.read_text(errors="replace").splitlines()[-8:]]))
    else:
        res.passed += 1


EXTENDED = ("check", "all", "debug")
NOT_DEBUG = ("check", "all")

# They take minutes, and begin first: at the end nothing would run beside them
LONG = ("style", "kexec-repeat", "preflight")

# Damages in kexec_hostile.c
HOSTILE = 67
# What other kernels read, too
MEMFD_V2 = "liveupdate.memfd_format=v2"

# A data race is ours if one of so many innermost functions of either stack is: what raced may
# be a helper that we have called
RACE_DEPTH = 3

# Three objects, for one handler's files
FAULT_OBJECTS = "luo_flb_test.links=7"


def suites(opts: Options) -> list[Suite]:
    """Every suite there is."""
    def programs(name: str, tiers: tuple[str, ...], what: str, progs: list[str],
                 **kw) -> Suite:
        return Suite(name, tiers, what, lambda r: run_programs(r, opts, progs, **kw))

    def jump(name: str, kernels: int, what: str, tiers: tuple[str, ...] = EXTENDED,
             args: str = "", **kw) -> Suite:
        env = f"luo_stage=1 luo_test={name} {args}".rstrip()
        return Suite(f"kexec-{name}", tiers, what, lambda r: run_programs(
            r, opts, ["luo_kexec"], kernels=kernels, env=env, **kw))

    def v2(name: str, what: str, tiers: tuple[str, ...] = EXTENDED, args: str = "",
           **kw) -> Suite:
        """The same with the other format of memfds."""
        return replace(jump(name, 2, what, tiers, f"{args} {MEMFD_V2}", **kw),
                       name=f"kexec-{name}-v2")

    def hostile(name: str, tiers: tuple[str, ...], what: str, damages: int) -> Suite:
        return Suite(f"kexec-{name}", tiers, what, lambda r: run_hostile(r, opts, damages))

    def flb(name: str, kernels: int, what: str, tiers: tuple[str, ...] = ("check", "all"),
            **kw) -> Suite:
        return jump(f"flb-{name}", kernels, what, tiers, **kw)

    some = [
        Suite("user", ("check", "all", "user"), "pure code under sanitizers", run_user),
        Suite("fuzz-wire", ("check", "all"), "handovers, damaged with their structure in mind",
              lambda r: run_fuzz(r, "fuzz-wire")),
        Suite("fuzz-extent", ("check", "all"), "lists of extents, the same way",
              lambda r: run_fuzz(r, "fuzz-extent")),
        Suite("fuzz-image", ("check", "all"), "memfds in the older format, the same way",
              lambda r: run_fuzz(r, "fuzz-image")),
        Suite("kunit", (*EXTENDED, "kunit"), "KUnit suites luo*",
              lambda r: run_kunit(r, opts, "luo*")),
        programs("ioctl", NOT_DEBUG, "every ioctl, every size", ["luo_ioctl"]),
        programs("session", NOT_DEBUG, "device, names, preserve", ["luo_session"]),
        programs("memfd", EXTENDED, "a memfd while it is preserved", ["luo_memfd"]),
        Suite("freeze", EXTENDED, "FREEZE and THAW",
              lambda r: run_programs(r, opts, ["luo_freeze"], extra=modules(opts))),
        programs("refuse", EXTENDED, "memfds that cannot be carried", ["luo_refuse"]),
        programs("policy", NOT_DEBUG, "what a session allows, and what not", ["luo_policy"]),
        programs("race", NOT_DEBUG, "many threads at once", ["luo_race"]),
        programs("calls", EXTENDED, "calls at random", ["luo_fuzz"],
                 env=f"luo_calls={50000 if opts.debug else 10000}"),
        programs("reboot", EXTENDED, "reboots that are refused", ["luo_reboot"], image=True),
        jump("memfd", 2, "memfds of every shape in the next kernel"),
        jump("session", 3, "sessions over three kernels", once_in_log=("unwanted", "half-done")),
        jump("fd", 2, "retrieving files", NOT_DEBUG),
        jump("write", 2, "writing until the jump", NOT_DEBUG),
        Suite("kexec-extent", EXTENDED, "mode, owner, how it was opened; many extents",
              lambda r: run_extent(r, opts)),
        jump("extent-damage", 2, "lists of extents damaged before they are read"),
        jump("extent-page", 2, "the page of small objects damaged before it is read"),
        jump("extent-address", 2, "wrong addresses of small objects"),
        jump("extent-dropped", 2, "extents that nobody retrieves"),
        v2("memfd", "memfds of every shape, as memfd-v2"),
        v2("write", "writing until the jump, as memfd-v2"),
        # A KASAN kernel takes longest to boot: what does not disturb each other shares a guest.
        programs("programs", ("debug",), "ioctl, session, policy and race in one guest",
                 ["luo_ioctl", "luo_session", "luo_policy", "luo_race"]),
        replace(jump("fd,write", 2, "fd and write in one guest", ("debug",)),
                name="kexec-fd-write"),
        jump("sleeper", 2, "the reboot and a sleeper that holds a lock"),
        jump("damage", 3, "memory of sessions, files, memfds damaged before it is read",
             args=MEMFD_V2),
        jump("unchecked", 2, "memory of files damaged, and there are no checksums",
             args=MEMFD_V2),
        *flb_suites(flb),
        hostile("hostile", ("check", "debug"), "six handovers damaged by the kernel that writes them",
                6),
        hostile("hostile-all", ("all",), "the same with every field, in every way", HOSTILE),
        jump("off", 3, "live update off in the next kernel", ("check", "all")),
        jump("kho-off", 3, "handover off in the next kernel", ("check", "all")),
        programs("status", EXTENDED, "what /sys and /proc say", ["luo_status"], image=True),
        jump("status", 3, "the same over three kernels"),
        Suite("kexec-parallel", EXTENDED, "sessions retrieved by many threads at once",
              lambda r: run_programs(r, replace(opts, cpus=4), ["luo_kexec"], 2,
                                     "luo_stage=1 luo_test=parallel")),
        jump("published", 3, "what KHO's debugfs shows stays what it was"),
        Suite("kexec-unwanted", ("check", "all"), "sessions that no program wants, named in the log",
              lambda r: run_unwanted(r, opts)),
        jump("trace", 2, "the tracepoints", ("debug",)),
        jump("repeat", 51, "fifty live updates in a row", ("check", "all")),
        jump("scale", 2, "ten thousand sessions, ten thousand files", ("all",)),
        jump("stress", 2, "many threads until the jump, while reboots are refused"),
        # On a slow machine the kernel shows where the test has waited long for memory.
        jump("pressure", 2, "swap, groups with a limit, no memory left", ("debug",),
             args="brd.rd_size=131072", allow="luo_kexec: page allocation stall"),
        programs("charged", ("debug",), "who pays for what is preserved", ["luo_charged"],
                 allow=f"{FAULT_NOISE}|luo_charged invoked oom-killer"),
        jump("fault", 2, "retrieving and finishing with faults injected", ("debug",),
             args=FAULT_OBJECTS, allow=FAULT_NOISE),
        v2("fault", "the same as memfd-v2", ("debug",), FAULT_OBJECTS, allow=FAULT_NOISE),
        programs("fail-nth", ("debug",), "every allocation and user copy fails once",
                 ["luo_fail_nth"], image=True, allow=FAULT_NOISE),
        programs("fail-nth-v2", ("debug",), "the same as memfd-v2", ["luo_fail_nth"],
                 env=MEMFD_V2, image=True, allow=FAULT_NOISE),
    ]
    some.append(Suite("formats", EXTENDED, "what luoctl finds in the image",
                      lambda r: run_formats(r, opts)))
    # The tool is a program of this machine.
    if guest.ARCH == "x86_64" and shutil.which("kexec"):
        some.append(Suite("kexec-legacy", EXTENDED, "an image of kexec_load(2)",
                          lambda r: run_legacy(r, opts)))
    if guest.ARCH == "x86_64":
        some.append(Suite("kvm", ("kvm",), "a virtual CPU that waits for frozen memory",
                          lambda r: run_programs(
                              r, replace(opts, kernel=guest.image("kvm")), ["luo_kvm"])))
        some += kcsan_suites(opts)
        # The kernel shows where who cannot be stopped waits.
        some.append(programs("back", ("debug",), "images that come back", ["luo_back"],
                             allow="task:luo_back"))
        some.append(Suite("refuse-added", ("check", "all"), "memory that was added after boot",
                          lambda r: run_added(r, opts)))
        some.append(Suite("kexec-crash", ("check", "all"), "a panic between freeze and jump",
                          lambda r: run_crash(r, opts)))
        some.append(Suite("shell", ("check", "all"), "make shell, typed into",
                          lambda r: run_shell(r, opts)))
        some.append(Suite("preflight", ("check", "all"), "which kernels can take over",
                          lambda r: run_preflight(r, opts)))
        for name in ("luoctl", "luoctl-off"):
            some.append(Suite(f"kexec-{name}", EXTENDED, "the tool, in a shell",
                              lambda r, name=name: run_luoctl(r, opts, name)))
        some.append(Suite("systemd-shutdown", EXTENDED, "what systemd stores, by its own programs",
                          lambda r: run_systemd_shutdown(r, opts)))
        some.append(Suite("systemd", ("systemd",), "systemd as process 1 of three kernels",
                          lambda r: run_systemd(
                              r, replace(opts, kernel=guest.image("systemd"),
                                         next_kernel=guest.image("systemd")))))
        some += demo_vm_suites(opts)
    some += stock_suites(opts) + interop_suites(opts)
    # What is left does not depend on the machine that is emulated, nor on the base; and the
    # checkers of another base have other rules.
    if guest.ARCH != "x86_64":
        return [s for s in some if s.name != "user"]
    if guest.BASE != "7.3":
        return some
    some.append(Suite("bench", ("check", "all"), "what measures can be built", run_bench))
    some.append(Suite("memblock", ("check", "all"), "the base's tests of memblock",
                      lambda r: run_script(r, "memblock.sh")))
    some.append(Suite("coverage", ("all",), "lines of kernel/liveupdate that tests run",
                      run_coverage))
    if (ROOT / "scripts/style.sh").exists():
        some.append(Suite("style", ("check", "all"), "checkpatch, kernel-doc, originality",
                          lambda r: run_script(r, "style.sh")))
    some.append(Suite("uapi", ("check", "all"), "our uapi header offers all that the base's does",
                      lambda r: run_script(r, "uapi.py")))
    return some


def our_functions(kernel: Path) -> set[str]:
    """What our objects define, and what our patches add to the base's."""
    out = kernel.parents[3]
    objects = [str(o) for g in ("kernel/liveupdate/**/*.o", "mm/memfd_luo*.o") for o in out.glob(g)]
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


def kcsan_suites(opts: Options) -> list[Suite]:
    """What is concurrent, on the kernel that notices data races. Those of the base's code among
    itself are not ours to judge."""
    kernel = guest.image("kcsan")
    opts = replace(opts, kernel=kernel, next_kernel=kernel)

    def racy(name: str, what: str, *args, **kw) -> Suite:
        return Suite(f"kcsan-{name}", ("kcsan",), what, lambda r: run_racy(r, opts, *args, **kw))

    def jump(name: str, what: str, kernels: int = 2) -> Suite:
        return racy(name, what, ["luo_kexec"], kernels, f"luo_stage=1 luo_test={name}")

    return [
        racy("race", "many threads at once", ["luo_race"]),
        racy("freeze", "FREEZE and THAW", ["luo_freeze"]),
        racy("status", "what /sys and /proc say", ["luo_status"], image=True),
        racy("calls", "calls at random", ["luo_fuzz"], env="luo_calls=10000"),
        jump("session", "sessions over three kernels", 3),
        jump("parallel", "sessions retrieved by many threads at once"),
        jump("stress", "many threads until the jump, while reboots are refused"),
    ]


def flb_suites(flb: Callable[..., Suite]) -> list[Suite]:
    """Objects that files share, over two and three kernels."""
    # Linux 7.2 has no kho_memory_init_early(): nothing can be asked before slab.
    older = " luo_early=late" * (guest.BASE == "7.2")
    panics = "flb_sample: cannot read what was preserved: -(EPROTONOSUPPORT|93)"
    policy = "flb_sample.panic_on_unreadable=1"
    early = "luo_flb_test_early" + older
    return [
        flb("same", 2, "the sample, same version, panic asked for in vain", EXTENDED,
            args=f"flb_sample.version=1 {policy}"),
        flb("versions", 3, "the sample, to a newer version, to an older one",
            args="flb_sample.version=1"),
        flb("panic", 2, "the sample, to an older version that is to panic", EXTENDED,
            args=f"flb_sample.version=2 {policy}", panics=panics),
        flb("unload", 2, "unloading the sample while something of it is owned"),
        flb("ten", 2, "ten objects on three handlers", EXTENDED,
            args="luo_flb_test.links=0x3ff,0x155,0x2aa"),
        flb("gone", 3, "to a kernel that does not know the object",
            args="luo_flb_test.links=3", once_in_log=("luo_test-flb0-v1", "luo_test-flb1-v1")),
        flb("absent", 3, "from a kernel that did not preserve the object", args=early),
        flb("early", 2, "asked before slab and at early_initcall", args=early),
        flb("off", 3, "live update off in the next kernel", args=early),
        flb("kho-off", 3, "handover off in the next kernel", args=early),
        flb("kho-version", 3, "handover of an unknown version", args=early),
        flb("kho-node", 3, "handover whose FDT is broken", args=early),
        flb("damage", 3, "memory of objects damaged before it is read"),
        flb("stock", 2, "the base's own test hangs objects on every handler", ("debug",),
            once_in_log=STOCK_OBJECTS),
    ]


def run_hostile(res: Result, opts: Options, damages: int) -> None:
    """Each kernel but the last damages what it hands over, and says so. Of all that there
    are the program is not told the number, so that it notices if there are more."""
    env = f"luo_stage=1 luo_test=hostile luo_flb_test.links=3 luo_damages={damages % HOSTILE}"
    log = run_programs(res, opts, ["luo_kexec"], damages + 1, env)
    expect_lines(res, log, "luo: the handover is damaged, as was asked for", damages)


def run_added(res: Result, opts: Options) -> None:
    """The guest begins with a part of its memory, and a test adds the rest."""
    run_programs(res, replace(opts, memory="1G"), ["luo_refuse"],
                 env="mem=640M luo_added=0x28000000-0x3c000000 kho_scratch=16M,64M,16M")


def run_extent(res: Result, opts: Options) -> None:
    """Either kernel asks early whether each page is preserved: the first one finds none, the
    second one all that there are."""
    log = run_programs(res, opts, ["luo_kexec"], 2,
                       "luo_stage=1 luo_test=extent luo_every_page.ask=1")
    expect_lines(res, log, r"luo: of 0 preserved pages 0 are found")
    expect_lines(res, log, r"luo: of ([1-9]\d*) preserved pages \1 are found")


def run_unwanted(res: Result, opts: Options) -> None:
    """Ten of twelve are named, on a line each whatever their names are."""
    log = run_programs(res, opts, ["luo_kexec"], 3, "luo_stage=1 luo_test=unwanted")
    expect_lines(res, log, r"luo: session 'unwanted\\012\d\d' was not finished", 10)
    expect_lines(res, log, r"luo: 2 more sessions were not finished")


def run_crash(res: Result, opts: Options) -> None:
    """The first kernel panics and the crash kernel goes on, in memory set aside for it. KHO
    would take that for memory that the kernel needs, and make its scratch areas too large."""
    panics = "Kernel panic - not syncing: luo_flb_test: as was asked for"
    log = run_programs(res, replace(opts, memory="3G"), ["luo_kexec"], 2,
                       "luo_stage=1 luo_test=crash crashkernel=256M "
                       "kho_scratch=16M,128M,64M",
                       allow=f"{FAULT_NOISE}|{panics}")
    expect_lines(res, log, panics)


def run_legacy(res: Result, opts: Options) -> None:
    """Debian's kexec -c, which is dynamically linked, puts the image together."""
    tool = Path(shutil.which("kexec") or "/sbin/kexec")
    extra = {"sbin/kexec": tool.resolve()} | guest.shared_libraries(tool)
    run_programs(res, opts, ["luo_kexec"], kernels=2, extra=extra,
                 env="luo_stage=1 luo_test=legacy luo_load=legacy")


def run_shell(res: Result, opts: Options) -> None:
    """Wait for its prompt, ask one thing, leave."""
    need_kernel(opts.kernel)
    said = b""
    with subprocess.Popen([ROOT / "scripts/shell.py", "--kernel", opts.kernel],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as shell:
        timer = threading.Timer(300, shell.kill)
        timer.start()
        while not said.endswith(b"luo# ") and (byte := shell.stdout.read(1)):
            said += byte
        said += shell.communicate(b"luoctl status; exit\n")[0]
        timer.cancel()
    if shell.returncode == 0 and b"Live update is on" in said:
        res.passed += 1
    else:
        res.fail("\n    ".join(["make shell", *said.decode(errors="replace").splitlines()[-8:]]))


def shell_files() -> dict:
    """luoctl, and a shell to call it from."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise Broken("busybox is missing: run make setup")
    build_luoctl()
    return {"bin/busybox": Path(busybox).resolve(), "sbin/luoctl": LUOCTL,
            **{f"bin/{tool}": "busybox" for tool in BUSYBOX}}


def luoctl_formats(image: Path) -> subprocess.CompletedProcess:
    return subprocess.run([LUOCTL, "formats", "--json", image], capture_output=True, text=True,
                          check=False)


def run_bench(res: Result) -> None:
    """The measuring program is built of the selftests' parts, and measured only now and then."""
    bench.compile_init()
    res.passed += 1


def run_formats(res: Result, opts: Options) -> None:
    """What luoctl finds in the image of the kernel that is tested, here, without a guest."""
    need_kernel(opts.kernel)
    build_luoctl()
    said = luoctl_formats(opts.kernel)
    if said.returncode:
        res.fail(f"luoctl: {said.stderr.strip()}")
        return
    whole = opts.kernel.read_bytes()
    cut = BUILD / "luoctl/cut"
    cut.write_bytes(whole[:-len(whole) // 50])
    found = json.loads(said.stdout)
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[guest.ARCH]
    pages = {"": 4096, "16k": 16384}[guest.PAGES]
    strings = {(one["kind"], one["compatible"]) for one in found["formats"]}
    for what, good in {
            "as it should be": not problems_of(found),
            "the machine": found["machine"] == machine,
            "the size of pages": found["page_size"] == pages,
            "sessions": ("luo", "luo-v5") in strings,
            "both formats of memfds": {("file", "memfd-extent-v1"),
                                       ("file", "memfd-v2")} <= strings,
            "Kexec HandOver": [kind for kind, _ in strings].count("kho") == 1,
            "when a fiftieth is missing": luoctl_formats(cut).returncode == 2}.items():
        if good:
            res.passed += 1
        else:
            res.fail(f"{what}: {said.stdout}")


def run_preflight(res: Result, opts: Options, **more: Path) -> None:
    """What luoctl says of kernels that are not started."""
    need_kernel(opts.kernel)
    out = opts.kernel.resolve().parents[3]
    made = images.make(BUILD / "images", opts.kernel, out / "vmlinux")
    files = shell_files()
    try:
        made["debian"] = images.debian()
    except Missing as why:
        res.skipped += 1
        res.skips.append(f"Debian's own kernel: {why}")
    files |= {f"images/{name}": path for name, path in (made | more).items()}
    files |= images.make_modules(BUILD / "images", out / "samples/liveupdate/flb_sample.ko")
    # Of its own accord KHO takes twice the size of an initramfs for scratch memory.
    run_programs(res, opts, ["luo_preflight"], image=True, extra=files,
                 env="kho_scratch=16M,256M,16M")
    check_json(res, opts)


def run_luoctl(res: Result, opts: Options, name: str) -> None:
    """luoctl in a shell, before and after a jump that it makes itself."""
    # Nobody goes unwarned to a kernel with live update off.
    load = "force" if name == "luoctl-off" else "luoctl"
    run_programs(res, opts, ["luo_kexec"], kernels=2, extra=shell_files(),
                 env=f"luo_stage=1 luo_test={name} luo_load={load}")
    check_json(res, opts)


def check_json(res: Result, opts: Options) -> None:
    """What luoctl has said in JSON has to be that."""
    told = re.findall(r"# json: (.*)",
                      (RESULTS / f"{log_name(res, opts)}.ktap").read_text())
    if not told:
        res.fail("luoctl: nothing was said in JSON")
    for text in told:
        try:
            view = json.loads(text)
        except ValueError as e:
            res.fail(f"luoctl: no JSON: {e}: {text}")
            continue
        for problem in problems_of(view):
            res.fail(f"luoctl: {problem}: {text}")
        res.passed += 1


PREFLIGHT = {"image": str, "answer": str, "formats": list, "checks": list, "lost_sessions": list}
READ = {"kind": str, "compatible": str, "read": str, "module": (str, type(None)), "files": list}
FILE = {"session": str, "token": str}
CHECK = {"answer": str, "what": str}
FORMATS = {"image": (str, type(None)), "machine": str, "page_size": int, "kho_default": bool,
           "formats": list}
FORMAT = {"kind": str, "compatible": str, "writes": bool, "module": (str, type(None))}
BOTH = {"images": list, "not_read": list, "not_read_back": list}
VIEW = {"enabled": bool, "number": int, "incoming": str, "image": str,
        "handlers": (list, type(None)), "flbs": (list, type(None)),
        "next_kernel": (dict, type(None)), "previous_kernel": (dict, type(None)),
        "last_update": (dict, type(None))}
ANSWERS = ("yes", "no", "unknown", "module", "lost")


def problems_of(view: dict) -> list[str]:
    """By which command it is, what is not as luoctl(8) has it."""
    if "phases" in view:
        return timeline_problems(view)
    if "checks" in view:
        return preflight_problems(view)
    if "images" in view:
        return (not_as(view, BOTH) + all_as(view["not_read"] + view["not_read_back"], FORMAT)
                + [problem for image in view["images"] for problem in problems_of(image)])
    if "formats" in view:
        return not_as(view, FORMATS) + all_as(view["formats"], FORMAT)
    return view_problems(view)


def not_as(view: dict, schema: dict) -> list[str]:
    bad = [f"{key} is not {kind}" for key, kind in schema.items()
           if not isinstance(view.get(key, ...), kind)]
    return bad + [f"unknown key {key}" for key in view if key not in schema]


def all_as(views: list, schema: dict) -> list[str]:
    return [problem for view in views for problem in not_as(view, schema)]


def preflight_problems(view: dict) -> list[str]:
    answers = [view["answer"], *(one["read"] for one in view["formats"]),
               *(one["answer"] for one in view["checks"])]
    return (not_as(view, PREFLIGHT) + all_as(view["formats"], READ)
            + all_as(view["checks"], CHECK)
            + all_as([file for one in view["formats"] for file in one["files"]], FILE)
            + [f"{one} is no answer" for one in answers if one not in ANSWERS])


def view_problems(view: dict) -> list[str]:
    """What is not as luoctl(8) has it."""
    bad = not_as(view, VIEW)
    for side in (view.get("next_kernel"), view.get("previous_kernel")):
        for session in (side or {}).get("sessions", []):
            bad += [f"token {file['token']} has no format" for file in session["files"]
                    if not file["compatible"] or not int(file["token"]) < 1 << 64]
    return bad


def timeline_problems(view: dict) -> list[str]:
    """The phases of the blackout are as long as it is."""
    inside = [phase["ms"] for phase in view["phases"] if phase["in_blackout"]]
    if not view["blackout_ms"] or None in inside:
        return ["the blackout is not known"]
    if abs(sum(inside) - view["blackout_ms"]) > view["blackout_ms"] / 100:
        return [f"the phases sum up to {sum(inside)}"]
    return []


def run_systemd_shutdown(res: Result, opts: Options) -> None:
    """The first kernel's process 1 ends as systemd-shutdown."""
    run_programs(res, opts, ["luo_systemd"], kernels=2,
                 extra=systemd.END.files(systemd.SHUTDOWN, systemd.TEST_LUO),
                 env="luo_stage=1 luo_place=1 printk.devkmsg=on")


def run_systemd(res: Result, opts: Options) -> None:
    """Process 1 is systemd in all three kernels; its services are ours."""
    build_luoctl()
    log = run_programs(res, opts, ["luo_service"], kernels=3,
                       extra=systemd.host(SELFTESTS / "units") | {"sbin/luoctl": LUOCTL},
                       env="systemd.setenv=luo_stage=1 systemd.log_target=kmsg "
                           "systemd.show_status=no TERM=dumb printk.devkmsg=on")
    expect_lines(res, log, "luo-hijack.service.* infringes systemd's namespace", 2)
    unfinished = "was not finished and is dropped by this reboot"
    for unit, times in (("", 3), ("luo-sessions", 1), ("luo-names", 2)):
        expect_lines(res, log, f"luo: session '{unit}[^']*' {unfinished}", times)


def run_demo_vm(res: Result, opts: Options, memory: int, append: str,
                happened: tuple[str, ...]) -> None:
    """A virtual machine of Debian's QEMU goes from one kernel to the next."""
    need_kernel(opts.kernel)
    out, story = demo_vm.play(log_name(res, opts), opts.kernel, opts.next_kernel, memory,
                              f"{append} {opts.append}", opts.memory)
    res.log = os.path.relpath(out.log, ROOT)
    for good, what in story.claims(happened):
        if good:
            res.passed += 1
        else:
            res.fail(f"not true: {what}")
    for line in trouble(out.kernel):
        res.fail(f"kernel log: {line}")
    if out.why:
        res.fail(out.why)


def demo_vm_suites(opts: Options) -> list[Suite]:
    def machine(name: str, tiers: tuple[str, ...], what: str, memory: int, append: str = "",
                happened: tuple[str, ...] = ()) -> Suite:
        return Suite(name, tiers, what,
                     lambda r: run_demo_vm(r, opts, memory, append, happened))

    return [
        machine("demo-vm", EXTENDED, "a virtual machine in QEMU", 16),
        machine("demo-vm-back", ("check", "all"), "its reboot fails first, its agent dies after",
                16, "vm_refuse=1 vm_die=1", ("reboot: Invalid argument", "the agent dies")),
        machine("demo-vm-large", ("all",), "one with 256 MiB", 256),
    ]


def run_stock(res: Result, opts: Options, programs: list[str], kernels: int) -> None:
    build_stock_selftests()
    extra = {f"stock/{name}": STOCK_OUT / name for name in STOCK_PROGRAMS}
    extra["bin/liveupdate"] = STOCK_OUT / "liveupdate"
    run_programs(res, opts, programs, kernels, "luo_stage=1 luo_test=stock", extra)


def stock_suites(opts: Options) -> list[Suite]:
    """The base's own five programs on our kernel."""
    return [
        Suite("stock", ("check", "all", "stock"), "the base's own selftest, one kernel",
              lambda r: run_stock(r, opts, ["liveupdate"], 1)),
        Suite("stock-kexec", ("check", "all", "stock"), "the base's own selftests, two kernels",
              lambda r: run_stock(r, opts, ["luo_kexec"], 2)),
    ]


# Which objects the base's own test hangs on every handler, and what its kernel's log must say of
# each exactly once on the way from one kernel to the next.
STOCK_OBJECTS = tuple(f"liveupdate-test-flb-v{i}: {what}" for i in range(3) for what in (
    "preserve was triggered", "found flb data from the previous boot", "finish was triggered"))


def interop_suites(opts: Options) -> list[Suite]:
    """Live updates between kernels that were not built from the same source. All of them have
    the base's own test of objects."""
    ours = guest.image("interop")
    stock = guest.image("stock-interop")
    older = guest.image("interop", base="7.2")

    def way(name: str, what: str, first: Path, second: Path, **kw) -> Suite:
        return Suite(f"interop-{name}", ("interop",), what, lambda r: run_interop(
            r, replace(opts, kernel=first, next_kernel=second), **kw))

    return [
        Suite("interop-plain", ("interop",), "to a kernel without handover, and on",
              lambda r: run_programs(
                  r, replace(opts, kernel=ours, next_kernel=guest.image("plain")), ["luo_kexec"],
                  kernels=3, env="luo_stage=1 luo_test=plain", extra=shell_files())),
        Suite("preflight-stock", ("interop",), "can the stock kernel take over",
              lambda r: run_preflight(r, replace(opts, kernel=ours, next_kernel=ours),
                                      stock=stock)),
        way("from-stock", "from the stock kernel to ours", stock, ours, filled=True),
        way("to-stock", "from our kernel to the stock one", ours, stock, v2=True),
        way("ours-v2", "from our kernel to the same, memfd-v2", ours, ours, v2=True),
        way("ours", "from our kernel to the same", ours, ours),
        way("from-7.2", "from ours on Linux 7.2 to ours on 7.3", older, ours),
        way("to-7.2", "from ours on Linux 7.3 to ours on 7.2", ours, older),
        way("stock-back", "from the stock kernel to ours and back", stock, ours, back=True),
        way("ours-back", "from our kernel to the stock one and back", ours, stock, back=True),
    ]


def run_interop(res: Result, opts: Options, filled: bool = False, back: bool = False,
                v2: bool = False) -> None:
    """The stock kernel fills holes with pages when it preserves a memfd."""
    need_kernel(opts.next_kernel)
    if back:
        run_programs(res, opts, ["luo_kexec"], 3, f"luo_stage=1 luo_test=interop-back {MEMFD_V2}",
                     {"boot/kernel-3": opts.kernel})
        return
    env = "luo_stage=1 luo_test=memfd-interop,interop" + " luo_holes=filled" * filled
    env += f" {MEMFD_V2}" * v2
    run_programs(res, opts, ["luo_kexec"], 2, env, once_in_log=STOCK_OBJECTS)


# ---- the run

def run_suite(suite: Suite) -> Result:
    res = Result(suite.name)
    start = time.monotonic()
    try:
        suite.run(res)
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


def chosen(all_suites: list[Suite], tier: str, pattern: str | None) -> list[Suite]:
    if pattern:
        return [s for s in all_suites if fnmatch.fnmatch(s.name, pattern)] or \
               [s for s in all_suites if pattern in s.name]
    return [s for s in all_suites if tier in s.tiers]


def everything(args: argparse.Namespace) -> list[Suite]:
    """The suites of this tier's kernel; all of the debug kernel's too, if it is to be all."""
    found = suites(options(args, args.tier == "debug"))
    if args.tier == "all":
        found += [replace(s, name=f"debug-{s.name}", tiers=("all",))
                  for s in suites(options(args, True)) if "debug" in s.tiers]
    return found


def options(args: argparse.Namespace, debug: bool) -> Options:
    flavour = "debug" if debug else f"lean{guest.PAGES}"
    kernel = args.kernel or guest.image(flavour)
    return Options(kernel=kernel, next_kernel=args.next or kernel,
                   memory=args.memory or ("3G" if debug else "2G"),
                   prefix="debug-" if debug else f"{guest.PAGES}-" if guest.PAGES else "",
                   debug=debug,
                   append=args.append)


def default_jobs(tier: str) -> int:
    """A guest has two CPUs. One of the debug kernel, which has a hard time anyway, has been
    seen to hang at boot, on its way to another clock source, with three of them on two."""
    cpus = os.cpu_count() or 1
    return min(2, cpus) if tier not in ("debug", "all") else max(1, min(2, cpus // 2))


def main() -> int:
    ap = argparse.ArgumentParser(description="run tests and sum them up")
    ap.add_argument("--tier", default="check",
                    choices=("check", "debug", "all", "user", "kunit", "stock", "interop",
                             "systemd", "kvm", "kcsan"))
    ap.add_argument("--test", metavar="NAME", help="only suites of this name, part or glob")
    ap.add_argument("--list", action="store_true", help="say which suites there are")
    ap.add_argument("--jobs", type=int, help="suites at a time")
    ap.add_argument("--kernel", type=Path, help="kernel to boot instead of our own")
    ap.add_argument("--next", type=Path, help="kernel to go to, if another one")
    ap.add_argument("--append", default="", help="more for the kernels' command line")
    ap.add_argument("--memory", help="memory of guests, as QEMU's -m wants it")
    args = ap.parse_args()

    picked = chosen(everything(args), args.tier, args.test)
    if args.list:
        for s in picked:
            print(f"{s.name:<22} {s.what}")
        return 0
    picked.sort(key=lambda s: s.name not in LONG)
    start = time.monotonic()
    jobs = args.jobs or default_jobs(args.tier)
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(run_suite, s) for s in picked]
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
