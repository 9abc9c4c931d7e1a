# SPDX-License-Identifier: GPL-2.0
"""ktap.py - add up what KTAP documents say, read by the kernel tree's own parser"""
from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

from guest import TREES

from .result import Broken, Result


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


def documents(lines: list[str]) -> list[list[str]]:
    """Cut at each version line that is not indented."""
    docs: list[list[str]] = []
    for line in lines:
        if re.match(r"K?TAP version \d+", line):
            docs.append([])
        if docs:
            docs[-1].append(line)
    return docs


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
