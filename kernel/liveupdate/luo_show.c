// SPDX-License-Identifier: GPL-2.0
/*
 * The state of sessions and files as text.
 *
 * Readers do not wait for ops: a session with a running op is shown as busy, so that a
 * handler that hangs can be found.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "luo_internal.h"

static const char *side_name(struct liveupdate_session *session)
{
	switch (READ_ONCE(session->key.side)) {
	case LUO_OUTGOING:
		return "outgoing";
	case LUO_INCOMING:
		return "incoming";
	default:
		return luo_session_is_stale(session) ? "stale" : "finished";
	}
}

static const char *state_name(const struct liveupdate_session *session)
{
	switch (READ_ONCE(session->state)) {
	case LUO_SESSION_OPEN:
		return "open";
	case LUO_SESSION_FROZEN:
		return "frozen";
	case LUO_SESSION_WAITING:
		return "waiting";
	default:
		return session->err ? "damaged" : "retrieved";
	}
}

/* The name that sysfs shows for a result of luo_incoming_state(). */
const char *luo_incoming_state_name(int state)
{
	switch (state) {
	case 0:
		return "none";
	case 1:
		return "present";
	case -EPROTONOSUPPORT:
		return "incompatible";
	case -EUCLEAN:
		return "damaged";
	default:
		return NULL;
	}
}

/* Show a session in /proc/PID/fdinfo/FD. Does not wait. */
void luo_session_show(struct seq_file *m, struct liveupdate_session *session)
{
	seq_printf(m, "liveupdate-session:\t%s\nliveupdate-side:\t%s\n",
		   luo_session_text(session), side_name(session));

	if (!down_read_trylock(&session->lock)) {
		seq_puts(m, "liveupdate-state:\tbusy\n");
		return;
	}
	seq_printf(m, "liveupdate-state:\t%s\nliveupdate-files:\t%zu\n",
		   state_name(session), list_count_nodes(&session->files));
	up_read(&session->lock);
}

static const char *file_state_name(enum luo_file_state state)
{
	switch (state) {
	case LUO_FILE_PRESERVED:
		return "preserved";
	case LUO_FILE_FROZEN:
		return "frozen";
	case LUO_FILE_UNTRIED:
		return "untried";
	case LUO_FILE_RETRIEVING:
		return "being retrieved";
	case LUO_FILE_RETRIEVED:
		return "retrieved";
	case LUO_FILE_FAILED:
		return "failed";
	default:
		return "new";
	}
}

/* Show why no handler reads a file; nothing if one does. */
static void show_mismatch(struct seq_file *m, struct luo *luo, const char *found)
{
	struct luo_handler *handler = luo_handler_match(luo, found);

	if (IS_ERR(handler))
		seq_puts(m, PTR_ERR(handler) == -ENODEV ? ", no handler" : ", unknown version");
}

static void show_file(struct seq_file *m, struct luo_file *lf)
{
	seq_printf(m, "  token %llu: %s, %s", lf->key.token, lf->args.compatible,
		   file_state_name(READ_ONCE(lf->state)));
	if (READ_ONCE(lf->args.retrieve_status) < 0)
		seq_printf(m, " %d", READ_ONCE(lf->args.retrieve_status));
	if (!READ_ONCE(lf->handler))
		show_mismatch(m, lf->key.session->luo, lf->found);
	seq_putc(m, '\n');
}

/* For files of a session that was not retrieved yet. */
struct luo_show_peek {
	struct seq_file *m;
	struct luo *luo;
};

static int show_peeked_file(const void *entry, void *arg)
{
	const struct luo_file_ser *ser = entry;
	struct luo_show_peek *peek = arg;

	seq_printf(peek->m, "  token %llu: %s, untried", ser->token, ser->compatible);
	show_mismatch(peek->m, peek->luo, ser->compatible);
	seq_putc(peek->m, '\n');
	return 0;
}

static void show_files(struct seq_file *m, struct liveupdate_session *session)
{
	struct luo_show_peek peek = { .m = m, .luo = session->luo };
	struct luo_file *lf;
	int err = session->err;

	list_for_each_entry(lf, &session->files, in_session)
		show_file(m, lf);
	if (session->key.side == LUO_INCOMING && !session->adopted)
		err = luo_incoming_each_file(session, show_peeked_file, &peek);
	if (err)
		seq_puts(m, "  files damaged\n");
}

/*
 * Show a session and its files, a line each. luo->handlers_lock and luo->lock are held; the
 * session's lock, which is outside of them, is only tried.
 */
void luo_session_show_files(struct seq_file *m, struct liveupdate_session *session)
{
	lockdep_assert_held(&session->luo->handlers_lock);
	lockdep_assert_held(&session->luo->lock);

	seq_printf(m, "session %s", luo_session_text(session));
	if (!down_read_trylock(&session->lock)) {
		seq_puts(m, ": busy\n");
		return;
	}
	seq_printf(m, ": %s\n", state_name(session));
	show_files(m, session);
	up_read(&session->lock);
}
