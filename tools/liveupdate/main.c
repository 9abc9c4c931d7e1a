// SPDX-License-Identifier: GPL-2.0
/* luoctl: the table of commands */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "luoctl.h"

static const struct command commands[] = {
	{ "status", "show what is preserved and what was handed over", cmd_status },
	{ "formats", "list the formats that a kernel reads and writes", cmd_formats },
	{ "preflight", "check whether another kernel reads what is preserved", cmd_preflight },
	{ "kexec", "start another kernel, after a preflight", cmd_kexec },
	{ "timeline", "show how long the phases of the last live update took", cmd_timeline },
	{ "save", "preserve standard input in a session", cmd_save },
	{ "restore", "write a file of a retrieved session to standard output", cmd_restore },
	{ "finish", "finish a session of the previous kernel", cmd_finish },
	{ "hold", "run a command with a session", cmd_hold },
};

static void list_commands(FILE *out)
{
	fprintf(out, "usage: luoctl COMMAND [ARGUMENT...]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(out, "  %-11s%s\n", commands[i].name, commands[i].what);
	fprintf(out, "\nSee 'luoctl COMMAND --help'.\n");
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
	errx(EXIT_UNKNOWN, "unknown command '%s', try 'luoctl --help'", argv[1]);
}
