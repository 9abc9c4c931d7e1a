// SPDX-License-Identifier: GPL-2.0
/*
 * Preserving memfds across live updates: the list of extents of memfd-extent-v1.
 *
 * The list begins in the object that describes the memfd, and further pages take it up.
 * It only grows: what appears in a hole later is an extent of its own at the end, so
 * that work and memory are in proportion to what appeared. Each extent is preserved when
 * it is added, and the checksum of a page is made when the list leaves it.
 */
#include <linux/bitfield.h>
#include <linux/crc32c.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "memfd_luo.h"

/* So many words may be needed for one extent: where it is, and itself */
#define EXTENT_WORDS		2

/*
 * Each order has a way of its own through KHO's tree, of six pages. So a long extent makes
 * do with two: blocks of 512 pages, and what is before the first and behind the last one
 * page by page.
 */
#define EXTENT_LONG_NR		BIT(14)
#define EXTENT_BLOCK_NR		BIT(9)

/* The first list ends an object, all others are pages. */
static bool extent_list_is_page(const struct memfd_extent_list *list)
{
	return PAGE_ALIGNED(list);
}

/**
 * memfd_extent_room() - how many words a list has room for
 * @list: in its object or page
 *
 * Return: words.
 */
u32 memfd_extent_room(const struct memfd_extent_list *list)
{
	if (extent_list_is_page(list))
		return (PAGE_SIZE - sizeof(*list)) / sizeof(list->words[0]);
	return MEMFD_EXTENT_FIRST_WORDS;
}

/**
 * memfd_extent_crc() - the checksum of an object or page
 * @list: in it; its number of words is known to fit
 *
 * Return: what @list->crc has to be.
 */
u32 memfd_extent_crc(const struct memfd_extent_list *list)
{
	const void *begin = list, *behind = &list->crc + 1, *end = &list->words[list->nr];
	const u32 none = 0;
	u32 crc;

	if (!extent_list_is_page(list))
		begin = container_of(list, struct memfd_extent_ser, list);
	crc = crc32c(~0U, begin, (const void *)&list->crc - begin);
	crc = crc32c(crc, &none, sizeof(none));
	return crc32c(crc, behind, end - behind);
}

/* How many pages from @pfn on are preserved at once */
static unsigned long extent_block(const struct memfd_extent *extent, unsigned long pfn)
{
	const unsigned long left = extent->pfn + extent->nr - pfn;

	if (extent->nr < EXTENT_LONG_NR)
		return left;
	return IS_ALIGNED(pfn, EXTENT_BLOCK_NR) && left >= EXTENT_BLOCK_NR ? EXTENT_BLOCK_NR : 1;
}

static void extent_unpreserve_pages(const struct memfd_extent *extent, unsigned long end)
{
	unsigned long nr;

	for (unsigned long pfn = extent->pfn; pfn < end; pfn += nr) {
		nr = extent_block(extent, pfn);
		kho_unpreserve_pages(pfn_to_page(pfn), nr);
	}
}

static int extent_preserve_pages(const struct memfd_extent *extent)
{
	const unsigned long end = extent->pfn + extent->nr;
	unsigned long nr;
	int err;

	for (unsigned long pfn = extent->pfn; pfn < end; pfn += nr) {
		nr = extent_block(extent, pfn);
		err = kho_preserve_pages(pfn_to_page(pfn), nr);
		if (err) {
			extent_unpreserve_pages(extent, pfn);
			return err;
		}
	}
	return 0;
}

/**
 * memfd_extent_unpreserve() - preserve an extent no more
 * @extent: as it was added; its list is to be dropped
 */
void memfd_extent_unpreserve(const struct memfd_extent *extent)
{
	struct page *page = pfn_to_page(extent->pfn);

	if (!extent->order) {
		extent_unpreserve_pages(extent, extent->pfn + extent->nr);
		return;
	}
	for (u32 i = 0; i < extent->nr; i++)
		kho_unpreserve_folio(page_folio(page + ((unsigned long)i << extent->order)));
}

/* Not inline, for the sake of pages that are alone: they do not come here. */
static noinline int extent_preserve(const struct memfd_extent *extent)
{
	struct page *page = pfn_to_page(extent->pfn);
	int err;

	if (!extent->order)
		return extent_preserve_pages(extent);

	for (u32 i = 0; i < extent->nr; i++) {
		err = kho_preserve_folio(page_folio(page + ((unsigned long)i << extent->order)));
		if (err) {
			struct memfd_extent done = *extent;

			done.nr = i;
			memfd_extent_unpreserve(&done);
			return err;
		}
	}
	return 0;
}

/**
 * memfd_extents_make() - make an empty list
 * @extents: set up; memfd_extents_drop() is to follow
 *
 * Return: 0 or -ENOMEM.
 */
int memfd_extents_make(struct memfd_extents *extents)
{
	struct memfd_extent_ser *ser = liveupdate_alloc_small();

	if (!ser)
		return -ENOMEM;

	*extents = (struct memfd_extents) {
		.ser = ser,
		.last = &ser->list,
		.left = memfd_extent_room(&ser->list),
	};
	return 0;
}

/* The list ends on a new page from here on. */
static int extents_grow(struct memfd_extents *extents)
{
	struct memfd_extent_list *list;

	list = liveupdate_alloc_page();
	if (!list)
		return -ENOMEM;

	extents->last->next = virt_to_phys(list);
	if (extents->last != &extents->ser->list)
		extents->last->crc = memfd_extent_crc(extents->last);
	extents->last = list;
	extents->left = memfd_extent_room(list);
	return 0;
}

static void extents_put(struct memfd_extents *extents, u64 word)
{
	extents->last->words[extents->last->nr++] = word;
	extents->left--;
}

/**
 * memfd_extents_add() - preserve an extent and list it
 * @extents: the list
 * @extent: what to add
 *
 * Return: 0; -ENOMEM, or what KHO says: then nothing has changed. -E2BIG: memory is
 * where no kernel was expected to have any.
 */
int memfd_extents_add(struct memfd_extents *extents, const struct memfd_extent *extent)
{
	int err;

	if (!FIELD_FIT(MEMFD_EXTENT_PFN, extent->pfn))
		return -E2BIG;
	if (extents->left < EXTENT_WORDS) {
		err = extents_grow(extents);
		if (err)
			return err;
	}
	/* A page alone is the same either way, and sooner done as a folio. */
	if (extent->nr == 1)
		err = kho_preserve_folio(pfn_folio(extent->pfn));
	else
		err = extent_preserve(extent);
	if (err)
		return err;

	if (extent->index != extents->next)
		extents_put(extents,
			    FIELD_PREP(MEMFD_EXTENT_ORDER, MEMFD_EXTENT_ORDER_INDEX) |
			    FIELD_PREP(MEMFD_EXTENT_INDEX, extent->index));
	extents_put(extents, FIELD_PREP(MEMFD_EXTENT_PFN, extent->pfn) |
			     FIELD_PREP(MEMFD_EXTENT_NR, extent->nr) |
			     FIELD_PREP(MEMFD_EXTENT_ORDER, extent->order));
	extents->next = extent->index + memfd_extent_pages(extent);
	return 0;
}

/**
 * memfd_extents_seal() - make the checksums that are still to be made
 * @extents: the list; more may be added, then it is to be sealed again
 */
void memfd_extents_seal(struct memfd_extents *extents)
{
	struct memfd_extent_list *first = &extents->ser->list;

	first->crc = memfd_extent_crc(first);
	if (extents->last != first)
		extents->last->crc = memfd_extent_crc(extents->last);
}

/**
 * memfd_extent_for_each() - go through a list
 * @ser: its begin; one that was handed over has been checked as far as @fn goes
 * @fn: called for each extent, until it fails
 * @data: for @fn
 *
 * Return: what @fn returned, or 0.
 */
int memfd_extent_for_each(const struct memfd_extent_ser *ser, memfd_extent_fn fn, void *data)
{
	const struct memfd_extent_list *list = &ser->list;
	struct memfd_extent extent = {};
	int err;

	for (;;) {
		for (u32 i = 0; i < list->nr; i++) {
			const u64 word = list->words[i];

			extent.order = FIELD_GET(MEMFD_EXTENT_ORDER, word);
			if (extent.order == MEMFD_EXTENT_ORDER_INDEX) {
				extent.index = FIELD_GET(MEMFD_EXTENT_INDEX, word);
				continue;
			}
			extent.pfn = FIELD_GET(MEMFD_EXTENT_PFN, word);
			extent.nr = FIELD_GET(MEMFD_EXTENT_NR, word);
			err = fn(&extent, data);
			if (err)
				return err;
			extent.index += memfd_extent_pages(&extent);
			cond_resched();
		}
		if (!list->next)
			return 0;
		list = phys_to_virt(list->next);
	}
}

/**
 * memfd_extents_drop() - free the list
 * @extents: the list; its extents have been unpreserved
 */
void memfd_extents_drop(struct memfd_extents *extents)
{
	struct memfd_extent_list *list;
	u64 next;

	next = extents->ser->list.next;
	liveupdate_free_small(extents->ser);
	while (next) {
		list = phys_to_virt(next);
		next = list->next;
		liveupdate_free_page(list);
	}
	*extents = (struct memfd_extents) {};
}
