/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PREFLIGHT_H
#define PREFLIGHT_H

#include <stdbool.h>

#include <json-c/json.h>

#include "options.h"

#define MAX_WORDS	64

/* Arguments of an option that can be given several times */
struct words {
	unsigned int nr;
	const char *word[MAX_WORDS];
};

/**
 * struct preflight - what is asked
 * @image: path of the next kernel, as it was said
 * @kernel: path of what is to be read and loaded: @image, or a part of it
 * @modules: folder of its modules; NULL: none
 * @command_line: what it is started with; NULL: that cannot be found out
 * @initrd: path of its initramfs; NULL: none
 * @reuse_initrd: @initrd is the one that this kernel was started with
 * @no_initrd: it is to have none
 * @assume: what it is if it does not say so; NULL: then that cannot be told
 * @lose_unfinished: whatever the previous kernel handed over may be lost
 * @lose: names of its sessions that may be lost
 * @force: checks that do not count
 * @loading: @image is about to be loaded, whatever is loaded now
 */
struct preflight {
	const char *image;
	const char *kernel;
	const char *modules;
	const char *command_line;
	const char *initrd;
	bool reuse_initrd;
	bool no_initrd;
	const char *assume;
	bool lose_unfinished;
	struct words lose;
	struct words force;
	bool loading;
};

/* Options of those who ask it, and whether one was one of them; then to be completed */
extern const struct choice preflight_choices[];
bool preflight_option(struct preflight *ask, int key, const struct command *command);
void preflight_complete(struct preflight *ask, const char *image, const struct command *command);

/* The exit status, and what luoctl preflight --json says, to be put */
int preflight(const struct preflight *ask, struct json_object **said);
/* Is there a check of that name? */
bool preflight_knows(const char *id);
void preflight_print(struct json_object *said);

#endif /* PREFLIGHT_H */
