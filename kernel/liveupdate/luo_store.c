// SPDX-License-Identifier: GPL-2.0
/* The store on top of Kexec HandOver. Besides it only handlers call KHO. */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/err.h>
#include <linux/kconfig.h>
#include <linux/kexec_handover.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/stringify.h>

#include "kexec_handover_internal.h"
#include "luo_store.h"

static bool store_usable(struct luo_store *store)
{
	return kho_is_enabled();
}

static void *store_alloc(struct luo_store *store, unsigned int order)
{
	void *page;

	if (!order)
		return liveupdate_alloc_page();

	page = kho_alloc_preserve(PAGE_SIZE << order);
	return IS_ERR(page) ? NULL : page;
}

static void store_drop(struct luo_store *store, void *page)
{
	if (folio_test_large(virt_to_folio(page)))
		kho_unpreserve_free(page);
	else
		liveupdate_free_page(page);
}

static const void *store_peek(struct luo_store *store, u64 phys, unsigned int *order)
{
	int ret = kho_preserved_order(phys);

	if (ret < 0)
		return NULL;
	*order = ret;
	return phys_to_virt(phys);
}

static void store_release(struct luo_store *store, u64 phys)
{
	kho_restore_free(phys_to_virt(phys));
}

static int store_publish(struct luo_store *store, const char *name, void *page, size_t size)
{
	return kho_add_subtree(name, page, size);
}

static void store_withdraw(struct luo_store *store, void *page)
{
	kho_remove_subtree(page);
}

static int store_find(struct luo_store *store, const char *name, u64 *phys, size_t *size)
{
	phys_addr_t where;
	int err;

	err = kho_retrieve_subtree(name, &where, size);
	if (err)
		return err == -ENOENT ? -ENOENT : -EUCLEAN;
	*phys = where;
	return 0;
}

static int store_refused(struct luo_store *store)
{
	return kho_handover_refused();
}

static unsigned long store_nr_pages(struct luo_store *store, bool incoming)
{
	return kho_nr_preserved_pages(incoming);
}

static u64 store_scratch(struct luo_store *store, u64 *largest)
{
	u64 sum = 0;

	*largest = 0;
	for (unsigned int i = 0; kho_is_enabled() && i < kho_scratch_cnt; i++) {
		sum += kho_scratch[i].size;
		*largest = max(*largest, kho_scratch[i].size);
	}
	return sum;
}

/* No answer is no reason to refuse: it may well start. */
static int store_room(struct luo_store *store)
{
	struct kho_room room;

	if (kho_get_room(&room) || room.found >= room.needed)
		return 0;
	pr_warn("the next kernel needs %llu MiB to start and finds %llu: too little is left of memory in blocks of %llu KiB with nothing preserved\n",
		room.needed >> 20, room.found >> 20, room.block >> 10);
	return -ENOSPC;
}

static const struct luo_store_ops store_ops = {
	.usable = store_usable,
	.alloc = store_alloc,
	.drop = store_drop,
	.peek = store_peek,
	.release = store_release,
	.publish = store_publish,
	.withdraw = store_withdraw,
	.find = store_find,
	.refused = store_refused,
	.nr_pages = store_nr_pages,
	.scratch = store_scratch,
	.room = store_room,
};

struct luo_store luo_kho_store = {
	.ops = &store_ops,
};

LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_STORE, KHO_FDT_COMPATIBLE);

/* If KHO finds no other memory early, struct pages are in scratch, and so is KASAN's shadow. */
#ifdef KHO_EXTENDS_SCRATCH_EARLY
#define LUO_NOTE_PAGE_BYTES	0
#else
#define LUO_NOTE_PAGE_BYTES	\
	(sizeof(struct page) + (IS_ENABLED(CONFIG_KASAN_GENERIC) ? PAGE_SIZE / 8 : 0))
#endif

LIVEUPDATE_NOTE(LIVEUPDATE_NOTE_BOOT, ((struct liveupdate_note_boot){
	.page_shift = PAGE_SHIFT,
	.flags = IS_ENABLED(CONFIG_KEXEC_HANDOVER_ENABLE_DEFAULT) ? LIVEUPDATE_NOTE_KHO_ON : 0,
	.page_bytes = LUO_NOTE_PAGE_BYTES,
}));

/* A flat image does not tell its size otherwise. C cannot express the address. */
#define LUO_NOTE_END							\
	".pushsection	.note." LIVEUPDATE_NOTE_NAME ", \"a\", %note\n"	\
	".balign	4\n"						\
	".long		2f - 1f, 4f - 3f, "				\
			__stringify(LIVEUPDATE_NOTE_END) "\n"		\
	"1: .asciz	\"" LIVEUPDATE_NOTE_NAME "\"\n"			\
	"2: .balign	4\n"						\
	"3: .long	_edata - .\n"					\
	"4: .popsection\n"
asm(LUO_NOTE_END);

static const void *pages_peek(void *ctx, u64 phys, unsigned int *order)
{
	struct luo_store *store = ctx;

	return store->ops->peek(store, phys, order);
}

/*
 * The pages of a store, in the form that the reader in luo_wire.c takes. The store outlives
 * the result.
 */
struct luo_wire_pages luo_store_pages(struct luo_store *store)
{
	return (struct luo_wire_pages){ .peek = pages_peek, .ctx = store };
}
