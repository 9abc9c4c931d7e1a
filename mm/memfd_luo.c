// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: the handlers of the two formats.
 *
 * A memfd that is *preserved* has a fixed size and its pages stay where they are, but it
 * can be used and its holes filled. When it is *frozen* nothing can be added: the next
 * kernel gets what is in memory then, and what programs write to these pages up to the
 * kexec. *Retrieved*, in the next kernel, it is an ordinary memfd made of the same pages.
 *
 * memfd-extent-v1 describes a memfd completely. memfd-v2, which mainline kernels read, has
 * contents, size, position and seals, but neither mode and owner nor how the file was
 * opened: what it cannot describe is refused, see memfd_check_attrs().
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/sysfs.h>
#include <uapi/linux/memfd.h>

#include "memfd_luo.h"

/* A preserved memfd: its folios, and in memfd-v2 what the next kernel reads. */
struct memfd_preserved {
	struct memfd_keep keep;
	struct memfd_luo_ser *ser;
};

static int memfd_check_attrs(struct file *file, const struct shmem_attrs *attrs, bool extents)
{
	const fmode_t mode = file->f_mode & (FMODE_READ | FMODE_WRITE);

	if (attrs->seals & ~MEMFD_LUO_ALL_SEALS)
		return -EOPNOTSUPP;
	if (attrs->extended) {
		pr_warn_ratelimited("cannot preserve ACLs, extended attributes and inode flags\n");
		return -EOPNOTSUPP;
	}
	if (extents)
		return 0;
	if ((attrs->mode & S_IALLUGO) != memfd_mode_of(attrs->seals) ||
	    !uid_eq(attrs->uid, GLOBAL_ROOT_UID) || !gid_eq(attrs->gid, GLOBAL_ROOT_GID))
		return -EOPNOTSUPP;

	/*
	 * It is retrieved open for reading and writing: give no access that it did not
	 * have.
	 */
	if (mode == (FMODE_READ | FMODE_WRITE))
		return 0;
	if (mode == FMODE_READ && (attrs->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return 0;
	return -EACCES;
}

/* Only memfds: no files on a tmpfs, no memory that the kernel keeps in a file. */
static bool memfd_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	struct inode *inode = file_inode(file);

	return shmem_file(file) && !inode->i_nlink && !IS_PRIVATE(inode) &&
	       (inode->i_sb->s_flags & SB_KERNMOUNT);
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

static bool memfd_extent_can_preserve(struct liveupdate_file_handler *handler,
				      struct file *file)
{
	return READ_ONCE(memfd_write_extents) && memfd_can_preserve(handler, file);
}

/* Two open files of one memfd are the same object. */
static unsigned long memfd_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static u32 memfd_open_flags(const struct file *file)
{
	switch (file->f_mode & (FMODE_READ | FMODE_WRITE)) {
	case FMODE_READ:
		return MEMFD_EXTENT_RDONLY;
	case FMODE_WRITE:
		return MEMFD_EXTENT_WRONLY;
	case FMODE_READ | FMODE_WRITE:
		return 0;
	default:
		return MEMFD_EXTENT_RDONLY | MEMFD_EXTENT_WRONLY;
	}
}

static void memfd_write_down_extents(struct memfd_keep *keep, struct file *file,
				     const struct shmem_attrs *attrs)
{
	struct memfd_extent_ser *ser = keep->extents.ser;

	ser->pos = READ_ONCE(file->f_pos);
	ser->size = i_size_read(file_inode(file));
	ser->seals = attrs->seals;
	ser->flags = memfd_open_flags(file);
	ser->mode = attrs->mode & S_IALLUGO;
	ser->uid = from_kuid(&init_user_ns, attrs->uid);
	ser->gid = from_kgid(&init_user_ns, attrs->gid);
	ser->nr_pages = keep->pages;
	memfd_extents_seal(&keep->extents);
}

static void memfd_write_down(struct memfd_preserved *mp, struct file *file,
			     const struct shmem_attrs *attrs)
{
	if (!mp->ser) {
		memfd_write_down_extents(&mp->keep, file, attrs);
		return;
	}

	*mp->ser = (struct memfd_luo_ser) {
		.pos = READ_ONCE(file->f_pos),
		.size = i_size_read(file_inode(file)),
		.seals = attrs->seals,
		.nr_folios = mp->keep.nr,
		.folios = mp->keep.array,
	};
}

/* Make what the next kernel reads, without any folio. */
static int memfd_make_ser(struct memfd_preserved *mp, bool extents)
{
	if (extents)
		return memfd_extents_make(&mp->keep.extents);

	mp->ser = liveupdate_alloc_page();
	return mp->ser ? 0 : -ENOMEM;
}

static int memfd_preserve_as(struct liveupdate_file_op_args *args, bool extents)
{
	struct inode *inode = file_inode(args->file);
	struct memfd_preserved *mp;
	struct shmem_attrs attrs;
	int err;

	shmem_get_attrs(inode, &attrs);
	err = memfd_check_attrs(args->file, &attrs, extents);
	if (err)
		return err;

	mp = kzalloc_obj(*mp, GFP_KERNEL_ACCOUNT);
	if (!mp)
		return -ENOMEM;

	err = shmem_preserve(inode);
	if (err)
		goto err_free;

	err = memfd_make_ser(mp, extents);
	if (err)
		goto err_unpreserve;

	memfd_keep_begin(&mp->keep, inode);
	err = memfd_keep_fresh(&mp->keep, args->file);
	if (err)
		goto err_keep_none;

	memfd_write_down(mp, args->file, &attrs);
	args->serialized_data = virt_to_phys(extents ? (void *)mp->keep.extents.ser : mp->ser);
	args->private_data = mp;
	return 0;

err_keep_none:
	memfd_keep_none(&mp->keep);
	liveupdate_free_page(mp->ser);	/* NULL, with extents */
err_unpreserve:
	shmem_unpreserve(inode);
err_free:
	kfree(mp);
	return err;
}

static int memfd_preserve(struct liveupdate_file_op_args *args)
{
	return memfd_preserve_as(args, false);
}

static int memfd_extent_preserve(struct liveupdate_file_op_args *args)
{
	return memfd_preserve_as(args, true);
}

static void memfd_unpreserve(struct liveupdate_file_op_args *args)
{
	struct memfd_preserved *mp = args->private_data;

	memfd_keep_none(&mp->keep);
	liveupdate_free_page(mp->ser);
	shmem_unpreserve(file_inode(args->file));
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
	struct inode *inode = file_inode(args->file);
	struct shmem_attrs attrs;
	int err;

	shmem_freeze(inode);

	shmem_get_attrs(inode, &attrs);
	err = memfd_check_attrs(args->file, &attrs, !mp->ser);
	if (err)
		goto err_thaw;

	err = memfd_keep_fresh(&mp->keep, args->file);
	if (err)
		goto err_thaw;

	err = memfd_keep_recheck(&mp->keep);
	if (err)
		goto err_thaw;

	memfd_write_down(mp, args->file, &attrs);
	return 0;

err_thaw:
	shmem_thaw(inode);
	return err;
}

static void memfd_unfreeze(struct liveupdate_file_op_args *args)
{
	shmem_thaw(file_inode(args->file));
}

static const struct liveupdate_file_ops memfd_liveupdate_ops = {
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

static struct liveupdate_file_handler memfd_liveupdate_handler = {
	.ops = &memfd_liveupdate_ops,
	.compatible = MEMFD_LUO_FH_COMPATIBLE,
};

LIVEUPDATE_NOTE_HANDLER(MEMFD_LUO_FH_COMPATIBLE);

static const struct liveupdate_file_ops memfd_extent_ops = {
	.can_preserve = memfd_extent_can_preserve,
	.preserve = memfd_extent_preserve,
	.unpreserve = memfd_unpreserve,
	.freeze = memfd_freeze,
	.unfreeze = memfd_unfreeze,
	.retrieve = memfd_extent_retrieve,
	.finish = memfd_extent_finish,
	.get_id = memfd_get_id,
	.retrieve_retry = true,
};

static struct liveupdate_file_handler memfd_extent_handler = {
	.ops = &memfd_extent_ops,
	.compatible = MEMFD_EXTENT_FH_COMPATIBLE,
};

LIVEUPDATE_NOTE_HANDLER(MEMFD_EXTENT_FH_COMPATIBLE);

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

/* Handlers are asked in the order of their registration. */
static int __init memfd_liveupdate_init(void)
{
	int err = liveupdate_register_file_handler(&memfd_extent_handler);

	if (!err)
		err = liveupdate_register_file_handler(&memfd_liveupdate_handler);
	if (err)
		pr_err("not available: %pe\n", ERR_PTR(err));
	register_reboot_notifier(&memfd_reboot_notifier);
	return err;
}
late_initcall(memfd_liveupdate_init);
