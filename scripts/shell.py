#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""shell.py [--kernel BZIMAGE] [--next BZIMAGE] [--memory 2G] [--append ARGS]

Boot our kernel in QEMU into an interactive busybox shell. At hand: /dev/liveupdate, luoctl,
kexec, a kernel to go on to (/bzImage), and kexec-next, which does so. `exit` ends the guest, and
so does Ctrl-A X.
"""
import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from demo import kexec_tools
from guest import LUOCTL, Guest, GuestError, Initramfs, image, luoctl_arguments

INIT = b"""#!/bin/busybox sh
/bin/busybox mkdir -p /usr/bin /usr/sbin /root
/bin/busybox --install -s
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug
export HOME=/root PATH=/bin:/sbin:/usr/bin:/usr/sbin PS1='luo# '
cat <<EOF

Linux $(uname -r), live update: $(ls /dev/liveupdate 2>/dev/null || echo 'no /dev/liveupdate')
  luoctl            what is held, and what came in
  kexec-next        load /bzImage with kexec -s -l and go there with kexec -e
  exit              turn the machine off
EOF
cd /root
setsid cttyhack sh
sync
reboot -f
"""

NEXT = b"""#!/bin/sh
kexec -s -l /bzImage --initrd=/sys/firmware/initrd --command-line="$(cat /proc/cmdline)" "$@" &&
	exec kexec -e
"""


def main() -> int:
    ap = argparse.ArgumentParser(description="an interactive shell in the guest")
    ap.add_argument("--kernel", type=Path, default=image("lean"))
    ap.add_argument("--next", type=Path, help="the kernel at /bzImage, by default the same")
    ap.add_argument("--memory", default="2G")
    ap.add_argument("--append", default="", help="more kernel arguments")
    args = ap.parse_args()

    busybox = shutil.which("busybox")
    try:
        if not busybox:
            raise GuestError("busybox is missing: run make setup")
        subprocess.run(["make", "-s", *luoctl_arguments()], check=True)
        files = {"init": INIT, "sbin/luoctl": LUOCTL, "sbin/kexec-next": NEXT,
                 "bin/busybox": Path(busybox).resolve(), "bzImage": args.next or args.kernel,
                 **kexec_tools()}
        initramfs = Initramfs(files).packed()
        guest = Guest("shell", args.kernel, initramfs, f"loglevel=4 {args.append}", args.memory)
        return subprocess.run(guest.command([]) + ["-serial", "mon:stdio"], check=False).returncode
    except (GuestError, OSError, subprocess.CalledProcessError) as err:
        print(f"shell.py: {err}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
