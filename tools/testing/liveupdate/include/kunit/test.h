/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of KUnit as the suites in kernel/liveupdate/tests need, in user space: the same
 * files are compiled here and there, and print the same KTAP.
 */
#ifndef _LUO_SEAM_KUNIT_H
#define _LUO_SEAM_KUNIT_H

#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/types.h>
#include <setjmp.h>
#include <stdio.h>

#define KUNIT_PARAM_DESC_SIZE	128

struct kunit_chunk;

/**
 * struct kunit - a test case while it runs
 * @param_value: what it runs with, NULL if it takes no parameters
 * @failed: an expectation was not met
 * @abort: where a failed assertion goes
 * @chunks: memory that goes with the test
 */
struct kunit {
	const void *param_value;
	bool failed;
	jmp_buf abort;
	struct kunit_chunk *chunks;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
	const void *(*generate_params)(struct kunit *test, const void *prev, char *desc);
};

struct kunit_suite {
	const char *name;
	struct kunit_case *test_cases;
	struct kunit_suite *next;
};

void kunit_add_suite(struct kunit_suite *suite);
bool kunit_run_once(const struct kunit_case *test_case, const void *param);
void *kunit_kzalloc(struct kunit *test, size_t size, gfp_t gfp);
void kunit_param_desc(char *desc, const void *param, size_t offset);
__printf(6, 7)
void kunit_failed(struct kunit *test, bool abort, const char *file, int line, const char *what,
		  const char *fmt, ...);

#define KUNIT_CASE(test) { .run_case = test, .name = #test }
#define KUNIT_CASE_PARAM(test, generate) \
	{ .run_case = test, .name = #test, .generate_params = generate }

/* @member is a const char * of what @array is made of */
#define KUNIT_ARRAY_PARAM_DESC(array_name, array, member)				\
	static const void *array_name##_gen_params(struct kunit *test,			\
						   const void *prev, char *desc)	\
	{										\
		typeof(array) *all = &(array);						\
		typeof(&(*all)[0]) next = prev ? (typeof(next))prev + 1 : *all;		\
											\
		if (next == *all + ARRAY_SIZE(*all))					\
			return NULL;							\
		kunit_param_desc(desc, next, offsetof(typeof(*next), member));		\
		return next;								\
	}

#define kunit_test_suite(suite)								\
	static void __attribute__((constructor)) kunit_add_##suite(void)		\
	{										\
		kunit_add_suite(&(suite));						\
	}

#define MODULE_DESCRIPTION(text)	static_assert(sizeof(text))
#define MODULE_LICENSE(text)		static_assert(sizeof(text))

#define KUNIT_CHECK(test, holds, abort, what, ...) do {					\
	if (!(holds))									\
		kunit_failed(test, abort, __FILE__, __LINE__, what, __VA_ARGS__);	\
} while (0)

#define KUNIT_COMPARE(test, left, op, right, abort, ...) do {				\
	__auto_type __left = (left);							\
	__auto_type __right = (right);							\
	char __what[256];								\
											\
	if (!(__left op __right)) {							\
		snprintf(__what, sizeof(__what), "%s %s %s: %#llx, %#llx", #left, #op,	\
			 #right, (unsigned long long)__left,				\
			 (unsigned long long)__right);					\
		kunit_failed(test, abort, __FILE__, __LINE__, __what, __VA_ARGS__);	\
	}										\
} while (0)

#define KUNIT_EXPECT_EQ(test, l, r)		KUNIT_COMPARE(test, l, ==, r, false, " ")
#define KUNIT_EXPECT_NE(test, l, r)		KUNIT_COMPARE(test, l, !=, r, false, " ")
#define KUNIT_EXPECT_LT(test, l, r)		KUNIT_COMPARE(test, l, <, r, false, " ")
#define KUNIT_EXPECT_LE(test, l, r)		KUNIT_COMPARE(test, l, <=, r, false, " ")
#define KUNIT_EXPECT_GT(test, l, r)		KUNIT_COMPARE(test, l, >, r, false, " ")
#define KUNIT_EXPECT_GE(test, l, r)		KUNIT_COMPARE(test, l, >=, r, false, " ")
#define KUNIT_EXPECT_EQ_MSG(test, l, r, ...)	KUNIT_COMPARE(test, l, ==, r, false, __VA_ARGS__)
#define KUNIT_EXPECT_NE_MSG(test, l, r, ...)	KUNIT_COMPARE(test, l, !=, r, false, __VA_ARGS__)
#define KUNIT_EXPECT_LE_MSG(test, l, r, ...)	KUNIT_COMPARE(test, l, <=, r, false, __VA_ARGS__)
#define KUNIT_EXPECT_PTR_EQ(test, l, r)		KUNIT_COMPARE(test, l, ==, r, false, " ")
#define KUNIT_ASSERT_EQ(test, l, r)		KUNIT_COMPARE(test, l, ==, r, true, " ")
#define KUNIT_ASSERT_LT(test, l, r)		KUNIT_COMPARE(test, l, <, r, true, " ")
#define KUNIT_ASSERT_LE(test, l, r)		KUNIT_COMPARE(test, l, <=, r, true, " ")

#define KUNIT_EXPECT_TRUE(test, x)		KUNIT_CHECK(test, x, false, #x, " ")
#define KUNIT_EXPECT_FALSE(test, x)		KUNIT_CHECK(test, !(x), false, "!" #x, " ")
#define KUNIT_EXPECT_TRUE_MSG(test, x, ...)	KUNIT_CHECK(test, x, false, #x, __VA_ARGS__)
#define KUNIT_EXPECT_FALSE_MSG(test, x, ...)	KUNIT_CHECK(test, !(x), false, "!" #x, __VA_ARGS__)
#define KUNIT_ASSERT_TRUE(test, x)		KUNIT_CHECK(test, x, true, #x, " ")
#define KUNIT_ASSERT_NOT_NULL(test, x)		KUNIT_CHECK(test, x, true, #x, " ")

/* Nothing that runs here has a reason to. */
#define kunit_skip(test, why)	KUNIT_CHECK(test, false, true, "skipped", why)

#define KUNIT_EXPECT_STREQ(test, l, r) do {						\
	const char *__left = (l);							\
	const char *__right = (r);							\
											\
	KUNIT_CHECK(test, !strcmp(__left, __right), false, "the same string",		\
		    "\"%s\", \"%s\"", __left, __right);					\
} while (0)
#define KUNIT_EXPECT_MEMEQ(test, l, r, size)	\
	KUNIT_CHECK(test, !memcmp(l, r, size), false, "the same bytes", " ")

#endif /* _LUO_SEAM_KUNIT_H */
