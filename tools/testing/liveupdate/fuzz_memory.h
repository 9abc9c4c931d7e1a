/* SPDX-License-Identifier: GPL-2.0 */
/* What fuzzers of memfd formats share: memory that was preserved, chance. */
#ifndef _LUO_FUZZ_MEMORY_H
#define _LUO_FUZZ_MEMORY_H

#include "seam/mm.h"

#define MAX_BLOCKS	64

/**
 * struct block - what was preserved
 * @pfn: where
 * @order: of each
 * @nr: so many, one behind the other
 */
struct block {
	u16 pfn;
	u8 order;
	u8 nr;
};

void must(bool holds);

void preserve(unsigned long pfn, unsigned int order);
void preserve_blocks(const struct block *blocks);
void fill(unsigned long pfn, size_t at, const void *bytes, size_t size);
u64 pages_in_file(u64 size);
u64 pages_freed(void);
u64 pages_restored(void);

void chance_begin(unsigned int seed);
u64 below(u64 limit);
u64 any(void);
void new_block(struct block *block);

#endif /* _LUO_FUZZ_MEMORY_H */
