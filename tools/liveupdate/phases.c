// SPDX-License-Identifier: GPL-2.0
/*
 * How long the phases of the last live update took.
 *
 * Within one kernel CLOCK_MONOTONIC tells, but in the new kernel it is unreliable before
 * the first programs run. Between the kernels, and up to there, the processor's counter
 * goes on, if it does: it is used if its rate is the same in both kernels and if the wall
 * clock, which is exact to a second or so, does not contradict it. Unknown is better than
 * wrong.
 */
#include <stdbool.h>

#include "phases.h"

#define MS		1000000ULL
#define SEC		(1000 * MS)

/* The rate of the counter is measured over at least this. */
#define RATE_LEAST_NS	MS
#define RATE_GOOD_NS	(10 * MS)
#define RATE_PERCENT	2

/* Tolerance of the wall clock: it is read in seconds at boot, so it may go back, too. */
#define REAL_SLACK_NS	(3 * SEC)

static bool are_valid(const struct reading *previous)
{
	for (int i = 0; i < PREVIOUS_MILESTONES; i++) {
		if (!previous[i].ns || !previous[i].cycles)
			return false;
		if (i && (previous[i].ns < previous[i - 1].ns ||
			  previous[i].cycles < previous[i - 1].cycles))
			return false;
	}
	return true;
}

static bool is_near(__u64 a, __u64 b, __u64 slack)
{
	return (a > b ? a - b : b - a) <= slack;
}

/* At the rate that was measured between two readings. A counter may jump. */
static __u64 cycles_to_ns(__u64 cycles, const struct reading *from, const struct reading *to)
{
	unsigned __int128 ns;

	if (to->ns < from->ns + RATE_LEAST_NS || to->cycles <= from->cycles)
		return PHASE_UNKNOWN;
	ns = (unsigned __int128)cycles * (to->ns - from->ns) / (to->cycles - from->cycles);
	return ns < PHASE_UNKNOWN ? ns : PHASE_UNKNOWN;
}

/*
 * The start of the measurement of the rate. Not the boot: the clock loses ticks while it is
 * driven by nothing better.
 */
static const struct reading *rate_from(const struct readings *r)
{
	const struct reading *opened = &r->this[THIS_OPENED];

	if (opened->ns && r->now.ns >= opened->ns + RATE_GOOD_NS)
		return opened;
	return &r->this[THIS_PARSED];
}

static __u64 boot_ns(const struct readings *r)
{
	const struct reading *parsed = &r->this[THIS_PARSED], *from = rate_from(r);
	const struct reading *kexec = &r->previous[PREVIOUS_KEXEC];
	__u64 previous_ns = kexec->ns - r->previous[PREVIOUS_REBOOT].ns;
	__u64 previous_cycles = kexec->cycles - r->previous[PREVIOUS_REBOOT].cycles;
	__u64 real = r->previous_real, ns, same;

	if (!parsed->ns || parsed->cycles <= kexec->cycles || !real || !r->this_real)
		return PHASE_UNKNOWN;

	ns = cycles_to_ns(parsed->cycles - kexec->cycles, from, &r->now);
	same = cycles_to_ns(previous_cycles, from, &r->now);
	if (ns == PHASE_UNKNOWN || !is_near(same, previous_ns, previous_ns / 100 * RATE_PERCENT))
		return PHASE_UNKNOWN;

	real += kexec->ns - r->previous[PREVIOUS_SERIALIZED].ns;
	return is_near(r->this_real, real + ns, REAL_SLACK_NS) ? ns : PHASE_UNKNOWN;
}

/* Since the boot the counter is the better clock, once it is trusted. */
static __u64 start_ns(const struct readings *r)
{
	const struct reading *parsed = &r->this[THIS_PARSED], *opened = &r->this[THIS_OPENED];

	if (!opened->ns || opened->cycles < parsed->cycles)
		return PHASE_UNKNOWN;
	return cycles_to_ns(opened->cycles - parsed->cycles, rate_from(r), &r->now);
}

static __u64 between(const struct reading *from, const struct reading *to)
{
	return from->ns && to->ns >= from->ns ? to->ns - from->ns : PHASE_UNKNOWN;
}

void compute_phases(const struct readings *r, __u64 *phases)
{
	__u64 sum = 0;

	for (int i = 0; i < PHASES; i++)
		phases[i] = PHASE_UNKNOWN;
	if (!are_valid(r->previous))
		return;

	for (int i = PHASE_FREEZE; i <= PHASE_CPUS; i++)
		phases[i] = r->previous[i + 1].ns - r->previous[i].ns;
	phases[PHASE_BOOT] = boot_ns(r);
	for (int i = THIS_PARSED; i < THIS_FINISHED; i++)
		phases[PHASE_START + i] = between(&r->this[i], &r->this[i + 1]);

	if (phases[PHASE_BOOT] != PHASE_UNKNOWN)
		phases[PHASE_START] = start_ns(r);

	for (int i = PHASE_FREEZE; i <= PHASE_START; i++) {
		if (phases[i] == PHASE_UNKNOWN)
			return;
		sum += phases[i];
	}
	phases[PHASE_BLACKOUT] = sum;
}
