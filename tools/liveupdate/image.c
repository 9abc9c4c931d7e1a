// SPDX-License-Identifier: GPL-2.0
/*
 * Images of kernels: what is a kernel, where in its image it is, and what it says.
 *
 * A vmlinux or a module; the bzImage of x86, which has a packed vmlinux in it; the Image of
 * arm64, flat, or with a head that unpacks it for EFI (zboot); any of them packed.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fts.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "image.h"
#include "luoctl.h"

#define SECTOR		512

static bool has(const struct blob *blob, size_t at, const char *magic, size_t len)
{
	return blob->size >= at + len && !memcmp(blob->data + at, magic, len);
}

static void cannot(struct image *image, const char *why)
{
	free(image->why);
	image->why = strdup(why);
	if (!image->why)
		err(EXIT_UNKNOWN, "image");
}

static void silent(struct image *image)
{
	cannot(image, "it does not note its formats: no live update, or too old");
	image->silent = true;
}

/* What stands there up to a blank; a module says so of the kernel that it was built for */
static bool says(const struct blob *blob, const char *before, char *what, size_t size)
{
	const char *at = memmem(blob->data, blob->size, before, strlen(before));
	const char *end = (char *)blob->data + blob->size;
	size_t len = 0;

	if (!at)
		return false;
	at += strlen(before);
	while (at + len < end && isgraph((unsigned char)at[len]) && len < size - 1)
		len++;
	memcpy(what, at, len);
	what[len] = 0;
	return len;
}

static void read_flat(struct image *image, const struct blob *blob)
{
	image->machine = "aarch64";
	if (blob->size < 64) {
		cannot(image, "truncated");
		return;
	}
	/* Of 64 bits, but what is larger than 4 GiB is none */
	image->init_size = blob_le(blob, 16, 4);
	if (!notes_scan(image, blob))
		cannot(image, "truncated");
}

/* What was unpacked; or what needs no unpacking. False: it is something else */
static bool read_plain(struct image *image, const struct blob *blob)
{
	says(blob, "Linux version ", image->release, sizeof(image->release));
	if (has(blob, 0, ELFMAG, SELFMAG)) {
		if (!notes_read_elf(image, blob, NULL))
			cannot(image, "truncated or corrupted");
	} else if (has(blob, 56, "ARM\x64", 4)) {
		read_flat(image, blob);
	} else {
		return false;
	}
	return true;
}

static void read_packed(struct image *image, const struct blob *blob, size_t at, size_t size)
{
	struct blob inside;
	const char *why;

	if (!blob_unpack(&inside, blob->data + at, size, &why)) {
		cannot(image, why);
		return;
	}
	if (!read_plain(image, &inside))
		cannot(image, "its payload is not a kernel");
	free(inside.data);
}

/* Documentation/arch/x86/boot.rst; after it stands how large it gets, but for gzip */
static void read_bzimage(struct image *image, const struct blob *blob)
{
	unsigned long long setup = blob->data[0x1f1] ?: 4, at, size;

	image->machine = "x86_64";
	if (blob->size < 0x268 || blob_le(blob, 0x206, 2) < 0x20a) {
		cannot(image, blob->size < 0x268 ? "truncated" :
		       "its boot protocol is too old to say where the kernel is");
		return;
	}
	image->init_size = blob_le(blob, 0x260, 4);
	setup = (setup + 1) * SECTOR;
	at = setup + blob_le(blob, 0x248, 4);
	size = blob_le(blob, 0x24c, 4);
	if (blob->size < setup + blob_le(blob, 0x1f4, 4) * 16ULL || at + size > blob->size ||
	    size < 8) {
		cannot(image, "truncated");
		return;
	}
	if (!has(blob, at, "\x1f\x8b", 2))
		size -= 4;
	read_packed(image, blob, at, size);
}

static void read_zboot(struct image *image, const struct blob *blob)
{
	unsigned long long at, size;

	if (blob->size < 64) {
		cannot(image, "truncated");
		return;
	}
	at = blob_le(blob, 8, 4);
	size = blob_le(blob, 12, 4);
	if (at + size > blob->size)
		cannot(image, "truncated");
	else
		read_packed(image, blob, at, size);
}

static bool is_packed(const struct blob *blob)
{
	return has(blob, 0, "\x1f\x8b", 2) || has(blob, 0, "\x28\xb5\x2f\xfd", 4) ||
	       has(blob, 0, "\x04\x22\x4d\x18", 4) || has(blob, 0, "\x02\x21\x4c\x18", 4) ||
	       has(blob, 0, "\3757zXZ", 5);
}

static void read_any(struct image *image, const struct blob *blob)
{
	if (read_plain(image, blob))
		;
	else if (has(blob, 0x202, "HdrS", 4))
		read_bzimage(image, blob);
	else if (has(blob, 0, "MZ", 2) && has(blob, 4, "zimg", 4))
		read_zboot(image, blob);
	else if (is_packed(blob))
		read_packed(image, blob, 0, blob->size);
	else
		cannot(image, "not a kernel (want vmlinux, bzImage or arm64 Image)");
}

void image_read(struct image *image, const char *path)
{
	struct blob blob;

	*image = (struct image){ .machine = "unknown" };
	if (!blob_read(&blob, path)) {
		cannot(image, strerror(errno));
		return;
	}
	read_any(image, &blob);
	free(blob.data);
	if (!image->why && !image->nr)
		silent(image);
}

bool image_assume(struct image *image, const char *what)
{
	if (strcmp(what, "stock-7.3"))
		return false;
	if (!image->silent)
		return true;
	if (strncmp(image->release, "7.3", 3) || strchr("0123456789", image->release[3] ?: 'x')) {
		cannot(image, "it notes no formats, and is not Linux 7.3");
		return true;
	}
	free(image->why);
	image->why = NULL;
	notes_add(image, LIVEUPDATE_NOTE_STORE, "kho-v4", NULL);
	notes_add(image, LIVEUPDATE_NOTE_CORE, "luo-v5", NULL);
	notes_add(image, LIVEUPDATE_NOTE_FILE, "memfd-v2", NULL);
	/* sizeof(struct page), for a kernel with pages as large as here */
	image->boot = (struct liveupdate_note_boot){
		.page_shift = ffsl(sysconf(_SC_PAGESIZE)) - 1, .page_bytes = 64,
	};
	image->has_boot = true;
	return true;
}

/* foo-bar.ko.xz is the module foo_bar; false: it is none */
static bool module_name(char *name, size_t size, const char *file)
{
	static const char *const packed[] = { "", ".gz", ".xz", ".zst" };
	const char *end = strstr(file, ".ko");
	bool is = false;

	for (size_t i = 0; end && i < sizeof(packed) / sizeof(*packed); i++)
		is |= !strcmp(end + 3, packed[i]);
	if (!is || end - file >= (ssize_t)size)
		return false;
	snprintf(name, size, "%.*s", (int)(end - file), file);
	for (; *name; name++)
		if (*name == '-')
			*name = '_';
	return true;
}

/* Why it cannot be read; NULL if it can, or if it is for another kernel */
static const char *read_module(struct image *image, const struct blob *blob, const char *name)
{
	char release[sizeof(image->release)];

	if (!has(blob, 0, ELFMAG, SELFMAG))
		return "not a module";
	if (image->release[0] && says(blob, "vermagic=", release, sizeof(release)) &&
	    strcmp(release, image->release)) {
		image->foreign++;
		return NULL;
	}
	return notes_read_elf(image, blob, name) ? NULL : "truncated or corrupted";
}

static void read_module_file(struct image *image, const char *path, const char *name)
{
	struct blob blob, inside = { };
	const char *why = NULL;

	if (!blob_read(&blob, path))
		why = strerror(errno);
	else if (!is_packed(&blob))
		why = read_module(image, &blob, name);
	else if (blob_unpack(&inside, blob.data, blob.size, &why))
		why = read_module(image, &inside, name);
	free(blob.data);
	free(inside.data);
	if (why) {
		warnx("%s: %s", path, why);
		image->unread++;
	}
}

bool image_read_modules(struct image *image, const char *folder)
{
	char *const folders[] = { (char *)folder, NULL };
	char name[128];
	FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	unsigned long long nr = 0;
	int error = 0;
	FTSENT *file;

	if (!tree)
		err(EXIT_UNKNOWN, "%s", folder);
	for (errno = 0; !error && (file = fts_read(tree)); errno = 0) {
		if (file->fts_info == FTS_F && module_name(name, sizeof(name), file->fts_name)) {
			read_module_file(image, file->fts_path, name);
			say_how_far(++nr, "modules", false);
		} else if (file->fts_info == FTS_NS || file->fts_info == FTS_ERR ||
			   file->fts_info == FTS_DNR) {
			error = file->fts_errno;
		}
	}
	error = error ?: errno;
	say_how_far(nr, "modules", true);
	fts_close(tree);
	errno = error;
	return !error;
}

/* What the modules say that are loaded */
static void read_loaded(struct image *image)
{
	char name[128];
	struct blob blob;
	glob_t found;

	if (glob("/sys/module/*/notes/.note.liveupdate", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		if (sscanf(found.gl_pathv[i], "/sys/module/%127[^/]", name) != 1 ||
		    !blob_read(&blob, found.gl_pathv[i]))
			continue;
		notes_read(image, blob.data, blob.size, name);
		free(blob.data);
	}
	globfree(&found);
}

void image_read_running(struct image *image)
{
	static struct utsname name;
	struct blob blob;

	uname(&name);
	*image = (struct image){ .machine = name.machine };
	if (!blob_read(&blob, "/sys/kernel/notes")) {
		cannot(image, "/sys/kernel/notes cannot be read");
		return;
	}
	notes_read(image, blob.data, blob.size, NULL);
	free(blob.data);
	read_loaded(image);
	if (!image->nr)
		silent(image);
}

const struct format *image_find(const struct image *image, unsigned int kind,
				const char *compatible)
{
	const struct format *found = NULL;

	for (size_t i = 0; i < image->nr; i++) {
		const struct format *format = &image->formats[i];

		if (format->kind == kind && !strcmp(format->compatible, compatible) &&
		    (!found || found->module))
			found = format;
	}
	return found;
}

const char *kind_name(unsigned int kind)
{
	switch (kind) {
	case LIVEUPDATE_NOTE_STORE:
		return "kho";
	case LIVEUPDATE_NOTE_CORE:
		return "luo";
	case LIVEUPDATE_NOTE_FILE:
		return "file";
	case LIVEUPDATE_NOTE_SUBTREE:
		return "subtree";
	default:
		return "flb";
	}
}

void image_put(struct image *image)
{
	for (size_t i = 0; i < image->nr; i++) {
		free(image->formats[i].compatible);
		free(image->formats[i].module);
	}
	free(image->formats);
	free(image->why);
}
