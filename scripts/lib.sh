# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
#
# lib.sh - what the other scripts share: where things are, how they complain

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export TOP=$top

# One line, with the way out in it.
die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Each base has its source trees and each architecture its kernels, in a folder of its own unless
# it is the usual one: build/, build/arm64/, build/7.2/, build/7.2/arm64/.
trees=$top/build
[ "${BASE:-7.3}" = 7.3 ] || trees+=/$BASE
build=$trees
cross=
case ${ARCH:-x86_64} in
x86_64)
	arch=x86_64
	image=arch/x86/boot/bzImage
	;;
arm64)
	arch=arm64
	image=arch/arm64/boot/Image
	cross=aarch64-linux-gnu-
	build+=/arm64
	;;
*) die "ARCH=$ARCH: there are x86_64 and arm64" ;;
esac

say() {
	echo "== $*"
}

# One at a time: wait for whoever holds the lock, and say so.
lock() {	# FOLDER WHAT
	mkdir -p "$1"
	exec 9>"$1/.$2.lock"
	flock -n 9 || {
		say "waiting for another make in this folder ($2)"
		flock 9
	}
}
