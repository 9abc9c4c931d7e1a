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
#include <linux/cleanup.h>
#include <linux/math64.h>
#include <linux/seq_file.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>

#include "luo_internal.h"

/* The rate of the counter is measured over at least this. */
#define LUO_RATE_LEAST_NS	NSEC_PER_MSEC
#define LUO_RATE_GOOD_NS	(10 * NSEC_PER_MSEC)
#define LUO_RATE_PERCENT	2

/* Tolerance of the wall clock: it is read in seconds at boot. */
#define LUO_REAL_SLACK_NS	(3 * NSEC_PER_SEC)

/* Timestamps have no checksum: they are written after the checksums. */
static bool luo_stamps_valid(const struct luo_stamp_ser *old)
{
	for (int i = 0; i < LIVEUPDATE_STAMPS; i++) {
		if (!old[i].ns || !old[i].cycles)
			return false;
		if (i && (old[i].ns < old[i - 1].ns || old[i].cycles < old[i - 1].cycles))
			return false;
	}
	return true;
}

static bool luo_is_near(u64 a, u64 b, u64 slack)
{
	return (a > b ? a - b : b - a) <= slack;
}

/*
 * Convert cycles at the rate that was measured between two timestamps. Unknown if that
 * gives no sensible number: a counter may jump, and on x86 a quotient of more than 64 bits
 * traps.
 */
static u64 luo_cycles_to_ns(u64 cycles, const struct luo_stamp_ser *from,
			    const struct luo_stamp_ser *to)
{
	u64 rate_cycles = to->cycles - from->cycles, rate_ns = to->ns - from->ns;

	if (to->ns < from->ns + LUO_RATE_LEAST_NS || to->cycles <= from->cycles)
		return LUO_UNKNOWN;
	if (div64_u64(cycles, rate_cycles) >= div64_u64(U64_MAX, rate_ns))
		return LUO_UNKNOWN;
	return mul_u64_u64_div_u64(cycles, rate_ns, rate_cycles);
}

/*
 * The start of the measurement of the rate. Not the boot: the clock loses ticks while it is
 * driven by nothing better.
 */
static const struct luo_stamp_ser *luo_rate_from(const struct luo_timeline *timeline,
						 const struct luo_stamp_ser *now)
{
	const struct luo_stamp_ser *opened = &timeline->points[LUO_MILESTONE_OPENED];

	if (opened->ns && now->ns >= opened->ns + LUO_RATE_GOOD_NS)
		return opened;
	return &timeline->points[LUO_MILESTONE_PARSED];
}

static u64 luo_boot_ns(const struct luo_stamp_ser *old, const struct luo_timeline *timeline,
		       const struct luo_stamp_ser *now)
{
	const struct luo_stamp_ser *parsed = &timeline->points[LUO_MILESTONE_PARSED];
	const struct luo_stamp_ser *from = luo_rate_from(timeline, now);
	const struct luo_stamp_ser *jump = &old[LIVEUPDATE_STAMP_MACHINE];
	u64 old_ns = jump->ns - old[LIVEUPDATE_STAMP_REBOOT].ns;
	u64 old_cycles = jump->cycles - old[LIVEUPDATE_STAMP_REBOOT].cycles;
	u64 real = old[LUO_STAMP_REAL].ns, ns, same;

	if (!parsed->ns || parsed->cycles <= jump->cycles || !real || timeline->real <= real)
		return LUO_UNKNOWN;

	ns = luo_cycles_to_ns(parsed->cycles - jump->cycles, from, now);
	same = luo_cycles_to_ns(old_cycles, from, now);
	if (ns == LUO_UNKNOWN || !luo_is_near(same, old_ns, old_ns / 100 * LUO_RATE_PERCENT))
		return LUO_UNKNOWN;

	real += jump->ns - old[LIVEUPDATE_STAMP_SERIALIZED].ns;
	if (!luo_is_near(timeline->real, real + ns, LUO_REAL_SLACK_NS))
		return LUO_UNKNOWN;
	return ns;
}

/* Since the boot the counter is the better clock, once it is trusted. */
static u64 luo_start_ns(const struct luo_timeline *timeline, const struct luo_stamp_ser *now)
{
	const struct luo_stamp_ser *parsed = &timeline->points[LUO_MILESTONE_PARSED];
	const struct luo_stamp_ser *opened = &timeline->points[LUO_MILESTONE_OPENED];

	if (!opened->ns || opened->cycles < parsed->cycles)
		return LUO_UNKNOWN;
	return luo_cycles_to_ns(opened->cycles - parsed->cycles, luo_rate_from(timeline, now),
				now);
}

static u64 luo_between(const struct luo_stamp_ser *from, const struct luo_stamp_ser *to)
{
	return from->ns && to->ns >= from->ns ? to->ns - from->ns : LUO_UNKNOWN;
}

/*
 * Compute how long each phase took: LUO_PHASES values in nanoseconds, or LUO_UNKNOWN. @old
 * are the previous kernel's LUO_EXT_STAMPS timestamps, or zeroes, and not trusted. @now
 * tells the counter's rate.
 */
void luo_timeline_phases(const struct luo_stamp_ser *old, const struct luo_timeline *timeline,
			 const struct luo_stamp_ser *now, u64 *phases)
{
	const struct luo_stamp_ser *points = timeline->points;
	u64 sum = 0;

	for (int i = 0; i < LUO_PHASES; i++)
		phases[i] = LUO_UNKNOWN;
	if (!luo_stamps_valid(old))
		return;

	for (int i = LUO_PHASE_FREEZE; i <= LUO_PHASE_CPUS; i++)
		phases[i] = old[i + 1].ns - old[i].ns;
	phases[LUO_PHASE_BOOT] = luo_boot_ns(old, timeline, now);
	for (int i = LUO_MILESTONE_PARSED; i < LUO_MILESTONE_FINISHED; i++)
		phases[LUO_PHASE_START + i] = luo_between(&points[i], &points[i + 1]);

	if (phases[LUO_PHASE_BOOT] != LUO_UNKNOWN)
		phases[LUO_PHASE_START] = luo_start_ns(timeline, now);

	for (int i = LUO_PHASE_FREEZE; i <= LUO_PHASE_START; i++) {
		if (phases[i] == LUO_UNKNOWN)
			return;
		sum += phases[i];
	}
	phases[LUO_PHASE_BLACKOUT] = sum;
}

/*
 * Read clock and counter. A virtual CPU can be descheduled between the two, so of some
 * readings the one counts in which the least time went by.
 */
void luo_read_clocks(struct luo_stamp_ser *stamp)
{
	u64 least = U64_MAX;

	for (int i = 0; i < 4; i++) {
		u64 before = get_cycles(), ns = ktime_get_mono_fast_ns();
		u64 between = get_cycles() - before;

		if (between >= least)
			continue;
		least = between;
		stamp->ns = ns;
		stamp->cycles = before + between / 2;
	}
}

/*
 * Record that this kernel has reached a milestone. Of retrievals the last one counts, of
 * all others the first. Does not sleep.
 */
void luo_timeline_record(struct luo *luo, enum luo_milestone point)
{
	struct luo_stamp_ser *stamp = &luo->timeline.points[point];

	guard(spinlock)(&luo->state_lock);
	if (stamp->ns && point != LUO_MILESTONE_RETRIEVED)
		return;
	luo_read_clocks(stamp);
	if (point == LUO_MILESTONE_PARSED)
		luo->timeline.real = ktime_get_real_ns();
}

void luo_show_timeline(struct seq_file *m, struct luo *luo)
{
	static const char *const names[LUO_PHASES] = {
		"freeze", "serialize", "devices", "cpus", "boot", "start", "retrieve", "finish",
		"blackout",
	};
	struct luo_timeline timeline;
	u64 phases[LUO_PHASES];
	struct luo_stamp_ser now;

	scoped_guard(spinlock, &luo->state_lock)
		timeline = luo->timeline;
	luo_read_clocks(&now);
	luo_timeline_phases(luo->in.ext.stamps, &timeline, &now, phases);
	for (int i = 0; i < LUO_PHASES; i++) {
		if (phases[i] == LUO_UNKNOWN)
			seq_printf(m, "%s unknown\n", names[i]);
		else
			seq_printf(m, "%s %llu\n", names[i], phases[i]);
	}
}
