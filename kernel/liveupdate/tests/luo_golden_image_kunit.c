// SPDX-License-Identifier: GPL-2.0
/*
 * Handovers that real kernels have written, one per kernel and format, read piece by piece.
 * A reader that does not find in them what was put there has lost a format.
 *
 * Runs in the kernel, and in user space under tools/testing/liveupdate.
 */
#include <kunit/test.h>
#include <linux/string.h>

#include "../luo_wire.h"
#include "luo_golden_image.h"
#include "luo_golden_ours.h"
#include "luo_golden_stock.h"
#include "luo_wire_fake.h"

/* What is not known of a page is poison: nobody is to look at it. */
static struct fake *fake_memory(struct kunit *test, const struct luo_golden_piece *piece)
{
	struct fake *fake = fake_create(test);

	for (; piece->what; piece++) {
		if (piece->phys)
			memcpy(fake_add(fake, piece->phys), piece->bytes, piece->size);
	}
	return fake;
}

static struct seen read_chain(struct fake *fake, u64 first, size_t size, u32 *crc)
{
	struct luo_wire_chain chain;
	struct seen seen = {};

	KUNIT_ASSERT_EQ(fake->test, luo_wire_check_chain(&fake->pages, first, size, &chain), 0);
	luo_wire_for_each(&fake->pages, first, size, remember, &seen);
	KUNIT_ASSERT_EQ(fake->test, chain.entries, seen.count);
	*crc = chain.crc;
	return seen;
}

static void expect_file(struct kunit *test, const struct luo_file_ser *ser, u64 token)
{
	KUNIT_EXPECT_TRUE(test, luo_wire_file_valid(ser));
	KUNIT_EXPECT_STREQ(test, ser->compatible, "memfd-v2");
	KUNIT_EXPECT_EQ(test, ser->token, token);
	KUNIT_EXPECT_NE(test, ser->data, 0);
}

/* The sessions in the order in which they were created. Answers the checksum of the chain. */
static u32 expect_sessions(struct fake *fake, u64 first, u32 *files_crcs)
{
	static const struct {
		const char *name;
		unsigned int files;
	} sessions[] = { { "golden-1", 2 }, { "golden 2", 1 }, { "golden empty", 0 } };
	struct kunit *test = fake->test;
	struct seen seen, files;
	u32 crc;

	seen = read_chain(fake, first, sizeof(struct luo_session_ser), &crc);
	KUNIT_ASSERT_EQ(test, seen.count, ARRAY_SIZE(sessions));
	for (unsigned int i = 0; i < seen.count; i++) {
		const struct luo_session_ser *ser = seen.entry[i];

		KUNIT_EXPECT_TRUE(test, luo_wire_session_valid(ser));
		KUNIT_EXPECT_STREQ(test, ser->name, sessions[i].name);
		KUNIT_ASSERT_EQ(test, ser->count, sessions[i].files);
		files_crcs[i] = 0;
		if (!ser->count) {
			KUNIT_EXPECT_EQ(test, ser->files, 0);
			continue;
		}
		files = read_chain(fake, ser->files, sizeof(struct luo_file_ser), &files_crcs[i]);
		KUNIT_ASSERT_EQ(test, files.count, ser->count);
		expect_file(test, files.entry[0], i ? 5 : 0);
		if (!i)
			expect_file(test, files.entry[1], ~0ULL);
	}
	return crc;
}

static void expect_flbs(struct fake *fake, u64 phys, const struct luo_ext_ser *ext)
{
	struct kunit *test = fake->test;
	struct luo_wire_flbs flbs;
	char name[] = "liveupdate-test-flb-v0";

	KUNIT_ASSERT_EQ(test, luo_wire_read_flbs(&fake->pages, phys, ext, &flbs), 0);
	KUNIT_ASSERT_EQ(test, flbs.count, 3);
	for (unsigned int i = 0; i < flbs.count; i++) {
		name[sizeof(name) - 2] = '0' + i;
		KUNIT_EXPECT_STREQ(test, flbs.entries[i].name, name);
		KUNIT_EXPECT_EQ(test, flbs.entries[i].count, 3);
	}
}

/* Each checksum is the one that the kernel that wrote it has come to. */
static void expect_checksums(struct fake *fake, const struct luo_ext_ser *ext, u32 sessions_crc,
			     const u32 *files_crcs)
{
	struct kunit *test = fake->test;
	struct seen seen;
	u32 crc;

	KUNIT_EXPECT_EQ(test, ext->sessions_crc, sessions_crc);
	seen = read_chain(fake, ext->files_crcs_pa, sizeof(u32), &crc);
	KUNIT_EXPECT_EQ(test, ext->files_crcs_crc, crc);
	KUNIT_ASSERT_EQ(test, seen.count, 3);
	for (unsigned int i = 0; i < seen.count; i++)
		KUNIT_EXPECT_EQ(test, *(const u32 *)seen.entry[i], files_crcs[i]);
	for (unsigned int i = 0; i < 3; i++)
		KUNIT_EXPECT_NE(test, ext->stamps[i].ns, 0);
}

static void expect_image(struct kunit *test, const struct luo_golden_piece *image, bool checked)
{
	const struct luo_golden_piece *ser = luo_golden_find(image, "LUO");
	const struct luo_golden_piece *more = luo_golden_find(image, "LUO-ext");
	struct fake *fake = fake_memory(test, image);
	struct luo_wire_head head;
	struct luo_ext_ser ext;
	u32 crc, files_crcs[3];

	KUNIT_ASSERT_NOT_NULL(test, ser);
	KUNIT_ASSERT_EQ(test, !!more, checked);
	if (checked)
		KUNIT_ASSERT_TRUE(test, luo_wire_read_ext(more->bytes, more->size, &ext));
	KUNIT_ASSERT_EQ(test, luo_wire_read_head(ser->bytes, ser->size, checked ? &ext : NULL,
						 &head), 0);
	KUNIT_EXPECT_EQ(test, head.liveupdate_num, 1);
	crc = expect_sessions(fake, head.sessions_pa, files_crcs);
	expect_flbs(fake, head.flbs_pa, checked ? &ext : NULL);
	if (checked)
		expect_checksums(fake, &ext, crc, files_crcs);
}

/* The addresses are those of a kernel with pages of 4 KiB. */
static void golden_image_stock_test(struct kunit *test)
{
	if (PAGE_SIZE != 4096)
		kunit_skip(test, "written with other pages than this kernel's");
	expect_image(test, luo_golden_stock, false);
}

static void golden_image_ours_test(struct kunit *test)
{
	if (PAGE_SIZE != 4096)
		kunit_skip(test, "written with other pages than this kernel's");
	expect_image(test, luo_golden_ours, true);
}

static struct kunit_case luo_golden_image_cases[] = {
	KUNIT_CASE(golden_image_stock_test),
	KUNIT_CASE(golden_image_ours_test),
	{}
};

static struct kunit_suite luo_golden_image_suite = {
	.name = "luo_golden_image",
	.test_cases = luo_golden_image_cases,
};

kunit_test_suite(luo_golden_image_suite);

MODULE_DESCRIPTION("KUnit tests of handovers by real kernels");
MODULE_LICENSE("GPL");
