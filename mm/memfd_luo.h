/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live update of memfds: what the files of the handlers share.
 *
 * memfd_luo.c			the handlers: which memfds, attributes, states
 * memfd_luo_preserve.c		find the folios that are new, pin and preserve them
 * memfd_luo_pin.c		pin many folios at once
 * memfd_luo_retrieve.c		make a memfd of what was handed over
 * memfd_luo_validate.c		what the validation of both formats needs
 * memfd_luo_extent.c		memfd-extent-v1: serialize
 * memfd_luo_extent_read.c	memfd-extent-v1: validate, retrieve
 * memfd_luo_small.c		objects of 128 bytes, many to a page, for memfd-extent-v1
 * memfd_luo_v2.c		memfd-v2: serialize
 * memfd_luo_v2_read.c		memfd-v2: validate, retrieve
 *
 * A format is a struct memfd_format; all else is the same for both.
 */
#ifndef _MM_MEMFD_LUO_H
#define _MM_MEMFD_LUO_H

#include <linux/kho/abi/memfd.h>
#include <linux/liveupdate.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct file;
struct inode;
struct memfd_format;

/* Folios that are too large for the page cache are added page by page. */
#define MEMFD_MAX_FOLIO_ORDER \
	(IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) ? MAX_PAGECACHE_ORDER : 0)

/* Number of folios that are looked up and pinned together */
#define MEMFD_BATCH		512

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
 * struct memfd_extents - a serialized memfd in memfd-extent-v1
 * @ser: what the next kernel reads
 * @last: the last object or page of its list
 * @left: words that it has space for
 * @next: index in the file at which the last extent ends
 * @open: an extent that is not preserved and listed yet, as it may continue; only during a
 *	scan
 */
struct memfd_extents {
	struct memfd_extent_ser *ser;
	struct memfd_extent_list *last;
	u32 left;
	pgoff_t next;
	struct memfd_extent open;
};

/**
 * struct memfd_v2 - a serialized memfd in memfd-v2
 * @ser: what the next kernel reads
 * @entries: the list of folios, one entry for each
 * @nr: number of @entries
 * @capacity: number of entries that @entries has space for; 0 if there is no array
 * @array: @entries, as described by KHO
 */
struct memfd_v2 {
	struct memfd_luo_ser *ser;
	struct memfd_luo_folio_ser *entries;
	u64 nr;
	u64 capacity;
	struct kho_vmalloc array;
};

/**
 * struct memfd_preserved - a preserved memfd
 * @inode: the memfd, for which shmem_preserve() was called
 * @format: how it is serialized
 * @settled: all folios without SHMEM_MARK_NEW are preserved
 * @poisoned: number of poisoned pages of the system when this file had none
 * @pages: number of preserved pages
 * @extents: with memfd_extent_v1
 * @v2: with memfd_v2_format
 *
 * The core serializes the ops of one file, which is all the locking this needs.
 */
struct memfd_preserved {
	struct inode *inode;
	const struct memfd_format *format;
	bool settled;
	long poisoned;
	unsigned long pages;
	union {
		struct memfd_extents extents;
		struct memfd_v2 v2;
	};
};

/**
 * struct memfd_incoming - a serialized memfd of the previous kernel
 * @format: how it is serialized
 * @phys: its address
 * @extent: with memfd_extent_v1, its description; NULL if it is not claimed
 * @v2: with memfd_v2_format, a copy of its description
 *
 * From memfd_incoming_open() on everything that it leads to is validated and claimed.
 */
struct memfd_incoming {
	const struct memfd_format *format;
	phys_addr_t phys;
	union {
		const struct memfd_extent_ser *extent;
		struct memfd_luo_ser v2;
	};
};

/**
 * struct memfd_attrs - what a memfd is besides its contents
 * @pos: position, in bytes
 * @size: size, in bytes
 * @seals: F_SEAL_*
 * @flags: MEMFD_EXTENT_RDONLY, MEMFD_EXTENT_WRONLY
 * @mode: permission bits
 * @uid: owner
 * @gid: group
 */
struct memfd_attrs {
	u64 pos;
	u64 size;
	u32 seals;
	u32 flags;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

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

/**
 * struct memfd_format - a format of serialized memfds
 * @check_attrs: can the format carry how the file was opened, and mode, owner and seals?
 * @create: make what the next kernel reads, without folios; 0 or -ENOMEM
 * @destroy: unpreserve and unpin all folios, and free what @create has made
 * @reserve: space for that many more folios, before they are added; optional
 * @add: preserve and list some of @nr pinned folios, at least one; their number, or an errno
 * @flush: the folios of a scan have been added; 0 or an errno. Optional.
 * @for_each: call @fn for each listed folio until it returns other than 0
 * @write: serialize all but the list; returns the address
 * @validate: validate and claim everything at an address, or unclaim it; see
 *	struct memfd_check
 * @get_attrs: what the memfd is besides its contents
 * @adopt: move all pages into a file that is empty and not visible yet, and free the rest.
 *	-ENOMEM: nothing has changed; other errors are none that a validated memfd causes,
 *	and it is consumed
 * @free: free all its memory
 */
struct memfd_format {
	int (*check_attrs)(struct file *file, const struct shmem_attrs *attrs);
	int (*create)(struct memfd_preserved *mp);
	void (*destroy)(struct memfd_preserved *mp);
	int (*reserve)(struct memfd_preserved *mp, u64 nr);
	int (*add)(struct memfd_preserved *mp, struct folio **batch, long nr);
	int (*flush)(struct memfd_preserved *mp);
	int (*for_each)(struct memfd_preserved *mp, int (*fn)(struct folio *folio));
	phys_addr_t (*write)(struct memfd_preserved *mp, struct file *file,
			     const struct shmem_attrs *attrs);

	int (*validate)(struct memfd_incoming *in, struct memfd_check *check);
	void (*get_attrs)(const struct memfd_incoming *in, struct memfd_attrs *attrs);
	int (*adopt)(struct memfd_incoming *in, struct inode *inode);
	void (*free)(struct memfd_incoming *in);
};

extern const struct memfd_format memfd_extent_v1;
extern const struct memfd_format memfd_v2_format;

/**
 * struct memfd_handler - a handler of memfds
 * @handler: what is registered
 * @format: the format that it writes and reads
 */
struct memfd_handler {
	struct liveupdate_file_handler handler;
	const struct memfd_format *format;
};

static inline const struct memfd_format *memfd_format_of(struct liveupdate_file_handler *handler)
{
	return container_of(handler, struct memfd_handler, handler)->format;
}

/* memfd_luo_preserve.c */
int memfd_preserve_begin(struct memfd_preserved *mp, struct inode *inode,
			 const struct memfd_format *format);
int memfd_preserve_new(struct memfd_preserved *mp, struct file *file);
int memfd_preserve_recheck(struct memfd_preserved *mp);
void memfd_preserve_end(struct memfd_preserved *mp);

/* memfd_luo_pin.c */
unsigned int memfd_pin_batch(struct inode *inode, struct folio **folios, pgoff_t *from,
			     pgoff_t end, bool only_new);
void memfd_mark_new(struct inode *inode, pgoff_t index, bool new);
void memfd_unpin_new(struct inode *inode, struct folio *folio);

/* memfd_luo_retrieve.c */
int memfd_retrieve(struct liveupdate_file_op_args *args);
void memfd_finish(struct liveupdate_file_op_args *args);

/* memfd_luo_validate.c */
int memfd_incoming_open(struct memfd_incoming *in, bool can_fail);
void memfd_incoming_close(struct memfd_incoming *in);
bool memfd_check_killed(const struct memfd_check *check);
int memfd_claim_block(struct memfd_check *check, phys_addr_t phys);
int memfd_claim_folio(struct memfd_check *check, phys_addr_t phys, unsigned int order);
int memfd_claim_indexes(struct memfd_check *check, pgoff_t index, unsigned long nr);
void memfd_free_handed_over(phys_addr_t phys, unsigned int order);

/* memfd_luo_extent_read.c */
typedef int (*memfd_extent_fn)(const struct memfd_extent *extent, void *data);

u32 memfd_extent_room(const struct memfd_extent_list *list);
u32 memfd_extent_crc(const struct memfd_extent_list *list);
int memfd_extent_for_each(const struct memfd_extent_ser *ser, memfd_extent_fn fn, void *data);
int memfd_extent_validate(struct memfd_incoming *in, struct memfd_check *check);
void memfd_extent_get_attrs(const struct memfd_incoming *in, struct memfd_attrs *attrs);
int memfd_extent_adopt(struct memfd_incoming *in, struct inode *inode);
void memfd_extent_free(struct memfd_incoming *in);

/* memfd_luo_v2_read.c */
umode_t memfd_v2_mode(u32 seals);
int memfd_v2_validate(struct memfd_incoming *in, struct memfd_check *check);
void memfd_v2_get_attrs(const struct memfd_incoming *in, struct memfd_attrs *attrs);
int memfd_v2_adopt(struct memfd_incoming *in, struct inode *inode);
void memfd_v2_free(struct memfd_incoming *in);

/* memfd_luo_small.c */
void *luo_small_alloc(void);
void luo_small_free(void *obj);
int luo_small_claim(u64 phys, const void **obj);
void luo_small_unclaim(u64 phys);
void luo_small_release(u64 phys);

#endif /* _MM_MEMFD_LUO_H */
