# SPDX-License-Identifier: GPL-2.0
"""build.py - the programs that guests run, built once and for all suites"""
from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Callable

import guest
from guest import BUILD, LOGS, ROOT, TREES, luoctl_arguments

from .ktap import base_tree
from .result import Broken

SELFTESTS = ROOT / "tools/testing/selftests/liveupdate"
SELFTESTS_OUT = BUILD / f"selftests{guest.PAGES}"
STOCK_OUT = BUILD / "stock-selftests"
STOCK_PROGRAMS = ("luo_kexec_simple", "luo_multi_session", "luo_stress_sessions",
                  "luo_stress_files")
UNITS_OUT = BUILD / "units"
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


# For the tests' Makefiles
CROSS = ["CC=aarch64-linux-gnu-gcc"] if guest.ARCH == "arm64" else []
PAGE = [f"PAGE={int(guest.PAGES.removesuffix('k')) * 1024}"] if guest.PAGES else []


def make(args: list[str], log_name: str) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{log_name}.log"
    with open(log, "w", encoding="utf-8") as out:
        ret = subprocess.run(["make", f"-j{os.cpu_count()}", *args], stdout=out,
                             stderr=subprocess.STDOUT, check=False).returncode
    if ret:
        tail = [ln for ln in log.read_text().splitlines() if "error" in ln.lower()][:5]
        raise Broken("\n    ".join([f"make failed, see {os.path.relpath(log, ROOT)}", *tail]))


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


def install_units() -> None:
    """Our units, where a guest has them whose luoctl is /sbin/luoctl."""
    def action() -> None:
        shutil.rmtree(UNITS_OUT, ignore_errors=True)
        make(["-C", str(ROOT / "tools/liveupdate"), "install-systemd", f"DESTDIR={UNITS_OUT}",
              "prefix=", "unitdir=/usr/lib/systemd/system"], "install-units")
    once("units", action)
