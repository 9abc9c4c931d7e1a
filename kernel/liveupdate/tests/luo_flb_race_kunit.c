// SPDX-License-Identifier: GPL-2.0
/*
 * FLBs and several tasks, in two kernels: two whose order is given, and many at once. The FLBs
 * themselves note an op that comes twice, or while another one is running; the debug kernel
 * watches the locks.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>

#include "luo_fake.h"

/* -------------------------------------------- who comes while an op is running waits */

/**
 * struct job - what a task does
 * @run: what
 * @fake: in which kernel
 * @flb: with which FLB, if it is one that does something with FLBs
 * @session: with which session, if not
 * @file: and which file
 * @ret: what came of it
 * @task: the task
 * @done: completed when it has ended
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
	luo_fake_expect_waiting(test, fake->luo, 1);
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
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);
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
	luo_fake_expect_waiting(test, fake->luo, 2);
	complete_all(&hold.go);
	expect_done(test, &job[0], -EIO);
	expect_done(test, &job[1], 0);
	expect_done(test, &job[2], 0);
	luo_fake_expect_log(fake, "p1 P2");
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);
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
	KUNIT_EXPECT_EQ(test, luo_fake_nr_flbs(fake), 0);
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

/* ---------------------------------------------------------------------- many at once */

#define WORKERS		8
#define KERNELS		2
#define DURATION	msecs_to_jiffies(400)
#define CALLS		20

/**
 * struct worker - a task that does one thing over and over
 * @round: what; false: it is done with it
 * @fake: in which kernel
 * @nr: which worker it is there
 * @file: a file of its own
 * @rounds: how often it has done it
 * @wrong: how often it was told what cannot be
 * @start: when all are there
 * @done: it has stopped
 */
struct worker {
	bool (*round)(struct worker *worker);
	struct luo_fake *fake;
	unsigned int nr;
	struct file *file;
	unsigned long rounds;
	unsigned long wrong;
	struct completion *start;
	struct completion done;
};

static void expect(struct worker *worker, bool right)
{
	worker->wrong += !right;
}

/* On a slow machine it takes its time until the FLBs have come and gone a few times */
static bool enough(struct luo_fake *fake, unsigned long end)
{
	return (fake->flb[0].calls >= CALLS && fake->flb[1].calls >= CALLS) ||
		time_after(jiffies, end + 20 * DURATION);
}

static int worker_run(void *arg)
{
	struct worker *worker = arg;
	unsigned long end;

	wait_for_completion(worker->start);
	end = jiffies + DURATION;
	while (time_before(jiffies, end) || !enough(worker->fake, end)) {
		worker->rounds++;
		if (!worker->round(worker))
			break;
		cond_resched();
	}
	complete(&worker->done);
	return 0;
}

static void run_all(struct kunit *test, struct worker *workers, unsigned int count)
{
	DECLARE_COMPLETION_ONSTACK(start);

	for (unsigned int i = 0; i < count; i++) {
		struct task_struct *task;

		init_completion(&workers[i].done);
		workers[i].start = &start;
		task = kthread_run(worker_run, &workers[i], "luo-worker");
		if (IS_ERR(task)) {
			KUNIT_FAIL(test, "no worker %u", i);
			complete(&workers[i].done);
		}
	}
	complete_all(&start);
	for (unsigned int i = 0; i < count; i++) {
		wait_for_completion(&workers[i].done);
		KUNIT_EXPECT_GT(test, workers[i].rounds, 0);
		KUNIT_EXPECT_EQ_MSG(test, workers[i].wrong, 0, "worker %u", i);
	}
}

static struct worker *workers_of(struct kunit *test)
{
	struct worker *workers = kunit_kcalloc(test, KERNELS * WORKERS, sizeof(*workers),
					       GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, workers);
	return workers;
}

/* The second handler has no files; it comes and goes as a user of an FLB that has some */
static bool links(struct worker *worker)
{
	struct luo_fake *fake = worker->fake;
	struct luo_script_flb *flb = &fake->flb[worker->nr % 2];

	expect(worker, !luo_handler_add_flb(fake->luo, &fake->other.fh, &flb->flb));
	usleep_range(1, 50);
	luo_handler_remove_flb(fake->luo, &fake->other.fh, &flb->flb);
	return true;
}

/* -------------------------------------------------------------------- outgoing */

/* Longer than it was at work: so now and then there is no file at all */
static void rest(ktime_t since)
{
	s64 us = ktime_us_delta(ktime_get(), since);

	usleep_range(2 * us, 3 * us + 1);
}

static bool preserves_and_closes(struct worker *worker)
{
	struct liveupdate_session *session;
	ktime_t since = ktime_get();
	char name[16];
	int err;

	snprintf(name, sizeof(name), "w%u", worker->nr);
	err = luo_session_create(worker->fake->luo, name, &session);
	expect(worker, !err);
	if (err)
		return false;
	expect(worker, !luo_session_preserve(session, worker->file, 0));
	if (worker->rounds % 3 == 0)
		usleep_range(10, 50);
	luo_session_close(session);
	rest(since);
	return true;
}

static bool preserves_in_vain(struct worker *worker)
{
	struct liveupdate_session *session;
	ktime_t since = ktime_get();
	int err;

	err = luo_session_create(worker->fake->luo, "in vain", &session);
	expect(worker, !err);
	if (err)
		return false;
	expect(worker, luo_session_preserve(session, worker->file, 0) == -EIO);
	luo_session_close(session);
	rest(since);
	return true;
}

/* What is got stays until it is put */
static bool gets_outgoing(struct worker *worker)
{
	struct luo_script_flb *flb = &worker->fake->flb[worker->rounds % 2];
	struct luo *luo = worker->fake->luo;
	void *obj;
	int err;

	err = luo_flb_get_outgoing(luo, &flb->flb, &obj);
	expect(worker, !err || err == -ENOENT);
	if (!err) {
		expect(worker, obj == flb->obj && flb->out);
		usleep_range(1, 50);
		expect(worker, flb->out);
		luo_flb_put_outgoing(luo, &flb->flb);
	}
	usleep_range(1, 50);
	return true;
}

static bool (*const outgoing_rounds[WORKERS])(struct worker *worker) = {
	preserves_and_closes, preserves_and_closes, preserves_and_closes, preserves_and_closes,
	preserves_in_vain, gets_outgoing, gets_outgoing, links,
};

static void boot_for_outgoing(struct kunit *test, struct worker *workers)
{
	struct luo_fake *fake = luo_fake_boot(test);

	luo_fake_other(fake);
	for (unsigned int nr = 1; nr <= 2; nr++)
		luo_fake_flb(fake, nr)->delay = 20 * nr;
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i].fake = fake;
		workers[i].nr = i;
		workers[i].round = outgoing_rounds[i];
		workers[i].file = luo_script_file(test, 1, i);
	}
	fake->script.fail_op = 'P';
	fake->script.fail_nr = 4;	/* that of who preserves in vain */
	fake->script.fail_with = -EIO;
}

static void outgoing(struct kunit *test)
{
	struct worker *workers = workers_of(test);

	for (int kernel = 0; kernel < KERNELS; kernel++)
		boot_for_outgoing(test, workers + kernel * WORKERS);
	run_all(test, workers, KERNELS * WORKERS);

	for (int kernel = 0; kernel < KERNELS; kernel++) {
		struct luo_fake *fake = workers[kernel * WORKERS].fake;

		KUNIT_EXPECT_EQ(test, fake->luo->flb_area.used, 0);
		for (int i = 0; i < 2; i++) {
			KUNIT_EXPECT_FALSE(test, fake->flb[i].out);
			KUNIT_EXPECT_FALSE(test, fake->flb[i].wrong);
			KUNIT_EXPECT_GE(test, fake->flb[i].calls, CALLS);
			KUNIT_EXPECT_EQ(test, fake->flb[i].calls % 2, 0);
		}
	}
}

/* -------------------------------------------------------------------- incoming */

static bool finishes(struct worker *worker)
{
	struct liveupdate_session *session;
	char name[16];
	int err;

	usleep_range(100, 1000);	/* let the others ask first, now and then */
	snprintf(name, sizeof(name), "w%u", worker->nr);
	err = luo_session_retrieve(worker->fake->luo, name, false, &session);
	expect(worker, !err);
	if (err)
		return false;
	expect(worker, luo_fake_get(session, 0) == worker->nr);
	expect(worker, !luo_session_finish(session));
	luo_session_close(session);
	return false;
}

static bool links_until_the_end(struct worker *worker)
{
	links(worker);
	guard(spinlock)(&worker->fake->luo->state_lock);
	return !worker->fake->luo->in.over;
}

/* It is there until it is finished, and never again */
static bool gets_incoming(struct worker *worker)
{
	struct luo_script_flb *flb = &worker->fake->flb[worker->nr % 2];
	struct luo *luo = worker->fake->luo;
	void *obj;
	int err;

	err = luo_flb_get_incoming(luo, &flb->flb, &obj);
	expect(worker, !err || err == -ENODATA);
	if (err)
		return false;
	expect(worker, obj == flb->obj && flb->in);
	usleep_range(1, 50);
	expect(worker, flb->in);
	luo_flb_put_incoming(luo, &flb->flb);
	return true;
}

static bool (*const incoming_rounds[WORKERS])(struct worker *worker) = {
	finishes, finishes, finishes, gets_incoming, gets_incoming, gets_incoming, gets_incoming,
	links_until_the_end,
};

static void hand_over_for_incoming(struct kunit *test, struct worker *workers)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session;
	char name[16];

	for (unsigned int nr = 1; nr <= 2; nr++)
		luo_fake_flb(fake, nr);
	for (unsigned int i = 0; incoming_rounds[i] == finishes; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		session = luo_fake_session(test, fake, name);
		KUNIT_ASSERT_EQ(test, luo_session_preserve(session, luo_script_file(test, 1, i),
							   0), 0);
	}
	fake = luo_fake_kexec(test, fake);
	luo_fake_other(fake);
	for (unsigned int nr = 1; nr <= 2; nr++)
		luo_fake_flb(fake, nr)->delay = 20 * nr;
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){
			.fake = fake, .nr = i, .round = incoming_rounds[i],
		};
	}
}

/* Each handover is over in no time: ten of them, in two kernels at once */
static void incoming(struct kunit *test)
{
	struct worker *workers = workers_of(test);
	struct luo_fake *fake;

	for (int again = 0; again < 10; again++) {
		for (int kernel = 0; kernel < KERNELS; kernel++)
			hand_over_for_incoming(test, workers + kernel * WORKERS);
		run_all(test, workers, KERNELS * WORKERS);

		for (int kernel = 0; kernel < KERNELS; kernel++) {
			fake = workers[kernel * WORKERS].fake;
			luo_fake_expect_freed(test, fake);
			for (int i = 0; i < 2; i++) {
				KUNIT_EXPECT_EQ(test, fake->flb[i].calls, 2);
				KUNIT_EXPECT_FALSE(test, fake->flb[i].in);
				KUNIT_EXPECT_FALSE(test, fake->flb[i].wrong);
			}
		}
	}
}

static struct kunit_case luo_flb_race_cases[] = {
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
	KUNIT_CASE_SLOW(outgoing),
	KUNIT_CASE_SLOW(incoming),
	{}
};

static struct kunit_suite luo_flb_race_suite = {
	.name = "luo_flb_race",
	.test_cases = luo_flb_race_cases,
};

kunit_test_suite(luo_flb_race_suite);
