/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lines for a shell. What luoctl says with --json is printed, for a parser to read.
 */
#ifndef SHELL_H
#define SHELL_H

#include <string.h>

#include "util.h"

/* What the last line has said */
extern char luo_out[64 * 1024], luo_err[4096];

/* What the shell makes of a line: its exit status, -1: it did not come to an end */
int luo_shell(const char *line);
void luo_print_json(void);

#define expect_shell(want, line) ({					\
	const char *line_ = (line);					\
									\
	check_eq(want, luo_shell(line_))				\
		luo_say("'%s': '%s' '%s'", line_, luo_out, luo_err); })

#define expect_said(where, text) ({					\
	const char *where_ = (where), *text_ = (text);			\
									\
	check_true(!!strstr(where_, text_))				\
		luo_say("no '%s' in '%s'", text_, where_); })

#define expect_out(text)	expect_said(luo_out, text)
#define expect_err(text)	expect_said(luo_err, text)

#endif /* SHELL_H */
