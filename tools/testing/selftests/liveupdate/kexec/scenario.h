/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scenarios that last for two or three kernels, or many.
 *
 * A scenario has one function per kernel, or one for all of as many as it says. Each runs
 * in a process of its own. Unless it is the last one, that process stays after its function
 * has returned, with all that it has open and its threads running, until the kexec into the
 * next kernel.
 *
 * What the next kernel must find is worked out from the same constants there.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "../lib/check.h"
#include "../lib/util.h"

#define MAX_STAGES	3

struct scenario {
	const char *name;
	void (*stage[MAX_STAGES])(void);
	void (*every)(void);
	int (*kernels)(void);		/* with @every: how many there are */
};

/* Scenarios that are chosen by one name: luo_test=NAME. Made by SCENARIOS(). */
struct scenario_group {
	const char *name;
	const struct scenario *scenarios;	/* ends with one without a name */
	const char *more[MAX_STAGES];		/* on the command line of that kernel only */
	const char *(*more_of)(int stage);	/* the same, for many kernels */
	struct scenario_group *next;
};

void add_scenarios(struct scenario_group *group);

#define SCENARIO_JOIN_(a, b)	a##b
#define SCENARIO_JOIN(a, b)	SCENARIO_JOIN_(a, b)

/* After an array of them: its name for luo_test=, and what else its kernels are to be told */
#define SCENARIOS(text, array, ...)						\
	static void __attribute__((constructor))				\
	SCENARIO_JOIN(add_scenarios_, __LINE__)(void)				\
	{									\
		static struct scenario_group group = {				\
			.name = text,						\
			.scenarios = array,					\
			##__VA_ARGS__						\
		};								\
										\
		add_scenarios(&group);						\
	}

void __noreturn luo_skip(const char *why);

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
	check_true(gone_ == -ENOENT || gone_ == -EINVAL)	\
		luo_say("retrieve: %s", luo_error(gone_)); })

#define expect_not_handed_over(name)	\
	check_eq(-ENOENT, with_device(luo_retrieve(dev, name, 0)))

#endif /* SCENARIO_H */
