# SPDX-License-Identifier: GPL-2.0
"""packages.py - programs of Debian's newest suites, unpacked, never installed

debian.sh fetches them, the machine's own apt knows from where; they are under build/tools. What
of them a guest runs goes into its initramfs with the libraries that it is linked with.
"""
from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Callable

from guest import ROOT, shared_libraries

LIBRARIES = "usr/lib/x86_64-linux-gnu"


class Missing(Exception):
    """There is no such package here; the text says why."""


def run(args: list[str], what: str, env: dict[str, str] | None = None) -> str:
    """What it prints; of one that fails the last line is why `what` is not to be had."""
    done = subprocess.run(args, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=os.environ | (env or {}),
                          check=False)
    if done.returncode:
        raise Missing(f"{what}: {(done.stdout.strip().splitlines() or ['no word'])[-1]}")
    return done.stdout


def debian(*args: str) -> str:
    """What debian.sh prints."""
    run = subprocess.run([str(ROOT / "scripts/debian.sh"), *args], capture_output=True,
                         text=True, check=False)
    if run.returncode:
        said = run.stderr.strip().splitlines() or [f"debian.sh ended with {run.returncode}"]
        raise Missing(said[-1])
    return run.stdout.strip()


unpacking = threading.Lock()


def once(root: Path, wanted: str, unpack: Callable[[], str]) -> str:
    """Fill that folder, unless it holds what is wanted already; what unpack() returned then."""
    stamp = root / "done"
    with unpacking:
        if stamp.exists():
            has, _, said = stamp.read_text().partition("\n")
            if has == wanted:
                return said
        shutil.rmtree(root, ignore_errors=True)
        said = unpack()
        stamp.write_text(f"{wanted}\n{said}")
    return said


def with_libraries(package: str, oldest: str) -> Path:
    """Where that package and its libraries are unpacked; done once."""
    root = ROOT / "build/tools" / package
    wanted = f"{package} {oldest}"
    once(root, wanted, lambda: debian("libraries", str(root), wanted))
    return root


def program(root: Path, name: str, *folders: str) -> dict:
    """A program of what is unpacked there, as an initramfs wants to have it; with the folders
    of its libraries, besides the usual one."""
    return {name: root / name, **shared_libraries(root / name, root, (LIBRARIES, *folders))}
