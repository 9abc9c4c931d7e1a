#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deb.sh - make Debian packages, in build/deb
#
#   deb.sh tools        liveupdate-tools, libluo0, libluo-dev, python3-luo; lintian looks at them
#   deb.sh kernel       linux-image and linux-headers of the host kernel, by the tree's bindeb-pkg
#   deb.sh next         linux-image of host-next, for make demo-host: a newer one, by its name
#
# The version is that of the kernel, and the number of commits of this repository, by which a later
# build is the newer one; DEB_REVISION= takes another number, DEB_DIR= another folder.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# Those of a make that this was started by
unset MAKEFLAGS MAKELEVEL MFLAGS

deb=${DEB_DIR:-$build/deb}
revision=${DEB_REVISION:-$(git -C "$top" rev-list --count HEAD 2>/dev/null || echo 1)}

version() {
	make -s --no-print-directory -C "$trees/linux" ARCH=$arch kernelversion
}

# Only what the package is built from, as tree.sh has put it into the tree
source_package() {	# DIR VERSION
	mkdir -p "$1"
	(cd "$trees/linux" && cp -rL --parents -t "$1" include/uapi/linux/liveupdate.h tools/liveupdate)
	cp -r "$top/packaging/debian" "$1/debian"
	cp -r "$top/packaging/initramfs" "$1/debian"
	cat > "$1/debian/changelog" <<-CHANGES
		liveupdate-tools ($2) unstable; urgency=medium

		  * Commit $(git -C "$top" log -1 --format=%h 2>/dev/null || echo unknown).

		 -- $(sed -n 's/^Maintainer: //p' "$1/debian/control")  $(git -C "$top" log -1 --format=%aD 2>/dev/null || date -R)
	CHANGES
}

tools() {
	local dir ver log=$deb/tools.log
	"$top/scripts/tree.sh" linux
	ver=$(version)+luo$revision
	dir=$deb/source/liveupdate-tools-$ver
	rm -rf "$deb/source"
	source_package "$dir" "$ver"
	(cd "$dir" && DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -us -uc -b) > "$log" 2>&1 ||
		die "the packages of the tools do not build: $(grep -m1 -iE 'error|unmet' "$log" || tail -1 "$log") ($log)"
	lintian --allow-root --fail-on error "$deb"/source/*.changes > "$deb/lintian.log" 2>&1 ||
		die "lintian: $(grep -m1 '^E:' "$deb/lintian.log" || tail -1 "$deb/lintian.log") ($deb/lintian.log)"
	rm -f "$deb"/{liveupdate-tools,libluo0,libluo-dev,python3-luo}_*.deb
	mv "$deb"/source/*.deb "$deb"
	rm -rf "$deb/source"
}

# Those of the C library are the distribution's.
pack_kernel() {	# NAME PACKAGE...
	local name=$1 log=$deb/$1.log out=$build/out/$1 package
	shift
	"$top/scripts/build.sh" "$name"
	# None of a build that was cut short
	rm -f "$out"/../linux-*.deb
	say "packing the $name kernel"
	KDEB_PKGVERSION=$(version)-$revision KDEB_CHANGELOG_DIST=unstable DEB_BUILD_OPTIONS=terse \
		"$top/scripts/build.sh" kernel-make "$name" bindeb-pkg > "$log" 2>&1 ||
		die "the packages of the kernel do not build: $(grep -m1 -iE 'error|unmet' "$log" || tail -1 "$log") ($log)"
	for package; do
		rm -f "$deb/$package"_*.deb
		mv "$out/../$package"_*.deb "$deb"
	done
	rm -f "$out"/../linux-*.{deb,buildinfo,changes}
}

kernel() {
	pack_kernel host "linux-image-$(version)-luo" "linux-headers-$(version)-luo"
}

next() {
	export DEB_BUILD_PROFILES=pkg.linux-upstream.nokernelheaders
	pack_kernel host-next "linux-image-$(version)-luo-next"
}

case ${1:-} in
tools | kernel | next)
	lock "$build" deb
	mkdir -p "$deb"
	"$1"
	;;
*) die "usage: deb.sh tools|kernel|next" ;;
esac
(cd "$deb" && du -h -- *.deb)
