// SPDX-License-Identifier: GPL-2.0
/*
 * The FLB area of <linux/kho/abi/luo.h>: one folio, a header, entries. As in luo_wire.c the
 * writer trusts its caller and the reader trusts nothing.
 */
#include <linux/align.h>
#include <linux/errno.h>
#include <linux/string.h>

#include "luo_compat.h"
#include "luo_wire.h"

/*
 * Serialize the header of an FLB area of that order, and leave its entries alone. @count is
 * at most luo_wire_flbs_per(@order).
 */
void luo_wire_write_flbs(void *area, unsigned int order, u64 count)
{
	struct luo_flb_header_ser *header = area;

	header->pgcnt = 1ULL << order;
	header->count = count;
}

/*
 * Serialize an FLB. @index is below luo_wire_flbs_per() of the area's order, @name valid in
 * LUO_COMPAT_LEN bytes, @count the number of preserved files that depend on it.
 */
void luo_wire_write_flb(void *area, u64 index, const char *name, u64 data, u64 count)
{
	struct luo_flb_ser *entries = area + sizeof(struct luo_flb_header_ser);
	struct luo_flb_ser *ser = &entries[index];

	strscpy_pad(ser->name, name);
	ser->data = data;
	ser->count = count;
}

/*
 * The checksum of the header and the used entries of an area, whose count is validated or
 * was written here.
 */
u32 luo_wire_flbs_crc(const void *area)
{
	const struct luo_flb_header_ser *header = area;

	return luo_wire_crc(LUO_WIRE_CRC_SEED, area,
			    sizeof(*header) + header->count * sizeof(struct luo_flb_ser));
}

/* Find the folio at @phys, of any order. */
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

/* Quadratic, but there are few unless the handover is malformed, and then it is bounded. */
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

/*
 * Validate an FLB area. @phys is 0 if there is none, which is valid; @ext are the validated
 * checksums or NULL. Sets @flbs on success only. Data and counts of entries may be
 * anything.
 *
 * Returns -EUCLEAN if peek() does not know the address, if the area claims to be larger
 * than its folio or to hold more than it can, if its checksum is wrong, or if a name is
 * malformed or there twice.
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
