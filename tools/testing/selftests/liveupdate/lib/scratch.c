// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>

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

long long luo_scratch_area(int i, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", i, name);
	return luo_scratch_number(path);
}

long long luo_scratch_sum(const char *name)
{
	long long sum = 0;

	for (int i = 0; luo_scratch_area(i, "start") >= 0; i++) {
		require_true(luo_scratch_area(i, name) >= 0);
		sum += luo_scratch_area(i, name);
	}
	return sum;
}

bool luo_in_scratch(long long address)
{
	long long start;

	for (int i = 0; (start = luo_scratch_area(i, "start")) >= 0; i++)
		if (address >= start && address - start < luo_scratch_area(i, "size"))
			return true;
	return false;
}

bool luo_initrd(long long *start, long long *end)
{
	static char log[1 << 18];
	int len = klogctl(3, log, sizeof(log) - 1);
	char *at;

	require_true(len > 0);
	log[len] = 0;
	at = strstr(log, "RAMDISK: [mem ");
	return at && sscanf(at, "RAMDISK: [mem %llx-%llx", start, end) == 2;
}
