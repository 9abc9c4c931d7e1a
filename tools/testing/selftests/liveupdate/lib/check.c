// SPDX-License-Identifier: GPL-2.0
/* What becomes of a program when something is not so. */
#include <stdio.h>
#include <unistd.h>

#include "check.h"
#include "util.h"

bool luo_has_failed;

void luo_failure(const char *file, int line, const char *text, long long exp, long long seen)
{
	luo_say("%s:%d: not so: %s (%lld, %lld)", file, line, text, exp, seen);
}

int luo_failed(bool fatal)
{
	luo_has_failed = true;
	if (fatal) {
		fflush(stdout);
		_exit(1);
	}
	return 0;
}
