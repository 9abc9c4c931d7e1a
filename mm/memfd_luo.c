// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: the handlers of the two formats.
 *
 * A memfd that is *preserved* has a fixed size and its pages stay where they are, but it
 * can be used and its holes filled. When it is *frozen* nothing can be added: the next
 * kernel gets what is in memory then, and what programs write to these pages up to the
 * kexec. *Retrieved*, in the next kernel, it is an ordinary memfd made of the same pages.
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/array_size.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/liveupdate.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <uapi/linux/memfd.h>

#include "memfd_luo.h"

static int memfd_check_attrs(struct file *file, const struct memfd_format *format,
			     struct shmem_attrs *attrs)
{
	shmem_get_attrs(file_inode(file), attrs);
	if (attrs->seals & ~MEMFD_LUO_ALL_SEALS)
		return -EOPNOTSUPP;
	if (attrs->extended) {
		pr_warn_ratelimited("cannot preserve ACLs, extended attributes and inode flags\n");
		return -EOPNOTSUPP;
	}
	return format->check_attrs(file, attrs);
}

/*
 * liveupdate.memfd_format=, the format that is written when a memfd is preserved:
 * extent-v1, or v2, which mainline kernels read too. Both can be retrieved.
 */
static bool memfd_write_extents = true;

static int memfd_format_set(const char *val, const struct kernel_param *kp)
{
	if (sysfs_streq(val, "extent-v1"))
		WRITE_ONCE(memfd_write_extents, true);
	else if (sysfs_streq(val, "v2"))
		WRITE_ONCE(memfd_write_extents, false);
	else
		return -EINVAL;
	return 0;
}

static int memfd_format_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", READ_ONCE(memfd_write_extents) ? "extent-v1" : "v2");
}

static const struct kernel_param_ops memfd_format_ops = {
	.set = memfd_format_set,
	.get = memfd_format_get,
};

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "liveupdate."
module_param_cb(memfd_format, &memfd_format_ops, NULL, 0644);

/* Only memfds: no files on a tmpfs, no memory that the kernel keeps in a file. */
static bool memfd_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	const struct memfd_format *format = memfd_format_of(handler);
	struct inode *inode = file_inode(file);

	if (format == &memfd_extent_v1 && !READ_ONCE(memfd_write_extents))
		return false;
	return shmem_file(file) && !inode->i_nlink && !IS_PRIVATE(inode) &&
	       (inode->i_sb->s_flags & SB_KERNMOUNT);
}

/* Two open files of one memfd are the same object. */
static unsigned long memfd_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static int memfd_preserve(struct liveupdate_file_op_args *args)
{
	const struct memfd_format *format = memfd_format_of(args->handler);
	struct inode *inode = file_inode(args->file);
	struct memfd_preserved *mp;
	struct shmem_attrs attrs;
	int err;

	err = memfd_check_attrs(args->file, format, &attrs);
	if (err)
		return err;

	mp = kzalloc_obj(*mp, GFP_KERNEL_ACCOUNT);
	if (!mp)
		return -ENOMEM;

	err = shmem_preserve(inode);
	if (err)
		goto err_free;

	err = memfd_preserve_begin(mp, inode, format);
	if (err)
		goto err_unpreserve;

	err = memfd_preserve_new(mp, args->file);
	if (err)
		goto err_end;

	args->serialized_data = format->write(mp, args->file, &attrs);
	args->private_data = mp;
	return 0;

err_end:
	memfd_preserve_end(mp);
err_unpreserve:
	shmem_unpreserve(inode);
err_free:
	kfree(mp);
	return err;
}

static void memfd_unpreserve(struct liveupdate_file_op_args *args)
{
	struct memfd_preserved *mp = args->private_data;

	memfd_preserve_end(mp);
	shmem_unpreserve(mp->inode);
	kfree(mp);
	args->private_data = NULL;
	args->serialized_data = 0;
}

/*
 * What was preserved before an error stays preserved: it is in the file, and the next
 * attempt has less to do.
 */
static int memfd_freeze(struct liveupdate_file_op_args *args)
{
	struct memfd_preserved *mp = args->private_data;
	struct shmem_attrs attrs;
	int err;

	shmem_freeze(mp->inode);

	err = memfd_check_attrs(args->file, mp->format, &attrs);
	if (err)
		goto err_thaw;

	err = memfd_preserve_new(mp, args->file);
	if (err)
		goto err_thaw;

	err = memfd_preserve_recheck(mp);
	if (err)
		goto err_thaw;

	mp->format->write(mp, args->file, &attrs);
	return 0;

err_thaw:
	shmem_thaw(mp->inode);
	return err;
}

static void memfd_unfreeze(struct liveupdate_file_op_args *args)
{
	shmem_thaw(file_inode(args->file));
}

static const struct liveupdate_file_ops memfd_ops = {
	.can_preserve = memfd_can_preserve,
	.preserve = memfd_preserve,
	.unpreserve = memfd_unpreserve,
	.freeze = memfd_freeze,
	.unfreeze = memfd_unfreeze,
	.retrieve = memfd_retrieve,
	.finish = memfd_finish,
	.get_id = memfd_get_id,
	.retrieve_retry = true,
};

/* The first one that takes a file preserves it. */
static struct memfd_handler memfd_handlers[] = {
	{
		.handler = {
			.ops = &memfd_ops,
			.compatible = MEMFD_EXTENT_FH_COMPATIBLE,
		},
		.format = &memfd_extent_v1,
	}, {
		.handler = {
			.ops = &memfd_ops,
			.compatible = MEMFD_LUO_FH_COMPATIBLE,
		},
		.format = &memfd_v2_format,
	},
};

LIVEUPDATE_NOTE_HANDLER(MEMFD_EXTENT_FH_COMPATIBLE);
LIVEUPDATE_NOTE_HANDLER(MEMFD_LUO_FH_COMPATIBLE);

/* No file is thawed from here on: see shmem_end_frozen_waits(). */
static int memfd_system_goes_down(struct notifier_block *nb, unsigned long action, void *data)
{
	shmem_end_frozen_waits();
	return NOTIFY_DONE;
}

static struct notifier_block memfd_reboot_notifier = {
	.notifier_call = memfd_system_goes_down,
	.priority = INT_MAX,	/* others may take locks that a waiter holds */
};

static int __init memfd_liveupdate_init(void)
{
	int err = 0;

	for (int i = 0; !err && i < ARRAY_SIZE(memfd_handlers); i++)
		err = liveupdate_register_file_handler(&memfd_handlers[i].handler);
	if (err)
		pr_err("not available: %pe\n", ERR_PTR(err));
	register_reboot_notifier(&memfd_reboot_notifier);
	return err;
}
late_initcall(memfd_liveupdate_init);
