// SPDX-License-Identifier: GPL-2.0
/* The life of an FLB in the kernel that it was preserved for, and how it ends */
#include "luo_fake.h"

static void retrieved_when_asked_for(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];

	for (int i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	KUNIT_EXPECT_EQ(test, flb->got, flb->data);
	KUNIT_EXPECT_STREQ(test, flb->found, "luo-flb1-v1");
	luo_fake_expect_log(fake, "r1");
	luo_fake_finish(fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	luo_fake_expect_log(fake, "C1 D1");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "C2 D2 d1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODATA);
	luo_fake_expect_freed(test, fake);
}

static void retrieved_just_before_it_is_finished(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 2, 1);

	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "C3 D3");
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C1 C2 D2 D1 r1 d1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), -ENODATA);
	luo_fake_expect_freed(test, fake);
	luo_fake_expect_log(fake, "");
}

static void not_finished_if_it_cannot_be_retrieved(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 2);

	fake->flb[0].fail_op = 'r';
	fake->flb[0].fail_with = -EXDEV;
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "C1 D1 C2 D2 r2 d2 r1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), -EXDEV);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), -ENODATA);
	KUNIT_EXPECT_GT(test, fake->store.nr_in, 0);
	luo_fake_expect_log(fake, "");
}

static void failed_retrieve_is_final(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];

	flb->fail_op = 'r';
	flb->fail_with = -EXDEV;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -EXDEV);
	flb->fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -EXDEV);
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -EXDEV);
	luo_fake_expect_log(fake, "r1 C1 D1 C2 D2");

	/* It does not come back by being registered anew */
	luo_handler_remove_flb(fake->luo, &fake->script.fh, &flb->flb);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(fake, 1)), -EXDEV);
	luo_fake_expect_log(fake, "");
}

/* The driver promises that nothing was consumed; nothing is final then but what never is. */
static void failed_retrieve_can_be_retried(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];

	flb->ops.retrieve_retry = true;
	flb->fail_op = 'r';
	flb->fail_with = -ENOMEM;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENOMEM);
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 C1 D1 C2 D2 r1 r1");
	/* Not even at the end */
	flb->fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	luo_fake_expect_log(fake, "r1 d1");
	luo_fake_expect_freed(test, fake);
}

/* Whatever errno it is that another FLB may have again: who passes it on has another chance. */
static void errno_of_another_is_not_final(struct kunit *test)
{
	static const int errnos[] = { -EAGAIN, -ENOMEM };

	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++) {
		struct luo_fake *fake = luo_fake_with_flbs(test, 1, 2);
		struct luo_script_flb *asks = &fake->flb[0], *other = &fake->flb[1];

		other->ops.retrieve_retry = true;
		other->fail_op = 'r';
		other->fail_with = errnos[i];
		asks->ask_op = 'r';
		asks->ask = &other->flb;
		asks->ask_incoming = true;
		asks->fail_op = 'r';
		asks->fail_with = errnos[i];
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(asks), errnos[i]);
		other->fail_op = 0;
		asks->fail_op = 0;
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(asks), 0);
		luo_fake_expect_log(fake, "r1 r2 r1 r2");
		luo_fake_finish(fake, "a");
		luo_fake_finish(fake, "b");
		luo_fake_expect_log(fake, "C1 D1 C2 D2 d2 d1");
	}
}

static void damaged_is_not_retried(struct kunit *test)
{
	static const int errnos[] = { -EUCLEAN, -EIO, -ENODATA };

	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++) {
		struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
		struct luo_script_flb *flb = &fake->flb[0];

		flb->ops.retrieve_retry = true;
		flb->fail_op = 'r';
		flb->fail_with = errnos[i];
		luo_fake_flb_in(flb);
		flb->fail_op = 0;
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb),
				errnos[i] == -EIO ? -EIO : -EUCLEAN);
		luo_fake_expect_log(fake, "r1");
	}
}

/* ----------------------------------------------------------------------- order */

static void in_reverse_after_the_last_file(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 2, 3);

	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[1]), 0);
	luo_fake_finish(fake, "b");
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "r2 C3 D3 C1 C2 D2 D1 r3 d3 d2 r1 d1");
}

/* Files 1 and 3 of the first handler, 2 of the other; FLB 1 of both, 2 and 3 of one each */
static struct luo_fake *two_handlers(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	for (int kernel = 0; kernel < 2; kernel++) {
		luo_fake_other(fake);
		luo_fake_link(fake, &fake->other, luo_fake_flb(fake, 1));
		luo_fake_flb(fake, 2);
		luo_fake_link(fake, &fake->other, &fake->flb[2]);
		if (kernel)
			break;
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
		KUNIT_ASSERT_EQ(test, luo_session_preserve(a, luo_script_file(test, 2, 2), 2), 0);
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 3), 0);
		fake = luo_fake_kexec(test, fake);
	}
	return fake;
}

static void each_file_is_followed_by_its_own(struct kunit *test)
{
	struct luo_fake *fake = two_handlers(test);

	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C1 C2 C3 D3 D2 r3 d3 D1 r2 d2 r1 d1");
	luo_fake_expect_freed(test, fake);
}

/* The last file of them all may be of any handler, in any session */
static void last_file_over_sessions_and_handlers(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	static const char *const name[] = { "a", "b", "c", "d" };

	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, luo_fake_flb(fake, 1));
	for (unsigned int i = 0; i < 4; i++) {
		struct liveupdate_session *session = luo_fake_session(test, fake, name[i]);

		KUNIT_ASSERT_EQ(test, luo_session_preserve(session,
							   luo_script_file(test, 1 + i % 2, i + 1),
							   0), 0);
	}
	fake = luo_fake_kexec(test, fake);
	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, luo_fake_flb(fake, 1));
	luo_fake_finish(fake, "c");
	luo_fake_finish(fake, "b");
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C3 D3 C2 D2 C1 D1");
	luo_fake_finish(fake, "d");
	luo_fake_expect_log(fake, "C4 D4 r1 d1");
	luo_fake_expect_freed(test, fake);
}

/* Which files depend on it is for this kernel's handlers to say */
static void files_in_an_older_format_count(struct kunit *test)
{
	static const char *const older[] = { "luo-gone-v1", "luo-test-v1", NULL };
	struct luo_fake *from = luo_fake_boot(test), *to;

	luo_fake_flb(from, 1);
	for (unsigned int nr = 1; nr <= 2; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, nr == 1 ?
							"a" : "b"), nr), 0);
	to = luo_fake_send(test, from);
	luo_script_init(&to->script, "luo-test-v2", 1);
	to->script.fh.also_retrieves = older;
	luo_fake_arrive(test, to);
	luo_fake_flb(to, 1);
	luo_fake_finish(to, "a");
	luo_fake_expect_log(to, "C1 D1");
	luo_fake_finish(to, "b");
	luo_fake_expect_log(to, "C2 D2 r1 d1");
}

static void other_files_do_not_count(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");

	luo_fake_flb(fake, 1);
	luo_fake_other(fake);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_session_preserve(b, luo_script_file(test, 2, 2), 2), 0);
	fake = luo_fake_kexec(test, fake);
	luo_fake_flb(fake, 1);
	luo_fake_other(fake);
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C1 D1 r1 d1");
	KUNIT_EXPECT_GT(test, fake->store.nr_in, 0);
	luo_fake_finish(fake, "b");
	luo_fake_expect_freed(test, fake);
}

static void parked_session_finishes_nothing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct liveupdate_session *a;

	luo_fake_finish(fake, "b");
	KUNIT_ASSERT_EQ(test, luo_session_retrieve(fake->luo, "a", true, &a), 0);
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	fake->script.fail_op = 'C';
	fake->script.fail_nr = 1;
	fake->script.fail_with = -EBUSY;
	luo_session_close(luo_fake_retrieved(test, fake, "a"));
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_fake_expect_log(fake, "C2 D2 r1 C1");
	fake->script.fail_op = 0;
	luo_fake_finish(fake, "a");
	luo_fake_expect_log(fake, "C1 D1 d1");
}

/* ------------------------------------------------------------------ references */

static void held_reference_delays_finish(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 2);
	struct luo_script_flb *flb = &fake->flb[0];
	void *obj;

	for (int i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, luo_flb_get_incoming(fake->luo, &flb->flb, &obj), 0);
	KUNIT_EXPECT_PTR_EQ(test, obj, flb->obj);
	luo_fake_finish(fake, "a");
	luo_flb_put_incoming(fake->luo, &flb->flb);
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 C1 D1 C2 D2 r2 d2");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODATA);
	KUNIT_EXPECT_GT(test, fake->store.nr_in, 0);
	luo_flb_put_incoming(fake->luo, &flb->flb);
	luo_fake_expect_log(fake, "d1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODATA);
	luo_fake_expect_freed(test, fake);
}

static void put_without_get(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];

	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	kunit_warning_suppress(test) {
		luo_flb_put_incoming(fake->luo, &flb->flb);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
}

static void asked_from_its_own_ops(struct kunit *test)
{
	static const char ops[] = { 'r', 'd' };

	for (int i = 0; i < ARRAY_SIZE(ops); i++) {
		struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
		struct luo_script_flb *flb = &fake->flb[0];

		flb->ask_op = ops[i];
		flb->ask = &flb->flb;
		flb->ask_incoming = true;
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
		luo_fake_finish(fake, "a");
		luo_fake_finish(fake, "b");
		KUNIT_EXPECT_EQ(test, flb->ask_err, -EDEADLK);
	}
}

/* The other one is retrieved on the way; if that asks back, it is told */
static void two_ask_one_another(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 2);

	for (int i = 0; i < 2; i++) {
		fake->flb[i].ask_op = 'r';
		fake->flb[i].ask = &fake->flb[!i].flb;
		fake->flb[i].ask_incoming = true;
	}
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	KUNIT_EXPECT_EQ(test, fake->flb[0].ask_err, 0);
	KUNIT_EXPECT_EQ(test, fake->flb[1].ask_err, -EDEADLK);
	luo_fake_finish(fake, "a");
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 r2 C1 D1 C2 D2 d2 d1");
}

/* ---------------------------------------- nobody registers it, or it loses its files */

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
	luo_fake_fail_counting(fake);
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
	struct module *mod = luo_fake_module(test, MODULE_STATE_GOING);
	struct luo_script_flb *flb;
	struct luo_fake *fake;

	fake = luo_fake_with_flbs(test, 1, 1);
	flb = &fake->flb[0];
	flb->ops.owner = mod;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), -ENODEV);
	luo_fake_expect_log(fake, "");

	mod->state = MODULE_STATE_LIVE;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 1);
	luo_fake_finish(fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 1);
	luo_fake_finish(fake, "b");
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 0);
}

static void failed_retrieve_lets_go_of_the_module(struct kunit *test)
{
	struct module *mod = luo_fake_module(test, MODULE_STATE_LIVE);
	struct luo_fake *fake;

	fake = luo_fake_with_flbs(test, 1, 1);
	fake->flb[0].ops.owner = mod;
	fake->flb[0].fail_op = 'r';
	fake->flb[0].fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), -EIO);
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 0);
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

/* -------------------------------------------- it comes late, or is not the first one */

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

static struct kunit_case luo_flb_incoming_cases[] = {
	KUNIT_CASE(retrieved_when_asked_for),
	KUNIT_CASE(retrieved_just_before_it_is_finished),
	KUNIT_CASE(not_finished_if_it_cannot_be_retrieved),
	KUNIT_CASE(failed_retrieve_is_final),
	KUNIT_CASE(failed_retrieve_can_be_retried),
	KUNIT_CASE(errno_of_another_is_not_final),
	KUNIT_CASE(damaged_is_not_retried),
	KUNIT_CASE(in_reverse_after_the_last_file),
	KUNIT_CASE(each_file_is_followed_by_its_own),
	KUNIT_CASE(last_file_over_sessions_and_handlers),
	KUNIT_CASE(files_in_an_older_format_count),
	KUNIT_CASE(other_files_do_not_count),
	KUNIT_CASE(parked_session_finishes_nothing),
	KUNIT_CASE(held_reference_delays_finish),
	KUNIT_CASE(put_without_get),
	KUNIT_CASE(asked_from_its_own_ops),
	KUNIT_CASE(two_ask_one_another),
	KUNIT_CASE(asked_for_but_never_registered),
	KUNIT_CASE(files_were_not_counted),
	KUNIT_CASE(damaged_files_are_not_waited_for),
	KUNIT_CASE(nobody_knows_it),
	KUNIT_CASE(unregistering_in_use_warns),
	KUNIT_CASE(handler_goes_away),
	KUNIT_CASE(object_holds_the_module),
	KUNIT_CASE(failed_retrieve_lets_go_of_the_module),
	KUNIT_CASE(over_three_kernels),
	KUNIT_CASE(handler_comes_late),
	KUNIT_CASE(count_is_too_small),
	KUNIT_CASE(failed_for_all_who_list_it),
	KUNIT_CASE(two_list_the_same),
	KUNIT_CASE(string_of_what_is_left_behind),
	KUNIT_CASE(preserve_says_neither),
	{}
};

static struct kunit_suite luo_flb_incoming_suite = {
	.name = "luo_flb_incoming",
	.test_cases = luo_flb_incoming_cases,
};

kunit_test_suite(luo_flb_incoming_suite);
