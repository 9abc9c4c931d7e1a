// SPDX-License-Identifier: GPL-2.0
/*
 * Names and sides of sessions: how a session comes to be, is found, and changes sides.
 *
 * Names are unique on a side, and held under luo->lock throughout.
 */
#include <linux/rhashtable.h>
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

/**
 * luo_name_escape() - Make a name fit into a line of text
 * @name: the name of a session, terminated
 * @text: room for LUO_NAME_TEXT bytes
 *
 * Backslashes and all that is not printable ASCII become octal escapes, so that different
 * names stay different.
 *
 * Return: @text, terminated.
 */
const char *luo_name_escape(const char *name, char *text)
{
	int len = string_escape_str(name, text, LUO_NAME_TEXT - 1,
				    ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, "\\");

	text[len] = 0;
	return text;
}

/**
 * luo_session_find() - a session by its name
 * @luo: where to look; luo->lock is held
 * @name: the name, terminated
 * @side: on which side
 *
 * Return: the session; NULL: there is none.
 */
struct liveupdate_session *luo_session_find(struct luo *luo, const char *name,
					    enum luo_side side)
{
	struct luo_session_key key = { .side = side };

	lockdep_assert_held(&luo->lock);
	strscpy_pad(key.name, name);
	return rhashtable_lookup_fast(&luo->names, &key, luo_session_names);
}

static void luo_session_close_late(struct luo_gate_deferred *deferred)
{
	luo_session_end(container_of(deferred, struct liveupdate_session, deferred));
}

/**
 * luo_session_alloc() - a session, not yet linked anywhere
 * @luo: where it will belong
 * @name: its name, terminated
 * @side: the side it is born on
 *
 * Return: the session, to be freed by luo_session_free(); NULL: no memory.
 */
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
	INIT_LIST_HEAD(&session->in_side);
	init_rwsem(&session->lock);
	session->state = side == LUO_INCOMING ? LUO_SESSION_WAITING : LUO_SESSION_OPEN;
	INIT_LIST_HEAD(&session->files);
	luo_chain_init(&session->chain, luo->store, sizeof(struct luo_file_ser));
	INIT_LIST_HEAD(&session->deferred.link);
	session->deferred.run = luo_session_close_late;
	return session;
}

/**
 * luo_session_free() - the last of a session that is not linked anywhere
 * @session: the session
 */
void luo_session_free(struct liveupdate_session *session)
{
	luo_chain_destroy(&session->chain);
	kfree_rcu(session, rcu);
}

static int luo_outgoing_reserve(struct luo *luo)
{
	int err = luo_chain_reserve(&luo->session_chain);

	if (err)
		return err;
	err = luo_chain_reserve(&luo->crc_chain);
	if (err)
		luo_chain_unreserve(&luo->session_chain);
	return err;
}

/**
 * luo_session_link() - give a session its name, and its place on its side
 * @session: the session; luo->lock is held
 *
 * Return: 0; -EEXIST: the name is taken on that side; -ENOMEM; -ENOSPC: more sessions
 * than the format can hold.
 */
int luo_session_link(struct liveupdate_session *session)
{
	struct luo *luo = session->luo;
	int err = 0;

	lockdep_assert_held(&luo->lock);
	if (session->key.side == LUO_OUTGOING)
		err = luo_outgoing_reserve(luo);
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

	list_add_tail(&session->in_side,
		      session->key.side == LUO_OUTGOING ? &luo->outgoing : &luo->incoming);
	return 0;
}

/**
 * luo_session_unlink() - undo luo_session_link()
 * @session: the session, linked or finished; luo->lock is held
 */
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

/**
 * luo_session_is_stale() - Tell whether another session has a finished session's name
 * @session: the session
 *
 * Context: Any. Unless luo->lock is held, it may change before the caller looks.
 * Return: true if the session is finished and an outgoing one of its name exists.
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

/**
 * luo_session_detach() - Make a session a finished one, which holds no name
 * @session: the session, linked and without a file; luo->lock is held
 */
void luo_session_detach(struct liveupdate_session *session)
{
	luo_session_unlink(session);
	WRITE_ONCE(session->key.side, LUO_FINISHED);
}

/**
 * luo_session_reactivate() - Make a finished session an outgoing one again
 * @session: the session; luo->lock is held
 *
 * Return: 0, or as luo_session_link(); then it stays as it was.
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
