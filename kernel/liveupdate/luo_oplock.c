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
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "luo_internal.h"

/* A task that waits for an op lock, in luo->waiters. */
struct luo_waiter {
	struct list_head link;
	struct task_struct *task;
	struct luo_oplock *oplock;
};

static struct luo_oplock *oplock_wanted_by(struct luo *luo, struct task_struct *task)
{
	struct luo_waiter *waiter;

	list_for_each_entry(waiter, &luo->waiters, link) {
		if (waiter->task == task)
			return waiter->oplock;
	}
	return NULL;
}

/* Follow owner to op lock to owner; this ends, as no cycle is ever let in. */
static bool oplock_would_deadlock(struct luo *luo, struct luo_oplock *oplock)
{
	lockdep_assert_held(&luo->state_lock);
	while (oplock && oplock->owner) {
		if (oplock->owner == current)
			return true;
		oplock = oplock_wanted_by(luo, oplock->owner);
	}
	return false;
}

static bool oplock_free(struct luo *luo, struct luo_oplock *oplock)
{
	guard(spinlock)(&luo->state_lock);
	return !oplock->owner;
}

static int oplock_wait(struct luo *luo, struct luo_oplock *oplock, bool killable)
	__must_hold(&luo->state_lock)
{
	struct luo_waiter waiter = { .task = current, .oplock = oplock };
	int killed = 0;

	list_add(&waiter.link, &luo->waiters);
	spin_unlock(&luo->state_lock);
	if (killable)
		killed = wait_event_killable(luo->oplock_wq, oplock_free(luo, oplock));
	else
		wait_event(luo->oplock_wq, oplock_free(luo, oplock));
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
		if (oplock_would_deadlock(luo, oplock))
			return -EDEADLK;
		err = oplock_wait(luo, oplock, killable);
		if (err)
			return err;
	}
	oplock->owner = current;
	oplock->transient = 0;
	oplock->retry_err = 0;
	list_add(&oplock->in_held, &luo->held);
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
	list_del(&oplock->in_held);
	wake_up_all(&luo->oplock_wq);
}

/* A bit for each errno that may be another one next time; 0 for a final one. */
static unsigned int transient_bit(int err)
{
	switch (err) {
	case -ENODEV:
		return BIT(0);
	case -EPROTONOSUPPORT:
		return BIT(1);
	case -ENOMEM:
		return BIT(2);
	case -EINTR:
		return BIT(3);
	default:
		return 0;
	}
}

/*
 * This task got @err from a file or an FLB. If it asked from inside an op, and the op
 * returns the same errno, then the op has consumed nothing and can be run again. Ops can
 * run inside each other. With @can_retry any errno is transient; else final ones and 0 are
 * ignored. luo->state_lock is held.
 */
void luo_oplock_note_transient(struct luo *luo, int err, bool can_retry)
{
	struct luo_oplock *oplock;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(oplock, &luo->held, in_held) {
		if (oplock->owner != current)
			continue;
		oplock->transient |= transient_bit(err);
		if (can_retry)
			oplock->retry_err = err;
	}
}

/* Does the op only pass on @err? The op lock is held. */
bool luo_oplock_met_transient(const struct luo_oplock *oplock, int err)
{
	return oplock->transient & transient_bit(err) || (err && err == oplock->retry_err);
}
