// SPDX-License-Identifier: GPL-2.0
/* Chains of preserved blocks, from the writer's side */
#include <linux/mm.h>

#include "luo_fake.h"

static void chain_has_the_blocks_it_needs(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot_bare(test);
	unsigned int per = luo_wire_per_block(sizeof(struct luo_session_ser)), n;
	struct luo_chain chain;

	luo_chain_init(&chain, &fake->store.store, sizeof(struct luo_session_ser));
	for (n = 1; n <= 2 * per + 1; n++) {
		KUNIT_ASSERT_EQ(test, luo_chain_reserve(&chain), 0);
		KUNIT_EXPECT_EQ(test, fake->store.nr_out, DIV_ROUND_UP(n, per));
	}
	for (n = 2 * per; n > per / 2; n--) {
		luo_chain_unreserve(&chain);
		KUNIT_EXPECT_EQ(test, fake->store.nr_out, DIV_ROUND_UP(n, per));
	}
	luo_chain_destroy(&chain);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, 0);
	KUNIT_EXPECT_EQ(test, chain.nr_entries, 0);
}

static void chain_is_as_long_as_the_format_says(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot_bare(test);
	struct luo_chain chain;

	luo_chain_init(&chain, &fake->store.store, sizeof(struct luo_session_ser));
	chain.nr_blocks = LUO_CHAIN_MAX_BLOCKS;
	chain.nr_entries = (unsigned long)LUO_CHAIN_MAX_BLOCKS *
			   luo_wire_per_block(sizeof(struct luo_session_ser));
	KUNIT_EXPECT_EQ(test, luo_chain_reserve(&chain), -ENOSPC);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, 0);
	chain.nr_entries--;
	KUNIT_EXPECT_EQ(test, luo_chain_reserve(&chain), 0);
	KUNIT_EXPECT_EQ(test, fake->store.nr_out, 0);
}

static void chain_is_written_into_full_blocks(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot_bare(test);
	unsigned int per = luo_wire_per_block(sizeof(struct luo_session_ser));
	/* The last one first: it fails without a crash */
	const unsigned int count[] = { per + 1, 1, per - 1, per, 2 * per };
	struct luo_chain_writer writer;
	struct luo_chain chain;
	struct page *last;

	for (int i = 0; i < ARRAY_SIZE(count); i++) {
		luo_chain_init(&chain, &fake->store.store, sizeof(struct luo_session_ser));
		for (unsigned int n = 0; n < count[i]; n++)
			KUNIT_ASSERT_EQ(test, luo_chain_reserve(&chain), 0);
		luo_chain_write_begin(&chain, &writer);
		for (unsigned int n = 0; n < count[i]; n++)
			luo_chain_write_entry(&writer);
		luo_chain_write_end(&writer);
		KUNIT_ASSERT_EQ(test, writer.used, (count[i] - 1) % per + 1);
		last = list_last_entry(&chain.blocks, struct page, lru);
		KUNIT_EXPECT_PTR_EQ(test, writer.block, page_address(last));
		luo_chain_destroy(&chain);
	}
}

static struct kunit_case luo_chain_cases[] = {
	KUNIT_CASE(chain_has_the_blocks_it_needs),
	KUNIT_CASE(chain_is_as_long_as_the_format_says),
	KUNIT_CASE(chain_is_written_into_full_blocks),
	{}
};

static struct kunit_suite luo_chain_suite = {
	.name = "luo_chain",
	.test_cases = luo_chain_cases,
};

kunit_test_suite(luo_chain_suite);
