// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions: named sets of files, outgoing or incoming.
 *
 * Each operation enters the gate, locks the session, checks that the session is on the
 * right side and in the right state, and calls down to the files.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/pid.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/string_choices.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

/*
 * Create an outgoing session, to be closed by luo_session_close(). Returns -EBUSY if the
 * reboot has begun, -EEXIST if an outgoing session has the name, -ENOMEM, or -ENOSPC if the
 * format cannot hold more sessions.
 */
int luo_session_create(struct luo *luo, const char *name, struct liveupdate_session **session)
{
	struct liveupdate_session *new;
	int err;

	err = luo_gate_enter(&luo->gate);
	if (err)
		return err;

	err = -ENOMEM;
	new = luo_session_alloc(luo, name, LUO_OUTGOING);
	if (!new)
		goto out;

	scoped_guard(mutex, &luo->lock)
		err = luo_session_link(new);
	if (err)
		luo_session_free(new);
	else
		*session = new;
out:
	luo_gate_leave(&luo->gate);
	return err;
}

static int adopt_session(const void *entry, void *arg)
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

static int adopt_crc(const void *entry, void *arg)
{
	struct liveupdate_session **session = arg;

	*session = list_next_entry(*session, in_side);
	(*session)->files_crc = *(const u32 *)entry;
	return 0;
}

static int adopt_sessions(struct luo *luo)
{
	struct liveupdate_session *before_first;
	int err;

	err = luo_incoming_each_session(luo, adopt_session, luo);
	if (err) {
		luo_session_drop_incoming(luo);
		return err;
	}
	before_first = list_entry(&luo->incoming, struct liveupdate_session, in_side);
	luo_incoming_each_crc(luo, luo->in.unfinished, adopt_crc, &before_first);
	return 0;
}

/*
 * Fill luo->incoming with the sessions that were handed over, maybe none, unless that is
 * done. luo->lock is held. Returns 0; -EPROTONOSUPPORT or -EUCLEAN, which are final;
 * -ENOMEM.
 */
int luo_session_read_incoming(struct luo *luo)
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
	err = adopt_sessions(luo);
	trace_liveupdate_parse("sessions", err, start);
	if (err == -ENOMEM)
		return err;
	in->sessions_read = true;
	in->sessions_err = err;
	if (err)
		pr_err("incoming sessions are corrupted, ignored and left in memory\n");
	return err;
}

/*
 * Drop all incoming sessions, none of which is open. luo->lock is held.
 */
void luo_session_drop_incoming(struct luo *luo)
{
	struct liveupdate_session *session, *next;

	lockdep_assert_held(&luo->lock);
	list_for_each_entry_safe(session, next, &luo->incoming, in_side) {
		luo_session_unlink(session);
		luo_session_free(session);
	}
	luo->in.unfinished = 0;
}

/* Returns true if it was the last one: then call luo_flb_finish_rest() without the lock. */
static bool incoming_session_done(struct luo *luo)
{
	lockdep_assert_held(&luo->lock);
	if (--luo->in.unfinished)
		return false;
	luo_timeline_record(luo, LUO_MILESTONE_FINISHED);
	luo_incoming_free_sessions(luo);
	return true;
}

/*
 * Under luo->lock, so that only one task retrieves the session. Its files are read later.
 */
static int retrieve_by_name(struct luo *luo, const char *name, struct liveupdate_session **found)
{
	struct liveupdate_session *session;
	int err;

	guard(mutex)(&luo->lock);
	err = luo_session_read_incoming(luo);
	if (err)
		return err;
	session = luo_session_find(luo, name, LUO_INCOMING);
	if (!session)
		return -ENOENT;
	if (session->state != LUO_SESSION_WAITING)
		return -EINVAL;
	WRITE_ONCE(session->state, LUO_SESSION_RETRIEVED);
	session->holder = get_task_pid(current, PIDTYPE_TGID);
	*found = session;
	return 0;
}

/*
 * Retrieve an incoming session, to be closed by luo_session_close(); with @keep every close
 * without FINISH parks it.
 *
 * Returns -EBUSY if the reboot has begun, -ENOENT if there is none of that name, -EINVAL if
 * it is retrieved already, -EPROTONOSUPPORT or -EUCLEAN if the sessions cannot be read,
 * -ENOMEM or -EINTR and nothing has changed.
 */
int luo_session_retrieve(struct luo *luo, const char *name, bool keep,
			 struct liveupdate_session **session)
{
	struct liveupdate_session *found;
	int err;

	err = luo_gate_enter(&luo->gate);
	if (err)
		return err;

	err = retrieve_by_name(luo, name, &found);
	if (err)
		goto out;

	err = down_write_killable(&found->lock);
	if (!err) {
		found->park_on_close = keep;
		err = luo_file_adopt_all(found);
		up_write(&found->lock);
	}
	if (err)
		luo_session_unretrieve(found);
	else
		*session = found;
out:
	luo_gate_leave(&luo->gate);
	return err;
}

/* Let an incoming session be retrieved again. The caller's reference is consumed. */
void luo_session_unretrieve(struct liveupdate_session *session)
{
	guard(mutex)(&session->luo->lock);
	WRITE_ONCE(session->state, LUO_SESSION_WAITING);
	put_pid(session->holder);
	session->holder = NULL;
}

static void session_unpreserve(struct liveupdate_session *session)
{
	scoped_guard(rwsem_write, &session->lock) {
		size_t nr = list_count_nodes(&session->files);

		/* Its program may have meant it, or have been killed. */
		if (nr)
			pr_info_ratelimited("session '%s' given up with %zu file%s\n",
					    luo_session_text(session), nr, str_plural(nr));
		luo_file_unpreserve_all(session);
	}
	scoped_guard(mutex, &session->luo->lock)
		luo_session_unlink(session);
	luo_session_free(session);
}

static int session_finish_files(struct liveupdate_session *session)
{
	int err;

	guard(rwsem_write)(&session->lock);
	err = luo_file_finish_all(session);
	if (!err)
		luo_incoming_free_files(session);
	return err;
}

static void session_finish_or_park(struct liveupdate_session *session)
{
	struct luo *luo = session->luo;
	bool last;

	if (session->park_on_close || session_finish_files(session)) {
		pr_info_ratelimited("session '%s': closed without FINISH, parked\n",
				    luo_session_text(session));
		luo_session_unretrieve(session);
		return;
	}
	scoped_guard(mutex, &luo->lock) {
		luo_session_unlink(session);
		last = incoming_session_done(luo);
	}
	luo_session_free(session);
	if (last)
		luo_flb_finish_rest(luo);
}

/*
 * What the last close of a session's file descriptor does, inside the gate. The caller's
 * reference is consumed.
 */
static void session_end(struct liveupdate_session *session)
{
	if (session->key.side == LUO_INCOMING)
		session_finish_or_park(session);
	else
		session_unpreserve(session);
}

static void session_close_late(struct luo_gate_deferred *deferred)
{
	session_end(container_of(deferred, struct liveupdate_session, deferred));
}

/*
 * The last close of a session's file descriptor. An outgoing session unpreserves its files
 * and frees its name; a retrieved one is finished if that is possible, else parked. Once
 * the reboot has begun the close is deferred: the session is handed over, and closed if the
 * reboot fails.
 */
void luo_session_close(struct liveupdate_session *session)
{
	struct luo *luo = session->luo;

	session->deferred.run = session_close_late;
	if (!luo_gate_enter_or_defer(&luo->gate, &session->deferred))
		return;
	session_end(session);
	luo_gate_leave(&luo->gate);
}

/* Enter the gate and lock the session for writing. */
static int session_enter(struct liveupdate_session *session)
{
	int err = luo_gate_enter(&session->luo->gate);

	if (err)
		return err;
	err = down_write_killable(&session->lock);
	if (err)
		luo_gate_leave(&session->luo->gate);
	return err;
}

static void session_leave(struct liveupdate_session *session)
{
	up_write(&session->lock);
	luo_gate_leave(&session->luo->gate);
}

static bool session_is_outgoing(struct liveupdate_session *session)
{
	lockdep_assert_held(&session->lock);
	return session->key.side != LUO_INCOMING && !luo_session_is_stale(session);
}

/* Returns 1 if the session was a finished one and has its name again, or an errno. */
static int session_reactivate(struct liveupdate_session *session)
{
	int err;

	if (session->key.side == LUO_OUTGOING)
		return 0;
	guard(mutex)(&session->luo->lock);
	err = luo_session_reactivate(session);
	if (err == -EEXIST)
		return -EINVAL;
	return err ?: 1;
}

static int session_preserve_locked(struct liveupdate_session *session, struct file *file, u64 token)
{
	int named, err;

	lockdep_assert_held_write(&session->lock);
	if (!session_is_outgoing(session))
		return -EINVAL;
	if (session->state == LUO_SESSION_FROZEN)
		return -EBUSY;

	named = session_reactivate(session);
	if (named < 0)
		return named;
	err = luo_file_preserve(session, file, token);
	if (err && named) {
		guard(mutex)(&session->luo->lock);
		luo_session_detach(session);
	}
	return err;
}

/*
 * Returns -EINVAL if the session is not outgoing, -EBUSY if the reboot has begun or the
 * session is frozen, -EINTR if killed while waiting, or as luo_file_preserve().
 */
int luo_session_preserve(struct liveupdate_session *session, struct file *file, u64 token)
{
	int err = session_enter(session);

	if (err)
		return err;
	err = session_preserve_locked(session, file, token);
	session_leave(session);
	return err;
}

/*
 * Returns -EINVAL if the session is not incoming, -EBUSY if the reboot has begun, -EINTR if
 * killed while waiting, or as luo_file_retrieve().
 */
int luo_session_retrieve_file(struct liveupdate_session *session, u64 token, struct file **file)
{
	struct luo_gate *gate = &session->luo->gate;
	int err;

	err = luo_gate_enter(gate);
	if (err)
		return err;
	err = down_read_killable(&session->lock);
	if (!err) {
		if (session->key.side == LUO_INCOMING)
			err = luo_file_retrieve(session, token, file);
		else
			err = -EINVAL;
		up_read(&session->lock);
	}
	luo_gate_leave(gate);
	return err;
}

/* The session is empty and outgoing from now on, see enum luo_side. */
static void session_become_finished(struct liveupdate_session *session)
{
	struct luo *luo = session->luo;
	bool last;

	lockdep_assert_held_write(&session->lock);
	scoped_guard(mutex, &luo->lock) {
		WRITE_ONCE(session->state, LUO_SESSION_OPEN);
		session->park_on_close = false;
		session->err = 0;
		luo_session_detach(session);
		last = incoming_session_done(luo);
	}
	if (last)
		luo_flb_finish_rest(luo);
}

/*
 * Finish an incoming session: an empty outgoing one afterwards. Returns -EINVAL if the
 * session is not incoming, -EBUSY if the reboot has begun or a file cannot be finished,
 * -EINTR if killed while waiting. On error nothing has changed.
 */
int luo_session_finish(struct liveupdate_session *session)
{
	int err = session_enter(session);

	if (err)
		return err;
	err = session->key.side == LUO_INCOMING ? luo_file_finish_all(session) : -EINVAL;
	if (!err) {
		luo_incoming_free_files(session);
		session_become_finished(session);
	}
	session_leave(session);
	return err;
}

/*
 * Freeze a session ahead of the reboot. Returns -EINVAL if the session is not outgoing,
 * -EALREADY if it is frozen, -EBUSY if the reboot has begun, -EINTR if killed while waiting,
 * or as luo_file_freeze_all().
 */
int luo_session_freeze(struct liveupdate_session *session, u64 *token)
{
	int err = session_enter(session);

	if (err)
		return err;
	if (!session_is_outgoing(session))
		err = -EINVAL;
	else if (session->state == LUO_SESSION_FROZEN)
		err = -EALREADY;
	else
		err = luo_file_freeze_all(session, token);
	if (!err)
		WRITE_ONCE(session->state, LUO_SESSION_FROZEN);
	session_leave(session);
	return err;
}

/*
 * Undo luo_session_freeze(). Does not wait for a lock that a task may hold which waits for
 * the thaw. Returns -EINVAL if the session is not frozen, -EBUSY if the reboot has begun,
 * -EINTR if killed while waiting.
 */
int luo_session_thaw(struct liveupdate_session *session)
{
	int err = session_enter(session);

	if (err)
		return err;
	if (session_is_outgoing(session) && session->state == LUO_SESSION_FROZEN) {
		luo_file_thaw_all(session);
		WRITE_ONCE(session->state, LUO_SESSION_OPEN);
	} else {
		err = -EINVAL;
	}
	session_leave(session);
	return err;
}
