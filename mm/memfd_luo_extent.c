// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: serialize memfd-extent-v1, which describes a memfd completely.
 *
 * The list begins in the object that describes the memfd and continues on further pages. It
 * only grows: what is added to a hole later is an extent of its own at the end, so that
 * time and memory are proportional to what was added. An extent is preserved when it is
 * listed, and a page gets its checksum when the list leaves it.
 */
#include <linux/bitfield.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/user_namespace.h>

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

/* Longer extents are split, at an offset that keeps their alignment. */
#define EXTENT_MAX_NR		BIT(17)
static_assert(EXTENT_MAX_NR <= MEMFD_EXTENT_MAX_NR);

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

static void extent_unpreserve(const struct memfd_extent *extent)
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
			extent_unpreserve(&done);
			return err;
		}
	}
	return 0;
}

static int extents_create(struct memfd_preserved *mp)
{
	struct memfd_extent_ser *ser = luo_small_alloc();

	if (!ser)
		return -ENOMEM;

	mp->extents = (struct memfd_extents) {
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
static int extents_list(struct memfd_extents *extents, const struct memfd_extent *extent)
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

static struct folio *extent_folio(const struct memfd_extent *extent, u32 i)
{
	return pfn_folio(extent->pfn + ((unsigned long)i << extent->order));
}

static void unpin_extent(struct memfd_preserved *mp, const struct memfd_extent *extent)
{
	for (u32 i = 0; i < extent->nr; i++) {
		memfd_unpin_new(mp->inode, extent_folio(extent, i));
		cond_resched();
	}
}

/* The open extent is complete. A long one takes few keys, of a high order. */
static int extents_flush(struct memfd_preserved *mp)
{
	struct memfd_extent extent = mp->extents.open;
	int err;

	if (!extent.nr)
		return 0;

	mp->extents.open.nr = 0;
	err = extents_list(&mp->extents, &extent);
	if (err)
		unpin_extent(mp, &extent);
	else
		mp->pages += memfd_extent_pages(&extent);
	return err;
}

/*
 * Returns 1 if the extent continues the open one; else closes that, and returns 0 or an
 * errno.
 */
static noinline int extents_continue(struct memfd_preserved *mp, const struct memfd_extent *extent)
{
	struct memfd_extent *open = &mp->extents.open;
	const unsigned long pages = memfd_extent_pages(open);

	if (open->nr > EXTENT_MAX_NR - extent->nr || extent->order != open->order ||
	    extent->pfn != open->pfn + pages || extent->index != open->index + pages ||
	    folio_nid(extent_folio(extent, 0)) != folio_nid(extent_folio(open, 0)))
		return extents_flush(mp);

	open->nr += extent->nr;
	return 1;
}

/* Make an extent of at least one of @nr folios; returns their number, or an errno. */
static int extents_add(struct memfd_preserved *mp, struct folio **batch, long nr)
{
	struct memfd_extent extent = {
		.index = batch[0]->index,
		.pfn = folio_pfn(batch[0]),
		.order = folio_order(batch[0]),
	};
	const unsigned long step = 1UL << extent.order;
	const int nid = folio_nid(batch[0]);
	unsigned long pfn = extent.pfn;
	pgoff_t index = extent.index;
	int err;

	static_assert(MEMFD_BATCH <= EXTENT_MAX_NR);
	do {
		extent.nr++;
		pfn += step;
		index += step;
	} while (extent.nr < nr && folio_pfn(batch[extent.nr]) == pfn &&
		 batch[extent.nr]->index == index &&
		 folio_order(batch[extent.nr]) == extent.order &&
		 folio_nid(batch[extent.nr]) == nid);

	if (unlikely(mp->extents.open.nr)) {
		err = extents_continue(mp, &extent);
		if (err < 0)
			return err;
		if (err)
			return extent.nr;
	}
	/* It may continue in the next batch. */
	if (extent.nr == nr) {
		mp->extents.open = extent;
		return nr;
	}

	err = extents_list(&mp->extents, &extent);
	if (err)
		return err;
	mp->pages += memfd_extent_pages(&extent);
	return extent.nr;
}

static u32 open_flags(const struct file *file)
{
	switch (file->f_mode & (FMODE_READ | FMODE_WRITE)) {
	case FMODE_READ:
		return MEMFD_EXTENT_RDONLY;
	case FMODE_WRITE:
		return MEMFD_EXTENT_WRONLY;
	case FMODE_READ | FMODE_WRITE:
		return 0;
	default:
		return MEMFD_EXTENT_RDONLY | MEMFD_EXTENT_WRONLY;
	}
}

/* The checksums are updated each time that something was added. */
static phys_addr_t extents_write(struct memfd_preserved *mp, struct file *file,
				 const struct shmem_attrs *attrs)
{
	struct memfd_extent_list *last = mp->extents.last;
	struct memfd_extent_ser *ser = mp->extents.ser;

	ser->pos = READ_ONCE(file->f_pos);
	ser->size = i_size_read(file_inode(file));
	ser->seals = attrs->seals;
	ser->flags = open_flags(file);
	ser->mode = attrs->mode & S_IALLUGO;
	ser->uid = from_kuid(&init_user_ns, attrs->uid);
	ser->gid = from_kgid(&init_user_ns, attrs->gid);
	ser->nr_pages = mp->pages;
	ser->list.crc = memfd_extent_crc(&ser->list);
	if (last != &ser->list)
		last->crc = memfd_extent_crc(last);
	return virt_to_phys(ser);
}

static int visit_folios(const struct memfd_extent *extent, void *data)
{
	int (**fn)(struct folio *) = data;
	int err = 0;

	for (u32 i = 0; !err && i < extent->nr; i++)
		err = (*fn)(extent_folio(extent, i));
	return err;
}

static int extents_for_each(struct memfd_preserved *mp, int (*fn)(struct folio *folio))
{
	return memfd_extent_for_each(mp->extents.ser, visit_folios, &fn);
}

static int drop_extent(const struct memfd_extent *extent, void *data)
{
	extent_unpreserve(extent);
	for (u32 i = 0; i < extent->nr; i++)
		unpin_folio(extent_folio(extent, i));
	return 0;
}

static void extents_destroy(struct memfd_preserved *mp)
{
	struct memfd_extent_ser *ser = mp->extents.ser;
	struct memfd_extent_list *list;
	u64 next;

	memfd_extent_for_each(ser, drop_extent, NULL);
	next = ser->list.next;
	luo_small_free(ser);
	while (next) {
		list = phys_to_virt(next);
		next = list->next;
		liveupdate_free_page(list);
	}
}

static int extents_check_attrs(struct file *file, const struct shmem_attrs *attrs)
{
	return 0;
}

const struct memfd_format memfd_extent_v1 = {
	.check_attrs = extents_check_attrs,
	.create = extents_create,
	.destroy = extents_destroy,
	.add = extents_add,
	.flush = extents_flush,
	.for_each = extents_for_each,
	.write = extents_write,
	.validate = memfd_extent_validate,
	.get_attrs = memfd_extent_get_attrs,
	.adopt = memfd_extent_adopt,
	.free = memfd_extent_free,
};
