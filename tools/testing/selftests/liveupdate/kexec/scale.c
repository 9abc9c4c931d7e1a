// SPDX-License-Identifier: GPL-2.0
/* Ten thousand of everything */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/resource.h>

#include "scenario.h"

#define MANY	10000

static void raise_limit(void)
{
	struct rlimit limit = { .rlim_cur = 2 * MANY, .rlim_max = 2 * MANY };

	require_eq(0, setrlimit(RLIMIT_NOFILE, &limit));
}

static const char *name_of(int i)
{
	static char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "session number %d", i);
	return name;
}

/* A memfd without a page, whose size says which one it is */
static void sessions_1(void)
{
	int dev;

	raise_limit();
	dev = test_open();
	for (int i = 0; i < MANY; i++) {
		int fd = test_memfd(i), s = test_create(dev, name_of(i));

		test_preserve(s, fd, i);
		close(fd);
	}
	close(dev);
}

static void sessions_2(void)
{
	int dev = test_open();

	for (int i = MANY - 1; i >= 0; i--) {
		int s = test_retrieve(dev, name_of(i)), fd = test_retrieve_fd(s, i);

		check_eq(i, luo_size(fd));
		close(fd);
		test_finish(s);
		close(s);
	}
	close(dev);
}

static void files_1(void)
{
	int s = create("files");

	for (int i = 0; i < MANY; i++) {
		int fd = test_memfd(i + PAGE);

		require_eq(sizeof(i), pwrite(fd, &i, sizeof(i), i));
		test_preserve(s, fd, i);
		close(fd);
	}
}

static void files_2(void)
{
	int s = retrieve("files");

	for (int i = MANY - 1; i >= 0; i--) {
		int fd = test_retrieve_fd(s, i), got = -1;

		check_eq(i + PAGE, luo_size(fd));
		check_eq(sizeof(got), pread(fd, &got, sizeof(got), i));
		check_eq(i, got);
		close(fd);
	}
	test_finish(s);
}

static const struct scenario scale_scenarios[] = {
	{ "sessions", { sessions_1, sessions_2 } },
	{ "files", { files_1, files_2 } },
	{ }
};

SCENARIOS("scale", scale_scenarios)
