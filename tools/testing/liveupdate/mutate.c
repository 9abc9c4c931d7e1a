// SPDX-License-Identifier: GPL-2.0
/*
 * Damages a handover where it hurts: in the numbers, addresses and strings that a reader
 * follows, found by following them. Which ones and how is a matter of the seed alone.
 */
#include <linux/string.h>
#include <stdlib.h>

#include "handover.h"

enum field_kind { ADDRESS, COUNT, TEXT, NUMBER };

struct field {
	u8 *at;
	size_t size;
	enum field_kind kind;
};

/**
 * struct mutation - a handover that is being damaged
 * @image: the handover
 * @random: what nrand48() goes on from
 * @fields: all that is worth damaging
 * @nr: how many those are
 * @seen: pages that have been looked through
 * @area: the FLBs, or NULL
 */
struct mutation {
	struct image *image;
	unsigned short random[3];
	struct field fields[4096];
	unsigned int nr;
	bool seen[IMAGE_PAGES];
	struct luo_flb_header_ser *area;
};

static u64 below(struct mutation *m, u64 limit)
{
	return nrand48(m->random) % limit;
}

static u64 word(struct mutation *m)
{
	return (u64)nrand48(m->random) << 42 ^ (u64)nrand48(m->random) << 21 ^
	       nrand48(m->random);
}

/* ---------------------------------------------------------------- what there is */

static void add(struct mutation *m, void *at, size_t size, enum field_kind kind)
{
	if (m->nr < ARRAY_SIZE(m->fields))
		m->fields[m->nr++] = (struct field) { at, size, kind };
}

static u8 *first_seen(struct mutation *m, u64 phys)
{
	struct image_page *page = image_find(m->image, phys);

	if (!page || !page->data || m->seen[page - m->image->page])
		return NULL;
	m->seen[page - m->image->page] = true;
	return page->data;
}

static void add_chain(struct mutation *m, u64 phys, size_t entry_size,
		      void (*add_entry)(struct mutation *m, void *entry))
{
	struct kho_block_header_ser *header;
	u64 i;

	for (; (header = (void *)first_seen(m, phys)); phys = header->next) {
		add(m, &header->next, sizeof(header->next), ADDRESS);
		add(m, &header->count, sizeof(header->count), COUNT);
		for (i = 0; i < header->count && i < luo_wire_per_block(entry_size); i++)
			add_entry(m, luo_wire_block_entry((u8 *)header, entry_size, i));
	}
}

static void add_file(struct mutation *m, void *entry)
{
	struct luo_file_ser *ser = entry;

	add(m, &ser->compatible, sizeof(ser->compatible), TEXT);
	add(m, &ser->data, sizeof(ser->data), ADDRESS);
	add(m, &ser->token, sizeof(ser->token), NUMBER);
}

static void add_session(struct mutation *m, void *entry)
{
	struct luo_session_ser *ser = entry;

	add(m, &ser->name, sizeof(ser->name), TEXT);
	add(m, &ser->files, sizeof(ser->files), ADDRESS);
	add(m, &ser->count, sizeof(ser->count), COUNT);
	add_chain(m, ser->files, sizeof(struct luo_file_ser), add_file);
}

static void add_crc(struct mutation *m, void *entry)
{
	add(m, entry, sizeof(u32), NUMBER);
}

static void add_flbs(struct mutation *m, u64 phys)
{
	struct luo_flb_header_ser *header = (void *)first_seen(m, phys);
	struct luo_flb_ser *ser;

	if (!header)
		return;
	m->area = header;
	ser = (void *)(header + 1);
	add(m, &header->pgcnt, sizeof(header->pgcnt), COUNT);
	add(m, &header->count, sizeof(header->count), COUNT);
	for (u64 i = 0; i < header->count && i < luo_wire_flbs_per(0); i++, ser++) {
		add(m, &ser->name, sizeof(ser->name), TEXT);
		add(m, &ser->data, sizeof(ser->data), ADDRESS);
		add(m, &ser->count, sizeof(ser->count), COUNT);
	}
}

static void add_all(struct mutation *m)
{
	struct luo_ser *ser = (void *)m->image->ser;
	struct luo_ext_ser *ext = (void *)m->image->ext;

	if (m->image->ext_size == sizeof(*ext)) {
		add(m, &ext->compatible, sizeof(ext->compatible), TEXT);
		add(m, &ext->files_crcs_pa, sizeof(ext->files_crcs_pa), ADDRESS);
		add(m, &ext->sessions_crc, sizeof(ext->sessions_crc), NUMBER);
		add(m, &ext->files_crcs_crc, sizeof(ext->files_crcs_crc), NUMBER);
		add_chain(m, ext->files_crcs_pa, sizeof(u32), add_crc);
	}
	if (m->image->ser_size == sizeof(*ser)) {
		add(m, &ser->compatible, sizeof(ser->compatible), TEXT);
		add(m, &ser->sessions_pa, sizeof(ser->sessions_pa), ADDRESS);
		add(m, &ser->flbs_pa, sizeof(ser->flbs_pa), ADDRESS);
		add_chain(m, ser->sessions_pa, sizeof(struct luo_session_ser), add_session);
		add_flbs(m, ser->flbs_pa);
	}
}

/* ---------------------------------------------------------------- what is done to it */

static struct field *pick(struct mutation *m, int kind)
{
	struct field *f;

	for (unsigned int tries = 0; m->nr && tries < 64; tries++) {
		f = &m->fields[below(m, m->nr)];
		if (kind < 0 || f->kind == kind)
			return f;
	}
	return NULL;
}

/* Also of pages that are there and nobody has pointed to */
static u64 address(struct mutation *m)
{
	u64 phys = m->image->page[below(m, IMAGE_PAGES)].phys;

	switch (below(m, 6)) {
	case 0:
		return 0;
	case 1:
		return phys + (1 << below(m, 12));
	case 2:
		return phys + PAGE_SIZE;
	case 3:
		return word(m) & -PAGE_SIZE;
	default:
		return phys;
	}
}

/* What is one too many, or becomes little when it is multiplied */
static u64 count(struct mutation *m, u64 now)
{
	static const u64 sizes[] = {
		sizeof(struct luo_session_ser), sizeof(struct luo_file_ser),
		sizeof(struct luo_flb_ser), sizeof(u32), PAGE_SIZE,
	};
	u64 size = sizes[below(m, ARRAY_SIZE(sizes))];

	switch (below(m, 6)) {
	case 0:
		return 0;
	case 1:
		return now + 1;
	case 2:
		return now - 1;
	case 3:
		return luo_wire_per_block(size) + below(m, 2);
	case 4:
		return -1ULL / size + 1 + below(m, 64);
	default:
		return word(m) >> below(m, 64);
	}
}

static void damage_text(struct mutation *m, struct field *f)
{
	switch (below(m, 4)) {
	case 0:
		memset(f->at, 0, f->size);
		break;
	case 1:			/* no end */
		for (size_t i = 0; i < f->size; i++)
			f->at[i] = f->at[i] ?: 'x';
		break;
	case 2:			/* one more character, just before the end */
		f->at[strnlen((char *)f->at, f->size - 1)] = 32 + below(m, 96);
		break;
	default:
		f->at[below(m, f->size)] = word(m);
	}
}

static void damage_field(struct mutation *m)
{
	struct field *f = pick(m, -1), *other;
	u64 value = 0;

	if (!f)
		return;
	other = pick(m, f->kind);
	/* Something twice, or in a circle */
	if (other && other->size == f->size && !below(m, 3)) {
		memmove(f->at, other->at, f->size);
		return;
	}
	if (f->kind == TEXT) {
		damage_text(m, f);
		return;
	}

	memcpy(&value, f->at, f->size);
	value = f->kind == ADDRESS ? address(m) : f->kind == COUNT ? count(m, value) : word(m);
	memcpy(f->at, &value, f->size);
}

/* Larger than it is, and as full as that may be */
static void damage_area(struct mutation *m)
{
	if (!m->area)
		return;
	m->area->pgcnt = below(m, 2) ? 1ULL << below(m, 8) : word(m);
	m->area->count = (m->area->pgcnt * PAGE_SIZE - sizeof(*m->area)) /
			 sizeof(struct luo_flb_ser) - below(m, 2);
}

static void damage_page(struct mutation *m)
{
	struct image_page *page = &m->image->page[below(m, IMAGE_PAGES)];

	switch (below(m, 3)) {
	case 0:
		page->data = NULL;
		break;
	case 1:
		page->order = below(m, HANDOVER_MAX_ROOM + 2);
		break;
	default:
		page->phys = address(m);
	}
}

static void damage_root(struct mutation *m)
{
	struct image *image = m->image;

	if (below(m, 2))
		image->ser_size = below(m, image->ser_size + 1);
	else
		image->ext_size = below(m, image->ext_size + 1);
}

/**
 * handover_mutate() - damage a handover, in one place or a few
 * @image: the handover
 * @seed: what and where
 *
 * Of three, one has checksums that tell, one has right ones, one has none.
 */
void handover_mutate(struct image *image, unsigned int seed)
{
	struct mutation *m = kunit_kzalloc(image->test, sizeof(*m), GFP_KERNEL);
	unsigned int times;

	KUNIT_ASSERT_NOT_NULL(image->test, m);
	m->image = image;
	m->random[0] = seed;
	m->random[1] = seed >> 16;
	m->random[2] = 0x330e;

	add_all(m);
	for (times = 1 + below(m, 3); times; times--) {
		switch (below(m, 16)) {
		case 0:
			damage_root(m);
			break;
		case 1:
			damage_page(m);
			break;
		case 2:
			damage_area(m);
			break;
		default:
			damage_field(m);
		}
	}

	switch (below(m, 3)) {
	case 0:
		handover_seal(image);
		break;
	case 1:
		image->ext_size = 0;
		break;
	}
}
