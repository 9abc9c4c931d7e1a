// SPDX-License-Identifier: GPL-2.0
/* What is serialized for the next kernel, when, and what is undone */
#include "luo_fake.h"

static void a_kernel_that_dies_hands_over_nothing(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to = luo_fake_boot_bare(test);
	struct liveupdate_session *a = luo_fake_session(test, from, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	luo_fake_handover(from, to);	/* no luo_reboot() */
	luo_fake_start(test, to);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(to->luo, "a", false, &a), -ENOENT);
	KUNIT_EXPECT_EQ(test, to->luo->in.head.liveupdate_num, 1);
}

static void what_was_written_is_taken_back(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to = luo_fake_boot_bare(test);
	struct liveupdate_session *a = luo_fake_session(test, from, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_reboot(from->luo, true), 0);
	luo_outgoing_thaw(from->luo);
	luo_gate_open(&from->luo->gate);
	luo_fake_handover(from, to);
	luo_fake_start(test, to);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(to->luo, "a", false, &a), -ENOENT);
}

static void reboot_thaws_only_what_it_froze(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *s[3];
	static const char *const name[] = { "a", "b", "c" };
	u64 token;

	for (int i = 0; i < 3; i++) {
		s[i] = luo_fake_session(test, fake, name[i]);
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, s[i], i + 1), 0);
	}
	fake->script.fail_op = 'F';
	fake->script.fail_nr = 3;
	fake->script.fail_with = -EIO;
	fake->script.log[0] = 0;
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), -EIO);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "F1 F2 F3 T2 T1");

	/* The program has frozen it since */
	KUNIT_EXPECT_EQ(test, luo_session_freeze(s[0], &token), 0);
	fake->script.log[0] = 0;
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), -EIO);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "F2 F3 T2");
	KUNIT_EXPECT_EQ(test, luo_session_thaw(s[0]), 0);
}

/* Two sessions of the previous kernel that nobody has finished, when they are named */
static struct luo *with_two_unfinished(struct kunit *test, struct luo_fake **fake)
{
	struct luo_fake *from = luo_fake_boot(test);

	luo_fake_session(test, from, "a");
	luo_fake_session(test, from, "b");
	*fake = luo_fake_kexec(test, from);
	scoped_guard(mutex, &(*fake)->luo->lock)
		KUNIT_ASSERT_EQ(test, luo_session_read_incoming((*fake)->luo), 0);
	luo_outgoing_name_dropped((*fake)->luo);
	KUNIT_ASSERT_EQ(test, (*fake)->luo->ext->ext.dropped, 2);
	return (*fake)->luo;
}

static void finished_in_time_is_not_dropped(struct kunit *test)
{
	struct luo_fake *fake;
	struct luo *luo = with_two_unfinished(test, &fake);

	luo_fake_finish(fake, "a");
	luo_outgoing_write(luo);
	KUNIT_EXPECT_EQ(test, luo->ext->ext.dropped, 1);
	KUNIT_EXPECT_STREQ(test, luo->ext->dropped[0], "b");
}

/* LIST is not stopped by the gate, and may hold the lock. */
static void the_reboot_waits_for_no_reader(struct kunit *test)
{
	struct luo_fake *fake;
	struct luo *luo = with_two_unfinished(test, &fake);

	luo_fake_finish(fake, "a");
	scoped_guard(mutex, &luo->lock)
		luo_outgoing_write(luo);
	KUNIT_EXPECT_EQ(test, luo->ext->ext.dropped, 2);
}

static unsigned int names_used(struct luo_fake *fake)
{
	unsigned int used = 0;

	for (int i = 0; i < LUO_FAKE_NAMES; i++)
		used += !!fake->store.out_names[i].name;
	return used;
}

static void start_without_memory_leaves_nothing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot_bare(test);

	for (unsigned int nth = 1; nth <= 3; nth++) {
		fake->store.fail_at = nth;
		KUNIT_EXPECT_EQ(test, luo_start(fake->luo), -ENOMEM);
		KUNIT_EXPECT_EQ(test, fake->store.nr_out, 0);
		KUNIT_EXPECT_EQ(test, names_used(fake), 0);
	}
	/* Room for one name only */
	for (int i = 1; i < LUO_FAKE_NAMES; i++)
		fake->store.out_names[i].name = "other";
	KUNIT_EXPECT_EQ(test, luo_start(fake->luo), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, 0);
	KUNIT_EXPECT_EQ(test, names_used(fake), LUO_FAKE_NAMES - 1);

	for (int i = 1; i < LUO_FAKE_NAMES; i++)
		fake->store.out_names[i].name = NULL;
	KUNIT_EXPECT_EQ(test, luo_start(fake->luo), 0);
	KUNIT_EXPECT_EQ(test, names_used(fake), 2);
	luo_outgoing_stop(fake->luo);
	KUNIT_EXPECT_EQ(test, names_used(fake), 0);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, 0);
}

static void the_reboot_is_timed(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	const struct luo_stamp_ser *stamps = fake->luo->ext->ext.stamps;

	KUNIT_EXPECT_EQ(test, stamps[LIVEUPDATE_STAMP_REBOOT].ns, 0);
	KUNIT_ASSERT_EQ(test, luo_reboot(fake->luo, true), 0);
	KUNIT_EXPECT_GT(test, stamps[LIVEUPDATE_STAMP_REBOOT].ns, 0);
	KUNIT_EXPECT_GE(test, stamps[LIVEUPDATE_STAMP_FROZEN].ns,
			stamps[LIVEUPDATE_STAMP_REBOOT].ns);
	KUNIT_EXPECT_GE(test, stamps[LIVEUPDATE_STAMP_SERIALIZED].ns,
			stamps[LIVEUPDATE_STAMP_FROZEN].ns);
}

static struct kunit_case luo_outgoing_cases[] = {
	KUNIT_CASE(a_kernel_that_dies_hands_over_nothing),
	KUNIT_CASE(what_was_written_is_taken_back),
	KUNIT_CASE(reboot_thaws_only_what_it_froze),
	KUNIT_CASE(start_without_memory_leaves_nothing),
	KUNIT_CASE(the_reboot_is_timed),
	KUNIT_CASE(finished_in_time_is_not_dropped),
	KUNIT_CASE(the_reboot_waits_for_no_reader),
	{}
};

static struct kunit_suite luo_outgoing_suite = {
	.name = "luo_outgoing",
	.test_cases = luo_outgoing_cases,
};

kunit_test_suite(luo_outgoing_suite);
