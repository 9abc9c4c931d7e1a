/* SPDX-License-Identifier: GPL-2.0 */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>

/*
 * Run a program and wait for it. Its exit status, or -1.
 * @said: all that it wrote to standard output, to be freed
 * @errors: and to standard error, which otherwise is that of this program
 * @input: its standard input; -1: that of this program
 */
int run_program(char **said, bool errors, int input, char *const argv[]);

#endif /* RUN_H */
