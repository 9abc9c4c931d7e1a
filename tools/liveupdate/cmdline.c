// SPDX-License-Identifier: GPL-2.0
/* Command lines of kernels, see Documentation/admin-guide/kernel-parameters.rst */
#define _GNU_SOURCE
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "cmdline.h"
#include "luoctl.h"

/* As the kernel reads yes and no; anything else changes nothing */
static bool is_on(const char *value, bool so_far)
{
	switch (*value) {
	case 'e': case 'E': case 'y': case 'Y': case 't': case 'T': case '1':
		return true;
	case 'd': case 'D': case 'n': case 'N': case 'f': case 'F': case '0':
		return false;
	case 'o': case 'O':
		if (value[1] == 'n' || value[1] == 'N')
			return true;
		if (value[1] == 'f' || value[1] == 'F')
			return false;
	}
	return so_far;
}

/* The next word, blanks between quotes are part of it; NULL: there is none */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " \t\n"), *end = word;

	for (bool quoted = false; *end && (quoted || !strchr(" \t\n", *end)); end++)
		quoted ^= *end == '"';
	*at = *end ? end + 1 : end;
	*end = 0;
	return *word ? word : NULL;
}

bool cmdline_switch(const char *line, const char *name, bool so_far)
{
	char *copy = strdup(line ?: ""), *at = copy, *word;
	size_t len = strlen(name);

	if (!copy)
		err(EXIT_UNKNOWN, "command line");
	while ((word = next_word(&at)) && strcmp(word, "--")) {
		word += *word == '"';
		if (strncmp(word, name, len) || word[len] != '=')
			continue;
		word += len + 1;
		so_far = is_on(word + (*word == '"'), so_far);
	}
	free(copy);
	return so_far;
}

static bool has_word(const char *line, const char *wanted)
{
	char *copy = strdup(line), *at = copy, *word;
	bool found = false;

	if (!copy)
		err(EXIT_UNKNOWN, "command line");
	while (!found && (word = next_word(&at)) && strcmp(word, "--"))
		found = !strcmp(word, wanted);
	free(copy);
	return found;
}

char *cmdline_new_limit(const char *line)
{
	char *now = read_file("/proc/cmdline"), *copy = strdup(line), *at = copy, *word;

	if (!copy)
		err(EXIT_UNKNOWN, "command line");
	while ((word = next_word(&at)) && strcmp(word, "--")) {
		if (strncmp(word, "mem=", 4) && strncmp(word, "memmap=", 7))
			continue;
		if (!now || !has_word(now, word))
			break;
	}
	word = word && strcmp(word, "--") ? strdup(word) : NULL;
	free(copy);
	free(now);
	return word;
}

char *cmdline_read(void)
{
	char *line = read_file("/proc/cmdline"), *at = line, *word, *kept;
	size_t len = 0;

	if (!line)
		return NULL;
	kept = malloc(strlen(line) + 1);
	if (!kept)
		err(EXIT_UNKNOWN, "command line");
	while ((word = next_word(&at))) {
		if (!strncmp(word, "BOOT_IMAGE=", 11) || !strncmp(word, "initrd=", 7))
			continue;
		if (len)
			kept[len++] = ' ';
		len = stpcpy(kept + len, word) - kept;
	}
	kept[len] = 0;
	free(line);
	return kept;
}
