// SPDX-License-Identifier: GPL-2.0
/*
 * The next kernel has live update or Kexec HandOver switched off on its command line, or
 * was built without them. If it is switched off it boots, and nobody can have what was
 * handed over, but its memory is not used for anything else either. The kernel after it
 * starts from nothing, with all memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "scenario.h"
#include "../lib/shell.h"

#define SIZE	(256LL * 1024 * 1024)
#define SEED	2300

/* Memory that the kernel has, but does not give to anybody */
static long long reserved_memory(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	long long present = 0, managed = 0, n;
	char line[256];

	require_true(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " present %lld", &n) == 1)
			present += n;
		if (sscanf(line, " managed %lld", &n) == 1)
			managed += n;
	}
	fclose(f);
	require_ne(0, managed);
	return (present - managed) * PAGE;
}

static void preserve_much(void)
{
	int fd = test_memfd(SIZE);

	require_eq(0, fallocate(fd, 0, 0, SIZE));
	require_true(luo_fill(fd, SEED, SIZE - PAGE, PAGE));
	test_preserve(create("off"), fd, 1);
	close(fd);
}

static void off_1(void)
{
	check_ge(SIZE, reserved_memory());
	preserve_much();
}

static void off_2(void)
{
	check_eq(-ENOENT, luo_open());
	check_true(luo_status_is("enabled", "0"));
	check_true(luo_status_is("incoming", "present"));
	check_ge(reserved_memory(), SIZE);
}

static void off_3(void)
{
	int dev = test_open();

	check_true(luo_status_is("number", "0"));
	check_true(luo_status_is("incoming", "none"));
	test_err_retrieve(ENOENT, dev, "off");
	close(dev);
	check_ge(SIZE, reserved_memory());
	preserve_much();
}

static const struct scenario off_scenarios[] = {
	{ "what was handed over is lost", { off_1, off_2, off_3 } },
	{ }
};

SCENARIOS("off", off_scenarios, .more = { NULL, "liveupdate=off" })
SCENARIOS("kho-off", off_scenarios, .more = { NULL, "kho=off" })

/* A kernel that was built without handover does not know that there was something. */
static void plain_2(void)
{
	check_eq(-ENOENT, luo_open());
	check_ge(SIZE, reserved_memory());

	expect_shell(7, "luoctl status");
	expect_out("this kernel was built without live update");
	expect_shell(7, "luoctl timeline");
	expect_shell(7, "luoctl save off 1 </dev/null");
	expect_err("this kernel was built without live update");
	expect_shell(7, "luoctl restore off 1");
	expect_shell(7, "luoctl have off");
	expect_shell(7, "luoctl finish off");
	expect_shell(7, "luoctl hold off true");
	expect_shell(2, "luoctl formats");
	expect_shell(0, "luoctl formats /boot/kernel");
	expect_shell(1, "luoctl preflight /boot/kernel");
	expect_out("this kernel was built without live update");
	expect_shell(1, "luoctl kexec /boot/kernel");
	expect_err("not started");
}

static const struct scenario plain_scenarios[] = {
	{ "nobody knows of it", { off_1, plain_2, off_3 } },
	{ }
};

SCENARIOS("plain", plain_scenarios)
