/* SPDX-License-Identifier: GPL-2.0 */
/* Unfinished incoming files, by compatible string. See luo_pending.c. */
#ifndef _LUO_PENDING_H
#define _LUO_PENDING_H

#include <linux/rhashtable-types.h>
#include <linux/types.h>

struct luo;

/**
 * struct luo_pending - unfinished incoming files, by compatible string
 * @counted: they have been counted; set once, under luo->lock
 * @failed: there was no memory to count; set once, under luo->lock
 * @names: struct luo_pending_name; the counts are under luo->state_lock
 */
struct luo_pending {
	bool counted;
	bool failed;
	struct rhashtable names;
};

int luo_pending_start(struct luo_pending *pending);
int luo_pending_add(struct luo_pending *pending, const char *name);
void luo_pending_stop(struct luo_pending *pending);
void luo_pending_done(struct luo *luo, const char *name);
bool luo_pending_any(struct luo *luo, const char *name);

#endif /* _LUO_PENDING_H */
