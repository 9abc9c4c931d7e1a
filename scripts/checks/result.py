# SPDX-License-Identifier: GPL-2.0
"""result.py - what a suite is, what it comes to, and the tiers it belongs to"""
from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable


class Broken(Exception):
    """A suite could not be run to its end; the text says why."""


class Tier(enum.Flag):
    """What can be asked for with --tier."""
    CHECK = enum.auto()
    DEBUG = enum.auto()
    ALL = enum.auto()
    USER = enum.auto()
    KUNIT = enum.auto()
    STOCK = enum.auto()
    INTEROP = enum.auto()
    SYSTEMD = enum.auto()
    KVM = enum.auto()
    KCSAN = enum.auto()
    HOST = enum.auto()
    CONFIGS = enum.auto()
    DEB = enum.auto()


# The three sets that nearly every suite belongs to one of
EVERYWHERE = Tier.CHECK | Tier.ALL | Tier.DEBUG
LEAN = Tier.CHECK | Tier.ALL
DEBUG = Tier.DEBUG


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

    def judge(self, good: bool, why: str) -> None:
        """Count it; the text says what is wrong if it is not good."""
        if good:
            self.passed += 1
        else:
            self.fail(why)


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
    nodes: tuple[str, ...] = ()     # memory of each NUMA node, "" if it has none
    accel: str = ""     # QEMU's, unless it is the default
    gcov: Path | None = None    # where guests leave what they counted


@dataclass
class Suite:
    """A row of the table in suites.py: what is run is run(result, options, **kw)."""
    name: str
    tiers: Tier
    what: str
    run: Callable[..., None]
    kw: dict = field(default_factory=dict)
    # Instead of the tier's own: the first kernel and the next one, or one for both; memory, CPUs,
    # the memory of each NUMA node, what emulates
    kernels: tuple[Path, ...] = ()
    memory: str = ""
    cpus: int = 0
    nodes: tuple[str, ...] = ()
    accel: str = ""
    debug: bool = False     # on the debug kernel, in a tier of both

    def start(self, res: Result, opts: Options) -> None:
        kernels = self.kernels or (opts.kernel, opts.next_kernel)
        self.run(res, replace(opts, kernel=kernels[0], next_kernel=kernels[-1],
                              memory=self.memory or opts.memory, cpus=self.cpus or opts.cpus,
                              nodes=self.nodes, accel=self.accel),
                 **self.kw)
