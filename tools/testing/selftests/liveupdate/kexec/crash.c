// SPDX-License-Identifier: GPL-2.0
/*
 * A panic between freeze and jump starts the crash kernel. Nothing is handed over to that:
 * KHO and live update are off in it, and the memory is only there to be dumped.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "../lib/flb.h"
#include "../lib/shell.h"
#include "scenario.h"

/* The crash kernel is told of a page that is preserved, and of one that is not. */
static void load_crash_kernel(__u64 preserved, __u64 other)
{
	char cmdline[2048];
	size_t len;

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	len = strlen(cmdline);
	snprintf(cmdline + len, sizeof(cmdline) - len, " luo_pfns=%llu,%llu", preserved, other);
	require_eq(0, luo_load_crash(cmdline));
}

/* Whether one is loaded makes no difference to what is preserved, before and after. */
static int preserve_around_loading(const char *name)
{
	int s = create(name), fd = test_memfd(PAGE), other = test_memfd(PAGE);

	require_true(luo_fill(fd, 1, 0, PAGE) && luo_fill(other, 1, 0, PAGE));
	test_preserve(s, fd, 1);
	load_crash_kernel(luo_pfn(luo_map(fd, PAGE)), luo_pfn(luo_map(other, PAGE)));
	check_true(luo_is_preserved(fd));
	test_preserve(s, test_memfd(PAGE), 2);
	return s;
}

static void crash_1(void)
{
	preserve_around_loading("crash");
	test_freeze(preserve_around_loading("frozen"));
	test_flb("panic_at_reboot");
}

static const char *find_argument(const char *name)
{
	static char line[2048];
	FILE *f = fopen("/proc/cmdline", "re");

	require_true(f && fgets(line, sizeof(line), f));
	fclose(f);
	return strstr(line, name);
}

/* Does luoctl preserved list the page? */
static bool is_listed(__u64 pfn)
{
	__u64 start, size;

	for (const char *at = luo_out; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (sscanf(at, "0x%llx 0x%llx", &start, &size) != 2)
			return false;
		if (pfn * PAGE >= start && pfn * PAGE - start < size)
			return true;
	}
	return false;
}

/* A filter of dumps can tell what is preserved. */
static void expect_list(void)
{
	const char *pfns = find_argument("luo_pfns=");
	__u64 preserved, other;

	require_true(pfns && sscanf(pfns, "luo_pfns=%llu,%llu", &preserved, &other) == 2);
	expect_shell(0, "luoctl preserved");
	check_true(is_listed(preserved)) luo_say("%llx, in %s", preserved, luo_out);
	check_true(!is_listed(other));
	expect_shell(0, "luoctl preserved --json");
	luo_print_json();
	expect_shell(0, "head -c 65536 /proc/vmcore > /tmp/head");
	expect_shell(5, "luoctl preserved /tmp/head");
	expect_shell(1, "luoctl preserved /no/such/file");
	expect_shell(1, "luoctl preserved /proc/cmdline");
	expect_shell(1, "luoctl preserved /sbin/luoctl");
}

static void crash_2(void)
{
	int dev = luo_open();

	check_true(find_argument("elfcorehdr="));
	expect_list();
	/* Linux 7.2 does not switch KHO off; only chance does, if there is little memory. */
	if (dev >= 0 && luo_is_linux("7.2.")) {
		check_true(luo_status_is("incoming", "none"));
		check_true(luo_status_is("number", "0"));
		close(dev);
	} else {
		check_eq(-ENOENT, dev);
	}
}

static const struct scenario crash_scenarios[] = {
	{ "between freeze and jump", { crash_1, crash_2 } },
	{ }
};

SCENARIOS("crash", crash_scenarios)
