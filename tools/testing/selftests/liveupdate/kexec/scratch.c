// SPDX-License-Identifier: GPL-2.0
/*
 * Scratch memory is counted as what it is, and is enough for ten live updates in a row with
 * nine tenths of memory preserved and the rest scattered over single pages. What does not fit
 * into it is loaded elsewhere, or without handover.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/io_uring.h>

#include "scenario.h"

#define UPDATES		10
#define TENTH		10	/* one page of so many is free */
#define ROOM		(24LL << 20)	/* for each node to work with */

static int scratch_kernels(void)
{
	return UPDATES + 1;
}

static long long scratch_bytes(void)
{
	struct liveupdate_ioctl_get_info info = { .size = sizeof(info) };

	require_eq(0, with_device(ioctl(dev, LIVEUPDATE_IOCTL_GET_INFO, &info)));
	return info.scratch_bytes;
}

static void expect_scratch_counted(void)
{
	long long scratch = scratch_bytes();

	check_eq(scratch, luo_meminfo("CmaTotal"));
	check_ge(scratch, luo_meminfo("CmaFree"));
	check_eq(scratch, luo_scratch_sum("size"));
	check_ge(scratch, luo_scratch_sum("free"));
	check_ge(luo_scratch_sum("free"), scratch / 2);
}

static void counted(void)
{
	expect_scratch_counted();
}

static int nr_nodes(void)
{
	char path[64];
	int nr = 0;

	do
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", nr++);
	while (!access(path, F_OK));
	return nr > 1 ? nr - 1 : 1;
}

/* Pages that lie in scratch move out of it when they are preserved. */
static int fill_memory(void)
{
	long long size = luo_free_memory() - scratch_bytes() - ROOM * nr_nodes();
	int memfd;

	require_true(size > 0);
	size -= size % (TENTH * PAGE);
	luo_say("%lld MiB of %lld", size >> 20, luo_meminfo("MemTotal") >> 20);
	memfd = test_memfd(size);
	require_eq(0, fallocate(memfd, 0, 0, size));
	for (long long at = 0; at < size; at += TENTH * PAGE) {
		require_eq(0, fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
					PAGE));
		require_true(luo_fill(memfd, at / PAGE, at + PAGE, PAGE));
	}
	return memfd;
}

static void expect_memory(int memfd)
{
	for (long long at = 0; at < luo_size(memfd); at += TENTH * PAGE) {
		check_true(luo_is_hole(memfd, at, PAGE));
		check_true(luo_holds(memfd, at / PAGE, at + PAGE, PAGE));
		check_true(luo_is_zero(memfd, at + 2 * PAGE, PAGE));
	}
}

/* One memfd through all kernels. Returns true if there is one more. */
static bool carry(const char *name, int (*make)(void), void (*expect)(int memfd))
{
	int s, memfd;

	if (luo_stage() == 1) {
		s = create(name);
		memfd = make();
	} else {
		s = retrieve(name);
		memfd = test_retrieve_fd(s, luo_stage() - 1);
		expect(memfd);
		test_finish(s);
	}
	if (luo_stage() == scratch_kernels())
		return false;
	test_preserve(s, memfd, luo_stage());
	return true;
}

static void nearly_full(void)
{
	const long long before = luo_scratch_number("needed");
	long long needed, found, total;

	if (!carry("nearly full", fill_memory, expect_memory))
		return;
	/* What this kernel has, the next one finds as well: most of it is not preserved. */
	/* It cannot tell how much room there is. */
	if (luo_is_linux("7.2."))
		return;
	needed = luo_scratch_number("needed");
	found = luo_scratch_number("found");
	/* Only now: what is preserved counts once it is retrieved. */
	total = luo_meminfo("MemTotal");
	luo_say("%lld MiB needed, %lld found", needed >> 20, found >> 20);
	/* Struct pages, and a region of memblock for each run of preserved pages */
	check_ge(before, total / 64);
	check_ge(needed - before, total / 2 / (TENTH * PAGE) * 24);
	check_ge(found, needed);
	check_ge(total / 2, found);
}

static const struct scenario scratch_scenarios[] = {
	{ "counted", .every = counted, .kernels = scratch_kernels },
	{ "nearly full", .every = nearly_full, .kernels = scratch_kernels },
	{ }
};

SCENARIOS("scratch", scratch_scenarios)

#define FOUR_GIB	(4LL << 30)
#define STRIDE		(256 * PAGE)

static int make_four_gib(void)
{
	int memfd = test_memfd(FOUR_GIB);

	require_eq(0, fallocate(memfd, 0, 0, FOUR_GIB));
	for (long long at = 0; at < FOUR_GIB; at += STRIDE)
		require_true(luo_fill(memfd, at / PAGE, at, PAGE));
	return memfd;
}

static void expect_four_gib(int memfd)
{
	check_eq(FOUR_GIB, luo_size(memfd));
	for (long long at = 0; at < FOUR_GIB; at += STRIDE) {
		check_true(luo_holds(memfd, at / PAGE, at, PAGE));
		check_true(luo_is_zero(memfd, at + PAGE, PAGE));
	}
}

static void four_gib(void)
{
	carry("4 GiB", make_four_gib, expect_four_gib);
}

static const struct scenario four_gib_scenarios[] = {
	{ "4 GiB", .every = four_gib, .kernels = scratch_kernels },
	{ }
};

SCENARIOS("scratch-4g", four_gib_scenarios)

static void elsewhere_1(void)
{
	int memfd = test_memfd(64 * PAGE);

	check_true(luo_status_is("image", "handover"));
	require_true(luo_fill(memfd, 1, 0, 64 * PAGE));
	test_preserve(create("elsewhere"), memfd, 1);
}

static void elsewhere_2(void)
{
	int s = retrieve("elsewhere"), memfd = test_retrieve_fd(s, 1);
	long long start, end;

	check_true(luo_holds(memfd, 1, 0, 64 * PAGE));
	require_true(luo_initrd(&start, &end));
	luo_say("the initramfs is at 0x%llx", start);
	check_true(!luo_in_scratch(start));
	expect_scratch_counted();
	test_finish(s);
	test_preserve(create("elsewhere"), memfd, 1);
}

static void elsewhere_3(void)
{
	int s = retrieve("elsewhere");

	check_true(luo_holds(test_retrieve_fd(s, 1), 1, 0, 64 * PAGE));
	test_finish(s);
}

static const struct scenario elsewhere_scenarios[] = {
	{ "initramfs elsewhere", { elsewhere_1, elsewhere_2, elsewhere_3 } },
	{ }
};

SCENARIOS("scratch-initrd", elsewhere_scenarios)

static void no_room_1(void)
{
	char cmdline[2048];
	int s;

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	check_true(luo_status_is("image", "no-handover"));
	s = create("no room");
	test_preserve(s, test_memfd(PAGE), 1);
	check_eq(-EOPNOTSUPP, luo_jump());
	check_eq(-EADDRNOTAVAIL, luo_load_next(cmdline));
	check_true(luo_status_is("image", "no-handover"));
	close(s);
	check_eq(0, luo_load_next(cmdline));
	check_true(luo_status_is("image", "no-handover"));
}

static void no_room_2(void)
{
	check_true(luo_status_is("number", "0"));
	check_true(luo_status_is("incoming", "none"));
	expect_gone("no room");
}

static const struct scenario no_room_scenarios[] = {
	{ "image without handover", { no_room_1, no_room_2 } },
	{ }
};

SCENARIOS("scratch-none", no_room_scenarios)

#define BUFFER		(4LL << 20)
#define MOST_BUFFERS	1024

static void *map_buffer(void)
{
	void *buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	require_true(buffer != MAP_FAILED);
	return buffer;
}

/*
 * Nine tenths of the memory there is, in use. Memory is given out from scratch when there is
 * little of it elsewhere: the last buffers are there, and the first ones are given back.
 */
static int fill_buffers(struct iovec *buffers)
{
	const long long available = luo_meminfo("MemAvailable");
	int most = available / 10 * 9 / BUFFER, nr = 0, surplus;

	while (luo_scratch_sum("free") > luo_scratch_sum("size") / 2) {
		require_true(nr < MOST_BUFFERS && nr * BUFFER < available);
		buffers[nr].iov_base = map_buffer();
		buffers[nr++].iov_len = BUFFER;
	}
	surplus = nr - most;
	require_true(surplus > 0) luo_say("%d of at most %d buffers", nr, most);
	for (int i = 0; i < surplus; i++)
		munmap(buffers[i].iov_base, BUFFER);
	memmove(buffers, buffers + surplus, most * sizeof(*buffers));
	return most;
}

/* How much of them lies in scratch, by one page of so many */
static long long in_scratch(const struct iovec *buffers, int nr)
{
	const long long sample = 32 * PAGE;
	long long sum = 0;

	for (int i = 0; i < nr; i++) {
		for (long long at = 0; at < BUFFER; at += sample) {
			if (luo_in_scratch(luo_pfn(buffers[i].iov_base + at) * PAGE))
				sum += sample;
		}
	}
	return sum;
}

/*
 * Pages that are pinned for long move out of scratch, so that an image can still be loaded
 * there.
 */
static void pinned_1(void)
{
	static struct iovec buffers[MOST_BUFFERS];
	struct io_uring_params params = { };
	int ring = syscall(SYS_io_uring_setup, 4, &params), nr;
	long long before, after;
	char cmdline[2048];

	require_true(ring >= 0);
	nr = fill_buffers(buffers);
	before = in_scratch(buffers, nr);
	check_ge(before, luo_scratch_sum("size") / 4);
	require_eq(0, syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, buffers, nr));
	after = in_scratch(buffers, nr);
	check_eq(0, after);
	luo_say("%d MiB are pinned, of which %lld were and %lld are in scratch",
		nr * (int)(BUFFER >> 20), before >> 20, after >> 20);
	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	check_eq(0, luo_load_next(cmdline));
	check_true(luo_status_is("image", "handover"));
}

static const struct scenario pinned_scenarios[] = {
	{ "nine tenths of memory pinned", { pinned_1 } },
	{ }
};

SCENARIOS("scratch-pin", pinned_scenarios)
