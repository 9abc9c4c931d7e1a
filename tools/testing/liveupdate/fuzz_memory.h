/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What fuzzers of memfd formats share: memory that was preserved, chance, and how an input
 * gets to the reader under test. Each has a format of inputs of its own.
 */
#ifndef _LUO_FUZZ_MEMORY_H
#define _LUO_FUZZ_MEMORY_H

#include "stubs/mm.h"

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

/**
 * struct format - a format's inputs, each of a fixed size
 * @size: in bytes; a shorter one goes on with zeroes
 * @make_memory: make memory as it says
 * @read: have it read, and what was found put into the file or freed
 * @change: change it a little
 * @tell: at the end, what was seen
 */
struct format {
	size_t size;
	void (*make_memory)(const void *input);
	void (*read)(bool adopt);
	void (*change)(void *input);
	void (*tell)(void);
};

extern const struct format format;

void must(bool holds);

void preserve(unsigned long pfn, unsigned int order);
void preserve_blocks(const struct block *blocks);
void fill(unsigned long pfn, size_t at, const void *bytes, size_t size);
u64 pages_in_file(u64 size);
u64 pages_freed(void);
u64 pages_restored(void);

u64 below(u64 limit);
u64 any(void);
void new_block(struct block *block);

#endif /* _LUO_FUZZ_MEMORY_H */
