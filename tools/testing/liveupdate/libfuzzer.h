/* SPDX-License-Identifier: GPL-2.0 */
/* What libFuzzer calls and what it brings; the Makefile says by which names it knows them. */
#ifndef _LUO_LIBFUZZER_H
#define _LUO_LIBFUZZER_H

#include <linux/types.h>

/* Take an input; what is wrong with it is no matter, what is done with it is. */
int fuzz_one(const u8 *data, size_t size);

/* Make another input of one, of max_size bytes at the most */
size_t fuzz_mutate(u8 *data, size_t size, size_t max_size, unsigned int seed);

/* The same, of bytes that mean nothing */
size_t fuzz_mutate_bytes(u8 *data, size_t size, size_t max_size);

#endif /* _LUO_LIBFUZZER_H */
