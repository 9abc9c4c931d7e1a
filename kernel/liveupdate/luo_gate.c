// SPDX-License-Identifier: GPL-2.0
/*
 * The gate between the reboot and everybody else.
 *
 * A call enters, does its work and leaves; the reboot shuts the gate and waits for those
 * inside. From then on calls are refused, and nobody sleeps on anything that the reboot
 * holds: that may be forever, as the next kernel has no such task. A close cannot be
 * refused. It is remembered, and carried out should the reboot fail.
 */
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/sched.h>

#include "luo_gate.h"

/*
 * A call may itself wait for something that only a thaw brings, say for a page of a
 * frozen memfd. The reboot then has to give way rather than wait with it.
 */
#define LUO_GATE_PATIENCE	(30 * HZ)

void luo_gate_init(struct luo_gate *gate)
{
	spin_lock_init(&gate->lock);
	gate->inside = 0;
	gate->shut = false;
	INIT_LIST_HEAD(&gate->deferred);
	init_waitqueue_head(&gate->empty);
}

/**
 * luo_gate_enter() - begin a call
 * @gate: the gate
 *
 * Context: Any. Does not sleep.
 * Return: 0, to be paired with luo_gate_leave(); -EBUSY: the reboot has begun.
 */
int luo_gate_enter(struct luo_gate *gate)
{
	guard(spinlock)(&gate->lock);
	if (gate->shut)
		return -EBUSY;
	gate->inside++;
	return 0;
}

/**
 * luo_gate_enter_or_defer() - begin a call that cannot be refused
 * @gate: the gate
 * @deferred: remembered if the gate is shut; its run() is called before it opens
 *
 * Context: Any. Does not sleep.
 * Return: true: entered, to be paired with luo_gate_leave(); false: remembered.
 */
bool luo_gate_enter_or_defer(struct luo_gate *gate, struct luo_gate_deferred *deferred)
{
	guard(spinlock)(&gate->lock);
	if (gate->shut) {
		list_add_tail(&deferred->link, &gate->deferred);
		return false;
	}
	gate->inside++;
	return true;
}

/**
 * luo_gate_leave() - end a call
 * @gate: the gate
 *
 * Context: Any. Does not sleep.
 */
void luo_gate_leave(struct luo_gate *gate)
{
	guard(spinlock)(&gate->lock);
	if (!--gate->inside && gate->shut)
		wake_up(&gate->empty);
}

static bool luo_gate_is_empty(struct luo_gate *gate)
{
	guard(spinlock)(&gate->lock);
	return !gate->inside;
}

/**
 * luo_gate_shut() - refuse calls from now on, and wait for those under way
 * @gate: the gate
 *
 * Context: Process context. Sleeps.
 * Return: 0: nobody is inside, to be paired with luo_gate_open(). -EBUSY: it is shut
 * already, or a call did not come to its end. -EINTR: killed. On error it is open.
 */
int luo_gate_shut(struct luo_gate *gate)
{
	long left;

	scoped_guard(spinlock, &gate->lock) {
		if (gate->shut)
			return -EBUSY;
		gate->shut = true;
	}

	left = wait_event_killable_timeout(gate->empty, luo_gate_is_empty(gate),
					   LUO_GATE_PATIENCE);
	if (left > 0)
		return 0;

	luo_gate_open(gate);
	return left ? -EINTR : -EBUSY;
}

/**
 * luo_gate_open() - make up for the closes, and let calls in again
 * @gate: the gate, shut
 *
 * The closes come first: who has closed a session finds its name free. But if calls are
 * inside still, they may wait for one that is yet to come, and so may the closes for them.
 *
 * Context: Process context. Sleeps as the closes do.
 */
void luo_gate_open(struct luo_gate *gate)
{
	struct luo_gate_deferred *deferred, *next;
	bool open;

	do {
		LIST_HEAD(todo);

		scoped_guard(spinlock, &gate->lock) {
			list_splice_init(&gate->deferred, &todo);
			open = gate->inside || list_empty(&todo);
			if (open)
				gate->shut = false;
			gate->inside++;
		}

		list_for_each_entry_safe(deferred, next, &todo, link) {
			list_del_init(&deferred->link);
			deferred->run(deferred);
		}
		luo_gate_leave(gate);
	} while (!open);
}
