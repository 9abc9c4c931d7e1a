// SPDX-License-Identifier: GPL-2.0
/* Sessions: names, sides, the gate, and the memory that is reserved for them */
#include "luo_fake.h"

#define NAME_63 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static void names_are_unique_on_a_side(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a, *other;

	a = luo_fake_session(test, fake, "a");
	luo_fake_session(test, fake, NAME_63);
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), -EEXIST);
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, NAME_63, &other), -EEXIST);

	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), 0);
}

static void session_memory_comes_and_goes(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	unsigned long before = fake->store.nr_out;
	struct liveupdate_session **session;
	char name[16];
	int i;

	session = kunit_kmalloc_array(test, 1000, sizeof(*session), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, session);
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		session[i] = luo_fake_session(test, fake, name);
	}
	/* In pages of 4 KiB 51 sessions or 1,020 checksums fit a block */
	KUNIT_EXPECT_EQ(test, fake->store.nr_out - before,
			DIV_ROUND_UP(1000, luo_wire_per_block(sizeof(struct luo_session_ser))) + 1);
	if (PAGE_SIZE == 4096)
		KUNIT_EXPECT_EQ(test, fake->store.nr_out - before, DIV_ROUND_UP(1000, 51) + 1);
	for (i = 0; i < 1000; i++)
		luo_session_close(session[i]);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, before);
}

static void create_without_memory_changes_nothing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	unsigned long before = fake->store.nr_out;
	struct liveupdate_session *session;
	unsigned int nth;
	int err = -ENOMEM;

	for (nth = 1; err && nth < 10; nth++) {
		fake->store.fail_at = nth;
		err = luo_session_create(fake->luo, "a", &session);
		if (err) {
			KUNIT_EXPECT_EQ(test, err, -ENOMEM);
			KUNIT_EXPECT_EQ(test, fake->store.nr_out, before);
		}
	}
	fake->store.fail_at = 0;
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, nth, 4);	/* two allocations, each seen to fail */
}

static void calls_fit_a_side(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *out = luo_fake_session(test, fake, "out"), *in;
	u64 token;

	KUNIT_EXPECT_EQ(test, luo_session_finish(out), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_fake_get(out, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(out), -EINVAL);

	fake = luo_fake_kexec(test, fake);
	in = luo_fake_retrieved(test, fake, "out");
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, in, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(in, &token), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(in), -EINVAL);
}

static void frozen_session_is_closed_to_files(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	u64 token;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), 0);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), -EALREADY);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(session), 0);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(session), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), 0);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 F1 T1 P2");

	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), 0);
	luo_session_close(session);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 F1 T1 P2 F1 F2 T2 T1 U2 U1");
}

static void shut_gate_refuses(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a"), *other;
	struct luo_gate *gate = &fake->luo->gate;
	u64 token;

	KUNIT_ASSERT_EQ(test, luo_gate_close(gate), 0);
	KUNIT_EXPECT_EQ(test, luo_gate_close(gate), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "b", &other), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "b", false, &other), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_fake_get(session, 1), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(session), -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), -EBUSY);
	luo_gate_open(gate);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 1), 0);
}

static void close_is_made_up_for(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a"), *other;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_gate_close(&fake->luo->gate), 0);
	luo_session_close(session);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1");
	luo_gate_open(&fake->luo->gate);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 U1");
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), 0);
}

static void close_after_the_reboot_goes_with_it(struct kunit *test)
{
	struct luo_fake *a = luo_fake_boot(test), *b = luo_fake_boot_bare(test);
	struct liveupdate_session *session = luo_fake_session(test, a, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_ASSERT_EQ(test, luo_reboot(a->luo, true), 0);
	luo_session_close(session);
	KUNIT_EXPECT_STREQ(test, a->script.log, "P1 F1");	/* no U1 */

	luo_fake_handover(a, b);
	luo_fake_start(test, b);
	KUNIT_ASSERT_EQ(test, luo_handler_register(b->luo, &b->script.fh), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_get(luo_fake_retrieved(test, b, "a"), 1), 1);
}

/* A session with one file, handed over, retrieved and finished */
static struct liveupdate_session *finished(struct kunit *test, struct luo_fake **fake)
{
	struct luo_fake *from = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, from, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	*fake = luo_fake_kexec(test, from);
	session = luo_fake_retrieved(test, *fake, "a");
	KUNIT_ASSERT_EQ(test, luo_session_finish(session), 0);
	KUNIT_EXPECT_TRUE(test, luo_fake_is_finished(session));
	return session;
}

static void finished_session_serves_the_next_update(struct kunit *test)
{
	struct liveupdate_session *session, *other;
	struct luo_fake *fake;

	session = finished(test, &fake);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), 0);
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), -EEXIST);

	fake = luo_fake_kexec(test, fake);
	session = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(session, 1), -ENOENT);
	KUNIT_EXPECT_EQ(test, luo_fake_get(session, 2), 2);
}

/* As long as it is, and no longer: whoever creates a session may have to undo that. */
static void finished_session_is_stale_while_its_name_is_taken(struct kunit *test)
{
	struct liveupdate_session *session, *other;
	struct luo_fake *fake;
	u64 token;

	session = finished(test, &fake);
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), 0);
	KUNIT_EXPECT_TRUE(test, luo_session_is_stale(session));
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(session), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_session_finish(session), -EINVAL);
	KUNIT_EXPECT_STREQ(test, luo_session_name(session), "a");

	/* What the ioctl does if its answer cannot be delivered */
	luo_session_close(other);
	KUNIT_EXPECT_FALSE(test, luo_session_is_stale(session));
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), 0);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(session), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), 0);
}

static void session_finishes_stale_if_its_name_is_taken(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *in, *out;

	luo_fake_session(test, fake, "a");
	fake = luo_fake_kexec(test, fake);
	in = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &out), 0);
	KUNIT_EXPECT_EQ(test, luo_session_finish(in), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, in, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, out, 1), 0);
	luo_session_close(in);
}

static void finished_session_without_files_is_not_handed_over(struct kunit *test)
{
	struct liveupdate_session *session, *other;
	struct luo_fake *fake, *next;

	session = finished(test, &fake);
	fake->script.fail_op = 'P';
	fake->script.fail_nr = 2;
	fake->script.fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 2), -EIO);
	KUNIT_EXPECT_TRUE(test, luo_fake_is_finished(session));

	next = luo_fake_kexec(test, fake);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(next->luo, "a", false, &other), -ENOENT);
	luo_session_close(session);
}

static void reactivating_without_memory_changes_nothing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session, *other;

	luo_fake_session(test, fake, "a");
	fake = luo_fake_kexec(test, fake);
	session = luo_fake_retrieved(test, fake, "a");
	KUNIT_ASSERT_EQ(test, luo_session_finish(session), 0);
	fake->store.fail_at = 1;
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 1), -ENOMEM);
	KUNIT_EXPECT_TRUE(test, luo_fake_is_finished(session));

	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 1), -EINVAL);
	luo_session_close(session);
}

static void name_taken_reserves_nothing(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *other;

	luo_fake_session(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &other), -EEXIST);
	KUNIT_EXPECT_EQ(test, fake->luo->session_chain.nr_entries, 1);
	KUNIT_EXPECT_EQ(test, fake->luo->crc_chain.nr_entries, 1);
}

static void thawed_files_are_not_thawed_again(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");
	u64 token;

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(session, &token), 0);
	KUNIT_EXPECT_EQ(test, luo_session_thaw(session), 0);
	luo_session_close(session);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "P1 F1 T1 U1");
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->luo->tokens.nelems), 0);
}

static void closing_gives_the_memory_back(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *a = luo_fake_session(test, fake, "a");

	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, 1), 0);
	fake = luo_fake_kexec(test, fake);
	luo_session_close(luo_fake_retrieved(test, fake, "a"));
	KUNIT_EXPECT_STREQ(test, fake->script.log, "C1 D1");
	luo_fake_expect_freed(test, fake);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->luo->tokens.nelems), 0);
}

static struct kunit_case luo_session_cases[] = {
	KUNIT_CASE(names_are_unique_on_a_side),
	KUNIT_CASE(session_memory_comes_and_goes),
	KUNIT_CASE(create_without_memory_changes_nothing),
	KUNIT_CASE(calls_fit_a_side),
	KUNIT_CASE(frozen_session_is_closed_to_files),
	KUNIT_CASE(shut_gate_refuses),
	KUNIT_CASE(close_is_made_up_for),
	KUNIT_CASE(close_after_the_reboot_goes_with_it),
	KUNIT_CASE(finished_session_serves_the_next_update),
	KUNIT_CASE(finished_session_is_stale_while_its_name_is_taken),
	KUNIT_CASE(session_finishes_stale_if_its_name_is_taken),
	KUNIT_CASE(finished_session_without_files_is_not_handed_over),
	KUNIT_CASE(reactivating_without_memory_changes_nothing),
	KUNIT_CASE(name_taken_reserves_nothing),
	KUNIT_CASE(thawed_files_are_not_thawed_again),
	KUNIT_CASE(closing_gives_the_memory_back),
	{}
};

static struct kunit_suite luo_session_suite = {
	.name = "luo_session",
	.test_cases = luo_session_cases,
};

kunit_test_suite(luo_session_suite);
