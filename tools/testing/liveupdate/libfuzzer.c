// SPDX-License-Identifier: GPL-2.0
/*
 * Coverage-guided: the input is the root, then the checksums, then the first PART bytes
 * of each page of the last kernel's. What the input does not reach is zero.
 */
#include <linux/string.h>
#include <stdlib.h>

#include "luo_compat.h"
#include "luo_wire.h"

#define BASE	0x40000000ULL
#define PAGES	8
#define PART	256

static u8 *page[PAGES];

static const void *peek(void *ctx, u64 phys, unsigned int order)
{
	u64 i = (phys - BASE) / PAGE_SIZE;

	if (!phys || phys % PAGE_SIZE || order > LUO_FLBS_MAX_ORDER)
		abort();
	return phys >= BASE && i < PAGES && !order ? page[i] : NULL;
}

static const struct luo_wire_pages pages = { .peek = peek };

static int read_file(const void *entry, void *arg)
{
	const struct luo_file_ser *ser = entry;

	if (luo_wire_file_valid(ser) && luo_compat_fit(ser->compatible, "memfd-v2", NULL) &&
	    strlen(ser->compatible) >= sizeof(ser->compatible))
		abort();
	return 0;
}

static int read_session(const void *entry, void *arg)
{
	const struct luo_session_ser *ser = entry;
	struct luo_wire_chain chain;

	if (luo_wire_session_valid(ser) &&
	    !luo_wire_check_chain(&pages, ser->files, sizeof(struct luo_file_ser), &chain) &&
	    luo_wire_for_each(&pages, ser->files, sizeof(struct luo_file_ser), read_file, NULL))
		abort();
	return 0;
}

static void read_flbs(u64 phys, const struct luo_ext_ser *ext)
{
	struct luo_wire_flbs flbs;
	u64 i;

	if (luo_wire_read_flbs(&pages, phys, ext, &flbs))
		return;
	for (i = 0; i < flbs.count; i++) {
		if (!luo_compat_valid(flbs.entries[i].name, LUO_COMPAT_LEN))
			abort();
	}
}

static void read_handover(const u8 *root, const u8 *root_ext)
{
	struct luo_wire_chain chain;
	struct luo_wire_head head;
	struct luo_ext_ser ext;
	bool checked;

	checked = luo_wire_read_ext(root_ext, sizeof(ext), &ext);
	if (luo_wire_read_head(root, sizeof(struct luo_ser), checked ? &ext : NULL, &head))
		return;
	read_flbs(head.flbs_pa, checked ? &ext : NULL);
	if (!luo_wire_check_chain(&pages, head.sessions_pa, sizeof(struct luo_session_ser),
				  &chain) &&
	    luo_wire_for_each(&pages, head.sessions_pa, sizeof(struct luo_session_ser),
			      read_session, NULL))
		abort();
}

/* The next bytes of the input, in an allocation of their own */
static u8 *take(const u8 **data, size_t *size, size_t part, size_t room)
{
	u8 *copy = calloc(1, room);

	if (part > *size)
		part = *size;
	memcpy(copy, *data, part);
	*data += part;
	*size -= part;
	return copy;
}

/* The library knows it by a name that the command line gives it */
int fuzz_one(const u8 *data, size_t size)
{
	u8 *root = take(&data, &size, sizeof(struct luo_ser), sizeof(struct luo_ser));
	u8 *ext = take(&data, &size, sizeof(struct luo_ext_ser), sizeof(struct luo_ext_ser));
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		page[i] = take(&data, &size, PART, PAGE_SIZE);

	read_handover(root, ext);

	for (i = 0; i < PAGES; i++)
		free(page[i]);
	free(ext);
	free(root);
	return 0;
}
