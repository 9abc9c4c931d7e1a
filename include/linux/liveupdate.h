/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live Update Orchestrator: the drivers' door.
 *
 * A subsystem whose files can outlive the kernel registers a file handler: how to
 * recognize such a file, how to write it down in memory that Kexec HandOver keeps,
 * and how to make it again in the next kernel. Handlers are found there by their
 * compatible string.
 *
 * State that many files share, and that lives as long as any of them is preserved, is a
 * File-Lifecycle-Bound object, FLB. Documentation/core-api/liveupdate.rst tells when to
 * use one.
 */
#ifndef _LINUX_LIVEUPDATE_H
#define _LINUX_LIVEUPDATE_H

#include <linux/build_bug.h>
#include <linux/elfnote.h>
#include <linux/errno.h>
#include <linux/init.h>
#include <linux/types.h>
#include <uapi/linux/liveupdate.h>

struct file;
struct liveupdate_file_handler;
struct liveupdate_flb;
struct liveupdate_session;
struct module;

/* Room for a compatible string, with its terminating zero */
#define LIVEUPDATE_HNDL_COMPAT_LENGTH	48
#define LIVEUPDATE_FLB_COMPAT_LENGTH	48

/**
 * struct liveupdate_file_op_args - what a file handler's ops are called with
 * @handler: the handler as it was registered
 * @retrieve_status: for can_finish() and finish(): 0 if retrieve() was not tried,
 *	greater than 0 if it succeeded, else the errno it failed with
 * @file: the file; retrieve() sets it and gives its reference to the core; NULL in
 *	finish() if it was not retrieved
 * @serialized_data: one number for the next kernel, mostly a physical address;
 *	preserve() and freeze() may set it
 * @private_data: for the handler's own use in this kernel, from preserve() to
 *	unpreserve() or from retrieve() to finish()
 * @compatible: the string that was handed over, @handler's own or one of
 *	@handler->also_retrieves; before the handover, @handler's own
 * @session: the session that the file is in
 */
struct liveupdate_file_op_args {
	struct liveupdate_file_handler *handler;
	int retrieve_status;
	struct file *file;
	u64 serialized_data;
	void *private_data;
	const char *compatible;
	struct liveupdate_session *session;
};

/**
 * struct liveupdate_file_ops - how to carry one kind of file over
 * @can_preserve: required. Whether the file is of this kind. Quick; allocates and
 *	changes nothing.
 * @preserve: required. Write the file down in preserved memory, and reserve what
 *	freeze() will need. An error leaves nothing behind.
 * @unpreserve: required. Undo preserve(). Cannot fail.
 * @freeze: optional. The last look before the jump, or ahead of it for a program that
 *	asks. Allocates only for what has appeared since preserve(). An error undoes the
 *	freeze of all files, and the reboot returns it.
 * @unfreeze: optional. Undo freeze(). Cannot fail, takes no lock that a task waiting
 *	for it might hold.
 * @retrieve: required. Make the file from what was handed over. An error is final for
 *	it, see @retrieve_retry.
 * @can_finish: optional. Whether finish() may be called now.
 * @finish: required. Free what was handed over and no file uses; also called for files
 *	that nobody retrieved. Cannot fail.
 * @get_id: optional. What makes two files the same object; default the file's address.
 *	Constant while the file is open.
 * @owner: the module that these ops are in, NULL if built in. Held by every object that
 *	is preserved or retrieved.
 * @retrieve_retry: a promise that retrieve() has consumed nothing, and can be called
 *	again, after any error but -EUCLEAN, -EOPNOTSUPP and -EIO. Without it, only an errno
 *	that retrieve() was told of another file or an FLB, not finally, and passes on is
 *	not final: so ask for them before anything is consumed.
 *
 * Context: all may sleep. The core serializes the ops of one file, no more.
 */
struct liveupdate_file_ops {
	bool (*can_preserve)(struct liveupdate_file_handler *handler, struct file *file);
	int (*preserve)(struct liveupdate_file_op_args *args);
	void (*unpreserve)(struct liveupdate_file_op_args *args);
	int (*freeze)(struct liveupdate_file_op_args *args);
	void (*unfreeze)(struct liveupdate_file_op_args *args);
	int (*retrieve)(struct liveupdate_file_op_args *args);
	bool (*can_finish)(struct liveupdate_file_op_args *args);
	void (*finish)(struct liveupdate_file_op_args *args);
	unsigned long (*get_id)(struct file *file);
	struct module *owner;
	bool retrieve_retry;
};

/**
 * struct liveupdate_file_handler - one kind of file that can be carried over
 * @ops: how; constant while registered
 * @compatible: the format it writes, for example "memfd-v2": printable, without spaces,
 *	unique among handlers. The same name with another -v<number> is the same family.
 * @also_retrieves: other formats it can read too, mostly older ones, NULL-terminated, most
 *	wanted first; NULL for none
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	const char *const *also_retrieves;
};

/**
 * struct liveupdate_flb_op_args - what an FLB's ops are called with
 * @flb: the FLB as it was registered
 * @data: one number for the next kernel, mostly a physical address: preserve() sets it,
 *	retrieve() and finish() get it
 * @obj: the object in this kernel: preserve() or retrieve() sets it, may be NULL;
 *	unpreserve() or finish() gets it back
 * @compatible: the string that was handed over, @flb's own or one of
 *	@flb->also_retrieves; before the handover, @flb's own
 */
struct liveupdate_flb_op_args {
	struct liveupdate_flb *flb;
	u64 data;
	void *obj;
	const char *compatible;
};

/**
 * struct liveupdate_flb_ops - how to carry one shared object over
 * @preserve: required. Make the object and write it down in preserved memory; called
 *	before the first file that depends on it is preserved. An error leaves nothing
 *	behind, and that file is not preserved.
 * @unpreserve: required. Undo preserve(), after the last file that depends on it is
 *	given up and the last reference is put. Cannot fail.
 * @retrieve: required. Make the object from what was handed over, when it is first asked
 *	for, or just before finish(). An error is final, and what everybody is told who
 *	asks, but for -ENODATA and -EOPNOTSUPP: something is there, so that is -EUCLEAN.
 * @finish: required. Free what was handed over, and the object. Called when the last
 *	file that depends on it is finished, at the latest when no session of the last
 *	kernel is left, and the last reference is put. Cannot fail.
 * @owner: the module that these ops are in, NULL if built in. Held while the object is
 *	there.
 *
 * Context: all may sleep, and may get and put other FLBs, but register nothing. Each is
 * called at most once in the life of an object, and those of one object one at a time; the
 * previous kernel's object and the one for the next kernel know nothing of each other.
 */
struct liveupdate_flb_ops {
	int (*preserve)(struct liveupdate_flb_op_args *args);
	void (*unpreserve)(struct liveupdate_flb_op_args *args);
	int (*retrieve)(struct liveupdate_flb_op_args *args);
	void (*finish)(struct liveupdate_flb_op_args *args);
	struct module *owner;
};

/**
 * struct liveupdate_flb - a File-Lifecycle-Bound object
 * @ops: how to carry it over; constant while registered
 * @compatible: the format it writes, for example "pci-v1": printable, without spaces,
 *	unique among FLBs. The same name with another -v<number> is the same family.
 * @also_retrieves: other formats it can read too, mostly older ones, NULL-terminated, most
 *	wanted first; NULL for none
 */
struct liveupdate_flb {
	const struct liveupdate_flb_ops *ops;
	const char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];
	const char *const *also_retrieves;
};

/**
 * enum liveupdate_stamp - phases of a reboot that LUO notes the time of
 * @LIVEUPDATE_STAMP_REBOOT: liveupdate_reboot() was called
 * @LIVEUPDATE_STAMP_FROZEN: all files are frozen
 * @LIVEUPDATE_STAMP_SERIALIZED: all is written down
 * @LIVEUPDATE_STAMP_SYSCORE: devices and system core are shut down
 * @LIVEUPDATE_STAMP_MACHINE: the other CPUs are stopped; next is the jump
 * @LIVEUPDATE_STAMPS: how many there are
 */
enum liveupdate_stamp {
	LIVEUPDATE_STAMP_REBOOT,
	LIVEUPDATE_STAMP_FROZEN,
	LIVEUPDATE_STAMP_SERIALIZED,
	LIVEUPDATE_STAMP_SYSCORE,
	LIVEUPDATE_STAMP_MACHINE,
	LIVEUPDATE_STAMPS
};

#ifdef CONFIG_LIVEUPDATE
#define LIVEUPDATE_NOTE(type, desc)	ELFNOTE32(LIVEUPDATE_NOTE_NAME, type, desc)
#else
#define LIVEUPDATE_NOTE(type, desc)	static_assert(sizeof(desc))
#endif

/**
 * LIVEUPDATE_NOTE_HANDLER() - say in the image that files of this format are taken over
 * @compatible: the compatible string of a &struct liveupdate_file_handler: a literal
 *
 * A line of its own beside the handler, in a module as well: `luoctl preflight` looks there
 * whether the next kernel reads what this one holds, and without it says that it does not.
 */
#define LIVEUPDATE_NOTE_HANDLER(compatible)	\
	LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_FILE, compatible)

/**
 * LIVEUPDATE_NOTE_HANDLER_OLDER() - the same for one of @also_retrieves
 * @compatible: a literal
 */
#define LIVEUPDATE_NOTE_HANDLER_OLDER(compatible)	\
	LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_FILE | LIVEUPDATE_NOTE_OLDER, compatible)

/**
 * LIVEUPDATE_NOTE_OBJECT() - say in the image that objects of this format are taken over
 * @compatible: the compatible string of a &struct liveupdate_flb: a literal
 */
#define LIVEUPDATE_NOTE_OBJECT(compatible)	\
	LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_FLB, compatible)

/**
 * LIVEUPDATE_NOTE_OBJECT_OLDER() - the same for one of @also_retrieves
 * @compatible: a literal
 */
#define LIVEUPDATE_NOTE_OBJECT_OLDER(compatible)	\
	LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_FLB | LIVEUPDATE_NOTE_OLDER, compatible)

#ifdef CONFIG_LIVEUPDATE

bool liveupdate_enabled(void);
int liveupdate_reboot(void);
void liveupdate_stamp(enum liveupdate_stamp stamp);

int liveupdate_register_file_handler(struct liveupdate_file_handler *fh);
void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh);

int liveupdate_register_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb);
void liveupdate_unregister_flb(struct liveupdate_file_handler *fh, struct liveupdate_flb *flb);
int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_incoming(struct liveupdate_flb *flb);
int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp);
void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb);
int __init liveupdate_flb_incoming_early(struct liveupdate_flb *flb, u64 *data);

/* Called from inside a file handler's ops */
int liveupdate_get_token_outgoing(struct liveupdate_session *session, struct file *file,
				  u64 *token);
int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
				 struct file **file);
const char *liveupdate_session_name(struct liveupdate_session *session);

void *liveupdate_alloc_page(void);
void liveupdate_free_page(void *mem);

#else /* !CONFIG_LIVEUPDATE */

static inline bool liveupdate_enabled(void)
{
	return false;
}

static inline int liveupdate_reboot(void)
{
	return 0;
}

static inline void liveupdate_stamp(enum liveupdate_stamp stamp)
{
}

static inline int liveupdate_register_file_handler(struct liveupdate_file_handler *fh)
{
	return 0;
}

static inline void liveupdate_unregister_file_handler(struct liveupdate_file_handler *fh)
{
}

static inline int liveupdate_register_flb(struct liveupdate_file_handler *fh,
					  struct liveupdate_flb *flb)
{
	return 0;
}

static inline void liveupdate_unregister_flb(struct liveupdate_file_handler *fh,
					     struct liveupdate_flb *flb)
{
}

static inline int liveupdate_flb_get_incoming(struct liveupdate_flb *flb, void **objp)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_flb_put_incoming(struct liveupdate_flb *flb)
{
}

static inline int liveupdate_flb_get_outgoing(struct liveupdate_flb *flb, void **objp)
{
	return -EOPNOTSUPP;
}

static inline void liveupdate_flb_put_outgoing(struct liveupdate_flb *flb)
{
}

static inline int liveupdate_flb_incoming_early(struct liveupdate_flb *flb, u64 *data)
{
	return -EOPNOTSUPP;
}

static inline int liveupdate_get_token_outgoing(struct liveupdate_session *session,
						struct file *file, u64 *token)
{
	return -EOPNOTSUPP;
}

static inline int liveupdate_get_file_incoming(struct liveupdate_session *session, u64 token,
					       struct file **file)
{
	return -EOPNOTSUPP;
}

static inline const char *liveupdate_session_name(struct liveupdate_session *session)
{
	return "";
}

#endif /* CONFIG_LIVEUPDATE */
#endif /* _LINUX_LIVEUPDATE_H */
