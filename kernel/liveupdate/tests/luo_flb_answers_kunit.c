// SPDX-License-Identifier: GPL-2.0
/*
 * What an FLB is told when it asks for what was handed over: absent is never incompatible,
 * and incompatible is never absent.
 */
#include <linux/module.h>

#include "luo_fake.h"

#define MOST	3

/* A file of the first handler, and FLBs of these strings */
static struct luo_fake *with_strings(struct kunit *test, const char *const *strings)
{
	struct luo_fake *from = luo_fake_boot(test);

	for (unsigned int nr = 1; nr <= MOST && strings[nr - 1]; nr++)
		luo_fake_flb_called(from, nr, strings[nr - 1]);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "a"), 1), 0);
	return luo_fake_send(test, from);
}

static struct luo_fake *with_string(struct kunit *test, const char *string)
{
	const char *const strings[MOST] = { string };

	return with_strings(test, strings);
}

static struct luo_script_flb *asker(struct luo_fake *fake, const char *own,
				    const char *const *older)
{
	struct luo_script_flb *flb = &fake->flb[0];

	luo_script_flb_init(flb, fake, 1, own);
	flb->flb.also_retrieves = older;
	return flb;
}

/* ------------------------------------------------------------- strings that meet strings */

static const struct meet_case {
	const char *name;
	const char *handed[MOST];
	const char *own;
	const char *older[MOST];
	int err;
	const char *found;
} meet_cases[] = {
	{ "exact", { "luo-x-v2" }, "luo-x-v2", {}, 0, "luo-x-v2" },
	{ "exact_among_others", { "luo-y-v1", "luo-x-v2", "luo-z" }, "luo-x-v2", {}, 0,
	  "luo-x-v2" },
	{ "exact_without_a_version", { "luo-x" }, "luo-x", {}, 0, "luo-x" },
	{ "exact_before_newer", { "luo-x-v3", "luo-x-v2" }, "luo-x-v2", {}, 0, "luo-x-v2" },
	{ "exact_before_older", { "luo-x-v1", "luo-x-v2" }, "luo-x-v2", { "luo-x-v1" }, 0,
	  "luo-x-v2" },
	{ "older", { "luo-x-v1" }, "luo-x-v2", { "luo-x-v1" }, 0, "luo-x-v1" },
	{ "older_of_several", { "luo-x-v1" }, "luo-x-v3", { "luo-x-v2", "luo-x-v1" }, 0,
	  "luo-x-v1" },
	{ "first_listed_before_first_handed", { "luo-x-v1", "luo-x-v2" }, "luo-x-v3",
	  { "luo-x-v2", "luo-x-v1" }, 0, "luo-x-v2" },
	{ "as_listed_though_older", { "luo-x-v1", "luo-x-v2" }, "luo-x-v3",
	  { "luo-x-v1", "luo-x-v2" }, 0, "luo-x-v1" },
	{ "older_before_newer", { "luo-x-v3", "luo-x-v1" }, "luo-x-v2", { "luo-x-v1" }, 0,
	  "luo-x-v1" },
	{ "older_of_another_family", { "luo-old" }, "luo-x-v2", { "luo-old" }, 0, "luo-old" },
	{ "newer", { "luo-x-v2" }, "luo-x-v1", {}, -EPROTONOSUPPORT },
	{ "newer_with_the_other_hyphen", { "luo-x_v2" }, "luo-x-v1", {}, -EPROTONOSUPPORT },
	{ "both_with_the_other_hyphen", { "luo-x_v2" }, "luo-x_v1", {}, -EPROTONOSUPPORT },
	{ "newer_number_is_longer", { "luo-x-v10" }, "luo-x-v1", {}, -EPROTONOSUPPORT },
	{ "older_not_listed", { "luo-x-v1" }, "luo-x-v2", {}, -EPROTONOSUPPORT },
	{ "another_older_one_listed", { "luo-x-v1" }, "luo-x-v3", { "luo-x-v2" },
	  -EPROTONOSUPPORT },
	{ "newer_of_a_listed_family", { "luo-old-v2" }, "luo-x-v2", { "luo-old-v1" },
	  -EPROTONOSUPPORT },
	{ "newer_among_others", { "luo-y-v1", "luo-z-v1", "luo-x-v2" }, "luo-x-v1", {},
	  -EPROTONOSUPPORT },
	{ "none", {}, "luo-x-v1", {}, -ENODATA },
	{ "others", { "luo-y-v1", "luo-xx-v1", "luo-v1" }, "luo-x-v1", {}, -ENODATA },
	{ "family_has_no_version", { "luo-x" }, "luo-x-v1", {}, -ENODATA },
	{ "only_the_handed_one_has_a_version", { "luo-x-v1" }, "luo-x", {}, -ENODATA },
	{ "version_is_no_number", { "luo-x-v1b" }, "luo-x-v1", {}, -ENODATA },
	{ "name_goes_on", { "luo-x-v1-v2" }, "luo-x-v1", {}, -ENODATA },
	{ "no_older_one_either", { "luo-y-v1" }, "luo-x-v3", { "luo-x-v2", "luo-x-v1" },
	  -ENODATA },
};

KUNIT_ARRAY_PARAM_DESC(meet, meet_cases, name);

static void expect_found(struct kunit *test, struct luo_script_flb *flb, const char *found)
{
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	KUNIT_EXPECT_STREQ(test, flb->found, found);
	luo_fake_finish(container_of(flb, struct luo_fake, flb[0]), "a");
	KUNIT_EXPECT_STREQ(test, flb->found, found);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODATA);
}

static u64 data_of(const struct meet_case *param)
{
	unsigned int nr = 0;

	while (strcmp(param->handed[nr], param->found))
		nr++;
	return 0xf1b000 + nr + 1;
}

/* Early, before the FLB is registered, and after */
static void strings_meet(struct kunit *test)
{
	const struct meet_case *param = test->param_value;
	struct luo_fake *fake = with_strings(test, param->handed);
	struct luo_script_flb *flb = asker(fake, param->own, param->older);

	for (int i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, luo_fake_flb_early(flb), param->err);
	if (param->found)
		KUNIT_EXPECT_EQ(test, flb->got, data_of(param));

	luo_fake_arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->err);
	luo_fake_flb_called(fake, 2, "luo-other-flb-v1");
	luo_fake_link(fake, &fake->script, flb);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->err);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(flb), param->err);
	if (!param->found)
		return;
	KUNIT_EXPECT_EQ(test, flb->got, data_of(param));
	expect_found(test, flb, param->found);
}

/* ------------------------------------------------------------------------- siblings */

/* Two versions as two FLBs, registered before either asks; the order does not matter */
static void expect_siblings(struct kunit *test, bool claimer_first)
{
	struct luo_fake *fake = with_string(test, "luo-x-v2");
	struct luo_script_flb *v1, *v2;

	luo_fake_arrive(test, fake);
	if (claimer_first)
		luo_fake_flb_called(fake, 2, "luo-x-v2");
	v1 = luo_fake_flb_called(fake, 1, "luo-x-v1");
	if (!claimer_first)
		luo_fake_flb_called(fake, 2, "luo-x-v2");
	v2 = &fake->flb[1];

	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v2), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -ENODATA);
	luo_fake_finish(fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v2), -ENODATA);
	luo_fake_expect_log(fake, "r2 C1 D1 d2");
	luo_fake_expect_freed(test, fake);
}

static void sibling_claims_its_own(struct kunit *test)
{
	expect_siblings(test, true);
	expect_siblings(test, false);
}

/* Early there are no siblings, neither registered nor asking: one FLB per family */
static void early_getter_knows_no_siblings(struct kunit *test)
{
	struct luo_fake *fake = with_string(test, "luo-x-v2");
	struct luo_script_flb *v1 = asker(fake, "luo-x-v1", NULL), *v2 = &fake->flb[1];

	luo_script_flb_init(v2, fake, 2, "luo-x-v2");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(v2), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(v1), -EPROTONOSUPPORT);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -EPROTONOSUPPORT);
	luo_fake_arrive(test, fake);
	luo_fake_link(fake, &fake->script, v2);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(v1), -EPROTONOSUPPORT);
}

/* Asking is as good as being registered, and the verdict is found anew each time */
static void sibling_that_asks_claims_too(struct kunit *test)
{
	struct luo_fake *fake = with_string(test, "luo-x-v2");
	struct luo_script_flb *v1, *v2 = &fake->flb[1];

	luo_fake_arrive(test, fake);
	v1 = luo_fake_flb_called(fake, 1, "luo-x-v1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -EPROTONOSUPPORT);
	luo_script_flb_init(v2, fake, 2, "luo-x-v2");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v2), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -ENODATA);
}

/* The previous kernel wrote two versions, and this one reads one of them: nobody is to panic */
static void sibling_claims_for_the_family(struct kunit *test)
{
	static const char *const strings[MOST] = { "luo-x-v2", "luo-x-v3", "luo-y-v2" };
	struct luo_fake *fake = with_strings(test, strings);
	struct luo_script_flb *v1;

	luo_fake_arrive(test, fake);
	v1 = luo_fake_flb_called(fake, 1, "luo-x-v1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -EPROTONOSUPPORT);
	luo_fake_flb_called(fake, 2, "luo-y-v2");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -EPROTONOSUPPORT);
	luo_fake_flb_called(fake, 3, "luo-x-v2");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v1), -ENODATA);
}

/* What an older string leads to is not taken from the FLB whose own string it is */
static void own_string_goes_before_listed(struct kunit *test)
{
	static const char *const older[] = { "luo-x-v1", NULL };
	struct luo_fake *fake = with_string(test, "luo-x-v1");
	struct luo_script_flb *v2 = asker(fake, "luo-x-v2", older);

	luo_fake_arrive(test, fake);
	luo_fake_link(fake, &fake->script, v2);
	luo_fake_flb_called(fake, 2, "luo-x-v1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v2), -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), 0);
}

static void own_string_comes_too_late(struct kunit *test)
{
	static const char *const older[] = { "luo-x-v1", NULL };
	struct luo_fake *fake = with_string(test, "luo-x-v1");
	struct luo_script_flb *v2 = asker(fake, "luo-x-v2", older);

	luo_fake_arrive(test, fake);
	luo_fake_link(fake, &fake->script, v2);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v2), 0);
	luo_fake_flb_called(fake, 2, "luo-x-v1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v2), 0);
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "r1 C1 D1 d1");
}

/* --------------------------------------------------------- handovers, or none, and off */

enum handover {
	NONE,
	EMPTY,		/* as the stock kernel publishes one at each boot */
	NO_FILE,	/* a session, and nothing in it */
	NO_FLB,		/* a file */
	OTHERS,		/* an FLB of another family */
	OLDER,		/* of the family */
	SAME,		/* the very same */
};

static struct luo_fake *handover(struct kunit *test, enum handover what)
{
	const char *const strings[MOST] = {
		what == SAME ? "luo-x-v2" : what == OLDER ? "luo-x-v1" : "luo-y-v1",
	};
	struct luo_fake *fake;

	if (what >= OTHERS)
		return with_strings(test, strings);
	if (what == NONE)
		return luo_fake_boot_bare(test);

	fake = luo_fake_boot(test);
	if (what == NO_FILE)
		luo_fake_session(test, fake, "a");
	if (what == NO_FLB)
		luo_fake_preserve(test, luo_fake_session(test, fake, "a"), 1);
	return luo_fake_send(test, fake);
}

static const struct handover_case {
	const char *name;
	enum handover what;
	int on;
	int off;
} handover_cases[] = {
	{ "none", NONE, -ENODATA, -EOPNOTSUPP },
	{ "empty", EMPTY, -ENODATA, -EOPNOTSUPP },
	{ "without_a_file", NO_FILE, -ENODATA, -ENODATA },
	{ "without_an_flb", NO_FLB, -ENODATA, -ENODATA },
	{ "of_others", OTHERS, -ENODATA, -ENODATA },
	{ "of_another_version", OLDER, -EPROTONOSUPPORT, -EPROTONOSUPPORT },
	{ "of_the_same", SAME, 0, -EPROTONOSUPPORT },
};

KUNIT_ARRAY_PARAM_DESC(handover, handover_cases, name);

static void handover_is_there_or_not(struct kunit *test)
{
	const struct handover_case *param = test->param_value;
	struct luo_fake *fake = handover(test, param->what);
	struct luo_script_flb *flb = asker(fake, "luo-x-v2", NULL);

	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(flb), param->on);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->on);
	luo_fake_arrive(test, fake);
	luo_fake_link(fake, &fake->script, flb);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->on);
}

/* Read, but nothing else: not one page is given back, no op is called */
static void expect_off(struct kunit *test, struct luo_fake *fake, int err)
{
	struct luo_script_flb *flb = asker(fake, "luo-x-v2", NULL);
	unsigned long before = fake->store.nr_in;

	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, luo_fake_flb_early(flb), err);
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), err);
		KUNIT_EXPECT_EQ(test, luo_handler_add_flb(fake->luo, &fake->script.fh, &flb->flb),
				0);
	}
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -EOPNOTSUPP);
	luo_fake_expect_log(fake, "");
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, before);
}

static void handover_while_off(struct kunit *test)
{
	const struct handover_case *param = test->param_value;
	struct luo_fake *fake = handover(test, param->what);

	fake->luo->enabled = false;
	expect_off(test, fake, param->off);
}

static void handover_while_nothing_can_be_handed_over(struct kunit *test)
{
	const struct handover_case *param = test->param_value;
	struct luo_fake *fake = handover(test, param->what);

	fake->store.unusable = true;
	expect_off(test, fake, param->off);
}

/* ------------------------------------------------------------------------ the others */

static void finished(struct kunit *test)
{
	static const char *const older[] = { "luo-x-v1", NULL };
	struct luo_fake *fake = with_string(test, "luo-x-v1");
	struct luo_script_flb *v2 = asker(fake, "luo-x-v2", older);

	luo_fake_arrive(test, fake);
	luo_fake_link(fake, &fake->script, v2);
	luo_fake_finish(fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(v2), -ENODATA);

	/* For all versions */
	luo_fake_flb_called(fake, 2, "luo-x-v1");
	luo_fake_flb_called(fake, 3, "luo-x-v3");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[2]), -ENODATA);
}

/* What it says is the answer, but never that nothing is there */
/* What retrieve() says is told, but that nothing is there is not for it to say */
static const struct retrieve_case {
	const char *name;
	int says;
	int err;
} retrieve_cases[] = {
	{ "no_memory", -ENOMEM, -ENOMEM },
	{ "interrupted", -EINTR, -EINTR },
	{ "incompatible", -EPROTONOSUPPORT, -EPROTONOSUPPORT },
	{ "damaged", -EUCLEAN, -EUCLEAN },
	{ "its_own", -EXDEV, -EXDEV },
	{ "absent", -ENODATA, -EUCLEAN },
	{ "off", -EOPNOTSUPP, -EUCLEAN },
	{ "module_goes_away", -ENODEV, -EUCLEAN },
	{ "no_errno", 1, -EUCLEAN },
};

KUNIT_ARRAY_PARAM_DESC(retrieve, retrieve_cases, name);

static void retrieve_fails(struct kunit *test)
{
	const struct retrieve_case *param = test->param_value;
	static const char *const older[] = { "luo-x-v1", NULL };
	static const char *const own[] = { "luo-x-v1", "luo-x-v2" };

	for (int i = 0; i < ARRAY_SIZE(own); i++) {
		struct luo_fake *fake = with_string(test, "luo-x-v1");
		struct luo_script_flb *flb = asker(fake, own[i], older);

		luo_fake_arrive(test, fake);
		luo_fake_link(fake, &fake->script, flb);
		flb->fail_op = 'r';
		flb->fail_with = param->says;
		kunit_warning_suppress(test)	/* of an op that returns no errno */
			KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->err);
		flb->fail_op = 0;
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->err);
		luo_fake_finish(fake, "a");
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), param->err);
		luo_fake_expect_log(fake, "r1 C1 D1");
	}
}

/* The other answers do not depend on the module */
static void module_going_away(struct kunit *test)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	struct luo_script_flb *flb;
	struct luo_fake *fake;

	KUNIT_ASSERT_NOT_NULL(test, mod);
	mod->state = MODULE_STATE_GOING;
	atomic_set(&mod->refcnt, 1);

	fake = with_string(test, "luo-x-v1");
	luo_fake_arrive(test, fake);
	flb = asker(fake, "luo-x-v1", NULL);
	flb->ops.owner = mod;
	for (int i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODEV);

	flb = asker(fake, "luo-x-v2", NULL);
	flb->ops.owner = mod;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODATA);	/* claimed above */
	luo_fake_expect_log(fake, "");
}

static struct kunit_case luo_flb_answers_cases[] = {
	KUNIT_CASE_PARAM(strings_meet, meet_gen_params),
	KUNIT_CASE(sibling_claims_its_own),
	KUNIT_CASE(early_getter_knows_no_siblings),
	KUNIT_CASE(sibling_that_asks_claims_too),
	KUNIT_CASE(sibling_claims_for_the_family),
	KUNIT_CASE(own_string_goes_before_listed),
	KUNIT_CASE(own_string_comes_too_late),
	KUNIT_CASE_PARAM(handover_is_there_or_not, handover_gen_params),
	KUNIT_CASE_PARAM(handover_while_off, handover_gen_params),
	KUNIT_CASE_PARAM(handover_while_nothing_can_be_handed_over, handover_gen_params),
	KUNIT_CASE(finished),
	KUNIT_CASE_PARAM(retrieve_fails, retrieve_gen_params),
	KUNIT_CASE(module_going_away),
	{}
};

static struct kunit_suite luo_flb_answers_suite = {
	.name = "luo_flb_answers",
	.test_cases = luo_flb_answers_cases,
};

kunit_test_suite(luo_flb_answers_suite);
