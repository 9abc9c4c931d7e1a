// SPDX-License-Identifier: GPL-2.0
/*
 * Loading the next kernel and going there.
 *
 * The Nth kernel is /boot/kernel-N if that exists, else /boot/kernel. Its initramfs is the
 * one that this kernel was booted with (retain_initrd keeps it in sysfs).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <linux/kexec.h>
#include <linux/reboot.h>

#include "util.h"

#define INITRD	"/sys/firmware/initrd"

int luo_stage(void)
{
	return atoi(getenv("luo_stage") ?: "1");
}

/* The same command line, but for the stage and what was added for this kernel */
bool luo_next_cmdline(char *out, size_t size)
{
	char line[2048] = "";
	char *at, *rest;
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f || !fgets(line, sizeof(line), f))
		return false;
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	at = strstr(line, LUO_MORE);
	if (at)
		*at = 0;
	at = strstr(line, "luo_stage=");
	if (!at)
		return false;
	rest = at + strcspn(at, " ");
	*at = 0;
	snprintf(out, size, "%sluo_stage=%d%s", line, luo_stage() + 1, rest);
	return true;
}

static const char *next_kernel(void)
{
	static char path[32];

	snprintf(path, sizeof(path), "/boot/kernel-%d", luo_stage() + 1);
	return access(path, R_OK) ? "/boot/kernel" : path;
}

static int load_file(const char *cmdline, unsigned long flags)
{
	int kernel = open(next_kernel(), O_RDONLY | O_CLOEXEC);
	int initrd = open(INITRD, O_RDONLY | O_CLOEXEC);
	int ret = 0;

	if (kernel < 0 || initrd < 0) {
		luo_say("%s, %s: no next kernel", next_kernel(), INITRD);
		ret = -ENOENT;
	} else if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1, cmdline,
			   flags)) {
		ret = -errno;
	}
	if (kernel >= 0)
		close(kernel);
	if (initrd >= 0)
		close(initrd);
	return ret;
}

int luo_load_next(const char *cmdline)
{
	return load_file(cmdline, 0);
}

/* The kernel that a panic starts; the same, but nobody goes there otherwise. */
int luo_load_crash(const char *cmdline)
{
	return load_file(cmdline, KEXEC_FILE_ON_CRASH);
}

/* The same by kexec_load(2), which needs Debian's kexec-tools to put the image together. */
int luo_load_legacy(const char *cmdline)
{
	char append[4096], initrd[64] = "--initrd=" INITRD;
	int status;
	pid_t pid;

	if (access("/sbin/kexec", X_OK))
		return -ENOENT;
	snprintf(append, sizeof(append), "--command-line=%s", cmdline);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execl("/sbin/kexec", "kexec", "-c", "-l", next_kernel(), initrd, append, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return status ? -EIO : 0;
}

static int load_code(const __u8 *code, size_t size, unsigned long flags)
{
	struct kexec_segment segment = {
		.buf = code,
		.bufsz = size,
		.mem = (void *)0x2000000,
		.memsz = PAGE,
	};

	if (syscall(SYS_kexec_load, 0x2000000L, 1L, &segment, KEXEC_ARCH_DEFAULT | flags))
		return -errno;
	return 0;
}

/*
 * The least that kexec_load(2) takes: one page of code that resets the machine through the
 * keyboard controller, should anybody ever jump there.
 */
int luo_load_raw(void)
{
	static const __u8 reset[] = { 0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd };

	return load_code(reset, sizeof(reset), 0);
}

/* Code that comes back at once, having said where it is to be entered next time */
int luo_load_back(void)
{
	static const __u8 back[] = {
		0x4c, 0x8d, 0x1d, 0xf9, 0xff, 0xff, 0xff,	/* lea back(%rip), %r11 */
		0x4c, 0x89, 0x5c, 0x24, 0x08,			/* mov %r11, 8(%rsp) */
		0xc3,						/* ret */
	};

	return load_code(back, sizeof(back), KEXEC_PRESERVE_CONTEXT);
}

int luo_unload(void)
{
	return syscall(SYS_kexec_load, 0L, 0L, NULL, (long)KEXEC_ARCH_DEFAULT) ? -errno : 0;
}

/* What was counted of the code that ran is lost with the kernel */
static void send_coverage(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/init", "init", "gcov", NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		luo_say("/init gcov: cannot be run");
}

/* The call and nothing else; comes back only with an error */
int luo_reboot(void)
{
	return syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		       LINUX_REBOOT_CMD_KEXEC, NULL) < 0 ? -errno : 0;
}

static void before_the_jump(void)
{
	fflush(stdout);
	if (getenv("luo_gcov"))
		send_coverage();
	tcdrain(STDOUT_FILENO);
}

/* After all that was printed has arrived */
int luo_jump(void)
{
	before_the_jump();
	return luo_reboot();
}

/* By luoctl, which loads it as well; what it says is in @said if it comes back */
int luo_jump_by_luoctl(const char *cmdline, bool force, const char *said)
{
	int out, status;
	pid_t pid;

	before_the_jump();
	pid = fork();
	if (!pid) {
		out = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execl("/sbin/luoctl", "luoctl", "kexec", next_kernel(), "--initrd=" INITRD,
		      "--command-line", cmdline, force ? "--force=command-line" : NULL, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return -EIO;
}
