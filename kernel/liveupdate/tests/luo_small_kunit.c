// SPDX-License-Identifier: GPL-2.0
/* Small objects, from the side of who makes them; and the bytes of their page */
#include <kunit/test.h>
#include <linux/crc32c.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/small.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "../../../mm/memfd_luo.h"

#define PER_PAGE	(PAGE_SIZE / LIVEUPDATE_SMALL_SIZE - 1)
#define OBJECTS		(3 * PER_PAGE + 1)

static void need_kho(struct kunit *test)
{
	if (!kho_is_enabled())
		kunit_skip(test, "kexec handover is off");
}

static void **alloc_all(struct kunit *test)
{
	void **obj = kunit_kcalloc(test, OBJECTS, sizeof(*obj), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, obj);
	for (int i = 0; i < OBJECTS; i++) {
		obj[i] = luo_small_alloc();
		KUNIT_ASSERT_NOT_NULL(test, obj[i]);
		KUNIT_EXPECT_NULL(test, memchr_inv(obj[i], 0, LIVEUPDATE_SMALL_SIZE));
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED((unsigned long)obj[i], LIVEUPDATE_SMALL_SIZE));
		memset(obj[i], i + 1, LIVEUPDATE_SMALL_SIZE);
	}
	return obj;
}

/* What the next kernel is to find, worked out from the format alone */
static void expect_page(struct kunit *test, const void *obj, bool used)
{
	const void *page = (const void *)((unsigned long)obj & PAGE_MASK);
	struct liveupdate_small_ser ser;
	unsigned int piece = offset_in_page(obj) / LIVEUPDATE_SMALL_SIZE;
	u32 crc;

	memcpy(&ser, page, sizeof(ser));
	KUNIT_EXPECT_MEMEQ(test, &ser.magic, "LOSMALL1", 8);
	KUNIT_EXPECT_EQ(test, ser.size, 128);
	KUNIT_EXPECT_TRUE(test, ser.used[0] & 1);
	KUNIT_EXPECT_EQ(test, !!(ser.used[piece / 64] & BIT_ULL(piece % 64)), used);
	crc = ser.crc;
	ser.crc = 0;
	KUNIT_EXPECT_EQ(test, crc, crc32c(~0U, &ser, sizeof(ser)));
}

/* Each is its own, whatever is freed in between. */
static void small_objects(struct kunit *test)
{
	void **obj;

	need_kho(test);
	obj = alloc_all(test);
	for (int i = 0; i < OBJECTS; i++) {
		KUNIT_EXPECT_NULL(test, memchr_inv(obj[i], (u8)(i + 1), LIVEUPDATE_SMALL_SIZE));
		expect_page(test, obj[i], true);
	}
	for (int i = 0; i < OBJECTS; i += 3)
		luo_small_free(obj[i]);
	for (int i = 0; i < OBJECTS; i += 3) {
		obj[i] = luo_small_alloc();
		KUNIT_ASSERT_NOT_NULL(test, obj[i]);
		KUNIT_EXPECT_NULL(test, memchr_inv(obj[i], 0, LIVEUPDATE_SMALL_SIZE));
		memset(obj[i], i + 1, LIVEUPDATE_SMALL_SIZE);
	}
	for (int i = 0; i < OBJECTS; i++) {
		KUNIT_EXPECT_NULL(test, memchr_inv(obj[i], (u8)(i + 1), LIVEUPDATE_SMALL_SIZE));
		luo_small_free(obj[i]);
	}
}

/* One that is freed is not in use for the next kernel, the others are. */
static void small_bitmap(struct kunit *test)
{
	void *one, *two;

	need_kho(test);
	one = luo_small_alloc();
	two = luo_small_alloc();
	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, two);
	luo_small_free(one);
	if (((unsigned long)one & PAGE_MASK) == ((unsigned long)two & PAGE_MASK))
		expect_page(test, one, false);
	expect_page(test, two, true);
	luo_small_free(two);
}

/* Nothing of what this kernel has is taken for what was handed over. */
static void small_not_handed_over(struct kunit *test)
{
	const void *found = NULL;
	void *obj;

	need_kho(test);
	obj = luo_small_alloc();
	KUNIT_ASSERT_NOT_NULL(test, obj);
	KUNIT_EXPECT_EQ(test, luo_small_claim(virt_to_phys(obj), &found), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, luo_small_claim(virt_to_phys(obj) + 1, &found), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, luo_small_claim(0, &found), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, luo_small_claim(~0ULL << 7, &found), -EUCLEAN);
	KUNIT_EXPECT_NULL(test, found);
	luo_small_free(obj);
}

static void small_null(struct kunit *test)
{
	luo_small_free(NULL);
}

static struct kunit_case luo_small_cases[] = {
	KUNIT_CASE(small_objects),
	KUNIT_CASE(small_bitmap),
	KUNIT_CASE(small_not_handed_over),
	KUNIT_CASE(small_null),
	{}
};

static struct kunit_suite luo_small_suite = {
	.name = "luo_small",
	.test_cases = luo_small_cases,
};

kunit_test_suite(luo_small_suite);
