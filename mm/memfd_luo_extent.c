// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: the list of extents of memfd-extent-v1.
 *
 * The list begins in the object that describes the memfd and continues on further pages. It
 * only grows: what is added to a hole later is an extent of its own at the end, so that
 * time and memory are proportional to what was added. An extent is preserved when it is
 * listed, and a page gets its checksum when the list leaves it.
 */
#include <linux/bitfield.h>
#include <linux/crc32c.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "memfd_luo.h"

/* The number of words that one extent may need: its index, and itself */
#define EXTENT_WORDS		2

/*
 * Each order has a path of its own through KHO's tree, of six pages. So a long extent uses
 * only two: blocks of 512 pages, and single pages before the first and after the last
 * block.
 */
#define EXTENT_LONG_NR		BIT(14)
#define EXTENT_BLOCK_NR		BIT(9)

/* The first list is at the end of an object, all others are pages. */
static bool extent_list_is_page(const struct memfd_extent_list *list)
{
	return PAGE_ALIGNED(list);
}

/* Number of words that a list has space for, in its object or page. */
u32 memfd_extent_room(const struct memfd_extent_list *list)
{
	if (extent_list_is_page(list))
		return (PAGE_SIZE - sizeof(*list)) / sizeof(list->words[0]);
	return MEMFD_EXTENT_FIRST_WORDS;
}

/* The value for @list->crc. Its number of words is validated. */
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

/* The number of pages from @pfn on that are preserved together */
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

/* Undo the preservation of an extent; its list is about to be dropped. */
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

/* noinline: extents of one page, the common case, do not come here. */
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

/* Allocate an empty list, freed by memfd_extents_drop(). Returns 0 or -ENOMEM. */
int memfd_extents_make(struct memfd_extents *extents)
{
	struct memfd_extent_ser *ser = luo_small_alloc();

	if (!ser)
		return -ENOMEM;

	*extents = (struct memfd_extents) {
		.ser = ser,
		.last = &ser->list,
		.left = memfd_extent_room(&ser->list),
	};
	return 0;
}

/* Continue the list on a new page. */
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

/*
 * Preserve an extent and list it. On error nothing has changed: -ENOMEM, -E2BIG if the
 * memory is at an address that the format cannot express, or an errno of KHO.
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
	/* For a single page it is the same, and faster as a folio. */
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

/* Update the checksums. More may be added; then they have to be updated again. */
void memfd_extents_seal(struct memfd_extents *extents)
{
	struct memfd_extent_list *first = &extents->ser->list;

	first->crc = memfd_extent_crc(first);
	if (extents->last != first)
		extents->last->crc = memfd_extent_crc(extents->last);
}

/*
 * Call @fn for each extent until it returns other than 0. An incoming list has been
 * validated as far as @fn goes.
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

/* Free the list. Its extents are not preserved any more. */
void memfd_extents_drop(struct memfd_extents *extents)
{
	struct memfd_extent_list *list;
	u64 next;

	next = extents->ser->list.next;
	luo_small_free(extents->ser);
	while (next) {
		list = phys_to_virt(next);
		next = list->next;
		liveupdate_free_page(list);
	}
	*extents = (struct memfd_extents) {};
}
