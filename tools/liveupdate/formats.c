// SPDX-License-Identifier: GPL-2.0
/* luoctl formats: what a kernel takes over, and whether two take over from each other */
#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "luoctl.h"
#include "state.h"
#include "uki.h"

static void read_or_exit(struct image *image, const char *path, const char *modules)
{
	struct uki uki;

	if (path)
		image_read(image, uki_open(path, &uki) ? uki.kernel : path);
	else
		image_read_running(image);
	if (image->why)
		errx(EXIT_UNKNOWN, "%s: %s", path ?: "the running kernel", image->why);
	if (modules && !image_read_modules(image, modules))
		err(EXIT_UNKNOWN, "%s", modules);
}

/* In the order of their kinds, each kind as it came; what comes again is left out */
static int compare(const void *one, const void *other)
{
	const struct format *a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->compatible, b->compatible);
}

static void sort(struct image *image)
{
	qsort(image->formats, image->nr, sizeof(*image->formats), compare);
}

static bool writes(const struct image *image, const struct format *what)
{
	for (size_t i = 0; i < image->nr; i++)
		if (!compare(&image->formats[i], what) && !image->formats[i].older)
			return true;
	return false;
}

/* The next that is another one, or the end */
static size_t next(const struct image *image, size_t i)
{
	size_t from = i;

	while (i < image->nr && !compare(&image->formats[from], &image->formats[i]))
		i++;
	return i;
}

static struct json_object *json_format(const struct image *image, const struct format *format)
{
	struct json_object *json = json_object_new_object();
	const struct format *found = image_find(image, format->kind, format->compatible);

	json_object_object_add(json, "kind", json_object_new_string(kind_name(format->kind)));
	json_object_object_add(json, "compatible", json_object_new_string(format->compatible));
	json_object_object_add(json, "writes", json_object_new_boolean(writes(image, format)));
	json_object_object_add(json, "module",
			       found->module ? json_object_new_string(found->module) : NULL);
	return json;
}

static struct json_object *json_image(const struct image *image, const char *path)
{
	struct json_object *json = json_object_new_object();
	struct json_object *formats = json_object_new_array();

	json_object_object_add(json, "image", path ? json_bytes(path) : NULL);
	json_object_object_add(json, "machine", json_object_new_string(image->machine));
	json_object_object_add(json, "page_size", !image->has_boot ? NULL :
			       json_object_new_uint64(1ULL << (image->boot.page_shift & 63)));
	json_object_object_add(json, "kho_default", !image->has_boot ? NULL :
			       json_object_new_boolean(image->boot.flags & LIVEUPDATE_NOTE_KHO_ON));
	for (size_t i = 0; i < image->nr; i = next(image, i))
		json_object_array_add(formats, json_format(image, &image->formats[i]));
	json_object_object_add(json, "formats", formats);
	return json;
}

/* What one writes and the other does not read */
static struct json_object *json_lost(const struct image *from, const struct image *to)
{
	struct json_object *lost = json_object_new_array();

	for (size_t i = 0; i < from->nr; i = next(from, i)) {
		const struct format *format = &from->formats[i];

		if (writes(from, format) && !image_find(to, format->kind, format->compatible))
			json_object_array_add(lost, json_format(from, format));
	}
	return lost;
}

static void print_head(const struct image *image, const char *path)
{
	printf("%s: %s", path ?: "the running kernel", image->machine);
	if (image->has_boot)
		printf(", pages of %llu KiB, Kexec HandOver is %s by default",
		       1ULL << ((image->boot.page_shift - 10) & 63),
		       image->boot.flags & LIVEUPDATE_NOTE_KHO_ON ? "on" : "off");
	printf("\n");
}

static const char *what_it_does(const struct image *image, const struct format *format)
{
	if (!image_find(image, format->kind, format->compatible))
		return "-";
	return writes(image, format) ? "writes, reads" : "reads";
}

static void print_image(const struct image *image, const char *path)
{
	print_head(image, path);
	printf("  %-8s %-48s %-14s %s\n", "KIND", "FORMAT", "WHAT IT DOES", "MODULE");
	for (size_t i = 0; i < image->nr; i = next(image, i)) {
		const struct format *format = &image->formats[i];

		printf("  %-8s %-48s %-14s %s\n", kind_name(format->kind), format->compatible,
		       what_it_does(image, format),
		       image_find(image, format->kind, format->compatible)->module ?: "-");
	}
}

static void print_row(const struct image *images, const struct format *format)
{
	printf("  %-8s %-48s %-14s %s\n", kind_name(format->kind), format->compatible,
	       what_it_does(&images[0], format), what_it_does(&images[1], format));
}

/* Both are sorted: go through them side by side */
static void print_both(const struct image *images)
{
	const struct image *a = &images[0], *b = &images[1];
	size_t i = 0, j = 0;

	printf("  %-8s %-48s %-14s %s\n", "KIND", "FORMAT", "THE FIRST", "THE SECOND");
	while (i < a->nr || j < b->nr) {
		int order = i == a->nr ? 1 : j == b->nr ? -1 :
			    compare(&a->formats[i], &b->formats[j]);

		print_row(images, order <= 0 ? &a->formats[i] : &b->formats[j]);
		if (order <= 0)
			i = next(a, i);
		if (order >= 0)
			j = next(b, j);
	}
}

static void print_lost(struct json_object *lost, const char *way)
{
	printf("%s: %s", way, json_object_array_length(lost) ? "not read:" : "all is read");
	for (size_t i = 0; i < json_object_array_length(lost); i++) {
		struct json_object *one = json_object_array_get_idx(lost, i);

		printf(" %s", json_object_get_string(json_object_object_get(one, "compatible")));
	}
	printf("\n");
}

static int do_one(const struct image *image, const char *path)
{
	struct json_object *said;

	if (!json_wanted) {
		print_image(image, path);
		return 0;
	}
	said = json_image(image, path);
	print_json(said);
	json_object_put(said);
	return 0;
}

static int do_two(const struct image *images, char **paths)
{
	struct json_object *all = json_object_new_object(), *both = json_object_new_array();
	struct json_object *there = json_lost(&images[0], &images[1]);
	struct json_object *back = json_lost(&images[1], &images[0]);
	int ret = json_object_array_length(there) ? EXIT_NO : 0;

	json_object_array_add(both, json_image(&images[0], paths[0]));
	json_object_array_add(both, json_image(&images[1], paths[1]));
	json_object_object_add(all, "images", both);
	json_object_object_add(all, "not_read", there);
	json_object_object_add(all, "not_read_back", back);
	if (json_wanted) {
		print_json(all);
	} else {
		print_head(&images[0], paths[0]);
		print_head(&images[1], paths[1]);
		print_both(images);
		print_lost(there, "From the first to the second");
		print_lost(back, "Back");
	}
	json_object_put(all);
	return ret;
}

static int run_formats(int argc, char **argv)
{
	const char *modules = NULL;
	struct image images[2];
	char **paths;
	int nr, ret;

	while (next_option(argc, argv, &cmd_formats) != -1)
		modules = optarg;
	/* After the last one there is a NULL: the kernel that runs. */
	paths = argv + optind;
	nr = argc - optind ?: 1;
	for (int i = 0; i < nr; i++) {
		read_or_exit(&images[i], paths[i], i == nr - 1 ? modules : NULL);
		sort(&images[i]);
	}
	ret = nr == 1 ? do_one(&images[0], paths[0]) : do_two(images, paths);
	for (int i = 0; i < nr; i++)
		image_put(&images[i]);
	return ret;
}

const struct command cmd_formats = {
	.name = "formats",
	.what = "list the formats that a kernel reads and writes",
	.words = "[IMAGE [IMAGE]]",
	.max = 2,
	.choices = (const struct choice[]) {
		JSON_CHOICE,
		{ "modules", 'm', "DIR", "also with these modules, of the last of the images" },
		{ }
	},
	.help = "What the kernel in IMAGE takes over, or the one that runs; of two: is what the\n"
		"first hands over read by the second?\n"
		"The exit status is 0; 1 if the second does not read all that the first writes;\n"
		"2 if it cannot be told.",
	.run = run_formats,
};
