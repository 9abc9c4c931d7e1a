/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live update of memfds: what the files of the handler share.
 *
 * memfd_luo.c			the handler: which memfds, attributes, states
 * memfd_luo_keep.c		preserve: pin the folios and list them
 * memfd_luo_grab.c		pin many folios at once
 * memfd_luo_extent.c		the list of memfd-extent-v1
 * memfd_luo_small.c		objects of 128 bytes, many to a page
 * memfd_luo_retrieve.c		make a memfd of what was handed over
 * memfd_luo_check.c		validation that both formats need
 * memfd_luo_image.c		read memfd-v2
 * memfd_luo_extent_image.c	read memfd-extent-v1
 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/kho/abi/memfd.h>
#include <linux/pagemap.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct file;
struct inode;
struct liveupdate_file_op_args;

/* Folios that are too large for the page cache are added page by page. */
#define MEMFD_MAX_FOLIO_ORDER \
	(IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) ? MAX_PAGECACHE_ORDER : 0)

/**
 * struct memfd_extent - folios that are consecutive in memory and in the file
 * @index: offset in the file, in pages
 * @pfn: the first page
 * @nr: number of folios
 * @order: order of each
 */
struct memfd_extent {
	pgoff_t index;
	unsigned long pfn;
	u32 nr;
	u32 order;
};

static inline unsigned long memfd_extent_pages(const struct memfd_extent *extent)
{
	return (unsigned long)extent->nr << extent->order;
}

/* The format's limit of folios per extent */
#define MEMFD_EXTENT_MAX_NR	((1U << 18) - 1)

/**
 * struct memfd_extents - a list of extents for the next kernel
 * @ser: what the next kernel reads; NULL if there is no list
 * @last: the last object or page of the list
 * @left: words that it has space for
 * @next: index in the file at which the last extent ends
 */
struct memfd_extents {
	struct memfd_extent_ser *ser;
	struct memfd_extent_list *last;
	u32 left;
	pgoff_t next;
};

typedef int (*memfd_extent_fn)(const struct memfd_extent *extent, void *data);

u32 memfd_extent_room(const struct memfd_extent_list *list);
u32 memfd_extent_crc(const struct memfd_extent_list *list);
int memfd_extent_for_each(const struct memfd_extent_ser *ser, memfd_extent_fn fn, void *data);
int memfd_extents_make(struct memfd_extents *extents);
int memfd_extents_add(struct memfd_extents *extents, const struct memfd_extent *extent);
void memfd_extents_seal(struct memfd_extents *extents);
void memfd_extent_unpreserve(const struct memfd_extent *extent);
void memfd_extents_drop(struct memfd_extents *extents);

/**
 * struct memfd_keep - the preserved folios of a memfd
 * @inode: the memfd, for which shmem_preserve() was called
 * @settled: all folios without SHMEM_MARK_NEW are preserved
 * @poisoned: number of poisoned pages of the system when this file had none
 * @pages: number of preserved pages
 * @extents: the list of folios in memfd-extent-v1
 * @open: the last extent, not preserved and listed yet; only during a scan
 * @entries: the list of folios in memfd-v2, one entry for each
 * @nr: number of @entries
 * @capacity: number of entries that @entries has space for; 0 if there is no array
 * @array: @entries, as described by KHO
 *
 * The core serializes the ops of one file, which is all the locking this needs.
 */
struct memfd_keep {
	struct inode *inode;
	bool settled;
	long poisoned;
	unsigned long pages;
	struct memfd_extents extents;
	struct memfd_extent open;
	struct memfd_luo_folio_ser *entries;
	u64 nr;
	u64 capacity;
	struct kho_vmalloc array;
};

/* Number of folios that are looked up and pinned together */
#define MEMFD_BATCH		512

unsigned int memfd_grab_folios(struct inode *inode, struct folio **folios, pgoff_t *from,
			       pgoff_t end, bool only_new);

void memfd_keep_begin(struct memfd_keep *keep, struct inode *inode);
int memfd_keep_fresh(struct memfd_keep *keep, struct file *file);
int memfd_keep_recheck(struct memfd_keep *keep);
void memfd_keep_none(struct memfd_keep *keep);

/**
 * struct memfd_claims - a set of numbers
 * @maps: bitmaps of one page each
 * @last: the bitmap that was used last, or NULL
 * @at: its index in @maps
 */
struct memfd_claims {
	struct xarray maps;
	unsigned long *last;
	unsigned long at;
};

/**
 * struct memfd_check - the state of a validation
 * @nr_claimed: number of blocks that are claimed
 * @undo: unclaim what was claimed, in the same order, and do nothing else
 * @indexes: pages of the file that have been seen
 * @gfp: for allocations
 * @can_fail: -ENOMEM and -EINTR are allowed
 * @why: what is wrong, for the log
 */
struct memfd_check {
	unsigned long nr_claimed;
	bool undo;
	struct memfd_claims indexes;
	gfp_t gfp;
	bool can_fail;
	const char *why;
};

void memfd_check_begin(struct memfd_check *check, bool can_fail);
void memfd_check_end(struct memfd_check *check, phys_addr_t phys, int err);
bool memfd_check_killed(const struct memfd_check *check);
void memfd_check_undo(struct memfd_check *check);
int memfd_claim_block(struct memfd_check *check, phys_addr_t phys);
int memfd_claim_folio(struct memfd_check *check, phys_addr_t phys, unsigned int order);
int memfd_claim_indexes(struct memfd_check *check, pgoff_t index, unsigned long nr);
void memfd_free_handed_over(phys_addr_t phys, unsigned int order);

/**
 * struct memfd_image - a serialized memfd, in memfd-v2
 * @phys: its address
 * @ser: its description, at that address
 *
 * From memfd_image_open() on everything that it leads to is validated and claimed.
 */
struct memfd_image {
	phys_addr_t phys;
	struct memfd_luo_ser ser;
};

int memfd_image_open(struct memfd_image *image, u64 phys, bool can_fail);
void memfd_image_close(struct memfd_image *image);
int memfd_image_adopt(struct memfd_image *image, struct inode *inode);
void memfd_image_free(struct memfd_image *image);

/**
 * struct memfd_extent_image - the same in memfd-extent-v1
 * @phys: its address
 * @ser: its description, at that address
 */
struct memfd_extent_image {
	phys_addr_t phys;
	const struct memfd_extent_ser *ser;
};

int memfd_extent_image_open(struct memfd_extent_image *image, u64 phys, bool can_fail);
void memfd_extent_image_close(struct memfd_extent_image *image);
int memfd_extent_image_adopt(struct memfd_extent_image *image, struct inode *inode);
void memfd_extent_image_free(struct memfd_extent_image *image);

umode_t memfd_mode_of(u32 seals);
int memfd_retrieve(struct liveupdate_file_op_args *args);
int memfd_extent_retrieve(struct liveupdate_file_op_args *args);
void memfd_finish(struct liveupdate_file_op_args *args);
void memfd_extent_finish(struct liveupdate_file_op_args *args);

/* memfd_luo_small.c */
void *luo_small_alloc(void);
void luo_small_free(void *obj);
int luo_small_claim(u64 phys, const void **obj);
void luo_small_unclaim(u64 phys);
void luo_small_release(u64 phys);

#endif /* _MM_MEMFD_LUO_H */
