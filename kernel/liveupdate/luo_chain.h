/* SPDX-License-Identifier: GPL-2.0 */
/* A chain of preserved blocks to write entries into. See luo_chain.c. */
#ifndef _LUO_CHAIN_H
#define _LUO_CHAIN_H

#include <linux/list.h>
#include <linux/types.h>

struct luo_store;

/**
 * struct luo_chain - space for entries of one size
 * @store: where the blocks come from
 * @entry_size: in bytes
 * @blocks: the blocks' struct page, by their lru
 * @nr_blocks: number of @blocks
 * @nr_entries: number of entries that are reserved
 */
struct luo_chain {
	struct luo_store *store;
	size_t entry_size;
	struct list_head blocks;
	unsigned int nr_blocks;
	unsigned long nr_entries;
};

/**
 * struct luo_chain_writer - a chain being filled
 * @chain: the chain
 * @block: the block being filled, NULL before the first entry
 * @used: entries in it
 * @first: address of the first block; 0 if there are no entries
 * @crc: checksum over all blocks, 0 if there are none; valid after luo_chain_write_end()
 */
struct luo_chain_writer {
	struct luo_chain *chain;
	void *block;
	unsigned int used;
	u64 first;
	u32 crc;
};

void luo_chain_init(struct luo_chain *chain, struct luo_store *store, size_t entry_size);
void luo_chain_destroy(struct luo_chain *chain);
int luo_chain_reserve(struct luo_chain *chain);
void luo_chain_unreserve(struct luo_chain *chain);
void luo_chain_write_begin(struct luo_chain *chain, struct luo_chain_writer *writer);
void *luo_chain_write_entry(struct luo_chain_writer *writer);
void luo_chain_write_end(struct luo_chain_writer *writer);

#endif /* _LUO_CHAIN_H */
