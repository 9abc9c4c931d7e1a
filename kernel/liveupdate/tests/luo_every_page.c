// SPDX-License-Identifier: GPL-2.0
/*
 * With luo_every_page.ask=1 on the command line, ask about every page there may be whether the
 * previous kernel has preserved it, while the initialisation of struct pages may be deferred.
 * The debug kernel notices it if one is looked at that is not initialised.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/init.h>
#include <linux/kexec_handover.h>
#include <linux/memblock.h>
#include <linux/moduleparam.h>
#include <linux/pfn.h>
#include <linux/printk.h>

static bool ask;
module_param(ask, bool, 0);

static int __init ask_at_early_initcall(void)
{
	unsigned long found = 0;

	if (!ask)
		return 0;
	for (unsigned long pfn = 0; pfn < max_pfn; pfn++) {
		const int order = kho_preserved_order(PFN_PHYS(pfn));

		if (order >= 0)
			found += 1UL << order;
	}
	pr_info("of %lu preserved pages %lu are found\n", kho_nr_preserved_pages(true), found);
	return 0;
}
early_initcall(ask_at_early_initcall);
