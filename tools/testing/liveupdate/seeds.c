// SPDX-License-Identifier: GPL-2.0
/*
 * What the fuzzer begins with: handovers of real kernels, and one of all that image_write()
 * knows. With a folder as its argument it writes a file for each; as a suite it shows that
 * nothing is lost on the way into a file and back.
 */
#include <linux/string.h>
#include <stdlib.h>

#include "handover.h"
#include "luo_golden_image.h"
#include "luo_golden_ours.h"
#include "luo_golden_ours_extent.h"
#include "luo_golden_stock.h"

static const struct seed {
	const char *name;
	const struct luo_golden_piece *pieces;	/* NULL: as image_write() does it */
} seeds[] = {
	{ "ours", luo_golden_ours },
	{ "ours-extent", luo_golden_ours_extent },
	{ "stock", luo_golden_stock },
	{ "written", NULL },
};

KUNIT_ARRAY_PARAM_DESC(seed, seeds, name);

static struct image *golden_image(struct kunit *test, const struct luo_golden_piece *piece)
{
	struct image *image = kunit_kzalloc(test, sizeof(*image), GFP_KERNEL);
	struct image_page *page = image->page;

	image->test = test;
	for (; piece->what; piece++) {
		u8 *bytes = kunit_kzalloc(test, piece->phys ? PAGE_SIZE : piece->size, GFP_KERNEL);

		memcpy(bytes, piece->bytes, piece->size);
		if (!strcmp(piece->what, "LUO")) {
			image->ser = bytes;
			image->ser_size = piece->size;
		} else if (!strcmp(piece->what, "LUO-ext")) {
			image->ext = bytes;
			image->ext_size = piece->size;
		} else if (piece->phys % PAGE_SIZE == 0) {
			page->phys = piece->phys;
			page->keep = bytes;
			page->data = bytes;
			page++;
		}
	}
	return image;
}

static struct image *seed_image(struct kunit *test, const struct seed *seed)
{
	struct image *image;

	if (seed->pieces)
		return golden_image(test, seed->pieces);
	image = image_create(test);
	image_write(image);
	return image;
}

static size_t seed_file(struct kunit *test, const struct seed *seed, u8 *file)
{
	return handover_write(seed_image(test, seed), file, HANDOVER_MAX_SIZE);
}

/* Into a file and back, and all checksums made anew: it is what it was. */
static void seeds_whole_test(struct kunit *test)
{
	u8 *file = kunit_kzalloc(test, HANDOVER_MAX_SIZE, GFP_KERNEL);
	u8 *again = kunit_kzalloc(test, HANDOVER_MAX_SIZE, GFP_KERNEL);
	size_t size = seed_file(test, test->param_value, file);
	struct image *image = handover_read(test, file, size);
	struct image_facts facts;

	handover_seal(image);
	KUNIT_EXPECT_EQ(test, handover_write(image, again, HANDOVER_MAX_SIZE), size);
	KUNIT_EXPECT_MEMEQ(test, file, again, size);

	image_read(image, &facts);
	KUNIT_EXPECT_FALSE(test, facts.refused);
	KUNIT_EXPECT_TRUE(test, facts.session_count >= 3 && facts.file_count && facts.flb_count);
}

/* A file that is cut short is a handover that lacks something, and nothing worse. */
static void seeds_short_test(struct kunit *test)
{
	u8 *file = kunit_kzalloc(test, HANDOVER_MAX_SIZE, GFP_KERNEL);
	size_t size = seed_file(test, test->param_value, file), at;
	struct image_facts facts;

	for (at = 0; at < size; at += 1 + size / 50)
		image_read(handover_read(test, file, at), &facts);
}

static struct kunit_case luo_seeds_cases[] = {
	KUNIT_CASE_PARAM(seeds_whole_test, seed_gen_params),
	KUNIT_CASE_PARAM(seeds_short_test, seed_gen_params),
	{}
};

static struct kunit_suite luo_seeds_suite = {
	.name = "luo_seeds",
	.test_cases = luo_seeds_cases,
};

kunit_test_suite(luo_seeds_suite);

#ifdef SEEDS_FOLDER

static void write_seeds(struct kunit *test)
{
	u8 *file = kunit_kzalloc(test, HANDOVER_MAX_SIZE, GFP_KERNEL);
	char path[4096];

	for (unsigned int i = 0; i < ARRAY_SIZE(seeds); i++) {
		size_t size = seed_file(test, &seeds[i], file);
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", (const char *)test->param_value,
			 seeds[i].name);
		f = fopen(path, "w");
		KUNIT_ASSERT_NOT_NULL(test, f);
		KUNIT_EXPECT_EQ(test, fwrite(file, 1, size, f), size);
		KUNIT_EXPECT_EQ(test, fclose(f), 0);
	}
}

int main(int argc, char **argv)
{
	const struct kunit_case write_case = { .run_case = write_seeds, .name = "write" };

	return argc != 2 || !kunit_run_once(&write_case, argv[1]);
}

#endif
