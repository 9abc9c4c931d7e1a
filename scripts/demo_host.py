#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""demo_host.py [--short] [--memory 4G]

A Debian that is live-updated three times, or once, as its operator sees it: our packages, systemd,
two services of which one is a virtual machine. What is typed at its serial console and what came
of it is shown, checked, and drawn in build/demo-host/timeline.svg. Kernels and services speak at a
second port: build/logs/demo-host.log. packaging/tests/host says what that Debian is.
Exit status 0: all went on; 1: something did not; 2: it could not be tried.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo import SAMPLES, compile_init
from demo_vm import compile_guest
from guest import BUILD, LOGS, ROOT, Guest, GuestError, image, kernel_version, trouble
from packages import Missing, debian, run
from timeline import COLOURS, LEFT, WIDTH, Timeline

OUT = BUILD / "demo-host"
OLDEST = "261"          # systemd
PACKAGES = ("systemd-sysv", "libpam-systemd", "udev", "dbus", "initramfs-tools", "zstd", "kmod",
            "kexec-tools", "python3-systemd", "qemu-system-x86", "iproute2", "libjson-c5",
            "libarchive13t64", "libelf1t64")
A_PROMPT = r"\[(\d+)\] host# "
PROMPT = re.compile(A_PROMPT + "$")
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\r")
BOOT, KEXEC = 180, 300  # seconds that these may take


# ---- the host's disk

def tell(what: str) -> None:
    print(f"== {what}", flush=True)


def packed(folder: Path, package: str, built: Path) -> bool:
    """Is there a package of that kernel as it was last built?"""
    return any(path.stat().st_mtime > built.stat().st_mtime
               for path in folder.glob(f"{package}_*.deb"))


def packages() -> Path:
    """Ours, in a folder for each step in which they are installed."""
    folder = OUT / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    debs = OUT / "debs"
    run(["scripts/deb.sh", "tools"], "the packages of the tools", {"DEB_DIR": str(debs)})
    for what, name, package in (("kernel", "host", "linux-image-*-luo"),
                                ("next", "host-next", "linux-image-*-next")):
        if not packed(debs, package, BUILD / "out" / name / ".built"):
            tell(f"packing the {name} kernel")
            run(["scripts/deb.sh", what], f"the {name} kernel", {"DEB_DIR": str(debs)})
    for step, names in (("tools", ("liveupdate-tools_*", "libluo0_*")),
                        ("first", ("linux-image-*-luo_*",)), ("next", ("linux-image-*-next_*",))):
        (folder / step).mkdir(parents=True)
        for name in names:
            for path in debs.glob(name):
                shutil.copy(path, folder / step)
    for path in (SAMPLES / "counter.py", SAMPLES / "luo-counter.service",
                 SAMPLES / "luo-vm.service", compile_guest(BUILD / "demo-vm/vm_guest.bin"),
                 compile_init(OUT / "vm_service", ("vm_service", "vm_qemu", "host"),
                              ("-ljson-c", "-lsystemd"), static=False),
                 ROOT / "packaging/tests/host"):
        shutil.copy(path, folder)
    return folder


def key(folder: Path, suite: str) -> str:
    """Changes whenever the disk would."""
    found = hashlib.sha256(" ".join((suite, *PACKAGES)).encode())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(f"{path.relative_to(folder)}".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def install(folder: Path) -> Path:
    """A Debian with what packaging/tests/host makes of it, as an archive; made once."""
    suite = debian("suite", "systemd", OLDEST)
    tar = OUT / f"{suite}-{key(folder, suite)}.tar"
    if tar.exists():
        return tar
    tell(f"installing a Debian, of {suite}")
    for old in OUT.glob("*.tar"):
        old.unlink()
    expired = run(["apt-config", "dump", "Acquire::Check-Valid-Until"], "apt-config").strip()
    run(["mmdebstrap", "--variant=minbase", "--format=tar", f"--include={','.join(PACKAGES)}",
         *([f"--aptopt={expired}"] if expired else []),
         f"--customize-hook=copy-in {folder} /srv",
         "--customize-hook=chroot \"$1\" sh /srv/demo/host",
         suite, f"{tar}.new", debian("mirror")], "a Debian")
    os.replace(f"{tar}.new", tar)
    return tar


def disk(tar: Path) -> Path:
    """A new one, sparse; without root by fakeroot, so that files keep their owners."""
    tell("writing its disk")
    root, out = OUT / "root", OUT / "disk.img"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    out.unlink(missing_ok=True)
    with open(out, "wb") as new:
        new.truncate(4 << 30)
    steps = f"tar -C {root} -xf {tar} && mke2fs -q -t ext4 -d {root} {out} && chmod -R u+rwX {root}"
    run([*(["fakeroot"] if os.getuid() else []), "sh", "-ec", steps], "its disk")
    for path in (root / "boot").glob("initrd.img-*-luo"):
        shutil.copy(path, OUT / "initrd")
    shutil.rmtree(root, ignore_errors=True)
    return out


# ---- the host, and who sits at it

@dataclass
class Host:
    """A machine whose first serial port an operator has."""
    command: list[str]
    began: float = field(default_factory=time.monotonic)
    raw: bytes = b""                                                # at the operator's port
    log: list[tuple[float, str]] = field(default_factory=list)     # at the other one

    def __post_init__(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        self.path = LOGS / "demo-host.log"
        self.file = open(self.path, "w", encoding="utf-8")
        pairs = [socket.socketpair() for _ in range(2)]
        theirs = [pair[1] for pair in pairs]
        command = list(self.command)
        for i, sock in enumerate(theirs):
            command += ["-chardev", f"socket,id=port{i},fd={sock.fileno()}",
                        "-serial", f"chardev:port{i}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.file,
                                        stderr=subprocess.STDOUT,
                                        pass_fds=[sock.fileno() for sock in theirs])
        for sock in theirs:
            sock.close()
        self.operator = pairs[0][0]
        self.rest = b""
        self.ports = selectors.DefaultSelector()
        self.ports.register(pairs[0][0], selectors.EVENT_READ, self.type_out)
        self.ports.register(pairs[1][0], selectors.EVENT_READ, self.write_down)

    def now(self) -> float:
        return time.monotonic() - self.began

    @property
    def text(self) -> str:
        """What the operator reads, since something was typed."""
        return ESCAPES.sub(b"", self.raw).decode("utf-8", "replace")

    def type_out(self, data: bytes) -> None:
        self.raw += data

    def write_down(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        for raw in lines:
            line = ESCAPES.sub(b"", raw).decode("utf-8", "replace")
            self.log.append((self.now(), line))
            self.file.write(f"{self.now():8.3f} {line}\n")
        self.file.flush()

    def listen(self) -> None:
        """To whatever comes within a moment."""
        for port, _ in self.ports.select(0.2):
            data = port.fileobj.recv(65536)
            if data:
                port.data(data)
            else:
                self.ports.unregister(port.fileobj)

    def wait(self, seconds: float, what: str, there) -> None:
        until = self.now() + seconds
        while not there():
            if self.process.poll() is not None:
                raise GuestError(f"{what}: the machine has ended")
            if self.now() > until:
                raise GuestError(f"{what}: not within {seconds:.0f} s: "
                                 f"{(self.text.splitlines() or [''])[-1]}")
            self.listen()

    def kernels(self) -> list[tuple[float, str]]:
        """When each began, and which it was."""
        return [(when, m[1]) for when, line in self.log
                if (m := re.search(r"\] Linux version (\S+)", line))]

    def said(self, pattern: str) -> list[tuple[float, str]]:
        """When services said it, and what of it is in parentheses."""
        return [(when, m[1]) for when, line in self.log if (m := re.search(pattern, line))]

    def prompt(self, seconds: float) -> int:
        """Until it is there: the exit status that it shows."""
        self.wait(seconds, "no prompt", lambda: PROMPT.search(self.text))
        return int(PROMPT.search(self.text)[1])

    def type(self, line: str) -> None:
        self.raw = b""
        self.operator.sendall(line.encode() + b"\n")

    def do(self, line: str, seconds: float = 60) -> tuple[int, str]:
        """Its exit status, and what was printed."""
        self.type(line)
        status = self.prompt(seconds)
        return status, PROMPT.sub("", self.text).partition("\n")[2].strip()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.file.close()


@dataclass
class Story:
    """What the operator does, and what came of it."""
    host: Host
    claims: list[tuple[bool, str]] = field(default_factory=list)

    def show(self, line: str, output: str = "", most: int = 12) -> None:
        print(f"{self.host.now():7.1f} s  host# {line}", flush=True)
        for row in output.splitlines()[-most:]:
            print(f"{'':11}{row}", flush=True)

    def claim(self, good: bool, what: str) -> None:
        self.claims.append((good, what))

    def do(self, line: str, seconds: float = 60, status: int = 0, most: int = 12) -> str:
        got, output = self.host.do(line, seconds)
        self.show(line, output, most)
        if got != status:
            self.claim(False, f"'{line}' ended with status {got}")
        return output

    def boot(self) -> None:
        self.host.prompt(BOOT)
        self.do("systemctl is-system-running --wait", BOOT)
        for unit in ("luo-counter", "luo-vm", "liveupdate-preflight"):
            self.do(f"systemctl is-active {unit}")

    def update(self, release: str) -> None:
        """By luoctl: the prompt that comes is that of the next kernel."""
        line = f"luoctl kexec /boot/vmlinuz-{release} --initrd=/boot/initrd.img-{release}"
        before = len(self.host.kernels())
        self.show(line)
        self.host.type(line)
        self.host.wait(KEXEC, "the next kernel", lambda: len(self.host.kernels()) > before)
        self.host.raw = b""
        self.host.prompt(BOOT)
        self.claim(self.do("uname -r") == release, f"Linux {release} runs after update {before}")
        self.boot()
        self.do("luoctl timeline", most=20)

    def refused(self, release: str) -> None:
        """A kernel that neither luoctl nor a boot loader's entry is known to have loaded"""
        ids = "systemctl show -P MainPID luo-counter luo-vm"
        before = self.do(ids)
        self.do(f"kexec -s -l /boot/vmlinuz-{release} --append=root=/dev/vda")
        self.host.type("systemctl kexec")
        # What is written to all terminals ends with that, and may come after the prompt.
        self.host.wait(60, "no refusal", lambda: "-u liveupdate-preflight" in self.host.text and
                       re.search(A_PROMPT, self.host.text))
        self.show("systemctl kexec",
                  re.sub(A_PROMPT, "", self.host.text).partition("\n")[2].strip())
        self.host.do("")
        after = self.do(f"{ids}; cat /sys/kernel/kexec/loaded")
        self.claim(after == f"{before}\n0", "a plain systemctl kexec into an unknown kernel is "
                   "refused, and no service was stopped")

    def tell(self, short: bool) -> None:
        first = f"{kernel_version()}-luo"
        newer = f"{first}-next"
        self.boot()
        self.do("uname -r")
        self.do("luoctl status")
        self.do("apt-get install -qq -y /srv/demo/next/linux-image-*.deb", 600, most=4)
        self.refused(newer)
        updates = [newer] if short else [newer, newer, first]
        for release in updates:
            self.update(release)
        self.do("systemctl kill --kill-whom=main -s USR1 luo-vm")
        self.host.wait(60, "no audit", lambda: self.host.said(r"guest: (audit|LOST)"))
        self.do("journalctl -q -b -o cat -u luo-counter -u luo-vm")
        self.do("ip -4 -br addr show scope global")
        self.host.type("systemctl poweroff")
        self.host.process.wait(BOOT)
        self.judge([first, *updates])

    def judge(self, releases: list[str]) -> None:
        host, updates = self.host, len(releases) - 1
        self.claim([name for _, name in host.kernels()] == releases,
                   f"the kernels were {', '.join(name for _, name in host.kernels())}")
        ended = [n for _, n in host.said(r"counter.*ends at (\d+)")]
        began = [n for _, n in host.said(r"counter.*counts from (\d+)")]
        self.claim(len(began) == updates + 1 and began[1:] == ended[:updates],
                   f"the counter: {', '.join(began)}, each where it had ended before")
        saved = [int(n) for _, n in host.said(r"saved at step (\d+)")]
        steps = [int(n) for _, n in host.said(r"guest is at step (\d+)")]
        self.claim(len(steps) == updates + 1 and
                   steps[1:] == [n + 1 for n in saved[:updates]],
                   f"the virtual machine: saved at steps {saved[:updates]}, next {steps[1:]}")
        self.claim(bool(host.said("guest: (audit: nothing missing, nothing twice)")) and
                   not host.said("guest: (LOST.*)"),
                   "the virtual machine's own list and memory: nothing missing, nothing twice")
        for line in trouble([line for _, line in host.log]):
            self.claim(False, f"a kernel complained: {line}")


def picture(host: Host) -> str:
    """Kernels and machine, in lanes over one axis of time."""
    kernels = host.kernels()
    jumps = [when for when, _ in host.said(r"(Starting new kernel|kexec: )")]
    drawn = Timeline(host.now(), 0, (0, 0), (0, 0), [], [], "A Debian and three live updates")
    drawn.text(LEFT, 22, drawn.title, size=15)
    drawn.axis(54)
    ends = [when for when, _ in kernels[1:]] + [drawn.end]
    drawn.lane(70, "kernel", [(when, end, COLOURS[2 * (i % 2)], name)
                              for i, ((when, name), end) in enumerate(zip(kernels, ends))])
    runs = [when for when, _ in host.said(r"(a new machine|the machine goes on)")]
    stops = [when for when, _ in host.said(r"saved at step (\d+)")] + [drawn.end]
    drawn.lane(110, "machine", [(a, b, "#59a14f", "runs") for a, b in zip(runs, stops)])
    for when in jumps:
        drawn.line(drawn.x(when), 66, drawn.x(when), 144, "#e15759")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="160" '
            f'font-family="sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
            + "\n".join(drawn.parts) + "\n</svg>\n")


def machine(memory: str) -> list[str]:
    """QEMU's command, but for the two serial ports."""
    return Guest("demo-host", image("host"), OUT / "initrd", "quiet loglevel=6 "
                 "systemd.show_status=no root=/dev/vda rw", memory, cpus=4,
                 more=("-drive", f"file={OUT / 'disk.img'},if=virtio,format=raw,cache=unsafe",
                       "-nic", "user,model=virtio-net-pci"),
                 base_args="console=ttyS1 no_timer_check kho=on liveupdate=on panic=-1"
                 ).command([])


def play(memory: str, short: bool) -> tuple[Story, str]:
    """The story, and why it ended before its end, if it did."""
    disk(install(packages()))
    tell(f"a host of {memory} with 4 processors; what its kernels say: build/logs/demo-host.log\n")
    story = Story(Host(machine(memory)))
    try:
        story.tell(short)
    except (GuestError, subprocess.TimeoutExpired) as err:
        return story, str(err)
    finally:
        story.host.end()
    return story, ""


def main() -> int:
    ap = argparse.ArgumentParser(description="a Debian that is live-updated")
    ap.add_argument("--memory", default="4G", help="of the host")
    ap.add_argument("--short", action="store_true", help="one update instead of three")
    args = ap.parse_args()
    began = time.monotonic()
    try:
        story, why = play(args.memory, args.short)
    except (GuestError, Missing, OSError, subprocess.CalledProcessError) as err:
        print(f"demo_host.py: {err}", file=sys.stderr)
        return 2
    print()
    if why:
        story.claim(False, why)
    for good, what in story.claims:
        print(f"{'PASS' if good else 'FAIL'}  {what}")
    svg = OUT / "timeline.svg"
    svg.write_text(picture(story.host))
    print(f"\n({time.monotonic() - began:.0f} s in all; a picture of it: "
          f"{os.path.relpath(svg, ROOT)}; the log: {os.path.relpath(story.host.path, ROOT)})")
    bad = sum(not good for good, _ in story.claims)
    print(f"{len(story.claims) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
