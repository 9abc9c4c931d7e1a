#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For dracut: modules of what is preserved now go into the next kernel's initramfs, which loads
# them, so that programs find their files as soon as they ask.

check() {
	[ -c /dev/liveupdate ]
}

installkernel() {
	local modules
	# shellcheck disable=SC2154 # dracut says which kernel it is for
	modules=$(/usr/lib/liveupdate/handler-modules "$kernel")
	[ -n "$modules" ] || return 0
	# shellcheck disable=SC2086 # one a line
	instmods $modules
	# shellcheck disable=SC2154 # and where it puts it together
	mkdir -p "$initdir/etc/modules-load.d"
	echo "$modules" > "$initdir/etc/modules-load.d/liveupdate.conf"
}
