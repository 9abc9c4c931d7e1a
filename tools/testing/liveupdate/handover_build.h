/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole handover in made-up memory, and a reader that goes through all of it as the
 * kernel does, but trusts the code under test in nothing.
 */
#ifndef _LUO_HANDOVER_BUILD_H
#define _LUO_HANDOVER_BUILD_H

#include <kunit/test.h>

#include "luo_wire.h"

#define IMAGE_BASE	0x40000000ULL
#define IMAGE_PAGES	12
#define IMAGE_SESSIONS	60
#define IMAGE_FLBS	100

/**
 * struct image_page - a page of the previous kernel, or a folio that begins there
 * @phys: where
 * @data: its bytes in an allocation of their own; NULL: not preserved
 * @keep: @data, also of a page that is not preserved
 * @room: order of the allocation
 * @order: of its folio
 */
struct image_page {
	u64 phys;
	u8 *data;
	u8 *keep;
	unsigned int room;
	unsigned int order;
};

/**
 * struct image - what is handed over
 * @test: whom to tell
 * @ser: the "LUO" subtree; its last byte is the last of its allocation
 * @ser_size: how many bytes of it
 * @ext: the "LUO-ext" subtree, placed alike
 * @ext_size: how many bytes of it; 0: there is none
 * @page: what it leads to; image_create() puts page i at IMAGE_BASE + i * PAGE_SIZE
 * @peeks: how many pages the reader asked for in the current walk
 */
struct image {
	struct kunit *test;
	u8 *ser;
	size_t ser_size;
	u8 *ext;
	size_t ext_size;
	struct image_page page[IMAGE_PAGES];
	unsigned int peeks;
};

/**
 * struct image_facts - what reading it gave
 * @head: 0, or why the root was refused
 * @sessions: 0, or why the session chain was
 * @flbs: 0, or why the FLB area was
 * @refused: anything at all was
 * @checked: it was of a version with checksums, and they could be read
 * @session_count: how many sessions were read
 * @file_count: how many files, in all sessions
 * @flb_count: how many FLBs
 * @crcs_count: how many checksums of files, if those have the right checksum themselves
 * @sessions_digest: of the sessions, if their chain has the right checksum; else 0
 * @files_digest: of each session's files, likewise
 * @flbs_digest: of the FLBs, likewise
 */
struct image_facts {
	int head;
	int sessions;
	int flbs;
	bool refused;
	bool checked;
	unsigned int session_count;
	unsigned int file_count;
	unsigned int flb_count;
	u64 crcs_count;
	u64 sessions_digest;
	u64 files_digest[IMAGE_SESSIONS];
	u64 flbs_digest;
};

struct image *image_create(struct kunit *test);
void image_write(struct image *image);
void image_read(struct image *image, struct image_facts *facts);
struct image_page *image_find(struct image *image, u64 phys);
void image_resize(u8 **blob, size_t *size, size_t new_size);

#endif /* _LUO_HANDOVER_BUILD_H */
