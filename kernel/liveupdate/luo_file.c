// SPDX-License-Identifier: GPL-2.0
/*
 * Outgoing files of a session: preserve, freeze, unpreserve, and the tables by which files
 * are found. Retrieving and finishing is in luo_retrieve.c.
 *
 * A file is found by session and token, and by the object that it refers to: no object is
 * preserved twice, and none that was retrieved is preserved before it is finished. The
 * table of objects is luo->objects.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/printk.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

const struct rhashtable_params luo_file_tokens = {
	.key_len = sizeof(struct luo_file_key),
	.key_offset = offsetof(struct luo_file, key),
	.head_offset = offsetof(struct luo_file, by_token),
	.automatic_shrinking = true,
};

/* Padding in the key would be hashed, too. */
static_assert(sizeof(struct luo_file_key) == sizeof(void *) + sizeof(u64));

/*
 * The session's lock is held, at least for reading, by this task or on its behalf up the
 * stack; the file stays while it is.
 */
struct luo_file *luo_file_find(struct liveupdate_session *session, u64 token)
{
	struct luo_file_key key = { .session = session, .token = token };

	return rhashtable_lookup_fast(&session->luo->tokens, &key, luo_file_tokens);
}

/* Only numbers of the same get_id() can be compared; two handlers may share one. */
static struct luo_file *file_of_object(struct luo *luo, const struct luo_handler *handler,
				       unsigned long id)
{
	struct luo_file *lf;

	lockdep_assert_held(&luo->state_lock);
	hash_for_each_possible(luo->objects, lf, by_id, id) {
		if (lf->id == id && lf->handler->fh->ops->get_id == handler->fh->ops->get_id)
			return lf;
	}
	return NULL;
}

/*
 * Register the object id of a file whose handler and id are set, so that the object cannot
 * be preserved twice. Returns -EBUSY if it is registered.
 */
int luo_file_register(struct luo_file *lf)
{
	struct luo *luo = lf->key.session->luo;

	guard(spinlock)(&luo->state_lock);
	if (file_of_object(luo, lf->handler, lf->id))
		return -EBUSY;
	hash_add(luo->objects, &lf->by_id, lf->id);
	return 0;
}

/* Undo luo_file_register(), if that was called. */
void luo_file_unregister(struct luo_file *lf)
{
	guard(spinlock)(&lf->key.session->luo->state_lock);
	hash_del(&lf->by_id);
}

static void file_set_state(struct luo_file *lf, enum luo_file_state state)
{
	guard(spinlock)(&lf->key.session->luo->state_lock);
	WRITE_ONCE(lf->state, state);
}

/* Charge only what user space asked for; incoming files have no owner yet. */
static struct luo_file *file_alloc(struct liveupdate_session *session, u64 token,
				   enum luo_file_state state)
{
	const gfp_t gfp = state == LUO_FILE_NEW ? GFP_KERNEL_ACCOUNT : GFP_KERNEL;
	struct luo_file *lf = kzalloc_obj(*lf, gfp);

	if (!lf)
		return NULL;
	lf->key.session = session;
	lf->key.token = token;
	INIT_LIST_HEAD(&lf->in_session);
	lf->state = state;
	INIT_LIST_HEAD(&lf->flbs);
	lf->args.session = session;
	return lf;
}

static int file_hash(struct luo_file *lf)
{
	int err = rhashtable_lookup_insert_fast(&lf->key.session->luo->tokens, &lf->by_token,
						luo_file_tokens);

	return luo_table_errno(err);
}

static void file_unhash(struct luo_file *lf)
{
	rhashtable_remove_fast(&lf->key.session->luo->tokens, &lf->by_token, luo_file_tokens);
}

/* Bind the file to its handler and its object. On success @lf holds references to both. */
static int file_bind(struct luo_file *lf, struct file *file)
{
	struct luo *luo = lf->key.session->luo;
	int err;

	lf->handler = luo_handler_for_file(luo, file);
	if (!lf->handler)
		return -ENOENT;

	lf->id = luo_handler_id(lf->handler, file);
	err = luo_file_register(lf);
	if (err) {
		luo_handler_put(lf->handler);
		return err;
	}
	atomic_long_inc(&lf->handler->nr_files);

	lf->args.handler = lf->handler->fh;
	lf->args.compatible = lf->handler->fh->compatible;
	lf->args.file = get_file(file);
	return 0;
}

static void file_unbind(struct luo_file *lf)
{
	luo_file_unregister(lf);
	fput(lf->args.file);
	atomic_long_dec(&lf->handler->nr_files);
	luo_handler_put(lf->handler);
}

static int call_preserve(struct luo_file *lf)
{
	u64 start = luo_trace_start(liveupdate_file_preserve);
	int err = lf->handler->fh->ops->preserve(&lf->args);

	err = luo_op_result("preserve", lf->args.compatible, err);
	trace_liveupdate_file_preserve(luo_session_name(lf->key.session), lf->key.token,
				       lf->args.compatible, err, start);
	return err;
}

static void call_unpreserve(struct luo_file *lf)
{
	u64 start = luo_trace_start(liveupdate_file_unpreserve);

	lf->handler->fh->ops->unpreserve(&lf->args);
	trace_liveupdate_file_unpreserve(luo_session_name(lf->key.session), lf->key.token,
					 lf->args.compatible, 0, start);
}

/*
 * Preserve a file in an open outgoing session, which is locked for writing. Takes a
 * reference to @file.
 *
 * Returns -EEXIST if the token is in use, -ENOENT if no handler takes the file, -EBUSY if
 * its object is preserved, or retrieved and not finished, -ENOSPC if the format cannot hold
 * more files or FLBs, -EINTR if killed while waiting for an FLB, -ENOMEM, or the errno of
 * preserve() of an FLB or of the handler.
 */
int luo_file_preserve(struct liveupdate_session *session, struct file *file, u64 token)
{
	struct luo_file *lf;
	int err;

	lockdep_assert_held_write(&session->lock);

	lf = file_alloc(session, token, LUO_FILE_NEW);
	if (!lf)
		return -ENOMEM;

	err = file_hash(lf);
	if (err)
		goto err_free;

	err = file_bind(lf, file);
	if (err)
		goto err_remove;

	err = luo_flb_use_all(session->luo, lf->handler, &lf->flbs);
	if (err)
		goto err_untake;

	err = luo_chain_reserve(&session->chain);
	if (err)
		goto err_drop;

	err = call_preserve(lf);
	if (err) {
		pr_warn_ratelimited("session '%s': '%s' cannot preserve token %llu: %pe\n",
				    luo_session_text(session), lf->args.compatible, token,
				    ERR_PTR(err));
		goto err_unreserve;
	}

	list_add_tail(&lf->in_session, &session->files);
	file_set_state(lf, LUO_FILE_PRESERVED);
	atomic_long_inc(&session->luo->nr_preserved);
	return 0;

err_unreserve:
	luo_chain_unreserve(&session->chain);
err_drop:
	luo_flb_unuse_all(session->luo, &lf->flbs);
err_untake:
	file_unbind(lf);
err_remove:
	file_unhash(lf);
err_free:
	kfree_rcu(lf, rcu);
	return err;
}

/* freeze() and unfreeze() are optional. The state tells whether unfreeze() is due. */
static int file_freeze(struct luo_file *lf)
{
	const struct liveupdate_file_ops *ops = lf->handler->fh->ops;
	u64 start = luo_trace_start(liveupdate_file_freeze);
	int err = ops->freeze ? ops->freeze(&lf->args) : 0;

	err = luo_op_result("freeze", lf->args.compatible, err);
	trace_liveupdate_file_freeze(luo_session_name(lf->key.session), lf->key.token,
				     lf->args.compatible, err, start);
	if (!err)
		file_set_state(lf, LUO_FILE_FROZEN);
	return err;
}

static void file_thaw(struct luo_file *lf)
{
	const struct liveupdate_file_ops *ops = lf->handler->fh->ops;
	u64 start;

	if (lf->state != LUO_FILE_FROZEN)
		return;
	start = luo_trace_start(liveupdate_file_unfreeze);
	if (ops->unfreeze)
		ops->unfreeze(&lf->args);
	trace_liveupdate_file_unfreeze(luo_session_name(lf->key.session), lf->key.token,
				       lf->args.compatible, 0, start);
	file_set_state(lf, LUO_FILE_PRESERVED);
}

/* Undo luo_file_freeze_all(). The session is locked for writing. */
void luo_file_thaw_all(struct liveupdate_session *session)
{
	struct luo_file *lf;

	lockdep_assert_held_write(&session->lock);
	list_for_each_entry_reverse(lf, &session->files, in_session)
		file_thaw(lf);
}

/* Record the file that refused last; NULL if the reboot was refused for another reason. */
void luo_file_note_refusal(struct luo *luo, const struct luo_file *lf, int err)
{
	guard(spinlock)(&luo->state_lock);
	luo->refusal = (struct luo_refusal){ .err = err };
	if (!lf)
		return;
	luo->refusal.token = lf->key.token;
	strscpy(luo->refusal.session, luo_session_name(lf->key.session));
	strscpy(luo->refusal.compatible, lf->args.compatible);
}

/*
 * Freeze all files of a session, which is locked for writing, in order of preservation. On
 * error none is frozen, and @token is that of the file whose handler returned it.
 */
int luo_file_freeze_all(struct liveupdate_session *session, u64 *token)
{
	struct luo_file *lf;
	int err;

	lockdep_assert_held_write(&session->lock);
	list_for_each_entry(lf, &session->files, in_session) {
		err = file_freeze(lf);
		if (err) {
			pr_warn_ratelimited("session '%s': '%s' cannot freeze token %llu: %pe\n",
					    luo_session_text(session), lf->args.compatible,
					    lf->key.token, ERR_PTR(err));
			luo_file_note_refusal(session->luo, lf, err);
			*token = lf->key.token;
			luo_file_thaw_all(session);
			return err;
		}
	}
	return 0;
}

/*
 * Unpreserve all files of an outgoing session, the last one first. The session is locked
 * for writing, and may be frozen.
 */
void luo_file_unpreserve_all(struct liveupdate_session *session)
{
	struct luo_file *lf, *next;

	lockdep_assert_held_write(&session->lock);
	luo_file_thaw_all(session);
	list_for_each_entry_safe_reverse(lf, next, &session->files, in_session) {
		call_unpreserve(lf);
		atomic_long_dec(&session->luo->nr_preserved);
		luo_flb_unuse_all(session->luo, &lf->flbs);
		luo_chain_unreserve(&session->chain);
		file_unbind(lf);
		luo_file_free(lf);
	}
}

static bool file_is_preserved(const struct luo_file *lf)
{
	return lf->state == LUO_FILE_PRESERVED || lf->state == LUO_FILE_FROZEN;
}

/* See liveupdate_get_token_outgoing(). Takes no lock that is held around ops. */
int luo_file_token_outgoing(struct liveupdate_session *session, struct file *file, u64 *token)
{
	struct luo *luo = session->luo;
	struct luo_handler *handler;
	struct luo_file *lf;
	int err = -ENOENT;
	unsigned long id;

	handler = luo_handler_for_file(luo, file);
	if (!handler)
		return -ENOENT;
	id = luo_handler_id(handler, file);

	scoped_guard(spinlock, &luo->state_lock) {
		lf = file_of_object(luo, handler, id);
		if (lf && lf->key.session == session && file_is_preserved(lf)) {
			err = 0;
			if (token)
				*token = lf->key.token;
		}
	}
	luo_handler_put(handler);
	return err;
}

/*
 * Add an incoming file to a session that is locked for writing. @ser is validated. Returns
 * 0, -EEXIST if the token is in use, or -ENOMEM.
 */
int luo_file_adopt(struct liveupdate_session *session, const struct luo_file_ser *ser)
{
	struct luo_file *lf = file_alloc(session, ser->token, LUO_FILE_UNTRIED);
	int err;

	lockdep_assert_held_write(&session->lock);
	if (!lf)
		return -ENOMEM;

	strscpy(lf->found, ser->compatible);
	lf->args.compatible = lf->found;
	lf->args.serialized_data = ser->data;
	err = file_hash(lf);
	if (err) {
		kfree_rcu(lf, rcu);
		return err;
	}
	list_add_tail(&lf->in_session, &session->files);
	return 0;
}

/*
 * Remove and free a file that has neither a struct file nor an FLB any more. Its session is
 * locked for writing.
 */
void luo_file_free(struct luo_file *lf)
{
	list_del(&lf->in_session);
	file_unhash(lf);
	kfree_rcu(lf, rcu);
}
