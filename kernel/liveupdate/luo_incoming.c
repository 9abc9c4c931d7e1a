// SPDX-License-Identifier: GPL-2.0
/*
 * What the last kernel handed over, from the chain of sessions down to the files of one,
 * and the FLBs. The root is in luo_root.c.
 *
 * Each level is judged when it is first asked for, once: the root, the chain of sessions,
 * a session's chain of files. All of a chain is checked before anything is made of it.
 * What is corrupted is refused with an errno that stays, and is left in memory untouched;
 * the rest is freed when the last session is finished. Reading frees nothing, nor is the FLB
 * area freed if there were no sessions: a page, which the next kernel does not preserve.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/slab.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

static int luo_incoming_flbs_add(struct luo *luo, const struct luo_wire_flbs *flbs)
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

/**
 * luo_incoming_read_flbs() - judge the FLB area, if that is not done yet
 * @luo: where; luo->lock is held
 *
 * Context: Process context, from early_initcall on. May sleep.
 * Return: 0: luo->in.flbs holds what was handed over, maybe nothing. -EPROTONOSUPPORT,
 * -EUCLEAN: it cannot be read, and never will. -ENOMEM: ask again.
 */
int luo_incoming_read_flbs(struct luo *luo)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	struct luo_incoming *in = &luo->in;
	struct luo_wire_flbs flbs;
	u64 start;
	int err;

	luo_incoming_read_head(luo);
	if (in->err)
		return in->err;
	if (in->flbs_read)
		return in->flbs_err;

	start = luo_trace_start(liveupdate_parse);
	err = luo_wire_read_flbs(&pages, in->head.flbs_pa, in->has_ext ? &in->ext : NULL, &flbs);
	if (err)
		pr_err("the FLBs handed over are refused and stay in memory: damaged\n");
	else
		err = luo_incoming_flbs_add(luo, &flbs);
	trace_liveupdate_parse("FLBs", err, start);
	if (err == -ENOMEM)
		return err;
	in->flbs_read = true;
	in->flbs_err = err;
	return err;
}

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

/* One checksum per session, or none at all */
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
		pr_warn("checksums of files cannot be read, going on without them\n");
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

/**
 * luo_incoming_read_sessions() - judge the chain of sessions, if that is not done yet
 * @luo: where; luo->lock is held
 *
 * Context: Process context. May sleep.
 * Return: 0: luo->incoming holds what was handed over, maybe nothing. -EPROTONOSUPPORT,
 * -EUCLEAN: it cannot be read, and never will. -ENOMEM: ask again.
 */
int luo_incoming_read_sessions(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	u64 start;
	int err;

	luo_incoming_read_head(luo);
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
		pr_err("the sessions handed over are refused and stay in memory: damaged\n");
		return err;
	}
	luo_incoming_crcs_add(luo);
	return 0;
}

/**
 * luo_incoming_session_done() - one session less to finish
 * @luo: where; luo->lock is held
 *
 * Return: true if it was the last one: luo_flb_finish_rest() is to be called, without the
 * lock.
 */
bool luo_incoming_session_done(struct luo *luo)
{
	lockdep_assert_held(&luo->lock);
	if (--luo->in.unfinished)
		return false;
	luo_reach(luo, LUO_POINT_FINISHED);
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

/* Pure: neither the session nor what it leads to is changed */
static int luo_incoming_files_judge(struct liveupdate_session *session)
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

	err = luo_incoming_files_judge(session);
	if (err)
		return err;
	return luo_wire_for_each(&pages, session->files_pa, sizeof(struct luo_file_ser),
				 luo_incoming_file_add, session);
}

/**
 * luo_incoming_adopt_files() - judge a session's chain of files, if that is not done yet
 * @session: the session, incoming, locked for writing
 *
 * A chain that is damaged makes for a session that can be retrieved and finished, but
 * none of its files can.
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENOMEM: nothing has changed.
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
		pr_err_ratelimited("session '%s': its files are refused and stay in memory: damaged\n",
				   luo_session_text(session));
	guard(mutex)(&session->luo->lock);
	session->err = err;
	session->adopted = true;
	return 0;
}

/**
 * luo_incoming_peek_files() - look at the files of a session that nobody has retrieved yet
 * @session: the session, incoming, locked
 * @fn: called with each struct luo_file_ser, until it returns other than 0
 * @arg: what it is called with
 *
 * Context: Process context. Changes nothing.
 * Return: 0; -EUCLEAN: the chain is damaged, and @fn was not called; what @fn returned.
 */
int luo_incoming_peek_files(struct liveupdate_session *session,
			    int (*fn)(const void *entry, void *arg), void *arg)
{
	struct luo_wire_pages pages = luo_store_pages(session->luo->store);
	int err;

	lockdep_assert_held(&session->lock);
	err = luo_incoming_files_judge(session);
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
		err = session->adopted ? session->err : luo_incoming_files_judge(session);
		if (!err)
			err = luo_wire_for_each(&pages, session->files_pa,
						sizeof(struct luo_file_ser),
						luo_incoming_file_count, &luo->pending);
		if (err == -ENOMEM)
			return err;
	}
	return 0;
}

/**
 * luo_incoming_count_files() - count what FLBs wait for, if that is not done yet
 * @luo: where
 *
 * To be called before any file is finished. If there is no memory for it, FLBs are only
 * finished when no session is left.
 *
 * Context: Process context. May sleep.
 */
void luo_incoming_count_files(struct luo *luo)
{
	struct luo_pending *pending = &luo->pending;
	int err;

	guard(mutex)(&luo->lock);
	if (pending->counted || pending->failed)
		return;
	err = luo_incoming_read_flbs(luo);
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

/**
 * luo_incoming_drop_files() - give the memory of a finished chain of files back
 * @session: the session, adopted, locked for writing; that of a damaged chain stays
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

/**
 * luo_incoming_state() - Tell what is known of the incoming handover
 * @luo: the orchestrator, set up or switched off
 *
 * Anybody may ask, so this looks at results only: sessions and FLBs that were not validated
 * yet count as present if there are any sessions.
 *
 * Return:
 * * 0 - there is none, or all of it is finished
 * * 1 - something is not finished
 * * %-EPROTONOSUPPORT - it is of an unknown version
 * * %-EUCLEAN - all of it, the sessions or the FLBs are corrupted
 */
int luo_incoming_state(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;

	guard(mutex)(&luo->lock);
	return in->err ?: in->flbs_err ?: in->sessions_err ?: luo_incoming_is_left(luo);
}

/* More sessions than that are only counted: printing takes longer than all the rest. */
#define UNFINISHED_NAMED	10

static void name_unfinished(const char *name, unsigned long *nr)
{
	if (++*nr <= UNFINISHED_NAMED)
		pr_warn("session '%s' is unfinished, a reboot by kexec drops it\n",
			luo_name_escape(name, (char[LUO_NAME_TEXT]) {}));
}

static int name_unread(const void *entry, void *arg)
{
	const struct luo_session_ser *ser = entry;

	name_unfinished(ser->name, arg);
	return 0;
}

/**
 * luo_incoming_name_unfinished() - Name the sessions that a reboot leaves behind
 * @luo: the orchestrator; its gate is open, as this is no part of the blackout
 *
 * Sessions that no program has asked for are looked at where they lie.
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
		pr_warn("%lu more sessions are unfinished, a reboot by kexec drops them\n",
			nr - UNFINISHED_NAMED);
}

/**
 * luo_incoming_forget() - let go of all that was handed over; its memory stays as it is
 * @luo: where; no session is open
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
