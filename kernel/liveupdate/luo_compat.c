// SPDX-License-Identifier: GPL-2.0
/*
 * Compatible strings: their grammar, and how one from an incoming handover matches those
 * that a handler or an FLB knows.
 *
 * Versions of one format differ only in the end of their strings, "-v<decimal>" or
 * "_v<decimal>". What stands before it is the *family*. A string without such an end is a
 * family of its own: "foo" is of another family than "foo-v1". Versions have no order.
 */
#include <linux/ctype.h>
#include <linux/string.h>

#include "luo_compat.h"

/*
 * A compatible string is terminated within @room bytes, not empty, and printable ASCII
 * without blanks. @string may hold anything; all other functions here expect valid strings.
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

/*
 * Bytes before the version, or all of the string if it has none. There is no empty family:
 * "-v1" is a name without a version.
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

/* Versions of one thing: the same family, or equal strings without a version. */
bool luo_compat_same_family(const char *a, const char *b)
{
	size_t len = luo_compat_family_len(a);

	if (len != luo_compat_family_len(b) || memcmp(a, b, len))
		return false;

	return !a[len] == !b[len];
}

/*
 * The best match of @found, an incoming string, among @own, which this kernel writes, and
 * @also, a NULL-terminated list or NULL, which it can read as well. The family of a string
 * in @also counts as much as that of @own.
 */
enum luo_compat_match luo_compat_match(const char *found, const char *own,
				       const char *const *also)
{
	enum luo_compat_match fit = LUO_COMPAT_NONE;

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

static const char *name_at(const struct luo_compat_names *names, size_t i)
{
	return names->first + i * names->stride;
}

static bool find(const struct luo_compat_names *names, const char *string, size_t *index)
{
	for (size_t i = 0; i < names->count; i++) {
		if (!strcmp(name_at(names, i), string)) {
			*index = i;
			return true;
		}
	}
	return false;
}

static bool taken(const struct luo_compat_names *names, size_t i, enum luo_compat_match match)
{
	return names->taken && names->taken(names->ctx, i, match);
}

/*
 * Pick the incoming string that matches @own and @also best: @own itself, also if it is
 * taken; else the first of @also that is not; else one of the same family that is not, in a
 * version that cannot be read. Returns how it matches, and which one in @index unless none
 * does.
 */
enum luo_compat_match luo_compat_pick(const struct luo_compat_names *names, const char *own,
				      const char *const *also, size_t *index)
{
	const char *const *older;

	if (find(names, own, index))
		return LUO_COMPAT_EXACT;

	for (older = also; older && *older; older++) {
		if (find(names, *older, index) && !taken(names, *index, LUO_COMPAT_LISTED))
			return LUO_COMPAT_LISTED;
	}

	for (size_t i = 0; i < names->count; i++) {
		if (luo_compat_match(name_at(names, i), own, also) == LUO_COMPAT_FAMILY &&
		    !taken(names, i, LUO_COMPAT_FAMILY)) {
			*index = i;
			return LUO_COMPAT_FAMILY;
		}
	}
	return LUO_COMPAT_NONE;
}
