// SPDX-License-Identifier: GPL-2.0
/*
 * Op locks: serialize the ops of one file or FLB.
 *
 * An op may need other objects, whose ops then run inside it, so a task can hold several op
 * locks and wait for one more. Owners and waiters are recorded: a wait that would close a
 * cycle, over any number of tasks, is refused with -EDEADLK. A mutex cannot do that outside
 * of lockdep, and a ww_mutex backs off where an op cannot be repeated.
 *
 * All of it is under luo->state_lock.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "luo_internal.h"

/* A task that waits for an op lock, in luo->waiters. */
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

/* Follow owner to op lock to owner; this ends, as no cycle is ever let in. */
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

/*
 * Lock the ops of an object. luo->state_lock is held, and dropped while waiting. Returns
 * -EDEADLK if the caller holds the op lock, or if a task that holds it waits for the
 * caller.
 */
int luo_turn_take(struct luo *luo, struct luo_turn *turn)
{
	return luo_turn_take_any(luo, turn, false);
}

/* As luo_turn_take(), or -EINTR if killed while waiting. */
int luo_turn_take_killable(struct luo *luo, struct luo_turn *turn)
{
	return luo_turn_take_any(luo, turn, true);
}

/* Unlock the ops of an object. luo->state_lock is held. */
void luo_turn_give(struct luo *luo, struct luo_turn *turn)
{
	lockdep_assert_held(&luo->state_lock);
	turn->holder = NULL;
	wake_up_all(&luo->turn_wq);
}
