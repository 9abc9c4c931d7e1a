// SPDX-License-Identifier: GPL-2.0
/*
 * Preserving memfds across live updates: what every format's reader has to check.
 *
 * A page may belong to one thing only, and a place in the file to one page. Whoever
 * relies on one *claims* it first; a second claim means that the image is corrupted. As
 * each page of a list is claimed too, every list ends.
 *
 * Pages are claimed from KHO, against whoever reads another image at the same time. An
 * image that turns out not to be valid is walked once more, to unclaim what was claimed
 * on the way: memory that is claimed does not change, so the walk takes the same way.
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "memfd_luo.h"

/* Claims stand in bitmaps of one page each. */
#define CLAIM_BITS	(PAGE_SIZE * BITS_PER_BYTE)

/**
 * memfd_check_begin() - begin to check an image
 * @check: set up; memfd_check_end() is to follow
 * @can_fail: whether it may end for want of memory, or when killed
 */
void memfd_check_begin(struct memfd_check *check, bool can_fail)
{
	*check = (struct memfd_check) {
		.gfp = can_fail ? GFP_KERNEL : GFP_KERNEL | __GFP_NOFAIL,
		.can_fail = can_fail,
		.why = "malformed",
	};
	xa_init(&check->indexes.maps);
}

static void drop_claims(struct memfd_claims *claims)
{
	unsigned long at;
	void *map;

	xa_for_each(&claims->maps, at, map)
		free_page((unsigned long)map);
	xa_destroy(&claims->maps);
}

/**
 * memfd_check_end() - end a check and say what came of it
 * @check: as memfd_check_begin() has set it up
 * @phys: where the image is
 * @err: the result
 */
void memfd_check_end(struct memfd_check *check, phys_addr_t phys, int err)
{
	if (err == -EUCLEAN || err == -EOPNOTSUPP)
		pr_warn_ratelimited("handed over at %pa and not usable: %s\n", &phys, check->why);

	drop_claims(&check->indexes);
}

/**
 * memfd_check_killed() - whether to give up
 * @check: the check
 *
 * Return: true if the task is killed and the check may end for that.
 */
bool memfd_check_killed(const struct memfd_check *check)
{
	cond_resched();
	return check->can_fail && !check->undo && fatal_signal_pending(current);
}

/**
 * memfd_check_undo() - from here on the check unclaims what it has claimed
 * @check: the check, which has come to an error; all of it is to be done once more
 */
void memfd_check_undo(struct memfd_check *check)
{
	check->undo = true;
}

static unsigned long *find_map(const struct memfd_check *check, struct memfd_claims *claims,
			       unsigned long at)
{
	unsigned long *map;

	if (claims->last && claims->at == at)
		return claims->last;

	map = xa_load(&claims->maps, at);
	if (!map) {
		map = (unsigned long *)get_zeroed_page(check->gfp);
		if (!map)
			return NULL;
		if (xa_err(xa_store(&claims->maps, at, map, check->gfp))) {
			free_page((unsigned long)map);
			return NULL;
		}
	}
	claims->last = map;
	claims->at = at;
	return map;
}

/* -EUCLEAN if one of them is claimed already */
static int claim(const struct memfd_check *check, struct memfd_claims *claims,
		 unsigned long start, unsigned long nr)
{
	while (nr) {
		unsigned long *map = find_map(check, claims, start / CLAIM_BITS);
		unsigned long bit = start % CLAIM_BITS;
		unsigned long here = min(nr, CLAIM_BITS - bit);

		if (!map)
			return -ENOMEM;
		if (here == 1) {
			if (__test_and_set_bit(bit, map))
				return -EUCLEAN;
		} else {
			if (find_next_bit(map, bit + here, bit) < bit + here)
				return -EUCLEAN;
			bitmap_set(map, bit, here);
		}
		start += here;
		nr -= here;
	}
	return 0;
}

/**
 * memfd_claim_block() - claim pages that have to be preserved as one
 * @check: the check
 * @phys: where they are; it may be anything
 *
 * Return: their order; -EUCLEAN: they are not preserved, or are claimed; -ECANCELED: there
 * is nothing left to unclaim.
 */
int memfd_claim_block(struct memfd_check *check, phys_addr_t phys)
{
	int order;

	if (check->undo)
		return check->nr_claimed-- ? kho_unclaim(phys) : -ECANCELED;

	order = kho_claim(phys);
	if (order < 0) {
		check->why = "a page is not preserved, or appears twice";
		return -EUCLEAN;
	}
	check->nr_claimed++;
	return order;
}

/**
 * memfd_claim_folio() - claim pages that have to be preserved, of this very order
 * @check: the check
 * @phys: where they are; it may be anything
 * @order: how they have to be preserved
 *
 * Return: 0; -EUCLEAN: they are not, or are claimed; -ECANCELED.
 */
int memfd_claim_folio(struct memfd_check *check, phys_addr_t phys, unsigned int order)
{
	int found = memfd_claim_block(check, phys);

	if (found < 0)
		return found;
	if (found == order)
		return 0;
	check->why = "a folio is preserved otherwise";
	return -EUCLEAN;
}

/**
 * memfd_claim_indexes() - claim a place in the file
 * @check: the check
 * @index: in pages
 * @nr: pages
 *
 * Return: 0; -EUCLEAN: it is claimed; -ENOMEM.
 */
int memfd_claim_indexes(struct memfd_check *check, pgoff_t index, unsigned long nr)
{
	int err = check->undo ? 0 : claim(check, &check->indexes, index, nr);

	if (err == -EUCLEAN)
		check->why = "folios overlap";
	return err;
}

/**
 * memfd_free_handed_over() - free what is preserved
 * @phys: where it is
 * @order: as it was preserved
 *
 * As one folio or each page on its own: nobody will ask which it was.
 */
void memfd_free_handed_over(phys_addr_t phys, unsigned int order)
{
	struct page *page = kho_restore_pages(phys, 1UL << order);

	for (unsigned long i = 0; page && i < 1UL << order; i++)
		__free_page(page + i);
}
