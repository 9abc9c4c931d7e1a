/* SPDX-License-Identifier: GPL-2.0 */
/* The gate: lets calls in until the reboot closes it. See luo_gate.c. */
#ifndef _LUO_GATE_H
#define _LUO_GATE_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

/**
 * struct luo_gate - counts active calls
 * @lock: protects all below
 * @active: number of active calls
 * @closed: the reboot has begun
 * @deferred: closes that were deferred since
 * @empty: where the reboot waits for the last call
 */
struct luo_gate {
	spinlock_t lock;	/* all below */
	unsigned int active;
	bool closed;
	struct list_head deferred;
	wait_queue_head_t empty;
};

/**
 * struct luo_gate_deferred - work to be done before the gate opens again
 * @link: in gate->deferred
 * @run: called inside the gate, in process context
 */
struct luo_gate_deferred {
	struct list_head link;
	void (*run)(struct luo_gate_deferred *deferred);
};

void luo_gate_init(struct luo_gate *gate);
int luo_gate_enter(struct luo_gate *gate);
bool luo_gate_enter_or_defer(struct luo_gate *gate, struct luo_gate_deferred *deferred);
void luo_gate_leave(struct luo_gate *gate);
int luo_gate_close(struct luo_gate *gate);
void luo_gate_open(struct luo_gate *gate);

#endif /* _LUO_GATE_H */
