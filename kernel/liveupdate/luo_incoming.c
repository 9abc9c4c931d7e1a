// SPDX-License-Identifier: GPL-2.0
/*
 * What the last kernel handed over, from the root down to the files of a session.
 *
 * Each level is judged when it is first asked for, once: the root, the chain of sessions,
 * a session's chain of files. All of a chain is checked before anything is made of it.
 * What does not check out is refused with an errno that stays, and is left in memory
 * untouched; what does is given back when the last session is finished.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/printk.h>

#include "luo_internal.h"

/* A page that was published under a name: 0, -ENOENT or -EUCLEAN */
static int luo_incoming_find(struct luo *luo, const char *name, u64 *phys, const void **page,
			     size_t *size)
{
	struct luo_store *store = luo->store;
	int err;

	err = store->ops->find(store, name, phys, size);
	if (err)
		return err;
	*page = store->ops->peek(store, *phys, 0);
	return *page && *size <= PAGE_SIZE ? 0 : -EUCLEAN;
}

static void luo_incoming_read_ext(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	const void *page;
	size_t size;
	int err;

	err = luo_incoming_find(luo, LUO_EXT_KHO_ENTRY_NAME, &in->ext_phys, &page, &size);
	if (err) {
		in->ext_phys = 0;
	} else if (luo_wire_read_ext(page, size, &in->ext)) {
		in->has_ext = true;
		return;
	}
	if (err != -ENOENT)
		pr_warn("checksums of the handover cannot be read, going on without them\n");
}

static int luo_incoming_judge_head(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	const void *page;
	size_t size;
	int err;

	err = luo->store->ops->refused(luo->store);
	if (err)
		return err;

	err = luo_incoming_find(luo, LUO_KHO_ENTRY_NAME, &in->ser_phys, &page, &size);
	if (err) {
		in->ser_phys = 0;
		return err == -ENOENT ? 0 : err;
	}
	luo_incoming_read_ext(luo);
	return luo_wire_read_head(page, size, in->has_ext ? &in->ext : NULL, &in->head);
}

/**
 * luo_incoming_read_head() - judge the root, if that is not done yet
 * @luo: where; luo->lock is held. The verdict is in luo->in.err.
 */
void luo_incoming_read_head(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;

	lockdep_assert_held(&luo->lock);
	if (in->head_read)
		return;
	in->head_read = true;
	in->err = luo_incoming_judge_head(luo);
	if (in->err)
		pr_err("the handover is refused and stays in memory: %s\n",
		       in->err == -EPROTONOSUPPORT ? "unknown version" : "damaged");
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

static int luo_incoming_sessions_add(struct luo *luo)
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

	err = luo_wire_for_each(&pages, first, sizeof(struct luo_session_ser),
				luo_incoming_session_add, luo);
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

/* Not if a handler has made something of it: what is not checksummed may name any page */
static void luo_incoming_release_page(struct luo *luo, u64 *phys)
{
	struct luo_store *store = luo->store;

	if (*phys && store->ops->peek(store, *phys, 0))
		store->ops->release(store, *phys);
	*phys = 0;
}

/* Nothing of the sessions is left; FLBs have a life of their own */
static void luo_incoming_release(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;

	luo_incoming_release_chain(luo, in->head.sessions_pa);
	in->head.sessions_pa = 0;
	if (in->has_file_crcs)
		luo_incoming_release_chain(luo, in->ext.files_crcs_pa);
	in->has_file_crcs = false;
	if (in->head.flbs_pa)
		return;

	luo_incoming_release_page(luo, &in->ext_phys);
	luo_incoming_release_page(luo, &in->ser_phys);
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
	int err;

	luo_incoming_read_head(luo);
	if (in->err)
		return in->err;
	if (in->sessions_read)
		return in->sessions_err;

	err = luo_incoming_sessions_add(luo);
	if (err == -ENOMEM)
		return err;
	in->sessions_read = true;
	in->sessions_err = err;
	if (err) {
		pr_err("the sessions handed over are refused and stay in memory: damaged\n");
		return err;
	}
	luo_incoming_crcs_add(luo);
	if (!in->unfinished)
		luo_incoming_release(luo);
	return 0;
}

/**
 * luo_incoming_session_done() - one session less to finish
 * @luo: where; luo->lock is held
 */
void luo_incoming_session_done(struct luo *luo)
{
	lockdep_assert_held(&luo->lock);
	if (!--luo->in.unfinished)
		luo_incoming_release(luo);
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

static int luo_incoming_files_add(struct liveupdate_session *session)
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

	err = luo_wire_for_each(&pages, session->files_pa, sizeof(struct luo_file_ser),
				luo_incoming_file_check, NULL);
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
				   luo_session_name(session));
	session->err = err;
	session->adopted = true;
	return 0;
}

/**
 * luo_incoming_drop_files() - give the memory of a finished chain of files back
 * @session: the session, adopted, locked for writing; that of a damaged chain stays
 */
void luo_incoming_drop_files(struct liveupdate_session *session)
{
	lockdep_assert_held_write(&session->lock);
	if (!session->err)
		luo_incoming_release_chain(session->luo, session->files_pa);
	session->files_pa = 0;
}

/**
 * luo_incoming_name_unfinished() - the reboot has come; say what is left behind
 * @luo: where
 */
void luo_incoming_name_unfinished(struct luo *luo)
{
	struct liveupdate_session *session;

	guard(mutex)(&luo->lock);
	luo_incoming_read_sessions(luo);
	list_for_each_entry(session, &luo->incoming, in_side)
		pr_warn("session '%s' of the last kernel is not finished, and not carried on\n",
			luo_session_name(session));
}

/**
 * luo_incoming_forget() - let go of all that was handed over; its memory stays as it is
 * @luo: where; no session is open
 */
void luo_incoming_forget(struct luo *luo)
{
	guard(mutex)(&luo->lock);
	luo_incoming_sessions_drop(luo);
}
