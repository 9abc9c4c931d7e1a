// SPDX-License-Identifier: GPL-2.0
/*
 * The golden handover of luo_golden.h: what is written is these bytes, and what is read
 * from them is these values. FLBs are in luo_wire_flb_kunit.c.
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

static struct fake *fake_golden(struct kunit *test)
{
	struct fake *fake = fake_create(test);

	memcpy(fake_add(fake, LUO_GOLDEN_SESSIONS), luo_golden_sessions,
	       sizeof(luo_golden_sessions));
	memcpy(fake_add(fake, LUO_GOLDEN_FILES_0), luo_golden_files_0,
	       sizeof(luo_golden_files_0));
	memcpy(fake_add(fake, LUO_GOLDEN_FILES_1), luo_golden_files_1,
	       sizeof(luo_golden_files_1));
	memcpy(fake_add(fake, LUO_GOLDEN_CRCS), luo_golden_crcs, sizeof(luo_golden_crcs));
	memcpy(fake_add(fake, LUO_GOLDEN_FLBS), luo_golden_flbs, sizeof(luo_golden_flbs));
	return fake;
}

static void expect_block(struct kunit *test, const void *block, const u8 *golden, size_t size)
{
	KUNIT_EXPECT_MEMEQ(test, block, golden, size);
	KUNIT_EXPECT_TRUE(test, all_poison(block + size, PAGE_SIZE - size));
}

static void wire_golden_write_head_test(struct kunit *test)
{
	const struct luo_wire_head head = {
		.liveupdate_num = LUO_GOLDEN_NUM,
		.sessions_pa = LUO_GOLDEN_SESSIONS,
		.flbs_pa = LUO_GOLDEN_FLBS,
	};
	struct luo_ser ser;

	memset(&ser, POISON, sizeof(ser));
	luo_wire_write_head(&ser, &head);
	KUNIT_ASSERT_EQ(test, sizeof(ser), sizeof(luo_golden_ser));
	KUNIT_EXPECT_MEMEQ(test, &ser, luo_golden_ser, sizeof(ser));
}

static void wire_golden_write_sessions_test(struct kunit *test)
{
	const size_t size = sizeof(struct luo_session_ser);
	void *block = fake_add(fake_create(test), FAKE_BASE);

	luo_wire_write_block(block, 0, 2);
	luo_wire_write_session(luo_wire_block_entry(block, size, 0), "vm-7",
			       LUO_GOLDEN_FILES_0, 2);
	luo_wire_write_session(luo_wire_block_entry(block, size, 1), "spare", 0, 0);
	expect_block(test, block, luo_golden_sessions, sizeof(luo_golden_sessions));
}

static void wire_golden_write_files_test(struct kunit *test)
{
	const size_t size = sizeof(struct luo_file_ser);
	struct fake *fake = fake_create(test);
	void *block = fake_add(fake, FAKE_BASE);

	luo_wire_write_block(block, LUO_GOLDEN_FILES_1, 1);
	luo_wire_write_file(luo_wire_block_entry(block, size, 0), "memfd-v2",
			    LUO_GOLDEN_DATA_0, LUO_GOLDEN_TOKEN_0);
	expect_block(test, block, luo_golden_files_0, sizeof(luo_golden_files_0));

	block = fake_add(fake, FAKE_BASE);
	luo_wire_write_block(block, 0, 1);
	luo_wire_write_file(luo_wire_block_entry(block, size, 0), "memfd-v2",
			    LUO_GOLDEN_DATA_1, LUO_GOLDEN_TOKEN_1);
	expect_block(test, block, luo_golden_files_1, sizeof(luo_golden_files_1));
}

static void wire_golden_write_ext_test(struct kunit *test)
{
	const size_t file_size = sizeof(struct luo_file_ser);
	struct fake *fake = fake_golden(test);
	const u8 *block = fake->page[3].data;
	struct luo_ext_ser ext = {};
	u32 sessions, flbs, files, crcs;

	sessions = luo_wire_block_crc(LUO_WIRE_CRC_SEED, luo_golden_sessions,
				      sizeof(struct luo_session_ser));
	flbs = luo_wire_crc(LUO_WIRE_CRC_SEED, luo_golden_flbs, sizeof(luo_golden_flbs));
	crcs = luo_wire_block_crc(LUO_WIRE_CRC_SEED, luo_golden_crcs, sizeof(u32));
	files = luo_wire_block_crc(LUO_WIRE_CRC_SEED, luo_golden_files_0, file_size);
	files = luo_wire_block_crc(files, luo_golden_files_1, file_size);
	KUNIT_EXPECT_MEMEQ(test, block + 16, (const u8 *)&files, sizeof(files));

	memset(&ext, POISON, offsetof(struct luo_ext_ser, stamps));
	ext.dropped = 0;
	luo_wire_write_stamp(&ext, 0, LUO_GOLDEN_NS_0, LUO_GOLDEN_CYCLES_0);
	luo_wire_write_ext(&ext, (const struct luo_ser *)luo_golden_ser, sessions, flbs,
			   LUO_GOLDEN_CRCS, crcs);
	luo_wire_write_stamp(&ext, 1, LUO_GOLDEN_NS_1, LUO_GOLDEN_CYCLES_1);

	KUNIT_ASSERT_EQ(test, sizeof(ext), sizeof(luo_golden_ext));
	KUNIT_EXPECT_MEMEQ(test, &ext, luo_golden_ext, sizeof(ext));
}

static void wire_golden_read_head_test(struct kunit *test)
{
	struct luo_wire_head head;
	struct luo_ext_ser ext;

	KUNIT_ASSERT_TRUE(test, luo_wire_read_ext(luo_golden_ext, sizeof(luo_golden_ext), &ext));
	KUNIT_ASSERT_EQ(test, luo_wire_read_head(luo_golden_ser, sizeof(luo_golden_ser),
						 &ext, &head), 0);
	KUNIT_EXPECT_EQ(test, head.liveupdate_num, LUO_GOLDEN_NUM);
	KUNIT_EXPECT_EQ(test, head.sessions_pa, LUO_GOLDEN_SESSIONS);
	KUNIT_EXPECT_EQ(test, head.flbs_pa, LUO_GOLDEN_FLBS);

	KUNIT_EXPECT_EQ(test, ext.files_crcs_pa, LUO_GOLDEN_CRCS);
	KUNIT_EXPECT_EQ(test, ext.flbs_crc, luo_wire_crc(LUO_WIRE_CRC_SEED, luo_golden_flbs,
							 sizeof(luo_golden_flbs)));
	KUNIT_EXPECT_EQ(test, ext.stamps[0].ns, LUO_GOLDEN_NS_0);
	KUNIT_EXPECT_EQ(test, ext.stamps[0].cycles, LUO_GOLDEN_CYCLES_0);
	KUNIT_EXPECT_EQ(test, ext.stamps[1].ns, LUO_GOLDEN_NS_1);
	KUNIT_EXPECT_EQ(test, ext.stamps[1].cycles, LUO_GOLDEN_CYCLES_1);
	KUNIT_EXPECT_EQ(test, ext.stamps[2].ns, 0);
	KUNIT_EXPECT_EQ(test, ext.stamps[LUO_EXT_STAMPS - 1].cycles, 0);
}

static void wire_golden_read_sessions_test(struct kunit *test)
{
	struct fake *fake = fake_golden(test);
	const struct luo_session_ser *ser;
	struct luo_wire_chain chain;
	struct luo_ext_ser ext;
	struct seen seen = {};

	KUNIT_ASSERT_TRUE(test, luo_wire_read_ext(luo_golden_ext, sizeof(luo_golden_ext), &ext));
	KUNIT_ASSERT_EQ(test, luo_wire_check_chain(&fake->pages, LUO_GOLDEN_SESSIONS,
						   sizeof(*ser), &chain), 0);
	KUNIT_EXPECT_EQ(test, chain.entries, 2);
	KUNIT_EXPECT_EQ(test, chain.blocks, 1);
	KUNIT_EXPECT_EQ(test, chain.crc, ext.sessions_crc);

	KUNIT_ASSERT_EQ(test, luo_wire_for_each(&fake->pages, LUO_GOLDEN_SESSIONS,
						sizeof(*ser), remember, &seen), 0);
	KUNIT_ASSERT_EQ(test, seen.count, 2);

	ser = seen.entry[0];
	KUNIT_EXPECT_TRUE(test, luo_wire_session_valid(ser));
	KUNIT_EXPECT_STREQ(test, ser->name, "vm-7");
	KUNIT_EXPECT_EQ(test, ser->files, LUO_GOLDEN_FILES_0);
	KUNIT_EXPECT_EQ(test, ser->count, 2);

	ser = seen.entry[1];
	KUNIT_EXPECT_TRUE(test, luo_wire_session_valid(ser));
	KUNIT_EXPECT_STREQ(test, ser->name, "spare");
	KUNIT_EXPECT_EQ(test, ser->files, 0);
	KUNIT_EXPECT_EQ(test, ser->count, 0);
}

static void wire_golden_read_files_test(struct kunit *test)
{
	struct fake *fake = fake_golden(test);
	const struct luo_file_ser *ser;
	struct luo_wire_chain chain, crcs;
	struct luo_ext_ser ext;
	struct seen seen = {};

	KUNIT_ASSERT_TRUE(test, luo_wire_read_ext(luo_golden_ext, sizeof(luo_golden_ext), &ext));
	KUNIT_ASSERT_EQ(test, luo_wire_check_chain(&fake->pages, ext.files_crcs_pa,
						   sizeof(u32), &crcs), 0);
	KUNIT_EXPECT_EQ(test, crcs.entries, 2);
	KUNIT_EXPECT_EQ(test, crcs.crc, ext.files_crcs_crc);

	KUNIT_ASSERT_EQ(test, luo_wire_check_chain(&fake->pages, LUO_GOLDEN_FILES_0,
						   sizeof(*ser), &chain), 0);
	KUNIT_EXPECT_EQ(test, chain.entries, 2);
	KUNIT_EXPECT_EQ(test, chain.blocks, 2);

	luo_wire_for_each(&fake->pages, ext.files_crcs_pa, sizeof(u32), remember, &seen);
	KUNIT_ASSERT_EQ(test, seen.count, 2);
	KUNIT_EXPECT_EQ(test, *(const u32 *)seen.entry[0], chain.crc);
	KUNIT_EXPECT_EQ(test, *(const u32 *)seen.entry[1], 0);

	luo_wire_for_each(&fake->pages, LUO_GOLDEN_FILES_0, sizeof(*ser), remember, &seen);
	KUNIT_ASSERT_EQ(test, seen.count, 4);

	ser = seen.entry[2];
	KUNIT_EXPECT_TRUE(test, luo_wire_file_valid(ser));
	KUNIT_EXPECT_STREQ(test, ser->compatible, "memfd-v2");
	KUNIT_EXPECT_EQ(test, ser->data, LUO_GOLDEN_DATA_0);
	KUNIT_EXPECT_EQ(test, ser->token, LUO_GOLDEN_TOKEN_0);

	ser = seen.entry[3];
	KUNIT_EXPECT_TRUE(test, luo_wire_file_valid(ser));
	KUNIT_EXPECT_EQ(test, ser->data, LUO_GOLDEN_DATA_1);
	KUNIT_EXPECT_EQ(test, ser->token, LUO_GOLDEN_TOKEN_1);
}

static struct kunit_case luo_golden_cases[] = {
	KUNIT_CASE(wire_golden_write_head_test),
	KUNIT_CASE(wire_golden_write_sessions_test),
	KUNIT_CASE(wire_golden_write_files_test),
	KUNIT_CASE(wire_golden_write_ext_test),
	KUNIT_CASE(wire_golden_read_head_test),
	KUNIT_CASE(wire_golden_read_sessions_test),
	KUNIT_CASE(wire_golden_read_files_test),
	{}
};

static struct kunit_suite luo_golden_suite = {
	.name = "luo_golden",
	.test_cases = luo_golden_cases,
};

kunit_test_suite(luo_golden_suite);

MODULE_DESCRIPTION("KUnit tests of the Live Update Orchestrator's handover format");
MODULE_LICENSE("GPL");
