// SPDX-License-Identifier: GPL-2.0
/* luoctl: what several commands need */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "luoctl.h"

__u64 parse_token(const char *word)
{
	char *end;
	__u64 token;

	errno = 0;
	token = strtoull(word, &end, 0);
	if (errno || end == word || *end || *word == '-')
		errx(EXIT_UNKNOWN, "invalid token '%s': want 0 to 18446744073709551615",
		     word);
	return token;
}

int open_device(void)
{
	int dev = luo_open_wait(1000);

	if (dev == -ENOENT)
		errx(EXIT_NO, "no %s: live update is off; boot with kho=on liveupdate=on",
		     LUO_DEVICE);
	if (dev == -EBUSY)
		errx(EXIT_NO, "%s: opened by another program", LUO_DEVICE);
	if (dev < 0)
		errx(EXIT_NO, "%s: %s", LUO_DEVICE, strerror(-dev));
	return dev;
}

char *read_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = feof(f) ? strdup("") : NULL;
	}
	fclose(f);
	return text;
}

int open_file(const char *path, unsigned long long *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err(EXIT_UNKNOWN, "%s", path);
	*size = st.st_size;
	return fd;
}

bool systemd_runs(void)
{
	struct stat st;

	return !lstat("/run/systemd/system", &st) && S_ISDIR(st.st_mode);
}

void print_name(const char *name, int width)
{
	int len = 0;

	for (; *name; name++)
		len += (unsigned char)*name < ' ' || *name == 0x7f ?
		       printf("\\%03o", (unsigned char)*name) : printf("%c", *name);
	printf("%*s", len < width ? width - len : 0, "");
}

void say_how_far(unsigned long long nr, const char *unit, bool end)
{
	static time_t last;
	static bool said;
	time_t now = time(NULL);

	if (!isatty(STDERR_FILENO))
		return;
	if (!last)
		last = now;
	if (said && end) {
		fprintf(stderr, "\r%llu %s\n", nr, unit);
		said = false;
	} else if (!end && now > last + 1) {
		fprintf(stderr, "\r%llu %s", nr, unit);
		last = now;
		said = true;
	}
}

char *unescape(char *text)
{
	char *to = text;

	for (char *from = text; *from; to++) {
		unsigned int c;

		if (sscanf(from, "\\%3o", &c) == 1) {
			*to = c;
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
	return text;
}
