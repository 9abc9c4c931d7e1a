// SPDX-License-Identifier: GPL-2.0
/*
 * Outgoing FLBs: the life of an object from the first file that is preserved to the last
 * one that is unpreserved.
 *
 * A file *uses* each FLB that its handler was linked to when the file was preserved. The
 * object is made for the first user, and unpreserved after the last user and the last
 * reference.
 *
 * The *area* is one folio of the outgoing handover, large enough for all FLBs that are
 * preserved: a slot is reserved for each before its preserve() is called.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include <trace/events/liveupdate.h>

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

static void area_seal(struct luo_flb_area *area, u64 count, struct luo_root *root)
{
	luo_wire_write_flbs(area->mem, area->order, count);
	root->flbs_pa = luo_store_phys(area->mem);
	root->flbs_crc = luo_wire_flbs_crc(area->mem);
}

/*
 * Serialize "nothing is handed over". The root leads to the area at all times, also when it
 * is empty: kernels that read this format expect that. The reboot has not begun, or was
 * undone.
 */
void luo_flb_area_write_nothing(struct luo *luo)
{
	struct luo_root root = {};

	area_seal(&luo->flb_area, 0, &root);
	luo_root_write(luo, &root);
}

static int area_grow(struct luo *luo)
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
	luo_flb_area_write_nothing(luo);
	luo->store->ops->drop(luo->store, smaller);
	return 0;
}

/*
 * Reserve a slot for one more FLB; undone by area_unreserve(). Returns -ENOMEM, or
 * -ENOSPC if the format cannot hold more.
 */
static int area_reserve(struct luo *luo)
{
	struct luo_flb_area *area = &luo->flb_area;
	int err;

	guard(mutex)(&luo->lock);
	if (area->used == luo_wire_flbs_per(area->order)) {
		err = area_grow(luo);
		if (err)
			return err;
	}
	area->used++;
	return 0;
}

static void area_unreserve(struct luo *luo)
{
	guard(mutex)(&luo->lock);
	luo->flb_area.used--;
}

/*
 * Serialize all FLBs that preserved files depend on, and have @root lead to them. The gate
 * is closed, so that none comes or goes. An object that only exists because of a
 * reference is left out. Neither fails nor allocates.
 */
void luo_flb_area_write(struct luo *luo, struct luo_root *root)
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
	area_seal(area, count, root);
}

/*
 * A preserved file uses an FLB, and is counted in the link's users. In lf->flbs, in order of
 * preservation.
 */
struct luo_flb_use {
	struct list_head in_file;
	struct luo_flb_link *link;
};

static int call_preserve(struct luo *luo, struct luo_flb *lflb)
{
	struct liveupdate_flb *flb = lflb->flb;
	u64 start;
	int err;

	err = area_reserve(luo);
	if (err)
		goto err_module;

	lflb->args = (struct liveupdate_flb_op_args){
		.flb = flb,
		.compatible = flb->compatible,
	};
	start = luo_trace_start(liveupdate_flb_preserve);
	err = luo_op_result("FLB preserve", flb->compatible, flb->ops->preserve(&lflb->args));
	trace_liveupdate_flb_preserve(flb->compatible, err, start);
	if (err)
		goto err_unreserve;
	return 0;

err_unreserve:
	area_unreserve(luo);
err_module:
	pr_warn_ratelimited("FLB '%s' cannot be preserved: %pe\n", flb->compatible, ERR_PTR(err));
	module_put(flb->ops->owner);
	return err;
}

static void call_unpreserve(struct luo *luo, struct luo_flb *lflb)
{
	struct liveupdate_flb *flb = lflb->flb;
	u64 start = luo_trace_start(liveupdate_flb_unpreserve);
	struct module *owner = flb->ops->owner;

	flb->ops->unpreserve(&lflb->args);
	trace_liveupdate_flb_unpreserve(lflb->args.compatible, 0, start);
	area_unreserve(luo);
	module_put(owner);
}

/* Called with the op lock held; drops state_lock around preserve(). */
static int flb_preserve(struct luo *luo, struct luo_flb *lflb)
	__must_hold(&luo->state_lock)
{
	int err;

	spin_unlock(&luo->state_lock);
	err = call_preserve(luo, lflb);
	spin_lock(&luo->state_lock);
	if (err)
		return err;
	lflb->live = true;
	return 0;
}

static void flb_unpreserve_unused(struct luo *luo, struct luo_flb *lflb)
	__must_hold(&luo->state_lock)
{
	if (lflb->users || lflb->gets)
		return;
	if (WARN_ON_ONCE(luo_oplock_lock(luo, &lflb->oplock)))
		return;
	if (lflb->live && !lflb->users && !lflb->gets) {
		lflb->live = false;
		spin_unlock(&luo->state_lock);
		call_unpreserve(luo, lflb);
		spin_lock(&luo->state_lock);
	}
	luo_oplock_unlock(luo, &lflb->oplock);
	luo_flb_put(lflb);
}

/* Unregistered, or the module of its owner is being unloaded. */
static bool link_is_gone(const struct luo_flb_link *link)
{
	const struct luo_flb *lflb = link->lflb;

	return link->unlinked || (!lflb->live && !try_module_get(lflb->flb->ops->owner));
}

/* Use the link for one more file, unless it is unregistered. */
static int link_use(struct luo *luo, struct luo_flb_link *link, bool *used)
{
	struct luo_flb *lflb = link->lflb;
	int err;

	guard(spinlock)(&luo->state_lock);
	*used = false;
	err = luo_oplock_lock_killable(luo, &lflb->oplock);
	if (err)
		return err;
	if (!link_is_gone(link)) {
		err = lflb->live ? 0 : flb_preserve(luo, lflb);
		*used = !err;
	}
	if (*used) {
		lflb->users++;
		link->users++;
	}
	luo_oplock_unlock(luo, &lflb->oplock);
	luo_flb_put(lflb);
	return err;
}

static void link_unuse(struct luo *luo, struct luo_flb_link *link)
{
	guard(srcu)(&luo_flb_srcu);
	guard(spinlock)(&luo->state_lock);
	link->lflb->users--;
	link->users--;
	flb_unpreserve_unused(luo, link->lflb);
	luo_flb_link_put(link);
}

static int use_one(struct luo *luo, struct luo_flb_link *link, struct list_head *uses)
{
	struct luo_flb_use *use = kzalloc_obj(*use, GFP_KERNEL_ACCOUNT);
	bool used;
	int err;

	if (!use)
		return -ENOMEM;
	err = link_use(luo, link, &used);
	if (!used) {
		kfree(use);
		return err;
	}
	use->link = link;
	list_add_tail(&use->in_file, uses);
	return 0;
}

/*
 * Before a file of @handler is preserved: preserve the FLBs that it depends on, in order of
 * registration, and list them in @uses for luo_flb_unuse_all().
 *
 * Returns -ENOSPC if the format cannot hold more FLBs, -EINTR if killed while an op was
 * running, -ENOMEM, or the errno of preserve(). On error none is used.
 */
int luo_flb_use_all(struct luo *luo, struct luo_handler *handler, struct list_head *uses)
{
	struct luo_flb_link *link;
	int err;

	guard(srcu)(&luo_flb_srcu);
	list_for_each_entry_srcu(link, &handler->flbs, in_handler,
				 srcu_read_lock_held(&luo_flb_srcu)) {
		err = use_one(luo, link, uses);
		if (err) {
			luo_flb_unuse_all(luo, uses);
			return err;
		}
	}
	return 0;
}

/* Undo luo_flb_use_all(), the last one first. */
void luo_flb_unuse_all(struct luo *luo, struct list_head *uses)
{
	struct luo_flb_use *use, *next;

	list_for_each_entry_safe_reverse(use, next, uses, in_file) {
		list_del(&use->in_file);
		link_unuse(luo, use->link);
		kfree(use);
	}
}

/* See liveupdate_flb_get_outgoing(). */
int luo_flb_get_outgoing(struct luo *luo, struct liveupdate_flb *flb, void **objp)
{
	struct luo_flb *lflb;

	if (!luo_enabled(luo))
		return -EOPNOTSUPP;

	guard(spinlock)(&luo->state_lock);
	lflb = luo_flb_find(luo, flb);
	if (lflb && lflb->oplock.owner == current)
		return -EDEADLK;
	if (!lflb || !luo_flb_registered(lflb) || !lflb->users)
		return -ENOENT;
	lflb->gets++;
	*objp = lflb->args.obj;
	return 0;
}

/* See liveupdate_flb_put_outgoing(). May unpreserve the object. */
void luo_flb_put_outgoing(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_flb *lflb;

	if (!luo_enabled(luo))
		return;

	guard(srcu)(&luo_flb_srcu);
	guard(spinlock)(&luo->state_lock);
	lflb = luo_flb_find(luo, flb);
	if (WARN_ONCE(!lflb || !lflb->gets, "luo: unbalanced put of FLB '%s'\n",
		      flb->compatible))
		return;
	lflb->gets--;
	flb_unpreserve_unused(luo, lflb);
}
