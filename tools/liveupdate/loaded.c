// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl: the kernel that is loaded
 *
 * luoctl kexec notes for luoctl guard which image it has loaded, and the options of preflight. The
 * note is valid as long as the running kernel shows the same digest as when it was written. A
 * kernel that shows a digest shows the command line as well.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "loaded.h"
#include "luoctl.h"
#include "run.h"
#include "uki.h"

#define SHOWN		"/sys/kernel/kexec/"
#define DIGEST_LEN	64
#define NOTES		"/run/liveupdate"
#define NOTE		NOTES "/loaded.json"

/*
 * A line on what is loaded, to be freed; "": nothing is, or by kexec_load(); NULL: this kernel does
 * not show it.
 */
static char *shown(const char *what)
{
	char *text = read_file(what);

	if (text)
		text[strcspn(text, "\n")] = 0;
	return text;
}

/* ---- an image that luoctl kexec has loaded */

static void add_text(struct json_object *note, const char *key, const char *text)
{
	json_object_object_add(note, key, text ? json_object_new_string(text) : NULL);
}

/* luoctl guard runs in another folder. */
static void add_path(struct json_object *note, const char *key, const char *path)
{
	char *whole = path ? realpath(path, NULL) : NULL;

	add_text(note, key, whole);
	free(whole);
}

static void add_flag(struct json_object *note, const char *key, bool flag)
{
	json_object_object_add(note, key, json_object_new_boolean(flag));
}

static void add_words(struct json_object *note, const char *key, const struct words *words)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < words->nr; i++)
		json_object_array_add(array, json_object_new_string(words->word[i]));
	json_object_object_add(note, key, array);
}

void loaded_write(const struct preflight *ask)
{
	struct json_object *note = json_object_new_object();
	char *digest = shown(SHOWN "kernel_sha256");

	add_text(note, "digest", digest);
	add_path(note, "image", ask->image);
	add_path(note, "initrd", ask->initrd);
	add_path(note, "modules", ask->modules);
	add_text(note, "command_line", ask->command_line);
	add_text(note, "assume", ask->assume);
	add_flag(note, "reuse_initrd", ask->reuse_initrd);
	add_flag(note, "no_initrd", ask->no_initrd);
	add_flag(note, "lose_unfinished", ask->lose_unfinished);
	add_words(note, "lose", &ask->lose);
	add_words(note, "force", &ask->force);
	mkdir(NOTES, 0755);
	if (json_object_to_file(NOTE, note))
		warnx("%s: cannot be written", NOTE);
	json_object_put(note);
	free(digest);
}

/* NULL: none */
static const char *get_text(struct json_object *note, const char *key)
{
	return json_object_get_string(json_get(note, key));
}

static bool get_flag(struct json_object *note, const char *key)
{
	return json_object_get_boolean(json_get(note, key));
}

static void get_words(struct json_object *note, const char *key, struct words *words)
{
	struct json_object *array = json_get(note, key);

	for (size_t i = 0; i < json_length(array) && words->nr < MAX_WORDS; i++)
		words->word[words->nr++] =
			json_object_get_string(json_object_array_get_idx(array, i));
}

/* The note is not freed, as @ask refers to it. */
static const char *noted(struct preflight *ask, const char *digest)
{
	struct json_object *note = json_object_from_file(NOTE);

	if (!note || strcmp(json_text(note, "digest"), digest ?: ""))
		return NULL;
	ask->initrd = get_text(note, "initrd");
	ask->modules = get_text(note, "modules");
	ask->command_line = get_text(note, "command_line");
	ask->assume = get_text(note, "assume");
	ask->reuse_initrd = get_flag(note, "reuse_initrd");
	ask->no_initrd = get_flag(note, "no_initrd");
	ask->lose_unfinished |= get_flag(note, "lose_unfinished");
	get_words(note, "lose", &ask->lose);
	get_words(note, "force", &ask->force);
	return get_text(note, "image");
}

/* ---- an image that systemctl has loaded */

static bool has_digest(const char *image, const char *digest)
{
	struct uki uki;
	const char *kernel = uki_open(image, &uki) ? uki.kernel : image;
	int fd = open(kernel, O_RDONLY | O_CLOEXEC);
	char *said;
	bool has;

	if (fd < 0)
		return false;
	has = !run_program(&said, false, fd, (char *const []) { "sha256sum", NULL }) &&
	      !strncmp(said, digest, DIGEST_LEN);
	free(said);
	close(fd);
	return has;
}

/* Relative to the file system of the boot loader; NULL and "" are none */
static char *below(const char *root, const char *path)
{
	char *whole;

	if (!path || !*path)
		return NULL;
	if (asprintf(&whole, "%s/%s", root, path) < 0)
		err(EXIT_UNKNOWN, "%s", path);
	return whole;
}

static struct json_object *default_entry(void)
{
	struct json_object *entries, *one;
	char *said;

	if (run_program(&said, false, -1, (char *const []) {
			"bootctl", "list", "--json=short", NULL }))
		return NULL;
	entries = json_tokener_parse(said);
	free(said);
	for (size_t i = 0; i < json_length(entries); i++) {
		one = json_object_array_get_idx(entries, i);
		if (get_flag(one, "isDefault"))
			return one;
	}
	return NULL;
}

/* Only the digest tells that this entry is loaded. */
static const char *entered(struct preflight *ask, const char *digest)
{
	struct json_object *entry, *initrds, *initrd;
	const char *root;
	char *image;

	if (!digest || strlen(digest) != DIGEST_LEN)
		return NULL;
	entry = default_entry();
	root = json_text(entry, "root");
	initrds = json_get(entry, "initrd");
	image = below(root, get_text(entry, "linux"));
	if (!image || !has_digest(image, digest))
		return NULL;
	/* systemctl takes no more than one. */
	initrd = json_length(initrds) ? json_object_array_get_idx(initrds, 0) : NULL;
	ask->initrd = below(root, json_object_get_string(initrd));
	ask->command_line = get_text(entry, "options");
	return image;
}

const char *loaded_find(struct preflight *ask)
{
	char *digest = shown(SHOWN "kernel_sha256"), *line = shown(SHOWN "cmdline");
	const char *image = noted(ask, digest) ?: entered(ask, digest);

	if (image && line)
		ask->command_line = line;
	free(digest);
	return image;
}

void loaded_drop(void)
{
	int err = luo_kexec_unload();

	if (err)
		warnx("the image that was loaded cannot be unloaded: %s", luo_strerror(err));
	unlink(NOTE);
}
