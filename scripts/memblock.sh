#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# memblock.sh - the tree's own tests of memblock in user space, tools/testing/memblock: on the
# base as it is and with our patches, without NUMA and with. Prints KTAP.
#
# The simulator is built from a copy, in build/memblock: it makes links in its own folder.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

parts=(tools/include tools/arch tools/lib tools/testing/memblock tools/testing/shared
	tools/testing/selftests/kselftest.h lib/slab.c lib/cmdline.c include/linux/memblock.h
	mm/memblock.c)
base=stock
[ -z "${KSRC:-}" ] || base=ksrc
nr=0
declare -A cases

simulate() {	# TREE NUMA
	local dir=$trees/memblock/$1$2 name="memblock simulator, $1${2:+, NUMA}" make=(make)
	nr=$((nr + 1))
	rm -rf "$dir"
	mkdir -p "$dir"
	for p in "${parts[@]}"; do
		[ ! -e "$trees/$1/$p" ] || (cd "$trees/$1" && tar -chf - "$p") | tar -xf - -C "$dir"
	done
	[ -z "$2" ] || make+=(NUMA=1)
	if ! "${make[@]}" -C "$dir/tools/testing/memblock" > "$dir/make.log" 2>&1; then
		echo "# $(grep -m1 'error' "$dir/make.log" || tail -1 "$dir/make.log")"
		echo "not ok $nr $name: does not build"
		return
	fi
	if ! "$dir/tools/testing/memblock/main" -v > "$dir/run.log" 2>&1; then
		grep -m5 -e '^not ok' -e Assertion -e ERROR "$dir/run.log" | sed 's/^/# /' || true
		echo "not ok $nr $name: $dir/run.log"
		return
	fi
	cases[$1$2]=$(grep -c '^ok' "$dir/run.log" || true)
	echo "# ${cases[$1$2]} cases"
	echo "ok $nr $name"
}

echo "KTAP version 1"
echo "1..5"
for numa in "" numa; do
	simulate "$base" "$numa"
	simulate linux "$numa"
done
if [ "${cases[linux]:-0}" -gt "${cases[$base]:-0}" ]; then
	echo "ok 5 our cases are among them"
else
	echo "not ok 5 our cases are among them"
fi
