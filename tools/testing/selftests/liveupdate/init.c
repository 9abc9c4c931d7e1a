// SPDX-License-Identifier: GPL-2.0
/*
 * The first program of a test guest.
 *
 * What to do comes from the kernel's command line, as environment variables:
 *
 *   luo_run=PROG[,PROG...]  programs of /bin to run, one after the other
 *   luo_place=N             in the Nth kernel the program takes our place as process 1
 *   luo_output=DEVICE       where their output goes, if not to the second serial port
 *   luo_kmemleak=1          look for leaks afterwards
 *   luo_gcov=1              write what code was run to the third serial port, also before
 *                           a jump: luo_jump() runs "/init gcov" then
 *
 * Their output goes to the second serial port, between marks that tell which of them ran and how
 * they ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
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
#define GCOV		"/sys/kernel/debug/gcov"

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

/* A serial port, as it comes, without any line discipline; -1: there is none. */
static int open_raw(const char *port)
{
	struct termios t;
	int fd = open(port, O_RDWR | O_NOCTTY);

	if (fd < 0)
		return -1;
	if (tcgetattr(fd, &t)) {
		close(fd);
		return -1;
	}
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	tcsetattr(fd, TCSANOW, &t);
	return fd;
}

/* What was said, or the second serial port, if it is there */
static void open_output(void)
{
	int fd = open_raw(getenv("luo_output") ?: "/dev/ttyS1");

	if (fd < 0)
		fd = open_raw("/dev/console");
	if (fd < 0)
		return;
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

static bool takes_our_place(void)
{
	const char *where = getenv("luo_place"), *here = getenv("luo_stage");

	return where && here && !strcmp(where, here);
}

static void run(const char *prog)
{
	char path[256];
	int status = -1;
	pid_t pid;

	mark("begin", prog, 0);
	snprintf(path, sizeof(path), "/bin/%s", prog);
	fflush(stdout);
	pid = takes_our_place() ? 0 : fork();
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

static bool tell_kmemleak(const char *what)
{
	int fd = open(KMEMLEAK, O_WRONLY);
	bool done = write(fd, what, strlen(what)) >= 0;

	if (!done)
		perror(KMEMLEAK);
	close(fd);
	return done;
}

/* It refuses where it has switched itself off, and then lists no leak either. */
static bool scan(void)
{
	/* An object is not suspect before it is five seconds old. */
	sleep(6);
	if (!tell_kmemleak("scan"))
		return false;
	sleep(1);
	return tell_kmemleak("scan");
}

static void look_for_leaks(void)
{
	bool scanned;
	char line[512];
	int leaks = 0;
	FILE *f;

	mark("begin", "kmemleak", 0);
	printf("TAP version 13\n1..1\n");
	if (access(KMEMLEAK, R_OK)) {
		printf("ok 1 kmemleak # SKIP this kernel has no kmemleak\n");
	} else {
		scanned = scan();
		f = fopen(KMEMLEAK, "r");
		while (f && fgets(line, sizeof(line), f)) {
			leaks += !strncmp(line, "unreferenced", 12);
			printf("# %s", line);
		}
		printf("%s 1 kmemleak\n", scanned && f && !leaks ? "ok" : "not ok");
	}
	mark("end", "kmemleak", 0);
}

static FILE *gcov_port;

/* A line that names the file and says how long it is, then its contents */
static int send_counters(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static char data[1 << 20];
	size_t len;
	FILE *f;

	if (type != FTW_F || !strstr(path, ".gcda"))
		return 0;
	f = fopen(path, "r");
	if (!f)
		return 0;
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	fprintf(gcov_port, "%zu %s\n", len, path + strlen(GCOV));
	fwrite(data, 1, len, gcov_port);
	return 0;
}

static void send_coverage(void)
{
	int fd = open_raw("/dev/ttyS2");

	gcov_port = fd < 0 ? NULL : fdopen(fd, "w");
	if (!gcov_port) {
		perror("/dev/ttyS2");
		return;
	}
	nftw(GCOV, send_counters, 16, FTW_PHYS);
	fflush(gcov_port);
	tcdrain(fd);
	fclose(gcov_port);
}

int main(int argc, char **argv)
{
	char *list = getenv("luo_run"), *prog;

	if (argc > 1 && !strcmp(argv[1], "gcov")) {
		send_coverage();
		return 0;
	}
	mount_all();
	open_output();
	/* It would scan by itself after a minute, for longer than many of our tests take. */
	if (getenv("luo_kmemleak") && !access(KMEMLEAK, W_OK))
		tell_kmemleak("scan=off");
	for (prog = list ? strtok(list, ",") : NULL; prog; prog = strtok(NULL, ","))
		run(prog);
	if (getenv("luo_kmemleak"))
		look_for_leaks();
	if (getenv("luo_gcov"))
		send_coverage();
	mark("end", "guest", 0);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_AUTOBOOT);
	return 1;
}
