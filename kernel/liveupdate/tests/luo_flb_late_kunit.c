// SPDX-License-Identifier: GPL-2.0
/* FLBs and handlers that come late, or when another one has been there before. */
#include "luo_fake.h"

/* Its module is loaded when all files of the first handler are finished already */
static void handler_comes_late(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");

	luo_fake_flb(fake, 1);
	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, &fake->flb[0]);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_session_preserve(b, luo_script_file(test, 2, 2), 2), 0);

	fake = luo_fake_kexec(test, fake);
	luo_fake_flb(fake, 1);
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C1 D1");

	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, &fake->flb[0]);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 C2 D2 d1");
	luo_fake_expect_freed(test, fake);
}

/* The count that was handed over says that there is nothing to wait for: it is only a hint */
static void count_is_too_small(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_flb_ser *ser;
	struct luo_ser *root;

	luo_fake_flb(fake, 1);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "a"), 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "b"), 2), 0);
	fake = luo_fake_send(test, fake);
	luo_fake_forget_name(fake, LUO_EXT_KHO_ENTRY_NAME);
	root = luo_fake_published(fake, LUO_KHO_ENTRY_NAME);
	ser = phys_to_virt(root->flbs_pa) + sizeof(struct luo_flb_header_ser);
	KUNIT_ASSERT_EQ(test, ser->count, 2);
	ser->count = 0;
	luo_fake_arrive(test, fake);
	luo_fake_flb(fake, 1);
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C1 D1");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "C2 D2 r1 d1");
}

static struct luo_fake *with_older(struct kunit *test)
{
	static const char *const older[] = { "luo-x-v1", NULL };
	struct luo_fake *fake = luo_fake_boot(test);

	luo_fake_flb_called(fake, 1, "luo-x-v1");
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "a"), 1), 0);
	fake = luo_fake_kexec(test, fake);
	luo_script_flb_init(&fake->flb[0], fake, 1, "luo-x-v2");
	luo_script_flb_init(&fake->flb[1], fake, 2, "luo-x-v3");
	fake->flb[0].flb.also_retrieves = older;
	fake->flb[1].flb.also_retrieves = older;
	return fake;
}

/* Tried once by one FLB, perhaps of a module that is gone: failed for all who list it */
static void failed_for_all_who_list_it(struct kunit *test)
{
	struct luo_fake *fake = with_older(test);

	fake->flb[0].fail_op = 'r';
	fake->flb[0].fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), -EIO);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), -EIO);
	luo_fake_expect_log(fake, "r1");
}

/* An entry has one reader. It is there for as long as that one has it, so not absent. */
static void two_list_the_same(struct kunit *test)
{
	struct luo_fake *fake = with_older(test);

	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "r1 C1 D1 d1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), -ENODATA);
}

/* No string is handed over twice, or the next kernel would take all for damaged */
static void string_of_what_is_left_behind(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *left = luo_fake_flb(fake, 1), *same = &fake->flb[1];
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	kunit_warning_suppress(test)
		luo_handler_remove_flb(fake->luo, &fake->script.fh, &left->flb);
	luo_script_flb_init(same, fake, 2, left->flb.compatible);
	KUNIT_EXPECT_EQ(test, luo_handler_add_flb(fake->luo, &fake->script.fh, &same->flb),
			-EEXIST);
	luo_session_close(a);
	luo_fake_expect_log(fake, "p1 P1 U1 u1");
	KUNIT_EXPECT_EQ(test, luo_handler_add_flb(fake->luo, &fake->script.fh, &same->flb), 0);
}

static void preserve_says_neither(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	flb->fail_op = 'p';
	flb->fail_with = 1;
	kunit_warning_suppress(test)
		KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 1), -EUCLEAN);
	luo_fake_expect_log(fake, "p1");
}

static struct kunit_case luo_flb_late_cases[] = {
	KUNIT_CASE(handler_comes_late),
	KUNIT_CASE(count_is_too_small),
	KUNIT_CASE(failed_for_all_who_list_it),
	KUNIT_CASE(two_list_the_same),
	KUNIT_CASE(string_of_what_is_left_behind),
	KUNIT_CASE(preserve_says_neither),
	{}
};

static struct kunit_suite luo_flb_late_suite = {
	.name = "luo_flb_late",
	.test_cases = luo_flb_late_cases,
};

kunit_test_suite(luo_flb_late_suite);
