// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>

#include "check.h"
#include "util.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#endif

#define INJECT	"/sys/kernel/debug/hwpoison/"

/* Bits of /proc/kpageflags */
#define KPF_BUDDY	10
#define KPF_HWPOISON	19

static void read_words(const char *path, __u64 index, __u64 *words, size_t nr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const size_t size = nr * sizeof(*words);

	require_true(fd >= 0);
	require_eq(size, pread(fd, words, size, index * sizeof(*words)));
	close(fd);
}

void luo_pfns(const void *memory, __u64 *pfns, size_t nr)
{
	read_words("/proc/self/pagemap", (unsigned long)memory / PAGE, pfns, nr);
	for (size_t i = 0; i < nr; i++) {
		require_true(pfns[i] >> 63);
		pfns[i] &= (1ULL << 55) - 1;
	}
}

__u64 luo_pfn(const void *page)
{
	__u64 pfn;

	/* A page that is not mapped yet has none. */
	require_eq(0, madvise((void *)((unsigned long)page & -PAGE), PAGE, MADV_POPULATE_READ));
	luo_pfns(page, &pfn, 1);
	return pfn;
}

static bool has_flag(__u64 pfn, int bit)
{
	__u64 flags;

	read_words("/proc/kpageflags", pfn, &flags, 1);
	return flags >> bit & 1;
}

bool luo_is_poisoned(__u64 pfn)
{
	return has_flag(pfn, KPF_HWPOISON);
}

bool luo_is_free(__u64 pfn)
{
	return has_flag(pfn, KPF_BUDDY);
}

bool luo_can_poison(void)
{
	return !access(INJECT, F_OK);
}

static bool write_pfn(const char *path, __u64 pfn)
{
	char number[32];

	snprintf(number, sizeof(number), "%llu", pfn);
	return luo_write_text(path, number);
}

/*
 * MADV_HWPOISON kills who has the page mapped, and has written to it. That the kernel could
 * not recover from it all, somebody has the page pinned, does not count.
 */
bool luo_poison(__u64 pfn)
{
	write_pfn(INJECT "corrupt-pfn", pfn);
	return luo_is_poisoned(pfn);
}

bool luo_unpoison(__u64 pfn)
{
	return write_pfn(INJECT "unpoison-pfn", pfn) && !luo_is_poisoned(pfn);
}

__u64 luo_poison_page(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	__u64 pfn;

	require_true(page != MAP_FAILED);
	pfn = luo_pfn(page);
	require_true(luo_poison(pfn));
	return pfn;
}
