// SPDX-License-Identifier: GPL-2.0
/*
 * Which entry of the incoming FLB area belongs to an FLB of this kernel.
 *
 * "Absent" and "incompatible" are different results, and are determined anew at each call:
 * another FLB of the family may have been registered. luo_flb_match() is for FLBs that make
 * an object of the entry. luo_flb_peek_incoming() has no side effects, neither lock nor
 * allocation nor claim: for callers before slab, and with live update switched off.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_compat.h"
#include <trace/events/liveupdate.h>

#include "luo_internal.h"

static int entries_add(struct luo *luo, const struct luo_wire_flbs *flbs)
{
	struct luo_incoming *in = &luo->in;

	if (!flbs->count)
		return 0;
	in->flbs = kvzalloc_objs(*in->flbs, flbs->count);
	if (!in->flbs)
		return -ENOMEM;
	for (u64 i = 0; i < flbs->count; i++) {
		strscpy(in->flbs[i].name, flbs->entries[i].name);
		in->flbs[i].data = flbs->entries[i].data;
		in->flbs[i].left = flbs->entries[i].count;
	}
	guard(spinlock)(&luo->state_lock);
	in->nr_flbs = flbs->count;
	in->flbs_left = flbs->count;
	return 0;
}

/*
 * Read and validate the FLB area, unless that is done. luo->lock is held. Returns 0 if
 * luo->in.flbs has what was handed over, maybe nothing; -EPROTONOSUPPORT or -EUCLEAN, which
 * are final; -ENOMEM.
 */
int luo_flb_read_area(struct luo *luo)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	struct luo_incoming *in = &luo->in;
	struct luo_wire_flbs flbs;
	u64 start;
	int err;

	luo_root_read(luo);
	if (in->err)
		return in->err;
	if (in->flbs_read)
		return in->flbs_err;

	start = luo_trace_start(liveupdate_parse);
	err = luo_wire_read_flbs(&pages, in->head.flbs_pa, in->has_ext ? &in->ext : NULL, &flbs);
	if (err)
		pr_err("incoming FLBs are corrupted, ignored and left in memory\n");
	else
		err = entries_add(luo, &flbs);
	trace_liveupdate_parse("FLBs", err, start);
	if (err == -ENOMEM)
		return err;
	in->flbs_read = true;
	in->flbs_err = err;
	return err;
}

static bool entries_are_left(struct luo *luo)
{
	guard(spinlock)(&luo->state_lock);
	return luo->in.flbs_left;
}

/*
 * Free the FLB area once no FLB is left in it. luo->lock is held. Without a checksum the
 * address may point anywhere: a folio that a handler has restored is skipped.
 */
void luo_flb_free_area(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	unsigned int order;

	lockdep_assert_held(&luo->lock);
	if (!in->flbs_read || in->flbs_err || entries_are_left(luo))
		return;
	if (in->head.flbs_pa && luo->store->ops->peek(luo->store, in->head.flbs_pa, &order))
		luo->store->ops->release(luo->store, in->head.flbs_pa);
	in->head.flbs_pa = 0;
}

static struct luo_flb_entry *entry_of(struct luo *luo, const char *name)
{
	struct luo_incoming *in = &luo->in;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (!strcmp(in->flbs[i].name, name))
			return &in->flbs[i];
	}
	return NULL;
}

/* Claimed by an FLB of that string, or retrieved, or a failed retrieval. */
static bool entry_is_taken(const struct luo_flb_entry *entry)
{
	return entry->claimed || entry->flb || entry->state != LUO_FLB_WAITING;
}

/* The previous kernel may have written several versions, for several readers. */
static bool family_is_taken(struct luo *luo, const char *name)
{
	struct luo_incoming *in = &luo->in;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (entry_is_taken(&in->flbs[i]) &&
		    luo_compat_same_family(in->flbs[i].name, name))
			return true;
	}
	return false;
}

/* Find an entry of the FLB's family that no FLB of this kernel reads. */
static struct luo_flb_entry *unread_of_family(struct luo *luo, const struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;
	struct luo_flb_entry *entry;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		entry = &in->flbs[i];
		if (luo_compat_match(entry->name, flb->compatible, flb->also_retrieves) ==
		    LUO_COMPAT_FAMILY && !family_is_taken(luo, entry->name))
			return entry;
	}
	return NULL;
}

/*
 * Returns 0 and the entry that the FLB reads, -EPROTONOSUPPORT and one of its family that
 * it does not read, or -ENODATA.
 */
int luo_flb_match(struct luo *luo, const struct liveupdate_flb *flb,
			 struct luo_flb_entry **found)
{
	const char *const *older;

	lockdep_assert_held(&luo->state_lock);
	*found = entry_of(luo, flb->compatible);
	if (*found)
		return 0;

	for (older = flb->also_retrieves; older && *older; older++) {
		*found = entry_of(luo, *older);
		if (*found && (!(*found)->claimed || (*found)->flb == flb))
			return 0;
	}

	*found = unread_of_family(luo, flb);
	return *found ? -EPROTONOSUPPORT : -ENODATA;
}

/*
 * The entry of that very string, if there is one, belongs to @flb, which is registered or
 * was asked for. luo->state_lock is held, and the FLB area has been read.
 */
void luo_flb_claim(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_flb_entry *entry = entry_of(luo, flb->compatible);

	lockdep_assert_held(&luo->state_lock);
	if (entry)
		entry->claimed = true;
}

/*
 * The best match; among those in the list the first in the list wins. NULL if there is
 * none.
 */
static const struct luo_flb_ser *best_match(const struct luo_wire_flbs *flbs,
					      const struct liveupdate_flb *flb,
					      enum luo_compat_match *best_fit)
{
	const struct luo_flb_ser *best = NULL;
	const char *const *older;
	enum luo_compat_match fit;

	*best_fit = LUO_COMPAT_NONE;
	for (u64 i = 0; i < flbs->count; i++) {
		fit = luo_compat_match(flbs->entries[i].name, flb->compatible, flb->also_retrieves);
		if (fit > *best_fit) {
			*best_fit = fit;
			best = &flbs->entries[i];
		}
	}
	if (*best_fit != LUO_COMPAT_LISTED)
		return best;

	for (older = flb->also_retrieves; *older; older++) {
		for (u64 i = 0; i < flbs->count; i++) {
			if (!strcmp(flbs->entries[i].name, *older))
				return &flbs->entries[i];
		}
	}
	return best;
}

static int peek_while_off(const struct luo_incoming *in, const struct luo_wire_flbs *flbs,
			    const struct luo_flb_ser *best, const struct liveupdate_flb *flb)
{
	if (best) {
		pr_warn_ratelimited("live update is off, but '%s' was handed over for FLB '%s'\n",
				    best->name, flb->compatible);
		return -EPROTONOSUPPORT;
	}
	/*
	 * A mainline kernel publishes an empty root at each boot: nothing was handed over.
	 */
	return in->head.sessions_pa || flbs->count ? -ENODATA : -EOPNOTSUPP;
}

/*
 * See liveupdate_flb_incoming_early(). Looks at nothing of @luo but its switch and its
 * store.
 */
int luo_flb_peek_incoming(struct luo *luo, struct liveupdate_flb *flb, u64 *data)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	const struct luo_flb_ser *best;
	struct luo_incoming in = {};
	struct luo_wire_flbs flbs;
	enum luo_compat_match fit;
	int err;

	if (!luo_flb_valid(flb))
		return -EINVAL;
	err = luo_root_validate(luo->store, &in);
	if (err)
		return err;
	err = luo_wire_read_flbs(&pages, in.head.flbs_pa, in.has_ext ? &in.ext : NULL, &flbs);
	if (err)
		return err;

	best = best_match(&flbs, flb, &fit);
	if (!luo_enabled(luo))
		return peek_while_off(&in, &flbs, best, flb);
	if (!best)
		return -ENODATA;
	if (fit == LUO_COMPAT_FAMILY) {
		pr_warn_ratelimited("FLB '%s': unsupported version '%s' was handed over\n",
				    flb->compatible, best->name);
		return -EPROTONOSUPPORT;
	}
	*data = best->data;
	return 0;
}
