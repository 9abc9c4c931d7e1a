// SPDX-License-Identifier: GPL-2.0
/*
 * A memfd in the format memfd-v2, coverage-guided: what memory was preserved, and what is
 * written in the pages that lead to the file's folios. The reader says no and changes
 * nothing, or all that the image names is there, once, and is put into the file or freed,
 * once.
 */
#include <linux/string.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz_memory.h"
#include "memfd_luo.h"

#define MAX_CHUNKS	3
#define MAX_PIECES	5
#define MAX_ENTRIES	24
#define IMAGE_PFN	16

/* Nobody looks into larger blocks: an array of that order is refused or holds nothing. */
#define MOST_ORDER	MAX_PAGE_ORDER

/*
 * An input: blocks that were preserved, the description, the chunks that list the pieces of
 * the array, those pieces. What does not lie in a block was not preserved.
 */
struct input {
	struct block blocks[MAX_BLOCKS];
	struct memfd_luo_ser ser;
	struct {
		u64 pfn;
		u64 next;
		u64 phys[MAX_PIECES + 1];
	} chunks[MAX_CHUNKS];
	struct {
		u64 pfn;
		struct memfd_luo_folio_ser entries[MAX_ENTRIES];
	} pieces[MAX_PIECES];
};

static unsigned long long nr_read, nr_damaged, nr_unknown, nr_sound, nr_pages, nr_large;

static void tell(void)
{
	fprintf(stderr, "fuzzed: %llu images read: %llu damaged, %llu of unknown kind, ", nr_read,
		nr_damaged, nr_unknown);
	fprintf(stderr, "%llu sound, with %llu pages; %llu with large pieces\n", nr_sound,
		nr_pages, nr_large);
	/* A fuzzer that sees only one side of it does not test. */
	if (nr_read > 20000 && (!nr_damaged || !nr_unknown || !nr_sound || !nr_pages || !nr_large))
		_exit(1);
}

static void make_memory(const void *data)
{
	const struct input *input = data;

	memory_clear();
	memory_most_order = MOST_ORDER;
	preserve(IMAGE_PFN, 0);
	preserve_blocks(input->blocks);
	fill(IMAGE_PFN, 0, &input->ser, sizeof(input->ser));
	for (unsigned int i = 0; i < MAX_CHUNKS; i++)
		fill(input->chunks[i].pfn, 0, &input->chunks[i].next,
		     sizeof(input->chunks[i]) - sizeof(u64));
	for (unsigned int i = 0; i < MAX_PIECES; i++)
		fill(input->pieces[i].pfn, 0, input->pieces[i].entries,
		     sizeof(input->pieces[i].entries));
}

/* ---------------------------------------------------------------- reading */

/* How many pages a valid serialized memfd names: of the file, and on the way there */
struct named {
	u64 file;
	u64 way;
};

static u64 name_entries(const struct memfd_luo_folio_ser *entries, u64 nr)
{
	u64 pages = 0;

	for (u64 i = 0; i < nr; i++)
		if (entries[i].pfn)
			pages += 1ULL << kho_preserved_order(PFN_PHYS((u64)entries[i].pfn));
	return pages;
}

static struct named name_all(const struct memfd_luo_ser *ser)
{
	const u64 room = (PAGE_SIZE << ser->folios.order) / sizeof(struct memfd_luo_folio_ser);
	const struct kho_vmalloc_chunk *chunk;
	struct named named = { .way = 1 };
	u64 left = ser->nr_folios, pages = 0;

	for (u64 at = ser->folios.first.phys; at; at = chunk->hdr.next.phys) {
		chunk = phys_to_virt(at);
		named.way++;
		for (unsigned int i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i]; i++) {
			const u64 nr = left < room ? left : room;

			pages += 1ULL << ser->folios.order;
			named.file += name_entries(phys_to_virt(chunk->phys[i]), nr);
			left -= nr;
		}
	}
	must(!left && pages == ser->folios.total_pages);
	named.way += pages;
	return named;
}

/* What was claimed on the way to an error is given back, and so is all when it is closed. */
static int open_image(struct memfd_incoming *in)
{
	int err = memfd_incoming_open(in, true);

	if (!err)
		memfd_incoming_close(in);
	must(!memory_claimed());
	return err ?: memfd_incoming_open(in, true);
}

static void read_image(bool adopt)
{
	static const struct memfd_format v2 = {
		.validate = memfd_v2_validate,
		.adopt = memfd_v2_adopt,
		.free = memfd_v2_free,
	};
	struct memfd_incoming in = { .format = &v2, .phys = PFN_PHYS(IMAGE_PFN) };
	int err = open_image(&in);
	struct named named;
	struct inode inode;

	nr_read++;
	nr_damaged += err == -EUCLEAN;
	nr_unknown += err == -EOPNOTSUPP;
	must(!err || err == -EUCLEAN || err == -EOPNOTSUPP);
	must(!pages_restored());
	if (err)
		return;

	must(in.v2.size <= LLONG_MAX && in.v2.pos <= LLONG_MAX && !in.v2.flags);
	named = name_all(&in.v2);
	nr_sound++;
	nr_pages += named.file;
	nr_large += in.v2.folios.order && named.file;
	if (adopt)
		must(!memfd_v2_adopt(&in, &inode));
	else
		memfd_v2_free(&in);
	must(pages_in_file(in.v2.size) == (adopt ? named.file : 0));
	must(pages_freed() == named.way + (adopt ? 0 : named.file));
	must(pages_restored() == named.way + named.file);
}

/* ---------------------------------------------------------------- damaging */

/* Where a block is that was preserved, or one behind it; sometimes neither */
static u64 some_pfn(const struct input *input)
{
	const struct block *block = &input->blocks[below(MAX_BLOCKS)];

	if (!below(40))
		return any();
	if (!below(40))
		return IMAGE_PFN;
	return block->pfn + (below(block->nr + 1) << block->order % (MAX_PAGE_ORDER + 1)) +
	       !below(20);
}

static u64 some_chunk(const struct input *input)
{
	return PFN_PHYS(input->chunks[below(MAX_CHUNKS)].pfn) + !below(20);
}

static u64 some_piece(const struct input *input)
{
	return PFN_PHYS(input->pieces[below(MAX_PIECES)].pfn) + !below(20);
}

static struct memfd_luo_folio_ser *some_entry(struct input *input)
{
	return &input->pieces[below(MAX_PIECES)].entries[below(MAX_ENTRIES)];
}

static void change_entry(struct input *input)
{
	struct memfd_luo_folio_ser *entry = some_entry(input), *other = some_entry(input);

	switch (below(6)) {
	case 0:
		entry->flags = below(8) ? below(4) : any();
		break;
	case 1:
		entry->index = other->index + 1 - below(3);
		break;
	case 2:
		entry->index = any() >> below(62);
		break;
	case 3:
		entry->pfn = below(2) ? other->pfn : 0;
		break;
	default:
		entry->pfn = some_pfn(input);
		entry->index = below(64) << below(11);
	}
}

static void change_way(struct input *input)
{
	switch (below(5)) {
	case 0:
		input->ser.folios.first.phys = below(20) ? some_chunk(input) : any();
		break;
	case 1:
		input->chunks[below(MAX_CHUNKS)].next = below(3) ? 0 : some_chunk(input);
		break;
	case 2:
		input->chunks[below(MAX_CHUNKS)].pfn = some_pfn(input);
		break;
	case 3:
		input->pieces[below(MAX_PIECES)].pfn = some_pfn(input);
		break;
	default:
		input->chunks[below(MAX_CHUNKS)].phys[below(MAX_PIECES)] =
			below(5) ? some_piece(input) : 0;
	}
}

static void change_ser(struct input *input)
{
	struct memfd_luo_ser *ser = &input->ser;

	switch (below(7)) {
	case 0:
		ser->size = below(4) ? below(1 << 30) : any() << below(3);
		break;
	case 1:
		ser->pos = below(4) ? below(1 << 20) : any() << below(3);
		break;
	case 2:
		ser->flags = below(2);
		break;
	case 3:
		ser->nr_folios = below(4) ? below(600) : any();
		break;
	case 4:
		ser->folios.order = below(4) ? below(3) : any();
		break;
	case 5:
		ser->folios.total_pages += 1 - below(3);
		break;
	default:
		ser->folios.flags = any();
	}
}

/* The first block of that order from a random one on; they are not looked for twice. */
static u64 block_of(const struct input *input, unsigned int order)
{
	const u64 from = below(MAX_BLOCKS);

	for (u64 i = from; i < from + MAX_BLOCKS; i++) {
		const struct block *block = &input->blocks[i % MAX_BLOCKS];

		if (block->nr && block->order == order)
			return block->pfn + (below(block->nr) << order);
	}
	return 0;
}

/* A way to the entries that may well be right */
static void mend_way(struct input *input)
{
	const unsigned int pieces = 1 + below(MAX_PIECES), split = below(pieces);
	const unsigned int order = below(3) ? 0 : below(3);
	unsigned int at = 0;

	memset(input->chunks, 0, sizeof(input->chunks));
	input->ser.folios.order = order;
	input->ser.folios.total_pages = pieces << order;
	input->chunks[0].pfn = block_of(input, 0);
	input->ser.folios.first.phys = PFN_PHYS(input->chunks[0].pfn);
	for (unsigned int i = 0; i < pieces; i++, at++) {
		if (i && i == split) {
			input->chunks[1].pfn = block_of(input, 0);
			input->chunks[0].next = PFN_PHYS(input->chunks[1].pfn);
			at = 0;
		}
		input->pieces[i].pfn = block_of(input, order);
		input->chunks[i >= split && split].phys[at] = PFN_PHYS(input->pieces[i].pfn);
	}
	input->ser.nr_folios = below(pieces * (PAGE_SIZE << order) / 16 + 1);
}

/* As entries want it: places after each other, and behind all of them the end */
static void mend_entries(struct input *input)
{
	u64 index = below(4);

	for (unsigned int i = 0; i < MAX_PIECES; i++) {
		for (unsigned int k = 0; k < MAX_ENTRIES; k++) {
			struct memfd_luo_folio_ser *entry = &input->pieces[i].entries[k];
			const u64 order = below(3) ? 0 : below(MAX_PAGE_ORDER + 1);

			entry->pfn = below(4) ? 0 : block_of(input, order);
			entry->flags = below(4);
			index = (index + (1ULL << order) - 1) >> order << order;
			entry->index = index;
			index += 1ULL << order;
		}
	}
	input->ser.size = PFN_PHYS(index);
	input->ser.flags = 0;
	input->ser.pos = below(1 << 20);
}

static void change(void *data)
{
	struct input *input = data;
	u64 times;

	if (!below(8))
		mend_way(input);
	if (!below(8))
		mend_entries(input);
	for (times = below(4); times; times--) {
		switch (below(5)) {
		case 0:
			change_entry(input);
			break;
		case 1:
			change_way(input);
			break;
		case 2:
			change_ser(input);
			break;
		default:
			new_block(&input->blocks[below(MAX_BLOCKS)]);
		}
	}
}

const struct format format = {
	.size = sizeof(struct input),
	.make_memory = make_memory,
	.read = read_image,
	.change = change,
	.tell = tell,
};
