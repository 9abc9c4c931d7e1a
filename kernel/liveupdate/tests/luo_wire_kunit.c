// SPDX-License-Identifier: GPL-2.0
/*
 * The handover format, byte by byte: heads, checksums and entries that are damaged in
 * every way that the reader is there to find. The golden handover is in
 * luo_golden_kunit.c, chains are in luo_wire_chain_kunit.c.
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

/* The bytes, in an allocation that ends where they end */
static void *exactly(struct kunit *test, const void *bytes, size_t size)
{
	void *copy = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, bytes, size);
	return copy;
}

/* -------------------------------------------------------------------- checksum */

static void wire_crc_test(struct kunit *test)
{
	const char *check = "123456789";
	u32 crc = LUO_WIRE_CRC_SEED;

	/* The check value of CRC-32C is e3069283, with the final inversion */
	KUNIT_EXPECT_EQ(test, luo_wire_crc(crc, check, 9), ~0xe3069283U);

	crc = luo_wire_crc(crc, check, 4);
	crc = luo_wire_crc(crc, check + 4, 5);
	KUNIT_EXPECT_EQ(test, crc, ~0xe3069283U);
	KUNIT_EXPECT_EQ(test, luo_wire_crc(LUO_WIRE_CRC_SEED, check, 0), LUO_WIRE_CRC_SEED);
}

/* ------------------------------------------------------------------------ root */

static int read_head(struct kunit *test, const void *bytes, size_t size,
		     const struct luo_ext_ser *ext)
{
	struct luo_wire_head head;
	void *blob = exactly(test, bytes, size);
	int ret;

	memset(&head, POISON, sizeof(head));
	ret = luo_wire_read_head(blob, size, ext, &head);
	KUNIT_EXPECT_EQ(test, all_poison(&head, sizeof(head)), ret != 0);
	return ret;
}

static void wire_head_truncated_test(struct kunit *test)
{
	size_t size;

	for (size = 0; size < sizeof(luo_golden_ser); size++) {
		KUNIT_EXPECT_EQ_MSG(test, read_head(test, luo_golden_ser, size, NULL), -EUCLEAN,
				    "%zu bytes", size);
	}
}

static void wire_head_longer_test(struct kunit *test)
{
	u8 bytes[sizeof(luo_golden_ser) + 1] = {};

	memcpy(bytes, luo_golden_ser, sizeof(luo_golden_ser));
	KUNIT_EXPECT_EQ(test, read_head(test, bytes, sizeof(bytes), NULL), 0);
}

struct version_case {
	const char *desc;
	char head[LUO_ABI_COMPAT_LEN + 1];
};

static const struct version_case version_cases[] = {
	{ "newer", "luo-v6\0\0" },
	{ "older", "luo-v4\0\0" },
	{ "longer number", "luo-v50\0" },
	{ "fills its room", "luo-v5.1" },
	{ "something after the terminator", "luo-v5\0\1" },
	{ "padded with blanks", "luo-v5  " },
	{ "capitals", "LUO-v5\0\0" },
	{ "blank first", " luo-v5\0" },
	{ "nothing", "\0\0\0\0\0\0\0\0" },
	{ "feature words instead of a string", "\5\0\0\0\1\0\0\0" },
	{ "all ones", "\377\377\377\377\377\377\377\377" },
};

KUNIT_ARRAY_PARAM_DESC(version, version_cases, desc);

/* However short or damaged the rest: in another version that means nothing */
static void wire_head_version_test(struct kunit *test)
{
	const struct version_case *c = test->param_value;
	u8 bytes[sizeof(luo_golden_ser)];
	struct luo_ext_ser ext = {};

	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, c->head, LUO_ABI_COMPAT_LEN);
	KUNIT_EXPECT_EQ(test, read_head(test, bytes, sizeof(bytes), NULL), -EPROTONOSUPPORT);
	KUNIT_EXPECT_EQ(test, read_head(test, bytes, sizeof(bytes), &ext), -EPROTONOSUPPORT);
	KUNIT_EXPECT_EQ(test, read_head(test, bytes, LUO_ABI_COMPAT_LEN, NULL),
			-EPROTONOSUPPORT);
	KUNIT_EXPECT_EQ(test, read_head(test, bytes, LUO_ABI_COMPAT_LEN - 1, NULL), -EUCLEAN);
}

static void wire_head_every_byte_test(struct kunit *test)
{
	const struct luo_ext_ser *ext = (const void *)luo_golden_ext;
	u8 bytes[sizeof(luo_golden_ser)];
	size_t i;

	KUNIT_EXPECT_EQ(test, read_head(test, luo_golden_ser, sizeof(bytes), ext), 0);

	for (i = 0; i < sizeof(bytes); i++) {
		memcpy(bytes, luo_golden_ser, sizeof(bytes));
		bytes[i] ^= 0x40;
		KUNIT_EXPECT_EQ_MSG(test, read_head(test, bytes, sizeof(bytes), ext),
				    i < LUO_ABI_COMPAT_LEN ? -EPROTONOSUPPORT : -EUCLEAN,
				    "byte %zu changed", i);
	}
}

struct place_case {
	const char *desc;
	u64 phys;
	int ret;
};

static const struct place_case place_cases[] = {
	{ "0, there is none", 0, 0 },
	{ "a page", FAKE_BASE, 0 },
	{ "first page but one", PAGE_SIZE, 0 },
	{ "last page of all", -PAGE_SIZE, 0 },
	{ "1", 1, -EUCLEAN },
	{ "one byte into a page", FAKE_BASE + 1, -EUCLEAN },
	{ "a word into a page", FAKE_BASE + 8, -EUCLEAN },
	{ "half a page", FAKE_BASE + PAGE_SIZE / 2, -EUCLEAN },
	{ "last byte of a page", FAKE_BASE + PAGE_SIZE - 1, -EUCLEAN },
	{ "last byte of all", ~0ULL, -EUCLEAN },
};

KUNIT_ARRAY_PARAM_DESC(place, place_cases, desc);

static void wire_head_place_test(struct kunit *test)
{
	const struct place_case *c = test->param_value;
	struct luo_wire_head head = { .liveupdate_num = 1 };
	struct luo_ext_ser ext = {};
	struct luo_ser ser;

	head.sessions_pa = c->phys;
	luo_wire_write_head(&ser, &head);
	KUNIT_EXPECT_EQ(test, read_head(test, &ser, sizeof(ser), NULL), c->ret);
	luo_wire_write_ext(&ext, &ser, 0, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, read_head(test, &ser, sizeof(ser), &ext), c->ret);

	head.sessions_pa = 0;
	head.flbs_pa = c->phys;
	luo_wire_write_head(&ser, &head);
	KUNIT_EXPECT_EQ(test, read_head(test, &ser, sizeof(ser), NULL), c->ret);
	luo_wire_write_ext(&ext, &ser, 0, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, read_head(test, &ser, sizeof(ser), &ext), c->ret);
}

/* ------------------------------------------------------- checksums and stamps */

static bool read_ext(struct kunit *test, const void *bytes, size_t size)
{
	struct luo_ext_ser ext;
	void *blob = exactly(test, bytes, size);
	bool ret;

	memset(&ext, POISON, sizeof(ext));
	ret = luo_wire_read_ext(blob, size, &ext);
	if (ret)
		KUNIT_EXPECT_MEMEQ(test, &ext, blob, sizeof(ext));
	else
		KUNIT_EXPECT_TRUE(test, all_poison(&ext, sizeof(ext)));
	return ret;
}

static void wire_ext_truncated_test(struct kunit *test)
{
	size_t size;

	for (size = 0; size < sizeof(luo_golden_ext); size++)
		KUNIT_EXPECT_FALSE_MSG(test, read_ext(test, luo_golden_ext, size),
				       "%zu bytes", size);

	KUNIT_EXPECT_TRUE(test, read_ext(test, luo_golden_ext, size));
}

static void wire_ext_longer_test(struct kunit *test)
{
	u8 bytes[sizeof(luo_golden_ext) + 1] = {};

	memcpy(bytes, luo_golden_ext, sizeof(luo_golden_ext));
	KUNIT_EXPECT_TRUE(test, read_ext(test, bytes, sizeof(bytes)));
}

/* Timestamps are written up to the kexec: no checksum can cover them */
static void wire_ext_every_byte_test(struct kunit *test)
{
	u8 bytes[sizeof(luo_golden_ext)];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++) {
		memcpy(bytes, luo_golden_ext, sizeof(bytes));
		bytes[i] ^= 0x01;
		KUNIT_EXPECT_EQ_MSG(test, read_ext(test, bytes, sizeof(bytes)),
				    i >= offsetof(struct luo_ext_ser, stamps),
				    "byte %zu changed", i);
	}
}

static void wire_ext_stamp_test(struct kunit *test)
{
	struct luo_ext_ser ext;
	unsigned int i;

	memset(&ext, POISON, sizeof(ext));
	luo_wire_write_stamp(&ext, LUO_EXT_STAMPS, 1, 2);
	luo_wire_write_stamp(&ext, ~0U, 1, 2);
	KUNIT_EXPECT_TRUE(test, all_poison(&ext, sizeof(ext)));

	for (i = 0; i < LUO_EXT_STAMPS; i++)
		luo_wire_write_stamp(&ext, i, i, 100 + i);
	KUNIT_EXPECT_TRUE(test, all_poison(&ext, offsetof(struct luo_ext_ser, stamps)));
	for (i = 0; i < LUO_EXT_STAMPS; i++) {
		KUNIT_EXPECT_EQ(test, ext.stamps[i].ns, i);
		KUNIT_EXPECT_EQ(test, ext.stamps[i].cycles, 100 + i);
	}
}

/* --------------------------------------------------------------------- entries */

/* The longest strings that there is room for keep their terminator */
static void wire_write_longest_test(struct kunit *test)
{
	static const char name[] =
		"012345678901234567890123456789012345678901234567890123456789012";
	struct luo_session_ser session;
	struct luo_file_ser file;

	static_assert(sizeof(name) == LIVEUPDATE_SESSION_NAME_LENGTH);
	memset(&session, POISON, sizeof(session));
	luo_wire_write_session(&session, name, 0, 0);
	KUNIT_EXPECT_TRUE(test, luo_wire_session_valid(&session));
	KUNIT_EXPECT_STREQ(test, session.name, name);

	memset(&file, POISON, sizeof(file));
	luo_wire_write_file(&file, name + sizeof(name) - LUO_COMPAT_LEN, 0, 0);
	KUNIT_EXPECT_TRUE(test, luo_wire_file_valid(&file));
	KUNIT_EXPECT_STREQ(test, file.compatible, name + sizeof(name) - LUO_COMPAT_LEN);
}

struct session_case {
	const char *desc;
	u64 files;
	u64 count;
	bool valid;
};

static const struct session_case session_cases[] = {
	{ "no files", 0, 0, true },
	{ "1 file", FAKE_BASE, 1, true },
	{ "more files than anybody has", FAKE_BASE, ~0ULL, true },
	{ "files, but no place", 0, 1, false },
	{ "a place, but no files", FAKE_BASE, 0, false },
	{ "place is not a page", FAKE_BASE + 8, 1, false },
	{ "place is not a page, and no files", FAKE_BASE + 8, 0, false },
};

KUNIT_ARRAY_PARAM_DESC(session, session_cases, desc);

static void wire_session_valid_test(struct kunit *test)
{
	const struct session_case *c = test->param_value;
	struct luo_session_ser ser;

	luo_wire_write_session(&ser, "name", c->files, c->count);
	KUNIT_EXPECT_EQ(test, luo_wire_session_valid(&ser), c->valid);
}

/* Any bytes make a name, if it ends */
static void wire_session_name_test(struct kunit *test)
{
	struct luo_session_ser *ser = kunit_kzalloc(test, sizeof(*ser), GFP_KERNEL);
	size_t len;

	KUNIT_ASSERT_NOT_NULL(test, ser);
	for (len = 0; len <= sizeof(ser->name); len++) {
		memset(ser->name, 0, sizeof(ser->name));
		memset(ser->name, 0xff, len);
		KUNIT_EXPECT_EQ_MSG(test, luo_wire_session_valid(ser),
				    len && len < sizeof(ser->name), "%zu bytes", len);
	}
}

struct file_case {
	const char *desc;
	char compatible[LUO_COMPAT_LEN + 1];
	bool valid;
};

static const struct file_case file_cases[] = {
	{ "a usual one", "memfd-v2", true },
	{ "as long as there is room", "01234567890123456789012345678901234567890123456", true },
	{ "not terminated", "012345678901234567890123456789012345678901234567", false },
	{ "empty", "", false },
	{ "blank", "mem fd", false },
	{ "newline", "memfd-v2\n", false },
	{ "no ASCII", "memfd\200", false },
};

KUNIT_ARRAY_PARAM_DESC(file, file_cases, desc);

static void wire_file_valid_test(struct kunit *test)
{
	const struct file_case *c = test->param_value;
	struct luo_file_ser *ser = kunit_kzalloc(test, sizeof(*ser), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ser);
	/* Would go on with the string, and end it */
	ser->data = 0x7878787878787878ULL;
	ser->token = 0;
	memcpy(ser->compatible, c->compatible, sizeof(ser->compatible));
	KUNIT_EXPECT_EQ(test, luo_wire_file_valid(ser), c->valid);
}

static struct kunit_case luo_wire_cases[] = {
	KUNIT_CASE(wire_crc_test),
	KUNIT_CASE(wire_head_truncated_test),
	KUNIT_CASE(wire_head_longer_test),
	KUNIT_CASE_PARAM(wire_head_version_test, version_gen_params),
	KUNIT_CASE(wire_head_every_byte_test),
	KUNIT_CASE_PARAM(wire_head_place_test, place_gen_params),
	KUNIT_CASE(wire_ext_truncated_test),
	KUNIT_CASE(wire_ext_longer_test),
	KUNIT_CASE(wire_ext_every_byte_test),
	KUNIT_CASE(wire_ext_stamp_test),
	KUNIT_CASE(wire_write_longest_test),
	KUNIT_CASE_PARAM(wire_session_valid_test, session_gen_params),
	KUNIT_CASE(wire_session_name_test),
	KUNIT_CASE_PARAM(wire_file_valid_test, file_gen_params),
	{}
};

static struct kunit_suite luo_wire_suite = {
	.name = "luo_wire",
	.test_cases = luo_wire_cases,
};

kunit_test_suite(luo_wire_suite);

MODULE_DESCRIPTION("KUnit tests of the Live Update Orchestrator's handover format");
MODULE_LICENSE("GPL");
