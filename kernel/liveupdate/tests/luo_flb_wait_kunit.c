// SPDX-License-Identifier: GPL-2.0
/* Two tasks and an FLB: who comes while an op is running waits, and is told what came of it */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "luo_fake.h"

/**
 * struct job - what a task does
 * @run: what
 * @fake: in which kernel
 * @flb: with which FLB, if it is one that does something with FLBs
 * @session: with which session, if not
 * @file: and which file
 * @ret: what came of it
 * @task: the task
 * @done: it has come to its end
 */
struct job {
	int (*run)(struct job *job);
	struct luo_fake *fake;
	struct luo_script_flb *flb;
	struct liveupdate_session *session;
	struct file *file;
	int ret;
	struct task_struct *task;
	struct completion done;
};

static int gets(struct job *job)
{
	return luo_fake_flb_in(job->flb);
}

static int preserves(struct job *job)
{
	return luo_session_preserve(job->session, job->file, 0);
}

static int closes(struct job *job)
{
	luo_session_close(job->session);
	return 0;
}

static int unregisters(struct job *job)
{
	luo_handler_remove_flb(job->fake->luo, &job->fake->script.fh, &job->flb->flb);
	return 0;
}

static int job_run(void *arg)
{
	struct job *job = arg;

	allow_signal(SIGKILL);
	job->ret = job->run(job);
	complete(&job->done);
	return 0;
}

static void job_start(struct kunit *test, struct job *job)
{
	init_completion(&job->done);
	job->ret = 1;
	job->task = kthread_run(job_run, job, "luo-job");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, job->task);
}

static void expect_done(struct kunit *test, struct job *job, int ret)
{
	wait_for_completion(&job->done);
	KUNIT_EXPECT_EQ(test, job->ret, ret);
}

static unsigned long waiting(struct luo *luo)
{
	guard(spinlock)(&luo->state_lock);
	return list_count_nodes(&luo->waiters);
}

static void expect_waiting(struct kunit *test, struct luo_fake *fake, unsigned long count)
{
	for (int i = 0; i < 1000 && waiting(fake->luo) != count; i++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, waiting(fake->luo), count);
}

struct hold {
	struct completion ready;
	struct completion go;
};

static void hold_up(struct luo_script_flb *flb, char op, struct hold *hold)
{
	init_completion(&hold->ready);
	init_completion(&hold->go);
	flb->ready = &hold->ready;
	flb->go = &hold->go;
	flb->hold_op = op;
}

/* The first job is in the op that is held up, the second waits for its op lock */
static void start_both(struct kunit *test, struct luo_fake *fake, struct hold *hold,
		       struct job *first, struct job *second)
{
	job_start(test, first);
	wait_for_completion(&hold->ready);
	job_start(test, second);
	expect_waiting(test, fake, 1);
}

/* -------------------------------------------------------------------- outgoing */

/* Sessions "a" and "b", a file for each, and an FLB */
static struct luo_fake *two_preservers(struct kunit *test, struct job *job)
{
	struct luo_fake *fake = luo_fake_boot(test);
	static const char *const name[] = { "a", "b" };

	luo_fake_flb(fake, 1);
	for (unsigned int i = 0; i < 2; i++) {
		job[i] = (struct job){ .run = preserves, .fake = fake };
		job[i].session = luo_fake_session(test, fake, name[i]);
		job[i].file = luo_script_file(test, 1, i + 1);
	}
	return fake;
}

static void second_preserve_waits(struct kunit *test)
{
	struct job job[2];
	struct luo_fake *fake = two_preservers(test, job);
	struct luo_script_flb *flb = &fake->flb[0];
	struct hold hold;

	hold_up(flb, 'p', &hold);
	start_both(test, fake, &hold, &job[0], &job[1]);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -ENOENT);
	complete(&hold.go);
	for (int i = 0; i < 2; i++)
		expect_done(test, &job[i], 0);
	KUNIT_EXPECT_EQ(test, flb->calls, 1);
	luo_session_close(job[0].session);
	luo_session_close(job[1].session);
	KUNIT_EXPECT_EQ(test, flb->calls, 2);
}

static void second_preserve_tries_itself(struct kunit *test)
{
	struct job job[2];
	struct luo_fake *fake = two_preservers(test, job);
	struct luo_script_flb *flb = &fake->flb[0];
	struct hold hold;

	hold_up(flb, 'p', &hold);
	flb->fail_op = 'p';
	flb->fail_with = -EIO;
	start_both(test, fake, &hold, &job[0], &job[1]);
	complete(&hold.go);
	expect_done(test, &job[0], -EIO);
	wait_for_completion(&hold.ready);
	flb->fail_op = 0;
	complete(&hold.go);
	expect_done(test, &job[1], 0);
	luo_fake_expect_log(fake, "p1 p1 P2");
	luo_session_close(job[1].session);
}

static void preserve_waits_for_unpreserve(struct kunit *test)
{
	struct job job[2];
	struct luo_fake *fake = two_preservers(test, job);
	struct luo_script_flb *flb = &fake->flb[0];
	struct hold hold;

	KUNIT_ASSERT_EQ(test, preserves(&job[0]), 0);
	job[0].run = closes;
	hold_up(flb, 'u', &hold);
	start_both(test, fake, &hold, &job[0], &job[1]);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_out(flb), -ENOENT);
	complete(&hold.go);
	for (int i = 0; i < 2; i++)
		expect_done(test, &job[i], 0);
	luo_fake_expect_log(fake, "p1 P1 U1 u1 p1 P2");
	flb->hold_op = 0;
}

static void waiting_to_preserve_ends_if_killed(struct kunit *test)
{
	struct job job[2];
	struct luo_fake *fake = two_preservers(test, job);
	struct hold hold;

	hold_up(&fake->flb[0], 'p', &hold);
	start_both(test, fake, &hold, &job[0], &job[1]);
	send_sig(SIGKILL, job[1].task, 1);
	expect_done(test, &job[1], -EINTR);
	complete(&hold.go);
	expect_done(test, &job[0], 0);
	luo_fake_expect_log(fake, "p1 P1");
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fake->luo->nr_preserved), 1);
}

/* Its files depend on it no more, but one that is on its way does */
static void unregistering_waits_for_preserve(struct kunit *test)
{
	struct job job[2];
	struct luo_fake *fake = two_preservers(test, job);
	struct luo_script_flb *flb = &fake->flb[0];
	struct hold hold;

	flb->fail_op = 'p';
	flb->fail_with = -EIO;
	hold_up(flb, 'p', &hold);
	job[1].run = unregisters;
	job[1].flb = flb;
	start_both(test, fake, &hold, &job[0], &job[1]);
	complete(&hold.go);
	expect_done(test, &job[0], -EIO);
	expect_done(test, &job[1], 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->luo->flbs));
	KUNIT_EXPECT_EQ(test, preserves(&job[0]), 0);
	luo_fake_expect_log(fake, "p1 P1");
}

/* Whoever waits for its op lock finds that there is nothing to depend on any more */
static void unregistered_while_waiting_to_preserve(struct kunit *test)
{
	struct job job[3];
	struct luo_fake *fake = two_preservers(test, job);
	struct luo_script_flb *flb = &fake->flb[0];
	struct hold hold;

	flb->fail_op = 'p';
	flb->fail_with = -EIO;
	hold_up(flb, 'p', &hold);
	start_both(test, fake, &hold, &job[0], &job[1]);
	job[2] = (struct job){ .run = unregisters, .fake = fake, .flb = flb };
	job_start(test, &job[2]);
	expect_waiting(test, fake, 2);
	complete_all(&hold.go);
	expect_done(test, &job[0], -EIO);
	expect_done(test, &job[1], 0);
	expect_done(test, &job[2], 0);
	luo_fake_expect_log(fake, "p1 P2");
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->luo->flbs));
}

/* -------------------------------------------------------------------- incoming */

static void second_get_waits(struct kunit *test)
{
	static const int errs[] = { 0, -EIO };
	struct luo_script_flb *flb;
	struct luo_fake *fake;
	struct job job[2];
	struct hold hold;

	for (int i = 0; i < ARRAY_SIZE(errs); i++) {
		fake = luo_fake_with_flbs(test, 1, 1);
		flb = &fake->flb[0];
		for (int n = 0; n < 2; n++)
			job[n] = (struct job){ .run = gets, .fake = fake, .flb = flb };
		hold_up(flb, 'r', &hold);
		flb->fail_op = errs[i] ? 'r' : 0;
		flb->fail_with = errs[i];
		start_both(test, fake, &hold, &job[0], &job[1]);
		complete(&hold.go);
		for (int n = 0; n < 2; n++)
			expect_done(test, &job[n], errs[i]);
		luo_fake_expect_log(fake, "r1");
	}
}

static void get_waits_for_finish(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];
	struct job job[2] = {
		{ .run = closes, .fake = fake },
		{ .run = gets, .fake = fake, .flb = flb },
	};
	struct hold hold;

	luo_fake_finish(fake, "b");
	job[0].session = luo_fake_retrieved(test, fake, "a");
	hold_up(flb, 'd', &hold);
	start_both(test, fake, &hold, &job[0], &job[1]);
	complete(&hold.go);
	expect_done(test, &job[0], 0);
	expect_done(test, &job[1], -ENODATA);
	luo_fake_expect_log(fake, "C2 D2 C1 D1 r1 d1");
}

/* The last file is finished while the object is being retrieved for somebody */
static void finish_waits_for_retrieve(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];
	struct job job[2] = {
		{ .run = gets, .fake = fake, .flb = flb },
		{ .run = closes, .fake = fake },
	};
	struct hold hold;

	luo_fake_finish(fake, "b");
	job[1].session = luo_fake_retrieved(test, fake, "a");
	hold_up(flb, 'r', &hold);
	start_both(test, fake, &hold, &job[0], &job[1]);
	complete(&hold.go);
	for (int i = 0; i < 2; i++)
		expect_done(test, &job[i], 0);
	luo_fake_expect_log(fake, "C2 D2 r1 C1 D1 d1");
}

static void unregistering_waits_for_retrieve(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 1);
	struct luo_script_flb *flb = &fake->flb[0];
	struct job job[2] = {
		{ .run = gets, .fake = fake, .flb = flb },
		{ .run = unregisters, .fake = fake, .flb = flb },
	};
	struct hold hold;

	hold_up(flb, 'r', &hold);
	flb->fail_op = 'r';
	flb->fail_with = -EIO;
	start_both(test, fake, &hold, &job[0], &job[1]);
	complete(&hold.go);
	expect_done(test, &job[0], -EIO);
	expect_done(test, &job[1], 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&fake->luo->flbs));
}

/* One is told that it would wait for itself, so that the other need not */
static void a_cycle_over_two_tasks(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_with_flbs(test, 1, 2);
	struct job job[2];
	struct hold hold;

	for (int i = 0; i < 2; i++) {
		job[i] = (struct job){ .run = gets, .fake = fake, .flb = &fake->flb[i] };
		fake->flb[i].ask_op = 'r';
		fake->flb[i].ask = &fake->flb[!i].flb;
		fake->flb[i].ask_incoming = true;
		fake->flb[i].ask_err = 1;
	}
	hold_up(&fake->flb[0], 'r', &hold);
	start_both(test, fake, &hold, &job[0], &job[1]);
	complete(&hold.go);
	for (int i = 0; i < 2; i++)
		expect_done(test, &job[i], 0);
	KUNIT_EXPECT_EQ(test, fake->flb[0].ask_err, -EDEADLK);
	KUNIT_EXPECT_EQ(test, fake->flb[1].ask_err, 0);
	luo_fake_expect_log(fake, "r1 r2");
}

static struct kunit_case luo_flb_wait_cases[] = {
	KUNIT_CASE(second_preserve_waits),
	KUNIT_CASE(second_preserve_tries_itself),
	KUNIT_CASE(preserve_waits_for_unpreserve),
	KUNIT_CASE(waiting_to_preserve_ends_if_killed),
	KUNIT_CASE(unregistering_waits_for_preserve),
	KUNIT_CASE(unregistered_while_waiting_to_preserve),
	KUNIT_CASE(second_get_waits),
	KUNIT_CASE(get_waits_for_finish),
	KUNIT_CASE(finish_waits_for_retrieve),
	KUNIT_CASE(unregistering_waits_for_retrieve),
	KUNIT_CASE(a_cycle_over_two_tasks),
	{}
};

static struct kunit_suite luo_flb_wait_suite = {
	.name = "luo_flb_wait",
	.test_cases = luo_flb_wait_cases,
};

kunit_test_suite(luo_flb_wait_suite);
