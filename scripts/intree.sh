#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# intree.sh - the selftests as somebody has them who has a kernel tree only: built by the tree's own
# Makefiles, without a warning, and run by their vmtest.sh. Says in KTAP how it went.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

out=$build/intree
export OUTPUT=$out/kselftest/liveupdate
tests=$trees/linux/tools/testing/selftests/liveupdate
log=$build/logs/intree-kernel.log
n=0

result() {	# 0 or not, what
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; fi
}

built() {
	make -s -C "$trees/linux" O="$out" headers &&
		make -s -j"$(nproc)" -C "$trees/linux/tools/testing/selftests" TARGETS=liveupdate \
			O="$out" 2> "$out/said" && [ ! -s "$out/said" ]
}

vmtest() {
	"$tests/vmtest.sh" -k "$build/out/lean/arch/x86/boot/bzImage" -l "$log" "$@" > "$out/results"
}

# Our make has a meaning of its own for these, also where they are empty.
unset ARCH KSRC MAKEFLAGS MAKELEVEL
mkdir -p "$out" "$build/logs"
echo "KTAP version 1"
echo "1..3"
built && status=0 || status=$?
[ "$status" = 0 ] || sed 's/^/# /' "$out/said"
result "$status" "built without a word"
vmtest session_test flb-unload && status=0 || status=$?
[ "$status" = 0 ] || sed 's/^/# /' "$out/results"
result "$status" "one kernel and two"
vmtest -a liveupdate=off session_test > /dev/null && status=1 || status=0
result "$status" "what must fail"
