// SPDX-License-Identifier: GPL-2.0
/* Files in memory, and what they are when they are unpacked */
#define _GNU_SOURCE
#include <archive.h>
#include <archive_entry.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "luoctl.h"

/* More than a kernel has: what unpacks to that is something else */
#define UNPACKED_MAX	(2ULL << 30)

unsigned int blob_le(const struct blob *blob, size_t at, unsigned int bytes)
{
	unsigned int value = 0;

	while (bytes--)
		value = value << 8 | (at + bytes < blob->size ? blob->data[at + bytes] : 0);
	return value;
}

/* All of a file; false and errno */
bool blob_read(struct blob *blob, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 0;

	blob->data = NULL;
	blob->size = 0;
	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		blob->data = malloc(st.st_size + 1);
		if (!blob->data)
			err(EXIT_UNKNOWN, "%s", path);
		while (blob->size < (size_t)st.st_size) {
			n = read(fd, blob->data + blob->size, st.st_size - blob->size);
			if (n <= 0)
				break;
			blob->size += n;
		}
	} else {
		n = -1;
		errno = EINVAL;
	}
	if (n < 0) {
		free(blob->data);
		blob->data = NULL;
	}
	close(fd);
	return n >= 0;
}

static bool unpack(struct blob *blob, struct archive *from)
{
	size_t room = 0;
	ssize_t n;

	do {
		if (blob->size == room) {
			room = room ? room * 2 : 16 << 20;
			if (room > UNPACKED_MAX)
				return false;
			blob->data = realloc(blob->data, room);
			if (!blob->data)
				err(EXIT_UNKNOWN, "unpacking");
		}
		n = archive_read_data(from, blob->data + blob->size, room - blob->size);
		if (n > 0)
			blob->size += n;
	} while (n > 0);
	return !n;
}

bool blob_unpack(struct blob *blob, const void *packed, size_t size, const char **why)
{
	struct archive *from = archive_read_new();
	struct archive_entry *entry;
	bool done = false;

	if (!from)
		err(EXIT_UNKNOWN, "unpacking");
	blob->data = NULL;
	blob->size = 0;
	archive_read_support_filter_gzip(from);
	archive_read_support_filter_zstd(from);
	archive_read_support_filter_lz4(from);
	archive_read_support_filter_xz(from);
	archive_read_support_format_raw(from);
	*why = "truncated or corrupted";
	if (archive_read_open_memory(from, packed, size) || archive_read_next_header(from, &entry))
		;
	else if (archive_filter_count(from) < 2)
		*why = "unknown compression (want gzip, zstd, lz4 or xz)";
	else
		done = unpack(blob, from);
	archive_read_free(from);
	if (!done) {
		free(blob->data);
		blob->data = NULL;
	}
	return done;
}
