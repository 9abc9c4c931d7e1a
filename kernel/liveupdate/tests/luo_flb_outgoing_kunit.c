// SPDX-License-Identifier: GPL-2.0
/* The life of an FLB in the kernel that preserves it */
#include "luo_fake.h"

static int preserve_other(struct kunit *test, struct liveupdate_session *session, unsigned int nr)
{
	return luo_session_preserve(session, luo_script_file(test, 2, nr), nr);
}

/* FLBs 1 to 3, on the first handler */
static struct luo_fake *three_flbs(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);

	for (unsigned int nr = 1; nr <= 3; nr++)
		luo_fake_flb(fake, nr);
	return fake;
}

static void one_file(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);

	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -ENOENT);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), 0);
	KUNIT_EXPECT_STREQ(test, flb->found, "luo-flb1-v1");
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -ENOENT);
	luo_fake_expect_log(fake, "p1 P1 U1 u1");
}

static void many_files_share_it(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");

	luo_fake_flb(fake, 1);
	for (unsigned int nr = 1; nr <= 3; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, nr < 3 ? a : b, nr), 0);
	luo_fake_expect_log(fake, "p1 P1 P2 P3");
	luo_session_close(a);
	luo_fake_expect_log(fake, "U2 U1");
	luo_session_close(b);
	luo_fake_expect_log(fake, "U3 u1");
}

static void many_handlers_share_it(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");

	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, luo_fake_flb(fake, 1));
	luo_fake_link(fake, &fake->other, &fake->flb[1]);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, preserve_other(test, b, 2), 0);
	KUNIT_ASSERT_EQ(test, preserve_other(test, b, 3), 0);
	luo_fake_expect_log(fake, "p1 P1 p2 P2 P3");
	luo_session_close(a);
	luo_fake_expect_log(fake, "U1");
	luo_session_close(b);
	luo_fake_expect_log(fake, "U3 U2 u2 u1");
}

static void in_order_and_in_reverse(struct kunit *test)
{
	struct luo_fake *fake = three_flbs(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);
	luo_fake_expect_log(fake, "p1 p2 p3 P1 P2");
	luo_session_close(a);
	luo_fake_expect_log(fake, "U2 U1 u3 u2 u1");
}

/* Of two handlers that share FLBs, each has the order in which it was linked */
static void order_is_each_handlers_own(struct kunit *test)
{
	struct luo_fake *fake = three_flbs(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	luo_fake_other(fake);
	for (int i = 2; i >= 0; i--)
		luo_fake_link(fake, &fake->other, &fake->flb[i]);
	KUNIT_ASSERT_EQ(test, preserve_other(test, a, 1), 0);
	luo_session_close(a);
	luo_fake_expect_log(fake, "p3 p2 p1 P1 U1 u1 u2 u3");
}

/* One of two handlers goes away; the object is there for the files of the other */
static void handler_without_files_goes_away(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	luo_fake_other(fake);
	luo_fake_link(fake, &fake->other, luo_fake_flb(fake, 1));
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	kunit_warning_suppress(test) {
		luo_handler_unregister(fake->luo, &fake->other.fh);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(&fake->flb[0]), 0);
	luo_session_close(a);
	luo_fake_expect_log(fake, "p1 P1 U1 u1");
}

static void again_and_again(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a;

	luo_fake_flb(fake, 1);
	for (int i = 0; i < 3; i++) {
		a = luo_fake_session(test, fake, "a");
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
		luo_session_close(a);
		luo_fake_expect_log(fake, "p1 P1 U1 u1");
	}
}

/* Which FLBs a file depends on is settled when it is preserved */
static void linked_while_files_are_preserved(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	luo_fake_flb(fake, 1);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	luo_fake_flb(fake, 2);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(&fake->flb[1]), -ENOENT);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);
	luo_session_close(a);
	luo_fake_expect_log(fake, "p1 P1 p2 P2 U2 u2 U1 u1");
}

/* -------------------------------------------------------------------- failures */

/* All is as if the call had not been, and the next one succeeds */
static void expect_unwound(struct kunit *test, struct luo_fake *fake,
			   struct liveupdate_session *session, const char *log)
{
	luo_fake_expect_log(fake, log);
	for (unsigned int nr = 1; nr <= 3; nr++)
		KUNIT_EXPECT_EQ(test, luo_fake_flb_out(&fake->flb[nr - 1]), -ENOENT);
	KUNIT_EXPECT_EQ(test, fake->luo->flb_area.used, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fake->luo->nr_preserved), 0);

	for (unsigned int nr = 1; nr <= 3; nr++)
		fake->flb[nr - 1].fail_op = 0;
	fake->script.fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_EXPECT_EQ(test, fake->luo->flb_area.used, 3);
	luo_fake_expect_log(fake, "p1 p2 p3 P1");
}

static const struct fail_case {
	const char *name;
	unsigned int flb;
	unsigned int store;
	const char *log;
} fail_cases[] = {
	{ "first_flb", 1, 0, "p1" },
	{ "second_flb", 2, 0, "p1 p2 u1" },
	{ "third_flb", 3, 0, "p1 p2 p3 u2 u1" },
	{ "memory_for_the_entry_of_the_file", 0, 1, "p1 p2 p3 u3 u2 u1" },
	{ "the_file_itself", 0, 0, "p1 p2 p3 P1 u3 u2 u1" },
};

KUNIT_ARRAY_PARAM_DESC(fail, fail_cases, name);

static void preserving_fails(struct kunit *test)
{
	const struct fail_case *param = test->param_value;
	struct luo_fake *fake = three_flbs(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_script_flb *flb = param->flb ? &fake->flb[param->flb - 1] : NULL;
	int err = -EHOSTDOWN;

	if (flb) {
		flb->fail_op = 'p';
		flb->fail_with = err;
	} else if (param->store) {
		fake->store.fail_at = param->store;
		err = -ENOMEM;
	} else {
		fake->script.fail_op = 'P';
		fake->script.fail_nr = 1;
		fake->script.fail_with = err;
	}
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 1), err);
	expect_unwound(test, fake, a, param->log);
}

static void failing_file_leaves_the_objects_of_others(struct kunit *test)
{
	struct luo_fake *fake = three_flbs(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	fake->script.fail_op = 'P';
	fake->script.fail_nr = 2;
	fake->script.fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 2), -EIO);
	luo_fake_expect_log(fake, "p1 p2 p3 P1 P2");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(&fake->flb[2]), 0);
	luo_session_close(a);
	luo_fake_expect_log(fake, "U1 u3 u2 u1");
}

/* ------------------------------------------------------------------ references */

static void held_reference_delays_unpreserve(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);
	void *obj[2];

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	for (int i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, luo_flb_get_outgoing(fake->luo, &flb->flb, &obj[i]), 0);
	KUNIT_EXPECT_PTR_EQ(test, obj[1], flb->obj);
	luo_session_close(a);
	luo_fake_expect_log(fake, "p1 P1 U1");
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -ENOENT);
	luo_flb_put_outgoing(fake->luo, &flb->flb);
	luo_fake_expect_log(fake, "");
	luo_flb_put_outgoing(fake->luo, &flb->flb);
	luo_fake_expect_log(fake, "u1");
}

static void held_object_is_taken_up_again(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);
	void *obj;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_flb_get_outgoing(fake->luo, &flb->flb, &obj), 0);
	luo_session_close(a);
	a = luo_fake_session(test, fake, "a");
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);
	luo_flb_put_outgoing(fake->luo, &flb->flb);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), 0);
	luo_fake_expect_log(fake, "p1 P1 U1 P2");
	luo_session_close(a);
	luo_fake_expect_log(fake, "U2 u1");
}

/* What no file depends on is nobody's business in the next kernel */
static void held_object_is_not_handed_over(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to;
	struct liveupdate_session *a = luo_fake_session(test, from, "a");
	struct luo_script_flb *flb = luo_fake_flb(from, 1);
	void *obj;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_flb_get_outgoing(from->luo, &flb->flb, &obj), 0);
	luo_session_close(a);
	luo_fake_session(test, from, "b");
	to = luo_fake_kexec(test, from);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(to, 1)), -ENODATA);
	luo_flb_put_outgoing(from->luo, &flb->flb);
}

static const struct luo_flb_ser *flb_handed(struct luo_fake *fake, u64 index)
{
	struct luo_ser *root = luo_fake_published(fake, LUO_KHO_ENTRY_NAME);

	return phys_to_virt(root->flbs_pa + sizeof(struct luo_flb_header_ser)) +
		index * sizeof(struct luo_flb_ser);
}

/* What is written: the string, the data, and how many files, without who else looks */
static void files_are_counted(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to;
	struct liveupdate_session *a = luo_fake_session(test, from, "a");
	void *obj;

	luo_fake_other(from);
	luo_fake_link(from, &from->other, luo_fake_flb(from, 1));
	luo_fake_flb(from, 2);
	luo_fake_flb(from, 3)->data = 0;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, preserve_other(test, a, 2), 0);
	KUNIT_ASSERT_EQ(test, luo_flb_get_outgoing(from->luo, &from->flb[0].flb, &obj), 0);
	to = luo_fake_send(test, from);
	KUNIT_EXPECT_STREQ(test, flb_handed(to, 0)->name, "luo-flb1-v1");
	KUNIT_EXPECT_EQ(test, flb_handed(to, 0)->data, from->flb[0].data);
	KUNIT_EXPECT_EQ(test, flb_handed(to, 0)->count, 2);
	KUNIT_EXPECT_STREQ(test, flb_handed(to, 2)->name, "luo-flb3-v1");
	KUNIT_EXPECT_EQ(test, flb_handed(to, 2)->data, 0);
	KUNIT_EXPECT_EQ(test, flb_handed(to, 2)->count, 1);
	luo_flb_put_outgoing(from->luo, &from->flb[0].flb);
}

/* The reboot fails after all was written, and then the kernel dies */
static void what_was_written_is_taken_back(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to = luo_fake_boot_bare(test);
	struct luo_script_flb *flb = luo_fake_flb(from, 1);

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "a"), 1), 0);
	KUNIT_ASSERT_EQ(test, luo_reboot(from->luo, true), 0);
	luo_outgoing_thaw(from->luo);
	luo_gate_open(&from->luo->gate);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), 0);
	luo_fake_handover(from, to);
	luo_fake_arrive(test, to);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(to, 1)), -ENODATA);
}

static void put_without_get(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);

	kunit_warning_suppress(test) {
		luo_flb_put_outgoing(fake->luo, &flb->flb);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
}

/* Sets up what is asked from inside an op: 0 and the object, or why not */
static void asks(struct luo_script_flb *flb, char op, struct luo_script_flb *whom)
{
	flb->ask_op = op;
	flb->ask = &whom->flb;
	flb->ask_err = 1;
}

static void asked_from_its_own_ops(struct kunit *test)
{
	static const char ops[] = { 'p', 'u' };

	for (int i = 0; i < ARRAY_SIZE(ops); i++) {
		struct luo_fake *fake = luo_fake_boot(test);
		struct liveupdate_session *a = luo_fake_session(test, fake, "a");
		struct luo_script_flb *flb = luo_fake_flb(fake, 1);

		asks(flb, ops[i], flb);
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
		luo_session_close(a);
		KUNIT_EXPECT_EQ(test, flb->ask_err, -EDEADLK);
	}
}

static void asked_from_the_ops_of_another(struct kunit *test)
{
	struct luo_fake *fake = three_flbs(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	asks(&fake->flb[0], 'p', &fake->flb[1]);
	asks(&fake->flb[1], 'p', &fake->flb[0]);
	asks(&fake->flb[2], 'u', &fake->flb[0]);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, fake->flb[0].ask_err, -ENOENT);
	KUNIT_EXPECT_EQ(test, fake->flb[1].ask_err, 0);
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, fake->flb[2].ask_err, 0);
	luo_fake_expect_log(fake, "p1 p2 p3 P1 U1 u3 u2 u1");
}

static void object_may_be_null(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	luo_fake_flb(fake, 1)->obj = NULL;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(&fake->flb[0]), 0);
	fake = luo_fake_kexec(test, fake);
	luo_fake_flb(fake, 1)->obj = NULL;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_session_close(luo_fake_retrieved(test, fake, "a"));
	luo_fake_expect_log(fake, "r1 C1 D1 d1");
}

/* ---------------------------------------------------------------------- module */

static void object_holds_the_module(struct kunit *test)
{
	struct module *mod = luo_fake_module(test, MODULE_STATE_LIVE);
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct luo_script_flb *flb = luo_fake_flb(fake, 1);

	flb->ops.owner = mod;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 1);
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 0);

	a = luo_fake_session(test, fake, "a");
	flb->fail_op = 'p';
	flb->fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 3), -EIO);
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 0);
	luo_fake_expect_log(fake, "p1 P1 P2 U2 U1 u1 p1");
}

/* As if it had been unregistered already: that is what comes next */
static void module_on_its_way_out(struct kunit *test)
{
	struct module *mod = luo_fake_module(test, MODULE_STATE_LIVE);
	struct luo_fake *fake = three_flbs(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	fake->flb[1].ops.owner = mod;
	mod->state = MODULE_STATE_GOING;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(&fake->flb[1]), -ENOENT);
	luo_session_close(a);
	luo_fake_expect_log(fake, "p1 p3 P1 U1 u3 u1");
}

static struct kunit_case luo_flb_outgoing_cases[] = {
	KUNIT_CASE(one_file),
	KUNIT_CASE(many_files_share_it),
	KUNIT_CASE(many_handlers_share_it),
	KUNIT_CASE(in_order_and_in_reverse),
	KUNIT_CASE(order_is_each_handlers_own),
	KUNIT_CASE(handler_without_files_goes_away),
	KUNIT_CASE(again_and_again),
	KUNIT_CASE(linked_while_files_are_preserved),
	KUNIT_CASE_PARAM(preserving_fails, fail_gen_params),
	KUNIT_CASE(failing_file_leaves_the_objects_of_others),
	KUNIT_CASE(held_reference_delays_unpreserve),
	KUNIT_CASE(held_object_is_taken_up_again),
	KUNIT_CASE(held_object_is_not_handed_over),
	KUNIT_CASE(files_are_counted),
	KUNIT_CASE(what_was_written_is_taken_back),
	KUNIT_CASE(put_without_get),
	KUNIT_CASE(asked_from_its_own_ops),
	KUNIT_CASE(asked_from_the_ops_of_another),
	KUNIT_CASE(object_may_be_null),
	KUNIT_CASE(object_holds_the_module),
	KUNIT_CASE(module_on_its_way_out),
	{}
};

static struct kunit_suite luo_flb_outgoing_suite = {
	.name = "luo_flb_outgoing",
	.test_cases = luo_flb_outgoing_cases,
};

kunit_test_suite(luo_flb_outgoing_suite);
