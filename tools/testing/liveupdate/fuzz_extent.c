// SPDX-License-Identifier: GPL-2.0
/*
 * The list of extents of a memfd, coverage-guided: what memory was preserved, and what is
 * written in the pages that the list is on. The reader says no, or all that the list names
 * is there, once, and comes to lie in the file or is freed, once.
 */
#include <linux/bitfield.h>
#include <linux/crc32c.h>
#include <linux/string.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz_memory.h"
#include "memfd_luo.h"

#define MAX_LISTS	4
#define OBJECT		(16 * PAGE_SIZE + 128)

/*
 * An input: blocks that were preserved, the object, the pages that may take it up. Pages
 * are numbered as they are in memory.
 */
struct input {
	struct block blocks[MAX_BLOCKS];
	u8 object[LIVEUPDATE_SMALL_SIZE];
	struct {
		u64 pfn;
		union {
			struct memfd_extent_list list;
			u8 bytes[16 + 64 * sizeof(u64)];
		};
	} lists[MAX_LISTS];
};

static unsigned long long nr_read, nr_damaged, nr_unknown, nr_sound, nr_pages;

static void tell(void)
{
	fprintf(stderr, "fuzzed: %llu lists of extents read: %llu damaged, ", nr_read, nr_damaged);
	fprintf(stderr, "%llu of unknown kind, %llu sound, with %llu pages\n", nr_unknown,
		nr_sound, nr_pages);
	/* A fuzzer that sees only one side of it does not test. */
	if (nr_read > 20000 && (!nr_damaged || !nr_unknown || !nr_sound || !nr_pages))
		_exit(1);
}

/* ---------------------------------------------------------------- memory */

static void make_memory(const void *data)
{
	const struct input *input = data;

	memory_clear();
	preserve(PHYS_PFN(OBJECT), 0);
	preserve_blocks(input->blocks);
	fill(PHYS_PFN(OBJECT), OBJECT % PAGE_SIZE, input->object, sizeof(input->object));
	for (unsigned int i = 0; i < MAX_LISTS; i++)
		fill(input->lists[i].pfn, 0, input->lists[i].bytes,
		     sizeof(input->lists[i].bytes));
}

/* ---------------------------------------------------------------- reading */

/* What was claimed on the way to an error is given back, and so is all when it is closed. */
static int open_list(struct memfd_incoming *in)
{
	int err = memfd_incoming_open(in, true);

	if (!err)
		memfd_incoming_close(in);
	must(!memory_claimed());
	return err ?: memfd_incoming_open(in, true);
}

static void read_list(bool adopt)
{
	static const struct memfd_format extent_v1 = {
		.validate = memfd_extent_validate,
		.adopt = memfd_extent_adopt,
		.free = memfd_extent_free,
	};
	struct memfd_incoming in = { .format = &extent_v1, .phys = OBJECT };
	int err = open_list(&in);
	struct inode inode;
	u64 size, pages;

	nr_read++;
	nr_damaged += err == -EUCLEAN;
	nr_unknown += err == -EOPNOTSUPP;
	must(!err || err == -EUCLEAN || err == -EOPNOTSUPP);
	if (err)
		return;

	size = in.extent->size;
	pages = in.extent->nr_pages;
	nr_sound++;
	nr_pages += pages;
	if (adopt) {
		must(!memfd_extent_adopt(&in, &inode));
		must(pages_in_file(size) == pages);
	} else {
		memfd_extent_free(&in);
		/* And the pages that the list was on */
		must(pages_freed() >= pages && pages_freed() <= pages + MAX_LISTS);
	}
}

/* ---------------------------------------------------------------- damaging */

static struct memfd_extent_list *pick_list(struct input *input)
{
	const u64 i = below(MAX_LISTS + 2);

	if (i >= MAX_LISTS)
		return &((struct memfd_extent_ser *)input->object)->list;
	return &input->lists[i].list;
}

static u32 room(const struct input *input, const struct memfd_extent_list *list)
{
	return (const u8 *)list < (const u8 *)input->lists ? MEMFD_EXTENT_FIRST_WORDS : 64;
}

/* A word that may be right: pages that were preserved, or the place of the next ones */
static u64 new_word(const struct input *input)
{
	const u64 i = below(MAX_BLOCKS);
	u64 pfn = input->blocks[i].pfn, order = input->blocks[i].order, nr = input->blocks[i].nr;

	switch (below(10)) {
	case 0:
		return (u64)MEMFD_EXTENT_ORDER_INDEX << 58 | below(1 << below(24));
	case 1:
		return (u64)MEMFD_EXTENT_ORDER_INDEX << 58 | -below(1 << 12) >> 6;
	case 2:
		pfn += below(4);
		break;
	case 3:
		nr = (nr + 1 - below(3)) & 255;
		break;
	case 4:
		order += 1 - below(3);
		break;
	case 5:
		return 1ULL << 40 | PHYS_PFN(OBJECT);
	}
	/* Blocks of pages are one extent of single ones */
	if (order <= MAX_PAGE_ORDER && below(2)) {
		nr <<= order;
		/* Not always whole ones */
		nr -= below(2) ? below(nr + 1) : 0;
		order = 0;
	}
	return FIELD_PREP(MEMFD_EXTENT_PFN, pfn & MEMFD_EXTENT_PFN) |
	       FIELD_PREP(MEMFD_EXTENT_NR, nr & 0x3ffff) | (order & 63) << 58;
}

static void change_list(struct input *input)
{
	struct memfd_extent_list *list = pick_list(input), *other = pick_list(input);
	const u64 at = below(room(input, list));

	switch (below(6)) {
	case 0:
		list->next = PFN_PHYS(input->lists[below(MAX_LISTS)].pfn) + below(9) / 8;
		break;
	case 1:
		list->nr = below(2) ? below(room(input, list) + 2) : any();
		break;
	case 2:			/* the same again, or overlapping with itself */
		list->words[at] = other->words[below(room(input, other))] + 4 - below(9);
		break;
	default:
		list->words[at] = new_word(input);
		if (list->nr <= at)
			list->nr = at + 1;
	}
}

static void change_rest(struct input *input)
{
	struct memfd_extent_ser *ser = (void *)input->object;
	const u64 i = below(MAX_BLOCKS);

	switch (below(7)) {
	case 0:
		ser->size = below(4) ? below(1 << 30) : any();
		break;
	case 1:
		ser->nr_pages += 1 - below(3);
		break;
	case 2:
		ser->flags = below(8);
		break;
	case 3:
		ser->mode = below(1 << 13);
		break;
	case 4:
		ser->reserved = below(2);
		break;
	case 5:
		input->lists[below(MAX_LISTS)].pfn = input->blocks[i].pfn;
		break;
	default:
		new_block(&input->blocks[i]);
	}
}

/* As many pages as there are words of */
static void count_pages(struct input *input)
{
	struct memfd_extent_ser *ser = (void *)input->object;
	const struct memfd_extent_list *list = &ser->list;

	ser->nr_pages = 0;
	for (unsigned int hops = 0; list && hops <= MAX_LISTS; hops++) {
		const u64 next = list->next;

		for (u32 i = 0; i < list->nr && i < room(input, list); i++) {
			const u64 word = list->words[i], order = word >> 58;

			if (order <= MAX_PAGE_ORDER)
				ser->nr_pages += FIELD_GET(MEMFD_EXTENT_NR, word) << order;
		}
		list = NULL;
		for (unsigned int i = 0; next && i < MAX_LISTS; i++)
			if (PFN_PHYS(input->lists[i].pfn) == next)
				list = &input->lists[i].list;
	}
}

static u32 crc_of(const void *begin, struct memfd_extent_list *list)
{
	const u32 none = 0;
	u32 crc = crc32c(~0U, begin, (const u8 *)&list->crc - (const u8 *)begin);

	crc = crc32c(crc, &none, sizeof(none));
	return crc32c(crc, &list->crc + 1, list->nr * sizeof(u64));
}

static void seal(struct input *input)
{
	struct memfd_extent_ser *ser = (void *)input->object;

	if (ser->list.nr <= MEMFD_EXTENT_FIRST_WORDS)
		ser->list.crc = crc_of(ser, &ser->list);
	for (unsigned int i = 0; i < MAX_LISTS; i++)
		if (input->lists[i].list.nr <= 64)
			input->lists[i].list.crc = crc_of(&input->lists[i].list,
							  &input->lists[i].list);
}

static void change(void *data)
{
	struct input *input = data;
	u64 times;

	for (times = 1 + below(4); times; times--) {
		if (below(3))
			change_list(input);
		else
			change_rest(input);
	}
	if (below(4))
		count_pages(input);
	if (below(8))
		seal(input);
}

const struct format format = {
	.size = sizeof(struct input),
	.make_memory = make_memory,
	.read = read_list,
	.change = change,
	.tell = tell,
};
