/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a kernel takes over, as its image says: the notes of <linux/liveupdate.h>.
 *
 * An image can be of this or another architecture, whole or cut off, or no kernel at all.
 * What cannot be told has a reason.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/liveupdate.h>

/**
 * struct format - one string that it reads
 * @kind: LIVEUPDATE_NOTE_STORE, _CORE, _FILE, _FLB or _SUBTREE
 * @older: it does not write it
 * @compatible: the string
 * @module: which module does; NULL: the kernel itself
 */
struct format {
	unsigned int kind;
	bool older;
	char *compatible;
	char *module;
};

/**
 * struct image - a kernel's
 * @why: why it cannot be told what it takes over; NULL if it can
 * @silent: that is because it does not note its formats
 * @machine: as uname(2) says it; "unknown"
 * @init_size: bytes of memory that it needs in one piece where it starts; 0: unknown
 * @has_boot: it says @boot
 * @boot: what has to fit
 * @release: as uname(2) says it; empty if it cannot be made out
 * @unread: how many modules could not be read
 * @foreign: how many are for kernels of another release, and do not count
 * @nr: how many formats
 * @formats: they
 */
struct image {
	char *why;
	bool silent;
	const char *machine;
	unsigned long long init_size;
	bool has_boot;
	struct liveupdate_note_boot boot;
	char release[65];
	unsigned int unread;
	unsigned int foreign;
	size_t nr;
	struct format *formats;
};

/* One of a file; of the kernel that runs; image_put() in the end. */
void image_read(struct image *image, const char *path);
void image_read_running(struct image *image);
/* Adds what all modules below @folder say; false: it cannot be read, errno says why */
bool image_read_modules(struct image *image, const char *folder);
void image_put(struct image *image);

/* NULL: it does not read that */
const struct format *image_find(const struct image *image, unsigned int kind,
				const char *compatible);

const char *kind_name(unsigned int kind);

/**
 * struct blob - a file or a part of one, in memory
 * @data: to be freed
 * @size: in bytes
 */
struct blob {
	unsigned char *data;
	size_t size;
};

bool blob_read(struct blob *blob, const char *path);
/* A little-endian number of so many bytes, up to four; what is behind the end is 0 */
unsigned int blob_le(const struct blob *blob, size_t at, unsigned int bytes);
/* gzip, zstd, lz4, xz; false, and nothing to be freed, if it is none or is cut off */
bool blob_unpack(struct blob *blob, const void *packed, size_t size, const char **why);

/*
 * An image that notes nothing is taken for a kernel that is known: "stock-7.3", the mainline
 * one. False: there is none of that name.
 */
bool image_assume(struct image *image, const char *what);

/* As if it had noted that */
void notes_add(struct image *image, unsigned int type, const char *compatible,
	       const char *module);

/* The notes of an ELF file, of a flat one, and of one that has nothing else */
bool notes_read_elf(struct image *image, const struct blob *blob, const char *module);
bool notes_scan(struct image *image, const struct blob *blob);
void notes_read(struct image *image, void *notes, size_t size, const char *module);

#endif /* IMAGE_H */
