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

static void luo_outgoing_withdraw(struct luo *luo, void *page)
{
	luo->store->ops->withdraw(luo->store, page);
	luo->store->ops->drop(luo->store, page);
}

static void *luo_outgoing_publish(struct luo *luo, const char *name, size_t size)
{
	struct luo_store *store = luo->store;
	void *page = store->ops->alloc(store, 0);

	if (!page)
		return NULL;
	if (store->ops->publish(store, name, page, size)) {
		store->ops->drop(store, page);
		return NULL;
	}
	return page;
}

/*
 * Serialize "nothing is handed over". Also to be called when the FLB area has moved: the
 * root leads to it at all times. The reboot has not begun, or was undone.
 */
void luo_outgoing_write_nothing(struct luo *luo)
{
	struct luo_wire_head head = {
		.liveupdate_num = luo->in.head.liveupdate_num + 1,
	};

	u32 flbs_crc;

	head.flbs_pa = luo_flb_area_write_nothing(luo, &flbs_crc);
	luo_wire_write_head(luo->ser, &head);
	luo_wire_write_ext(luo->ext, luo->ser, 0, flbs_crc, 0, 0);
}

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

	err = -ENOMEM;
	luo->ser = luo_outgoing_publish(luo, LUO_KHO_ENTRY_NAME, sizeof(*luo->ser));
	if (!luo->ser)
		goto err_area;

	luo->ext = luo_outgoing_publish(luo, LUO_EXT_KHO_ENTRY_NAME, sizeof(*luo->ext));
	if (!luo->ext)
		goto err_ser;

	luo_outgoing_write_nothing(luo);
	return 0;

err_ser:
	luo_outgoing_withdraw(luo, luo->ser);
	luo->ser = NULL;
err_area:
	luo_flb_area_stop(luo);
	return err;
}

/* Undo luo_outgoing_start(). No session is left. */
void luo_outgoing_stop(struct luo *luo)
{
	if (!luo->ser)
		return;
	luo_outgoing_withdraw(luo, luo->ext);
	luo_outgoing_withdraw(luo, luo->ser);
	luo->ext = NULL;
	luo->ser = NULL;
	luo_flb_area_stop(luo);
}

static void luo_outgoing_thaw_session(struct liveupdate_session *session)
{
	guard(rwsem_write)(&session->lock);
	if (!session->reboot_froze)
		return;
	session->reboot_froze = false;
	luo_file_thaw_all(session);
	WRITE_ONCE(session->state, LUO_SESSION_OPEN);
}

static int luo_outgoing_freeze_session(struct liveupdate_session *session)
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
		luo_outgoing_thaw_session(session);
	luo_outgoing_write_nothing(luo);
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
		err = luo_outgoing_freeze_session(session);
		if (err) {
			luo_outgoing_thaw(luo);
			return err;
		}
	}
	return 0;
}

static void luo_outgoing_write_files(struct liveupdate_session *session,
				     struct luo_chain_writer *writer)
{
	struct luo_file *lf;

	guard(rwsem_read)(&session->lock);
	luo_chain_write_begin(&session->chain, writer);
	list_for_each_entry(lf, &session->files, in_session)
		luo_wire_write_file(luo_chain_write_entry(writer), lf->args.compatible,
				    lf->args.serialized_data, lf->key.token);
	luo_chain_write_end(writer);
}

static void luo_outgoing_write_sessions(struct luo *luo, struct luo_chain_writer *sessions,
					struct luo_chain_writer *crcs)
{
	struct liveupdate_session *session;
	struct luo_chain_writer files;

	luo_chain_write_begin(&luo->session_chain, sessions);
	luo_chain_write_begin(&luo->crc_chain, crcs);
	list_for_each_entry(session, &luo->outgoing, in_side) {
		luo_outgoing_write_files(session, &files);
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
	struct luo_wire_head head = {
		.liveupdate_num = luo->in.head.liveupdate_num + 1,
	};
	u64 start = luo_trace_start(liveupdate_serialize);
	struct luo_chain_writer sessions, crcs;
	u32 flbs_crc;

	luo_outgoing_write_sessions(luo, &sessions, &crcs);
	head.sessions_pa = sessions.first;
	head.flbs_pa = luo_flb_area_write(luo, &flbs_crc);
	luo_wire_write_head(luo->ser, &head);
	luo_wire_write_ext(luo->ext, luo->ser, sessions.crc, flbs_crc, crcs.first, crcs.crc);
	trace_liveupdate_serialize("all", 0, start);
	luo_damage(luo);
}
