// SPDX-License-Identifier: GPL-2.0
/* luoctl preflight: what is asked, and what was judged, for people and for programs */
#define _GNU_SOURCE
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cmdline.h"
#include "luoctl.h"
#include "preflight.h"
#include "state.h"

static void print_format(struct json_object *one)
{
	const char *read = json_text(one, "read"), *module = json_text(one, "module");

	printf("  %-8s %-4s %s%s%s\n", *module ? "module" : read, json_text(one, "kind"),
	       json_text(one, "compatible"), *module ? ", with " : "", module);
	if (*module || !strcmp(read, "yes"))
		return;
	for (size_t i = 0; i < json_length(json_get(one, "files")); i++) {
		struct json_object *file = json_object_array_get_idx(json_get(one, "files"), i);

		printf("             token %s of session '", json_text(file, "token"));
		print_name(json_text(file, "session"), 0);
		printf("'\n");
	}
}

static const char *verdict(const char *answer)
{
	if (!strcmp(answer, "yes"))
		return "yes, it reads everything that this kernel preserves";
	if (!strcmp(answer, "no"))
		return "NO, it does not read everything that this kernel preserves";
	return "unknown whether it reads everything that this kernel preserves";
}

void preflight_print(struct json_object *said)
{
	struct json_object *formats = json_get(said, "formats"), *checks = json_get(said, "checks");
	struct json_object *lost = json_get(said, "lost_sessions");

	printf("%s: %s\n", json_text(said, "image"), verdict(json_text(said, "answer")));
	for (size_t i = 0; i < json_length(formats); i++)
		print_format(json_object_array_get_idx(formats, i));
	for (size_t i = 0; i < json_length(checks); i++) {
		struct json_object *one = json_object_array_get_idx(checks, i);

		printf("  %-8s ", json_text(one, "answer"));
		print_name(json_text(one, "what"), 0);
		printf("\n");
	}
	for (size_t i = 0; i < json_length(lost); i++) {
		printf("  lost     session '");
		print_name(json_object_get_string(json_object_array_get_idx(lost, i)), 0);
		printf("' of the previous kernel, which is not finished\n");
	}
}

static error_t parse_ask(int key, char *arg, struct argp_state *state)
{
	struct preflight *ask = state->input;

	switch (key) {
	case 'm':
		ask->modules = arg;
		return 0;
	case 'i':
		ask->initrd = arg;
		return 0;
	case 'c':
		ask->command_line = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (ask->image)
			argp_usage(state);
		ask->image = arg;
		return 0;
	case ARGP_KEY_END:
		if (!ask->image)
			argp_usage(state);
		return 0;
	case ARGP_KEY_SUCCESS:
		if (!ask->command_line)
			ask->command_line = cmdline_read();
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option ask_options[] = {
	{ "initrd", 'i', "FILE", 0, "Its initramfs", 0 },
	{ "modules", 'm', "DIR", 0, "Its modules: their formats count as well", 0 },
	{ "command-line", 'c', "LINE", 0, "Its command line, else that of this kernel", 0 },
	{ }
};

const struct argp preflight_argp = { .options = ask_options, .parser = parse_ask };

struct request {
	struct preflight ask;
	bool json;
};

static error_t parse_preflight(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &request->ask;
		return 0;
	case 'j':
		request->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char preflight_doc[] =
	"Does the kernel in IMAGE read everything that this one preserves?\n"
	"\vThe exit status is 0 for yes, 1 for no, 2 if it cannot be told.";

int cmd_preflight(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "For programs", 0 },
		{ }
	};
	const struct argp_child children[] = { { &preflight_argp }, { } };
	const struct argp argp = {
		.options = options, .parser = parse_preflight, .args_doc = "IMAGE",
		.doc = preflight_doc, .children = children,
	};
	struct request request = { };
	struct json_object *said;
	int ret;

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	ret = preflight(&request.ask, &said);
	if (request.json)
		print_json(said);
	else
		preflight_print(said);
	json_object_put(said);
	return ret;
}
