// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "util.h"

long long luo_meminfo(const char *what)
{
	FILE *f = fopen("/proc/meminfo", "re");
	long long kilobytes = -1;
	char line[128];

	require_true(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			sscanf(line + strlen(what), ": %lld kB", &kilobytes);
	fclose(f);
	require_true(kilobytes >= 0) luo_say("no %s", what);
	return kilobytes * 1024;
}

long long luo_scratch_number(const char *name)
{
	char path[96], text[32];

	snprintf(path, sizeof(path), "/sys/kernel/liveupdate/scratch/%s", name);
	return luo_read_text(path, text, sizeof(text)) ? strtoll(text, NULL, 0) : -1;
}

long long luo_scratch_areas(const char *name, long long address)
{
	long long sum = 0, number, start;
	char file[32];

	for (int i = 0;; i++) {
		snprintf(file, sizeof(file), "%d/start", i);
		start = luo_scratch_number(file);
		if (start < 0)
			return address ? -1 : sum;
		snprintf(file, sizeof(file), "%d/%s", i, name);
		number = luo_scratch_number(file);
		require_true(number >= 0);
		if (address >= start && address < start + number)
			return i;
		sum += number;
	}
}

bool luo_in_scratch(long long address)
{
	return luo_scratch_areas("size", address) >= 0;
}
