// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: preserve the folios.
 *
 * A preserved folio is pinned, known to KHO and listed in the serialized memfd: all three
 * or none. When a file is preserved all folios in it are; those that are added later carry
 * SHMEM_MARK_NEW, also once they are swapped out, split or collapsed. Freezing preserves
 * the folios with the mark and clears it, so it costs as much as what was added.
 *
 * Only folios that exist are looked at: memfd_pin_folios() alone would fill the holes.
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/highmem.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#ifdef CONFIG_ARM64_MTE
#include <linux/cpufeature.h>
#include <asm/mte.h>
#endif

#include "internal.h"
#include "memfd_luo.h"

/* Scans in a row that may find that pages have moved; then it is -EBUSY */
#define KEEP_MAX_RETRIES	64

/* Longer extents are split, at an offset that keeps their alignment. */
#define KEEP_EXTENT_MAX_NR	BIT(17)
static_assert(KEEP_EXTENT_MAX_NR <= MEMFD_EXTENT_MAX_NR);

/* The array of the folios. It is preserved for as long as it exists. */

static void keep_drop_array(struct memfd_keep *keep)
{
	if (!keep->capacity)
		return;

	kho_unpreserve_vmalloc(&keep->array);
	vfree(keep->entries);
	keep->entries = NULL;
	keep->capacity = 0;
	memset(&keep->array, 0, sizeof(keep->array));
}

/* Make space for @want entries, and for some pages that may be added until the freeze. */
static int keep_reserve(struct memfd_keep *keep, u64 want)
{
	struct memfd_luo_folio_ser *entries;
	struct kho_vmalloc array = {};	/* KHO reads the order of what it fails to preserve */
	size_t size;
	int err;

	if (want <= keep->capacity)
		return 0;

	size = PAGE_ALIGN((want + want / 64 + 1) * sizeof(*entries));
	entries = __vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!entries)
		return -ENOMEM;

	err = kho_preserve_vmalloc(entries, &array);
	if (err) {
		vfree(entries);
		return err;
	}

	if (keep->nr)
		memcpy(entries, keep->entries, keep->nr * sizeof(*entries));
	keep_drop_array(keep);
	keep->entries = entries;
	keep->capacity = size / sizeof(*entries);
	keep->array = array;
	return 0;
}

/* Set or clear the mark of the folio at @index, which stays in the file. */
static void keep_mark(struct memfd_keep *keep, pgoff_t index, bool new)
{
	XA_STATE(xas, &keep->inode->i_mapping->i_pages, index);

	xas_lock_irq(&xas);
	if (xas_load(&xas)) {
		if (new)
			xas_set_mark(&xas, SHMEM_MARK_NEW);
		else
			xas_clear_mark(&xas, SHMEM_MARK_NEW);
	}
	xas_unlock_irq(&xas);
}

/* Mark the folios behind the end of the file: they are not preserved. */
static void keep_mark_behind(struct memfd_keep *keep, pgoff_t end)
{
	XA_STATE(xas, &keep->inode->i_mapping->i_pages, end);
	unsigned int nr = 0;
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, ULONG_MAX) {
		/* A large folio may lie on both sides of the end; it is preserved. */
		if (round_down(xas.xa_index, 1UL << xas_get_order(&xas)) >= end)
			xas_set_mark(&xas, SHMEM_MARK_NEW);
		if (++nr % MEMFD_BATCH)
			continue;
		xas_pause(&xas);
		xas_unlock_irq(&xas);
		cond_resched();
		xas_lock_irq(&xas);
	}
	xas_unlock_irq(&xas);
}

/* Find the next folio before @end; once the file is settled, only a new one. */
static void *keep_find(const struct memfd_keep *keep, struct xa_state *xas, pgoff_t end)
{
	return keep->settled ? xas_find_marked(xas, end - 1, SHMEM_MARK_NEW) :
			       xas_find(xas, end - 1);
}

/*
 * Count the folios before @end that are not preserved, in memory or swapped out. Large swap
 * entries may come in as several folios, so they can become more.
 */
static u64 keep_count_fresh(struct memfd_keep *keep, pgoff_t end)
{
	XA_STATE(xas, &keep->inode->i_mapping->i_pages, 0);
	u64 nr = 0;
	void *entry;

	rcu_read_lock();
	while ((entry = keep_find(keep, &xas, end))) {
		if (xas_retry(&xas, entry))
			continue;
		nr++;
		if (need_resched()) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();

	return nr;
}

static int keep_reserve_fresh(struct memfd_keep *keep, pgoff_t end)
{
	u64 fresh = keep_count_fresh(keep, end);

	return fresh ? keep_reserve(keep, keep->nr + fresh) : 0;
}

/*
 * Find the next run of pages from *@first on and before @end that are in the file and not
 * preserved, without a hole between them.
 */
static bool keep_next_run(struct memfd_keep *keep, pgoff_t *first, pgoff_t *last, pgoff_t end)
{
	XA_STATE(xas, &keep->inode->i_mapping->i_pages, *first);
	unsigned int nr = 0;
	void *entry;

	rcu_read_lock();
	while ((entry = keep_find(keep, &xas, end))) {
		unsigned long pages;
		pgoff_t base;

		if (xas_retry(&xas, entry))
			continue;
		pages = 1UL << xas_get_order(&xas);
		base = round_down(xas.xa_index, pages);

		if (!nr)
			*first = base;
		else if (base != *last + 1)
			break;
		*last = base + pages - 1;
		if (++nr == MEMFD_BATCH)
			break;

		if (need_resched()) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();

	return nr;
}

/* Can pages have memory tags? They can get them at any time. */
static bool keep_tags_exist(void)
{
#ifdef CONFIG_ARM64_MTE
	return system_supports_mte();
#else
	return false;
#endif
}

/* Looks at each page of a large folio, so not under the lock of i_pages. */
static bool keep_folio_has_tags(struct folio *folio)
{
#ifdef CONFIG_ARM64_MTE
	for (long i = 0; keep_tags_exist() && i < folio_nr_pages(folio); i++) {
		if (page_mte_tagged(folio_page(folio, i)))
			return true;
	}
#endif
	return false;
}

/*
 * Can the next kernel have everything that a folio holds? Returns 0, -EIO if a page is
 * poisoned, or -EOPNOTSUPP if a page has memory tags, which are neither in its contents nor
 * in what is handed over.
 */
static int keep_check_folio(struct folio *folio)
{
	if (folio_contain_hwpoisoned_page(folio))
		return -EIO;
	if (!keep_folio_has_tags(folio))
		return 0;
	pr_warn_ratelimited("cannot preserve the tags of tagged memory (MTE)\n");
	return -EOPNOTSUPP;
}

/*
 * A pinned folio may have left the file before it was pinned, or may be about to: a folio
 * that was added by a task that then fails, or that khugepaged has replaced. All of these
 * hold the folio lock, and none starts on a pinned folio. So once the folio was locked and
 * found in the file it stays.
 */
static int keep_settle(struct memfd_keep *keep, struct folio *folio)
{
	struct address_space *mapping = keep->inode->i_mapping;
	int err;

	if (folio_lock_killable(folio))
		return -EINTR;

	if (folio->mapping != mapping)
		err = -EAGAIN;
	else
		err = keep_check_folio(folio);
	if (!err && !folio_test_uptodate(folio)) {
		/* Fallocated. It could be written to through a mapping later. */
		folio_zero_range(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}

	folio_unlock(folio);
	return err;
}

static struct folio *extent_folio(const struct memfd_extent *extent, u32 i)
{
	return pfn_folio(extent->pfn + ((unsigned long)i << extent->order));
}

/* It cannot be preserved: mark it for the next scan. */
static void keep_not(struct memfd_keep *keep, struct folio *folio)
{
	keep_mark(keep, folio->index, true);
	unpin_folio(folio);
}

static void keep_not_extent(struct memfd_keep *keep, const struct memfd_extent *extent)
{
	for (u32 i = 0; i < extent->nr; i++) {
		keep_not(keep, extent_folio(extent, i));
		cond_resched();
	}
}

/* The open extent is complete. A long one takes few keys, of a high order. */
static int keep_close_extent(struct memfd_keep *keep)
{
	struct memfd_extent extent = keep->open;
	int err;

	if (!extent.nr)
		return 0;

	keep->open.nr = 0;
	err = memfd_extents_add(&keep->extents, &extent);
	if (err)
		keep_not_extent(keep, &extent);
	else
		keep->pages += memfd_extent_pages(&extent);
	return err;
}

/*
 * Returns 1 if the extent continues the open one; else closes that, and returns 0 or an
 * errno.
 */
static noinline int keep_go_on(struct memfd_keep *keep, const struct memfd_extent *extent)
{
	struct memfd_extent *open = &keep->open;
	const unsigned long pages = memfd_extent_pages(open);

	if (open->nr > KEEP_EXTENT_MAX_NR - extent->nr || extent->order != open->order ||
	    extent->pfn != open->pfn + pages || extent->index != open->index + pages ||
	    folio_nid(extent_folio(extent, 0)) != folio_nid(extent_folio(open, 0)))
		return keep_close_extent(keep);

	open->nr += extent->nr;
	return 1;
}

/* Make an extent of at least one of @nr folios; returns their number, or an errno. */
static int keep_extent(struct memfd_keep *keep, struct folio **batch, long nr)
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

	static_assert(MEMFD_BATCH <= KEEP_EXTENT_MAX_NR);
	do {
		extent.nr++;
		pfn += step;
		index += step;
	} while (extent.nr < nr && folio_pfn(batch[extent.nr]) == pfn &&
		 batch[extent.nr]->index == index &&
		 folio_order(batch[extent.nr]) == extent.order &&
		 folio_nid(batch[extent.nr]) == nid);

	if (unlikely(keep->open.nr)) {
		err = keep_go_on(keep, &extent);
		if (err)
			return err < 0 ? err : extent.nr;
	}
	/* It may continue in the next batch. */
	if (extent.nr == nr) {
		keep->open = extent;
		return nr;
	}

	err = memfd_extents_add(&keep->extents, &extent);
	if (err)
		return err;
	keep->pages += memfd_extent_pages(&extent);
	return extent.nr;
}

static int keep_entry(struct memfd_keep *keep, struct folio *folio)
{
	int err;

	if (keep->nr == keep->capacity) {
		err = keep_reserve(keep, keep->nr + keep->nr / 2 + 1);
		if (err)
			return err;
	}

	err = kho_preserve_folio(folio);
	if (err)
		return err;

	keep->entries[keep->nr++] = (struct memfd_luo_folio_ser) {
		.pfn = folio_pfn(folio),
		.flags = MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE,
		.index = folio->index,
	};
	keep->pages += folio_nr_pages(folio);
	return 1;
}

/* The number of folios before the first with memory tags */
static long keep_untagged(struct folio **batch, long nr)
{
	for (long i = 0; keep_tags_exist() && i < nr; i++) {
		if (keep_check_folio(batch[i]) == -EOPNOTSUPP)
			return i;
		cond_resched();
	}
	return nr;
}

/* Preserve and list folios that are pinned; those that cannot be are unpinned. */
static int keep_list(struct memfd_keep *keep, struct folio **batch, long nr)
{
	const long untagged = keep_untagged(batch, nr);
	int kept;

	for (long i = 0; i < nr; i += kept) {
		if (i == untagged)
			kept = -EOPNOTSUPP;
		else if (keep->extents.ser)
			kept = keep_extent(keep, &batch[i], untagged - i);
		else
			kept = keep_entry(keep, batch[i]);
		if (kept < 0) {
			for (; i < nr; i++)
				keep_not(keep, batch[i]);
			return kept;
		}
	}
	return 0;
}

/*
 * Pin folios that may have to be migrated, swapped in, zeroed or waited for. @batch has
 * space for MEMFD_BATCH folios. Moves *@first behind what has been preserved.
 */
static int keep_run(struct memfd_keep *keep, struct file *file, struct folio **batch,
		    pgoff_t *first, pgoff_t last)
{
	loff_t start = (loff_t)*first << PAGE_SHIFT, end = i_size_read(keep->inode) - 1;
	pgoff_t offset;
	int err = 0, ret;
	long nr, i;

	/*
	 * One byte behind the last page of the largest possible file does not fit loff_t.
	 */
	if (last < end >> PAGE_SHIFT)
		end = ((loff_t)(last + 1) << PAGE_SHIFT) - 1;

	nr = memfd_pin_folios(file, start, end, batch, MEMFD_BATCH, &offset);
	if (nr < 0)
		return nr;

	for (i = 0; i < nr; i++) {
		err = keep_settle(keep, batch[i]);
		if (err) {
			unpin_folios(&batch[i], nr - i);
			break;
		}
		keep_mark(keep, batch[i]->index, false);
	}
	ret = keep_list(keep, batch, i);
	if (!ret && i)
		*first = folio_next_index(batch[i - 1]);
	return ret ?: err;
}

/*
 * Preserve the folios that only have to be pinned, from *@first on; leave *@first at one
 * that needs more.
 */
static int keep_easy(struct memfd_keep *keep, struct folio **batch, pgoff_t *first, pgoff_t end)
{
	unsigned int nr;
	int err;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		nr = memfd_grab_folios(keep->inode, batch, first, end, keep->settled);
		err = keep_list(keep, batch, nr);
		if (err)
			return err;
		cond_resched();
	} while (nr == MEMFD_BATCH);

	return 0;
}

static int keep_runs(struct memfd_keep *keep, struct file *file, struct folio **batch,
		     pgoff_t end)
{
	unsigned int retries = 0;
	pgoff_t first = 0, last;
	int err;

	for (;;) {
		err = keep_easy(keep, batch, &first, end);
		if (err || !keep_next_run(keep, &first, &last, end))
			return err;

		/*
		 * A folio may leave the file while it is looked at. -EBUSY is the hole that
		 * it left, which cannot be filled if the file is frozen. Look once more:
		 * nothing else is added there then.
		 */
		err = keep_run(keep, file, batch, &first, last);
		if (!err)
			retries = 0;
		else if ((err != -EAGAIN && err != -EBUSY) || ++retries > KEEP_MAX_RETRIES)
			return err == -EAGAIN ? -EBUSY : err;
	}
}

/* Number of pages of the file, whose size may be the largest possible. */
static pgoff_t keep_end(const struct memfd_keep *keep)
{
	const loff_t size = i_size_read(keep->inode);

	return size ? ((size - 1) >> PAGE_SHIFT) + 1 : 0;
}

static bool keep_has_nothing_new(const struct memfd_keep *keep)
{
	return keep->settled && !mapping_tagged(keep->inode->i_mapping, SHMEM_MARK_NEW);
}

static int keep_look(struct memfd_keep *keep, struct file *file, pgoff_t end)
{
	struct folio **batch;
	int err, ret;

	batch = kmalloc_objs(*batch, MEMFD_BATCH);
	if (!batch)
		return -ENOMEM;

	err = keep->extents.ser ? 0 : keep_reserve_fresh(keep, end);
	if (!err)
		err = keep_runs(keep, file, batch, end);
	ret = keep_close_extent(keep);

	/* An array without entries would be leaked by the next kernel. */
	if (!keep->nr)
		keep_drop_array(keep);
	kfree(batch);
	return err ?: ret;
}

/*
 * Preserve what is in the file and not preserved yet: everything the first time, afterwards
 * what was added. Pages behind the end of the file are left out. On error all that has been
 * preserved stays preserved.
 *
 * Returns -EINTR if killed, -EIO if a page is poisoned or cannot be swapped in, -EOPNOTSUPP
 * if a page has memory tags or lies in memory that the next kernel does not get, -EBUSY if
 * pages keep moving, -ENOMEM, or an errno of pinning.
 */
int memfd_keep_fresh(struct memfd_keep *keep, struct file *file)
{
	const pgoff_t end = keep_end(keep);
	int err;

	if (keep_has_nothing_new(keep))
		return 0;
	err = end ? keep_look(keep, file, end) : 0;
	if (err || keep->settled)
		return err;

	keep_mark_behind(keep, end);
	keep->settled = true;
	shmem_set_pinned(keep->inode, true);
	return 0;
}

static int keep_recheck_folio(struct folio *folio)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : keep_check_folio(folio);
}

static int extent_recheck(const struct memfd_extent *extent, void *data)
{
	int err = 0;

	for (u32 i = 0; !err && i < extent->nr; i++)
		err = keep_recheck_folio(extent_folio(extent, i));
	return err;
}

static int extent_unkeep(const struct memfd_extent *extent, void *data)
{
	memfd_extent_unpreserve(extent);
	for (u32 i = 0; i < extent->nr; i++)
		unpin_folio(extent_folio(extent, i));
	return 0;
}

static long keep_nr_poisoned(void)
{
	return IS_ENABLED(CONFIG_MEMORY_FAILURE) ? atomic_long_read(&num_poisoned_pages) : 0;
}

static int keep_recheck_all(const struct memfd_keep *keep)
{
	int err = 0;

	if (keep->extents.ser)
		return memfd_extent_for_each(keep->extents.ser, extent_recheck, NULL);

	for (u64 i = 0; !err && i < keep->nr; i++)
		err = keep_recheck_folio(pfn_folio(keep->entries[i].pfn));
	return err;
}

/*
 * Check again what is preserved: a page that is poisoned stays in the file while it is
 * pinned, and a page may have been mapped with memory tags. All pages are looked at only if
 * one was poisoned, anywhere, since the last time, or if this machine has tags. Returns as
 * keep_check_folio(), or -EINTR if killed.
 */
int memfd_keep_recheck(struct memfd_keep *keep)
{
	const long poisoned = keep_nr_poisoned();
	int err;

	if (poisoned == keep->poisoned && !keep_tags_exist())
		return 0;
	err = keep_recheck_all(keep);
	if (!err)
		keep->poisoned = poisoned;
	return err;
}

/* Set up @keep for a memfd for which shmem_preserve() was called. */
void memfd_keep_begin(struct memfd_keep *keep, struct inode *inode)
{
	keep->inode = inode;
	/*
	 * Pages that are poisoned from here on are looked for at the freeze, those that are
	 * by now are refused when they are met. A page that is being poisoned right now is
	 * not counted yet, as one that is poisoned after the freeze is not.
	 */
	keep->poisoned = keep_nr_poisoned();
}

/* Unpreserve and unpin all folios. */
void memfd_keep_none(struct memfd_keep *keep)
{
	/* Before the first pin is dropped: F_SEAL_WRITE counts on the pins. */
	shmem_set_pinned(keep->inode, false);

	for (u64 i = 0; i < keep->nr; i++) {
		struct folio *folio = pfn_folio(keep->entries[i].pfn);

		kho_unpreserve_folio(folio);
		unpin_folio(folio);
		cond_resched();
	}

	keep->nr = 0;
	keep->pages = 0;
	keep_drop_array(keep);
	if (!keep->extents.ser)
		return;

	memfd_extent_for_each(keep->extents.ser, extent_unkeep, NULL);
	memfd_extents_drop(&keep->extents);
}
