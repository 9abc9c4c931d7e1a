// SPDX-License-Identifier: GPL-2.0
/* luoctl preflight: what is asked, and what was judged, for people and for programs */
#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmdline.h"
#include "loaded.h"
#include "luoctl.h"
#include "preflight.h"
#include "state.h"
#include "uki.h"

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
		return "yes, it takes over everything that this kernel preserves";
	if (!strcmp(answer, "no"))
		return "NO, it does not take over everything that this kernel has";
	return "unknown whether it takes over everything that this kernel preserves";
}

void preflight_print(struct json_object *said)
{
	struct json_object *formats = json_get(said, "formats"), *checks = json_get(said, "checks");

	printf("%s: %s\n", json_text(said, "image"), verdict(json_text(said, "answer")));
	for (size_t i = 0; i < json_length(formats); i++)
		print_format(json_object_array_get_idx(formats, i));
	for (size_t i = 0; i < json_length(checks); i++) {
		struct json_object *one = json_object_array_get_idx(checks, i);

		printf("  %-8s %s: ", json_text(one, "answer"), json_text(one, "id"));
		print_name(json_text(one, "what"), 0);
		printf("\n");
	}
}

const struct choice preflight_choices[] = {
	{ "initrd", 'i', "FILE", "its initramfs" },
	{ "modules", 'm', "DIR", "its modules: their formats count as well" },
	{ "command-line", 'c', "LINE", "its command line, else that of this kernel" },
	{ "reuse-initrd", 'I', NULL, "the initramfs that this kernel was started with" },
	{ "no-initrd", 'N', NULL, "no initramfs, although this kernel has one" },
	{ "assume", 'a', "KERNEL", "what an image is that notes no formats: stock-7.3" },
	{ "lose", 'l', "SESSION", "it may be lost though it is unfinished" },
	{ "lose-unfinished", 'L', NULL, "all that the previous kernel handed over may be" },
	{ "force", 'f', "CHECK", "it does not count what that check says" },
	{ }
};

static void add_word(struct words *words, const char *word, const struct command *command)
{
	if (words->nr == MAX_WORDS)
		bad_usage(command, "no more than %d of these", MAX_WORDS);
	words->word[words->nr++] = word;
}

bool preflight_option(struct preflight *ask, int key, const struct command *command)
{
	switch (key) {
	case 'm':
		ask->modules = optarg;
		return true;
	case 'i':
		ask->initrd = optarg;
		return true;
	case 'I':
		ask->reuse_initrd = true;
		return true;
	case 'N':
		ask->no_initrd = true;
		return true;
	case 'c':
		ask->command_line = optarg;
		return true;
	case 'a':
		ask->assume = optarg;
		return true;
	case 'l':
		add_word(&ask->lose, optarg, command);
		return true;
	case 'L':
		ask->lose_unfinished = true;
		return true;
	case 'f':
		if (!preflight_knows(optarg))
			bad_usage(command, "no check is named '%s'", optarg);
		add_word(&ask->force, optarg, command);
		return true;
	default:
		return false;
	}
}

/* A unified image brings what was not said. */
static void take_parts(struct preflight *ask)
{
	struct uki uki;

	ask->kernel = ask->image;
	if (!uki_open(ask->image, &uki))
		return;
	ask->kernel = uki.kernel;
	if (!ask->initrd && !ask->no_initrd)
		ask->initrd = uki.initrd;
	if (!ask->command_line)
		ask->command_line = uki.command_line;
}

void preflight_complete(struct preflight *ask, const char *image, const struct command *command)
{
	if (!!ask->initrd + ask->reuse_initrd + ask->no_initrd > 1)
		bad_usage(command, "one of --initrd, --reuse-initrd and --no-initrd");
	if (ask->assume && strcmp(ask->assume, "stock-7.3"))
		bad_usage(command, "no kernel is known as '%s'", ask->assume);
	if (ask->reuse_initrd)
		ask->initrd = OWN_INITRD;
	ask->image = image;
	take_parts(ask);
	if (!ask->command_line)
		ask->command_line = cmdline_read();
}

static int run_preflight(int argc, char **argv)
{
	struct preflight ask = { };
	struct json_object *said;
	bool loaded = false;
	const char *image;
	int ret, key;

	while ((key = next_option(argc, argv, &cmd_preflight)) != -1) {
		preflight_option(&ask, key, &cmd_preflight);
		loaded |= key == 'k';
	}
	image = argv[optind];
	if (loaded == !!image)
		bad_usage(&cmd_preflight, "either an image or --loaded");
	if (loaded)
		image = loaded_find(&ask);
	if (!image)
		errx(EXIT_UNKNOWN, "no kernel is loaded, or it cannot be told which one");
	preflight_complete(&ask, image, &cmd_preflight);
	ret = preflight(&ask, &said);
	if (json_wanted)
		print_json(said);
	else
		preflight_print(said);
	json_object_put(said);
	return ret;
}

const struct command cmd_preflight = {
	.name = "preflight",
	.what = "check whether another kernel reads what is preserved",
	.words = "[IMAGE]",
	.min = 0,
	.max = 1,
	.choices = (const struct choice[]) {
		{ "loaded", 'k', NULL, "the kernel that is loaded, by luoctl or systemctl" },
		JSON_CHOICE,
		{ }
	},
	.shared = preflight_choices,
	.help = "Does the kernel in IMAGE read everything that this one preserves?\n"
		"The exit status is 0 for yes, 1 for no, 2 if it cannot be told.",
	.run = run_preflight,
};
