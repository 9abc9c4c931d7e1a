/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making allocations and user copies of this thread's calls fail: the nth one,
 *
 *	for (n = 1; ; n++) {
 *		luo_fault_arm(n);
 *		ret = the call;
 *		if (!luo_fault_fired())
 *			break;		it needs fewer than n: this time nothing failed
 *		...			ret is an error, or it coped
 *	}
 *
 * or any of them, at random, also several in one call: what copes with one failure may not
 * cope with two.
 */
#ifndef FAULT_INJECT_H
#define FAULT_INJECT_H

#include <stdbool.h>

#include "leak_counts.h"

/* Does this kernel inject faults? Sets it up. */
bool luo_fault_setup(void);

/* luo_faults=deep on the kernel's command line: larger shapes, more rounds */
bool luo_fault_deep(void);

void luo_fault_arm(unsigned int nth);
bool luo_fault_fired(void);

/* From begin to end so many of a hundred allocations fail, of user copies some, too. */
void luo_fault_begin(unsigned int percent);
void luo_fault_end(void);

/* An errno that a failed allocation or user copy may turn into */
bool luo_fault_errno(int ret);

/* How often luo_insist() was told no under faults */
extern unsigned int luo_fault_failures;

/* A call that needs more than that is no call to be swept. */
#define LUO_FAULT_MOST	5000

/*
 * Sweep over @call, which says less than 0 where it fails; @failed runs after each that said
 * no, with the same in use as before as far as @same says, @worked after each that said yes,
 * although something failed inside or because nothing did. How often it failed.
 */
#define luo_sweep(same, call, failed, worked) ({				\
	int nth_, ret_, fired_ = 1, failures_ = 0;				\
	struct luo_counts before_;						\
										\
	for (nth_ = 1; fired_ && nth_ < LUO_FAULT_MOST; nth_++) {		\
		luo_counts_take(&before_);					\
		luo_fault_arm(nth_);						\
		ret_ = (call);							\
		fired_ = luo_fault_fired();					\
		if (ret_ < 0) {							\
			require_true(fired_ && luo_fault_errno(ret_))		\
				luo_say("fault %d: %s", nth_, luo_error(ret_));	\
			check_true(luo_counts_still(&before_, same))		\
				luo_say("fault %d", nth_);			\
			failures_++;						\
			failed;							\
		} else {							\
			worked;							\
		}								\
	}									\
	check_true(nth_ < LUO_FAULT_MOST);					\
	luo_say("%d faults, %d failures", nth_ - 2, failures_);			\
	failures_; })

/* Call it once with faults at random; @failed runs if it said no. What it said. */
#define luo_insist_once(percent, call, failed) ({				\
	struct luo_counts before_;						\
	int said_;								\
										\
	luo_counts_take(&before_);						\
	luo_fault_begin(percent);						\
	said_ = (call);								\
	luo_fault_end();							\
	if (said_ < 0) {							\
		require_true(luo_fault_errno(said_))				\
			luo_say("at random: %s", luo_error(said_));		\
		luo_fault_failures++;						\
		failed;								\
	}									\
	said_; })

/* Do so until it works; the last of so many times without faults. What it says in the end. */
#define luo_insist(percent, most, call, failed) ({				\
	int ret_ = -1;								\
										\
	for (int left_ = (most); ret_ < 0 && left_--; )				\
		ret_ = luo_insist_once(left_ ? (percent) : 0, call, failed);	\
	ret_; })

#endif /* FAULT_INJECT_H */
