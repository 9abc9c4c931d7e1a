// SPDX-License-Identifier: GPL-2.0
/*
 * Chains of blocks: walked if valid, refused if they lead nowhere, hold what they
 * cannot, or do not end.
 *
 * Runs in the kernel, and in user space under tools/testing/liveupdate.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "../luo_wire.h"
#include "luo_wire_fake.h"

/* As many blocks as asked for, each full but for the last, which holds one entry */
static struct fake *fake_chain(struct kunit *test, unsigned int blocks, size_t entry_size)
{
	struct fake *fake = fake_create(test);
	unsigned int i;

	for (i = 0; i < blocks; i++) {
		void *block = fake_add(fake, FAKE_PHYS(i));
		bool last = i == blocks - 1;

		luo_wire_write_block(block, last ? 0 : FAKE_PHYS(i + 1),
				     last ? 1 : luo_wire_per_block(entry_size));
	}

	return fake;
}

static struct kho_block_header_ser *fake_header(struct fake *fake, unsigned int i)
{
	return fake->page[i].data;
}

static int count_entries(const void *entry, void *arg)
{
	unsigned int *count = arg;

	(*count)++;
	return 0;
}

static int count_blocks(u64 phys, void *arg)
{
	unsigned int *count = arg;

	(*count)++;
	return 0;
}

/* No walk takes it, and the checker says nothing about it */
static void expect_unsound(struct kunit *test, struct fake *fake, u64 first, size_t entry_size)
{
	struct luo_wire_chain chain;
	unsigned int count = 0;

	memset(&chain, POISON, sizeof(chain));
	KUNIT_EXPECT_EQ(test, luo_wire_check_chain(&fake->pages, first, entry_size, &chain),
			-EUCLEAN);
	KUNIT_EXPECT_TRUE(test, all_poison(&chain, sizeof(chain)));
	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&fake->pages, first, entry_size,
						count_entries, &count), -EUCLEAN);
}

struct sound_case {
	const char *desc;
	unsigned int blocks;
	size_t entry_size;
};

static const struct sound_case sound_cases[] = {
	{ "1 block of sessions", 1, sizeof(struct luo_session_ser) },
	{ "2 blocks of sessions", 2, sizeof(struct luo_session_ser) },
	{ "1 block of files", 1, sizeof(struct luo_file_ser) },
	{ "8 blocks of files", FAKE_PAGES, sizeof(struct luo_file_ser) },
	{ "3 blocks of checksums", 3, sizeof(u32) },
	{ "2 blocks of one entry each", 2, PAGE_SIZE - sizeof(struct kho_block_header_ser) },
};

KUNIT_ARRAY_PARAM_DESC(sound, sound_cases, desc);

static void wire_chain_sound_test(struct kunit *test)
{
	const struct sound_case *c = test->param_value;
	const u64 per_block = luo_wire_per_block(c->entry_size);
	struct fake *fake = fake_chain(test, c->blocks, c->entry_size);
	unsigned int entries = 0, blocks = 0, i;
	u32 crc = LUO_WIRE_CRC_SEED;
	struct luo_wire_chain chain;

	for (i = 0; i < c->blocks; i++)
		crc = luo_wire_crc(crc, fake->page[i].data,
				   16 + (i < c->blocks - 1 ? per_block : 1) * c->entry_size);

	KUNIT_ASSERT_EQ(test, luo_wire_check_chain(&fake->pages, FAKE_BASE, c->entry_size,
						   &chain), 0);
	KUNIT_EXPECT_EQ(test, chain.blocks, c->blocks);
	KUNIT_EXPECT_EQ(test, chain.entries, per_block * (c->blocks - 1) + 1);
	KUNIT_EXPECT_EQ(test, chain.crc, crc);
	KUNIT_EXPECT_EQ(test, fake->peeks, c->blocks);

	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&fake->pages, FAKE_BASE, c->entry_size,
						count_entries, &entries), 0);
	KUNIT_EXPECT_EQ(test, entries, chain.entries);
	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&fake->pages, FAKE_BASE, count_blocks,
						  &blocks), 0);
	KUNIT_EXPECT_EQ(test, blocks, c->blocks);
}

static void wire_chain_none_test(struct kunit *test)
{
	struct fake *fake = fake_create(test);
	struct luo_wire_chain chain;
	unsigned int count = 0;

	memset(&chain, POISON, sizeof(chain));
	KUNIT_EXPECT_EQ(test, luo_wire_check_chain(&fake->pages, 0, 64, &chain), 0);
	KUNIT_EXPECT_EQ(test, chain.entries, 0);
	KUNIT_EXPECT_EQ(test, chain.blocks, 0);
	KUNIT_EXPECT_EQ(test, chain.crc, 0);
	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&fake->pages, 0, 64, count_entries, &count), 0);
	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&fake->pages, 0, count_blocks, &count), 0);
	KUNIT_EXPECT_EQ(test, count, 0);
	KUNIT_EXPECT_EQ(test, fake->peeks, 0);
}

struct nowhere_case {
	const char *desc;
	u64 phys;
};

/* Where no block is: not at a page, or at one that was not preserved */
static const struct nowhere_case nowhere_cases[] = {
	{ "1", 1 },
	{ "one byte into a block", FAKE_BASE + 1 },
	{ "a word into a block", FAKE_BASE + 8 },
	{ "where the first entry is", FAKE_BASE + 16 },
	{ "half a page into a block", FAKE_BASE + PAGE_SIZE / 2 },
	{ "last byte of a block", FAKE_BASE + PAGE_SIZE - 1 },
	{ "the page behind the last block", FAKE_PHYS(3) },
	{ "the page before the first block", FAKE_BASE - PAGE_SIZE },
	{ "last page of all", -PAGE_SIZE },
	{ "last byte of all", ~0ULL },
};

KUNIT_ARRAY_PARAM_DESC(nowhere, nowhere_cases, desc);

static void wire_chain_nowhere_test(struct kunit *test)
{
	const struct nowhere_case *c = test->param_value;
	struct fake *fake = fake_chain(test, 3, 64);
	unsigned int blocks = 0;

	expect_unsound(test, fake, c->phys, 64);
	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&fake->pages, c->phys, count_blocks, &blocks),
			-EUCLEAN);
	KUNIT_EXPECT_EQ(test, blocks, 0);

	fake_header(fake, 2)->next = c->phys;
	expect_unsound(test, fake, FAKE_BASE, 64);
	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&fake->pages, FAKE_BASE, count_blocks, &blocks),
			-EUCLEAN);
	KUNIT_EXPECT_EQ(test, blocks, 3);
}

/* A block is alone in its folio */
static void wire_chain_order_test(struct kunit *test)
{
	struct fake *fake = fake_chain(test, 2, 64);

	fake->page[1].order = 1;
	expect_unsound(test, fake, FAKE_BASE, 64);
}

struct count_case {
	const char *desc;
	size_t entry_size;
	u64 count;
	int ret;
};

#define FILES_MAX	luo_wire_per_block(sizeof(struct luo_file_ser))
#define SESSIONS_MAX	luo_wire_per_block(sizeof(struct luo_session_ser))
#define CRCS_MAX	luo_wire_per_block(sizeof(u32))

static const struct count_case count_cases[] = {
	{ "no file", 64, 0, -EUCLEAN },
	{ "1 file", 64, 1, 0 },
	{ "as many files as fit", 64, FILES_MAX, 0 },
	{ "one file too many", 64, FILES_MAX + 1, -EUCLEAN },
	{ "as many sessions as fit", 80, SESSIONS_MAX, 0 },
	{ "one session too many", 80, SESSIONS_MAX + 1, -EUCLEAN },
	{ "as many checksums as fit", 4, CRCS_MAX, 0 },
	{ "one checksum too many", 4, CRCS_MAX + 1, -EUCLEAN },
	{ "1 file, seen through 32 bits", 64, 0x100000001ULL, -EUCLEAN },
	{ "1 file, if times 64 overflows", 64, 0x0400000000000001ULL, -EUCLEAN },
	{ "negative", 64, -1ULL, -EUCLEAN },
	{ "most negative", 64, 1ULL << 63, -EUCLEAN },
};

KUNIT_ARRAY_PARAM_DESC(count, count_cases, desc);

static void wire_chain_count_test(struct kunit *test)
{
	const struct count_case *c = test->param_value;
	struct luo_wire_chain chain;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct fake *fake = fake_chain(test, 3, c->entry_size);

		fake_header(fake, i)->count = c->count;
		if (c->ret)
			expect_unsound(test, fake, FAKE_BASE, c->entry_size);
		else
			KUNIT_EXPECT_EQ(test, luo_wire_check_chain(&fake->pages, FAKE_BASE,
								   c->entry_size, &chain), 0);
	}
}

/* All of what is in use counts, and nothing else */
static void wire_chain_crc_test(struct kunit *test)
{
	const size_t used = 16 + 64;
	struct fake *fake = fake_chain(test, 1, 64);
	struct luo_wire_chain whole, chain;
	u8 *block = fake->page[0].data;
	size_t i;

	luo_wire_check_chain(&fake->pages, FAKE_BASE, 64, &whole);
	for (i = 16; i < PAGE_SIZE; i++) {
		block[i] ^= 0x10;
		KUNIT_EXPECT_EQ(test, luo_wire_check_chain(&fake->pages, FAKE_BASE, 64, &chain),
				0);
		KUNIT_EXPECT_EQ_MSG(test, chain.crc != whole.crc, i < used, "byte %zu", i);
		block[i] ^= 0x10;
	}

	fake_header(fake, 0)->count = 2;
	luo_wire_check_chain(&fake->pages, FAKE_BASE, 64, &chain);
	KUNIT_EXPECT_NE(test, chain.crc, whole.crc);
}

/* The same entries behind other addresses are another chain */
static void wire_chain_crc_next_test(struct kunit *test)
{
	struct fake *fake = fake_chain(test, 2, 64);
	struct luo_wire_chain whole, chain;

	luo_wire_check_chain(&fake->pages, FAKE_BASE, 64, &whole);
	fake->page[1].phys = FAKE_PHYS(5);
	fake_header(fake, 0)->next = FAKE_PHYS(5);
	KUNIT_ASSERT_EQ(test, luo_wire_check_chain(&fake->pages, FAKE_BASE, 64, &chain), 0);
	KUNIT_EXPECT_EQ(test, chain.entries, whole.entries);
	KUNIT_EXPECT_NE(test, chain.crc, whole.crc);
}

struct loop_case {
	const char *desc;
	unsigned int tail;
	unsigned int loop;
};

static const struct loop_case loop_cases[] = {
	{ "a block that points to itself", 0, 1 },
	{ "2 blocks in a ring", 0, 2 },
	{ "3 blocks in a ring", 0, 3 },
	{ "64 blocks in a ring", 0, 64 },
	{ "100 blocks in a ring", 0, 100 },
	{ "1 block before a block that points to itself", 1, 1 },
	{ "7 blocks before a ring of 5", 7, 5 },
	{ "5 blocks before a ring of 77", 5, 77 },
	{ "77 blocks before a ring of 5", 77, 5 },
	{ "a ring of all that a chain may have", 0, LUO_CHAIN_MAX_BLOCKS },
};

KUNIT_ARRAY_PARAM_DESC(loop, loop_cases, desc);

/* A long chain that needs one page only: what it holds depends on where it is asked for */
struct endless {
	unsigned int tail;
	unsigned int loop;
	unsigned int peeks;
	void *page;
};

static const void *endless_peek(void *ctx, u64 phys, unsigned int *order)
{
	struct endless *endless = ctx;
	u64 i = (phys - FAKE_BASE) / PAGE_SIZE + 1;

	endless->peeks++;
	if (i == endless->tail + endless->loop)
		i = endless->tail;
	luo_wire_write_block(endless->page, FAKE_PHYS(i), 1);
	*order = 0;
	return endless->page;
}

static void wire_chain_loop_test(struct kunit *test)
{
	const struct loop_case *c = test->param_value;
	struct endless endless = { .tail = c->tail, .loop = c->loop };
	const struct luo_wire_pages pages = { .peek = endless_peek, .ctx = &endless };
	struct luo_wire_chain chain;
	unsigned int limit, count = 0;

	endless.page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, endless.page);
	limit = min(3 * (c->tail + c->loop), (unsigned int)LUO_CHAIN_MAX_BLOCKS);

	KUNIT_EXPECT_EQ(test, luo_wire_check_chain(&pages, FAKE_BASE, 64, &chain), -EUCLEAN);
	KUNIT_EXPECT_LE(test, endless.peeks, limit);

	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&pages, FAKE_BASE, 64, count_entries, &count),
			-EUCLEAN);
	KUNIT_EXPECT_LE(test, count, limit);

	count = 0;
	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&pages, FAKE_BASE, count_blocks, &count),
			-EUCLEAN);
	KUNIT_EXPECT_LE(test, count, limit);
}

static const void *long_peek(void *ctx, u64 phys, unsigned int *order)
{
	struct endless *chain = ctx;
	u64 i = (phys - FAKE_BASE) / PAGE_SIZE + 1;

	chain->peeks++;
	luo_wire_write_block(chain->page, i < chain->tail ? FAKE_PHYS(i) : 0, 1);
	*order = 0;
	return chain->page;
}

static void wire_chain_longest_test(struct kunit *test)
{
	struct endless endless = { .tail = LUO_CHAIN_MAX_BLOCKS };
	const struct luo_wire_pages pages = { .peek = long_peek, .ctx = &endless };
	struct luo_wire_chain chain;
	unsigned int count = 0;

	endless.page = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, endless.page);

	KUNIT_EXPECT_EQ(test, luo_wire_check_chain(&pages, FAKE_BASE, 64, &chain), 0);
	KUNIT_EXPECT_EQ(test, chain.blocks, LUO_CHAIN_MAX_BLOCKS);
	KUNIT_EXPECT_EQ(test, chain.entries, LUO_CHAIN_MAX_BLOCKS);
	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&pages, FAKE_BASE, 64, count_entries, &count),
			0);
	KUNIT_EXPECT_EQ(test, count, LUO_CHAIN_MAX_BLOCKS);

	endless.tail++;
	endless.peeks = 0;
	KUNIT_EXPECT_EQ(test, luo_wire_check_chain(&pages, FAKE_BASE, 64, &chain), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, endless.peeks, LUO_CHAIN_MAX_BLOCKS);
	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&pages, FAKE_BASE, 64, count_entries, &count),
			-EUCLEAN);
	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&pages, FAKE_BASE, count_blocks, &count),
			-EUCLEAN);
}

/* --------------------------------------------------------------------- visitors */

struct tokens {
	struct kunit *test;
	u64 next;
	u64 stop;
};

static int expect_token(const void *entry, void *arg)
{
	const struct luo_file_ser *ser = entry;
	struct tokens *tokens = arg;

	KUNIT_EXPECT_EQ(tokens->test, ser->token, tokens->next);
	return ++tokens->next == tokens->stop ? -EINTR : 0;
}

/* 3 blocks, the first not full, with tokens 0, 1, 2 and so on; returns how many */
static u64 number_files(struct fake *fake)
{
	struct kho_block_header_ser *header;
	u64 token = 0, i;
	unsigned int b;

	fake_header(fake, 0)->count = 2;
	for (b = 0; b < 3; b++) {
		header = fake_header(fake, b);
		for (i = 0; i < header->count; i++)
			luo_wire_write_file(luo_wire_block_entry(header, 64, i), "x", 0, token++);
	}

	return token;
}

static void wire_each_entry_test(struct kunit *test)
{
	struct fake *fake = fake_chain(test, 3, 64);
	u64 total = number_files(fake);
	struct tokens tokens = { .test = test, .stop = ~0ULL };

	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&fake->pages, FAKE_BASE, 64, expect_token,
						&tokens), 0);
	KUNIT_EXPECT_EQ(test, tokens.next, total);
	KUNIT_EXPECT_EQ(test, total, 2 + FILES_MAX + 1);
}

static void wire_each_entry_stops_test(struct kunit *test)
{
	struct fake *fake = fake_chain(test, 3, 64);
	u64 total = number_files(fake), stop;

	for (stop = 1; stop <= total; stop++) {
		struct tokens tokens = { .test = test, .stop = stop };

		KUNIT_EXPECT_EQ(test, luo_wire_for_each(&fake->pages, FAKE_BASE, 64,
							expect_token, &tokens), -EINTR);
		KUNIT_EXPECT_EQ(test, tokens.next, stop);
	}
}

/* Damage behind a block does not keep its entries from being visited, but ends the walk */
static void wire_each_entry_damaged_test(struct kunit *test)
{
	struct tokens tokens = { .test = test, .stop = ~0ULL };
	struct fake *fake = fake_chain(test, 3, 64);

	number_files(fake);
	fake_header(fake, 2)->count = FILES_MAX + 1;
	KUNIT_EXPECT_EQ(test, luo_wire_for_each(&fake->pages, FAKE_BASE, 64, expect_token,
						&tokens), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, tokens.next, 2 + FILES_MAX);
}

struct freed {
	struct fake *fake;
	unsigned int count;
	unsigned int stop;
};

/* What a page holds once it belongs to somebody else */
static int free_block(u64 phys, void *arg)
{
	struct freed *freed = arg;
	struct fake_page *page = &freed->fake->page[freed->count];

	KUNIT_EXPECT_EQ(freed->fake->test, phys, page->phys);
	memset(page->data, 0xff, PAGE_SIZE);
	page->phys = 0;
	return ++freed->count == freed->stop ? 7 : 0;
}

static void wire_each_block_frees_test(struct kunit *test)
{
	struct fake *fake = fake_chain(test, FAKE_PAGES, 64);
	struct freed freed = { .fake = fake };

	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&fake->pages, FAKE_BASE, free_block, &freed),
			0);
	KUNIT_EXPECT_EQ(test, freed.count, FAKE_PAGES);
}

static void wire_each_block_stops_test(struct kunit *test)
{
	struct fake *fake = fake_chain(test, 3, 64);
	struct freed freed = { .fake = fake, .stop = 2 };

	KUNIT_EXPECT_EQ(test, luo_wire_each_block(&fake->pages, FAKE_BASE, free_block, &freed),
			7);
	KUNIT_EXPECT_EQ(test, freed.count, 2);
}

static void wire_block_entry_test(struct kunit *test)
{
	const size_t size = sizeof(struct luo_session_ser);
	u8 *block = fake_add(fake_create(test), FAKE_BASE);
	u8 *last = luo_wire_block_entry(block, size, SESSIONS_MAX - 1);

	KUNIT_EXPECT_PTR_EQ(test, luo_wire_block_entry(block, size, 0), (void *)(block + 16));
	KUNIT_EXPECT_PTR_EQ(test, luo_wire_block_entry(block, size, 1),
			    (void *)(block + 16 + size));
	KUNIT_EXPECT_LE(test, last + size - block, PAGE_SIZE);
	KUNIT_EXPECT_GT(test, last + 2 * size - block, PAGE_SIZE);
}

static struct kunit_case luo_wire_chain_cases[] = {
	KUNIT_CASE_PARAM(wire_chain_sound_test, sound_gen_params),
	KUNIT_CASE(wire_chain_none_test),
	KUNIT_CASE_PARAM(wire_chain_nowhere_test, nowhere_gen_params),
	KUNIT_CASE(wire_chain_order_test),
	KUNIT_CASE_PARAM(wire_chain_count_test, count_gen_params),
	KUNIT_CASE(wire_chain_crc_test),
	KUNIT_CASE(wire_chain_crc_next_test),
	KUNIT_CASE_PARAM(wire_chain_loop_test, loop_gen_params),
	KUNIT_CASE(wire_chain_longest_test),
	KUNIT_CASE(wire_each_entry_test),
	KUNIT_CASE(wire_each_entry_stops_test),
	KUNIT_CASE(wire_each_entry_damaged_test),
	KUNIT_CASE(wire_each_block_frees_test),
	KUNIT_CASE(wire_each_block_stops_test),
	KUNIT_CASE(wire_block_entry_test),
	{}
};

static struct kunit_suite luo_wire_chain_suite = {
	.name = "luo_wire_chain",
	.test_cases = luo_wire_chain_cases,
};

kunit_test_suite(luo_wire_chain_suite);

MODULE_DESCRIPTION("KUnit tests of the Live Update Orchestrator's chains of blocks");
MODULE_LICENSE("GPL");
