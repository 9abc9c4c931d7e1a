// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: pin many pages at once.
 *
 * Most pages of a memfd are in memory, up to date, unlocked, and may stay where they are.
 * They are pinned, and lose SHMEM_MARK_NEW, in one pass over the page cache under its lock,
 * so that they stay in the file. The folio lock is tried, and required: its owner may be
 * about to remove the folio, having seen that it has no other users.
 *
 * Where a folio needs more the pass ends, and memfd_pin_folios() continues.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/vmstat.h>

#include "internal.h"
#include "memfd_luo.h"

/*
 * A pass over the page cache: the pageblock of the last folio that was found pinnable, and
 * pages of one node that are pinned and not counted yet.
 */
struct pass {
	unsigned long block;
	int nid;
	unsigned int pinned;
};

static void pin_count(struct pass *pass)
{
	if (pass->pinned)
		mod_node_page_state(NODE_DATA(pass->nid), NR_FOLL_PIN_ACQUIRED, pass->pinned);
	pass->pinned = 0;
}

/* As try_grab_folio() with FOLL_PIN, but pages are counted later. */
static void pin_folio(struct pass *pass, struct folio *folio)
{
	if (folio_has_pincount(folio)) {
		folio_ref_add(folio, 1);
		atomic_add(1, &folio->_pincount);
	} else {
		folio_ref_add(folio, GUP_PIN_COUNTING_BIAS);
	}

	if (folio_nid(folio) != pass->nid)
		pin_count(pass);
	pass->nid = folio_nid(folio);
	pass->pinned++;
}

/* Whether a page may stay depends on its pageblock: check once for each. */
static bool may_stay(struct pass *pass, struct folio *folio)
{
	const unsigned long block = folio_pfn(folio) / pageblock_nr_pages;

	if (block == pass->block)
		return true;
	if (!folio_is_longterm_pinnable(folio))
		return false;
	pass->block = block;
	return true;
}

static bool pin_easy_folio(struct pass *pass, struct folio *folio)
{
	if (!folio_test_uptodate(folio) || folio_contain_hwpoisoned_page(folio) ||
	    !may_stay(pass, folio) || !folio_trylock(folio))
		return false;

	pin_folio(pass, folio);
	folio_unlock(folio);
	return true;
}

/*
 * Pin up to MEMFD_BATCH folios from *@from to @end, with @only_new only those that carry
 * SHMEM_MARK_NEW, and clear the mark. Moves *@from to where the pass ended. Does not sleep.
 *
 * Returns their number. If it is less than MEMFD_BATCH, the folio at *@from needs more than
 * a pin, or there is none.
 */
unsigned int memfd_pin_batch(struct inode *inode, struct folio **folios, pgoff_t *from,
			     pgoff_t end, bool only_new)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, *from);
	struct pass pass = { .block = ULONG_MAX };
	unsigned int nr = 0;
	void *entry;

	xas_lock_irq(&xas);
	entry = only_new ? xas_find_marked(&xas, end - 1, SHMEM_MARK_NEW) :
			   xas_find(&xas, end - 1);
	while (entry) {
		if (nr == MEMFD_BATCH || xa_is_value(entry) || !pin_easy_folio(&pass, entry))
			break;
		if (only_new || xas_get_mark(&xas, SHMEM_MARK_NEW))
			xas_clear_mark(&xas, SHMEM_MARK_NEW);
		folios[nr++] = entry;
		entry = only_new ? xas_next_marked(&xas, end - 1, SHMEM_MARK_NEW) :
				   xas_next_entry(&xas, end - 1);
	}
	*from = entry ? xas.xa_index : end;
	pin_count(&pass);
	xas_unlock_irq(&xas);

	return nr;
}

/* Set or clear the mark of the folio at @index, which stays in the file. */
void memfd_mark_new(struct inode *inode, pgoff_t index, bool new)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, index);

	xas_lock_irq(&xas);
	if (xas_load(&xas)) {
		if (new)
			xas_set_mark(&xas, SHMEM_MARK_NEW);
		else
			xas_clear_mark(&xas, SHMEM_MARK_NEW);
	}
	xas_unlock_irq(&xas);
}

/* Unpin a folio that could not be preserved: the next scan finds it again. */
void memfd_unpin_new(struct inode *inode, struct folio *folio)
{
	memfd_mark_new(inode, folio->index, true);
	unpin_folio(folio);
}
