// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: validate and retrieve memfd-extent-v1.
 *
 * Everything is validated before anything is used; then every page can be restored and
 * freed exactly once.
 */
#include <linux/bitfield.h>
#include <linux/crc32c.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/user_namespace.h>

#include "internal.h"
#include "memfd_luo.h"

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

/* Validate a page of the list, whose address is not trusted. */
static int check_list(struct memfd_check *check, const struct memfd_extent_list *list)
{
	if (list->nr > memfd_extent_room(list)) {
		check->why = "the list of extents is too long";
		return -EUCLEAN;
	}
	if (list->crc != memfd_extent_crc(list)) {
		check->why = "a checksum is wrong";
		return -EUCLEAN;
	}
	return 0;
}

static int check_lists(struct memfd_incoming *in, struct memfd_check *check)
{
	const struct memfd_extent_list *list = &in->extent->list;
	int err;

	for (;;) {
		err = check_list(check, list);
		if (err || !list->next)
			return err;
		if (memfd_check_killed(check))
			return -EINTR;
		err = memfd_claim_folio(check, list->next, 0);
		if (err)
			return err;
		list = phys_to_virt(list->next);
	}
}

/* Pages of order 0: the blocks that KHO made of them have to cover the extent exactly. */
static int check_pages(struct memfd_check *check, const struct memfd_extent *extent)
{
	unsigned long pfn = extent->pfn, end = pfn + extent->nr;

	while (pfn < end) {
		const int order = memfd_claim_block(check, PFN_PHYS(pfn));

		if (order < 0)
			return order;
		if (order >= BITS_PER_LONG - PAGE_SHIFT || 1UL << order > end - pfn) {
			check->why = "an extent ends within a block";
			return -EUCLEAN;
		}
		pfn += 1UL << order;
	}
	return 0;
}

static int check_folios(struct memfd_check *check, const struct memfd_extent *extent)
{
	int err;

	if (extent->order > MAX_PAGE_ORDER || !IS_ALIGNED(extent->index, 1UL << extent->order)) {
		check->why = "a folio is misplaced";
		return -EUCLEAN;
	}
	for (u32 i = 0; i < extent->nr; i++) {
		const unsigned long pfn = extent->pfn + ((unsigned long)i << extent->order);

		err = memfd_claim_folio(check, PFN_PHYS(pfn), extent->order);
		if (err)
			return err;
	}
	return 0;
}

struct extent_check {
	struct memfd_check *check;
	u64 file_pages;
	u64 nr_pages;
};

static int check_extent(const struct memfd_extent *extent, void *data)
{
	struct extent_check *ec = data;
	struct memfd_check *check = ec->check;
	unsigned long pages, last;
	int err;

	if (memfd_check_killed(check))
		return -EINTR;
	if (!extent->nr || extent->order > MAX_PAGE_ORDER) {
		check->why = "an extent is malformed";
		return -EUCLEAN;
	}

	pages = memfd_extent_pages(extent);
	/* A large folio may extend beyond the end of the file. */
	last = (unsigned long)(extent->nr - 1) << extent->order;
	if (extent->index >= ec->file_pages || last > ec->file_pages - 1 - extent->index) {
		check->why = "an extent lies behind the end";
		return -EUCLEAN;
	}
	ec->nr_pages += pages;

	err = extent->order ? check_folios(check, extent) : check_pages(check, extent);
	if (err)
		return err;
	return memfd_claim_indexes(check, extent->index, pages);
}

static int check_all(struct memfd_incoming *in, struct memfd_check *check)
{
	struct extent_check ec = { .check = check };
	const struct memfd_extent_ser *ser = in->extent;
	int err;

	err = check_lists(in, check);
	if (err)
		return err;
	if (ser->reserved || ser->flags & ~(MEMFD_EXTENT_RDONLY | MEMFD_EXTENT_WRONLY)) {
		check->why = "unknown flags";
		return -EOPNOTSUPP;
	}
	if (ser->size > MAX_LFS_FILESIZE || ser->pos > MAX_LFS_FILESIZE ||
	    ser->mode & ~S_IALLUGO) {
		check->why = "size, position or mode is out of range";
		return -EUCLEAN;
	}

	ec.file_pages = DIV_ROUND_UP_ULL(ser->size, PAGE_SIZE);
	err = memfd_extent_for_each(ser, check_extent, &ec);
	if (err)
		return err;
	if (ec.nr_pages != ser->nr_pages) {
		check->why = "the number of pages is wrong";
		return -EUCLEAN;
	}
	return 0;
}

/* The page of the first object is shared with others, and claimed by memfd_luo_small.c. */
int memfd_extent_validate(struct memfd_incoming *in, struct memfd_check *check)
{
	const void *obj;
	int err;

	if (!check->undo) {
		err = luo_small_claim(in->phys, &obj);
		if (err)
			return err;
		in->extent = obj;
	} else if (!in->extent) {
		return 0;
	}

	err = check_all(in, check);
	if (check->undo) {
		luo_small_unclaim(in->phys);
		in->extent = NULL;
	}
	return err;
}

/* See struct memfd_format. */
void memfd_extent_get_attrs(const struct memfd_incoming *in, struct memfd_attrs *attrs)
{
	*attrs = (struct memfd_attrs) {
		.pos = in->extent->pos,
		.size = in->extent->size,
		.seals = in->extent->seals,
		.flags = in->extent->flags,
		.mode = in->extent->mode,
		.uid = make_kuid(&init_user_ns, in->extent->uid),
		.gid = make_kgid(&init_user_ns, in->extent->gid),
	};
}

/*
 * A batch of pages for consecutive places of the file: @nr of them from @index on, still to
 * be restored from @phys if @preserved, else in @folios; and the first error.
 */
struct extent_adopt {
	struct inode *inode;
	pgoff_t index;
	unsigned int nr;
	bool preserved;
	int err;
	phys_addr_t phys[256];
	struct folio *folios[256];
};

static void adopt_batch(struct extent_adopt *adopt)
{
	unsigned int nr = adopt->nr;
	int err;

	if (adopt->preserved && kho_restore_folios(adopt->phys, nr, adopt->folios) != nr) {
		adopt->err = -EIO;
		adopt->nr = 0;
		return;
	}

	/* No other task can have them yet. */
	for (unsigned int i = 0; i < nr; i++)
		__folio_mark_uptodate(adopt->folios[i]);
	err = shmem_adopt_pages(adopt->inode, adopt->folios, nr, adopt->index);
	adopt->err = adopt->err ?: err;
	adopt->nr = 0;
}

/* The slot for the next page, which is at @index in the file. */
static unsigned int adopt_next(struct extent_adopt *adopt, pgoff_t index, bool preserved)
{
	if (adopt->nr == ARRAY_SIZE(adopt->folios) || index != adopt->index + adopt->nr ||
	    preserved != adopt->preserved)
		adopt_batch(adopt);
	if (!adopt->nr) {
		adopt->index = index;
		adopt->preserved = preserved;
	}
	return adopt->nr++;
}

/* Pages that were preserved as one block but are not one folio in the file */
static int adopt_pages(struct extent_adopt *adopt, phys_addr_t phys, unsigned int order,
		       pgoff_t index)
{
	struct page *page;

	if (!order) {
		adopt->phys[adopt_next(adopt, index, true)] = phys;
		return 0;
	}

	page = kho_restore_pages(phys, 1UL << order);
	if (!page)
		return -EIO;
	for (unsigned long i = 0; i < 1UL << order; i++)
		adopt->folios[adopt_next(adopt, index + i, false)] = page_folio(page + i);
	return 0;
}

static int adopt_folio(struct extent_adopt *adopt, phys_addr_t phys, pgoff_t index)
{
	struct folio *folio = kho_restore_folio(phys);

	if (!folio)
		return -EIO;
	folio_mark_uptodate(folio);
	return shmem_adopt_folio(adopt->inode, folio, index);
}

/* The order with which the pages at @pfn are preserved, in a validated extent */
static int block_order(const struct memfd_extent *extent, unsigned long pfn)
{
	if (extent->order || extent->nr == 1)
		return extent->order;
	return kho_preserved_order(PFN_PHYS(pfn));
}

/* Continues after an error: pages that cannot be added to the file are freed by that. */
static int adopt_extent(const struct memfd_extent *extent, void *data)
{
	const unsigned long end = extent->pfn + memfd_extent_pages(extent);
	struct extent_adopt *adopt = data;

	for (unsigned long pfn = extent->pfn; pfn < end;) {
		const int order = block_order(extent, pfn);
		const pgoff_t index = extent->index + (pfn - extent->pfn);
		int err;

		if (WARN_ON_ONCE(order < 0))
			return -EIO;
		if (extent->order && order <= MEMFD_MAX_FOLIO_ORDER)
			err = adopt_folio(adopt, PFN_PHYS(pfn), index);
		else
			err = adopt_pages(adopt, PFN_PHYS(pfn), order, index);
		adopt->err = adopt->err ?: err;
		pfn += 1UL << order;
		cond_resched();
	}
	return 0;
}

static int free_extent(const struct memfd_extent *extent, void *data)
{
	const unsigned long end = extent->pfn + memfd_extent_pages(extent);

	for (unsigned long pfn = extent->pfn; pfn < end;) {
		const int order = block_order(extent, pfn);

		if (WARN_ON_ONCE(order < 0))
			return -EIO;
		memfd_free_handed_over(PFN_PHYS(pfn), order);
		pfn += 1UL << order;
	}
	return 0;
}

static void free_lists(struct memfd_incoming *in)
{
	u64 phys = in->extent->list.next, next;

	luo_small_release(in->phys);
	for (; phys; phys = next) {
		next = ((struct memfd_extent_list *)phys_to_virt(phys))->next;
		memfd_free_handed_over(phys, 0);
	}
}

/* See struct memfd_format. */
int memfd_extent_adopt(struct memfd_incoming *in, struct inode *inode)
{
	struct extent_adopt *adopt = kzalloc_obj(*adopt);	/* too large for the stack */
	int err;

	if (!adopt)
		return -ENOMEM;
	adopt->inode = inode;
	err = memfd_extent_for_each(in->extent, adopt_extent, adopt);
	adopt_batch(adopt);
	free_lists(in);
	err = err ?: adopt->err;
	kfree(adopt);
	/* It has been consumed, also on error. */
	return err == -ENOMEM ? -EIO : err;
}

/* See struct memfd_format. */
void memfd_extent_free(struct memfd_incoming *in)
{
	memfd_extent_for_each(in->extent, free_extent, NULL);
	free_lists(in);
}
