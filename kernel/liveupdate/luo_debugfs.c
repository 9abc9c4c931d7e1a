// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs liveupdate/, for whoever has to find out what is wrong:
 *
 * outgoing: sessions, files and FLBs for the next kernel, and the last refusal; incoming:
 * those of the previous kernel; timeline: how long each phase of the last live update took.
 *
 * A file is read in pieces. Locks are held for one piece only, so that no update waits
 * longer than it takes to print a session; the contents may change between two pieces.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/seq_file.h>

#include "luo_internal.h"

/*
 * What a file shows: the first lines by show_head() with luo->handlers_lock and luo->lock
 * held, the sessions of one side, the last lines by show_flbs() as the first ones.
 */
struct luo_view {
	struct luo *luo;
	struct list_head *sessions;
	void (*show_head)(struct seq_file *m, struct luo *luo);
	void (*show_flbs)(struct seq_file *m, struct luo *luo);
};

/* The end of the list is shown once, at a position that no session has. */
static int luo_view_end;

#define LUO_VIEW_END	INT_MAX

static void *luo_view_start(struct seq_file *m, loff_t *pos)
	__acquires(&view->luo->handlers_lock) __acquires(&view->luo->lock)
{
	struct luo_view *view = m->private;
	loff_t left = *pos;
	struct list_head *at;

	down_read(&view->luo->handlers_lock);
	mutex_lock(&view->luo->lock);
	if (*pos > LUO_VIEW_END)
		return NULL;
	if (!left--)
		return SEQ_START_TOKEN;
	list_for_each(at, view->sessions) {
		if (!left--)
			return at;
	}
	*pos = LUO_VIEW_END;
	return &luo_view_end;
}

static void *luo_view_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct luo_view *view = m->private;
	struct list_head *at = v == SEQ_START_TOKEN ? view->sessions : v;

	++*pos;
	if (v == &luo_view_end)
		return NULL;
	if (!list_is_last(at, view->sessions))
		return at->next;
	*pos = LUO_VIEW_END;
	return &luo_view_end;
}

static void luo_view_stop(struct seq_file *m, void *v)
	__releases(&view->luo->lock) __releases(&view->luo->handlers_lock)
{
	struct luo_view *view = m->private;

	mutex_unlock(&view->luo->lock);
	up_read(&view->luo->handlers_lock);
}

static int luo_view_show(struct seq_file *m, void *v)
{
	struct luo_view *view = m->private;

	lockdep_assert_held(&view->luo->lock);
	if (v == SEQ_START_TOKEN)
		view->show_head(m, view->luo);
	else if (v == &luo_view_end)
		view->show_flbs(m, view->luo);
	else
		luo_session_show_files(m, list_entry(v, struct liveupdate_session, in_side));
	return 0;
}

static const struct seq_operations luo_view_sops = {
	.start = luo_view_start,
	.next = luo_view_next,
	.stop = luo_view_stop,
	.show = luo_view_show,
};
DEFINE_SEQ_ATTRIBUTE(luo_view);

static struct luo_view luo_view_outgoing = {
	.show_head = luo_show_refusal,
	.show_flbs = luo_show_outgoing_flbs,
};

static struct luo_view luo_view_incoming = {
	.show_head = luo_show_incoming_state,
	.show_flbs = luo_show_incoming_flbs,
};

static int luo_timeline_show(struct seq_file *m, void *v)
{
	luo_show_timeline(m, m->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(luo_timeline);

/* Create debugfs liveupdate/. */
void luo_debugfs_init(struct luo *luo)
{
	struct dentry *dir = debugfs_create_dir("liveupdate", NULL);

	luo_view_outgoing.luo = luo;
	luo_view_outgoing.sessions = &luo->outgoing;
	debugfs_create_file("outgoing", 0400, dir, &luo_view_outgoing, &luo_view_fops);

	luo_view_incoming.luo = luo;
	luo_view_incoming.sessions = &luo->incoming;
	debugfs_create_file("incoming", 0400, dir, &luo_view_incoming, &luo_view_fops);
	debugfs_create_file("timeline", 0400, dir, luo, &luo_timeline_fops);
}
