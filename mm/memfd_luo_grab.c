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
struct grab {
	unsigned long block;
	int nid;
	unsigned int pinned;
};

static void grab_count(struct grab *grab)
{
	if (grab->pinned)
		mod_node_page_state(NODE_DATA(grab->nid), NR_FOLL_PIN_ACQUIRED, grab->pinned);
	grab->pinned = 0;
}

/* As try_grab_folio() with FOLL_PIN, but pages are counted later. */
static void grab_pin(struct grab *grab, struct folio *folio)
{
	if (folio_has_pincount(folio)) {
		folio_ref_add(folio, 1);
		atomic_add(1, &folio->_pincount);
	} else {
		folio_ref_add(folio, GUP_PIN_COUNTING_BIAS);
	}

	if (folio_nid(folio) != grab->nid)
		grab_count(grab);
	grab->nid = folio_nid(folio);
	grab->pinned++;
}

/* Whether a page may stay depends on its pageblock: check once for each. */
static bool grab_may_stay(struct grab *grab, struct folio *folio)
{
	const unsigned long block = folio_pfn(folio) / pageblock_nr_pages;

	if (block == grab->block)
		return true;
	if (!folio_is_longterm_pinnable(folio))
		return false;
	grab->block = block;
	return true;
}

static bool grab_folio(struct grab *grab, struct folio *folio)
{
	if (!folio_test_uptodate(folio) || folio_contain_hwpoisoned_page(folio) ||
	    !grab_may_stay(grab, folio) || !folio_trylock(folio))
		return false;

	grab_pin(grab, folio);
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
unsigned int memfd_grab_folios(struct inode *inode, struct folio **folios, pgoff_t *from,
			       pgoff_t end, bool only_new)
{
	XA_STATE(xas, &inode->i_mapping->i_pages, *from);
	struct grab grab = { .block = ULONG_MAX };
	unsigned int nr = 0;
	void *entry;

	xas_lock_irq(&xas);
	entry = only_new ? xas_find_marked(&xas, end - 1, SHMEM_MARK_NEW) :
			   xas_find(&xas, end - 1);
	while (entry) {
		if (nr == MEMFD_BATCH || xa_is_value(entry) || !grab_folio(&grab, entry))
			break;
		if (only_new || xas_get_mark(&xas, SHMEM_MARK_NEW))
			xas_clear_mark(&xas, SHMEM_MARK_NEW);
		folios[nr++] = entry;
		entry = only_new ? xas_next_marked(&xas, end - 1, SHMEM_MARK_NEW) :
				   xas_next_entry(&xas, end - 1);
	}
	*from = entry ? xas.xa_index : end;
	grab_count(&grab);
	xas_unlock_irq(&xas);

	return nr;
}
