// SPDX-License-Identifier: GPL-2.0
/* What /sys/kernel/liveupdate and /proc say over three kernels */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>

#include "scenario.h"

#define expect_status(name, want)	check_true(luo_status_is(name, want))

static void expect_fdinfo(int session, const char *line)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	require_true(luo_read_text(path, text, sizeof(text)));
	check_true(strstr(text, line)) luo_say("no '%s' in '%s'", line, text);
}

/* All of it, word by word, but for the bytes */
static void expect_incoming(const char *want)
{
	char all[4096], *text;

	require_true(luo_read_text("/sys/kernel/debug/liveupdate/incoming", all, sizeof(all)));
	text = strchr(all, '\n');
	text = text ? text + 1 : "";
	if (text[0])
		strcat(text, "\n");
	check_eq(0, strcmp(want, text)) luo_say("'%s', not '%s'", text, want);
}

static void status_1(void)
{
	expect_status("number", "0");
	expect_status("incoming", "none");
	for (int i = 0; i < 2; i++) {
		int memfd = test_memfd(i ? PAGE : 100 * PAGE);

		require_true(luo_fill(memfd, i, 0, i ? PAGE : 100 * PAGE));
		test_preserve(create(i ? "second" : "first"), memfd, 7 + i);
	}
	expect_status("incoming", "none");
	check_eq(0, luo_bytes_preserved("incoming"));
}

static void status_2(void)
{
	long long bytes = luo_bytes_preserved("incoming");
	int first, other;

	check_ge(bytes, 101 * PAGE);
	expect_status("number", "1");
	expect_status("incoming", "present");
	expect_incoming("session first: waiting\n"
			"  token 7: memfd-extent-v1, untried\n"
			"session second: waiting\n"
			"  token 8: memfd-extent-v1, untried\n");
	first = retrieve("first");
	close(test_retrieve_fd(first, 7));
	check_ge(bytes - luo_bytes_preserved("incoming"), 100 * PAGE);
	check_ge(luo_bytes_preserved("incoming"), PAGE);
	expect_incoming("session first: retrieved\n"
			"  token 7: memfd-extent-v1, retrieved\n"
			"session second: waiting\n"
			"  token 8: memfd-extent-v1, untried\n");
	expect_fdinfo(first, "liveupdate-side:\tincoming\n");
	expect_fdinfo(first, "liveupdate-state:\tretrieved\n");
	expect_fdinfo(first, "liveupdate-files:\t1");
	test_finish(first);
	expect_fdinfo(first, "liveupdate-side:\tfinished\n");
	expect_fdinfo(first, "liveupdate-files:\t0");
	expect_status("incoming", "present");
	other = create("first");
	expect_fdinfo(first, "liveupdate-side:\tstale\n");
	close(other);
	expect_fdinfo(first, "liveupdate-side:\tfinished\n");
	test_finish(retrieve("second"));
	expect_status("incoming", "none");
	expect_incoming("");
	expect_status("number", "1");
}

static void status_3(void)
{
	expect_status("number", "2");
	expect_status("incoming", "none");
}

static const struct scenario status_scenarios[] = {
	{ "what is said", { status_1, status_2, status_3 } },
	{ }
};

SCENARIOS("status", status_scenarios)
