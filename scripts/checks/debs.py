# SPDX-License-Identifier: GPL-2.0
"""debs.py - our packages, installed, replaced and purged in a Debian that runs on our kernel"""
from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
from pathlib import Path
from typing import Iterable

from guest import BUILD, ROOT, Guest, Initramfs, trouble
from packages import Missing, debian, run

from .ktap import add_ktap
from .result import Broken, Options, Result

OUT = BUILD / "deb-test"


def needs(debs: Iterable[Path]) -> str:
    """What these depend on besides each other, and what they hook into, for mmdebstrap."""
    names = {"initramfs-tools", "dracut-core", "kmod"}
    for deb in debs:
        said = run(["dpkg-deb", "-f", str(deb), "Pre-Depends", "Depends"], deb.name)
        names |= {m[1] for m in re.finditer(r"(?:^\S*Depends: |, )([\w.+-]+)", said, re.M)}
    return ",".join(sorted(names - {deb.name.split("_")[0] for deb in debs}))


def root(packages: str) -> Path:
    """A small Debian as an initramfs, of the release that this machine has, as what is built here
    is built for that; made once."""
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    out = OUT / f"{suite}-{hashlib.sha256(packages.encode()).hexdigest()[:8]}.cpio"
    if out.exists():
        return out
    tar = OUT / "root.tar"
    run(["mmdebstrap", "--variant=minbase", f"--include={packages}", suite, str(tar),
         debian("mirror")], "a Debian to install packages in")
    run(["bsdtar", "-cf", f"{out}.new", "--format=newc", f"@{tar}"], "its initramfs")
    tar.unlink()
    os.replace(f"{out}.new", out)
    return out


def build(revision: int) -> dict[str, Path]:
    """The packages as that build's, for the initramfs."""
    folder = OUT / str(revision)
    shutil.rmtree(folder, ignore_errors=True)
    for what in ("tools", "kernel"):
        run(["scripts/deb.sh", what], f"deb.sh {what}",
            {"DEB_REVISION": str(revision), "DEB_DIR": str(folder)})
    return {f"debs/{revision}/{path.name}": path for path in folder.glob("*.deb")}


def run_debs(res: Result, opts: Options) -> None:
    """What the packages' own scripts say is in the log."""
    try:
        debs = build(1) | build(2)
        base = root(needs(debs.values()))
    except Missing as why:
        raise Broken(str(why)) from None
    # No folders: /bin is a link there.
    more = Initramfs({"init": ROOT / "packaging/tests/init", **debs}, dirs=()).packed()
    whole = OUT / "initramfs.cpio"
    # The kernel unpacks one archive after the other, each begins at a multiple of four.
    with open(whole, "wb") as out:
        for part in (base, more):
            out.write(part.read_bytes())
            out.write(b"\0" * (-out.tell() % 4))
    machine = Guest(res.name, opts.kernel, whole, opts.append, opts.memory, accel=opts.accel)
    said = machine.run()
    res.log = os.path.relpath(said.log, ROOT)
    add_ktap(res, [line for line in said.tests if not line.startswith("# luo: ")])
    bad = trouble(said.kernel)
    if bad:
        res.fail("kernel log: " + "\n    ".join(bad[:8]))
    if said.why or "# luo: end guest 0" not in said.tests:
        res.fail(said.why or "the guest died before its end")
