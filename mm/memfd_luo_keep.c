// SPDX-License-Identifier: GPL-2.0
/*
 * Preserving memfds across live updates: keeping the folios.
 *
 * A preserved folio is pinned, so that it stays where it is in the file and in memory,
 * known to KHO, and listed for the next kernel: all three or none. When a file is preserved
 * everything in it is looked at; what is added from then on carries SHMEM_MARK_NEW, also
 * once it is swapped out, split or collapsed. Freezing preserves what carries the mark and
 * takes the mark away, so its cost is that of what was added.
 *
 * Only what is there is looked at. memfd_pin_folios() would fill the holes, and a hole
 * is worth keeping too.
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

#include "internal.h"
#include "memfd_luo.h"

/* How often in a row pages may have moved under a look before it is given up */
#define KEEP_MAX_RETRIES	64

/* Longer extents are cut in two, at a place that keeps how they are aligned. */
#define KEEP_EXTENT_MAX_NR	BIT(17)
static_assert(KEEP_EXTENT_MAX_NR <= MEMFD_EXTENT_MAX_NR);

/* The array of the folios. It is in the handover for as long as it exists. */

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

/* Make room for @want in all, and some that may be written to until the freeze. */
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

/* The folio at @index, which stays in the file, is not preserved yet, or is now. */
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

/* What lies behind the end of the file is not preserved, and has to say so. */
static void keep_mark_behind(struct memfd_keep *keep, pgoff_t end)
{
	XA_STATE(xas, &keep->inode->i_mapping->i_pages, end);
	unsigned int nr = 0;
	void *entry;

	xas_lock_irq(&xas);
	xas_for_each(&xas, entry, ULONG_MAX) {
		/* A large folio may lie on both sides of the end; that one is preserved. */
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

/* What is in the file, or only what is new in it, from xas on and before @end */
static void *keep_find(const struct memfd_keep *keep, struct xa_state *xas, pgoff_t end)
{
	return keep->settled ? xas_find_marked(xas, end - 1, SHMEM_MARK_NEW) :
			       xas_find(xas, end - 1);
}

/*
 * Count what is in the file before @end, in memory or swapped out, and not preserved: large
 * swap entries may come in as many folios, so it can become more.
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
 * Find the next run of pages from *@first on and before @end that are in the file and
 * not preserved, without a hole in between.
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

static int keep_check_folio(struct folio *folio)
{
	const int err = memfd_check_folio(folio);

	if (err == -EOPNOTSUPP)
		pr_warn_ratelimited("cannot preserve the tags of tagged memory (MTE)\n");
	return err;
}

/*
 * A pinned folio may have left the file before it was pinned, or may be about to: one
 * that was added by somebody who then fails, or one that khugepaged has replaced. All
 * of these hold the folio's lock, and none starts on a folio that is pinned. So once
 * it has been locked and found in the file it stays.
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
		/* Fallocated. It could be written to without us seeing it any more. */
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

/* It cannot be preserved: let the next look find it. */
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

/* Where the open extent ends is known. A long one takes few keys, of a high order. */
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

/* Does the open extent go on with this one? If not, close it. 1, 0 or an errno */
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

/* As many of @nr folios as make an extent, at least one; its number, or an errno. */
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
	/* It may go on in the next batch. */
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

/* Preserve and list folios that are pinned; those that cannot be are unpinned. */
static int keep_list(struct memfd_keep *keep, struct folio **batch, long nr)
{
	int kept;

	for (long i = 0; i < nr; i += kept) {
		if (keep->extents.ser)
			kept = keep_extent(keep, &batch[i], nr - i);
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
 * Pin what may have to be migrated, read back from swap, zeroed or waited for. @batch has
 * room for MEMFD_BATCH folios. *@first is moved behind what has been preserved.
 */
static int keep_run(struct memfd_keep *keep, struct file *file, struct folio **batch,
		    pgoff_t *first, pgoff_t last)
{
	loff_t start = (loff_t)*first << PAGE_SHIFT, end = i_size_read(keep->inode) - 1;
	pgoff_t offset;
	int err = 0, ret;
	long nr, i;

	/* One byte behind the last page of the largest file there can be is no loff_t. */
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

/* Keep what can be had without more ado, from *@first on; leave *@first at what cannot. */
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
		 * A folio may leave the file while it is looked at. -EBUSY is the hole
		 * it has left, which cannot be filled if the file is frozen. Look once
		 * more: then nothing else will come there.
		 */
		err = keep_run(keep, file, batch, &first, last);
		if (!err)
			retries = 0;
		else if ((err != -EAGAIN && err != -EBUSY) || ++retries > KEEP_MAX_RETRIES)
			return err == -EAGAIN ? -EBUSY : err;
	}
}

/* How many pages the file has; its size may be the largest there can be. */
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

	/* An array without entries would be lost on the next kernel. */
	if (!keep->nr)
		keep_drop_array(keep);
	kfree(batch);
	return err ?: ret;
}

/**
 * memfd_keep_fresh() - preserve what is in the file and not preserved yet
 * @keep: what is preserved already
 * @file: the memfd
 *
 * The first time that is everything, afterwards what was added. What lies behind the end
 * of the file does not count. On error all that has been preserved stays so.
 *
 * Return: 0; -EINTR: killed; -EIO: a page is poisoned, or cannot be read back from
 * swap; -EOPNOTSUPP: a page has memory tags, or is in memory that the next kernel does not
 * get; -ENOMEM; -EBUSY: no end to things moving about; else why a page cannot be pinned.
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

static int extent_recheck(const struct memfd_extent *extent, void *data)
{
	int err = 0;

	for (u32 i = 0; !err && i < extent->nr; i++) {
		err = keep_check_folio(extent_folio(extent, i));
		cond_resched();
	}
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

	for (u64 i = 0; !err && i < keep->nr; i++) {
		err = keep_check_folio(pfn_folio(keep->entries[i].pfn));
		cond_resched();
	}
	return err;
}

/**
 * memfd_keep_recheck() - whether the next kernel can still have what is preserved
 * @keep: that
 *
 * A page that is poisoned stays in the file while it is pinned, and the next kernel would
 * not know; or it is mapped with memory tags. All pages are looked at only if one was
 * poisoned, anywhere, since the last look, or if this machine has such tags.
 *
 * Return: 0, or what memfd_check_folio() says of a page.
 */
int memfd_keep_recheck(struct memfd_keep *keep)
{
	const long poisoned = keep_nr_poisoned();
	int err;

	if (poisoned == keep->poisoned && !memfd_tags_exist())
		return 0;
	err = keep_recheck_all(keep);
	if (!err)
		keep->poisoned = poisoned;
	return err;
}

/**
 * memfd_keep_begin() - begin to preserve a file's folios
 * @keep: set up
 * @inode: the memfd, preserved in the sense of shmem_preserve()
 */
void memfd_keep_begin(struct memfd_keep *keep, struct inode *inode)
{
	keep->inode = inode;
	/*
	 * Whatever is poisoned later is looked for; what is by now is refused where it is met.
	 * A page that is being found bad just now is not counted yet, as one that is found
	 * bad after the freeze is not.
	 */
	keep->poisoned = keep_nr_poisoned();
}

/**
 * memfd_keep_none() - let go of all folios
 * @keep: what is kept
 */
void memfd_keep_none(struct memfd_keep *keep)
{
	/* Before the first pin goes: nobody is to expect pins that are not there. */
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
