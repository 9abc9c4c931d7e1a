#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build.sh - configure and build one kernel under build/out/NAME
#
#   build.sh lean       the everyday kernel
#   build.sh debug      the same with lockdep, KASAN, fault injection and the like
#   build.sh coverage   the everyday kernel, counting which lines of kernel/liveupdate are run
#   build.sh stock      the untouched base, configured as lean
#   build.sh interop, build.sh stock-interop
#                       lean and stock with the base's own test of FLBs, for live updates between
#                       the two; figures are not measured on these
#   build.sh systemd    lean and what systemd needs as process 1
#   build.sh lean16k    lean with pages of 16 KiB, for arm64
#   build.sh kvm        lean with KVM, for make demo-vm
#   build.sh early      lean and what touches memory early on request, for make check-host
#   build.sh host       Debian's configuration for clouds and live update, from the patches of make
#                       series; of its modules those in configs/host.config
#   build.sh host-next  the same with another name, as a later build of it would have
#   build.sh config-N   drawn by lot, always the same for a number; our files also with W=1
#   build.sh kcsan      lean with the concurrency sanitizer, for make check-kcsan
#   build.sh plain      lean without Kexec HandOver, for live updates that end there
#   build.sh off        kernel/, mm/, lib/ and samples/ of ours with CONFIG_LIVEUPDATE=n, compiled only
#   build.sh kernel-make NAME ARG...   configure only, then make ARG... in build/out/NAME;
#                                      "style" is configured as lean
#
# ARCH=arm64 builds for that, in build/arm64/out/NAME.
# The output of make goes to build/out/NAME/build.log; here stand progress, warnings and errors.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# ccache: neither the folder nor the user nor the date may matter to it.
export CCACHE_NOHASHDIR=1
export CCACHE_BASEDIR=$top
export CCACHE_IGNOREOPTIONS='-fmacro-prefix-map=*'
export CCACHE_SLOPPINESS=time_macros
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=liveupdate KBUILD_BUILD_HOST=liveupdate KBUILD_BUILD_VERSION=1
unset KBUILD_OUTPUT O CROSS_COMPILE MAKEFLAGS MAKELEVEL MFLAGS

fragments() {
	case $1 in
	lean | style) echo base "$arch" lean ;;
	debug | coverage | stock | off | interop | lean16k | systemd | kvm | kcsan | early | plain) echo base "$arch" lean "$1" ;;
	config-*) echo random "$arch" ;;
	host | host-next) echo host ;;
	stock-interop) echo base "$arch" lean stock interop ;;
	*) die "usage: build.sh lean|debug|coverage|stock|off|interop|stock-interop|systemd|kvm|kcsan|plain|early|host|host-next|config-N" ;;
	esac
}

kmake() {
	make -C "$src" O="$out" ARCH=$arch CROSS_COMPILE=$cross CC="ccache ${cross}gcc" HOSTCC='ccache gcc' \
		LOCALVERSION="-$suffix" "$@" </dev/null
}

# What was asked for and is not in .config after make had its say.
missing() {
	cat "${files[@]}" | sed -n 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=n/p; /^CONFIG_/p' |
		awk -F= '{ want[$1] = substr($0, length($1) + 2) } END { for (o in want) print o, want[o] }' |
		sort | while read -r option want; do
		have=$(sed -n "s/^$option=//p" "$out/.config")
		[ "${have:-n}" = "$want" ] || echo "$option=$want"
	done
}

# From nothing, but only if a fragment, a Kconfig file or the base has changed; .config keeps its
# date if it comes out the same.
configure() {
	local key lost
	key=$({
		cat ${given:+"$given"} "${files[@]}" "$trees/.tree/base"
		[[ $name = stock* ]] || find -L "$src/kernel/liveupdate" "$src/mm" "$src/samples" -maxdepth 2 \
			-name 'Kconfig*' -exec sha256sum {} +
		ccache "${cross}gcc" --version
	} 2>/dev/null | sha256sum)
	[ -f "$out/.config" ] && [ "$key" = "$(cat "$out/.fragments" 2>/dev/null)" ] && return
	say "configuring $name: ${files[*]##*/}"
	[ ! -f "$out/.config" ] || cp -p "$out/.config" "$out/.config.before"
	{
		kmake tinyconfig
		cat ${given:+"$given"} "${files[@]}" >> "$out/.config"
		kmake olddefconfig
	} > "$out/config.log" 2>&1 || die "configuration failed: $(tail -1 "$out/config.log") ($out/config.log)"
	lost=$(missing)
	[ -z "$lost" ] || [[ $name = config-* ]] || echo "build.sh: warning: not to be had in this tree: ${lost//$'\n'/, }" >&2
	if [ -f "$out/.config.before" ] && cmp -s "$out/.config" "$out/.config.before"; then
		mv "$out/.config.before" "$out/.config"
	fi
	echo "$key" > "$out/.fragments"
}

# What depends on what is off is off as well.
drawn() {
	mkdir -p "$build/configs"
	"$top/scripts/random_config.py" "${name#config-}" > "$build/configs/$name.config"
	files+=("$build/configs/$name.config")
}

# What comes before our files; not all of it is to be had with another compiler. Without modules:
# there are a thousand.
debians() {
	local package deb
	given=$build/configs/debian.config
	mkdir -p "$build/configs"
	package=linux-config-$(sed -n 's/^\(VERSION\|PATCHLEVEL\) = //p' "$trees/stock/Makefile" | paste -sd.)
	deb=$("$top/scripts/debian.sh" fetch "$package")
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$package/config.amd64_none_cloud-amd64.xz" |
		xz -dc | sed '/=m$/d' > "$given" || die "$package holds no configuration cloud-amd64"
}

# Those of our objects that this configuration has, once more
compile_with_warnings() {
	local ours
	mapfile -t ours < <(cd "$top" && find kernel mm samples -name '*.c' | sed 's/c$/o/' |
		while read -r o; do [ ! -f "$out/$o" ] || echo "$o"; done)
	(cd "$out" && rm -f "${ours[@]}")
	kmake -j"${JOBS:-$(nproc)}" W=1 KCFLAGS=-Werror "${ours[@]}" > "$out/warnings.log" 2>&1 || {
		grep -E '(error|\*\*\*)' "$out/warnings.log" | head -5 >&2
		die "$name does not compile with W=1: $out/warnings.log"
	}
}

setup() {
	name=$1
	[ "$name $arch" != "lean16k x86_64" ] || die "pages of 16 KiB are for ARCH=arm64"
	out=$build/out/$name
	src=$trees/linux
	suffix=luo
	case $name in
	stock*)
		src=$trees/stock
		[ -z "${KSRC:-}" ] || src=$trees/ksrc
		suffix=stock
		;;
	host | host-next)
		[ "$arch" = x86_64 ] || die "Debian has a configuration for clouds for x86_64"
		src=$trees/applied
		[ "$name" = host ] || suffix=luo-next
		;;
	debug) suffix=luo-debug ;;
	coverage) suffix=luo-coverage ;;
	esac
	files=()
	local f list
	list=$(fragments "$name")
	for f in $list; do
		files+=("$top/configs/$f.config")
	done
	given=
	[[ $name != config-* ]] || drawn
}

# All that a kernel is made of, but for the base, which does not change, and a tree of the user's
# own. A folder is newer as well once a file in it comes or goes.
up_to_date() {
	[ -z "${KSRC:-}" ] && [ -f "$out/.built" ] || return 1
	local from=("$top"/{kernel,include,mm,lib,samples,patches,configs,scripts/{build,tree,lib}.sh})
	local found
	[[ $name != config-* ]] || from+=("$top/scripts/random_config.py")
	[[ $name != host* ]] || from+=("$top"/{series,tools,Documentation,scripts/series.py})
	found=$(find "${from[@]}" -newer "$out/.built" -print -quit 2>/dev/null) || true
	[ -z "$found" ]
}

for tool in make gcc "${cross}gcc" ccache python3; do
	command -v $tool >/dev/null || die "$tool is missing: run make setup"
done

only=
if [ "${1:-}" = kernel-make ]; then
	only=1
	shift
fi
setup "${1:-}"
lock "$build" "$name"
[ -z "$only" ] && up_to_date && exit
begun=$(date +%s)
case $name in
stock*) "$top/scripts/tree.sh" stock ;;
host*)
	"$top/scripts/tree.sh" applied
	debians
	;;
*) "$top/scripts/tree.sh" linux ;;
esac

# Objects of another base may be newer than this one's sources: begin anew, ccache has the rest.
base=$(basename "$src")
[ "$base" != linux ] || base=$(cat "$trees/.tree/base")
if [ -d "$out" ] && [ "$base" != "$(cat "$out/.base" 2>/dev/null)" ]; then
	say "another base: building $name from nothing"
	rm -rf "$out"
fi
mkdir -p "$out"
echo "$base" > "$out/.base"

configure
if [ -n "$only" ]; then
	shift
	kmake -j"${JOBS:-$(nproc)}" "$@"
	exit
fi
targets=("${image##*/}")
if [ "$name" = off ]; then
	targets=(prepare kernel/ mm/ lib/ samples/)
elif grep -q '=m$' "$out/.config"; then
	targets+=(modules)
fi

rm -f "$out/.built"
say "building the $name kernel in ${out#"$top"/}"
kmake -j"${JOBS:-$(nproc)}" "${targets[@]}" 2>&1 |
	"$top/scripts/progress.py" "$name" "$out/build.log" "$out/.steps" "$src" ||
	die "the $name kernel does not build; all of make's output is in ${out#"$top"/}/build.log"
[[ $name != config-* ]] || compile_with_warnings
touch -d "@$begun" "$out/.built"
