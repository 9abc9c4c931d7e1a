#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# tree.sh - the source trees that kernels are built from
#
#   tree.sh stock       build/stock, the untouched base: Debian's linux-source-7.3
#   tree.sh linux       build/linux: the base without its live-update files, with ours, patched
#   tree.sh applied     build/applied: the base with the patches of make series, which comes to the
#                       same without a link into this repository, for packages
#
# BASE=7.2 takes Debian's linux-source-7.2; its trees are in build/7.2. KSRC=<tree> takes a kernel
# tree of the user's own; a copy of it is kept in build/ksrc.
#
# build/linux follows the repository: our files are symbolic links, new and removed files and
# changed patches are noticed at each run, and only what differs is touched, so that make compiles
# as little as possible. Its other files are hard links into the base and are never written to.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

state=$trees/.tree
linux=$trees/linux
applied=$trees/applied
base=$trees/stock
[ -n "${KSRC:-}" ] && base=$trees/ksrc

# What the base brings and we replace: these stay out even where we have no file of that name.
stock_files=(
	'kernel/liveupdate/luo_*.c'
	kernel/liveupdate/luo_internal.h
	mm/memfd_luo.c
	include/linux/liveupdate.h
	include/uapi/linux/liveupdate.h
	include/linux/kho/abi/luo.h
	include/linux/kho/abi/memfd.h
	Documentation/core-api/liveupdate.rst
	Documentation/userspace-api/liveupdate.rst
	Documentation/mm/memfd_preservation.rst
	tools/testing/selftests/liveupdate
)
our_dirs=(kernel include mm lib samples tools Documentation)

# The newest kernel the design knows; 7.3, then 7.2, then whatever 7.* there is.
source_package() {
	local p
	if [ -n "${BASE:-}" ]; then
		p=linux-source-$BASE
		"$top/scripts/debian.sh" have "$p" || die "no suite has a $p; name a kernel tree of your own: KSRC=<tree>"
		echo "$p"
		return
	fi
	for p in linux-source-7.3 linux-source-7.2; do
		"$top/scripts/debian.sh" have "$p" && echo "$p" && return
	done
	p=$("$top/scripts/debian.sh" newest 'linux-source-7.')
	[ -n "$p" ] || die "no suite has a linux-source-7.*; name a kernel tree of your own: KSRC=<tree>"
	echo "tree.sh: warning: neither linux-source-7.3 nor 7.2 to be had, taking $p" >&2
	echo "$p"
}

stock() {
	local pkg deb
	[ -f "$trees/stock/Makefile" ] && return
	pkg=$(source_package)
	deb=$("$top/scripts/debian.sh" fetch "$pkg")
	say "unpacking $(basename "$deb") (1.8 GB)"
	rm -rf "$trees/stock.new"
	mkdir -p "$trees/stock.new"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$pkg.tar.xz" | xz -dcT0 |
		tar -x -C "$trees/stock.new" --strip-components=1 ||
		die "$deb cannot be unpacked; remove it and try again, or name a tree: KSRC=<tree>"
	mv "$trees/stock.new" "$trees/stock"
}

# The user's tree is only read. The copy makes it a clean source tree for O= builds.
ksrc() {
	[ -f "$KSRC/kernel/liveupdate/kexec_handover.c" ] ||
		die "KSRC=$KSRC is no kernel tree with kexec handover (kernel/liveupdate/kexec_handover.c)"
	mkdir -p "$base" "$state"
	[ -f "$base/Makefile" ] || say "copying $KSRC to ${base#"$top"/}"
	rsync -a --delete --out-format=%n --exclude='/.git*' --exclude='*.o' --exclude='*.a' \
		--exclude='*.ko' --exclude='.*.cmd' --exclude='/.config*' --exclude='/include/config' \
		--exclude='/include/generated' --exclude='/arch/*/include/generated' \
		--exclude='/vmlinux*' --exclude='/debian' \
		"$KSRC/" "$base/" > "$state/base.changed"
}

# Paths of our files, relative to the top. Only what git would take, so that editors' backups and
# test binaries stay out; from an archive without .git, all of them.
our_files() {
	local dirs=() d
	for d in "${our_dirs[@]}"; do
		[ -d "$top/$d" ] && dirs+=("$d")
	done
	cd "$top"
	if ! git ls-files -co --exclude-standard -- "${dirs[@]}" 2>/dev/null; then
		find "${dirs[@]}" -type f ! -name '*~' ! -name '.*.swp' ! -name '*.o' ! -path '*/__pycache__/*'
	fi | LC_ALL=C sort -u | while IFS= read -r d; do
		[ -f "$d" ] && echo "$d"
	done
}

removed() {	# is this path one of the stock files that we take out?
	local pattern
	for pattern in "${stock_files[@]}"; do
		# shellcheck disable=SC2254 # a pattern it is
		case $1 in
		$pattern | "$pattern"/*) return 0 ;;
		esac
	done
	return 1
}

# For series.py: the same as a list
list_removed() {
	(cd "$base" && for p in "${stock_files[@]}"; do
		# shellcheck disable=SC2086 # a pattern it is
		find $p -type f 2> /dev/null || true
	done) | LC_ALL=C sort > "$state/removed"
}

# What the base has at this path comes back, with a new date, so that make sees it.
restore() {	# PATH [TREE]
	local tree=${2:-$linux}
	rm -f "$tree/$1"
	if [ -f "$base/$1" ] && ! removed "$1"; then
		mkdir -p "$tree/$(dirname "$1")"
		cp --no-preserve=timestamps "$base/$1" "$tree/$1"
	else
		rmdir -p --ignore-fail-on-non-empty "$tree/$(dirname "$1")" 2>/dev/null || true
	fi
}

new_tree() {
	say "making ${linux#"$top"/} from $(basename "$base")"
	rm -rf "$linux" "$linux.new" "$state"/{base,links,patched,patches}
	cp -al "$base" "$linux.new"
	(cd "$linux.new" && for p in "${stock_files[@]}"; do
		# shellcheck disable=SC2086 # a pattern it is
		rm -rf $p
	done)
	: > "$state/links"
	: > "$state/patched"
	mv "$linux.new" "$linux"
	base_id > "$state/base"
	fresh=1
}

# A user's tree is named by its path, ours by the kernel version.
base_id() {
	if [ -n "${KSRC:-}" ]; then
		realpath "$KSRC"
	else
		sed -n 's/^\(VERSION\|PATCHLEVEL\|SUBLEVEL\) = //p' "$base/Makefile" | paste -sd.
	fi
}

# Files that the user changed in his own tree since the last run.
follow_ksrc() {
	local f
	while IFS= read -r f; do
		f=${f#deleting }
		case $f in */) continue ;; esac
		[ -L "$linux/$f" ] && continue
		grep -qxF -- "$f" "$state/patched" && rm -f "$state/patches" && continue
		removed "$f" || restore "$f"
	done < "$state/base.changed"
}

links() {
	local f
	our_files > "$state/links.new"
	LC_ALL=C comm -23 "$state/links" "$state/links.new" | while IFS= read -r f; do
		restore "$f"
	done
	# A new link to an old file would look older than its object: our file gets today's date.
	LC_ALL=C comm -13 "$state/links" "$state/links.new" | while IFS= read -r f; do
		mkdir -p "$linux/$(dirname "$f")"
		rm -f "$linux/$f"
		ln -sr "$top/$f" "$linux/$f"
		[ -n "$fresh" ] || touch -c "$top/$f"
	done
	mv "$state/links.new" "$state/links"
}

# In the order of their numbers. One of a base's own, patches/VERSION/NNNN-*, takes the place of
# those with that number here; without a diff, it says why that base does without it.
patch_list() {
	local version own
	version=$(sed -n 's/^\(VERSION\|PATCHLEVEL\) = //p' "$base/Makefile" | paste -sd.)
	own=$top/patches/$version
	{
		[ ! -d "$own" ] || find "$own" -maxdepth 1 -name '*.patch'
		find "$top/patches" -maxdepth 1 -name '*.patch' | while IFS= read -r p; do
			compgen -G "$own/$(basename "$p" | cut -c1-5)*.patch" > /dev/null || echo "$p"
		done
	} | while IFS= read -r p; do
		! grep -q '^+++ ' "$p" || echo "${p##*/} $p"
	done | LC_ALL=C sort | cut -d' ' -f2-
}

# The patched files are made anew beside the tree, and only those that came out differently are
# put in place. $state has PREFIXpatches, what the patches were, and PREFIXpatched, what they touch.
apply() {	# TREE PREFIX PATCH...
	local tree=$1 patches=$state/$2patches patched=$state/$2patched sum p f work=$state/work
	shift 2
	sum=$(for p; do
		echo "${p##*/}"
		cat "$p"
	done | sha256sum)
	[ "$sum" = "$(cat "$patches" 2>/dev/null)" ] && return
	for p; do
		sed -n 's,^\(---\|+++\) [ab]/\([^\t]*\).*,\2,p' "$p"
	done | LC_ALL=C sort -u > "$patched.new"
	rm -rf "$work"
	mkdir -p "$work"
	while IFS= read -r f; do
		if [ "$tree" = "$linux" ] && grep -qxF -- "$f" "$state/links"; then
			die "patches/ changes $f, which is our own file: edit that instead"
		fi
		mkdir -p "$work/$(dirname "$f")"
		[ ! -f "$base/$f" ] || cp "$base/$f" "$work/$f"
	done < "$patched.new"
	for p; do
		patch -p1 -s -N -f --no-backup-if-mismatch -d "$work" < "$p" > "$state/patch.log" 2>&1 ||
			die "${p#"$top"/} does not apply to $(basename "$base"): $(head -1 "$state/patch.log")"
	done
	LC_ALL=C sort -u "$patched" "$patched.new" | while IFS= read -r f; do
		if ! grep -qxF -- "$f" "$patched.new"; then
			restore "$f" "$tree"
		elif [ ! -f "$work/$f" ]; then
			rm -f "$tree/$f"
		elif ! cmp -s "$work/$f" "$tree/$f"; then
			mkdir -p "$tree/$(dirname "$f")"
			rm -f "$tree/$f"
			cp --no-preserve=timestamps "$work/$f" "$tree/$f"
		fi
	done
	mv "$patched.new" "$patched"
	rm -rf "$work"
	echo "$sum" > "$patches"
	[ $# -eq 0 ] || say "$# patches applied to ${tree#"$top"/}"
}

patches() {
	local p list=()
	p=$(patch_list)
	[ -z "$p" ] || mapfile -t list <<< "$p"
	apply "$linux" "" ${list[@]+"${list[@]}"}
}

# The order is that of series.py; a cover letter holds no patch.
apply_series() {
	local list=()
	[ -z "${KSRC:-}" ] || die "the series is against Debian's linux-source-7.3, not KSRC="
	"$top/scripts/series.py" > "$state/series.log" || die "there is no series: $(tail -1 "$state/series.log")"
	mapfile -t list < <(sed "s,^,$trees/series/," "$trees/series/series")
	if [ ! -f "$applied/Makefile" ]; then
		rm -rf "$applied" "$applied.new" "$state"/applied-patch{es,ed}
		cp -al "$base" "$applied.new"
		mv "$applied.new" "$applied"
	fi
	touch "$state/applied-patched"
	apply "$applied" applied- "${list[@]}"
}

lock "$trees" tree
mkdir -p "$state"
fresh=
case ${1:-} in
stock | linux | applied) ;;
*) die "usage: tree.sh stock|linux|applied" ;;
esac
if [ -n "${KSRC:-}" ]; then
	ksrc
else
	stock
fi
[ "$1" != stock ] || exit 0
if [ ! -f "$linux/Makefile" ] || [ "$(base_id)" != "$(cat "$state/base" 2>/dev/null)" ]; then
	new_tree
elif [ -n "${KSRC:-}" ]; then
	follow_ksrc
fi
list_removed
links
patches
[ "$1" != applied ] || apply_series
