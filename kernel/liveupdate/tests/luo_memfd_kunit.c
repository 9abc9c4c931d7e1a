// SPDX-License-Identifier: GPL-2.0
/* The bytes of memfd formats, so that they cannot change unnoticed, and some by real kernels */
#include <kunit/test.h>
#include <linux/bitfield.h>
#include <linux/crc32c.h>
#include <linux/fcntl.h>
#include <linux/kho/abi/memfd.h>

#include "luo_golden_image.h"
#include "luo_golden_ours.h"
#include "luo_golden_ours_extent.h"
#include "luo_golden_stock.h"

static const u8 golden_memfd[] = {
	0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,	/* pos */
	0x98, 0x87, 0x76, 0x65, 0x54, 0x43, 0x32, 0x21,	/* size */
	0x3f, 0x00, 0x00, 0x00,				/* seals: all six */
	0x00, 0x00, 0x00, 0x00,				/* flags */
	0xa8, 0x97, 0x86, 0x75, 0x64, 0x53, 0x42, 0x31,	/* nr_folios */
	0x00, 0x50, 0x34, 0x12, 0x00, 0x00, 0x00, 0x00,	/* folios.first */
	0x78, 0x56, 0x34, 0x12,				/* folios.total_pages */
	0x01, 0x00,					/* folios.flags */
	0x09, 0x00,					/* folios.order */
};

static const u8 golden_folio[] = {
	0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x33, 0x00,	/* pfn and flags: 52 and 12 bits */
	0x78, 0x56, 0x34, 0x12, 0x00, 0x00, 0x00, 0x00,	/* index */
};

static void memfd_bytes(struct kunit *test)
{
	const struct memfd_luo_ser ser = {
		.pos = 0x1122334455667788,
		.size = 0x2132435465768798,
		.seals = MEMFD_LUO_ALL_SEALS,
		.nr_folios = 0x31425364758697a8,
		.folios = {
			.first.phys = 0x12345000,
			.total_pages = 0x12345678,
			.flags = 1,
			.order = 9,
		},
	};

	KUNIT_ASSERT_EQ(test, sizeof(ser), sizeof(golden_memfd));
	KUNIT_EXPECT_MEMEQ(test, &ser, golden_memfd, sizeof(ser));
	KUNIT_EXPECT_STREQ(test, MEMFD_LUO_FH_COMPATIBLE, "memfd-v2");
}

static void folio_bytes(struct kunit *test)
{
	const struct memfd_luo_folio_ser ser = {
		.pfn = 0x3456789abcdef,
		.flags = MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE,
		.index = 0x12345678,
	};

	KUNIT_ASSERT_EQ(test, sizeof(ser), sizeof(golden_folio));
	KUNIT_EXPECT_MEMEQ(test, &ser, golden_folio, sizeof(ser));
}

/* A page and five bytes, see kexec_golden.c in the selftests */
static void expect_memfd(struct kunit *test, const struct luo_golden_piece *image)
{
	const struct luo_golden_piece *memfd = luo_golden_find(image, "memfd");
	const struct luo_golden_piece *folios = luo_golden_find(image, "folios");
	const struct memfd_luo_folio_ser *folio;
	const struct memfd_luo_ser *ser;

	KUNIT_ASSERT_NOT_NULL(test, memfd);
	KUNIT_ASSERT_EQ(test, memfd->size, sizeof(*ser));
	ser = (const void *)memfd->bytes;
	KUNIT_EXPECT_EQ(test, ser->pos, 7);
	KUNIT_EXPECT_EQ(test, ser->size, 4096 + 5);
	KUNIT_EXPECT_EQ(test, ser->seals, F_SEAL_SHRINK | F_SEAL_GROW);
	KUNIT_EXPECT_EQ(test, ser->flags, 0);
	KUNIT_EXPECT_EQ(test, ser->nr_folios, 2);
	KUNIT_EXPECT_EQ(test, ser->folios.total_pages, 1);
	KUNIT_EXPECT_EQ(test, ser->folios.order, 0);

	KUNIT_ASSERT_NOT_NULL(test, folios);
	KUNIT_ASSERT_EQ(test, folios->size, 2 * sizeof(*folio));
	folio = (const void *)folios->bytes;
	for (unsigned int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, folio[i].index, i);
		KUNIT_EXPECT_NE(test, (u64)folio[i].pfn, 0);
		KUNIT_EXPECT_TRUE(test, folio[i].flags & MEMFD_LUO_FOLIO_UPTODATE);
	}
}

static void memfd_by_stock(struct kunit *test)
{
	expect_memfd(test, luo_golden_stock);
}

static void memfd_by_ours(struct kunit *test)
{
	expect_memfd(test, luo_golden_ours);
}

static const u8 golden_extents[] = {
	0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,	/* pos */
	0x98, 0x87, 0x76, 0x65, 0x54, 0x43, 0x32, 0x21,	/* size */
	0xa8, 0x97, 0x86, 0x75, 0x64, 0x53, 0x42, 0x31,	/* nr_pages */
	0x3f, 0x00, 0x00, 0x00,				/* seals */
	0x03, 0x00, 0x00, 0x00,				/* flags */
	0xff, 0x0f, 0x00, 0x00,				/* mode */
	0x04, 0x03, 0x02, 0x01,				/* uid */
	0x14, 0x13, 0x12, 0x11,				/* gid */
	0x00, 0x00, 0x00, 0x00,				/* reserved */
	0x00, 0x50, 0x34, 0x12, 0x00, 0x00, 0x00, 0x00,	/* list.next */
	0x02, 0x00, 0x00, 0x00,				/* list.nr */
	0x24, 0x23, 0x22, 0x21,				/* list.crc */
};

static void extents_bytes(struct kunit *test)
{
	const struct memfd_extent_ser ser = {
		.pos = 0x1122334455667788,
		.size = 0x2132435465768798,
		.nr_pages = 0x31425364758697a8,
		.seals = MEMFD_LUO_ALL_SEALS,
		.flags = MEMFD_EXTENT_RDONLY | MEMFD_EXTENT_WRONLY,
		.mode = 07777,
		.uid = 0x01020304,
		.gid = 0x11121314,
		.list = { .next = 0x12345000, .nr = 2, .crc = 0x21222324 },
	};

	KUNIT_ASSERT_EQ(test, sizeof(ser), sizeof(golden_extents));
	KUNIT_EXPECT_MEMEQ(test, &ser, golden_extents, sizeof(ser));
	KUNIT_EXPECT_STREQ(test, MEMFD_EXTENT_FH_COMPATIBLE, "memfd-extent-v1");
}

static void extent_words(struct kunit *test)
{
	const u64 extent = FIELD_PREP(MEMFD_EXTENT_PFN, 0x123456789aULL) |
			   FIELD_PREP(MEMFD_EXTENT_NR, 0x2bcde) |
			   FIELD_PREP(MEMFD_EXTENT_ORDER, 9);
	const u64 index = FIELD_PREP(MEMFD_EXTENT_ORDER, MEMFD_EXTENT_ORDER_INDEX) |
			  FIELD_PREP(MEMFD_EXTENT_INDEX, 0x123456789abcdefULL);

	KUNIT_EXPECT_EQ(test, extent, 0x26bcde123456789aULL);
	KUNIT_EXPECT_EQ(test, index, 0xfd23456789abcdefULL);
}

/* The same memfd as above. Its two pages lay side by side, the second one first. */
static void extents_by_ours(struct kunit *test)
{
	const struct luo_golden_piece *piece = luo_golden_find(luo_golden_ours_extent, "extents");
	const u32 none = 0;
	const struct memfd_extent_ser *ser;
	size_t crc_at = offsetof(struct memfd_extent_ser, list.crc);
	u32 crc;

	KUNIT_ASSERT_NOT_NULL(test, piece);
	KUNIT_ASSERT_EQ(test, piece->size, sizeof(*ser) + 2 * sizeof(u64));
	ser = (const void *)piece->bytes;
	KUNIT_EXPECT_EQ(test, ser->pos, 7);
	KUNIT_EXPECT_EQ(test, ser->size, 4096 + 5);
	KUNIT_EXPECT_EQ(test, ser->nr_pages, 2);
	KUNIT_EXPECT_EQ(test, ser->seals, F_SEAL_SHRINK | F_SEAL_GROW);
	KUNIT_EXPECT_EQ(test, ser->flags, 0);
	KUNIT_EXPECT_EQ(test, ser->mode, 0777);
	KUNIT_EXPECT_EQ(test, ser->uid, 0);
	KUNIT_EXPECT_EQ(test, ser->gid, 0);
	KUNIT_EXPECT_EQ(test, ser->list.next, 0);
	KUNIT_ASSERT_EQ(test, ser->list.nr, 2);
	for (unsigned int i = 0; i < 2; i++) {
		const u64 pfn = FIELD_GET(MEMFD_EXTENT_PFN, ser->list.words[i]);
		const u64 nr = FIELD_GET(MEMFD_EXTENT_NR, ser->list.words[i]);
		const u64 order = FIELD_GET(MEMFD_EXTENT_ORDER, ser->list.words[i]);

		KUNIT_EXPECT_NE(test, pfn, 0);
		KUNIT_EXPECT_EQ(test, nr, 1);
		KUNIT_EXPECT_EQ(test, order, 0);
	}

	crc = crc32c(~0U, piece->bytes, crc_at);
	crc = crc32c(crc, &none, sizeof(none));
	crc = crc32c(crc, piece->bytes + crc_at + sizeof(none),
		     piece->size - crc_at - sizeof(none));
	KUNIT_EXPECT_EQ(test, crc, ser->list.crc);
}

static struct kunit_case luo_memfd_cases[] = {
	KUNIT_CASE(memfd_bytes),
	KUNIT_CASE(folio_bytes),
	KUNIT_CASE(memfd_by_stock),
	KUNIT_CASE(memfd_by_ours),
	KUNIT_CASE(extents_bytes),
	KUNIT_CASE(extent_words),
	KUNIT_CASE(extents_by_ours),
	{}
};

static struct kunit_suite luo_memfd_suite = {
	.name = "luo_memfd",
	.test_cases = luo_memfd_cases,
};

kunit_test_suite(luo_memfd_suite);
