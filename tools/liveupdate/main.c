// SPDX-License-Identifier: GPL-2.0
/* luoctl: the table of commands */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "luoctl.h"

static const struct command commands[] = {
	{ "status", "what is held, and what came in", cmd_status },
	{ "formats", "what a kernel takes over from the last one", cmd_formats },
	{ "preflight", "can another kernel take over what this one holds?", cmd_preflight },
	{ "kexec", "start another kernel, which takes over", cmd_kexec },
	{ "timeline", "where the time of the last live update went", cmd_timeline },
	{ "save", "put standard input into a session for the next kernel", cmd_save },
	{ "restore", "write what the previous kernel saved to standard output", cmd_restore },
	{ "finish", "be done with a session of the previous kernel", cmd_finish },
	{ "hold", "run a command with a session for the next kernel", cmd_hold },
};

static void list_commands(FILE *out)
{
	fprintf(out, "usage: luoctl COMMAND [ARGUMENT...]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(out, "  %-11s%s\n", commands[i].name, commands[i].what);
	fprintf(out, "\nluoctl COMMAND --help tells more.\n");
}

int main(int argc, char **argv)
{
	char name[64];

	argp_err_exit_status = EXIT_UNKNOWN;
	if (argc < 2) {
		list_commands(stderr);
		return EXIT_UNKNOWN;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		list_commands(stdout);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		snprintf(name, sizeof(name), "luoctl %s", commands[i].name);
		argv[1] = name;
		return commands[i].run(argc - 1, argv + 1);
	}
	errx(EXIT_UNKNOWN, "'%s' is no command; luoctl --help names them", argv[1]);
}
