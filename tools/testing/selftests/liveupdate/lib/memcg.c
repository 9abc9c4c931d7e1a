// SPDX-License-Identifier: GPL-2.0
/* A memory group for tests to be in. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memcg.h"
#include "util.h"

#define GROUPS		"/tmp/groups"
#define GROUP		GROUPS "/small"

static bool move_to(const char *procs)
{
	char me[16];

	snprintf(me, sizeof(me), "%d", getpid());
	return luo_write_text(procs, me);
}

bool luo_group_make(void)
{
	mkdir(GROUPS, 0755);
	if (access(GROUPS "/cgroup.procs", F_OK) && mount("none", GROUPS, "cgroup2", 0, NULL))
		return false;
	return luo_write_text(GROUPS "/cgroup.subtree_control", "+memory") && !mkdir(GROUP, 0755);
}

void luo_group_remove(void)
{
	rmdir(GROUP);
}

bool luo_group_enter(void)
{
	return move_to(GROUP "/cgroup.procs");
}

bool luo_group_leave(void)
{
	return move_to(GROUPS "/cgroup.procs");
}

bool luo_group_limit(const char *max)
{
	return luo_write_text(GROUP "/memory.max", max);
}

bool luo_group_high(const char *high)
{
	return luo_write_text(GROUP "/memory.high", high);
}

static FILE *open_file(const char *file)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), GROUP "/%s", file);
	f = fopen(path, "re");
	if (!f) {
		/* Comparing nothing with nothing would pass */
		perror(path);
		exit(1);
	}
	return f;
}

long long luo_group_number(const char *file)
{
	FILE *f = open_file(file);
	long long number = -1;

	if (fscanf(f, "%lld", &number) != 1)
		number = -1;
	fclose(f);
	return number;
}

long long luo_group_stat(const char *key)
{
	FILE *f = open_file("memory.stat");
	long long number, found = -1;
	char name[64];

	while (fscanf(f, "%63s %lld", name, &number) == 2)
		if (!strcmp(name, key))
			found = number;
	fclose(f);
	return found;
}

long long luo_group_used(void)
{
	return luo_group_number("memory.current") + luo_group_number("memory.swap.current");
}
