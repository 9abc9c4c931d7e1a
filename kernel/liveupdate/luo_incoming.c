// SPDX-License-Identifier: GPL-2.0
/*
 * The reader of the incoming handover: the session chain, the file chains and the FLB area.
 * The root is in luo_root.c.
 *
 * Each level is validated when it is first needed, once, and completely before anything is
 * made of it. What is corrupted is refused with an errno that stays the same, and left in
 * memory untouched; the rest is freed when the last session is finished. Reading frees
 * nothing, nor is the FLB area freed if there were no sessions: that is one page, which the
 * next kernel does not preserve.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

static int luo_incoming_session_check(const void *entry, void *arg)
{
	return luo_wire_session_valid(entry) ? 0 : -EUCLEAN;
}

static int luo_incoming_session_add(const void *entry, void *arg)
{
	const struct luo_session_ser *ser = entry;
	struct liveupdate_session *session;
	struct luo *luo = arg;
	int err;

	session = luo_session_alloc(luo, ser->name, LUO_INCOMING);
	if (!session)
		return -ENOMEM;
	session->files_pa = ser->files;
	session->files_count = ser->count;

	err = luo_session_link(session);
	if (err) {
		luo_session_free(session);
		return err == -EEXIST ? -EUCLEAN : -ENOMEM;
	}
	luo->in.unfinished++;
	return 0;
}

static void luo_incoming_sessions_drop(struct luo *luo)
{
	struct liveupdate_session *session, *next;

	list_for_each_entry_safe(session, next, &luo->incoming, in_side) {
		luo_session_unlink(session);
		luo_session_free(session);
	}
	luo->in.unfinished = 0;
}

/* Validates all sessions before it calls @fn with any; makes nothing of them itself. */
static int each_session(struct luo *luo, int (*fn)(const void *entry, void *arg), void *arg)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	struct luo_incoming *in = &luo->in;
	u64 first = in->head.sessions_pa;
	struct luo_wire_chain chain;
	int err;

	err = luo_wire_check_chain(&pages, first, sizeof(struct luo_session_ser), &chain);
	if (err)
		return err;
	if (in->has_ext && chain.crc != in->ext.sessions_crc)
		return -EUCLEAN;

	err = luo_wire_for_each(&pages, first, sizeof(struct luo_session_ser),
				luo_incoming_session_check, NULL);
	if (err)
		return err;
	return luo_wire_for_each(&pages, first, sizeof(struct luo_session_ser), fn, arg);
}

static int luo_incoming_sessions_add(struct luo *luo)
{
	int err = each_session(luo, luo_incoming_session_add, luo);

	if (err)
		luo_incoming_sessions_drop(luo);
	return err;
}

static int luo_incoming_crc_add(const void *entry, void *arg)
{
	struct liveupdate_session **session = arg;

	*session = list_next_entry(*session, in_side);
	(*session)->files_crc = *(const u32 *)entry;
	return 0;
}

/* Assign the sessions their checksums: one for each, or none at all. */
static void luo_incoming_crcs_add(struct luo *luo)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	struct liveupdate_session *before_first;
	struct luo_incoming *in = &luo->in;
	struct luo_wire_chain chain;

	if (!in->has_ext)
		return;
	if (luo_wire_check_chain(&pages, in->ext.files_crcs_pa, sizeof(u32), &chain) ||
	    chain.crc != in->ext.files_crcs_crc || chain.entries != in->unfinished) {
		pr_warn("file checksums unreadable, continuing without\n");
		return;
	}
	before_first = list_entry(&luo->incoming, struct liveupdate_session, in_side);
	luo_wire_for_each(&pages, in->ext.files_crcs_pa, sizeof(u32), luo_incoming_crc_add,
			  &before_first);
	in->has_file_crcs = true;
}

static int luo_incoming_release_block(u64 phys, void *arg)
{
	struct luo_store *store = arg;

	store->ops->release(store, phys);
	return 0;
}

static void luo_incoming_release_chain(struct luo *luo, u64 first)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);

	luo_wire_each_block(&pages, first, luo_incoming_release_block, luo->store);
}

static void luo_incoming_release_sessions(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;

	luo_incoming_release_chain(luo, in->head.sessions_pa);
	in->head.sessions_pa = 0;
	if (in->has_file_crcs)
		luo_incoming_release_chain(luo, in->ext.files_crcs_pa);
	in->has_file_crcs = false;
}

/*
 * Read and validate the session chain, unless that is done. luo->lock is held. Returns 0 if
 * luo->incoming has what was handed over, maybe nothing; -EPROTONOSUPPORT or -EUCLEAN,
 * which are final; -ENOMEM.
 */
int luo_incoming_read_sessions(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	u64 start;
	int err;

	luo_root_read(luo);
	if (in->err)
		return in->err;
	if (in->sessions_read)
		return in->sessions_err;

	start = luo_trace_start(liveupdate_parse);
	err = luo_incoming_sessions_add(luo);
	trace_liveupdate_parse("sessions", err, start);
	if (err == -ENOMEM)
		return err;
	in->sessions_read = true;
	in->sessions_err = err;
	if (err) {
		pr_err("incoming sessions are corrupted, ignored and left in memory\n");
		return err;
	}
	luo_incoming_crcs_add(luo);
	return 0;
}

/*
 * An incoming session is finished. luo->lock is held. Returns true if it was the last one:
 * then luo_flb_finish_rest() is to be called without the lock.
 */
bool luo_incoming_session_done(struct luo *luo)
{
	lockdep_assert_held(&luo->lock);
	if (--luo->in.unfinished)
		return false;
	luo_timeline_record(luo, LUO_MILESTONE_FINISHED);
	luo_incoming_release_sessions(luo);
	return true;
}

static int luo_incoming_file_check(const void *entry, void *arg)
{
	return luo_wire_file_valid(entry) ? 0 : -EUCLEAN;
}

static int luo_incoming_file_add(const void *entry, void *arg)
{
	int err = luo_file_adopt(arg, entry);

	if (err)
		return err == -EEXIST ? -EUCLEAN : -ENOMEM;
	return 0;
}

/* Changes neither the session nor what it leads to. */
static int luo_incoming_files_validate(struct liveupdate_session *session)
{
	struct luo *luo = session->luo;
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	struct luo_wire_chain chain;
	int err;

	err = luo_wire_check_chain(&pages, session->files_pa, sizeof(struct luo_file_ser),
				   &chain);
	if (err)
		return err;
	if (luo->in.has_file_crcs && chain.crc != session->files_crc)
		return -EUCLEAN;
	if (chain.entries != session->files_count)
		return -EUCLEAN;

	return luo_wire_for_each(&pages, session->files_pa, sizeof(struct luo_file_ser),
				 luo_incoming_file_check, NULL);
}

static int luo_incoming_files_add(struct liveupdate_session *session)
{
	struct luo_wire_pages pages = luo_store_pages(session->luo->store);
	int err;

	err = luo_incoming_files_validate(session);
	if (err)
		return err;
	return luo_wire_for_each(&pages, session->files_pa, sizeof(struct luo_file_ser),
				 luo_incoming_file_add, session);
}

/*
 * Read and validate the file chain of an incoming session, which is locked for writing,
 * unless that is done. A session with a corrupted chain can be retrieved and finished, but
 * none of its files can. Returns 0, or -ENOMEM and nothing has changed.
 */
int luo_incoming_adopt_files(struct liveupdate_session *session)
{
	struct luo_file *lf, *next;
	int err;

	lockdep_assert_held_write(&session->lock);
	if (session->adopted)
		return 0;

	err = luo_incoming_files_add(session);
	if (err) {
		list_for_each_entry_safe(lf, next, &session->files, in_session)
			luo_file_forget(lf);
	}
	if (err == -ENOMEM)
		return err;
	if (err)
		pr_err_ratelimited("session '%s': files are corrupted, ignored and left in memory\n",
				   luo_session_text(session));
	guard(mutex)(&session->luo->lock);
	session->err = err;
	session->adopted = true;
	return 0;
}

/*
 * Call @fn for each file of an incoming session that was not retrieved yet, until it
 * returns other than 0. The session is locked; nothing changes. Returns -EUCLEAN if the
 * chain is corrupted, before any call of @fn, or what @fn returned.
 */
int luo_incoming_peek_files(struct liveupdate_session *session,
			    int (*fn)(const void *entry, void *arg), void *arg)
{
	struct luo_wire_pages pages = luo_store_pages(session->luo->store);
	int err;

	lockdep_assert_held(&session->lock);
	err = luo_incoming_files_validate(session);
	if (err)
		return err;
	return luo_wire_for_each(&pages, session->files_pa, sizeof(struct luo_file_ser), fn, arg);
}

static int luo_incoming_file_count(const void *entry, void *arg)
{
	const struct luo_file_ser *ser = entry;

	return luo_pending_add(arg, ser->compatible);
}

/* A session that was retrieved has been validated by then. */
static int luo_incoming_count_all(struct luo *luo)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	struct liveupdate_session *session;
	int err;

	list_for_each_entry(session, &luo->incoming, in_side) {
		err = session->adopted ? session->err : luo_incoming_files_validate(session);
		if (!err)
			err = luo_wire_for_each(&pages, session->files_pa,
						sizeof(struct luo_file_ser),
						luo_incoming_file_count, &luo->pending);
		if (err == -ENOMEM)
			return err;
	}
	return 0;
}

/*
 * Count the unfinished files that FLBs wait for, unless that is done. To be called before
 * any file is finished. Without memory for it FLBs are finished with the last session only.
 */
void luo_incoming_count_files(struct luo *luo)
{
	struct luo_pending *pending = &luo->pending;
	int err;

	guard(mutex)(&luo->lock);
	if (pending->counted || pending->failed)
		return;
	err = luo_flb_read_area(luo);
	if (err != -ENOMEM && !luo->in.nr_flbs)
		return;

	err = err ?: luo_pending_start(pending);
	if (!err) {
		err = luo_incoming_count_all(luo);
		if (err)
			luo_pending_stop(pending);
	}
	pending->failed = err;
	scoped_guard(spinlock, &luo->state_lock)
		pending->counted = !err;
}

/*
 * Free the file chain of a finished session, which is locked for writing. A corrupted chain
 * is left in memory.
 */
void luo_incoming_drop_files(struct liveupdate_session *session)
{
	lockdep_assert_held_write(&session->lock);
	guard(mutex)(&session->luo->lock);
	if (!session->err)
		luo_incoming_release_chain(session->luo, session->files_pa);
	session->files_pa = 0;
}

static bool luo_incoming_is_left(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;

	if (in->unfinished || (!in->sessions_read && in->head.sessions_pa))
		return true;
	guard(spinlock)(&luo->state_lock);
	return in->flbs_left;
}

/*
 * What is known of the incoming handover: 0 if there is none or all of it is finished, 1 if
 * something is unfinished, -EPROTONOSUPPORT or -EUCLEAN if all of it, the sessions or the
 * FLBs cannot be read.
 *
 * Anybody may ask, so this only looks at results: what was not validated yet counts as
 * present if there are any sessions.
 */
int luo_incoming_state(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;

	guard(mutex)(&luo->lock);
	return in->err ?: in->flbs_err ?: in->sessions_err ?: luo_incoming_is_left(luo);
}

/* Further sessions are only counted: printing takes longer than everything else. */
#define UNFINISHED_NAMED	10

static void name_unfinished(const char *name, unsigned long *nr)
{
	if (++*nr <= UNFINISHED_NAMED)
		pr_warn("session '%s' was not finished and is dropped by this reboot\n",
			luo_name_escape(name, (char[LUO_NAME_TEXT]) {}));
}

static int name_unread(const void *entry, void *arg)
{
	const struct luo_session_ser *ser = entry;

	name_unfinished(ser->name, arg);
	return 0;
}

/*
 * Name the sessions that a reboot drops in the log. Called before the gate closes, outside
 * of the blackout. Sessions that were never retrieved are read where they lie.
 */
void luo_incoming_name_unfinished(struct luo *luo)
{
	struct liveupdate_session *session;
	unsigned long nr = 0;

	guard(mutex)(&luo->lock);
	if (luo->in.err)
		return;
	if (!luo->in.sessions_read)
		each_session(luo, name_unread, &nr);
	list_for_each_entry(session, &luo->incoming, in_side)
		name_unfinished(luo_session_name(session), &nr);
	if (nr > UNFINISHED_NAMED)
		pr_warn("%lu more sessions were not finished and are dropped by this reboot\n",
			nr - UNFINISHED_NAMED);
}

/*
 * Drop all incoming sessions. What was handed over stays in memory as it is. No session is
 * open.
 */
void luo_incoming_forget(struct luo *luo)
{
	guard(mutex)(&luo->lock);
	luo_incoming_sessions_drop(luo);
	kvfree(luo->in.flbs);
	luo->in.flbs = NULL;
	luo->in.nr_flbs = 0;
	if (luo->pending.counted)
		luo_pending_stop(&luo->pending);
	luo->pending.counted = false;
}
