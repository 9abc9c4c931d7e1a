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
	mapfile -t modules < <(/usr/lib/liveupdate/handler-modules "$kernel")
	[ ${#modules[@]} -gt 0 ] || return 0
	instmods "${modules[@]}"
	# shellcheck disable=SC2154 # and where it puts it together
	mkdir -p "$initdir/etc/modules-load.d"
	printf '%s\n' "${modules[@]}" > "$initdir/etc/modules-load.d/liveupdate.conf"
}
