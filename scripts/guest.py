#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""guest.py - pack an initramfs, boot a kernel in it under QEMU, keep the log

A guest has two serial ports. The kernel talks on the first one (its log); test programs
print KTAP on the second, so that no kernel message can land in the middle of a result.
What both say stands in one file, build/logs/NAME.log, in the order in which it came;
lines of the second port begin with "| " there.

As a program:

    guest.py run [--kernel BZIMAGE] [--append ARGS] [--memory 2G] [--file PATH=FILE]... INIT
    guest.py pack OUT PATH=FILE...

boots with the static program INIT as /init, or packs an initramfs. As a library: Initramfs
describes what goes in, Guest boots it, trouble() finds what a kernel complained about.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import re
import selectors
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# As in lib.sh: trees by base, all else by base and architecture
ARCH = os.environ.get("ARCH") or "x86_64"
BASE = os.environ.get("BASE") or "7.3"
PAGES = os.environ.get("PAGES") or ""       # "16k", or what the architecture usually has
TREES = ROOT / "build" / ("" if BASE == "7.3" else BASE)
BUILD = TREES / ("" if ARCH == "x86_64" else ARCH)
LOGS = BUILD / "logs"
IMAGES = {"x86_64": "arch/x86/boot/bzImage", "arm64": "arch/arm64/boot/Image"}


@dataclass(frozen=True)
class Machine:
    """What differs between the machines that QEMU emulates."""
    qemu: str
    package: str
    cpu: tuple[str, ...]
    args: str               # for the kernel: its console is the first serial port
    pci_ports: bool         # all other serial ports are on PCI

    def more_ports(self, files: list[str]) -> list[str]:
        """QEMU's arguments for serial ports after the first one."""
        cmd = []
        for i, file in enumerate(files, 1):
            if self.pci_ports:
                cmd += ["-chardev", f"file,id=port{i},path={file}",
                        "-device", f"pci-serial,chardev=port{i}"]
            else:
                cmd += ["-serial", f"file:{file}"]
        return cmd


MACHINES = {
    # On a busy host an emulated timer may miss its own check at boot, which is a panic.
    "x86_64": Machine("qemu-system-x86_64", "qemu-system-x86", ("-M", "q35", "-cpu", "max"),
                      "console=ttyS0 no_timer_check", False),
    # Without EFI nobody tells the next kernel where the interrupt translation service has its
    # tables. Emulating the real algorithm of pointer authentication takes longer than the rest.
    "arm64": Machine("qemu-system-aarch64", "qemu-system-arm",
                     ("-M", "virt,gic-version=3,its=off,mte=on", "-cpu", "max,pauth-impdef=on"),
                     "console=ttyAMA0 luo_output=/dev/ttyS0", True),
}
MACHINE = MACHINES[ARCH]

# A guest that says nothing for so long hangs. Nothing else here depends on time. For trying
# things out, GUEST_SILENCE=seconds may be shorter.
SILENCE = float(os.environ.get("GUEST_SILENCE", 300))
# A guest that talks without end.
LONGEST = 3600

TROUBLE = re.compile(
    r"WARNING: |BUG: |KASAN: |UBSAN: |INFO: possible |INFO: rcu.*stall|INFO: task .* blocked|"
    r"possible (circular|recursive|irq lock|deadlock)|suspicious RCU usage|lock held when|"
    r"kmemleak: \d+ new|unreferenced object|Call Trace:|Kernel panic|Oops|general protection|"
    r"list_(add|del) corruption|Bad page state|refcount_t:|sleeping function called|"
    r"bad unlock balance|held lock freed|invoked oom-killer|DEBUG_LOCKS_WARN_ON")


class GuestError(Exception):
    """The guest could not be started."""


def image(name: str, base: str = BASE) -> Path:
    """The kernel that build.sh makes of that name."""
    trees = ROOT / "build" / ("" if base == "7.3" else base)
    return trees / ("" if ARCH == "x86_64" else ARCH) / "out" / name / IMAGES[ARCH]


# The tool, for guests: static
LUOCTL = BUILD / "luoctl/luoctl"


def kernel_version() -> str:
    """That of the tree that kernels are built from."""
    text = (TREES / "linux/Makefile").read_text()
    return ".".join(re.findall(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", text, re.M))


def luoctl_arguments() -> list[str]:
    """For make, to have it built."""
    LUOCTL.parent.mkdir(parents=True, exist_ok=True)
    return ["-C", str(ROOT / "tools/liveupdate"), f"O={LUOCTL.parent}", "STATIC=1",
            f"LUOCTL_VERSION={kernel_version()}"]


def complaint(lines: list[str], i: int) -> str:
    """Line i; with a call trace, the line too that says what it is the trace of."""
    if i < 2 or "Call Trace:" not in lines[i]:
        return lines[i]
    return f"{lines[i - 2 if 'CPU: ' in lines[i - 1] else i - 1]}\n{lines[i]}"


def trouble(lines: list[str], allow: str | None = None) -> list[str]:
    """Return what the kernel complained about; `allow` is a pattern of what is expected."""
    ok = re.compile(allow) if allow else None
    found = [complaint(lines, i) for i, line in enumerate(lines) if TROUBLE.search(line)]
    return [what for what in found if not (ok and ok.search(what))]


def cpio_entry(ino: int, path: str, mode: int, data: bytes, rdev: tuple[int, int]) -> bytes:
    """One member of a newc archive, owned by root, without a time."""
    name = path.lstrip("/").encode() + b"\0"
    head = "070701" + "".join(f"{v:08x}" for v in (
        ino, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(name), 0))
    out = head.encode() + name
    out += b"\0" * (-len(out) % 4) + data
    return out + b"\0" * (-len(data) % 4)


@dataclass
class Initramfs:
    """Files by their path in the guest; a file is a path here, bytes, or "-> target"."""
    files: dict[str, Path | bytes | str]
    dirs: tuple[str, ...] = ("dev", "proc", "sys", "tmp", "run", "bin", "etc")

    def key(self) -> str:
        """Changes whenever the archive would."""
        h = hashlib.sha256()
        for path, what in sorted(self.files.items()):
            h.update(path.encode())
            if isinstance(what, Path):
                st = what.stat()
                h.update(f"{what}{st.st_mtime_ns}{st.st_size}{st.st_mode}".encode())
            else:
                h.update(what if isinstance(what, bytes) else what.encode())
        h.update(repr(self.dirs).encode())
        return h.hexdigest()[:16]

    def members(self):
        """Yield path, mode, data, device number; parents before children."""
        dirs = set(self.dirs)
        for path in self.files:
            parent = Path(path.lstrip("/")).parent
            dirs |= {str(p) for p in (parent, *parent.parents) if str(p) != "."}
        for d in sorted(dirs):
            yield d, stat.S_IFDIR | 0o755, b"", (0, 0)
        yield "dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)
        for path, what in sorted(self.files.items()):
            if isinstance(what, Path):
                mode = 0o755 if os.access(what, os.X_OK) else 0o644
                yield path, stat.S_IFREG | mode, what.read_bytes(), (0, 0)
            elif isinstance(what, bytes):
                mode = 0o755 if what.startswith(b"#!") else 0o644
                yield path, stat.S_IFREG | mode, what, (0, 0)
            else:
                yield path, stat.S_IFLNK | 0o777, what.removeprefix("-> ").encode(), (0, 0)

    def write(self, out: Path) -> Path:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=out.parent, delete=False) as tmp:
            for ino, (path, mode, data, rdev) in enumerate(self.members(), 1):
                tmp.write(cpio_entry(ino, path, mode, data, rdev))
            tmp.write(cpio_entry(0, "TRAILER!!!", 0, b"", (0, 0)))
        os.replace(tmp.name, out)
        return out

    def packed(self) -> Path:
        """The archive, made only if there is none of the same content."""
        out = BUILD / "initramfs" / f"{self.key()}.cpio"
        try:
            os.utime(out)
            return out
        except FileNotFoundError:
            self.write(out)
        prune(out.parent, 24)
        return out


PRUNING = threading.Lock()


def prune(folder: Path, keep: int) -> None:
    """Old archives are of no use: keep those used last. Ones in use keep their file open."""
    with PRUNING:
        old = sorted(folder.glob("*.cpio"), key=lambda p: p.stat().st_mtime)[:-keep]
        for path in old:
            if time.time() - path.stat().st_mtime > 3600:
                path.unlink()


@dataclass
class Outcome:
    """What became of a guest."""
    name: str
    log: Path
    seconds: float = 0.0
    status: int | None = None
    why: str = ""                                       # why it was ended, if it was
    kernel: list[str] = field(default_factory=list)     # lines of the kernel's port
    tests: list[str] = field(default_factory=list)      # lines of the programs' port


# Behind all other memory that a guest has, see kexec/hotplug.c
DIMM = "pc-dimm,memdev=dimm,addr=0x200000000"
# What a program says when it wants to have it
PLUG = "# luo: plug a dimm"


@dataclass
class Guest:
    """A machine to boot. `echo` shows its kernel's log while it runs."""
    name: str
    kernel: Path
    initramfs: Path
    append: str = ""
    memory: str = "2G"
    cpus: int = 2
    silence: float = SILENCE
    longest: float = LONGEST
    echo: bool = False
    more: tuple[str, ...] = ()          # further arguments for QEMU
    accel: str = "tcg,thread=multi"
    dimm: str = ""                      # a module of memory of that size, and ",hot": see PLUG
    base_args: str = f"{MACHINE.args} kho=on liveupdate=on panic=-1 retain_initrd"

    def __post_init__(self) -> None:
        self.monitor: socket.socket | None = None       # our end of QEMU's, while it runs

    def module(self, monitor: int) -> list[str]:
        """Memory that is not in firmware's map: there at the start, or added later."""
        if not self.dimm:
            return []
        size, _, hot = self.dimm.partition(",")
        backend = ["-object", f"memory-backend-ram,id=dimm,size={size}"]
        if not hot:
            return [*backend, "-device", DIMM]
        return [*backend, "-chardev", f"socket,id=monitor,fd={monitor}",
                "-mon", "chardev=monitor"]

    def command(self, fifos: list[str], monitor: int = -1) -> list[str]:
        qemu = os.environ.get("QEMU", MACHINE.qemu)
        if not shutil.which(qemu):
            raise GuestError(f"{qemu}: not found (Debian: {MACHINE.package})")
        memory = self.memory + (",slots=1,maxmem=32G" if self.dimm else "")
        cmd = [qemu, *MACHINE.cpu, "-m", memory, "-smp", str(self.cpus),
               "-nodefaults", "-nographic", "-no-reboot"]
        # Emulation works everywhere; a nested KVM often does not. QEMU_ACCEL=kvm is faster.
        cmd += ["-accel", os.environ.get("QEMU_ACCEL", self.accel)]
        if fifos:
            cmd += ["-serial", f"file:{fifos[0]}", *MACHINE.more_ports(fifos[1:])]
        cmd += [*self.module(monitor), *self.more]
        return cmd + ["-kernel", str(self.kernel), "-initrd", str(self.initramfs),
                      "-append", f"{self.base_args} {self.append}".strip()]

    def run(self) -> Outcome:
        LOGS.mkdir(parents=True, exist_ok=True)
        out = Outcome(self.name, LOGS / f"{self.name}.log")
        start = time.monotonic()
        self.monitor, theirs = socket.socketpair()
        with self.monitor, theirs, tempfile.TemporaryDirectory(prefix="luo-guest-") as tmp, \
                open(out.log, "w", encoding="utf-8", errors="replace") as log:
            fifos = [os.path.join(tmp, n) for n in ("kernel", "tests")]
            for f in fifos:
                os.mkfifo(f)
            # Open for reading and writing, so that opening does not wait for QEMU.
            fds = [os.open(f, os.O_RDWR | os.O_NONBLOCK) for f in fifos]
            cmd = self.command(fifos, theirs.fileno())
            log.write("# " + " ".join(cmd) + "\n")
            log.flush()
            with subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()]) as proc:
                try:
                    self.listen(proc, fds, log, out)
                finally:
                    if proc.poll() is None:
                        proc.kill()
                    out.status = proc.wait()
            for fd in fds:
                os.close(fd)
            out.seconds = time.monotonic() - start
            if out.why:
                log.write(f"# {out.why}\n")
        return out

    def listen(self, proc: subprocess.Popen, fds: list[int], log, out: Outcome) -> None:
        """Sort what comes into the two lists and the log, until QEMU ends or hangs."""
        sinks = [(out.kernel, ""), (out.tests, "| ")]
        rest = [b"", b""]
        sel = selectors.DefaultSelector()
        for i, fd in enumerate(fds):
            sel.register(fd, selectors.EVENT_READ, i)
        begun = heard = time.monotonic()
        while True:
            ended = proc.poll() is not None
            events = sel.select(0 if ended else 0.2)
            for key, _ in events:
                heard = time.monotonic()
                data = rest[key.data] + os.read(key.fd, 65536)
                *lines, rest[key.data] = data.split(b"\n")
                for raw in lines:
                    self.take(raw, sinks[key.data], log)
            if ended and not events:
                break
            if time.monotonic() - heard > self.silence:
                out.why = f"the guest said nothing for {self.silence:.0f} s"
                break
            if time.monotonic() - begun > self.longest:
                out.why = f"the guest ran for more than {self.longest:.0f} s"
                break
        for i, raw in enumerate(rest):
            if raw:
                self.take(raw, sinks[i], log)

    def take(self, raw: bytes, sink: tuple[list[str], str], log) -> None:
        line = raw.decode("utf-8", "replace").rstrip("\r")
        sink[0].append(line)
        if self.monitor and line == PLUG:
            self.monitor.sendall(f"device_add {DIMM}\n".encode())
        log.write(sink[1] + line + "\n")
        log.flush()
        if self.echo:
            print(sink[1] + line, flush=True)


LOADER = "lib64/ld-linux-x86-64.so.2"


def shared_libraries(program: Path, root: Path = Path("/"),
                     folders: tuple[str, ...] = ()) -> dict[str, Path | bytes | str]:
    """What a dynamically linked program needs in the initramfs, by its loader. The program
    may be one of a system unpacked under `root`, with libraries in those folders of it."""
    cmd = [str(root / "usr" / LOADER), "--list", str(program)]
    if folders:
        cmd[1:1] = ["--library-path", ":".join(str(root / f) for f in folders)]
    text = subprocess.run(cmd, capture_output=True, text=True, check=True).stdout
    files: dict[str, Path | bytes | str] = {LOADER: (root / "usr" / LOADER).resolve()}
    for m in re.finditer(r"=> (/\S+) \(0x", text):
        path = Path(m.group(1))
        if not path.is_relative_to(root):
            raise GuestError(f"{program.name} wants {path.name}, which is not under {root}")
        files[str(path.relative_to(root))] = path.resolve()
    return files


def parse_files(pairs: list[str]) -> dict[str, Path | bytes | str]:
    files: dict[str, Path | bytes | str] = {}
    for pair in pairs:
        path, sep, source = pair.partition("=")
        if not sep:
            raise GuestError(f"{pair}: want PATH=FILE")
        files[path.lstrip("/")] = Path(source)
    return files


def main() -> int:
    ap = argparse.ArgumentParser(description="pack an initramfs; boot a kernel under QEMU")
    sub = ap.add_subparsers(dest="verb", required=True)
    run = sub.add_parser("run", help="boot, show the log, say what the kernel complained about")
    run.add_argument("init", type=Path, help="static program to run as /init")
    run.add_argument("--kernel", type=Path, default=image("lean"))
    run.add_argument("--append", default="")
    run.add_argument("--memory", default="2G")
    run.add_argument("--name", default="guest")
    run.add_argument("--file", action="append", default=[], metavar="PATH=FILE")
    pack = sub.add_parser("pack", help="write an initramfs")
    pack.add_argument("out", type=Path)
    pack.add_argument("file", nargs="+", metavar="PATH=FILE")
    args = ap.parse_args()

    try:
        if args.verb == "pack":
            Initramfs(parse_files(args.file)).write(args.out)
            return 0
        files = parse_files(args.file) | {"init": args.init}
        out = Guest(args.name, args.kernel, Initramfs(files).packed(), args.append,
                    args.memory, echo=True).run()
    except (GuestError, OSError) as err:
        print(f"guest.py: {err}", file=sys.stderr)
        return 2
    bad = trouble(out.kernel)
    for line in bad:
        print(f"trouble: {line}")
    print(f"{out.seconds:.1f} s, log: {out.log}" + (f", {out.why}" if out.why else ""))
    return 1 if bad or out.why or out.status else 0


if __name__ == "__main__":
    sys.exit(main())
