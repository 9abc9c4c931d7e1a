#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# docs.sh - write our documents as HTML, with the kernel tree's own Sphinx configuration
#
#   docs.sh [TREE [OUT]]        TREE is build/linux, OUT build/docs
#
# Only our pages, and those of Kexec HandOver that they refer to: the whole of the kernel's
# documentation takes an hour. Fails if Sphinx warns of anything in ours, or if one of them is in no
# table of contents of the tree.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

tree=$(realpath "${1:-$trees/linux}")
out=${2:-$trees/docs}
src=$out/.src/Documentation
log=$out/.log

command -v sphinx-build > /dev/null || die "sphinx-build is missing: run make docs"
mapfile -t pages < <(cd "$top/Documentation" && find . -name '*.rst' | sed 's,^\./,,' | LC_ALL=C sort)
more=(admin-guide/mm/kho.rst core-api/kho)

# A tree of links in which they have their usual names
rm -rf "$out/.src"
mkdir -p "$src"
ln -s "$tree/MAINTAINERS" "$tree/samples" "$out/.src/"
link() {
	mkdir -p "$src/$(dirname "$1")"
	ln -s "$tree/Documentation/$1" "$src/$1"
}
for p in "${pages[@]}" "${more[@]}"; do
	[ -e "$tree/Documentation/$p" ] || die "$tree has no Documentation/$p"
	link "$p"
done
while IFS= read -r p; do
	link "$p"
done < <(cd "$top/Documentation" && find . -type f ! -name '*.rst' | sed 's,^\./,,')
{
	printf 'Live update\n===========\n\n.. toctree::\n   :maxdepth: 2\n\n'
	printf '   %s\n' "${pages[@]%.rst}"
	printf '\n.. toctree::\n   :maxdepth: 1\n   :caption: Kexec HandOver\n\n   core-api/kho/index\n'
	printf '   admin-guide/mm/kho\n'
} > "$src/index.rst"

say "writing ${#pages[@]} documents"
srctree=$tree LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m sphinx -q -b html -j "${JOBS:-2}" \
	-c "$tree/Documentation" -d "$out/.doctrees" -D kerneldoc_srctree="$tree" -D version= -D release= \
	"$src" "$out" < /dev/null > "$log" 2>&1 || die "Sphinx failed: $(grep -m1 -i error "$log" || tail -1 "$log") ($log)"

bad=0
# What a page pulls in by kernel-doc is part of it.
mapfile -t sources < <(cd "$top/Documentation" && sed -n 's/^\.\. kernel-doc:: *//p' "${pages[@]}" |
	LC_ALL=C sort -u)
for p in ${sources[@]+"${sources[@]}"}; do
	grep -F "$p" "$log" && bad=1
done
# Sphinx says nothing of a name that is not there.
while IFS=$'\t' read -r p name; do
	grep -qF -e " * DOC: $name" -e " * $name() - " -e " * $name - " -e " * struct $name - " \
		-e " * enum $name - " "$tree/$p" || {
		echo "$p has no comment for: $name"
		bad=1
	}
done < <(cd "$top/Documentation" && awk '
	/^\.\. kernel-doc::/ { file = $3 }
	/^ +:doc:/ { sub(/^ +:doc: */, ""); print file "\t" $0 }
	/^ +:(identifiers|functions):/ { for (i = 2; i <= NF; i++) print file "\t" $i }' "${pages[@]}")
for p in "${pages[@]}"; do
	grep -F "/$p" "$log" && bad=1
	name=$(basename "$p" .rst)
	grep -qE "^ +$name$" "$tree/Documentation/$(dirname "$p")/index.rst" || {
		echo "Documentation/$p is in no table of contents: Documentation/$(dirname "$p")/index.rst"
		bad=1
	}
done
# What was read is not read again, and not complained about either.
[ "$bad" = 0 ] || rm -rf "$out/.doctrees"
[ "$bad" = 0 ] || die "not without warnings; all of them are in $log"
say "${out#"$top"/}/index.html"
