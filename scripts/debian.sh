#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# debian.sh - packages from Debian suites other than this machine's own
#
#   debian.sh have PACKAGE              whether a suite (or the cache) has it
#   debian.sh newest PREFIX [SUFFIX]    the package of the highest version whose name is PREFIX<digits>,
#                                       or PREFIX<version>SUFFIX
#   debian.sh fetch PACKAGE             download unless in the cache; print the path of the .deb
#   debian.sh unpack DIR PACKAGE...     fetch each and unpack it under DIR
#   debian.sh release DIR MIN PACKAGE...
#                                       the same in one version, the newest that all of them have
#                                       and that is not older than MIN; print that version
#   debian.sh suite PACKAGE MIN         the oldest suite that has it, not older than MIN
#   debian.sh mirror                    the site that this machine's apt takes Debian from
#   debian.sh libraries DIR "PACKAGE [MIN]"...
#                                       unpack each, and the libraries that it depends on, none older
#                                       than MIN, or than who depends on it says
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

# Reading the lists takes seconds: let apt keep what it made of them, whatever this machine's own
# configuration says of that.
aptx() {
	APT_CONFIG=$apt/etc/apt.conf "$@" -o Dir::Cache::pkgcache="$apt/pkgcache.bin" -o Dir::Cache::srcpkgcache=""
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
	if aptx apt-get -qq update >"$apt/update.log" 2>&1; then
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
	aptx apt-cache madison "$1" 2>/dev/null |
		awk -F'|' '{ gsub(/ /, "", $2); print $2 }' | sort -Vru
}

# Of the newest version, or of that one; a colon is written %3a there
cached() {	# PACKAGE [VERSION]
	local ver=${2:-*}
	find "$apt/archives" -maxdepth 1 -name "$1_${ver//:/%3a}_*.deb" 2>/dev/null | sort -V | tail -1
}

cached_versions() {
	find "$apt/archives" -maxdepth 1 -name "$1_*.deb" 2>/dev/null | sed 's,.*/[^_]*_\([^_]*\)_.*,\1,; s,%3a,:,' |
		sort -u
}

have() {
	[ -n "$(cached "$1")" ] || [ -n "$(versions "$1")" ]
}

# Of linux-source-7.1, linux-source-7.10, ...: the last.
newest() {
	local pkg digits='[0-9]+'
	[ -z "${2:-}" ] || digits='[0-9][0-9a-z.+]*'
	pkg=$(find "$apt/archives" -maxdepth 1 -name "$1*${2:-}_*.deb" 2>/dev/null | sed 's,.*/,,; s,_.*,,' | sort -V | tail -1)
	if [ -z "$pkg" ]; then
		prepare
		pkg=$(aptx apt-cache pkgnames "$1" |
			{ grep -E "^${1//./\\.}$digits${2:-}$" || true; } | sort -V | tail -1)
	fi
	echo "$pkg"
}

fetch() {	# PACKAGE[=VERSION]
	local pkg=${1%%=*} ver path
	ver=${1#"$pkg"}
	ver=${ver#=}
	path=$(cached "$pkg" "$ver")
	if [ -z "$path" ]; then
		[ -n "$ver" ] || ver=$(versions "$pkg" | head -1)
		[ -n "$ver" ] || die "no package $pkg in: $suites"
		echo "fetching $pkg $ver" >&2
		(cd "$apt/archives/partial" && aptx apt-get -qq download "$pkg=$ver" >&2 && mv ./"$pkg"_*.deb ..) ||
			die "$pkg $ver cannot be fetched; try again, or give a kernel tree with KSRC="
		path=$(cached "$pkg" "$ver")
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

# "PACKAGE" or "PACKAGE MINIMUM" for each library that the package in this file depends on
needs() {	# DEB
	dpkg-deb -f "$1" Pre-Depends Depends | tr ',' '\n' | sed 's/^[^:]*Depends: *//; s/|.*//' |
		sed -nE 's/^ *(lib[^ :(]*|zlib1g)[^(]*(\(>>?=? *([^)]*)\))?.*/\1 \3/p'
}

old() {	# DEB MIN
	[ -n "$2" ] && dpkg --compare-versions "$(dpkg-deb -f "$1" Version)" lt "$2"
}

# Of what the cache has, unless that is too old
libraries() {
	local dir=$1 pkg min deb i
	local -A seen=()
	shift
	mkdir -p "$dir"
	local queue=("$@")
	for ((i = 0; i < ${#queue[@]}; i++)); do
		read -r pkg min <<< "${queue[i]}"
		[ -z "${seen[$pkg]:-}" ] || continue
		seen[$pkg]=1
		deb=$(fetch "$pkg")
		if old "$deb" "$min"; then
			prepare
			deb=$(fetch "$pkg=$(versions "$pkg" | head -1)")
			! old "$deb" "$min" || die "no package $pkg from $min on in: $suites"
		fi
		dpkg-deb -x "$deb" "$dir"
		mapfile -t -O ${#queue[@]} queue < <(needs "$deb")
	done
}

# The newest version that all packages have, of those that LISTER names; nothing if that is too old
common() {	# LISTER MIN PACKAGE...
	local lister=$1 min=$2 pkg ver
	shift 2
	ver=$(for pkg; do "$lister" "$pkg"; done | sort -V | uniq -c | awk -v all=$# '$1 == all { ver = $2 } END { print ver }')
	! dpkg --compare-versions "$ver" ge "$min" || echo "$ver"
}

release() {
	local dir=$1 min=$2 ver
	shift 2
	ver=$(common cached_versions "$min" "$@")
	if [ -z "$ver" ]; then
		prepare
		ver=$(common versions "$min" "$@")
		[ -n "$ver" ] || die "no suite that can be reached has $* in one version from $min on: $suites"
	fi
	unpack "$dir" "${@/%/=$ver}"
	echo "$ver"
}

# One that is whole, as backports are not
suite() {	# PACKAGE MIN
	local suite ver
	prepare
	for suite in $suites; do
		ver=$(aptx apt-cache madison "$1" 2>/dev/null |
			awk -F'|' -v "suite= $suite/main " 'index($3, suite) && !ver { ver = $2 }
				END { gsub(/ /, "", ver); print ver }')
		[[ -n $ver && $suite != *-* ]] && dpkg --compare-versions "$ver" ge "$2" && echo "$suite" && return
	done
	die "no suite that can be reached has $1 from $2 on: $suites"
}

if [ "${1:-}" = mirror ]; then
	mirror
	exit
fi
[ $# -ge 2 ] || die "usage: mirror | have PACKAGE | newest PREFIX [SUFFIX] | suite PACKAGE MIN | fetch PACKAGE | unpack DIR PACKAGE... | release DIR MIN PACKAGE... | libraries DIR PACKAGE..."
cmd=$1
shift
mkdir -p "$apt/archives/partial"
exec 8>"$apt/.lock"
flock 8
case $cmd in
have | newest | suite | fetch | unpack | release | libraries) "$cmd" "$@" ;;
*) die "no such command: $cmd" ;;
esac
