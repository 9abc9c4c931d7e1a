// SPDX-License-Identifier: GPL-2.0
/*
 * The sample driver, samples/liveupdate/flb_sample.c: its devices in the next kernel, under
 * the same version of it, a newer and an older one; when it can be unloaded.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "../lib/flb.h"
#include "scenario.h"

#define DEVICE	"/dev/" FLB_SAMPLE

static bool set_text(int fd, const char *text)
{
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool has_text(int fd, const char *text)
{
	char got[64] = "";
	ssize_t n = pread(fd, got, sizeof(got) - 1, 0);

	if (n == (ssize_t)strlen(text) && !strcmp(got, text))
		return true;
	luo_say("text is '%s', not '%s'", got, text);
	return false;
}

/* How often its text was set: version 1 does not write that down. */
static long long write_count(int fd)
{
	char path[64], line[128];
	long long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "writes: %lld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static int new_device(const char *text)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	require_ge(fd, 0);
	require_true(set_text(fd, text));
	return fd;
}

static void retrieve_device(int session, __u64 token, const char *text)
{
	int fd = test_retrieve_fd(session, token);

	check_true(has_text(fd, text));
	close(fd);
}

/* Two sessions with three devices; what is set after preserve counts. */
static void same_1(void)
{
	int a = create("sample a"), b = create("sample b"), fd;

	test_load(FLB_SAMPLE);
	fd = new_device("before");
	test_preserve(a, fd, 1);
	test_preserve(a, new_device("second"), 2);
	test_preserve(b, new_device("third"), 1);
	require_true(set_text(fd, "first"));
	/* Frozen it cannot be set any more. */
	test_freeze(a);
	check_false(set_text(fd, "late"));
	check_eq(EBUSY, errno);
	test_thaw(a);
	require_true(set_text(fd, "first again"));
}

static void same_2(void)
{
	int a, b;

	test_load(FLB_SAMPLE);
	a = retrieve("sample a");
	retrieve_device(a, 2, "second");
	retrieve_device(a, 1, "first again");
	test_finish(a);
	/* The table outlives the first session; the second gives its device up. */
	b = retrieve("sample b");
	retrieve_device(b, 1, "third");
	close(b);
	expect_gone("sample b");
	/* All is over, and begins anew. */
	test_preserve(a, new_device("fourth"), 1);
}

static const struct scenario flb_same_scenarios[] = {
	{ "same version", { same_1, same_2 } },
	{ }
};

SCENARIOS("flb-same", flb_same_scenarios)

/* From version 1 to version 2, which reads both, and on to version 1, which does not. */
static void versions_1(void)
{
	test_load(FLB_SAMPLE);
	test_preserve(create("versions"), new_device("of version 1"), 1);
}

static void versions_2(void)
{
	int s, fd;

	test_load(FLB_SAMPLE);
	s = retrieve("versions");
	fd = test_retrieve_fd(s, 1);
	check_true(has_text(fd, "of version 1"));
	check_eq(0, write_count(fd));
	test_finish(s);
	for (int i = 0; i < 7; i++)
		require_true(set_text(fd, "of version 2"));
	test_preserve(s, fd, 1);
}

/* Not asked to panic it does not, and leaves all as it is: version 2 can still have it. */
static void versions_3(void)
{
	int s = retrieve("versions"), fd;

	if (luo_flb_built_in(FLB_SAMPLE))
		luo_skip("the sample is built in");
	for (int i = 0; i < 2; i++) {
		check_eq(-EPROTONOSUPPORT, luo_flb_load(FLB_SAMPLE, ""));
		check_eq(-1, access(DEVICE, F_OK));
	}
	test_err_retrieve_fd(ENODEV, s, 1);
	test_err_finish(EBUSY, s);

	require_eq(0, luo_flb_load(FLB_SAMPLE, "version=2"));
	fd = test_retrieve_fd(s, 1);
	check_true(has_text(fd, "of version 2"));
	check_eq(7, write_count(fd));
	test_finish(s);
}

static const struct scenario flb_versions_scenarios[] = {
	{ "older, then newer", { versions_1, versions_2, versions_3 } },
	{ }
};

SCENARIOS("flb-versions", flb_versions_scenarios,
	  .more = { NULL, "flb_sample.version=2", "flb_sample.version=1" })

/*
 * As before, and version 1 is asked to panic: the guest has to end so. It is asked in the first
 * kernel, too, where nothing calls for it.
 */
static void panic_1(void)
{
	test_load(FLB_SAMPLE);
	test_preserve(create("panic"), new_device("of version 2"), 1);
}

static void panic_2(void)
{
	int ret = luo_flb_load(FLB_SAMPLE, "");

	check_true(false)
		luo_say("the sample was loaded and no panic came of it: %s", luo_error(ret));
}

static const struct scenario flb_panic_scenarios[] = {
	{ "newer version", { panic_1, panic_2 } },
	{ }
};

SCENARIOS("flb-panic", flb_panic_scenarios, .more = { NULL, "flb_sample.version=1" })

/* The module is held by what is preserved or retrieved of it, and by nothing else. */
#define expect_held()	check_eq(-EWOULDBLOCK, luo_flb_unload(FLB_SAMPLE))

#define unload_and_load() ({					\
	require_eq(0, luo_flb_unload(FLB_SAMPLE));		\
	test_load(FLB_SAMPLE); })

static void unload_1(void)
{
	int s = create("unload"), fd;

	if (luo_flb_built_in(FLB_SAMPLE))
		luo_skip("the sample is built in");
	test_load(FLB_SAMPLE);
	unload_and_load();
	fd = new_device("text");
	expect_held();
	close(fd);
	unload_and_load();

	fd = new_device("text");
	test_preserve(s, fd, 1);
	close(fd);
	expect_held();
	close(s);
	unload_and_load();

	s = create("unload");
	fd = new_device("text");
	test_preserve(s, fd, 1);
	close(fd);
	expect_held();
}

static void unload_2(void)
{
	int s = retrieve("unload");

	if (luo_flb_built_in(FLB_SAMPLE))
		luo_skip("the sample is built in");
	/* It has asked for the table when it was loaded, so there is one. */
	test_load(FLB_SAMPLE);
	expect_held();
	retrieve_device(s, 1, "text");
	expect_held();
	test_finish(s);
	unload_and_load();
	unload_and_load();

	/* The session serves the next update. */
	test_preserve(s, new_device("more"), 1);
	expect_held();
}

static const struct scenario flb_unload_scenarios[] = {
	{ "while owned and not", { unload_1, unload_2 } },
	{ }
};

SCENARIOS("flb-unload", flb_unload_scenarios)
