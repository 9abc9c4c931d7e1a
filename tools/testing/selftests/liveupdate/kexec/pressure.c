// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is short: pages that are swapped out when they are preserved, memory that is used
 * up. A debug kernel has a RAM disk to swap to, a guest may have a disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "scenario.h"

#define MIB		(1024 * 1024)
#define SIZE		(8 * MIB)
#define SEED		1200

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#endif

static const char *swap_device(void)
{
	return access("/dev/vda", F_OK) ? "/dev/ram0" : "/dev/vda";
}

/* See include/linux/swap.h: all but the version and the last page is zero. */
static bool make_swap(void)
{
	int fd = open(swap_device(), O_RDWR | O_CLOEXEC);
	struct sysinfo info;
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	char page[PAGE] = {};
	__u32 header[2];

	if (size < 2 * SIZE) {
		close(fd);
		return false;
	}
	require_eq(0, sysinfo(&info));
	if (info.totalswap) {
		close(fd);
		return true;
	}
	header[0] = 1;
	header[1] = size / PAGE - 1;
	memcpy(page + 1024, header, sizeof(header));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	require_eq(PAGE, pwrite(fd, page, PAGE, 0));
	require_eq(0, fsync(fd));
	close(fd);
	return !swapon(swap_device(), 0);
}

static long long swapped(void)
{
	struct sysinfo info;

	require_eq(0, sysinfo(&info));
	return (long long)(info.totalswap - info.freeswap) * info.mem_unit;
}

/* Only what is mapped is paged out; a hole that is touched is none any more. */
static long long page_out(int fd)
{
	char *map = luo_map(fd, SIZE);
	long long before;

	require_ne(NULL, map);
	for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0; at = lseek(fd, at + PAGE, SEEK_DATA))
		require_eq(0, madvise(map + at, PAGE, MADV_POPULATE_READ));
	before = swapped();
	for (int i = 0; i < 5; i++)
		madvise(map, SIZE, MADV_PAGEOUT);
	munmap(map, SIZE);
	return swapped() - before;
}

/*
 * Its pages are clean when it is preserved, and written afterwards. If the next kernel
 * took them for clean, swapping would lose what was written.
 */
static void preserve_clean(int session, unsigned int token)
{
	int fd = test_memfd(SIZE);
	char *map = luo_map(fd, SIZE);

	require_ne(NULL, map);
	require_eq(0, madvise(map, SIZE, MADV_POPULATE_READ));
	test_preserve(session, fd, token);
	require_true(luo_fill(fd, SEED + token, 0, SIZE));
	munmap(map, SIZE);
	close(fd);
}

static void swap_1(void)
{
	int s = create("swapped"), all = test_memfd(SIZE), some = test_memfd(SIZE);

	if (!make_swap())
		luo_skip("no disk to swap to");
	require_true(luo_fill(all, SEED, 0, SIZE));
	require_ge(page_out(all), SIZE / 2);
	test_preserve(s, all, 1);

	/* Every third page in memory, every third a hole, the rest swapped out */
	for (int i = 0; i < SIZE / PAGE; i += 3)
		require_true(luo_fill(some, SEED + 1, (off_t)i * PAGE, PAGE));
	require_ge(page_out(some), SIZE / 8);
	for (int i = 1; i < SIZE / PAGE; i += 3)
		require_true(luo_fill(some, SEED + 1, (off_t)i * PAGE, PAGE));
	test_preserve(s, some, 2);

	/* They stay in memory from now on. */
	check_ge(PAGE, page_out(all));
	check_ge(PAGE, page_out(some));

	preserve_clean(s, 3);
	require_true(luo_memfd_format("v2"));
	preserve_clean(s, 4);
	require_true(luo_memfd_format("extent-v1"));
}

static void expect_swappable(int fd, __u64 seed)
{
	check_ge(page_out(fd), SIZE / 2);
	check_true(luo_holds(fd, seed, 0, SIZE));
}

static void swap_2(void)
{
	int s, all, some, late, late_v2, dev = test_open();

	s = luo_retrieve(dev, "swapped", 0);
	close(dev);
	if (s == -ENOENT)
		luo_skip("nothing could be swapped out in the kernel before");
	all = test_retrieve_fd(s, 1);
	some = test_retrieve_fd(s, 2);
	late = test_retrieve_fd(s, 3);
	late_v2 = test_retrieve_fd(s, 4);
	check_true(luo_holds(all, SEED, 0, SIZE));
	for (int i = 0; i < SIZE / PAGE; i++) {
		if (i % 3 < 2)
			check_true(luo_holds(some, SEED + 1, (off_t)i * PAGE, PAGE));
		else
			check_true(luo_is_hole(some, (off_t)i * PAGE, PAGE));
	}

	/* And are like all others: they can be swapped out. */
	test_finish(s);
	require_true(make_swap());
	expect_swappable(all, SEED);
	expect_swappable(late, SEED + 3);
	expect_swappable(late_v2, SEED + 4);
}

static bool take_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) != MAP_FAILED;
}

/*
 * Take memory until some of it is swapped out: so much that there is always room left, and
 * more than what is waited for, as some of it may be swapped in again. While there is plenty
 * take huge pages: the debug kernel needs minutes for as many small ones.
 */
static void hog(void *arg)
{
	while (luo_free_memory() > 256 * MIB) {
		if (!take_memory(64 * MIB))
			return;
	}
	luo_say("%lld MiB are free", luo_free_memory() / MIB);
	while (swapped() < 2 * SIZE) {
		if (!take_memory(MIB))
			return;
	}
	pause();
}

/* All memory is in use, and what is preserved takes more, again and again. */
static void short_1(void)
{
	int fd = test_memfd(SIZE), between = test_memfd(SIZE), s;
	struct luo_child c;

	if (!make_swap())
		luo_skip("no disk to swap to");

	/* A page each, so that there is much to serialize */
	for (off_t at = 0; at < SIZE; at += PAGE) {
		require_true(luo_fill(fd, SEED + 3, at, PAGE));
		require_true(luo_fill(between, SEED + 4, at, PAGE));
	}
	require_true(luo_child_start(&c, hog, NULL));
	/* It sleeps when it is done, and may sleep in between where memory is reclaimed. */
	do
		require_true(luo_child_sleeps(&c));
	while (swapped() < SIZE);
	s = create("short");
	for (int i = 0; i < 3; i++) {
		test_preserve(s, fd, 1);
		test_preserve(s, between, 2);
		close(s);
		s = create("short");
	}
	test_preserve(s, fd, 1);
	test_preserve(s, between, 2);
	check_true(luo_child_kill(&c));
}

static void short_2(void)
{
	int s = retrieve("short");

	for (int i = 0; i < 2; i++) {
		int fd = test_retrieve_fd(s, 1 + i);

		check_true(luo_holds(fd, SEED + 3 + i, 0, SIZE));
		close(fd);
	}
	test_finish(s);
}

#define ZSWAP	"/sys/module/zswap/parameters/enabled"
#define STORED	"/sys/kernel/debug/zswap/stored_pages"

#define LITTLE	64

/* What is swapped out stays in memory if it can be compressed: a few bytes on each page. */
static void zswap_1(void)
{
	int s = create("zswap"), fd = test_memfd(SIZE);
	char text[32];

	require_true(make_swap());
	require_true(luo_write_text(ZSWAP, "Y"));
	for (off_t at = 0; at < SIZE; at += PAGE)
		require_true(luo_fill(fd, SEED + 6, at, LITTLE));
	require_ge(page_out(fd), SIZE / 2);
	require_true(luo_read_text(STORED, text, sizeof(text)));
	check_ge(atoll(text), SIZE / PAGE / 2);
	test_preserve(s, fd, 1);
}

static void zswap_2(void)
{
	int s = retrieve("zswap"), fd = test_retrieve_fd(s, 1);

	for (off_t at = 0; at < SIZE; at += PAGE) {
		check_true(luo_holds(fd, SEED + 6, at, LITTLE));
		check_true(luo_is_zero(fd, at + LITTLE, PAGE - LITTLE));
	}
	test_finish(s);
}

static const struct scenario pressure_scenarios[] = {
	{ "swap", { swap_1, swap_2 } },
	{ "short", { short_1, short_2 } },
	{ }
};

SCENARIOS("pressure", pressure_scenarios)

static const struct scenario swap_scenarios[] = {
	{ "swap", { swap_1, swap_2 } },
	{ }
};

SCENARIOS("swap", swap_scenarios)

static const struct scenario zswap_scenarios[] = {
	{ "zswap", { zswap_1, zswap_2 } },
	{ }
};

SCENARIOS("zswap", zswap_scenarios)
