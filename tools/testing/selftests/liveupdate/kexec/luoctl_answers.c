// SPDX-License-Identifier: GPL-2.0
/*
 * What a script learns of luoctl's exit status: there, absent, incompatible, damaged, busy,
 * later. Off is luoctl-off's. The second kernel gets sessions with something wrong in each,
 * the third one a handover of an unknown version.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "../lib/shell.h"
#include "devmem.h"
#include "scenario.h"
#include "three_memfds.h"

#define KNOB		"/sys/kernel/debug/liveupdate_damage"

/* Strings of eight bytes, as a number */
#define MEMFD_V9	0x39762d64666d656dull
#define OTHER_V1	0x31762d726568746full

static const struct damage damages[] = {
	{ "damaged", EUCLEAN, { { IN_BLOCK(count), SET(4) } } },
	{ "newer", EPROTONOSUPPORT, { { IN_FILE(1, compatible), SET(MEMFD_V9) } } },
	{ "later", ENODEV, { { IN_FILE(1, compatible), SET(OTHER_V1) } } },
};

static void answers_1(void)
{
	for (int i = 0; i < ARRAY_SIZE(damages); i++)
		preserve_three(damages[i].name);
	preserve_three("sound");
}

/* Without checksums of files, so that each has a damage of its own */
static void inflict_all(void)
{
	__u64 at = luo_memory_checksums() + BLOCK_HEADER;

	luo_memory_write(at, 1, luo_memory_read(at, 1) ^ 1);
	for (int i = 0; i < ARRAY_SIZE(damages); i++)
		luo_inflict(&damages[i]);
}

static void expect_answers(void)
{
	static const struct {
		int status;
		const char *command;
		const char *said;
	} lines[] = {
		{ 0, "have sound", "" },
		{ 0, "have sound 2", "" },
		{ 3, "have nothing", "not handed over" },
		{ 3, "have sound 9", "has no token 9" },
		{ 5, "have damaged", "damaged" },
		{ 5, "have damaged 1", "damaged" },
		{ 0, "have newer", "" },
		{ 4, "have newer 1", "unsupported version" },
		{ 8, "have later 1", "no handler" },
		{ 3, "restore nothing 1", "not handed over" },
		{ 3, "restore sound 9", "has no token 9" },
		{ 5, "restore damaged 1", "token 1 cannot be retrieved: damaged" },
		{ 4, "restore newer 1", "token 1 cannot be retrieved: unsupported version" },
		{ 8, "restore later 1", "token 1 cannot be retrieved: no handler" },
		{ 5, "finish damaged", "--discard to finish it" },
		{ 1, "finish newer", "files not retrieved: 3, token 0 first" },
		{ 6, "finish --discard newer", "cannot be finished yet" },
		{ 5, "status", "session damaged: waiting EUCLEAN (damaged)" },
		{ 5, "status | grep -A9 'session newer' && luoctl status >/dev/null",
		  "untried EPROTONOSUPPORT (unsupported version)" },
		{ 5, "status | grep -A9 'session later' && luoctl status >/dev/null",
		  "untried ENODEV (no handler)" },
		{ 1, "preflight -N /boot/kernel", "session 'damaged' of the previous kernel" },
		{ 0, "finish --discard damaged", "" },
		{ 4, "status", "session newer: waiting" },
	};
	char line[256];
	int dev;

	for (int i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(line, sizeof(line), "exec 2>&1; luoctl %s", lines[i].command);
		expect_shell(lines[i].status, line);
		if (*lines[i].said)
			expect_out(lines[i].said);
		else
			check_eq(0, luo_out[0]);
	}
	expect_shell(4, "luoctl status --json");
	luo_print_json();
	dev = test_open();
	expect_shell(6, "luoctl restore sound 0");
	close(dev);
}

static void answers_2(void)
{
	if (!luo_memory_works())
		luo_skip("no way to memory: /dev/mem, debugfs of KHO");
	inflict_all();
	expect_answers();
	preserve_three("unread");
	/* "luo-v9" */
	require_true(luo_write_text(KNOB, "ser.compatible - 0 set 39762d6f756c right"));
}

static void answers_3(void)
{
	expect_shell(4, "luoctl status");
	expect_out("From the previous kernel: incompatible, in version luo-v9");
	expect_out("sessions: incompatible, they stay in memory until the next reboot");
	check_true(luo_status_is("incoming_version", "luo-v9"));
	expect_shell(4, "luoctl status --json");
	luo_print_json();
	expect_shell(4, "luoctl have unread");
	expect_shell(4, "luoctl restore unread 1");
	expect_err("the handover is of an unsupported version");
	expect_shell(1, "luoctl preflight -N /boot/kernel");
	expect_out("sessions of the previous kernel are incompatible and will be lost");
	expect_shell(0, "luoctl preflight -N --lose-unfinished /boot/kernel");
	/* New sessions go on. */
	expect_shell(0, "echo new | luoctl save unread 1");
}

static const struct scenario luoctl_answers_scenarios[] = {
	{ "exit statuses", { answers_1, answers_2, answers_3 } },
	{ }
};

SCENARIOS("luoctl-answers", luoctl_answers_scenarios)
