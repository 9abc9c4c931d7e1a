// SPDX-License-Identifier: GPL-2.0
/*
 * The handover format of <linux/kho/abi/luo.h>, written and read.
 *
 * Writing trusts its caller: room, alignment and terminators are the caller's. Reading
 * trusts nothing. A *head* is judged by version, then checksum, then structure. A *chain*
 * of blocks is followed from page to page, each of which the caller's peek() vouches for,
 * and never for more than LUO_CHAIN_MAX_BLOCKS of them; a loop ends it sooner. What does
 * not check out is -EUCLEAN and nothing else happens: no lock, no allocation, no message.
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

/* The structures are read and written as they lie in memory */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

static_assert(sizeof(struct kho_block_header_ser) == 16);

/**
 * luo_wire_crc() - the checksum of the format
 * @crc: LUO_WIRE_CRC_SEED, or what it is so far
 * @data: what to add to it
 * @len: how many bytes of it
 *
 * Context: Any.
 * Return: crc32c, not inverted.
 */
u32 luo_wire_crc(u32 crc, const void *data, size_t len)
{
	return crc32c(crc, data, len);
}

/**
 * luo_wire_block_crc() - add a block to the checksum of its chain
 * @crc: LUO_WIRE_CRC_SEED for the first block, then what it is so far
 * @block: a block whose count has been checked, or was written here
 * @entry_size: bytes per entry
 *
 * Context: Any.
 * Return: The checksum with the block's header and the entries in use.
 */
u32 luo_wire_block_crc(u32 crc, const void *block, size_t entry_size)
{
	const struct kho_block_header_ser *header = block;

	return luo_wire_crc(crc, block, sizeof(*header) + header->count * entry_size);
}

/**
 * luo_wire_write_head() - write the root
 * @ser: where to, all of it is written
 * @head: what it says
 *
 * Context: Any.
 */
void luo_wire_write_head(struct luo_ser *ser, const struct luo_wire_head *head)
{
	strscpy_pad(ser->compatible, LUO_ABI_COMPATIBLE);
	ser->liveupdate_num = head->liveupdate_num;
	ser->sessions_pa = head->sessions_pa;
	ser->flbs_pa = head->flbs_pa;
}

/**
 * luo_wire_write_session() - write the entry of a session
 * @ser: where to, all of it is written
 * @name: its name, not empty, shorter than LIVEUPDATE_SESSION_NAME_LENGTH
 * @files: physical address of the first block of its files, 0 if it has none
 * @count: how many files
 *
 * Context: Any.
 */
void luo_wire_write_session(struct luo_session_ser *ser, const char *name, u64 files, u64 count)
{
	strscpy_pad(ser->name, name);
	ser->files = files;
	ser->count = count;
}

/**
 * luo_wire_write_file() - write the entry of a file
 * @ser: where to, all of it is written
 * @compatible: the format of @data, valid in LUO_COMPAT_LEN bytes
 * @data: what its handler set
 * @token: what the program called it
 *
 * Context: Any.
 */
void luo_wire_write_file(struct luo_file_ser *ser, const char *compatible, u64 data, u64 token)
{
	strscpy_pad(ser->compatible, compatible);
	ser->data = data;
	ser->token = token;
}

/**
 * luo_wire_write_block() - write the header of a block
 * @block: a page; entries are left alone
 * @next: physical address of the next block of the chain, 0 for the last
 * @count: how many entries are in use, at least 1
 *
 * Context: Any.
 */
void luo_wire_write_block(void *block, u64 next, u64 count)
{
	struct kho_block_header_ser *header = block;

	header->next = next;
	header->count = count;
}

/**
 * luo_wire_block_entry() - where an entry of a block is
 * @block: a page
 * @entry_size: bytes per entry
 * @index: which, below luo_wire_per_block(@entry_size)
 *
 * Context: Any.
 * Return: The entry, inside of @block.
 */
void *luo_wire_block_entry(void *block, size_t entry_size, unsigned int index)
{
	return block + sizeof(struct kho_block_header_ser) + index * entry_size;
}

/**
 * luo_wire_ext_crc() - the checksum of the checksums
 * @ext: the checksums, all but their own one set
 *
 * Context: Any.
 * Return: what @ext->self_crc is to be.
 */
u32 luo_wire_ext_crc(const struct luo_ext_ser *ext)
{
	return luo_wire_crc(LUO_WIRE_CRC_SEED, &ext->ser_crc,
			    offsetof(struct luo_ext_ser, stamps) -
			    offsetof(struct luo_ext_ser, ser_crc));
}

/**
 * luo_wire_write_ext() - write the checksums
 * @ext: where to; all of it is written but the stamps, which may have been before
 * @ser: the root, as it will be handed over
 * @sessions_crc: checksum of the session chain, 0 if there is none
 * @flbs_crc: checksum of the FLB area, 0 if there is none
 * @files_crcs_pa: physical address of the first block of the chain of the sessions'
 *	checksums, 0 if there is none
 * @files_crcs_crc: checksum of that chain, 0 if there is none
 *
 * Context: Any.
 */
void luo_wire_write_ext(struct luo_ext_ser *ext, const struct luo_ser *ser, u32 sessions_crc,
			u32 flbs_crc, u64 files_crcs_pa, u32 files_crcs_crc)
{
	strscpy_pad(ext->compatible, LUO_EXT_COMPATIBLE);
	ext->ser_crc = luo_wire_crc(LUO_WIRE_CRC_SEED, ser, sizeof(*ser));
	ext->sessions_crc = sessions_crc;
	ext->flbs_crc = flbs_crc;
	ext->files_crcs_crc = files_crcs_crc;
	ext->reserved = 0;
	ext->files_crcs_pa = files_crcs_pa;
	ext->self_crc = luo_wire_ext_crc(ext);
}

/**
 * luo_wire_write_stamp() - write down when a phase was reached
 * @ext: where to, may be before or after luo_wire_write_ext()
 * @index: which phase; one that the format has no room for is left out
 * @ns: CLOCK_MONOTONIC, in nanoseconds
 * @cycles: get_cycles()
 *
 * Context: Any, up to the jump.
 */
void luo_wire_write_stamp(struct luo_ext_ser *ext, unsigned int index, u64 ns, u64 cycles)
{
	if (index >= LUO_EXT_STAMPS)
		return;

	ext->stamps[index].ns = ns;
	ext->stamps[index].cycles = cycles;
}

/* Where a page, a block or an area may be; 0 is nowhere */
static bool luo_wire_place(u64 phys)
{
	return phys && IS_ALIGNED(phys, PAGE_SIZE);
}

static int luo_wire_read_v5(const void *blob, size_t size, const struct luo_ext_ser *ext,
			    struct luo_wire_head *head)
{
	const struct luo_ser *ser = blob;

	if (size < sizeof(*ser))
		return -EUCLEAN;
	if (ext && ext->ser_crc != luo_wire_crc(LUO_WIRE_CRC_SEED, ser, sizeof(*ser)))
		return -EUCLEAN;
	if (ser->sessions_pa && !luo_wire_place(ser->sessions_pa))
		return -EUCLEAN;
	if (ser->flbs_pa && !luo_wire_place(ser->flbs_pa))
		return -EUCLEAN;

	head->liveupdate_num = ser->liveupdate_num;
	head->sessions_pa = ser->sessions_pa;
	head->flbs_pa = ser->flbs_pa;
	return 0;
}

/* What the head of the subtree may be, zero-padded */
static const struct luo_wire_dialect {
	char compatible[LUO_ABI_COMPAT_LEN];
	int (*read)(const void *blob, size_t size, const struct luo_ext_ser *ext,
		    struct luo_wire_head *head);
} luo_wire_dialects[] = {
	{ LUO_ABI_COMPATIBLE, luo_wire_read_v5 },
};

/**
 * luo_wire_read_head() - read the root
 * @blob: the "LUO" subtree, at any alignment
 * @size: how many bytes of it there are
 * @ext: checksums that luo_wire_read_ext() has found sound; NULL: go without
 * @head: what it says, set on success only
 *
 * The version is looked at before anything else is, and all of its bytes count: what is
 * not one of the known heads to the last byte, string or not, is another version.
 *
 * Context: Any.
 * Return:
 * * 0 - @head is set; what it points to has not been looked at
 * * -EPROTONOSUPPORT - a version that this kernel does not know
 * * -EUCLEAN - too short, the wrong checksum, or an address that is none
 */
int luo_wire_read_head(const void *blob, size_t size, const struct luo_ext_ser *ext,
		       struct luo_wire_head *head)
{
	const struct luo_wire_dialect *dialect;
	unsigned int i;

	if (size < sizeof(dialect->compatible))
		return -EUCLEAN;

	for (i = 0; i < ARRAY_SIZE(luo_wire_dialects); i++) {
		dialect = &luo_wire_dialects[i];
		if (!memcmp(blob, dialect->compatible, sizeof(dialect->compatible)))
			return dialect->read(blob, size, ext, head);
	}

	return -EPROTONOSUPPORT;
}

/**
 * luo_wire_read_ext() - read checksums and stamps
 * @blob: the "LUO-ext" subtree, at any alignment
 * @size: how many bytes of it there are
 * @ext: a copy of it, set if it is sound
 *
 * Context: Any.
 * Return: true if it is of a known version and unharmed. If not, the handover goes
 * unchecked: nothing in here is needed.
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
 * On the way along a chain. @mark is a block left behind, moved up each time the way has
 * doubled: a chain that loops meets it again within three times its own length.
 */
struct luo_wire_walk {
	const struct luo_wire_pages *pages;
	u64 phys;
	u64 next;
	u64 mark;
	const struct kho_block_header_ser *block;
	unsigned int blocks;
};

/* 1: at a block, 0: there was none left, -EUCLEAN */
static int luo_wire_step(struct luo_wire_walk *walk)
{
	const struct luo_wire_pages *pages = walk->pages;

	if (!walk->next)
		return 0;
	if (!luo_wire_place(walk->next) || walk->next == walk->mark ||
	    walk->blocks == LUO_CHAIN_MAX_BLOCKS)
		return -EUCLEAN;

	walk->phys = walk->next;
	walk->block = pages->peek(pages->ctx, walk->phys, 0);
	if (!walk->block)
		return -EUCLEAN;

	walk->next = walk->block->next;
	walk->blocks++;
	if (is_power_of_2(walk->blocks))
		walk->mark = walk->phys;

	return 1;
}

/* As luo_wire_step(), and the block holds as many entries as it says */
static int luo_wire_step_entries(struct luo_wire_walk *walk, size_t entry_size)
{
	int ret = luo_wire_step(walk);

	if (ret <= 0)
		return ret;
	if (!walk->block->count || walk->block->count > luo_wire_per_block(entry_size))
		return -EUCLEAN;

	return 1;
}

/**
 * luo_wire_check_chain() - is a chain sound, and what does it amount to?
 * @pages: how to get at its blocks
 * @first: physical address of the first; 0: no chain, which is sound
 * @entry_size: bytes per entry, not 0 and no more than fits a block
 * @chain: totals and checksum, set on success only; without blocks all of it is 0
 *
 * What entries say is not looked at.
 *
 * Context: As peek() needs.
 * Return: 0, or -EUCLEAN: an address is not that of a page or peek() does not know it, a
 * block is empty or too full, the chain is too long or loops.
 */
int luo_wire_check_chain(const struct luo_wire_pages *pages, u64 first, size_t entry_size,
			 struct luo_wire_chain *chain)
{
	struct luo_wire_walk walk = { .pages = pages, .next = first };
	u32 crc = LUO_WIRE_CRC_SEED;
	u64 entries = 0;
	int ret;

	while ((ret = luo_wire_step_entries(&walk, entry_size)) > 0) {
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

/**
 * luo_wire_for_each() - visit the entries of a chain, in order
 * @pages: how to get at its blocks
 * @first: physical address of the first; 0: no chain
 * @entry_size: bytes per entry, not 0 and no more than fits a block
 * @visit: called with each entry; what it returns, if not 0, ends the walk. It must not
 *	free blocks.
 * @arg: for @visit
 *
 * Meant for a chain that luo_wire_check_chain() has found sound. One that is not is
 * walked as safely, but what stands before the damage has then been visited already.
 *
 * Context: As peek() and @visit need.
 * Return: 0, what @visit returned, or -EUCLEAN as luo_wire_check_chain().
 */
int luo_wire_for_each(const struct luo_wire_pages *pages, u64 first, size_t entry_size,
		      int (*visit)(const void *entry, void *arg), void *arg)
{
	struct luo_wire_walk walk = { .pages = pages, .next = first };
	const void *entry;
	u64 left;
	int ret;

	while ((ret = luo_wire_step_entries(&walk, entry_size)) > 0) {
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

/**
 * luo_wire_each_block() - visit the blocks of a chain, in order
 * @pages: how to get at them
 * @first: physical address of the first; 0: no chain
 * @visit: called with the address of each; it may free the block. What it returns, if
 *	not 0, ends the walk.
 * @arg: for @visit
 *
 * Entries and their counts are not looked at.
 *
 * Context: As peek() and @visit need.
 * Return: 0, what @visit returned, or -EUCLEAN as luo_wire_check_chain().
 */
int luo_wire_each_block(const struct luo_wire_pages *pages, u64 first,
			int (*visit)(u64 phys, void *arg), void *arg)
{
	struct luo_wire_walk walk = { .pages = pages, .next = first };
	int ret;

	while ((ret = luo_wire_step(&walk)) > 0) {
		ret = visit(walk.phys, arg);
		if (ret)
			return ret;
	}

	return ret;
}

/**
 * luo_wire_session_valid() - does the entry of a session make sense?
 * @ser: the entry, of a sound chain
 *
 * Whether its chain is as long as @ser->count says is for the caller to compare, once it
 * has checked that chain.
 *
 * Context: Any.
 * Return: true if the name is terminated and not empty, and there is a place for files
 * exactly if there are any.
 */
bool luo_wire_session_valid(const struct luo_session_ser *ser)
{
	size_t len = strnlen(ser->name, sizeof(ser->name));

	if (!len || len == sizeof(ser->name))
		return false;
	if (!ser->count)
		return !ser->files;

	return luo_wire_place(ser->files);
}

/**
 * luo_wire_file_valid() - does the entry of a file make sense?
 * @ser: the entry, of a sound chain
 *
 * Data and token may be anything.
 *
 * Context: Any.
 * Return: true if luo_compat_valid() says so of its compatible string.
 */
bool luo_wire_file_valid(const struct luo_file_ser *ser)
{
	return luo_compat_valid(ser->compatible, sizeof(ser->compatible));
}
