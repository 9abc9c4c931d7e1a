// SPDX-License-Identifier: GPL-2.0
/*
 * The first program of a test guest.
 *
 * What to do comes from the kernel's command line, as environment variables:
 *
 *   luo_run=PROG[,PROG...]  programs of /bin to run, one after the other
 *   luo_kmemleak=1          look for leaks afterwards
 *
 * Their output goes to the second serial port, between marks that tell scripts/check.py
 * which of them ran and how they ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

static void mount_all(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mkdir("/dev/shm", 0755);
	mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL);
}

/* The second serial port if there is one, as it comes, without any line discipline. */
static void open_output(void)
{
	struct termios t;
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, &t))
		fd = open("/dev/console", O_RDWR | O_NOCTTY);
	if (fd < 0)
		return;
	if (!tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		cfsetspeed(&t, B115200);
		tcsetattr(fd, TCSANOW, &t);
	}
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	setlinebuf(stdout);
}

/* Name the program in the kernel's log too, so that a warning can be placed. */
static void mark(const char *what, const char *prog, int status)
{
	FILE *kmsg = fopen("/dev/kmsg", "w");

	printf("# luo: %s %s %d\n", what, prog, status);
	if (kmsg) {
		fprintf(kmsg, "luo: %s %s %d\n", what, prog, status);
		fclose(kmsg);
	}
}

static void run(const char *prog)
{
	char path[256];
	int status = -1;
	pid_t pid;

	mark("begin", prog, 0);
	snprintf(path, sizeof(path), "/bin/%s", prog);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setsid();
		execl(path, prog, NULL);
		perror(path);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	mark("end", prog, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void scan(void)
{
	int fd = open(KMEMLEAK, O_WRONLY);

	/* An object is not suspect before it is five seconds old. */
	sleep(6);
	if (write(fd, "scan", 4) == 4)
		sleep(1);
	if (write(fd, "scan", 4) != 4)
		perror(KMEMLEAK);
	close(fd);
}

static void look_for_leaks(void)
{
	char line[512];
	int leaks = 0;
	FILE *f;

	mark("begin", "kmemleak", 0);
	printf("TAP version 13\n1..1\n");
	if (access(KMEMLEAK, R_OK)) {
		printf("ok 1 kmemleak # SKIP this kernel has no kmemleak\n");
	} else {
		scan();
		f = fopen(KMEMLEAK, "r");
		while (f && fgets(line, sizeof(line), f)) {
			leaks += !strncmp(line, "unreferenced", 12);
			printf("# %s", line);
		}
		printf("%s 1 kmemleak\n", f && !leaks ? "ok" : "not ok");
	}
	mark("end", "kmemleak", 0);
}

int main(void)
{
	char *list = getenv("luo_run"), *prog;

	mount_all();
	open_output();
	for (prog = list ? strtok(list, ",") : NULL; prog; prog = strtok(NULL, ","))
		run(prog);
	if (getenv("luo_kmemleak"))
		look_for_leaks();
	mark("end", "guest", 0);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_AUTOBOOT);
	return 1;
}
