// SPDX-License-Identifier: GPL-2.0
/*
 * Incoming files of a session: adopt, retrieve and finish.
 *
 * Several tasks may retrieve files of a session at once, and a handler may need another
 * file of the session. One task retrieves a file, the others wait for its op lock.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bug.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/printk.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

static int adopt_file(const void *entry, void *arg)
{
	int err = luo_file_adopt(arg, entry);

	if (err)
		return err == -EEXIST ? -EUCLEAN : -ENOMEM;
	return 0;
}

/*
 * Fill the list of files of an incoming session, which is locked for writing, unless that is
 * done. A session with a corrupted chain can be retrieved and finished, but none of its
 * files can. Returns 0, or -ENOMEM and nothing has changed.
 */
int luo_file_adopt_all(struct liveupdate_session *session)
{
	struct luo_file *lf, *next;
	int err;

	lockdep_assert_held_write(&session->lock);
	if (session->adopted)
		return 0;

	err = luo_incoming_each_file(session, adopt_file, session);
	if (err) {
		list_for_each_entry_safe(lf, next, &session->files, in_session)
			luo_file_free(lf);
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
 * Lock the file for retrieval, perhaps after a wait. Returns 1 if the caller is to retrieve
 * it, 0 if it is retrieved, or the errno that its retrieval ended with, -EDEADLK or -EINTR.
 */
static int retrieve_begin(struct luo *luo, struct luo_file *lf)
{
	int ret;

	guard(spinlock)(&luo->state_lock);
	if (lf->state != LUO_FILE_RETRIEVED && lf->state != LUO_FILE_FAILED) {
		ret = luo_oplock_lock_killable(luo, &lf->oplock);
		if (ret)
			return ret;
		if (lf->state == LUO_FILE_UNTRIED) {
			WRITE_ONCE(lf->state, LUO_FILE_RETRIEVING);
			return 1;
		}
		luo_oplock_unlock(luo, &lf->oplock);
	}
	return lf->state == LUO_FILE_RETRIEVED ? 0 : lf->args.retrieve_status;
}

static void retrieve_end(struct luo *luo, struct luo_file *lf, enum luo_file_state state)
{
	guard(spinlock)(&luo->state_lock);
	WRITE_ONCE(lf->state, state);
	luo_oplock_unlock(luo, &lf->oplock);
}

/*
 * An incoming file has no handler until one is needed: the handler's module may be loaded
 * late.
 */
static int file_get_handler(struct luo_file *lf)
{
	struct luo_handler *handler;

	handler = luo_handler_for_string(lf->key.session->luo, lf->found);
	if (IS_ERR(handler)) {
		pr_warn_ratelimited("session '%s', token %llu: no handler for '%s': %pe\n",
				    luo_session_text(lf->key.session), lf->key.token,
				    lf->found, handler);
		return PTR_ERR(handler);
	}
	WRITE_ONCE(lf->handler, handler);
	atomic_long_inc(&handler->nr_files);
	lf->args.handler = handler->fh;
	return 0;
}

static void file_put_handler(struct luo_file *lf)
{
	struct luo_handler *handler = lf->handler;

	WRITE_ONCE(lf->handler, NULL);
	lf->args.handler = NULL;
	atomic_long_dec(&handler->nr_files);
	luo_handler_put(handler);
}

static int call_retrieve(struct luo_file *lf)
{
	u64 start = luo_trace_start(liveupdate_file_retrieve);
	int err;

	lf->args.file = NULL;
	err = luo_op_result("retrieve", lf->found, lf->handler->fh->ops->retrieve(&lf->args));
	trace_liveupdate_file_retrieve(luo_session_name(lf->key.session), lf->key.token,
				       lf->found, err, start);
	if (!err && WARN_ONCE(!lf->args.file, "luo: no file for '%s' retrieved\n", lf->found))
		err = -EIO;
	if (err) {
		lf->args.file = NULL;
		lf->args.private_data = NULL;
	}
	return err;
}

/*
 * An errno is final only if something was consumed. A handler may promise that nothing was,
 * except for what is corrupted, unknown or lost; nor was it if the handler only passes on
 * the errno of another file or an FLB, which may come later.
 */
static bool file_may_retry(struct luo_file *lf, int err)
{
	if (luo_oplock_met_transient(&lf->oplock, err))
		return true;
	return lf->handler->fh->ops->retrieve_retry && err != -EUCLEAN && err != -EOPNOTSUPP &&
	       err != -EIO;
}

/*
 * Called in state RETRIEVING, and leaves it. The file may have its handler already: its
 * session is being finished, and the finish() of another file asks for it.
 */
static int file_retrieve(struct luo *luo, struct luo_file *lf)
{
	enum luo_file_state next = LUO_FILE_UNTRIED;
	bool finishing = lf->handler;
	int err;

	err = finishing ? 0 : file_get_handler(lf);
	if (err)
		goto out;

	err = call_retrieve(lf);
	if (!err) {
		WRITE_ONCE(lf->args.retrieve_status, 1);
		lf->id = luo_handler_id(lf->handler, lf->args.file);
		luo_file_register(lf);
		next = LUO_FILE_RETRIEVED;
		luo_timeline_record(luo, LUO_MILESTONE_RETRIEVED);
		goto out;
	}

	pr_warn_ratelimited("session '%s': '%s' cannot retrieve token %llu: %pe\n",
			    luo_session_text(lf->key.session), lf->found, lf->key.token,
			    ERR_PTR(err));
	if (!file_may_retry(lf, err)) {
		WRITE_ONCE(lf->args.retrieve_status, err);
		next = LUO_FILE_FAILED;
	}
	if (!finishing)
		file_put_handler(lf);
out:
	retrieve_end(luo, lf, next);
	return err;
}

/* An op that asked for the file may pass the errno on. */
static void note_dependency(struct luo *luo, const struct luo_file *lf, int err)
{
	guard(spinlock)(&luo->state_lock);
	if (lf->state != LUO_FILE_FAILED)
		luo_oplock_note_transient(luo, err, lf->state == LUO_FILE_UNTRIED);
}

/*
 * Retrieve a file of an incoming session, whose lock is held by this task, or on its behalf
 * up the stack, and not for writing by another. Sets @file, with a reference. Waits,
 * killable, while another task retrieves the file.
 *
 * Returns -ENOENT if there is no such token, -EUCLEAN if the file chain is corrupted,
 * -ENODEV or -EPROTONOSUPPORT if no handler reads the file, -EDEADLK if the caller, or a
 * task that waits for it, is retrieving the file, -EINTR if killed, or the errno of
 * retrieve().
 */
int luo_file_retrieve(struct liveupdate_session *session, u64 token, struct file **file)
{
	struct luo *luo = session->luo;
	struct luo_file *lf;
	int ret;

	if (session->err)
		return session->err;
	lf = luo_file_find(session, token);
	if (!lf)
		return -ENOENT;

	ret = retrieve_begin(luo, lf);
	if (ret > 0)
		ret = file_retrieve(luo, lf);
	if (!ret)
		*file = get_file(lf->args.file);
	else
		note_dependency(luo, lf, ret);
	return ret;
}

static bool file_can_finish(struct luo_file *lf)
{
	const struct liveupdate_file_ops *ops;

	if (!lf->handler && file_get_handler(lf))
		return false;
	ops = lf->handler->fh->ops;
	if (!ops->can_finish || ops->can_finish(&lf->args))
		return true;
	pr_warn_ratelimited("session '%s': '%s' cannot finish token %llu yet\n",
			    luo_session_text(lf->key.session), lf->found, lf->key.token);
	return false;
}

/* Drop the references of files that have a handler and were not retrieved. */
static void put_idle_handlers(struct liveupdate_session *session)
{
	struct luo_file *lf;

	list_for_each_entry(lf, &session->files, in_session) {
		if (lf->handler && lf->state != LUO_FILE_RETRIEVED)
			file_put_handler(lf);
	}
}

static void file_finish(struct luo_file *lf)
{
	u64 start = luo_trace_start(liveupdate_file_finish);
	struct file *file = lf->args.file;

	lf->handler->fh->ops->finish(&lf->args);
	trace_liveupdate_file_finish(luo_session_name(lf->key.session), lf->key.token,
				     lf->found, 0, start);
	if (lf->state == LUO_FILE_RETRIEVED) {
		luo_file_unregister(lf);
		fput(file);
	}
	luo_flb_file_finished(lf->key.session->luo, lf->handler, lf->found);
	file_put_handler(lf);
	luo_file_free(lf);
}

/*
 * Finish the files of an incoming session, the last one first. The session is locked for
 * writing. Returns -EBUSY if a handler's can_finish() refuses, or if no handler reads a
 * file; nothing has changed then.
 */
int luo_file_finish_all(struct liveupdate_session *session)
{
	struct luo_file *lf, *next;

	lockdep_assert_held_write(&session->lock);
	list_for_each_entry(lf, &session->files, in_session) {
		if (!file_can_finish(lf)) {
			put_idle_handlers(session);
			return -EBUSY;
		}
	}

	luo_flb_count_files(session->luo);
	list_for_each_entry_safe_reverse(lf, next, &session->files, in_session)
		file_finish(lf);
	return 0;
}
