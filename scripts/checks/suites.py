# SPDX-License-Identifier: GPL-2.0
"""suites.py - the table of all suites

    To add one: a row in the list of its kind. A case in one of the programs of
    tools/testing/selftests/liveupdate needs nothing here.
"""
from __future__ import annotations

import re
import shutil
from dataclasses import replace

import guest

from .debs import run_debs
from .demos import run_demo_vm, run_shell
from .example import example_files, run_example
from .files import (first_kernel_again, kexec_tool, modules, shell_files, stock_programs,
                    systemd_end, systemd_guarded, systemd_host)
from .guests import run_calls, run_kunit, run_programs
from .host import run_bench, run_coverage, run_fuzz, run_script, run_user
from .kcsan import run_racy
from .libluo import run_libluo
from .luoctl import run_completion, run_formats, run_luoctl, run_preflight
from .result import DEBUG, EVERYWHERE, LEAN, Suite, Tier

# They take minutes, and begin first: at the end nothing would run beside them
LONG = ("style", "kexec-repeat", "preflight", "programs-memfd", "kexec-corrupt", "kexec-damage",
        "charged", "fail-nth", "kexec-pressure")

# Fields in kexec/corrupt.c, and ways to corrupt them
CORRUPTIONS = 67
# That make check-configs tries
NR_CONFIGS = 12
# Kernels with more than one CPU patch their code as they boot. QEMU's threads do not always see
# that in time: of some forty kernels configured as Debian's one dies of an int3.
ONE_THREAD = "tcg,thread=single"
# What other kernels read, too
MEMFD_V2 = "liveupdate.memfd_format=v2"
# A failed vmalloc shows where it was called from. A BUG or WARNING has a line of its own.
FAULT_NOISE = "Call Trace:"
# Three objects, for one handler's files
FAULT_OBJECTS = "luo_flb_test.links=7"
# Which objects the base's own test hangs on every handler, and what its kernel's log must say of
# each exactly once on the way from one kernel to the next.
STOCK_OBJECTS = {f"liveupdate-test-flb-v{i}: {what}": 1 for i in range(3) for what in (
    "preserve was triggered", "found flb data from the previous boot", "finish was triggered")}


def programs(name: str, tiers: Tier, what: str, progs: str, **kw) -> Suite:
    """Programs for one kernel, in one guest."""
    return Suite(name, tiers, what, run_programs, {"programs": progs.split(), **kw})


def jump(name: str, kernels: int, what: str, tiers: Tier = EVERYWHERE, args: str = "",
         **kw) -> Suite:
    """Scenarios of that name, over so many kernels."""
    env = f"luo_stage=1 luo_test={name} {args}".rstrip()
    return programs(f"kexec-{name.replace(',', '-')}", tiers, what, "kexec_test",
                    kernels=kernels, env=env, **kw)


def v2(name: str, what: str, tiers: Tier = EVERYWHERE, args: str = "", **kw) -> Suite:
    """The same with the other format of memfds."""
    return replace(jump(name, 2, what, tiers, f"{args} {MEMFD_V2}", **kw),
                   name=f"kexec-{name}-v2")


def corrupt(name: str, tiers: Tier, what: str, damages: int) -> Suite:
    """Each kernel but the last damages what it hands over, and says so. Of all that there are
    the program is not told the number, so that it notices if there are more."""
    return replace(jump("corrupt", damages + 1, what, tiers,
                        f"luo_flb_test.links=3 luo_damages={damages % CORRUPTIONS}",
                        in_log={"luo: the handover is damaged, as was asked for": damages}),
                   name=f"kexec-{name}")


def config_suites() -> list[Suite]:
    """One live update on each of the kernels whose configuration is drawn by lot."""
    return [replace(jump("fd,memfd", 2, "a configuration that is drawn by lot", Tier.CONFIGS),
                    name=f"config-{n}", kernels=(guest.image(f"config-{n}"),))
            for n in range(1, NR_CONFIGS + 1)]


def user_suites() -> list[Suite]:
    """Pure code, on this machine."""
    return [
        Suite("user", LEAN | Tier.USER, "pure code under sanitizers", run_user),
        Suite("fuzz-wire", LEAN, "handovers, damaged with their structure in mind", run_fuzz,
              {"target": "fuzz-wire"}),
        Suite("fuzz-extent", LEAN, "lists of extents, the same way", run_fuzz,
              {"target": "fuzz-extent"}),
        Suite("fuzz-v2", LEAN, "memfds in the older format, the same way", run_fuzz,
              {"target": "fuzz-v2"}),
        Suite("fuzz-hwpoison", LEAN, "lists of bad pages, the same way", run_fuzz,
              {"target": "fuzz-hwpoison"}),
    ]


def program_suites() -> list[Suite]:
    """One kernel."""
    return [
        Suite("kunit", EVERYWHERE | Tier.KUNIT, "KUnit suites luo*", run_kunit, {"glob": "luo*"}),
        programs("ioctl", LEAN, "every ioctl, every size", "ioctl_test"),
        programs("session", LEAN, "device, names, preserve", "session_test"),
        programs("query", LEAN, "what programs can ask of the device", "query_test", image=True),
        programs("memfd", LEAN, "a memfd while it is preserved", "memfd_test"),
        programs("freeze", LEAN, "FREEZE and THAW", "freeze_test", files=modules),
        programs("refuse", LEAN, "memfds that cannot be carried", "refuse_test"),
        programs("policy", LEAN, "what a session allows, and what not", "policy_test"),
        programs("race", LEAN, "many threads at once", "race_test"),
        Suite("calls", EVERYWHERE, "calls at random", run_calls),
        programs("reboot", LEAN, "reboots that are refused", "reboot_test", image=True),
        # A KASAN kernel takes longest to boot, then to be searched for leaks: what does not
        # disturb each other shares a guest.
        programs("programs", DEBUG, "ioctl, session, query, policy, race in one guest",
                 "ioctl_test session_test query_test policy_test race_test", image=True),
        programs("programs-memfd", DEBUG, "memfd, freeze, refuse, reboot, status in one guest",
                 "status_test memfd_test freeze_test refuse_test reboot_test", image=True),
    ]


def kexec_suites() -> list[Suite]:
    """Two kernels, or more."""
    return [
        jump("memfd", 2, "memfds of every shape in the next kernel", LEAN),
        jump("session", 3, "sessions over three kernels", in_log={"unwanted": 2, "half-done": 2}),
        jump("fd", 2, "retrieving files", LEAN),
        jump("write", 2, "writing until the kexec", LEAN),
        jump("managed", 2, "what else a host does with memory that is preserved", LEAN),
        jump("groups", 2, "memory groups with limits", LEAN),
        jump("swap", 2, "pages that are swapped out to a disk", LEAN, disk=64),
        jump("zswap", 2, "pages that are swapped out, and compressed", LEAN, disk=64),
        # Either kernel asks early whether each page is preserved: the first one finds none, the
        # second one all that there are.
        jump("extent", 2, "mode, owner, how it was opened; many extents",
             args="luo_every_page.ask=1",
             in_log={r"luo: of 0 preserved pages 0 are found": 1,
                     r"luo: of ([1-9]\d*) preserved pages \1 are found": 1}),
        jump("extent-damage", 2, "lists of extents damaged before they are read"),
        jump("extent-page", 2, "the page of small objects damaged before it is read", LEAN),
        jump("extent-address", 2, "wrong addresses of small objects", LEAN),
        jump("extent-page,extent-address", 2, "both in one guest", DEBUG),
        jump("extent-dropped", 2, "extents that nobody retrieves", LEAN),
        jump("memfd,managed,groups,extent-dropped", 2, "the four in one guest", DEBUG),
        jump("fd,write", 2, "both in one guest", DEBUG),
        v2("memfd", "memfds of every shape, as memfd-v2"),
        v2("write", "writing until the kexec, as memfd-v2"),
        jump("sleeper", 2, "the reboot and a sleeper that holds a lock"),
        jump("damage", 3, "memory of sessions, files, memfds damaged before it is read",
             args=MEMFD_V2),
        jump("unchecked", 2, "memory of files damaged, and there are no checksums",
             args=MEMFD_V2),
        *flb_suites(),
        corrupt("corrupt", Tier.CHECK | DEBUG,
                "six handovers damaged by the kernel that writes them", 6),
        corrupt("corrupt-all", Tier.ALL, "the same with every field, in every way", CORRUPTIONS),
        jump("off", 3, "live update off in the next kernel", LEAN),
        jump("kho-off", 3, "handover off in the next kernel", LEAN),
        programs("status", LEAN, "what /sys and /proc say", "status_test", image=True),
        jump("status", 3, "the same over three kernels"),
        replace(jump("parallel", 2, "sessions retrieved by many threads at once"), cpus=4),
        jump("published", 3, "what KHO's debugfs shows stays what it was"),
        # Ten of twelve are named, on a line each whatever their names are.
        jump("unwanted", 3, "sessions that no program wants, named in the log", LEAN,
             in_log={r"luo: session 'unwanted\\012\d\d' was not finished and": 10,
                     r"luo: 2 more sessions were not finished": 1,
                     r"luo: session 'unwanted\\012\d\d' was not finished by the previous": 10,
                     r"luo: sessions not finished by the previous kernel and lost: 12": 1}),
        jump("trace", 2, "the tracepoints", DEBUG),
        replace(jump("scratch", 11, "ten live updates with memory nearly full", LEAN),
                memory="1G"),
        jump("options", 19, "what the next kernel is told", LEAN),
        # arm64 has no memmap=
        jump("limits", 5, "memory taken away by the command line", LEAN,
             in_log={"mem= and memmap= ignored": 3} if guest.ARCH == "x86_64"
             else {"mem= ignored": 1}),
        jump("hwpoison", 3, "bad memory stays out of use",
             in_log={r"hwpoison: handover: \d+ bad pages of the previous kernel": 2}),
        jump("hwpoison-many", 2, "more of it than memblock has space for early", LEAN),
        *dimm_suites(),
        jump("repeat", 51, "fifty live updates in a row", LEAN),
        jump("scale", 2, "ten thousand sessions, ten thousand files", Tier.ALL),
        jump("stress", 2, "many threads until the kexec, while reboots are refused"),
        # On a slow machine the kernel shows where the test has waited long for memory; and that
        # whoever swaps, kswapd or the test, found no page for a table of the swap: it goes on.
        jump("pressure", 2, "swap, no memory left", DEBUG,
             args="brd.rd_size=131072", allow="kexec_test: page allocation stall|"
             r"page allocation failure: order:0, .*\|__GFP_HIGH\|.*__GFP_NOMEMALLOC\)"),
    ]


def dimm_suites() -> list[Suite]:
    """A module of memory that firmware does not list: added at run time, or there at the start;
    taken into use as movable, or as any other."""
    if guest.ARCH != "x86_64":
        return []
    movable, kernel = (f"memhp_default_state=online_{zone}" for zone in ("movable", "kernel"))
    return [replace(jump("hotplug", 2, what, LEAN, args, dimm=dimm), name=f"kexec-{name}")
            for name, what, args, dimm in (
                ("hotplug", "memory that is added", f"{movable} luo_dimm=hot", "512M,hot"),
                ("hotplug-kernel", "the same, for the kernel", f"{kernel} luo_dimm=hot", "512M,hot"),
                ("dimm", "memory that only ACPI knows", movable, "512M"),
                ("dimm-kernel", "the same, for the kernel", kernel, "512M"))]


def flb_suites() -> list[Suite]:
    """Objects that files share, over two and three kernels."""
    # Linux 7.2 has no kho_memory_init_early(): nothing can be asked before slab.
    early = "luo_flb_test_early" + " luo_early=late" * (guest.BASE == "7.2")
    panics = "flb_sample: cannot read what was preserved: -(EPROTONOSUPPORT|93)"
    policy = "flb_sample.panic_on_unreadable=1"

    def flb(name: str, kernels: int, what: str, tiers: Tier = LEAN, **kw) -> Suite:
        return jump(f"flb-{name}", kernels, what, tiers, **kw)

    return [
        flb("same", 2, "the sample, same version, panic asked for in vain", EVERYWHERE,
            args=f"flb_sample.version=1 {policy}"),
        flb("versions", 3, "the sample, to a newer version, to an older one",
            args="flb_sample.version=1"),
        flb("panic", 2, "the sample, to an older version that is to panic", EVERYWHERE,
            args=f"flb_sample.version=2 {policy}", panics=panics),
        flb("unload", 2, "unloading the sample while something of it is owned"),
        flb("ten", 2, "ten objects on three handlers", EVERYWHERE,
            args="luo_flb_test.links=0x3ff,0x155,0x2aa"),
        flb("gone", 3, "to a kernel that does not know the object",
            args="luo_flb_test.links=3", in_log={"luo_test-flb0-v1": 1, "luo_test-flb1-v1": 1}),
        flb("absent", 3, "from a kernel that did not preserve the object", args=early),
        flb("early", 2, "asked before slab and at early_initcall", args=early),
        flb("off", 3, "live update off in the next kernel", args=early),
        flb("kho-off", 3, "handover off in the next kernel", args=early),
        flb("kho-version", 3, "handover of an unknown version", args=early),
        flb("kho-node", 3, "handover whose FDT is broken", args=early),
        flb("damage", 3, "memory of objects damaged before it is read"),
        flb("stock", 2, "the base's own test hangs objects on every handler", DEBUG,
            in_log=STOCK_OBJECTS),
    ]


def fault_suites() -> list[Suite]:
    """What needs the debug kernel's fault injection."""
    return [
        programs("charged", DEBUG, "who pays for what is preserved", "memcg_test",
                 allow=f"{FAULT_NOISE}|memcg_test invoked oom-killer"),
        jump("fault", 2, "retrieving and finishing with faults injected", DEBUG,
             args=FAULT_OBJECTS, allow=FAULT_NOISE),
        v2("fault", "the same as memfd-v2", DEBUG, FAULT_OBJECTS, allow=FAULT_NOISE),
        programs("fail-nth", DEBUG, "every allocation and user copy fails once", "fail_nth_test",
                 image=True, allow=FAULT_NOISE),
        # Ten minutes, of which CI has not enough: it has kexec-fault-v2
        replace(programs("fail-nth-v2", Tier.ALL, "the same as memfd-v2", "fail_nth_test",
                         env=MEMFD_V2, image=True, allow=FAULT_NOISE), debug=True),
        # The same as host-4G-memfd, with KASAN's shadow
        replace(jump("scratch-4g", 11, "4 GiB, ten times", Tier.ALL), debug=True, memory="8G"),
    ]


def x86_suites() -> list[Suite]:
    """What needs programs of this machine in a guest, or what only a PC has."""
    panics = "Kernel panic - not syncing: luo_flb_test: as was asked for"
    old = guest.BASE == "7.2"
    some = [
        programs("unpack", EVERYWHERE, "images that are unpacked when they are loaded",
                 "unpack_test"),
        jump("unpack", 9, "kernels that are unpacked, or unpack themselves", LEAN,
             in_log={r"the kernel is unpacked, \d+ KiB": 5,
                     r"APIC timer: \d+ Hz, as in the previous kernel": 8,
                     "the kernel is unpacked at its start: another depth of page tables": 2,
                     "the kernel is unpacked at its start: encrypted memory": 1}),
        Suite("kvm", Tier.KVM, "a virtual CPU that waits for frozen memory", run_programs,
              {"programs": ["kvm_test"]}, (guest.image("kvm"),)),
        *kcsan_suites(),
        *host_suites(),
        *config_suites(),
        Suite("deb", Tier.DEB, "packages: install, upgrade, purge", run_debs,
              kernels=(guest.image("host"),), memory="4G", accel=ONE_THREAD),
        jump("scratch-none", 2, "an image for which scratch has no room", LEAN,
             args="kho_scratch=8M,8M,0",
             in_log={"KHO: image loaded without handover": 2, "KHO: image refused": 1}),
        replace(jump("limits", 5, "the same, with less of it from the beginning", LEAN,
                     args="mem=1500M", in_log={"mem= and memmap= ignored": 3}),
                name="kexec-limits-less"),
        # The kernel shows where who cannot be stopped waits.
        programs("back", DEBUG, "images that come back", "kexec_jump_test",
                 allow="task:kexec_jump_test"),
        # The guest begins with a part of its memory, and a test adds the rest.
        replace(programs("refuse-added", LEAN, "memory that was added after boot", "refuse_test",
                         env="mem=640M luo_added=0x28000000-0x3c000000"),
                memory="1G"),
        # The crash kernel goes on in memory set aside for it. On Linux 7.2 KHO takes that for
        # memory that the kernel needs, and makes its scratch areas too large.
        replace(jump("crash", 2, "a panic between freeze and jump", LEAN, files=shell_files,
                     args="crashkernel=256M" + " kho_scratch=16M,128M,64M" * old,
                     allow=f"{FAULT_NOISE}|{panics}", in_log={panics: 1}), memory="3G"),
        Suite("shell", LEAN, "make shell, typed into", run_shell),
        Suite("preflight", LEAN, "which kernels can take over", run_preflight),
        Suite("kexec-luoctl", EVERYWHERE, "the tool, in a shell", run_luoctl,
              {"test": "luoctl", "load": "luoctl"}),
        # Nobody goes unwarned to a kernel with live update off.
        Suite("kexec-luoctl-off", EVERYWHERE, "the tool, in a shell", run_luoctl,
              {"test": "luoctl-off", "load": "force"}),
        Suite("kexec-luoctl-answers", LEAN, "what a script learns of its exit status", run_luoctl,
              {"test": f"luoctl-answers {MEMFD_V2}", "load": "file", "kernels": 3}),
        programs("luoctl-kho-failed", LEAN, "switched on, and not to be had", "kexec_test",
                 env="luo_stage=1 luo_test=luoctl-kho-failed kho_scratch=5G,0,64G",
                 files=shell_files),
        jump("example", 3, "the program of the document, in three kernels", LEAN,
             files=example_files),
        programs("systemd-shutdown", EVERYWHERE, "what systemd stores, by its own programs",
                 "shutdown_test", kernels=2, files=systemd_end,
                 env="luo_stage=1 luo_place=1 printk.devkmsg=on"),
        *systemd_suites(),
        Suite("demo-vm", EVERYWHERE, "a virtual machine in QEMU", run_demo_vm, {"memory": 16}),
        Suite("demo-vm-back", LEAN, "its reboot fails first, its agent dies after", run_demo_vm,
              {"memory": 16, "append": "vm_refuse=1 vm_die=1",
               "happened": ("reboot: Invalid argument", "the agent dies")}),
        Suite("demo-vm-large", Tier.ALL, "one with 256 MiB", run_demo_vm, {"memory": 256}),
    ]
    # Linux 7.2 starts in scratch, and does not in so little.
    return some if old else [
        *some, jump("scratch-initrd", 3, "an initramfs for which scratch has no room", LEAN,
                    args="kho_scratch=4M,20M,0"),
    ]


def systemd_suites() -> list[Suite]:
    """Process 1 is systemd in all kernels."""
    def host(name: str, kernels: int, what: str, program: str, files, env: str = "",
             **kw) -> Suite:
        return replace(
            programs(name, Tier.SYSTEMD, what, program, kernels=kernels, files=files,
                     env="systemd.setenv=luo_stage=1 systemd.setenv=PATH=/usr/bin:/bin:/sbin "
                         "systemd.log_target=kmsg "
                         f"systemd.show_status=no TERM=dumb printk.devkmsg=on{env}", **kw),
            kernels=(guest.image("systemd"),))

    unfinished = "was not finished and is dropped by this reboot"
    return [
        host("systemd", 3, "systemd as process 1 of three kernels", "systemd_test", systemd_host,
             in_log={"luo-hijack.service.* infringes systemd's namespace": 2,
                     f"luo: session '[^']*' {unfinished}": 3,
                     f"luo: session 'luo-sessions[^']*' {unfinished}": 1,
                     f"luo: session 'luo-names[^']*' {unfinished}": 2}),
        host("systemd-guard", 4, "reboots that are refused before anything is stopped",
             "guard_test", systemd_guarded,
             # There is no EFI: any folder will do, also one that is not a file system of its own.
             env=" systemd.setenv=SYSTEMD_RELAX_ESP_CHECKS=1 systemd.setenv=SYSTEMD_ESP_PATH=/boot",
             in_log={"ordering cycle": 0, f"luo: session 'guarded' {unfinished}": 1}),
    ]


def kcsan_suites() -> list[Suite]:
    """What is concurrent, on the kernel that notices data races."""
    def racy(name: str, what: str, program: str, **kw) -> Suite:
        return Suite(f"kcsan-{name}", Tier.KCSAN, what, run_racy, {"programs": [program], **kw},
                     (guest.image("kcsan"),))

    def racy_jump(name: str, what: str, kernels: int = 2) -> Suite:
        return racy(name, what, "kexec_test", kernels=kernels, env=f"luo_stage=1 luo_test={name}")

    return [
        racy("race", "many threads at once", "race_test"),
        racy("freeze", "FREEZE and THAW", "freeze_test"),
        racy("status", "what /sys and /proc say", "status_test", image=True),
        racy("calls", "calls at random", "fuzz_test", env="luo_calls=10000"),
        racy_jump("session", "sessions over three kernels", 3),
        racy_jump("parallel", "sessions retrieved by many threads at once"),
        racy_jump("stress", "many threads until the kexec, while reboots are refused"),
    ]


# What a host's kernel does not let programs do, or has no code for: write to memory by /dev/mem,
# damage what it hands over, a RAM disk, test code that is built in
LABORATORY = re.compile(r"kexec-(.*damage.*|unchecked|extent-page.*|extent-address|corrupt.*|"
                        r"pressure|flb-(stock|absent|early|off|kho-.*))")

# Said by what is only there if built in
UNHEARD = re.compile("preserved pages")


def on_host(suite: Suite, name: str, memory: str, nodes: tuple[str, ...] = (),
            kernels: tuple[str, ...] = ("host",), blind: int = 0, **kw) -> Suite:
    """On a host's kernel; each kernel has found the last node, but those with numa=off."""
    log = {line: times for line, times in suite.kw.get("in_log", {}).items()
           if not UNHEARD.search(line)}
    if nodes:
        log[rf"Initmem setup node {len(nodes) - 1}\b"] = suite.kw["kernels"] - blind
    return replace(suite, name=f"host-{name}", tiers=Tier.HOST, memory=memory, nodes=nodes,
                   kernels=tuple(guest.image(kernel) for kernel in kernels), accel=ONE_THREAD,
                   kw=suite.kw | {"in_log": log}, **kw)


def host_suites() -> list[Suite]:
    """On the kernel that is configured as Debian's: all that takes two kernels, on four CPUs and
    two nodes; updates to other kernels and back; small hosts, and several nodes."""
    two = ("2G", "2G")
    some = [on_host(suite, suite.name.removeprefix("kexec-"), suite.memory or "4G",
                    ("512M", "512M") if suite.memory == "1G" else two, cpus=4,
                    blind=int(suite.name == "kexec-options"))
            for suite in kexec_suites()
            if suite.tiers & Tier.CHECK and suite.kw.get("kernels", 1) > 1 and
            not LABORATORY.fullmatch(suite.name)]
    for name, *kernels in (("to-lean", "host", "lean"), ("from-lean", "lean", "host"),
                           ("to-next", "host", "host-next"), ("from-next", "host-next", "host")):
        some.append(on_host(jump("memfd", 2, "to another kernel, or from it"), name, "4G", two,
                            tuple(kernels), cpus=4))
    some.append(on_host(jump("options", 19, "what the next kernel is told"), "early-options", "2G",
                        ("1G", "1G"), ("early",), blind=1))
    for memory, args in (("256M", ""), ("512M", ""), ("800M", ""), ("1G", "crashkernel=128M"),
                         ("4G", "crashkernel=512M"), ("8G", "crashkernel=512M")):
        # Debian's kernel, another one and the tests do not fit into 256 MiB.
        some.append(on_host(jump("fd", 2, f"a host with {memory}", args=args), memory, memory,
                            kernels=("early",) if memory == "256M" else ("host",)))
    for name, memory, nodes in (("node-empty", "2G", ("2G", "")), ("nodes-4", "4G", ("1G",) * 4)):
        some.append(on_host(jump("memfd", 2, f"NUMA: {', '.join(n or 'none' for n in nodes)}"),
                            name, memory, nodes))
    return [*some,
            on_host(jump("scratch-4g", 11, "4 GiB, ten times"), "4G-memfd", "8G", ("4G", "4G")),
            on_host(jump("scratch-pin", 1, "nine tenths of memory pinned", image=True), "pin",
                    "2G", kernels=("early",))]


def stock_suites() -> list[Suite]:
    """The base's own five programs on our kernel."""
    kw = {"files": stock_programs, "env": "luo_stage=1 luo_test=stock"}
    return [
        programs("stock", LEAN | Tier.STOCK, "the base's own selftest, one kernel", "liveupdate",
                 **kw),
        programs("stock-kexec", LEAN | Tier.STOCK, "the base's own selftests, two kernels",
                 "kexec_test", kernels=2, **kw),
    ]


def interop_suites() -> list[Suite]:
    """Live updates between kernels that were not built from the same source. All of them have
    the base's own test of objects."""
    ours = guest.image("interop")
    stock = guest.image("stock-interop")
    older = guest.image("interop", base="7.2")

    def way(name: str, what: str, *kernels, args: str = "") -> Suite:
        return Suite(f"interop-{name}", Tier.INTEROP, what, run_programs, {
            "programs": ["kexec_test"], "kernels": 2, "in_log": STOCK_OBJECTS,
            "env": f"luo_stage=1 luo_test=memfd-interop,interop {args}".rstrip()}, kernels)

    def back(name: str, what: str, *kernels) -> Suite:
        return Suite(f"interop-{name}", Tier.INTEROP, what, run_programs, {
            "programs": ["kexec_test"], "kernels": 3, "files": first_kernel_again,
            "env": f"luo_stage=1 luo_test=interop-back {MEMFD_V2}"}, kernels)

    return [
        Suite("interop-plain", Tier.INTEROP, "to a kernel without handover, and on", run_programs,
              {"programs": ["kexec_test"], "kernels": 3, "env": "luo_stage=1 luo_test=plain",
               "files": shell_files}, (ours, guest.image("plain"))),
        Suite("luoctl-stock", Tier.INTEROP, "the tool on the stock kernel", run_luoctl,
              {"test": "luoctl-stock", "load": "file"}, (stock,)),
        Suite("preflight-stock", Tier.INTEROP, "can the stock kernel take over", run_preflight,
              {"stock": stock}, (ours,)),
        # The stock kernel fills holes with pages when it preserves a memfd.
        way("from-stock", "from the stock kernel to ours", stock, ours, args="luo_holes=filled"),
        way("to-stock", "from our kernel to the stock one", ours, stock, args=MEMFD_V2),
        way("ours-v2", "from our kernel to the same, memfd-v2", ours, args=MEMFD_V2),
        way("ours", "from our kernel to the same", ours),
        way("from-7.2", "from ours on Linux 7.2 to ours on 7.3", older, ours),
        way("to-7.2", "from ours on Linux 7.3 to ours on 7.2", ours, older),
        back("stock-back", "from the stock kernel to ours and back", stock, ours),
        back("ours-back", "from our kernel to the stock one and back", ours, stock),
    ]


def source_suites() -> list[Suite]:
    """What does not depend on the machine that is emulated, nor on the base."""
    return [
        Suite("completion", LEAN, "luoctl's words in bash", run_completion),
        Suite("libluo", LEAN, "libluo, installed, as programs have it", run_libluo),
        Suite("bench", LEAN, "what measures can be built", run_bench),
        Suite("doc-example", LEAN, "the programs of the documents compile", run_example),
        Suite("vmtest", LEAN, "the selftests as a kernel tree alone has them", run_script,
              {"name": "intree.sh"}),
        Suite("memblock", LEAN, "the base's tests of memblock", run_script,
              {"name": "memblock.sh"}),
        Suite("coverage", Tier.ALL, "lines of kernel/liveupdate that tests run", run_coverage),
        Suite("style", LEAN, "checkpatch, kernel-doc, originality", run_script,
              {"name": "style.sh"}),
        Suite("uapi", LEAN, "our uapi header offers all that the base's does", run_script,
              {"name": "uapi.py"}),
    ]


def suites() -> list[Suite]:
    """Every suite there is for this architecture and this base."""
    x86 = guest.ARCH == "x86_64"
    some = user_suites() if x86 else user_suites()[1:]
    some += program_suites() + kexec_suites() + fault_suites()
    some.append(Suite("formats", EVERYWHERE, "what luoctl finds in the image", run_formats))
    # The tool is a program of this machine.
    if x86 and shutil.which("kexec"):
        some.append(jump("legacy", 2, "an image of kexec_load(2)", args="luo_load=legacy",
                         files=kexec_tool))
    if x86:
        some += x86_suites()
    some += stock_suites() + interop_suites()
    # The checkers of another base have other rules.
    return some + source_suites() if x86 and guest.BASE == "7.3" else some
