// SPDX-License-Identifier: GPL-2.0
/*
 * The registry of FLBs (File-Lifecycle-Bound objects) and of the handlers that depend on
 * them. Their lives are in luo_flb_outgoing.c and luo_flb_incoming.c.
 *
 * An FLB is *linked* to each handler whose files depend on it. Links and FLBs outlive their
 * registration while files use them; new users do not find them then. What is in the lists
 * is freed after a grace period of luo_flb_srcu.
 *
 * Unregistering does not wait for that grace period but for the op locks of its FLB: an op
 * of another FLB may load the module that is unregistering here.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "luo_compat.h"
#include "luo_internal.h"

DEFINE_SRCU(luo_flb_srcu);

static bool ops_are_valid(const struct liveupdate_flb_ops *ops)
{
	return ops && ops->preserve && ops->unpreserve && ops->retrieve && ops->finish;
}

static bool strings_are_valid(const struct liveupdate_flb *flb)
{
	const char *const *older;

	if (!luo_compat_valid(flb->compatible, sizeof(flb->compatible)))
		return false;
	for (older = flb->also_retrieves; older && *older; older++) {
		if (!luo_compat_valid(*older, LIVEUPDATE_FLB_COMPAT_LENGTH))
			return false;
	}
	return true;
}

/* No op is missing and all strings are valid; logged if not. */
bool luo_flb_valid(const struct liveupdate_flb *flb)
{
	if (ops_are_valid(flb->ops) && strings_are_valid(flb))
		return true;
	pr_warn("FLB '%.*s': missing op or malformed string\n",
		LIVEUPDATE_FLB_COMPAT_LENGTH - 1, flb->compatible);
	return false;
}

/* Registered, or with an object, or about to get one: lflb->flb is valid. */
static bool flb_in_use(const struct luo_flb *lflb)
{
	return luo_flb_registered(lflb) || lflb->live || lflb->oplock.owner;
}

/*
 * Find an FLB that is registered, or was and left an object behind. It stays while
 * luo->state_lock is held.
 */
struct luo_flb *luo_flb_find(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_flb *lflb;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (lflb->flb == flb && flb_in_use(lflb))
			return lflb;
	}
	return NULL;
}

/* No string is handed over twice, so an FLB that left an object behind counts as well. */
static bool string_is_taken(struct luo *luo, const struct liveupdate_flb *flb)
{
	struct luo_flb *lflb;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (lflb->flb != flb && flb_in_use(lflb) &&
		    !strcmp(lflb->flb->compatible, flb->compatible))
			return true;
	}
	return false;
}

static void flb_free(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct luo_flb, rcu));
}

/* Remove an FLB that is not in use any more. luo->state_lock is held. */
void luo_flb_put(struct luo_flb *lflb)
{
	if (flb_in_use(lflb) || lflb->removed)
		return;
	lflb->removed = true;
	list_bidir_del_rcu(&lflb->in_list);
	call_srcu(&luo_flb_srcu, &lflb->rcu, flb_free);
}

static void link_free(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct luo_flb_link, rcu));
}

/* Called once @link is unlinked, or has lost a user. luo->state_lock is held. */
void luo_flb_link_put(struct luo_flb_link *link)
{
	if (!link->unlinked || link->users || link->removed)
		return;
	link->removed = true;
	call_srcu(&luo_flb_srcu, &link->rcu, link_free);
}

static struct luo_flb_link *link_find(struct luo_flb *lflb, struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	list_for_each_entry(link, &lflb->links, in_flb) {
		if (link->fh == fh)
			return link;
	}
	return NULL;
}

static void flb_add(struct luo *luo, struct luo_flb *lflb, struct liveupdate_flb *flb)
{
	lflb->flb = flb;
	lflb->id = ++luo->last_flb_id;
	INIT_LIST_HEAD(&lflb->links);
	list_add_tail_rcu(&lflb->in_list, &luo->flbs);
}

static void link_add(struct luo_flb_link *link, struct luo_handler *handler, struct luo_flb *lflb)
{
	link->fh = handler->fh;
	link->lflb = lflb;
	list_add_tail_rcu(&link->in_handler, &handler->flbs);
	list_add_tail(&link->in_flb, &lflb->links);
}

/*
 * Let files of @handler depend on @flb, which is valid. Called with luo->handlers_lock held
 * for writing.
 *
 * Returns -EEXIST if they are linked already, or if another FLB has the string, or -ENOMEM.
 */
int luo_flb_link(struct luo *luo, struct luo_handler *handler, struct liveupdate_flb *flb)
{
	struct luo_flb_link *link __free(kfree) = kzalloc_obj(*link);
	struct luo_flb *new __free(kfree) = kzalloc_obj(*new);
	struct luo_flb *lflb;

	lockdep_assert_held_write(&luo->handlers_lock);
	if (!link || !new)
		return -ENOMEM;

	guard(spinlock)(&luo->state_lock);
	lflb = luo_flb_find(luo, flb);
	if (string_is_taken(luo, flb) || (lflb && link_find(lflb, handler->fh)))
		return -EEXIST;
	if (!lflb) {
		lflb = no_free_ptr(new);
		flb_add(luo, lflb, flb);
	}
	link_add(no_free_ptr(link), handler, lflb);
	return 0;
}

/* Wait for an op of this kernel's object. None starts after this, unless to undo another. */
static void link_remove(struct luo *luo, struct luo_flb_link *link)
	__must_hold(&luo->state_lock)
{
	struct luo_flb *lflb = link->lflb;

	link->unlinked = true;
	list_bidir_del_rcu(&link->in_handler);
	list_del_init(&link->in_flb);

	if (!WARN_ON_ONCE(luo_oplock_lock(luo, &lflb->oplock)))
		luo_oplock_unlock(luo, &lflb->oplock);
}

/*
 * Undo luo_flb_link(). Waits while preserve() or unpreserve() is running, so it cannot be
 * called from one. Returns -ENOENT if they were not linked, -EBUSY if files still use the
 * link, or an object exists and no handler is linked any more.
 */
int luo_flb_unlink(struct luo *luo, struct liveupdate_file_handler *fh,
		   struct liveupdate_flb *flb)
{
	struct luo_flb_link *link;
	struct luo_flb *lflb;
	bool left;

	guard(srcu)(&luo_flb_srcu);
	guard(spinlock)(&luo->state_lock);
	lflb = luo_flb_find(luo, flb);
	link = lflb ? link_find(lflb, fh) : NULL;
	if (!link)
		return -ENOENT;
	link_remove(luo, link);
	left = link->users || (lflb->live && !luo_flb_registered(lflb));
	luo_flb_link_put(link);
	luo_flb_put(lflb);
	return left ? -EBUSY : 0;
}

/*
 * As luo_flb_unlink(), for the first FLB of a handler that is no longer registered. The FLB
 * may belong to another driver: an object that exists is no mistake here, and stays.
 * Returns NULL if no FLB is left.
 */
struct liveupdate_flb *luo_flb_unlink_first(struct luo *luo, struct luo_handler *handler)
{
	struct liveupdate_flb *flb;
	struct luo_flb_link *link;
	struct luo_flb *lflb;

	guard(srcu)(&luo_flb_srcu);
	guard(spinlock)(&luo->state_lock);
	link = list_first_entry_or_null(&handler->flbs, struct luo_flb_link, in_handler);
	if (!link)
		return NULL;
	lflb = link->lflb;
	flb = lflb->flb;
	link_remove(luo, link);
	luo_flb_link_put(link);
	luo_flb_put(lflb);
	return flb;
}
