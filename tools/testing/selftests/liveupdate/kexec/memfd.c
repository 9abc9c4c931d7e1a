// SPDX-License-Identifier: GPL-2.0
/* memfds of every shape, and what must be left of them in the next kernel: everything. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "scenario.h"

#define KIB	1024L
#define MIB	(1024 * KIB)

struct data {
	off_t from;
	size_t len;
};

struct shape {
	const char *name;
	off_t size;
	struct data data[3];		/* what is filled, the rest is holes */
	off_t pos;
	int seals;
	unsigned int flags;
};

static const struct shape shapes[] = {
	{ "empty" },
	{ "one byte", 1, { { 0, 1 } } },
	{ "one page", PAGE, { { 0, PAGE } } },
	{ "a page and a byte", PAGE + 1, { { 0, PAGE + 1 } } },
	{ "a page less a byte", PAGE - 1, { { 0, PAGE - 1 } } },
	{ "64 MiB", 64 * MIB, { { 0, 64 * MIB } } },
	{ "odd size", 3 * MIB + 12345, { { 0, 3 * MIB + 12345 } } },
	{ "one hole", MIB },
	{ "hole first", MIB, { { 512 * KIB, 512 * KIB } } },
	{ "hole last", MIB, { { 0, 512 * KIB } } },
	{ "islands", 16 * MIB,
	  { { 3 * PAGE, PAGE }, { 5 * MIB, 100 * KIB }, { 16 * MIB - PAGE, PAGE } } },
	{ "half a page at the end", 8 * PAGE + 100, { { 8 * PAGE, 100 } } },
	{ "position", MIB, { { 0, MIB } }, .pos = 12345 },
	{ "position at the end", PAGE, { { 0, PAGE } }, .pos = PAGE },
	{ "position past the end", PAGE, { { 0, PAGE } }, .pos = 5 * MIB + 1 },
	{ "sealed against sealing", PAGE, { { 0, PAGE } }, .seals = F_SEAL_SEAL },
	{ "sealed against shrinking", PAGE, { { 0, PAGE } }, .seals = F_SEAL_SHRINK },
	{ "sealed against growing", PAGE, { { 0, PAGE } }, .seals = F_SEAL_GROW },
	{ "sealed against writing", MIB, { { 0, MIB } }, .seals = F_SEAL_WRITE },
	{ "sealed with a hole", MIB, { { PAGE, PAGE } }, .seals = F_SEAL_WRITE | F_SEAL_SHRINK },
	{ "sealed against future writing", PAGE, { { 0, PAGE } }, .seals = F_SEAL_FUTURE_WRITE },
	{ "all seals", PAGE, { { 0, PAGE } },
	  .seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE },
	{ "executable and sealed so", PAGE, { { 0, PAGE } }, .seals = F_SEAL_EXEC },
};

/* What the stock kernel cannot take, or does not bring back as it was */
static const struct shape more_shapes[] = {
	{ "far out", 1024 * 1024 * MIB, { { 0, PAGE }, { 512 * 1024 * MIB, PAGE } } },
	{ "not executable and sealed so", PAGE, { { 0, PAGE } }, .flags = MFD_NOEXEC_SEAL },
	{ "not executable, sealed more", PAGE, { { 0, PAGE } }, .flags = MFD_NOEXEC_SEAL,
	  .seals = F_SEAL_SHRINK },
};

static int make(const struct shape *s, __u64 seed)
{
	int fd = test_fd_("memfd", luo_memfd(s->name, MFD_ALLOW_SEALING | s->flags, s->size));

	for (int i = 0; i < 3; i++)
		require_true(luo_fill(fd, seed, s->data[i].from, s->data[i].len));
	if (s->seals)
		require_eq(0, fcntl(fd, F_ADD_SEALS, s->seals));
	require_eq(s->pos, lseek(fd, s->pos, SEEK_SET));
	return fd;
}

/* The kernel adds write seals when an executable memfd gets F_SEAL_EXEC. */
static int expected_seals(const struct shape *s)
{
	int seals = s->seals;

	if (s->flags & MFD_NOEXEC_SEAL)
		return seals | F_SEAL_EXEC;
	if (seals & F_SEAL_EXEC)
		seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	return seals;
}

/*
 * Between what is filled: zeroes, and no pages, unless luo_holes=filled says that one of
 * the kernels puts some there. @from is where the last data ended.
 */
static void check_gap(int fd, off_t from, off_t to)
{
	off_t start = (from + PAGE - 1) / PAGE * PAGE, end = to / PAGE * PAGE;

	if (to - from <= 64 * MIB)
		check_true(luo_is_zero(fd, from, to - from));
	if (end > start && !getenv("luo_holes"))
		check_true(luo_is_hole(fd, start, end - start));
}

static void check_contents(int fd, const struct shape *s, __u64 seed)
{
	off_t at = 0;

	for (int i = 0; i < 3 && s->data[i].len; i++) {
		check_gap(fd, at, s->data[i].from);
		check_true(luo_holds(fd, seed, s->data[i].from, s->data[i].len));
		at = s->data[i].from + s->data[i].len;
	}
	check_gap(fd, at, s->size);
}

/* Writing where a seal forbids it fails, and works where none does. */
static void check_writable(int fd, const struct shape *s)
{
	int forbidden = expected_seals(s) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE);
	char byte;

	if (!s->data[0].len)
		return;
	require_eq(1, pread(fd, &byte, 1, s->data[0].from));
	check_eq(forbidden ? -1 : 1, pwrite(fd, &byte, 1, s->data[0].from));
}

static void check_shape(int fd, const struct shape *s, __u64 seed)
{
	luo_say("%s", s->name);
	check_eq(s->size, luo_size(fd));
	check_eq(s->pos, lseek(fd, 0, SEEK_CUR));
	check_eq(expected_seals(s), luo_seals(fd));
	check_eq(s->flags & MFD_NOEXEC_SEAL ? 0666 : 0777, luo_mode(fd));
	check_contents(fd, s, seed);
	check_writable(fd, s);
}

static void preserve_shapes(const char *name, const struct shape *shape, size_t n)
{
	int s = create(name);

	for (size_t i = 0; i < n; i++) {
		int fd = make(&shape[i], 100 + i);

		check_shape(fd, &shape[i], 100 + i);
		test_preserve(s, fd, i);
		close(fd);
	}
}

static void retrieve_shapes(const char *name, const struct shape *shape, size_t n)
{
	int s = retrieve(name);

	for (size_t i = 0; i < n; i++) {
		int fd = test_retrieve_fd(s, i);

		check_shape(fd, &shape[i], 100 + i);
		close(fd);
	}
	test_finish(s);
}

static void shapes_1(void)
{
	preserve_shapes("shapes", shapes, ARRAY_SIZE(shapes));
}

static void shapes_2(void)
{
	retrieve_shapes("shapes", shapes, ARRAY_SIZE(shapes));
}

static void more_shapes_1(void)
{
	preserve_shapes("more shapes", more_shapes, ARRAY_SIZE(more_shapes));
}

static void more_shapes_2(void)
{
	retrieve_shapes("more shapes", more_shapes, ARRAY_SIZE(more_shapes));
}

/* After FINISH they are memfds like any other. */
static void free_1(void)
{
	int s = create("free"), fd = test_memfd(4 * PAGE);

	require_true(luo_fill(fd, 7, 0, 2 * PAGE));
	test_preserve(s, fd, 1);
}

static void free_2(void)
{
	int s = retrieve("free"), fd = test_retrieve_fd(s, 1);

	test_finish(s);
	close(s);
	check_true(luo_holds(fd, 7, 0, 2 * PAGE));
	check_eq(0, ftruncate(fd, 100 * PAGE));
	check_true(luo_fill(fd, 8, 2 * PAGE, 98 * PAGE));
	check_true(luo_holds(fd, 7, 0, 2 * PAGE));
	check_true(luo_holds(fd, 8, 2 * PAGE, 98 * PAGE));
	check_eq(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	check_true(luo_is_zero(fd, 0, PAGE));
	check_eq(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	check_eq(-1, ftruncate(fd, 0));
}

/* Other open files of it, as programs want them */
static void reopen_1(void)
{
	int s = create("reopen"), fd = test_memfd(2 * PAGE);

	require_true(luo_fill(fd, 9, 0, 2 * PAGE));
	test_preserve(s, fd, 1);
}

static void reopen_2(void)
{
	int s = retrieve("reopen"), fd = test_retrieve_fd(s, 1);
	int rw = luo_reopen(fd, O_RDWR), ro = luo_reopen(fd, O_RDONLY);
	char *p = luo_map(fd, 2 * PAGE);

	require_ge(rw, 0);
	require_ge(ro, 0);
	require_ne(NULL, p);
	check_true(luo_holds(ro, 9, 0, 2 * PAGE));
	check_eq(1, pwrite(rw, "x", 1, PAGE));
	check_eq('x', p[PAGE]);
	p[0] = 'y';
	check_eq(1, pread(ro, p + PAGE + 1, 1, 0));
	check_eq('y', p[PAGE + 1]);
	test_finish(s);
}

/* Open for reading only, and sealed so that memfd-v2 can say it */
static void read_only_1(void)
{
	int s = create("read-only"), fd = test_memfd(PAGE), ro;

	require_true(luo_fill(fd, 10, 0, PAGE));
	require_eq(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	ro = luo_reopen(fd, O_RDONLY);
	require_ge(ro, 0);
	test_preserve(s, ro, 1);
}

static void read_only_2(void)
{
	int s = retrieve("read-only"), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, 10, 0, PAGE));
	check_eq(F_SEAL_WRITE, luo_seals(fd));
	check_eq(-1, pwrite(fd, "x", 1, 0));
	test_finish(s);
}

/* Pages that exist and were never written hold zeroes, whatever was in that memory before. */
static void unwritten_1(void)
{
	int s = create("unwritten"), fd = test_memfd(4 * MIB);

	require_eq(0, fallocate(fd, 0, 0, 2 * MIB));
	test_preserve(s, fd, 1);
	fd = test_memfd(2 * MIB);
	require_eq(0, fallocate(fd, 0, 0, MIB));
	require_eq(4, pwrite(fd, "some", 4, 10 * PAGE + 100));
	test_preserve(s, fd, 2);
}

static void unwritten_2(void)
{
	int s = retrieve("unwritten"), fd = test_retrieve_fd(s, 1);
	char buf[4];

	check_true(luo_is_zero(fd, 0, 4 * MIB));
	fd = test_retrieve_fd(s, 2);
	check_true(luo_is_zero(fd, 0, 10 * PAGE + 100));
	check_eq(4, pread(fd, buf, 4, 10 * PAGE + 100));
	check_eq(0, memcmp(buf, "some", 4));
	check_true(luo_is_zero(fd, 10 * PAGE + 104, 2 * MIB - 10 * PAGE - 104));
	test_finish(s);
}

/* Huge pages, whole and in part */
#define THP	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static bool want_huge_pages(void)
{
	int fd = open(THP, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, "force", 5) == 5;

	close(fd);
	return ok;
}

static void huge_1(void)
{
	int s = create("huge"), fd;

	if (!want_huge_pages())
		luo_skip("no huge pages for shmem");
	fd = test_memfd(9 * MIB + 5);
	require_true(luo_fill(fd, 11, 0, 8 * MIB));
	require_true(luo_fill(fd, 11, 9 * MIB, 5));
	test_preserve(s, fd, 1);
	fd = test_memfd(4 * MIB);
	require_true(luo_fill(fd, 12, 2 * MIB, 2 * MIB));
	require_eq(0, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * MIB, 64 * KIB));
	test_preserve(s, fd, 2);
}

static void huge_2(void)
{
	int s, fd;

	if (!want_huge_pages())
		luo_skip("no huge pages for shmem");
	s = retrieve("huge");
	fd = test_retrieve_fd(s, 1);
	check_true(luo_holds(fd, 11, 0, 8 * MIB));
	check_true(luo_is_zero(fd, 8 * MIB, MIB));
	check_true(luo_holds(fd, 11, 9 * MIB, 5));
	check_eq(9 * MIB + 5, luo_size(fd));
	fd = test_retrieve_fd(s, 2);
	check_true(luo_is_zero(fd, 0, 2 * MIB));
	check_true(luo_holds(fd, 12, 2 * MIB, MIB));
	check_true(luo_is_zero(fd, 3 * MIB, 64 * KIB));
	check_true(luo_holds(fd, 12, 3 * MIB + 64 * KIB, MIB - 64 * KIB));
	test_finish(s);
}

/* Its memory is free again once nobody has it, whether it was retrieved or given up. */
#define BIG	(64 * MIB)
#define MOST	(60 * MIB)

static void preserve_big(const char *name)
{
	int s = create(name), fd = test_memfd(BIG);

	require_true(luo_fill(fd, 13, 0, BIG));
	test_preserve(s, fd, 1);
}

static void given_up_1(void)
{
	preserve_big("given up");
}

static void given_up_2(void)
{
	int s = retrieve("given up");
	long long before = luo_free_memory();

	test_finish(s);
	check_ge(luo_free_memory() - before, MOST);
}

static void closed_1(void)
{
	preserve_big("closed");
}

static void closed_2(void)
{
	long long before = luo_free_memory();
	int s = retrieve("closed"), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, 13, 0, BIG));
	close(fd);
	/* The session has it still. */
	check_ge(before + BIG - MOST, luo_free_memory());
	test_finish(s);
	check_ge(luo_free_memory() - before, MOST);
}

static const struct scenario memfd_scenarios[] = {
	{ "shapes", { shapes_1, shapes_2 } },
	{ "more shapes", { more_shapes_1, more_shapes_2 } },
	{ "free afterwards", { free_1, free_2 } },
	{ "reopen", { reopen_1, reopen_2 } },
	{ "read only", { read_only_1, read_only_2 } },
	{ "unwritten pages", { unwritten_1, unwritten_2 } },
	{ "huge pages", { huge_1, huge_2 } },
	{ "memory given up", { given_up_1, given_up_2 } },
	{ "memory closed", { closed_1, closed_2 } },
	{ }
};

SCENARIOS("memfd", memfd_scenarios)

/* What any two kernels of the same format can do, the stock one included */
static const struct scenario memfd_interop_scenarios[] = {
	{ "shapes", { shapes_1, shapes_2 } },
	{ "free afterwards", { free_1, free_2 } },
	{ "reopen", { reopen_1, reopen_2 } },
	{ "read only", { read_only_1, read_only_2 } },
	{ "unwritten pages", { unwritten_1, unwritten_2 } },
	{ "huge pages", { huge_1, huge_2 } },
	{ }
};

SCENARIOS("memfd-interop", memfd_interop_scenarios)
