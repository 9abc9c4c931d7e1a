// SPDX-License-Identifier: GPL-2.0
/*
 * Known-bad memory stays out of use after a kexec with handover.
 *
 * The memory error handler tells of each page that it takes out of use. At a kexec the list
 * of them is handed over. The next kernel reserves these pages before it allocates from the
 * memory that they are in, and gives them the state that its own error handler would have
 * left them in. So they are in its list as well.
 */
#define pr_fmt(fmt) "hwpoison: handover: " fmt

#include <linux/bitmap.h>
#include <linux/hwpoison_kho.h>
#include <linux/init.h>
#include <linux/kexec.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pfn.h>
#include <linux/reboot.h>
#include <linux/xarray.h>
#include <asm/early_ioremap.h>
#include <asm/sections.h>

#include "hwpoison_kho.h"
#include "internal.h"

LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_SUBTREE, HWPOISON_COMPATIBLE);

/* Indexed by page frame. Its lock is taken below hugetlb_lock, with interrupts off. */
static DEFINE_XARRAY_FLAGS(bad_pages, XA_FLAGS_LOCK_IRQ);

/**
 * hwpoison_kho_add - A page was taken out of use
 * @pfn: its page frame; one that is known already may be told again
 *
 * Context: Any but NMI.
 */
void hwpoison_kho_add(unsigned long pfn)
{
	unsigned long flags;
	void *old;

	xa_lock_irqsave(&bad_pages, flags);
	old = __xa_store(&bad_pages, pfn, xa_mk_value(0), GFP_ATOMIC);
	xa_unlock_irqrestore(&bad_pages, flags);
	if (xa_is_err(old))
		pr_err_ratelimited("%#lx: the next kernel will not know that it is bad: %d\n",
				   pfn, xa_err(old));
}

/**
 * hwpoison_kho_remove - Pages are in use again, or are gone with the memory they were in
 * @pfn: the first page frame; those that are not known may be told
 * @nr: number of pages
 *
 * Context: Any but NMI.
 */
void hwpoison_kho_remove(unsigned long pfn, unsigned long nr)
{
	XA_STATE(xas, &bad_pages, pfn);
	unsigned long flags;
	void *entry;

	xas_lock_irqsave(&xas, flags);
	xas_for_each(&xas, entry, pfn + nr - 1)
		xas_store(&xas, NULL);
	xas_unlock_irqrestore(&xas, flags);
}

/**
 * hwpoison_kho_next - Find the first bad page of a range
 * @pfn: its first page frame
 * @end: the page frame behind it
 *
 * Context: Any.
 *
 * Return: The page frame of the first bad one, or @end.
 */
unsigned long hwpoison_kho_next(unsigned long pfn, unsigned long end)
{
	return pfn < end && xa_find(&bad_pages, &pfn, end - 1, XA_PRESENT) ? pfn : end;
}

/* The next kernel */

static bool __init incoming_is_valid(const struct hwpoison_ser *ser, size_t size)
{
	int err = hwpoison_ser_check(ser, size);

	if (err)
		pr_err("list of bad pages is %s: they will be used again\n",
		       err == -EUCLEAN ? "damaged" : "of another page size");
	return !err;
}

static bool __init is_in_scratch(phys_addr_t phys, const struct kho_scratch *areas,
				 unsigned int nr_areas)
{
	for (unsigned int i = 0; i < nr_areas; i++) {
		if (phys >= areas[i].addr && phys - areas[i].addr < areas[i].size)
			return true;
	}
	return false;
}

/* The list, once it was found to be valid */
static struct hwpoison_ser *incoming __initdata;

/* Which of its pages were reserved here, and not before: nobody uses them */
static DECLARE_BITMAP(reserved, HWPOISON_MAX_PAGES) __initdata;

static void __init reserve_page(const struct hwpoison_ser *ser, u64 i)
{
	const phys_addr_t page = PFN_PHYS(ser->pfns[i]);

	/* The kernel is not reserved this early everywhere. */
	if (memblock_is_region_reserved(page, PAGE_SIZE) ||
	    (page >= __pa_symbol(_text) && page < __pa_symbol(_end)))
		return;
	if (memblock_reserve(page, PAGE_SIZE))
		pr_err("%#llx: is bad and may be used: no room to reserve it\n", ser->pfns[i]);
	else
		__set_bit(i, reserved);
}

/*
 * Before memblock's array of reserved ranges can grow it is a panic if it is full. It has 128
 * entries, of which few are in use then.
 */
#define EARLY_MAX	32

/**
 * hwpoison_kho_reserve_scratch - Reserve the bad pages of the scratch areas
 * @phys: address of the list, as it was handed over: it may be anything
 * @size: its size, in bytes, the same
 * @areas: the areas
 * @nr_areas: number of @areas
 *
 * If there are more than EARLY_MAX, the others are reserved by hwpoison_kho_reserve(), unless
 * they are in use by then.
 *
 * Context: Early boot, before anything is allocated from scratch.
 */
void __init hwpoison_kho_reserve_scratch(phys_addr_t phys, size_t size,
					 const struct kho_scratch *areas, unsigned int nr_areas)
{
	struct hwpoison_ser *ser;
	unsigned int nr = 0;

	if (!hwpoison_ser_size_valid(size))
		return;
	ser = early_memremap(phys, size);
	if (!ser)
		return;

	/* What is wrong with it is said by hwpoison_kho_reserve(). */
	if (hwpoison_ser_check(ser, size))
		goto unmap;
	for (u64 i = 0; i < ser->nr && nr < EARLY_MAX; i++) {
		if (is_in_scratch(PFN_PHYS(ser->pfns[i]), areas, nr_areas)) {
			reserve_page(ser, i);
			nr++;
		}
	}
unmap:
	early_memunmap(ser, size);
}

/* Returns the list that was handed over, or NULL. */
static struct hwpoison_ser *__init find_incoming(size_t *size)
{
	phys_addr_t phys;
	int err;

	err = kho_retrieve_subtree(HWPOISON_COMPATIBLE, &phys, size);
	if (err == -ENOENT)
		return NULL;
	if (err == -EPROTONOSUPPORT) {
		pr_err("list of bad pages is of an unknown version: they will be used again\n");
		return NULL;
	}
	if (err || !hwpoison_ser_size_valid(*size) ||
	    kho_preserved_order(phys) < get_order(*size)) {
		pr_err("list of bad pages cannot be found: they will be used again\n");
		return NULL;
	}
	return phys_to_virt(phys);
}

/**
 * hwpoison_kho_reserve - Reserve all bad pages
 *
 * Those that are preserved stay as they are.
 *
 * Context: Boot, when preserved memory can be told, before any of the memory that is not
 * scratch is allocated.
 */
void __init hwpoison_kho_reserve(void)
{
	struct hwpoison_ser *ser;
	phys_addr_t page;
	size_t size;

	ser = find_incoming(&size);
	if (!ser || !incoming_is_valid(ser, size))
		return;
	incoming = ser;

	for (u64 i = 0; i < ser->nr; i++) {
		page = PFN_PHYS(ser->pfns[i]);
		if (memblock_is_memory(page) && !kho_is_preserved(page))
			reserve_page(ser, i);
	}
}

/* As memory_failure() leaves a page that was free: unpoison_memory() gives it back. */
static void __init take_off(struct page *page)
{
	ClearPageReserved(page);
	adjust_managed_page_count(page, 1);
	SetPageHWPoisonTakenOff(page);
}

static int __init hwpoison_kho_mark(void)
{
	struct page *page;

	/* What was handed over may have been refused after all. */
	if (!incoming || !is_kho_boot())
		return 0;
	for (u64 i = 0; i < incoming->nr; i++) {
		page = pfn_to_online_page(incoming->pfns[i]);
		if (!page) {
			/* It may be added, by the kernel after this one if not by this. */
			hwpoison_kho_add(incoming->pfns[i]);
			continue;
		}
		if (TestSetPageHWPoison(page))
			continue;
		if (test_bit(i, reserved))
			take_off(page);
		num_poisoned_pages_inc(incoming->pfns[i]);
	}
	pr_info("%llu bad pages of the previous kernel are out of use\n", incoming->nr);
	/* Not freed: KHO's debugfs goes on showing it. */
	kho_restore_folio(virt_to_phys(incoming));
	return 0;
}
core_initcall(hwpoison_kho_mark);

/* The kexec */

static struct hwpoison_ser *make_list(u64 nr)
{
	struct hwpoison_ser *ser = kho_alloc_preserve(struct_size(ser, pfns, nr));
	unsigned long pfn;
	void *entry;

	if (IS_ERR(ser))
		return ser;
	xa_for_each(&bad_pages, pfn, entry) {
		if (ser->nr == nr)
			break;
		ser->pfns[ser->nr++] = pfn;
	}
	hwpoison_ser_seal(ser);
	return ser;
}

static int hand_over(u64 nr)
{
	struct hwpoison_ser *ser = make_list(nr);
	int err;

	if (IS_ERR(ser))
		return PTR_ERR(ser);
	if (!ser->nr) {
		/* Just now they were unpoisoned. */
		kho_unpreserve_free(ser);
		return 0;
	}
	err = kho_add_subtree(HWPOISON_COMPATIBLE, ser, struct_size(ser, pfns, ser->nr));
	if (err)
		kho_unpreserve_free(ser);
	return err;
}

/* The reboot goes on whatever happens: the work on this host is worth more than the pages. */
static int hwpoison_kho_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	unsigned long pfn;
	u64 nr = 0, most;
	void *entry;
	int err;

	if (!kexec_in_progress)
		return NOTIFY_DONE;
	xa_for_each(&bad_pages, pfn, entry)
		nr++;
	if (!nr)
		return NOTIFY_DONE;

	most = min(nr, HWPOISON_MAX_PAGES);
	err = hand_over(most);
	if (err)
		pr_err("%llu bad pages are not handed over: %d\n", nr, err);
	else if (nr > most)
		pr_err("%llu bad pages are not handed over: %llu are\n", nr - most, most);
	return NOTIFY_DONE;
}

static struct notifier_block hwpoison_kho_nb = {
	.notifier_call = hwpoison_kho_reboot,
};

static int __init hwpoison_kho_init(void)
{
	if (kho_is_enabled())
		register_reboot_notifier(&hwpoison_kho_nb);
	return 0;
}
fs_initcall_sync(hwpoison_kho_init);
