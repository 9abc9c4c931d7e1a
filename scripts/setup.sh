#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# setup.sh - install what building, booting and testing needs, and of that only what is missing
#
#   setup.sh            the everyday targets; with ARCH=arm64 in the environment those of arm64
#   setup.sh docs       also building the documentation
#   setup.sh series     also checking the patch series
#   setup.sh deb        also making Debian packages, and trying them
#
# Debian bookworm or later on x86_64, as root or with sudo. Silent if there is nothing to do.
# shellcheck source=scripts/lib.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"

packages=(
	# the kernel build
	build-essential flex bison bc cpio kmod libelf-dev libssl-dev patch perl python3 rsync
	xz-utils lz4 zstd ccache git
	# guests
	qemu-system-x86 busybox-static kexec-tools nettle-dev libjson-c-dev
	# luoctl, for guests without libraries
	libarchive-dev liblzma-dev zlib1g-dev libzstd-dev liblz4-dev
	# programs that link libluo
	g++ pkgconf
	# the base's own selftests, in guests and in user space
	libcap-dev liburcu-dev
	# what luoctl says in JSON
	python3-jsonschema
	# our pages of the manual
	python3-docutils man-db
	# fuzzers
	clang libclang-rt-dev xxd
	# sources from other suites
	debian-archive-keyring ca-certificates
)
docs=(python3-sphinx python3-yaml graphviz librsvg2-bin)
for group; do
	case $group in
	docs) packages+=("${docs[@]}") ;;
	bench) packages+=(gnuplot-nox) ;;
	deb) packages+=(debhelper dh-python lintian libdw-dev mmdebstrap libarchive-tools libsystemd-dev e2fsprogs fakeroot) ;;
	series) packages+=("${docs[@]}" clang-19 lld-19 llvm-19 python3-git python3-ply) ;;
	*) die "usage: setup.sh [docs] [series] [bench] [deb]" ;;
	esac
done
[ "$arch" != arm64 ] || packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm)

[ "$(uname -m)" = x86_64 ] || die "this needs an x86_64 machine, not $(uname -m)"
[ -f /etc/debian_version ] || {
	echo "setup.sh: no Debian: please see yourself that you have: ${packages[*]}" >&2
	exit 0
}

missing=()
for p in "${packages[@]}"; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in
	installed) ;;
	*) missing+=("$p") ;;
	esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null ||
		die "not root and no sudo: have these packages installed: ${missing[*]}"
	as_root=(sudo)
fi
log=$build/setup.log
mkdir -p "$build"
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" \
		</dev/null >> "$log" 2>&1
}

say "installing ${missing[*]}"
: > "$log"
# A package run that was cut short is finished first.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a </dev/null >> "$log" 2>&1 || true
# Lists that are missing or too old show in an install that fails: fetch them, try again.
if ! apt install --no-install-recommends "${missing[@]}"; then
	say "fetching the package lists"
	apt update || true
	apt install --no-install-recommends "${missing[@]}" ||
		die "apt-get install failed: $(grep -m1 '^E:' "$log" || tail -1 "$log") (all of it: build/setup.log)"
fi
say "installed ${#missing[@]} packages"
