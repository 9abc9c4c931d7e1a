// SPDX-License-Identifier: GPL-2.0
/* How many files of each kind are yet to be finished */
#include "luo_fake.h"

static bool any(struct luo *luo, const char *name)
{
	guard(spinlock)(&luo->state_lock);
	return luo_unfinished_any(luo, name);
}

static void done(struct luo *luo, const char *name)
{
	guard(spinlock)(&luo->state_lock);
	luo_unfinished_done(luo, name);
}

static void counted_by_name(struct kunit *test)
{
	struct luo *luo = luo_fake_boot_bare(test)->luo;
	static const char longest[] = "01234567890123456789012345678901234567890123456";
	struct luo_unfinished *unfinished = &luo->unfinished;

	for (int i = 0; i < 3; i++)
		KUNIT_ASSERT_TRUE(test, luo_unfinished_add(unfinished, "a-v1"));
	KUNIT_ASSERT_TRUE(test, luo_unfinished_add(unfinished, "a-v10"));
	KUNIT_ASSERT_TRUE(test, luo_unfinished_add(unfinished, longest));
	unfinished->counted = true;

	KUNIT_EXPECT_TRUE(test, any(luo, "a-v1"));
	KUNIT_EXPECT_TRUE(test, any(luo, longest));
	KUNIT_EXPECT_FALSE(test, any(luo, "a-v"));
	KUNIT_EXPECT_FALSE(test, any(luo, "b"));
	done(luo, longest);
	KUNIT_EXPECT_FALSE(test, any(luo, longest));
	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_TRUE(test, any(luo, "a-v1"));
		done(luo, "a-v1");
	}
	KUNIT_EXPECT_FALSE(test, any(luo, "a-v1"));
	KUNIT_EXPECT_TRUE(test, any(luo, "a-v10"));
	done(luo, "never counted");
}

static void not_counted_is_not_none(struct kunit *test)
{
	struct luo *luo = luo_fake_boot_bare(test)->luo;

	KUNIT_EXPECT_TRUE(test, any(luo, "a-v1"));
	done(luo, "a-v1");
	KUNIT_EXPECT_TRUE(test, any(luo, "a-v1"));
}

/* What luo_flb_count_files() makes of a handover */
static struct luo_fake *counted(struct kunit *test, bool with_flb, bool damaged)
{
	struct luo_fake *from = luo_fake_boot(test), *to;
	struct liveupdate_session *a = luo_fake_session(test, from, "a");
	struct liveupdate_session *b = luo_fake_session(test, from, "b");
	struct luo_session_ser *ser;
	struct luo_ser *root;

	luo_fake_other(from);
	if (with_flb)
		luo_fake_flb(from, 1);
	luo_fake_session(test, from, "empty");
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_session_preserve(a, luo_script_file(test, 2, 2), 2), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, b, 3), 0);
	to = luo_fake_send(test, from);
	root = luo_fake_published(to, LUO_KHO_ENTRY_NAME);
	ser = luo_wire_block_entry(phys_to_virt(root->sessions_pa), sizeof(*ser), 0);
	if (damaged)
		((u8 *)phys_to_virt(ser->files))[20] ^= 1;
	luo_fake_arrive(test, to);
	luo_fake_retrieved(test, to, "empty");
	luo_flb_count_files(to->luo);
	return to;
}

static void all_sessions_are_counted(struct kunit *test)
{
	struct luo *luo = counted(test, true, false)->luo;

	KUNIT_EXPECT_TRUE(test, luo->unfinished.counted);
	KUNIT_EXPECT_TRUE(test, any(luo, "luo-other-v1"));
	done(luo, "luo-test-v1");
	KUNIT_EXPECT_TRUE(test, any(luo, "luo-test-v1"));
	luo_flb_count_files(luo);	/* once is enough */
	done(luo, "luo-test-v1");
	KUNIT_EXPECT_FALSE(test, any(luo, "luo-test-v1"));
}

static void damaged_files_are_not_counted(struct kunit *test)
{
	struct luo *luo = counted(test, true, true)->luo;

	KUNIT_EXPECT_FALSE(test, any(luo, "luo-other-v1"));
	done(luo, "luo-test-v1");
	KUNIT_EXPECT_FALSE(test, any(luo, "luo-test-v1"));
}

static void only_where_there_are_flbs(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, counted(test, false, false)->luo->unfinished.counted);
}

/* A kernel that has read so many strings of files in vain still finishes its FLBs last. */
static void too_many_kinds_are_not_counted(struct kunit *test)
{
	struct luo_unfinished *unfinished = &luo_fake_boot_bare(test)->luo->unfinished;
	char name[16];

	for (int i = 0; i < LUO_UNFINISHED_KINDS; i++) {
		snprintf(name, sizeof(name), "a-v%d", i);
		KUNIT_ASSERT_TRUE(test, luo_unfinished_add(unfinished, name));
	}
	KUNIT_EXPECT_FALSE(test, luo_unfinished_add(unfinished, "b-v1"));
	KUNIT_EXPECT_TRUE(test, luo_unfinished_add(unfinished, "a-v0"));
}

static struct kunit_case luo_unfinished_cases[] = {
	KUNIT_CASE(counted_by_name),
	KUNIT_CASE(not_counted_is_not_none),
	KUNIT_CASE(all_sessions_are_counted),
	KUNIT_CASE(damaged_files_are_not_counted),
	KUNIT_CASE(only_where_there_are_flbs),
	KUNIT_CASE(too_many_kinds_are_not_counted),
	{}
};

static struct kunit_suite luo_unfinished_suite = {
	.name = "luo_unfinished",
	.test_cases = luo_unfinished_cases,
};

kunit_test_suite(luo_unfinished_suite);
