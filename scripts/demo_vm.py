#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""demo_vm.py [--guest-memory MIB] [--accel tcg|kvm] [--memory 2G] [--append ARGS]

A virtual machine that does not notice that the kernel under it is replaced: an unmodified QEMU of
Debian in a host that is itself a QEMU guest. The host's program is samples/liveupdate/vm_agent.c,
the machine's vm_guest.c. What both say is shown side by side; a picture of it is
build/demo-vm/timeline.svg, the host kernels' log build/logs/demo-vm.log.
Exit status 0: nothing of the machine was lost; 1: something was; 2: it could not be tried.
"""
from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from demo import SAMPLES, compile_init
from guest import BUILD, ROOT, Guest, GuestError, Initramfs, image, trouble
from packages import Missing, program, with_libraries
from timeline import Timeline

OUT = BUILD / "demo-vm"
QEMU = {"tcg": "usr/bin/qemu-system-x86_64", "kvm": "usr/bin/qemu-system-x86_64-microvm"}
OLDEST = "1:11.1"

# What ends with each mark that the agent makes
PHASES = {
    "save": "QEMU saves the machine's state",
    "preserve": "the agent preserves that",
    "freeze": "and freezes the session",
    "kernel": "blackout: the old kernel shuts down, the new one is unpacked",
    "boot": "blackout: the new kernel boots",
    "retrieve": "the agent retrieves memory, state and notes",
    "start": "a new QEMU starts",
    "load": "and loads the machine's state",
    "finish": "the agent finishes the session",
    "run": "the machine is let go",
    "again": "the agent dies, and is started again",
}


def compile_guest(out: Path) -> Path:
    """The firmware of the virtual machine, which is all its software."""
    sources = [SAMPLES / f"vm_guest.{end}" for end in ("lds", "S", "c")]
    if out.exists() and out.stat().st_mtime > max(p.stat().st_mtime for p in sources):
        return out
    elf = out.with_suffix(".elf")
    out.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-m32", "-march=i686", "-mgeneral-regs-only", "-O2", "-Wall", "-Wextra",
                    "-ffreestanding", "-fno-pic", "-fno-stack-protector", "-fcf-protection=none",
                    "-fno-asynchronous-unwind-tables", "-ffixed-ebx", "-nostdlib", "-static",
                    "-no-pie", "-Wl,--build-id=none", "-T", *map(str, sources), "-o", str(elf)],
                   check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".rom", str(elf), str(out)], check=True)
    return out


PREPARING = threading.Lock()


def initramfs(next_kernel: Path, qemu: str) -> Path:
    """The host: the agent, QEMU with what it is linked to, the machine's firmware."""
    with PREPARING:
        root = with_libraries("qemu-system-x86", OLDEST)
        return Initramfs({
            "init": compile_init(OUT / "init", ("vm_agent", "vm_qemu", "host"),
                                 ("-ljson-c",)),
            "vm_guest.bin": compile_guest(OUT / "vm_guest.bin"), "bzImage": next_kernel,
            "usr/bin/qemu": f"-> /{qemu}",
        } | program(root, qemu)).packed()


def accelerated() -> str:
    """What the host's kernels and the agent are told for KVM. Each kernel would measure anew how
    fast the TSC counts, and KVM cannot give a guest the frequency that it had if the two differ
    by ever so little: then its clock jumps."""
    mhz = re.search(r"cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text())
    if not mhz:
        raise GuestError("/proc/cpuinfo does not say how fast the CPU is")
    return f"vm_accel=kvm tsc_early_khz={round(float(mhz.group(1))) * 1000}"


@dataclass
class Story:
    """What the agent and the guest said, and when."""
    memory: int                                                     # the guest's, in MiB
    marks: list[tuple[str, float]] = field(default_factory=list)    # since the guest was stopped
    steps: list[tuple[float, int, float]] = field(default_factory=list)    # and by its own clock
    said: list[str] = field(default_factory=list)                   # by the guest, not steps
    done: list[str] = field(default_factory=list)                   # by the host
    kernels: int = 0
    booted: float = 0.0         # how old the previous kernel was when it ran the agent
    began: float = 0.0          # when the guest was started
    stopped: float = 0.0        # when the guest was, for the last time
    last: float = 0.0
    audited: int = 0            # how many steps there were when the guest went through its list
    end: str = ""

    def take(self, line: str) -> str:
        """One line; returns what is to be shown of it."""
        if m := re.match(r"([\d.]+) host (\S+) ?(.*)", line):
            return self.host(float(m.group(1)), m.group(2), m.group(3))
        if m := re.match(r"([\d.]+) guest (.*)", line):
            return self.guest(float(m.group(1)), m.group(2))
        if m := re.match(r"kernel (\S+) after ([\d.]+) s", line):
            self.kernels, self.booted = self.kernels + 1, float(m.group(2))
            return f"\n{'First' if self.kernels == 1 else 'Second'} kernel, Linux {m.group(1)}, " \
                   f"{self.booted:.1f} s after its start"
        self.end = line.removeprefix("end: ")
        return "" if line.startswith("end: ") else line

    def host(self, when: float, mark: str, text: str) -> str:
        guest = ""
        self.last = when
        self.done.append(text)
        if mark == "stop":
            self.stopped, self.marks, guest = when, [], "--- stands still"
        elif mark == "run":
            guest = "--- goes on"
        if mark == "begin":
            self.began = when
        elif mark == "boot":
            again = any(name == "boot" for name, _ in self.marks)
            self.marks += ([("again", when)] if again else
                           [("kernel", when - self.booted), ("boot", when)])
        elif mark not in ("-", "stop") and self.stopped:
            self.marks.append((mark, when))
        return row(when, text, guest)

    def guest(self, when: float, text: str) -> str:
        self.last = when
        if m := re.fullmatch(r"step (\d+) at ([\d.]+) s", text):
            self.steps.append((when, int(m.group(1)), float(m.group(2))))
        else:
            self.said.append(text)
            if "steps in the list" in text:
                self.audited = len(self.steps)
        return row(when, "", text)

    def mark(self, name: str) -> float:
        return next((when for mark, when in reversed(self.marks) if mark == name), 0.0)

    def phases(self) -> list[tuple[str, float]]:
        since, found = self.stopped, []
        for name, when in self.marks:
            if name in PHASES:
                found.append((PHASES[name], when - since))
                since = when
        return found

    def around(self) -> tuple[list, list]:
        """The steps before the guest was stopped for the update, and after it."""
        run = self.mark("run")
        return ([s for s in self.steps if s[0] < run], [s for s in self.steps if s[0] >= run])

    def claims(self, happened: tuple[str, ...] = ()) -> list[tuple[bool, str]]:
        """What must be true, and what it is about; also that all this has happened."""
        numbers = [n for _, n, _ in self.steps]
        before, after = self.around()
        pages = self.memory * 256 - 256
        return [
            (self.end == "done" and self.kernels == 2, "the agent came to its end in the second "
             f"kernel: {self.end or 'it did not'}"),
            (bool(before) and bool(after),
             f"{len(before)} steps before the update, {len(after)} after it"),
            (numbers == list(range(1, len(numbers) + 1)),
             "the host saw every step, none twice"),
            (f"{self.audited} steps in the list, 0 of them wrong" in self.said,
             f"the guest: as many steps in its list, {self.audited}, none wrong"),
            (f"{pages} pages, 0 of them wrong" in self.said, f"the guest: {pages} pages of memory, "
             "each byte as it was written"),
            (any(s.startswith("audit: nothing missing") for s in self.said)
             and not any("LOST" in s for s in self.said),
             "the guest: memory, CPU and device agree, nothing missing, nothing twice"),
            (bool(before) and bool(after) and after[0][2] - before[-1][2] <
             self.mark("run") - self.stopped, "the guest's clock stood still with it"),
            *((self.done.count(what) == 1, f"once: {what}") for what in happened),
        ]

    def summary(self) -> list[str]:
        before, after = self.around()
        stopped = self.mark("run") - self.stopped
        blackout = self.mark("boot") - self.mark("jump")
        return [f"guest stopped: {stopped:.2f} s; by its own clock it was "
                f"{after[0][2] - before[-1][2]:.3f} s from step {before[-1][1]} to step "
                f"{after[0][1]}",
                f"host blackout: {blackout:.2f} s, from reboot(2) to the next kernel's first program",
                "", "while the guest stood still:",
                *(f"   {seconds:7.3f} s  {what}" for what, seconds in self.phases())]

    def timeline(self, title: str) -> Timeline:
        return Timeline(self.last, self.began, (self.mark("jump"), self.mark("boot")),
                        (self.stopped, self.mark("run")), [t for t, _, _ in self.steps],
                        self.phases(), title)


def row(when: float, host: str, guest: str) -> str:
    return f"{when:8.3f} s  {host:<46}  {guest}".rstrip()


@dataclass
class Theatre(Guest):
    """Reads what the programs say as it comes, and shows it if somebody is watching."""
    story: Story = field(default_factory=lambda: Story(0))
    watched: bool = False

    def take(self, raw, sink, log):
        super().take(raw, sink, log)
        if sink[1]:
            shown = self.story.take(sink[0][-1])
            if shown and self.watched:
                print(shown, flush=True)


def play(name: str, kernel: Path, next_kernel: Path, guest_memory: int, append: str = "",
         memory: str = "2G", accel: str = "tcg", watched: bool = False):
    """A guest's outcome, and its story."""
    append += f" vm_memory={guest_memory}"
    if accel == "kvm":
        append += f" {accelerated()}"
    theatre = Theatre(name, kernel, initramfs(next_kernel, QEMU[accel]), append.strip(), memory,
                      story=Story(guest_memory), watched=watched)
    return theatre.run(), theatre.story


def main() -> int:
    ap = argparse.ArgumentParser(description="a virtual machine that does not notice")
    ap.add_argument("--accel", choices=tuple(QEMU), default="tcg", help="of the machine")
    ap.add_argument("--kernel", type=Path, help="the first kernel")
    ap.add_argument("--next", type=Path, help="the second kernel, by default the same")
    ap.add_argument("--memory", default="2G", help="of the host")
    ap.add_argument("--guest-memory", type=int, default=256, metavar="MIB")
    ap.add_argument("--append", default="", help="more arguments for both kernels")
    args = ap.parse_args()

    kernel = args.kernel or image("kvm" if args.accel == "kvm" else "lean")
    try:
        print(f"== a host of {args.memory} with {os.path.relpath(kernel, ROOT)}\n\n"
              f"{'':12}{'host':<46}  guest", flush=True)
        out, story = play("demo-vm", kernel, args.next or kernel, args.guest_memory,
                          args.append, args.memory, args.accel, watched=True)
    except (GuestError, Missing, OSError, subprocess.CalledProcessError) as err:
        print(f"demo_vm.py: {err}", file=sys.stderr)
        return 2

    claims = story.claims()
    claims += [(False, f"the kernel complained: {line}") for line in trouble(out.kernel)]
    print()
    for good, what in claims:
        print(f"{'PASS' if good else 'FAIL'}  {what}")
    good = all(good for good, _ in claims)
    if good:
        print("", *story.summary(), "", sep="\n")
        svg = OUT / "timeline.svg"
        svg.write_text(story.timeline("A live update under a virtual machine").svg())
        print(f"a picture of it: {os.path.relpath(svg, ROOT)}")
    print(f"({out.seconds:.0f} s in all{', ' + out.why if out.why else ''}; the kernels' log: "
          f"{os.path.relpath(out.log, ROOT)})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
