/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live Update Orchestrator: the interface for drivers.
 *
 * A subsystem whose files can survive a kexec registers a file handler, which recognizes
 * such files, serializes them into memory that Kexec HandOver preserves, and retrieves them
 * in the next kernel. There the handler is found by its compatible string.
 *
 * State that many files share, and that is preserved as long as any of them is, is a
 * File-Lifecycle-Bound object (FLB). See Documentation/core-api/liveupdate.rst.
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

/* Size of a compatible string, with its terminating zero */
#define LIVEUPDATE_HNDL_COMPAT_LENGTH	48
#define LIVEUPDATE_FLB_COMPAT_LENGTH	48

/**
 * struct liveupdate_file_op_args - arguments of a file handler's ops
 * @handler: the registered handler
 * @retrieve_status: for can_finish() and finish(): 0 if retrieve() was not called, greater
 *	than 0 if it succeeded, else its errno
 * @file: the file; retrieve() sets it and passes its reference to the core; NULL in
 *	finish() if the file was not retrieved
 * @serialized_data: a number for the next kernel, usually a physical address; preserve()
 *	and freeze() may set it
 * @private_data: for the handler's use in this kernel, from preserve() to unpreserve() or
 *	from retrieve() to finish()
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
 * struct liveupdate_file_ops - ops of a file handler
 * @can_preserve: required. Tells whether the handler preserves such files. Fast; neither
 *	allocates nor changes anything.
 * @preserve: required. Serialize the file into preserved memory, and reserve what freeze()
 *	will need. On error nothing has changed.
 * @unpreserve: required. Undo preserve(). Cannot fail.
 * @freeze: optional. Called during the reboot, or before it if a program asks for it.
 *	Allocates only for what was added since preserve(). An error undoes the freeze of all
 *	files, and the reboot returns it.
 * @unfreeze: optional. Undo freeze(). Cannot fail, and takes no lock that a task which waits
 *	for it may hold.
 * @retrieve: required. Make the file from what was handed over. An error is final, but see
 *	@retrieve_retry.
 * @can_finish: optional. Tells whether finish() may be called now.
 * @finish: required. Free what was handed over and is not in use by the file; also called
 *	for files that were not retrieved. Cannot fail.
 * @get_id: optional. A number that is equal for two files of the same object, and constant
 *	while the file is open; by default the address of the file.
 * @owner: the module of the ops, NULL if built in. Each preserved or retrieved file holds a
 *	reference.
 * @retrieve_retry: after any error other than -EUCLEAN, -EOPNOTSUPP and -EIO retrieve() has
 *	consumed nothing and can be called again. Without this, an error is still not final
 *	if it is the transient errno of another file or of an FLB, which retrieve() passes
 *	on: so get these before anything is consumed.
 *
 * Context: all may sleep. The core serializes the ops of one file only.
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
 * struct liveupdate_file_handler - a handler for one kind of file
 * @ops: the ops; constant while registered
 * @compatible: the format that it writes, for example "memfd-v2": printable, without spaces,
 *	unique among handlers. The same name with another -v<number> is the same family.
 * @also_retrieves: further formats that it reads, usually older ones, NULL-terminated, in
 *	order of preference; NULL for none
 */
struct liveupdate_file_handler {
	const struct liveupdate_file_ops *ops;
	const char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	const char *const *also_retrieves;
};

/**
 * struct liveupdate_flb_op_args - arguments of an FLB's ops
 * @flb: the registered FLB
 * @data: a number for the next kernel, usually a physical address: set by preserve(),
 *	passed to retrieve() and finish()
 * @obj: the object in this kernel: set by preserve() or retrieve(), may be NULL; passed to
 *	unpreserve() or finish()
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
 * struct liveupdate_flb_ops - ops of an FLB
 * @preserve: required. Make the object and serialize it into preserved memory; called before
 *	the first file that depends on it is preserved. On error nothing has changed, and the
 *	file is not preserved.
 * @unpreserve: required. Undo preserve(), once the last file that depends on it is
 *	unpreserved and the last reference is put. Cannot fail.
 * @retrieve: required. Make the object from what was handed over, at the first get or just
 *	before finish(). An error is final and returned by each get, but see @retrieve_retry;
 *	-ENODATA, -EOPNOTSUPP and -ENODEV, which would mean that there is nothing, become
 *	-EUCLEAN.
 * @finish: required. Free what was handed over, and the object. Called once the last file
 *	that depends on it is finished, at the latest when all sessions of the previous
 *	kernel are, and the last reference is put. Cannot fail.
 * @owner: the module of the ops, NULL if built in. The object holds a reference.
 * @retrieve_retry: after any error other than those that become -EUCLEAN, -EUCLEAN itself and
 *	-EIO retrieve() has consumed nothing and is called again by the next get. Without this,
 *	an error is still not final if it is the transient errno of another FLB, which
 *	retrieve() passes on.
 *
 * Context: all may sleep, and may get and put other FLBs, but not register any. Each is
 * called at most once in the life of an object, but for a retrieve() that is retried, and the
 * ops of one object are serialized.
 * The previous kernel's object and the one for the next kernel are independent.
 */
struct liveupdate_flb_ops {
	int (*preserve)(struct liveupdate_flb_op_args *args);
	void (*unpreserve)(struct liveupdate_flb_op_args *args);
	int (*retrieve)(struct liveupdate_flb_op_args *args);
	void (*finish)(struct liveupdate_flb_op_args *args);
	struct module *owner;
	bool retrieve_retry;
};

/**
 * struct liveupdate_flb - a File-Lifecycle-Bound object
 * @ops: the ops; constant while registered
 * @compatible: the format that it writes, for example "pci-v1": printable, without spaces,
 *	unique among FLBs. The same name with another -v<number> is the same family.
 * @also_retrieves: further formats that it reads, usually older ones, NULL-terminated, in
 *	order of preference; NULL for none
 */
struct liveupdate_flb {
	const struct liveupdate_flb_ops *ops;
	const char compatible[LIVEUPDATE_FLB_COMPAT_LENGTH];
	const char *const *also_retrieves;
};

/**
 * enum liveupdate_stamp - milestones of a reboot
 * @LIVEUPDATE_STAMP_REBOOT: liveupdate_reboot() was called
 * @LIVEUPDATE_STAMP_FROZEN: all files are frozen
 * @LIVEUPDATE_STAMP_SERIALIZED: everything is serialized
 * @LIVEUPDATE_STAMP_SYSCORE: devices and system core are shut down
 * @LIVEUPDATE_STAMP_MACHINE: the other CPUs are stopped; kexec is next
 * @LIVEUPDATE_STAMPS: number of milestones
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
 * LIVEUPDATE_NOTE_HANDLER() - Note in the image that files of this format can be retrieved
 * @compatible: the compatible string of a &struct liveupdate_file_handler: a literal
 *
 * Stands beside the handler, in a module as well. `luoctl preflight` looks for it to tell
 * whether the next kernel reads what this one preserves.
 */
#define LIVEUPDATE_NOTE_HANDLER(compatible)	\
	LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_FILE, compatible)

/**
 * LIVEUPDATE_NOTE_HANDLER_OLDER() - Note a format of @also_retrieves
 * @compatible: a literal
 */
#define LIVEUPDATE_NOTE_HANDLER_OLDER(compatible)	\
	LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_FILE | LIVEUPDATE_NOTE_OLDER, compatible)

/**
 * LIVEUPDATE_NOTE_OBJECT() - Note in the image that FLBs of this format can be retrieved
 * @compatible: the compatible string of a &struct liveupdate_flb: a literal
 */
#define LIVEUPDATE_NOTE_OBJECT(compatible)	\
	LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_FLB, compatible)

/**
 * LIVEUPDATE_NOTE_OBJECT_OLDER() - Note a format of @also_retrieves
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

static inline void *liveupdate_alloc_page(void)
{
	return NULL;
}

static inline void liveupdate_free_page(void *mem)
{
}

#endif /* CONFIG_LIVEUPDATE */
#endif /* _LINUX_LIVEUPDATE_H */
