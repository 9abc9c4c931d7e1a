// SPDX-License-Identifier: GPL-2.0
/* Fault injection by /proc/self/fail-nth. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luo_fault.h"
#include "luo_util.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define DEBUGFS		"/sys/kernel/debug/"

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

bool luo_fault_setup(void)
{
	put(DEBUGFS "failslab/verbose", "0");
	put(DEBUGFS "failslab/ignore-gfp-wait", "N");
	put(DEBUGFS "fail_page_alloc/verbose", "0");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	put(DEBUGFS "fail_page_alloc/min-order", "0");
	put(DEBUGFS "fail_usercopy/verbose", "0");
	return !access(DEBUGFS "failslab", F_OK) && !access(FAIL_NTH, W_OK);
}

/* The descriptor is opened and read before anything can fail. */
static int open_fail_nth(void)
{
	int fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		perror(FAIL_NTH);
		exit(1);
	}
	return fd;
}

static int fail_nth = -1;

void luo_fault_arm(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	fail_nth = open_fail_nth();
	if (write(fail_nth, text, len) != len) {
		perror(FAIL_NTH);
		exit(1);
	}
}

/* What is left of the count: 0 if it came to the fault. Reading may itself use it up. */
bool luo_fault_fired(void)
{
	char text[16] = "";
	bool fired;
	ssize_t n;

	n = pread(fail_nth, text, sizeof(text) - 1, 0);
	if (n < 0)
		n = pread(fail_nth, text, sizeof(text) - 1, 0);
	fired = n > 0 && atoi(text) == 0;
	while (write(fail_nth, "0", 1) != 1)
		;
	close(fail_nth);
	fail_nth = -1;
	return fired;
}

bool luo_fault_errno(int ret)
{
	return ret == -ENOMEM || ret == -EFAULT;
}
