// SPDX-License-Identifier: GPL-2.0
/* What handlers may do, who holds them, and which one is taken */
#include <linux/file.h>
#include <linux/fs.h>
#include "luo_fake.h"

static unsigned int holders(struct luo_fake *fake)
{
	struct luo_handler *handler = list_first_entry(&fake->luo->handlers, struct luo_handler,
						       in_list);

	return refcount_read(&handler->refs) - 1;
}

static void files_hold_their_handler(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct file *file = luo_script_file(test, 1, 1);

	KUNIT_EXPECT_EQ(test, luo_session_preserve(a, luo_script_file(test, 9, 1), 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, holders(fake), 0);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(a, file, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(a, file, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, holders(fake), 1);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(a, file, NULL), 0);
	KUNIT_EXPECT_EQ(test, holders(fake), 1);
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, holders(fake), 0);

	a = luo_fake_session(test, fake, "a");
	for (unsigned int nr = 1; nr <= 3; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, nr), 0);
	fake = luo_fake_kexec(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, holders(fake), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	KUNIT_EXPECT_EQ(test, holders(fake), 1);
	fake->script.fail_op = 'R';
	fake->script.fail_nr = 2;
	fake->script.fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), -EIO);
	KUNIT_EXPECT_EQ(test, holders(fake), 1);
	fake->script.fail_op = 'C';
	fake->script.fail_nr = 3;
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), -EBUSY);
	KUNIT_EXPECT_EQ(test, holders(fake), 1);
	fake->script.fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_EQ(test, holders(fake), 0);
	luo_session_close(a);
}

/* finish() of file 3 asks for file 1, which nobody has retrieved */
static void finish_asks_for_a_file(struct liveupdate_file_op_args *args)
{
	struct luo_script *script = container_of(args->handler, struct luo_script, fh);
	struct file *file;

	if (args->serialized_data != 3)
		return;
	script->want_err = liveupdate_get_file_incoming(args->session, 1, &file);
	if (!script->want_err)
		fput(file);
}

static void finish_may_retrieve_another(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	for (unsigned int nr = 1; nr <= 3; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, nr), 0);
	fake = luo_fake_kexec(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	fake->script.ops.finish = finish_asks_for_a_file;
	fake->script.want_err = -1;
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_EQ(test, fake->script.want_err, 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "C1 C2 C3 R1");
	KUNIT_EXPECT_EQ(test, holders(fake), 0);
	luo_session_close(a);
}

static void unregistering_in_use_warns(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	kunit_warning_suppress(test) {
		luo_handler_unregister(fake->luo, &fake->script.fh);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
	luo_session_close(a);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 U1");
	kunit_warning_suppress(test) {
		luo_handler_unregister(fake->luo, &fake->script.fh);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);
	}
}

static void files_hold_the_module(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct module *mod = luo_fake_module(test, MODULE_STATE_LIVE);

	fake->script.ops.owner = mod;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 1);
	mod->state = MODULE_STATE_GOING;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 2), -ENOENT);
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_fake_module_refs(mod), 0);
}

/* Older strings count less than one's own; among equals it is who came first */
static void best_reader_is_taken(struct kunit *test)
{
	static const char *const older[] = { "luo-test-v1", NULL };
	struct luo_fake *from = luo_fake_boot(test), *to = luo_fake_boot_bare(test);
	struct luo_script *third = &from->other;
	struct liveupdate_session *a = luo_fake_session(test, from, "a");

	for (unsigned int nr = 1; nr <= 2; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, nr), 0);
	KUNIT_ASSERT_EQ(test, luo_reboot(from->luo, true), 0);
	luo_fake_handover(from, to);
	luo_fake_start(test, to);

	luo_script_init(&to->other, "luo-test-v2", 1);
	to->other.fh.also_retrieves = older;
	luo_script_init(third, "luo-other-v1", 1);
	third->fh.also_retrieves = older;
	KUNIT_ASSERT_EQ(test, luo_handler_register(to->luo, &to->other.fh), 0);
	KUNIT_ASSERT_EQ(test, luo_handler_register(to->luo, &third->fh), 0);
	a = luo_fake_retrieved(test, to, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	KUNIT_EXPECT_STREQ(test, to->other.log, "R1");

	KUNIT_ASSERT_EQ(test, luo_handler_register(to->luo, &to->script.fh), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), 2);
	KUNIT_EXPECT_STREQ(test, to->script.log, "R2");
	KUNIT_EXPECT_STREQ(test, third->log, "");
	luo_session_close(a);
	luo_handler_unregister(to->luo, &third->fh);
}

static int retrieves_nothing(struct liveupdate_file_op_args *args)
{
	return 0;
}

static void handler_that_retrieves_no_file(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	fake = luo_fake_kexec(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	fake->script.ops.retrieve = retrieves_nothing;
	kunit_warning_suppress(test)
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EIO);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EIO);
}

static void *luo_left_over;

static int fails_with_private_data(struct liveupdate_file_op_args *args)
{
	args->private_data = args;
	return -EIO;
}

static void notes_private_data(struct liveupdate_file_op_args *args)
{
	luo_left_over = args->private_data;
}

static void failed_retrieve_leaves_no_private_data(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	fake = luo_fake_kexec(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	fake->script.ops.retrieve = fails_with_private_data;
	fake->script.ops.finish = notes_private_data;
	luo_left_over = fake;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EIO);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_NULL(test, luo_left_over);
	luo_session_close(a);
}

static void finish_lets_go_of_the_file(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct file *file;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	fake = luo_fake_kexec(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_ASSERT_EQ(test, luo_session_retrieve_file(a, 1, &file), 0);
	KUNIT_EXPECT_EQ(test, file_count(file), 2);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_EQ(test, file_count(file), 1);
	fput(file);
	luo_session_close(a);
}

/* Whoever looks for a file's handler has a reference for a moment: no mistake of the driver. */
static void unregistering_while_looked_at_is_no_mistake(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct file *file = luo_script_file(test, 1, 1);
	struct luo_handler *handler = luo_handler_for_file(fake->luo, file);

	KUNIT_ASSERT_NOT_NULL(test, handler);
	kunit_warning_suppress(test) {
		luo_handler_unregister(fake->luo, &fake->script.fh);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->luo->handlers));
	luo_handler_put(handler);
}

/* Live update is switched off if it cannot be set up; a module that registered may go. */
static void unregistering_works_when_switched_off(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script_flb *flb = &fake->flb[0];

	luo_fake_link(fake, &fake->script, flb);
	fake->luo->enabled = false;
	kunit_warning_suppress(test) {
		luo_handler_remove_flb(fake->luo, &fake->script.fh, &flb->flb);
		KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);
		luo_handler_unregister(fake->luo, &fake->script.fh);
		KUNIT_EXPECT_TRUE(test, list_empty(&fake->luo->handlers));
		/* What did nothing is undone by doing nothing. */
		luo_handler_remove_flb(fake->luo, &fake->script.fh, &flb->flb);
		luo_handler_unregister(fake->luo, &fake->script.fh);
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 0);
	}
	fake->luo->enabled = true;
}

static struct kunit_case luo_handler_cases[] = {
	KUNIT_CASE(files_hold_their_handler),
	KUNIT_CASE(finish_may_retrieve_another),
	KUNIT_CASE(unregistering_in_use_warns),
	KUNIT_CASE(files_hold_the_module),
	KUNIT_CASE(best_reader_is_taken),
	KUNIT_CASE(handler_that_retrieves_no_file),
	KUNIT_CASE(failed_retrieve_leaves_no_private_data),
	KUNIT_CASE(finish_lets_go_of_the_file),
	KUNIT_CASE(unregistering_while_looked_at_is_no_mistake),
	KUNIT_CASE(unregistering_works_when_switched_off),
	{}
};

static struct kunit_suite luo_handler_suite = {
	.name = "luo_handler",
	.test_cases = luo_handler_cases,
};

kunit_test_suite(luo_handler_suite);
