// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: what the validation of both formats needs.
 *
 * A page may belong to one thing only, and a place in the file to one page, so each is
 * *claimed* before it is used: a second claim means that the serialized memfd is corrupted.
 * As the pages of a list are claimed as well, every list ends.
 *
 * Pages are claimed from KHO, so that memfds that are retrieved at the same time cannot
 * both get a page. If a memfd turns out to be invalid, the walk is repeated to unclaim what
 * was claimed. It takes the same way, as memory does not change that is claimed, or was
 * unclaimed by the walk itself: nothing is claimed meanwhile.
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/xarray.h>

#include "memfd_luo.h"

/* Claims are bits in bitmaps of one page each. */
#define CLAIM_BITS	(PAGE_SIZE * BITS_PER_BYTE)

static void drop_claims(struct memfd_claims *claims)
{
	unsigned long at;
	void *map;

	xa_for_each(&claims->maps, at, map)
		free_page((unsigned long)map);
	xa_destroy(&claims->maps);
}

/* The task is killed, and the validation may end for that. */
bool memfd_check_killed(const struct memfd_check *check)
{
	cond_resched();
	return check->can_fail && !check->undo && fatal_signal_pending(current);
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

/* Returns -EUCLEAN if one of them is claimed already. */
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

/*
 * Claim pages that were preserved together. Returns their order; -EUCLEAN if nothing was
 * preserved at @phys, which may be anything, or if it is claimed; -ECANCELED if nothing is
 * left to unclaim.
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

/*
 * As memfd_claim_block(), and -EUCLEAN if they were not preserved with that order. Returns
 * 0.
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

/* Mark pages of the file as seen. Returns -EUCLEAN if one of them was, or -ENOMEM. */
int memfd_claim_indexes(struct memfd_check *check, pgoff_t index, unsigned long nr)
{
	int err = check->undo ? 0 : claim(check, &check->indexes, index, nr);

	if (err == -EUCLEAN)
		check->why = "folios overlap";
	return err;
}

/* Free preserved memory. Nobody asks later whether it was one folio or single pages. */
void memfd_free_handed_over(phys_addr_t phys, unsigned int order)
{
	struct page *page = kho_restore_pages(phys, 1UL << order);

	for (unsigned long i = 0; page && i < 1UL << order; i++)
		__free_page(page + i);
}

/*
 * Held for reading to claim, for writing to unclaim, which goes through pages that it has
 * unclaimed already. The lock of memfd_luo_small.c nests inside.
 */
static DECLARE_RWSEM(claim_lock);

static void undo(struct memfd_incoming *in, struct memfd_check *check)
{
	check->undo = true;
	down_write(&claim_lock);
	in->format->validate(in, check);
	up_write(&claim_lock);
}

static void check_begin(struct memfd_check *check, bool can_fail)
{
	*check = (struct memfd_check) {
		.gfp = can_fail ? GFP_KERNEL : GFP_KERNEL | __GFP_NOFAIL,
		.can_fail = can_fail,
		.why = "malformed",
	};
	xa_init(&check->indexes.maps);
}

/*
 * Validate a serialized memfd and claim its memory; followed by adopt() or free() of its
 * format, or memfd_incoming_close(). On error nothing has changed.
 *
 * Returns -EUCLEAN if it is corrupted, -EOPNOTSUPP if something is set that this kernel
 * does not know, and with @can_fail -ENOMEM, or -EINTR if killed.
 */
int memfd_incoming_open(struct memfd_incoming *in, bool can_fail)
{
	struct memfd_check check;
	int err;

	check_begin(&check, can_fail);
	down_read(&claim_lock);
	err = in->format->validate(in, &check);
	up_read(&claim_lock);
	if (err == -EUCLEAN || err == -EOPNOTSUPP)
		pr_warn_ratelimited("incoming memfd at %pa is not usable: %s\n", &in->phys,
				    check.why);
	if (err)
		undo(in, &check);
	drop_claims(&check.indexes);
	return err;
}

/* Undo memfd_incoming_open(): it can be opened again. */
void memfd_incoming_close(struct memfd_incoming *in)
{
	struct memfd_check check;

	check_begin(&check, false);
	check.nr_claimed = ULONG_MAX;
	undo(in, &check);
}
