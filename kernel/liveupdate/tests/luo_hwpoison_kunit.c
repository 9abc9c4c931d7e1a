// SPDX-License-Identifier: GPL-2.0
/*
 * The list of bad pages: what is written is these bytes, what is read from them is these
 * pages, and nothing that differs from them is valid.
 *
 * Runs in the kernel, and in user space under tools/testing/liveupdate.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <asm/page.h>

#include "../../../mm/hwpoison_kho.h"

#define NR_PAGES	3
#define SIZE		(sizeof(struct hwpoison_ser) + NR_PAGES * sizeof(u64))

/* As it is where pages are of 4 KiB */
static const u8 golden[SIZE] = {
	0xe4, 0x4a, 0x68, 0x85, 0x0c, 0x00, 0x00, 0x00,
	0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x45, 0x23, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x46, 0x23, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x87, 0xa9, 0xcb, 0xed, 0x0f, 0x00, 0x00, 0x00,
};

static const u64 golden_pfns[NR_PAGES] = { 0x12345, 0x12346, 0xfedcba987 };

union list {
	struct hwpoison_ser ser;
	u8 bytes[sizeof(struct hwpoison_ser) + (NR_PAGES + 1) * sizeof(u64)];
};

static union list *list_create(struct kunit *test, const u64 *pfns, unsigned int nr)
{
	union list *list = kunit_kzalloc(test, sizeof(*list), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, list);
	list->ser.nr = nr;
	memcpy(list->ser.pfns, pfns, nr * sizeof(*pfns));
	hwpoison_ser_seal(&list->ser);
	return list;
}

static void hwpoison_golden_test(struct kunit *test)
{
	union list *list = list_create(test, golden_pfns, NR_PAGES);

	KUNIT_EXPECT_EQ(test, hwpoison_ser_check(&list->ser, SIZE), 0);
	if (PAGE_SHIFT != 12)
		kunit_skip(test, "the bytes are of pages of 4 KiB");
	KUNIT_EXPECT_MEMEQ(test, list->bytes, golden, SIZE);
}

static void hwpoison_size_test(struct kunit *test)
{
	const size_t most = sizeof(struct hwpoison_ser) + HWPOISON_MAX_PAGES * sizeof(u64);

	KUNIT_EXPECT_TRUE(test, hwpoison_ser_size_valid(SIZE));
	KUNIT_EXPECT_TRUE(test, hwpoison_ser_size_valid(sizeof(struct hwpoison_ser) + 8));
	KUNIT_EXPECT_TRUE(test, hwpoison_ser_size_valid(most));
	KUNIT_EXPECT_FALSE(test, hwpoison_ser_size_valid(0));
	KUNIT_EXPECT_FALSE(test, hwpoison_ser_size_valid(8));
	KUNIT_EXPECT_FALSE(test, hwpoison_ser_size_valid(sizeof(struct hwpoison_ser)));
	KUNIT_EXPECT_FALSE(test, hwpoison_ser_size_valid(SIZE + 4));
	KUNIT_EXPECT_FALSE(test, hwpoison_ser_size_valid(most + 8));
	KUNIT_EXPECT_FALSE(test, hwpoison_ser_size_valid(~(size_t)7));
}

static void hwpoison_each_bit_test(struct kunit *test)
{
	union list *list = list_create(test, golden_pfns, NR_PAGES);

	for (unsigned int bit = 0; bit < SIZE * 8; bit++) {
		list->bytes[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_EQ_MSG(test, hwpoison_ser_check(&list->ser, SIZE), -EUCLEAN,
				    "bit %u", bit);
		list->bytes[bit / 8] ^= 1 << bit % 8;
	}
	KUNIT_EXPECT_EQ(test, hwpoison_ser_check(&list->ser, SIZE), 0);
	KUNIT_EXPECT_EQ(test, hwpoison_ser_check(&list->ser, SIZE - 8), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, hwpoison_ser_check(&list->ser, SIZE + 8), -EUCLEAN);
}

/* With a good checksum */
static void hwpoison_pages_test(struct kunit *test)
{
	const u64 last = (1ULL << (52 - PAGE_SHIFT)) - 1;
	const struct {
		u64 pfns[NR_PAGES];
		int ret;
	} cases[] = {
		{ { 0, 1, 2 } },
		{ { 0, last - 1, last } },
		{ { 0, 1, last + 1 }, -EUCLEAN },
		{ { 1, 2, ~0ULL }, -EUCLEAN },
		{ { 1, 1, 2 }, -EUCLEAN },
		{ { 2, 1, 3 }, -EUCLEAN },
		{ { 1, 3, 2 }, -EUCLEAN },
		{ { 1, 3, 0 }, -EUCLEAN },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		union list *list = list_create(test, cases[i].pfns, NR_PAGES);

		KUNIT_EXPECT_EQ_MSG(test, hwpoison_ser_check(&list->ser, SIZE), cases[i].ret,
				    "case %u", i);
	}
}

static struct kunit_case hwpoison_cases[] = {
	KUNIT_CASE(hwpoison_golden_test),
	KUNIT_CASE(hwpoison_size_test),
	KUNIT_CASE(hwpoison_each_bit_test),
	KUNIT_CASE(hwpoison_pages_test),
	{ }
};

static struct kunit_suite hwpoison_suite = {
	.name = "luo_hwpoison",
	.test_cases = hwpoison_cases,
};

kunit_test_suite(hwpoison_suite);
