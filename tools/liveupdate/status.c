// SPDX-License-Identifier: GPL-2.0
/* luoctl status: what is held, and what came in */
#define _GNU_SOURCE
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "luoctl.h"
#include "state.h"

static const char *text(struct json_object *from, const char *key)
{
	struct json_object *value = json_object_object_get(from, key);

	return value ? json_object_get_string(value) : "unknown";
}

static void print_file(const char *name, const char *state, struct json_object *file)
{
	printf("  ");
	print_name(name, 24);
	printf(" %-10s %-20s %-24s %s\n", state, text(file, "token"), text(file, "compatible"),
	       text(file, "state"));
}

static void print_session(struct json_object *session)
{
	struct json_object *files = json_object_object_get(session, "files");
	const char *name = text(session, "name"), *state = text(session, "state");

	if (!json_object_array_length(files)) {
		printf("  ");
		print_name(name, 24);
		printf(" %s\n", state);
	}
	for (size_t i = 0; i < json_object_array_length(files); i++)
		print_file(i ? "" : name, i ? "" : state, json_object_array_get_idx(files, i));
}

static void print_flbs(struct json_object *flbs)
{
	if (!json_object_array_length(flbs))
		return;
	printf("  %-48s %-10s %s\n", "FLB", "STATE", "FILES");
	for (size_t i = 0; i < json_object_array_length(flbs); i++) {
		struct json_object *flb = json_object_array_get_idx(flbs, i);

		printf("  %-48s %-10s %s\n", text(flb, "compatible"), text(flb, "state"),
		       text(flb, "files"));
	}
}

/* @bytes_are: what the memory of that side is */
static void print_side(struct json_object *side, const char *bytes_are)
{
	struct json_object *sessions;
	__u64 bytes;

	if (!side) {
		printf("  only root may know, and with debugfs at /sys/kernel/debug\n");
		return;
	}
	sessions = json_object_object_get(side, "sessions");
	if (json_object_array_length(sessions))
		printf("  %-24s %-10s %-20s %-24s %s\n", "SESSION", "STATE", "TOKEN", "FORMAT",
		       "FILE");
	else
		printf("  no sessions\n");
	for (size_t i = 0; i < json_object_array_length(sessions); i++)
		print_session(json_object_array_get_idx(sessions, i));
	print_flbs(json_object_object_get(side, "flbs"));
	bytes = json_object_get_uint64(json_object_object_get(side, "bytes_preserved"));
	if (bytes >> 16)
		printf("  %s: %.1f MiB\n", bytes_are, bytes / 1048576.0);
	if (json_object_object_get(side, "last_refusal"))
		printf("  last refusal: %s\n", text(side, "last_refusal"));
}

/* Sessions and objects of the previous kernel that are as they came */
static void print_unclaimed(struct json_object *side)
{
	struct json_object *sessions = json_object_object_get(side, "sessions");
	struct json_object *flbs = json_object_object_get(side, "flbs");
	unsigned int nr_sessions = 0, nr_flbs = 0;

	for (size_t i = 0; sessions && i < json_object_array_length(sessions); i++)
		nr_sessions += !strcmp(text(json_object_array_get_idx(sessions, i), "state"),
				       "waiting");
	for (size_t i = 0; flbs && i < json_object_array_length(flbs); i++)
		nr_flbs += !strcmp(text(json_object_array_get_idx(flbs, i), "state"), "untried");
	if (nr_sessions || nr_flbs)
		printf("  unclaimed: %u sessions, %u FLBs\n", nr_sessions, nr_flbs);
}

static void print_last_update(struct json_object *view)
{
	struct json_object *last = json_object_object_get(view, "last_update"), *ms;

	if (!last || !json_object_get_uint64(json_object_object_get(view, "number")))
		return;
	ms = json_object_object_get(last, "blackout_ms");
	if (ms)
		printf("Last live update: blackout of %.1f ms, see luoctl timeline\n",
		       json_object_get_double(ms));
	else
		printf("Last live update: blackout unknown\n");
}

static void print_view(struct json_object *view)
{
	bool on = json_object_get_boolean(json_object_object_get(view, "enabled"));

	printf("Live update is %s; live updates up to this kernel: %s\n", on ? "on" : "off",
	       text(view, "number"));
	printf("Image for the next kernel: %s\n", text(view, "image"));
	printf("From the previous kernel: %s\n", text(view, "incoming"));
	if (!on)
		return;
	print_side(json_object_object_get(view, "previous_kernel"), "memory left");
	print_unclaimed(json_object_object_get(view, "previous_kernel"));
	print_last_update(view);
	printf("For the next kernel:\n");
	print_side(json_object_object_get(view, "next_kernel"), "memory preserved");
}

static int run_status(int argc, char **argv)
{
	struct json_object *view;
	bool on;

	while (next_option(argc, argv, &cmd_status) != -1)
		;
	view = state_read();
	if (!view)
		errx(EXIT_NO, "this kernel was built without live update");
	if (json_wanted)
		print_json(view);
	else
		print_view(view);
	on = json_object_get_boolean(json_object_object_get(view, "enabled"));
	json_object_put(view);
	return on ? 0 : EXIT_NO;
}

const struct command cmd_status = {
	.name = "status",
	.what = "show what is preserved and what was handed over",
	.words = "",
	.choices = (const struct choice[]) { JSON_CHOICE, { } },
	.help = "What is preserved for the next kernel, and what the previous one handed over.\n"
		"The exit status is 0 if live update is on, 1 if it is off or not built in.",
	.run = run_status,
};
