// SPDX-License-Identifier: GPL-2.0
/* luoctl: the table of commands */
#define _GNU_SOURCE
#include <err.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "hold.h"
#include "luoctl.h"

static const struct command *const commands[] = {
	&cmd_status, &cmd_formats, &cmd_preflight, &cmd_kexec, &cmd_timeline, &cmd_save,
	&cmd_restore, &cmd_have, &cmd_finish, &cmd_drop, &cmd_hold, &cmd_preserved,
	&cmd_guard,
};

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	errx(EXIT_UNKNOWN, "unknown command '%s', try 'luoctl help'", name);
}

static void list_commands(FILE *out)
{
	fprintf(out, "usage: luoctl [--json] COMMAND [ARGUMENT...]\n"
		     "       luoctl help [COMMAND]\n"
		     "       luoctl --version\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(out, "  %-11s%s\n", commands[i]->name, commands[i]->what);
}

static int help(const char *name)
{
	if (name)
		print_help(find(name));
	else
		list_commands(stdout);
	return 0;
}

static bool knows_json(const struct command *command)
{
	for (const struct choice *c = command->choices; c && c->name; c++)
		if (c->letter == 'j')
			return true;
	return false;
}

static bool is(const char *word, const char *name, const char *letter)
{
	return !strcmp(word, name) || !strcmp(word, letter);
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc > 1 && !strcmp(argv[1], HOLD_IN_UNIT))
		return hold_in_unit(argc, argv);
	setlocale(LC_CTYPE, "");
	if (argc > 1 && is(argv[1], "--json", "-j")) {
		json_wanted = true;
		argc--;
		argv++;
	}
	if (argc > 1 && is(argv[1], "--version", "-V")) {
		printf("luoctl %s\n", LUOCTL_VERSION);
		return 0;
	}
	if (argc > 1 && (is(argv[1], "--help", "-h") || !strcmp(argv[1], "help")))
		return help(argv[2]);
	if (argc < 2) {
		list_commands(stderr);
		return EXIT_UNKNOWN;
	}
	command = find(argv[1]);
	if (json_wanted && !knows_json(command))
		bad_usage(command, "says nothing in JSON");
	return command->run(argc - 1, argv + 1);
}
