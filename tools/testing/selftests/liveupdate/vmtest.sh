#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vmtest.sh - run tests in a guest, with nothing but a kernel tree and QEMU
#
#   vmtest.sh [-k KERNEL] [-n NEXT] [-m MEMORY] [-a ARGS] [-l LOG] TEST...
#
# A TEST is a program for one kernel, as memfd_test, or a group of scenarios for several, as memfd;
# kexec_test --list names the scenarios, GROUP.SCENARIO. Each has a guest of its own.
#
#   -k KERNEL   the image to boot; arch/x86/boot/bzImage or arch/arm64/boot/Image of this tree
#   -n NEXT     the image to go to, if it is another one
#   -m MEMORY   of the guest, 2G
#   -a ARGS     more for the kernel's command line
#   -l LOG      where the kernel's messages go; vmtest.log
#
# The programs are built as by make -C tools/testing/selftests TARGETS=liveupdate. What they say
# is KTAP, and read by tools/testing/kunit/kunit.py. A test fails as well if a program or the guest
# does not come to its end, or if a kernel warns; flb-panic, whose kernel is to panic, always does.
# The exit status is 0 if all passed, 1 if not, 2 if they could not be run. QEMU emulates the
# processor; with QEMU_ACCEL=kvm it does not.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
# In a tree that is made of links the programs are where it is, not where they lead to.
top=$(cd "$(dirname "$0")/../../../.." && pwd)
out=${OUTPUT:-$top/tools/testing/selftests/liveupdate}
kernel="" next="" memory=2G more="" log=vmtest.log
usage="usage: vmtest.sh [-k KERNEL] [-n NEXT] [-m MEMORY] [-a ARGS] [-l LOG] TEST..."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
	echo "vmtest.sh: $*" >&2
	exit 2
}

# The messages of the kernel come out of the first serial port, the results out of the second one.

case $(uname -m) in
x86_64)
	image=arch/x86/boot/bzImage
	qemu=(qemu-system-x86_64 -M q35)
	console="console=ttyS0 no_timer_check"
	results=(-serial "file:$work/results")
	;;
aarch64)
	image=arch/arm64/boot/Image
	qemu=(qemu-system-aarch64 -M "virt,gic-version=3,its=off")
	console="console=ttyAMA0 luo_output=/dev/ttyS0"
	results=(-chardev "file,id=results,path=$work/results" -device pci-serial,chardev=results)
	;;
*)
	die "no machine of QEMU is known for $(uname -m)"
	;;
esac

while getopts k:n:m:a:l: option; do
	case $option in
	k) kernel=$OPTARG ;;
	n) next=$OPTARG ;;
	m) memory=$OPTARG ;;
	a) more=$OPTARG ;;
	l) log=$OPTARG ;;
	*) die "$usage" ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || die "which test? A NAME_test of $here, or a group of: kexec_test --list"
kernel=${kernel:-$top/$image}
[ -f "$kernel" ] || die "no kernel at $kernel: build one with the options in $here/config"
[ -x "$out/init" ] ||
	die "no programs in $out: make -C tools/testing/selftests TARGETS=liveupdate"
command -v "${qemu[0]}" > /dev/null || die "${qemu[0]} is missing"
command -v cpio > /dev/null || die "cpio is missing"
failed=()

# The initramfs, the same in each kernel; modules, if the kernel was built here
pack() {
	local root=$work/root built
	mkdir -p "$root"/{bin,boot,dev,etc,lib/modules,proc,run,sys,tmp}
	cp "$out/init" "$root/init"
	cp "$out/$1" "$root/bin/"
	cp "$kernel" "$root/boot/kernel"
	[ -z "$next" ] || cp "$next" "$root/boot/kernel-2"
	built=$(dirname "$(realpath "$kernel")")/../../..
	cp "$built"/{samples/liveupdate,kernel/liveupdate/tests}/*.ko "$root/lib/modules/" \
		2> /dev/null || true
	(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) > "$work/initramfs"
	rm -rf "$root"
}

# One document for each program and kernel, between the marks that init makes; all of them good? A
# program may be left by a kexec, but not as the last one. Status 4: all skipped.
judge() {
	local part good=1 parts
	rm -f "$work"/part-*
	awk -v part="$work/part-" '
		/^# luo: end guest/ { ended = n && file == ""; next }
		/^# luo: begin/ { file = part (++n); printf "" > file; next }
		/^# luo: end/ { bad = bad || ($5 != 0 && $5 != 4); file = ""; next }
		/^Bail out!/ { bad = 1 }
		file { print > file }
		END { exit bad || !ended }' "$work/results" || {
		echo "a program or the guest did not come to its end"
		good=""
	}
	parts=("$work"/part-*)
	for part in "${parts[@]}"; do
		"$top/tools/testing/kunit/kunit.py" parse "$part" || good=""
	done
	! grep -E 'WARNING: |BUG: |Oops|Kernel panic|INFO: (possible|rcu|task)|UBSAN: ' \
		"$work/log" || good=""
	[ -n "$good" ]
}

run() {
	local test=$1 program=$1 args="luo_required=1 $more"
	if [ ! -x "$out/$test" ]; then
		"$out/kexec_test" --list | grep "^$test\\." > /dev/null ||
			die "no test $test: a NAME_test of $here, or a group of: kexec_test --list"
		program=kexec_test
		args+=" luo_test=$test luo_stage=1"
	fi
	args="retain_initrd luo_run=$program $args"
	pack "$program"
	rm -f "$work/results" "$work/log"
	echo "=== $test" | tee -a "$log"
	timeout 3600 "${qemu[@]}" -accel "${QEMU_ACCEL:-tcg,thread=multi}" -cpu max \
		-m "$memory" -smp 2 -nodefaults -nographic -no-reboot \
		-serial "file:$work/log" "${results[@]}" \
		-kernel "$kernel" -initrd "$work/initramfs" \
		-append "$console kho=on liveupdate=on panic=-1 $args" \
		< /dev/null >> "$log" 2>&1 || true
	cat "$work/log" >> "$log" || true
	judge || failed+=("$test")
}

: > "$log"
for test; do
	run "$test"
done
if [ ${#failed[@]} -gt 0 ]; then
	echo "failed: ${failed[*]}; the kernels' messages are in $log"
	exit 1
fi
echo "passed: $*"
