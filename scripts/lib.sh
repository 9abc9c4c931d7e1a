# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# lib.sh - what the other scripts share: where things are, how they complain

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=$top/build
export TOP=$top

# One line, with the way out in it.
die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

say() {
	echo "== $*"
}

# One at a time: wait for whoever holds the lock, and say so.
lock() {
	mkdir -p "$build"
	exec 9>"$build/.$1.lock"
	flock -n 9 || {
		say "waiting for another make in this folder ($1)"
		flock 9
	}
}
