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
	struct luo_oplock *oplock;
};

static struct luo_oplock *luo_oplock_wanted_by(struct luo *luo, struct task_struct *task)
{
	struct luo_waiter *waiter;

	list_for_each_entry(waiter, &luo->waiters, link) {
		if (waiter->task == task)
			return waiter->oplock;
	}
	return NULL;
}

/* Follow owner to op lock to owner; this ends, as no cycle is ever let in. */
static bool luo_oplock_would_deadlock(struct luo *luo, struct luo_oplock *oplock)
{
	lockdep_assert_held(&luo->state_lock);
	while (oplock && oplock->owner) {
		if (oplock->owner == current)
			return true;
		oplock = luo_oplock_wanted_by(luo, oplock->owner);
	}
	return false;
}

static bool luo_oplock_free(struct luo *luo, struct luo_oplock *oplock)
{
	guard(spinlock)(&luo->state_lock);
	return !oplock->owner;
}

static int luo_oplock_wait(struct luo *luo, struct luo_oplock *oplock, bool killable)
	__must_hold(&luo->state_lock)
{
	struct luo_waiter waiter = { .task = current, .oplock = oplock };
	int killed = 0;

	list_add(&waiter.link, &luo->waiters);
	spin_unlock(&luo->state_lock);
	if (killable)
		killed = wait_event_killable(luo->oplock_wq, luo_oplock_free(luo, oplock));
	else
		wait_event(luo->oplock_wq, luo_oplock_free(luo, oplock));
	spin_lock(&luo->state_lock);
	list_del(&waiter.link);
	return killed ? -EINTR : 0;
}

static int oplock_lock(struct luo *luo, struct luo_oplock *oplock, bool killable)
	__must_hold(&luo->state_lock)
{
	int err;

	lockdep_assert_held(&luo->state_lock);
	while (oplock->owner) {
		if (luo_oplock_would_deadlock(luo, oplock))
			return -EDEADLK;
		err = luo_oplock_wait(luo, oplock, killable);
		if (err)
			return err;
	}
	oplock->owner = current;
	return 0;
}

/*
 * Lock the ops of an object. luo->state_lock is held, and dropped while waiting. Returns
 * -EDEADLK if the caller holds the op lock, or if a task that holds it waits for the
 * caller.
 */
int luo_oplock_lock(struct luo *luo, struct luo_oplock *oplock)
{
	return oplock_lock(luo, oplock, false);
}

/* As luo_oplock_lock(), or -EINTR if killed while waiting. */
int luo_oplock_lock_killable(struct luo *luo, struct luo_oplock *oplock)
{
	return oplock_lock(luo, oplock, true);
}

/* Unlock the ops of an object. luo->state_lock is held. */
void luo_oplock_unlock(struct luo *luo, struct luo_oplock *oplock)
{
	lockdep_assert_held(&luo->state_lock);
	oplock->owner = NULL;
	wake_up_all(&luo->oplock_wq);
}
