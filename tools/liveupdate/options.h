/* SPDX-License-Identifier: GPL-2.0 */
/* luoctl: what a command takes on its line, and what --help says of that */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdnoreturn.h>

/* Exit statuses: what a script has to tell apart */
#define EXIT_NO			1	/* no, or it failed */
#define EXIT_UNKNOWN		2	/* it cannot be told; or the command line is wrong */
#define EXIT_ABSENT		3	/* nothing of that name was handed over */
#define EXIT_INCOMPATIBLE	4	/* in a version that this kernel does not read */
#define EXIT_DAMAGED		5	/* it is corrupted */
#define EXIT_BUSY		6	/* another program has it */
#define EXIT_OFF		7	/* live update is off, or not built in */
#define EXIT_RETRY		8	/* not yet: no handler is loaded, or no memory */

/**
 * struct choice - an option
 * @name: after "--"
 * @letter: after "-"
 * @argument: what it wants; NULL: nothing
 * @what: half a line on it
 */
struct choice {
	const char *name;
	char letter;
	const char *argument;
	const char *what;
};

/* Of each command that knows it; see json_wanted */
#define JSON_CHOICE	{ "json", 'j', NULL, "for programs" }

#define MAX_CHOICES	16	/* with --help */

/**
 * struct command - one of them
 * @name: what it is called
 * @what: one line on it
 * @words: what it takes besides options
 * @min: at least so many of these
 * @max: and at most; -1: the last ones are a command, whose options are its own, and how many
 *	there are is for @run to check
 * @choices: its options, without --help; ends with one without a name
 * @shared: the same, which another command has too
 * @help: what it does and what its exit status says
 * @run: does it; the exit status
 */
struct command {
	const char *name;
	const char *what;
	const char *words;
	int min;
	int max;
	const struct choice *choices;
	const struct choice *shared;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_status, cmd_formats, cmd_preflight, cmd_kexec, cmd_timeline,
			    cmd_save, cmd_restore, cmd_have, cmd_finish, cmd_drop, cmd_hold,
			    cmd_preserved, cmd_guard;

/* --json was said, before the command or after it */
extern bool json_wanted;

/*
 * The letter of the next option, with its argument in optarg, or -1: the words begin at
 * argv[optind], and there are as many as there may be. If the last ones are a command, each word
 * comes where it stands, as option 1. --json and --help are seen to; what is wrong with the line
 * is said, and the program ends.
 */
int next_option(int argc, char **argv, const struct command *command);

/* "luoctl NAME: " and that, and the program ends with EXIT_UNKNOWN */
noreturn void bad_usage(const struct command *command, const char *fmt, ...);

void print_help(const struct command *command);

#endif /* OPTIONS_H */
