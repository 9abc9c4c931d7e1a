// SPDX-License-Identifier: GPL-2.0
/*
 * The registry of file handlers.
 *
 * The registry keeps a struct luo_handler for each handler that a driver registers; it
 * lives as long as the handler is registered or a file refers to it. A file also holds the
 * driver's module, so that no file is left when the module exits.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bug.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "luo_compat.h"
#include "luo_internal.h"

static bool handler_is_valid(const struct liveupdate_file_handler *fh)
{
	const struct liveupdate_file_ops *ops = fh->ops;
	const char *const *older;

	if (!ops || !ops->can_preserve || !ops->preserve || !ops->unpreserve ||
	    !ops->retrieve || !ops->finish)
		return false;
	if (!luo_compat_valid(fh->compatible, sizeof(fh->compatible)))
		return false;
	for (older = fh->also_retrieves; older && *older; older++) {
		if (!luo_compat_valid(*older, LIVEUPDATE_HNDL_COMPAT_LENGTH))
			return false;
	}
	return true;
}

static struct luo_handler *handler_find(struct luo *luo, struct liveupdate_file_handler *fh)
{
	struct luo_handler *handler;

	lockdep_assert_held(&luo->handlers_lock);
	list_for_each_entry(handler, &luo->handlers, in_list) {
		if (handler->fh == fh)
			return handler;
	}
	return NULL;
}

static bool string_is_taken(struct luo *luo, const char *compatible)
{
	struct luo_handler *handler;

	lockdep_assert_held(&luo->handlers_lock);
	list_for_each_entry(handler, &luo->handlers, in_list) {
		if (!strcmp(handler->fh->compatible, compatible))
			return true;
	}
	return false;
}

/* See liveupdate_register_file_handler(). */
int luo_handler_register(struct luo *luo, struct liveupdate_file_handler *fh)
{
	struct luo_handler *handler;

	if (!luo_enabled(luo))
		return 0;
	if (!handler_is_valid(fh)) {
		pr_warn("handler '%.*s': missing op or malformed string\n",
			LIVEUPDATE_HNDL_COMPAT_LENGTH - 1, fh->compatible);
		return -EINVAL;
	}

	handler = kzalloc_obj(*handler);
	if (!handler)
		return -ENOMEM;
	handler->fh = fh;
	INIT_LIST_HEAD(&handler->flbs);
	refcount_set(&handler->refs, 1);

	down_write(&luo->handlers_lock);
	if (string_is_taken(luo, fh->compatible)) {
		up_write(&luo->handlers_lock);
		kfree(handler);
		pr_warn("handler '%s' is registered already\n", fh->compatible);
		return -EEXIST;
	}
	list_add_tail(&handler->in_list, &luo->handlers);
	up_write(&luo->handlers_lock);
	return 0;
}

static void handler_unref(struct luo_handler *handler)
{
	if (refcount_dec_and_test(&handler->refs))
		kfree(handler);
}

/*
 * Does nothing if registering did nothing, but undoes what was registered before live
 * update was switched off by an error. Files that are preserved with the handler are the
 * driver's mistake: they keep it in use, but only to be unpreserved. Its FLBs are
 * unregistered from it.
 */
void luo_handler_unregister(struct luo *luo, struct liveupdate_file_handler *fh)
{
	struct liveupdate_flb *flb;
	struct luo_handler *handler;

	down_write(&luo->handlers_lock);
	handler = handler_find(luo, fh);
	if (handler)
		list_del(&handler->in_list);
	up_write(&luo->handlers_lock);

	if (!handler) {
		WARN_ONCE(luo_enabled(luo), "luo: handler '%s' is not registered\n",
			  fh->compatible);
		return;
	}
	/* Not handler->refs: a lookup holds a reference for a moment. */
	WARN_ONCE(atomic_long_read(&handler->nr_files),
		  "luo: handler '%s' unregistered while files depend on it\n", fh->compatible);
	while ((flb = luo_flb_unlink_first(luo, handler)))
		luo_flb_unregistered_incoming(luo, flb, false);
	handler_unref(handler);
}

/*
 * The incoming FLBs are read first: from here on the entry of the FLB's string is claimed,
 * also after the FLB is unregistered.
 */
static int handler_link(struct luo *luo, struct liveupdate_file_handler *fh,
			struct liveupdate_flb *flb)
{
	struct luo_handler *handler;
	int err;

	guard(rwsem_write)(&luo->handlers_lock);
	handler = handler_find(luo, fh);
	if (!handler)
		return -EINVAL;
	scoped_guard(mutex, &luo->lock)
		err = luo_flb_read_area(luo);
	if (err == -ENOMEM)
		return err;
	err = luo_flb_link(luo, handler, flb);
	if (!err)
		luo_flb_registered_incoming(luo, flb);
	return err;
}

/* See liveupdate_register_flb(). */
int luo_handler_add_flb(struct luo *luo, struct liveupdate_file_handler *fh,
			struct liveupdate_flb *flb)
{
	int err;

	if (!luo_enabled(luo))
		return 0;
	if (!luo_flb_valid(flb))
		return -EINVAL;

	err = handler_link(luo, fh, flb);
	if (err)
		pr_warn("FLB '%s' cannot be registered with '%.*s': %pe\n", flb->compatible,
			LIVEUPDATE_HNDL_COMPAT_LENGTH - 1, fh->compatible, ERR_PTR(err));
	return err;
}

/* See liveupdate_unregister_flb(). Does nothing if registering did nothing. */
void luo_handler_remove_flb(struct luo *luo, struct liveupdate_file_handler *fh,
			    struct liveupdate_flb *flb)
{
	int err = luo_flb_unlink(luo, fh, flb);
	bool left = err == -EBUSY;

	if (err == -ENOENT) {
		WARN_ONCE(luo_enabled(luo), "luo: FLB '%s' is not registered with '%s'\n",
			  flb->compatible, fh->compatible);
		return;
	}
	left |= luo_flb_unregistered_incoming(luo, flb, true);
	WARN_ONCE(left, "luo: FLB '%s' unregistered while its object exists\n",
		  flb->compatible);
}

/* Skip handlers whose module is being unloaded. */
static bool handler_get(struct luo_handler *handler)
{
	if (!try_module_get(handler->fh->ops->owner))
		return false;
	refcount_inc(&handler->refs);
	return true;
}

void luo_handler_put(struct luo_handler *handler)
{
	struct module *owner = handler->fh->ops->owner;

	handler_unref(handler);
	module_put(owner);
}

/*
 * Find the handler that takes a file: calls can_preserve(), in order of registration.
 * Returns it with a reference, or NULL.
 */
struct luo_handler *luo_handler_for_file(struct luo *luo, struct file *file)
{
	struct luo_handler *handler;

	guard(rwsem_read)(&luo->handlers_lock);
	list_for_each_entry(handler, &luo->handlers, in_list) {
		if (!handler_get(handler))
			continue;
		if (handler->fh->ops->can_preserve(handler->fh, file))
			return handler;
		luo_handler_put(handler);
	}
	return NULL;
}

/*
 * Find the handler that reads an incoming string. luo->handlers_lock is held; the handler
 * may be about to be unregistered. Returns -EPROTONOSUPPORT if a handler has the family but
 * not this version, -ENODEV if none has.
 */
struct luo_handler *luo_handler_match(struct luo *luo, const char *found)
{
	enum luo_compat_match fit, best_fit = LUO_COMPAT_NONE;
	struct luo_handler *handler, *best = NULL;

	lockdep_assert_held(&luo->handlers_lock);
	list_for_each_entry(handler, &luo->handlers, in_list) {
		fit = luo_compat_match(found, handler->fh->compatible, handler->fh->also_retrieves);
		if (fit > best_fit) {
			best_fit = fit;
			best = handler;
		}
	}

	if (best_fit == LUO_COMPAT_FAMILY)
		return ERR_PTR(-EPROTONOSUPPORT);
	return best ?: ERR_PTR(-ENODEV);
}

/* As luo_handler_match(), with a reference and without the lock. */
struct luo_handler *luo_handler_for_string(struct luo *luo, const char *found)
{
	struct luo_handler *handler;

	guard(rwsem_read)(&luo->handlers_lock);
	handler = luo_handler_match(luo, found);
	if (IS_ERR(handler) || handler_get(handler))
		return handler;
	return ERR_PTR(-ENODEV);
}

/* A number that all files of the same object share. */
unsigned long luo_handler_id(struct luo_handler *handler, struct file *file)
{
	const struct liveupdate_file_ops *ops = handler->fh->ops;

	return ops->get_id ? ops->get_id(file) : (unsigned long)file;
}
