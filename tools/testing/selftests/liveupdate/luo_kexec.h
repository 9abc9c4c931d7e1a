/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scenarios that last for two or three kernels, or many.
 *
 * A scenario has one function per kernel, or one for all of as many as it says. Each runs
 * in a process of its own. Unless it is the last one, that process stays after its function
 * has returned, with all that it has open and its threads running, until the jump to the
 * next kernel.
 *
 * What the next kernel must find is worked out from the same constants there.
 */
#ifndef LUO_KEXEC_H
#define LUO_KEXEC_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "luo_util.h"

#define MAX_STAGES	3

struct scenario {
	const char *name;
	void (*stage[MAX_STAGES])(void);
	void (*every)(void);
	int (*kernels)(void);		/* with @every: how many there are */
};

struct scenario_group {
	const char *name;
	const struct scenario *scenarios;	/* ends with one without a name */
	const char *more[MAX_STAGES];		/* on the command line of that kernel only */
};

extern const struct scenario memfd_scenarios[];
extern const struct scenario session_scenarios[];
extern const struct scenario fd_scenarios[];
extern const struct scenario write_scenarios[];
extern const struct scenario sleeper_scenarios[];
extern const struct scenario legacy_scenarios[];
extern const struct scenario fault_scenarios[];
extern const struct scenario stock_scenarios[];
extern const struct scenario stock_objects_scenarios[];
extern const struct scenario memfd_interop_scenarios[];
extern const struct scenario interop_scenarios[];
extern const struct scenario back_scenarios[];
extern const struct scenario golden_scenarios[];
extern const struct scenario scale_scenarios[];
extern const struct scenario damage_scenarios[];
extern const struct scenario extent_scenarios[];
extern const struct scenario extent_damage_scenarios[];
extern const struct scenario extent_address_scenarios[];
extern const struct scenario extent_page_scenarios[];
extern const struct scenario pressure_scenarios[];
extern const struct scenario stress_scenarios[];
extern const struct scenario extent_dropped_scenarios[];
extern const struct scenario unchecked_scenarios[];
extern const struct scenario flb_same_scenarios[];
extern const struct scenario flb_versions_scenarios[];
extern const struct scenario flb_panic_scenarios[];
extern const struct scenario flb_unload_scenarios[];
extern const struct scenario flb_ten_scenarios[];
extern const struct scenario flb_absent_scenarios[];
extern const struct scenario flb_gone_scenarios[];
extern const struct scenario flb_off_scenarios[];
extern const struct scenario flb_kho_version_scenarios[];
extern const struct scenario flb_kho_node_scenarios[];
extern const struct scenario flb_early_scenarios[];
extern const struct scenario flb_damage_scenarios[];
extern const struct scenario crash_scenarios[];
extern const struct scenario off_scenarios[];
extern const struct scenario plain_scenarios[];
extern const struct scenario hostile_scenarios[];
extern const struct scenario repeat_scenarios[];
extern const struct scenario status_scenarios[];
extern const struct scenario published_scenarios[];
extern const struct scenario parallel_scenarios[];
extern const struct scenario unwanted_scenarios[];
extern const struct scenario trace_scenarios[];
extern const struct scenario luoctl_scenarios[];
extern const struct scenario luoctl_off_scenarios[];

/* The harness's words, for functions that are no harness tests; see luo_expect.c */
extern bool luo_has_failed;
void luo_failure(const char *file, int line, const char *text, long long exp, long long seen);
int luo_failed(bool fatal);
void __noreturn luo_skip(const char *why);

#define CHECK_(exp, op, seen, text, fatal)						\
	for (long long exp_ = (long long)(exp), seen_ = (long long)(seen),		\
	     go_ = !(exp_ op seen_) &&							\
		   (luo_failure(__FILE__, __LINE__, text, exp_, seen_), 1);		\
	     go_; go_ = luo_failed(fatal))

#define ASSERT_EQ(exp, seen)	CHECK_(exp, ==, seen, #exp " == " #seen, true)
#define ASSERT_NE(exp, seen)	CHECK_(exp, !=, seen, #exp " != " #seen, true)
#define ASSERT_GE(exp, seen)	CHECK_(exp, >=, seen, #exp " >= " #seen, true)
#define ASSERT_TRUE(seen)	CHECK_(0, !=, !!(seen), #seen, true)
#define EXPECT_EQ(exp, seen)	CHECK_(exp, ==, seen, #exp " == " #seen, false)
#define EXPECT_NE(exp, seen)	CHECK_(exp, !=, seen, #exp " != " #seen, false)
#define EXPECT_GE(exp, seen)	CHECK_(exp, >=, seen, #exp " >= " #seen, false)
#define EXPECT_TRUE(seen)	CHECK_(0, !=, !!(seen), #seen, false)
#define EXPECT_FALSE(seen)	CHECK_(0, ==, !!(seen), "!" #seen, false)

/* Open the device for one call only */
#define with_device(call) ({				\
	int dev = test_open();				\
	int with_ = (call);				\
							\
	close(dev);					\
	with_; })

/* A new session, a session of the previous kernel */
#define create(name)	with_device(test_create(dev, name))
#define retrieve(name)	with_device(test_retrieve(dev, name))

/* The session is over: nobody can retrieve it any more. */
#define expect_gone(name) ({					\
	int gone_ = with_device(luo_retrieve(dev, name, 0));	\
								\
	EXPECT_TRUE(gone_ == -ENOENT || gone_ == -EINVAL)	\
		luo_say("retrieve: %s", luo_error(gone_)); })

#define expect_not_handed_over(name)	\
	EXPECT_EQ(-ENOENT, with_device(luo_retrieve(dev, name, 0)))

#endif /* LUO_KEXEC_H */
