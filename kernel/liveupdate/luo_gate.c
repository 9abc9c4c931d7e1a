// SPDX-License-Identifier: GPL-2.0
/*
 * The gate: a count of active calls, which the reboot closes and waits to drop to zero.
 *
 * From then on calls are refused, so that no task sleeps on what the reboot holds: that
 * would be forever, as the next kernel has no such task. A close cannot be refused; it is
 * queued, and runs if the reboot fails.
 *
 * Not a percpu_ref: its switch to atomic mode takes a grace period at the start of the
 * blackout, and queueing a close has to be atomic with the check whether the gate is
 * closed.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "luo_gate.h"

/*
 * A call may wait for something that only a thaw brings, for example a page of a frozen
 * memfd. Then the reboot has to fail instead of waiting for it.
 */
#define LUO_GATE_TIMEOUT	(30 * HZ)

void luo_gate_init(struct luo_gate *gate)
{
	spin_lock_init(&gate->lock);
	gate->active = 0;
	gate->closed = false;
	INIT_LIST_HEAD(&gate->deferred);
	init_waitqueue_head(&gate->empty);
}

/* Begin a call; ended by luo_gate_leave(). Returns -EBUSY once the reboot has begun. */
int luo_gate_enter(struct luo_gate *gate)
{
	guard(spinlock)(&gate->lock);
	if (gate->closed)
		return -EBUSY;
	gate->active++;
	return 0;
}

/*
 * Begin a call that cannot be refused. If the gate is closed, queue @deferred instead,
 * whose run() is called before the gate opens, and return false.
 */
bool luo_gate_enter_or_defer(struct luo_gate *gate, struct luo_gate_deferred *deferred)
{
	guard(spinlock)(&gate->lock);
	if (gate->closed) {
		list_add_tail(&deferred->link, &gate->deferred);
		return false;
	}
	gate->active++;
	return true;
}

void luo_gate_leave(struct luo_gate *gate)
{
	guard(spinlock)(&gate->lock);
	if (!--gate->active && gate->closed)
		wake_up(&gate->empty);
}

static bool gate_is_empty(struct luo_gate *gate)
{
	guard(spinlock)(&gate->lock);
	return !gate->active;
}

/*
 * Refuse calls from now on, and wait for active ones. On success no call is active. Returns
 * -EBUSY if the gate is closed already, and reopens it and returns -EBUSY if a call does
 * not end, or -EINTR if killed.
 */
int luo_gate_close(struct luo_gate *gate)
{
	long left;

	scoped_guard(spinlock, &gate->lock) {
		if (gate->closed)
			return -EBUSY;
		gate->closed = true;
	}

	left = wait_event_killable_timeout(gate->empty, gate_is_empty(gate), LUO_GATE_TIMEOUT);
	if (left > 0)
		return 0;

	luo_gate_open(gate);
	return left ? -EINTR : -EBUSY;
}

/*
 * Run the deferred closes and reopen the gate. Closes run first, so that a task whose close
 * was deferred finds the session's name free. If calls are still active they may wait for
 * one that is yet to come, and the closes for them: then calls are let in first.
 */
void luo_gate_open(struct luo_gate *gate)
{
	struct luo_gate_deferred *deferred, *next;
	bool open;

	do {
		LIST_HEAD(todo);

		scoped_guard(spinlock, &gate->lock) {
			list_splice_init(&gate->deferred, &todo);
			open = gate->active || list_empty(&todo);
			if (open)
				gate->closed = false;
			gate->active++;
		}

		list_for_each_entry_safe(deferred, next, &todo, link) {
			list_del_init(&deferred->link);
			deferred->run(deferred);
		}
		luo_gate_leave(gate);
	} while (!open);
}
