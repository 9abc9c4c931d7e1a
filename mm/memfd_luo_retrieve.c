// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: make a memfd of what was handed over.
 *
 * Nothing is consumed before the last check, so it can be retried. After that nothing fails
 * with a validated memfd.
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/shmem_fs.h>
#include <linux/stat.h>
#include <uapi/linux/memfd.h>

#include "memfd_luo.h"

/* The name of a retrieved memfd in /proc */
#define MEMFD_RETRIEVED_NAME	"memfd:liveupdate"

/* The permission bits that memfd-v2 implies. */
umode_t memfd_mode_of(u32 seals)
{
	const unsigned int fixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
				   F_SEAL_FUTURE_WRITE;

	/*
	 * F_SEAL_EXEC on an executable file adds these four seals. A file that lacks one of
	 * them was not executable, and cannot have become so since. Otherwise take the mode
	 * that memfd_create() gives.
	 */
	if ((seals & F_SEAL_EXEC) && (seals & fixed) != fixed)
		return 0666;
	return 0777;
}

/*
 * What a memfd is besides its contents. @flags are MEMFD_EXTENT_RDONLY and _WRONLY;
 * position and size are in bytes.
 */
struct memfd_attrs {
	u64 pos;
	u64 size;
	u32 seals;
	u32 flags;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

/* Access mode 3 allows neither reading nor writing. */
static int memfd_access_mode(u32 flags)
{
	switch (flags) {
	case MEMFD_EXTENT_RDONLY:
		return O_RDONLY;
	case MEMFD_EXTENT_WRONLY:
		return O_WRONLY;
	default:
		return O_ACCMODE;
	}
}

/* Reopen the file with less access. */
static struct file *memfd_narrow(struct file *file, u32 flags)
{
	const int how = memfd_access_mode(flags);
	struct file *narrow = dentry_open(&file->f_path, how | O_LARGEFILE, current_cred());

	fput(file);
	return narrow;
}

/*
 * shmem returns -ENOSPC if it has no memory for an inode, and there may be too many open
 * files at the moment. Nothing has been consumed yet: return -ENOMEM, which can be retried.
 */
static int memfd_make_error(int err)
{
	return err == -ENOSPC || err == -ENFILE ? -ENOMEM : err;
}

/*
 * Make an empty memfd with these attributes. The seals are set as they were instead of
 * added: adding F_SEAL_EXEC to an executable file would add others.
 */
static struct file *memfd_make_file(const struct memfd_attrs *attrs)
{
	struct inode *inode;
	struct file *file;
	int err;

	file = memfd_alloc_file(MEMFD_RETRIEVED_NAME, MFD_ALLOW_SEALING);
	if (IS_ERR(file))
		return file;

	inode = file_inode(file);
	if (attrs->seals & F_SEAL_WRITE) {
		err = mapping_deny_writable(inode->i_mapping);
		if (err) {
			fput(file);
			return ERR_PTR(err);
		}
	}

	SHMEM_I(inode)->seals = attrs->seals;
	inode->i_mode = S_IFREG | attrs->mode;
	inode->i_uid = attrs->uid;
	inode->i_gid = attrs->gid;
	i_size_write(inode, attrs->size);

	if (attrs->flags)
		file = memfd_narrow(file, attrs->flags);
	if (!IS_ERR(file))
		file->f_pos = attrs->pos;
	return file;
}

static int memfd_check_seals(u32 seals)
{
	if (!(seals & ~MEMFD_LUO_ALL_SEALS))
		return 0;
	pr_warn_ratelimited("incoming memfd has unknown seals 0x%x\n",
			    seals & ~MEMFD_LUO_ALL_SEALS);
	return -EOPNOTSUPP;
}

/* The contents are in the file or lost: never -ENOMEM or -EINTR. */
static int memfd_retrieved(struct liveupdate_file_op_args *args, struct file *file, int err)
{
	if (err) {
		pr_err_ratelimited("contents lost during retrieval: %pe\n", ERR_PTR(err));
		fput(file);
		return -EIO;
	}

	args->file = file;
	return 0;
}

/*
 * retrieve() for memfd-v2. -EUCLEAN and -EOPNOTSUPP: it cannot be used, -EIO: it is lost;
 * on other errors nothing has changed.
 */
int memfd_retrieve(struct liveupdate_file_op_args *args)
{
	struct memfd_attrs attrs = { .uid = GLOBAL_ROOT_UID, .gid = GLOBAL_ROOT_GID };
	struct memfd_image image;
	struct file *file;
	int err;

	err = memfd_image_open(&image, args->serialized_data, true);
	if (err)
		return err;

	err = memfd_check_seals(image.ser.seals);
	if (err)
		goto err_close;

	attrs.pos = image.ser.pos;
	attrs.size = image.ser.size;
	attrs.seals = image.ser.seals;
	attrs.mode = memfd_mode_of(image.ser.seals);
	file = memfd_make_file(&attrs);
	if (IS_ERR(file)) {
		err = memfd_make_error(PTR_ERR(file));
		goto err_close;
	}

	err = memfd_image_adopt(&image, file_inode(file));
	memfd_image_free(&image);
	return memfd_retrieved(args, file, err);

err_close:
	memfd_image_close(&image);
	return err;
}

/* As memfd_retrieve(), for memfd-extent-v1. */
int memfd_extent_retrieve(struct liveupdate_file_op_args *args)
{
	struct memfd_extent_image image;
	struct memfd_attrs attrs;
	struct file *file;
	int err;

	err = memfd_extent_image_open(&image, args->serialized_data, true);
	if (err)
		return err;
	err = memfd_check_seals(image.ser->seals);
	if (err)
		goto err_close;

	attrs = (struct memfd_attrs) {
		.pos = image.ser->pos,
		.size = image.ser->size,
		.seals = image.ser->seals,
		.flags = image.ser->flags,
		.mode = image.ser->mode,
		.uid = make_kuid(&init_user_ns, image.ser->uid),
		.gid = make_kgid(&init_user_ns, image.ser->gid),
	};
	file = memfd_make_file(&attrs);
	if (IS_ERR(file)) {
		err = memfd_make_error(PTR_ERR(file));
		goto err_close;
	}

	err = memfd_extent_image_adopt(&image, file_inode(file));
	if (err == -ENOMEM) {
		fput(file);
		goto err_close;
	}
	return memfd_retrieved(args, file, err);

err_close:
	memfd_extent_image_close(&image);
	return err;
}

/* finish() for memfd-v2: free what was not retrieved. */
void memfd_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_image image;

	/* It was retrieved: each page is in the file or was freed. */
	if (args->retrieve_status > 0)
		return;
	if (!memfd_image_open(&image, args->serialized_data, false))
		memfd_image_free(&image);
}

/* As memfd_finish(), for memfd-extent-v1. */
void memfd_extent_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_extent_image image;

	if (args->retrieve_status > 0)
		return;
	if (!memfd_extent_image_open(&image, args->serialized_data, false))
		memfd_extent_image_free(&image);
}
