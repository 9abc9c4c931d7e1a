/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory of a previous kernel that never was, for tests of what reads it: pages are
 * allocations of their own at made-up addresses, so that the sanitizers see a step beyond
 * any of them, and fake_peek() sees what the reader asks for.
 */
#ifndef _LUO_WIRE_FAKE_H
#define _LUO_WIRE_FAKE_H

#include <kunit/test.h>
#include <linux/array_size.h>
#include <linux/string.h>

#include "../luo_wire.h"

#define FAKE_PAGES	9
#define FAKE_BASE	0x100000ULL
#define FAKE_PHYS(i)	(FAKE_BASE + (i) * PAGE_SIZE)
#define POISON		0xa5

struct fake_page {
	u64 phys;
	void *data;
	unsigned int order;
};

struct fake {
	struct kunit *test;
	struct fake_page page[FAKE_PAGES];
	unsigned int count;
	unsigned int peeks;
	struct luo_wire_pages pages;
};

static inline const void *fake_peek(void *ctx, u64 phys, unsigned int *order)
{
	struct fake *fake = ctx;
	unsigned int i;

	fake->peeks++;
	KUNIT_EXPECT_NE_MSG(fake->test, phys, 0, "asked for a page at 0");
	KUNIT_EXPECT_EQ_MSG(fake->test, phys % PAGE_SIZE, 0, "asked for a page at %llx",
			    (unsigned long long)phys);

	for (i = 0; i < fake->count; i++) {
		if (fake->page[i].phys != phys)
			continue;
		*order = fake->page[i].order;
		return fake->page[i].data;
	}

	return NULL;
}

static inline struct fake *fake_create(struct kunit *test)
{
	struct fake *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	fake->pages.peek = fake_peek;
	fake->pages.ctx = fake;
	return fake;
}

/* A folio full of what is not in use */
static inline void *fake_add_folio(struct fake *fake, u64 phys, unsigned int order)
{
	struct fake_page *page = &fake->page[fake->count];

	KUNIT_ASSERT_LT(fake->test, fake->count, FAKE_PAGES);
	page->data = kunit_kzalloc(fake->test, PAGE_SIZE << order, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(fake->test, page->data);
	page->phys = phys;
	page->order = order;
	memset(page->data, POISON, PAGE_SIZE << order);
	fake->count++;
	return page->data;
}

static inline void *fake_add(struct fake *fake, u64 phys)
{
	return fake_add_folio(fake, phys, 0);
}

/* For luo_wire_for_each(): the first entries that it visits */
struct seen {
	unsigned int count;
	const void *entry[4];
};

static inline int remember(const void *entry, void *arg)
{
	struct seen *seen = arg;

	seen->entry[seen->count++] = entry;
	return seen->count == ARRAY_SIZE(seen->entry);
}

static inline bool all_poison(const void *data, size_t size)
{
	const u8 *byte = data;

	while (size && *byte == POISON) {
		byte++;
		size--;
	}

	return !size;
}

#endif /* _LUO_WIRE_FAKE_H */
