# SPDX-License-Identifier: GPL-2.0
"""luoctl.py - suites in which luoctl looks at kernels; what it says in JSON"""
from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import guest
import images
from guest import BUILD, LUOCTL, ROOT
from packages import Missing

from .build import build_luoctl
from .files import shell_files
from .guests import RESULTS, log_name, need_kernel, run_programs
from .result import Options, Result

SCHEMA = ROOT / "tools/liveupdate/luoctl.schema.json"


def luoctl_formats(image: Path) -> subprocess.CompletedProcess:
    return subprocess.run([LUOCTL, "formats", "--json", image], capture_output=True, text=True,
                          check=False)


def run_formats(res: Result, opts: Options) -> None:
    """What luoctl finds in the image of the kernel that is tested, here, without a guest."""
    need_kernel(opts.kernel)
    build_luoctl()
    said = luoctl_formats(opts.kernel)
    if said.returncode:
        res.fail(f"luoctl: {said.stderr.strip()}")
        return
    whole = opts.kernel.read_bytes()
    cut = BUILD / "luoctl/cut"
    cut.write_bytes(whole[:-len(whole) // 50])
    found = json.loads(said.stdout)
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[guest.ARCH]
    pages = {"": 4096, "16k": 16384}[guest.PAGES]
    strings = {(one["kind"], one["compatible"]) for one in found["formats"]}
    for what, good in {
            "as it should be": not problems_of(json.dumps(found)),
            "the machine": found["machine"] == machine,
            "the size of pages": found["page_size"] == pages,
            "is it on by default": isinstance(found["kho_default"], bool),
            "sessions": ("luo", "luo-v5") in strings,
            "both formats of memfds": {("file", "memfd-extent-v1"),
                                       ("file", "memfd-v2")} <= strings,
            "Kexec HandOver": [kind for kind, _ in strings].count("kho") == 1,
            "when a fiftieth is missing": luoctl_formats(cut).returncode == 2}.items():
        res.judge(good, f"{what}: {said.stdout}")


# Words on the line, the last one to be completed, and what it may become
COMPLETIONS = (
    (("",), "status formats preflight kexec timeline save restore have finish drop hold preserved "
            "guard help --json --version"),
    (("s",), "status save"),
    (("--json", "st"), "status"),
    (("help", "k"), "kexec"),
    (("kexec", "--"), "--initrd= --modules= --command-line= --reuse-initrd --no-initrd "
                      "--assume= --lose= --lose-unfinished --force= --reuse-cmdline --dry-run "
                      "--help"),
    (("preflight", str(ROOT / "READ")), str(ROOT / "README.md")),
    # Bash cuts at the "=", and the folder that this runs in has one file.
    (("kexec", "--initrd", "=", str(ROOT / "READ")), str(ROOT / "README.md")),
    (("kexec", "--initrd", "="), "luoctl"),
    (("hold", "--"), "--fd= --keep --help"),
    (("hold", "session", "ls", "--"), ""),
)


def run_completion(res: Result, _opts: Options) -> None:
    """Bash completes what luoctl takes. The one for guests is of this machine as well."""
    build_luoctl()
    script_folder = ROOT / "tools/liveupdate/bash-completion"
    script = ('. ./luoctl; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _luoctl; echo "${COMPREPLY[*]}"')
    for words, want in COMPLETIONS:
        said = subprocess.run(["bash", "-c", script, "bash", LUOCTL, *words], cwd=script_folder,
                              capture_output=True, text=True, check=False)
        res.judge(said.stdout.strip() == want, f"{' '.join(words)}: {said.stdout}{said.stderr}")


def run_preflight(res: Result, opts: Options, **more: Path) -> None:
    """What luoctl says of kernels that are not started."""
    need_kernel(opts.kernel)
    out = opts.kernel.resolve().parents[3]
    made = images.make(BUILD / "images", opts.kernel, out / "vmlinux")
    files = shell_files(opts)
    try:
        made["debian"] = images.debian()
    except Missing as why:
        res.skipped += 1
        res.skips.append(f"Debian's own kernel: {why}")
    files |= {f"images/{name}": path for name, path in (made | more).items()}
    files |= images.make_modules(BUILD / "images", out / "samples/liveupdate/flb_sample.ko")
    # Of its own accord KHO takes twice the size of an initramfs for scratch memory.
    run_programs(res, opts, ["preflight_test"], image=True, files=lambda _: files,
                 env="kho_scratch=16M,256M,16M")
    check_json(res, opts)


def run_luoctl(res: Result, opts: Options, test: str, load: str, kernels: int = 2) -> None:
    """luoctl in a shell, before and after a jump that it makes itself."""
    run_programs(res, opts, ["kexec_test"], kernels=kernels, files=shell_files,
                 env=f"luo_stage=1 luo_test={test} luo_load={load}")
    check_json(res, opts)


def check_json(res: Result, opts: Options) -> None:
    """What luoctl has said in JSON has to be that."""
    told = re.findall(r"# json: (.*)",
                      (RESULTS / f"{log_name(res, opts)}.ktap").read_text())
    if not told:
        res.fail("luoctl: nothing was said in JSON")
    for text in told:
        problems = problems_of(text)
        res.judge(not problems, "\n    ".join([*problems, text]))


def problems_of(text: str) -> list[str]:
    """What is not as luoctl(8) has it."""
    said = subprocess.run([ROOT / "scripts/json_schema.py", SCHEMA], input=text + "\n", text=True,
                          stdout=subprocess.PIPE, check=False)
    return (said.stdout.splitlines() or ["json_schema.py fails"] if said.returncode
            else timeline_problems(json.loads(text)) + token_problems(text))


def token_problems(text: str) -> list[str]:
    """A pattern of digits does not say how large a number is."""
    return [f"token {token} has more than 64 bits"
            for token in re.findall(r'"token": ?"(\d+)"', text) if int(token) >= 1 << 64]


def timeline_problems(view: dict) -> list[str]:
    """The phases of the blackout are as long as it is."""
    if not view.get("phases"):
        return []
    inside = [phase["ms"] for phase in view["phases"] if phase["in_blackout"]]
    if not view["blackout_ms"] or None in inside:
        return ["the blackout is not known"]
    if abs(sum(inside) - view["blackout_ms"]) > view["blackout_ms"] / 100:
        return [f"the phases sum up to {sum(inside)}"]
    return []
