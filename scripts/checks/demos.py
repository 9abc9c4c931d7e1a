# SPDX-License-Identifier: GPL-2.0
"""demos.py - what is there to be watched, or typed into, has to work as well"""
from __future__ import annotations

import os
import subprocess
import threading

import demo_vm
from guest import ROOT, trouble

from .guests import log_name, need_kernel
from .result import Options, Result


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
    res.judge(shell.returncode == 0 and b"Live update is on" in said,
              "\n    ".join(["make shell", *said.decode(errors="replace").splitlines()[-8:]]))


def run_demo_vm(res: Result, opts: Options, memory: int, append: str = "",
                happened: tuple[str, ...] = ()) -> None:
    """A virtual machine of Debian's QEMU goes from one kernel to the next."""
    need_kernel(opts.kernel)
    out, story = demo_vm.play(log_name(res, opts), opts.kernel, opts.next_kernel, memory,
                              f"{append} {opts.append}", opts.memory)
    res.log = os.path.relpath(out.log, ROOT)
    for good, what in story.claims(happened):
        res.judge(good, f"not true: {what}")
    for line in trouble(out.kernel):
        res.fail(f"kernel log: {line}")
    if out.why:
        res.fail(out.why)
