// SPDX-License-Identifier: GPL-2.0
/*
 * Preserving memfds across live updates: the handler of the format memfd-v2.
 *
 * A memfd goes through three states here. *Preserved*: its size is fixed and its pages
 * stay where they are, but it is used on, and holes may be filled. *Frozen*: nothing
 * can be added any more, what is in memory is what the next kernel gets; what programs
 * write to pages that are there still counts until the jump. *Retrieved*, in the next
 * kernel: an ordinary memfd, made of the same pages.
 *
 * The format says contents, size, position and seals, not mode, owner or how the file
 * was opened. What cannot come back as it was is refused, see memfd_check_attrs().
 */
#define pr_fmt(fmt) "memfd: liveupdate: " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/memfd.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/printk.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <uapi/linux/memfd.h>

#include "memfd_luo.h"

/* What a memfd that is retrieved is called in /proc */
#define MEMFD_RETRIEVED_NAME	"memfd:liveupdate"

/*
 * Held from the check of an image until its last page is in a file or freed. Two damaged
 * images may share pages, and each page is to be taken once: who comes second has to find
 * it gone when he checks, not later.
 */
static DEFINE_MUTEX(memfd_image_lock);

/**
 * struct memfd_preserved - a memfd on its way to the next kernel
 * @keep: its folios
 * @ser: what the next kernel reads
 */
struct memfd_preserved {
	struct memfd_keep keep;
	struct memfd_luo_ser *ser;
};

/* The mode that memfd-v2 means with these seals. */
static umode_t memfd_mode_of(unsigned int seals)
{
	const unsigned int fixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
				   F_SEAL_FUTURE_WRITE;

	/*
	 * The kernel adds the four to F_SEAL_EXEC if the file is executable, so one
	 * that lacks some was not, and cannot have become so since. Else nobody knows;
	 * take what memfd_create() makes.
	 */
	if ((seals & F_SEAL_EXEC) && (seals & fixed) != fixed)
		return 0666;
	return 0777;
}

static int memfd_check_attrs(struct file *file, const struct shmem_attrs *attrs)
{
	const fmode_t mode = file->f_mode & (FMODE_READ | FMODE_WRITE);

	if (attrs->seals & ~MEMFD_LUO_ALL_SEALS)
		return -EOPNOTSUPP;
	if ((attrs->mode & S_IALLUGO) != memfd_mode_of(attrs->seals) ||
	    !uid_eq(attrs->uid, GLOBAL_ROOT_UID) || !gid_eq(attrs->gid, GLOBAL_ROOT_GID))
		return -EOPNOTSUPP;

	/* It comes back open for reading and writing: give nobody more than they had. */
	if (mode == (FMODE_READ | FMODE_WRITE))
		return 0;
	if (mode == FMODE_READ && (attrs->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return 0;
	return -EACCES;
}

/* Neither files that somebody has on a tmpfs nor memory that the kernel keeps in one. */
static bool memfd_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	struct inode *inode = file_inode(file);

	return shmem_file(file) && !inode->i_nlink && !IS_PRIVATE(inode) &&
	       (inode->i_sb->s_flags & SB_KERNMOUNT);
}

/* Two descriptors of one memfd, opened apart, are the same object. */
static unsigned long memfd_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static void memfd_write_down(struct memfd_preserved *mp, struct file *file,
			     const struct shmem_attrs *attrs)
{
	*mp->ser = (struct memfd_luo_ser) {
		.pos = READ_ONCE(file->f_pos),
		.size = i_size_read(file_inode(file)),
		.seals = attrs->seals,
		.nr_folios = mp->keep.nr,
		.folios = mp->keep.array,
	};
}

static int memfd_preserve(struct liveupdate_file_op_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct memfd_preserved *mp;
	struct shmem_attrs attrs;
	int err;

	shmem_get_attrs(inode, &attrs);
	err = memfd_check_attrs(args->file, &attrs);
	if (err)
		return err;

	mp = kzalloc_obj(*mp);
	if (!mp)
		return -ENOMEM;

	err = shmem_preserve(inode);
	if (err)
		goto err_free;

	mp->ser = kho_alloc_preserve(sizeof(*mp->ser));
	if (IS_ERR(mp->ser)) {
		err = PTR_ERR(mp->ser);
		goto err_unpreserve;
	}

	mp->keep.inode = inode;
	err = memfd_keep_fresh(&mp->keep, args->file);
	if (err)
		goto err_keep_none;

	memfd_write_down(mp, args->file, &attrs);
	args->serialized_data = virt_to_phys(mp->ser);
	args->private_data = mp;
	return 0;

err_keep_none:
	memfd_keep_none(&mp->keep);
	kho_unpreserve_free(mp->ser);
err_unpreserve:
	shmem_unpreserve(inode);
err_free:
	kfree(mp);
	return err;
}

static void memfd_unpreserve(struct liveupdate_file_op_args *args)
{
	struct memfd_preserved *mp = args->private_data;

	memfd_keep_none(&mp->keep);
	kho_unpreserve_free(mp->ser);
	shmem_unpreserve(file_inode(args->file));
	kfree(mp);
	args->private_data = NULL;
	args->serialized_data = 0;
}

/*
 * What has been kept on the way to an error stays kept: it is in the file, and the next
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
	err = memfd_check_attrs(args->file, &attrs);
	if (err)
		goto err_thaw;

	err = memfd_keep_fresh(&mp->keep, args->file);
	if (err)
		goto err_thaw;

	if (memfd_keep_has_poison(&mp->keep)) {
		err = -EIO;
		goto err_thaw;
	}

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

/*
 * An empty memfd with the attributes of the image. The seals are set as they were, not
 * added: adding F_SEAL_EXEC to an executable file would add others.
 */
static struct file *memfd_make_file(const struct memfd_image *image)
{
	const struct memfd_luo_ser *ser = &image->ser;
	struct inode *inode;
	struct file *file;
	int err;

	file = memfd_alloc_file(MEMFD_RETRIEVED_NAME, MFD_ALLOW_SEALING);
	if (IS_ERR(file))
		return file;

	inode = file_inode(file);
	if (ser->seals & F_SEAL_WRITE) {
		err = mapping_deny_writable(inode->i_mapping);
		if (err) {
			fput(file);
			return ERR_PTR(err);
		}
	}

	SHMEM_I(inode)->seals = ser->seals;
	inode->i_mode = S_IFREG | memfd_mode_of(ser->seals);
	inode->i_uid = GLOBAL_ROOT_UID;
	inode->i_gid = GLOBAL_ROOT_GID;
	i_size_write(inode, ser->size);
	file->f_pos = ser->pos;
	return file;
}

static int memfd_retrieve_locked(struct liveupdate_file_op_args *args)
{
	struct memfd_image image;
	struct file *file;
	int err;

	lockdep_assert_held(&memfd_image_lock);
	err = memfd_image_open(&image, args->serialized_data, true);
	if (err)
		return err;

	if (image.ser.seals & ~MEMFD_LUO_ALL_SEALS) {
		pr_warn_ratelimited("handed over with unknown seals 0x%x\n",
				    image.ser.seals & ~MEMFD_LUO_ALL_SEALS);
		return -EOPNOTSUPP;
	}

	file = memfd_make_file(&image);
	if (IS_ERR(file))
		return PTR_ERR(file);

	/* From here on it is consumed: no -ENOMEM, no -EINTR. */
	err = memfd_image_adopt(&image, file_inode(file));
	memfd_image_free(&image);
	if (err) {
		pr_err_ratelimited("lost while it was retrieved: %pe\n", ERR_PTR(err));
		fput(file);
		return -EIO;
	}

	args->file = file;
	return 0;
}

static int memfd_retrieve(struct liveupdate_file_op_args *args)
{
	int err;

	if (mutex_lock_killable(&memfd_image_lock))
		return -EINTR;
	err = memfd_retrieve_locked(args);
	mutex_unlock(&memfd_image_lock);
	return err;
}

static void memfd_finish(struct liveupdate_file_op_args *args)
{
	struct memfd_image image;

	/* Retrieving has used it up, each page in the file or freed. */
	if (args->retrieve_status > 0)
		return;

	mutex_lock(&memfd_image_lock);
	if (!memfd_image_open(&image, args->serialized_data, false))
		memfd_image_free(&image);
	mutex_unlock(&memfd_image_lock);
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

static int __init memfd_liveupdate_init(void)
{
	int err = liveupdate_register_file_handler(&memfd_liveupdate_handler);

	if (err)
		pr_err("not available: %pe\n", ERR_PTR(err));
	return err;
}
late_initcall(memfd_liveupdate_init);
