// SPDX-License-Identifier: GPL-2.0
/*
 * The FLB area, byte by byte: written and read as in the golden handover, and damaged in
 * every way that the reader is there to find.
 *
 * Runs in the kernel, and in user space under tools/testing/liveupdate.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "../luo_wire.h"
#include "luo_golden.h"
#include "luo_wire_fake.h"

#define FLBS_PHYS	LUO_GOLDEN_FLBS
#define HEADER		sizeof(struct luo_flb_header_ser)
#define ENTRY		sizeof(struct luo_flb_ser)

/* The golden area, in a folio of its order */
static void *golden_area(struct fake *fake)
{
	void *area = fake_add_folio(fake, FLBS_PHYS, 1);

	memcpy(area, luo_golden_flbs, sizeof(luo_golden_flbs));
	return area;
}

static struct luo_flb_ser *entry_of(void *area, u64 index)
{
	return (struct luo_flb_ser *)(area + HEADER) + index;
}

/* So many entries in a folio of @order, whose names differ in their last letters */
static void *area_of(struct fake *fake, unsigned int order, u64 count)
{
	void *area = fake_add_folio(fake, FLBS_PHYS, order);
	char name[] = "flb-aaa";

	for (u64 i = 0; i < count; i++) {
		name[4] = 'a' + i / 625 % 25;
		name[5] = 'a' + i / 25 % 25;
		name[6] = 'a' + i % 25;
		luo_wire_write_flb(area, i, name, i, 1);
	}
	luo_wire_write_flbs(area, order, count);
	return area;
}

static int read_flbs(struct fake *fake, u64 phys, const struct luo_ext_ser *ext,
		     struct luo_wire_flbs *flbs)
{
	int ret;

	memset(flbs, POISON, sizeof(*flbs));
	ret = luo_wire_read_flbs(&fake->pages, phys, ext, flbs);
	KUNIT_EXPECT_EQ(fake->test, all_poison(flbs, sizeof(*flbs)), ret != 0);
	return ret;
}

static void expect_read(struct fake *fake, int err)
{
	struct luo_wire_flbs flbs;

	KUNIT_EXPECT_EQ(fake->test, read_flbs(fake, FLBS_PHYS, NULL, &flbs), err);
}

/* ---------------------------------------------------------------------- golden */

static void wire_flb_golden_write_test(struct kunit *test)
{
	void *area = fake_add_folio(fake_create(test), FLBS_PHYS, 1);

	luo_wire_write_flb(area, 0, "example-flb-v1", LUO_GOLDEN_FLB_DATA, 2);
	KUNIT_EXPECT_TRUE(test, all_poison(area, HEADER));
	luo_wire_write_flbs(area, 1, 1);
	KUNIT_EXPECT_MEMEQ(test, area, luo_golden_flbs, sizeof(luo_golden_flbs));
	KUNIT_EXPECT_TRUE(test, all_poison(area + sizeof(luo_golden_flbs),
					   2 * PAGE_SIZE - sizeof(luo_golden_flbs)));
}

static void wire_flb_golden_read_test(struct kunit *test)
{
	struct fake *fake = fake_create(test);
	const void *area = golden_area(fake);
	struct luo_wire_flbs flbs;
	struct luo_ext_ser ext;

	KUNIT_ASSERT_TRUE(test, luo_wire_read_ext(luo_golden_ext, sizeof(luo_golden_ext), &ext));
	KUNIT_EXPECT_EQ(test, luo_wire_flbs_crc(area), ext.flbs_crc);
	KUNIT_ASSERT_EQ(test, read_flbs(fake, FLBS_PHYS, &ext, &flbs), 0);
	KUNIT_ASSERT_EQ(test, flbs.count, 1);
	KUNIT_EXPECT_PTR_EQ(test, (const void *)flbs.entries, area + HEADER);
	KUNIT_EXPECT_STREQ(test, flbs.entries[0].name, "example-flb-v1");
	KUNIT_EXPECT_EQ(test, flbs.entries[0].data, LUO_GOLDEN_FLB_DATA);
	KUNIT_EXPECT_EQ(test, flbs.entries[0].count, 2);
}

static void wire_flb_every_byte_test(struct kunit *test)
{
	struct fake *fake = fake_create(test);
	u8 *area = golden_area(fake);
	struct luo_wire_flbs flbs;
	struct luo_ext_ser ext;

	KUNIT_ASSERT_TRUE(test, luo_wire_read_ext(luo_golden_ext, sizeof(luo_golden_ext), &ext));
	for (size_t i = 0; i < sizeof(luo_golden_flbs); i++) {
		area[i] ^= 0x40;
		KUNIT_EXPECT_EQ_MSG(test, read_flbs(fake, FLBS_PHYS, &ext, &flbs), -EUCLEAN,
				    "byte %zu changed", i);
		area[i] ^= 0x40;
	}
	area[sizeof(luo_golden_flbs)] ^= 0x40;	/* not in use */
	KUNIT_EXPECT_EQ(test, read_flbs(fake, FLBS_PHYS, &ext, &flbs), 0);
	ext.flbs_crc ^= 1;
	KUNIT_EXPECT_EQ(test, read_flbs(fake, FLBS_PHYS, &ext, &flbs), -EUCLEAN);
}

/* ---------------------------------------------------------------------- where */

static void wire_flb_none_test(struct kunit *test)
{
	struct fake *fake = fake_create(test);
	struct luo_ext_ser ext = { .flbs_crc = 1 };
	struct luo_wire_flbs flbs;

	KUNIT_EXPECT_EQ(test, read_flbs(fake, 0, NULL, &flbs), 0);
	KUNIT_EXPECT_EQ(test, flbs.count, 0);
	KUNIT_EXPECT_EQ(test, read_flbs(fake, 0, &ext, &flbs), 0);
	KUNIT_EXPECT_EQ(test, flbs.count, 0);
	KUNIT_EXPECT_EQ(test, fake->peeks, 0);
}

struct place_case {
	const char *desc;
	u64 phys;
	int ret;
};

static const struct place_case place_cases[] = {
	{ "the folio", FLBS_PHYS, 0 },
	{ "its second page", FLBS_PHYS + PAGE_SIZE, -EUCLEAN },
	{ "the page before", FLBS_PHYS - PAGE_SIZE, -EUCLEAN },
	{ "one byte into it", FLBS_PHYS + 1, -EUCLEAN },
	{ "a word into it", FLBS_PHYS + 8, -EUCLEAN },
	{ "last page of all", -PAGE_SIZE, -EUCLEAN },
	{ "last byte of all", ~0ULL, -EUCLEAN },
};

KUNIT_ARRAY_PARAM_DESC(place, place_cases, desc);

static void wire_flb_place_test(struct kunit *test)
{
	const struct place_case *c = test->param_value;
	struct fake *fake = fake_create(test);
	struct luo_wire_flbs flbs;

	golden_area(fake);
	KUNIT_EXPECT_EQ(test, read_flbs(fake, c->phys, NULL, &flbs), c->ret);
	KUNIT_EXPECT_LE(test, fake->peeks, 1);
}

/* ---------------------------------------------------------------------- header */

struct size_case {
	const char *desc;
	unsigned int order;
	u64 pgcnt;
	u64 count;
	int ret;
};

/* 63, 127 and 191 in pages of 4 KiB */
#define FIT(pages)	(((pages) * PAGE_SIZE - HEADER) / ENTRY)

static const struct size_case size_cases[] = {
	{ "nothing in it", 0, 1, 0, 0 },
	{ "one", 0, 1, 1, 0 },
	{ "a full page", 0, 1, FIT(1), 0 },
	{ "one too many for a page", 0, 1, FIT(1) + 1, -EUCLEAN },
	{ "a full folio", 1, 2, FIT(2), 0 },
	{ "one too many for a folio", 1, 2, FIT(2) + 1, -EUCLEAN },
	{ "a page of a folio", 1, 1, FIT(1), 0 },
	{ "one too many for a page of a folio", 1, 1, FIT(1) + 1, -EUCLEAN },
	{ "three pages of four", 2, 3, FIT(3), 0 },
	{ "one too many for three pages", 2, 3, FIT(3) + 1, -EUCLEAN },
	{ "a folio larger than any area", LUO_FLBS_MAX_ORDER + 1, 1, 1, -EUCLEAN },
	{ "no pages", 0, 0, 0, -EUCLEAN },
	{ "no pages, but one", 0, 0, 1, -EUCLEAN },
	{ "more pages than the folio", 0, 2, 1, -EUCLEAN },
	{ "one page more than a larger folio", 2, 5, 1, -EUCLEAN },
	{ "pages beyond the number of bytes", 1, 1ULL << 52, 1, -EUCLEAN },
	{ "pages that come out as 1 page", 1, (1ULL << 52) + 1, 1, -EUCLEAN },
	{ "pages without end", 1, ~0ULL, 1, -EUCLEAN },
	{ "count that comes out as 0 bytes", 1, 2, 1ULL << 58, -EUCLEAN },
	{ "count that comes out as 1 entry", 1, 2, (1ULL << 58) + 1, -EUCLEAN },
	{ "count without end", 1, 2, ~0ULL, -EUCLEAN },
};

KUNIT_ARRAY_PARAM_DESC(size, size_cases, desc);

static void wire_flb_size_test(struct kunit *test)
{
	const struct size_case *c = test->param_value;
	struct fake *fake = fake_create(test);
	u64 most = luo_wire_flbs_per(c->order);
	struct luo_flb_header_ser *header;

	header = area_of(fake, c->order, c->count < most ? c->count : most);
	header->pgcnt = c->pgcnt;
	header->count = c->count;
	expect_read(fake, c->ret);
}

static void wire_flb_largest_test(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, luo_wire_flbs_per(0), (PAGE_SIZE - HEADER) / ENTRY);
	KUNIT_EXPECT_EQ(test, luo_wire_flbs_per(LUO_FLBS_MAX_ORDER),
			((PAGE_SIZE << LUO_FLBS_MAX_ORDER) - HEADER) / ENTRY);
}

/* --------------------------------------------------------------------- entries */

static void wire_flb_all_are_read_test(struct kunit *test)
{
	struct fake *fake = fake_create(test);
	struct luo_wire_flbs flbs;

	area_of(fake, 1, 127);
	KUNIT_ASSERT_EQ(test, read_flbs(fake, FLBS_PHYS, NULL, &flbs), 0);
	KUNIT_ASSERT_EQ(test, flbs.count, 127);
	for (u64 i = 0; i < flbs.count; i++)
		KUNIT_EXPECT_EQ(test, flbs.entries[i].data, i);
}

/* The longest name that there is room for keeps its terminator */
static void wire_flb_longest_name_test(struct kunit *test)
{
	static const char name[] = "01234567890123456789012345678901234567890123456";
	struct fake *fake = fake_create(test);
	void *area = area_of(fake, 0, 1);
	struct luo_wire_flbs flbs;

	static_assert(sizeof(name) == LUO_COMPAT_LEN);
	luo_wire_write_flb(area, 0, name, ~0ULL, ~0ULL);
	KUNIT_ASSERT_EQ(test, read_flbs(fake, FLBS_PHYS, NULL, &flbs), 0);
	KUNIT_EXPECT_STREQ(test, flbs.entries[0].name, name);
	KUNIT_EXPECT_EQ(test, flbs.entries[0].data, ~0ULL);
	KUNIT_EXPECT_EQ(test, flbs.entries[0].count, ~0ULL);
}

struct name_case {
	const char *desc;
	char name[LUO_COMPAT_LEN + 1];
	int ret;
};

static const struct name_case name_cases[] = {
	{ "a usual one", "pci-v1", 0 },
	{ "not terminated", "012345678901234567890123456789012345678901234567", -EUCLEAN },
	{ "empty", "", -EUCLEAN },
	{ "blank", "pci v1", -EUCLEAN },
	{ "newline", "pci-v1\n", -EUCLEAN },
	{ "no ASCII", "pci\200", -EUCLEAN },
	{ "that of the first one", "flb-aaa", -EUCLEAN },
	{ "that of the first one and more", "flb-aaaa", 0 },
};

KUNIT_ARRAY_PARAM_DESC(name, name_cases, desc);

/* In the last entry that the page has room for, where nothing follows */
static void wire_flb_name_test(struct kunit *test)
{
	const struct name_case *c = test->param_value;
	struct fake *fake = fake_create(test);
	u64 last = luo_wire_flbs_per(0) - 1;
	void *area = area_of(fake, 0, last + 1);

	memcpy(entry_of(area, last)->name, c->name, LUO_COMPAT_LEN);
	/* Would go on with the name, and end it */
	entry_of(area, last)->data = 0x0078787878787878ULL;
	expect_read(fake, c->ret);
}

/* Two names are the same if they end alike, whatever stands behind the end */
static void wire_flb_name_twice_test(struct kunit *test)
{
	struct fake *fake = fake_create(test);
	void *area = area_of(fake, 0, 3);

	memcpy(entry_of(area, 2)->name, entry_of(area, 1)->name, LUO_COMPAT_LEN);
	entry_of(area, 2)->name[LUO_COMPAT_LEN - 1] = 'x';
	expect_read(fake, -EUCLEAN);
	entry_of(area, 2)->name[0] = 'g';
	expect_read(fake, 0);
}

static struct kunit_case luo_wire_flb_cases[] = {
	KUNIT_CASE(wire_flb_golden_write_test),
	KUNIT_CASE(wire_flb_golden_read_test),
	KUNIT_CASE(wire_flb_every_byte_test),
	KUNIT_CASE(wire_flb_none_test),
	KUNIT_CASE_PARAM(wire_flb_place_test, place_gen_params),
	KUNIT_CASE_PARAM(wire_flb_size_test, size_gen_params),
	KUNIT_CASE(wire_flb_largest_test),
	KUNIT_CASE(wire_flb_all_are_read_test),
	KUNIT_CASE(wire_flb_longest_name_test),
	KUNIT_CASE_PARAM(wire_flb_name_test, name_gen_params),
	KUNIT_CASE(wire_flb_name_twice_test),
	{}
};

static struct kunit_suite luo_wire_flb_suite = {
	.name = "luo_wire_flb",
	.test_cases = luo_wire_flb_cases,
};

kunit_test_suite(luo_wire_flb_suite);

MODULE_DESCRIPTION("KUnit tests of the Live Update Orchestrator's handover format");
MODULE_LICENSE("GPL");
