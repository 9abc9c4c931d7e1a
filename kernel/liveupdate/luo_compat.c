// SPDX-License-Identifier: GPL-2.0
/*
 * Compatible strings: what one may look like, and how one that was handed over meets
 * those that a handler or an FLB knows.
 *
 * Versions of one thing differ in the end of their strings alone, "-v<decimal>" or
 * "_v<decimal>"; what stands before that is their *family*. A string that has no such
 * end is a family of its own: "foo" is of another family than "foo-v1".
 *
 * Nothing here is interpreted beyond that: versions have no order.
 */
#include <linux/ctype.h>
#include <linux/string.h>

#include "luo_compat.h"

/**
 * luo_compat_valid() - is it a compatible string at all?
 * @string: @room bytes that may hold anything
 * @room: how many bytes may be looked at
 *
 * Everything below expects strings that have been found valid here.
 *
 * Context: Any.
 * Return: true if @string is terminated within @room, not empty, and made of printable
 * ASCII without blanks.
 */
bool luo_compat_valid(const char *string, size_t room)
{
	size_t len = strnlen(string, room);
	size_t i;

	if (!len || len == room)
		return false;

	for (i = 0; i < len; i++) {
		if (string[i] < 0x21 || string[i] > 0x7e)
			return false;
	}

	return true;
}

/**
 * luo_compat_family_len() - how much of a string names its family
 * @string: a valid compatible string
 *
 * An empty family does not exist: "-v1" has no version, it is a name.
 *
 * Context: Any.
 * Return: Bytes before the version, or all of @string if it has none.
 */
size_t luo_compat_family_len(const char *string)
{
	size_t len = strlen(string);
	size_t digits = len;

	while (digits && isdigit(string[digits - 1]))
		digits--;

	if (digits == len || digits < 3 || string[digits - 1] != 'v')
		return len;
	if (string[digits - 2] != '-' && string[digits - 2] != '_')
		return len;

	return digits - 2;
}

/**
 * luo_compat_same_family() - are these versions of one thing?
 * @a: a valid compatible string
 * @b: another one
 *
 * Context: Any.
 * Return: true if both have a version and what stands before it is the same, or if
 * neither has one and they are equal.
 */
bool luo_compat_same_family(const char *a, const char *b)
{
	size_t len = luo_compat_family_len(a);

	if (len != luo_compat_family_len(b) || memcmp(a, b, len))
		return false;

	return !a[len] == !b[len];
}

/**
 * luo_compat_fit() - how well does what was handed over fit what is known here?
 * @found: what was handed over, a valid compatible string
 * @own: what is written by this kernel
 * @also: what else this kernel can read, NULL-terminated; or NULL
 *
 * Context: Any.
 * Return: The best fit among @own and @also. Being of the family of a string in @also
 * counts as much as being of that of @own.
 */
enum luo_compat_fit luo_compat_fit(const char *found, const char *own,
				   const char *const *also)
{
	enum luo_compat_fit fit = LUO_COMPAT_NONE;

	if (!strcmp(found, own))
		return LUO_COMPAT_EXACT;
	if (luo_compat_same_family(found, own))
		fit = LUO_COMPAT_FAMILY;

	for (; also && *also; also++) {
		if (!strcmp(found, *also))
			return LUO_COMPAT_LISTED;
		if (luo_compat_same_family(found, *also))
			fit = LUO_COMPAT_FAMILY;
	}

	return fit;
}
