/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live Update Orchestrator: what one kernel writes for the next.
 *
 * DOC: LUO handover format
 *
 * Two KHO subtrees. "LUO" points to a struct luo_ser, from which all else is reached:
 * sessions and files stand in chains of blocks (see struct kho_block_header_ser), each
 * block a page of its own; FLBs in one physically contiguous area. "LUO-ext" points to
 * a struct luo_ext_ser, which holds only what a reader may ignore: checksums and times.
 *
 * Everything is packed and little-endian, every address physical. A change to any of
 * this is a new compatible string.
 */
#ifndef _LINUX_KHO_ABI_LUO_H
#define _LINUX_KHO_ABI_LUO_H

#include <linux/build_bug.h>
#include <linux/types.h>
#include <linux/kho/abi/block.h>
#include <uapi/linux/liveupdate.h>

#define LUO_KHO_ENTRY_NAME	"LUO"
#define LUO_ABI_COMPATIBLE	"luo-v5"
#define LUO_ABI_COMPAT_LEN	8
#define LUO_COMPAT_LEN		48

/* No chain is longer than this, so none without an end is followed for long */
#define LUO_CHAIN_MAX_BLOCKS	10000

/* No FLB area is larger than a folio of this order */
#define LUO_FLBS_MAX_ORDER	6

/**
 * struct luo_ser - the root
 * @compatible: LUO_ABI_COMPATIBLE, zero-padded
 * @liveupdate_num: how many live updates led here, this one included
 * @sessions_pa: first block of the chain of struct luo_session_ser; 0: no sessions
 * @flbs_pa: the struct luo_flb_header_ser; 0: no FLBs
 */
struct luo_ser {
	char compatible[LUO_ABI_COMPAT_LEN];
	u64 liveupdate_num;
	u64 sessions_pa;
	u64 flbs_pa;
} __packed;
static_assert(sizeof(struct luo_ser) == 32);

/**
 * struct luo_session_ser - one session
 * @name: zero-terminated
 * @files: first block of its chain of struct luo_file_ser; 0: no files
 * @count: how many files
 */
struct luo_session_ser {
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	u64 files;
	u64 count;
} __packed;
static_assert(sizeof(struct luo_session_ser) == 80);

/**
 * struct luo_file_ser - one file
 * @compatible: the format of @data, zero-terminated
 * @data: what its handler set
 * @token: what the program called it
 */
struct luo_file_ser {
	char compatible[LUO_COMPAT_LEN];
	u64 data;
	u64 token;
} __packed;
static_assert(sizeof(struct luo_file_ser) == 64);

/**
 * struct luo_flb_header_ser - head of the FLB area, which is one folio
 * @pgcnt: pages in the area, this header included; no more than the folio has
 * @count: how many struct luo_flb_ser follow; may be 0
 */
struct luo_flb_header_ser {
	u64 pgcnt;
	u64 count;
} __packed;
static_assert(sizeof(struct luo_flb_header_ser) == 16);

/**
 * struct luo_flb_ser - one FLB
 * @name: the format of @data, zero-terminated
 * @data: what its preserve() set
 * @count: how many preserved files depend on it; a hint
 */
struct luo_flb_ser {
	char name[LUO_COMPAT_LEN];
	u64 data;
	u64 count;
} __packed;
static_assert(sizeof(struct luo_flb_ser) == 64);

#define LUO_EXT_KHO_ENTRY_NAME	"LUO-ext"
#define LUO_EXT_COMPATIBLE	"luo-ext-v1"
#define LUO_EXT_COMPAT_LEN	16
#define LUO_EXT_STAMPS		16

/* The time of day when all was written down, in nanoseconds since 1970 */
#define LUO_STAMP_REAL		(LUO_EXT_STAMPS - 1)

/**
 * struct luo_stamp_ser - when a phase was reached
 * @ns: CLOCK_MONOTONIC of the kernel that wrote it; of LUO_STAMP_REAL, CLOCK_REALTIME
 * @cycles: get_cycles(), which goes on across a kexec where the hardware lets it
 */
struct luo_stamp_ser {
	u64 ns;
	u64 cycles;
} __packed;

/**
 * struct luo_ext_ser - what a reader may ignore
 * @compatible: LUO_EXT_COMPATIBLE, zero-padded
 * @self_crc: of this structure from @ser_crc up to @stamps
 * @ser_crc: of struct luo_ser
 * @sessions_crc: of the session chain, see luo_wire_block_crc()
 * @flbs_crc: of the FLB area
 * @files_crcs_crc: of the chain at @files_crcs_pa
 * @reserved: 0
 * @files_crcs_pa: first block of a chain of u32, one per session in their order: the
 *	checksum of its file chain, 0 if it has none; 0: no sessions
 * @stamps: indexed by enum liveupdate_stamp, and LUO_STAMP_REAL; written up to the jump,
 *	thus unchecked
 *
 * All checksums are crc32c with seed ~0, and without a final inversion.
 */
struct luo_ext_ser {
	char compatible[LUO_EXT_COMPAT_LEN];
	u32 self_crc;
	u32 ser_crc;
	u32 sessions_crc;
	u32 flbs_crc;
	u32 files_crcs_crc;
	u32 reserved;
	u64 files_crcs_pa;
	struct luo_stamp_ser stamps[LUO_EXT_STAMPS];
} __packed;
static_assert(sizeof(struct luo_ext_ser) == 48 + 16 * LUO_EXT_STAMPS);

/* For the in-kernel test of FLBs, lib/tests/liveupdate.c */
#ifdef CONFIG_LIVEUPDATE_TEST
#define LIVEUPDATE_TEST_FLB_COMPATIBLE(i)	"liveupdate-test-flb-v" #i
#endif

#endif /* _LINUX_KHO_ABI_LUO_H */
