/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that outlives the kernel, behind some ops: KHO in luo_store.c, a fake for tests.
 */
#ifndef _LUO_STORE_H
#define _LUO_STORE_H

#include <linux/io.h>
#include <linux/types.h>

#include "luo_wire.h"

struct luo_store;

/**
 * struct luo_store_ops - the ops of a store
 * @usable: whether anything can be handed over
 * @alloc: allocate and preserve a zeroed folio of @order; NULL if there is no memory
 * @drop: undo @alloc
 * @peek: the folio at @phys if the previous kernel preserved it and it is not restored yet;
 *	else NULL. Sets its order. Any value of @phys is safe.
 * @release: free a folio that @peek has shown
 * @publish: make @page known to the next kernel under @name; 0 or an errno
 * @withdraw: undo @publish
 * @find: find what the previous kernel published under @name: 0, its address and its size;
 *	-ENOENT if there is nothing, -EUCLEAN if it cannot be read
 * @refused: 0, or why the store did not accept a handover: -EPROTONOSUPPORT, -EUCLEAN
 * @nr_pages: number of preserved pages of all users: for the next kernel, or @incoming,
 *	by the previous one and not restored
 * @scratch: size of the memory in which the next kernel starts, in bytes; sets that of its
 *	largest part
 * @room: 0, or -ENOSPC and a line in the log if the next kernel would not find the memory that
 *	it has to allocate before it can tell what is preserved
 */
struct luo_store_ops {
	bool (*usable)(struct luo_store *store);
	void *(*alloc)(struct luo_store *store, unsigned int order);
	void (*drop)(struct luo_store *store, void *page);
	const void *(*peek)(struct luo_store *store, u64 phys, unsigned int *order);
	void (*release)(struct luo_store *store, u64 phys);
	int (*publish)(struct luo_store *store, const char *name, void *page, size_t size);
	void (*withdraw)(struct luo_store *store, void *page);
	int (*find)(struct luo_store *store, const char *name, u64 *phys, size_t *size);
	int (*refused)(struct luo_store *store);
	unsigned long (*nr_pages)(struct luo_store *store, bool incoming);
	u64 (*scratch)(struct luo_store *store, u64 *largest);
	int (*room)(struct luo_store *store);
};

/**
 * struct luo_store - a store; embedded by its implementation
 * @ops: the ops
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
