// SPDX-License-Identifier: GPL-2.0
/*
 * A small driver whose files survive a live update: the thing to copy from.
 *
 * Each open file of /dev/flb_sample is a device of its own. Its state is a line of text:
 * write(2) sets it, read(2) gets it. A program can preserve such files in a session of
 * /dev/liveupdate, and gets them back from the next kernel.
 *
 * What is preserved of all of them stands in one table, on a page that Kexec HandOver
 * keeps. The table is a File-Lifecycle-Bound object, FLB: it is made before the first of
 * the files is preserved and is gone after the last of them is finished. A driver has one
 * when the next kernel must know of its devices before any program asks for a file: here,
 * when the module is loaded.
 *
 * From top to bottom: the format; the ops of the FLB; the ops of the files; the device;
 * what to do at boot. Documentation/core-api/liveupdate.rst tells the rest.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/*
 * Something was preserved that this driver cannot read: its devices may be running, and
 * nobody knows where in memory they write. A system that had rather stop than go on like
 * this sets it; otherwise the driver keeps its hands off them and does not load.
 */
static bool panic_on_unreadable;
module_param(panic_on_unreadable, bool, 0444);
MODULE_PARM_DESC(panic_on_unreadable, "Panic if what was preserved cannot be read");

/* As if this were an older driver, one that knows nothing of version 2. */
static unsigned int version = 2;
module_param(version, uint, 0444);
MODULE_PARM_DESC(version, "Version of this driver, 1 or 2");

#define FLB_SAMPLE_DEVICES	32
#define FLB_SAMPLE_TEXT		56

/*
 * Strings of one family differ in the number after -v only: so a driver that cannot read
 * what it finds learns that it was preserved, and not that nothing was.
 */
#define FLB_SAMPLE_V1		"flb-sample-v1"
#define FLB_SAMPLE_V2		"flb-sample-v2"
#define FLB_SAMPLE_FILE_V1	"flb-sample-file-v1"

/*
 * The format. What another kernel reads has fixed sizes and no holes, and never changes:
 * a change is a new struct and a new string. Only flb_sample_encode() and
 * flb_sample_decode() know these structs.
 */
struct flb_sample_v1 {
	struct {
		u64 used;
		char text[FLB_SAMPLE_TEXT];
	} dev[FLB_SAMPLE_DEVICES];
};

struct flb_sample_v2 {
	struct flb_sample_v1 v1;
	u64 writes[FLB_SAMPLE_DEVICES];
};

static_assert(sizeof(struct flb_sample_v1) == 64 * FLB_SAMPLE_DEVICES);
static_assert(sizeof(struct flb_sample_v2) == 72 * FLB_SAMPLE_DEVICES);
static_assert(sizeof(struct flb_sample_v2) <= PAGE_SIZE);

/**
 * struct flb_sample_state - what there is to know of one device
 * @used: there is one
 * @writes: how often its text was set; new in version 2
 * @text: the text, terminated
 */
struct flb_sample_state {
	bool used;
	u64 writes;
	char text[FLB_SAMPLE_TEXT];
};

/**
 * struct flb_sample_table - the object that all files share
 * @lock: protects @dev and the page
 * @page: the same, as it is handed over
 * @dev: all devices; their place here is their number
 */
struct flb_sample_table {
	struct mutex lock;	/* see above */
	void *page;
	struct flb_sample_state dev[FLB_SAMPLE_DEVICES];
};

/* Write one device down in the format of our own string. */
static void flb_sample_encode(struct flb_sample_table *table, unsigned int nr)
{
	const struct flb_sample_state *dev = &table->dev[nr];
	struct flb_sample_v2 *v2 = table->page;

	v2->v1.dev[nr].used = dev->used;
	memcpy(v2->v1.dev[nr].text, dev->text, sizeof(v2->v1.dev[nr].text));
	if (version > 1)
		v2->writes[nr] = dev->writes;
}

/*
 * Read all devices, in the format that @compatible names. Do not trust what another kernel
 * has written: neither that a number is in range nor that a string is terminated.
 */
static int flb_sample_decode(struct flb_sample_table *table, const char *compatible)
{
	const struct flb_sample_v2 *v2 = table->page;
	bool old = !strcmp(compatible, FLB_SAMPLE_V1);

	for (unsigned int i = 0; i < FLB_SAMPLE_DEVICES; i++) {
		const char *text = v2->v1.dev[i].text;
		struct flb_sample_state *dev = &table->dev[i];

		if (v2->v1.dev[i].used > 1 || strnlen(text, FLB_SAMPLE_TEXT) == FLB_SAMPLE_TEXT)
			return -EUCLEAN;
		dev->used = v2->v1.dev[i].used;
		/* What the old format does not say needs a default. */
		dev->writes = old ? 0 : v2->writes[i];
		strscpy(dev->text, text);
	}
	return 0;
}

static struct flb_sample_table *flb_sample_table_alloc(void)
{
	struct flb_sample_table *table = kzalloc_obj(*table);

	if (table)
		mutex_init(&table->lock);
	return table;
}

/*
 * The ops of the FLB. Live update calls each at most once in the life of an object and
 * never two at a time, and holds this module as long as there is an object. With
 * retrieve_retry a retrieve() that had no memory has another chance: it must not have
 * consumed anything, and here it does not.
 */

/* The first file is about to be preserved. */
static int flb_sample_flb_preserve(struct liveupdate_flb_op_args *args)
{
	struct flb_sample_table *table = flb_sample_table_alloc();

	if (!table)
		return -ENOMEM;
	table->page = kho_alloc_preserve(PAGE_SIZE);	/* it is zeroed */
	if (IS_ERR(table->page)) {
		int err = PTR_ERR(table->page);

		kfree(table);
		return err;
	}
	args->data = virt_to_phys(table->page);
	args->obj = table;
	return 0;
}

/* The last file is unpreserved, there is no update. */
static void flb_sample_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	struct flb_sample_table *table = args->obj;

	kho_unpreserve_free(table->page);
	kfree(table);
}

/*
 * The next kernel: somebody asks. Live update says which of our strings it found, but not
 * whether the number that goes with it makes sense: ask Kexec HandOver whether there is
 * such a page before looking at it.
 */
static int flb_sample_flb_retrieve(struct liveupdate_flb_op_args *args)
{
	struct flb_sample_table *table;
	int err;

	if (kho_preserved_order(args->data) != 0)
		return -EUCLEAN;
	table = flb_sample_table_alloc();
	if (!table)
		return -ENOMEM;
	table->page = phys_to_virt(args->data);
	err = flb_sample_decode(table, args->compatible);
	if (err) {
		kfree(table);
		return err;
	}
	args->obj = table;
	return 0;
}

/* The last file is finished. From here on get_incoming() says that there is nothing. */
static void flb_sample_flb_finish(struct liveupdate_flb_op_args *args)
{
	struct flb_sample_table *table = args->obj;

	kho_restore_free(table->page);
	kfree(table);
}

static const struct liveupdate_flb_ops flb_sample_flb_ops = {
	.preserve = flb_sample_flb_preserve,
	.unpreserve = flb_sample_flb_unpreserve,
	.retrieve = flb_sample_flb_retrieve,
	.finish = flb_sample_flb_finish,
	.owner = THIS_MODULE,
	.retrieve_retry = true,
};

/* A new version reads the older ones. See "Keeping a way back" in the documentation. */
static const char *const flb_sample_older[] = { FLB_SAMPLE_V1, NULL };

static struct liveupdate_flb flb_sample_v2_flb = {
	.ops = &flb_sample_flb_ops,
	.compatible = FLB_SAMPLE_V2,
	.also_retrieves = flb_sample_older,
};

LIVEUPDATE_NOTE_OBJECT(FLB_SAMPLE_V2);

static struct liveupdate_flb flb_sample_v1_flb = {
	.ops = &flb_sample_flb_ops,
	.compatible = FLB_SAMPLE_V1,
};

LIVEUPDATE_NOTE_OBJECT(FLB_SAMPLE_V1);

static struct liveupdate_flb *flb_sample_flb(void)
{
	return version == 1 ? &flb_sample_v1_flb : &flb_sample_v2_flb;
}

/**
 * struct flb_sample_dev - an open file
 * @lock: protects the rest
 * @frozen: it is serialized for the next kernel and must not change any more
 * @state: what there is to know of it
 */
struct flb_sample_dev {
	struct mutex lock;	/* see above */
	bool frozen;
	struct flb_sample_state state;
};

static const struct file_operations flb_sample_fops;

static struct flb_sample_dev *flb_sample_dev_alloc(void)
{
	struct flb_sample_dev *dev = kzalloc_obj(*dev);

	if (dev) {
		mutex_init(&dev->lock);
		dev->state.used = true;
	}
	return dev;
}

/*
 * The ops of the files. serialized_data is all that is handed over of a file besides the
 * table: its number there.
 */

static bool flb_sample_can_preserve(struct liveupdate_file_handler *handler, struct file *file)
{
	return file->f_op == &flb_sample_fops;
}

static void flb_sample_store(struct flb_sample_table *table, unsigned int nr,
			     const struct flb_sample_state *state)
{
	lockdep_assert_held(&table->lock);
	table->dev[nr] = *state;
	flb_sample_encode(table, nr);
}

static int flb_sample_find_free(struct flb_sample_table *table)
{
	lockdep_assert_held(&table->lock);
	for (unsigned int i = 0; i < FLB_SAMPLE_DEVICES; i++) {
		if (!table->dev[i].used)
			return i;
	}
	return -ENOSPC;
}

/* Take a place in the table, which is there by now: reserve here what freeze() will need. */
static int flb_sample_preserve(struct liveupdate_file_op_args *args)
{
	static const struct flb_sample_state taken = { .used = true };
	struct flb_sample_table *table;
	int nr, err;
	void *obj;

	err = liveupdate_flb_get_outgoing(flb_sample_flb(), &obj);
	if (err)
		return err;
	table = obj;
	scoped_guard(mutex, &table->lock) {
		nr = flb_sample_find_free(table);
		if (nr >= 0)
			flb_sample_store(table, nr, &taken);
	}
	/* No reference is needed longer: each preserved file keeps the table. */
	liveupdate_flb_put_outgoing(flb_sample_flb());
	if (nr < 0)
		return nr;
	args->serialized_data = nr;
	args->private_data = table;
	return 0;
}

static void flb_sample_unpreserve(struct liveupdate_file_op_args *args)
{
	static const struct flb_sample_state nothing;
	struct flb_sample_table *table = args->private_data;

	guard(mutex)(&table->lock);
	flb_sample_store(table, args->serialized_data, &nothing);
}

/* The reboot has begun: write the state down, and let nobody change it after that. */
static int flb_sample_freeze(struct liveupdate_file_op_args *args)
{
	struct flb_sample_dev *dev = args->file->private_data;
	struct flb_sample_table *table = args->private_data;

	guard(mutex)(&dev->lock);
	guard(mutex)(&table->lock);
	dev->frozen = true;
	flb_sample_store(table, args->serialized_data, &dev->state);
	return 0;
}

static void flb_sample_unfreeze(struct liveupdate_file_op_args *args)
{
	struct flb_sample_dev *dev = args->file->private_data;

	guard(mutex)(&dev->lock);
	dev->frozen = false;
}

static int flb_sample_load(struct flb_sample_dev *dev, u64 nr)
{
	struct flb_sample_table *table;
	void *obj;
	int err;

	err = liveupdate_flb_get_incoming(flb_sample_flb(), &obj);
	if (err)
		return err;
	table = obj;
	scoped_guard(mutex, &table->lock) {
		if (nr < FLB_SAMPLE_DEVICES && table->dev[nr].used)
			dev->state = table->dev[nr];
		else
			err = -EUCLEAN;
	}
	liveupdate_flb_put_incoming(flb_sample_flb());
	return err;
}

/* A program wants the file back: make it again. */
static int flb_sample_retrieve(struct liveupdate_file_op_args *args)
{
	struct flb_sample_dev *dev = flb_sample_dev_alloc();
	struct file *file;
	int err;

	if (!dev)
		return -ENOMEM;
	err = flb_sample_load(dev, args->serialized_data);
	if (err)
		goto err_free;
	/* As open(2) makes it */
	file = anon_inode_getfile_fmode("[flb_sample]", &flb_sample_fops, dev, O_RDWR,
					FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_free;
	}
	args->file = file;
	return 0;

err_free:
	kfree(dev);
	return err;
}

static void flb_sample_finish(struct liveupdate_file_op_args *args)
{
	/*
	 * If args->file is NULL no program has retrieved the file: a driver with hardware
	 * stops the device here. There is no memory to free, all of it is in the table.
	 */
}

static const struct liveupdate_file_ops flb_sample_file_ops = {
	.can_preserve = flb_sample_can_preserve,
	.preserve = flb_sample_preserve,
	.unpreserve = flb_sample_unpreserve,
	.freeze = flb_sample_freeze,
	.unfreeze = flb_sample_unfreeze,
	.retrieve = flb_sample_retrieve,
	.finish = flb_sample_finish,
	.owner = THIS_MODULE,
	.retrieve_retry = true,
};

static struct liveupdate_file_handler flb_sample_handler = {
	.ops = &flb_sample_file_ops,
	.compatible = FLB_SAMPLE_FILE_V1,
};

LIVEUPDATE_NOTE_HANDLER(FLB_SAMPLE_FILE_V1);

/* The device; nothing here knows of live update, but for a state that is frozen. */

static int flb_sample_open(struct inode *inode, struct file *file)
{
	file->private_data = flb_sample_dev_alloc();
	return file->private_data ? 0 : -ENOMEM;
}

static int flb_sample_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t flb_sample_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct flb_sample_dev *dev = file->private_data;

	guard(mutex)(&dev->lock);
	return simple_read_from_buffer(buf, len, pos, dev->state.text, strlen(dev->state.text));
}

static ssize_t flb_sample_write(struct file *file, const char __user *buf, size_t len,
				loff_t *pos)
{
	struct flb_sample_dev *dev = file->private_data;
	char text[FLB_SAMPLE_TEXT] = "";

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	guard(mutex)(&dev->lock);
	/* Better refused than lost */
	if (dev->frozen)
		return -EBUSY;
	strscpy_pad(dev->state.text, text);
	dev->state.writes++;
	return len;
}

static void flb_sample_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct flb_sample_dev *dev = file->private_data;

	guard(mutex)(&dev->lock);
	seq_printf(m, "writes:\t%llu\n", dev->state.writes);
}

static const struct file_operations flb_sample_fops = {
	.owner = THIS_MODULE,
	.open = flb_sample_open,
	.release = flb_sample_release,
	.read = flb_sample_read,
	.write = flb_sample_write,
	.llseek = default_llseek,
	.show_fdinfo = flb_sample_show_fdinfo,
};

static struct miscdevice flb_sample_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "flb_sample",
	.fops = &flb_sample_fops,
	.mode = 0600,
};

/* A driver with hardware would now leave these devices running, and not reset them. */
static void flb_sample_adopt(const struct flb_sample_table *table)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FLB_SAMPLE_DEVICES; i++)
		n += table->dev[i].used;
	pr_info("devices of the previous kernel: %u\n", n);
}

/* Is there anything of ours? Each answer calls for something else. */
static int flb_sample_look_back(void)
{
	void *obj;
	int err;

	err = liveupdate_flb_get_incoming(flb_sample_flb(), &obj);
	switch (err) {
	case 0:
		/* Keep the reference as long as you look at it; the files may be finished. */
		flb_sample_adopt(obj);
		liveupdate_flb_put_incoming(flb_sample_flb());
		return 0;
	case -ENODATA:		/* the previous kernel preserved nothing of ours */
	case -EOPNOTSUPP:	/* nor could it, or can this one: live update is off */
		return 0;
	case -ENODEV:		/* we are being unloaded; says nothing of the previous kernel */
	case -ENOMEM:		/* nor do these; it is all still there, for the next attempt */
	case -EINTR:
		return err;
	case -EPROTONOSUPPORT:	/* it did, in a version that we cannot read */
	case -EUCLEAN:		/* it did, or may have; but that is damaged */
	default:		/* it did; our retrieve() has failed, and will not run again */
		if (panic_on_unreadable)
			panic(KBUILD_MODNAME ": cannot read what was preserved: %pe\n",
			      ERR_PTR(err));
		pr_err("cannot read what was preserved, leaving the devices alone: %pe\n",
		       ERR_PTR(err));
		return err;
	}
}

static int __init flb_sample_init(void)
{
	int err;

	/*
	 * Registration returns 0 where live update is off; no need to ask for that. Look back
	 * last: an FLB that is retrieved holds this module, which must not fail to load then.
	 */
	if (version != 1 && version != 2)
		return -EINVAL;
	err = liveupdate_register_file_handler(&flb_sample_handler);
	if (err)
		return err;
	err = liveupdate_register_flb(&flb_sample_handler, flb_sample_flb());
	if (err)
		goto err_handler;
	err = misc_register(&flb_sample_misc);
	if (err)
		goto err_handler;
	err = flb_sample_look_back();
	if (err)
		goto err_misc;
	return 0;

err_misc:
	misc_deregister(&flb_sample_misc);
err_handler:
	liveupdate_unregister_file_handler(&flb_sample_handler);	/* and its FLB */
	return err;
}

/* Not called while anything of ours is preserved or retrieved: that holds the module. */
static void __exit flb_sample_exit(void)
{
	misc_deregister(&flb_sample_misc);
	liveupdate_unregister_flb(&flb_sample_handler, flb_sample_flb());
	liveupdate_unregister_file_handler(&flb_sample_handler);
}

module_init(flb_sample_init);
module_exit(flb_sample_exit);
MODULE_DESCRIPTION("Sample of files that share a File-Lifecycle-Bound object");
MODULE_LICENSE("GPL");
