// SPDX-License-Identifier: GPL-2.0
/*
 * The writer's side of a chain of preserved blocks.
 *
 * Space is reserved entry by entry, while a caller can still be refused. At the reboot the
 * entries are filled in one pass, which cannot fail.
 */
#include <linux/errno.h>
#include <linux/mm.h>

#include "luo_chain.h"
#include "luo_store.h"
#include "luo_wire.h"

void luo_chain_init(struct luo_chain *chain, struct luo_store *store, size_t entry_size)
{
	chain->store = store;
	chain->entry_size = entry_size;
	INIT_LIST_HEAD(&chain->blocks);
	chain->nr_blocks = 0;
	chain->nr_entries = 0;
}

static unsigned long chain_capacity(struct luo_chain *chain, unsigned int nr_blocks)
{
	return nr_blocks * luo_wire_per_block(chain->entry_size);
}

static void chain_drop_last(struct luo_chain *chain)
{
	struct page *page = list_last_entry(&chain->blocks, struct page, lru);

	list_del(&page->lru);
	chain->nr_blocks--;
	chain->store->ops->drop(chain->store, page_address(page));
}

/* Free all blocks. The chain can be used again as if just initialized. */
void luo_chain_destroy(struct luo_chain *chain)
{
	while (chain->nr_blocks)
		chain_drop_last(chain);
	chain->nr_entries = 0;
}

/*
 * Reserve one more entry. The caller serializes all calls on a chain.
 *
 * Returns -ENOMEM, or -ENOSPC if the format has no longer chains.
 */
int luo_chain_reserve(struct luo_chain *chain)
{
	void *block;

	if (chain->nr_entries == chain_capacity(chain, chain->nr_blocks)) {
		if (chain->nr_blocks == LUO_CHAIN_MAX_BLOCKS)
			return -ENOSPC;
		block = chain->store->ops->alloc(chain->store, 0);
		if (!block)
			return -ENOMEM;
		list_add_tail(&virt_to_page(block)->lru, &chain->blocks);
		chain->nr_blocks++;
	}

	chain->nr_entries++;
	return 0;
}

void luo_chain_unreserve(struct luo_chain *chain)
{
	chain->nr_entries--;
	if (chain->nr_entries <= chain_capacity(chain, chain->nr_blocks - 1))
		chain_drop_last(chain);
}

/* Start to fill the chain, from its first entry. */
void luo_chain_write_begin(struct luo_chain *chain, struct luo_chain_writer *writer)
{
	*writer = (struct luo_chain_writer){
		.chain = chain,
		.crc = LUO_WIRE_CRC_SEED,
	};
}

static void *chain_next_block(struct luo_chain_writer *writer)
{
	struct page *page;

	if (!writer->block)
		page = list_first_entry(&writer->chain->blocks, struct page, lru);
	else
		page = list_next_entry(virt_to_page(writer->block), lru);
	return page_address(page);
}

static void chain_close_block(struct luo_chain_writer *writer, u64 next)
{
	luo_wire_write_block(writer->block, next, writer->used);
	writer->crc = luo_wire_block_crc(writer->crc, writer->block, writer->chain->entry_size);
}

/* Return the next entry to fill; no more of them than are reserved. */
void *luo_chain_write_entry(struct luo_chain_writer *writer)
{
	size_t entry_size = writer->chain->entry_size;
	void *next;

	if (!writer->block || writer->used == luo_wire_per_block(entry_size)) {
		next = chain_next_block(writer);
		if (writer->block)
			chain_close_block(writer, luo_store_phys(next));
		else
			writer->first = luo_store_phys(next);
		writer->block = next;
		writer->used = 0;
	}
	return luo_wire_block_entry(writer->block, entry_size, writer->used++);
}

/* All entries are filled: @writer has address and checksum of the chain now. */
void luo_chain_write_end(struct luo_chain_writer *writer)
{
	if (writer->block)
		chain_close_block(writer, 0);
	else
		writer->crc = 0;
}
