// SPDX-License-Identifier: GPL-2.0
/* Lines for a shell, see lib/shell.h */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "shell.h"

#define OUT	"/tmp/out"
#define ERR	"/tmp/err"

char luo_out[64 * 1024], luo_err[4096];

int luo_shell(const char *line)
{
	char whole[4096];
	int status;

	snprintf(whole, sizeof(whole), "exec >" OUT " 2>" ERR "; %s", line);
	status = system(whole);
	luo_read_text(OUT, luo_out, sizeof(luo_out));
	luo_read_text(ERR, luo_err, sizeof(luo_err));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void luo_print_json(void)
{
	for (char *at = luo_out; *at; at++)
		if (*at == '\n')
			*at = ' ';
	luo_say("json: %s", luo_out);
}
