#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""series.py - write the repository as patch series against the untouched base

    series.py [OUT]         OUT is build/series

There is a folder in series/ for each one to be sent, in the order of SERIES, and each is written
to a folder of OUT. What goes into which patch is in NN-*.txt, one file per patch, and cover.txt is
the letter; patches of a folder without one are to be sent each by itself. A text is the message,
a line "---", then what the patch does, a line each:

    base NNNN           patches/NNNN-*.patch as it is; alone, it brings its own message
    remove [PATTERN]    take out what of the base we replace
    diff NAME           NAME in that folder, for what only stands between two patches
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
SERIES = ("fixes", "kho", "scratch", "liveupdate", "hwpoison", "kexec", "tools")
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
    """One file of a folder of series/, named with it."""
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
        raise SeriesError(f"{path}: no line --- before what the patch does")
    verbs = [line.split() for line in rest.splitlines() if line and not line.startswith("#")]
    return Text(str(path.relative_to(TEXTS)), message.strip(), verbs)


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


def remove_stock(tree: Tree, pattern: str = "*") -> None:
    for path in fnmatch.filter(stock_files(), pattern):
        (tree.repo / path).unlink(missing_ok=True)
    tree.cleared = not any(tree.there(path) for path in stock_files())


def carry_out(tree: Tree, text: Text) -> None:
    for verb, *args in text.verbs:
        match verb:
            case "base":
                tree.git("apply", str(base_patch(args[0])))
            case "diff":
                tree.git("apply", str((TEXTS / text.name).parent / args[0]))
            case "remove":
                remove_stock(tree, *args)
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


def cover(words: Path, out: Path) -> None:
    """Put our words into the letter that git has prepared."""
    head, _, body = words.read_text().partition("\n\n")
    letter = out / "0000-cover-letter.patch"
    # Which files come and go is said by each patch, in lines as long as their names.
    text = re.sub(r"^ (create|delete) mode .*\n", "", letter.read_text(), flags=re.M)
    letter.write_text(text.replace("*** SUBJECT HERE ***", head.strip())
                      .replace("*** BLURB HERE ***", body.strip()))


def is_letter(patch: Path) -> bool:
    return patch.name.startswith("0000-")


def format_patches(tree: Tree, name: str, count: int, out: Path) -> list[Path]:
    """The last commits, as a series of that name, in a folder of its own."""
    letter = TEXTS / name / "cover.txt"
    how = ["--cover-letter"] if letter.exists() else ["--no-numbered"]
    # Mails out of a repository of any size: as many digits of each hash as in the kernel's
    tree.git("-c", "core.abbrev=12", "format-patch", "-q", *how, "--no-renames",
             "--no-signature", "--no-base", "-o", str(out / name), f"HEAD~{count}",
             env=identity())
    if letter.exists():
        cover(letter, out / name)
    return sorted((out / name).glob("*.patch"))


def write(out: Path) -> list[Path]:
    """All series, and nothing else, in that folder; their patches in the order to apply them."""
    texts = {name: [read_text(p) for p in sorted((TEXTS / name).glob("[0-9][0-9]-*.txt"))]
             for name in SERIES}
    tree = start(out / ".git-series", assign([t for some in texts.values() for t in some],
                                             touched()))
    for old in out.glob("**/*.patch"):
        old.unlink()
    patches = []
    for name, some in texts.items():
        for text in some:
            carry_out(tree, text)
            tree.git("add", "-A", "-f")
            tree.git("commit", "-q", "--cleanup=verbatim", "-m", subject(text), env=identity())
        patches += format_patches(tree, name, len(some), out)
    compare(tree)
    shutil.rmtree(tree.repo)
    # In the form and under the name that quilt and git quiltimport know
    (out / "series").write_text("".join(f"{p.relative_to(out)}\n" for p in patches
                                        if not is_letter(p)))
    return patches


def main() -> int:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else TREES / "series"
    try:
        if os.environ.get("KSRC"):
            raise SeriesError("the series is against Debian's linux-source-7.3, not KSRC=")
        patches = write(out)
    except (SeriesError, OSError) as err:
        print(f"series.py: {err}", file=sys.stderr)
        return 1
    letters = sum(is_letter(patch) for patch in patches)
    print(f"{len(patches) - letters} patches and {letters} cover letters in "
          f"{os.path.relpath(out, ROOT)}: {', '.join(SERIES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
