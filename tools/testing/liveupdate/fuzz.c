// SPDX-License-Identifier: GPL-2.0
/*
 * Damages a handover, one kind of damage at a time and then all together, and reads it.
 * What must hold is in image_read(), and here: what passes its checksum is what was
 * written. Iteration i of a kind is a matter of FUZZ_SEED + i alone; FUZZ_ITERATIONS says
 * how many there are.
 */
#include <linux/string.h>
#include <stdlib.h>

#include "handover_build.h"

struct random {
	u64 state;
};

/* splitmix64 */
static u64 random_next(struct random *random)
{
	u64 x = random->state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static u64 random_below(struct random *random, u64 limit)
{
	return random_next(random) % limit;
}

static struct image_page *random_page(struct image *image, struct random *random)
{
	return &image->page[random_below(random, IMAGE_PAGES)];
}

static u64 random_phys(struct random *random)
{
	return IMAGE_BASE + random_below(random, IMAGE_PAGES) * PAGE_SIZE;
}

/* Numbers at which something may go wrong */
static u64 random_word(struct random *random)
{
	static const u64 words[] = {
		0, 1, 2, 63, 64, 50, 51, 52, 1020, 1021, PAGE_SIZE, IMAGE_BASE + 8,
		IMAGE_BASE + IMAGE_PAGES * PAGE_SIZE, 0x100000000ULL, 0x100000001ULL,
		1ULL << 63, -1ULL, -64ULL, -PAGE_SIZE, 0x0400000000000001ULL,
	};
	u64 pick = random_below(random, ARRAY_SIZE(words) + 2);

	if (pick == ARRAY_SIZE(words))
		return random_next(random);
	if (pick > ARRAY_SIZE(words))
		return random_phys(random);
	return words[pick];
}

/* One of the places where there are bytes, and how many: the roots are hit often */
static u8 *random_place(struct image *image, struct random *random, size_t *size)
{
	u64 pick = random_below(random, IMAGE_PAGES + 4);

	if (pick < 2 && image->ser_size) {
		*size = image->ser_size;
		return image->ser;
	}
	if (pick < 4 && image->ext_size) {
		*size = image->ext_size;
		return image->ext;
	}

	*size = PAGE_SIZE << image->page[pick % IMAGE_PAGES].room;
	return image->page[pick % IMAGE_PAGES].keep;
}

static void flip_bit(struct image *image, struct random *random)
{
	size_t size;
	u8 *place = random_place(image, random, &size);

	place[random_below(random, size)] ^= 1 << random_below(random, 8);
}

static void overwrite_bytes(struct image *image, struct random *random)
{
	size_t size;
	u8 *place = random_place(image, random, &size);
	size_t at = random_below(random, size);
	size_t count = 1 + random_below(random, size - at < 32 ? size - at : 32);

	while (count--)
		place[at++] = random_next(random);
}

static void overwrite_word(struct image *image, struct random *random)
{
	size_t size;
	u8 *place = random_place(image, random, &size);
	u64 word = random_word(random);

	if (size >= sizeof(word))
		memcpy(place + random_below(random, size / 8) * 8, &word, sizeof(word));
}

static void truncate_root(struct image *image, struct random *random)
{
	if (random_below(random, 2))
		image_resize(&image->ser, &image->ser_size,
			     random_below(random, image->ser_size + 1));
	else
		image_resize(&image->ext, &image->ext_size,
			     random_below(random, image->ext_size + 1));
}

static void splice_pages(struct image *image, struct random *random)
{
	const u8 *from = random_page(image, random)->keep;
	u8 *to = random_page(image, random)->keep;
	size_t at = random_below(random, PAGE_SIZE / 8) * 8;
	size_t to_at = random_below(random, 2) ? at : random_below(random, PAGE_SIZE / 8) * 8;
	size_t room = PAGE_SIZE - (at > to_at ? at : to_at);

	memmove(to + to_at, from + at, 1 + random_below(random, room));
}

static void swap_pages(struct image *image, struct random *random)
{
	struct image_page *a = random_page(image, random);
	struct image_page *b = random_page(image, random);
	struct image_page old = *a;

	if (a->room != b->room)
		return;
	*a = *b;
	*b = old;
	/* Their contents, not their places */
	b->phys = a->phys;
	a->phys = old.phys;
}

static void change_next(struct image *image, struct random *random)
{
	u64 next = random_phys(random);

	memcpy(random_page(image, random)->keep, &next, sizeof(next));
}

static void change_count(struct image *image, struct random *random)
{
	u64 count = random_word(random);

	memcpy(random_page(image, random)->keep + 8, &count, sizeof(count));
}

/* No zero byte over a stretch that is longer than any string */
static void remove_terminators(struct image *image, struct random *random)
{
	u8 *page = random_page(image, random)->keep;
	size_t at = 16 + random_below(random, (PAGE_SIZE - 16) / 16) * 16;
	size_t end = at + 80 < PAGE_SIZE ? at + 80 : PAGE_SIZE;

	for (; at < end; at++)
		page[at] = page[at] ?: '!';
}

static void lose_page(struct image *image, struct random *random)
{
	random_page(image, random)->data = NULL;
}

static void change_order(struct image *image, struct random *random)
{
	random_page(image, random)->order = 1 + random_below(random, 10);
}

typedef void damage_fn(struct image *image, struct random *random);

struct damage {
	const char *desc;
	damage_fn *apply;
};

static void several(struct image *image, struct random *random);
static void rubbish(struct image *image, struct random *random);

static const struct damage damages[] = {
	{ "a bit flipped", flip_bit },
	{ "bytes overwritten", overwrite_bytes },
	{ "a word overwritten", overwrite_word },
	{ "a root truncated", truncate_root },
	{ "pages spliced", splice_pages },
	{ "pages swapped", swap_pages },
	{ "a chain bent, also into a loop", change_next },
	{ "a wrong count", change_count },
	{ "terminators removed", remove_terminators },
	{ "a page not preserved", lose_page },
	{ "a page in a larger folio", change_order },
	{ "several of these", several },
	{ "pages of rubbish", rubbish },
};

#define SINGLE_DAMAGES	(ARRAY_SIZE(damages) - 2)

KUNIT_ARRAY_PARAM_DESC(damage, damages, desc);

static void several(struct image *image, struct random *random)
{
	u64 count = 2 + random_below(random, 12);

	while (count--)
		damages[random_below(random, SINGLE_DAMAGES)].apply(image, random);
}

/* With just enough sense in the headers that the reader gets to see some of it */
static void rubbish(struct image *image, struct random *random)
{
	unsigned int i, at;
	u64 word;

	for (i = 0; i < IMAGE_PAGES; i++) {
		for (at = 0; at < PAGE_SIZE; at += sizeof(word)) {
			word = random_below(random, 3) ? random_next(random) : random_word(random);
			memcpy(image->page[i].keep + at, &word, sizeof(word));
		}
		word = random_below(random, 3) ? random_phys(random) : 0;
		memcpy(image->page[i].keep, &word, sizeof(word));
		word = random_below(random, 52);
		memcpy(image->page[i].keep + 8, &word, sizeof(word));
	}
}

static u64 setting(const char *name, u64 preset)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 0) : preset;
}

static void expect_written(struct kunit *test, const struct image_facts *facts,
			   const struct image_facts *whole)
{
	unsigned int i;

	if (facts->sessions_digest)
		KUNIT_ASSERT_EQ(test, facts->sessions_digest, whole->sessions_digest);
	if (facts->flbs_digest)
		KUNIT_ASSERT_EQ(test, facts->flbs_digest, whole->flbs_digest);
	if (facts->crcs_count)
		KUNIT_ASSERT_EQ(test, facts->crcs_count, IMAGE_SESSIONS);

	for (i = 0; i < IMAGE_SESSIONS; i++) {
		if (facts->files_digest[i])
			KUNIT_ASSERT_EQ(test, facts->files_digest[i], whole->files_digest[i]);
	}
}

/* As written, with and without checksums */
static void fuzz_undamaged_test(struct kunit *test)
{
	struct image *image = image_create(test);
	struct image_facts facts;

	image_write(image);
	image_read(image, &facts);
	KUNIT_EXPECT_FALSE(test, facts.refused);
	KUNIT_EXPECT_TRUE(test, facts.checked);
	KUNIT_EXPECT_EQ(test, facts.session_count, IMAGE_SESSIONS);
	KUNIT_EXPECT_EQ(test, facts.file_count, 131 + 1 + 2 + 3 + 4);
	KUNIT_EXPECT_EQ(test, facts.flb_count, IMAGE_FLBS);
	KUNIT_EXPECT_TRUE(test, facts.sessions_digest);
	KUNIT_EXPECT_TRUE(test, facts.flbs_digest);
	KUNIT_EXPECT_TRUE(test, facts.files_digest[0]);

	image_resize(&image->ext, &image->ext_size, 0);
	image_read(image, &facts);
	KUNIT_EXPECT_FALSE(test, facts.refused);
	KUNIT_EXPECT_FALSE(test, facts.checked);
	KUNIT_EXPECT_EQ(test, facts.session_count, IMAGE_SESSIONS);
	KUNIT_EXPECT_EQ(test, facts.file_count, 131 + 1 + 2 + 3 + 4);
	KUNIT_EXPECT_EQ(test, facts.flb_count, IMAGE_FLBS);
}

static void fuzz_damaged_test(struct kunit *test)
{
	const struct damage *damage = test->param_value;
	u64 iterations = setting("FUZZ_ITERATIONS", 2000);
	u64 seed = setting("FUZZ_SEED", 1), i;
	struct image *image = image_create(test);
	unsigned int refused = 0, unharmed = 0;
	struct image_facts whole, facts;

	image_write(image);
	image_read(image, &whole);

	for (i = 0; i < iterations && !test->failed; i++) {
		struct random random = { .state = seed + i };

		image_write(image);
		if (i % 2)
			image_resize(&image->ext, &image->ext_size, 0);
		damage->apply(image, &random);
		image_read(image, &facts);
		expect_written(test, &facts, &whole);

		refused += facts.refused;
		unharmed += facts.sessions_digest && !facts.refused;
	}

	printf("        # %s: %llu read, %u refused in part or whole, %u unharmed\n",
	       damage->desc, (unsigned long long)i, refused, unharmed);
	if (iterations >= 100)
		KUNIT_EXPECT_TRUE(test, refused);
}

static struct kunit_case luo_fuzz_cases[] = {
	KUNIT_CASE(fuzz_undamaged_test),
	KUNIT_CASE_PARAM(fuzz_damaged_test, damage_gen_params),
	{}
};

static struct kunit_suite luo_fuzz_suite = {
	.name = "luo_fuzz",
	.test_cases = luo_fuzz_cases,
};

kunit_test_suite(luo_fuzz_suite);
