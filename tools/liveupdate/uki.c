// SPDX-License-Identifier: GPL-2.0
/*
 * Unified kernel images: a program for EFI that has kernel, initramfs and command line in
 * sections of its own, see the specification of the UAPI group. kexec cannot load one: its parts
 * become files in memory.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image.h"
#include "luoctl.h"
#include "uki.h"

#define PE_AT		0x3c
#define PE_SECTIONS	6
#define PE_OPTIONAL	20
#define PE_HEAD		24

#define SECTION		40
#define VIRTUAL_SIZE	8
#define RAW_SIZE	16
#define RAW_AT		20

/* Where section @i begins in the table; 0: there is none */
static size_t section(const struct blob *blob, unsigned int i)
{
	size_t pe = blob_le(blob, PE_AT, 4), at;

	if (blob->size < PE_AT + 4 || memcmp(blob->data, "MZ", 2) ||
	    blob->size < pe + PE_HEAD || memcmp(blob->data + pe, "PE\0", 4))
		return 0;
	at = pe + PE_HEAD + blob_le(blob, pe + PE_OPTIONAL, 2) + i * SECTION;
	return i < blob_le(blob, pe + PE_SECTIONS, 2) && at + SECTION <= blob->size ? at : 0;
}

/* Sections behind the first .profile are for other boot entries. */
static bool find(const char *path, const struct blob *blob, const char *name,
		 struct blob *part)
{
	size_t at, size, raw;

	for (unsigned int i = 0; (at = section(blob, i)); i++) {
		if (!strncmp((char *)blob->data + at, ".profile", 8))
			return false;
		if (strncmp((char *)blob->data + at, name, 8))
			continue;
		size = blob_le(blob, at + VIRTUAL_SIZE, 4);
		if (size > blob_le(blob, at + RAW_SIZE, 4))
			size = blob_le(blob, at + RAW_SIZE, 4);
		raw = blob_le(blob, at + RAW_AT, 4);
		if (raw > blob->size || size > blob->size - raw)
			errx(EXIT_UNKNOWN, "%s: truncated: section %s is not in it", path, name);
		*part = (struct blob){ blob->data + raw, size };
		return true;
	}
	return false;
}

/* The path of a file in memory, which is there as long as this program, and to be freed */
static char *in_memory(const char *name, const struct blob *part)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	char *path;

	if (fd < 0 || asprintf(&path, "/proc/self/fd/%d", fd) < 0)
		err(EXIT_UNKNOWN, "%s", name);
	write_all(fd, (char *)part->data, part->size);
	return path;
}

/* Zeroes and blanks at the end are not meant. */
static char *text(const struct blob *part)
{
	char *line = strndup((char *)part->data, part->size);

	if (!line)
		err(EXIT_UNKNOWN, "command line");
	for (size_t len = strlen(line); len && strchr(" \t\n", line[len - 1]); len--)
		line[len - 1] = 0;
	return line;
}

bool uki_open(const char *path, struct uki *uki)
{
	struct blob blob, part;
	bool is;

	*uki = (struct uki){ };
	if (!blob_read(&blob, path))
		return false;
	is = find(path, &blob, ".linux", &part);
	if (is)
		uki->kernel = in_memory("linux", &part);
	if (is && find(path, &blob, ".initrd", &part))
		uki->initrd = in_memory("initrd", &part);
	if (is && find(path, &blob, ".cmdline", &part))
		uki->command_line = text(&part);
	free(blob.data);
	return is;
}
