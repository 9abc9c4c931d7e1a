/* SPDX-License-Identifier: GPL-2.0 */
/* Op locks. See luo_turn.c. */
#ifndef _LUO_TURN_H
#define _LUO_TURN_H

#include <linux/list.h>
#include <linux/types.h>

struct luo;
struct task_struct;

/**
 * struct luo_turn - the op lock of a file or an FLB
 * @holder: its owner; NULL if it is free
 */
struct luo_turn {
	struct task_struct *holder;
};

int luo_turn_take(struct luo *luo, struct luo_turn *turn);
int luo_turn_take_killable(struct luo *luo, struct luo_turn *turn);
void luo_turn_give(struct luo *luo, struct luo_turn *turn);

#endif /* _LUO_TURN_H */
