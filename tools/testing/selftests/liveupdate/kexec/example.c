// SPDX-License-Identifier: GPL-2.0
/*
 * The program of Documentation/userspace-api/liveupdate.rst, as /bin/counter: it counts its
 * starts over three kernels. It waits for the device, and starts from nothing only if nothing
 * was handed over.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "../lib/shell.h"

#define SAID	"/tmp/counter"

/* In the background; its number is in luo_out. */
#define START	"counter >" SAID " 2>&1 & echo $!"
#define AT_ONCE	"grep -q . " SAID
/* For up to ten seconds */
#define WAIT	"for i in 0 1 2 3 4 5 6 7 8 9; do " AT_ONCE " && break; sleep 1; done; cat " SAID

static pid_t start(void)
{
	expect_shell(0, START);
	return atoi(luo_out);
}

static void expect_count(int count)
{
	char text[32];

	expect_shell(0, WAIT);
	/* Without the newline, see luo_read_text() */
	snprintf(text, sizeof(text), "count %d", count);
	check_eq(0, strcmp(text, luo_out));
}

/* It gives nothing up while another program has the device. */
static void example_1(void)
{
	int dev = test_open();

	start();
	usleep(500000);
	expect_shell(1, AT_ONCE);
	close(dev);
	expect_count(1);
	/* There is one already. */
	expect_shell(1, "counter");
	expect_err("no session: File exists");
}

static void example_2(void)
{
	int session = with_device(luo_retrieve(dev, "counter", LIVEUPDATE_RETRIEVE_KEEP));

	require_ge(session, 0);
	/* Another program has it: that is no reason to start from nothing. */
	expect_shell(1, "counter");
	expect_err("no session: Invalid argument");
	close(session);
	start();
	expect_count(2);
}

/* It ends without having lost anything, and what it left is for the next one. */
static void example_3(void)
{
	int session = with_device(luo_retrieve(dev, "counter", LIVEUPDATE_RETRIEVE_KEEP));
	__u64 magic = 0, wrong = 1;
	pid_t pid;
	int fd;

	require_ge(session, 0);
	fd = test_retrieve_fd(session, 1);
	require_eq(sizeof(magic), pread(fd, &magic, sizeof(magic), 0));
	require_eq(sizeof(wrong), pwrite(fd, &wrong, sizeof(wrong), 0));
	close(session);
	expect_shell(1, "counter");
	expect_err("counter: Protocol not supported");
	require_eq(sizeof(magic), pwrite(fd, &magic, sizeof(magic), 0));
	close(fd);
	pid = start();
	expect_count(3);
	check_eq(0, kill(pid, SIGTERM));
}

static const struct scenario example_scenarios[] = {
	{ "counter", { example_1, example_2, example_3 } },
	{ }
};

SCENARIOS("example", example_scenarios)
