#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# style.sh - what the kernel's own checkers have to say about our files
#
#   style.sh quick      checkpatch --strict, kernel-doc, manuals, SPDX lines, circles of calls,
#                       originality: seconds
#   style.sh all        also W=1 and sparse, which compile our files
#   style.sh NAME       one of checkpatch, kernel-doc, manuals, spdx, circles, originality,
#                       warnings, sparse
#
# quick is the default, or what STYLE= says. The first two speak KTAP, findings stand above the
# result; the exit status says whether there were any.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top"
logs=$build/logs
mkdir -p "$logs"

sources() {
	local dirs=() d
	for d in kernel include mm lib samples tools bench; do
		[ ! -d "$d" ] || dirs+=("$d")
	done
	find "${dirs[@]}" -name '*.[ch]' ! -path '*/build/*' | sort
}

# In build/linux, where our files have their kernel names, but for what is no part of a kernel. A
# file that was clean is not looked at again before it, or checkpatch, changes. Without python3-ply
# checkpatch complains on standard error about its SPDX checker. The history of the base is not
# here, so it cannot look up which commit a patch fixes.
checkpatch() {
	local found=0 f clean
	local run=(scripts/checkpatch.pl --strict --terse --no-summary --quiet --show-types
		--ignore FILE_PATH_CHANGES)
	mkdir -p "$build/.style"
	for f in $(sources) $(grep -rl --include='*.patch' '^+++ ' patches | sort); do
		clean=$build/.style/$(cat "$f" "$trees/linux/scripts/checkpatch.pl" "$0" | sha256sum | cut -c1-32)
		[ ! -f "$clean" ] || continue
		case $f in
		patches/*) (cd "$trees/linux" && "${run[@]}" --no-signoff --ignore UNKNOWN_COMMIT_ID "$top/$f") ;;
		# libelf's names
		tools/liveupdate/notes.c | tools/liveupdate/preserved.c) (cd "$trees/linux" && "${run[@]}" --ignore CAMELCASE -f "$f") ;;
		bench/*) (cd "$trees/linux" && "${run[@]}" -f "$top/$f") ;;
		*) (cd "$trees/linux" && [ -e "$f" ] && "${run[@]}" -f "$f") ;;
		esac && : > "$clean" || found=1
	done
	return $found
} 2> "$logs/checkpatch.log"

kernel-doc() {
	local out
	# shellcheck disable=SC2046 # no blanks in our names
	out=$("$trees/linux/scripts/kernel-doc" -none -Wall $(sources | grep -v ^tools/) 2>&1) || true
	[ -z "$out" ] || {
		echo "$out"
		return 1
	}
}

# Pages of the manual, by what makes them and by what shows them.
manuals() {
	local f found=0 out=$build/.style/manuals
	rm -rf "$out"
	make -s -C tools/liveupdate O="$out" man || return
	for f in "$out"/*.[1-9]; do
		! MANWIDTH=80 man --warnings -l "$f" 2>&1 > /dev/null | grep . || found=1
	done
	return $found
}

# Our objects, as the kernel's make names them.
objects() {
	sources | sed -n 's,^\(\(kernel\|mm\|lib\)/.*\)\.c$,\1.o,p'
}

# In an output folder of its own, so that nobody's build is disturbed; only what is said about our
# own files counts.
compile() {
	local log=$logs/style-$1.log ours
	shift
	ours=$(sources | grep -v ^tools/ | sed 's/[.]/\\./g' | paste -sd'|')
	# shellcheck disable=SC2046 # one word per object
	"$top/scripts/build.sh" kernel-make style "$@" $(objects) > "$log" 2>&1 || {
		grep -E '(error|\*\*\*)' "$log" | head -5
		return 1
	}
	! grep -E "(^|/)($ours):.*(warning|error):" "$log"
}

warnings() {
	objects | sed "s,^,$build/out/style/," | xargs rm -f
	compile warnings W=1
}

# 0.6.4 cannot read 7.3: sparse with the libc and the loader it was built for, from the newest suite.
sparse_tool() {
	local dir=$top/build/tools/sparse
	if [ ! -x "$top/build/tools/bin/sparse" ]; then
		"$top/scripts/debian.sh" unpack "$dir" sparse libc6
		mkdir -p "$top/build/tools/bin"
		cat > "$top/build/tools/bin/sparse.new" <<-WRAP
			#!/bin/sh
			lib=$dir/usr/lib/x86_64-linux-gnu
			exec "\$lib/ld-linux-x86-64.so.2" --library-path "\$lib" "$dir/usr/bin/sparse" "\$@"
		WRAP
		chmod +x "$top/build/tools/bin/sparse.new"
		mv "$top/build/tools/bin/sparse.new" "$top/build/tools/bin/sparse"
	fi
}

sparse() {
	sparse_tool
	compile sparse C=2 CF=-D__CHECK_ENDIAN__ CHECK="$top/build/tools/bin/sparse"
}

spdx() {
	local f bad=0
	for f in $(git ls-files -co --exclude-standard 2>/dev/null || find . -type f ! -path './build/*' ! -path './.git/*'); do
		case $f in
		# Forms that Debian's tools read have no place for it: debian/copyright says what holds.
		packaging/debian/*.symbols | packaging/debian/copyright | packaging/debian/source/*) continue ;;
		LICENSES/* | COPYING | Documentation/ABI/* | series/* | *.patch | *.cpio | *.bin | issues* | .issues*) continue ;;
		esac
		[ ! -f "$f" ] || head -3 "$f" | grep -q SPDX-License-Identifier || {
			echo "$f: no SPDX line"
			bad=1
		}
	done
	return $bad
}

# A file calls those below it: see the table of layers in luo_internal.h.
circles() {
	scripts/arrows.py 'kernel/liveupdate/luo_*.c' && scripts/arrows.py 'mm/memfd_luo*.c' &&
		scripts/arrows.py 'tools/liveupdate/*.c'
}

originality() {
	python3 "$originality" "$trees/stock" "$top"
}

what() {
	case $1 in
	checkpatch) echo "checkpatch --strict has nothing to say" ;;
	kernel-doc) echo "kernel-doc has nothing to say" ;;
	manuals) echo "rst2man --strict and man --warnings have nothing to say" ;;
	spdx) echo "every file names its licence" ;;
	circles) echo "no file calls one that calls it" ;;
	originality) echo "nothing repeats the stock sources" ;;
	warnings) echo "W=1 has nothing to say" ;;
	sparse) echo "sparse has nothing to say" ;;
	esac
}

# One KTAP line per checker, what it found above it.
ktap() {
	local i=0 bad=0 c out
	echo "KTAP version 1"
	echo "1..$#"
	for c; do
		i=$((i + 1))
		if [ "$c" = originality ] && [ ! -f "$originality" ]; then
			echo "ok $i $c # SKIP the tool is not part of this repository"
		elif out=$("$0" "$c" 2>&1); then
			echo "ok $i $c: $(what "$c")"
		else
			echo "# ${out//$'\n'/$'\n'# }"
			echo "not ok $i $c: $(what "$c")"
			bad=1
		fi
	done
	return $bad
}

originality=$top/../shared/tools/originality.py
case ${1:-${STYLE:-quick}} in
checkpatch | kernel-doc | manuals | spdx | circles | originality | warnings | sparse)
	[ -d "$trees/linux" ] || "$top/scripts/tree.sh" linux
	"$1"
	;;
quick) ktap checkpatch kernel-doc manuals spdx circles originality ;;
all) ktap checkpatch kernel-doc manuals spdx circles originality warnings sparse ;;
*) die "usage: style.sh [quick|all|checkpatch|kernel-doc|manuals|spdx|circles|originality|warnings|sparse]" ;;
esac
