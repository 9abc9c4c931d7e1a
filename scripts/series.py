#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""series.py - write the repository as a patch series against the untouched base

    series.py [OUT]         OUT is build/series

What goes into which patch is in series/NN-*.txt, one file per patch: the message, a line
"---", then what the patch does, a line each:

    base NNNN           patches/NNNN-*.patch as it is; alone, it brings its own message
    remove              take out what of the base we replace
    diff NAME           series/NAME, for what only stands between two patches
    file PATTERN...     our files and patched ones, as they are in build/linux
    rest PATTERN...     the same, those that no other text names
    early PATTERN...    the same, compiled but not linked before a later patch says
    link                that all they call is there now
    option NAME...      entries of kernel/liveupdate/Kconfig

Three files grow from patch to patch, see PARTS: a Makefile names what is there already, Kconfig
has the entries said so far. All other contents are those of build/linux, and after the last
patch nothing may differ from it: the series cannot drift from what is tested.
"""
from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from guest import ROOT, TREES

TEXTS = ROOT / "series"
LINUX = TREES / "linux"
STOCK = TREES / "stock"
STATE = TREES / ".tree"
KCONFIG = "kernel/liveupdate/Kconfig"
MAKEFILE = "kernel/liveupdate/Makefile"
PARTS = (KCONFIG, MAKEFILE, "kernel/liveupdate/tests/Makefile")
OPTIONS = re.compile(r"(?:LIVEUPDATE|SAMPLE_LIVEUPDATE)")


class SeriesError(Exception):
    """The texts and the repository do not fit; says where."""


@dataclass
class Text:
    """One file of series/."""
    name: str
    message: str
    verbs: list[list[str]]


@dataclass
class Tree:
    """What is there after the patches so far."""
    repo: Path
    final: set[str]                                     # every path we touch
    placed: dict[str, str]                              # by which text
    cleared: bool = False                               # what we replace is out
    early: set[str] = field(default_factory=set)
    options: set[str] = field(default_factory=set)

    def git(self, *args: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(["git", "-C", str(self.repo), *args], capture_output=True, text=True,
                              env=os.environ | (env or {}), check=False)
        if done.returncode:
            raise SeriesError(f"git {args[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def there(self, path: str) -> bool:
        return (self.repo / path).exists()


# ---- files that grow

def kconfig_part(text: str, options: set[str]) -> str:
    """Without the entries of ours that have not been said."""
    out, keep = [], True
    for line in text.splitlines(keepends=True):
        m = re.match(r"(?:menu)?config (\w+)|(?:end)?(?:menu|if|choice)\b", line)
        if m:
            keep = not m[1] or not OPTIONS.match(m[1]) or m[1] in options
        if keep:
            out.append(line)
    return "".join(out)


# Name, operator and value, with all lines that a backslash continues
ASSIGNMENT = re.compile(r"^([\w$(), -]*[\w)])([ \t]*[:+]?=)((?:[^\n]*\\\n)*[^\n]*)\n", re.M)


def words_of(assignment: re.Match) -> list[str]:
    return assignment[3].replace("\\\n", " ").split()


def makefile_part(tree: Tree, path: str, text: str) -> str:
    """Without what has no source yet, and with what cannot be linked yet only compiled."""
    folder = os.path.dirname(path)
    parts_of: dict[str, list[str]] = {}
    for m in ASSIGNMENT.finditer(text):
        parts_of.setdefault(m[1], []).extend(words_of(m))
    compiled: list[str] = []

    def source(word: str) -> str:
        return f"{folder}/{word}Makefile" if word.endswith("/") else \
            f"{folder}/{word.removesuffix('.o')}.c"

    def gone(word: str) -> bool:
        parts = parts_of.get(word.removesuffix(".o") + "-y")
        if parts:
            return all(gone(part) for part in parts)
        path = source(word)
        return path in tree.early or path in tree.final and not tree.there(path)

    def shorter(m: re.Match) -> str:
        words = words_of(m)
        compiled.extend(w for w in words if source(w) in tree.early)
        kept = [w for w in words if not gone(w)]
        if kept == words:
            return m[0]
        if not kept:
            return ""
        return f"{m[1]}{m[2]} " + ("\\\n\t" + " \\\n\t".join(kept) if "\\\n" in m[3]
                                 else " ".join(kept)) + "\n"

    whole = re.sub(r"\n{3,}", "\n\n", ASSIGNMENT.sub(shorter, text)).rstrip("\n") + "\n"
    if compiled:
        whole += ("\n# Compiled, and linked as soon as what they call is there\n"
                  "always-$(CONFIG_LIVEUPDATE) += \\\n\t" + " \\\n\t".join(compiled) + "\n")
    return whole


def refresh_parts(tree: Tree) -> None:
    """Bring the files that grow up to what is there; before ours is, the base's is."""
    for path in PARTS:
        if not tree.there(path) or not tree.cleared:
            continue
        text = (LINUX / path).read_text()
        part = kconfig_part(text, tree.options) if path == KCONFIG else \
            makefile_part(tree, path, text)
        (tree.repo / path).write_text(part)


# ---- what a text says

def read_text(path: Path) -> Text:
    message, sep, rest = f"\n{path.read_text()}".partition("\n---\n")
    if not sep:
        raise SeriesError(f"series/{path.name}: no line --- before what the patch does")
    verbs = [line.split() for line in rest.splitlines() if line and not line.startswith("#")]
    return Text(path.name, message.strip(), verbs)


def base_patch(number: str) -> Path:
    found = sorted((ROOT / "patches").glob(f"{number}-*.patch"))
    if len(found) != 1:
        raise SeriesError(f"patches/{number}-*.patch: there are {len(found)}")
    return found[0]


def message_of(patch: Path) -> str:
    """Subject and body of a mail, as git reads them."""
    head, _, body = patch.read_text().partition("\n\n")
    m = re.search(r"^Subject: (?:\[PATCH[^]]*\] )?((?:.+)(?:\n .+)*)", head, re.M)
    if not m:
        raise SeriesError(f"{patch.name}: no subject")
    return " ".join(m[1].split()) + "\n\n" + body.partition("\n---\n")[0].strip()


def stock_files() -> list[str]:
    """What tree.sh takes out of the base, as far as it is there."""
    listed = (STATE / "removed").read_text().splitlines()
    return [p for p in listed if (STOCK / p).is_file()]


def assign(texts: list[Text], final: set[str]) -> dict[str, str]:
    """Which path comes with which text: once each, and "rest" takes what is left."""
    placed: dict[str, str] = {}
    named = [(t, v[0], pattern) for t in texts for v in t.verbs
             if v[0] in ("file", "early", "rest") for pattern in v[1:]]
    for text, verb, pattern in sorted(named, key=lambda n: n[1] == "rest"):
        paths = [p for p in final if fnmatch.fnmatchcase(p, pattern) and (LINUX / p).exists()]
        if verb == "rest":
            paths = [p for p in paths if p not in placed]
        if not paths:
            raise SeriesError(f"series/{text.name}: {pattern}: there is no such file")
        for path in paths:
            if path in placed:
                raise SeriesError(f"series/{text.name}: {path} is in {placed[path]} already")
            placed[path] = text.name
    return placed


def place(tree: Tree, text: Text, verb: str, patterns: list[str]) -> None:
    for path in [p for p, name in tree.placed.items() if name == text.name and
                 any(fnmatch.fnmatchcase(p, pattern) for pattern in patterns)]:
        if verb == "early" and path.endswith(".c"):
            tree.early.add(path)
        target = tree.repo / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy(LINUX / path, target)


def remove_stock(tree: Tree) -> None:
    for path in stock_files():
        (tree.repo / path).unlink()
    tree.cleared = True


def carry_out(tree: Tree, text: Text) -> None:
    for verb, *args in text.verbs:
        match verb:
            case "base":
                tree.git("apply", str(base_patch(args[0])))
            case "diff":
                tree.git("apply", str(TEXTS / args[0]))
            case "remove":
                remove_stock(tree)
            case "file" | "early" | "rest":
                place(tree, text, verb, args)
            case "link":
                tree.early.clear()
            case "option":
                tree.options |= set(args)
            case _:
                raise SeriesError(f"series/{text.name}: {verb}: what is that?")
    refresh_parts(tree)


def subject(text: Text) -> str:
    """A text without a message carries a patch of the base's as it is."""
    if text.message:
        return text.message
    if [v[0] for v in text.verbs] != ["base"]:
        raise SeriesError(f"series/{text.name}: no message")
    return message_of(base_patch(text.verbs[0][1]))


# ---- the series

def identity() -> dict[str, str]:
    """Who made the last commit here, and when: the same series from the same repository."""
    done = subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=%an%n%ae%n%at"],
                          capture_output=True, text=True, check=False)
    name, mail, when = done.stdout.splitlines() if done.returncode == 0 else \
        ("Live Update", "liveupdate@localhost", "0")
    return {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (
        ("NAME", name), ("EMAIL", mail), ("DATE", f"{when} +0000"))}


def touched() -> set[str]:
    """Every path that is not as in the base."""
    ours = (STATE / "links").read_text().splitlines()
    patched = (STATE / "patched").read_text().splitlines()
    return set(ours) | set(patched) | set(stock_files())


def start(repo: Path, placed: dict[str, str]) -> Tree:
    """A small repository with the base's versions of what we touch."""
    shutil.rmtree(repo, ignore_errors=True)
    repo.mkdir(parents=True)
    tree = Tree(repo, touched(), placed)
    for path in sorted(tree.final):
        if (STOCK / path).is_file():
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(STOCK / path, repo / path)
    tree.git("init", "-q")
    tree.git("add", "-A", "-f")
    tree.git("-c", "core.commentChar=%", "commit", "-q", "-m", "base", env=identity())
    return tree


def compare(tree: Tree) -> None:
    """After the last patch it is all there, and as it is tested."""
    for path in sorted(tree.final):
        want, have = LINUX / path, tree.repo / path
        if want.is_file() and not have.is_file():
            raise SeriesError(f"{path} is in no patch of series/")
        if have.is_file() and (not want.is_file() or want.read_bytes() != have.read_bytes()):
            raise SeriesError(f"{path} is not after the series what it is in build/linux")


def cover(out: Path) -> None:
    """Put our words into the letter that git has prepared."""
    head, _, body = (TEXTS / "cover.txt").read_text().partition("\n\n")
    letter = out / "0000-cover-letter.patch"
    # Which files come and go is said by each patch, in lines as long as their names.
    text = re.sub(r"^ (create|delete) mode .*\n", "", letter.read_text(), flags=re.M)
    letter.write_text(text.replace("*** SUBJECT HERE ***", head.strip())
                      .replace("*** BLURB HERE ***", body.strip()))


def write(out: Path) -> list[Path]:
    """The series, and nothing else, in that folder."""
    texts = [read_text(p) for p in sorted(TEXTS.glob("[0-9][0-9]-*.txt"))]
    tree = start(out / ".git-series", assign(texts, touched()))
    env = identity()
    for text in texts:
        carry_out(tree, text)
        tree.git("add", "-A", "-f")
        tree.git("commit", "-q", "--cleanup=verbatim", "-m", subject(text), env=env)
    compare(tree)
    for old in out.glob("*.patch"):
        old.unlink()
    # Mails out of a repository of any size: as many digits of each hash as in the kernel's
    tree.git("-c", "core.abbrev=12", "format-patch", "-q", "--cover-letter", "--no-renames",
             "--no-signature", "--no-base", "-o", str(out), f"HEAD~{len(texts)}", env=env)
    shutil.rmtree(tree.repo)
    cover(out)
    return sorted(out.glob("*.patch"))


def main() -> int:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else TREES / "series"
    try:
        if os.environ.get("KSRC"):
            raise SeriesError("the series is against Debian's linux-source-7.3, not KSRC=")
        patches = write(out)
    except (SeriesError, OSError) as err:
        print(f"series.py: {err}", file=sys.stderr)
        return 1
    print(f"{len(patches) - 1} patches and a cover letter in {os.path.relpath(out, ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
