/* SPDX-License-Identifier: GPL-2.0 */
/* Op locks. See luo_oplock.c. */
#ifndef _LUO_OPLOCK_H
#define _LUO_OPLOCK_H

#include <linux/list.h>
#include <linux/types.h>

struct luo;
struct task_struct;

/**
 * struct luo_oplock - the op lock of a file or an FLB
 * @owner: its owner; NULL if it is free
 * @in_held: in luo->held, unless it is free
 * @transient: bits for the transient errnos that the op has met, see
 *	luo_oplock_note_transient()
 * @retry_err: the last errno that the op has met of a file or an FLB that can be retrieved
 *	again, whatever errno that is; 0: none
 *
 * All of it is under luo->state_lock; the owner also reads @transient without it.
 */
struct luo_oplock {
	struct task_struct *owner;
	struct list_head in_held;
	unsigned int transient;
	int retry_err;
};

int luo_oplock_lock(struct luo *luo, struct luo_oplock *oplock);
int luo_oplock_lock_killable(struct luo *luo, struct luo_oplock *oplock);
void luo_oplock_unlock(struct luo *luo, struct luo_oplock *oplock);
void luo_oplock_note_transient(struct luo *luo, int err, bool can_retry);
bool luo_oplock_met_transient(const struct luo_oplock *oplock, int err);

#endif /* _LUO_OPLOCK_H */
