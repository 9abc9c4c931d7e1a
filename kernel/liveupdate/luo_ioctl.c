// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of /dev/liveupdate and of session file descriptors: one table, one dispatcher.
 *
 * A row of the table has an ioctl's number, the size of its argument, the last mandatory
 * field, and the function to run, which gets a copy of the argument. Only the dispatcher
 * accesses user memory, and it alone publishes what a function has made: a file descriptor
 * is installed after the response was copied, and if that fails nothing has changed.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

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
};

/* The fd is at the same offset in every argument that has one. */
#define LUO_ARGS_FD	offsetof(union luo_args, create.fd)

static_assert(offsetof(union luo_args, retrieve_session.fd) == LUO_ARGS_FD);
static_assert(offsetof(union luo_args, preserve.fd) == LUO_ARGS_FD);
static_assert(offsetof(union luo_args, retrieve.fd) == LUO_ARGS_FD);

/*
 * An ioctl under way. @luo is set on the device, @session on a session or once the call has
 * made or retrieved one; @file is what the call has retrieved.
 */
struct luo_call {
	struct luo *luo;
	struct liveupdate_session *session;
	union luo_args args;
	void __user *user;
	u32 user_size;
	struct file *file;
};

enum luo_reply {
	LUO_REPLY_NONE,		/* nothing is copied back */
	LUO_REPLY_ARGS,		/* the argument, on success */
	LUO_REPLY_REFUSAL,	/* the argument, on failure */
	LUO_REPLY_FILE,		/* the argument, with a descriptor of @file */
	LUO_REPLY_SESSION,	/* the argument, with a descriptor of @session */
};

/*
 * A row of the table: number, size and mandatory size of the argument, the response, what
 * to run, and how to undo that if the file descriptor cannot be installed.
 */
struct luo_verb {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	enum luo_reply reply;
	int (*run)(struct luo_call *call);
	void (*undo)(struct liveupdate_session *session);
};

#define LUO_VERB(_cmd, _type, _last, _reply, _run, ...)		\
	{							\
		.cmd = _cmd,					\
		.size = sizeof(_type),				\
		.min_size = offsetofend(_type, _last),		\
		.reply = _reply,				\
		.run = _run,					\
		__VA_ARGS__					\
	}

/* Terminated, and not empty */
static bool luo_name_valid(const u8 *name)
{
	return name[0] && memchr(name, 0, LIVEUPDATE_SESSION_NAME_LENGTH);
}

static int luo_verb_create(struct luo_call *call)
{
	const u8 *name = call->args.create.name;

	if (!luo_name_valid(name))
		return -EINVAL;
	return luo_session_create(call->luo, name, &call->session);
}

static int luo_verb_retrieve_session(struct luo_call *call)
{
	const u8 *name = call->args.retrieve_session.name;
	u64 flags = call->args.retrieve_session.flags;

	if (flags & ~(u64)LIVEUPDATE_RETRIEVE_KEEP)
		return -EOPNOTSUPP;
	if (!luo_name_valid(name))
		return -EINVAL;
	return luo_session_retrieve(call->luo, name, flags & LIVEUPDATE_RETRIEVE_KEEP,
				    &call->session);
}

static int luo_verb_preserve(struct luo_call *call)
{
	struct file *file = fget(call->args.preserve.fd);
	int err;

	if (!file)
		return -EBADF;
	err = luo_session_preserve(call->session, file, call->args.preserve.token);
	fput(file);
	return err;
}

static int luo_verb_retrieve(struct luo_call *call)
{
	return luo_session_retrieve_file(call->session, call->args.retrieve.token, &call->file);
}

static int luo_verb_finish(struct luo_call *call)
{
	if (call->args.finish.reserved)
		return -EOPNOTSUPP;
	return luo_session_finish(call->session);
}

static int luo_verb_get_name(struct luo_call *call)
{
	struct liveupdate_session_get_name *args = &call->args.get_name;
	struct luo_gate *gate = &call->session->luo->gate;
	int err;

	if (args->reserved)
		return -EOPNOTSUPP;
	err = luo_gate_enter(gate);
	if (err)
		return err;
	strscpy_pad(args->name, luo_session_name(call->session));
	luo_gate_leave(gate);
	return 0;
}

static int luo_verb_freeze(struct luo_call *call)
{
	struct liveupdate_session_freeze *args = &call->args.freeze;
	u64 token = args->token;
	int err;

	if (args->flags)
		return -EOPNOTSUPP;
	err = luo_session_freeze(call->session, &token);
	args->token = token;
	return err;
}

static int luo_verb_thaw(struct luo_call *call)
{
	if (call->args.thaw.flags)
		return -EOPNOTSUPP;
	return luo_session_thaw(call->session);
}

static const struct luo_verb luo_device_verbs[] = {
	LUO_VERB(LIVEUPDATE_IOCTL_CREATE_SESSION, struct liveupdate_ioctl_create_session, name,
		 LUO_REPLY_SESSION, luo_verb_create, .undo = luo_session_close),
	LUO_VERB(LIVEUPDATE_IOCTL_RETRIEVE_SESSION, struct liveupdate_ioctl_retrieve_session,
		 name, LUO_REPLY_SESSION, luo_verb_retrieve_session,
		 .undo = luo_session_unclaim),
};

static const struct luo_verb luo_session_verbs[] = {
	LUO_VERB(LIVEUPDATE_SESSION_PRESERVE_FD, struct liveupdate_session_preserve_fd, token,
		 LUO_REPLY_NONE, luo_verb_preserve),
	LUO_VERB(LIVEUPDATE_SESSION_RETRIEVE_FD, struct liveupdate_session_retrieve_fd, token,
		 LUO_REPLY_FILE, luo_verb_retrieve),
	LUO_VERB(LIVEUPDATE_SESSION_FINISH, struct liveupdate_session_finish, reserved,
		 LUO_REPLY_NONE, luo_verb_finish),
	LUO_VERB(LIVEUPDATE_SESSION_GET_NAME, struct liveupdate_session_get_name, name,
		 LUO_REPLY_ARGS, luo_verb_get_name),
	LUO_VERB(LIVEUPDATE_SESSION_FREEZE, struct liveupdate_session_freeze, token,
		 LUO_REPLY_REFUSAL, luo_verb_freeze),
	LUO_VERB(LIVEUPDATE_SESSION_THAW, struct liveupdate_session_thaw, flags,
		 LUO_REPLY_NONE, luo_verb_thaw),
};

static const struct luo_verb *luo_verb_find(const struct luo_verb *verbs, size_t nr_verbs,
					    unsigned int cmd)
{
	for (size_t i = 0; i < nr_verbs; i++) {
		if (verbs[i].cmd == cmd)
			return &verbs[i];
	}
	return NULL;
}

static int luo_call_copy_args(struct luo_call *call, const struct luo_verb *verb)
{
	if (get_user(call->user_size, (u32 __user *)call->user))
		return -EFAULT;
	if (call->user_size < verb->min_size)
		return -EINVAL;
	/* No argument will ever be larger: do not scan that much for zeroes. */
	if (call->user_size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(&call->args, verb->size, call->user, call->user_size);
}

static int luo_call_copy_reply(struct luo_call *call, const struct luo_verb *verb)
{
	size_t size = min(call->user_size, verb->size);

	return copy_to_user(call->user, &call->args, size) ? -EFAULT : 0;
}

static int luo_session_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		luo_session_close(file->private_data);
	return 0;
}

static long luo_session_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

static void luo_session_show_fdinfo(struct seq_file *m, struct file *file)
{
	luo_session_show(m, file->private_data);
}

static const struct file_operations luo_session_fops = {
	.owner = THIS_MODULE,
	.release = luo_session_release,
	.show_fdinfo = luo_session_show_fdinfo,
	.unlocked_ioctl = luo_session_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* The name is shown in /proc/PID/fd; programs recognize sessions by it. */
static struct file *luo_session_file(struct liveupdate_session *session)
{
	char name[sizeof("[luo_session] ") + LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "[luo_session] %s", luo_session_name(session));
	return anon_inode_getfile(name, &luo_session_fops, session, O_RDWR);
}

static int luo_call_publish(struct luo_call *call, const struct luo_verb *verb,
			    struct file *file)
{
	s32 *fd = (void *)&call->args + LUO_ARGS_FD;
	int err;

	FD_PREPARE(fdf, O_CLOEXEC, get_file(file));
	if (fdf.err)
		return fdf.err;
	*fd = fd_prepare_fd(fdf);
	err = luo_call_copy_reply(call, verb);
	if (err)
		return err;
	fd_publish(fdf);
	return 0;
}

static int luo_call_publish_file(struct luo_call *call, const struct luo_verb *verb)
{
	int err = luo_call_publish(call, verb, call->file);

	fput(call->file);
	return err;
}

static int luo_call_publish_session(struct luo_call *call, const struct luo_verb *verb)
{
	struct file *file = luo_session_file(call->session);
	int err;

	if (IS_ERR(file)) {
		verb->undo(call->session);
		return PTR_ERR(file);
	}
	err = luo_call_publish(call, verb, file);
	if (err) {
		file->private_data = NULL;
		verb->undo(call->session);
	}
	fput(file);
	return err;
}

static int luo_call_finish(struct luo_call *call, const struct luo_verb *verb, int err)
{
	switch (verb->reply) {
	case LUO_REPLY_REFUSAL:
		return err ? luo_call_copy_reply(call, verb) ?: err : 0;
	case LUO_REPLY_ARGS:
		return err ?: luo_call_copy_reply(call, verb);
	case LUO_REPLY_FILE:
		return err ?: luo_call_publish_file(call, verb);
	case LUO_REPLY_SESSION:
		return err ?: luo_call_publish_session(call, verb);
	default:
		return err;
	}
}

static long luo_call_run(struct luo_call *call, const struct luo_verb *verbs, size_t nr_verbs,
			 unsigned int cmd)
{
	const struct luo_verb *verb = luo_verb_find(verbs, nr_verbs, cmd);
	int err;

	if (!verb)
		return -ENOTTY;
	err = luo_call_copy_args(call, verb);
	if (err)
		return err;
	return luo_call_finish(call, verb, verb->run(call));
}

static long luo_session_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct luo_call call = {
		.session = file->private_data,
		.user = (void __user *)arg,
	};

	return luo_call_run(&call, luo_session_verbs, ARRAY_SIZE(luo_session_verbs), cmd);
}

static struct luo *luo_of_device(struct file *file)
{
	return container_of(file->private_data, struct luo, misc);
}

static long luo_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct luo_call call = {
		.luo = luo_of_device(file),
		.user = (void __user *)arg,
	};

	return luo_call_run(&call, luo_device_verbs, ARRAY_SIZE(luo_device_verbs), cmd);
}

static int luo_device_open(struct inode *inode, struct file *file)
{
	struct luo *luo = luo_of_device(file);

	if (test_and_set_bit_lock(0, &luo->opened))
		return -EBUSY;
	luo_reach(luo, LUO_POINT_OPENED);
	return 0;
}

static int luo_device_release(struct inode *inode, struct file *file)
{
	clear_bit_unlock(0, &luo_of_device(file)->opened);
	return 0;
}

static const struct file_operations luo_device_fops = {
	.owner = THIS_MODULE,
	.open = luo_device_open,
	.release = luo_device_release,
	.unlocked_ioctl = luo_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

/* Register /dev/liveupdate. Returns as misc_register(). */
int luo_device_register(struct luo *luo)
{
	luo->misc.minor = MISC_DYNAMIC_MINOR;
	luo->misc.name = "liveupdate";
	luo->misc.fops = &luo_device_fops;
	luo->misc.mode = 0600;
	return misc_register(&luo->misc);
}
