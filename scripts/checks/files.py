# SPDX-License-Identifier: GPL-2.0
"""files.py - the content of a guest's initramfs, by path"""
from __future__ import annotations

import shutil
from pathlib import Path

import guest
import systemd
from guest import LUOCTL

from .build import (SELFTESTS, SELFTESTS_OUT, STOCK_OUT, STOCK_PROGRAMS, UNITS_OUT, build_luoctl,
                    build_stock_selftests, install_units)
from .result import Broken, Options

# What tests of luoctl use in a shell
BUSYBOX = ("sh", "cat", "cmp", "grep", "head", "ln", "ls", "mkdir", "mount", "rm", "sed", "sha256sum",
           "sleep", "tail", "test", "true", "truncate", "umount", "unshare", "wc")


def selftest_files(opts: Options, programs: list[str], two: bool) -> dict:
    files: dict[str, Path | bytes | str] = {"init": SELFTESTS_OUT / "init"}
    for prog in programs:
        if (SELFTESTS_OUT / prog).exists():
            files[f"bin/{prog}"] = SELFTESTS_OUT / prog
    if two:
        files["boot/kernel"] = opts.kernel
        if opts.next_kernel != opts.kernel:
            files["boot/kernel-2"] = opts.next_kernel
    return files


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


def shell_files(_opts: Options) -> dict:
    """luoctl, and a shell to call it from."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise Broken("busybox is missing: run make setup")
    build_luoctl()
    return {"bin/busybox": Path(busybox).resolve(), "sbin/luoctl": LUOCTL,
            **{f"bin/{tool}": "busybox" for tool in BUSYBOX}}


def kexec_tool(_opts: Options) -> dict:
    """Debian's kexec -c, which is dynamically linked, puts an image together."""
    tool = Path(shutil.which("kexec") or "/sbin/kexec")
    return {"sbin/kexec": tool.resolve()} | guest.shared_libraries(tool)


def systemd_end(_opts: Options) -> dict:
    """For a process 1 that ends as systemd-shutdown."""
    return systemd.END.files(systemd.SHUTDOWN, systemd.TEST_LUO)


def systemd_host(opts: Options) -> dict:
    """Process 1 is systemd; its services are ours."""
    return systemd.host(SELFTESTS / "units") | shell_files(opts)


def systemd_guarded(opts: Options) -> dict:
    """The same, with our own service that looks before a reboot; wall keeps what it is told."""
    install_units()
    return systemd.host(SELFTESTS / "units-guard", "usr/bin/bootctl") | shell_files(opts) | {
        str(path.relative_to(UNITS_OUT)): path for path in UNITS_OUT.rglob("*") if path.is_file()
    } | {"bin/wall": b"#!/bin/sh\nexec cat >> /run/luo-told\n"} | {
        f"usr/bin/{tool}": "-> /bin/busybox" for tool in ("mount", "umount")}


def stock_programs(_opts: Options) -> dict:
    """The base's own selftests."""
    build_stock_selftests()
    return {f"stock/{name}": STOCK_OUT / name for name in STOCK_PROGRAMS} | {
        "bin/liveupdate": STOCK_OUT / "liveupdate"}


def first_kernel_again(opts: Options) -> dict:
    """There and back: the third kernel is the first one."""
    return {"boot/kernel-3": opts.kernel}
