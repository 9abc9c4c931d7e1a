// SPDX-License-Identifier: GPL-2.0
/*
 * File handlers and FLBs that do as they are told: for tests over several kernels.
 *
 * Parameters, of the module or on the kernel's command line, say what there is:
 *
 *   links=MASK[,MASK...]     as many handlers; bit N of a mask: FLB N depends on it
 *   suffix=TEXT              FLB N writes, and reads, "luo_test-flb" N TEXT; default -v1
 *   also=TEXT[,TEXT...]      and reads those with one of these suffixes, too
 *
 * Nothing happens before "register" is written to command in debugfs/luo_flb_test. What is
 * written there is a call to live update, and write(2) fails as the call does:
 *
 *   register, unregister
 *   get_incoming N, put_incoming N, get_outgoing N, put_outgoing N
 *   fail OP                  this op fails with EIO, as it is named in the file ops
 *   clear                    empty the file ops
 *   break_kho                the image loaded hands over in an unknown version of KHO's
 *   break_kho_node           the node of live update in the FDT that it hands over is broken
 *   panic_at_reboot          in the next one, when live update has done its part
 *
 * ops there lists all ops that were called, in their order. /dev/luo_flb_testN is a device
 * whose files handler N preserves. luo_flb_early.c asks when the kernel has hardly come up.
 */
#define pr_fmt(fmt) "luo_flb_test: " fmt

#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/kstrtox.h>
#include <linux/libfdt.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/reboot.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "luo_flb_test.h"

#define FLB_TEST_FLBS		16
#define FLB_TEST_HANDLERS	4
#define FLB_TEST_STRINGS	4
#define FLB_TEST_MAGIC		0x74736574626c66ull

static unsigned int links[FLB_TEST_HANDLERS] = { 1 };
static unsigned int nr_handlers = 1;
module_param_array(links, uint, &nr_handlers, 0444);
MODULE_PARM_DESC(links, "For each handler, a mask of the FLBs that depend on it");

static char *suffix = "-v1";
module_param(suffix, charp, 0444);
MODULE_PARM_DESC(suffix, "End of the string that FLBs write");

static char *also[FLB_TEST_STRINGS];
static unsigned int nr_also;
module_param_array(also, charp, &nr_also, 0444);
MODULE_PARM_DESC(also, "Ends of the strings that FLBs also read");

/* What an FLB hands over, on a page of its own */
struct flb_test_page {
	u64 magic;
	u64 nr;
};

struct flb_test_flb {
	struct liveupdate_flb flb;
	unsigned int nr;
	char older[FLB_TEST_STRINGS][LIVEUPDATE_FLB_COMPAT_LENGTH];
	const char *also_retrieves[FLB_TEST_STRINGS + 1];
};

struct flb_test_handler {
	struct liveupdate_file_handler fh;
	struct miscdevice misc;
	unsigned int nr;
	char name[16];
};

static struct flb_test_flb *flbs;
static struct flb_test_handler *handlers;
static bool registered;
struct dentry *flb_test_dir;
u64 flb_test_early_data;

/* Commands, one at a time; innermost, what the ops note */
static DEFINE_MUTEX(flb_test_lock);
static DEFINE_MUTEX(flb_test_ops_lock);
static char ops[4096];
static size_t ops_len;
static char fail[32];

/* Note that an op is called; should it fail? */
static int flb_test_note(const char *who, unsigned int nr, const char *op, const char *more)
{
	char word[32];

	guard(mutex)(&flb_test_ops_lock);
	snprintf(word, sizeof(word), "%s%u.%s", who, nr, op);
	ops_len += scnprintf(ops + ops_len, sizeof(ops) - ops_len, "%s%s%s\n", word,
			     more ? "=" : "", more ?: "");
	return strcmp(word, fail) ? 0 : -EIO;
}

/* Name the string that was found if it is not the FLB's own. */
static int flb_test_note_flb(struct liveupdate_flb_op_args *args, const char *op)
{
	struct flb_test_flb *f = container_of(args->flb, struct flb_test_flb, flb);
	bool own = !strcmp(args->compatible, f->flb.compatible);

	return flb_test_note("flb", f->nr, op, own ? NULL : args->compatible);
}

static bool flb_test_is_page(const struct flb_test_flb *f, const struct flb_test_page *page)
{
	return page && page->magic == FLB_TEST_MAGIC && page->nr == f->nr;
}

static int flb_test_flb_preserve(struct liveupdate_flb_op_args *args)
{
	struct flb_test_flb *f = container_of(args->flb, struct flb_test_flb, flb);
	int err = flb_test_note_flb(args, "preserve");
	struct flb_test_page *page;

	if (err)
		return err;
	page = kho_alloc_preserve(sizeof(*page));
	if (IS_ERR(page))
		return PTR_ERR(page);
	page->magic = FLB_TEST_MAGIC;
	page->nr = f->nr;
	args->data = virt_to_phys(page);
	args->obj = page;
	return 0;
}

static void flb_test_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	flb_test_note_flb(args, "unpreserve");
	kho_unpreserve_free(args->obj);
}

static int flb_test_flb_retrieve(struct liveupdate_flb_op_args *args)
{
	struct flb_test_flb *f = container_of(args->flb, struct flb_test_flb, flb);
	int err = flb_test_note_flb(args, "retrieve");

	if (err)
		return err;
	if (kho_preserved_order(args->data) || !flb_test_is_page(f, phys_to_virt(args->data)))
		return -EUCLEAN;
	/* What was said before there were slab caches was the same. */
	if (!f->nr && flb_test_early_data && flb_test_early_data != args->data)
		return -EBADMSG;
	args->obj = phys_to_virt(args->data);
	return 0;
}

static void flb_test_flb_finish(struct liveupdate_flb_op_args *args)
{
	flb_test_note_flb(args, "finish");
	kho_restore_free(args->obj);
}

const struct liveupdate_flb_ops flb_test_flb_ops = {
	.preserve = flb_test_flb_preserve,
	.unpreserve = flb_test_flb_unpreserve,
	.retrieve = flb_test_flb_retrieve,
	.finish = flb_test_flb_finish,
	.owner = THIS_MODULE,
};

static const struct file_operations flb_test_fops = {
	.owner = THIS_MODULE,
};

static struct flb_test_handler *flb_test_handler_of(struct liveupdate_file_handler *fh)
{
	return container_of(fh, struct flb_test_handler, fh);
}

static bool flb_test_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	/* What misc_open() leaves there; a reopened device may be another one of that name */
	return file->f_op == &flb_test_fops &&
	       file->private_data == &flb_test_handler_of(fh)->misc;
}

static int flb_test_preserve(struct liveupdate_file_op_args *args)
{
	return flb_test_note("file", flb_test_handler_of(args->handler)->nr, "preserve", NULL);
}

static void flb_test_unpreserve(struct liveupdate_file_op_args *args)
{
	flb_test_note("file", flb_test_handler_of(args->handler)->nr, "unpreserve", NULL);
}

static int flb_test_retrieve(struct liveupdate_file_op_args *args)
{
	struct flb_test_handler *h = flb_test_handler_of(args->handler);
	int err = flb_test_note("file", h->nr, "retrieve", NULL);
	struct file *file;

	if (err)
		return err;
	file = anon_inode_getfile("[luo_flb_test]", &flb_test_fops, &h->misc, O_RDWR);
	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

static void flb_test_finish(struct liveupdate_file_op_args *args)
{
	flb_test_note("file", flb_test_handler_of(args->handler)->nr, "finish", NULL);
}

static const struct liveupdate_file_ops flb_test_file_ops = {
	.can_preserve = flb_test_can_preserve,
	.preserve = flb_test_preserve,
	.unpreserve = flb_test_unpreserve,
	.retrieve = flb_test_retrieve,
	.finish = flb_test_finish,
	.owner = THIS_MODULE,
};

static void flb_test_init_flb(struct flb_test_flb *f, unsigned int nr)
{
	f->nr = nr;
	f->flb.ops = &flb_test_flb_ops;
	snprintf((char *)f->flb.compatible, sizeof(f->flb.compatible), FLB_TEST_FAMILY "%u%s", nr,
		 suffix);
	for (unsigned int i = 0; i < nr_also; i++) {
		snprintf(f->older[i], sizeof(f->older[i]), FLB_TEST_FAMILY "%u%s", nr, also[i]);
		f->also_retrieves[i] = f->older[i];
	}
	f->flb.also_retrieves = nr_also ? f->also_retrieves : NULL;
}

/* Make what the parameters ask for, once. */
int flb_test_create(void)
{
	if (flbs)
		return 0;
	handlers = kzalloc_objs(*handlers, FLB_TEST_HANDLERS);
	if (!handlers)
		return -ENOMEM;
	flbs = kzalloc_objs(*flbs, FLB_TEST_FLBS);
	if (!flbs) {
		kfree(handlers);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < FLB_TEST_FLBS; i++)
		flb_test_init_flb(&flbs[i], i);
	for (unsigned int i = 0; i < FLB_TEST_HANDLERS; i++) {
		struct flb_test_handler *h = &handlers[i];

		h->nr = i;
		h->fh.ops = &flb_test_file_ops;
		snprintf((char *)h->fh.compatible, sizeof(h->fh.compatible), "luo_test-file%u-v1",
			 i);
		snprintf(h->name, sizeof(h->name), "luo_flb_test%u", i);
		h->misc.minor = MISC_DYNAMIC_MINOR;
		h->misc.name = h->name;
		h->misc.fops = &flb_test_fops;
	}
	return 0;
}

static void flb_test_remove_handler(struct flb_test_handler *h)
{
	misc_deregister(&h->misc);
	/* Unlinks its FLBs, too. */
	liveupdate_unregister_file_handler(&h->fh);
}

static int flb_test_add_handler(struct flb_test_handler *h)
{
	int err;

	err = liveupdate_register_file_handler(&h->fh);
	for (unsigned int i = 0; i < FLB_TEST_FLBS && !err; i++) {
		if (links[h->nr] & BIT(i))
			err = liveupdate_register_flb(&h->fh, &flbs[i].flb);
	}
	if (!err)
		err = misc_register(&h->misc);
	if (err)
		liveupdate_unregister_file_handler(&h->fh);
	return err;
}

static int flb_test_register(unsigned int nr)
{
	int err;

	if (registered)
		return -EEXIST;
	err = flb_test_create();
	for (unsigned int i = 0; i < nr_handlers && !err; i++) {
		err = flb_test_add_handler(&handlers[i]);
		while (err && i--)
			flb_test_remove_handler(&handlers[i]);
		if (err)
			break;
	}
	registered = !err;
	return err;
}

static int flb_test_unregister(unsigned int nr)
{
	if (!registered)
		return -ENOENT;
	for (unsigned int i = nr_handlers; i--; )
		flb_test_remove_handler(&handlers[i]);
	registered = false;
	return 0;
}

const char *flb_test_compatible(unsigned int nr)
{
	return flbs[nr].flb.compatible;
}

static int flb_test_get(unsigned int nr, int (*get)(struct liveupdate_flb *, void **),
			void (*put)(struct liveupdate_flb *))
{
	void *obj = NULL;
	int err;

	err = get(&flbs[nr].flb, &obj);
	if (!err && !flb_test_is_page(&flbs[nr], obj)) {
		put(&flbs[nr].flb);
		err = -EBADMSG;
	}
	return err;
}

int flb_test_get_incoming(unsigned int nr)
{
	return flb_test_get(nr, liveupdate_flb_get_incoming, liveupdate_flb_put_incoming);
}

int flb_test_put_incoming(unsigned int nr)
{
	liveupdate_flb_put_incoming(&flbs[nr].flb);
	return 0;
}

static int flb_test_get_outgoing(unsigned int nr)
{
	return flb_test_get(nr, liveupdate_flb_get_outgoing, liveupdate_flb_put_outgoing);
}

static int flb_test_put_outgoing(unsigned int nr)
{
	liveupdate_flb_put_outgoing(&flbs[nr].flb);
	return 0;
}

static int flb_test_clear(unsigned int nr)
{
	guard(mutex)(&flb_test_ops_lock);
	ops_len = 0;
	return 0;
}

#ifdef MODULE

static int flb_test_break_kho(unsigned int nr)
{
	return -EOPNOTSUPP;
}

static int flb_test_break_kho_node(unsigned int nr)
{
	return -EOPNOTSUPP;
}

#else

/* As if a kernel with another version of KHO had loaded the next one. */
static int flb_test_break_kho(unsigned int nr)
{
	void *fdt;
	char *text;
	int len;

	if (!kexec_image || !kexec_image->kho.fdt)
		return -ENOENT;
	fdt = phys_to_virt(kexec_image->kho.fdt);
	text = fdt_getprop_w(fdt, 0, "compatible", &len);
	if (!text || len < 2)
		return -EINVAL;
	text[len - 2] = 'x';
	return 0;
}

/* The properties of the FDT's root, and nodes before that one, can still be read. */
static int flb_test_break_kho_node(unsigned int nr)
{
	void *fdt;
	int node;

	if (!kexec_image || !kexec_image->kho.fdt)
		return -ENOENT;
	fdt = phys_to_virt(kexec_image->kho.fdt);
	node = fdt_subnode_offset(fdt, 0, LUO_KHO_ENTRY_NAME);
	if (node < 0)
		return -EINVAL;
	memset(fdt + fdt_off_dt_struct(fdt) + node, 0xff, FDT_TAGSIZE);
	return 0;
}

#endif /* MODULE */

static int flb_test_panic(struct notifier_block *nb, unsigned long action, void *data)
{
	panic("luo_flb_test: as was asked for");
}

static struct notifier_block flb_test_at_reboot = { .notifier_call = flb_test_panic };

/* The kernel ends with it, so that it is never unregistered. */
static int flb_test_panic_at_reboot(unsigned int nr)
{
	__module_get(THIS_MODULE);
	return register_reboot_notifier(&flb_test_at_reboot);
}

static const struct {
	const char *name;
	int (*fn)(unsigned int nr);
} flb_test_commands[] = {
	{ "register", flb_test_register },
	{ "unregister", flb_test_unregister },
	{ "get_incoming", flb_test_get_incoming },
	{ "put_incoming", flb_test_put_incoming },
	{ "get_outgoing", flb_test_get_outgoing },
	{ "put_outgoing", flb_test_put_outgoing },
	{ "clear", flb_test_clear },
	{ "break_kho", flb_test_break_kho },
	{ "break_kho_node", flb_test_break_kho_node },
	{ "panic_at_reboot", flb_test_panic_at_reboot },
};

static int flb_test_run(const char *name, const char *arg)
{
	unsigned int nr = 0;
	int err;

	if (!strcmp(name, "fail")) {
		guard(mutex)(&flb_test_ops_lock);
		strscpy(fail, arg);
		return 0;
	}
	if (*arg && (kstrtouint(arg, 0, &nr) || nr >= FLB_TEST_FLBS))
		return -EINVAL;
	for (unsigned int i = 0; i < ARRAY_SIZE(flb_test_commands); i++) {
		if (strcmp(flb_test_commands[i].name, name))
			continue;
		guard(mutex)(&flb_test_lock);
		err = flb_test_create();
		return err ?: flb_test_commands[i].fn(nr);
	}
	return -EINVAL;
}

static ssize_t flb_test_command_write(struct file *file, const char __user *user, size_t len,
				      loff_t *pos)
{
	char text[64] = "", *name, *arg;
	int err;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, len))
		return -EFAULT;
	arg = strim(text);
	name = strsep(&arg, " ");
	err = flb_test_run(name, arg ?: "");
	return err ?: len;
}

static const struct file_operations flb_test_command_fops = {
	.owner = THIS_MODULE,
	.write = flb_test_command_write,
};

static int flb_test_ops_show(struct seq_file *m, void *unused)
{
	guard(mutex)(&flb_test_ops_lock);
	seq_write(m, ops, ops_len);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(flb_test_ops);

static int __init flb_test_init(void)
{
	flb_test_dir = debugfs_create_dir("luo_flb_test", NULL);
	debugfs_create_file("command", 0200, flb_test_dir, NULL, &flb_test_command_fops);
	debugfs_create_file("ops", 0400, flb_test_dir, NULL, &flb_test_ops_fops);
	return 0;
}

static void __exit flb_test_exit(void)
{
	debugfs_remove(flb_test_dir);
	flb_test_unregister(0);
	kfree(handlers);
	kfree(flbs);
}

module_init(flb_test_init);
module_exit(flb_test_exit);
MODULE_DESCRIPTION("File handlers and FLBs that do as they are told");
MODULE_LICENSE("GPL");
