// SPDX-License-Identifier: GPL-2.0
/* How long the phases of a live update took, and when that cannot be told */
#include <kunit/test.h>
#include <linux/time64.h>

#include "../luo_internal.h"

#define MS		NSEC_PER_MSEC
#define PER_NS		3		/* cycles */
#define JUMP		(100000 * MS)	/* uptime of the previous kernel at the jump */
#define REAL		(1700000000ULL * NSEC_PER_SEC)

struct story {
	struct luo_stamp_ser old[LUO_EXT_STAMPS];
	struct luo_timeline timeline;
	struct luo_stamp_ser now;
	u64 phases[LUO_PHASES];
};

static void stamp(struct luo_stamp_ser *stamp, u64 ns, u64 since_jump)
{
	stamp->ns = ns;
	stamp->cycles = (JUMP + since_jump) * PER_NS;
}

/*
 * Freeze 10, serialize 1, devices 200, CPUs 4 ms, boot 800, of which the new kernel's clock
 * shows 700, start 300, retrieve 50, finish 20
 */
static void tell(struct story *s)
{
	static const u64 before[] = { 215, 205, 204, 4, 0 };
	static const u64 after[] = { 800, 1100, 1150, 1170 };

	memset(s, 0, sizeof(*s));
	for (int i = 0; i < LIVEUPDATE_STAMPS; i++)
		stamp(&s->old[i], JUMP - before[i] * MS, -before[i] * MS);
	stamp(&s->old[LUO_STAMP_REAL], REAL, 0);
	for (int i = 0; i < LUO_MILESTONES; i++)
		stamp(&s->timeline.points[i], (after[i] - 100) * MS, after[i] * MS);
	s->timeline.real = REAL + (204 + 800) * MS + NSEC_PER_SEC / 2;
	stamp(&s->now, 5000 * MS, 5100 * MS);
}

static void count(struct story *s)
{
	luo_timeline_phases(s->old, &s->timeline, &s->now, s->phases);
}

static void all_is_known(struct kunit *test)
{
	static const u64 want[LUO_PHASES] = { 10, 1, 200, 4, 800, 300, 50, 20, 1315 };
	struct story s;

	tell(&s);
	count(&s);
	for (int i = 0; i < LUO_PHASES; i++)
		KUNIT_EXPECT_EQ_MSG(test, s.phases[i], want[i] * MS, "phase %d", i);
}

/* All but the boot, and the blackout that it is part of */
static void expect_no_boot(struct kunit *test, struct story *s)
{
	count(s);
	KUNIT_EXPECT_EQ(test, s->phases[LUO_PHASE_BOOT], LUO_UNKNOWN);
	KUNIT_EXPECT_EQ(test, s->phases[LUO_PHASE_BLACKOUT], LUO_UNKNOWN);
	KUNIT_EXPECT_EQ(test, s->phases[LUO_PHASE_DEVICES], 200 * MS);
	KUNIT_EXPECT_EQ(test, s->phases[LUO_PHASE_START], 300 * MS);
}

static void counter_starts_anew(struct kunit *test)
{
	struct story s;

	tell(&s);
	for (int i = 0; i < LUO_MILESTONES; i++)
		s.timeline.points[i].cycles -= JUMP * PER_NS;
	s.now.cycles -= JUMP * PER_NS;
	expect_no_boot(test, &s);
}

/* It has counted for longer since than the previous kernel was up: only the clock tells. */
static void counter_starts_anew_and_is_ahead(struct kunit *test)
{
	struct story s;

	tell(&s);
	for (int i = 0; i < LUO_MILESTONES; i++)
		s.timeline.points[i].cycles += 10000 * MS * PER_NS;
	s.now.cycles += 10000 * MS * PER_NS;
	expect_no_boot(test, &s);
}

static void counter_has_another_rate(struct kunit *test)
{
	struct story s;

	tell(&s);
	s.now.cycles += 200 * MS * PER_NS;
	expect_no_boot(test, &s);
}

/* The new kernel's clock has lost ticks while it was young: the counter has not. */
static void young_clock_loses_ticks(struct kunit *test)
{
	struct story s;

	tell(&s);
	for (int i = LUO_MILESTONE_OPENED; i < LUO_MILESTONES; i++)
		s.timeline.points[i].ns -= 250 * MS;
	s.now.ns -= 250 * MS;
	count(&s);
	KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_BOOT], 800 * MS);
	KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_START], 300 * MS);
}

static void clock_is_wrong(struct kunit *test)
{
	struct story s;

	tell(&s);
	s.timeline.real += 10 * NSEC_PER_SEC;
	expect_no_boot(test, &s);
	tell(&s);
	s.timeline.real = 5 * NSEC_PER_SEC;
	expect_no_boot(test, &s);
	tell(&s);
	s.old[LUO_STAMP_REAL].ns = 0;
	expect_no_boot(test, &s);
}

/* Whatever a counter does: on x86 a quotient that does not fit would be a trap. */
static void counter_jumps(struct kunit *test)
{
	struct story s;

	for (int shift = 40; shift < 64; shift++) {
		tell(&s);
		s.timeline.points[LUO_MILESTONE_PARSED].cycles += 1ULL << shift;
		count(&s);
		KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_BOOT], LUO_UNKNOWN);

		tell(&s);
		s.old[LIVEUPDATE_STAMP_MACHINE].cycles += 1ULL << shift;
		count(&s);
		KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_BOOT], LUO_UNKNOWN);

		/* Between two readings of this kernel's, from which the rate is told */
		tell(&s);
		s.timeline.points[LUO_MILESTONE_PARSED].cycles += 1ULL << shift;
		s.timeline.points[LUO_MILESTONE_OPENED].cycles += 1ULL << shift;
		s.now.cycles = s.timeline.points[LUO_MILESTONE_OPENED].cycles + 1;
		count(&s);
		KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_BOOT], LUO_UNKNOWN);
	}
}

/* Asked at once: the rate cannot be told yet. */
static void no_time_for_a_rate(struct kunit *test)
{
	struct story s;

	tell(&s);
	s.now = s.timeline.points[LUO_MILESTONE_PARSED];
	s.now.ns += 1000;
	s.now.cycles += 1000 * PER_NS;
	expect_no_boot(test, &s);
}

static void not_all_is_reached(struct kunit *test)
{
	struct story s;

	tell(&s);
	memset(&s.timeline.points[LUO_MILESTONE_RETRIEVED], 0, 2 * sizeof(*s.timeline.points));
	count(&s);
	KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_BLACKOUT], 1315 * MS);
	KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_RETRIEVE], LUO_UNKNOWN);
	KUNIT_EXPECT_EQ(test, s.phases[LUO_PHASE_FINISH], LUO_UNKNOWN);
}

static void expect_nothing(struct kunit *test, struct story *s)
{
	count(s);
	for (int i = 0; i < LUO_PHASES; i++)
		KUNIT_EXPECT_EQ_MSG(test, s->phases[i], LUO_UNKNOWN, "phase %d", i);
}

static void stamps_are_nonsense(struct kunit *test)
{
	struct story s;

	tell(&s);
	memset(s.old, 0, sizeof(s.old));
	expect_nothing(test, &s);
	for (int i = 0; i < LIVEUPDATE_STAMPS; i++) {
		tell(&s);
		s.old[i].ns = i == LIVEUPDATE_STAMP_REBOOT ? U64_MAX : 1;
		expect_nothing(test, &s);
		tell(&s);
		s.old[i].cycles = i == LIVEUPDATE_STAMP_REBOOT ? U64_MAX : 1;
		expect_nothing(test, &s);
	}
}

static struct kunit_case luo_timeline_cases[] = {
	KUNIT_CASE(all_is_known),
	KUNIT_CASE(counter_starts_anew),
	KUNIT_CASE(counter_starts_anew_and_is_ahead),
	KUNIT_CASE(counter_has_another_rate),
	KUNIT_CASE(young_clock_loses_ticks),
	KUNIT_CASE(clock_is_wrong),
	KUNIT_CASE(counter_jumps),
	KUNIT_CASE(no_time_for_a_rate),
	KUNIT_CASE(not_all_is_reached),
	KUNIT_CASE(stamps_are_nonsense),
	{ }
};

static struct kunit_suite luo_timeline_suite = {
	.name = "luo_timeline",
	.test_cases = luo_timeline_cases,
};

kunit_test_suite(luo_timeline_suite);
