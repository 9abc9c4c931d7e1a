// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: retrieve from memfd-extent-v1.
 *
 * Everything is validated before anything is used; then every page can be restored and
 * freed exactly once.
 */
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "internal.h"
#include "memfd_luo.h"

/* Validate a page of the list, whose address is not trusted. */
static int image_check_list(struct memfd_check *check, const struct memfd_extent_list *list)
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

static int image_check_lists(struct memfd_extent_image *image, struct memfd_check *check)
{
	const struct memfd_extent_list *list = &image->ser->list;
	int err;

	for (;;) {
		err = image_check_list(check, list);
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
static int image_check_pages(struct memfd_check *check, const struct memfd_extent *extent)
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

static int image_check_folios(struct memfd_check *check, const struct memfd_extent *extent)
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

static int image_check_extent(const struct memfd_extent *extent, void *data)
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

	err = extent->order ? image_check_folios(check, extent) : image_check_pages(check, extent);
	if (err)
		return err;
	return memfd_claim_indexes(check, extent->index, pages);
}

static int image_check(struct memfd_extent_image *image, struct memfd_check *check)
{
	struct extent_check ec = { .check = check };
	const struct memfd_extent_ser *ser = image->ser;
	int err;

	err = image_check_lists(image, check);
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
	err = memfd_extent_for_each(ser, image_check_extent, &ec);
	if (err)
		return err;
	if (ec.nr_pages != ser->nr_pages) {
		check->why = "the number of pages is wrong";
		return -EUCLEAN;
	}
	return 0;
}

static void image_unclaim(struct memfd_extent_image *image, struct memfd_check *check)
{
	const char *why = check->why;

	memfd_check_undo(check);
	image_check(image, check);
	check->why = why;
	luo_small_unclaim(image->phys);
}

static int image_open(struct memfd_extent_image *image, struct memfd_check *check)
{
	const void *obj;
	int err;

	/* The page is shared with other objects, and claimed by memfd_luo_small.c. */
	err = luo_small_claim(image->phys, &obj);
	if (err)
		return err;
	image->ser = obj;
	err = image_check(image, check);
	if (err)
		image_unclaim(image, check);
	return err;
}

/*
 * Validate a serialized memfd and claim its memory; followed by memfd_extent_image_adopt(),
 * _free() or _close(). On error nothing has changed.
 *
 * Returns -EUCLEAN if it is corrupted, -EOPNOTSUPP if something is set that this kernel
 * does not know, and with @can_fail -ENOMEM, or -EINTR if killed.
 */
int memfd_extent_image_open(struct memfd_extent_image *image, u64 phys, bool can_fail)
{
	struct memfd_check check;
	int err;

	memfd_check_begin(&check, can_fail);
	image->phys = phys;
	err = image_open(image, &check);
	memfd_check_end(&check, phys, err);
	return err;
}

/* Undo memfd_extent_image_open(): it can be opened again. */
void memfd_extent_image_close(struct memfd_extent_image *image)
{
	struct memfd_check check;

	memfd_check_begin(&check, false);
	check.nr_claimed = ULONG_MAX;
	image_unclaim(image, &check);
	memfd_check_end(&check, image->phys, 0);
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

static void image_adopt_batch(struct extent_adopt *adopt)
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
static unsigned int image_adopt_next(struct extent_adopt *adopt, pgoff_t index, bool preserved)
{
	if (adopt->nr == ARRAY_SIZE(adopt->folios) || index != adopt->index + adopt->nr ||
	    preserved != adopt->preserved)
		image_adopt_batch(adopt);
	if (!adopt->nr) {
		adopt->index = index;
		adopt->preserved = preserved;
	}
	return adopt->nr++;
}

/* Pages that were preserved as one block but are not one folio in the file */
static int image_adopt_pages(struct extent_adopt *adopt, phys_addr_t phys, unsigned int order,
			     pgoff_t index)
{
	struct page *page;

	if (!order) {
		adopt->phys[image_adopt_next(adopt, index, true)] = phys;
		return 0;
	}

	page = kho_restore_pages(phys, 1UL << order);
	if (!page)
		return -EIO;
	for (unsigned long i = 0; i < 1UL << order; i++)
		adopt->folios[image_adopt_next(adopt, index + i, false)] = page_folio(page + i);
	return 0;
}

static int image_adopt_folio(struct extent_adopt *adopt, phys_addr_t phys, pgoff_t index)
{
	struct folio *folio = kho_restore_folio(phys);

	if (!folio)
		return -EIO;
	folio_mark_uptodate(folio);
	return shmem_adopt_folio(adopt->inode, folio, index);
}

/* The order with which the pages at @pfn are preserved, in a validated extent */
static int image_order(const struct memfd_extent *extent, unsigned long pfn)
{
	if (extent->order || extent->nr == 1)
		return extent->order;
	return kho_preserved_order(PFN_PHYS(pfn));
}

/* Continues after an error: pages that cannot be added to the file are freed by that. */
static int image_adopt_extent(const struct memfd_extent *extent, void *data)
{
	const unsigned long end = extent->pfn + memfd_extent_pages(extent);
	struct extent_adopt *adopt = data;

	for (unsigned long pfn = extent->pfn; pfn < end;) {
		const int order = image_order(extent, pfn);
		const pgoff_t index = extent->index + (pfn - extent->pfn);
		int err;

		if (WARN_ON_ONCE(order < 0))
			return -EIO;
		if (extent->order && order <= MEMFD_MAX_FOLIO_ORDER)
			err = image_adopt_folio(adopt, PFN_PHYS(pfn), index);
		else
			err = image_adopt_pages(adopt, PFN_PHYS(pfn), order, index);
		adopt->err = adopt->err ?: err;
		pfn += 1UL << order;
		cond_resched();
	}
	return 0;
}

static int image_free_extent(const struct memfd_extent *extent, void *data)
{
	const unsigned long end = extent->pfn + memfd_extent_pages(extent);

	for (unsigned long pfn = extent->pfn; pfn < end;) {
		const int order = image_order(extent, pfn);

		if (WARN_ON_ONCE(order < 0))
			return -EIO;
		memfd_free_handed_over(PFN_PHYS(pfn), order);
		pfn += 1UL << order;
	}
	return 0;
}

static void image_free_lists(struct memfd_extent_image *image)
{
	u64 phys = image->ser->list.next, next;

	luo_small_release(image->phys);
	for (; phys; phys = next) {
		next = ((struct memfd_extent_list *)phys_to_virt(phys))->next;
		memfd_free_handed_over(phys, 0);
	}
}

/*
 * Move all pages into a file that is empty and not visible yet, and free the rest. Returns
 * -ENOMEM and nothing has changed; otherwise the image is consumed, and an error can only
 * be one that a validated image does not cause.
 */
int memfd_extent_image_adopt(struct memfd_extent_image *image, struct inode *inode)
{
	struct extent_adopt *adopt = kzalloc_obj(*adopt);	/* too large for the stack */
	int err;

	if (!adopt)
		return -ENOMEM;
	adopt->inode = inode;
	err = memfd_extent_for_each(image->ser, image_adopt_extent, adopt);
	image_adopt_batch(adopt);
	image_free_lists(image);
	err = err ?: adopt->err;
	kfree(adopt);
	/* It has been consumed, also on error. */
	return err == -ENOMEM ? -EIO : err;
}

/* Free all its memory. The image is consumed. */
void memfd_extent_image_free(struct memfd_extent_image *image)
{
	memfd_extent_for_each(image->ser, image_free_extent, NULL);
	image_free_lists(image);
}
