/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a memfd is written down for the next kernel.
 *
 * DOC: memfd handover format, memfd-v2
 *
 * The number that LUO carries is the address of a struct memfd_luo_ser, on a page of
 * its own. It leads to a vmalloc'ed array with a struct memfd_luo_folio_ser for each
 * folio; where no folio is listed the file has a hole. Each folio is preserved on its
 * own, and so is each page of the array: the reader frees them one by one.
 *
 * Everything is packed and little-endian. A change to any of this is a new compatible
 * string.
 */
#ifndef _LINUX_KHO_ABI_MEMFD_H
#define _LINUX_KHO_ABI_MEMFD_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>
#include <linux/kho/abi/kexec_handover.h>

#define MEMFD_LUO_FH_COMPATIBLE		"memfd-v2"

/* memfd_luo_folio_ser.flags */
#define MEMFD_LUO_FOLIO_DIRTY		BIT(0)
#define MEMFD_LUO_FOLIO_UPTODATE	BIT(1)

/**
 * struct memfd_luo_folio_ser - one folio
 * @pfn: its first page frame; 0: this entry says nothing. Its order is in KHO's map.
 * @flags: MEMFD_LUO_FOLIO_DIRTY, MEMFD_LUO_FOLIO_UPTODATE
 * @index: its first page's place in the file, in pages
 */
struct memfd_luo_folio_ser {
	u64 pfn:52;
	u64 flags:12;
	u64 index;
} __packed;
static_assert(sizeof(struct memfd_luo_folio_ser) == 16);

/* The seals that memfd-v2 can carry; others need a format of their own */
#define MEMFD_LUO_ALL_SEALS \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | \
	 F_SEAL_EXEC)

/**
 * struct memfd_luo_ser - a memfd
 * @pos: file position, in bytes
 * @size: file size, in bytes
 * @seals: F_SEAL_*
 * @flags: 0
 * @nr_folios: entries in the array
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

#endif /* _LINUX_KHO_ABI_MEMFD_H */
