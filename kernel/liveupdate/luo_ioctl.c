// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of /dev/liveupdate and of session file descriptors: one table, one dispatcher.
 *
 * A row of the table has an ioctl's number, the size of its argument, the last mandatory
 * field, and the function to run, which gets a copy of the argument. Only the dispatcher
 * accesses user memory, but for a list's entries, and it alone publishes what a function has
 * made: a file descriptor is installed after the response was copied, and if that fails
 * nothing has changed.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

union luo_args {
	struct liveupdate_ioctl_create_session create;
	struct liveupdate_ioctl_retrieve_session retrieve_session;
	struct liveupdate_session_preserve_fd preserve;
	struct liveupdate_session_retrieve_fd retrieve;
	struct liveupdate_session_finish finish;
	struct liveupdate_session_get_name get_name;
	struct liveupdate_session_freeze freeze;
	struct liveupdate_session_thaw thaw;
	struct liveupdate_ioctl_get_info info;
	struct liveupdate_ioctl_list list;
};

/* The fd is at the same offset in every argument that has one. */
#define LUO_ARGS_FD	offsetof(union luo_args, create.fd)

static_assert(offsetof(union luo_args, retrieve_session.fd) == LUO_ARGS_FD);
static_assert(offsetof(union luo_args, preserve.fd) == LUO_ARGS_FD);
static_assert(offsetof(union luo_args, retrieve.fd) == LUO_ARGS_FD);
static_assert(offsetof(union luo_args, retrieve_session.name) ==
	      offsetof(union luo_args, create.name));

/*
 * An ioctl under way. @luo is set on the device, @session on a session or once the call has
 * made or retrieved one; @file is what the call has retrieved.
 */
struct luo_ucmd {
	struct luo *luo;
	struct liveupdate_session *session;
	union luo_args args;
	void __user *user;
	u32 user_size;
	struct file *file;
};

enum luo_response {
	LUO_RESPOND_NONE,		/* nothing is copied back */
	LUO_RESPOND_ARGS,		/* the argument, on success */
	LUO_RESPOND_REFUSAL,	/* the argument, on failure */
	LUO_RESPOND_FILE,		/* the argument, with a descriptor of @file */
	LUO_RESPOND_SESSION,	/* the argument, with a descriptor of @session */
};

/*
 * A row of the table: name and number, size and mandatory size of the argument, the
 * response, what to run, and how to undo that if the file descriptor cannot be installed;
 * a query also works on a device that is open for reading only.
 */
struct luo_ioctl_op {
	const char *name;
	unsigned int cmd;
	u32 size;
	u32 min_size;
	enum luo_response response;
	bool query;
	int (*run)(struct luo_ucmd *ucmd);
	void (*undo)(struct liveupdate_session *session);
};

#define IOCTL_OP(_name, _cmd, _type, _last, _reply, _run, ...)	\
	{							\
		.name = _name,					\
		.cmd = _cmd,					\
		.size = sizeof(_type),				\
		.min_size = offsetofend(_type, _last),		\
		.response = _reply,				\
		.run = _run,					\
		__VA_ARGS__					\
	}

/* Terminated, and not empty */
static bool name_is_valid(const char *name)
{
	return name[0] && memchr(name, 0, LIVEUPDATE_SESSION_NAME_LENGTH);
}

static int ioctl_create(struct luo_ucmd *ucmd)
{
	const char *name = ucmd->args.create.name;

	if (!name_is_valid(name))
		return -EINVAL;
	return luo_session_create(ucmd->luo, name, &ucmd->session);
}

static int ioctl_retrieve_session(struct luo_ucmd *ucmd)
{
	const char *name = ucmd->args.retrieve_session.name;
	u64 flags = ucmd->args.retrieve_session.flags;

	if (flags & ~(u64)LIVEUPDATE_RETRIEVE_KEEP)
		return -EOPNOTSUPP;
	if (!name_is_valid(name))
		return -EINVAL;
	return luo_session_retrieve(ucmd->luo, name, flags & LIVEUPDATE_RETRIEVE_KEEP,
				    &ucmd->session);
}

static int ioctl_preserve(struct luo_ucmd *ucmd)
{
	struct file *file = fget(ucmd->args.preserve.fd);
	int err;

	if (!file)
		return -EBADF;
	err = luo_session_preserve(ucmd->session, file, ucmd->args.preserve.token);
	fput(file);
	return err;
}

static int ioctl_retrieve(struct luo_ucmd *ucmd)
{
	return luo_session_retrieve_file(ucmd->session, ucmd->args.retrieve.token, &ucmd->file);
}

static int ioctl_finish(struct luo_ucmd *ucmd)
{
	if (ucmd->args.finish.reserved)
		return -EOPNOTSUPP;
	return luo_session_finish(ucmd->session);
}

static int ioctl_get_name(struct luo_ucmd *ucmd)
{
	struct liveupdate_session_get_name *args = &ucmd->args.get_name;
	struct luo_gate *gate = &ucmd->session->luo->gate;
	int err;

	if (args->reserved)
		return -EOPNOTSUPP;
	err = luo_gate_enter(gate);
	if (err)
		return err;
	strscpy_pad(args->name, luo_session_name(ucmd->session));
	luo_gate_leave(gate);
	return 0;
}

static int ioctl_freeze(struct luo_ucmd *ucmd)
{
	struct liveupdate_session_freeze *args = &ucmd->args.freeze;
	u64 token = args->token;
	int err;

	if (args->flags)
		return -EOPNOTSUPP;
	err = luo_session_freeze(ucmd->session, &token);
	args->token = token;
	return err;
}

static int ioctl_thaw(struct luo_ucmd *ucmd)
{
	if (ucmd->args.thaw.flags)
		return -EOPNOTSUPP;
	return luo_session_thaw(ucmd->session);
}

static int ioctl_info(struct luo_ucmd *ucmd)
{
	return luo_info(ucmd->luo, &ucmd->args.info);
}

/* A call that goes on in a session validates its files anew: that should be rare. */
#define LUO_LIST_BYTES	SZ_64K

/* One at a time is copied: what a caller does not know of it, or the kernel, is left out. */
static int copy_entries(const struct liveupdate_ioctl_list *args,
			const struct liveupdate_list_entry *entries, int nr)
{
	void __user *to = u64_to_user_ptr(args->entries);

	for (int i = 0; i < nr; i++, to += args->entry_size) {
		if (copy_struct_to_user(to, args->entry_size, &entries[i], sizeof(entries[i]),
					NULL))
			return -EFAULT;
	}
	return 0;
}

static int ioctl_list(struct luo_ucmd *ucmd)
{
	struct liveupdate_list_entry *entries __free(kvfree) = NULL;
	struct liveupdate_ioctl_list *args = &ucmd->args.list;
	u32 max = min(args->count, LUO_LIST_BYTES / sizeof(*entries));
	u64 cursor = args->cursor;
	int nr, err;

	if (!max || args->entry_size < offsetofend(struct liveupdate_list_entry, name))
		return -EINVAL;
	if (args->entry_size > PAGE_SIZE)
		return -E2BIG;
	entries = kvcalloc(max, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	nr = luo_list(ucmd->luo, args->what, &cursor, entries, max);
	if (nr < 0)
		return nr;
	err = copy_entries(args, entries, nr);
	if (err)
		return err;
	args->cursor = cursor;
	args->count = nr;
	return 0;
}

static const struct luo_ioctl_op device_ioctl_ops[] = {
	IOCTL_OP("create", LIVEUPDATE_IOCTL_CREATE_SESSION,
		 struct liveupdate_ioctl_create_session, name,
		 LUO_RESPOND_SESSION, ioctl_create, .undo = luo_session_close),
	IOCTL_OP("retrieve", LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
		 struct liveupdate_ioctl_retrieve_session, name,
		 LUO_RESPOND_SESSION, ioctl_retrieve_session, .undo = luo_session_unretrieve),
	IOCTL_OP("info", LIVEUPDATE_IOCTL_GET_INFO,
		 struct liveupdate_ioctl_get_info, refusal_session,
		 LUO_RESPOND_ARGS, ioctl_info, .query = true),
	IOCTL_OP("list", LIVEUPDATE_IOCTL_LIST,
		 struct liveupdate_ioctl_list, count,
		 LUO_RESPOND_ARGS, ioctl_list, .query = true),
};

static const struct luo_ioctl_op session_ioctl_ops[] = {
	IOCTL_OP("preserve-fd", LIVEUPDATE_SESSION_PRESERVE_FD,
		 struct liveupdate_session_preserve_fd, token, LUO_RESPOND_NONE, ioctl_preserve),
	IOCTL_OP("retrieve-fd", LIVEUPDATE_SESSION_RETRIEVE_FD,
		 struct liveupdate_session_retrieve_fd, token, LUO_RESPOND_FILE, ioctl_retrieve),
	IOCTL_OP("finish", LIVEUPDATE_SESSION_FINISH,
		 struct liveupdate_session_finish, reserved, LUO_RESPOND_NONE, ioctl_finish),
	IOCTL_OP("get-name", LIVEUPDATE_SESSION_GET_NAME,
		 struct liveupdate_session_get_name, name, LUO_RESPOND_ARGS, ioctl_get_name),
	IOCTL_OP("freeze", LIVEUPDATE_SESSION_FREEZE,
		 struct liveupdate_session_freeze, token, LUO_RESPOND_REFUSAL, ioctl_freeze),
	IOCTL_OP("thaw", LIVEUPDATE_SESSION_THAW,
		 struct liveupdate_session_thaw, flags, LUO_RESPOND_NONE, ioctl_thaw),
};

static const struct luo_ioctl_op *ioctl_op_find(const struct luo_ioctl_op *ops, size_t nr_ops,
						unsigned int cmd)
{
	for (size_t i = 0; i < nr_ops; i++) {
		if (ops[i].cmd == cmd)
			return &ops[i];
	}
	return NULL;
}

static int ucmd_copy_args(struct luo_ucmd *ucmd, const struct luo_ioctl_op *op)
{
	if (get_user(ucmd->user_size, (u32 __user *)ucmd->user))
		return -EFAULT;
	if (ucmd->user_size < op->min_size)
		return -EINVAL;
	/* No argument will ever be larger: do not scan that much for zeroes. */
	if (ucmd->user_size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(&ucmd->args, op->size, ucmd->user, ucmd->user_size);
}

static int ucmd_copy_response(struct luo_ucmd *ucmd, const struct luo_ioctl_op *op)
{
	size_t size = min(ucmd->user_size, op->size);

	return copy_to_user(ucmd->user, &ucmd->args, size) ? -EFAULT : 0;
}

static int session_release(struct inode *inode, struct file *file)
{
	struct liveupdate_session *session = file->private_data;

	if (!session)
		return 0;
	trace_liveupdate_call("close", luo_session_name(session), 0, 0);
	luo_session_close(session);
	return 0;
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

static void session_show_fdinfo(struct seq_file *m, struct file *file)
{
	luo_session_show(m, file->private_data);
}

static const struct file_operations session_fops = {
	.owner = THIS_MODULE,
	.release = session_release,
	.show_fdinfo = session_show_fdinfo,
	.unlocked_ioctl = session_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* The name is shown in /proc/PID/fd; programs recognize sessions by it. */
static struct file *session_file(struct liveupdate_session *session)
{
	char name[sizeof("[luo_session] ") + LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "[luo_session] %s", luo_session_name(session));
	return anon_inode_getfile(name, &session_fops, session, O_RDWR);
}

static int ucmd_publish(struct luo_ucmd *ucmd, const struct luo_ioctl_op *op,
			struct file *file)
{
	s32 *fd = (void *)&ucmd->args + LUO_ARGS_FD;
	int err;

	FD_PREPARE(fdf, O_CLOEXEC, get_file(file));
	if (fdf.err)
		return fdf.err;
	*fd = fd_prepare_fd(fdf);
	err = ucmd_copy_response(ucmd, op);
	if (err)
		return err;
	fd_publish(fdf);
	return 0;
}

static int ucmd_publish_file(struct luo_ucmd *ucmd, const struct luo_ioctl_op *op)
{
	int err = ucmd_publish(ucmd, op, ucmd->file);

	fput(ucmd->file);
	return err;
}

static int ucmd_publish_session(struct luo_ucmd *ucmd, const struct luo_ioctl_op *op)
{
	struct file *file = session_file(ucmd->session);
	int err;

	if (IS_ERR(file)) {
		op->undo(ucmd->session);
		return PTR_ERR(file);
	}
	err = ucmd_publish(ucmd, op, file);
	if (err) {
		file->private_data = NULL;
		op->undo(ucmd->session);
	}
	fput(file);
	return err;
}

static int ucmd_finish(struct luo_ucmd *ucmd, const struct luo_ioctl_op *op, int err)
{
	switch (op->response) {
	case LUO_RESPOND_REFUSAL:
		return err ? ucmd_copy_response(ucmd, op) ?: err : 0;
	case LUO_RESPOND_ARGS:
		return err ?: ucmd_copy_response(ucmd, op);
	case LUO_RESPOND_FILE:
		return err ?: ucmd_publish_file(ucmd, op);
	case LUO_RESPOND_SESSION:
		return err ?: ucmd_publish_session(ucmd, op);
	default:
		return err;
	}
}

/* On the device, where the session may be gone by then, what the caller has asked for. */
static const char *ucmd_session_name(const struct luo_ucmd *ucmd,
				     const struct luo_ioctl_op *op)
{
	const char *name = ucmd->args.create.name;

	if (!ucmd->luo)
		return luo_session_name(ucmd->session);
	return !op->query && name_is_valid(name) ? name : "";
}

static long ucmd_run(struct luo_ucmd *ucmd, const struct luo_ioctl_op *op)
{
	u64 start = luo_trace_start(liveupdate_call);
	int err;

	if (!op)
		return -ENOTTY;
	err = ucmd_copy_args(ucmd, op);
	if (!err)
		err = ucmd_finish(ucmd, op, op->run(ucmd));
	trace_liveupdate_call(op->name, ucmd_session_name(ucmd, op), err, start);
	return err;
}

static long session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct luo_ucmd ucmd = {
		.session = file->private_data,
		.user = (void __user *)arg,
	};

	return ucmd_run(&ucmd, ioctl_op_find(session_ioctl_ops, ARRAY_SIZE(session_ioctl_ops),
					     cmd));
}

static struct luo *luo_of_device(struct file *file)
{
	return container_of(file->private_data, struct luo, misc);
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct luo_ucmd ucmd = {
		.luo = luo_of_device(file),
		.user = (void __user *)arg,
	};
	const struct luo_ioctl_op *op;

	op = ioctl_op_find(device_ioctl_ops, ARRAY_SIZE(device_ioctl_ops), cmd);
	if (op && !op->query && !(file->f_mode & FMODE_WRITE))
		return -EBADF;
	return ucmd_run(&ucmd, op);
}

/* Who only asks is not counted: any number may, at any time. */
static int device_open(struct inode *inode, struct file *file)
{
	struct luo *luo = luo_of_device(file);

	if (!(file->f_mode & FMODE_WRITE))
		return 0;
	if (test_and_set_bit_lock(0, &luo->opened))
		return -EBUSY;
	luo_timeline_record(luo, LUO_MILESTONE_OPENED);
	return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	if (file->f_mode & FMODE_WRITE)
		clear_bit_unlock(0, &luo_of_device(file)->opened);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* Register /dev/liveupdate. Returns as misc_register(). */
int luo_device_register(struct luo *luo)
{
	luo->misc.minor = MISC_DYNAMIC_MINOR;
	luo->misc.name = "liveupdate";
	luo->misc.fops = &device_fops;
	luo->misc.mode = 0600;
	return misc_register(&luo->misc);
}
