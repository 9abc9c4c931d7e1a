/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small preserved objects, many to a page.
 *
 * DOC: small objects, luo-small-v1
 *
 * A page, preserved as a folio of order 0, is divided into slots of 128 bytes. The first one
 * is a struct liveupdate_small_ser, each other one an object, or not in use. The format that
 * uses an object defines its contents and has its address. The page is free once each of its
 * objects is.
 *
 * Everything is little-endian. This is part of each format that uses it: any change needs a
 * new compatible string for all of them.
 */
#ifndef _LINUX_KHO_ABI_SMALL_H
#define _LINUX_KHO_ABI_SMALL_H

#include <linux/build_bug.h>
#include <linux/types.h>

/* Size of an object, in bytes */
#define LIVEUPDATE_SMALL_SIZE	128

#define LIVEUPDATE_SMALL_MAGIC	0x314c4c414d534f4cULL	/* "LOSMALL1" */

/* Pages of up to 64 KiB */
#define LIVEUPDATE_SMALL_WORDS	8

/**
 * struct liveupdate_small_ser - the first slot of a page
 * @magic: LIVEUPDATE_SMALL_MAGIC
 * @size: LIVEUPDATE_SMALL_SIZE
 * @crc: crc32c of this struct, with seed ~0 and with @crc as 0
 * @used: a bit for each slot that is in use, the first one included
 */
struct liveupdate_small_ser {
	u64 magic;
	u32 size;
	u32 crc;
	u64 used[LIVEUPDATE_SMALL_WORDS];
};

static_assert(sizeof(struct liveupdate_small_ser) == 16 + 8 * LIVEUPDATE_SMALL_WORDS);
static_assert(sizeof(struct liveupdate_small_ser) <= LIVEUPDATE_SMALL_SIZE);

#endif /* _LINUX_KHO_ABI_SMALL_H */
