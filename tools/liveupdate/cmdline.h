/* SPDX-License-Identifier: GPL-2.0 */
/* Command lines of kernels */
#ifndef CMDLINE_H
#define CMDLINE_H

#include <stdbool.h>

/* This kernel's own, without what its boot loader has added; to be freed */
char *cmdline_read(void);

/*
 * What NAME=on and NAME=off come to: the last one counts, up to a -- that is for init.
 * @so_far: what it is if none is there
 */
bool cmdline_switch(const char *line, const char *name, bool so_far);

/*
 * The first mem= or memmap= that this kernel was not started with, so that memory which it has
 * may be missing; to be freed. NULL: there is none
 */
char *cmdline_new_limit(const char *line);

#endif /* CMDLINE_H */
