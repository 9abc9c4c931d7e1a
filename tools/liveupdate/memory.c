// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl: how much memory there is for what is saved.
 *
 * What is preserved is pinned: it can neither be swapped out nor lie where pages have to be
 * movable, as in the scratch areas of Kexec HandOver. So much that the kernel runs out of memory
 * ends programs, not only this one.
 */
#define _GNU_SOURCE
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luoctl.h"
#include "memory.h"

#define CGROUPS		"/sys/fs/cgroup"
#define STEP		(4ull << 20)	/* so often the kernel is asked */
#define RESERVE(limit)	((limit) / 32 + 2 * STEP)

/* The number behind a word at the beginning of a line; 0 if there is none */
static unsigned long long value_of(const char *text, const char *word)
{
	const char *at = text;
	size_t len = strlen(word);

	while (at && strncmp(at, word, len)) {
		at = strchr(at, '\n');
		at += !!at;
	}
	return at ? strtoull(at + len, NULL, 10) : 0;
}

static unsigned long long left_of(unsigned long long limit, unsigned long long available)
{
	return available > RESERVE(limit) ? available - RESERVE(limit) : 0;
}

unsigned long long memory_in_system(const char *what)
{
	char *text = read_file("/proc/meminfo");
	unsigned long long kilobytes = value_of(text, what);

	free(text);
	return kilobytes << 10;
}

static unsigned long long left_in_system(void)
{
	char *text = read_file("/proc/meminfo");
	unsigned long long total, available, movable;

	if (!text)
		return ULLONG_MAX;
	total = value_of(text, "MemTotal:") << 10;
	available = value_of(text, "MemAvailable:") << 10;
	movable = value_of(text, "CmaFree:") << 10;
	free(text);
	return left_of(total, available - MIN(available, movable));
}

static char *read_in(const char *group, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), CGROUPS "%s/%s", group, name);
	return read_file(path);
}

/* The page cache is reclaimed before a group runs out of memory. */
static unsigned long long left_in_group(const char *group)
{
	char *max = read_in(group, "memory.max"), *current = read_in(group, "memory.current");
	char *stat = read_in(group, "memory.stat");
	unsigned long long left = ULLONG_MAX, limit, used, cache;

	if (max && current && stat && strncmp(max, "max", 3)) {
		limit = strtoull(max, NULL, 10);
		used = strtoull(current, NULL, 10);
		cache = value_of(stat, "active_file ") + value_of(stat, "inactive_file ");
		used -= MIN(used, cache);
		left = left_of(limit, limit - MIN(limit, used));
	}
	free(max);
	free(current);
	free(stat);
	return left;
}

/* In this process's group and all that it is in */
static unsigned long long left_in_groups(void)
{
	char *text = read_file("/proc/self/cgroup");
	char *group = text ? strstr(text, "0::/") : NULL, *slash;
	unsigned long long left = ULLONG_MAX;

	if (group) {
		group += strlen("0::");
		group[strcspn(group, "\n")] = 0;
		do {
			left = MIN(left, left_in_group(group));
			slash = strrchr(group, '/');
			if (slash)
				*slash = 0;
		} while (slash);
	}
	free(text);
	return left;
}

void memory_check(const char *what, unsigned long long bytes, unsigned long long more)
{
	static unsigned long long at_first, limit, next;
	unsigned long long left;

	if (bytes >= next) {
		left = MIN(left_in_system(), left_in_groups());
		/* Written pages may lie in movable memory until they are pinned: they count. */
		if (!next)
			at_first = left;
		limit = MIN(at_first, left > ULLONG_MAX - bytes ? left : bytes + left);
		next = bytes + STEP;
	}
	if (bytes + more > limit)
		errx(EXIT_NO, "%s: not enough memory: %llu MiB available", what, limit >> 20);
}

void memory_check_file(const char *what, int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (at >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > at)
		memory_check(what, 0, st.st_size - at);
}
