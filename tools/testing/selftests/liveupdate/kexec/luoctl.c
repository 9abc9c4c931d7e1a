// SPDX-License-Identifier: GPL-2.0
/* luoctl, as scripts use it: in a shell, before and after a live update. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "scenario.h"
#include "../lib/shell.h"

static void command_lines(void)
{
	static const char *const commands[] = {
		"status", "formats", "preflight", "kexec", "timeline", "save", "restore", "have",
		"finish", "drop", "hold",
	};
	char line[64];

	expect_shell(2, "luoctl");
	expect_shell(0, "luoctl --help");
	expect_shell(0, "luoctl --version");
	expect_out("luoctl 7.");
	expect_shell(2, "luoctl unknown");
	expect_err("unknown command 'unknown'");
	expect_shell(2, "luoctl help unknown");
	expect_err("unknown command 'unknown'");
	for (int i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(line, sizeof(line), "luoctl help | grep -q '^  %s '", commands[i]);
		expect_shell(0, line);
		snprintf(line, sizeof(line), "luoctl %s --help >/tmp/help", commands[i]);
		expect_shell(0, line);
		snprintf(line, sizeof(line), "luoctl help %s | cmp - /tmp/help", commands[i]);
		expect_shell(0, line);
		snprintf(line, sizeof(line), "grep 'usage: luoctl %s ' /tmp/help", commands[i]);
		expect_shell(0, line);
		snprintf(line, sizeof(line), "luoctl %s --nonsense", commands[i]);
		expect_shell(2, line);
		expect_err("invalid option '--nonsense'");
	}
	expect_shell(0, "luoctl --json status | grep previous_kernel");
	expect_shell(2, "luoctl --json finish session");
	expect_err("says nothing in JSON");
	expect_shell(2, "luoctl -j");
	expect_shell(0, "luoctl --json help");
	expect_shell(0, "luoctl save '-?'");
	expect_shell(2, "luoctl status more");
	expect_err("unexpected argument 'more'");
	expect_shell(2, "luoctl formats --modules");
	expect_err("option '--modules' wants an argument");
	expect_shell(2, "luoctl save one");
	expect_err("want SESSION TOKEN");
	expect_shell(2, "luoctl save one two three");
	expect_shell(2, "luoctl hold");
	expect_shell(2, "luoctl hold session");
	expect_shell(2, "luoctl hold session --");
	expect_err("want SESSION COMMAND");
	expect_shell(2, "luoctl hold --fd 1 session true");
	expect_shell(2, "luoctl hold session --fd 1 true");
	expect_err("'1' is not N:TOKEN");
	expect_shell(2, "luoctl save session 1x </dev/null");
	expect_err("invalid token '1x'");
	expect_shell(2, "luoctl save session 0x1 </dev/null");
	expect_shell(2, "luoctl save session ' 1' </dev/null");
	expect_shell(2, "luoctl save session 18446744073709551616 </dev/null");
	expect_shell(2, "luoctl save session 1 <&-");
	expect_err("standard input is closed");
	expect_shell(2, "luoctl restore session 1 >&-");
	expect_err("standard output is closed");
	expect_shell(2, "luoctl save '' 1 </dev/null");
	expect_err("invalid session name");
}

/*
 * systemd leaves it alone by its name, the OOM killer by its score, and it keeps nothing open that
 * its caller had.
 */
static void expect_holder(int pid)
{
	char path[128], name[4096];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	require_true(luo_read_text(path, name, sizeof(name)));
	check_eq('@', name[0]);
	snprintf(path, sizeof(path), "test $(ls /proc/%d/fd | wc -l) = 4", pid);
	for (int i = 0; i < 100 && luo_shell(path); i++)
		usleep(100000);
	expect_shell(0, path);
	snprintf(path, sizeof(path), "test $(cat /proc/%d/oom_score_adj) = -1000", pid);
	expect_shell(0, path);
}

static void expect_out_of_status(const char *session, const char *text)
{
	char line[128];

	snprintf(line, sizeof(line), "luoctl status | grep 'session %s: '", session);
	expect_shell(0, line);
	expect_out(text);
}

#define FOUR_AT_ONCE							\
	"for i in 1 2 3 4; do "						\
	"(echo $i | luoctl save both $i || echo bad $i) & done; "	\
	"wait; ! grep bad /tmp/out"

/* Bytes that are no text: of Latin-1, of a terminal */
#define ODD_NAME	"\"$(printf 'caf\\303\\251 \\377\\033\\\\')\""

#define PICTURE									\
	"grep '<title>Blackout' /tmp/picture && "				\
	"grep 'previous kernel' /tmp/picture && "				\
	"grep '>this kernel' /tmp/picture && grep '>0</text>' /tmp/picture"

/* With KASAN each command takes seconds, and to fill all memory minutes. */
static bool is_slow(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

/* What was saved can be saved anew, and dropped; two who come at once both succeed. */
static void save_and_drop(void)
{
	expect_shell(0, "echo one | luoctl save replaced 1");
	expect_shell(0, "echo two | luoctl save --replace replaced 2");
	expect_shell(0, "luoctl status | grep -A1 'session replaced'");
	expect_out("token 2 ");
	check_eq(NULL, strstr(luo_out, "token 1 "));
	expect_shell(0, "luoctl drop replaced");
	expect_shell(1, "luoctl status | grep 'session replaced'");
	expect_shell(3, "luoctl drop replaced");
	expect_shell(0, "echo new | luoctl save --replace replaced 1");
	expect_shell(0, "luoctl drop replaced");
	for (int i = 0; i < 4; i++) {
		expect_shell(0, FOUR_AT_ONCE);
		expect_shell(0, "luoctl status | grep -A4 'session both' | grep token | wc -l");
		expect_out("4");
		expect_shell(0, "luoctl drop both");
	}
}

/* More than fits ends luoctl, and nothing else: without an end, and of a file that is known */
static void too_large(void)
{
	if (!is_slow()) {
		expect_shell(1, "luoctl save large 1 </dev/zero");
		expect_err("standard input: not enough memory: ");
	}
	expect_shell(1, "truncate -s 1000G /tmp/large && luoctl save large 1 </tmp/large");
	expect_err("standard input: not enough memory: ");
	expect_shell(0, "echo small >/tmp/large && luoctl save large 1 </tmp/large");
	expect_shell(0, "luoctl drop large");
}

static void luoctl_1(void)
{
	int memfd = test_memfd(PAGE);

	command_lines();
	expect_shell(0, "luoctl status");
	expect_out("Live update is on");
	expect_shell(2, "luoctl timeline");
	expect_out("blackout: unknown");

	/* The first one of a session leaves a process behind that holds it. */
	expect_shell(0, "echo 'what was saved' | luoctl save script 1");
	expect_holder(atoi(luo_out));
	expect_shell(0, "luoctl save script 18446744073709551615 </bin/kexec_test");
	check_eq(0, strcmp("", luo_out));
	expect_shell(1, "echo again | luoctl save script 1");
	expect_err("session 'script': token 1 is in use");
	expect_out_of_status("script", "held by");
	expect_shell(0, "echo gone | luoctl save given-up 1");
	check_eq(0, kill(atoi(luo_out), SIGTERM));
	expect_shell(0, "while luoctl status | grep -q given-up; do sleep 0.1; done");

	if (!is_slow())
		save_and_drop();

	/* A command with a session: it can preserve by itself, and the session is over with it. */
	dup2(memfd, 9);
	expect_shell(0, "luoctl hold --fd 9:5 held luoctl status");
	expect_out("session held");
	expect_out("token 5 ");
	expect_shell(7, "luoctl hold held sh -c 'test -e /proc/self/fd/$LUO_SESSION && exit 7'");
	expect_shell(0, "luoctl hold held --fd 9:6 luoctl status");
	expect_out("token 6 ");
	expect_shell(0, "luoctl hold held --fd 9:7 -- luoctl status");
	expect_out("token 7 ");
	expect_shell(0, "luoctl hold --fd 9:8 -- held luoctl status");
	expect_out("token 8 ");
	/* Whatever bytes are in it, it is text in JSON. */
	expect_shell(0, "luoctl hold " ODD_NAME " luoctl status --json");
	expect_out("caf\\\\303\\\\251 \\\\377\\\\033\\\\134");
	luo_print_json();
	expect_shell(1, "luoctl hold --fd 0:1 held true </dev/null");
	expect_err("no handler for the file of token 1");
	expect_shell(127, "luoctl hold held /no/such/command");
	expect_err("/no/such/command");
	expect_shell(126, "luoctl hold held /etc");
	expect_shell(6, "luoctl hold held luoctl drop held");
	expect_err("not by luoctl save");
	expect_shell(0, "luoctl hold --keep kept true </dev/null");
	expect_shell(0, "luoctl hold --keep --fd 9:10 kept true");
	expect_shell(0, "luoctl status | grep 'session kept: '");
	too_large();

	expect_shell(3, "luoctl restore script 1");
	expect_err("not handed over by the previous kernel");
	expect_shell(3, "luoctl have script");
	expect_shell(3, "luoctl finish script");
	expect_shell(0, "luoctl status --json");
	luo_print_json();
}

/* With the device held open by another program it gives up in the end. */
static void busy(void)
{
	int dev = test_open();

	expect_shell(6, "luoctl finish script");
	expect_err("opened by another program");
	/* Who only asks needs nobody's leave. */
	expect_shell(0, "luoctl have script");
	expect_shell(0, "luoctl status");
	close(dev);
}

static void where_time_went(void)
{
	expect_shell(0, "luoctl timeline");
	expect_out("blackout: ");
	expect_out("  boot ");
	expect_shell(0, "luoctl timeline --json");
	luo_print_json();
	expect_shell(0, "luoctl timeline --svg=/tmp/picture && grep -c rect /tmp/picture");
	expect_shell(0, PICTURE);
	expect_shell(1, "luoctl timeline --svg=/no/such/folder");
}

static void luoctl_2(void)
{
	int s;

	expect_shell(0, "luoctl status");
	expect_out("From the previous kernel: present");
	expect_out("session script: waiting\n");
	expect_out("unclaimed: 4 sessions, ");
	expect_out("memory left: ");
	expect_out("Last live update: ");
	expect_shell(0, "luoctl status --json");
	luo_print_json();
	busy();
	for (int i = 0; i < 2; i++) {
		expect_shell(0, "luoctl restore script 1");
		check_eq(0, strcmp("what was saved", luo_out));
	}
	expect_shell(0, "luoctl restore script 18446744073709551615 | cmp - /bin/kexec_test");
	expect_shell(3, "luoctl restore script 2");
	expect_err("session 'script' has no token 2");
	expect_shell(0, "luoctl have script 1");
	expect_shell(3, "luoctl have script 2");
	expect_shell(3, "luoctl have never");

	expect_shell(0, "luoctl restore kept 10 >/tmp/kept && luoctl finish kept");

	where_time_went();
	expect_shell(1, "luoctl preflight -N /boot/kernel");
	expect_out("session 'script' of the previous kernel is unfinished and will be lost");
	expect_shell(1, "luoctl preflight -N --lose finished /boot/kernel");
	expect_shell(0, "luoctl preflight -N --lose finished -l script -l unwanted /boot/kernel");
	expect_shell(0, "luoctl preflight -N --lose-unfinished /boot/kernel");
	expect_shell(0, "luoctl preflight -N --force unfinished /boot/kernel");
	expect_out("forced   unfinished: session 'script'");
	s = retrieve("script");
	/* Where save has left it; restore does not move it. */
	check_eq(sizeof("what was saved"), lseek(test_retrieve_fd(s, 1), 0, SEEK_CUR));
	expect_shell(6, "luoctl restore script 1");
	expect_err("retrieved by another program");
	expect_shell(6, "luoctl have script");
	/* One for the next kernel of the same name is another session. */
	expect_shell(0, "echo new | luoctl save script 1");
	expect_holder(atoi(luo_out));
	close(s);
	expect_gone("script");
}

static void finish_1(void)
{
	expect_shell(0, "echo 'what was saved' | luoctl save finished 1");
	expect_shell(0, "echo 'what was saved' | luoctl save unwanted 1");
}

static void finish_2(void)
{
	expect_shell(1, "luoctl finish finished");
	expect_err("files not retrieved: 1, token 1 first");
	expect_shell(0, "luoctl have finished 1");
	expect_shell(0, "luoctl restore finished 1");
	expect_shell(0, "luoctl finish finished");
	expect_shell(3, "luoctl finish finished");
	expect_shell(0, "luoctl finish --discard unwanted");
	expect_gone("finished");
}

/* Live update is off: each command says so, none of them hangs. */
static void off_1(void)
{
	expect_shell(0, "echo lost | luoctl save off 1");
}

static void off_2(void)
{
	static const char *const asks[] = {
		"status", "timeline", "restore off 1", "have off", "save off 1 </dev/null",
		"finish off", "drop off", "hold off true",
	};
	char line[64];

	for (int i = 0; i < ARRAY_SIZE(asks); i++) {
		snprintf(line, sizeof(line), "luoctl %s 2>&1", asks[i]);
		expect_shell(7, line);
		expect_out("live update is off: any reboot loses what was handed over");
	}
	expect_shell(7, "luoctl status --json");
	luo_print_json();
	expect_shell(0, "luoctl formats");
	expect_shell(0, "luoctl formats /boot/kernel");
	expect_shell(1, "luoctl preflight -c 'liveupdate=on kho=on' /boot/kernel");
	expect_out("this-kernel: nothing is handed over: live update is off");
	expect_shell(1, "luoctl preflight --json /boot/kernel");
	luo_print_json();
	expect_shell(1, "luoctl kexec -c liveupdate=on /boot/kernel");
	expect_err("not started");
}

/*
 * The mainline kernel answers no queries and cannot keep a session that was retrieved: what can
 * be done is done, and the rest is said to be unknown.
 */
static void stock_1(void)
{
	expect_shell(2, "luoctl status");
	expect_out("More is not known: this kernel does not list what it holds");
	expect_shell(2, "luoctl status --json");
	luo_print_json();
	expect_shell(0, "echo 'what was saved' | luoctl save script 1");
	expect_shell(0, "echo more | luoctl save other 1");
	expect_shell(2, "luoctl preflight -N /boot/kernel");
	expect_out("details: what this kernel preserves cannot be read");
	expect_shell(2, "luoctl timeline");
	expect_err("this kernel does not list what it holds");
}

static void stock_2(void)
{
	expect_shell(2, "luoctl have script");
	expect_err("this kernel does not list what it holds");
	/* Nothing is lost unless that is asked for. */
	expect_shell(1, "luoctl restore script 2");
	expect_err("this kernel frees all of it at once: --discard");
	expect_shell(1, "luoctl finish script");
	expect_shell(3, "luoctl restore --discard nothing 1");
	expect_shell(0, "luoctl restore --discard script 1");
	check_eq(0, strcmp("what was saved", luo_out));
	expect_err("session 'script': this kernel finishes it now");
	expect_shell(0, "luoctl finish --discard other");
	expect_shell(3, "luoctl finish --discard other");
}

/* It was asked for, and there is no memory for it. */
static void kho_failed(void)
{
	expect_shell(7, "luoctl status");
	expect_out("Kexec HandOver has failed, see the kernel's log");
	expect_shell(7, "luoctl save session 1 </dev/null");
	expect_err("live update is off: Kexec HandOver has failed");
	expect_shell(1, "luoctl preflight -N /boot/kernel");
	expect_out("nothing is handed over: live update is off: Kexec HandOver");
}

static const struct scenario luoctl_stock_scenarios[] = {
	{ "mainline kernel", { stock_1, stock_2 } },
	{ }
};

SCENARIOS("luoctl-stock", luoctl_stock_scenarios)

static const struct scenario luoctl_kho_failed_scenarios[] = {
	{ "no scratch memory", { kho_failed } },
	{ }
};

SCENARIOS("luoctl-kho-failed", luoctl_kho_failed_scenarios)

static const struct scenario luoctl_scenarios[] = {
	{ "scripts", { luoctl_1, luoctl_2 } },
	{ "finish", { finish_1, finish_2 } },
	{ }
};

SCENARIOS("luoctl", luoctl_scenarios)

static const struct scenario luoctl_off_scenarios[] = {
	{ "switched off", { off_1, off_2 } },
	{ }
};

SCENARIOS("luoctl-off", luoctl_off_scenarios, .more = { NULL, "liveupdate=off" })
