// SPDX-License-Identifier: GPL-2.0
/* luoctl: options, by getopt_long(), which each C library has */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

bool json_wanted;

static const struct choice help_choice[] = { { "help", 'h', NULL, "this" }, { } };

static void print_choices(const struct choice *c)
{
	char text[64];

	for (; c && c->name; c++) {
		snprintf(text, sizeof(text), "%s%s%s", c->name, c->argument ? "=" : "",
			 c->argument ?: "");
		printf("  -%c, --%-20s %s\n", c->letter, text, c->what);
	}
}

void print_help(const struct command *command)
{
	printf("usage: luoctl %s [OPTION...]%s%s\n\n%s\n\n", command->name,
	       *command->words ? " " : "", command->words, command->help);
	print_choices(command->shared);
	print_choices(command->choices);
	print_choices(help_choice);
}

noreturn void bad_usage(const struct command *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "luoctl %s: ", command->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; try 'luoctl help %s'\n", command->name);
	exit(EXIT_UNKNOWN);
}

/* As getopt_long() wants to have them */
struct known {
	struct option longs[MAX_CHOICES + 1];
	char shorts[2 * MAX_CHOICES + 3];
	int nr;
};

static void know(struct known *known, const struct choice *c)
{
	for (; c && c->name && known->nr < MAX_CHOICES; c++) {
		known->longs[known->nr++] = (struct option) {
			c->name, c->argument ? required_argument : no_argument, NULL, c->letter,
		};
		strncat(known->shorts, &c->letter, 1);
		if (c->argument)
			strcat(known->shorts, ":");
	}
}

int next_option(int argc, char **argv, const struct command *command)
{
	/* ":" tells an argument that is missing, "-" words in their order, as options 1 */
	struct known known = { .shorts = { command->max < 0 ? '-' : ':', ':' } };
	int key;

	know(&known, command->shared);
	know(&known, command->choices);
	know(&known, help_choice);
	key = getopt_long(argc, argv, known.shorts, known.longs, NULL);
	switch (key) {
	case 'h':
		print_help(command);
		exit(0);
	case 'j':
		json_wanted = true;
		return next_option(argc, argv, command);
	case ':':
		bad_usage(command, "option '%s' wants an argument", argv[optind - 1]);
	case '?':
		if (optopt == '?') {
			print_help(command);
			exit(0);
		}
		if (strncmp(argv[optind - 1], "--", 2))
			bad_usage(command, "invalid option '-%c'", optopt);
		bad_usage(command, "invalid option '%s'", argv[optind - 1]);
	case -1:
		if (command->max < 0)
			break;
		if (argc - optind < command->min)
			bad_usage(command, "want %s", command->words);
		if (argc - optind > command->max)
			bad_usage(command, "unexpected argument '%s'",
				  argv[optind + command->max]);
	}
	return key;
}
