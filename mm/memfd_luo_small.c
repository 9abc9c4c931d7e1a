// SPDX-License-Identifier: GPL-2.0
/*
 * Small preserved objects, many to a page: see <linux/kho/abi/small.h>.
 *
 * *Outgoing* objects are allocated and freed before the kexec. *Incoming* ones
 * are found by their address, which is not trusted, and released; a page is freed with the
 * last of its objects.
 *
 * An object takes 128 bytes and its share of the page's first 128: 4 bytes with pages of 4
 * KiB. A partly used page is filled before a new one is allocated. It is charged to the
 * memcg of the task that needed it first; others may have objects there for free, but not
 * the files that these describe, which cost more.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/crc32c.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/small.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "memfd_luo.h"

#define SMALL_SLOTS	(PAGE_SIZE / LIVEUPDATE_SMALL_SIZE)

static_assert(LIVEUPDATE_SMALL_WORDS * 64 >= SMALL_SLOTS);

/* Protects everything here. The lock of luo_pages.c and allocators nest inside. */
static DEFINE_MUTEX(luo_small_lock);

/* Outgoing pages with a free slot, by page->lru */
static LIST_HEAD(luo_small_partial);

/* A validated incoming page: which slots are not released, and which a caller is using. */
struct luo_small_page {
	DECLARE_BITMAP(left, SMALL_SLOTS);
	DECLARE_BITMAP(claimed, SMALL_SLOTS);
};

/* Incoming pages, by page frame number */
static DEFINE_XARRAY(luo_small_incoming);

static u32 small_crc(const struct liveupdate_small_ser *ser)
{
	struct liveupdate_small_ser copy = *ser;

	copy.crc = 0;
	return crc32c(~0U, &copy, sizeof(copy));
}

/* The bitmap is little-endian words of 64 bits, whatever the size of long. */
static bool small_test(const struct liveupdate_small_ser *ser, unsigned int slot)
{
	return ser->used[slot / 64] & BIT_ULL(slot % 64);
}

static unsigned int small_in_use(const struct liveupdate_small_ser *ser)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < LIVEUPDATE_SMALL_WORDS; i++)
		nr += hweight64(ser->used[i]);
	return nr;
}

static void small_mark(struct liveupdate_small_ser *ser, unsigned int slot, bool used)
{
	if (used)
		ser->used[slot / 64] |= BIT_ULL(slot % 64);
	else
		ser->used[slot / 64] &= ~BIT_ULL(slot % 64);
	ser->crc = small_crc(ser);
}

/* Take a slot of a page that has a free one. */
static void *small_take(struct liveupdate_small_ser *ser)
{
	unsigned int slot = 1;
	void *obj;

	lockdep_assert_held(&luo_small_lock);
	while (small_test(ser, slot))
		slot++;
	small_mark(ser, slot, true);
	if (small_in_use(ser) == SMALL_SLOTS)
		list_del_init(&virt_to_page(ser)->lru);

	obj = (void *)ser + slot * LIVEUPDATE_SMALL_SIZE;
	memset(obj, 0, LIVEUPDATE_SMALL_SIZE);
	return obj;
}

static void *small_take_partial(void)
{
	struct page *page;

	guard(mutex)(&luo_small_lock);
	page = list_first_entry_or_null(&luo_small_partial, struct page, lru);
	return page ? small_take(page_address(page)) : NULL;
}

/*
 * Called without the lock: a memcg at its limit may reclaim here and must not stall others.
 * So two tasks may allocate a page each, and one is filled later.
 */
static struct liveupdate_small_ser *small_new_page(void)
{
	struct liveupdate_small_ser *ser = liveupdate_alloc_page();

	if (!ser)
		return NULL;

	ser->magic = LIVEUPDATE_SMALL_MAGIC;
	ser->size = LIVEUPDATE_SMALL_SIZE;
	small_mark(ser, 0, true);
	return ser;
}

/*
 * Allocate a small preserved object: LIVEUPDATE_SMALL_SIZE bytes of zeroes, which the next
 * kernel finds by their physical address. Returns NULL if there is no memory.
 */
void *luo_small_alloc(void)
{
	struct liveupdate_small_ser *ser;
	void *obj = small_take_partial();

	if (obj)
		return obj;
	ser = small_new_page();
	if (!ser)
		return NULL;

	guard(mutex)(&luo_small_lock);
	list_add(&virt_to_page(ser)->lru, &luo_small_partial);
	return small_take(ser);
}

/* Undo luo_small_alloc(). @obj may be NULL. */
void luo_small_free(void *obj)
{
	struct liveupdate_small_ser *ser = (void *)((unsigned long)obj & PAGE_MASK);
	struct page *page;

	if (!obj)
		return;

	guard(mutex)(&luo_small_lock);
	page = virt_to_page(ser);
	if (small_in_use(ser) == SMALL_SLOTS)
		list_add(&page->lru, &luo_small_partial);
	small_mark(ser, offset_in_page(obj) / LIVEUPDATE_SMALL_SIZE, false);
	if (small_in_use(ser) > 1)
		return;

	list_del_init(&page->lru);
	liveupdate_free_page(ser);
}

static bool small_is_valid(const struct liveupdate_small_ser *ser)
{
	if (ser->magic != LIVEUPDATE_SMALL_MAGIC || ser->size != LIVEUPDATE_SMALL_SIZE ||
	    ser->crc != small_crc(ser) || !small_test(ser, 0))
		return false;

	for (unsigned int i = SMALL_SLOTS; i < LIVEUPDATE_SMALL_WORDS * 64; i++) {
		if (small_test(ser, i))
			return false;
	}
	return true;
}

/*
 * Find the record of an incoming page, and make one the first time; NULL if it is no such
 * page. Releasing cannot handle -ENOMEM.
 */
static struct luo_small_page *small_open(u64 phys)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_NOFAIL;
	const struct liveupdate_small_ser *ser;
	struct luo_small_page *known;
	int order;

	lockdep_assert_held(&luo_small_lock);
	known = xa_load(&luo_small_incoming, PHYS_PFN(phys));
	if (known)
		return known;

	/* Nobody else can restore the page from here on. */
	order = kho_claim(phys);
	if (order < 0)
		return NULL;
	ser = phys_to_virt(phys);
	if (order || !small_is_valid(ser)) {
		kho_unclaim(phys);
		pr_warn_ratelimited("small objects at 0x%llx are corrupted\n", phys);
		return NULL;
	}

	known = kzalloc_obj(*known, gfp);
	for (unsigned int i = 1; i < SMALL_SLOTS; i++)
		__assign_bit(i, known->left, small_test(ser, i));
	xa_store(&luo_small_incoming, PHYS_PFN(phys), known, gfp);
	return known;
}

/*
 * Take the small object at @phys, any address, that was handed over: the caller's to read
 * until luo_small_unclaim() or luo_small_release(). Only its place is validated, not what
 * is in it. Returns -EUCLEAN if there is none, it is claimed, or its page is corrupted.
 */
int luo_small_claim(u64 phys, const void **obj)
{
	const unsigned int slot = offset_in_page(phys) / LIVEUPDATE_SMALL_SIZE;
	struct luo_small_page *known;

	if (phys % LIVEUPDATE_SMALL_SIZE)
		return -EUCLEAN;

	guard(mutex)(&luo_small_lock);
	known = small_open(phys & PAGE_MASK);
	if (!known || !test_bit(slot, known->left) || __test_and_set_bit(slot, known->claimed))
		return -EUCLEAN;

	*obj = phys_to_virt(phys);
	return 0;
}

/* Undo luo_small_claim(). */
void luo_small_unclaim(u64 phys)
{
	struct luo_small_page *known;

	guard(mutex)(&luo_small_lock);
	known = xa_load(&luo_small_incoming, PHYS_PFN(phys & PAGE_MASK));
	if (!WARN_ON_ONCE(!known))
		__clear_bit(offset_in_page(phys) / LIVEUPDATE_SMALL_SIZE, known->claimed);
}

/* Free the small object that luo_small_claim() has claimed. */
void luo_small_release(u64 phys)
{
	const u64 page = phys & PAGE_MASK;
	struct luo_small_page *known;

	guard(mutex)(&luo_small_lock);
	known = xa_load(&luo_small_incoming, PHYS_PFN(page));
	if (WARN_ON_ONCE(!known))
		return;

	__clear_bit(offset_in_page(phys) / LIVEUPDATE_SMALL_SIZE, known->left);
	if (!bitmap_empty(known->left, SMALL_SLOTS))
		return;

	xa_erase(&luo_small_incoming, PHYS_PFN(page));
	kfree(known);
	kho_restore_free(phys_to_virt(page));
}
