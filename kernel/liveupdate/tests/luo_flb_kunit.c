// SPDX-License-Identifier: GPL-2.0
/* Which FLBs there are: registering, unregistering, and room for them in the handover */
#include <linux/stddef.h>

#include "luo_fake.h"

static int add(struct luo_fake *fake, struct luo_script_flb *flb)
{
	return luo_handler_add_flb(fake->luo, &fake->script.fh, &flb->flb);
}

static void remove(struct luo_fake *fake, struct luo_script_flb *flb)
{
	luo_handler_remove_flb(fake->luo, &fake->script.fh, &flb->flb);
}

static void pairs_are_linked_once(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = luo_fake_flb(fake, 1), *same = &fake->flb[1];

	KUNIT_EXPECT_EQ(test, add(fake, flb), -EEXIST);
	luo_script_flb_init(same, fake, 2, "luo-flb1-v1");
	KUNIT_EXPECT_EQ(test, add(fake, same), -EEXIST);

	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, flb);
	KUNIT_EXPECT_EQ(test, luo_handler_add_flb(fake->luo, &fake->other.fh, &flb->flb), -EEXIST);

	remove(fake, flb);
	KUNIT_EXPECT_EQ(test, add(fake, same), -EEXIST);	/* one link is left */
	KUNIT_EXPECT_EQ(test, add(fake, flb), 0);
	remove(fake, flb);
	luo_handler_remove_flb(fake->luo, &fake->other.fh, &flb->flb);
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);
	KUNIT_EXPECT_EQ(test, add(fake, same), 0);
}

static void versions_of_a_family_are_registered_together(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);

	luo_fake_flb_called(fake, 1, "luo-x-v1");
	luo_fake_flb_called(fake, 2, "luo-x-v2");
	luo_fake_flb_called(fake, 3, "luo-x_v2");
}

static void all_ops_are_required(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = &fake->flb[0];
	static const size_t op[] = {
		offsetof(struct liveupdate_flb_ops, preserve),
		offsetof(struct liveupdate_flb_ops, unpreserve),
		offsetof(struct liveupdate_flb_ops, retrieve),
		offsetof(struct liveupdate_flb_ops, finish),
	};
	u64 data;

	for (int i = 0; i < ARRAY_SIZE(op); i++) {
		luo_script_flb_init(flb, fake, 1, "luo-flb1-v1");
		*(void **)((void *)&flb->ops + op[i]) = NULL;
		KUNIT_EXPECT_EQ(test, add(fake, flb), -EINVAL);
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -EINVAL);
		KUNIT_EXPECT_EQ(test, luo_flb_peek_incoming(fake->luo, &flb->flb, &data), -EINVAL);
	}
	flb->flb.ops = NULL;
	KUNIT_EXPECT_EQ(test, add(fake, flb), -EINVAL);
}

static const struct string_case {
	const char *name;
	const char *own;
	const char *older[3];
	int err;
} string_cases[] = {
	{ "usual", "luo-x-v1", {}, 0 },
	{ "with_older_ones", "luo-x-v3", { "luo-x-v2", "luo-x-v1" }, 0 },
	{ "as_long_as_there_is_room", "01234567890123456789012345678901234567890123456", {}, 0 },
	{ "not_terminated", "012345678901234567890123456789012345678901234567", {}, -EINVAL },
	{ "empty", "", {}, -EINVAL },
	{ "blank", "luo x-v1", {}, -EINVAL },
	{ "newline", "luo-x-v1\n", {}, -EINVAL },
	{ "no_ascii", "luo-\200-v1", {}, -EINVAL },
	{ "an_older_one_is_empty", "luo-x-v3", { "luo-x-v2", "" }, -EINVAL },
	{ "an_older_one_is_too_long", "luo-x-v3",
	  { "012345678901234567890123456789012345678901234567" }, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(string, string_cases, name);

static void strings_are_checked(struct kunit *test)
{
	const struct string_case *param = test->param_value;
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = &fake->flb[0];

	memset((char *)flb->flb.compatible, 0, sizeof(flb->flb.compatible));
	memcpy((char *)flb->flb.compatible, param->own,
	       min(strlen(param->own), sizeof(flb->flb.compatible)));
	flb->flb.also_retrieves = param->older;
	KUNIT_EXPECT_EQ(test, add(fake, flb), param->err);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->err ?: -ENODATA);
}

static void handler_has_to_be_registered(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = &fake->flb[0];

	luo_handler_unregister(fake->luo, &fake->script.fh);
	KUNIT_EXPECT_EQ(test, add(fake, flb), -EINVAL);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->script.fh), 0);
	KUNIT_EXPECT_EQ(test, add(fake, flb), 0);
}

static void handler_takes_its_links_along(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);

	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, flb);
	luo_fake_flb(fake, 2);
	luo_handler_unregister(fake->luo, &fake->script.fh);
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 1);
	luo_handler_remove_flb(fake->luo, &fake->other.fh, &flb->flb);
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);
}

static void unregistering_what_is_not_registered_warns(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);

	luo_fake_flb(fake, 1);
	kunit_warning_suppress(test) {
		remove(fake, &fake->flb[1]);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 1);
}

/* The caller's mistake: it is hidden from everybody new, and given up by who has it */
static void unregistering_in_use_warns(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);
	void *obj;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_flb_get_outgoing(fake->luo, &flb->flb, &obj), 0);
	kunit_warning_suppress(test) {
		remove(fake, flb);
		luo_fake_expect_in_use(test, KUNIT_SUPPRESSED_WARNING_COUNT());
	}
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -ENOENT);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);
	luo_session_close(a);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "p1 P1 P2 U2 U1");
	luo_flb_put_outgoing(fake->luo, &flb->flb);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "p1 P1 P2 U2 U1 u1");
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);
}

static void registered_again_it_finds_its_object(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	kunit_warning_suppress(test)
		remove(fake, flb);
	KUNIT_EXPECT_EQ(test, add(fake, flb), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);
	luo_session_close(a);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "p1 P1 P2 U2 U1 u1");
}

/* ------------------------------------------------------------------------- off */

static const struct off_case {
	const char *name;
	bool switched_off;
	bool unusable;
} off_cases[] = {
	{ "switched_off", true, false },
	{ "nothing_to_hand_over_in", false, true },
	{ "both", true, true },
};

KUNIT_ARRAY_PARAM_DESC(off, off_cases, name);

static void registering_is_nothing_when_off(struct kunit *test)
{
	const struct off_case *param = test->param_value;
	struct luo_fake *fake = luo_fake_boot_bare(test);
	struct luo_script_flb *flb = &fake->flb[0];

	fake->luo->enabled = !param->switched_off;
	fake->store.unusable = param->unusable;
	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &fake->script.fh), 0);
		KUNIT_EXPECT_EQ(test, add(fake, flb), 0);
		KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, luo_fake_flb_early(flb), -EOPNOTSUPP);
	}
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);

	kunit_warning_suppress(test) {
		luo_flb_put_outgoing(fake->luo, &flb->flb);
		luo_flb_put_incoming(fake->luo, &flb->flb);
		remove(fake, flb);
		luo_handler_unregister(fake->luo, &fake->script.fh);
		remove(fake, flb);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
}

/* ------------------------------------------------------------------------ room */

/* One more than a page holds */
#define MANY	((int)luo_wire_flbs_per(0) + 1)

struct many {
	struct luo_fake *fake;
	struct luo_script_flb *flb;
};

static void register_many(struct kunit *test, struct many *many)
{
	char name[LIVEUPDATE_FLB_COMPAT_LENGTH];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "luo-flb%d-v1", i + 1);
		luo_script_flb_init(&many->flb[i], many->fake, i + 1, name);
		luo_fake_link(many->fake, &many->fake->script, &many->flb[i]);
	}
}

/* They are to outlive the kernel that they are registered with */
static void boot_many(struct kunit *test, struct many *many)
{
	many->flb = kunit_kcalloc(test, MANY, sizeof(*many->flb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, many->flb);
	many->fake = luo_fake_boot(test);
	register_many(test, many);
}

static void more_than_a_page_of_them(struct kunit *test)
{
	struct many from, to;
	struct liveupdate_session *a;

	to.flb = kunit_kcalloc(test, MANY, sizeof(*to.flb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, to.flb);
	boot_many(test, &from);
	a = luo_fake_session(test, from.fake, "a");
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, from.fake->luo->flb_area.order, 1);

	to.fake = luo_fake_kexec(test, from.fake);
	register_many(test, &to);
	for (int i = 0; i < MANY; i++) {
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&to.flb[i]), 0);
		KUNIT_EXPECT_EQ(test, to.flb[i].got, from.flb[i].data);
	}
	luo_session_close(luo_fake_retrieved(test, to.fake, "a"));
	for (int i = 0; i < MANY; i++)
		KUNIT_EXPECT_FALSE(test, to.flb[i].in || to.flb[i].wrong);
	luo_fake_expect_freed(test, to.fake);
}

static void no_memory_for_more_than_a_page(struct kunit *test)
{
	struct liveupdate_session *a;
	unsigned long before;
	struct many many;

	boot_many(test, &many);
	a = luo_fake_session(test, many.fake, "a");
	before = many.fake->store.nr_out;
	many.fake->store.fail_at = 1;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 1), -ENOMEM);
	KUNIT_EXPECT_EQ(test, many.fake->luo->flb_area.used, 0);
	KUNIT_EXPECT_EQ(test, many.fake->store.nr_out, before);
	for (int i = 0; i < MANY; i++)
		KUNIT_EXPECT_FALSE(test, many.flb[i].out || many.flb[i].wrong);

	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, many.fake->luo->flb_area.used, MANY);
	luo_session_close(a);
}

/* The root has to follow the area when that moves */
static void a_kernel_that_dies_hands_over_nothing(struct kunit *test)
{
	struct luo_fake *to;
	struct many many;

	boot_many(test, &many);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, many.fake, "a"), 1),
			0);
	to = luo_fake_boot_bare(test);
	luo_fake_handover(many.fake, to);	/* no luo_reboot() */
	luo_fake_arrive(test, to);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(to, 1)), -ENODATA);
}

static void no_more_than_the_format_can_hold(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_flb_area *area = &fake->luo->flb_area, was = *area;

	luo_fake_flb(fake, 1);
	area->order = LUO_FLBS_MAX_ORDER;
	area->used = luo_wire_flbs_per(LUO_FLBS_MAX_ORDER);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 1), -ENOSPC);
	*area = was;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "p1 P1");
}

static struct kunit_case luo_flb_cases[] = {
	KUNIT_CASE(pairs_are_linked_once),
	KUNIT_CASE(versions_of_a_family_are_registered_together),
	KUNIT_CASE(all_ops_are_required),
	KUNIT_CASE_PARAM(strings_are_checked, string_gen_params),
	KUNIT_CASE(handler_has_to_be_registered),
	KUNIT_CASE(handler_takes_its_links_along),
	KUNIT_CASE(unregistering_what_is_not_registered_warns),
	KUNIT_CASE(unregistering_in_use_warns),
	KUNIT_CASE(registered_again_it_finds_its_object),
	KUNIT_CASE_PARAM(registering_is_nothing_when_off, off_gen_params),
	KUNIT_CASE(more_than_a_page_of_them),
	KUNIT_CASE(no_memory_for_more_than_a_page),
	KUNIT_CASE(a_kernel_that_dies_hands_over_nothing),
	KUNIT_CASE(no_more_than_the_format_can_hold),
	{}
};

static struct kunit_suite luo_flb_suite = {
	.name = "luo_flb",
	.test_cases = luo_flb_cases,
};

kunit_test_suite(luo_flb_suite);
