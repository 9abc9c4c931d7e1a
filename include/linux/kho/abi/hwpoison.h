/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages with bad memory.
 *
 * DOC: list of bad pages, hwpoison-v1
 *
 * The KHO subtree of that name is a struct hwpoison_ser: the pages that the previous kernel
 * has taken out of use because of a memory error. It is in preserved memory of its own.
 *
 * Everything is little-endian. Any change needs a new name with another -v<number>.
 */
#ifndef _LINUX_KHO_ABI_HWPOISON_H
#define _LINUX_KHO_ABI_HWPOISON_H

#include <linux/build_bug.h>
#include <linux/types.h>

#define HWPOISON_COMPATIBLE	"hwpoison-v1"

/* A host with more of them wants new memory. */
#define HWPOISON_MAX_PAGES	4096

/**
 * struct hwpoison_ser - the list
 * @crc: crc32c of all that follows, with seed ~0
 * @page_shift: size of a page; KHO as well needs it to be that of the next kernel
 * @nr: number of @pfns, from 1 to HWPOISON_MAX_PAGES
 * @pfns: page frame numbers, ascending
 */
struct hwpoison_ser {
	u32 crc;
	u32 page_shift;
	u64 nr;
	u64 pfns[];
};

static_assert(sizeof(struct hwpoison_ser) == 16);

#endif /* _LINUX_KHO_ABI_HWPOISON_H */
