// SPDX-License-Identifier: GPL-2.0
/* Turns: one task has it, the others wait, and no one waits for itself */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "luo_fake.h"

static int take(struct luo *luo, struct luo_oplock *oplock, bool killable)
{
	guard(spinlock)(&luo->state_lock);
	return killable ? luo_oplock_lock_killable(luo, oplock) : luo_oplock_lock(luo, oplock);
}

static void give(struct luo *luo, struct luo_oplock *oplock)
{
	guard(spinlock)(&luo->state_lock);
	luo_oplock_unlock(luo, oplock);
}

/**
 * struct taker - a task that takes one oplock, then waits for go, then takes another
 * @luo: where
 * @first: the one that it gets at once; NULL: none
 * @second: the one that it may have to wait for
 * @killable: and be killed there
 * @ret: what became of @second
 * @ready: it has @first
 * @go: it may go on
 * @done: it has given back what it had
 */
struct taker {
	struct luo *luo;
	struct luo_oplock *first;
	struct luo_oplock *second;
	bool killable;
	int ret;
	struct completion ready;
	struct completion go;
	struct completion done;
};

static int taker_run(void *arg)
{
	struct taker *taker = arg;

	allow_signal(SIGKILL);
	if (taker->first)
		take(taker->luo, taker->first, false);
	complete(&taker->ready);
	wait_for_completion(&taker->go);
	taker->ret = take(taker->luo, taker->second, taker->killable);
	if (!taker->ret)
		give(taker->luo, taker->second);
	if (taker->first)
		give(taker->luo, taker->first);
	complete(&taker->done);
	return 0;
}

static struct task_struct *taker_start(struct kunit *test, struct taker *taker)
{
	struct task_struct *task;

	init_completion(&taker->ready);
	init_completion(&taker->go);
	init_completion(&taker->done);
	task = kthread_run(taker_run, taker, "luo-taker");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	wait_for_completion(&taker->ready);
	return task;
}

static void taken_and_given(struct kunit *test)
{
	struct luo *luo = luo_fake_boot_bare(test)->luo;
	struct luo_oplock oplock = {}, other = {};

	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, take(luo, &oplock, i), 0);
		KUNIT_EXPECT_PTR_EQ(test, oplock.owner, current);
		KUNIT_EXPECT_EQ(test, take(luo, &oplock, i), -EDEADLK);
		KUNIT_EXPECT_EQ(test, take(luo, &other, i), 0);
		give(luo, &oplock);
		KUNIT_EXPECT_EQ(test, take(luo, &oplock, i), 0);
		give(luo, &other);
		give(luo, &oplock);
	}
	KUNIT_EXPECT_NULL(test, oplock.owner);
	KUNIT_EXPECT_EQ(test, luo_fake_nr_waiting(luo), 0);
}

static void second_one_waits(struct kunit *test)
{
	struct luo *luo = luo_fake_boot_bare(test)->luo;
	struct luo_oplock oplock = {};
	struct taker taker[2] = {
		{ .luo = luo, .second = &oplock },
		{ .luo = luo, .second = &oplock, .killable = true },
	};

	KUNIT_ASSERT_EQ(test, take(luo, &oplock, false), 0);
	for (int i = 0; i < 2; i++) {
		taker_start(test, &taker[i]);
		complete(&taker[i].go);
	}
	luo_fake_expect_waiting(test, luo, 2);
	give(luo, &oplock);
	for (int i = 0; i < 2; i++) {
		wait_for_completion(&taker[i].done);
		KUNIT_EXPECT_EQ(test, taker[i].ret, 0);
	}
	KUNIT_EXPECT_NULL(test, oplock.owner);
	KUNIT_EXPECT_EQ(test, luo_fake_nr_waiting(luo), 0);
}

/* The killed one is told, the other one waits on */
static void waiting_ends_if_killed(struct kunit *test)
{
	struct luo *luo = luo_fake_boot_bare(test)->luo;
	struct luo_oplock oplock = {};
	struct taker taker[2] = {
		{ .luo = luo, .second = &oplock },
		{ .luo = luo, .second = &oplock, .killable = true },
	};
	struct task_struct *task[2];

	KUNIT_ASSERT_EQ(test, take(luo, &oplock, false), 0);
	for (int i = 0; i < 2; i++) {
		task[i] = taker_start(test, &taker[i]);
		complete(&taker[i].go);
	}
	luo_fake_expect_waiting(test, luo, 2);
	for (int i = 0; i < 2; i++)
		send_sig(SIGKILL, task[i], 1);
	wait_for_completion(&taker[1].done);
	KUNIT_EXPECT_EQ(test, taker[1].ret, -EINTR);
	KUNIT_EXPECT_PTR_EQ(test, oplock.owner, current);
	KUNIT_EXPECT_EQ(test, luo_fake_nr_waiting(luo), 1);
	give(luo, &oplock);
	wait_for_completion(&taker[0].done);
	KUNIT_EXPECT_EQ(test, taker[0].ret, 0);
}

/* Task i holds oplock i and waits for oplock i + 1; this one holds the last and wants the first */
static void a_cycle_of_any_length(struct kunit *test)
{
	enum { LENGTH = 4 };
	struct luo *luo = luo_fake_boot_bare(test)->luo;
	struct luo_oplock oplock[LENGTH] = {}, alone = {};
	struct taker taker[LENGTH - 1] = {};

	KUNIT_ASSERT_EQ(test, take(luo, &oplock[LENGTH - 1], false), 0);
	for (int i = 0; i < LENGTH - 1; i++) {
		taker[i].luo = luo;
		taker[i].first = &oplock[i];
		taker[i].second = &oplock[i + 1];
		taker_start(test, &taker[i]);
	}
	for (int i = 0; i < LENGTH - 1; i++)
		complete(&taker[i].go);
	luo_fake_expect_waiting(test, luo, LENGTH - 1);
	for (int i = 0; i < LENGTH; i++) {
		KUNIT_EXPECT_EQ(test, take(luo, &oplock[i], false), -EDEADLK);
		KUNIT_EXPECT_EQ(test, take(luo, &oplock[i], true), -EDEADLK);
	}
	KUNIT_EXPECT_EQ(test, take(luo, &alone, false), 0);
	give(luo, &alone);

	give(luo, &oplock[LENGTH - 1]);
	for (int i = 0; i < LENGTH - 1; i++) {
		wait_for_completion(&taker[i].done);
		KUNIT_EXPECT_EQ(test, taker[i].ret, 0);
	}
}

/* Who holds what another one wants may wait for a third, if that waits for nobody */
static void a_wait_that_is_no_cycle(struct kunit *test)
{
	struct luo *luo = luo_fake_boot_bare(test)->luo;
	struct luo_oplock oplock[2] = {};
	struct taker holder = { .luo = luo, .first = &oplock[0], .second = &oplock[0] };
	struct taker waiter = { .luo = luo, .first = &oplock[1], .second = &oplock[0] };

	taker_start(test, &holder);
	taker_start(test, &waiter);
	complete(&waiter.go);
	luo_fake_expect_waiting(test, luo, 1);
	complete(&holder.go);
	wait_for_completion(&holder.done);
	KUNIT_EXPECT_EQ(test, holder.ret, -EDEADLK);	/* its own, twice */
	KUNIT_EXPECT_EQ(test, take(luo, &oplock[1], false), 0);
	give(luo, &oplock[1]);
	wait_for_completion(&waiter.done);
	KUNIT_EXPECT_EQ(test, waiter.ret, 0);
}

static struct kunit_case luo_oplock_cases[] = {
	KUNIT_CASE(taken_and_given),
	KUNIT_CASE(second_one_waits),
	KUNIT_CASE(waiting_ends_if_killed),
	KUNIT_CASE(a_cycle_of_any_length),
	KUNIT_CASE(a_wait_that_is_no_cycle),
	{}
};

static struct kunit_suite luo_oplock_suite = {
	.name = "luo_oplock",
	.test_cases = luo_oplock_cases,
};

kunit_test_suite(luo_oplock_suite);
