// SPDX-License-Identifier: GPL-2.0
/* Sessions in the next kernel and in the one after it: names, FINISH, close, KEEP. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "scenario.h"

/* A session with as many one-page memfds as wanted, tokens from 0, each with its own seed */
static int make(const char *name, int files, __u64 seed)
{
	int s = create(name);

	for (int i = 0; i < files; i++) {
		int fd = test_memfd(PAGE);

		require_true(luo_fill(fd, seed + i, 0, PAGE));
		test_preserve(s, fd, i);
		close(fd);
	}
	return s;
}

static int check_file(int session, __u64 token, __u64 seed)
{
	int fd = test_retrieve_fd(session, token);

	check_eq(PAGE, luo_size(fd));
	check_true(luo_holds(fd, seed + token, 0, PAGE));
	return fd;
}

#define SESSIONS	100
#define FILES		3

static const char *name_of(int i)
{
	static char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "many-%d", i);
	return name;
}

static void many_1(void)
{
	for (int i = 0; i < SESSIONS; i++)
		make(name_of(i), i % (FILES + 1), i * 10);
}

static void many_2(void)
{
	for (int i = SESSIONS - 1; i >= 0; i--) {
		int s = retrieve(name_of(i));

		for (int f = i % (FILES + 1) - 1; f >= 0; f--)
			close(check_file(s, f, i * 10));
		test_finish(s);
		close(s);
	}
}

/* FINISH makes an outgoing session of it: the same descriptor serves the next update. */
static void reuse_1(void)
{
	make("reuse", 2, 1000);
}

static void reuse_2(void)
{
	int s = retrieve("reuse"), fd = check_file(s, 0, 1000), more = test_memfd(PAGE);

	check_file(s, 1, 1000);
	test_finish(s);
	require_true(luo_fill(more, 2001, 0, PAGE));
	require_true(luo_fill(fd, 2000, 0, PAGE));
	test_preserve(s, fd, 0);
	test_preserve(s, more, 1);
	check_true(luo_is_preserved(fd));
	/* Now it holds its name again. */
	check_eq(-EEXIST, with_device(luo_create(dev, "reuse")));
	test_err_finish(EINVAL, s);
}

static void reuse_3(void)
{
	int s = retrieve("reuse");

	check_file(s, 1, 2000);
	check_file(s, 0, 2000);
	test_finish(s);
}

/*
 * Finished and empty, a session holds no name; while another has that, the old descriptor is
 * stale. A session whose descriptor could not be delivered has never been there.
 */
static void stale_1(void)
{
	make("stale", 1, 3000);
	make("stale too", 1, 3000);
	make("undelivered", 1, 3000);
}

static void expect_stale(int s, const char *name)
{
	char got[LIVEUPDATE_SESSION_NAME_LENGTH];

	test_get_name(s, got);
	check_eq(0, strcmp(got, name));
	test_err_preserve(EINVAL, s, test_memfd(PAGE), 1);
	test_err_retrieve_fd(EINVAL, s, 0);
	test_err_finish(EINVAL, s);
	test_err_freeze(EINVAL, s);
	test_err_thaw(EINVAL, s);
}

static void stale_2(void)
{
	int s = retrieve("stale"), other;

	test_finish(s);
	other = create("stale");
	expect_stale(s, "stale");
	close(other);
	test_preserve(s, test_memfd(PAGE), 1);
	check_eq(-EEXIST, with_device(luo_create(dev, "stale")));

	/* The other way round: the name is taken when FINISH comes. */
	other = create("stale too");
	s = retrieve("stale too");
	test_finish(s);
	expect_stale(s, "stale too");
	close(s);
	check_eq(-EEXIST, with_device(luo_create(dev, "stale too")));
}

/* The same name again, while no descriptor is to be had */
static int create_without_fd(const char *name)
{
	struct rlimit old, none = { 0 };
	int dev = test_open(), ret;

	require_eq(0, getrlimit(RLIMIT_NOFILE, &old));
	none.rlim_max = old.rlim_max;
	require_eq(0, setrlimit(RLIMIT_NOFILE, &none));
	ret = luo_create(dev, name);
	require_eq(0, setrlimit(RLIMIT_NOFILE, &old));
	close(dev);
	return ret;
}

/* The kernel can read the argument, but not write to it. */
static int create_without_reply(const char *name)
{
	struct liveupdate_ioctl_create_session *args;
	int dev = test_open(), ret;

	args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require_ne(MAP_FAILED, args);
	args->size = sizeof(*args);
	strcpy((char *)args->name, name);
	require_eq(0, mprotect(args, PAGE, PROT_READ));
	ret = ioctl(dev, LIVEUPDATE_IOCTL_CREATE_SESSION, args) < 0 ? -errno : 0;
	munmap(args, PAGE);
	close(dev);
	return ret;
}

static void undelivered_2(void)
{
	int s = retrieve("undelivered"), fd = check_file(s, 0, 3000);

	test_finish(s);
	check_eq(-EMFILE, create_without_fd("undelivered"));
	check_eq(-EFAULT, create_without_reply("undelivered"));
	test_preserve(s, fd, 0);
	test_freeze(s);
}

static void undelivered_3(void)
{
	int s = retrieve("undelivered");

	check_file(s, 0, 3000);
	test_finish(s);
}

/* A finished empty session is not handed over, whether its descriptor is open or not. */
static void unused_1(void)
{
	make("unused", 1, 3500);
}

static void unused_2(void)
{
	test_finish(retrieve("unused"));
}

static void unused_3(void)
{
	expect_not_handed_over("unused");
}

static void partial_1(void)
{
	make("partial", 3, 4000);
}

static void partial_2(void)
{
	int s = retrieve("partial"), fd = check_file(s, 1, 4000);

	test_finish(s);
	test_err_retrieve_fd(EINVAL, s, 0);
	test_err_finish(EINVAL, s);
	check_true(luo_holds(fd, 4001, 0, PAGE));
	close(s);
	expect_gone("partial");
	check_true(luo_holds(fd, 4001, 0, PAGE));
}

static void close_1(void)
{
	make("close", 2, 5000);
}

static void close_2(void)
{
	int s = retrieve("close"), fd = check_file(s, 0, 5000), other;

	close(s);
	expect_gone("close");
	check_true(luo_holds(fd, 5000, 0, PAGE));
	/* It is finished: another session can have the file. */
	other = create("close");
	test_preserve(other, fd, 1);
}

static void close_3(void)
{
	int s = retrieve("close"), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, 5000, 0, PAGE));
	test_finish(s);
}

/* With KEEP, close parks the session. */
static void keep_1(void)
{
	make("keep", 3, 6000);
}

static void keep_2(void)
{
	int s = with_device(test_retrieve_keep(dev, "keep"));
	int fd = check_file(s, 0, 6000);

	require_true(luo_fill(fd, 6500, 0, PAGE));
	close(fd);
	close(s);
	s = with_device(test_retrieve_keep(dev, "keep"));
	check_file(s, 1, 6000);
	close(s);

	/* KEEP is a property of each retrieval. */
	s = retrieve("keep");
	fd = test_retrieve_fd(s, 0);
	check_true(luo_holds(fd, 6500, 0, PAGE));
	check_file(s, 1, 6000);
	check_file(s, 2, 6000);
	close(s);
	expect_gone("keep");
}

static int crash(void *arg)
{
	int s = with_device(test_retrieve_keep(dev, "crash"));

	check_file(s, 0, 7000);
	raise(SIGKILL);
	return s;
}

static void crash_1(void)
{
	make("crash", 2, 7000);
}

static void crash_2(void)
{
	int s;

	for (int i = 0; i < 3; i++)
		check_eq(-1, luo_in_child(crash, NULL));
	s = with_device(test_retrieve_keep(dev, "crash"));
	check_file(s, 0, 7000);
	check_file(s, 1, 7000);
	test_finish(s);
	close(s);
	expect_gone("crash");
}

/* Incoming and outgoing names do not meet. */
static void names_1(void)
{
	make("both", 1, 8000);
	make("nearly", 0, 0);
}

static void names_2(void)
{
	int out = create("both"), in;

	test_preserve(out, test_memfd(PAGE), 1);
	in = retrieve("both");
	check_eq(-EINVAL, with_device(luo_retrieve(dev, "both", 0)));
	check_eq(-EEXIST, with_device(luo_create(dev, "both")));
	check_file(in, 0, 8000);
	test_err_retrieve_fd(EINVAL, out, 0);
	expect_not_handed_over("nearl");
	expect_not_handed_over("nearly!");
	expect_not_handed_over("nobody");
	test_finish(retrieve("nearly"));
	test_finish(in);
}

/* What fits an outgoing session does not fit one that was retrieved. */
static void wrong_1(void)
{
	make("wrong", 2, 9000);
}

static void wrong_2(void)
{
	int s = retrieve("wrong"), fd = check_file(s, 0, 9000), other = create("other");
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	test_err_preserve(EINVAL, s, test_memfd(PAGE), 5);
	test_err_freeze(EINVAL, s);
	test_err_thaw(EINVAL, s);
	test_get_name(s, name);
	check_eq(0, strcmp(name, "wrong"));
	/* Retrieved and not finished: still the old session's */
	test_err_preserve(EBUSY, other, fd, 1);
	check_eq(1, pwrite(fd, "x", 1, 0));
	test_finish(s);
	test_preserve(other, fd, 1);
	test_err_preserve(EBUSY, s, fd, 1);
}

/*
 * It is not retrieved: it stays, and is not carried on to the third kernel. The kernel's log has
 * to say so in one line each.
 */
static void unwanted_1(void)
{
	make("unwanted", 3, 10000);
	make("half-done", 3, 10000);
}

static void unwanted_2(void)
{
	check_file(retrieve("half-done"), 0, 10000);
}

static void unwanted_3(void)
{
	expect_not_handed_over("unwanted");
	expect_not_handed_over("half-done");
}

/* FREEZE comes over as what the reboot freezes does; thawed again, too. */
static void frozen_1(void)
{
	int s = make("thawed", 3, 11000);

	test_freeze(make("frozen", 3, 11000));
	test_freeze(make("frozen, empty", 0, 0));
	test_freeze(s);
	test_thaw(s);
}

static void frozen_2(void)
{
	int s = retrieve("frozen");

	for (int i = 0; i < 3; i++)
		check_file(s, i, 11000);
	test_err_thaw(EINVAL, s);
	test_finish(s);
	test_finish(retrieve("frozen, empty"));
	s = retrieve("thawed");
	check_file(s, 2, 11000);
	test_finish(s);
}

/* The longest name, and bytes that are no text */
static void long_name(char *name)
{
	memset(name, 0xfe, LUO_NAME_MAX);
	name[LUO_NAME_MAX] = 0;
}

static void name_1(void)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	long_name(name);
	make(name, 1, 12000);
}

static void name_2(void)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH], got[LIVEUPDATE_SESSION_NAME_LENGTH];
	int s;

	long_name(name);
	s = retrieve(name);
	test_get_name(s, got);
	check_eq(0, memcmp(name, got, sizeof(name)));
	check_file(s, 0, 12000);
	test_finish(s);
}

/* A session whose last descriptor was closed before the kexec is not handed over. */
static void closed_1(void)
{
	close(make("closed", 2, 13000));
}

static void closed_2(void)
{
	expect_not_handed_over("closed");
}

/* The other end of a socket gets the session, and does with it what is to be done. */
static int receiver(void *arg)
{
	struct statfs st;
	char text[256];
	int s;

	s = luo_receive_fd(*(int *)arg);
	require_ge(s, 0);
	require_true(luo_link_text(s, text, sizeof(text)));
	check_eq(0, strcmp(text, "anon_inode:[luo_session] passed on"));
	require_eq(0, fstatfs(s, &st));
	check_eq(ANON_INODE_FS_MAGIC, st.f_type);
	close(check_file(s, 0, 14000));
	test_finish(s);
	return 0;
}

static void passed_1(void)
{
	make("passed on", 2, 14000);
}

static void passed_2(void)
{
	int s = retrieve("passed on"), sock[2];

	require_eq(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	require_eq(0, luo_send_fd(sock[0], s));
	close(s);
	require_eq(0, luo_in_child(receiver, &sock[1]));
	expect_gone("passed on");
}

static const struct scenario session_scenarios[] = {
	{ "many", { many_1, many_2 } },
	{ "reused for the next update", { reuse_1, reuse_2, reuse_3 } },
	{ "stale", { stale_1, stale_2 } },
	{ "undelivered", { NULL, undelivered_2, undelivered_3 } },
	{ "finished and unused", { unused_1, unused_2, unused_3 } },
	{ "finished in part", { partial_1, partial_2 } },
	{ "closed without finish", { close_1, close_2, close_3 } },
	{ "kept", { keep_1, keep_2 } },
	{ "kept over a crash", { crash_1, crash_2 } },
	{ "names", { names_1, names_2 } },
	{ "longest name", { name_1, name_2 } },
	{ "wrong calls", { wrong_1, wrong_2 } },
	{ "unwanted", { unwanted_1, unwanted_2, unwanted_3 } },
	{ "frozen", { frozen_1, frozen_2 } },
	{ "closed before", { closed_1, closed_2 } },
	{ "passed on", { passed_1, passed_2 } },
	{ }
};

SCENARIOS("session", session_scenarios)
