// SPDX-License-Identifier: GPL-2.0
/*
 * An image of kexec_load(2), put together by Debian's kexec-tools. It carries no handover:
 * refused with a file preserved, and no different from ever with none.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "scenario.h"

static void refused_1(void)
{
	int s = create("legacy"), fd = test_memfd(2 * PAGE), again = create("legacy again");

	require_true(luo_fill(fd, 1, 0, PAGE));
	test_preserve(s, fd, 1);
	check_eq(-EOPNOTSUPP, luo_jump());
	/* Nothing was frozen, and all goes on. */
	test_err_thaw(EINVAL, s);
	check_true(luo_is_preserved(fd));
	check_eq(1, pwrite(fd, "x", 1, PAGE));
	test_preserve(again, test_memfd(PAGE), 1);
	close(s);
	check_eq(-EOPNOTSUPP, luo_jump());
	close(again);
	/* Only an empty session is left at the kexec. */
	create("legacy empty");
}

static void refused_2(void)
{
	int dev = test_open();

	test_err_retrieve(ENOENT, dev, "legacy");
	test_err_retrieve(ENOENT, dev, "legacy empty");
	close(test_create(dev, "legacy"));
	close(dev);
}

static const struct scenario legacy_scenarios[] = {
	{ "refused and allowed", { refused_1, refused_2 } },
	{ }
};

SCENARIOS("legacy", legacy_scenarios)
