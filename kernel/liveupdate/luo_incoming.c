// SPDX-License-Identifier: GPL-2.0
/*
 * The reader of the incoming handover: the session chain and the file chains. The root is
 * in luo_root.c, the FLB area in luo_flb_lookup.c.
 *
 * Each level is validated when it is first needed, once, and completely before the caller
 * gets to see any of it. What is corrupted is refused with an errno that stays the same,
 * and left in memory untouched; the rest is freed when the last session is finished.
 * Reading frees nothing, nor is the FLB area freed if there were no sessions: that is one
 * page, which the next kernel does not preserve.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/printk.h>

#include "luo_internal.h"

static int session_check(const void *entry, void *arg)
{
	return luo_wire_session_valid(entry) ? 0 : -EUCLEAN;
}

/*
 * Call @fn with each struct luo_session_ser until it returns other than 0. luo->lock is
 * held, the root is read. Returns -EUCLEAN before any call if one is corrupted, or what @fn
 * returned.
 */
int luo_incoming_each_session(struct luo *luo, int (*fn)(const void *entry, void *arg),
			      void *arg)
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
				session_check, NULL);
	if (err)
		return err;
	return luo_wire_for_each(&pages, first, sizeof(struct luo_session_ser), fn, arg);
}

/*
 * Call @fn with the checksum of each session's file chain, in the order of sessions; not at
 * all unless there are @nr valid ones. luo->lock is held.
 */
void luo_incoming_each_crc(struct luo *luo, u64 nr, int (*fn)(const void *entry, void *arg),
			   void *arg)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);
	struct luo_incoming *in = &luo->in;
	struct luo_wire_chain chain;

	if (!in->has_ext)
		return;
	if (luo_wire_check_chain(&pages, in->ext.files_crcs_pa, sizeof(u32), &chain) ||
	    chain.crc != in->ext.files_crcs_crc || chain.entries != nr) {
		pr_warn("file checksums unreadable, continuing without\n");
		return;
	}
	luo_wire_for_each(&pages, in->ext.files_crcs_pa, sizeof(u32), fn, arg);
	in->has_file_crcs = true;
}

static int release_block(u64 phys, void *arg)
{
	struct luo_store *store = arg;

	store->ops->release(store, phys);
	return 0;
}

static void release_chain(struct luo *luo, u64 first)
{
	struct luo_wire_pages pages = luo_store_pages(luo->store);

	luo_wire_each_block(&pages, first, release_block, luo->store);
}

/* Free the chains of sessions, all of which are finished. luo->lock is held. */
void luo_incoming_free_sessions(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;

	lockdep_assert_held(&luo->lock);
	release_chain(luo, in->head.sessions_pa);
	in->head.sessions_pa = 0;
	if (in->has_file_crcs)
		release_chain(luo, in->ext.files_crcs_pa);
	in->has_file_crcs = false;
}

static int file_check(const void *entry, void *arg)
{
	return luo_wire_file_valid(entry) ? 0 : -EUCLEAN;
}

static int validate_files(struct liveupdate_session *session)
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
				 file_check, NULL);
}

/*
 * Call @fn with each struct luo_file_ser of an incoming session until it returns other than
 * 0. The session is locked, or luo->lock is held; nothing changes. Returns -EUCLEAN before
 * any call if the chain is corrupted, or what @fn returned.
 */
int luo_incoming_each_file(struct liveupdate_session *session,
			   int (*fn)(const void *entry, void *arg), void *arg)
{
	struct luo_wire_pages pages = luo_store_pages(session->luo->store);
	int err = session->adopted ? session->err : validate_files(session);

	if (err)
		return err;
	return luo_wire_for_each(&pages, session->files_pa, sizeof(struct luo_file_ser), fn, arg);
}

/*
 * Free the file chain of a finished session, which is locked for writing. A corrupted chain
 * is left in memory.
 */
void luo_incoming_free_files(struct liveupdate_session *session)
{
	lockdep_assert_held_write(&session->lock);
	guard(mutex)(&session->luo->lock);
	if (!session->err)
		release_chain(session->luo, session->files_pa);
	session->files_pa = 0;
}

static bool is_left(struct luo *luo)
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
	return in->err ?: in->flbs_err ?: in->sessions_err ?: is_left(luo);
}

