// SPDX-License-Identifier: GPL-2.0
/*
 * Ask for FLBs when the kernel has hardly come up: with luo_flb_test_early on its command
 * line, before there are slab caches and at early_initcall. What the getters answered then
 * stands in early in debugfs/luo_flb_test, a line for each: when, string, 0 or -errno. When
 * is "slab", or "late" if there is slab already.
 *
 * Part of luo_flb_test.c if that is built in.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/luo.h>
#include <linux/liveupdate.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "luo_flb_test.h"

/* What was answered */
static char early_said[1024];
static size_t early_len;

static void __init flb_test_say_early(const char *when, const char *compatible, int err)
{
	early_len += scnprintf(early_said + early_len, sizeof(early_said) - early_len,
			       "%s %s %d\n", when, compatible, err);
}

static const char *const early_older[] __initconst = { FLB_TEST_FAMILY "0-v1", NULL };

static struct liveupdate_flb early_flbs[] __initdata = {
	{ .ops = &flb_test_flb_ops, .compatible = FLB_TEST_FAMILY "0-v1" },
	{ .ops = &flb_test_flb_ops, .compatible = FLB_TEST_FAMILY "0-v2",
	  .also_retrieves = early_older },
	{ .ops = &flb_test_flb_ops, .compatible = FLB_TEST_FAMILY "0-v3" },
	{ .ops = &flb_test_flb_ops, .compatible = FLB_TEST_FAMILY "-none-v1" },
};

#define FLB_TEST_EARLY		"luo_flb_test_early"

static bool early_wanted __initdata;

static void __init flb_test_ask_early(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(early_flbs); i++) {
		u64 data = 0;
		int err;

		err = liveupdate_flb_incoming_early(&early_flbs[i], &data);
		/* Both of those that can read it get the same. */
		if (!err && i && data != flb_test_early_data)
			err = -EBADMSG;
		if (!err)
			flb_test_early_data = data;
		flb_test_say_early(slab_is_available() ? "late" : "slab", early_flbs[i].compatible,
				   err);
	}
}

static bool early_put_off __initdata;

/*
 * Options like this are looked at before mm_core_init(), when KHO can say already what is
 * preserved. In Linux 7.2 it cannot before kho_memory_init(), which is inside of that, and
 * the console's initcalls are the first thing afterwards.
 */
static int __init flb_test_before_slab(char *arg)
{
	phys_addr_t phys;
	size_t size;

	early_wanted = true;
	early_put_off = !kho_retrieve_subtree(LUO_KHO_ENTRY_NAME, &phys, &size) &&
			kho_preserved_order(phys) < 0;
	if (!early_put_off)
		flb_test_ask_early();
	return 1;
}
__setup(FLB_TEST_EARLY, flb_test_before_slab);

static int __init flb_test_before_initcalls(void)
{
	if (early_put_off)
		flb_test_ask_early();
	return 0;
}
console_initcall(flb_test_before_initcalls);

static int __init flb_test_at_early_initcall(void)
{
	int err;

	if (!early_wanted)
		return 0;
	err = flb_test_create();
	if (err)
		return err;
	for (unsigned int i = 0; i < 2; i++) {
		err = flb_test_get_incoming(i);
		if (!err)
			flb_test_put_incoming(i);
		flb_test_say_early("initcall", flb_test_compatible(i), err);
	}
	return 0;
}
early_initcall(flb_test_at_early_initcall);

static int flb_test_early_show(struct seq_file *m, void *unused)
{
	seq_write(m, early_said, early_len);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(flb_test_early);

static int __init flb_test_early_init(void)
{
	debugfs_create_file("early", 0400, flb_test_dir, NULL, &flb_test_early_fops);
	return 0;
}
late_initcall(flb_test_early_init);
