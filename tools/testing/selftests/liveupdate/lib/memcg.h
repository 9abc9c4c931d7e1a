/* SPDX-License-Identifier: GPL-2.0 */
/* A memory group, of the second kind, for tests to be in. A debug kernel has them. */
#ifndef MEMCG_H
#define MEMCG_H

#include <stdbool.h>

/* Make the one group that there is; false: this kernel has none. */
bool luo_group_make(void);
void luo_group_remove(void);

/* This process and its children to come are in it, or are not any more. */
bool luo_group_enter(void);
bool luo_group_leave(void);

/* "max", or so many bytes */
bool luo_group_limit(const char *max);

/* The same for the limit above which it is only throttled */
bool luo_group_high(const char *high);

/* What a file of the group says; a line "KEY NUMBER" of memory.stat */
long long luo_group_number(const char *file);
long long luo_group_stat(const char *key);

/* Memory of the group, swapped out or not */
long long luo_group_used(void);

#endif /* MEMCG_H */
