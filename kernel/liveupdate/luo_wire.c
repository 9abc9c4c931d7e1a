// SPDX-License-Identifier: GPL-2.0
/*
 * The serialization format of <linux/kho/abi/luo.h>: serialize and validate.
 *
 * The writer trusts its caller for space, alignment and terminators. The reader trusts
 * nothing. The *root* is validated by version, then checksum, then structure. A *chain* of
 * blocks is followed from page to page; the caller's peek() tells for each whether it was
 * preserved, and no chain has more than LUO_CHAIN_MAX_BLOCKS of them. The *FLB area* is one
 * folio: a header, then entries. Everything else is -EUCLEAN, without a lock, an allocation
 * or a message.
 */
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/build_bug.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/stddef.h>
#include <linux/string.h>

#include "luo_compat.h"
#include "luo_wire.h"

/* Structures are accessed as they are in memory. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

static_assert(sizeof(struct kho_block_header_ser) == 16);

/* crc32c, not inverted, of @data on top of @crc: LUO_WIRE_CRC_SEED, or the sum so far. */
u32 luo_wire_crc(u32 crc, const void *data, size_t len)
{
	return crc32c(crc, data, len);
}

/*
 * Add the header and the used entries of a block to the checksum of its chain. The block's
 * count is validated, or was written here.
 */
u32 luo_wire_block_crc(u32 crc, const void *block, size_t entry_size)
{
	const struct kho_block_header_ser *header = block;

	return luo_wire_crc(crc, block, sizeof(*header) + header->count * entry_size);
}

/* Serialize the root; writes all of it. */
void luo_wire_write_head(struct luo_ser *ser, const struct luo_wire_head *head)
{
	strscpy_pad(ser->compatible, LUO_ABI_COMPATIBLE);
	ser->liveupdate_num = head->liveupdate_num;
	ser->sessions_pa = head->sessions_pa;
	ser->flbs_pa = head->flbs_pa;
}

/*
 * Serialize a session; writes all of the entry. @name is valid, @files is the address of
 * the first block of its file chain or 0.
 */
void luo_wire_write_session(struct luo_session_ser *ser, const char *name, u64 files, u64 count)
{
	strscpy_pad(ser->name, name);
	ser->files = files;
	ser->count = count;
}

/*
 * Serialize a file; writes all of the entry. @compatible is valid in LUO_COMPAT_LEN bytes.
 */
void luo_wire_write_file(struct luo_file_ser *ser, const char *compatible, u64 data, u64 token)
{
	strscpy_pad(ser->compatible, compatible);
	ser->data = data;
	ser->token = token;
}

/*
 * Serialize the header of a block, and leave its entries alone. @next is 0 in the last
 * block, @count at least 1.
 */
void luo_wire_write_block(void *block, u64 next, u64 count)
{
	struct kho_block_header_ser *header = block;

	header->next = next;
	header->count = count;
}

/* @index is below luo_wire_per_block(@entry_size). */
void *luo_wire_block_entry(void *block, size_t entry_size, unsigned int index)
{
	return block + sizeof(struct kho_block_header_ser) + index * entry_size;
}

/* The value for @ext->self_crc, once all else in @ext is set. */
u32 luo_wire_ext_crc(const struct luo_ext_ser *ext)
{
	return luo_wire_crc(LUO_WIRE_CRC_SEED, &ext->ser_crc,
			    offsetof(struct luo_ext_ser, stamps) -
			    offsetof(struct luo_ext_ser, ser_crc));
}

/*
 * Serialize the checksums; writes all but the timestamps and the number of dropped sessions,
 * which may have been written before. Addresses and checksums are 0 for what there is none of.
 */
void luo_wire_write_ext(struct luo_ext_ser *ext, const struct luo_ser *ser, u32 sessions_crc,
			u32 flbs_crc, u64 files_crcs_pa, u32 files_crcs_crc)
{
	strscpy_pad(ext->compatible, LUO_EXT_COMPATIBLE);
	ext->ser_crc = luo_wire_crc(LUO_WIRE_CRC_SEED, ser, sizeof(*ser));
	ext->sessions_crc = sessions_crc;
	ext->flbs_crc = flbs_crc;
	ext->files_crcs_crc = files_crcs_crc;
	ext->files_crcs_pa = files_crcs_pa;
	ext->self_crc = luo_wire_ext_crc(ext);
}

/*
 * Serialize a timestamp, before or after luo_wire_write_ext() and up to the kexec. A phase
 * that the format has no space for is left out. @ns is CLOCK_MONOTONIC, @cycles
 * get_cycles().
 */
void luo_wire_write_stamp(struct luo_ext_ser *ext, unsigned int index, u64 ns, u64 cycles)
{
	if (index >= LUO_EXT_STAMPS)
		return;

	ext->stamps[index].ns = ns;
	ext->stamps[index].cycles = cycles;
}

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

/* A valid address of a page; 0 is none. */
static bool wire_is_page(u64 phys)
{
	return phys && IS_ALIGNED(phys, PAGE_SIZE);
}

static int wire_read_v5(const void *blob, size_t size, const struct luo_ext_ser *ext,
			struct luo_wire_head *head)
{
	const struct luo_ser *ser = blob;

	if (size < sizeof(*ser))
		return -EUCLEAN;
	if (ext && ext->ser_crc != luo_wire_crc(LUO_WIRE_CRC_SEED, ser, sizeof(*ser)))
		return -EUCLEAN;
	if (ser->sessions_pa && !wire_is_page(ser->sessions_pa))
		return -EUCLEAN;
	if (ser->flbs_pa && !wire_is_page(ser->flbs_pa))
		return -EUCLEAN;

	head->liveupdate_num = ser->liveupdate_num;
	head->sessions_pa = ser->sessions_pa;
	head->flbs_pa = ser->flbs_pa;
	return 0;
}

/* Versions of the root, padded with zeroes */
static const struct luo_wire_version {
	char compatible[LUO_ABI_COMPAT_LEN];
	int (*read)(const void *blob, size_t size, const struct luo_ext_ser *ext,
		    struct luo_wire_head *head);
} luo_wire_versions[] = {
	{ LUO_ABI_COMPATIBLE, wire_read_v5 },
};

/*
 * Validate the root. @blob is the "LUO" subtree at any alignment, @ext the validated
 * checksums or NULL. What the root points to is not looked at.
 *
 * The version is checked first, and all of its bytes count: what is not one of the known
 * versions to the last byte, a string or not, is -EPROTONOSUPPORT. Returns -EUCLEAN if the
 * root is too short, has the wrong checksum, or an address that cannot be one.
 */
int luo_wire_read_head(const void *blob, size_t size, const struct luo_ext_ser *ext,
		       struct luo_wire_head *head)
{
	const struct luo_wire_version *version;
	unsigned int i;

	if (size < sizeof(version->compatible))
		return -EUCLEAN;

	for (i = 0; i < ARRAY_SIZE(luo_wire_versions); i++) {
		version = &luo_wire_versions[i];
		if (!memcmp(blob, version->compatible, sizeof(version->compatible)))
			return version->read(blob, size, ext, head);
	}

	return -EPROTONOSUPPORT;
}

/*
 * Copy the checksums and timestamps to @ext, if they are of a known version and valid. If
 * not, the handover is read without them: nothing in here is required.
 */
bool luo_wire_read_ext(const void *blob, size_t size, struct luo_ext_ser *ext)
{
	static const char compatible[LUO_EXT_COMPAT_LEN] = LUO_EXT_COMPATIBLE;
	const struct luo_ext_ser *ser = blob;

	if (size < sizeof(*ser) || memcmp(ser->compatible, compatible, sizeof(compatible)))
		return false;
	if (ser->self_crc != luo_wire_ext_crc(ser))
		return false;

	*ext = *ser;
	return true;
}

/*
 * A walk along a chain. @mark is a block that was passed, moved up each time the distance
 * has doubled: a chain that loops meets it within three times its own length.
 */
struct luo_wire_walk {
	const struct luo_wire_pages *pages;
	u64 phys;
	u64 next;
	u64 mark;
	const struct kho_block_header_ser *block;
	unsigned int blocks;
};

/* Returns 1 at a block, 0 at the end, or -EUCLEAN. */
static int wire_step(struct luo_wire_walk *walk)
{
	const struct luo_wire_pages *pages = walk->pages;
	unsigned int order;

	if (!walk->next)
		return 0;
	if (!wire_is_page(walk->next) || walk->next == walk->mark ||
	    walk->blocks == LUO_CHAIN_MAX_BLOCKS)
		return -EUCLEAN;

	walk->phys = walk->next;
	walk->block = pages->peek(pages->ctx, walk->phys, &order);
	if (!walk->block || order)
		return -EUCLEAN;

	walk->next = walk->block->next;
	walk->blocks++;
	if (is_power_of_2(walk->blocks))
		walk->mark = walk->phys;

	return 1;
}

/* As wire_step(), and checks the count of entries. */
static int wire_step_entries(struct luo_wire_walk *walk, size_t entry_size)
{
	int ret = wire_step(walk);

	if (ret <= 0)
		return ret;
	if (!walk->block->count || walk->block->count > luo_wire_per_block(entry_size))
		return -EUCLEAN;

	return 1;
}

/*
 * Validate the blocks of a chain, not the contents of entries. @first is 0 for no chain,
 * which is valid. Sets @chain on success only; all of it is 0 without blocks.
 *
 * Returns -EUCLEAN if an address is not that of a page or unknown to peek(), if a block is
 * empty or too full, or if the chain is too long or loops.
 */
int luo_wire_check_chain(const struct luo_wire_pages *pages, u64 first, size_t entry_size,
			 struct luo_wire_chain *chain)
{
	struct luo_wire_walk walk = { .pages = pages, .next = first };
	u32 crc = LUO_WIRE_CRC_SEED;
	u64 entries = 0;
	int ret;

	while ((ret = wire_step_entries(&walk, entry_size)) > 0) {
		entries += walk.block->count;
		crc = luo_wire_block_crc(crc, walk.block, entry_size);
	}
	if (ret)
		return ret;

	chain->entries = entries;
	chain->blocks = walk.blocks;
	chain->crc = walk.blocks ? crc : 0;
	return 0;
}

/*
 * Visit the entries of a chain in order, until @visit returns other than 0; it must not
 * free blocks. Meant for a validated chain: another is walked as safely, but the entries
 * before the damage are visited. Returns -EUCLEAN as luo_wire_check_chain().
 */
int luo_wire_for_each(const struct luo_wire_pages *pages, u64 first, size_t entry_size,
		      int (*visit)(const void *entry, void *arg), void *arg)
{
	struct luo_wire_walk walk = { .pages = pages, .next = first };
	const void *entry;
	u64 left;
	int ret;

	while ((ret = wire_step_entries(&walk, entry_size)) > 0) {
		entry = walk.block + 1;
		for (left = walk.block->count; left; left--) {
			ret = visit(entry, arg);
			if (ret)
				return ret;
			entry += entry_size;
		}
	}

	return ret;
}

/*
 * Visit the addresses of a chain's blocks in order, until @visit returns other than 0; it
 * may free the block. Entries and their counts are not looked at. Returns -EUCLEAN as
 * luo_wire_check_chain().
 */
int luo_wire_each_block(const struct luo_wire_pages *pages, u64 first,
			int (*visit)(u64 phys, void *arg), void *arg)
{
	struct luo_wire_walk walk = { .pages = pages, .next = first };
	int ret;

	while ((ret = wire_step(&walk)) > 0) {
		ret = visit(walk.phys, arg);
		if (ret)
			return ret;
	}

	return ret;
}

/*
 * The name is terminated and not empty, and there is an address of files exactly if there
 * are any. That the chain has @ser->count entries is for the caller to compare, once it has
 * validated that chain.
 */
bool luo_wire_session_valid(const struct luo_session_ser *ser)
{
	size_t len = strnlen(ser->name, sizeof(ser->name));

	if (!len || len == sizeof(ser->name))
		return false;
	if (!ser->count)
		return !ser->files;

	return wire_is_page(ser->files);
}

/* The compatible string is valid. Data and token may be anything. */
bool luo_wire_file_valid(const struct luo_file_ser *ser)
{
	return luo_compat_valid(ser->compatible, sizeof(ser->compatible));
}

/* Quadratic, but there are few unless the handover is malformed, and then it is bounded. */
static bool flbs_are_valid(const struct luo_wire_flbs *flbs)
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
 * Returns -EUCLEAN if peek() does not know the address, if the folio is larger than any
 * area, if the area claims to be larger than its folio or to hold more than it can, if its
 * checksum is wrong, or if a name is malformed or there twice.
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
	if (!wire_is_page(phys))
		return -EUCLEAN;
	header = pages->peek(pages->ctx, phys, &order);
	if (!header || order > LUO_FLBS_MAX_ORDER)
		return -EUCLEAN;
	if (!header->pgcnt || header->pgcnt > 1ULL << order)
		return -EUCLEAN;

	found.count = header->count;
	if (found.count > (header->pgcnt * PAGE_SIZE - sizeof(*header)) / sizeof(*found.entries))
		return -EUCLEAN;
	if (ext && ext->flbs_crc != luo_wire_flbs_crc(header))
		return -EUCLEAN;

	found.entries = (const void *)(header + 1);
	if (!flbs_are_valid(&found))
		return -EUCLEAN;
	*flbs = found;
	return 0;
}
