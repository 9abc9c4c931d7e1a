// SPDX-License-Identifier: GPL-2.0
/* Output, and what the kernel says in files. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>

#include "util.h"

void luo_say(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

const char *luo_error(int ret)
{
	return ret < 0 ? strerrorname_np(-ret) : "success";
}

bool luo_is_off(int dev)
{
	return dev == -ENOENT && !getenv("luo_required");
}

int luo_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

size_t luo_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

bool luo_is_linux(const char *release)
{
	struct utsname name;

	return !uname(&name) && !strncmp(name.release, release, strlen(release));
}

long long luo_free_memory(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	long long pages = 0, n;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " pages free %lld", &n) == 1 ||
		    sscanf(line, " count: %lld", &n) == 1)
			pages += n;
	if (!pages) {
		/* Comparing nothing with nothing would pass */
		perror("/proc/zoneinfo");
		exit(1);
	}
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

bool luo_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

/* All of it, without the end of its last line; empty if it cannot be read */
bool luo_read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	size_t len = 0;

	while (n > 0) {
		n = read(fd, text + len, size - 1 - len);
		len += n > 0 ? n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = 0;
	return !n;
}

#define STATUS		"/sys/kernel/liveupdate/"

bool luo_status_is(const char *name, const char *want)
{
	char path[64], seen[4096];

	snprintf(path, sizeof(path), STATUS "%s", name);
	if (!luo_read_text(path, seen, sizeof(seen)))
		snprintf(seen, sizeof(seen), "cannot be read");
	if (!strcmp(seen, want))
		return true;
	luo_say("%s: '%s', not '%s'", path, seen, want);
	return false;
}

long long luo_bytes_preserved(const char *side)
{
	char path[64], text[64 * 1024], *line;

	snprintf(path, sizeof(path), "/sys/kernel/debug/liveupdate/%s", side);
	if (!luo_read_text(path, text, sizeof(text)))
		return -1;
	line = strstr(text, "bytes preserved: ");
	return line ? atoll(line + strlen("bytes preserved: ")) : -1;
}

int luo_kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

int luo_kmsg_count(int kmsg, const char *one, const char *two)
{
	char line[8192];
	int count = 0;
	ssize_t n;

	while ((n = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		count += strstr(line, one) && strstr(line, two);
	}
	return count;
}
