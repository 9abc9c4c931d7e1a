// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel code that reads a program's memory where it must not wait for ever. What is written
 * to a file in debugfs luo_device_test/ is looked at, one byte of it:
 *
 *   locked	under device_lock(), which device_shutdown() takes
 *   worker	by a kernel thread, on behalf of the program, as KVM's asynchronous page
 *		faults do
 */
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static struct platform_device *device_test;
static struct dentry *device_test_dir;

static ssize_t locked_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	char byte;
	bool failed;

	if (!size)
		return 0;
	device_lock(&device_test->dev);
	failed = copy_from_user(&byte, from, 1);
	device_unlock(&device_test->dev);
	return failed ? -EFAULT : 1;
}

static const struct file_operations locked_fops = {
	.owner = THIS_MODULE,
	.write = locked_write,
	.llseek = noop_llseek,
};

/**
 * struct look - a look at a program's memory
 * @work: for a kernel thread
 * @mm: the program's
 * @addr: where
 * @ret: 1, or an errno
 */
struct look {
	struct work_struct work;
	struct mm_struct *mm;
	unsigned long addr;
	long ret;
};

static void look_work(struct work_struct *work)
{
	struct look *look = container_of(work, struct look, work);
	struct page *page;
	int locked = 1;

	mmap_read_lock(look->mm);
	look->ret = get_user_pages_remote(look->mm, look->addr, 1, FOLL_WRITE, &page, &locked);
	if (locked)
		mmap_read_unlock(look->mm);
	if (look->ret == 1)
		put_page(page);
}

static ssize_t worker_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	struct look look = { .mm = current->mm, .addr = (unsigned long)from };

	INIT_WORK_ONSTACK(&look.work, look_work);
	schedule_work(&look.work);
	flush_work(&look.work);
	destroy_work_on_stack(&look.work);
	return look.ret;
}

static const struct file_operations worker_fops = {
	.owner = THIS_MODULE,
	.write = worker_write,
	.llseek = noop_llseek,
};

static int __init device_test_init(void)
{
	device_test = platform_device_register_simple("luo_device_test", PLATFORM_DEVID_NONE,
						      NULL, 0);
	if (IS_ERR(device_test))
		return PTR_ERR(device_test);
	device_test_dir = debugfs_create_dir("luo_device_test", NULL);
	debugfs_create_file("locked", 0200, device_test_dir, NULL, &locked_fops);
	debugfs_create_file("worker", 0200, device_test_dir, NULL, &worker_fops);
	return 0;
}

static void __exit device_test_exit(void)
{
	debugfs_remove(device_test_dir);
	platform_device_unregister(device_test);
}

module_init(device_test_init);
module_exit(device_test_exit);
MODULE_VERSION("1");
MODULE_DESCRIPTION("Kernel code that reads a program's memory where it must not wait for ever");
MODULE_LICENSE("GPL");
