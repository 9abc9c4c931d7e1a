// SPDX-License-Identifier: GPL-2.0
/* From one kernel to the next: two instances and a fake store in between */
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/kthread.h>

#include "luo_fake.h"

/* Sessions "a" with files 1, 2, 3 and "b" with file 4 */
static struct luo_fake *two_sessions(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");

	for (unsigned int nr = 1; nr <= 4; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, nr < 4 ? a : b, nr), 0);
	fake->script.log[0] = 0;
	return fake;
}

static void there_and_finished(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *b = luo_fake_retrieved(test, fake, "b");
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 3), 3);
	KUNIT_EXPECT_EQ(test, luo_fake_get(b, 4), 4);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), 2);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 4), -ENOENT);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R3 R4 R1 R2 C1 C2 C3 D3 D2 D1");
	KUNIT_EXPECT_GT(test, fake->script.status, 0);
	KUNIT_EXPECT_GT(test, fake->store.nr_in, 0);
	KUNIT_EXPECT_EQ(test, luo_session_finish(b), 0);
	luo_fake_expect_freed(test, fake);
	luo_session_close(a);
	luo_session_close(b);
}

static void finish_without_retrieving(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), 2);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R2 C1 C2 C3 D3 D2 D1");
	KUNIT_EXPECT_EQ(test, fake->script.status, 0);
	luo_session_close(a);
}

static void session_is_retrieved_once(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a"), *other;

	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &other), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "c", false, &other), -ENOENT);
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), 0);
	luo_session_close(a);	/* finishes */
	KUNIT_EXPECT_STREQ(test, fake->script.log, "C1 C2 C3 D3 D2 D1");
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &other), -ENOENT);
}

static void close_parks_what_cannot_finish(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	fake->script.fail_op = 'C';
	fake->script.fail_nr = 2;
	fake->script.fail_with = -EBUSY;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), -EBUSY);
	luo_session_close(a);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1 C1 C2 C1 C2");

	fake->script.fail_op = 0;
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1 C1 C2 C1 C2 C1 C2 C3 D3 D2 D1");
	luo_session_close(a);
}

static void keep_parks_at_every_close(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a;

	for (int i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, luo_session_retrieve(fake->luo, "a", true, &a), 0);
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
		luo_session_close(a);
	}
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1");
	a = luo_fake_retrieved(test, fake, "a");
	luo_session_close(a);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1 C1 C2 C3 D3 D2 D1");
}

static void retrieved_object_is_not_preserved_again(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");
	struct liveupdate_session *next = luo_fake_session(test, fake, "next");
	struct file *file;

	KUNIT_ASSERT_EQ(test, luo_session_retrieve_file(a, 1, &file), 0);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(next, file, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_EQ(test, luo_session_preserve(next, file, 1), 0);
	fput(file);
	luo_session_close(a);
}

static void failed_retrieve_is_final(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	fake->script.fail_op = 'R';
	fake->script.fail_nr = 3;
	fake->script.fail_with = -ENOMEM;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 3), -ENOMEM);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 3), -ENOMEM);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R3");
	fake->script.fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 3), -ENOMEM);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R3 C1 C2 C3 D3 D2 D1");
	luo_session_close(a);
}

static void failed_retrieve_may_be_promised_to_be_harmless(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");
	static const int again[] = { -ENOMEM, -EINTR, -EACCES, -ENFILE, -ENODEV };
	static const int final[] = { -EIO, -EUCLEAN, -EOPNOTSUPP };

	fake->script.ops.retrieve_retry = true;
	fake->script.fail_op = 'R';
	fake->script.fail_nr = 3;
	for (int i = 0; i < ARRAY_SIZE(again); i++) {
		fake->script.fail_with = again[i];
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, 3), again[i]);
	}
	fake->script.fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 3), 3);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R3 R3 R3 R3 R3 R3");

	for (int i = 0; i < ARRAY_SIZE(final); i++) {
		fake = luo_fake_kexec(test, two_sessions(test));
		a = luo_fake_retrieved(test, fake, "a");
		fake->script.ops.retrieve_retry = true;
		fake->script.fail_op = 'R';
		fake->script.fail_nr = 2;
		fake->script.fail_with = final[i];
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), final[i]);
		fake->script.fail_op = 0;
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), final[i]);
	}
}

/* The string that the next kernel's handler knows, and what that makes of the files */
static const struct string_case {
	const char *name;
	const char *own;
	const char *older;
	int err;
} string_cases[] = {
	{ "same", "luo-test-v1", NULL, 0 },
	{ "newer_that_reads_it", "luo-test-v2", "luo-test-v1", 0 },
	{ "newer_that_does_not", "luo-test-v2", NULL, -EPROTONOSUPPORT },
	{ "newer_in_the_other_spelling", "luo-test_v2", NULL, -EPROTONOSUPPORT },
	{ "another_family", "luo-other-v1", NULL, -ENODEV },
	{ "another_family_that_reads_it", "luo-other-v1", "luo-test-v1", 0 },
};

KUNIT_ARRAY_PARAM_DESC(string, string_cases, name);

static void files_find_their_handler(struct kunit *test)
{
	const struct string_case *param = test->param_value;
	const char *const older[] = { param->older, NULL };
	struct luo_fake *from = two_sessions(test), *to = luo_fake_boot_bare(test);
	struct liveupdate_session *a;

	KUNIT_ASSERT_EQ(test, luo_reboot(from->luo, true), 0);
	luo_fake_handover(from, to);
	luo_fake_start(test, to);
	a = luo_fake_retrieved(test, to, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENODEV);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), -EBUSY);

	/* Its module comes late */
	luo_script_init(&to->other, param->own, 1);
	to->other.fh.also_retrieves = older;
	KUNIT_ASSERT_EQ(test, luo_handler_register(to->luo, &to->other.fh), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), param->err ?: 1);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), param->err ? -EBUSY : 0);
	luo_session_close(a);
	luo_handler_unregister(to->luo, &to->other.fh);
}

static void one_unknown_file_spoils_no_other(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	luo_script_init(&fake->other, "luo-other-v1", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->other.fh), 0);
	KUNIT_ASSERT_EQ(test, luo_session_preserve(a, luo_script_file(test, 2, 1), 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);

	fake = luo_fake_kexec(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENODEV);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), 2);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), 2);

	luo_script_init(&fake->other, "luo-other-v1", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->other.fh), 0);
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_STREQ(test, fake->other.log, "C1 D1");
	luo_session_close(a);
}

static void freeze_fails_everywhere_in_turn(struct kunit *test)
{
	static const char *const log[] = {
		"F1", "F1 F2 T1", "F1 F2 F3 T2 T1", "F1 F2 F3 F4 T3 T2 T1",
	};
	struct luo_fake *fake = two_sessions(test);
	struct liveupdate_session *other;

	fake->script.fail_op = 'F';
	fake->script.fail_with = -EIO;
	for (int i = 0; i < ARRAY_SIZE(log); i++) {
		fake->script.fail_nr = i + 1;
		fake->script.log[0] = 0;
		KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), -EIO);
		KUNIT_EXPECT_STREQ(test, fake->script.log, log[i]);
		KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "c", &other), 0);
		luo_session_close(other);
	}
	fake->script.fail_op = 0;
	fake = luo_fake_kexec(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_get(luo_fake_retrieved(test, fake, "b"), 4), 4);
}

static void what_a_program_froze_stays_frozen(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_session *b = luo_fake_session(test, fake, "b");
	u64 token;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, b, 2), 0);
	KUNIT_ASSERT_EQ(test, luo_session_freeze(a, &token), 0);
	fake->script.fail_op = 'F';
	fake->script.fail_nr = 2;
	fake->script.fail_with = -EIO;
	fake->script.log[0] = 0;
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), -EIO);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "F2");
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 3), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, b, 3), 0);
}

static void image_without_handover(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, false), 0);
	luo_outgoing_thaw(fake->luo);
	luo_gate_open(&fake->luo->gate);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, false), -EOPNOTSUPP);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1");
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 2), 0);
}

static void no_room_to_start_in(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	fake->store.no_room = -ENOSPC;
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fake->luo->refusal.err, -ENOSPC);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1");

	/* An image that is handed nothing over finds all of memory. */
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, false), -EOPNOTSUPP);
	fake->store.no_room = 0;
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 F1");
}

static void chains_span_blocks(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session;
	char name[16];
	int i;

	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		session = luo_fake_session(test, fake, name);
	}
	for (i = 0; i < 200; i++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, i), 0);

	fake = luo_fake_kexec(test, fake);
	for (i = 0; i < 199; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		luo_session_close(luo_fake_retrieved(test, fake, name));
	}
	session = luo_fake_retrieved(test, fake, "s199");
	for (i = 199; i >= 0; i--)
		KUNIT_EXPECT_EQ(test, luo_fake_get(session, i), i);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), 0);
	luo_fake_expect_freed(test, fake);
	luo_session_close(session);
}

static void liveupdates_are_counted(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);

	for (u64 n = 1; n <= 3; n++) {
		fake = luo_fake_kexec(test, fake);
		KUNIT_EXPECT_EQ(test, fake->luo->in.head.liveupdate_num, n);
	}
}

static void a_file_asks_for_another(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	fake->script.want = 3;
	fake->script.want_by = 1;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1 R3");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 3), 3);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1 R3");
}

static void a_file_asks_for_itself(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	fake->script.want = 1;
	fake->script.want_by = 1;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EDEADLK);
	KUNIT_EXPECT_EQ(test, fake->script.want_err, -EDEADLK);
}

/* File 1 of luo-test-v1 needs file 2, of luo-other-v1, whose handler @fake does not have yet */
static struct liveupdate_session *needs_another(struct kunit *test, struct luo_fake **fake)
{
	struct luo_fake *from = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, from, "a");

	luo_script_init(&from->other, "luo-other-v1", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(from->luo, &from->other.fh), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_session_preserve(a, luo_script_file(test, 2, 2), 2), 0);
	*fake = luo_fake_kexec(test, from);
	(*fake)->script.want = 2;
	(*fake)->script.want_by = 1;
	return luo_fake_retrieved(test, *fake, "a");
}

static void what_a_file_needs_may_come_later(struct kunit *test)
{
	struct liveupdate_session *a;
	struct luo_fake *fake;

	a = needs_another(test, &fake);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENODEV);
	/* A module of the family, but not of that version */
	luo_script_init(&fake->other, "luo-other-v2", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->other.fh), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EPROTONOSUPPORT);
	luo_handler_unregister(fake->luo, &fake->other.fh);
	luo_script_init(&fake->other, "luo-other-v1", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->other.fh), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
}

/* That of the other one is final, so this one's is, too. */
static void what_a_file_needs_may_be_lost(struct kunit *test)
{
	struct liveupdate_session *a;
	struct luo_fake *fake;

	a = needs_another(test, &fake);
	luo_script_init(&fake->other, "luo-other-v1", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->other.fh), 0);
	fake->other.fail_op = 'R';
	fake->other.fail_nr = 2;
	fake->other.fail_with = -ENODEV;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENODEV);
	fake->other.fail_op = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 2), -ENODEV);
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENODEV);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1");
}

static struct luo_script_flb *flb_asked_for;

static int retrieve_asks_for_an_flb(struct liveupdate_file_op_args *args)
{
	return luo_fake_flb_in(flb_asked_for) ?: -EXDEV;
}

/* An FLB whose retrieve() has failed will fail for ever, whatever it has said. */
static void what_an_flb_says_for_good_is_final(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 2, 1);
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	flb_asked_for = &fake->flb[0];
	flb_asked_for->fail_op = 'r';
	flb_asked_for->fail_with = -ENOMEM;
	fake->script.ops.retrieve = retrieve_asks_for_an_flb;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENOMEM);
	flb_asked_for->fail_op = 0;
	fake->script.ops.retrieve = NULL;	/* not called again */
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENOMEM);
}

static void looking_validates_and_frees_nothing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, two_sessions(test));
	unsigned long before = fake->store.nr_in;
	struct liveupdate_session *a, *b;

	KUNIT_EXPECT_EQ(test, luo_incoming_state(fake->luo), 1);
	KUNIT_EXPECT_FALSE(test, fake->luo->in.sessions_read);
	KUNIT_EXPECT_FALSE(test, fake->luo->in.flbs_read);
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, before);

	a = luo_fake_retrieved(test, fake, "a");
	b = luo_fake_retrieved(test, fake, "b");
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_EQ(test, luo_incoming_state(fake->luo), 1);
	KUNIT_EXPECT_EQ(test, luo_session_finish(b), 0);
	KUNIT_EXPECT_EQ(test, luo_incoming_state(fake->luo), 0);
	luo_fake_expect_freed(test, fake);
	luo_session_close(a);
	luo_session_close(b);
}

static int positive(struct liveupdate_file_op_args *args)
{
	return 1;
}

/* Some architectures have warned once and for all even if that was suppressed. */
static void positive_answers_of_ops_are_errors(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct liveupdate_file_ops *ops = &fake->script.ops;
	const struct liveupdate_file_ops good = *ops;
	u64 token;

	kunit_warning_suppress(test) {
		ops->preserve = positive;
		KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, a, 1), -EUCLEAN);
		ops->preserve = good.preserve;
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
		ops->freeze = positive;
		KUNIT_EXPECT_EQ(test, luo_session_freeze(a, &token), -EUCLEAN);
		ops->freeze = good.freeze;

		fake = luo_fake_kexec(test, fake);
		a = luo_fake_retrieved(test, fake, "a");
		fake->script.ops.retrieve = positive;
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EUCLEAN);
		fake->script.ops.retrieve = good.retrieve;
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EUCLEAN);
	}
}

struct getter {
	struct liveupdate_session *session;
	u64 token;
	int ret;
	struct completion done;
};

static int getter_run(void *arg)
{
	struct getter *getter = arg;

	getter->ret = luo_fake_get(getter->session, getter->token);
	complete(&getter->done);
	return 0;
}

/* 1 asks for 2 while another task, which retrieves 2, asks for 1 */
static void a_cycle_over_two_tasks(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *fake;
	struct liveupdate_session *a = luo_fake_session(test, from, "a");
	struct completion ready, go;
	struct getter getter;

	luo_script_init(&from->other, "luo-other-v1", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(from->luo, &from->other.fh), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_session_preserve(a, luo_script_file(test, 2, 2), 2), 0);

	fake = luo_fake_kexec(test, from);
	luo_script_init(&fake->other, "luo-other-v1", 2);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->other.fh), 0);
	a = luo_fake_retrieved(test, fake, "a");

	init_completion(&ready);
	init_completion(&go);
	init_completion(&getter.done);
	fake->script.want = 2;
	fake->script.want_by = 1;
	fake->script.ready = &ready;
	fake->script.go = &go;
	fake->other.want = 1;
	fake->other.want_by = 2;
	getter.session = a;
	getter.token = 1;
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(getter_run, &getter, "luo-getter"));
	wait_for_completion(&ready);

	/* It holds 1 and will ask for 2: whoever comes second is told */
	complete(&go);
	luo_fake_get(a, 2);
	wait_for_completion(&getter.done);
	KUNIT_EXPECT_TRUE(test, fake->script.want_err == -EDEADLK ||
			  fake->other.want_err == -EDEADLK);
}

struct waiter {
	struct liveupdate_session *session;
	int ret;
	struct completion done;
};

static int waiter_run(void *arg)
{
	struct waiter *waiter = arg;

	waiter->ret = luo_fake_get(waiter->session, 1);
	complete(&waiter->done);
	return 0;
}

static void second_task_waits_for_the_first(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");
	struct completion ready, go;
	struct waiter waiter[2];

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 2), 0);
	fake = luo_fake_kexec(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	init_completion(&ready);
	init_completion(&go);
	fake->script.want = 2;
	fake->script.want_by = 1;
	fake->script.ready = &ready;
	fake->script.go = &go;
	for (int i = 0; i < 2; i++) {
		waiter[i].session = a;
		init_completion(&waiter[i].done);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(waiter_run, &waiter[i],
							       "luo-waiter"));
		if (!i)
			wait_for_completion(&ready);
	}
	luo_fake_expect_waiting(test, fake->luo, 1);
	complete(&go);
	for (int i = 0; i < 2; i++) {
		wait_for_completion(&waiter[i].done);
		KUNIT_EXPECT_EQ(test, waiter[i].ret, 1);
	}
	KUNIT_EXPECT_STREQ(test, fake->script.log, "R1 R2");
	KUNIT_EXPECT_EQ(test, luo_fake_nr_waiting(fake->luo), 0);
}

static struct kunit_case luo_handover_cases[] = {
	KUNIT_CASE(there_and_finished),
	KUNIT_CASE(finish_without_retrieving),
	KUNIT_CASE(session_is_retrieved_once),
	KUNIT_CASE(close_parks_what_cannot_finish),
	KUNIT_CASE(keep_parks_at_every_close),
	KUNIT_CASE(retrieved_object_is_not_preserved_again),
	KUNIT_CASE(failed_retrieve_is_final),
	KUNIT_CASE(failed_retrieve_may_be_promised_to_be_harmless),
	KUNIT_CASE_PARAM(files_find_their_handler, string_gen_params),
	KUNIT_CASE(one_unknown_file_spoils_no_other),
	KUNIT_CASE(freeze_fails_everywhere_in_turn),
	KUNIT_CASE(what_a_program_froze_stays_frozen),
	KUNIT_CASE(image_without_handover),
	KUNIT_CASE(no_room_to_start_in),
	KUNIT_CASE_SLOW(chains_span_blocks),
	KUNIT_CASE(liveupdates_are_counted),
	KUNIT_CASE(a_file_asks_for_another),
	KUNIT_CASE(a_file_asks_for_itself),
	KUNIT_CASE(what_a_file_needs_may_come_later),
	KUNIT_CASE(what_a_file_needs_may_be_lost),
	KUNIT_CASE(what_an_flb_says_for_good_is_final),
	KUNIT_CASE(looking_validates_and_frees_nothing),
	KUNIT_CASE(positive_answers_of_ops_are_errors),
	KUNIT_CASE(a_cycle_over_two_tasks),
	KUNIT_CASE(second_task_waits_for_the_first),
	{}
};

static struct kunit_suite luo_handover_suite = {
	.name = "luo_handover",
	.test_cases = luo_handover_cases,
};

kunit_test_suite(luo_handover_suite);
