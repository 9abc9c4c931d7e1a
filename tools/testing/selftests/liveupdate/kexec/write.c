// SPDX-License-Identifier: GPL-2.0
/* Writing until the kexec: what was said to be written is there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../lib/flb.h"
#include "scenario.h"

#define PAGES	32768

/*
 * A diary writes entry n on page n of one memfd, at first into a hole each time, and then,
 * once that has succeeded, counts it in another one. When all pages are used it begins
 * again with the first, so it never ends. The next kernel finds every entry counted.
 */
struct diary {
	int pages;
	int counter;
	char *map;		/* write through it, if not by pwrite(2) */
};

static __u64 entry(__u64 n)
{
	return n * 0x9e3779b97f4a7c15ull + 1;
}

static bool write_entry(struct diary *d, __u64 n)
{
	__u64 e = entry(n);
	off_t at = n % PAGES * PAGE;

	if (!d->map)
		return pwrite(d->pages, &e, sizeof(e), at) == sizeof(e);
	__atomic_store_n((__u64 *)(d->map + at), e, __ATOMIC_RELEASE);
	return true;
}

static void *keep_diary(void *arg)
{
	struct diary *d = arg;
	__u64 *count = luo_map(d->counter, PAGE);

	for (__u64 n = 0; ; n++) {
		/* EBUSY once it is frozen: then it is not written, and says so. */
		while (!write_entry(d, n))
			;
		__atomic_store_n(count, n + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void start_diary(const char *name, bool mapped)
{
	static struct diary d;
	pthread_t thread;
	int s = create(name);
	__u64 *count;

	d.pages = test_memfd((off_t)PAGES * PAGE);
	d.counter = test_memfd(PAGE);
	if (mapped)
		d.map = luo_map(d.pages, (size_t)PAGES * PAGE);
	count = luo_map(d.counter, PAGE);
	*count = 0;
	test_preserve(s, d.pages, 1);
	test_preserve(s, d.counter, 2);
	require_eq(0, pthread_create(&thread, NULL, keep_diary, &d));
	/* Some of it is written by now, some of it is not. */
	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < 10)
		;
}

/* What page of entry @n holds: that, or the one after it there, not counted any more */
static bool is_entry(int pages, __u64 n, __u64 count)
{
	__u64 got = 0;

	if (pread(pages, &got, sizeof(got), n % PAGES * PAGE) != sizeof(got))
		return false;
	return got == entry(n) || (n + PAGES == count && got == entry(count));
}

static void check_diary(const char *name)
{
	int s = retrieve(name), pages = test_retrieve_fd(s, 1), counter = test_retrieve_fd(s, 2);
	__u64 count = 0;
	int lost = 0;

	require_eq(sizeof(count), pread(counter, &count, sizeof(count), 0));
	luo_say("%llu entries on %d pages", count, PAGES);
	check_ge(count, 10);
	for (__u64 n = count < PAGES ? 0 : count - PAGES; n < count; n++)
		lost += !is_entry(pages, n, count);
	check_eq(0, lost);
	test_finish(s);
}

static void pwrite_1(void)
{
	start_diary("diary by pwrite", false);
}

static void pwrite_2(void)
{
	check_diary("diary by pwrite");
}

static void mmap_1(void)
{
	start_diary("diary by mmap", true);
}

static void mmap_2(void)
{
	check_diary("diary by mmap");
}

/* What changed between preserve and the kexec is handed over. */
static void later_1(void)
{
	int s = create("later"), fd = test_memfd(4 * PAGE), sealed = test_memfd(PAGE);

	require_true(luo_fill(fd, 1, 0, PAGE));
	test_preserve(s, fd, 1);
	test_preserve(s, sealed, 2);
	require_true(luo_fill(fd, 2, 0, PAGE));
	require_true(luo_fill(fd, 2, 2 * PAGE, PAGE));
	require_eq(777, lseek(fd, 777, SEEK_SET));
	require_true(luo_fill(sealed, 3, 0, PAGE));
	require_eq(0, fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW));
}

static void later_2(void)
{
	int s = retrieve("later"), fd = test_retrieve_fd(s, 1);

	check_eq(777, lseek(fd, 0, SEEK_CUR));
	check_true(luo_holds(fd, 2, 0, PAGE));
	check_true(luo_is_zero(fd, PAGE, PAGE));
	check_true(luo_holds(fd, 2, 2 * PAGE, PAGE));
	check_true(luo_is_hole(fd, 3 * PAGE, PAGE));
	fd = test_retrieve_fd(s, 2);
	check_true(luo_holds(fd, 3, 0, PAGE));
	check_eq(F_SEAL_WRITE | F_SEAL_GROW, luo_seals(fd));
	test_finish(s);
}

/*
 * Far more pages appear after preserve than there were: one in three, in no order, half of
 * them by write(2) and half in a mapping.
 */
#define LATE	3000
#define SPARSE	(3 * LATE + 1)

static void many_1(void)
{
	int s = create("many"), fd = test_memfd(SPARSE * PAGE);
	char *p = luo_map(fd, SPARSE * PAGE);

	require_ne(NULL, p);
	require_true(luo_fill(fd, 6, 0, PAGE));
	test_preserve(s, fd, 1);
	for (int i = 0; i < LATE; i++) {
		/* Each of them once: 7919 is a prime */
		off_t at = (3 * (i * 7919 % LATE) + 1) * PAGE;

		if (i % 2)
			luo_touch(p + at);
		require_true(luo_fill(fd, 6, at, PAGE));
	}
}

static void many_2(void)
{
	int s = retrieve("many"), fd = test_retrieve_fd(s, 1), wrong = 0;

	wrong += !luo_holds(fd, 6, 0, PAGE);
	for (off_t at = PAGE; at < SPARSE * PAGE; at += 3 * PAGE) {
		wrong += !luo_holds(fd, 6, at, PAGE);
		wrong += !luo_is_hole(fd, at + PAGE, 2 * PAGE);
		wrong += !luo_is_zero(fd, at + PAGE, 2 * PAGE);
	}
	check_eq(0, wrong);
	check_eq(SPARSE * PAGE, luo_size(fd));
	test_finish(s);
}

/* Frozen by FREEZE, pages that are there are still written to, up to the kexec. */
static void frozen_1(void)
{
	int s = create("frozen writes"), fd = test_memfd(4 * PAGE);
	char *p = luo_map(fd, 4 * PAGE);

	require_true(luo_fill(fd, 1, 0, 2 * PAGE));
	test_preserve(s, fd, 1);
	require_true(luo_fill(fd, 1, 2 * PAGE, PAGE));
	test_freeze(s);
	require_true(luo_fill(fd, 5, 0, PAGE));
	memset(p + 2 * PAGE, 'm', PAGE);
	check_eq(-1, pwrite(fd, "x", 1, 3 * PAGE));
}

static void frozen_2(void)
{
	int s = retrieve("frozen writes"), fd = test_retrieve_fd(s, 1);
	char *p = luo_map(fd, 4 * PAGE);

	check_true(luo_holds(fd, 5, 0, PAGE));
	check_true(luo_holds(fd, 1, PAGE, PAGE));
	check_eq('m', p[2 * PAGE]);
	check_eq('m', p[3 * PAGE - 1]);
	check_true(luo_is_hole(fd, 3 * PAGE, PAGE));
	test_finish(s);
}

/* Threads that wait at a hole do not hinder the kexec, and it stays a hole. */
static void touch(void *arg)
{
	luo_touch(arg);
}

static void sleep_1(void)
{
	int s = create("sleep"), fd = test_memfd(2 * PAGE);
	static struct luo_child c[4];
	char *p = luo_map(fd, 2 * PAGE);

	require_true(luo_fill(fd, 1, 0, PAGE));
	test_preserve(s, fd, 1);
	test_freeze(s);
	for (int i = 0; i < 4; i++) {
		require_true(luo_child_start(&c[i], touch, p + PAGE + i));
		require_true(luo_child_sleeps(&c[i]));
	}
}

static void sleep_2(void)
{
	int s = retrieve("sleep"), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, 1, 0, PAGE));
	check_true(luo_is_hole(fd, PAGE, PAGE));
	check_true(luo_is_zero(fd, PAGE, PAGE));
	test_finish(s);
}

static const struct scenario write_scenarios[] = {
	{ "after preserve", { later_1, later_2 } },
	{ "many after preserve", { many_1, many_2 } },
	{ "after freeze", { frozen_1, frozen_2 } },
	{ "waiting at a hole", { sleep_1, sleep_2 } },
	/* Last, so that holes are left at the kexec. */
	{ "pwrite until the kexec", { pwrite_1, pwrite_2 } },
	{ "mmap until the kexec", { mmap_1, mmap_2 } },
	{ }
};

SCENARIOS("write", write_scenarios)

/*
 * A sleeper that holds the lock of another memfd, which is preserved as well. It is frozen
 * already in the first session, and not yet in the second one: the reboot must neither
 * wait for that lock for ever nor lose anything.
 */
struct copy {
	char *from;
	int to;
};

static void copy(void *arg)
{
	struct copy *c = arg;

	if (pwrite(c->to, c->from, PAGE, 0) != PAGE)
		_exit(3);
}

static void lock_1(void)
{
	static struct luo_child child;
	static struct copy c;
	int hole = test_memfd(PAGE), frozen = create("lock hole"), s = create("lock");

	test_preserve(frozen, hole, 1);
	test_freeze(frozen);
	c.from = luo_map(hole, PAGE);
	c.to = test_memfd(PAGE);
	require_true(luo_fill(c.to, 4, 0, PAGE));
	test_preserve(s, c.to, 1);
	require_true(luo_child_start(&child, copy, &c));
	require_true(luo_child_sleeps(&child));
}

static void lock_2(void)
{
	int s = retrieve("lock"), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, 4, 0, PAGE));
	test_finish(s);
	s = retrieve("lock hole");
	check_true(luo_is_hole(test_retrieve_fd(s, 1), 0, PAGE));
	test_finish(s);
}

/*
 * A sleeper that holds the lock of a device, which the reboot wants for shutting that down.
 * Nothing will be thawed any more, so it is woken without what it waits for.
 */
static void under_device_lock(void *arg)
{
	struct copy *c = arg;
	ssize_t n = write(c->to, c->from, 1);

	if (n != -1 || errno != EFAULT)
		_exit(3);
	pause();
}

static void device_1(void)
{
	static struct luo_child child;
	static struct copy c;
	int hole = test_memfd(PAGE), s = create("device");

	test_load(DEVICE_TEST);
	test_preserve(s, hole, 1);
	test_freeze(s);
	c.from = luo_map(hole, PAGE);
	c.to = open("/sys/kernel/debug/luo_device_test/locked", O_WRONLY);
	require_ge(c.to, 0);
	require_true(luo_child_start(&child, under_device_lock, &c));
	require_true(luo_child_sleeps(&child));
}

/* A fault in user mode goes on waiting until the kexec. */
static void touch_hole(void *arg)
{
	struct copy *c = arg;

	luo_touch(c->from);
}

static void user_1(void)
{
	static struct luo_child child;
	static struct copy c;
	int hole = test_memfd(PAGE), s = create("user");

	test_preserve(s, hole, 1);
	test_freeze(s);
	c.from = luo_map(hole, PAGE);
	require_true(luo_child_start(&child, touch_hole, &c));
	require_true(luo_child_sleeps(&child));
}

static void expect_hole(const char *name)
{
	int s = retrieve(name);

	check_true(luo_is_hole(test_retrieve_fd(s, 1), 0, PAGE));
	test_finish(s);
}

static void device_2(void)
{
	expect_hole("device");
}

static void user_2(void)
{
	expect_hole("user");
}

static const struct scenario sleeper_scenarios[] = {
	{ "with the lock of a memfd", { lock_1, lock_2 } },
	{ "with the lock of a device", { device_1, device_2 } },
	{ "with no lock", { user_1, user_2 } },
	{ }
};

SCENARIOS("sleeper", sleeper_scenarios)
