// SPDX-License-Identifier: GPL-2.0
/*
 * Where systemd is process 1, a reboot by kexec that would lose what is preserved is refused
 * before anything is stopped, see luoctl guard.
 *
 *   guard_test N            goes to the next kernel by all ways that are refused, then by one that
 *                           is not, or ends in the Nth
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "kexec/scenario.h"
#include "lib/shell.h"

#define SETTINGS	"/etc/default/liveupdate"
#define ENTRY		"/boot/loader/entries/next.conf"
#define PREFLIGHT	"liveupdate-preflight.service"
/* What wall(1) is there, and the journal is to have */
#define TOLD		"/run/luo-told"

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	require_true(f);
	fputs(text, f);
	fclose(f);
}

/* What systemctl loads when it is asked for a kexec */
static void write_entry(const char *cmdline)
{
	char text[2100];

	snprintf(text, sizeof(text), "title Next\nlinux /kernel\ninitrd /initrd\noptions %s\n",
		 cmdline);
	mkdir("/boot/loader", 0755);
	mkdir("/boot/loader/entries", 0755);
	write_text(ENTRY, text);
}

static void good_entry(void)
{
	char cmdline[2048];

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	write_entry(cmdline);
}

/* One that switches live update off */
static void bad_entry(void)
{
	char cmdline[2048];
	size_t len;

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	len = strlen(cmdline);
	snprintf(cmdline + len, sizeof(cmdline) - len, " liveupdate=off");
	write_entry(cmdline);
}

static void load_by_hand(void)
{
	int kernel = open("/boot/kernel", O_RDONLY | O_CLOEXEC);
	int initrd = open("/boot/initrd", O_RDONLY | O_CLOEXEC);

	require_eq(0, luo_kexec_load(kernel, initrd, "unknown"));
	close(kernel);
	close(initrd);
}

static void settle(void)
{
	expect_shell(0, "until systemctl is-active --quiet " PREFLIGHT "; do sleep 0.2; done");
}

/* Number of the process that was started before all this */
static int pid_of_guest(void)
{
	luo_shell("systemctl show --property=MainPID --value luo-guest.service");
	return atoi(luo_out);
}

/* @why is said, and everything is as it was, but that nothing is loaded any more. */
static void expect_refused(const char *ask, const char *why)
{
	char text[4096] = "";
	int pid = pid_of_guest();

	unlink(TOLD);
	luo_say("refused: %s", why);
	expect_shell(0, ask);
	expect_shell(0, "until test -s " TOLD "; do sleep 0.2; done");
	settle();
	require_true(luo_read_text(TOLD, text, sizeof(text)));
	expect_said(text, why);
	check_eq(pid, pid_of_guest());
	expect_shell(0, "systemctl is-active luo-guest.socket luo-guest.service basic.target");
	expect_shell(0, "systemctl list-jobs");
	expect_out("No jobs");
	expect_shell(0, "cat /sys/kernel/kexec/loaded");
	check_eq('0', luo_out[0]);
	expect_shell(0, "luoctl status | grep -q guarded");
}

#define KEXEC	"systemctl kexec --no-block"

/* ---- one for each kernel: the last line goes to the next */

static void kernel_1(void)
{
	bad_entry();
	/* There is nothing to lose yet: it is not kept from anything. */
	expect_shell(0, "luoctl guard");
	expect_shell(0, "echo first | luoctl save guarded 1");
	expect_refused(KEXEC, "does not switch live update on");
	good_entry();
	/* It is the same kernel, but would be started otherwise. */
	load_by_hand();
	expect_refused(KEXEC, "does not switch live update on");
	load_by_hand();
	expect_shell(2, "rm " ENTRY "; luoctl preflight --loaded");
	expect_refused(KEXEC, "cannot be told which kernel");
	write_text(SETTINGS, "PREFLIGHT=--no-such-option\n");
	good_entry();
	expect_refused(KEXEC, "the preflight has failed");
	unlink(SETTINGS);
	/* Something else stops it. */
	expect_shell(0, "systemctl restart " PREFLIGHT);
	expect_shell(0, KEXEC);
}

/* An image that luoctl has loaded, as it was asked to */
static void kernel_2(void)
{
	expect_shell(0, "luoctl restore guarded 1");
	check_eq(0, strcmp(luo_out, "first"));
	good_entry();
	expect_refused(KEXEC, "is unfinished and will be lost");
	expect_shell(0, "echo second | luoctl save guarded-2 1");
	expect_shell(0, "line=$(sed -n 's/options //p' " ENTRY ")\n"
			"luoctl kexec /boot/kernel --initrd=/boot/initrd --lose guarded -c \"$line\"");
}

static void kernel_3(void)
{
	expect_shell(0, "luoctl restore guarded-2 1");
	check_eq(0, strcmp(luo_out, "second"));
	expect_shell(0, "luoctl finish guarded-2");
	expect_shell(0, "echo third | luoctl save guarded 1");
	write_text(SETTINGS, "PREFLIGHT=--warn-only\n");
	bad_entry();
	expect_shell(0, KEXEC);
}

/* The warning was right. */
static void kernel_4(void)
{
	expect_shell(7, "luoctl restore guarded 1");
	expect_shell(0, "luoctl guard");
}

static void (*const kernels[])(void) = { kernel_1, kernel_2, kernel_3, kernel_4 };

int main(int argc, char **argv)
{
	int kernel = luo_stage(), last = argc == 2 ? atoi(argv[1]) : 0;

	if (kernel < 1 || kernel > last || last > ARRAY_SIZE(kernels))
		return 2;
	setlinebuf(stdout);
	printf("# luo: begin guard_test 0\n");
	ksft_print_header();
	ksft_set_plan(1);
	mkdir("/etc/default", 0755);
	settle();
	kernels[kernel - 1]();
	ksft_test_result(!luo_has_failed, "kernel %d\n", kernel);
	if (kernel < last && !luo_has_failed)
		return 0;
	printf("# luo: end guard_test %d\n# luo: end guest 0\n", luo_has_failed);
	luo_shell("systemctl reboot --no-block --force --force");
	return luo_has_failed;
}
