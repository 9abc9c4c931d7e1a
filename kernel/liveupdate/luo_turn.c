// SPDX-License-Identifier: GPL-2.0
/*
 * Turns: who runs the ops of a file or of an FLB.
 *
 * Ops of one object come one at a time, and may ask for other objects, whose ops run then.
 * So a task can hold several turns, and wait for one more. Who holds a turn, and who waits
 * for which, tells whether a wait would be for oneself.
 *
 * All of it is under luo->state_lock.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "luo_internal.h"

/**
 * struct luo_waiter - a task that waits for a turn
 * @link: in luo->waiters
 * @task: the task
 * @turn: what it waits for
 */
struct luo_waiter {
	struct list_head link;
	struct task_struct *task;
	struct luo_turn *turn;
};

static struct luo_turn *luo_turn_wanted_by(struct luo *luo, struct task_struct *task)
{
	struct luo_waiter *waiter;

	list_for_each_entry(waiter, &luo->waiters, link) {
		if (waiter->task == task)
			return waiter->turn;
	}
	return NULL;
}

/* Follow holder to turn to holder; it ends, as no cycle was ever let in */
static bool luo_turn_would_deadlock(struct luo *luo, struct luo_turn *turn)
{
	lockdep_assert_held(&luo->state_lock);
	while (turn && turn->holder) {
		if (turn->holder == current)
			return true;
		turn = luo_turn_wanted_by(luo, turn->holder);
	}
	return false;
}

static bool luo_turn_free(struct luo *luo, struct luo_turn *turn)
{
	guard(spinlock)(&luo->state_lock);
	return !turn->holder;
}

static int luo_turn_wait(struct luo *luo, struct luo_turn *turn, bool killable)
	__must_hold(&luo->state_lock)
{
	struct luo_waiter waiter = { .task = current, .turn = turn };
	int killed = 0;

	list_add(&waiter.link, &luo->waiters);
	spin_unlock(&luo->state_lock);
	if (killable)
		killed = wait_event_killable(luo->turn_wq, luo_turn_free(luo, turn));
	else
		wait_event(luo->turn_wq, luo_turn_free(luo, turn));
	spin_lock(&luo->state_lock);
	list_del(&waiter.link);
	return killed ? -EINTR : 0;
}

static int luo_turn_take_any(struct luo *luo, struct luo_turn *turn, bool killable)
	__must_hold(&luo->state_lock)
{
	int err;

	lockdep_assert_held(&luo->state_lock);
	while (turn->holder) {
		if (luo_turn_would_deadlock(luo, turn))
			return -EDEADLK;
		err = luo_turn_wait(luo, turn, killable);
		if (err)
			return err;
	}
	turn->holder = current;
	return 0;
}

/**
 * luo_turn_take() - be the one who acts on an object
 * @luo: where; luo->state_lock is held, and may be let go of in between
 * @turn: the object's
 *
 * Context: Process context. Sleeps while it is another task's turn.
 * Return: 0, to be paired with luo_turn_give(); -EDEADLK: it is the caller's already, or
 * that of a task that waits for the caller.
 */
int luo_turn_take(struct luo *luo, struct luo_turn *turn)
{
	return luo_turn_take_any(luo, turn, false);
}

/**
 * luo_turn_take_killable() - be the one who acts on an object, unless killed
 * @luo: where; luo->state_lock is held, and may be let go of in between
 * @turn: the object's
 *
 * Context: Process context. Sleeps while it is another task's turn, killable.
 * Return: as luo_turn_take(); -EINTR: killed while waiting.
 */
int luo_turn_take_killable(struct luo *luo, struct luo_turn *turn)
{
	return luo_turn_take_any(luo, turn, true);
}

/**
 * luo_turn_give() - let the next one act
 * @luo: where; luo->state_lock is held
 * @turn: the object's, held by the caller
 */
void luo_turn_give(struct luo *luo, struct luo_turn *turn)
{
	lockdep_assert_held(&luo->state_lock);
	turn->holder = NULL;
	wake_up_all(&luo->turn_wq);
}
