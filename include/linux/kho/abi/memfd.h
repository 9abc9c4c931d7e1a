/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Serialized memfds.
 *
 * DOC: memfd handover format, memfd-v2
 *
 * The file's data is the address of a struct memfd_luo_ser, on a page of its own. It leads
 * to a vmalloc'ed array with a struct memfd_luo_folio_ser for each folio; where no folio is
 * listed the file has a hole. Each folio is preserved on its own, and so is each page of the
 * array: the reader frees them one by one.
 *
 * Everything is packed and little-endian. Any change needs a new compatible string.
 */
#ifndef _LINUX_KHO_ABI_MEMFD_H
#define _LINUX_KHO_ABI_MEMFD_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>
#include <linux/kho/abi/kexec_handover.h>
#include <linux/kho/abi/small.h>

#define MEMFD_LUO_FH_COMPATIBLE		"memfd-v2"

/* memfd_luo_folio_ser.flags */
#define MEMFD_LUO_FOLIO_DIRTY		BIT(0)
#define MEMFD_LUO_FOLIO_UPTODATE	BIT(1)

/**
 * struct memfd_luo_folio_ser - one folio
 * @pfn: its first page frame; 0: the entry is not used. KHO has its order.
 * @flags: MEMFD_LUO_FOLIO_DIRTY, MEMFD_LUO_FOLIO_UPTODATE
 * @index: offset of its first page in the file, in pages
 */
struct memfd_luo_folio_ser {
	u64 pfn:52;
	u64 flags:12;
	u64 index;
} __packed;
static_assert(sizeof(struct memfd_luo_folio_ser) == 16);

/* The seals that both formats can express */
#define MEMFD_LUO_ALL_SEALS \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | \
	 F_SEAL_EXEC)

/**
 * struct memfd_luo_ser - a memfd
 * @pos: file position, in bytes
 * @size: file size, in bytes
 * @seals: F_SEAL_*
 * @flags: 0
 * @nr_folios: number of entries in the array
 * @folios: the array, as KHO describes it
 */
struct memfd_luo_ser {
	u64 pos;
	u64 size;
	u32 seals;
	u32 flags;
	u64 nr_folios;
	struct kho_vmalloc folios;
} __packed;
static_assert(sizeof(struct memfd_luo_ser) == 32 + sizeof(struct kho_vmalloc));

/**
 * DOC: memfd handover format, memfd-extent-v1
 *
 * The file's data is the address of a struct memfd_extent_ser, a small object of
 * luo-small-v1, which ends in a list with space for eight words. The list continues on
 * further pages, each of which is a struct memfd_extent_list.
 *
 * A word is an *extent*: folios of one order that are consecutive in memory and in the file,
 * on one NUMA node; or it is the index of the next extent, which otherwise follows the one
 * before it. Where there is no extent the file has a hole. Folios of order 0 are preserved by
 * kho_preserve_pages(), in blocks whose sizes kho_preserved_order() returns, others each on
 * its own.
 *
 * The checksum of the object and of each page is crc32c with seed ~0 of its contents up to
 * the last word, with the checksum itself as 0.
 *
 * Everything is little-endian. Any change needs a new compatible string.
 */
#define MEMFD_EXTENT_FH_COMPATIBLE	"memfd-extent-v1"

/*
 * memfd_extent_ser.flags: how the file was opened; 0: for reading and writing, both: access
 * mode 3, for neither
 */
#define MEMFD_EXTENT_RDONLY		BIT(0)
#define MEMFD_EXTENT_WRONLY		BIT(1)

/* A word: the first page frame, number of folios, their order; or an index */
#define MEMFD_EXTENT_PFN		GENMASK_ULL(39, 0)
#define MEMFD_EXTENT_NR			GENMASK_ULL(57, 40)
#define MEMFD_EXTENT_ORDER		GENMASK_ULL(63, 58)
#define MEMFD_EXTENT_INDEX		GENMASK_ULL(57, 0)
#define MEMFD_EXTENT_ORDER_INDEX	63	/* this order: the word is an index */

/**
 * struct memfd_extent_list - words, up to the end of the object or page
 * @next: address of the page on which the list continues; 0: none
 * @nr: number of @words
 * @crc: checksum of this object or page
 * @words: the words
 */
struct memfd_extent_list {
	u64 next;
	u32 nr;
	u32 crc;
	u64 words[];
};

static_assert(sizeof(struct memfd_extent_list) == 16);

/**
 * struct memfd_extent_ser - a memfd
 * @pos: file position, in bytes
 * @size: file size, in bytes
 * @nr_pages: number of pages of all extents
 * @seals: F_SEAL_*
 * @flags: MEMFD_EXTENT_RDONLY, MEMFD_EXTENT_WRONLY
 * @mode: permission bits
 * @uid: owner, in the initial user namespace
 * @gid: group, in the initial user namespace
 * @reserved: 0
 * @list: the first of the words
 */
struct memfd_extent_ser {
	u64 pos;
	u64 size;
	u64 nr_pages;
	u32 seals;
	u32 flags;
	u32 mode;
	u32 uid;
	u32 gid;
	u32 reserved;
	struct memfd_extent_list list;
};

static_assert(sizeof(struct memfd_extent_ser) == 48 + sizeof(struct memfd_extent_list));

/* Words in the object */
#define MEMFD_EXTENT_FIRST_WORDS \
	((LIVEUPDATE_SMALL_SIZE - sizeof(struct memfd_extent_ser)) / sizeof(u64))
static_assert(MEMFD_EXTENT_FIRST_WORDS == 8);

#endif /* _LINUX_KHO_ABI_MEMFD_H */
