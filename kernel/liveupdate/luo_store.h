/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that outlives the kernel, behind a handful of ops: KHO in luo_store.c, a fake
 * for tests.
 */
#ifndef _LUO_STORE_H
#define _LUO_STORE_H

#include <linux/io.h>
#include <linux/types.h>

#include "luo_wire.h"

struct luo_store;

/**
 * struct luo_store_ops - what a store can do
 * @usable: whether anything can be handed over at all
 * @alloc: a zeroed folio of @order of its own, preserved; NULL if there is no memory
 * @drop: give such a folio up again
 * @peek: the page at @phys if the last kernel preserved it as a folio of @order and it
 *	is still untouched; else NULL. Any value of @phys is safe to ask for.
 * @release: give a folio that @peek has shown back to this kernel's free memory
 * @publish: make @page known to the next kernel under @name; 0 or an errno
 * @withdraw: undo @publish
 * @find: what the last kernel published under @name: 0 and where and how many bytes;
 *	-ENOENT: nothing; -EUCLEAN: it cannot be made out
 * @refused: 0, or why a handover that was offered was not taken: -EPROTONOSUPPORT,
 *	-EUCLEAN
 * @nr_pages: how many pages are preserved, by whomever: for the next kernel, or @incoming,
 *	by the last one, and not given to anybody yet
 */
struct luo_store_ops {
	bool (*usable)(struct luo_store *store);
	void *(*alloc)(struct luo_store *store, unsigned int order);
	void (*drop)(struct luo_store *store, void *page);
	const void *(*peek)(struct luo_store *store, u64 phys, unsigned int order);
	void (*release)(struct luo_store *store, u64 phys);
	int (*publish)(struct luo_store *store, const char *name, void *page, size_t size);
	void (*withdraw)(struct luo_store *store, void *page);
	int (*find)(struct luo_store *store, const char *name, u64 *phys, size_t *size);
	int (*refused)(struct luo_store *store);
	unsigned long (*nr_pages)(struct luo_store *store, bool incoming);
};

/**
 * struct luo_store - a store; whoever implements one embeds it
 * @ops: how it works
 */
struct luo_store {
	const struct luo_store_ops *ops;
};

extern struct luo_store luo_kho_store;

static inline u64 luo_store_phys(const void *page)
{
	return virt_to_phys((void *)page);
}

struct luo_wire_pages luo_store_pages(struct luo_store *store);

#endif /* _LUO_STORE_H */
