/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small objects that are handed over, many to a page.
 *
 * DOC: small objects, luo-small-v1
 *
 * A page, preserved as a folio of order 0, is cut into pieces of 128 bytes. The first one
 * is a struct liveupdate_small_ser, each other one an object, or not in use. What is in an
 * object, and who knows its address, is up to whoever made it. The page is free when each
 * of its objects has been given back.
 *
 * Everything is little-endian. Who hands over small objects says so with his compatible
 * string: a change to any of this is a new string for all of them.
 */
#ifndef _LINUX_KHO_ABI_SMALL_H
#define _LINUX_KHO_ABI_SMALL_H

#include <linux/build_bug.h>
#include <linux/types.h>

/* What an object takes, and has room for */
#define LIVEUPDATE_SMALL_SIZE	128

#define LIVEUPDATE_SMALL_MAGIC	0x314c4c414d534f4cULL	/* "LOSMALL1" */

/* Pages of up to 64 KiB */
#define LIVEUPDATE_SMALL_WORDS	8

/**
 * struct liveupdate_small_ser - the first piece of a page
 * @magic: LIVEUPDATE_SMALL_MAGIC
 * @size: LIVEUPDATE_SMALL_SIZE
 * @crc: crc32c of this struct, begun with ~0, with @crc as 0
 * @used: a bit for each piece, the first one included, that is in use
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
