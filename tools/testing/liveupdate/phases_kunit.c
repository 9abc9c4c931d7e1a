// SPDX-License-Identifier: GPL-2.0
/* How long the phases of a live update took, and when that cannot be told */
#include <kunit/test.h>
#include <linux/string.h>

#include "../../liveupdate/phases.h"

#define SEC		1000000000ULL
#define MS		(SEC / 1000)
#define PER_NS		3		/* cycles */
#define JUMP		(100000 * MS)	/* uptime of the previous kernel at the jump */
#define REAL		(1700000000 * SEC)

struct story {
	struct readings r;
	__u64 phases[PHASES];
};

static void stamp(struct reading *reading, __u64 ns, __u64 since_jump)
{
	reading->ns = ns;
	reading->cycles = (JUMP + since_jump) * PER_NS;
}

/*
 * Freeze 10, serialize 1, devices 200, CPUs 4 ms, boot 800, of which the new kernel's clock
 * shows 700, start 300, retrieve 50, finish 20
 */
static void tell(struct story *s)
{
	static const __u64 before[] = { 215, 205, 204, 4, 0 };
	static const __u64 after[] = { 800, 1100, 1150, 1170 };

	memset(s, 0, sizeof(*s));
	for (int i = 0; i < PREVIOUS_MILESTONES; i++)
		stamp(&s->r.previous[i], JUMP - before[i] * MS, -before[i] * MS);
	s->r.previous_real = REAL;
	for (int i = 0; i < THIS_MILESTONES; i++)
		stamp(&s->r.this[i], (after[i] - 100) * MS, after[i] * MS);
	s->r.this_real = REAL + (204 + 800) * MS + SEC / 2;
	stamp(&s->r.now, 5000 * MS, 5100 * MS);
}

static void count(struct story *s)
{
	compute_phases(&s->r, s->phases);
}

static void all_is_known(struct kunit *test)
{
	static const __u64 want[PHASES] = { 10, 1, 200, 4, 800, 300, 50, 20, 1315 };
	struct story s;

	tell(&s);
	count(&s);
	for (int i = 0; i < PHASES; i++)
		KUNIT_EXPECT_EQ_MSG(test, s.phases[i], want[i] * MS, "phase %d", i);
}

/* All but the boot, and the blackout that it is part of */
static void expect_no_boot(struct kunit *test, struct story *s)
{
	count(s);
	KUNIT_EXPECT_EQ(test, s->phases[PHASE_BOOT], PHASE_UNKNOWN);
	KUNIT_EXPECT_EQ(test, s->phases[PHASE_BLACKOUT], PHASE_UNKNOWN);
	KUNIT_EXPECT_EQ(test, s->phases[PHASE_DEVICES], 200 * MS);
	KUNIT_EXPECT_EQ(test, s->phases[PHASE_START], 300 * MS);
}

static void counter_starts_anew(struct kunit *test)
{
	struct story s;

	tell(&s);
	for (int i = 0; i < THIS_MILESTONES; i++)
		s.r.this[i].cycles -= JUMP * PER_NS;
	s.r.now.cycles -= JUMP * PER_NS;
	expect_no_boot(test, &s);
}

/* It has counted for longer since than the previous kernel was up: only the clock tells. */
static void counter_starts_anew_and_is_ahead(struct kunit *test)
{
	struct story s;

	tell(&s);
	for (int i = 0; i < THIS_MILESTONES; i++)
		s.r.this[i].cycles += 10000 * MS * PER_NS;
	s.r.now.cycles += 10000 * MS * PER_NS;
	expect_no_boot(test, &s);
}

static void counter_has_another_rate(struct kunit *test)
{
	struct story s;

	tell(&s);
	s.r.now.cycles += 200 * MS * PER_NS;
	expect_no_boot(test, &s);
}

/* The new kernel's clock has lost ticks while it was young: the counter has not. */
static void young_clock_loses_ticks(struct kunit *test)
{
	struct story s;

	tell(&s);
	for (int i = THIS_OPENED; i < THIS_MILESTONES; i++)
		s.r.this[i].ns -= 250 * MS;
	s.r.now.ns -= 250 * MS;
	count(&s);
	KUNIT_EXPECT_EQ(test, s.phases[PHASE_BOOT], 800 * MS);
	KUNIT_EXPECT_EQ(test, s.phases[PHASE_START], 300 * MS);
}

static void clock_is_wrong(struct kunit *test)
{
	struct story s;

	tell(&s);
	s.r.this_real += 10 * SEC;
	expect_no_boot(test, &s);
	tell(&s);
	s.r.this_real = 5 * SEC;
	expect_no_boot(test, &s);
	tell(&s);
	s.r.previous_real = 0;
	expect_no_boot(test, &s);
}

/* Each kernel's may be late by a second: after a short boot it seems to have gone back. */
static void clock_goes_back(struct kunit *test)
{
	struct story s;

	tell(&s);
	s.r.this_real = REAL - SEC / 2;
	count(&s);
	KUNIT_EXPECT_EQ(test, s.phases[PHASE_BOOT], 800 * MS);
	s.r.this_real = 0;
	expect_no_boot(test, &s);
}

/* Whatever a counter does: on x86 a quotient that does not fit would be a trap. */
static void counter_jumps(struct kunit *test)
{
	struct story s;

	for (int shift = 40; shift < 64; shift++) {
		tell(&s);
		s.r.this[THIS_PARSED].cycles += 1ULL << shift;
		count(&s);
		KUNIT_EXPECT_EQ(test, s.phases[PHASE_BOOT], PHASE_UNKNOWN);

		tell(&s);
		s.r.previous[PREVIOUS_KEXEC].cycles += 1ULL << shift;
		count(&s);
		KUNIT_EXPECT_EQ(test, s.phases[PHASE_BOOT], PHASE_UNKNOWN);

		/* Between two readings of this kernel's, from which the rate is told */
		tell(&s);
		s.r.this[THIS_PARSED].cycles += 1ULL << shift;
		s.r.this[THIS_OPENED].cycles += 1ULL << shift;
		s.r.now.cycles = s.r.this[THIS_OPENED].cycles + 1;
		count(&s);
		KUNIT_EXPECT_EQ(test, s.phases[PHASE_BOOT], PHASE_UNKNOWN);
	}
}

/* Asked at once: the rate cannot be told yet. */
static void no_time_for_a_rate(struct kunit *test)
{
	struct story s;

	tell(&s);
	s.r.now = s.r.this[THIS_PARSED];
	s.r.now.ns += 1000;
	s.r.now.cycles += 1000 * PER_NS;
	expect_no_boot(test, &s);
}

static void not_all_is_reached(struct kunit *test)
{
	struct story s;

	tell(&s);
	memset(&s.r.this[THIS_RETRIEVED], 0, 2 * sizeof(*s.r.this));
	count(&s);
	KUNIT_EXPECT_EQ(test, s.phases[PHASE_BLACKOUT], 1315 * MS);
	KUNIT_EXPECT_EQ(test, s.phases[PHASE_RETRIEVE], PHASE_UNKNOWN);
	KUNIT_EXPECT_EQ(test, s.phases[PHASE_FINISH], PHASE_UNKNOWN);
}

static void expect_nothing(struct kunit *test, struct story *s)
{
	count(s);
	for (int i = 0; i < PHASES; i++)
		KUNIT_EXPECT_EQ_MSG(test, s->phases[i], PHASE_UNKNOWN, "phase %d", i);
}

static void stamps_are_nonsense(struct kunit *test)
{
	struct story s;

	tell(&s);
	memset(s.r.previous, 0, sizeof(s.r.previous));
	expect_nothing(test, &s);
	for (int i = 0; i < PREVIOUS_MILESTONES; i++) {
		tell(&s);
		s.r.previous[i].ns = i == PREVIOUS_REBOOT ? ~0ULL : 1;
		expect_nothing(test, &s);
		tell(&s);
		s.r.previous[i].cycles = i == PREVIOUS_REBOOT ? ~0ULL : 1;
		expect_nothing(test, &s);
	}
}

static struct kunit_case phases_cases[] = {
	KUNIT_CASE(all_is_known),
	KUNIT_CASE(counter_starts_anew),
	KUNIT_CASE(counter_starts_anew_and_is_ahead),
	KUNIT_CASE(counter_has_another_rate),
	KUNIT_CASE(young_clock_loses_ticks),
	KUNIT_CASE(clock_is_wrong),
	KUNIT_CASE(clock_goes_back),
	KUNIT_CASE(counter_jumps),
	KUNIT_CASE(no_time_for_a_rate),
	KUNIT_CASE(not_all_is_reached),
	KUNIT_CASE(stamps_are_nonsense),
	{ }
};

static struct kunit_suite phases_suite = {
	.name = "phases",
	.test_cases = phases_cases,
};

kunit_test_suite(phases_suite);
