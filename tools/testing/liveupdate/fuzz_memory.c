// SPDX-License-Identifier: GPL-2.0
#include <linux/string.h>
#include <stdlib.h>

#include "fuzz_memory.h"
#include "libfuzzer.h"

void must(bool holds)
{
	if (!holds)
		abort();
}

/* ---------------------------------------------------------------- memory */

void preserve(unsigned long pfn, unsigned int order)
{
	if (pfn % (1UL << order) || pfn + (1UL << order) > MEMORY_PAGES)
		return;
	for (unsigned long i = pfn; i < pfn + (1UL << order); i++)
		if (memory[i].part)
			return;
	for (unsigned long i = pfn; i < pfn + (1UL << order); i++)
		memory[i].part = true;
	memory[pfn].preserved = order + 1;
}

void preserve_blocks(const struct block *blocks)
{
	for (unsigned int i = 0; i < MAX_BLOCKS; i++) {
		const unsigned int order = blocks[i].order % (MAX_PAGE_ORDER + 1);

		for (unsigned int k = 0; k < blocks[i].nr; k++)
			preserve(blocks[i].pfn + ((unsigned long)k << order), order);
	}
}

void fill(unsigned long pfn, size_t at, const void *bytes, size_t size)
{
	u8 *page;

	if (pfn >= MEMORY_PAGES || !memory[pfn].preserved || memory[pfn].bytes ||
	    memory[pfn].preserved > memory_most_order + 1)
		return;
	page = phys_to_virt(PFN_PHYS(pfn));
	memcpy(page + at, bytes, size);
}

static int by_number(const void *a, const void *b)
{
	const pgoff_t x = *(const pgoff_t *)a, y = *(const pgoff_t *)b;

	return x < y ? -1 : x > y;
}

/* How many pages are in the file: no two in the same place, none behind its end */
u64 pages_in_file(u64 size)
{
	static pgoff_t found[MEMORY_PAGES];
	u64 nr = 0;

	for (unsigned int i = 0; i < MEMORY_PAGES; i++)
		if (memory[i].in_file)
			found[nr++] = memory[i].index;
	qsort(found, nr, sizeof(*found), by_number);
	for (u64 i = 1; i < nr; i++)
		must(found[i - 1] < found[i]);
	/* A large folio may go on behind it. */
	must(!nr || found[nr - 1] < DIV_ROUND_UP_ULL(size, PAGE_SIZE) + (1 << MAX_PAGE_ORDER));
	return nr;
}

u64 pages_freed(void)
{
	u64 nr = 0;

	for (unsigned int i = 0; i < MEMORY_PAGES; i++)
		nr += memory[i].freed;
	return nr;
}

u64 pages_restored(void)
{
	u64 nr = 0;

	for (unsigned int i = 0; i < MEMORY_PAGES; i++)
		nr += memory[i].restored;
	return nr;
}

/* ---------------------------------------------------------------- chance */

static unsigned short random_state[3];

static void chance_begin(unsigned int seed)
{
	random_state[0] = seed;
	random_state[1] = seed >> 16;
	random_state[2] = 0x330e;
	nrand48(random_state);
}

u64 below(u64 limit)
{
	return nrand48(random_state) % limit;
}

/* 62 bits of it */
u64 any(void)
{
	return (u64)nrand48(random_state) << 31 | nrand48(random_state);
}

void new_block(struct block *block)
{
	block->pfn = below(MEMORY_PAGES);
	block->order = below(2) ? 0 : below(MAX_PAGE_ORDER + 1);
	block->nr = 1 + below(8);
	block->pfn &= -1U << block->order;
}

/* ---------------------------------------------------------------- inputs */

#define LARGEST_INPUT	4096

static void *input_of(const u8 *data, size_t size)
{
	static u64 input[LARGEST_INPUT / sizeof(u64)];

	must(format.size <= sizeof(input));
	memset(input, 0, sizeof(input));
	memcpy(input, data, size < format.size ? size : format.size);
	return input;
}

int fuzz_one(const u8 *data, size_t size)
{
	const void *input = input_of(data, size);
	static bool begun;

	if (!begun)
		atexit(format.tell);
	begun = true;
	for (int adopt = 0; adopt < 2; adopt++) {
		format.make_memory(input);
		format.read(adopt);
	}
	memory_clear();
	return 0;
}

size_t fuzz_mutate(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	void *input = input_of(data, size);

	if (max_size < format.size)
		return fuzz_mutate_bytes(data, size, max_size);
	chance_begin(seed);
	format.change(input);
	memcpy(data, input, format.size);
	return format.size;
}
