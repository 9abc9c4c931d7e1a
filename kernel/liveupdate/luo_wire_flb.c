// SPDX-License-Identifier: GPL-2.0
/*
 * The FLB area of <linux/kho/abi/luo.h>, written and read: one folio, a header, entries.
 *
 * As in luo_wire.c, writing trusts its caller and reading trusts nothing.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "luo_compat.h"
#include "luo_wire.h"

/**
 * luo_wire_write_flbs() - write the header of an FLB area
 * @area: the folio; entries are left alone
 * @order: its order
 * @count: how many entries there are, up to luo_wire_flbs_per(@order)
 *
 * Context: Any.
 */
void luo_wire_write_flbs(void *area, unsigned int order, u64 count)
{
	struct luo_flb_header_ser *header = area;

	header->pgcnt = 1ULL << order;
	header->count = count;
}

/**
 * luo_wire_write_flb() - write the entry of an FLB
 * @area: the folio
 * @index: which entry, below luo_wire_flbs_per() of the folio's order
 * @name: the format of @data, valid in LUO_COMPAT_LEN bytes
 * @data: what its preserve() set
 * @count: how many preserved files depend on it
 *
 * Context: Any.
 */
void luo_wire_write_flb(void *area, u64 index, const char *name, u64 data, u64 count)
{
	struct luo_flb_ser *entries = area + sizeof(struct luo_flb_header_ser);
	struct luo_flb_ser *ser = &entries[index];

	strscpy_pad(ser->name, name);
	ser->data = data;
	ser->count = count;
}

/**
 * luo_wire_flbs_crc() - the checksum of an FLB area
 * @area: an area whose count has been checked, or was written here
 *
 * Context: Any.
 * Return: The checksum of the header and the entries in use.
 */
u32 luo_wire_flbs_crc(const void *area)
{
	const struct luo_flb_header_ser *header = area;

	return luo_wire_crc(LUO_WIRE_CRC_SEED, area,
			    sizeof(*header) + header->count * sizeof(struct luo_flb_ser));
}

/* The folio at @phys, whatever its order */
static const void *luo_wire_flbs_peek(const struct luo_wire_pages *pages, u64 phys,
				      unsigned int *order)
{
	const void *area;

	for (*order = 0; *order <= LUO_FLBS_MAX_ORDER; (*order)++) {
		area = pages->peek(pages->ctx, phys, *order);
		if (area)
			return area;
	}
	return NULL;
}

/* Quadratic, but of what is a handful unless somebody means harm, and then bounded */
static bool luo_wire_flbs_valid(const struct luo_wire_flbs *flbs)
{
	const struct luo_flb_ser *entries = flbs->entries;
	u64 i, k;

	for (i = 0; i < flbs->count; i++) {
		if (!luo_compat_valid(entries[i].name, sizeof(entries[i].name)))
			return false;
		for (k = 0; k < i; k++) {
			if (!strcmp(entries[i].name, entries[k].name))
				return false;
		}
	}
	return true;
}

/**
 * luo_wire_read_flbs() - is an FLB area sound, and what is in it?
 * @pages: how to get at it
 * @phys: where it lies; 0: there is none, which is sound
 * @ext: checksums that luo_wire_read_ext() has found sound; NULL: go without
 * @flbs: its entries, set on success only
 *
 * Data and counts of entries may be anything.
 *
 * Context: As peek() needs.
 * Return: 0, or -EUCLEAN: peek() does not know the address, the area claims to be larger
 * than its folio, or to hold more than it can, or has the wrong checksum; a name is
 * malformed, or there twice.
 */
int luo_wire_read_flbs(const struct luo_wire_pages *pages, u64 phys, const struct luo_ext_ser *ext,
		       struct luo_wire_flbs *flbs)
{
	const struct luo_flb_header_ser *header;
	struct luo_wire_flbs found = {};
	unsigned int order;

	if (!phys) {
		*flbs = found;
		return 0;
	}
	if (!IS_ALIGNED(phys, PAGE_SIZE))
		return -EUCLEAN;
	header = luo_wire_flbs_peek(pages, phys, &order);
	if (!header || !header->pgcnt || header->pgcnt > 1ULL << order)
		return -EUCLEAN;

	found.count = header->count;
	if (found.count > (header->pgcnt * PAGE_SIZE - sizeof(*header)) / sizeof(*found.entries))
		return -EUCLEAN;
	if (ext && ext->flbs_crc != luo_wire_flbs_crc(header))
		return -EUCLEAN;

	found.entries = (const void *)(header + 1);
	if (!luo_wire_flbs_valid(&found))
		return -EUCLEAN;
	*flbs = found;
	return 0;
}
