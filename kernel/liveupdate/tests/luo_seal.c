// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the checksums of a handover right, whatever it says: so that tests can damage it
 * and see that not only a checksum notices.
 *
 * What is so damaged that it has no checksum keeps the one that it had: no reader gets as
 * far as to compare it. Pure, also built in user space.
 */
#include <linux/string.h>

#include "luo_seal.h"

/* What is written goes where the reader reads. */
static void *luo_seal_peek(const struct luo_wire_pages *pages, u64 phys, unsigned int *order)
{
	return (void *)pages->peek(pages->ctx, phys, order);
}

static u32 luo_seal_chain(const struct luo_wire_pages *pages, u64 first, size_t entry_size,
			  u32 old)
{
	struct luo_wire_chain chain;

	return luo_wire_check_chain(pages, first, entry_size, &chain) ? old : chain.crc;
}

static u32 luo_seal_flbs(const struct luo_wire_pages *pages, u64 phys, u32 old)
{
	const struct luo_flb_header_ser *header;
	unsigned int order;

	if (!phys)
		return 0;
	header = luo_seal_peek(pages, phys, &order);
	if (!header || header->count > luo_wire_flbs_per(order))
		return old;
	return luo_wire_flbs_crc(header);
}

/**
 * struct luo_seal_walk - on the way along the sessions
 * @pages: how to get at pages
 * @crcs: the first block of their files' checksums
 * @index: which of them is next
 */
struct luo_seal_walk {
	const struct luo_wire_pages *pages;
	struct kho_block_header_ser *crcs;
	unsigned int index;
};

static int luo_seal_session(const void *entry, void *arg)
{
	const struct luo_session_ser *session = entry;
	struct luo_seal_walk *walk = arg;
	u32 *crc;

	if (walk->index >= walk->crcs->count ||
	    walk->index >= luo_wire_per_block(sizeof(*crc)))
		return 1;
	crc = luo_wire_block_entry(walk->crcs, sizeof(*crc), walk->index++);
	*crc = luo_seal_chain(walk->pages, session->files, sizeof(struct luo_file_ser), *crc);
	return 0;
}

/**
 * luo_seal_files() - make the checksums of sessions' files right
 * @ser: the root
 * @ext: the checksums; luo_seal() is to follow
 * @pages: how to get at pages, all of which are written to
 *
 * As many as are in the first block.
 *
 * Context: As peek() needs.
 */
void luo_seal_files(const struct luo_ser *ser, const struct luo_ext_ser *ext,
		    const struct luo_wire_pages *pages)
{
	struct luo_seal_walk walk = { .pages = pages };
	unsigned int order;

	walk.crcs = luo_seal_peek(pages, ext->files_crcs_pa, &order);

	if (walk.crcs && ext->files_crcs_pa != ser->sessions_pa)
		luo_wire_for_each(pages, ser->sessions_pa, sizeof(struct luo_session_ser),
				  luo_seal_session, &walk);
}

/**
 * luo_seal() - make all checksums but those of files right
 * @ser: the root
 * @ext: the checksums
 * @pages: how to get at pages
 *
 * Context: As peek() needs.
 */
void luo_seal(const struct luo_ser *ser, struct luo_ext_ser *ext,
	      const struct luo_wire_pages *pages)
{
	u32 sessions, flbs, crcs;

	sessions = luo_seal_chain(pages, ser->sessions_pa, sizeof(struct luo_session_ser),
				  ext->sessions_crc);
	flbs = luo_seal_flbs(pages, ser->flbs_pa, ext->flbs_crc);
	crcs = luo_seal_chain(pages, ext->files_crcs_pa, sizeof(u32), ext->files_crcs_crc);
	luo_wire_write_ext(ext, ser, sessions, flbs, ext->files_crcs_pa, crcs);
}
