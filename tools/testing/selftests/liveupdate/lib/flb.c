// SPDX-License-Identifier: GPL-2.0
/* The sample driver and the scriptable objects as test programs use them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "flb.h"
#include "util.h"

#define MODULES	"/lib/modules/"
#define FILES	"/sys/kernel/debug/luo_flb_test/"

bool luo_flb_built_in(const char *module)
{
	char path[128];

	snprintf(path, sizeof(path), MODULES "%s.ko", module);
	return access(path, R_OK) != 0;
}

static bool read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	text[0] = 0;
	if (!f)
		return false;
	n = fread(text, 1, size - 1, f);
	text[n] = 0;
	fclose(f);
	return true;
}

/* Its parameters from the kernel's command line, without its name */
static void parameters(const char *module, char *out, size_t size)
{
	char line[2048], *save, *word;
	size_t len = strlen(module), used = 0;

	out[0] = 0;
	read_text("/proc/cmdline", line, sizeof(line));
	for (word = strtok_r(line, "\n ", &save); word; word = strtok_r(NULL, "\n ", &save)) {
		if (!strncmp(word, module, len) && word[len] == '.')
			used += snprintf(out + used, size - used, "%s ", word + len + 1);
		if (used >= size)
			exit(1);
	}
}

int luo_flb_load(const char *module, const char *more)
{
	char path[128], text[1024];
	size_t used;
	int fd, ret;

	if (luo_flb_built_in(module)) {
		snprintf(path, sizeof(path), "/sys/module/%s", module);
		return access(path, F_OK) ? -ENOENT : 0;
	}
	parameters(module, text, sizeof(text));
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, "%s", more);
	snprintf(path, sizeof(path), MODULES "%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, text, 0) ? -errno : 0;
	close(fd);
	return ret;
}

int luo_flb_unload(const char *module)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? -errno : 0;
}

int luo_flb_command(const char *fmt, ...)
{
	int fd = open(FILES "command", O_WRONLY | O_CLOEXEC), ret = 0, len;
	char text[64];
	va_list ap;

	if (fd < 0)
		return -errno;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (write(fd, text, len) != len)
		ret = -errno;
	close(fd);
	return ret;
}

int luo_flb_open(int nr)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/luo_flb_test%d", nr);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

const char *luo_flb_ops(void)
{
	static char text[4096];
	size_t len;

	if (!read_text(FILES "ops", text, sizeof(text)) || luo_flb_command("clear"))
		return "none, there is no such file";
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	len = strlen(text);
	if (len)
		text[len - 1] = 0;
	return text;
}

void luo_flb_word(char *words, const char *fmt, ...)
{
	size_t used = strlen(words);
	va_list ap;

	if (used)
		words[used++] = ' ';
	va_start(ap, fmt);
	vsnprintf(words + used, FLB_WORDS - used, fmt, ap);
	va_end(ap);
}

static bool answered(const char *text, const char *when, const char *compatible, int err)
{
	char line[128];

	snprintf(line, sizeof(line), "%s %s %d\n", when, compatible, err);
	return strstr(text, line);
}

bool luo_flb_early(const char *when, const char *compatible, int err)
{
	char text[2048];

	if (!read_text(FILES "early", text, sizeof(text)))
		luo_say("nothing was asked early");
	if (answered(text, when, compatible, err))
		return true;
	if (getenv("luo_early") && !strcmp(when, BEFORE_SLAB) &&
	    answered(text, getenv("luo_early"), compatible, err))
		return true;
	luo_say("not among the early answers: %s %s %s", when, compatible, luo_error(err));
	for (char *save, *p = strtok_r(text, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
		luo_say("  %s", p);
	return false;
}
