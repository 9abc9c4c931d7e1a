// SPDX-License-Identifier: GPL-2.0
/*
 * Counting what is in use.
 *
 * Which pages are preserved only KHO knows, so its map is read where it lies in memory: a
 * radix tree, see <linux/kho/abi/kexec_handover.h>. The FDT that leads there is in debugfs,
 * unless something was handed over to this kernel: then it is not known.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leak_counts.h"
#include "util.h"

#define MEMORY		"/dev/mem"
#define FDT		"/sys/kernel/debug/kho/out/fdt"
#define FDT_OFF_STRUCT	8
#define FDT_BEGIN_NODE	1
#define FDT_PROP	3

#define PAGE_LOG2	__builtin_ctz(PAGE)
#define TABLE_LOG2	(PAGE_LOG2 - 3)
#define BITMAP_LOG2	(PAGE_LOG2 + 3)
#define KEY_WIDTH	(64 - PAGE_LOG2 + 1)
#define TABLES		((KEY_WIDTH - BITMAP_LOG2 + TABLE_LOG2 - 1) / TABLE_LOG2)

/* Comparing nothing with nothing would pass. */
static void __noreturn cannot(const char *what)
{
	perror(what);
	exit(1);
}

static __u32 cell(const char *fdt, size_t at)
{
	__u32 value;

	if (at > PAGE - sizeof(value))
		cannot(FDT);
	memcpy(&value, fdt + at, sizeof(value));
	return ntohl(value);
}

/*
 * Where the tree's root is: of the properties of the FDT's root the one that is an address.
 * Their names have moved to behind what debugfs shows.
 */
static __u64 map_root(void)
{
	int fd = open(FDT, O_RDONLY | O_CLOEXEC);
	char fdt[PAGE];
	__u64 phys;
	size_t at;

	memset(fdt, 0, sizeof(fdt));
	if (fd < 0 || read(fd, fdt, sizeof(fdt)) <= 0)
		cannot(FDT);
	close(fd);
	at = cell(fdt, FDT_OFF_STRUCT);
	if (cell(fdt, at) != FDT_BEGIN_NODE)
		cannot(FDT);
	for (at += 8; cell(fdt, at) == FDT_PROP; at += 12 + (cell(fdt, at + 4) + 3) / 4 * 4) {
		if (cell(fdt, at + 4) != sizeof(phys))
			continue;
		memcpy(&phys, fdt + at + 12, sizeof(phys));
		return phys;
	}
	cannot(FDT);
}

/* The position of a key's highest bit says the order, see kho_encode_radix_key() */
static void count_key(struct luo_counts *c, __u64 key)
{
	c->preserved += 1LL << (__builtin_clzll(key) + 1 - PAGE_LOG2);
	c->map = (c->map ^ key) * 0x100000001b3ull;
}

static void count_leaf(struct luo_counts *c, const __u64 *bitmap, __u64 key)
{
	for (int i = 0; i < PAGE / 8; i++)
		for (__u64 left = bitmap[i]; left; left &= left - 1)
			count_key(c, key << BITMAP_LOG2 | (i * 64 + __builtin_ctzll(left)));
}

static void count_tree(struct luo_counts *c, int mem, __u64 phys, int level, __u64 key)
{
	__u64 table[PAGE / 8];

	if (pread(mem, table, sizeof(table), phys) != sizeof(table))
		cannot(MEMORY);
	c->nodes++;
	if (!level) {
		count_leaf(c, table, key);
		return;
	}
	for (int i = 0; i < PAGE / 8; i++)
		if (table[i])
			count_tree(c, mem, table[i], level - 1, key << TABLE_LOG2 | i);
}

static void count_preserved(struct luo_counts *c)
{
	int mem;

	if (access(FDT, F_OK)) {
		c->preserved = -1;
		return;
	}
	mem = open(MEMORY, O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		cannot(MEMORY);
	count_tree(c, mem, map_root(), TABLES, 0);
	close(mem);
}

/* Each processor has counts of its own; reading this file adds them up. */
static void refresh(void)
{
	const char *path = "/proc/sys/vm/stat_refresh";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0 || read(fd, &byte, 1) < 0)
		cannot(path);
	close(fd);
}

static void count_pages(struct luo_counts *c)
{
	const char *path = "/proc/vmstat";
	char line[128], name[64];
	long long value;
	int seen = 0;
	FILE *f;

	refresh();
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lld", name, &value) != 2)
			continue;
		if (!strcmp(name, "nr_shmem"))
			c->shmem = value;
		else if (!strcmp(name, "nr_foll_pin_acquired"))
			c->pinned += value;
		else if (!strcmp(name, "nr_foll_pin_released"))
			c->pinned -= value;
		else
			continue;
		seen++;
	}
	if (seen != 3)
		cannot(path);
	fclose(f);
}

static void count_files(struct luo_counts *c)
{
	const char *path = "/proc/sys/fs/file-nr";
	FILE *f = fopen(path, "re");

	if (!f || fscanf(f, "%lld", &c->files) != 1)
		cannot(path);
	fclose(f);
}

void luo_counts_take(struct luo_counts *c)
{
	*c = (struct luo_counts) {};
	count_preserved(c);
	count_pages(c);
	count_files(c);
}

static bool same(const char *what, long long a, long long b)
{
	if (a != b)
		luo_say("%s: %lld before, %lld after", what, a, b);
	return a == b;
}

bool luo_counts_same(const struct luo_counts *a, const struct luo_counts *b, unsigned int what)
{
	bool all = true;

	if (what & LUO_COUNT_MAP) {
		if (a->preserved < 0)
			cannot(FDT);
		all &= same("pages preserved", a->preserved, b->preserved);
		all &= same("checksum of the map", a->map, b->map);
	}
	if (what & LUO_COUNT_PINS)
		all &= same("pages pinned", a->pinned, b->pinned);
	if (what & LUO_COUNT_SHMEM)
		all &= same("pages in memfds", a->shmem, b->shmem);
	if (what & LUO_COUNT_FILES)
		all &= same("open files", a->files, b->files);
	return all;
}

bool luo_counts_still(const struct luo_counts *before, unsigned int what)
{
	struct luo_counts now;

	luo_counts_take(&now);
	return luo_counts_same(before, &now, what);
}
