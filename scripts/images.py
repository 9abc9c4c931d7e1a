# SPDX-License-Identifier: GPL-2.0
"""images.py - images of kernels for luoctl to look at, made of one that was built

They cannot be started. Each is what the build would have made of the same kernel in another
configuration, as far as a program can see that reads it, or is broken in one way.
"""
from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import subprocess
from pathlib import Path
from typing import Callable

import packages

SECTOR = 512
NAME = b"liveupdate\0\0"
NOTE_FILE, NOTE_FLB, NOTE_BOOT, NOTE_END, NOTE_SUBTREE, NOTE_OLDER = 3, 4, 5, 6, 7, 0x100
# The note of a handler
HANDLER = b"memfd-extent-v1\0"


def u32(data: bytes, at: int) -> int:
    return struct.unpack_from("<I", data, at)[0]


def run(*command: str | Path, data: bytes | None = None) -> bytes:
    return subprocess.run([str(c) for c in command], input=data, capture_output=True,
                          check=True).stdout


def repacked(bzimage: bytes, payload: bytes, sized: bool = True) -> bytes:
    """A bzImage with another payload, which has to be smaller. The build writes the size of
    what comes out behind it, but for gzip, which does so itself."""
    setup = ((bzimage[0x1f1] or 4) + 1) * SECTOR
    at = setup + u32(bzimage, 0x248)
    room = u32(bzimage, 0x24c)
    if sized:
        payload += bzimage[at + room - 4:at + room]
    if len(payload) > room:
        raise ValueError(f"a payload of {len(payload)} bytes does not fit into {room}")
    out = bytearray(bzimage)
    out[at:at + len(payload)] = payload
    struct.pack_into("<I", out, 0x24c, len(payload))
    return bytes(out)


def notes_of(vmlinux: Path, scratch: Path) -> bytes:
    run("objcopy", "--dump-section", f".notes={scratch}", vmlinux, "/dev/null")
    return scratch.read_bytes()


def changed(notes: bytes, what: Callable[[int, bytes], tuple[int, bytes] | None]) -> bytes:
    """Each note of ours as what() has it, from its type and what it says; None: without it."""
    out, at = b"", 0
    while at + 12 <= len(notes):
        namesz, descsz, kind = struct.unpack_from("<III", notes, at)
        name = at + 12
        body = name + (namesz + 3 & ~3)
        end = body + (descsz + 3 & ~3)
        if notes[name:body] != NAME:
            out += notes[at:end]
        elif new := what(kind, notes[body:body + descsz]):
            out += struct.pack("<III", namesz, len(new[1]), new[0]) + NAME
            out += new[1] + bytes(-len(new[1]) % 4)
        at = end
    if out == notes:
        raise ValueError("nothing was changed")
    return out


def handler(kind: int, desc: bytes, new: int | None) -> tuple[int, bytes] | None:
    """The handler's note becomes one of another type, or none."""
    if desc != HANDLER:
        return kind, desc
    return (new, desc) if new else None


def boot(kind: int, desc: bytes, **values: int) -> tuple[int, bytes]:
    """Other values in what has to fit."""
    if kind == NOTE_BOOT:
        known = dict(zip(("page_shift", "flags", "page_bytes"), struct.unpack("<III", desc)))
        desc = struct.pack("<III", *(known | values).values())
    return kind, desc


# By name, what becomes of the notes
NOTES = {
    "stripped": lambda kind, desc: handler(kind, desc, None),
    "older": lambda kind, desc: handler(kind, desc, NOTE_FILE | NOTE_OLDER),
    "object": lambda kind, desc: handler(kind, desc, NOTE_FLB),
    "pages": lambda kind, desc: boot(kind, desc, page_shift=14),
    "hungry": lambda kind, desc: boot(kind, desc, page_bytes=8192),
    "careless": lambda kind, desc: (kind, desc) if kind != NOTE_SUBTREE else None,
    "kho-off": lambda kind, desc: boot(kind, desc, flags=0),
}


def with_notes(vmlinux: Path, notes: bytes, out: Path) -> None:
    """A vmlinux, packed so that many of them fit into a guest."""
    scratch = out.with_suffix(".notes")
    scratch.write_bytes(notes)
    run("objcopy", "--update-section", f".notes={scratch}", "-S", vmlinux, scratch)
    out.write_bytes(run("lz4", "-q", "-c", data=scratch.read_bytes()))


def arm64(notes: bytes, left: int) -> bytes:
    """A flat image: its head, then anything, with the notes somewhere in it, which say that so
    much is left behind them."""
    notes = changed(notes, lambda kind, desc: (kind, struct.pack("<I", left))
                    if kind == NOTE_END else (kind, desc))
    head = bytearray(64)
    struct.pack_into("<QQ", head, 8, 0, 0x100000)
    head[56:60] = b"ARM\x64"
    return bytes(head) + bytes(4096) + notes + bytes(4096)


def riscv(vmlinux: bytes) -> bytes:
    """The same for a machine that nobody knows here."""
    out = bytearray(vmlinux)
    struct.pack_into("<H", out, 18, 243)
    return bytes(out)


def zboot(image: bytes) -> bytes:
    """The same, packed, under a head for EFI."""
    payload = gzip.compress(image)
    head = bytearray(64)
    head[0:8] = b"MZ\0\0zimg"
    struct.pack_into("<II", head, 8, len(head), len(payload))
    head[24:28] = b"gzip"
    return bytes(head) + payload


def uki(**sections: bytes) -> bytes:
    """A unified image: sections, and a head that no firmware would start."""
    at = 1024
    head = bytearray(at)
    head[0:2] = b"MZ"
    struct.pack_into("<I", head, 0x3c, 64)
    head[64:68] = b"PE\0\0"
    struct.pack_into("<H", head, 64 + 6, len(sections))
    body = b""
    for i, (name, data) in enumerate(sections.items()):
        padded = data + bytes(-len(data) % SECTOR)
        entry = 64 + 24 + 40 * i
        head[entry:entry + 1 + len(name)] = b"." + name.encode()
        struct.pack_into("<IIII", head, entry + 8, len(data), 0, len(padded), at + len(body))
        body += padded
    return bytes(head) + body


def debian() -> Path:
    """Debian's own kernel for virtual machines, as it is packaged."""
    name = packages.debian("newest", "linux-binary-unsigned-", "-cloud-amd64")
    if not name:
        raise packages.Missing("no suite has a linux-binary-unsigned-*-cloud-amd64")
    root = packages.ROOT / "build/tools/debian-kernel"
    packages.once(root, name, lambda: packages.debian("unpack", str(root), name))
    return next(root.glob("usr/lib/modules/*/vmlinuz*"))


def make(folder: Path, bzimage: Path, vmlinux: Path) -> dict[str, Path]:
    """All of them, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = bzimage.read_bytes()
    inside = (vmlinux.parent / "arch/x86/boot/compressed/vmlinux.bin").read_bytes()
    notes = notes_of(vmlinux, folder / "notes")
    flat = arm64(notes, 4096)
    made = {
        "gzip": repacked(packed, gzip.compress(inside, mtime=0), sized=False),
        "zstd": repacked(packed, run("zstd", "-q", "-c", "-T0", data=inside)),
        "lz4": repacked(packed, run("lz4", "-q", "-l", "-9", "-c", data=inside)),
        "xz": repacked(packed, lzma.compress(inside, check=lzma.CHECK_CRC32, preset=0)),
        "bzip2": repacked(packed, bz2.compress(inside)),
        "cut": packed[:-1],
        "cut-inside": repacked(packed, gzip.compress(inside, mtime=0)[:100000], sized=False),
        "arm64": flat,
        "arm64-cut": arm64(notes, 1 << 20),
        "zboot": zboot(flat),
        "uki": uki(osrel=b"ID=none\n", cmdline=b"console=ttyS0 liveupdate=on quiet\n\0",
                   initrd=b"initramfs", linux=packed, profile=b"ID=other\n",
                   cmdline2=b"liveupdate=off"),
        "uki-off": uki(linux=packed, cmdline=b"quiet"),
        "uki-cut": uki(cmdline=b"liveupdate=on", linux=packed)[:-SECTOR],
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
    for name, what in NOTES.items():
        with_notes(vmlinux, changed(notes, what), folder / name)
    run("objcopy", "-R", ".notes", "-S", vmlinux, folder / "unmarked")
    (folder / "riscv").write_bytes(run("lz4", "-q", "-c", data=riscv(inside)))
    return {name: folder / name for name in (*made, *NOTES, "unmarked", "riscv")}


def make_modules(folder: Path, module: Path) -> dict[str, Path]:
    """The module, packed, for another kernel, and broken in some ways; each in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = module.read_bytes()
    packed = lzma.compress(plain, check=lzma.CHECK_CRC32)
    head = b"vermagic="
    made = {
        "packed": (".xz", packed),
        "broken": (".xz", packed[:-100]),
        "cut": ("", plain[:len(plain) // 2]),
        "text": ("", b"no module\n"),
        "foreign": ("", plain.replace(head, head + b"9", 1)),
    }
    for name, (_, data) in made.items():
        (folder / f"module-{name}").write_bytes(data)
    return {f"modules/{name}/{module.name}{ending}": folder / f"module-{name}"
            for name, (ending, _) in made.items()}
