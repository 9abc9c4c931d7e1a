// SPDX-License-Identifier: GPL-2.0
/* Output, files of the kernel, and memfds with known contents. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo_util.h"

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

int luo_memfd(const char *name, unsigned int flags, off_t size)
{
	int fd = memfd_create(name, flags | MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size)) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Through /proc/self/fd, as programs do that want another open file of it */
int luo_reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The eight bytes at position @pos, a multiple of eight: splitmix64 of both. */
static __u64 word(__u64 seed, __u64 pos)
{
	__u64 z = (seed * 0x100000001b3ull) ^ (pos + 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void contents(__u8 *buf, __u64 seed, off_t from, size_t len)
{
	for (size_t i = 0; i < len; ) {
		__u64 pos = from + i, w = word(seed, pos & ~7ull);
		size_t skip = pos & 7, n = 8 - skip;

		if (n > len - i)
			n = len - i;
		memcpy(buf + i, (__u8 *)&w + skip, n);
		i += n;
	}
}

#define CHUNK	65536

bool luo_fill(int fd, __u64 seed, off_t from, size_t len)
{
	static __thread __u8 buf[CHUNK];

	while (len) {
		size_t n = len < CHUNK ? len : CHUNK;

		contents(buf, seed, from, n);
		if (pwrite(fd, buf, n, from) != (ssize_t)n) {
			luo_say("pwrite at %lld: %m", (long long)from);
			return false;
		}
		from += n;
		len -= n;
	}
	return true;
}

static bool compare(const __u8 *got, const __u8 *want, size_t n, off_t from)
{
	for (size_t i = 0; i < n; i++) {
		if (got[i] == want[i])
			continue;
		luo_say("byte %lld is %02x, not %02x", (long long)from + i, got[i], want[i]);
		return false;
	}
	return true;
}

bool luo_holds(int fd, __u64 seed, off_t from, size_t len)
{
	static __thread __u8 want[CHUNK], got[CHUNK];

	while (len) {
		size_t n = len < CHUNK ? len : CHUNK;
		ssize_t r = pread(fd, got, n, from);

		if (r != (ssize_t)n) {
			luo_say("pread of %zu at %lld: %zd", n, (long long)from, r);
			return false;
		}
		contents(want, seed, from, n);
		if (memcmp(got, want, n) && !compare(got, want, n, from))
			return false;
		from += n;
		len -= n;
	}
	return true;
}

bool luo_is_zero(int fd, off_t from, size_t len)
{
	static __thread __u8 zero[CHUNK], got[CHUNK];

	while (len) {
		size_t n = len < CHUNK ? len : CHUNK;

		if (pread(fd, got, n, from) != (ssize_t)n || !compare(got, zero, n, from))
			return false;
		from += n;
		len -= n;
	}
	return true;
}

/* No page at all in the range, which must not reach past the end */
bool luo_is_hole(int fd, off_t from, size_t len)
{
	off_t old = lseek(fd, 0, SEEK_CUR);
	off_t data = lseek(fd, from, SEEK_DATA);

	lseek(fd, old, SEEK_SET);
	if (data >= 0 && data < from + (off_t)len) {
		luo_say("data at %lld, wanted a hole", (long long)data);
		return false;
	}
	return true;
}

void *luo_map(int fd, size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Is it preserved? Then its size is fixed. */
bool luo_is_preserved(int fd)
{
	off_t size = luo_size(fd);

	if (!ftruncate(fd, size + 1))
		return ftruncate(fd, size) != 0;
	return errno == EPERM;
}

void luo_touch(char *at)
{
	__atomic_store_n(at, 't', __ATOMIC_RELAXED);
}

char luo_look(const char *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

off_t luo_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : st.st_size;
}

int luo_seals(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals < 0 ? -errno : seals;
}

mode_t luo_mode(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_mode & 07777;
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

#define MEMFD_FORMAT	"/sys/module/liveupdate/parameters/memfd_format"

bool luo_memfd_format(const char *format)
{
	return luo_write_text(MEMFD_FORMAT, format);
}

const char *luo_memfd_format_now(void)
{
	static char format[32];

	luo_read_text(MEMFD_FORMAT, format, sizeof(format));
	return format;
}
