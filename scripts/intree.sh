#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# intree.sh - the selftests as somebody has them who has a kernel tree only: built by the tree's own
# Makefiles, without a warning, and run by their vmtest.sh, which must also see what fails. Says in
# KTAP how it went.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

out=$build/intree
export OUTPUT=$out/kselftest/liveupdate
tests=$trees/linux/tools/testing/selftests/liveupdate
n=0

result() {	# whether it is so, what
	n=$((n + 1))
	if [ "$1" = yes ]; then echo "ok $n $2"; else echo "not ok $n $2"; fi
}

# From nothing: what was built before warns no more.
built() {
	rm -rf "$out/kselftest"
	: > "$out/said"
	make -s -C "$trees/linux" O="$out" headers 2> "$out/said" &&
		make -s -j"$(nproc)" -C "$trees/linux/tools/testing/selftests" TARGETS=liveupdate \
			O="$out" 2> "$out/said" && [ ! -s "$out/said" ]
}

vmtest() {	# NAME ARGUMENT...: its exit status
	local status=0
	"$tests/vmtest.sh" -k "$build/out/lean/arch/x86/boot/bzImage" \
		-l "$build/logs/intree-$1.log" "${@:2}" > "$out/$1" 2>&1 || status=$?
	echo "$status"
}

# In the place of QEMU: what init would have printed, and what a kernel would
pretend() {	# STATUS WHAT RESULTS [LOG]
	mkdir -p "$out/bin"
	printf '%b' "$3" > "$out/pretended-results"
	printf '%b' "${4:-}" > "$out/pretended-log"
	cat > "$out/bin/qemu-system-x86_64" <<-EOF
		#!/bin/sh
		for arg; do
			case \$arg in
			file:*/log) cp "$out/pretended-log" "\${arg#file:}" ;;
			file:*/results) cp "$out/pretended-results" "\${arg#file:}" ;;
			esac
		done
	EOF
	chmod +x "$out/bin/qemu-system-x86_64"
	status=$(PATH=$out/bin:$PATH vmtest pretended memfd)
	result "$([ "$status" = "$1" ] && echo yes)" "$2"
}

begin='# luo: begin kexec_test 0\n'
plan='TAP version 13\n1..1\n'
good="${plan}ok 1 a\n"
end='# luo: end kexec_test 0\n# luo: end guest 0\n'

# Our make has a meaning of its own for these, also where they are empty.
unset ARCH KSRC MAKEFLAGS MAKELEVEL
mkdir -p "$out" "$build/logs"
echo "KTAP version 1"
echo "1..11"
if built; then
	result yes "built without a word"
else
	sed 's/^/# /' "$out/said"
	result no "built without a word"
fi
status=$(vmtest good session_test flb-unload)
[ "$status" = 0 ] || sed 's/^/# /' "$out/good"
result "$([ "$status" = 0 ] && echo yes)" "one kernel and two"
status=$(vmtest off -a liveupdate=off session_test)
result "$([ "$status" = 1 ] && grep -q FAILED "$out/off" && echo yes)" "live update is off"
pretend 0 "two kernels" "$begin$good$begin$good$end"
pretend 1 "a case that fails" "$begin${plan}not ok 1 a\n$end"
pretend 1 "a kexec that is refused" "$begin${good}Bail out! going to the next kernel: EBUSY\n$end"
pretend 1 "a program that crashes at its end" \
	"$begin$good# luo: end kexec_test 139\n# luo: end guest 0\n"
pretend 1 "a program that a kexec has left" "$begin$good# luo: end guest 0\n"
pretend 1 "a program that says nothing" "$begin$good$begin$end"
pretend 1 "a kernel that dies" "$begin$good$begin$good"
pretend 1 "a kernel that warns" "$begin$good$end" "[ 1.0] WARNING: CPU: 0 PID: 1 at mm/shmem.c:1\n"
