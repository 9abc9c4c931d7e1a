# SPDX-License-Identifier: GPL-2.0
"""example.py - the programs in the documents, as they stand there

A code block of a page with a caption NAME.c is a program or a part of one. It has to compile without
a warning against our uapi header.
"""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

from guest import BUILD, ROOT

from .build import CROSS, once
from .files import shell_files
from .result import Broken, Options, Result

PAGE = ROOT / "Documentation/userspace-api/liveupdate.rst"
OUT = BUILD / "example"
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I", str(ROOT / "include/uapi")]
BLOCK = re.compile(r"^\.\. code-block:: c\n\t:caption: (\S+\.c)\n\n((?:\t.*\n|\n)+)", re.M)


def blocks() -> dict[str, str]:
    """The text of each, by its name."""
    return {name: re.sub(r"^\t", "", text, flags=re.M).rstrip() + "\n"
            for name, text in BLOCK.findall(PAGE.read_text())}


def compile_one(name: str, text: str) -> str:
    """What the compiler has to say; a program is linked, anything else is compiled."""
    OUT.mkdir(parents=True, exist_ok=True)
    source = OUT / name
    source.write_text(text)
    compiler = CROSS[0].removeprefix("CC=") if CROSS else "gcc"
    how = ["-static", "-o", source.with_suffix("")] if re.search(r"^int main\(", text, re.M) else \
        ["-c", "-o", source.with_suffix(".o")]
    run = subprocess.run([compiler, *FLAGS, *how, source], capture_output=True, text=True,
                         check=False)
    return run.stderr if run.returncode or run.stderr else ""


def run_example(res: Result, _opts: Options) -> None:
    """Each compiles, and the one that guests run is there."""
    found = blocks()
    res.judge("counter.c" in found, f"{PAGE.name} has no program counter.c")
    for name, text in found.items():
        said = compile_one(name, text)
        res.judge(not said, f"{name}: {said}")


def example_files(opts: Options) -> dict[str, Path | bytes | str]:
    """The program, and a shell to start it from."""
    def build() -> None:
        said = compile_one("counter.c", blocks().get("counter.c", "#error not in the page\n"))
        if said:
            raise Broken(f"counter.c: {said}")
    once("counter.c", build)
    return shell_files(opts) | {"bin/counter": OUT / "counter"}
