// SPDX-License-Identifier: GPL-2.0
/*
 * Live Update Orchestrator: the switch, the way up, the reboot, and the one static
 * struct luo. What the rest of the kernel calls ends here, in one-line wrappers.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kstrtox.h>
#include <linux/printk.h>
#include <linux/rhashtable.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>

#include "luo_internal.h"

/* Handlers may register before anything else of it is up */
static struct luo luo_global = {
	.handlers_lock = __RWSEM_INITIALIZER(luo_global.handlers_lock),
	.handlers = LIST_HEAD_INIT(luo_global.handlers),
};

static int __init luo_parse_switch(char *arg)
{
	return kstrtobool(arg, &luo_global.enabled);
}
early_param("liveupdate", luo_parse_switch);

/**
 * luo_init() - set up all but the switch and the handlers
 * @luo: what to set up; its enabled, handlers and handlers_lock are there already
 * @store: where to hand over; outlives @luo
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENOMEM.
 */
int luo_init(struct luo *luo, struct luo_store *store)
{
	int err;

	luo->store = store;
	luo_gate_init(&luo->gate);
	mutex_init(&luo->lock);
	INIT_LIST_HEAD(&luo->outgoing);
	INIT_LIST_HEAD(&luo->incoming);
	luo_chain_init(&luo->session_chain, store, sizeof(struct luo_session_ser));
	luo_chain_init(&luo->crc_chain, store, sizeof(u32));
	spin_lock_init(&luo->files_lock);
	hash_init(luo->claims);
	INIT_LIST_HEAD(&luo->waiters);
	init_waitqueue_head(&luo->retrieve_wq);

	err = rhashtable_init(&luo->names, &luo_session_names);
	if (err)
		return err;
	err = rhashtable_init(&luo->tokens, &luo_file_tokens);
	if (err)
		rhashtable_destroy(&luo->names);
	return err;
}

/**
 * luo_start() - look at what came in, and get ready to hand over
 * @luo: what luo_init() set up
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENOMEM.
 */
int luo_start(struct luo *luo)
{
	scoped_guard(mutex, &luo->lock)
		luo_incoming_read_head(luo);
	return luo_outgoing_start(luo);
}

/**
 * luo_exit() - undo luo_init() and luo_start()
 * @luo: with no session open and no handler registered
 */
void luo_exit(struct luo *luo)
{
	luo_incoming_forget(luo);
	luo_outgoing_stop(luo);
	rhashtable_destroy(&luo->tokens);
	rhashtable_destroy(&luo->names);
}

/**
 * luo_stamp() - note when a phase of the reboot was reached
 * @luo: where
 * @stamp: the phase
 *
 * Context: Any, up to the jump.
 */
void luo_stamp(struct luo *luo, enum liveupdate_stamp stamp)
{
	if (luo->ext)
		luo_wire_write_stamp(luo->ext, stamp, ktime_get_mono_fast_ns(), get_cycles());
}

/**
 * luo_reboot() - hand over; from here on only the jump is left
 * @luo: where
 * @handover: the image to be started carries a handover
 *
 * On success the gate stays shut.
 *
 * Context: Process context. May sleep.
 * Return: 0; -EOPNOTSUPP: the image carries no handover, and a file is preserved; -EBUSY,
 * -EINTR: calls under way did not end; else what a handler's freeze() said. On error all
 * is as it was.
 */
int luo_reboot(struct luo *luo, bool handover)
{
	int err;

	err = luo_gate_shut(&luo->gate);
	if (err) {
		pr_warn("reboot refused: a call does not come to its end: %pe\n", ERR_PTR(err));
		return err;
	}

	luo_stamp(luo, LIVEUPDATE_STAMP_REBOOT);
	if (!handover && atomic_long_read(&luo->nr_preserved)) {
		pr_warn("reboot refused: files are preserved, and the image carries no handover: load it with kexec_file_load\n");
		err = -EOPNOTSUPP;
		goto err_open;
	}

	err = luo_outgoing_freeze(luo);
	if (err)
		goto err_open;
	luo_stamp(luo, LIVEUPDATE_STAMP_FROZEN);

	luo_incoming_name_unfinished(luo);
	luo_outgoing_write(luo);
	luo_stamp(luo, LIVEUPDATE_STAMP_SERIALIZED);
	return 0;

err_open:
	luo_gate_open(&luo->gate);
	return err;
}

/**
 * liveupdate_enabled() - is live update switched on?
 *
 * Context: Any, once early parameters are parsed.
 * Return: true if so.
 */
bool liveupdate_enabled(void)
{
	return luo_global.enabled;
}
EXPORT_SYMBOL_GPL(liveupdate_enabled);

/**
 * liveupdate_reboot() - the kexec path is about to start kexec_image
 *
 * Context: Process context, under the kexec lock. May sleep.
 * Return: as luo_reboot(); 0 when live update is off.
 */
int liveupdate_reboot(void)
{
	if (!luo_global.ser)
		return 0;
	return luo_reboot(&luo_global, kexec_image->kho.fdt);
}

/**
 * liveupdate_stamp() - the kexec path has come this far
 * @stamp: how far
 *
 * Context: Any, up to the jump.
 */
void liveupdate_stamp(enum liveupdate_stamp stamp)
{
	luo_stamp(&luo_global, stamp);
}

/**
 * liveupdate_register_file_handler() - make a kind of file preservable
 * @fh: the handler; the caller's, constant until unregistered
 *
 * Context: Process context, from early_initcall on. May sleep.
 * Return:
 * * 0 - done, or live update is off and nothing is to be done
 * * -EINVAL - a required op is missing, or a string is malformed
 * * -EEXIST - a handler with that string is registered
 * * -ENOMEM - no memory
 */
int liveupdate_register_file_handler(struct liveupdate_file_handler *fh)
{
	return luo_handler_register(&luo_global, fh);
}
EXPORT_SYMBOL_GPL(liveupdate_register_file_handler);

/**
 * liveupdate_unregister_file_handler() - undo liveupdate_register_file_handler()
 * @fh: the handler; no file that it looks after may be left
 *
 * Context: Process context. May sleep.
 */
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh)
{
	luo_handler_unregister(&luo_global, fh);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);

/**
 * liveupdate_get_token_outgoing() - a file of the same session that one depends on
 * @session: the session, from the op's args
 * @file: the file, or another of the same object
 * @token: set to its token, to be written down for the next kernel; may be NULL
 *
 * Context: From inside an op of a file in an outgoing session. May sleep.
 * Return:
 * * 0 - @token is set
 * * -ENOENT - it is not preserved in this session
 */
int liveupdate_get_token_outgoing(struct liveupdate_session *session, struct file *file,
				  u64 *token)
{
	return luo_file_token_outgoing(session, file, token);
}
EXPORT_SYMBOL_GPL(liveupdate_get_token_outgoing);

/**
 * liveupdate_get_file_incoming() - a file of the same session that one depended on
 * @session: the session, from the op's args
 * @token: its token, as it was written down
 * @file: set to the file, retrieved if it was not yet, with a reference for the caller
 *
 * Context: From inside an op of a file in an incoming session. Sleeps while another task
 * retrieves the file, killable.
 * Return:
 * * 0 - @file is set
 * * -ENOENT - no such token
 * * -EDEADLK - its retrieval waits for the caller's
 * * -EINTR - killed while waiting
 * * other - as LIVEUPDATE_SESSION_RETRIEVE_FD
 */
int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
				 struct file **file)
{
	return luo_file_retrieve(session, token, file);
}
EXPORT_SYMBOL_GPL(liveupdate_get_file_incoming);

/**
 * liveupdate_session_name() - what a session is called
 * @session: the session, from the op's args
 *
 * Context: From inside an op.
 * Return: its name, terminated, valid as long as the op runs.
 */
const char *liveupdate_session_name(struct liveupdate_session *session)
{
	return luo_session_name(session);
}
EXPORT_SYMBOL_GPL(liveupdate_session_name);

/* Nobody may find it on if there is nothing to hand over with */
static int __init luo_check_switch(void)
{
	if (luo_global.enabled && !kho_is_enabled()) {
		pr_warn("off: it needs Kexec HandOver, kho=on\n");
		luo_global.enabled = false;
	}
	return 0;
}
pure_initcall(luo_check_switch);

static int __init luo_setup(void)
{
	int err;

	luo_check_switch();	/* KHO may have given up since */
	if (!luo_global.enabled)
		return 0;

	err = luo_init(&luo_global, &luo_kho_store);
	if (err)
		goto err_off;
	err = luo_start(&luo_global);
	if (err)
		goto err_exit;
	err = luo_device_register(&luo_global);
	if (err)
		goto err_exit;
	return 0;

err_exit:
	luo_exit(&luo_global);
err_off:
	luo_global.enabled = false;
	pr_err("cannot be set up, is off: %pe\n", ERR_PTR(err));
	return err;
}
late_initcall(luo_setup);
