// SPDX-License-Identifier: GPL-2.0
/*
 * Compatible strings: every rule of their grammar and of how two of them meet.
 *
 * Runs in the kernel, and in user space under tools/testing/liveupdate.
 */
#include <kunit/test.h>
#include <linux/string.h>

#include "../luo_compat.h"

struct valid_case {
	const char *desc;
	const char *bytes;
	size_t room;
	bool valid;
};

static const struct valid_case valid_cases[] = {
	{ "a usual one", "memfd-v2", 48, true },
	{ "one byte", "x", 48, true },
	{ "no version", "memfd", 48, true },
	{ "punctuation from ! to ~", "!#$%&()*+,./:;<=>?@[]^_`{|}~", 48, true },
	{ "as long as the room allows", "1234567", 8, true },
	{ "terminator just outside of the room", "12345678", 8, false },
	{ "much longer than the room", "1234567890", 8, false },
	{ "empty", "", 48, false },
	{ "empty, room for no more", "", 1, false },
	{ "no room", "x", 0, false },
	{ "blank inside", "mem fd-v2", 48, false },
	{ "blank first", " memfd-v2", 48, false },
	{ "blank last", "memfd-v2 ", 48, false },
	{ "tab", "memfd\t-v2", 48, false },
	{ "newline last", "memfd-v2\n", 48, false },
	{ "control byte 1", "memfd\001", 48, false },
	{ "DEL", "memfd\177", 48, false },
	{ "beyond ASCII", "m\303\251mfd-v2", 48, false },
	{ "byte 255", "\377", 48, false },
	{ "rubbish after the terminator", "memfd-v2\0\001\377", 48, true },
};

KUNIT_ARRAY_PARAM_DESC(valid, valid_cases, desc);

static void compat_valid_test(struct kunit *test)
{
	const struct valid_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, luo_compat_valid(c->bytes, c->room), c->valid);
}

/* Just what can be seen and is not blank, whatever the sign of char */
static void compat_valid_every_byte_test(struct kunit *test)
{
	unsigned int byte;

	for (byte = 1; byte < 256; byte++) {
		char string[] = { 'a', byte, 'b', '\0' };

		KUNIT_EXPECT_EQ_MSG(test, luo_compat_valid(string, sizeof(string)),
				    byte > ' ' && byte < 127, "byte %u", byte);
	}
}

/* The string fills an allocation of its own, for the sanitizers to watch its end */
static void compat_valid_unterminated_test(struct kunit *test)
{
	size_t room;

	for (room = 1; room <= 48; room++) {
		char *string = kunit_kzalloc(test, room, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, string);
		memset(string, 'x', room);
		KUNIT_EXPECT_FALSE_MSG(test, luo_compat_valid(string, room),
				       "room for %zu", room);
		string[room - 1] = '\0';
		KUNIT_EXPECT_EQ_MSG(test, luo_compat_valid(string, room), room > 1,
				    "room for %zu", room);
	}
}

struct family_case {
	const char *string;
	size_t len;
};

static const struct family_case family_cases[] = {
	{ "foo-v1", 3 },
	{ "foo_v1", 3 },
	{ "foo-v0", 3 },
	{ "foo-v12345678901234567890123456789", 3 },
	{ "foo-v01", 3 },
	{ "f-v1", 1 },
	{ "foo", 3 },
	{ "foo-v", 5 },
	{ "foo_v", 5 },
	{ "foo-1", 5 },
	{ "foo1", 4 },
	{ "foov1", 5 },
	{ "foo-V1", 6 },
	{ "foo.v1", 6 },
	{ "foo-v1x", 7 },
	{ "foo-v1.2", 8 },
	{ "foo-v-1", 7 },
	{ "foo-vx1", 7 },
	{ "foo-v1-v2", 6 },
	{ "foo_v1_v2", 6 },
	{ "foo--v1", 4 },
	{ "foo-vv1", 7 },
	{ "-v1", 3 },
	{ "_v1", 3 },
	{ "--v1", 1 },
	{ "v1", 2 },
	{ "-1", 2 },
	{ "1", 1 },
	{ "v", 1 },
	{ "12345", 5 },
};

KUNIT_ARRAY_PARAM_DESC(family, family_cases, string);

static void compat_family_len_test(struct kunit *test)
{
	const struct family_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, luo_compat_family_len(c->string), c->len);
}

struct pair_case {
	const char *desc;
	const char *a;
	const char *b;
	bool same;
};

static const struct pair_case pair_cases[] = {
	{ "two versions", "foo-v1", "foo-v2", true },
	{ "versions of one and of many digits", "foo-v1", "foo-v1234567890", true },
	{ "dash and underscore", "foo-v1", "foo_v1", true },
	{ "the same one", "foo-v1", "foo-v1", true },
	{ "leading zero", "foo-v1", "foo-v01", true },
	{ "other name", "foo-v1", "bar-v1", false },
	{ "one name starts with the other", "foo-v1", "foobar-v1", false },
	{ "case matters", "foo-v1", "Foo-v1", false },
	{ "without version, the same", "foo", "foo", true },
	{ "without version, others", "foo", "bar", false },
	{ "with and without version", "foo-v1", "foo", false },
	{ "no digits is no version", "foo-v1", "foo-v", false },
	{ "no digits, and a version of that", "foo-v", "foo-v-v1", false },
	{ "version of a version", "foo-v1-v2", "foo-v1-v3", true },
	{ "version of a version, and the inner one", "foo-v1-v2", "foo-v1", false },
	{ "other inner version", "foo-v1-v1", "foo-v2-v1", false },
	{ "no family before the version", "-v1", "-v2", false },
	{ "no family before the version, the same", "-v1", "-v1", true },
	{ "two dots are no version", "foo-v1.1", "foo-v1.2", false },
};

KUNIT_ARRAY_PARAM_DESC(pair, pair_cases, desc);

static void compat_same_family_test(struct kunit *test)
{
	const struct pair_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, luo_compat_same_family(c->a, c->b), c->same);
	KUNIT_EXPECT_EQ(test, luo_compat_same_family(c->b, c->a), c->same);
}

static const char *const also_older[] = { "foo-v1", "foo-v2", NULL };
static const char *const also_renamed[] = { "old-v1", NULL };
static const char *const also_own[] = { "bar-v1", "foo-v3", NULL };
static const char *const also_plain[] = { "plain", NULL };
static const char *const also_empty[] = { NULL };

struct fit_case {
	const char *desc;
	const char *found;
	const char *own;
	const char *const *also;
	enum luo_compat_match fit;
};

static const struct fit_case fit_cases[] = {
	{ "own", "foo-v3", "foo-v3", NULL, LUO_COMPAT_EXACT },
	{ "own, with others listed", "foo-v3", "foo-v3", also_older, LUO_COMPAT_EXACT },
	{ "own, and listed too", "foo-v3", "foo-v3", also_own, LUO_COMPAT_EXACT },
	{ "first listed", "foo-v1", "foo-v3", also_older, LUO_COMPAT_LISTED },
	{ "last listed", "foo-v2", "foo-v3", also_older, LUO_COMPAT_LISTED },
	{ "listed under another name", "old-v1", "foo-v3", also_renamed, LUO_COMPAT_LISTED },
	{ "listed without version", "plain", "foo-v3", also_plain, LUO_COMPAT_LISTED },
	{ "newer", "foo-v4", "foo-v3", also_older, LUO_COMPAT_FAMILY },
	{ "older, nothing listed", "foo-v1", "foo-v3", NULL, LUO_COMPAT_FAMILY },
	{ "older, list is empty", "foo-v1", "foo-v3", also_empty, LUO_COMPAT_FAMILY },
	{ "older, list is of others", "foo-v1", "foo-v3", also_renamed, LUO_COMPAT_FAMILY },
	{ "family of a listed one", "old-v2", "foo-v3", also_renamed, LUO_COMPAT_FAMILY },
	{ "same number, other separator", "foo_v3", "foo-v3", NULL, LUO_COMPAT_FAMILY },
	{ "name without the version", "foo", "foo-v3", also_older, LUO_COMPAT_NONE },
	{ "version of a name without", "plain-v1", "foo-v3", also_plain, LUO_COMPAT_NONE },
	{ "start of own", "foo-v", "foo-v3", also_older, LUO_COMPAT_NONE },
	{ "longer than own", "foo-v3x", "foo-v3", also_older, LUO_COMPAT_NONE },
	{ "something else", "baz-v3", "foo-v3", also_older, LUO_COMPAT_NONE },
	{ "something else, nothing listed", "baz", "foo-v3", NULL, LUO_COMPAT_NONE },
};

KUNIT_ARRAY_PARAM_DESC(fit, fit_cases, desc);

static void compat_fit_test(struct kunit *test)
{
	const struct fit_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, luo_compat_match(c->found, c->own, c->also), c->fit);
}

/* Callers keep the best of several */
static void compat_fit_order_test(struct kunit *test)
{
	KUNIT_EXPECT_GT(test, LUO_COMPAT_EXACT, LUO_COMPAT_LISTED);
	KUNIT_EXPECT_GT(test, LUO_COMPAT_LISTED, LUO_COMPAT_FAMILY);
	KUNIT_EXPECT_GT(test, LUO_COMPAT_FAMILY, LUO_COMPAT_NONE);
	KUNIT_EXPECT_EQ(test, LUO_COMPAT_NONE, 0);
}

struct pick_case {
	const char *desc;
	char names[4][16];
	const char *own;
	const char *also[3];
	unsigned int taken;
	enum luo_compat_match match;
	size_t index;
};

static const struct pick_case pick_cases[] = {
	{ "nothing to pick from", {}, "a-v1", {}, 0, LUO_COMPAT_NONE },
	{ "the string itself", { "b-v1", "a-v1" }, "a-v1", {}, 0, LUO_COMPAT_EXACT, 1 },
	{ "the string itself, taken", { "a-v1" }, "a-v1", {}, 1, LUO_COMPAT_EXACT, 0 },
	{ "the string itself before an older one", { "a-v1", "a-v2" }, "a-v2", { "a-v1" }, 0,
	  LUO_COMPAT_EXACT, 1 },
	{ "an older one before the family", { "a-v3", "a-v1" }, "a-v2", { "a-v1" }, 0,
	  LUO_COMPAT_LISTED, 1 },
	{ "the first in the list", { "a-v1", "a-v2" }, "a-v3", { "a-v2", "a-v1" }, 0,
	  LUO_COMPAT_LISTED, 1 },
	{ "the second in the list, as the first is taken", { "a-v1", "a-v2" }, "a-v3",
	  { "a-v2", "a-v1" }, 2, LUO_COMPAT_LISTED, 0 },
	{ "an older one of another family", { "b" }, "a-v1", { "b" }, 0, LUO_COMPAT_LISTED, 0 },
	{ "the family", { "b-v1", "a-v2" }, "a-v1", {}, 0, LUO_COMPAT_FAMILY, 1 },
	{ "the family of an older one", { "b-v2" }, "a-v1", { "b-v1" }, 0, LUO_COMPAT_FAMILY, 0 },
	{ "the first of a family", { "a-v2", "a-v3" }, "a-v1", {}, 0, LUO_COMPAT_FAMILY, 0 },
	{ "the first of a family that is not taken", { "a-v2", "a-v3" }, "a-v1", {}, 1,
	  LUO_COMPAT_FAMILY, 1 },
	{ "a family that is taken", { "a-v2" }, "a-v1", {}, 1, LUO_COMPAT_NONE },
	{ "another family", { "a", "b-v1" }, "a-v1", {}, 0, LUO_COMPAT_NONE },
};

KUNIT_ARRAY_PARAM_DESC(pick, pick_cases, desc);

static bool pick_is_taken(void *ctx, size_t index, enum luo_compat_match match)
{
	const struct pick_case *c = ctx;

	return c->taken & 1U << index;
}

static void compat_pick_test(struct kunit *test)
{
	const struct pick_case *c = test->param_value;
	struct luo_compat_names names = {
		.first = c->names,
		.stride = sizeof(c->names[0]),
		.taken = pick_is_taken,
		.ctx = (void *)c,
	};
	size_t index = 0;

	while (names.count < 4 && c->names[names.count][0])
		names.count++;
	KUNIT_EXPECT_EQ(test, luo_compat_pick(&names, c->own, c->also, &index), c->match);
	KUNIT_EXPECT_EQ(test, index, c->index);
	if (c->taken)
		return;
	names.taken = NULL;
	KUNIT_EXPECT_EQ(test, luo_compat_pick(&names, c->own, c->also[0] ? c->also : NULL, &index),
			c->match);
}

static struct kunit_case luo_compat_cases[] = {
	KUNIT_CASE_PARAM(compat_valid_test, valid_gen_params),
	KUNIT_CASE(compat_valid_every_byte_test),
	KUNIT_CASE(compat_valid_unterminated_test),
	KUNIT_CASE_PARAM(compat_family_len_test, family_gen_params),
	KUNIT_CASE_PARAM(compat_same_family_test, pair_gen_params),
	KUNIT_CASE_PARAM(compat_fit_test, fit_gen_params),
	KUNIT_CASE(compat_fit_order_test),
	KUNIT_CASE_PARAM(compat_pick_test, pick_gen_params),
	{}
};

static struct kunit_suite luo_compat_suite = {
	.name = "luo_compat",
	.test_cases = luo_compat_cases,
};

kunit_test_suite(luo_compat_suite);

MODULE_DESCRIPTION("KUnit tests of the Live Update Orchestrator's compatible strings");
MODULE_LICENSE("GPL");
