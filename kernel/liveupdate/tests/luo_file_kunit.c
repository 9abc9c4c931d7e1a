// SPDX-License-Identifier: GPL-2.0
/* Files on their way out, and the registry of handlers */
#include <linux/file.h>
#include <linux/fs.h>

#include "luo_fake.h"

static void files_are_given_up_in_reverse(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	unsigned long before = fake->store.nr_out;

	for (unsigned int nr = 1; nr <= 3; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, nr), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fake->luo->nr_preserved), 3);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, before + 1);
	luo_session_close(session);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 P2 P3 U3 U2 U1");
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fake->luo->nr_preserved), 0);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, before - 2);	/* nor the session's own */
}

static void token_and_object_are_taken_once(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");
	struct file *one = luo_script_file(test, 1, 1), *two = luo_script_file(test, 1, 2);

	KUNIT_EXPECT_EQ(test, luo_session_preserve(a, one, 0), 0);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(a, two, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(a, one, U64_MAX), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(b, one, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(b, two, 0), 0);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(b, luo_script_file(test, 9, 3), 3), -ENOENT);

	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(b, one, 1), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 P2 U1 P1");
}

static void preserve_that_fails_leaves_nothing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	unsigned long before = fake->store.nr_out;
	struct file *file = luo_script_file(test, 1, 1);
	long refs = file_count(file);

	fake->store.fail_at = 1;
	KUNIT_EXPECT_EQ(test, luo_session_preserve(session, file, 1), -ENOMEM);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "");

	fake->script.fail_op = 'P';
	fake->script.fail_nr = 1;
	fake->script.fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_session_preserve(session, file, 1), -EIO);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, before);
	KUNIT_EXPECT_EQ(test, file_count(file), refs);

	fake->script.fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_session_preserve(session, file, 1), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 P1");
}

static void freeze_that_fails_thaws_in_reverse(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	u64 token = 0;

	for (unsigned int nr = 1; nr <= 3; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, nr), 0);
	fake->script.fail_op = 'F';
	fake->script.fail_nr = 3;
	fake->script.fail_with = -ENOSPC;
	fake->script.log[0] = 0;
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), -ENOSPC);
	KUNIT_EXPECT_EQ(test, token, 3);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "F1 F2 F3 T2 T1");
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 4), 0);
}

static void optional_ops_may_be_missing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	u64 token;

	fake->script.ops.freeze = NULL;
	fake->script.ops.unfreeze = NULL;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), 0);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(session), 0);

	fake = luo_fake_kexec(test, fake);
	fake->script.ops.can_finish = NULL;
	session = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "D1");
	luo_session_close(session);
}

static void token_of_a_file_in_the_same_session(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");
	struct file *file = luo_script_file(test, 1, 1);
	u64 token = 0;

	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(a, file, &token), -ENOENT);
	KUNIT_ASSERT_EQ(test, luo_session_preserve(a, file, 77), 0);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(a, file, &token), 0);
	KUNIT_EXPECT_EQ(test, token, 77);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(a, file, NULL), 0);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(b, file, &token), -ENOENT);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(a, luo_script_file(test, 9, 1), NULL),
			-ENOENT);
	KUNIT_EXPECT_STREQ(test, liveupdate_session_name(a), "a");
}

static unsigned long same_object(struct file *file)
{
	return 4711;
}

static void files_are_compared_by_object(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	u64 token;

	fake->script.ops.get_id = same_object;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(session, luo_script_file(test, 1, 3),
							    &token), 0);
	KUNIT_EXPECT_EQ(test, token, 1);
}

static void registering_is_checked(struct kunit *test)
{
	static const char *const older[] = { "luo-test-v0", "with blank", NULL };
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script *other = &fake->other;

	luo_script_init(other, "luo-test-v1", 2);
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), -EEXIST);

	luo_script_init(other, "", 2);
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), -EINVAL);
	memset((char *)other->fh.compatible, 'x', sizeof(other->fh.compatible));
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), -EINVAL);

	luo_script_init(other, "luo-other-v1", 2);
	other->fh.also_retrieves = older;
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), -EINVAL);
	other->fh.also_retrieves = NULL;
	other->ops.finish = NULL;
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), -EINVAL);

	luo_script_init(other, "luo-other-v1", 2);
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), 0);
	luo_handler_unregister(fake->luo, &other->fh);
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), 0);
}

static void required_ops(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script *other = &fake->other;
	static const size_t op[] = {
		offsetof(struct liveupdate_file_ops, can_preserve),
		offsetof(struct liveupdate_file_ops, preserve),
		offsetof(struct liveupdate_file_ops, unpreserve),
		offsetof(struct liveupdate_file_ops, retrieve),
		offsetof(struct liveupdate_file_ops, finish),
	};

	for (int i = 0; i < ARRAY_SIZE(op); i++) {
		luo_script_init(other, "luo-other-v1", 2);
		*(void **)((void *)&other->ops + op[i]) = NULL;
		KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &other->fh), -EINVAL);
	}
}

static void registering_is_nothing_when_off(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot_bare(test);

	luo_fake_start(test, fake);
	fake->luo->enabled = false;
	KUNIT_EXPECT_EQ(test, luo_handler_register(fake->luo, &fake->script.fh), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->luo->handlers));
	luo_handler_unregister(fake->luo, &fake->script.fh);
}

static void first_handler_that_takes_it(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct luo_script *other = &fake->other;
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");

	luo_script_init(other, "luo-other-v1", 1);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &other->fh), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	luo_session_close(session);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 U1");

	luo_handler_unregister(fake->luo, &fake->script.fh);
	session = luo_fake_session(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), 0);
	luo_session_close(session);
	KUNIT_EXPECT_STREQ(test, other->log, "P2 U2");
}

static void token_of_a_frozen_file(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	struct file *file = luo_script_file(test, 1, 1);
	u64 token;

	KUNIT_ASSERT_EQ(test, luo_session_preserve(session, file, 77), 0);
	KUNIT_ASSERT_EQ(test, luo_session_freeze(session, &token), 0);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(session, file, &token), 0);
	KUNIT_EXPECT_EQ(test, token, 77);
}

static int asks_for_its_own_token(struct liveupdate_file_op_args *args)
{
	return liveupdate_get_token_outgoing(args->session, args->file, NULL) == -ENOENT ? 0 : -EIO;
}

static void a_file_is_not_preserved_before_its_op_is_done(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);

	fake->script.ops.preserve = asks_for_its_own_token;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "a"), 1), 0);
}

static unsigned long same_number(struct file *file)
{
	return 4711;
}

/* Two handlers may come to the same number for different objects, or share a get_id(). */
static void numbers_of_another_get_id_are_other_objects(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	u64 token;

	luo_fake_other(fake);
	fake->script.ops.get_id = same_object;
	fake->other.ops.get_id = same_number;
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_EXPECT_EQ(test, liveupdate_get_token_outgoing(session, luo_script_file(test, 2, 2),
							    &token), -ENOENT);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(session, luo_script_file(test, 2, 2), 2), 0);
	fake->other.ops.get_id = same_object;
	KUNIT_EXPECT_EQ(test, luo_session_preserve(session, luo_script_file(test, 2, 3), 3),
			-EBUSY);
	fake->other.ops.get_id = same_number;
}

static struct kunit_case luo_file_cases[] = {
	KUNIT_CASE(files_are_given_up_in_reverse),
	KUNIT_CASE(token_and_object_are_taken_once),
	KUNIT_CASE(preserve_that_fails_leaves_nothing),
	KUNIT_CASE(freeze_that_fails_thaws_in_reverse),
	KUNIT_CASE(optional_ops_may_be_missing),
	KUNIT_CASE(token_of_a_file_in_the_same_session),
	KUNIT_CASE(files_are_compared_by_object),
	KUNIT_CASE(numbers_of_another_get_id_are_other_objects),
	KUNIT_CASE(registering_is_checked),
	KUNIT_CASE(required_ops),
	KUNIT_CASE(registering_is_nothing_when_off),
	KUNIT_CASE(first_handler_that_takes_it),
	KUNIT_CASE(token_of_a_frozen_file),
	KUNIT_CASE(a_file_is_not_preserved_before_its_op_is_done),
	{}
};

static struct kunit_suite luo_file_suite = {
	.name = "luo_file",
	.test_cases = luo_file_cases,
};

kunit_test_suite(luo_file_suite);
