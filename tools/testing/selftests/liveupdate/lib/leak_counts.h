/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is in use, to be compared: after a call that has failed, and after all has been
 * given up, there is as much of it as before.
 */
#ifndef LEAK_COUNTS_H
#define LEAK_COUNTS_H

#include <stdbool.h>

#include <linux/types.h>

struct luo_counts {
	long long preserved;	/* pages in KHO's map; -1: not known here */
	__u64 map;		/* which ones: a checksum */
	long long nodes;	/* pages that the map itself takes; it only grows */
	long long pinned;	/* references that keep pages where they are */
	long long shmem;	/* pages in memfds */
	long long files;	/* open files, of everybody */
};

/* What is to be compared */
#define LUO_COUNT_MAP		0x1
#define LUO_COUNT_PINS		0x2
#define LUO_COUNT_SHMEM		0x4
#define LUO_COUNT_FILES		0x8
#define LUO_COUNT_ALL		0xf
#define LUO_COUNT_BUT_MAP	(LUO_COUNT_ALL & ~LUO_COUNT_MAP)

void luo_counts_take(struct luo_counts *c);

/* Are there as many? If not, say what differs. */
bool luo_counts_same(const struct luo_counts *a, const struct luo_counts *b, unsigned int what);

/* The same as now */
bool luo_counts_still(const struct luo_counts *before, unsigned int what);

#endif /* LEAK_COUNTS_H */
