/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only code that reads or writes the handover format of <linux/kho/abi/luo.h>.
 * Pure: no locks, no allocation; works on byte ranges and on pages that a callback
 * hands out. Also built in user space.
 */
#ifndef _LUO_WIRE_H
#define _LUO_WIRE_H

#include <linux/types.h>
#include <linux/kho/abi/luo.h>

/**
 * struct luo_wire_pages - access to pages of the previous kernel
 * @peek: the folio at @phys if the previous kernel preserved it, and it has not been
 *	restored; else NULL. Sets its order.
 * @ctx: for @peek
 */
struct luo_wire_pages {
	const void *(*peek)(void *ctx, u64 phys, unsigned int *order);
	void *ctx;
};

/**
 * struct luo_wire_head - the contents of the root, in any version of the format
 * @liveupdate_num: number of live updates since the last cold boot
 * @sessions_pa: first block of the session chain, 0: none
 * @flbs_pa: FLB area, 0: none
 */
struct luo_wire_head {
	u64 liveupdate_num;
	u64 sessions_pa;
	u64 flbs_pa;
};

/**
 * struct luo_wire_chain - a validated chain
 * @entries: number of entries
 * @blocks: number of blocks
 * @crc: checksum of headers and used entries
 */
struct luo_wire_chain {
	u64 entries;
	unsigned int blocks;
	u32 crc;
};

/**
 * struct luo_wire_flbs - a validated FLB area
 * @entries: the entries; their names are valid and differ
 * @count: number of @entries
 */
struct luo_wire_flbs {
	const struct luo_flb_ser *entries;
	u64 count;
};

u32 luo_wire_crc(u32 crc, const void *data, size_t len);
u32 luo_wire_block_crc(u32 crc, const void *block, size_t entry_size);
u32 luo_wire_ext_crc(const struct luo_ext_ser *ext);
#define LUO_WIRE_CRC_SEED	(~0U)

/* Entries that fit a block */
#define luo_wire_per_block(entry_size) \
	((KHO_BLOCK_SIZE - sizeof(struct kho_block_header_ser)) / (entry_size))

/* FLBs that fit an area of an order */
#define luo_wire_flbs_per(order) \
	(((PAGE_SIZE << (order)) - sizeof(struct luo_flb_header_ser)) / sizeof(struct luo_flb_ser))

/* Writing */
void luo_wire_write_head(struct luo_ser *ser, const struct luo_wire_head *head);
void luo_wire_write_session(struct luo_session_ser *ser, const char *name, u64 files, u64 count);
void luo_wire_write_file(struct luo_file_ser *ser, const char *compatible, u64 data, u64 token);
void luo_wire_write_block(void *block, u64 next, u64 count);
void *luo_wire_block_entry(void *block, size_t entry_size, unsigned int index);
void luo_wire_write_ext(struct luo_ext_ser *ext, const struct luo_ser *ser, u32 sessions_crc,
			u32 flbs_crc, u64 files_crcs_pa, u32 files_crcs_crc);
void luo_wire_write_stamp(struct luo_ext_ser *ext, unsigned int index, u64 ns, u64 cycles);
void luo_wire_write_flbs(void *area, unsigned int order, u64 count);
void luo_wire_write_flb(void *area, u64 index, const char *name, u64 data, u64 count);
u32 luo_wire_flbs_crc(const void *area);

/* Reading */
int luo_wire_read_head(const void *blob, size_t size, const struct luo_ext_ser *ext,
		       struct luo_wire_head *head);
bool luo_wire_read_ext(const void *blob, size_t size, struct luo_ext_ser *ext);
int luo_wire_check_chain(const struct luo_wire_pages *pages, u64 first, size_t entry_size,
			 struct luo_wire_chain *chain);
int luo_wire_for_each(const struct luo_wire_pages *pages, u64 first, size_t entry_size,
		      int (*visit)(const void *entry, void *arg), void *arg);
int luo_wire_each_block(const struct luo_wire_pages *pages, u64 first,
			int (*visit)(u64 phys, void *arg), void *arg);
bool luo_wire_session_valid(const struct luo_session_ser *ser);
bool luo_wire_file_valid(const struct luo_file_ser *ser);
int luo_wire_read_flbs(const struct luo_wire_pages *pages, u64 phys, const struct luo_ext_ser *ext,
		       struct luo_wire_flbs *flbs);

#endif /* _LUO_WIRE_H */
