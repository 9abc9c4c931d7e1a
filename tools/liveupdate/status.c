// SPDX-License-Identifier: GPL-2.0
/* luoctl status: what is held, and what came in */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luoctl.h"
#include "state.h"

static const char *text(struct json_object *from, const char *key)
{
	struct json_object *value = json_get(from, key);

	return value ? json_object_get_string(value) : "unknown";
}

static unsigned long long mebibytes(struct json_object *from, const char *key)
{
	return json_object_get_uint64(json_get(from, key)) >> 20;
}

/* "failed EUCLEAN (damaged)" */
static void print_state(struct json_object *one)
{
	int err = error_of(one);

	printf("%s", text(one, "state"));
	if (err)
		printf(" %s (%s)", json_text(one, "error"), luo_strerror(err));
}

static void print_holder(struct json_object *session)
{
	if (!json_get(session, "pid"))
		return;
	printf(", held by %s (", text(session, "pid"));
	print_name(text(session, "program"), 0);
	printf(")");
}

static void print_session(struct json_object *session)
{
	struct json_object *files = json_get(session, "files"), *file;

	printf("  session ");
	print_name(text(session, "name"), 0);
	printf(": ");
	print_state(session);
	print_holder(session);
	printf("\n");
	for (size_t i = 0; i < json_length(files); i++) {
		file = json_object_array_get_idx(files, i);
		printf("    token %-20s  %-24s  ", text(file, "token"), text(file, "compatible"));
		print_state(file);
		printf("\n");
	}
}

static void print_flbs(struct json_object *flbs)
{
	struct json_object *flb;

	for (size_t i = 0; i < json_length(flbs); i++) {
		flb = json_object_array_get_idx(flbs, i);
		printf("  FLB %s: ", text(flb, "compatible"));
		print_state(flb);
		printf(", files %s\n", text(flb, "files"));
	}
}

static void print_scratch(struct json_object *scratch)
{
	if (!scratch)
		return;
	printf("Scratch memory: %llu MiB", mebibytes(scratch, "bytes"));
	if (json_get(scratch, "free"))
		printf(", %llu free", mebibytes(scratch, "free"));
	printf("\n");
}

static void print_refusal(struct json_object *last)
{
	int err = error_of(last);

	if (!last)
		return;
	printf("  last refusal: %s (%s)", json_text(last, "error"), luo_strerror(err));
	if (json_get(last, "token")) {
		printf(", token %s (%s) of session ", text(last, "token"),
		       text(last, "compatible"));
		print_name(text(last, "session"), 0);
	}
	printf("\n");
}

static bool is_lost(struct json_object *view)
{
	return !strcmp(json_text(view, "incoming"), "lost");
}

/* @bytes_are: what the memory of that side is; @lost: it is there no more */
static void print_side(struct json_object *side, const char *bytes_are, bool lost)
{
	const char *stay = lost ? "their memory is lost" :
			   "they stay in memory until the next reboot";
	struct json_object *sessions = json_get(side, "sessions");
	__u64 bytes = json_object_get_uint64(json_get(side, "bytes_preserved"));

	if (json_get(side, "sessions_error"))
		printf("  sessions: %s, %s\n", text(side, "sessions_error"), stay);
	else if (!json_length(sessions))
		printf("  no sessions\n");
	for (size_t i = 0; i < json_length(sessions); i++)
		print_session(json_object_array_get_idx(sessions, i));
	if (json_get(side, "flbs_error"))
		printf("  FLBs: %s, %s\n", text(side, "flbs_error"), stay);
	print_flbs(json_get(side, "flbs"));
	if (bytes >> 16)
		printf("  %s: %.1f MiB\n", bytes_are, bytes / 1048576.0);
	print_refusal(json_get(side, "last_refusal"));
}

/* Sessions and FLBs of the previous kernel that are as they came */
static unsigned int count(struct json_object *list, const char *state)
{
	unsigned int nr = 0;

	for (size_t i = 0; i < json_length(list); i++)
		nr += !strcmp(text(json_object_array_get_idx(list, i), "state"), state);
	return nr;
}

static void print_unclaimed(struct json_object *side)
{
	unsigned int sessions = count(json_get(side, "sessions"), "waiting");
	unsigned int flbs = count(json_get(side, "flbs"), "untried");

	if (sessions || flbs)
		printf("  unclaimed: %u sessions, %u FLBs\n", sessions, flbs);
}

static void print_last_update(struct json_object *view)
{
	struct json_object *last = json_get(view, "last_update"), *ms;

	if (!last || !json_object_get_uint64(json_get(view, "number")))
		return;
	ms = json_get(last, "blackout_ms");
	if (ms)
		printf("Last live update: blackout of %.1f ms, see luoctl timeline\n",
		       json_object_get_double(ms));
	else
		printf("Last live update: blackout unknown\n");
}

static void print_sides(struct json_object *view)
{
	print_side(json_get(view, "previous_kernel"), "memory left", is_lost(view));
	print_unclaimed(json_get(view, "previous_kernel"));
	print_last_update(view);
	printf("For the next kernel:\n");
	print_side(json_get(view, "next_kernel"), "memory preserved", false);
}

static void print_view(struct json_object *view)
{
	const char *version = json_text(view, "incoming_version");

	if (state_is(view, "none") || state_is(view, "off"))
		printf("Live update is off: %s\n", why_off());
	else
		printf("Live update is on\n");
	if (state_is(view, "none"))
		return;
	if (state_is(view, "basic")) {
		printf("More is not known: " NO_QUERY "\n");
		return;
	}
	printf("Live updates up to this kernel: %s\n", text(view, "number"));
	print_scratch(json_get(view, "scratch"));
	printf("Image for the next kernel: %s\n", text(view, "image"));
	printf("From the previous kernel: %s%s%s\n", text(view, "incoming"),
	       *version ? ", in version " : "", version);
	if (!strcmp(text(view, "details"), "yes"))
		print_sides(view);
	else if (state_is(view, "on"))
		printf("What it is cannot be read: %s\n", text(view, "details"));
}

/* What counts most: damaged, incompatible, failed, not yet, and not known */
static int worse(int one, int other)
{
	static const int order[] = {
		EXIT_DAMAGED, EXIT_INCOMPATIBLE, EXIT_NO, EXIT_RETRY, EXIT_UNKNOWN,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (one == order[i] || other == order[i])
			return order[i];
	return 0;
}

/* Of what came in: an errno has no other meaning than that it failed. */
static int status_of_error(int err)
{
	int status = exit_status(err);

	return status == EXIT_ABSENT || status == EXIT_BUSY ? EXIT_NO : status;
}

static int status_of_list(struct json_object *list)
{
	struct json_object *one;
	int status = 0;

	for (size_t i = 0; i < json_length(list); i++) {
		one = json_object_array_get_idx(list, i);
		status = worse(status, status_of_error(error_of(one)));
		status = worse(status, status_of_list(json_get(one, "files")));
	}
	return status;
}

static int status_of(struct json_object *view)
{
	struct json_object *previous = json_get(view, "previous_kernel");
	const char *incoming = json_text(view, "incoming");
	int status = strcmp(text(view, "details"), "yes") ? EXIT_UNKNOWN : 0;

	if (state_is(view, "none") || state_is(view, "off"))
		return EXIT_OFF;
	if (!strcmp(incoming, "damaged") || is_lost(view))
		status = EXIT_DAMAGED;
	if (!strcmp(incoming, "incompatible"))
		status = EXIT_INCOMPATIBLE;
	status = worse(status, status_of_list(json_get(previous, "sessions")));
	return worse(status, status_of_list(json_get(previous, "flbs")));
}

static int run_status(int argc, char **argv)
{
	struct json_object *view;
	int status;

	while (next_option(argc, argv, &cmd_status) != -1)
		;
	view = state_read();
	if (json_wanted)
		print_json(view);
	else
		print_view(view);
	status = status_of(view);
	json_object_put(view);
	return status;
}

const struct command cmd_status = {
	.name = "status",
	.what = "show what is preserved and what was handed over",
	.words = "",
	.choices = (const struct choice[]) { JSON_CHOICE, { } },
	.help = "What is preserved for the next kernel, and what the previous one handed over.\n"
		"The exit status is 0 if live update is on and nothing is wrong; of what was handed\n"
		"over, something has 1 failed, is 4 of a version that this kernel does not read, 5\n"
		"damaged or lost, 8 for a handler that is not loaded; 7 live update is off or not\n"
		"built in; 2 what there is cannot be read.",
	.run = run_status,
};
