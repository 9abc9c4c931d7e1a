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

/* As struct luo_compat_names has it */
static_assert(!offsetof(struct luo_flb_entry, name));
static_assert(!offsetof(struct luo_flb_ser, name));

struct lookup {
	struct luo *luo;
	const struct liveupdate_flb *flb;
};

static bool match_is_taken(void *ctx, size_t index, enum luo_compat_match match)
{
	const struct lookup *lookup = ctx;
	const struct luo_flb_entry *entry = &lookup->luo->in.flbs[index];

	if (match == LUO_COMPAT_LISTED)
		return entry->claimed && entry->flb != lookup->flb;
	return family_is_taken(lookup->luo, entry->name);
}

/*
 * Returns 0 and the entry that the FLB reads, -EPROTONOSUPPORT and one of its family that
 * no FLB of this kernel reads, or -ENODATA.
 */
int luo_flb_match(struct luo *luo, const struct liveupdate_flb *flb,
		  struct luo_flb_entry **found)
{
	struct lookup lookup = { .luo = luo, .flb = flb };
	const struct luo_compat_names names = {
		.first = luo->in.flbs,
		.stride = sizeof(*luo->in.flbs),
		.count = luo->in.nr_flbs,
		.taken = match_is_taken,
		.ctx = &lookup,
	};
	enum luo_compat_match match;
	size_t index;

	lockdep_assert_held(&luo->state_lock);
	match = luo_compat_pick(&names, flb->compatible, flb->also_retrieves, &index);
	if (match == LUO_COMPAT_NONE)
		return -ENODATA;
	*found = &luo->in.flbs[index];
	return match == LUO_COMPAT_FAMILY ? -EPROTONOSUPPORT : 0;
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

static int peek_while_off(const struct luo_incoming *in, const struct luo_wire_flbs *flbs,
			  const struct luo_flb_ser *entry, const struct liveupdate_flb *flb)
{
	if (entry) {
		pr_warn_ratelimited("live update is off, but '%s' was handed over for FLB '%s'\n",
				    entry->name, flb->compatible);
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
	const struct luo_flb_ser *entry = NULL;
	struct luo_compat_names names = {};
	struct luo_incoming in = {};
	enum luo_compat_match match;
	struct luo_wire_flbs flbs;
	size_t index;
	int err;

	if (!luo_flb_valid(flb))
		return -EINVAL;
	err = luo_root_validate(luo->store, &in);
	if (err)
		return err;
	err = luo_wire_read_flbs(&pages, in.head.flbs_pa, in.has_ext ? &in.ext : NULL, &flbs);
	if (err)
		return err;

	names.first = flbs.entries;
	names.stride = sizeof(*flbs.entries);
	names.count = flbs.count;
	match = luo_compat_pick(&names, flb->compatible, flb->also_retrieves, &index);
	if (match != LUO_COMPAT_NONE)
		entry = &flbs.entries[index];

	if (!luo_enabled(luo))
		return peek_while_off(&in, &flbs, entry, flb);
	if (!entry)
		return -ENODATA;
	if (match == LUO_COMPAT_FAMILY) {
		pr_warn_ratelimited("FLB '%s': unsupported version '%s' was handed over\n",
				    flb->compatible, entry->name);
		return -EPROTONOSUPPORT;
	}
	*data = entry->data;
	return 0;
}
