// SPDX-License-Identifier: GPL-2.0
/* Pages for what is handed over: zeroed, each on its own, and side by side */
#include <kunit/test.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/string.h>

#define PAGES	100

static void need_kho(struct kunit *test)
{
	if (!kho_is_enabled())
		kunit_skip(test, "kexec handover is off");
}

static void alloc_all(struct kunit *test, void **mem)
{
	for (int i = 0; i < PAGES; i++) {
		mem[i] = liveupdate_alloc_page();
		KUNIT_ASSERT_NOT_NULL(test, mem[i]);
		KUNIT_EXPECT_NULL(test, memchr_inv(mem[i], 0, PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, page_ref_count(virt_to_page(mem[i])), 1);
		KUNIT_EXPECT_FALSE(test, folio_test_large(virt_to_folio(mem[i])));
		memset(mem[i], i + 1, PAGE_SIZE);
	}
}

static void free_all(void **mem)
{
	for (int i = 0; i < PAGES; i++)
		liveupdate_free_page(mem[i]);
}

/* What was in one before is gone; nobody has one that somebody else has. */
static void pages_zeroed(struct kunit *test)
{
	void **mem = kunit_kcalloc(test, PAGES, sizeof(*mem), GFP_KERNEL);

	need_kho(test);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	for (int round = 0; round < 3; round++) {
		alloc_all(test, mem);
		for (int i = 0; i < PAGES; i++)
			KUNIT_EXPECT_NULL(test, memchr_inv(mem[i], i + 1, PAGE_SIZE));
		free_all(mem);
	}
}

/* A block of memory is used up before the next one is begun. */
static void pages_side_by_side(struct kunit *test)
{
	void **mem = kunit_kcalloc(test, PAGES, sizeof(*mem), GFP_KERNEL);
	int apart = 0;

	need_kho(test);
	KUNIT_ASSERT_NOT_NULL(test, mem);
	alloc_all(test, mem);
	for (int i = 1; i < PAGES; i++)
		apart += mem[i] != mem[i - 1] + PAGE_SIZE;
	free_all(mem);

	/* What others have given back before lies anywhere, but is not much. */
	KUNIT_EXPECT_LE(test, apart, 16 + PAGES / 16);
}

static void pages_null(struct kunit *test)
{
	liveupdate_free_page(NULL);
}

static struct kunit_case luo_pages_cases[] = {
	KUNIT_CASE(pages_zeroed),
	KUNIT_CASE(pages_side_by_side),
	KUNIT_CASE(pages_null),
	{}
};

static struct kunit_suite luo_pages_suite = {
	.name = "luo_pages",
	.test_cases = luo_pages_cases,
};

kunit_test_suite(luo_pages_suite);
