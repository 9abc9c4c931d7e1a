// SPDX-License-Identifier: GPL-2.0
/*
 * What an FLB is told when it asks for what was handed over: absent is never incompatible,
 * and incompatible is never absent.
 */
#include "luo_fake.h"
#include "luo_heads.h"

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

/* Asking is as good as being registered, and the result is determined anew each time */
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
	struct module *mod = luo_fake_module(test, MODULE_STATE_GOING);
	struct luo_script_flb *flb;
	struct luo_fake *fake;

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

/* ------------------------------- handovers that are corrupted, or of another version */

/* Session "a" with file 1, "b" with file 2, FLBs 1 to 3; nobody has looked yet */
static struct luo_fake *on_its_way(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test);

	for (unsigned int nr = 1; nr <= 3; nr++)
		luo_fake_flb(from, nr);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "a"), 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "b"), 2), 0);
	return luo_fake_send(test, from);
}

/* As from a stock kernel: what only the structure can tell */
static struct luo_fake *unchecked(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);

	luo_fake_forget_name(fake, LUO_EXT_KHO_ENTRY_NAME);
	return fake;
}

static struct luo_ser *root_of(struct luo_fake *fake)
{
	return luo_fake_published(fake, LUO_KHO_ENTRY_NAME);
}

static struct luo_flb_header_ser *area_of(struct luo_fake *fake)
{
	return phys_to_virt(root_of(fake)->flbs_pa);
}

static struct luo_flb_ser *flb_of(struct luo_fake *fake, unsigned int index)
{
	return (struct luo_flb_ser *)(area_of(fake) + 1) + index;
}

/* All getters say it, early and late, on and off, and of FLBs that were not handed over */
static void expect_answer(struct kunit *test, struct luo_fake *fake, int err)
{
	struct luo_script_flb *flb = &fake->flb[0], *absent = &fake->flb[3];

	fake->luo->enabled = false;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), err ?: -EPROTONOSUPPORT);
	fake->luo->enabled = true;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(flb), err);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(absent), err ?: -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(absent), err ?: -ENODATA);
	luo_fake_arrive(test, fake);
	luo_fake_flb(fake, 1);
	luo_fake_flb(fake, 4);
	for (int i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), err);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(absent), err ?: -ENODATA);
}

/* No op is called, nothing is given back, and what goes out is not concerned */
static void expect_refused(struct kunit *test, struct luo_fake *fake, int err)
{
	unsigned long before = fake->store.nr_in;
	struct liveupdate_session *c;

	expect_answer(test, fake, err);
	luo_fake_expect_log(fake, "");
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, before);
	c = luo_fake_session(test, fake, "c");
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, c, 3), 0);
	luo_session_close(c);
	luo_fake_expect_log(fake, "p1 p4 P3 U3 u4 u1");
}

/* Only the area is damaged: sessions are none the worse, but the way to it stays */
static void expect_area_refused(struct kunit *test, struct luo_fake *fake)
{
	struct luo_ser *root = root_of(fake);
	struct liveupdate_session *a;

	expect_refused(test, fake, -EUCLEAN);
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	luo_fake_finish(fake, "b");
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, fake->luo->in.unfinished, 0);
	luo_fake_expect_log(fake, "R1 C2 D2 C1 D1");
	KUNIT_EXPECT_NOT_NULL(test, xa_load(&fake->store.in, PHYS_PFN(virt_to_phys(root))));
}

static void as_it_was(struct kunit *test)
{
	expect_answer(test, on_its_way(test), 0);
	expect_answer(test, unchecked(test), 0);
}

/* --------------------------------------------------------------------- all of it */

KUNIT_ARRAY_PARAM_DESC(version, version_cases, name);

static void unknown_version(struct kunit *test)
{
	const struct version_case *param = test->param_value;
	struct luo_fake *fake = on_its_way(test);

	memcpy(root_of(fake)->compatible, param->head, sizeof(param->head));
	expect_refused(test, fake, -EPROTONOSUPPORT);
	fake = unchecked(test);
	memcpy(root_of(fake)->compatible, param->head, sizeof(param->head));
	expect_refused(test, fake, -EPROTONOSUPPORT);
}

static void kho_refused(struct kunit *test)
{
	static const int errs[] = { -EPROTONOSUPPORT, -EUCLEAN };
	struct luo_fake *fake;

	for (int i = 0; i < ARRAY_SIZE(errs); i++) {
		fake = luo_fake_boot_bare(test);
		fake->store.refused = errs[i];
		expect_refused(test, fake, errs[i]);
	}
}

static void any_bit_of_the_root(struct kunit *test)
{
	for (size_t i = LUO_ABI_COMPAT_LEN; i < sizeof(struct luo_ser); i += 3) {
		struct luo_fake *fake = on_its_way(test);

		((u8 *)root_of(fake))[i] ^= 0x10;
		expect_refused(test, fake, -EUCLEAN);
	}
}

/* -------------------------------------------------------------------- the area */

static void any_bit_of_the_area(struct kunit *test)
{
	for (size_t i = 0; i < 16 + 3 * sizeof(struct luo_flb_ser); i += 7) {
		struct luo_fake *fake = on_its_way(test);

		((u8 *)area_of(fake))[i] ^= 0x10;
		expect_area_refused(test, fake);
	}
}

static void no_pages(struct luo_fake *fake)
{
	area_of(fake)->pgcnt = 0;
}

static void more_pages_than_the_folio(struct luo_fake *fake)
{
	area_of(fake)->pgcnt = 2;
}

static void more_pages_than_there_are(struct luo_fake *fake)
{
	area_of(fake)->pgcnt = U64_MAX;
}

static void more_than_there_is_room_for(struct luo_fake *fake)
{
	area_of(fake)->count = luo_wire_flbs_per(0) + 1;
}

static void more_than_a_number_holds(struct luo_fake *fake)
{
	area_of(fake)->count = U64_MAX / sizeof(struct luo_flb_ser) + 2;
}

static void more_than_have_names(struct luo_fake *fake)
{
	area_of(fake)->count = 4;
}

static void name_without_an_end(struct luo_fake *fake)
{
	memset(flb_of(fake, 1)->name, 'x', LUO_COMPAT_LEN);
}

static void no_name(struct luo_fake *fake)
{
	memset(flb_of(fake, 2)->name, 0, LUO_COMPAT_LEN);
}

static void name_with_a_blank(struct luo_fake *fake)
{
	flb_of(fake, 2)->name[3] = ' ';
}

static void two_of_one_name(struct luo_fake *fake)
{
	memcpy(flb_of(fake, 2)->name, flb_of(fake, 1)->name, LUO_COMPAT_LEN);
}

static void not_in_a_preserved_page(struct luo_fake *fake)
{
	root_of(fake)->flbs_pa = virt_to_phys(fake->luo) & PAGE_MASK;
}

static void nowhere(struct luo_fake *fake)
{
	root_of(fake)->flbs_pa = U64_MAX & PAGE_MASK;
}

static const struct area_case {
	const char *name;
	void (*damage)(struct luo_fake *fake);
} area_cases[] = {
	{ "no_pages", no_pages },
	{ "more_pages_than_the_folio", more_pages_than_the_folio },
	{ "more_pages_than_there_are", more_pages_than_there_are },
	{ "more_than_there_is_room_for", more_than_there_is_room_for },
	{ "more_than_a_number_holds", more_than_a_number_holds },
	{ "more_than_have_names", more_than_have_names },
	{ "name_without_an_end", name_without_an_end },
	{ "no_name", no_name },
	{ "name_with_a_blank", name_with_a_blank },
	{ "two_of_one_name", two_of_one_name },
	{ "not_in_a_preserved_page", not_in_a_preserved_page },
	{ "nowhere", nowhere },
};

KUNIT_ARRAY_PARAM_DESC(area, area_cases, name);

static void damaged_area(struct kunit *test)
{
	const struct area_case *param = test->param_value;
	struct luo_fake *fake = unchecked(test);

	param->damage(fake);
	expect_area_refused(test, fake);
}

/* Not a whole page: that is the root's mistake, and concerns everybody */
static void area_inside_a_page(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);

	root_of(fake)->flbs_pa += 8;
	expect_refused(test, fake, -EUCLEAN);
}

/* The root says that there are none */
static void no_area(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);

	root_of(fake)->flbs_pa = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(&fake->flb[0]), -ENODATA);
	luo_fake_arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(fake, 1)), -ENODATA);
}

/* Any number of files, any data: their meaning is not validated */
static void counts_and_data_are_no_damage(struct kunit *test)
{
	static const u64 counts[] = { 0, 1, U64_MAX };

	for (int i = 0; i < ARRAY_SIZE(counts); i++) {
		struct luo_fake *fake = unchecked(test);

		flb_of(fake, 0)->count = counts[i];
		flb_of(fake, 0)->data = U64_MAX;
		expect_answer(test, fake, 0);
		KUNIT_EXPECT_EQ(test, fake->flb[0].got, U64_MAX);
		luo_fake_finish(fake, "a");
		luo_fake_finish(fake, "b");
		luo_fake_expect_log(fake, "r1 C1 D1 C2 D2 d1");
	}
}

static void checksums_that_cannot_be_read(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_ext_ser *ext = luo_fake_published(fake, LUO_EXT_KHO_ENTRY_NAME);

	ext->flbs_crc ^= 1;
	expect_answer(test, fake, 0);
}

/* ------------------------------------------------------------ sessions and files */

static void damaged_sessions(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct liveupdate_session *session;

	((u8 *)phys_to_virt(root_of(fake)->sessions_pa))[20] ^= 1;
	expect_answer(test, fake, 0);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_fake_expect_log(fake, "r1");
}

static void damaged_files(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_session_ser *ser;
	struct liveupdate_session *a;

	ser = luo_wire_block_entry(phys_to_virt(root_of(fake)->sessions_pa), sizeof(*ser), 0);
	((u8 *)phys_to_virt(ser->files))[20] ^= 1;
	expect_answer(test, fake, 0);
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EUCLEAN);
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 C2 D2 d1");
}

static struct kunit_case luo_flb_lookup_cases[] = {
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
	KUNIT_CASE(as_it_was),
	KUNIT_CASE_PARAM(unknown_version, version_gen_params),
	KUNIT_CASE(kho_refused),
	KUNIT_CASE(any_bit_of_the_root),
	KUNIT_CASE_SLOW(any_bit_of_the_area),
	KUNIT_CASE_PARAM(damaged_area, area_gen_params),
	KUNIT_CASE(area_inside_a_page),
	KUNIT_CASE(no_area),
	KUNIT_CASE(counts_and_data_are_no_damage),
	KUNIT_CASE(checksums_that_cannot_be_read),
	KUNIT_CASE(damaged_sessions),
	KUNIT_CASE(damaged_files),
	{}
};

static struct kunit_suite luo_flb_lookup_suite = {
	.name = "luo_flb_lookup",
	.test_cases = luo_flb_lookup_cases,
};

kunit_test_suite(luo_flb_lookup_suite);
