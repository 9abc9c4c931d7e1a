/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Preserving memfds across live updates: what the files of the handler share.
 *
 * memfd_luo.c		the handler: which memfds, and when what is done
 * memfd_luo_keep.c	*keeping* a memfd's folios where they are, and listing them
 * memfd_luo_image.c	reading the list that the previous kernel made, the *image*
 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/kho/abi/memfd.h>
#include <linux/types.h>

struct file;
struct inode;

/**
 * struct memfd_keep - the folios of a memfd that are kept for the next kernel
 * @inode: the memfd, preserved in the sense of shmem_preserve()
 * @entries: one for each; the folio is pinned, preserved and marked in the page cache
 * @nr: how many
 * @pages: how many pages these have
 * @capacity: how many @entries has room for; 0: there is no array
 * @array: @entries, as KHO describes it
 *
 * The core serializes the ops of one file, which is all the locking this needs.
 */
struct memfd_keep {
	struct inode *inode;
	struct memfd_luo_folio_ser *entries;
	u64 nr;
	unsigned long pages;
	u64 capacity;
	struct kho_vmalloc array;
};

int memfd_keep_fresh(struct memfd_keep *keep, struct file *file);
bool memfd_keep_has_poison(const struct memfd_keep *keep);
void memfd_keep_none(struct memfd_keep *keep);

/**
 * struct memfd_image - a memfd as it was handed over
 * @phys: where
 * @ser: the description that is found there
 *
 * From memfd_image_open() on, all that it leads to is known to be sound.
 */
struct memfd_image {
	phys_addr_t phys;
	struct memfd_luo_ser ser;
};

int memfd_image_open(struct memfd_image *image, u64 phys, bool can_fail);
int memfd_image_adopt(struct memfd_image *image, struct inode *inode);
void memfd_image_free(struct memfd_image *image);

#endif /* _MM_MEMFD_LUO_H */
