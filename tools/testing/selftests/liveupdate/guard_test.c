// SPDX-License-Identifier: GPL-2.0
/*
 * With systemd as process 1: a reboot by kexec that would lose what is preserved is refused before
 * any unit is stopped, see luoctl guard.
 *
 *   guard_test N            tries reboots that are refused, then one that is not; ends in kernel N
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
/* The wall of this guest writes to that file. */
#define TOLD		"/run/luo-told"
#define NOTE		"/run/liveupdate/loaded.json"

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	require_true(f);
	fputs(text, f);
	fclose(f);
}

/* The boot loader's default entry, which systemctl kexec loads */
static void write_entry(const char *kernel, const char *cmdline)
{
	char text[2200];

	snprintf(text, sizeof(text), "title Next\nlinux /%s\ninitrd /initrd\noptions %s\n",
		 kernel, cmdline);
	mkdir("/boot/loader", 0755);
	mkdir("/boot/loader/entries", 0755);
	write_text(ENTRY, text);
}

static void good_entry(const char *kernel)
{
	char cmdline[2048];

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	write_entry(kernel, cmdline);
}

/* It switches live update off. */
static void bad_entry(void)
{
	char cmdline[2048];
	size_t len;

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	len = strlen(cmdline);
	snprintf(cmdline + len, sizeof(cmdline) - len, " liveupdate=off");
	write_entry("kernel", cmdline);
}

/* As kexec -s -l does: no note is written. */
static void load_by_hand(const char *cmdline)
{
	int kernel = open("/boot/kernel", O_RDONLY | O_CLOEXEC);
	int initrd = open("/boot/initrd", O_RDONLY | O_CLOEXEC);

	require_eq(0, luo_kexec_load(kernel, initrd, cmdline));
	close(kernel);
	close(initrd);
}

/*
 * One unit of each type, started by hand: a target that wants a unit is ordered after it, is
 * stopped before it, and would keep it running as well.
 */
#define UNITS		"luo-guest.service luo-each.socket run-each.mount"

static void start_units(void)
{
	expect_shell(0, "systemctl start " UNITS);
	expect_shell(0, "systemd-run --scope --unit=luo-guest.scope sleep 1000000 &");
	expect_shell(0, "until systemctl is-active --quiet luo-guest.scope; do sleep 0.2; done");
}

static void settle(void)
{
	expect_shell(0, "until systemctl is-active --quiet " PREFLIGHT "; do sleep 0.2; done");
}

static int pid_of_guest(void)
{
	luo_shell("systemctl show --property=MainPID --value luo-guest.service");
	return atoi(luo_out);
}

/* The reason is @why; all units still run as before, and the image is unloaded. */
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
	/* systemctl is content with one of several. */
	expect_shell(0, "for unit in " UNITS " luo-guest.scope; do\n"
			"systemctl is-active $unit || exit 1; done");
	expect_shell(0, "systemctl list-jobs");
	expect_out("No jobs");
	expect_shell(0, "cat /sys/kernel/kexec/loaded");
	check_eq('0', luo_out[0]);
	expect_shell(0, "luoctl status | grep -q guarded");
}

#define KEXEC	"systemctl kexec --no-block"

#define UNKNOWN	"cannot be told which kernel"

/* The loaded image is neither the default entry nor that of the note. */
static void refuse_unknown(void)
{
	char cmdline[2048];

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	load_by_hand(cmdline);
	expect_shell(2, "rm " ENTRY "; luoctl preflight --loaded");
	expect_refused(KEXEC, UNKNOWN);

	/* The entry has another kernel. */
	expect_shell(0, "cat /boot/kernel > /boot/other; echo >> /boot/other");
	good_entry("other");
	load_by_hand(cmdline);
	expect_refused(KEXEC, UNKNOWN);

	/* A note is left of an image that was loaded before. */
	load_by_hand(cmdline);
	write_text(NOTE, "{ \"digest\": \"00\", \"image\": \"/boot/kernel\" }");
	expect_refused(KEXEC, UNKNOWN);
	expect_shell(1, "test -e " NOTE);
}

/* Preflight exits: there are no such modules. */
static void refuse_after_failure(void)
{
	char digest[128], note[256];

	good_entry("kernel");
	load_by_hand("liveupdate=on");
	require_true(luo_read_text("/sys/kernel/kexec/kernel_sha256", digest, sizeof(digest)));
	digest[strcspn(digest, "\n")] = 0;
	snprintf(note, sizeof(note),
		 "{ \"image\": \"/boot/kernel\", \"modules\": \"/none\", \"digest\": \"%s\" }",
		 digest);
	write_text(NOTE, note);
	expect_refused(KEXEC, "the preflight has failed");
}

/* ---- one for each kernel: the last line goes to the next */

static void kernel_1(void)
{
	bad_entry();
	/* Nothing is preserved. */
	expect_shell(0, "luoctl guard");
	expect_shell(0, "echo first | luoctl save guarded 1");
	expect_refused(KEXEC, "does not switch live update on");

	/* The kernel of the entry, with another command line */
	good_entry("kernel");
	load_by_hand("unknown");
	expect_refused(KEXEC, "does not switch live update on");

	mkdir("/run/liveupdate", 0755);
	refuse_unknown();
	refuse_after_failure();

	/* The service is stopped, but there is no reboot. */
	expect_shell(0, "systemctl restart " PREFLIGHT);
	expect_shell(0, KEXEC);
}

/* The image is loaded by luoctl, with an option. */
static void kernel_2(void)
{
	expect_shell(0, "luoctl restore guarded 1");
	check_eq(0, strcmp(luo_out, "first"));
	good_entry("kernel");
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
	write_text(SETTINGS, "PREFLIGHT=warn\n");
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
	start_units();
	kernels[kernel - 1]();
	ksft_test_result(!luo_has_failed, "kernel %d\n", kernel);
	if (kernel < last && !luo_has_failed)
		return 0;
	printf("# luo: end guard_test %d\n# luo: end guest 0\n", luo_has_failed);
	luo_shell("systemctl reboot --no-block --force --force");
	return luo_has_failed;
}
