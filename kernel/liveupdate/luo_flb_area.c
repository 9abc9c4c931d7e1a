// SPDX-License-Identifier: GPL-2.0
/*
 * The FLB area of the outgoing handover: one folio, large enough for all that are
 * preserved.
 *
 * It always exists, and the root always points to it, also when it is empty: kernels that
 * read this format expect it.
 */
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "luo_internal.h"

/* Allocate the smallest area. Returns 0 or -ENOMEM. */
int luo_flb_area_start(struct luo *luo)
{
	luo->flb_area.mem = luo->store->ops->alloc(luo->store, 0);
	luo->flb_area.order = 0;
	return luo->flb_area.mem ? 0 : -ENOMEM;
}

/* Undo luo_flb_area_start(). No FLB is preserved. */
void luo_flb_area_stop(struct luo *luo)
{
	if (luo->flb_area.mem)
		luo->store->ops->drop(luo->store, luo->flb_area.mem);
	luo->flb_area.mem = NULL;
}

static int luo_flb_area_grow(struct luo *luo)
{
	struct luo_flb_area *area = &luo->flb_area;
	void *larger, *smaller = area->mem;

	if (area->order == LUO_FLBS_MAX_ORDER)
		return -ENOSPC;
	larger = luo->store->ops->alloc(luo->store, area->order + 1);
	if (!larger)
		return -ENOMEM;
	area->mem = larger;
	area->order++;
	luo_outgoing_write_nothing(luo);
	luo->store->ops->drop(luo->store, smaller);
	return 0;
}

/*
 * Reserve a slot for one more FLB; undone by luo_flb_area_unreserve(). Returns -ENOMEM, or
 * -ENOSPC if the format cannot hold more.
 */
int luo_flb_area_reserve(struct luo *luo)
{
	struct luo_flb_area *area = &luo->flb_area;
	int err;

	guard(mutex)(&luo->lock);
	if (area->used == luo_wire_flbs_per(area->order)) {
		err = luo_flb_area_grow(luo);
		if (err)
			return err;
	}
	area->used++;
	return 0;
}

void luo_flb_area_unreserve(struct luo *luo)
{
	guard(mutex)(&luo->lock);
	luo->flb_area.used--;
}

/* Serialize "no FLB is preserved". Returns the area's address, and its checksum in @crc. */
u64 luo_flb_area_write_nothing(struct luo *luo, u32 *crc)
{
	struct luo_flb_area *area = &luo->flb_area;

	luo_wire_write_flbs(area->mem, area->order, 0);
	*crc = luo_wire_flbs_crc(area->mem);
	return luo_store_phys(area->mem);
}

/*
 * Serialize all FLBs that preserved files depend on. The gate is closed, so that none comes
 * or goes. An object that only exists because somebody holds a reference is left out.
 * Neither fails nor allocates. Returns the area's address, and its checksum in @crc.
 */
u64 luo_flb_area_write(struct luo *luo, u32 *crc)
{
	struct luo_flb_area *area = &luo->flb_area;
	struct luo_flb *lflb;
	u64 count = 0;

	guard(spinlock)(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (lflb->users)
			luo_wire_write_flb(area->mem, count++, lflb->args.compatible,
					   lflb->args.data, lflb->users);
	}
	luo_wire_write_flbs(area->mem, area->order, count);
	*crc = luo_wire_flbs_crc(area->mem);
	return luo_store_phys(area->mem);
}
