// SPDX-License-Identifier: GPL-2.0
/* The tracepoints, over two kernels: each step once, and one that fails */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../lib/flb.h"
#include "scenario.h"

#define TRACING		"/sys/kernel/tracing/"
#define EVENTS		TRACING "events/liveupdate/"
#define TOKEN		"4711"

static void trace_on(void)
{
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	require_true(luo_write_text(EVENTS "enable", "1"));
}

static char *trace_text(void)
{
	static char text[256 * 1024];
	size_t n;
	FILE *f;

	f = fopen(TRACING "trace", "re");
	require_true(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	return text;
}

/* Such a line is there; the number that follows is how long it took. */
static void expect_event(const char *line)
{
	const char *seen = strstr(trace_text(), line);

	check_true(seen) luo_say("no '%s' in\n%s", line, trace_text());
	if (seen && strstr(line, "ns="))
		check_ne(0, strtoull(seen + strlen(line), NULL, 10));
}

#define FILE_EVENT(name, result)						\
	"liveupdate_file_" name ": session=trace token=" TOKEN			\
	" compatible=luo_test-file0-v1 result=" result " ns="
#define CALL_EVENT(name, result)						\
	"liveupdate_call: " name " session=trace result=" result " ns="
#define FLB_EVENT(name)								\
	"liveupdate_flb_" name ": compatible=luo_test-flb0-v1 result=0 ns="

static void preserve_device(int session)
{
	int fd = test_flb_open(0);

	test_preserve(session, fd, atoi(TOKEN));
	close(fd);
}

static void trace_1(void)
{
	int s;

	test_load(FLB_TEST);
	test_flb("register");
	trace_on();
	s = create("trace");
	expect_event(CALL_EVENT("create", "0"));
	check_eq(-EEXIST, with_device(luo_create(dev, "trace")));
	expect_event(CALL_EVENT("create", "-17"));

	preserve_device(s);
	expect_event(FLB_EVENT("preserve"));
	expect_event(CALL_EVENT("preserve-fd", "0"));
	expect_event(FILE_EVENT("preserve", "0"));
	test_freeze(s);
	expect_event(FILE_EVENT("freeze", "0"));
	expect_event(CALL_EVENT("freeze", "0"));
	test_thaw(s);
	expect_event(FILE_EVENT("unfreeze", "0"));
	expect_event(CALL_EVENT("thaw", "0"));
	close(s);
	expect_event(FILE_EVENT("unpreserve", "0"));
	expect_event(FLB_EVENT("unpreserve"));
	expect_event("liveupdate_call: close session=trace result=0");

	preserve_device(create("trace"));
}

/* A reboot that is refused leaves its events behind. The mode is none for memfd-v2. */
static void refused_1(void)
{
	int s, memfd = test_memfd(PAGE);

	trace_on();
	s = create("refused");
	require_true(luo_memfd_format("v2"));
	test_preserve(s, memfd, 1);
	require_true(luo_memfd_format("extent-v1"));
	require_eq(0, fchmod(memfd, 0600));
	check_eq(-EOPNOTSUPP, luo_jump());
	expect_event("liveupdate_phase: reboot");
	expect_event("session=refused token=1 compatible=memfd-v2 result=-95 ns=");
	expect_event("liveupdate_reboot: refused result=-95 ns=");
	close(s);
}

static void trace_2(void)
{
	int s;

	test_load(FLB_TEST);
	test_flb("register");
	trace_on();
	s = retrieve("trace");
	expect_event("liveupdate_parse: sessions result=0 ns=");
	expect_event(CALL_EVENT("retrieve", "0"));
	close(test_retrieve_fd(s, atoi(TOKEN)));
	expect_event(FILE_EVENT("retrieve", "0"));
	expect_event(CALL_EVENT("retrieve-fd", "0"));
	test_finish(s);
	expect_event(FILE_EVENT("finish", "0"));
	expect_event(FLB_EVENT("retrieve"));
	expect_event(FLB_EVENT("finish"));
	expect_event(CALL_EVENT("finish", "0"));
}

static void refused_2(void)
{
	expect_not_handed_over("refused");
}

static const struct scenario trace_scenarios[] = {
	{ "every step", { trace_1, trace_2 } },
	{ "a refusal", { refused_1, refused_2 } },
	{ }
};

SCENARIOS("trace", trace_scenarios)
