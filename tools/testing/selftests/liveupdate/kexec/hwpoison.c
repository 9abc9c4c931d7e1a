// SPDX-License-Identifier: GPL-2.0
/*
 * Pages with memory errors stay out of use over three kernels, wherever they are: in memory
 * that was in use, in scratch, in a huge page, in a preserved file. One that is unpoisoned
 * is in use again.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scenario.h"

#define MEMORY		(64LL << 20)
#define HUGE		(2LL << 20)
#define STEP		(MEMORY / NR_SCATTERED)
#define NR_SCATTERED	16
#define MOST		256	/* bad pages */

struct bad {
	__u64 nr, nr_scratch;
	__u64 pfns[MOST];
};

static void poison(struct bad *bad, __u64 pfn)
{
	require_true(bad->nr < MOST);
	require_true(luo_poison(pfn)) luo_say("pfn %llx", pfn);
	bad->pfns[bad->nr++] = pfn;
}

static char *anonymous(long long size, int flags)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/*
 * Of each area the last page, which is free: it is the first that would have been given to the
 * image, or to an early allocation of the next kernel. They are the first ones in the list.
 */
static void poison_in_scratch(struct bad *bad)
{
	long long start, size;

	for (int i = 0; (start = luo_scratch_area(i, "start")) >= 0; i++) {
		size = luo_scratch_area(i, "size");
		/* Linux 7.2 has empty ones. */
		if (size)
			poison(bad, (start + size) / PAGE - 1);
	}
	bad->nr_scratch = bad->nr;
}

static void poison_huge(struct bad *bad)
{
	char *huge;

	if (!luo_write_text("/proc/sys/vm/nr_hugepages", "4"))
		return;
	huge = anonymous(HUGE, MAP_HUGETLB);
	require_true(huge);
	poison(bad, luo_pfn(huge + 5 * PAGE));
}

#define THP	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define BAD	5	/* this page of it */

/* Pages that go bad when they cannot be refused any more, one in a huge page if there are any */
static void poison_preserved(struct bad *bad)
{
	int s = create("hwpoison"), memfd[2];

	memfd[0] = test_memfd(HUGE);
	require_true(luo_fill(memfd[0], 1, 0, 8 * PAGE));
	luo_write_text(THP, "force");
	memfd[1] = test_memfd(HUGE);
	require_true(luo_fill(memfd[1], 1, 0, HUGE));
	luo_write_text(THP, "never");
	for (int i = 0; i < 2; i++)
		test_preserve(s, memfd[i], i);
	test_freeze(s);
	for (int i = 0; i < 2; i++)
		poison(bad, luo_pfn((char *)luo_map(memfd[i], HUGE) + BAD * PAGE));
}

static void expect_preserved(void)
{
	int s = retrieve("hwpoison");
	char pages[8 * PAGE];

	for (int i = 0; i < 2; i++) {
		int memfd = test_retrieve_fd(s, i);

		check_true(luo_holds(memfd, 1, 0, BAD * PAGE));
		check_eq(-1, pread(memfd, pages, PAGE, BAD * PAGE));
		check_eq(EIO, errno);
		/* What is copied in one go ends before it. */
		check_eq(BAD * PAGE, pread(memfd, pages, sizeof(pages), 0));
		check_true(luo_holds(memfd, 1, (BAD + 1) * PAGE, 2 * PAGE));
		/* Linux frees a huge page with the bad page in it: keep that file. */
		if (!i)
			close(memfd);
	}
	test_finish(s);
	close(s);
}

static void hand_on(const struct bad *bad)
{
	int s = create("bad pages"), memfd = test_memfd(PAGE);

	require_eq(sizeof(*bad), pwrite(memfd, bad, sizeof(*bad), 0));
	test_preserve(s, memfd, 1);
}

static void expect_bad(const struct bad *bad)
{
	check_eq(bad->nr * PAGE, luo_meminfo("HardwareCorrupted"));
	for (__u64 i = 0; i < bad->nr; i++)
		check_true(luo_is_poisoned(bad->pfns[i])) luo_say("%llx is not bad", bad->pfns[i]);
}

static bool is_among(const struct bad *bad, __u64 pfn)
{
	for (__u64 i = 0; i < bad->nr; i++)
		if (bad->pfns[i] == pfn)
			return true;
	return false;
}

#define BATCH	1024

/* Nearly all of the memory there is, in use */
static void expect_unused(const struct bad *bad)
{
	const long long size = luo_meminfo("MemAvailable") / 10 * 8 / (BATCH * PAGE) * BATCH * PAGE;
	char *memory = anonymous(size, 0);
	__u64 pfns[BATCH];

	require_true(memory);
	for (long long at = 0; at < size; at += BATCH * PAGE) {
		luo_pfns(memory + at, pfns, BATCH);
		for (int i = 0; i < BATCH; i++)
			check_true(!is_among(bad, pfns[i])) luo_say("%llx is in use", pfns[i]);
	}
	munmap(memory, size);
}

static struct bad take_over(void)
{
	int s = retrieve("bad pages");
	struct bad bad;

	require_eq(sizeof(bad), pread(test_retrieve_fd(s, 1), &bad, sizeof(bad), 0));
	test_finish(s);
	luo_say("%llu bad pages", bad.nr);
	expect_bad(&bad);
	return bad;
}

/* Nobody else has it. */
/* The list that was handed over can be read in debugfs of KHO as long as this kernel runs. */
static void expect_list(const struct bad *bad)
{
	int fd = open("/sys/kernel/debug/kho/in/sub_fdts/hwpoison-v1", O_RDONLY | O_CLOEXEC);
	struct {
		__u32 crc, page_shift;
		__u64 nr;
	} list;

	require_ge(fd, 0);
	require_eq(sizeof(list), read(fd, &list, sizeof(list)));
	close(fd);
	check_eq(PAGE, 1ULL << list.page_shift % 64);
	check_eq(bad->nr, list.nr);
}

static void unpoison(struct bad *bad, __u64 i)
{
	check_true(luo_unpoison(bad->pfns[i]));
	bad->pfns[i] = bad->pfns[--bad->nr];
	expect_bad(bad);
}

/* Anew: no part of it is to be where a page is bad by now. */
static void load_again(void)
{
	char cmdline[2048];

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	require_eq(0, luo_load_next(cmdline));
}

static void poisoned_1(void)
{
	char *memory = anonymous(MEMORY, 0);
	struct bad bad = { };

	require_true(memory);
	/* When a huge page is split, what is all zeroes becomes the one page of zeroes. */
	memset(memory, 1, MEMORY);
	poison_in_scratch(&bad);
	for (long long at = 0; at < MEMORY; at += STEP)
		poison(&bad, luo_pfn(memory + at));
	poison_huge(&bad);
	expect_bad(&bad);
	poison(&bad, bad.pfns[0] - 1);
	unpoison(&bad, bad.nr - 1);
	poison_preserved(&bad);
	load_again();
	hand_on(&bad);
}

/*
 * A page where the image for the next kernel is loaded as well: it is loaded anew. The kernel
 * cannot do without the page.
 */
static void poison_initrd(struct bad *bad)
{
	long long start, end;

	if (!luo_initrd(&start, &end))
		return;
	poison(bad, (start + end) / 2 / PAGE);
	load_again();
}

static void expect_good_initrd(const struct bad *bad)
{
	long long start, end;

	if (!luo_initrd(&start, &end))
		return;
	for (__u64 i = 0; i < bad->nr; i++)
		check_true(bad->pfns[i] < start / PAGE || bad->pfns[i] > end / PAGE)
			luo_say("%llx is in the initramfs", bad->pfns[i]);
}

static void poisoned_2(void)
{
	struct bad bad = take_over();

	expect_preserved();
	expect_unused(&bad);
	expect_list(&bad);
	expect_bad(&bad);

	/* The last one in the list takes the place of each. */
	for (__u64 i = 0; i <= bad.nr_scratch; i++)
		unpoison(&bad, i);
	poison(&bad, luo_pfn(anonymous(PAGE, 0)));
	poison_initrd(&bad);
	hand_on(&bad);
}

static void poisoned_3(void)
{
	struct bad bad = take_over();

	expect_good_initrd(&bad);
	expect_unused(&bad);
	expect_list(&bad);
}

/*
 * More than memblock has space for in early boot, none next to another. Programs are in scratch as
 * well, also process 1: it would be killed.
 */
static void many_1(void)
{
	struct bad bad = { };
	__u64 pfn = 0;

	for (int i = 0; luo_scratch_area(i, "size") > 0; i++)
		pfn = luo_scratch_area(i, "start") / PAGE;
	for (; bad.nr < 200; pfn += 2)
		if (luo_is_free(pfn))
			poison(&bad, pfn);
	expect_bad(&bad);
	load_again();
	hand_on(&bad);
}

static void many_2(void)
{
	struct bad bad = take_over();

	for (__u64 i = bad.nr; i; i--)
		unpoison(&bad, i - 1);
}

static const struct scenario many_scenarios[] = {
	{ "many bad pages", { many_1, many_2 } },
	{ }
};

SCENARIOS("hwpoison-many", many_scenarios)

static const struct scenario hwpoison_scenarios[] = {
	{ "bad pages", { poisoned_1, poisoned_2, poisoned_3 } },
	{ }
};

SCENARIOS("hwpoison", hwpoison_scenarios)
