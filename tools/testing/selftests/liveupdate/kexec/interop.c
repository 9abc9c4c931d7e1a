// SPDX-License-Identifier: GPL-2.0
/*
 * What any two kernels that write and read the same format can do, whoever built them: the
 * base's own, ours, ours on an older base. Only ioctls that all of them have.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "scenario.h"

/* One is as long as can be, one is no text. */
static const char *const names[] = {
	"interop",
	"a",
	"the longest name that a session can have has 63 characters: yes",
	"\xff\x01 \t",
};

static const __u64 tokens[] = { 0, 1, 0x8000000000000000, ~0ULL };

/* Each session has each token; which memfd it is shows in contents and size. */
static __u64 seed_of(int name, int token)
{
	return 1000 + name * 10 + token;
}

static off_t size_of(int name, int token)
{
	return name * 3 * PAGE + token * 1001 + 1;
}

static void sessions_1(void)
{
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		int s = create(names[i]);

		for (int t = 0; t < ARRAY_SIZE(tokens); t++) {
			int fd = test_memfd(size_of(i, t));

			require_true(luo_fill(fd, seed_of(i, t), 0, size_of(i, t)));
			test_preserve(s, fd, tokens[t]);
			close(fd);
		}
	}
}

/* Sessions last first, and of each the second token not at all: FINISH gives it up. */
static void sessions_2(void)
{
	for (int i = ARRAY_SIZE(names) - 1; i >= 0; i--) {
		int s = retrieve(names[i]);
		char name[LIVEUPDATE_SESSION_NAME_LENGTH];

		test_get_name(s, name);
		check_eq(0, strcmp(name, names[i]));
		for (int t = ARRAY_SIZE(tokens) - 1; t >= 0; t--) {
			int fd;

			if (t == 1)
				continue;
			fd = test_retrieve_fd(s, tokens[t]);
			check_eq(size_of(i, t), luo_size(fd));
			check_true(luo_holds(fd, seed_of(i, t), 0, size_of(i, t)));
		}
		test_finish(s);
		close(s);
		expect_gone(names[i]);
	}
}

/* More than one block of files, in one session */
#define MANY	500

static off_t many_size(int i)
{
	return i % 7 * PAGE + i;
}

static void many_1(void)
{
	int s = create("many");

	for (int i = 0; i < MANY; i++) {
		int fd = test_memfd(many_size(i));

		require_true(luo_fill(fd, 5000 + i, 0, many_size(i)));
		require_eq(i, lseek(fd, i, SEEK_SET));
		test_preserve(s, fd, i);
		close(fd);
	}
}

static void many_2(void)
{
	int s = retrieve("many");

	for (int i = 0; i < MANY; i++) {
		int fd = test_retrieve_fd(s, i);

		check_eq(many_size(i), luo_size(fd));
		check_eq(i, lseek(fd, 0, SEEK_CUR));
		check_true(luo_holds(fd, 5000 + i, 0, many_size(i)));
		close(fd);
	}
	test_finish(s);
}

/* A session without files is handed over, too. */
static void empty_1(void)
{
	create("empty");
}

static void empty_2(void)
{
	int s = retrieve("empty");

	check_eq(-ENOENT, luo_retrieve_fd(s, 0));
	test_finish(s);
}

/* What is written after preserving is there. */
static void written_1(void)
{
	int s = create("written"), fd = test_memfd(64 * PAGE);

	require_true(luo_fill(fd, 21, 0, 64 * PAGE));
	test_preserve(s, fd, 1);
	require_true(luo_fill(fd, 22, 0, 32 * PAGE));
}

static void written_2(void)
{
	int s = retrieve("written"), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, 22, 0, 32 * PAGE));
	check_true(luo_holds(fd, 21, 32 * PAGE, 32 * PAGE));
	test_finish(s);
}

static const struct scenario interop_scenarios[] = {
	{ "sessions", { sessions_1, sessions_2 } },
	{ "500 memfds", { many_1, many_2 } },
	{ "empty session", { empty_1, empty_2 } },
	{ "written after preserving", { written_1, written_2 } },
	{ }
};

SCENARIOS("interop", interop_scenarios)

/* A host that tries another kernel and goes back: its work goes both ways. */
static void back_1(void)
{
	int s = create("host"), fd = test_memfd(100 * PAGE + 5);

	require_true(luo_fill(fd, 31, 0, 100 * PAGE + 5));
	require_eq(7, lseek(fd, 7, SEEK_SET));
	test_preserve(s, fd, 1);
}

static void back_2(void)
{
	int s = retrieve("host"), fd = test_retrieve_fd(s, 1), fresh = test_memfd(3 * PAGE);

	check_true(luo_holds(fd, 31, 0, 100 * PAGE + 5));
	check_eq(7, lseek(fd, 0, SEEK_CUR));
	test_finish(s);
	close(s);

	require_true(luo_fill(fd, 32, 10 * PAGE, 10 * PAGE));
	require_eq(0, ftruncate(fd, 90 * PAGE));
	require_true(luo_fill(fresh, 33, 0, 3 * PAGE));
	s = create("host");
	test_preserve(s, fd, 1);
	test_preserve(s, fresh, 2);
}

static void back_3(void)
{
	int s = retrieve("host"), fd = test_retrieve_fd(s, 1);

	check_eq(90 * PAGE, luo_size(fd));
	check_eq(7, lseek(fd, 0, SEEK_CUR));
	check_true(luo_holds(fd, 31, 0, 10 * PAGE));
	check_true(luo_holds(fd, 32, 10 * PAGE, 10 * PAGE));
	check_true(luo_holds(fd, 31, 20 * PAGE, 70 * PAGE));
	check_true(luo_holds(test_retrieve_fd(s, 2), 33, 0, 3 * PAGE));
	test_finish(s);
}

static const struct scenario back_scenarios[] = {
	{ "there and back", { back_1, back_2, back_3 } },
	{ }
};

SCENARIOS("interop-back", back_scenarios)
