// SPDX-License-Identifier: GPL-2.0
/*
 * Room for FLBs in the handover: one folio, large enough for all that are preserved.
 *
 * There always is one, and the root points to it even when it holds nothing: kernels that
 * read this format look there without asking.
 */
#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "luo_internal.h"

/**
 * luo_flb_area_start() - make the smallest area
 * @luo: where
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENOMEM.
 */
int luo_flb_area_start(struct luo *luo)
{
	luo->flb_area.mem = luo->store->ops->alloc(luo->store, 0);
	luo->flb_area.order = 0;
	return luo->flb_area.mem ? 0 : -ENOMEM;
}

/**
 * luo_flb_area_stop() - undo luo_flb_area_start()
 * @luo: where; nothing is preserved
 */
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

/**
 * luo_flb_area_reserve() - make room for one more FLB
 * @luo: where
 *
 * Context: Process context. May sleep.
 * Return: 0, to be paired with luo_flb_area_unreserve(); -ENOMEM; -ENOSPC: more than the
 * format can hold.
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

/**
 * luo_flb_area_unreserve() - one FLB less
 * @luo: where
 */
void luo_flb_area_unreserve(struct luo *luo)
{
	guard(mutex)(&luo->lock);
	luo->flb_area.used--;
}

/**
 * luo_flb_area_write_nothing() - write that no FLB is preserved
 * @luo: where
 * @crc: set to the area's checksum
 *
 * Context: Any.
 * Return: where the area lies.
 */
u64 luo_flb_area_write_nothing(struct luo *luo, u32 *crc)
{
	struct luo_flb_area *area = &luo->flb_area;

	luo_wire_write_flbs(area->mem, area->order, 0);
	*crc = luo_wire_flbs_crc(area->mem);
	return luo_store_phys(area->mem);
}

/**
 * luo_flb_area_write() - write down all FLBs that files depend on
 * @luo: where; the gate is shut, so that none is preserved or given up
 * @crc: set to the area's checksum
 *
 * An object that is only still there because somebody holds a reference is nobody's
 * business in the next kernel.
 *
 * Context: Process context. Neither fails nor allocates.
 * Return: where the area lies.
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
