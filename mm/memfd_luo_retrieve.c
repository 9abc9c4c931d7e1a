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
 * retrieve() of both handlers. -EUCLEAN and -EOPNOTSUPP: the memfd cannot be used, -EIO: it
 * is lost; on other errors nothing has changed.
 */
int memfd_retrieve(struct liveupdate_file_op_args *args)
{
	struct memfd_incoming in = {
		.format = memfd_format_of(args->handler),
		.phys = args->serialized_data,
	};
	struct memfd_attrs attrs;
	struct file *file;
	int err;

	err = memfd_incoming_open(&in, true);
	if (err)
		return err;

	in.format->get_attrs(&in, &attrs);
	err = memfd_check_seals(attrs.seals);
	if (err)
		goto err_close;

	file = memfd_make_file(&attrs);
	if (IS_ERR(file)) {
		err = memfd_make_error(PTR_ERR(file));
		goto err_close;
	}

	err = in.format->adopt(&in, file_inode(file));
	if (err == -ENOMEM) {
		fput(file);
		goto err_close;
	}
	return memfd_retrieved(args, file, err);

err_close:
	memfd_incoming_close(&in);
	return err;
}

/* finish() of both handlers: free what was not retrieved. */
void memfd_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_incoming in = {
		.format = memfd_format_of(args->handler),
		.phys = args->serialized_data,
	};

	/* It was retrieved: each page is in the file or was freed. */
	if (args->retrieve_status > 0)
		return;
	if (!memfd_incoming_open(&in, false))
		in.format->free(&in);
}
