// SPDX-License-Identifier: GPL-2.0
/* Getting files back: tokens, order, several descriptors, replies that cannot be given. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "scenario.h"

#define NR_TOKENS	7

static const __u64 tokens[NR_TOKENS] = {
	0, ~0ULL, 1, 1ULL << 63, 0xffffffffULL, 1ULL << 32, 42,
};

static void preserve_all(const char *name)
{
	int s = create(name);

	for (int i = 0; i < NR_TOKENS; i++) {
		int fd = test_memfd(PAGE);

		require_true(luo_fill(fd, 50 + i, 0, PAGE));
		test_preserve(s, fd, tokens[i]);
		close(fd);
	}
}

static int check(int session, int i)
{
	int fd = test_retrieve_fd(session, tokens[i]);

	check_true(luo_holds(fd, 50 + i, 0, PAGE));
	return fd;
}

static void order_1(void)
{
	preserve_all("order");
}

static void order_2(void)
{
	static const int order[] = { 3, 1, 6, 0, 5, 2, 4 };
	int s = retrieve("order");

	test_err_retrieve_fd(ENOENT, s, 7);
	for (int i = 0; i < NR_TOKENS; i++)
		check(s, order[i]);
	test_err_retrieve_fd(ENOENT, s, 7);
	test_err_retrieve_fd(ENOENT, s, ~0ULL - 1);
	test_finish(s);
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

static void again_1(void)
{
	preserve_all("again");
}

/* Another descriptor of the same open file: position and all are shared. */
static void again_2(void)
{
	int s = retrieve("again"), a = check(s, 0), b = check(s, 0), c;
	char byte = 0;

	check_ne(a, b);
	check_true(same_file(a, b));
	check_eq(FD_CLOEXEC, fcntl(a, F_GETFD));
	check_eq(FD_CLOEXEC, fcntl(b, F_GETFD));
	check_eq(100, lseek(a, 100, SEEK_SET));
	check_eq(100, lseek(b, 0, SEEK_CUR));
	check_eq(1, pwrite(a, "x", 1, 0));
	close(a);
	close(b);
	/* With no descriptor left the session still has it. */
	c = test_retrieve_fd(s, tokens[0]);
	check_eq(1, pread(c, &byte, 1, 0));
	check_eq('x', byte);
	check_false(same_file(c, check(s, 1)));
	check_eq(FD_CLOEXEC, fcntl(s, F_GETFD));
	test_finish(s);
}

/* Until FINISH it is busy for other sessions, through each open file of it. */
static void busy_1(void)
{
	preserve_all("busy");
}

static void busy_2(void)
{
	int s = retrieve("busy"), next = create("busy next"), fd = check(s, 0);
	int again = luo_reopen(fd, O_RDWR);

	require_ge(again, 0);
	check_true(same_file(fd, again));
	test_err_preserve(EBUSY, next, fd, 1);
	test_err_preserve(EBUSY, next, again, 1);
	test_finish(s);
	test_preserve(next, again, 1);
	test_err_preserve(EBUSY, next, fd, 2);
}

/* Replies that cannot be copied out leave everything as it was. */
static void *read_only_copy(const void *arg, size_t size)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	memcpy(p, arg, size);
	mprotect(p, PAGE, PROT_READ);
	return p;
}

static void efault_1(void)
{
	preserve_all("efault");
}

static int retrieve_read_only(int dev)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg), .name = "efault" };

	return luo_ioctl(dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, read_only_copy(&arg, sizeof(arg)));
}

static void efault_2(void)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = tokens[2] };
	void *ro = read_only_copy(&arg, sizeof(arg));
	int fds = luo_count_fds(), s;

	for (int i = 0; i < 3; i++)
		check_eq(-EFAULT, with_device(retrieve_read_only(dev)));
	check_eq(fds, luo_count_fds());
	s = retrieve("efault");
	for (int i = 0; i < 3; i++)
		check_eq(-EFAULT, luo_ioctl(s, LIVEUPDATE_SESSION_RETRIEVE_FD, ro));
	check_eq(fds + 1, luo_count_fds());
	for (int i = 0; i < NR_TOKENS; i++)
		check(s, i);
	check_eq(-EFAULT, luo_ioctl(s, LIVEUPDATE_SESSION_RETRIEVE_FD, ro));
	check(s, 2);
	test_finish(s);
}

/* Without flags the argument ends with the name; what follows it is nobody's business. */
static void short_1(void)
{
	preserve_all("short");
}

static void short_2(void)
{
	const size_t size = offsetof(struct liveupdate_ioctl_retrieve_session, flags);
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct liveupdate_ioctl_retrieve_session *arg = (void *)(p + PAGE - size);

	require_ne(MAP_FAILED, p);
	require_eq(0, mprotect(p + PAGE, PAGE, PROT_NONE));
	arg->size = size;
	arg->fd = -1;
	memcpy(arg->name, "short", sizeof("short"));
	test_ok_("retrieve", with_device(luo_ioctl(dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, arg)));
	for (int i = 0; i < NR_TOKENS; i++)
		check(arg->fd, i);
	test_finish(arg->fd);
}

/* No room for another descriptor: nothing is used up by that. */
static void limit_1(void)
{
	preserve_all("limit");
}

static void limit_2(void)
{
	struct rlimit all, none;
	int dev, s, ret;

	require_eq(0, getrlimit(RLIMIT_NOFILE, &all));
	dev = test_open();
	none = all;
	none.rlim_cur = dev + 1;
	require_eq(0, setrlimit(RLIMIT_NOFILE, &none));
	ret = luo_retrieve(dev, "limit", 0);
	setrlimit(RLIMIT_NOFILE, &all);
	check_eq(-EMFILE, ret);
	s = test_retrieve(dev, "limit");
	none.rlim_cur = s + 1;
	require_eq(0, setrlimit(RLIMIT_NOFILE, &none));
	ret = luo_retrieve_fd(s, 0);
	setrlimit(RLIMIT_NOFILE, &all);
	check_eq(-EMFILE, ret);
	for (int i = 0; i < NR_TOKENS; i++)
		check(s, i);
	close(dev);
	test_finish(s);
}

/*
 * The whole system has as many files open as it may, which counts for somebody without
 * privilege: the file can be retrieved when there are less.
 */
#define FILE_MAX	"/proc/sys/fs/file-max"

static void file_limit_1(void)
{
	preserve_all("file limit");
}

static int retrieve_as_nobody(void *arg)
{
	if (setgid(65534) || setuid(65534))
		return 1;
	test_err_retrieve_fd(ENOMEM, *(int *)arg, 0);
	return luo_has_failed;
}

static void file_limit_2(void)
{
	int s = retrieve("file limit"), fd = open(FILE_MAX, O_RDONLY | O_CLOEXEC), failed;
	char before[32] = "";

	require_ge(read(fd, before, sizeof(before) - 1), 1);
	close(fd);
	require_true(luo_write_text(FILE_MAX, "0"));
	failed = luo_in_child(retrieve_as_nobody, &s);
	require_true(luo_write_text(FILE_MAX, before));
	check_eq(0, failed);
	for (int i = 0; i < NR_TOKENS; i++)
		check(s, i);
	test_finish(s);
}

/* Calls that are refused by their form */
static void malformed_1(void)
{
	preserve_all("malformed");
}

static void malformed_2(void)
{
	struct { struct liveupdate_session_retrieve_fd a; __u64 more; } fd = {
		.a = { .size = sizeof(fd), .token = 1 }, .more = 1 };
	struct { struct liveupdate_session_finish a; __u64 more; } fin = {
		.a = { .size = sizeof(fin) }, .more = 1 };
	int s = retrieve("malformed");

	check_eq(-E2BIG, luo_ioctl(s, LIVEUPDATE_SESSION_RETRIEVE_FD, &fd));
	fd.a.size = 8;
	check_eq(-EINVAL, luo_ioctl(s, LIVEUPDATE_SESSION_RETRIEVE_FD, &fd));
	check_eq(-E2BIG, luo_ioctl(s, LIVEUPDATE_SESSION_FINISH, &fin));
	fin.a.size = sizeof(fin.a);
	fin.a.reserved = 1;
	check_eq(-EOPNOTSUPP, luo_ioctl(s, LIVEUPDATE_SESSION_FINISH, &fin));
	check_eq(-EFAULT, luo_ioctl(s, LIVEUPDATE_SESSION_FINISH, NULL));
	check_eq(-ENOTTY, luo_ioctl(s, _IO(LIVEUPDATE_IOCTL_TYPE, 0x44), &fin));
	for (int i = 0; i < NR_TOKENS; i++)
		check(s, i);
	test_finish(s);
}

/* Eight threads want every token at once: all get the same files. */
#define THREADS	8

static int racers_session;
static int got[THREADS][NR_TOKENS];

static void *race(void *arg)
{
	int *mine = arg;

	for (int i = 0; i < NR_TOKENS; i++)
		mine[i] = luo_retrieve_fd(racers_session, tokens[i]);
	return NULL;
}

static void race_1(void)
{
	preserve_all("race");
}

static void race_2(void)
{
	pthread_t thread[THREADS];

	racers_session = retrieve("race");
	for (int t = 0; t < THREADS; t++)
		require_eq(0, pthread_create(&thread[t], NULL, race, got[t]));
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < NR_TOKENS; i++) {
			require_ge(got[t][i], 0);
			check_true(same_file(got[t][i], got[0][i]));
			check_true(luo_holds(got[t][i], 50 + i, 0, PAGE));
		}
	}
	test_finish(racers_session);
}

static const struct scenario fd_scenarios[] = {
	{ "any order", { order_1, order_2 } },
	{ "again", { again_1, again_2 } },
	{ "busy until finish", { busy_1, busy_2 } },
	{ "short argument", { short_1, short_2 } },
	{ "no reply", { efault_1, efault_2 } },
	{ "no descriptors", { limit_1, limit_2 } },
	{ "too many files", { file_limit_1, file_limit_2 } },
	{ "malformed", { malformed_1, malformed_2 } },
	{ "race", { race_1, race_2 } },
	{ }
};

SCENARIOS("fd", fd_scenarios)
