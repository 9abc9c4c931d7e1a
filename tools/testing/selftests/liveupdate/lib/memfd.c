// SPDX-License-Identifier: GPL-2.0
/* memfds with known contents. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

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
