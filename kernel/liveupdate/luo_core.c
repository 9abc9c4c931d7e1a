// SPDX-License-Identifier: GPL-2.0
/*
 * The core: switch, initcalls, reboot, the one static struct luo, and the exported
 * functions, which are one-line wrappers.
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

#define CREATE_TRACE_POINTS
#include <trace/events/liveupdate.h>

#include "luo_internal.h"

/* Handlers and FLBs may register, and get incoming objects, before luo_setup(). */
static struct luo luo_global = {
	.store = &luo_kho_store,
	.handlers_lock = __RWSEM_INITIALIZER(luo_global.handlers_lock),
	.handlers = LIST_HEAD_INIT(luo_global.handlers),
	.lock = __MUTEX_INITIALIZER(luo_global.lock),
	.state_lock = __SPIN_LOCK_UNLOCKED(luo_global.state_lock),
	.flbs = LIST_HEAD_INIT(luo_global.flbs),
	.held = LIST_HEAD_INIT(luo_global.held),
	.waiters = LIST_HEAD_INIT(luo_global.waiters),
	.oplock_wq = __WAIT_QUEUE_HEAD_INITIALIZER(luo_global.oplock_wq),
};

LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_CORE, LUO_ABI_COMPATIBLE);

#ifdef CONFIG_LIVEUPDATE_TEST
/* The mainline test in lib/tests/liveupdate.c registers its FLBs with every handler. */
LIVEUPDATE_NOTE_OBJECT(LIVEUPDATE_TEST_FLB_COMPATIBLE(0));
LIVEUPDATE_NOTE_OBJECT(LIVEUPDATE_TEST_FLB_COMPATIBLE(1));
LIVEUPDATE_NOTE_OBJECT(LIVEUPDATE_TEST_FLB_COMPATIBLE(2));
#endif

static int __init parse_switch(char *arg)
{
	return kstrtobool(arg, &luo_global.enabled);
}
early_param("liveupdate", parse_switch);

/*
 * Set up what registration and FLBs need, as luo_global has it from the start. @luo is
 * zeroed, except for its switch; @store outlives it.
 */
void luo_init_early(struct luo *luo, struct luo_store *store)
{
	luo->store = store;
	init_rwsem(&luo->handlers_lock);
	INIT_LIST_HEAD(&luo->handlers);
	mutex_init(&luo->lock);
	spin_lock_init(&luo->state_lock);
	INIT_LIST_HEAD(&luo->flbs);
	INIT_LIST_HEAD(&luo->held);
	INIT_LIST_HEAD(&luo->waiters);
	init_waitqueue_head(&luo->oplock_wq);
}

/* Set up the rest, after luo_init_early(). Returns 0 or -ENOMEM. */
int luo_init(struct luo *luo)
{
	int err;

	luo_gate_init(&luo->gate);
	INIT_LIST_HEAD(&luo->outgoing);
	INIT_LIST_HEAD(&luo->incoming);
	luo_chain_init(&luo->session_chain, luo->store, sizeof(struct luo_session_ser));
	luo_chain_init(&luo->crc_chain, luo->store, sizeof(u32));
	hash_init(luo->objects);

	err = rhashtable_init(&luo->names, &luo_session_names);
	if (err)
		return err;
	err = rhashtable_init(&luo->tokens, &luo_file_tokens);
	if (err)
		rhashtable_destroy(&luo->names);
	return err;
}

/*
 * Look at the incoming handover, and publish an empty outgoing one. Returns 0 or -ENOMEM.
 */
int luo_start(struct luo *luo)
{
	scoped_guard(mutex, &luo->lock)
		luo_root_read(luo);
	return luo_outgoing_start(luo);
}

static void luo_stop(struct luo *luo)
{
	luo_outgoing_stop(luo);
	rhashtable_destroy(&luo->tokens);
	rhashtable_destroy(&luo->names);
}

/*
 * Drop what is known of the incoming handover, which stays in memory as it is. No session is
 * open.
 */
void luo_drop_incoming(struct luo *luo)
{
	scoped_guard(mutex, &luo->lock)
		luo_session_drop_incoming(luo);
	luo_flb_drop_incoming(luo);
}

/* Undo luo_init() and luo_start(). No session is open and no handler is registered. */
void luo_exit(struct luo *luo)
{
	luo_drop_incoming(luo);
	luo_stop(luo);
}

/* Record when a phase of the reboot was reached. Runs in any context, up to the kexec. */
static void luo_stamp(struct luo *luo, enum liveupdate_stamp stamp)
{
	struct luo_stamp_ser now;

	luo_read_clocks(&now);
	if (luo->ext)
		luo_wire_write_stamp(&luo->ext->ext, stamp, now.ns, now.cycles);
	trace_liveupdate_phase(stamp);
}

/*
 * Serialize everything for the next kernel. @handover: kexec_image carries one. On success
 * the gate stays closed; on error nothing has changed.
 *
 * Returns -EOPNOTSUPP if files are preserved and the image carries no handover, -ENOSPC if
 * the next kernel would have no room to start in, -EBUSY or -EINTR if calls do not end, or
 * the errno of a handler's freeze().
 */
int luo_reboot(struct luo *luo, bool handover)
{
	u64 start = luo_trace_start(liveupdate_reboot);
	int err;

	luo_outgoing_name_dropped(luo);
	err = luo_gate_close(&luo->gate);
	if (err) {
		pr_warn("reboot refused: calls are still active: %pe\n", ERR_PTR(err));
		luo_file_note_refusal(luo, NULL, err);
		trace_liveupdate_reboot("refused", err, start);
		return err;
	}

	luo_stamp(luo, LIVEUPDATE_STAMP_REBOOT);
	if (!handover && atomic_long_read(&luo->nr_preserved)) {
		pr_warn("reboot refused: files are preserved but the image was not loaded with kexec_file_load()\n");
		err = -EOPNOTSUPP;
		luo_file_note_refusal(luo, NULL, err);
		goto err_open;
	}

	err = handover ? luo->store->ops->room(luo->store) : 0;
	if (err) {
		pr_warn("reboot refused: %pe\n", ERR_PTR(err));
		luo_file_note_refusal(luo, NULL, err);
		goto err_open;
	}

	err = luo_outgoing_freeze(luo);
	if (err)
		goto err_open;
	luo_stamp(luo, LIVEUPDATE_STAMP_FROZEN);

	luo_outgoing_write(luo);
	luo_stamp(luo, LIVEUPDATE_STAMP_SERIALIZED);
	luo_wire_write_stamp(&luo->ext->ext, LUO_STAMP_REAL, ktime_get_real_ns(), get_cycles());
	trace_liveupdate_reboot("ready", 0, start);
	return 0;

err_open:
	trace_liveupdate_reboot("refused", err, start);
	luo_gate_open(&luo->gate);
	return err;
}

/**
 * liveupdate_enabled() - Tell whether live update is switched on
 *
 * Context: Any, once early parameters are parsed.
 * Return: true if it is.
 */
bool liveupdate_enabled(void)
{
	return luo_enabled(&luo_global);
}
EXPORT_SYMBOL_GPL(liveupdate_enabled);

/*
 * Called by kernel_kexec() under the kexec lock, before devices are shut down. Returns as
 * luo_reboot(); 0 when live update is off.
 */
int liveupdate_reboot(void)
{
	if (!luo_global.ser)
		return 0;
	return luo_reboot(&luo_global, kexec_image->kho.fdt);
}

/* Called by the kexec path, up to the kexec itself. */
void liveupdate_stamp(enum liveupdate_stamp stamp)
{
	luo_stamp(&luo_global, stamp);
}

/**
 * liveupdate_register_file_handler() - Register a handler for a kind of file
 * @fh: the handler; the caller's, constant until unregistered
 *
 * Context: Process context, from early_initcall on. May sleep.
 * Return:
 * * 0 - registered, or live update is off
 * * -EINVAL - a required op is missing, or a string is malformed
 * * -EEXIST - a handler with that string is registered
 * * -ENOMEM - no memory
 */
int liveupdate_register_file_handler(struct liveupdate_file_handler *fh)
{
	int err = luo_handler_register(&luo_global, fh);

	if (!err && luo_enabled(&luo_global))
		liveupdate_test_register(fh);
	return err;
}
EXPORT_SYMBOL_GPL(liveupdate_register_file_handler);

/**
 * liveupdate_unregister_file_handler() - Undo liveupdate_register_file_handler()
 * @fh: the handler; none of its files may be left
 *
 * Context: Process context. May sleep.
 */
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh)
{
	luo_handler_unregister(&luo_global, fh);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_file_handler);

/**
 * liveupdate_register_flb() - Let all files of a handler depend on an FLB
 * @fh: the handler, registered
 * @flb: the FLB; the caller's, constant until unregistered. Can be registered with any
 *	number of handlers, a handler can have any number of FLBs.
 *
 * From now on what the previous kernel handed over under the FLB's own string is claimed: no
 * other FLB of the family is told that it is incompatible.
 *
 * Context: Process context, from early_initcall on; not from an op. May sleep.
 * Return:
 * * 0 - registered, or live update is off
 * * -EINVAL - an op is missing, a string is malformed, or @fh is not registered
 * * -EEXIST - the two are linked already, or another FLB of that string is registered
 * * -ENOMEM - no memory
 */
int liveupdate_register_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb)
{
	return luo_handler_add_flb(&luo_global, fh, flb);
}
EXPORT_SYMBOL_GPL(liveupdate_register_flb);

/**
 * liveupdate_unregister_flb() - Undo liveupdate_register_flb()
 * @fh: the handler; if it was unregistered before, so was @flb from it
 * @flb: the FLB; no file of @fh that depends on it may be left, and with the last handler
 *	no object
 *
 * Context: Process context; not from an op. Sleeps while an op of @flb is running.
 */
void liveupdate_unregister_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb)
{
	luo_handler_remove_flb(&luo_global, fh, flb);
}
EXPORT_SYMBOL_GPL(liveupdate_unregister_flb);

/**
 * liveupdate_flb_get_incoming() - Get the object that the previous kernel handed over
 * @flb: the FLB, registered or not yet
 * @objp: set to what retrieve() has made, maybe NULL, on success only; it stays until
 *	liveupdate_flb_put_incoming()
 *
 * The first get calls retrieve(). To tell absent from incompatible, FLBs of one family have
 * to be registered before the first get of any of them.
 *
 * Context: Process context, from early_initcall on. Sleeps while retrieve() is running.
 * Return:
 * * 0 - the object
 * * -ENODATA - absent: nothing was handed over for this FLB, or it has been finished
 * * -EPROTONOSUPPORT - incompatible: its family was handed over in no version that it
 *   reads, or the handover as a whole is of an unknown version, or live update is off and
 *   its family was handed over
 * * -EUCLEAN - damaged: what was handed over, or what leads to it, is corrupted
 * * -ENODEV - the FLB's module is going away, or it was unregistered with an object left
 * * -EOPNOTSUPP - live update is off, and nothing was handed over
 * * -EDEADLK - called from its own ops, or from those of an FLB that they wait for
 * * -EBUSY - another FLB, which was registered earlier, has retrieved what it would read
 * * -EINVAL - an op is missing, or a string is malformed
 * * -ENOMEM - no memory to read the handover; can be retried
 * * -EINTR - killed while waiting for another task's call
 * * other - the errno of retrieve(); the same each time unless the FLB sets retrieve_retry,
 *   and never one of the above that mean that there is nothing
 */
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp)
{
	return luo_flb_get_incoming(&luo_global, flb, objp);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_incoming);

/**
 * liveupdate_flb_put_incoming() - Undo a successful liveupdate_flb_get_incoming()
 * @flb: the FLB
 *
 * Context: Process context. May sleep: the last reference may have to wait for finish().
 */
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
	luo_flb_put_incoming(&luo_global, flb);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_incoming);

/**
 * liveupdate_flb_get_outgoing() - Get the object that is preserved for the next kernel
 * @flb: the FLB, registered
 * @objp: set to what preserve() has made, maybe NULL, on success only; it stays until
 *	liveupdate_flb_put_outgoing()
 *
 * Context: Process context. Does not sleep.
 * Return:
 * * 0 - the object
 * * -ENOENT - no file that depends on it is preserved
 * * -EDEADLK - called from its own ops
 * * -EOPNOTSUPP - live update is off
 */
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp)
{
	return luo_flb_get_outgoing(&luo_global, flb, objp);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_get_outgoing);

/**
 * liveupdate_flb_put_outgoing() - Undo a successful liveupdate_flb_get_outgoing()
 * @flb: the FLB
 *
 * Context: Process context. May sleep: the last reference may have to wait for
 * unpreserve().
 */
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
	luo_flb_put_outgoing(&luo_global, flb);
}
EXPORT_SYMBOL_GPL(liveupdate_flb_put_outgoing);

/**
 * liveupdate_flb_incoming_early() - Look up what the previous kernel handed over, before slab
 * @flb: the FLB; its ops are not called
 * @data: set to what the previous kernel's preserve() set, on success only
 *
 * Takes no reference and claims nothing: the object is still to be got. An entry that is not
 * claimed makes others of its family incompatible, so a subsystem that calls this has one FLB
 * per family and lists older strings in also_retrieves.
 *
 * Context: Early boot, once kho_memory_init_early() has run; before Linux 7.3, which has
 * that, kho_memory_init(). Neither sleeps nor allocates.
 * Return:
 * * 0 - @data is set
 * * other - -ENODATA, -EPROTONOSUPPORT, -EUCLEAN, -EOPNOTSUPP, -EINVAL: as
 *   liveupdate_flb_get_incoming()
 */
int __init liveupdate_flb_incoming_early(struct liveupdate_flb *flb, u64 *data)
{
	return luo_flb_peek_incoming(&luo_global, flb, data);
}

/**
 * liveupdate_get_token_outgoing() - Find a file of the same session that one depends on
 * @session: the session, from the op's args
 * @file: the file, or another of the same object
 * @token: set to its token, to be serialized for the next kernel; may be NULL
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
 * liveupdate_get_file_incoming() - Get a file of the same session that one depended on
 * @session: the session, from the op's args
 * @token: its token, as it was serialized
 * @file: set to the file, retrieved if it was not yet, with a reference for the caller
 *
 * Context: From inside an op of a file in an incoming session. Sleeps while another task
 * retrieves the file, killable.
 * Return:
 * * 0 - @file is set
 * * -ENOENT - no such token
 * * -EDEADLK - its retrieval waits for the caller
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
 * liveupdate_session_name() - Return the name of a session
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

/* Restarting with it on is no remedy: the handover does not outlive the next reboot. */
static void __init luo_warn_off(const struct luo_incoming *in)
{
	if (in->head.sessions_pa || in->nr_flbs)
		pr_warn("live update is off, but the previous kernel handed over %s%s%s: they cannot be retrieved, and the next reboot loses them\n",
			in->head.sessions_pa ? "sessions" : "",
			in->head.sessions_pa && in->nr_flbs ? " and " : "",
			in->nr_flbs ? "FLBs" : "");
}

static int __init luo_setup(void)
{
	int err;

	/* sysfs only shows what has been read. */
	scoped_guard(mutex, &luo_global.lock) {
		luo_root_read(&luo_global);
		if (!luo_enabled(&luo_global))
			luo_flb_read_area(&luo_global);
	}
	err = luo_sysfs_init(&luo_global);
	if (err)
		pr_warn("cannot create /sys/kernel/liveupdate: %pe\n", ERR_PTR(err));
	if (luo_global.enabled && !luo_enabled(&luo_global))
		pr_warn("disabled: Kexec HandOver is off, boot with kho=on\n");
	if (!luo_enabled(&luo_global)) {
		luo_warn_off(&luo_global.in);
		return 0;
	}

	err = luo_init(&luo_global);
	if (err)
		goto err_off;
	err = luo_start(&luo_global);
	if (err)
		goto err_stop;
	err = luo_device_register(&luo_global);
	if (err)
		goto err_stop;
	luo_debugfs_init(&luo_global);
	return 0;

err_stop:
	/* Users of FLBs may hold references, so the incoming handover stays. */
	luo_global.enabled = false;
	luo_stop(&luo_global);
err_off:
	luo_global.enabled = false;
	pr_err("disabled: setup failed: %pe\n", ERR_PTR(err));
	return err;
}
late_initcall(luo_setup);
