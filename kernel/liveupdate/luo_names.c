// SPDX-License-Identifier: GPL-2.0
/*
 * Names and sides of sessions: creating, finding, and changing sides.
 *
 * Names are unique on a side. All of it is under luo->lock.
 */
#include <linux/pid.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include "luo_internal.h"

const struct rhashtable_params luo_session_names = {
	.key_len = sizeof(struct luo_session_key),
	.key_offset = offsetof(struct liveupdate_session, key),
	.head_offset = offsetof(struct liveupdate_session, by_name),
	.automatic_shrinking = true,
};

/*
 * Make a session name fit for a line of text: backslashes and all that is not printable
 * ASCII become octal escapes, so that different names stay different. @text has space for
 * LUO_NAME_TEXT bytes, and is returned.
 */
const char *luo_name_escape(const char *name, char *text)
{
	int len = string_escape_str(name, text, LUO_NAME_TEXT - 1,
				    ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, "\\");

	text[len] = 0;
	return text;
}

/* Called with luo->lock held. */
struct liveupdate_session *luo_session_find(struct luo *luo, const char *name,
					    enum luo_side side)
{
	struct luo_session_key key = { .side = side };

	lockdep_assert_held(&luo->lock);
	strscpy_pad(key.name, name);
	return rhashtable_lookup_fast(&luo->names, &key, luo_session_names);
}

/* Allocate a session that is linked nowhere, to be freed by luo_session_free(). */
struct liveupdate_session *luo_session_alloc(struct luo *luo, const char *name,
					     enum luo_side side)
{
	const gfp_t gfp = side == LUO_OUTGOING ? GFP_KERNEL_ACCOUNT : GFP_KERNEL;
	struct liveupdate_session *session = kzalloc_obj(*session, gfp);

	if (!session)
		return NULL;
	session->luo = luo;
	strscpy_pad(session->key.name, name);
	session->key.side = side;
	if (side == LUO_OUTGOING)
		session->holder = get_task_pid(current, PIDTYPE_TGID);
	INIT_LIST_HEAD(&session->in_side);
	init_rwsem(&session->lock);
	session->state = side == LUO_INCOMING ? LUO_SESSION_WAITING : LUO_SESSION_OPEN;
	INIT_LIST_HEAD(&session->files);
	luo_chain_init(&session->chain, luo->store, sizeof(struct luo_file_ser));
	INIT_LIST_HEAD(&session->deferred.link);
	return session;
}

/* Free a session that is linked nowhere. */
void luo_session_free(struct liveupdate_session *session)
{
	luo_chain_destroy(&session->chain);
	put_pid(session->holder);
	kfree_rcu(session, rcu);
}

static int reserve_entries(struct luo *luo)
{
	int err = luo_chain_reserve(&luo->session_chain);

	if (err)
		return err;
	err = luo_chain_reserve(&luo->crc_chain);
	if (err)
		luo_chain_unreserve(&luo->session_chain);
	return err;
}

/*
 * Add a session to the names and the list of its side. luo->lock is held. Returns -EEXIST
 * if the name is in use on that side, -ENOMEM, or -ENOSPC if the format cannot hold more
 * sessions.
 */
int luo_session_link(struct liveupdate_session *session)
{
	struct luo *luo = session->luo;
	int err = 0;

	lockdep_assert_held(&luo->lock);
	if (session->key.side == LUO_OUTGOING)
		err = reserve_entries(luo);
	if (err)
		return err;

	err = rhashtable_lookup_insert_fast(&luo->names, &session->by_name, luo_session_names);
	if (err) {
		if (session->key.side == LUO_OUTGOING) {
			luo_chain_unreserve(&luo->crc_chain);
			luo_chain_unreserve(&luo->session_chain);
		}
		return luo_table_errno(err);
	}

	session->id = ++luo->last_id;
	list_add_tail(&session->in_side,
		      session->key.side == LUO_OUTGOING ? &luo->outgoing : &luo->incoming);
	return 0;
}

/* Undo luo_session_link(), unless the session is finished. luo->lock is held. */
void luo_session_unlink(struct liveupdate_session *session)
{
	struct luo *luo = session->luo;

	lockdep_assert_held(&luo->lock);
	if (session->key.side == LUO_FINISHED)
		return;
	rhashtable_remove_fast(&luo->names, &session->by_name, luo_session_names);
	list_del_init(&session->in_side);
	if (session->key.side == LUO_OUTGOING) {
		luo_chain_unreserve(&luo->crc_chain);
		luo_chain_unreserve(&luo->session_chain);
	}
}

/*
 * A finished session is stale while an outgoing session of its name exists. Without
 * luo->lock the result may be outdated at once.
 */
bool luo_session_is_stale(struct liveupdate_session *session)
{
	struct luo_session_key key = { .side = LUO_OUTGOING };

	if (READ_ONCE(session->key.side) != LUO_FINISHED)
		return false;
	strscpy_pad(key.name, session->key.name);
	guard(rcu)();
	return rhashtable_lookup(&session->luo->names, &key, luo_session_names);
}

/*
 * Make a linked session without files a finished one, which holds no name. luo->lock is
 * held.
 */
void luo_session_detach(struct liveupdate_session *session)
{
	luo_session_unlink(session);
	WRITE_ONCE(session->key.side, LUO_FINISHED);
}

/*
 * Make a finished session an outgoing one again. luo->lock is held. On error, as
 * luo_session_link(), it stays finished.
 */
int luo_session_reactivate(struct liveupdate_session *session)
{
	int err;

	WRITE_ONCE(session->key.side, LUO_OUTGOING);
	err = luo_session_link(session);
	if (err)
		WRITE_ONCE(session->key.side, LUO_FINISHED);
	return err;
}
