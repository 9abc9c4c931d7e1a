// SPDX-License-Identifier: GPL-2.0
/*
 * Freeze and serialize everything for the next kernel. All memory has been reserved before:
 * freezing may fail, serializing cannot.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/printk.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

/*
 * Publish the root that the next kernel looks for. Returns -ENOMEM if there is no memory,
 * or if the store takes no more.
 */
int luo_outgoing_start(struct luo *luo)
{
	int err;

	err = luo_flb_area_start(luo);
	if (err)
		return err;
	err = luo_root_publish(luo);
	if (err)
		luo_flb_area_stop(luo);
	else
		luo_flb_area_write_nothing(luo);
	return err;
}

/* Undo luo_outgoing_start(). No session is left. */
void luo_outgoing_stop(struct luo *luo)
{
	if (!luo->ser)
		return;
	luo_root_withdraw(luo);
	luo_flb_area_stop(luo);
}

/* For the next kernel, whose log outlives the reboot. Returns false if there is no space. */
static bool note_unfinished(struct luo *luo, const char *name)
{
	u32 nr = luo->ext->ext.dropped++;

	if (nr >= LUO_DROPPED_NAMED)
		return false;
	strscpy_pad(luo->ext->dropped[nr], name);
	return true;
}

/* Further sessions are only counted: printing takes longer than everything else. */
static void name_unfinished(struct luo *luo, const char *name)
{
	if (!note_unfinished(luo, name))
		return;
	pr_warn("session '%s' was not finished and is dropped by this reboot\n",
		luo_name_escape(name, (char[LUO_NAME_TEXT]) {}));
}

static int name_unread(const void *entry, void *arg)
{
	const struct luo_session_ser *ser = entry;

	name_unfinished(arg, ser->name);
	return 0;
}

/*
 * Name the sessions that a reboot drops in the log. Called before the gate closes, outside
 * of the blackout. Sessions that were never retrieved are read where they lie.
 */
void luo_outgoing_name_dropped(struct luo *luo)
{
	struct liveupdate_session *session;

	guard(mutex)(&luo->lock);
	luo->ext->ext.dropped = 0;
	if (luo->in.err)
		return;
	if (!luo->in.sessions_read)
		luo_incoming_each_session(luo, name_unread, luo);
	list_for_each_entry(session, &luo->incoming, in_side)
		name_unfinished(luo, luo_session_name(session));
	if (luo->ext->ext.dropped > LUO_DROPPED_NAMED)
		pr_warn("%u more sessions were not finished and are dropped by this reboot\n",
			luo->ext->ext.dropped - LUO_DROPPED_NAMED);
}

/*
 * Sessions may have been finished since, before the gate was closed. LIVEUPDATE_IOCTL_LIST
 * does not enter it, and may be reading the sessions just now: nothing waits for that, then
 * they are as they were named.
 */
static void note_all_unfinished(struct luo *luo)
{
	struct liveupdate_session *session;

	ACQUIRE(mutex_try, lock)(&luo->lock);
	if (ACQUIRE_ERR(mutex_try, &lock))
		return;
	if (!luo->in.sessions_read || luo->in.unfinished == luo->ext->ext.dropped)
		return;
	luo->ext->ext.dropped = 0;
	list_for_each_entry(session, &luo->incoming, in_side)
		note_unfinished(luo, luo_session_name(session));
}

static void thaw_session(struct liveupdate_session *session)
{
	guard(rwsem_write)(&session->lock);
	if (!session->reboot_froze)
		return;
	session->reboot_froze = false;
	luo_file_thaw_all(session);
	WRITE_ONCE(session->state, LUO_SESSION_OPEN);
}

static int freeze_session(struct liveupdate_session *session)
{
	u64 token;
	int err;

	guard(rwsem_write)(&session->lock);
	if (session->state == LUO_SESSION_FROZEN)
		return 0;
	err = luo_file_freeze_all(session, &token);
	if (err)
		return err;
	WRITE_ONCE(session->state, LUO_SESSION_FROZEN);
	session->reboot_froze = true;
	return 0;
}

/*
 * Undo luo_outgoing_freeze(), in reverse; sessions that a program froze stay frozen. The
 * gate is closed, so that no session comes or goes.
 */
void luo_outgoing_thaw(struct luo *luo)
{
	struct liveupdate_session *session;

	list_for_each_entry_reverse(session, &luo->outgoing, in_side)
		thaw_session(session);
	luo_flb_area_write_nothing(luo);
}

/*
 * Freeze all sessions that are not frozen yet. The gate is closed, so that no session comes
 * or goes. On error, a handler's, nothing has changed.
 */
int luo_outgoing_freeze(struct luo *luo)
{
	struct liveupdate_session *session;
	int err;

	list_for_each_entry(session, &luo->outgoing, in_side) {
		err = freeze_session(session);
		if (err) {
			luo_outgoing_thaw(luo);
			return err;
		}
	}
	return 0;
}

static void write_files(struct liveupdate_session *session, struct luo_chain_writer *writer)
{
	struct luo_file *lf;

	guard(rwsem_read)(&session->lock);
	luo_chain_write_begin(&session->chain, writer);
	list_for_each_entry(lf, &session->files, in_session)
		luo_wire_write_file(luo_chain_write_entry(writer), lf->args.compatible,
				    lf->args.serialized_data, lf->key.token);
	luo_chain_write_end(writer);
}

static void write_sessions(struct luo *luo, struct luo_chain_writer *sessions,
			   struct luo_chain_writer *crcs)
{
	struct liveupdate_session *session;
	struct luo_chain_writer files;

	luo_chain_write_begin(&luo->session_chain, sessions);
	luo_chain_write_begin(&luo->crc_chain, crcs);
	list_for_each_entry(session, &luo->outgoing, in_side) {
		write_files(session, &files);
		luo_wire_write_session(luo_chain_write_entry(sessions), luo_session_name(session),
				       files.first, session->chain.nr_entries);
		*(u32 *)luo_chain_write_entry(crcs) = files.crc;
	}
	luo_chain_write_end(sessions);
	luo_chain_write_end(crcs);
}

/*
 * Serialize everything for the next kernel. The gate is closed and all is frozen. Neither
 * fails nor allocates.
 */
void luo_outgoing_write(struct luo *luo)
{
	u64 start = luo_trace_start(liveupdate_serialize);
	struct luo_chain_writer sessions, crcs;
	struct luo_root root;

	write_sessions(luo, &sessions, &crcs);
	root = (struct luo_root){
		.sessions_pa = sessions.first,
		.sessions_crc = sessions.crc,
		.files_crcs_pa = crcs.first,
		.files_crcs_crc = crcs.crc,
	};
	luo_flb_area_write(luo, &root);
	note_all_unfinished(luo);
	luo_root_write(luo, &root);
	trace_liveupdate_serialize("all", 0, start);
	luo_damage(luo);
}
