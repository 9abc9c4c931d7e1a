/* SPDX-License-Identifier: GPL-2.0 */
/* Heads of a root that are of no version this kernel knows */
#ifndef _LUO_HEADS_H
#define _LUO_HEADS_H

#include <linux/kho/abi/luo.h>

static const struct version_case {
	const char *name;
	char head[LUO_ABI_COMPAT_LEN];
} version_cases[] = {
	{ "newer", "luo-v6" },
	{ "older", "luo-v4" },
	{ "not_terminated", { 'l', 'u', 'o', '-', 'v', '5', 'a', 'b' } },
	{ "trailing_bytes", { 'l', 'u', 'o', '-', 'v', '5', 0, 'b' } },
	{ "no_string", { 0x01, 0x02, 0x03, 0xff } },
	{ "zeroes", {} },
};

#endif /* _LUO_HEADS_H */
