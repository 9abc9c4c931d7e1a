// SPDX-License-Identifier: GPL-2.0
/* Fault injection by /proc/thread-self/fail-nth and make-it-fail. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault_inject.h"
#include "util.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MAKE_IT_FAIL	"/proc/thread-self/make-it-fail"
#define DEBUGFS		"/sys/kernel/debug/"

/* What preserves memory, and what gives out pages of which some are in stock */
#define PRESERVE	"kho_radix_add_key"
#define ALLOC_PAGE	"liveupdate_alloc_page"
#define NO_MEMORY	"0xfffffffffffffff4"

/* Each kind's probability counts for tasks that ask for it by make-it-fail only. */
static void setup(const char *kind)
{
	static const char *const values[][2] = {
		{ "verbose", "0" }, { "probability", "0" }, { "interval", "1" },
		{ "times", "-1" }, { "task-filter", "Y" },
	};
	char path[128];

	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, values[i][0]);
		luo_write_text(path, values[i][1]);
	}
}

/* A function that is made to fail, which works once only. It says @retval then. */
static void setup_function(const char *name, const char *retval)
{
	char path[128];

	luo_write_text(DEBUGFS "fail_function/inject", name);
	if (retval) {
		snprintf(path, sizeof(path), DEBUGFS "fail_function/%s/retval", name);
		luo_write_text(path, retval);
	}
}

static bool has_function(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "fail_function/%s", name);
	return !access(path, F_OK);
}

bool luo_fault_setup(void)
{
	setup("failslab");
	setup("fail_page_alloc");
	setup("fail_usercopy");
	setup("fail_function");
	/* A call preserves hundreds of times: at random, not each of them is asked. */
	luo_write_text(DEBUGFS "fail_function/interval", "64");
	setup_function(PRESERVE, NO_MEMORY);
	setup_function(ALLOC_PAGE, NULL);
	luo_write_text(DEBUGFS "failslab/ignore-gfp-wait", "N");
	luo_write_text(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	luo_write_text(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	luo_write_text(DEBUGFS "fail_page_alloc/min-order", "0");
	return !access(DEBUGFS "failslab", F_OK) && !access(FAIL_NTH, W_OK) &&
	       has_function(PRESERVE) && has_function(ALLOC_PAGE);
}

bool luo_fault_deep(void)
{
	const char *how = getenv("luo_faults");

	return how && !strcmp(how, "deep");
}

/* The descriptor is opened and read before anything can fail. */
static int open_switch(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int the_switch = -1;

static void switch_on(const char *path, unsigned int value)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", value);

	the_switch = open_switch(path);
	if (write(the_switch, text, len) != len) {
		perror(path);
		exit(1);
	}
}

/* That may fail, too. */
static void switch_off(void)
{
	while (write(the_switch, "0", 1) != 1)
		;
	close(the_switch);
	the_switch = -1;
}

void luo_fault_arm(unsigned int nth)
{
	switch_on(FAIL_NTH, nth);
}

/* What is left of the count: 0 if it came to the fault. Reading may itself use it up. */
bool luo_fault_fired(void)
{
	char text[16] = "";
	bool fired;
	ssize_t n;

	n = pread(the_switch, text, sizeof(text) - 1, 0);
	if (n < 0)
		n = pread(the_switch, text, sizeof(text) - 1, 0);
	fired = n > 0 && atoi(text) == 0;
	switch_off();
	return fired;
}

static void set_probability(const char *kind, unsigned int percent)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), DEBUGFS "%s/probability", kind);
	snprintf(text, sizeof(text), "%u", percent);
	if (!luo_write_text(path, text)) {
		perror(path);
		exit(1);
	}
}

/* Each call begins with a user copy: not too many of those. */
void luo_fault_begin(unsigned int percent)
{
	set_probability("failslab", percent);
	set_probability("fail_page_alloc", percent);
	set_probability("fail_function", percent);
	set_probability("fail_usercopy", percent / 4);
	switch_on(MAKE_IT_FAIL, 1);
}

void luo_fault_end(void)
{
	switch_off();
}

unsigned int luo_fault_failures;

bool luo_fault_errno(int ret)
{
	return ret == -ENOMEM || ret == -EFAULT;
}
