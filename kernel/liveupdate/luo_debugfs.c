// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs liveupdate/, to find out what is wrong. One kind of record per file:
 *
 *	outgoing, incoming		what is preserved or refused as a whole, then sessions
 *					with their files
 *	outgoing_flbs, incoming_flbs	FLBs with their state
 *	handlers, flbs			formats that this kernel writes and reads
 *	timeline			milestones of the last live update
 *
 * A list of sessions is read in chunks. Locks are held for one chunk only, so that no update
 * waits longer than it takes to print a session; the list may change between two chunks.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/seq_file.h>

#include "luo_internal.h"

/* The orchestrator that is shown */
static struct luo *luo_shown;

/* Includes what other users of KHO preserve, and the descriptions. */
static void show_bytes(struct seq_file *m, bool incoming)
{
	struct luo_store *store = luo_shown->store;

	seq_printf(m, "bytes preserved: %llu\n",
		   (u64)store->ops->nr_pages(store, incoming) << PAGE_SHIFT);
}

static void show_refusal(struct seq_file *m)
{
	struct luo_refusal refusal;

	scoped_guard(spinlock, &luo_shown->state_lock)
		refusal = luo_shown->refusal;
	if (!refusal.err) {
		seq_puts(m, "last refusal: none\n");
		return;
	}
	seq_printf(m, "last refusal: %d, ", refusal.err);
	if (!refusal.session[0]) {
		seq_puts(m, "the reboot\n");
		return;
	}
	seq_printf(m, "token %llu: %s, session %s\n", refusal.token, refusal.compatible,
		   luo_name_escape(refusal.session, (char[LUO_NAME_TEXT]) {}));
}

static void show_outgoing(struct seq_file *m)
{
	seq_printf(m, "files preserved: %ld\n", atomic_long_read(&luo_shown->nr_preserved));
	show_bytes(m, false);
	show_refusal(m);
}

/* Validates the handover now if that was not done yet. */
static void show_incoming(struct seq_file *m)
{
	int err = luo_session_read_incoming(luo_shown);

	show_bytes(m, true);
	if (err)
		seq_printf(m, "sessions: %s\n", luo_incoming_state_name(err) ?: "no memory");
	err = luo_flb_read_area(luo_shown);
	if (err)
		seq_printf(m, "FLBs: %s\n", luo_incoming_state_name(err) ?: "no memory");
}

/* m->private is luo_shown->outgoing or ->incoming; its head stands for the first lines. */
static void *sessions_start(struct seq_file *m, loff_t *pos)
	__acquires(&luo_shown->handlers_lock) __acquires(&luo_shown->lock)
{
	down_read(&luo_shown->handlers_lock);
	mutex_lock(&luo_shown->lock);
	return seq_list_start_head(m->private, *pos);
}

static void *sessions_next(struct seq_file *m, void *v, loff_t *pos)
{
	return seq_list_next(v, m->private, pos);
}

static void sessions_stop(struct seq_file *m, void *v)
	__releases(&luo_shown->lock) __releases(&luo_shown->handlers_lock)
{
	mutex_unlock(&luo_shown->lock);
	up_read(&luo_shown->handlers_lock);
}

static int sessions_show(struct seq_file *m, void *v)
{
	lockdep_assert_held(&luo_shown->lock);
	if (v == &luo_shown->outgoing)
		show_outgoing(m);
	else if (v == &luo_shown->incoming)
		show_incoming(m);
	else
		luo_session_show_files(m, list_entry(v, struct liveupdate_session, in_side));
	return 0;
}

static const struct seq_operations sessions_sops = {
	.start = sessions_start,
	.next = sessions_next,
	.stop = sessions_stop,
	.show = sessions_show,
};
DEFINE_SEQ_ATTRIBUTE(sessions);

static int outgoing_flbs_show(struct seq_file *m, void *v)
{
	struct luo_flb *lflb;

	guard(spinlock)(&luo_shown->state_lock);
	list_for_each_entry(lflb, &luo_shown->flbs, in_list) {
		if (luo_flb_registered(lflb) || lflb->live)
			seq_printf(m, "%s: %s, %lu files, %lu gets\n", lflb->flb->compatible,
				   lflb->live ? "preserved" : "idle", lflb->users, lflb->gets);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(outgoing_flbs);

static int incoming_flbs_show(struct seq_file *m, void *v)
{
	static const char *const states[] = {
		[LUO_FLB_WAITING] = "untried",
		[LUO_FLB_RETRIEVED] = "retrieved",
		[LUO_FLB_FAILED] = "failed",
		[LUO_FLB_FINISHED] = "finished",
	};
	const struct luo_flb_entry *entry;

	scoped_guard(mutex, &luo_shown->lock)
		luo_flb_read_area(luo_shown);
	guard(spinlock)(&luo_shown->state_lock);
	for (unsigned long i = 0; i < luo_shown->in.nr_flbs; i++) {
		entry = &luo_shown->in.flbs[i];
		seq_printf(m, "%s: %s", entry->name, states[entry->state]);
		if (entry->err)
			seq_printf(m, " %d", entry->err);
		seq_printf(m, ", %llu files left, %lu gets\n", entry->left, entry->gets);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(incoming_flbs);

static void show_formats(struct seq_file *m, const char *compatible, const char *const *older)
{
	seq_printf(m, "%s write read\n", compatible);
	for (; older && *older; older++)
		seq_printf(m, "%s read\n", *older);
}

static int handlers_show(struct seq_file *m, void *v)
{
	struct luo_handler *handler;

	guard(rwsem_read)(&luo_shown->handlers_lock);
	list_for_each_entry(handler, &luo_shown->handlers, in_list)
		show_formats(m, handler->fh->compatible, handler->fh->also_retrieves);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(handlers);

static int flbs_show(struct seq_file *m, void *v)
{
	struct luo_flb *lflb;

	guard(spinlock)(&luo_shown->state_lock);
	list_for_each_entry(lflb, &luo_shown->flbs, in_list) {
		if (luo_flb_registered(lflb))
			show_formats(m, lflb->flb->compatible, lflb->flb->also_retrieves);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(flbs);

static void show_row(void *arg, const struct luo_timeline_row *row)
{
	seq_printf(arg, "%s %s %llu %llu\n", row->previous ? "previous" : "this", row->name,
		   row->stamp.ns, row->stamp.cycles);
}

static int timeline_show(struct seq_file *m, void *v)
{
	luo_timeline_each(luo_shown, show_row, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(timeline);

/* Create debugfs liveupdate/. */
void luo_debugfs_init(struct luo *luo)
{
	struct dentry *dir = debugfs_create_dir("liveupdate", NULL);

	luo_shown = luo;
	debugfs_create_file("outgoing", 0400, dir, &luo->outgoing, &sessions_fops);
	debugfs_create_file("incoming", 0400, dir, &luo->incoming, &sessions_fops);
	debugfs_create_file("outgoing_flbs", 0400, dir, NULL, &outgoing_flbs_fops);
	debugfs_create_file("incoming_flbs", 0400, dir, NULL, &incoming_flbs_fops);
	debugfs_create_file("handlers", 0400, dir, NULL, &handlers_fops);
	debugfs_create_file("flbs", 0400, dir, NULL, &flbs_fops);
	debugfs_create_file("timeline", 0400, dir, NULL, &timeline_fops);
}
