/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Compatible strings: their grammar, and how an incoming one matches those that a handler
 * or an FLB knows. Pure code, also built in user space.
 */
#ifndef _LUO_COMPAT_H
#define _LUO_COMPAT_H

#include <linux/types.h>

/* How well a string matches; greater is better */
enum luo_compat_match {
	LUO_COMPAT_NONE,	/* something else */
	LUO_COMPAT_FAMILY,	/* same family, in a version that is not read */
	LUO_COMPAT_LISTED,	/* one of the older strings that are read too */
	LUO_COMPAT_EXACT,	/* the string itself */
};

/**
 * struct luo_compat_names - incoming strings to pick one from
 * @first: an array of structs that begin with a string
 * @stride: size of a struct
 * @count: number of strings
 * @taken: whether a string that matches in this way is not to be picked; NULL: never
 * @ctx: for @taken
 */
struct luo_compat_names {
	const void *first;
	size_t stride;
	size_t count;
	bool (*taken)(void *ctx, size_t index, enum luo_compat_match match);
	void *ctx;
};

bool luo_compat_valid(const char *string, size_t room);
size_t luo_compat_family_len(const char *string);
bool luo_compat_same_family(const char *a, const char *b);
enum luo_compat_match luo_compat_match(const char *found, const char *own,
				       const char *const *also);
enum luo_compat_match luo_compat_pick(const struct luo_compat_names *names, const char *own,
				      const char *const *also, size_t *index);

#endif /* _LUO_COMPAT_H */
