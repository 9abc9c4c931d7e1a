/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live Update Orchestrator: the handover format.
 *
 * DOC: LUO handover format
 *
 * There are two KHO subtrees. "LUO" points to a struct luo_ser, which leads to everything
 * else: sessions and files are in chains of blocks (see struct kho_block_header_ser), each
 * block a page of its own, FLBs in one physically contiguous area. "LUO-ext" points to a
 * struct luo_ext_ser, which has only what a reader may ignore: checksums and timestamps.
 *
 * Everything is packed and little-endian, all addresses are physical. Any change needs a new
 * compatible string.
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

/* The longest valid chain. It bounds the walk along one that does not end. */
#define LUO_CHAIN_MAX_BLOCKS	10000

/* The largest FLB area is a folio of this order */
#define LUO_FLBS_MAX_ORDER	6

/**
 * struct luo_ser - the root
 * @compatible: LUO_ABI_COMPATIBLE, zero-padded
 * @liveupdate_num: number of live updates since the last cold boot, this one included
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
 * @count: number of files
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
 * @token: the program's number for it
 */
struct luo_file_ser {
	char compatible[LUO_COMPAT_LEN];
	u64 data;
	u64 token;
} __packed;
static_assert(sizeof(struct luo_file_ser) == 64);

/**
 * struct luo_flb_header_ser - head of the FLB area, which is one folio
 * @pgcnt: number of pages of the area, with this header; at most those of the folio
 * @count: number of struct luo_flb_ser that follow; may be 0
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
 * @count: number of preserved files that depend on it; a hint
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

/* The wall clock at LIVEUPDATE_STAMP_SERIALIZED, in nanoseconds since 1970 */
#define LUO_STAMP_REAL		(LUO_EXT_STAMPS - 1)

/**
 * struct luo_stamp_ser - a timestamp
 * @ns: CLOCK_MONOTONIC of the kernel that wrote it; of LUO_STAMP_REAL, CLOCK_REALTIME
 * @cycles: get_cycles(), which on most hardware continues over a kexec
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
 * @dropped: number of sessions that were handed over to this kernel, unfinished when it
 *	rebooted, and are lost
 * @files_crcs_pa: first block of a chain of u32, one per session in their order: the
 *	checksum of its file chain, 0 if it has none; 0: no sessions
 * @stamps: indexed by enum liveupdate_stamp, and LUO_STAMP_REAL; written up to the kexec and
 *	therefore without a checksum
 *
 * All checksums are crc32c with seed ~0, not inverted at the end.
 */
struct luo_ext_ser {
	char compatible[LUO_EXT_COMPAT_LEN];
	u32 self_crc;
	u32 ser_crc;
	u32 sessions_crc;
	u32 flbs_crc;
	u32 files_crcs_crc;
	u32 dropped;
	u64 files_crcs_pa;
	struct luo_stamp_ser stamps[LUO_EXT_STAMPS];
} __packed;
static_assert(sizeof(struct luo_ext_ser) == 48 + 16 * LUO_EXT_STAMPS);

#define LUO_DROPPED_NAMED	10

/**
 * struct luo_ext_page - the page of the "LUO-ext" subtree
 * @ext: checksums and timestamps
 * @dropped: names of the first @ext.dropped sessions, for the log only and therefore without a
 *	checksum. May be left off.
 */
struct luo_ext_page {
	struct luo_ext_ser ext;
	char dropped[LUO_DROPPED_NAMED][LIVEUPDATE_SESSION_NAME_LENGTH];
} __packed;

/* For the in-kernel test of FLBs, lib/tests/liveupdate.c */
#ifdef CONFIG_LIVEUPDATE_TEST
#define LIVEUPDATE_TEST_FLB_COMPATIBLE(i)	"liveupdate-test-flb-v" #i
#endif

#endif /* _LINUX_KHO_ABI_LUO_H */
