// SPDX-License-Identifier: GPL-2.0
/*
 * FLBs of the last kernel: which entry, if any, is meant for an FLB, and the life of its
 * object from the first time it is asked for to the last file that depends on it.
 *
 * An *entry* was handed over; an FLB of this kernel may read it. "Nothing was handed over
 * for this FLB" and "something was, but not in a version that it reads" are different
 * answers, and are found out anew each time somebody asks.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/printk.h>

#include "luo_compat.h"
#include <trace/events/liveupdate.h>

#include "luo_internal.h"

static struct luo_flb_entry *luo_flb_entry_of(struct luo *luo, const char *name)
{
	struct luo_incoming *in = &luo->in;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (!strcmp(in->flbs[i].name, name))
			return &in->flbs[i];
	}
	return NULL;
}

/* Claimed by an FLB of that very string, or somebody has tried to retrieve it */
static bool luo_flb_entry_taken(const struct luo_flb_entry *entry)
{
	return entry->claimed || entry->flb || entry->state != LUO_FLB_WAITING;
}

/* The last kernel may have written several versions, for more than one to read */
static bool luo_flb_family_taken(struct luo *luo, const char *name)
{
	struct luo_incoming *in = &luo->in;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (luo_flb_entry_taken(&in->flbs[i]) &&
		    luo_compat_same_family(in->flbs[i].name, name))
			return true;
	}
	return false;
}

/* An entry of the FLB's family, which was handed over in no version that anybody reads */
static struct luo_flb_entry *luo_flb_unread(struct luo *luo, const struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;
	struct luo_flb_entry *entry;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		entry = &in->flbs[i];
		if (luo_compat_fit(entry->name, flb->compatible, flb->also_retrieves) ==
		    LUO_COMPAT_FAMILY && !luo_flb_family_taken(luo, entry->name))
			return entry;
	}
	return NULL;
}

/* 0 and the entry that the FLB reads; -EPROTONOSUPPORT and one that it does not; -ENODATA */
static int luo_flb_match(struct luo *luo, const struct liveupdate_flb *flb,
			 struct luo_flb_entry **found)
{
	const char *const *older;

	lockdep_assert_held(&luo->state_lock);
	*found = luo_flb_entry_of(luo, flb->compatible);
	if (*found)
		return 0;

	for (older = flb->also_retrieves; older && *older; older++) {
		*found = luo_flb_entry_of(luo, *older);
		if (*found && (!(*found)->claimed || (*found)->flb == flb))
			return 0;
	}

	*found = luo_flb_unread(luo, flb);
	return *found ? -EPROTONOSUPPORT : -ENODATA;
}

/*
 * The entry exists, and something is wrong with it. Errnos by which the core says that it is
 * absent, that live update is off or that the module is going away are not the op's to use.
 */
static int luo_flb_retrieve_errno(int err)
{
	return err == -ENODATA || err == -EOPNOTSUPP || err == -ENODEV ? -EUCLEAN : err;
}

static int luo_flb_call_retrieve(struct luo_flb_entry *entry, struct liveupdate_flb *flb)
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
	return luo_flb_retrieve_errno(err);
}

/*
 * The turn is the caller's. The lock is let go of while the op runs, and what that says is
 * final. -ENODEV: there is no op any more, and all is as it was.
 */
static int luo_flb_entry_retrieve(struct luo *luo, struct luo_flb_entry *entry,
				  struct liveupdate_flb *flb)
	__must_hold(&luo->state_lock)
{
	if (!try_module_get(flb->ops->owner))
		return -ENODEV;

	entry->flb = flb;
	spin_unlock(&luo->state_lock);
	entry->err = luo_flb_call_retrieve(entry, flb);
	spin_lock(&luo->state_lock);
	entry->state = entry->err ? LUO_FLB_FAILED : LUO_FLB_RETRIEVED;
	if (entry->err)
		entry->flb = NULL;
	return 0;
}

static int luo_flb_entry_get(struct luo *luo, struct luo_flb_entry *entry,
			     struct liveupdate_flb *flb)
	__must_hold(&luo->state_lock)
{
	if (entry->state == LUO_FLB_FINISHED || entry->due)
		return -ENODATA;
	if (entry->state == LUO_FLB_FAILED)
		return entry->err;
	if (entry->hidden)
		return -ENODEV;
	if (entry->flb != flb) {
		pr_warn_ratelimited("FLB '%s' comes late: another one has retrieved '%s'\n",
				    flb->compatible, entry->name);
		return -EBUSY;
	}
	entry->gets++;
	return 0;
}

static int luo_flb_ask(struct luo *luo, struct liveupdate_flb *flb, void **objp)
	__must_hold(&luo->state_lock)
{
	struct luo_flb_entry *entry;
	int err;

	luo_flb_claim(luo, flb);
	err = luo_flb_match(luo, flb, &entry);
	if (err == -EPROTONOSUPPORT)
		pr_warn_ratelimited("FLB '%s' does not read what was handed over, '%s'\n",
				    flb->compatible, entry->name);
	if (!err)
		err = luo_turn_take_killable(luo, &entry->turn);
	if (err) {
		luo_retrieve_note_transient(luo, err);
		return err;
	}
	if (entry->state == LUO_FLB_WAITING)
		err = luo_flb_entry_retrieve(luo, entry, flb);
	if (!err)
		err = luo_flb_entry_get(luo, entry, flb);
	if (!err)
		*objp = entry->args.obj;
	else if (entry->state != LUO_FLB_FAILED)
		luo_retrieve_note_transient(luo, err);
	luo_turn_give(luo, &entry->turn);
	return err;
}

/**
 * luo_flb_get_incoming() - the object that was handed over
 * @luo: where
 * @flb: the FLB, registered or not yet
 * @objp: set to the object, on success only
 *
 * Context: Process context, from early_initcall on. May sleep.
 * Return: as liveupdate_flb_get_incoming().
 */
int luo_flb_get_incoming(struct luo *luo, struct liveupdate_flb *flb, void **objp)
{
	u64 data;
	int err;

	if (!luo_flb_sound(flb))
		return -EINVAL;
	if (!luo_enabled(luo))
		return luo_flb_peek_incoming(luo, flb, &data);

	scoped_guard(mutex, &luo->lock)
		err = luo_incoming_read_flbs(luo);
	guard(spinlock)(&luo->state_lock);
	if (!err)
		return luo_flb_ask(luo, flb, objp);
	luo_retrieve_note_transient(luo, err);
	return err;
}

/* The last reference to an object of which nobody wants anything more; the turn is held */
static void luo_flb_entry_finish(struct luo *luo, struct luo_flb_entry *entry)
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
		luo_incoming_free_flbs(luo);
	spin_lock(&luo->state_lock);
	entry->flb = NULL;
}

static void luo_flb_entry_put(struct luo *luo, struct luo_flb_entry *entry)
	__must_hold(&luo->state_lock)
{
	if (WARN_ON_ONCE(luo_turn_take(luo, &entry->turn)))
		return;
	if (entry->state == LUO_FLB_RETRIEVED && !entry->gets && (entry->due || luo->in.over))
		luo_flb_entry_finish(luo, entry);
	luo_turn_give(luo, &entry->turn);
}

/**
 * luo_flb_put_incoming() - undo luo_flb_get_incoming()
 * @luo: where
 * @flb: the FLB
 *
 * Context: Process context. May sleep: may finish the object.
 */
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
		WARN_ONCE(luo_enabled(luo), "luo: FLB put that was not got\n");
		return;
	}
	if (!--entry->gets)
		luo_flb_entry_put(luo, entry);
}

/* Of what was handed over, is there a file that depends on the FLB and is not finished? */
static bool luo_flb_needed(struct luo *luo, struct luo_flb *lflb)
{
	const char *const *older;
	struct luo_flb_link *link;

	list_for_each_entry(link, &lflb->links, in_flb) {
		if (luo_pending_any(luo, link->fh->compatible))
			return true;
		for (older = link->fh->also_retrieves; older && *older; older++) {
			if (luo_pending_any(luo, *older))
				return true;
		}
	}
	return false;
}

/*
 * The last file of an FLB is finished. Its entry has to be retrieved first if nobody has,
 * as only the FLB knows what there is to free; but not if it was unregistered meanwhile.
 */
static void luo_flb_entry_due(struct luo *luo, struct luo_flb_entry *entry, struct luo_flb *lflb)
	__must_hold(&luo->state_lock)
{
	if (WARN_ON_ONCE(luo_turn_take(luo, &entry->turn)))
		return;
	if (entry->state == LUO_FLB_WAITING && luo_flb_registered(lflb))
		luo_flb_entry_retrieve(luo, entry, lflb->flb);
	if (entry->state == LUO_FLB_RETRIEVED && entry->flb == lflb->flb) {
		entry->due = true;
		if (!entry->gets)
			luo_flb_entry_finish(luo, entry);
	}
	luo_turn_give(luo, &entry->turn);
}

/**
 * luo_flb_file_finished() - a file of the last kernel is finished; now what it depended on
 * @luo: where
 * @handler: the file's handler
 * @name: the file's compatible string
 *
 * An object is finished if neither is a file of this kernel's handlers left, nor has the
 * last kernel counted more files than were finished: their handler may come with a module.
 *
 * Context: Process context. May sleep.
 */
void luo_flb_file_finished(struct luo *luo, struct luo_handler *handler, const char *name)
{
	struct luo_flb_link *link = NULL;
	struct luo_flb_entry *entry;

	guard(spinlock)(&luo->state_lock);
	luo_pending_done(luo, name);
	while ((link = luo_flb_link_before(luo, handler, link))) {
		if (luo_flb_match(luo, link->lflb->flb, &entry))
			continue;
		if (entry->left)
			entry->left--;
		if (!entry->left && !luo_flb_needed(luo, link->lflb))
			luo_flb_entry_due(luo, entry, link->lflb);
	}
}

/* What is left: FLBs that were asked for and never registered */
static void luo_flb_finish_others(struct luo *luo)
	__must_hold(&luo->state_lock)
{
	struct luo_incoming *in = &luo->in;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (in->flbs[i].state != LUO_FLB_RETRIEVED)
			continue;
		in->flbs[i].due = true;
		if (!in->flbs[i].gets)
			luo_flb_entry_put(luo, &in->flbs[i]);
	}
}

/* And those that nobody knows. Printing takes its time, so not under the lock. */
static void luo_flb_name_unread(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	bool waiting;

	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		scoped_guard(spinlock, &luo->state_lock)
			waiting = in->flbs[i].state == LUO_FLB_WAITING;
		if (waiting)
			pr_warn("FLB '%s' of the last kernel: nobody reads it, it stays in memory\n",
				in->flbs[i].name);
		cond_resched();
	}
}

static void luo_flb_finish_registered(struct luo *luo)
	__must_hold(&luo->state_lock)
{
	struct luo_flb_entry *entry;
	struct luo_flb *lflb = NULL;

	while ((lflb = luo_flb_before(luo, lflb))) {
		if (!luo_flb_match(luo, lflb->flb, &entry))
			luo_flb_entry_due(luo, entry, lflb);
	}
}

/**
 * luo_flb_finish_rest() - no session of the last kernel is left; finish all that can be
 * @luo: where
 *
 * Context: Process context. May sleep.
 */
void luo_flb_finish_rest(struct luo *luo)
{
	int err;

	scoped_guard(mutex, &luo->lock)
		err = luo_incoming_read_flbs(luo);

	scoped_guard(spinlock, &luo->state_lock) {
		luo->in.over = true;
		if (!err) {
			luo_flb_finish_registered(luo);
			luo_flb_finish_others(luo);
		}
	}
	if (err)
		return;
	luo_flb_name_unread(luo);
	guard(mutex)(&luo->lock);
	luo_incoming_free_flbs(luo);
}

/**
 * luo_flb_claim() - the entry of that very string, if there is one, is this FLB's
 * @luo: where; luo->state_lock is held, and the FLB area read
 * @flb: the FLB: registered, or somebody asks for it
 */
void luo_flb_claim(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_flb_entry *entry = luo_flb_entry_of(luo, flb->compatible);

	lockdep_assert_held(&luo->state_lock);
	if (entry)
		entry->claimed = true;
}

/**
 * luo_flb_show_incoming() - an FLB is registered, maybe not for the first time
 * @luo: where; luo->state_lock is held
 * @flb: the FLB; an object of it that was left behind can be got again
 */
void luo_flb_show_incoming(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;

	lockdep_assert_held(&luo->state_lock);
	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (in->flbs[i].flb == flb)
			in->flbs[i].hidden = false;
	}
}

/**
 * luo_flb_wait_incoming() - an FLB is registered no more; wait for what is under way
 * @luo: where; luo->state_lock is held, and let go of while an op is running
 * @flb: the FLB
 *
 * Context: Process context. Sleeps while an op of the FLB is running; not from inside one.
 * Return: true if there was something: what was looked at before may have changed.
 */
bool luo_flb_wait_incoming(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;
	struct luo_flb_entry *entry;

	lockdep_assert_held(&luo->state_lock);
	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		entry = &in->flbs[i];
		if (entry->flb != flb || !entry->turn.holder)
			continue;
		if (WARN_ON_ONCE(luo_turn_take(luo, &entry->turn)))
			return false;
		luo_turn_give(luo, &entry->turn);
		return true;
	}
	return false;
}

/**
 * luo_flb_hide_incoming() - nobody is to hear of an FLB's object any more
 * @luo: where; luo->state_lock is held
 * @flb: the FLB
 *
 * Return: true if there is one: the caller's mistake.
 */
bool luo_flb_hide_incoming(struct luo *luo, struct liveupdate_flb *flb)
{
	struct luo_incoming *in = &luo->in;
	bool left = false;

	lockdep_assert_held(&luo->state_lock);
	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		if (in->flbs[i].flb != flb)
			continue;
		in->flbs[i].hidden = true;
		left = true;
	}
	return left;
}
