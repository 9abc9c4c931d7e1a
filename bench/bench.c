// SPDX-License-Identifier: GPL-2.0
/*
 * What a live update costs, step by step, in instructions.
 *
 * The first program of both kernels of a guest that counts instructions: with -icount
 * shift=0 the time stamp counter advances by one for each, and goes on over the kexec.
 * scripts/bench.py runs it, once per case and size, and reads what it says:
 *
 *   bench STEP NUMBER
 *
 * is a step's instructions, or bytes where STEP says so; "bench at-WHAT NUMBER" is the
 * counter itself, for what begins in one kernel and ends in the next. The last line of
 * the previous kernel is "bench done 1", and only if all contents were as they had to be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include <linux/membarrier.h>

#include "lib/util.h"

#define SPARSE		64	/* one page in so many */

typedef __u64 u64;

struct bench {
	const char *name;
	void (*before)(u64 size);	/* creates and preserves */
	void (*after)(u64 size);	/* retrieves and finishes */
};

static int session_fd;

static void say(const char *step, u64 value)
{
	printf("bench %s %llu\n", step, (unsigned long long)value);
}

static void __printf(1, 2) __noreturn die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	sleep(1);
	reboot(RB_AUTOBOOT);
	abort();
}

static int must(const char *what, int ret)
{
	if (ret < 0)
		die("%s: %s", what, luo_error(ret));
	return ret;
}

/* In the kernel's log, so that its own time stamps can be placed among ours */
static void mark(const char *what)
{
	FILE *kmsg = fopen("/dev/kmsg", "w");

	if (!kmsg)
		return;
	fprintf(kmsg, "<6>bench: %s at %llu\n", what, (unsigned long long)__rdtsc());
	fclose(kmsg);
}

/* Serial ports want to be rid of what was said before it is counted what comes next */
static u64 begin(void)
{
	fflush(stdout);
	return __rdtsc();
}

static void count(const char *step, u64 since)
{
	say(step, __rdtsc() - since);
}

/* ---- contents: each word says where it is */

static u64 word(u64 seed, u64 offset)
{
	return (seed << 48 ^ offset) * 0x9e3779b97f4a7c15ULL;
}

static void write_page(int fd, u64 seed, u64 offset)
{
	u64 page[PAGE / sizeof(u64)];

	for (size_t i = 0; i < PAGE / sizeof(u64); i++)
		page[i] = word(seed, offset + i * sizeof(u64));
	if (pwrite(fd, page, PAGE, offset) != PAGE)
		die("cannot write at %llu: %s", (unsigned long long)offset, strerror(errno));
}

static bool page_is_good(const u64 *page, u64 seed, u64 offset)
{
	for (size_t i = 0; i < PAGE / sizeof(u64); i++)
		if (page[i] != word(seed, offset + i * sizeof(u64)))
			return false;
	return true;
}

static bool is_zero(const u64 *page)
{
	for (size_t i = 0; i < PAGE / sizeof(u64); i++)
		if (page[i])
			return false;
	return true;
}

static void verify(int fd, u64 seed, u64 size, u64 step)
{
	const char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	for (u64 at = 0; at < size; at += PAGE) {
		if (at % step == 0) {
			if (!page_is_good((const u64 *)(map + at), seed, at))
				die("memfd %llu is not as it was at %llu",
				    (unsigned long long)seed, (unsigned long long)at);
		} else if (!is_zero((const u64 *)(map + at))) {
			die("something is in the hole at %llu", (unsigned long long)at);
		}
	}
	munmap((void *)map, size);
}

static void first_touch(int fd, u64 size, u64 step)
{
	const char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	u64 since = begin();

	for (u64 at = 0; at < size; at += step)
		luo_look(map + at);
	count("touch", since);
	munmap((void *)map, size);
}

/* Physically contiguous runs of pages: how scattered it is. 0: cannot be seen. */
static u64 count_runs(int fd, u64 size)
{
	const char *map = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	u64 entry, pfn, last = 0, runs = 0;

	for (u64 at = 0; at < size; at += PAGE) {
		if (pread(pagemap, &entry, sizeof(entry),
			  (uintptr_t)(map + at) / PAGE * sizeof(entry)) != sizeof(entry))
			break;
		pfn = entry & ((1ULL << 55) - 1);
		runs += pfn != last + 1;
		last = pfn;
	}
	close(pagemap);
	munmap((void *)map, size);
	return runs;
}

/* What a kernel frees late, page tables of what was unmapped, is no part of the next step. */
static long long free_memory(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	usleep(20000);
	return luo_free_memory();
}

/* ---- one big memfd */

static void preserve_one(int fd, bool full)
{
	int dev = must("open", luo_open());
	long long free_before;
	u64 since;

	session_fd = must("create", luo_create(dev, "bench"));
	if (full)
		say("runs", count_runs(fd, luo_size(fd)));
	free_before = free_memory();
	since = begin();
	must("preserve", luo_preserve(session_fd, fd, 1));
	count("preserve", since);
	say("metadata-bytes", free_before - free_memory());
	if (full)
		say("runs-preserved", count_runs(fd, luo_size(fd)));
	close(dev);
}

static void retrieve_one(u64 size, u64 step)
{
	u64 since = begin();
	int dev, fd;

	dev = must("open", luo_open());
	count("open", since);
	since = begin();
	session_fd = must("retrieve session", luo_retrieve(dev, "bench", 0));
	count("retrieve-session", since);
	since = begin();
	fd = must("retrieve fd", luo_retrieve_fd(session_fd, 1));
	count("retrieve", since);
	first_touch(fd, size, step);
	verify(fd, 1, size, step);
	since = begin();
	must("finish", luo_finish(session_fd));
	count("finish", since);
}

static int big_memfd(u64 size)
{
	return must("memfd", luo_memfd("bench", MFD_ALLOW_SEALING, size));
}

static void contiguous_before(u64 mib)
{
	int fd = big_memfd(mib << 20);

	for (u64 at = 0; at < mib << 20; at += PAGE)
		write_page(fd, 1, at);
	preserve_one(fd, true);
}

/* Pages between those of a memfd have to be of its kind, or they come from elsewhere. */
static char *map_between(u64 size)
{
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return map;
}

/* Another mapping is faulted in between, page by page, and kept */
static void scattered_before(u64 mib)
{
	char *other = map_between(mib << 20);
	int fd = big_memfd(mib << 20);

	for (u64 at = 0; at < mib << 20; at += PAGE) {
		write_page(fd, 1, at);
		luo_touch(other + at);
	}
	preserve_one(fd, true);
}

static void big_after(u64 mib)
{
	retrieve_one(mib << 20, PAGE);
}

static void sparse_before(u64 mib)
{
	int fd = big_memfd(mib << 20);

	for (u64 at = 0; at < mib << 20; at += SPARSE * PAGE)
		write_page(fd, 1, at);
	preserve_one(fd, false);
}

static void sparse_after(u64 mib)
{
	retrieve_one(mib << 20, SPARSE * PAGE);
}

/* ---- many small ones */

static void preserve_many(u64 nr, bool scatter)
{
	int dev = must("open", luo_open()), *fds = calloc(nr, sizeof(*fds));
	char *other = map_between(nr * PAGE);
	long long free_before;
	u64 since;

	for (u64 i = 0; i < nr; i++) {
		fds[i] = must("memfd", luo_memfd("small", MFD_ALLOW_SEALING, PAGE));
		write_page(fds[i], i, 0);
		if (scatter)
			luo_touch(other + i * PAGE);
	}
	session_fd = must("create", luo_create(dev, "bench"));
	free_before = free_memory();
	since = begin();
	for (u64 i = 0; i < nr - 1; i++)
		must("preserve", luo_preserve(session_fd, fds[i], i));
	count("preserve-others", since);
	since = begin();
	must("preserve", luo_preserve(session_fd, fds[nr - 1], nr - 1));
	count("preserve-last", since);
	say("metadata-bytes", free_before - free_memory());
	for (u64 i = 0; i < nr; i++)
		close(fds[i]);
	close(dev);
}

static void files_before(u64 nr)
{
	preserve_many(nr, false);
}

static void files_scattered_before(u64 nr)
{
	preserve_many(nr, true);
}

static void files_after(u64 nr)
{
	u64 since = begin();
	int *fds = calloc(nr, sizeof(*fds));
	int dev = must("open", luo_open());

	count("open", since);
	since = begin();
	session_fd = must("retrieve session", luo_retrieve(dev, "bench", 0));
	count("retrieve-session", since);
	since = begin();
	fds[0] = must("retrieve fd", luo_retrieve_fd(session_fd, 0));
	count("retrieve-first", since);
	since = begin();
	for (u64 i = 1; i < nr; i++)
		fds[i] = must("retrieve fd", luo_retrieve_fd(session_fd, i));
	count("retrieve-others", since);
	for (u64 i = 0; i < nr; i++)
		verify(fds[i], i, PAGE, PAGE);
	since = begin();
	must("finish", luo_finish(session_fd));
	count("finish", since);
}

/* ---- many sessions, each with a memfd without pages */

static const char *name_of(u64 i)
{
	static char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "session-%llu", (unsigned long long)i);
	return name;
}

static void sessions_before(u64 nr)
{
	int dev = must("open", luo_open()), fd, *s = calloc(nr + 1, sizeof(*s));
	u64 since = begin();

	for (u64 i = 0; i < nr; i++)
		s[i] = must("create", luo_create(dev, name_of(i)));
	count("create-all", since);
	since = begin();
	s[nr] = must("create", luo_create(dev, name_of(nr)));
	count("create-one-more", since);
	close(s[nr]);
	since = begin();
	for (u64 i = 0; i < nr; i++) {
		fd = must("memfd", luo_memfd("none", MFD_ALLOW_SEALING, i));
		must("preserve", luo_preserve(s[i], fd, 0));
		close(fd);
	}
	count("preserve-all", since);
	close(dev);
}

static void sessions_after(u64 nr)
{
	int dev, fd, *s = calloc(nr, sizeof(*s));
	u64 since = begin();

	dev = must("open", luo_open());
	s[0] = must("retrieve session", luo_retrieve(dev, name_of(0), 0));
	count("open-and-first", since);
	since = begin();
	for (u64 i = 1; i < nr; i++)
		s[i] = must("retrieve session", luo_retrieve(dev, name_of(i), 0));
	count("retrieve-sessions", since);
	for (u64 i = 0; i < nr; i++) {
		fd = must("retrieve fd", luo_retrieve_fd(s[i], 0));
		if ((u64)luo_size(fd) != i)
			die("session %llu holds another memfd", (unsigned long long)i);
		close(fd);
	}
	since = begin();
	for (u64 i = 0; i < nr; i++)
		must("finish", luo_finish(s[i]));
	count("finish", since);
}

static const struct bench benches[] = {
	{ "contiguous", contiguous_before, big_after },
	{ "scattered", scattered_before, big_after },
	{ "sparse", sparse_before, sparse_after },
	{ "files", files_before, files_after },
	{ "files-scattered", files_scattered_before, files_after },
	{ "sessions", sessions_before, sessions_after },
};

static void setup(void)
{
	struct rlimit limit = { .rlim_cur = 40000, .rlim_max = 40000 };
	int fd;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void go_on(void)
{
	char cmdline[2048], with_stage[2100];
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t len = read(fd, cmdline, sizeof(cmdline) - 1);
	u64 since;

	if (len <= 0)
		die("no /proc/cmdline");
	cmdline[len] = 0;
	cmdline[strcspn(cmdline, "\n")] = 0;
	close(fd);
	snprintf(with_stage, sizeof(with_stage), "%s luo_stage=2", cmdline);
	since = begin();
	must("load", luo_load_next(with_stage));
	count("load", since);
	fflush(stdout);
	mark("reboot");
	say("at-reboot", begin());
	must("jump", luo_jump());
}

/* Without -icount the counter is the host's: find out how fast it is */
static void say_ticks_per_ms(void)
{
	u64 since = __rdtsc();

	usleep(100000);
	say("ticks-per-ms", (__rdtsc() - since) / 100);
}

int main(void)
{
	const char *name = getenv("bench") ?: "sessions";
	u64 start = __rdtsc(), size = strtoull(getenv("bench_size") ?: "1", NULL, 0);
	bool second = getenv("luo_stage");

	setup();
	for (size_t i = 0; i < sizeof(benches) / sizeof(*benches); i++) {
		if (strcmp(benches[i].name, name))
			continue;
		if (!second) {
			benches[i].before(size);
			go_on();
		}
		mark("init");
		say("at-init", start);
		benches[i].after(size);
		say_ticks_per_ms();
		say("done", 1);
		fflush(stdout);
		usleep(100000);
		reboot(RB_AUTOBOOT);
	}
	die("no such case: %s", name);
}
