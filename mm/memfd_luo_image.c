// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: retrieve from memfd-v2.
 *
 * Everything is validated before anything is used: each address is that of preserved memory
 * of the right order, and appears once. Then every page can be restored and freed exactly
 * once. A memfd that is not valid is left in memory untouched.
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>

#include "internal.h"
#include "memfd_luo.h"

static size_t image_entries_per_piece(const struct memfd_image *image)
{
	return (PAGE_SIZE << image->ser.folios.order) / sizeof(struct memfd_luo_folio_ser);
}

/*
 * The array is in *pieces* of contiguous memory, which are listed by a chain of chunks.
 * Each chunk is claimed, so the chain ends.
 */
static int image_check_array(struct memfd_image *image, struct memfd_check *check)
{
	struct kho_vmalloc array = image->ser.folios;
	struct kho_vmalloc_chunk *chunk;
	u64 pieces = 0;
	int err;

	check->why = "the array of folios is malformed";
	if (array.order > MAX_PAGE_ORDER)
		return -EUCLEAN;

	for (phys_addr_t phys = array.first.phys; phys; phys = chunk->hdr.next.phys) {
		err = memfd_claim_folio(check, phys, 0);
		if (err)
			return err;

		chunk = phys_to_virt(phys);
		for (int i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i]; i++) {
			err = memfd_claim_folio(check, chunk->phys[i], array.order);
			if (err)
				return err;
			pieces++;
		}

		if (memfd_check_killed(check))
			return -EINTR;
	}

	if (pieces << array.order != array.total_pages)
		return -EUCLEAN;
	if (image->ser.nr_folios > pieces * image_entries_per_piece(image))
		return -EUCLEAN;
	return 0;
}

typedef int (*image_entry_fn)(struct memfd_image *image,
			      const struct memfd_luo_folio_ser *entry, void *data);

/* Call @fn for each entry until it fails. The array is validated. */
static int image_for_each(struct memfd_image *image, image_entry_fn fn, void *data)
{
	const size_t per_piece = image_entries_per_piece(image);
	struct kho_vmalloc_chunk *chunk = KHOSER_LOAD_PTR(image->ser.folios.first);
	u64 left = image->ser.nr_folios;
	int err;

	for (; chunk && left; chunk = KHOSER_LOAD_PTR(chunk->hdr.next)) {
		for (int i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i] && left; i++) {
			const struct memfd_luo_folio_ser *entry = phys_to_virt(chunk->phys[i]);
			size_t nr = min_t(u64, left, per_piece);

			left -= nr;
			for (; nr; nr--, entry++) {
				err = entry->pfn ? fn(image, entry, data) : 0;
				if (err)
					return err;
				cond_resched();
			}
		}
	}
	return 0;
}

static int image_check_entry(struct memfd_image *image,
			     const struct memfd_luo_folio_ser *entry, void *data)
{
	const u64 pages = DIV_ROUND_UP_ULL(image->ser.size, PAGE_SIZE);
	struct memfd_check *check = data;
	int order;

	if (memfd_check_killed(check))
		return -EINTR;

	if (entry->flags & ~(MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE)) {
		check->why = "unknown folio flags";
		return -EOPNOTSUPP;
	}

	order = memfd_claim_block(check, PFN_PHYS((phys_addr_t)entry->pfn));
	if (order < 0)
		return order;
	if (order > MAX_PAGE_ORDER || entry->index >= pages ||
	    !IS_ALIGNED(entry->index, 1UL << order)) {
		check->why = "a folio is misplaced";
		return -EUCLEAN;
	}
	return memfd_claim_indexes(check, entry->index, 1UL << order);
}

static int image_check(struct memfd_image *image, struct memfd_check *check)
{
	int err;

	err = memfd_claim_folio(check, image->phys, 0);
	if (err)
		return err;
	image->ser = *(struct memfd_luo_ser *)phys_to_virt(image->phys);

	if (image->ser.flags) {
		check->why = "unknown flags";
		return -EOPNOTSUPP;
	}
	if (image->ser.size > MAX_LFS_FILESIZE || image->ser.pos > MAX_LFS_FILESIZE) {
		check->why = "size or position is out of range";
		return -EUCLEAN;
	}

	err = image_check_array(image, check);
	if (err)
		return err;
	return image_for_each(image, image_check_entry, check);
}

static void image_unclaim(struct memfd_image *image, struct memfd_check *check)
{
	const char *why = check->why;

	memfd_check_undo(check);
	image_check(image, check);
	check->why = why;
}

/*
 * Validate a serialized memfd and claim its memory; followed by memfd_image_adopt(),
 * _free() or _close(). On error nothing has changed.
 *
 * Returns -EUCLEAN if it is corrupted, -EOPNOTSUPP if something is set that this kernel
 * does not know, and with @can_fail -ENOMEM, or -EINTR if killed.
 */
int memfd_image_open(struct memfd_image *image, u64 phys, bool can_fail)
{
	struct memfd_check check;
	int err;

	memfd_check_begin(&check, can_fail);
	image->phys = phys;
	err = image_check(image, &check);
	if (err)
		image_unclaim(image, &check);
	memfd_check_end(&check, phys, err);
	return err;
}

/* Undo memfd_image_open(): it can be opened again. */
void memfd_image_close(struct memfd_image *image)
{
	struct memfd_check check;

	memfd_check_begin(&check, false);
	check.nr_claimed = ULONG_MAX;
	image_unclaim(image, &check);
	memfd_check_end(&check, image->phys, 0);
}

static int image_free_entry(struct memfd_image *image,
			    const struct memfd_luo_folio_ser *entry, void *data)
{
	const phys_addr_t phys = PFN_PHYS((phys_addr_t)entry->pfn);
	const int order = kho_preserved_order(phys);

	/* Negative: it was restored and is in the file. */
	if (order >= 0)
		memfd_free_handed_over(phys, order);
	return 0;
}

/* Free all its memory that is not in a file. */
void memfd_image_free(struct memfd_image *image)
{
	struct kho_vmalloc_chunk *chunk, *next;

	image_for_each(image, image_free_entry, NULL);

	for (chunk = KHOSER_LOAD_PTR(image->ser.folios.first); chunk; chunk = next) {
		next = KHOSER_LOAD_PTR(chunk->hdr.next);
		for (int i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i]; i++)
			memfd_free_handed_over(chunk->phys[i], image->ser.folios.order);
		memfd_free_handed_over(virt_to_phys(chunk), 0);
		cond_resched();
	}

	memfd_free_handed_over(image->phys, 0);
}

static int image_adopt_folio(struct inode *inode, struct folio *folio, pgoff_t index,
			     bool uptodate)
{
	/* A folio that is not is cleared on first use. */
	if (uptodate)
		folio_mark_uptodate(folio);
	return shmem_adopt_folio(inode, folio, index);
}

static int image_adopt_entry(struct memfd_image *image,
			     const struct memfd_luo_folio_ser *entry, void *data)
{
	const phys_addr_t phys = PFN_PHYS((phys_addr_t)entry->pfn);
	const bool uptodate = entry->flags & MEMFD_LUO_FOLIO_UPTODATE;
	const int order = kho_preserved_order(phys);
	struct inode *inode = data;
	struct folio *folio;
	struct page *page;
	int err = 0;

	if (order < 0)
		return -EIO;
	if (order <= MEMFD_MAX_FOLIO_ORDER) {
		folio = kho_restore_folio(phys);
		return folio ? image_adopt_folio(inode, folio, entry->index, uptodate) : -EIO;
	}

	page = kho_restore_pages(phys, 1UL << order);
	if (!page)
		return -EIO;
	for (unsigned long i = 0; i < 1UL << order; i++) {
		int ret = image_adopt_folio(inode, page_folio(page + i), entry->index + i,
					    uptodate);

		err = err ?: ret;
	}
	return err;
}

/*
 * Move the folios into a file that is empty and not visible yet. memfd_image_free() has to
 * follow, also on error, which can only be one that a validated image does not cause.
 */
int memfd_image_adopt(struct memfd_image *image, struct inode *inode)
{
	return image_for_each(image, image_adopt_entry, inode);
}
