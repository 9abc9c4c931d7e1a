// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the suites that are linked in, or those that the command line names, and prints
 * KTAP. Exits with 1 if any failed, with 2 if there was none to run.
 */
#include <kunit/test.h>
#include <linux/string.h>
#include <stdarg.h>
#include <stdlib.h>

struct kunit_chunk {
	struct kunit_chunk *next;
	void *data;
};

/* How many of something passed, and how many failed */
struct tally {
	unsigned int pass;
	unsigned int fail;
};

static struct kunit_suite *suites;

void kunit_add_suite(struct kunit_suite *suite)
{
	struct kunit_suite **end = &suites;

	while (*end)
		end = &(*end)->next;
	*end = suite;
}

/* Exactly that many bytes, for the address sanitizer to watch both ends */
void *kunit_kzalloc(struct kunit *test, size_t size, gfp_t gfp)
{
	struct kunit_chunk *chunk = malloc(sizeof(*chunk));

	(void)gfp;
	if (!chunk)
		return NULL;

	chunk->data = calloc(1, size);
	chunk->next = test->chunks;
	test->chunks = chunk;
	return chunk->data;
}

void kunit_param_desc(char *desc, const void *param, size_t offset)
{
	const char *from;

	memcpy(&from, param + offset, sizeof(from));
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", from);
}

static void free_chunks(struct kunit *test)
{
	struct kunit_chunk *chunk;

	while ((chunk = test->chunks)) {
		test->chunks = chunk->next;
		free(chunk->data);
		free(chunk);
	}
}

void kunit_failed(struct kunit *test, bool abort, const char *file, int line, const char *what,
		  const char *fmt, ...)
{
	va_list args;

	printf("        # %s:%d: not so: %s ", file, line, what);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");

	test->failed = true;
	if (abort)
		longjmp(test->abort, 1);
}

static bool report(struct tally *tally, bool ok, const char *indent, const char *name)
{
	if (ok)
		tally->pass++;
	else
		tally->fail++;

	printf("%s%s %u %s\n", indent, ok ? "ok" : "not ok", tally->pass + tally->fail, name);
	return ok;
}

bool kunit_run_once(const struct kunit_case *test_case, const void *param)
{
	struct kunit test = { .param_value = param };

	if (!setjmp(test.abort))
		test_case->run_case(&test);

	free_chunks(&test);
	return !test.failed;
}

static bool run_params(const struct kunit_case *test_case, struct tally *total)
{
	char desc[KUNIT_PARAM_DESC_SIZE] = "";
	struct kunit test = {};
	struct tally tally = {};
	const void *param = NULL;
	unsigned int count = 0;

	while ((param = test_case->generate_params(&test, param, desc)))
		count++;

	printf("        KTAP version 1\n");
	printf("        # Subtest: %s\n", test_case->name);
	printf("        1..%u\n", count);
	while ((param = test_case->generate_params(&test, param, desc)))
		report(&tally, kunit_run_once(test_case, param), "        ", desc);

	total->pass += tally.pass;
	total->fail += tally.fail;
	return !tally.fail;
}

static bool run_case(const struct kunit_case *test_case, struct tally *total)
{
	bool ok;

	if (test_case->generate_params)
		return run_params(test_case, total);

	ok = kunit_run_once(test_case, NULL);
	if (ok)
		total->pass++;
	else
		total->fail++;
	return ok;
}

static bool run_suite(const struct kunit_suite *suite, struct tally *total)
{
	const struct kunit_case *test_case;
	struct tally tally = {};
	unsigned int count = 0;

	for (test_case = suite->test_cases; test_case->run_case; test_case++)
		count++;

	printf("    KTAP version 1\n");
	printf("    # Subtest: %s\n", suite->name);
	printf("    1..%u\n", count);
	for (test_case = suite->test_cases; test_case->run_case; test_case++)
		report(&tally, run_case(test_case, total), "    ", test_case->name);

	return !tally.fail;
}

static bool wanted(const struct kunit_suite *suite, char **names)
{
	char **name = names;

	while (*name && strcmp(*name, suite->name))
		name++;

	return !*names || *name;
}

int main(int argc, char **argv)
{
	const struct kunit_suite *suite;
	struct tally tally = {}, total = {};
	unsigned int count = 0;

	/* What was printed is there even if a sanitizer ends it all */
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (suite = suites; suite; suite = suite->next)
		count += wanted(suite, argv + 1);

	printf("KTAP version 1\n");
	printf("1..%u\n", count);
	for (suite = suites; suite; suite = suite->next) {
		if (wanted(suite, argv + 1))
			report(&tally, run_suite(suite, &total), "", suite->name);
	}

	printf("# Totals: pass:%u fail:%u skip:0 total:%u\n", total.pass, total.fail,
	       total.pass + total.fail);
	if (!count)
		return 2;

	return tally.fail ? 1 : 0;
}
