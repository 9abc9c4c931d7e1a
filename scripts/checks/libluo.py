# SPDX-License-Identifier: GPL-2.0
"""libluo.py - libluo as programs outside of the tree have it: installed"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from pathlib import Path

from guest import BUILD, ROOT

from .build import make
from .result import Options, Result

TOOL = ROOT / "tools/liveupdate"
OUT = BUILD / "libluo"
PREFIX = "/opt/luo"
DEST = OUT / "root"
HOME = DEST / PREFIX[1:]
LIB = HOME / "lib"
DEVICE = Path("/dev/liveupdate")
STRICT = ["-Werror", "-Wall", "-Wextra", "-pedantic"]
COMPILERS = {"c": ["gcc", "-std=c11"], "c++": ["g++", "-std=c++11"]}
ENV = os.environ | {"LD_LIBRARY_PATH": str(LIB), "PKG_CONFIG_LIBDIR": str(LIB / "pkgconfig"),
                    "PKG_CONFIG_SYSROOT_DIR": str(DEST)}


def run(*args: str | Path, source: str = "", **env: str) -> subprocess.CompletedProcess:
    """What it says is in stdout, all of it."""
    return subprocess.run(args, input=source, env=ENV | env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def compile_program(language: str, source: str, *flags: str) -> subprocess.CompletedProcess:
    """Into OUT/program, as someone would who knows pkg-config and has all warnings on."""
    said = run("pkg-config", "--cflags", "--libs", "libluo").stdout.split()
    return run(*COMPILERS[language], *STRICT, *flags, "-x", language, "-", *said,
               "-o", OUT / "program", source=source)


def check_library(res: Result, functions: set[str]) -> None:
    """One that a later version can take the place of."""
    soname = re.search(r"\(SONAME\).*\[(.*)\]", run("readelf", "-d", LIB / "libluo.so").stdout)
    res.judge(soname is not None and soname[1] == "libluo.so.0", f"soname: {soname}")
    exported = run("nm", "-D", "--defined-only", LIB / "libluo.so.0").stdout
    symbols = set(re.findall(r" [A-Z] (\S+)", exported)) - {"LIBLUO_0.1"}
    listed = re.findall(r"^\t(\w+);$", (TOOL / "libluo.map").read_text(), re.M)
    for what, wrong in {
            "exported, not in the map or the reverse":
                symbols ^ {f"{name}@@LIBLUO_0.1" for name in listed},
            "in the map, not in the header or the reverse": set(listed) ^ functions,
            "not called luo_": {name for name in listed if not name.startswith("luo_")}}.items():
        res.judge(bool(listed) and not wrong, f"{what}: {', '.join(sorted(wrong))}")


PROGRAM = """
#include <errno.h>
#include <stdio.h>
#include <libluo.h>

typedef void (*function)(void);
static const function all[] = { %s };

int main(void)
{
	static const int errors[] = { -EUCLEAN, EPROTONOSUPPORT, -ENODEV, ENOENT, -EALREADY, -EBUSY };

	printf("%%d functions\\n", (int)(sizeof(all) / sizeof(all[0])));
	for (unsigned int i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		printf("%%s: %%s\\n", luo_errno_name(errors[i]), luo_strerror(errors[i]));
	return luo_errno_name(0) || luo_kexec_load(-1, -1, "") >= 0 || luo_finish(-1) != -EBADF;
}
"""
SAYS = """%d functions
EUCLEAN: damaged
EPROTONOSUPPORT: unsupported version
ENODEV: no handler
ENOENT: absent
EALREADY: frozen already
EBUSY: Device or resource busy
"""


def check_programs(res: Result, functions: set[str]) -> None:
    """C and C++, dynamic and static: what pkg-config says is all that they need."""
    prefix = run("pkg-config", "--variable=prefix", "libluo",
                 PKG_CONFIG_SYSROOT_DIR="").stdout.strip()
    res.judge(prefix == PREFIX, f"pkg-config: the prefix is {prefix}")
    source = PROGRAM % ", ".join(f"(function){name}" for name in sorted(functions))
    for language in COMPILERS:
        for how, needed in (("-pie", True), ("-static", False)):
            made = compile_program(language, source, how)
            said = run(OUT / "program") if not made.returncode else made
            loads = "[libluo.so.0]" in run("readelf", "-d", OUT / "program").stdout
            res.judge(said.stdout == SAYS % len(functions) and not said.returncode and
                      loads == needed,
                      f"{language} {how}: status {said.returncode}, {said.stdout}")


def check_names(res: Result) -> None:
    """What a program gets with the header does not take its own names."""
    def macros(header: str) -> set[str]:
        said = run("gcc", "-E", "-dM", f"-I{HOME}/include", "-x", "c", "-",
                   source=f"#include <{header}>\n").stdout
        return set(re.findall(r"^#define (\w+)", said, re.M))

    found = macros("libluo.h") - macros("libluo/liveupdate.h")
    res.judge("LUO_NAME_MAX" in found and all(name.startswith("LUO_") for name in found),
              f"macros of libluo.h: {', '.join(sorted(found))}")


MAIN = "int main(void) { return luo_finish(-1); }\n"


def check_header(res: Result) -> None:
    """Whatever <linux/liveupdate.h> the system has, it does not go unnoticed if it will not do."""
    ours = (HOME / "include/libluo/liveupdate.h").read_text()
    bare = re.sub(r"(?m)^#define LIVEUPDATE_ABI\s.*\n", "", ours)
    first, second = "#include <libluo.h>\n", "#include <linux/liveupdate.h>\n"
    system = OUT / "system"
    (system / "linux").mkdir(parents=True, exist_ok=True)
    for what, text, order, want in (
            ("no number, after libluo.h", bare, first + second, ""),
            ("no number, before libluo.h", bare, second + first, "is older than libluo.h"),
            ("older, after libluo.h", set_abi(ours, 1), first + second, ""),
            ("older, before libluo.h", set_abi(ours, 1), second + first, "is older than libluo.h"),
            ("newer, after libluo.h", set_abi(ours, 3), first + second, ""),
            ("newer, before libluo.h", set_abi(ours, 3), second + first, ""),
            ("of a kernel tree", ours.replace("_LIVEUPDATE_H", "_UAPI_LIVEUPDATE_H"),
             second + first, "")):
        (system / "linux/liveupdate.h").write_text(text)
        for language in COMPILERS:
            made = compile_program(language, f"{order}{MAIN}", f"-I{system}")
            res.judge(want in made.stdout and bool(want) == bool(made.returncode),
                      f"{language}, <linux/liveupdate.h> {what}: {made.stdout}")


def set_abi(header: str, number: int) -> str:
    """As if it were of another kernel. What it has besides is of no consequence here."""
    return re.sub(r"(?m)^(#define LIVEUPDATE_ABI\s+)\d+$", rf"\g<1>{number}", header)


def check_errnos(res: Result) -> None:
    """Every errno that the uapi header speaks of has a name."""
    named = set(re.findall(r"NAMED\((E\w+)\)", (TOOL / "libluo.c").read_text()))
    spoken = set(re.findall(r"\b(E(?!LF|ND)[A-Z0-9]+)\b",
                            (HOME / "include/libluo/liveupdate.h").read_text()))
    res.judge(spoken <= named, f"no name for {', '.join(sorted(spoken - named))}")


def page_example() -> str:
    """The program in libluo(3), as a reader copies it."""
    page = (TOOL / "Documentation/libluo.rst").read_text()
    found = re.search(r"^EXAMPLE\n=+\n.*?::\n\n((?:(?: {4}[^\n]*)?\n)+)", page, re.M | re.S)
    return textwrap.dedent(found[1]) if found else ""


def check_example(res: Result) -> None:
    source = page_example()
    made = compile_program("c", source)
    res.judge("luo_open_wait" in source and not made.returncode, f"libluo(3): {made.stdout}")
    if not made.returncode and not DEVICE.exists():
        said = run(OUT / "program")
        res.judge(said.returncode == 1 and said.stdout == "starts: live update is off\n",
                  f"the example of libluo(3): status {said.returncode}, {said.stdout}")


# The device is absent, or /dev/full plays the session.
PYTHON = """
import errno, os, luo
def raised(call, *args):
    try:
        call(*args)
    except (OSError, OverflowError, ValueError) as err:
        return f"{type(err).__name__}: {err}"
for name in ("vm-1", "", "x" * 64, "a\\0b"):
    print(raised(luo.Session.retrieve, name))
print(raised(luo.Session.create, b"vm-1"))
for error in (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EUCLEAN, errno.EBUSY, errno.ENODEV,
              errno.EEXIST):
    print(raised(luo._check, -error, "vm-1"))
with luo.Session(os.open("/dev/full", os.O_RDWR)) as session:
    print(raised(session.preserve, 0, (1 << 64) - 1))
    print(raised(session.retrieve_fd, 1 << 64))
print(raised(session.finish))
"""
NAME_ERROR = "ValueError: a session's name has 1 to 63 bytes, none of them 0\n"
PYTHON_SAYS = f"""Off: [Errno 2] live update is off: '/dev/liveupdate'
{NAME_ERROR * 3}Off: [Errno 2] live update is off: '/dev/liveupdate'
Absent: [Errno 2] absent: 'vm-1'
Incompatible: [Errno 93] unsupported version: 'vm-1'
Damaged: [Errno 117] damaged: 'vm-1'
Busy: [Errno 16] Device or resource busy: 'vm-1'
NoHandler: [Errno 19] no handler: 'vm-1'
FileExistsError: [Errno 17] File exists: 'vm-1'
OSError: [Errno 25] Inappropriate ioctl for device: 'token 18446744073709551615'
OverflowError: int too big to convert
ValueError: the session is closed
"""


def check_python(res: Result) -> None:
    if DEVICE.exists():
        res.skipped += 1
        res.skips.append(f"Python: this machine has {DEVICE}")
        return
    said = run("python3", "-B", "-W", "error", "-c", PYTHON, PYTHONPATH=str(TOOL / "python"))
    res.judge(said.stdout == PYTHON_SAYS, f"luo.py: {said.stdout}")


def check_rust(res: Result) -> None:
    """The crate, in a copy, as cargo writes beside it; it needs no other one."""
    if not shutil.which("cargo"):
        res.skipped += 1
        res.skips.append("Rust: cargo is not installed")
        return
    crate = OUT / "rust"
    shutil.rmtree(crate, ignore_errors=True)
    shutil.copytree(TOOL / "rust", crate, ignore=shutil.ignore_patterns("target", "Cargo.lock"))
    flags = f"-L native={LIB} -D warnings"
    said = run("cargo", "test", "--offline", "--manifest-path", crate / "Cargo.toml",
               CARGO_TARGET_DIR=str(OUT / "cargo"), RUSTFLAGS=flags, RUSTDOCFLAGS=flags)
    ran = sum(map(int, re.findall(r"^test result: ok\. (\d+) passed", said.stdout, re.M)))
    res.judge(ran > 1 and not said.returncode, f"Rust, {ran} tests: {said.stdout}")


def run_libluo(res: Result, _opts: Options) -> None:
    shutil.rmtree(DEST, ignore_errors=True)
    make(["-C", str(TOOL), f"O={OUT}", f"DESTDIR={DEST}", f"prefix={PREFIX}", "install"],
         "libluo-install")
    functions = set(re.findall(r"\b(luo_\w+)\(", (HOME / "include/libluo.h").read_text()))
    check_library(res, functions)
    check_programs(res, functions)
    check_names(res)
    check_header(res)
    check_errnos(res)
    check_example(res)
    check_python(res)
    check_rust(res)
