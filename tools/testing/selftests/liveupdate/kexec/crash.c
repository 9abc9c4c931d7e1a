// SPDX-License-Identifier: GPL-2.0
/*
 * A panic between freeze and jump starts the crash kernel. Nothing is handed over to that:
 * KHO and live update are off in it, and the memory is only there to be dumped.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "../lib/flb.h"
#include "scenario.h"

static void load_crash_kernel(void)
{
	char cmdline[2048];

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	require_eq(0, luo_load_crash(cmdline));
}

/* Whether one is loaded makes no difference to what is preserved, before and after. */
static int preserve_around_loading(const char *name)
{
	int s = create(name), fd = test_memfd(PAGE);

	test_preserve(s, fd, 1);
	load_crash_kernel();
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

static bool is_crash_kernel(void)
{
	FILE *f = fopen("/proc/cmdline", "re");
	char line[2048] = "";

	require_true(f && fgets(line, sizeof(line), f));
	fclose(f);
	return strstr(line, "elfcorehdr=");
}

/* Linux 7.2 does not switch KHO off there; only chance does, if there is little memory. */
static bool kho_may_be_on(void)
{
	struct utsname name;

	return !uname(&name) && !strncmp(name.release, "7.2.", 4);
}

static void crash_2(void)
{
	int dev = luo_open();

	check_true(is_crash_kernel());
	if (dev >= 0 && kho_may_be_on()) {
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
