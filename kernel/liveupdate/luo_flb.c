// SPDX-License-Identifier: GPL-2.0
/*
 * The registry of File-Lifecycle-Bound objects: which there are, and which handlers depend
 * on them. Their lives are in luo_flb_outgoing.c and luo_flb_incoming.c.
 *
 * An FLB is *linked* to each handler whose files depend on it. Links and FLBs outlive their
 * registration while anything is left of them, hidden from everybody new.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include "luo_compat.h"
#include "luo_internal.h"

static bool luo_flb_ops_sound(const struct liveupdate_flb_ops *ops)
{
	return ops && ops->preserve && ops->unpreserve && ops->retrieve && ops->finish;
}

static bool luo_flb_strings_sound(const struct liveupdate_flb *flb)
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

/**
 * luo_flb_sound() - is an FLB as it has to be?
 * @flb: what a driver has made
 *
 * Return: true if no op is missing and no string is malformed. If not, it is logged.
 */
bool luo_flb_sound(const struct liveupdate_flb *flb)
{
	if (luo_flb_ops_sound(flb->ops) && luo_flb_strings_sound(flb))
		return true;
	pr_warn("FLB '%.*s' lacks an op or has a malformed string\n",
		LIVEUPDATE_FLB_COMPAT_LENGTH - 1, flb->compatible);
	return false;
}

/* Registered, or with an object, or about to have one: what it was registered as is there */
static bool luo_flb_there(const struct luo_flb *lflb)
{
	return luo_flb_registered(lflb) || lflb->live || lflb->turn.holder;
}

/**
 * luo_flb_find() - an FLB that is registered, or has left an object behind
 * @luo: where; luo->state_lock is held
 * @flb: what the driver has registered
 *
 * Return: the FLB, which stays while the lock is held; NULL: there is none.
 */
struct luo_flb *luo_flb_find(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_flb *lflb;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (lflb->flb == flb && luo_flb_there(lflb))
			return lflb;
	}
	return NULL;
}

/* No string is handed over twice, so one that is left behind counts too */
static bool luo_flb_string_taken(struct luo *luo, const struct liveupdate_flb *flb)
{
	struct luo_flb *lflb;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (lflb->flb != flb && luo_flb_there(lflb) &&
		    !strcmp(lflb->flb->compatible, flb->compatible))
			return true;
	}
	return false;
}

/**
 * luo_flb_unref() - the last reference frees it
 * @lflb: the FLB; luo->state_lock is held
 */
void luo_flb_unref(struct luo_flb *lflb)
{
	if (--lflb->refs)
		return;
	list_del(&lflb->in_list);
	kfree(lflb);
}

/**
 * luo_flb_link_unref() - the last reference frees it
 * @link: the link; luo->state_lock is held
 */
void luo_flb_link_unref(struct luo_flb_link *link)
{
	if (--link->refs)
		return;
	luo_flb_unref(link->lflb);
	kfree(link);
}

static struct luo_flb_link *luo_flb_link_find(struct luo_flb *lflb,
					      struct liveupdate_file_handler *fh)
{
	struct luo_flb_link *link;

	list_for_each_entry(link, &lflb->links, in_flb) {
		if (link->fh == fh)
			return link;
	}
	return NULL;
}

static void luo_flb_add(struct luo *luo, struct luo_flb *lflb, struct liveupdate_flb *flb)
{
	lflb->flb = flb;
	lflb->seq = ++luo->flb_seq;
	INIT_LIST_HEAD(&lflb->links);
	list_add_tail(&lflb->in_list, &luo->flbs);
}

static void luo_flb_link_add(struct luo *luo, struct luo_flb_link *link,
			     struct luo_handler *handler, struct luo_flb *lflb)
{
	link->fh = handler->fh;
	link->lflb = lflb;
	link->seq = ++luo->flb_seq;
	link->refs = 1;
	lflb->refs++;
	list_add_tail(&link->in_handler, &handler->flbs);
	list_add_tail(&link->in_flb, &lflb->links);
}

/**
 * luo_flb_link() - let the files of a handler depend on an FLB
 * @luo: where; luo->handlers_lock is held for writing
 * @handler: the handler
 * @flb: the FLB, sound
 *
 * The handover is read now if it was not yet: from here on the FLB's entry is claimed, even
 * once it is unregistered.
 *
 * Context: Process context. May sleep.
 * Return: 0; -EEXIST: they are linked already, or another FLB has the string; -ENOMEM.
 */
int luo_flb_link(struct luo *luo, struct luo_handler *handler, struct liveupdate_flb *flb)
{
	struct luo_flb_link *link __free(kfree) = kzalloc_obj(*link);
	struct luo_flb *new __free(kfree) = kzalloc_obj(*new);
	struct luo_flb *lflb;
	int err = 0;

	lockdep_assert_held_write(&luo->handlers_lock);
	if (!link || !new)
		return -ENOMEM;
	scoped_guard(mutex, &luo->lock)
		err = luo_incoming_read_flbs(luo);
	if (err == -ENOMEM)
		return err;

	guard(spinlock)(&luo->state_lock);
	lflb = luo_flb_find(luo, flb);
	if (luo_flb_string_taken(luo, flb) || (lflb && luo_flb_link_find(lflb, handler->fh)))
		return -EEXIST;
	if (!lflb) {
		lflb = no_free_ptr(new);
		luo_flb_add(luo, lflb, flb);
	}
	luo_flb_link_add(luo, no_free_ptr(link), handler, lflb);
	luo_flb_claim(luo, flb);
	luo_flb_show_incoming(luo, flb);
	return 0;
}

/* Return: true if files still use the link. They give it up, whenever they are. */
static bool luo_flb_link_kill(struct luo *luo, struct luo_flb_link *link)
	__must_hold(&luo->state_lock)
{
	struct luo_flb *lflb = link->lflb;

	link->dead = true;
	list_del_init(&link->in_handler);
	list_del_init(&link->in_flb);

	/* An op that is under way began before. None begins after this. */
	if (!WARN_ON_ONCE(luo_turn_take(luo, &lflb->turn)))
		luo_turn_give(luo, &lflb->turn);
	while (!luo_flb_registered(lflb) && luo_flb_wait_incoming(luo, lflb->flb))
		;
	return link->users;
}

/**
 * luo_flb_unlink() - undo luo_flb_link()
 * @luo: where
 * @fh: the handler
 * @flb: the FLB
 *
 * Context: Process context. Sleeps while an op of the FLB is running; not from inside one.
 * Return: false: they were not linked.
 */
bool luo_flb_unlink(struct luo *luo, struct liveupdate_file_handler *fh,
		    struct liveupdate_flb *flb)
{
	struct luo_flb_link *link;
	struct luo_flb *lflb;
	bool left;

	scoped_guard(spinlock, &luo->state_lock) {
		lflb = luo_flb_find(luo, flb);
		link = lflb ? luo_flb_link_find(lflb, fh) : NULL;
		if (!link)
			return false;
		left = luo_flb_link_kill(luo, link);
		/* The last handler: nobody is to hear of the object any more */
		if (!luo_flb_registered(lflb)) {
			left |= lflb->live;
			left |= luo_flb_hide_incoming(luo, flb);
		}
		luo_flb_link_unref(link);
	}
	WARN_ONCE(left, "luo: FLB '%s' goes away while there is an object of it\n",
		  flb->compatible);
	return true;
}

/**
 * luo_flb_unlink_all() - a handler goes away
 * @luo: where
 * @handler: the handler, not registered any more
 *
 * An FLB need not be its handler's: objects that are there are no mistake, and stay.
 *
 * Context: Process context. Sleeps while an op of one of the FLBs is running.
 */
void luo_flb_unlink_all(struct luo *luo, struct luo_handler *handler)
{
	struct luo_flb_link *link;

	guard(spinlock)(&luo->state_lock);
	while (!list_empty(&handler->flbs)) {
		link = list_first_entry(&handler->flbs, struct luo_flb_link, in_handler);
		luo_flb_link_kill(luo, link);
		luo_flb_link_unref(link);
	}
}

/**
 * luo_flb_before() - walk through the FLBs, last one registered first
 * @luo: where; luo->state_lock is held, and may be let go of between two calls
 * @next: where the walk stands; NULL: at its beginning
 *
 * Return: the next one registered, NULL at the end. It stays while the walk stands there.
 */
struct luo_flb *luo_flb_before(struct luo *luo, struct luo_flb *next)
{
	unsigned long seq = next ? next->seq : ULONG_MAX;
	struct luo_flb *lflb, *found = NULL;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (lflb->seq < seq && luo_flb_registered(lflb))
			found = lflb;
	}
	if (found)
		found->refs++;
	if (next)
		luo_flb_unref(next);
	return found;
}

/**
 * luo_flb_link_before() - walk through the links of a handler, last one first
 * @luo: where; luo->state_lock is held, and may be let go of between two calls
 * @handler: the handler
 * @next: where the walk stands; NULL: at its beginning
 *
 * Return: the next one, NULL at the end. It stays while the walk stands there.
 */
struct luo_flb_link *luo_flb_link_before(struct luo *luo, struct luo_handler *handler,
					 struct luo_flb_link *next)
{
	unsigned long seq = next ? next->seq : ULONG_MAX;
	struct luo_flb_link *link, *found = NULL;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(link, &handler->flbs, in_handler) {
		if (link->seq < seq)
			found = link;
	}
	if (found)
		found->refs++;
	if (next)
		luo_flb_link_unref(next);
	return found;
}

/**
 * luo_flb_link_after() - walk through the links of a handler, first one first
 * @luo: where
 * @handler: the handler
 * @prev: where the walk stands; NULL: at its beginning
 *
 * Return: the next one, NULL at the end. It stays while the walk stands there.
 */
struct luo_flb_link *luo_flb_link_after(struct luo *luo, struct luo_handler *handler,
					struct luo_flb_link *prev)
{
	struct luo_flb_link *link, *found = NULL;

	guard(spinlock)(&luo->state_lock);
	list_for_each_entry(link, &handler->flbs, in_handler) {
		if (!prev || link->seq > prev->seq) {
			found = link;
			found->refs++;
			break;
		}
	}
	if (prev)
		luo_flb_link_unref(prev);
	return found;
}
