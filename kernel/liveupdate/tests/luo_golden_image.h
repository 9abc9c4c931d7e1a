/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A piece of memory that a real kernel has handed over, see scripts/golden.py. What all the
 * images hold was put there by kexec_golden.c of the selftests: session "golden-1" with
 * memfds under tokens 0 and ~0, "golden 2" with one under 5, "golden empty", and the three
 * FLBs of lib/tests/liveupdate.c.
 */
#ifndef _LUO_GOLDEN_IMAGE_H
#define _LUO_GOLDEN_IMAGE_H

#include <linux/string.h>
#include <linux/types.h>

/**
 * struct luo_golden_piece - what lay in one place
 * @what: "LUO" and "LUO-ext", the subtrees; "sessions", "files" and "checksums", blocks, as
 *	far as they are in use; "flbs", the area; "memfd", "chunk" and "folios", what is
 *	known of the memfd under token 0. The last piece has none.
 * @phys: where; 0 for subtrees
 * @bytes: its contents
 * @size: how many
 */
struct luo_golden_piece {
	const char *what;
	u64 phys;
	const u8 *bytes;
	size_t size;
};

/* The first piece of that name, or NULL */
static inline const struct luo_golden_piece *luo_golden_find(const struct luo_golden_piece *piece,
							     const char *what)
{
	while (piece->what && strcmp(piece->what, what))
		piece++;
	return piece->what ? piece : NULL;
}

#endif /* _LUO_GOLDEN_IMAGE_H */
