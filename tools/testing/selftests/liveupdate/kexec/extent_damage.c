// SPDX-License-Identifier: GPL-2.0
/*
 * A list of extents is damaged before the kernel looks at it: with the checksum left as it
 * was, which finds everything, and made right again, so that it is what the checksum cannot
 * tell that is looked for.
 *
 * Every session has one memfd that lies scattered, so that its list is on two pages more, and a
 * valid one beside it. What is damaged must be refused, twice, and stay where it is.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "devmem.h"

#define PAGES		700
#define SEED		950

/* See include/linux/kho/abi/memfd.h */
struct extent_list {
	__u64 next;
	__u32 nr;
	__u32 crc;
	__u64 words[];
};

struct extent_image {
	__u64 pos;
	__u64 size;
	__u64 nr_pages;
	__u32 seals;
	__u32 flags;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u32 reserved;
	struct extent_list list;
};

#define ORDER_INDEX	(63ull << 58)
#define NR(n)		((__u64)(n) << 40)
#define ORDER(n)	((__u64)(n) << 58)

#define AT(field)	offsetof(struct extent_image, field)
#define WORD(n)		(sizeof(struct extent_image) + (n) * 8)
#define IMAGE_WORDS	8
#define OBJECT		128

enum what { PUT, ADD_UP, SELF, NOT_OURS, NOT_OURS_PFN, FIRST };

static const struct extent_damage {
	const char *name;
	size_t at;
	size_t size;
	enum what what;
	__u64 value;
	bool checksum;		/* is made right again */
	int err;
} damages[] = {
	{ "a bit of the size", AT(size), 1, ADD_UP, 1, false, EUCLEAN },
	{ "a bit of the mode", AT(mode), 1, ADD_UP, 1, false, EUCLEAN },
	{ "a bit of a word", WORD(3), 1, ADD_UP, 1, false, EUCLEAN },
	{ "the checksum", AT(list.crc), 4, ADD_UP, 1, false, EUCLEAN },
	{ "flags", AT(flags), 4, PUT, 4, true, EOPNOTSUPP },
	{ "reserved", AT(reserved), 4, PUT, 1, true, EOPNOTSUPP },
	{ "seals", AT(seals), 4, PUT, 0x40, true, EOPNOTSUPP },
	{ "size out of range", AT(size), 8, PUT, 1ull << 63, true, EUCLEAN },
	{ "size less than its pages", AT(size), 8, PUT, PAGE, true, EUCLEAN },
	{ "position out of range", AT(pos), 8, PUT, 1ull << 63, true, EUCLEAN },
	{ "mode out of range", AT(mode), 4, PUT, 0100777, true, EUCLEAN },
	{ "more pages", AT(nr_pages), 8, ADD_UP, 1, true, EUCLEAN },
	{ "too many words", AT(list.nr), 4, PUT, IMAGE_WORDS + 1, false, EUCLEAN },
	{ "countless words", AT(list.nr), 4, PUT, 0xffffffff, false, EUCLEAN },
	{ "less words", AT(list.nr), 4, ADD_UP, -1, true, EUCLEAN },
	{ "next in a circle", AT(list.next), 8, SELF, 0, true, EUCLEAN },
	{ "next misaligned", AT(list.next), 8, ADD_UP, 8, true, EUCLEAN },
	{ "next not handed over", AT(list.next), 8, NOT_OURS, 0, true, EUCLEAN },
	{ "next nowhere", AT(list.next), 8, PUT, NO_PAGE, true, EUCLEAN },
	{ "next missing", AT(list.next), 8, PUT, 0, true, EUCLEAN },
	{ "extent of nothing", WORD(1), 8, PUT, 0, true, EUCLEAN },
	{ "extent of two pages", WORD(1), 8, ADD_UP, NR(1), true, EUCLEAN },
	{ "extent of a larger order", WORD(1), 8, ADD_UP, ORDER(1), true, EUCLEAN },
	{ "extent of no order", WORD(1), 8, ADD_UP, ORDER(62), true, EUCLEAN },
	{ "extent not handed over", WORD(1), 8, NOT_OURS_PFN, NR(1), true, EUCLEAN },
	{ "extent twice", WORD(1), 8, FIRST, 0, true, EUCLEAN },
	{ "extent nowhere", WORD(1), 8, PUT, NR(1) | 0xffffffffffull, true, EUCLEAN },
	{ "index past the end", WORD(1), 8, PUT, ORDER_INDEX | PAGES, true, EUCLEAN },
	{ "index far past the end", WORD(1), 8, PUT, ~0ull, true, EUCLEAN },
	{ "index again", WORD(1), 8, PUT, ORDER_INDEX, true, EUCLEAN },
};

static void preserve_sound(int s)
{
	int fd = test_memfd(PAGE);

	require_true(luo_fill(fd, SEED, 0, PAGE));
	test_preserve(s, fd, 1);
	close(fd);
}

static void damages_1(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		int s = create(damages[i].name), fd = test_memfd(PAGES * PAGE);
		int between = test_memfd(PAGES * PAGE);

		for (int p = 0; p < PAGES; p++) {
			require_true(luo_fill(fd, SEED + 1, p * PAGE, PAGE));
			require_true(luo_fill(between, SEED + 2, p * PAGE, PAGE));
		}
		test_preserve(s, fd, 0);
		preserve_sound(s);
		close(fd);
		close(between);
	}
}

static __u32 crc32c(__u32 crc, const unsigned char *p, size_t len)
{
	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* All there is in the object, the checksum as 0 */
static void correct(__u64 phys)
{
	__u32 nr = luo_memory_read(phys + AT(list.nr), 4);
	size_t len = sizeof(struct extent_image) + nr * 8;
	unsigned char object[OBJECT];

	require_ge(OBJECT, len);
	luo_memory_write(phys + AT(list.crc), 4, 0);
	for (size_t i = 0; i < len; i += 8) {
		__u64 value = luo_memory_read(phys + i, 8);

		memcpy(object + i, &value, 8);
	}
	luo_memory_write(phys + AT(list.crc), 4, crc32c(~0u, object, len));
}

static void inflict(const struct extent_damage *d)
{
	__u64 image = luo_memory_file(d->name, 0, "memfd-extent-v1"), value = d->value;

	if (d->what == ADD_UP)
		value += luo_memory_read(image + d->at, d->size);
	else if (d->what == SELF)
		value = image;
	else if (d->what == NOT_OURS)
		value = luo_memory_own_page();
	else if (d->what == NOT_OURS_PFN)
		value += luo_memory_own_page() / PAGE;
	else if (d->what == FIRST)
		value = luo_memory_read(image + WORD(0), 8);
	if (d->size < 8)
		value &= (1ull << d->size * 8) - 1;
	luo_memory_write(image + d->at, d->size, value);
	if (d->checksum)
		correct(image);
}

static void check_damage(const struct extent_damage *d, bool finish)
{
	int s, fd;

	luo_say("%s", d->name);
	inflict(d);
	s = retrieve(d->name);
	test_err_retrieve_fd(d->err, s, 0);
	test_err_retrieve_fd(d->err, s, 0);
	fd = test_retrieve_fd(s, 1);
	check_true(luo_holds(fd, SEED, 0, PAGE));
	close(fd);
	if (finish)
		test_finish(s);
	close(s);
	expect_gone(d->name);
}

static void damages_2(void)
{
	if (!luo_memory_works())
		luo_skip("no way to memory: /dev/mem, debugfs of KHO");
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
		check_damage(&damages[i], i % 2);
}

/* What the test does to the checksum is what the kernel does. */
static void corrected_1(void)
{
	preserve_sound(create("corrected"));
}

static void corrected_2(void)
{
	int s, fd;

	if (!luo_memory_works())
		luo_skip("no way to memory: /dev/mem, debugfs of KHO");
	correct(luo_memory_file("corrected", 0, "memfd-extent-v1"));
	s = retrieve("corrected");
	fd = test_retrieve_fd(s, 1);
	check_true(luo_holds(fd, SEED, 0, PAGE));
	test_finish(s);
}

/*
 * The page that they are on: none of its objects can be had, sessions end all the same. It
 * is the page of all small memfds, so this is a test of its own.
 */
static void page_1(void)
{
	int s = create("page");

	preserve_sound(s);
	test_preserve(s, test_memfd(0), 2);
}

static void page_2(void)
{
	__u64 object, page;
	int s;

	if (!luo_memory_works())
		luo_skip("no way to memory: /dev/mem, debugfs of KHO");
	object = luo_memory_file("page", 0, "memfd-extent-v1");
	page = object / PAGE * PAGE;
	require_ne(object, page);
	luo_memory_write(page, 1, luo_memory_read(page, 1) ^ 1);
	s = retrieve("page");
	test_err_retrieve_fd(EUCLEAN, s, 1);
	test_err_retrieve_fd(EUCLEAN, s, 2);
	test_finish(s);
	close(s);
	expect_gone("page");
}

/* An address within an object, of the first piece, of a piece that is not in use */
static void address_1(void)
{
	static const char *const names[] = { "within", "first", "not in use" };

	for (int i = 0; i < 3; i++)
		preserve_sound(create(names[i]));
}

static void set_address(const char *name, __u64 value)
{
	__u64 at = luo_memory_session(name);

	at = luo_memory_read(at + offsetof(struct luo_session_entry, files), 8);
	luo_memory_write(at + BLOCK_HEADER + offsetof(struct luo_file_entry, data), 8, value);
}

static void expect_no_object(const char *name)
{
	int s = retrieve(name);

	test_err_retrieve_fd(EUCLEAN, s, 1);
	test_finish(s);
	close(s);
}

/* With checksums all of the session would be refused: they are damaged first. */
static void address_2(void)
{
	__u64 object, at;

	if (!luo_memory_works())
		luo_skip("no way to memory: /dev/mem, debugfs of KHO");
	at = luo_memory_checksums() + BLOCK_HEADER;
	luo_memory_write(at, 1, luo_memory_read(at, 1) ^ 1);
	object = luo_memory_file("within", 0, "memfd-extent-v1");
	set_address("within", object + 8);
	set_address("first", object / PAGE * PAGE);
	set_address("not in use", object / PAGE * PAGE + PAGE - OBJECT);
	expect_no_object("within");
	expect_no_object("first");
	expect_no_object("not in use");
}

static const struct scenario extent_address_scenarios[] = {
	{ "address", { address_1, address_2 } },
	{ }
};

SCENARIOS("extent-address", extent_address_scenarios)

static const struct scenario extent_page_scenarios[] = {
	{ "page", { page_1, page_2 } },
	{ }
};

SCENARIOS("extent-page", extent_page_scenarios)

static const struct scenario extent_damage_scenarios[] = {
	{ "damages", { damages_1, damages_2 } },
	{ "corrected", { corrected_1, corrected_2 } },
	{ }
};

SCENARIOS("extent-damage", extent_damage_scenarios)
