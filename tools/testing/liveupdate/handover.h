/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A handover as a file, for the fuzzer: pieces of memory, each behind a struct piece_head.
 * What follows the last byte that a page has in the file is zero.
 */
#ifndef _LUO_HANDOVER_H
#define _LUO_HANDOVER_H

#include "handover_build.h"

/* No folio is longer in memory; one that says it is preserved as more cannot be had. */
#define HANDOVER_MAX_ROOM	3
/* No file is longer. */
#define HANDOVER_MAX_SIZE	(64 * 1024)

enum piece_kind {
	PIECE_SER,	/* the "LUO" subtree */
	PIECE_EXT,	/* the "LUO-ext" subtree */
	PIECE_PAGE,
};

/**
 * struct piece_head - what the next bytes of the file are
 * @phys: where a page lies
 * @kind: one of enum piece_kind
 * @order: which it was preserved as
 * @size: how many bytes follow
 */
struct piece_head {
	u64 phys;
	u16 kind;
	u16 order;
	u32 size;
};

struct image *handover_read(struct kunit *test, const u8 *data, size_t size);
size_t handover_write(const struct image *image, u8 *data, size_t room);
void handover_seal(struct image *image);
void handover_mutate(struct image *image, unsigned int seed);

#endif /* _LUO_HANDOVER_H */
