// SPDX-License-Identifier: GPL-2.0
/* What only memfd-extent-v1 carries, and lists of extents that are long and grow late */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenario.h"

/* More extents than fit on three pages of the list */
#define MANY	1700
#define SEED	900

static const struct attrs {
	const char *name;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int how;
	int seals;
	off_t pos;
} attrs[] = {
	{ "nothing special", 0777, .how = O_RDWR },
	{ "mode", 0640, .how = O_RDWR },
	{ "no mode at all", 0, .how = O_RDWR },
	{ "sticky", 01755, .how = O_RDWR },
	{ "owner and group", 0600, 12, 34, O_RDWR },
	{ "the last owner", 0644, 0xfffffffe, 0xfffffffe, O_RDWR },
	{ "read only", 0777, .how = O_RDONLY },
	{ "read only, moved", 0444, 1, 1, O_RDONLY, .pos = 77 },
	{ "write only", 0777, .how = O_WRONLY },
	{ "neither to read nor to write", 0777, .how = O_ACCMODE },
	{ "read only and sealed", 0777, .how = O_RDONLY, .seals = F_SEAL_WRITE },
	{ "sealed not to be executed", 0600, .how = O_RDWR, .seals = F_SEAL_EXEC },
};

static void attrs_1(void)
{
	int s = create("attrs");

	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		const struct attrs *a = &attrs[i];
		int fd = test_memfd(PAGE + 5), narrow;

		require_true(luo_fill(fd, SEED + i, 0, PAGE + 5));
		narrow = luo_reopen(fd, a->how);
		require_ge(narrow, 0);
		require_eq(a->pos, lseek(narrow, a->pos, SEEK_SET));
		/* Some of it only after it is preserved: what counts is what is at freeze. */
		if (i % 2)
			test_preserve(s, narrow, i);
		require_eq(0, fchown(fd, a->uid, a->gid));
		require_eq(0, fchmod(fd, a->mode));
		if (a->seals)
			require_eq(0, fcntl(fd, F_ADD_SEALS, a->seals));
		if (!(i % 2))
			test_preserve(s, narrow, i);
		close(narrow);
		close(fd);
	}
}

static void check_attrs(const struct attrs *a, int fd, __u64 seed)
{
	struct stat st;
	int rw = luo_reopen(fd, O_RDWR);
	char c;

	luo_say("%s", a->name);
	require_eq(0, fstat(fd, &st));
	check_eq(a->mode, st.st_mode & 07777);
	check_eq(a->uid, st.st_uid);
	check_eq(a->gid, st.st_gid);
	check_eq(PAGE + 5, st.st_size);
	check_eq(a->how, fcntl(fd, F_GETFL) & O_ACCMODE);
	check_eq(a->seals, luo_seals(fd));
	check_eq(a->pos, lseek(fd, 0, SEEK_CUR));
	check_eq(a->how == O_RDONLY || a->how == O_RDWR ? 1 : -1, pread(fd, &c, 1, 0));
	check_eq(a->how == O_WRONLY || a->how == O_RDWR ? 0 : -1, pwrite(fd, NULL, 0, 0));
	if (!(a->seals & F_SEAL_WRITE)) {
		require_ge(rw, 0);
		check_true(luo_holds(rw, seed, 0, PAGE + 5));
	} else {
		check_true(luo_holds(fd, seed, 0, PAGE + 5));
	}
	close(rw);
}

static void attrs_2(void)
{
	int s = retrieve("attrs");

	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		int fd = test_retrieve_fd(s, i);

		check_attrs(&attrs[i], fd, SEED + i);
		close(fd);
	}
	test_finish(s);
}

/*
 * Somebody without privilege has a session, and a memfd of root's that may only be read.
 * It is no more than that after the update.
 */
#define SOMEBODY	1000

static int preserve_as_somebody(void *arg)
{
	int *fds = arg;

	return setgid(SOMEBODY) || setuid(SOMEBODY) || luo_preserve(fds[0], fds[1], 1);
}

static int expect_narrow(void *arg)
{
	int fd = luo_retrieve_fd(*(int *)arg, 1);

	if (fd < 0 || setgid(SOMEBODY) || setuid(SOMEBODY))
		return 1;
	check_true(luo_holds(fd, SEED, 0, PAGE));
	check_eq(-EACCES, luo_reopen(fd, O_RDWR));
	check_eq(-1, pwrite(fd, "x", 1, 0));
	check_eq(-1, ftruncate(fd, 0));
	check_eq(-1, fchmod(fd, 0777));
	check_eq(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	check_eq(F_SEAL_SHRINK, luo_seals(fd));
	return luo_has_failed;
}

static void narrow_1(void)
{
	int s = create("narrow"), fd = test_memfd(PAGE), fds[] = { s, luo_reopen(fd, O_RDONLY) };

	require_ge(fds[1], 0);
	require_true(luo_fill(fd, SEED, 0, PAGE));
	require_eq(0, fchmod(fd, 0444));
	require_eq(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	check_eq(0, luo_in_child(preserve_as_somebody, fds));
}

static void narrow_2(void)
{
	int s = retrieve("narrow");

	check_eq(0, luo_in_child(expect_narrow, &s));
	test_finish(s);
}

/* Two memfds that take turns: nothing of them is contiguous. */
static void many_1(void)
{
	int one = test_memfd(MANY * PAGE), two = test_memfd(MANY * PAGE), s = create("many");

	for (int i = 0; i < MANY; i++) {
		require_true(luo_fill(one, 1, i * PAGE, PAGE));
		require_true(luo_fill(two, 2, i * PAGE, PAGE));
	}
	test_preserve(s, one, 1);
	test_preserve(s, two, 2);
}

static void many_2(void)
{
	int s = retrieve("many");

	for (int i = 1; i <= 2; i++) {
		int fd = test_retrieve_fd(s, i);

		check_true(luo_holds(fd, i, 0, MANY * PAGE));
		close(fd);
	}
	test_finish(s);
}

/* Pages here and there from the end to the begin, after it was preserved */
static void late_1(void)
{
	int fd = test_memfd(2 * MANY * PAGE), s = create("late");

	require_true(luo_fill(fd, 3, MANY * PAGE, PAGE));
	test_preserve(s, fd, 1);
	for (int i = 2 * MANY - 2; i >= 0; i -= 3)
		require_true(luo_fill(fd, 3, i * PAGE, PAGE));
	test_freeze(s);
	test_thaw(s);
	for (int i = 1; i < MANY; i += 3)
		require_true(luo_fill(fd, 3, i * PAGE, PAGE));
}

static void late_2(void)
{
	int s = retrieve("late"), fd = test_retrieve_fd(s, 1);

	for (int i = 0; i < 2 * MANY; i++) {
		bool late = (2 * MANY - 2 - i) % 3 == 0;

		if (i == MANY || (i <= 2 * MANY - 2 && late) || (i < MANY && i % 3 == 1))
			check_true(luo_holds(fd, 3, i * PAGE, PAGE));
		else
			check_true(luo_is_hole(fd, i * PAGE, PAGE));
	}
	test_finish(s);
}

/*
 * So large that it is preserved in blocks, as far as the kernel gives memory in order. Given
 * up and preserved again, once with the first and the last page of it being others.
 */
#define LONG_PAGES	(72LL * 256)

static void long_1(void)
{
	int fd = test_memfd(LONG_PAGES * PAGE), s = create("long");

	require_true(luo_fill(fd, 4, PAGE, (LONG_PAGES - 2) * PAGE));
	test_preserve(s, fd, 1);
	close(s);
	require_true(luo_fill(fd, 4, 0, PAGE));
	require_true(luo_fill(fd, 4, (LONG_PAGES - 1) * PAGE, PAGE));
	s = create("long");
	test_preserve(s, fd, 1);
}

static void long_2(void)
{
	int s = retrieve("long"), fd = test_retrieve_fd(s, 1);
	long long before;

	check_true(luo_holds(fd, 4, 0, LONG_PAGES * PAGE));
	test_finish(s);
	close(s);
	before = luo_free_memory();
	close(fd);
	for (int i = 0; i < 50 && luo_free_memory() - before < LONG_PAGES * PAGE * 9 / 10; i++)
		usleep(100000);
	check_ge(luo_free_memory() - before, LONG_PAGES * PAGE * 9 / 10);
}

/* Nobody retrieves them: FINISH gives everything back. */
static void dropped_1(void)
{
	many_1();
}

static void dropped_2(void)
{
	long long before = luo_free_memory();
	int s = retrieve("many");

	test_finish(s);
	close(s);
	/* Other memory comes and goes: it is both of them, or one is missing. */
	check_ge(luo_free_memory() - before, MANY * PAGE * 3 / 2);
}

static const struct scenario extent_scenarios[] = {
	{ "attrs", { attrs_1, attrs_2 } },
	{ "no more than before", { narrow_1, narrow_2 } },
	{ "many", { many_1, many_2 } },
	{ "late", { late_1, late_2 } },
	{ "long", { long_1, long_2 } },
	{ }
};

SCENARIOS("extent", extent_scenarios)

static const struct scenario extent_dropped_scenarios[] = {
	{ "dropped", { dropped_1, dropped_2 } },
	{ }
};

SCENARIOS("extent-dropped", extent_dropped_scenarios)
