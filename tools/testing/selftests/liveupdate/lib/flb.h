/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sample driver and the scriptable objects, kernel/liveupdate/tests/luo_flb_test.c:
 * loading and unloading them, telling them what to do, asking what they did.
 */
#ifndef FLB_H
#define FLB_H

#include <stdbool.h>

#include "util.h"

#define FLB_SAMPLE	"flb_sample"
#define FLB_TEST	"luo_flb_test"
#define DEVICE_TEST	"luo_device_test"

/* Is it part of the kernel? Then it is loaded already and cannot be unloaded. */
bool luo_flb_built_in(const char *module);

/*
 * Load it with the parameters that the kernel's command line has for it, as modprobe does,
 * and @more of them; 0 or -errno.
 */
int luo_flb_load(const char *module, const char *more);
int luo_flb_unload(const char *module);

/* Write a command; 0 or -errno, which is what live update has answered */
int __printf(1, 2) luo_flb_command(const char *fmt, ...);

/* Device that handler @nr preserves */
int luo_flb_open(int nr);

/* The ops that were called since the last time, with blanks between */
const char *luo_flb_ops(void);

/* Add one word; all of them are to stand in one string */
void __printf(2, 3) luo_flb_word(char *words, const char *fmt, ...);

/*
 * Did the early getter, or the usual one at early_initcall, answer @err for @compatible?
 * With luo_early=late in the environment slab may have been there before the early one.
 */
bool luo_flb_early(const char *when, const char *compatible, int err);

#define FLB_WORDS	1024
#define BEFORE_SLAB	"slab"
#define AT_INITCALL	"initcall"

#define test_flb(...)			\
	test_ok_("flb", luo_flb_command(__VA_ARGS__))
#define test_err_flb(err, ...)		\
	test_err_(err, "flb", luo_flb_command(__VA_ARGS__))
#define test_flb_open(nr)		test_fd_("open", luo_flb_open(nr))
#define test_load(module)		test_ok_("load", luo_flb_load(module, ""))

#define expect_ops(want) ({						\
	const char *want_ = (want), *ops_ = luo_flb_ops();		\
									\
	check_eq(0, strcmp(want_, ops_))				\
		luo_say("want: %s; got: %s", want_, ops_); })

#define expect_early(when, compatible, err)				\
	check_true(luo_flb_early(when, compatible, err))

#endif /* FLB_H */
