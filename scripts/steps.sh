#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# steps.sh LOG COMMAND... - run commands one after the other and add up what they say
#
# Each is one word to this script and a command line of its own. Its sum, "N passed, N failed[, N
# skipped]", counts; one that ends without has failed. All that is said is kept in LOG as well. A
# step that failed does not stop the others. The last line is the sum of all.
set -uo pipefail

log=$1
shift
: > "$log"
passed=0 failed=0 skipped=0 bad=0 summary=()

step() {
	local out status sum start=$SECONDS
	out=$(mktemp)
	echo "=== $1" | tee -a "$log"
	bash -c "$1" < /dev/null 2>&1 | tee -a "$log" "$out"
	status=${PIPESTATUS[0]}
	sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$out" | tail -1)
	rm -f "$out"
	summary+=("$(printf '%5d s  %-40s %s' $((SECONDS - start)) "$1" "${sum:-no result}")")
	if [ -z "$sum" ]; then
		echo "$1: ended without a result (status $status)" | tee -a "$log"
		failed=$((failed + 1))
		return
	fi
	# shellcheck disable=SC2086 # into words
	set -- $sum
	passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + ${5:-0}))
	# What skipped all of it, and said why, did not fail.
	[ "$status" = 0 ] || [ "$1 $3 ${5:+skipped}" = "0 0 skipped" ] || bad=1
}

for command; do
	step "$command"
done

[ "$bad" = 0 ] || [ "$failed" != 0 ] || failed=1
sum="$passed passed, $failed failed"
[ "$skipped" = 0 ] || sum+=", $skipped skipped"
printf '%s\n' "${summary[@]}" "all output: $log" "$sum" | tee -a "$log"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
