// SPDX-License-Identifier: GPL-2.0
/*
 * Coverage-guided: inputs are handovers as handover.h has them, mutated by mutate.c, read
 * and validated by image_read(). libFuzzer brings main().
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <stdlib.h>
#include <unistd.h>

#include "handover.h"
#include "libfuzzer.h"

struct input {
	const u8 *data;
	size_t size;
	u8 *out;
	size_t room;
	size_t out_size;
	unsigned int seed;
};

/* How it went, to be told at the end */
static unsigned long long nr_read, nr_unknown, nr_refused, nr_in_part, nr_sound, nr_checked;

static void tell(void)
{
	fprintf(stderr, "fuzzed: %llu handovers read: %llu of unknown version, ", nr_read,
		nr_unknown);
	fprintf(stderr, "%llu refused, %llu in part, ", nr_refused, nr_in_part);
	fprintf(stderr, "%llu sound; %llu of these had checksums\n", nr_sound, nr_checked);
	/* A fuzzer that sees only one side of it does not test. */
	if (nr_read > 20000 && (!nr_unknown || !nr_refused || !nr_in_part || !nr_sound ||
				!nr_checked))
		_exit(1);
}

static void read_input(struct kunit *test)
{
	struct input *input = (struct input *)test->param_value;
	struct image *image = handover_read(test, input->data, input->size);
	struct image_facts facts;

	image_read(image, &facts);
	if (!nr_read++)
		atexit(tell);
	nr_unknown += facts.head == -EPROTONOSUPPORT;
	nr_refused += facts.head == -EUCLEAN;
	nr_in_part += facts.refused && !facts.head;
	nr_sound += !facts.refused;
	nr_checked += !facts.refused && facts.checked;
}

static void mutate_input(struct kunit *test)
{
	struct input *input = (struct input *)test->param_value;
	struct image *image = handover_read(test, input->data, input->size);

	handover_mutate(image, input->seed);
	input->out_size = handover_write(image, input->out, input->room);
}

static const struct kunit_case read_case = { .run_case = read_input, .name = "read" };
static const struct kunit_case mutate_case = { .run_case = mutate_input, .name = "mutate" };

int fuzz_one(const u8 *data, size_t size)
{
	const struct input input = { .data = data, .size = size };

	if (!kunit_run_once(&read_case, &input))
		abort();
	return 0;
}

size_t fuzz_mutate(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	struct input input = {
		.data = data, .size = size, .room = max_size, .seed = seed,
	};

	/* Now and then bytes that are no field of anything */
	if (seed % 16 == 15)
		return fuzz_mutate_bytes(data, size, max_size);

	input.out = malloc(max_size);
	if (!input.out || !kunit_run_once(&mutate_case, &input))
		abort();
	memcpy(data, input.out, input.out_size);
	free(input.out);
	return input.out_size;
}
