/* SPDX-License-Identifier: GPL-2.0 */
/* The kselftest harness as these programs use it; one-kernel tests only. */
#ifndef HARNESS_H
#define HARNESS_H

#include "kselftest_harness.h"
#include "util.h"

/* An emulated guest with a debug kernel is slow; a hang is for who runs it to notice. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240

/* What helpers say, here and elsewhere; without the harness see check.h */
#define require_eq(exp, seen)	ASSERT_EQ(exp, seen)
#define require_ge(exp, seen)	ASSERT_GE(exp, seen)
#define require_true(seen)	ASSERT_TRUE(seen)
#define check_eq(exp, seen)	EXPECT_EQ(exp, seen)
#define check_true(seen)	EXPECT_TRUE(seen)

#endif /* HARNESS_H */
