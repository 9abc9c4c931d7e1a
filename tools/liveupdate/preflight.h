/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PREFLIGHT_H
#define PREFLIGHT_H

#include <stdbool.h>

#include <json-c/json.h>

#include "options.h"

/**
 * struct preflight - what is asked
 * @image: path of the next kernel
 * @modules: folder of its modules; NULL: none
 * @command_line: what it is started with; NULL: that cannot be found out
 * @initrd: path of its initramfs; NULL: none
 * @loading: @image is about to be loaded, whatever is loaded now
 */
struct preflight {
	const char *image;
	const char *modules;
	const char *command_line;
	const char *initrd;
	bool loading;
};

/* Options of those who ask it, and whether one was one of them */
extern const struct choice preflight_choices[];
bool preflight_option(struct preflight *ask, int key);

/* The exit status, and what luoctl preflight --json says, to be put */
int preflight(const struct preflight *ask, struct json_object **said);
void preflight_print(struct json_object *said);

#endif /* PREFLIGHT_H */
