#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debian.sh - packages from Debian suites other than this machine's own
#
#   debian.sh have PACKAGE              whether a suite (or the cache) has it
#   debian.sh newest PREFIX             the package of the highest version whose name is PREFIX<digits>
#   debian.sh fetch PACKAGE             download unless in the cache; print the path of the .deb
#   debian.sh unpack DIR PACKAGE...     fetch each and unpack it under DIR
#
# The mirror is the one this machine's apt uses. A private apt configuration and lists folder
# keep the machine's own sources untouched; apt verifies what it fetches as always. Packages are
# kept under ${XDG_CACHE_HOME:-~/.cache}/liveupdate, and what is there is taken without a look at
# the network, so that a second clone fetches nothing. To have newer ones, empty that folder.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/liveupdate
apt=$cache/apt
suites=${SUITES:-"trixie trixie-backports forky sid"}
lists_max_age=1440	# minutes

die() {
	echo "debian.sh: $*" >&2
	exit 1
}

# Site of the main archive: neither security nor anybody else's repository.
mirror() {
	# shellcheck disable=SC2016 # apt's own placeholders
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null |
		awk '/\/debian(\.list)?\/?$/ && !site { site = $0 } END { print site }'
}

keyring() {
	local f
	for f in /usr/share/keyrings/debian-archive-keyring.pgp \
		 /usr/share/keyrings/debian-archive-keyring.gpg; do
		[ -f "$f" ] && echo "$f" && return
	done
	die "no Debian keyring: install debian-archive-keyring, or give a kernel tree with KSRC="
}

aptx() {
	APT_CONFIG=$apt/etc/apt.conf apt-get -qq "$@"
}

# The configuration is written anew each time; the lists are fetched when they are older than a
# day. Called only for what is not in the cache. A suite that fails is said and done without.
prepare() {
	local site s key
	[ -z "${prepared:-}" ] || return 0
	prepared=1
	key=$(keyring)
	site=$(mirror)
	[ -n "$site" ] || die "no Debian mirror in this machine's apt sources; give a kernel tree with KSRC="
	mkdir -p "$apt"/{lists/partial,archives/partial,state,etc}
	: > "$apt/state/status"
	for s in $suites; do
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$site" "$s" "$key"
	done > "$apt/etc/suites.sources.new"
	cat > "$apt/etc/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$apt/etc/suites.sources";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::State "$apt/state";
		Dir::State::Lists "$apt/lists";
		Dir::State::status "$apt/state/status";
		Dir::Cache "$apt";
		Dir::Cache::archives "$apt/archives";
		Acquire::Languages "none";
		Acquire::Retries "3";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
	CONF
	if cmp -s "$apt/etc/suites.sources" "$apt/etc/suites.sources.new" &&
	   [ -n "$(find "$apt/stamp" -mmin -$lists_max_age 2>/dev/null)" ]; then
		return
	fi
	mv "$apt/etc/suites.sources.new" "$apt/etc/suites.sources"
	echo "fetching package lists of: $suites" >&2
	if aptx update >"$apt/update.log" 2>&1; then
		touch "$apt/stamp"
	else
		# Not again within five minutes, but no longer.
		touch -d "$((lists_max_age - 5)) minutes ago" "$apt/stamp"
		echo "debian.sh: warning: $(grep -m1 '^[EW]:' "$apt/update.log" || echo 'not all lists fetched')" >&2
	fi
}

# "VERSION" per suite, highest first
versions() {
	prepare
	APT_CONFIG=$apt/etc/apt.conf apt-cache madison "$1" 2>/dev/null |
		awk -F'|' '{ gsub(/ /, "", $2); print $2 }' | sort -Vru
}

cached() {
	find "$apt/archives" -maxdepth 1 -name "$1_*.deb" 2>/dev/null | sort -V | tail -1
}

have() {
	[ -n "$(cached "$1")" ] || [ -n "$(versions "$1")" ]
}

# Of linux-source-7.1, linux-source-7.10, ...: the last.
newest() {
	local pkg
	pkg=$(find "$apt/archives" -maxdepth 1 -name "$1*.deb" 2>/dev/null | sed 's,.*/,,; s,_.*,,' | sort -V | tail -1)
	if [ -z "$pkg" ]; then
		prepare
		pkg=$(APT_CONFIG=$apt/etc/apt.conf apt-cache pkgnames "$1" |
			{ grep -E "^${1//./\\.}[0-9]+$" || true; } | sort -V | tail -1)
	fi
	echo "$pkg"
}

fetch() {
	local pkg=$1 ver path
	path=$(cached "$pkg")
	if [ -z "$path" ]; then
		ver=$(versions "$pkg" | head -1)
		[ -n "$ver" ] || die "no package $pkg in: $suites"
		echo "fetching $pkg $ver" >&2
		(cd "$apt/archives/partial" && aptx download "$pkg=$ver" >&2 && mv ./"$pkg"_*.deb ..) ||
			die "$pkg $ver cannot be fetched; try again, or give a kernel tree with KSRC="
		path=$(cached "$pkg")
	fi
	echo "$path"
}

unpack() {
	local dir=$1 pkg deb
	shift
	mkdir -p "$dir"
	for pkg; do
		deb=$(fetch "$pkg")
		dpkg-deb -x "$deb" "$dir"
	done
}

[ $# -ge 2 ] || die "usage: have PACKAGE | newest PREFIX | fetch PACKAGE | unpack DIR PACKAGE..."
cmd=$1
shift
mkdir -p "$apt/archives/partial"
exec 8>"$apt/.lock"
flock 8
case $cmd in
have | newest | fetch | unpack) "$cmd" "$@" ;;
*) die "no such command: $cmd" ;;
esac
