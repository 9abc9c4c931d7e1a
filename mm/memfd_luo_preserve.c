// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: find the folios that are new, pin and preserve them.
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
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/rcupdate_wait.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#ifdef CONFIG_ARM64_MTE
#include <linux/cpufeature.h>
#include <asm/mte.h>
#endif

#include "internal.h"
#include "memfd_luo.h"

/* Scans in a row that may find that pages have moved; then it is -EBUSY */
#define MAX_RETRIES	64

/* Mark the folios behind the end of the file: they are not preserved. */
static void mark_behind(struct memfd_preserved *mp, pgoff_t end)
{
	XA_STATE(xas, &mp->inode->i_mapping->i_pages, end);
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
static void *find_new(const struct memfd_preserved *mp, struct xa_state *xas, pgoff_t end)
{
	return mp->settled ? xas_find_marked(xas, end - 1, SHMEM_MARK_NEW) :
			     xas_find(xas, end - 1);
}

/*
 * Count the folios before @end that are not preserved, in memory or swapped out. Large swap
 * entries may come in as several folios, so they can become more.
 */
static u64 count_new(struct memfd_preserved *mp, pgoff_t end)
{
	XA_STATE(xas, &mp->inode->i_mapping->i_pages, 0);
	u64 nr = 0;
	void *entry;

	rcu_read_lock();
	while ((entry = find_new(mp, &xas, end))) {
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

static int reserve_new(struct memfd_preserved *mp, pgoff_t end)
{
	u64 nr;

	if (!mp->format->reserve)
		return 0;
	nr = count_new(mp, end);
	return nr ? mp->format->reserve(mp, nr) : 0;
}

/*
 * Find the next run of pages from *@first on and before @end that are in the file and not
 * preserved, without a hole between them.
 */
static bool next_run(struct memfd_preserved *mp, pgoff_t *first, pgoff_t *last, pgoff_t end)
{
	XA_STATE(xas, &mp->inode->i_mapping->i_pages, *first);
	unsigned int nr = 0;
	void *entry;

	rcu_read_lock();
	while ((entry = find_new(mp, &xas, end))) {
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
static bool tags_exist(void)
{
#ifdef CONFIG_ARM64_MTE
	return system_supports_mte();
#else
	return false;
#endif
}

/* Looks at each page of a large folio, so not under the lock of i_pages. */
static bool folio_has_tags(struct folio *folio)
{
#ifdef CONFIG_ARM64_MTE
	for (long i = 0; tags_exist() && i < folio_nr_pages(folio); i++) {
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
static int check_folio(struct folio *folio)
{
	if (folio_contain_hwpoisoned_page(folio))
		return -EIO;
	if (!folio_has_tags(folio))
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
static int settle_folio(struct memfd_preserved *mp, struct folio *folio)
{
	struct address_space *mapping = mp->inode->i_mapping;
	int err;

	if (folio_lock_killable(folio))
		return -EINTR;

	if (folio->mapping != mapping)
		err = -EAGAIN;
	else
		err = check_folio(folio);
	if (!err && !folio_test_uptodate(folio)) {
		/* Fallocated. It could be written to through a mapping later. */
		folio_zero_range(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}

	folio_unlock(folio);
	return err;
}

/* The number of folios before the first with memory tags */
static long count_untagged(struct folio **batch, long nr)
{
	for (long i = 0; tags_exist() && i < nr; i++) {
		if (check_folio(batch[i]) == -EOPNOTSUPP)
			return i;
		cond_resched();
	}
	return nr;
}

/* Preserve and list folios that are pinned; those that cannot be are unpinned. */
static int list_batch(struct memfd_preserved *mp, struct folio **batch, long nr)
{
	const long untagged = count_untagged(batch, nr);
	int added;

	for (long i = 0; i < nr; i += added) {
		if (i == untagged)
			added = -EOPNOTSUPP;
		else
			added = mp->format->add(mp, &batch[i], untagged - i);
		if (added < 0) {
			for (; i < nr; i++)
				memfd_unpin_new(mp->inode, batch[i]);
			return added;
		}
	}
	return 0;
}

/*
 * Pin folios that may have to be migrated, swapped in, zeroed or waited for. @batch has
 * space for MEMFD_BATCH folios. Moves *@first behind what has been preserved.
 */
static int preserve_run(struct memfd_preserved *mp, struct file *file, struct folio **batch,
			pgoff_t *first, pgoff_t last)
{
	loff_t start = (loff_t)*first << PAGE_SHIFT, end = i_size_read(mp->inode) - 1;
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
		err = settle_folio(mp, batch[i]);
		if (err) {
			unpin_folios(&batch[i], nr - i);
			break;
		}
		memfd_mark_new(mp->inode, batch[i]->index, false);
	}
	ret = list_batch(mp, batch, i);
	if (!ret && i)
		*first = folio_next_index(batch[i - 1]);
	return ret ?: err;
}

/*
 * Preserve the folios that only have to be pinned, from *@first on; leave *@first at one
 * that needs more.
 */
static int preserve_easy(struct memfd_preserved *mp, struct folio **batch, pgoff_t *first,
			 pgoff_t end)
{
	unsigned int nr;
	int err;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		nr = memfd_pin_batch(mp->inode, batch, first, end, mp->settled);
		err = list_batch(mp, batch, nr);
		if (err)
			return err;
		cond_resched();
	} while (nr == MEMFD_BATCH);

	return 0;
}

static int scan_runs(struct memfd_preserved *mp, struct file *file, struct folio **batch,
		     pgoff_t end)
{
	unsigned int retries = 0;
	pgoff_t first = 0, last;
	int err;

	for (;;) {
		err = preserve_easy(mp, batch, &first, end);
		if (err || !next_run(mp, &first, &last, end))
			return err;

		/*
		 * A folio may leave the file while it is looked at. -EBUSY is the hole that
		 * it left, which cannot be filled if the file is frozen. Look once more:
		 * nothing else is added there then.
		 */
		err = preserve_run(mp, file, batch, &first, last);
		if (!err)
			retries = 0;
		else if ((err != -EAGAIN && err != -EBUSY) || ++retries > MAX_RETRIES)
			return err == -EAGAIN ? -EBUSY : err;
	}
}

/* Number of pages of the file, whose size may be the largest possible. */
static pgoff_t file_end(const struct memfd_preserved *mp)
{
	const loff_t size = i_size_read(mp->inode);

	return size ? ((size - 1) >> PAGE_SHIFT) + 1 : 0;
}

static bool has_nothing_new(const struct memfd_preserved *mp)
{
	return mp->settled && !mapping_tagged(mp->inode->i_mapping, SHMEM_MARK_NEW);
}

static int scan(struct memfd_preserved *mp, struct file *file, pgoff_t end)
{
	struct folio **batch;
	int err, ret;

	batch = kmalloc_objs(*batch, MEMFD_BATCH);
	if (!batch)
		return -ENOMEM;

	err = reserve_new(mp, end);
	if (!err)
		err = scan_runs(mp, file, batch, end);
	ret = mp->format->flush ? mp->format->flush(mp) : 0;
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
int memfd_preserve_new(struct memfd_preserved *mp, struct file *file)
{
	const pgoff_t end = file_end(mp);
	int err;

	if (has_nothing_new(mp))
		return 0;
	err = end ? scan(mp, file, end) : 0;
	if (err || mp->settled)
		return err;

	mark_behind(mp, end);
	mp->settled = true;
	shmem_set_pinned(mp->inode, true);
	return 0;
}

static int recheck_folio(struct folio *folio)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : check_folio(folio);
}

static long nr_poisoned(void)
{
	return IS_ENABLED(CONFIG_MEMORY_FAILURE) ? atomic_long_read(&num_poisoned_pages) : 0;
}

/*
 * Check again what is preserved: a page that is poisoned stays in the file while it is
 * pinned, and a page may have been mapped with memory tags. All pages are looked at only if
 * one was poisoned, anywhere, since the last time, or if this machine has tags. Returns as
 * check_folio(), or -EINTR if killed.
 */
int memfd_preserve_recheck(struct memfd_preserved *mp)
{
	const long poisoned = nr_poisoned();
	int err;

	if (poisoned == mp->poisoned && !tags_exist())
		return 0;
	err = mp->format->for_each(mp, recheck_folio);
	if (!err)
		mp->poisoned = poisoned;
	return err;
}

/*
 * Set up @mp for a memfd for which shmem_preserve() was called; ended by
 * memfd_preserve_end(). Returns 0 or -ENOMEM.
 */
int memfd_preserve_begin(struct memfd_preserved *mp, struct inode *inode,
			 const struct memfd_format *format)
{
	mp->inode = inode;
	mp->format = format;
	/*
	 * Pages that are poisoned from here on are looked for at the freeze, those that are
	 * by now are refused when they are met. A page that is being poisoned right now is
	 * not counted yet, as one that is poisoned after the freeze is not.
	 */
	mp->poisoned = nr_poisoned();
	return format->create(mp);
}

/* Unpreserve and unpin all folios. */
void memfd_preserve_end(struct memfd_preserved *mp)
{
	/* Before the first pin is dropped: F_SEAL_WRITE counts on the pins. */
	shmem_set_pinned(mp->inode, false);
	mp->format->destroy(mp);
}
