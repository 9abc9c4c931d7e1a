// SPDX-License-Identifier: GPL-2.0
/*
 * Incoming FLBs: the life of an object from the first get to the last file that depends on
 * it.
 *
 * An *entry* was handed over; which one an FLB of this kernel reads is in luo_flb_lookup.c.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/printk.h>

#include "luo_compat.h"
#include <trace/events/liveupdate.h>

#include "luo_internal.h"

/*
 * The entry exists, so an op must not return the errnos by which the core says that it is
 * absent, that live update is off, or that the module is being unloaded.
 */
static int retrieve_errno(int err)
{
	return err == -ENODATA || err == -EOPNOTSUPP || err == -ENODEV ? -EUCLEAN : err;
}

static int call_retrieve(struct luo_flb_entry *entry, struct liveupdate_flb *flb)
{
	u64 start;
	int err;

	entry->args = (struct liveupdate_flb_op_args){
		.flb = flb,
		.data = entry->data,
		.compatible = entry->name,
	};
	start = luo_trace_start(liveupdate_flb_retrieve);
	err = luo_op_result("FLB retrieve", entry->name, flb->ops->retrieve(&entry->args));
	trace_liveupdate_flb_retrieve(entry->name, err, start);
	if (err) {
		pr_warn_ratelimited("FLB '%s' cannot retrieve '%s': %pe\n", flb->compatible,
				    entry->name, ERR_PTR(err));
		module_put(flb->ops->owner);
	}
	return err;
}

/* As for files, see file_may_retry(). @err is what retrieve() returned. */
static bool entry_may_retry(struct luo_flb_entry *entry, struct liveupdate_flb *flb, int err)
{
	if (luo_oplock_met_transient(&entry->oplock, err))
		return true;
	return flb->ops->retrieve_retry && retrieve_errno(err) != -EUCLEAN && err != -EIO;
}

/*
 * Called with the op lock held; drops state_lock around retrieve(). A final errno is left in
 * @entry; any other is returned, and the entry is untouched.
 */
static int entry_retrieve(struct luo *luo, struct luo_flb_entry *entry, struct liveupdate_flb *flb)
	__must_hold(&luo->state_lock)
{
	int err;

	if (!try_module_get(flb->ops->owner))
		return -ENODEV;

	entry->flb = flb;
	spin_unlock(&luo->state_lock);
	err = call_retrieve(entry, flb);
	spin_lock(&luo->state_lock);
	if (err)
		entry->flb = NULL;
	if (err && entry_may_retry(entry, flb, err))
		return err;
	entry->err = retrieve_errno(err);
	entry->state = err ? LUO_FLB_FAILED : LUO_FLB_RETRIEVED;
	return 0;
}

static int entry_get(struct luo *luo, struct luo_flb_entry *entry, struct liveupdate_flb *flb)
	__must_hold(&luo->state_lock)
{
	if (entry->state == LUO_FLB_FINISHED || entry->due)
		return -ENODATA;
	if (entry->state == LUO_FLB_FAILED)
		return entry->err;
	if (entry->hidden)
		return -ENODEV;
	if (entry->flb != flb) {
		pr_warn_ratelimited("FLB '%s': '%s' was retrieved by another FLB\n",
				    flb->compatible, entry->name);
		return -EBUSY;
	}
	entry->gets++;
	return 0;
}

static int flb_get(struct luo *luo, struct liveupdate_flb *flb, void **objp)
	__must_hold(&luo->state_lock)
{
	struct luo_flb_entry *entry;
	int err;

	luo_flb_claim(luo, flb);
	err = luo_flb_match(luo, flb, &entry);
	if (err == -EPROTONOSUPPORT)
		pr_warn_ratelimited("FLB '%s': unsupported version '%s' was handed over\n",
				    flb->compatible, entry->name);
	if (!err)
		err = luo_oplock_lock_killable(luo, &entry->oplock);
	if (err) {
		luo_oplock_note_transient(luo, err, false);
		return err;
	}
	if (entry->state == LUO_FLB_WAITING)
		err = entry_retrieve(luo, entry, flb);
	if (!err)
		err = entry_get(luo, entry, flb);
	if (!err)
		*objp = entry->args.obj;
	else if (entry->state != LUO_FLB_FAILED)
		luo_oplock_note_transient(luo, err, entry->state == LUO_FLB_WAITING);
	luo_oplock_unlock(luo, &entry->oplock);
	return err;
}

/* See liveupdate_flb_get_incoming(). */
int luo_flb_get_incoming(struct luo *luo, struct liveupdate_flb *flb, void **objp)
{
	u64 data;
	int err;

	if (!luo_flb_valid(flb))
		return -EINVAL;
	if (!luo_enabled(luo))
		return luo_flb_peek_incoming(luo, flb, &data);

	scoped_guard(mutex, &luo->lock)
		err = luo_flb_read_area(luo);
	guard(spinlock)(&luo->state_lock);
	if (!err)
		return flb_get(luo, flb, objp);
	luo_oplock_note_transient(luo, err, false);
	return err;
}

/* The last reference to an object that no file depends on is gone. The op lock is held. */
static void entry_finish(struct luo *luo, struct luo_flb_entry *entry)
	__must_hold(&luo->state_lock)
{
	struct module *owner = entry->flb->ops->owner;
	u64 start;

	entry->state = LUO_FLB_FINISHED;
	luo->in.flbs_left--;
	spin_unlock(&luo->state_lock);
	start = luo_trace_start(liveupdate_flb_finish);
	entry->args.flb->ops->finish(&entry->args);
	trace_liveupdate_flb_finish(entry->name, 0, start);
	module_put(owner);
	scoped_guard(mutex, &luo->lock)
		luo_flb_free_area(luo);
	spin_lock(&luo->state_lock);
	entry->flb = NULL;
}

static void entry_put(struct luo *luo, struct luo_flb_entry *entry)
	__must_hold(&luo->state_lock)
{
	if (WARN_ON_ONCE(luo_oplock_lock(luo, &entry->oplock)))
		return;
	if (entry->state == LUO_FLB_RETRIEVED && !entry->gets && (entry->due || luo->in.over))
		entry_finish(luo, entry);
	luo_oplock_unlock(luo, &entry->oplock);
}

/* See liveupdate_flb_put_incoming(). May finish the object. */
void luo_flb_put_incoming(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;
	struct luo_flb_entry *entry = NULL;

	guard(spinlock)(&luo->state_lock);
	for (unsigned long i = 0; i < in->nr_flbs && !entry; i++) {
		if (in->flbs[i].flb == flb && in->flbs[i].gets)
			entry = &in->flbs[i];
	}
	if (!entry) {
		WARN_ONCE(luo_enabled(luo), "luo: unbalanced put of FLB '%s'\n",
			  flb->compatible);
		return;
	}
	if (!--entry->gets)
		entry_put(luo, entry);
}

static int count_file(const void *entry, void *arg)
{
	const struct luo_file_ser *ser = entry;

	return luo_unfinished_add(arg, ser->compatible) ? 0 : -ENOSPC;
}

/* The files of a session that is corrupted are not waited for. */
static int count_all(struct luo *luo)
{
	struct liveupdate_session *session;

	list_for_each_entry(session, &luo->incoming, in_side) {
		if (luo_incoming_each_file(session, count_file, &luo->unfinished) == -ENOSPC)
			return -ENOSPC;
	}
	return 0;
}

/*
 * Count the unfinished files that FLBs wait for, unless that is done. To be called before
 * any file is finished. If they cannot be counted FLBs are finished with the last session
 * only.
 */
void luo_flb_count_files(struct luo *luo)
{
	struct luo_unfinished *unfinished = &luo->unfinished;
	int err;

	guard(mutex)(&luo->lock);
	if (unfinished->counted || unfinished->failed)
		return;
	err = luo_flb_read_area(luo);
	if (err != -ENOMEM && !luo->in.nr_flbs)
		return;

	err = err ?: count_all(luo);
	unfinished->failed = err;
	scoped_guard(spinlock, &luo->state_lock)
		unfinished->counted = !err;
}

/* Does an unfinished incoming file depend on the FLB? */
static bool flb_is_needed(struct luo *luo, struct luo_flb *lflb)
{
	const char *const *older;
	struct luo_flb_link *link;

	list_for_each_entry(link, &lflb->links, in_flb) {
		if (luo_unfinished_any(luo, link->fh->compatible))
			return true;
		for (older = link->fh->also_retrieves; older && *older; older++) {
			if (luo_unfinished_any(luo, *older))
				return true;
		}
	}
	return false;
}

/*
 * The last dependent file is finished. Retrieve the entry first if that has not happened:
 * only the FLB knows what to free. Skip it if the FLB has been unregistered.
 */
static void entry_finish_last(struct luo *luo, struct luo_flb_entry *entry, struct luo_flb *lflb)
	__must_hold(&luo->state_lock)
{
	if (WARN_ON_ONCE(luo_oplock_lock(luo, &entry->oplock)))
		return;
	if (entry->state == LUO_FLB_WAITING && luo_flb_registered(lflb))
		entry_retrieve(luo, entry, lflb->flb);
	if (entry->state == LUO_FLB_RETRIEVED && entry->flb == lflb->flb) {
		entry->due = true;
		if (!entry->gets)
			entry_finish(luo, entry);
	}
	luo_oplock_unlock(luo, &entry->oplock);
}

/*
 * An incoming file of @handler, with compatible string @name, is finished: finish the FLBs
 * that no other file depends on. An FLB is kept while a file of a handler of this kernel is
 * unfinished, or while the previous kernel has counted more files than were finished: their
 * handler may be in a module that is not loaded yet.
 */
void luo_flb_file_finished(struct luo *luo, struct luo_handler *handler, const char *name)
{
	struct list_head *at = &handler->flbs;
	struct luo_flb_entry *entry;
	struct luo_flb_link *link;

	guard(srcu)(&luo_flb_srcu);
	guard(spinlock)(&luo->state_lock);
	luo_unfinished_done(luo, name);
	while ((at = luo_flb_prev(at)) != &handler->flbs) {
		link = list_entry(at, struct luo_flb_link, in_handler);
		if (link->unlinked || luo_flb_match(luo, link->lflb->flb, &entry))
			continue;
		if (entry->left)
			entry->left--;
		if (!entry->left && !flb_is_needed(luo, link->lflb))
			entry_finish_last(luo, entry, link->lflb);
	}
}

/* FLBs that were got but never registered. */
static void finish_unregistered(struct luo *luo)
	__must_hold(&luo->state_lock)
{
	struct luo_incoming *in = &luo->in;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (in->flbs[i].state != LUO_FLB_RETRIEVED)
			continue;
		in->flbs[i].due = true;
		if (!in->flbs[i].gets)
			entry_put(luo, &in->flbs[i]);
	}
}

/* Entries that no FLB has read, or could. Printing is slow, so not under the lock. */
static void log_unread(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	bool waiting;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		scoped_guard(spinlock, &luo->state_lock)
			waiting = in->flbs[i].state == LUO_FLB_WAITING;
		if (waiting)
			pr_warn("incoming FLB '%s' was not retrieved, left in memory\n",
				in->flbs[i].name);
		cond_resched();
	}
}

static void finish_registered(struct luo *luo)
	__must_hold(&luo->state_lock)
{
	struct list_head *at = &luo->flbs;
	struct luo_flb_entry *entry;
	struct luo_flb *lflb;

	while ((at = luo_flb_prev(at)) != &luo->flbs) {
		lflb = list_entry(at, struct luo_flb, in_list);
		if (luo_flb_registered(lflb) && !luo_flb_match(luo, lflb->flb, &entry))
			entry_finish_last(luo, entry, lflb);
	}
}

/* The last incoming session is finished: finish all FLBs that can be. */
void luo_flb_finish_rest(struct luo *luo)
{
	int err;

	scoped_guard(mutex, &luo->lock)
		err = luo_flb_read_area(luo);

	guard(srcu)(&luo_flb_srcu);
	scoped_guard(spinlock, &luo->state_lock) {
		luo->in.over = true;
		if (!err) {
			finish_registered(luo);
			finish_unregistered(luo);
		}
	}
	if (err)
		return;
	log_unread(luo);
	guard(mutex)(&luo->lock);
	luo_flb_free_area(luo);
}

/*
 * @flb was registered, maybe again: it claims the entry of its string, and an object that it
 * left behind can be got again. The FLB area has been read.
 */
void luo_flb_registered_incoming(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;

	guard(spinlock)(&luo->state_lock);
	luo_flb_claim(luo, flb);
	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (in->flbs[i].flb == flb)
			in->flbs[i].hidden = false;
	}
}

static bool is_registered(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_flb *lflb = luo_flb_find(luo, flb);

	return lflb && luo_flb_registered(lflb);
}

/* Find an entry with an op of @flb that is running. */
static struct luo_flb_entry *busy_entry(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (in->flbs[i].flb == flb && in->flbs[i].oplock.owner)
			return &in->flbs[i];
	}
	return NULL;
}

/*
 * @flb was unregistered from a handler. If that was the last one, wait for an op that is
 * running, so not from inside one, and with @hide let no getter find its object any more.
 * Returns true if an object was hidden, which is the driver's mistake.
 */
bool luo_flb_unregistered_incoming(struct luo *luo, struct liveupdate_flb *flb, bool hide)
{
	struct luo_incoming *in = &luo->in;
	struct luo_flb_entry *entry;
	bool left = false;

	guard(spinlock)(&luo->state_lock);
	while (!is_registered(luo, flb) && (entry = busy_entry(luo, flb))) {
		if (WARN_ON_ONCE(luo_oplock_lock(luo, &entry->oplock)))
			break;
		luo_oplock_unlock(luo, &entry->oplock);
	}
	if (!hide || is_registered(luo, flb))
		return false;
	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (in->flbs[i].flb != flb)
			continue;
		in->flbs[i].hidden = true;
		left = true;
	}
	return left;
}

/* Drop what is known of the incoming FLBs. No op of one is running. */
void luo_flb_drop_incoming(struct luo *luo)
{
	kvfree(luo->in.flbs);
	luo->in.flbs = NULL;
	luo->in.nr_flbs = 0;
	luo->unfinished = (struct luo_unfinished){};
}
