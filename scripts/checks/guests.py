# SPDX-License-Identifier: GPL-2.0
"""guests.py - boot a guest that runs programs or KUnit, and add up what it says"""
from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from guest import BUILD, ROOT, Guest, Initramfs, trouble

from .build import SELFTESTS_OUT, build_selftests
from .files import modules, selftest_files
from .ktap import add_ktap
from .result import Broken, Options, Result

RESULTS = BUILD / "results"


@dataclass
class Part:
    """What one program said in one kernel."""
    program: str
    lines: list[str] = field(default_factory=list)
    status: int | None = None           # None: it never came back


def split_parts(lines: list[str]) -> tuple[list[Part], bool]:
    """Cut a guest's output at the marks that init makes; did it come to its end?"""
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


def need_kernel(kernel: Path) -> None:
    if not kernel.exists():
        raise Broken(f"no kernel at {os.path.relpath(kernel, ROOT)}: make builds it")


def log_name(res: Result, opts: Options) -> str:
    return opts.prefix + res.name.removeprefix(opts.prefix)


def boot(res: Result, opts: Options, files: dict, append: str, allow: str | None = None,
         panics: str = "", disk: int = 0, dimm: str = ""):
    """Run a guest and add to the result what its kernel complained about, up to the panic
    that is expected."""
    need_kernel(opts.kernel)
    name = log_name(res, opts)
    machine = Guest(name, opts.kernel, Initramfs(files).packed(), f"{append} {opts.append}",
                    opts.memory)
    if opts.cpus:
        machine.cpus = opts.cpus
    machine.accel = opts.accel or machine.accel
    machine.more = numa(opts.nodes, opts.cpus)
    if opts.gcov:
        machine.more += ("-serial", f"file:{opts.gcov / name}.gcov")
    machine.dimm = dimm
    if disk:
        machine.more += virtio_disk(name, disk)
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


def numa(nodes: tuple[str, ...], cpus: int = 0) -> tuple[str, ...]:
    """For QEMU: nodes with so much memory each, one with none, and as many processors each."""
    args: list[str] = []
    each = max(cpus // len(nodes), 1) if nodes else 0
    for i, memory in enumerate(nodes):
        node = f"node,nodeid={i},cpus={i * each}-{i * each + each - 1}"
        if memory:
            args += ["-object", f"memory-backend-ram,id=node{i},size={memory}"]
            node += f",memdev=node{i}"
        args += ["-numa", node]
    # A processor of several nodes is no processor to the kernel.
    if nodes:
        args += ["-smp", f"{len(nodes) * each},sockets={len(nodes)},cores={each},threads=1"]
    return tuple(args)


def virtio_disk(name: str, size: int) -> tuple[str, ...]:
    """A new and empty one; only what is written takes space."""
    path = BUILD / "disks" / f"{name}.img"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as disk:
        disk.truncate(size << 20)
    return "-drive", f"file={path},if=virtio,format=raw,cache=unsafe"


def panic_line(lines: list[str], panics: str) -> int | None:
    """Where the expected panic is; None without one."""
    return next((i for i, line in enumerate(lines)
                 if panics and re.search(f"Kernel panic - not syncing: {panics}$", line)), None)


def check_panic(res: Result, log: list[str], last: list[Part], panics: str) -> bool:
    """Is that panic there, and did that kernel come to no result before it?"""
    at = panic_line(log, panics)
    if at is None:
        res.fail(f"the kernel was to panic: {panics}")
    elif len(last) > 1 or any(re.match("(not )?ok ", ln) for p in last for ln in p.lines):
        res.fail(f"the kernel was to panic earlier: {panics}")
    else:
        res.passed += 1
        return True
    return False


def counted(programs) -> str:
    """What ran, in its order; how often, if that was more than once in a row."""
    runs = [(name, len(list(group))) for name, group in itertools.groupby(programs)]
    return ", ".join(f"{name} x {n}" if n > 1 else name for name, n in runs) or "nothing"


def run_programs(res: Result, opts: Options, programs: list[str], kernels: int = 1,
                 env: str = "", files: Callable[[Options], dict] | None = None,
                 image: bool = False, in_log: dict[str, int] | None = None,
                 allow: str | None = None, panics: str = "", disk: int = 0,
                 dimm: str = "") -> list[str]:
    """Boot with our /init, which runs the programs; each has one document per kernel.
    `files` makes what they need besides. Each pattern of `in_log` must be found in so many
    lines of the kernel's log. If there is a pattern `panics`, the last kernel must end with
    that panic, before any result. The guest has a disk of so many MiB, and a module of memory,
    if any. Returns the kernel's log."""
    build_selftests()
    content = selftest_files(opts, programs, kernels > 1 or image)
    content |= files(opts) if files else {}
    if kernels > 1 or image:
        content |= modules(opts)
    append = f"luo_run={','.join(programs)} luo_required=1 {env}".rstrip()
    expected = list(programs) * kernels
    if panics:
        expected = list(programs) * (kernels - 1)
    elif opts.debug:
        append += " luo_kmemleak=1"
        expected.append("kmemleak")
    out = boot(res, opts, content, append, allow, panics, disk, dimm)
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
    for pattern, times in (in_log or {}).items():
        count = sum(bool(re.search(pattern, line)) for line in out.kernel)
        res.judge(count == times,
                  f"{count} lines of the kernel's log have {pattern!r} in them, not {times}")
    if [p.program for p in parts] != expected:
        res.fail(f"ran {counted(p.program for p in parts)}, expected {counted(expected)}")
    elif not complete:
        res.fail("the guest died before its end")
    return out.kernel


def run_calls(res: Result, opts: Options) -> None:
    """Random ones find more where something looks on."""
    run_programs(res, opts, ["fuzz_test"], env=f"luo_calls={50000 if opts.debug else 10000}")


def run_kunit(res: Result, opts: Options, glob: str) -> None:
    """The kernel's own unit tests: KTAP in its log, before it looks for an init."""
    build_selftests()
    out = boot(res, opts, {"init": SELFTESTS_OUT / "init"},
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
