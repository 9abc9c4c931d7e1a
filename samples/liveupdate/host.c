// SPDX-License-Identifier: GPL-2.0
/* What the samples need as /init of a small guest: file systems, a port, clocks. */
#include <fcntl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include "host.h"

/* The story goes to the second serial port, the kernel's log to the first. */
FILE *start_host(void)
{
	FILE *story;
	int fd;

	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	fd = open("/dev/ttyS1", O_WRONLY | O_CLOEXEC);
	story = fd < 0 ? stdout : fdopen(fd, "w");
	setlinebuf(story);
	return story;
}

void read_cmdline(char *cmdline, size_t size)
{
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, cmdline, size - 1);

	close(fd);
	if (n > 0 && cmdline[n - 1] == '\n')
		n--;
	cmdline[n > 0 ? n : 0] = '\0';
}

void flush_story(FILE *story)
{
	fflush(story);
	tcdrain(fileno(story));
}

noreturn void power_off(FILE *story)
{
	flush_story(story);
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* The only clock that goes on across kexec */
__u64 cycles(void)
{
	__u32 low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (__u64)high << 32 | low;
}

__u64 cycles_per_second(void)
{
	__u64 c = cycles();
	double t = now();

	usleep(200000);
	return (cycles() - c) / (now() - t);
}
