/* SPDX-License-Identifier: GPL-2.0 */
/*
 * luoctl: live update from the command line. Each command is a file of its own.
 *
 * It answers by its exit status: 0 yes or done, 1 no or failed, 2 not understood or could
 * not be told.
 */
#ifndef LUOCTL_H
#define LUOCTL_H

#include <stdbool.h>
#include <stddef.h>

#include "libluo.h"
#include "options.h"

__u64 parse_token(const char *word);

/* The device, as soon as nobody else has it open, for up to a second; or it exits */
int open_device(void);

/* All of a file, to be freed; NULL and errno if it cannot be read */
char *read_file(const char *path);

/* Opened for reading, with its size in bytes; or it exits */
int open_file(const char *path, unsigned long long *size);

/* As sd_booted(3) sees it */
bool systemd_runs(void);

/* Octal escapes, as the kernel writes them, are undone in place. */
char *unescape(char *text);

/* A name can have anything in it, also what a terminal obeys: without that, and padded */
void print_name(const char *name, int width);

/* To a terminal, after more than a second, and then once a second; @end: a new line */
void say_how_far(unsigned long long nr, const char *unit, bool end);

#endif /* LUOCTL_H */
