// SPDX-License-Identifier: GPL-2.0
/* Incoming FLBs that nobody registers, or that lose whom they belong to, and how they end */
#include <linux/module.h>

#include "luo_fake.h"

/* ------------------------------------------------ at the latest, with no session left */

static void asked_for_but_never_registered(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	void *obj;

	for (unsigned int nr = 1; nr <= 2; nr++)
		luo_fake_flb(fake, nr);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "a"), 1), 0);
	fake = luo_fake_kexec(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	KUNIT_ASSERT_EQ(test, luo_flb_get_incoming(fake->luo, &fake->flb[1].flb, &obj), 0);
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "r1 r2 C1 D1 d1");
	luo_flb_put_incoming(fake->luo, &fake->flb[1].flb);
	luo_fake_expect_log(fake, "d2");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), -ENODATA);
	luo_fake_expect_freed(test, fake);
}

/* No memory to count files with: an FLB does not know which file is its last one */
static void files_were_not_counted(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 2);

	luo_fake_other(fake);
	fake->luo->unfinished.failed = true;
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "C1 D1 C2 D2 r2 d2 r1 d1");
	luo_fake_expect_freed(test, fake);
}

/* Files that nobody can finish, in a session that can be */
/* Their number is in the previous kernel's count, so it takes until the last session */
static void damaged_files_are_not_waited_for(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to;
	struct luo_session_ser *ser;

	luo_fake_flb(from, 1);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "a"), 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "b"), 2), 0);
	to = luo_fake_send(test, from);
	ser = luo_wire_block_entry(phys_to_virt(((struct luo_ser *)
				   luo_fake_published(to, LUO_KHO_ENTRY_NAME))->sessions_pa),
				   sizeof(*ser), 0);
	*(u8 *)phys_to_virt(ser->files + 40) ^= 1;
	luo_fake_arrive(test, to);
	luo_fake_flb(to, 1);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&to->flb[0]), 0);
	luo_fake_finish(to, "b");
	luo_fake_expect_log(to, "r1 C2 D2");
	luo_fake_finish(to, "a");
	luo_fake_expect_log(to, "d1");
}

static void nobody_knows_it(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_ser *root;
	void *flbs;

	for (unsigned int nr = 1; nr <= 2; nr++)
		luo_fake_flb(fake, nr);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "a"), 1), 0);
	fake = luo_fake_kexec(test, fake);
	luo_fake_flb(fake, 2);
	root = luo_fake_published(fake, LUO_KHO_ENTRY_NAME);
	flbs = phys_to_virt(root->flbs_pa);
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C1 D1 r2 d2");
	KUNIT_EXPECT_NOT_NULL(test, xa_load(&fake->store.in, PHYS_PFN(virt_to_phys(root))));
	KUNIT_EXPECT_NOT_NULL(test, xa_load(&fake->store.in, PHYS_PFN(virt_to_phys(flbs))));

	/* Whoever comes late finds it, and then it is done with */
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(fake, 1)), 0);
	luo_fake_expect_log(fake, "r1 d1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), -ENODATA);
	luo_fake_expect_freed(test, fake);
}

/* ---------------------------------------------------------- going away, and on and on */

static void unregistering_in_use_warns(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];
	void *obj;

	KUNIT_ASSERT_EQ(test, luo_flb_get_incoming(fake->luo, &flb->flb, &obj), 0);
	kunit_warning_suppress(test) {
		luo_handler_remove_flb(fake->luo, &fake->script.fh, &flb->flb);
		luo_fake_expect_in_use(test, KUNIT_SUPPRESSED_WARNING_COUNT());
	}
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODEV);
	luo_fake_flb(fake, 1);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	kunit_warning_suppress(test) {
		luo_handler_remove_flb(fake->luo, &fake->script.fh, &flb->flb);
		luo_fake_expect_in_use(test, KUNIT_SUPPRESSED_WARNING_COUNT());
	}
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 C1 D1 C2 D2");
	luo_flb_put_incoming(fake->luo, &flb->flb);
	luo_fake_expect_log(fake, "d1");
}

/* The FLB need not be the handler's: what is there of it is no mistake, and stays */
static void handler_goes_away(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];
	void *obj;

	KUNIT_ASSERT_EQ(test, luo_flb_get_incoming(fake->luo, &flb->flb, &obj), 0);
	kunit_warning_suppress(test) {
		luo_handler_unregister(fake->luo, &fake->script.fh);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->script.fh), 0);
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 C1 D1 C2 D2");
	luo_flb_put_incoming(fake->luo, &flb->flb);
	luo_fake_expect_log(fake, "d1");
	luo_fake_expect_freed(test, fake);
}

static void object_holds_the_module(struct kunit *test)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	struct luo_script_flb *flb;
	struct luo_fake *fake;

	KUNIT_ASSERT_NOT_NULL(test, mod);
	mod->state = MODULE_STATE_GOING;
	atomic_set(&mod->refcnt, 1);
	fake = luo_fake_with_flbs(test, 1, 1);
	flb = &fake->flb[0];
	flb->ops.owner = mod;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODEV);
	luo_fake_expect_log(fake, "");

	mod->state = MODULE_STATE_LIVE;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	KUNIT_EXPECT_EQ(test, module_refcount(mod), 1);
	luo_fake_finish(fake, "a");
	KUNIT_EXPECT_EQ(test, module_refcount(mod), 1);
	luo_fake_finish(fake, "b");
	KUNIT_EXPECT_EQ(test, module_refcount(mod), 0);
}

static void failed_retrieve_lets_go_of_the_module(struct kunit *test)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);
	struct luo_fake *fake;

	KUNIT_ASSERT_NOT_NULL(test, mod);
	mod->state = MODULE_STATE_LIVE;
	atomic_set(&mod->refcnt, 1);
	fake = luo_fake_with_flbs(test, 1, 1);
	fake->flb[0].ops.owner = mod;
	fake->flb[0].fail_op = 'r';
	fake->flb[0].fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), -EIO);
	KUNIT_EXPECT_EQ(test, module_refcount(mod), 0);
}

/* What came in and what goes out are two objects */
static void over_three_kernels(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];

	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -ENOENT);
	flb->data = 0x4711;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "c"), 9), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), 0);
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), 0);
	luo_fake_expect_log(fake, "r1 p1 P9 C1 D1 C2 D2 d1");

	fake = luo_fake_kexec(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(fake, 1)), 0);
	KUNIT_EXPECT_EQ(test, fake->flb[0].got, 0x4711);
	luo_fake_finish(fake, "c");
}

static struct kunit_case luo_flb_end_cases[] = {
	KUNIT_CASE(asked_for_but_never_registered),
	KUNIT_CASE(files_were_not_counted),
	KUNIT_CASE(damaged_files_are_not_waited_for),
	KUNIT_CASE(nobody_knows_it),
	KUNIT_CASE(unregistering_in_use_warns),
	KUNIT_CASE(handler_goes_away),
	KUNIT_CASE(object_holds_the_module),
	KUNIT_CASE(failed_retrieve_lets_go_of_the_module),
	KUNIT_CASE(over_three_kernels),
	{}
};

static struct kunit_suite luo_flb_end_suite = {
	.name = "luo_flb_end",
	.test_cases = luo_flb_end_cases,
};

kunit_test_suite(luo_flb_end_suite);
