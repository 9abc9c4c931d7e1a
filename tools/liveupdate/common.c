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
#include <wchar.h>
#include <wctype.h>

#include "luoctl.h"

__u64 parse_token(const char *word)
{
	char *end;
	__u64 token;

	errno = 0;
	token = strtoull(word, &end, 10);
	if (errno || *end || *word < '0' || *word > '9')
		errx(EXIT_UNKNOWN, "invalid token '%s': want 0 to 18446744073709551615",
		     word);
	return token;
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
	if (!S_ISREG(st.st_mode))
		errx(EXIT_UNKNOWN, "%s: not a regular file", path);
	*size = st.st_size;
	return fd;
}

char *program_name(pid_t pid)
{
	char path[32], *name, *escaped;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	name = read_file(path);
	if (!name)
		return NULL;
	name[strcspn(name, "\n")] = 0;
	escaped = escape(name, strlen(name));
	free(name);
	return escaped;
}

void check_name(const char *name)
{
	if (!*name || strlen(name) > LUO_NAME_MAX)
		errx(EXIT_UNKNOWN, "invalid session name '%s': want 1 to %d bytes", name,
		     LUO_NAME_MAX);
}

void need_open(int fd, const char *what)
{
	if (fcntl(fd, F_GETFD) < 0)
		errx(EXIT_UNKNOWN, "%s is closed", what);
}

void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno != EINTR)
			errx(EXIT_NO, "cannot be written: %s", strerror(errno));
		if (n < 0)
			continue;
		buf += n;
		len -= n;
	}
}

/* ramdisk_size of Documentation/arch/x86/boot.rst, as the boot loader has set it */
static bool boot_params_have_initrd(void)
{
	int fd = open("/sys/kernel/boot_params/data", O_RDONLY | O_CLOEXEC);
	__u32 size = 0;
	bool have = fd >= 0 && pread(fd, &size, sizeof(size), 0x21c) == sizeof(size) && size;

	if (fd >= 0)
		close(fd);
	return have;
}

bool started_with_initrd(void)
{
	return !access(OWN_INITRD, F_OK) || boot_params_have_initrd() ||
	       !access("/proc/device-tree/chosen/linux,initrd-start", F_OK);
}

bool systemd_runs(void)
{
	struct stat st;

	return !lstat("/run/systemd/system", &st) && S_ISDIR(st.st_mode);
}

/* One character at @text, or one byte as an octal escape; how many bytes that was */
static size_t print_char(const char *text, int *width)
{
	wchar_t c;
	size_t n = mbrtowc(&c, text, MB_CUR_MAX, &(mbstate_t) { });

	if (n && n <= MB_CUR_MAX && iswprint(c)) {
		printf("%.*s", (int)n, text);
		*width += wcwidth(c);
		return n;
	}
	*width += printf("\\%03o", (unsigned char)*text);
	return 1;
}

void print_name(const char *name, int width)
{
	char *copy = strdup(name);
	int len = 0;

	if (!copy)
		err(EXIT_NO, "name");
	unescape(copy);
	for (const char *at = copy; *at; )
		at += print_char(at, &len);
	printf("%*s", len < width ? width - len : 0, "");
	free(copy);
}

char *escape(const char *bytes, size_t size)
{
	size_t len = strnlen(bytes, size), n = 0;
	char *text = malloc(4 * len + 1);

	if (!text)
		err(EXIT_NO, "name");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = bytes[i];

		if (c < ' ' || c >= 0x7f || c == '\\')
			n += sprintf(text + n, "\\%03o", c);
		else
			text[n++] = c;
	}
	text[n] = 0;
	return text;
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
		if (*from == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0');
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
	return text;
}
