// SPDX-License-Identifier: GPL-2.0
/*
 * Look up an incoming FLB without side effects: no allocation, no lock, no state. For
 * callers before slab, and for kernels with live update switched off.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "luo_compat.h"
#include "luo_internal.h"

/*
 * The best match; among those in the list the first in the list wins. NULL if there is
 * none.
 */
static const struct luo_flb_ser *luo_flb_best(const struct luo_wire_flbs *flbs,
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

static int luo_flb_peek_off(const struct luo_incoming *in, const struct luo_wire_flbs *flbs,
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

	best = luo_flb_best(&flbs, flb, &fit);
	if (!luo_enabled(luo))
		return luo_flb_peek_off(&in, &flbs, best, flb);
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
