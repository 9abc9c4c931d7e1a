// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: validate and retrieve memfd-v2.
 *
 * Everything is validated before anything is used: each address is that of preserved memory
 * of the right order, and appears once. Then every page can be restored and freed exactly
 * once. A memfd that is not valid is left in memory untouched.
 */
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/stat.h>
#include <uapi/linux/memfd.h>

#include "internal.h"
#include "memfd_luo.h"

/* The permission bits that memfd-v2 implies. */
umode_t memfd_v2_mode(u32 seals)
{
	const unsigned int fixed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
				   F_SEAL_FUTURE_WRITE;

	/*
	 * F_SEAL_EXEC on an executable file adds these four seals. A file that lacks one of
	 * them was not executable, and cannot have become so since. Otherwise take the mode
	 * that memfd_create() gives.
	 */
	if ((seals & F_SEAL_EXEC) && (seals & fixed) != fixed)
		return 0666;
	return 0777;
}

static size_t entries_per_piece(const struct memfd_incoming *in)
{
	return (PAGE_SIZE << in->v2.folios.order) / sizeof(struct memfd_luo_folio_ser);
}

/*
 * The array is in *pieces* of contiguous memory, which are listed by a chain of chunks.
 * Each chunk is claimed, so the chain ends.
 */
static int check_array(struct memfd_incoming *in, struct memfd_check *check)
{
	struct kho_vmalloc array = in->v2.folios;
	struct kho_vmalloc_chunk *chunk;
	u64 pieces = 0;
	int err;

	check->why = "the array of folios is malformed";
	if (array.order > MAX_PAGE_ORDER)
		return -EUCLEAN;

	for (phys_addr_t phys = array.first.phys; phys; phys = chunk->hdr.next.phys) {
		err = memfd_claim_folio(check, phys, 0);
		if (err)
			return err;

		chunk = phys_to_virt(phys);
		for (int i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i]; i++) {
			err = memfd_claim_folio(check, chunk->phys[i], array.order);
			if (err)
				return err;
			pieces++;
		}

		if (memfd_check_killed(check))
			return -EINTR;
	}

	if (pieces << array.order != array.total_pages)
		return -EUCLEAN;
	if (in->v2.nr_folios > pieces * entries_per_piece(in))
		return -EUCLEAN;
	return 0;
}

typedef int (*incoming_fn)(struct memfd_incoming *in,
			      const struct memfd_luo_folio_ser *entry, void *data);

/* Call @fn for each entry until it fails. The array is validated. */
static int incoming_for_each(struct memfd_incoming *in, incoming_fn fn, void *data)
{
	const size_t per_piece = entries_per_piece(in);
	struct kho_vmalloc_chunk *chunk = KHOSER_LOAD_PTR(in->v2.folios.first);
	u64 left = in->v2.nr_folios;
	int err;

	for (; chunk && left; chunk = KHOSER_LOAD_PTR(chunk->hdr.next)) {
		for (int i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i] && left; i++) {
			const struct memfd_luo_folio_ser *entry = phys_to_virt(chunk->phys[i]);
			size_t nr = min_t(u64, left, per_piece);

			left -= nr;
			for (; nr; nr--, entry++) {
				err = entry->pfn ? fn(in, entry, data) : 0;
				if (err)
					return err;
				cond_resched();
			}
		}
	}
	return 0;
}

static int check_entry(struct memfd_incoming *in,
		       const struct memfd_luo_folio_ser *entry, void *data)
{
	const u64 pages = DIV_ROUND_UP_ULL(in->v2.size, PAGE_SIZE);
	struct memfd_check *check = data;
	int order;

	if (memfd_check_killed(check))
		return -EINTR;

	if (entry->flags & ~(MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE)) {
		check->why = "unknown folio flags";
		return -EOPNOTSUPP;
	}

	order = memfd_claim_block(check, PFN_PHYS((phys_addr_t)entry->pfn));
	if (order < 0)
		return order;
	if (order > MAX_PAGE_ORDER || entry->index >= pages ||
	    !IS_ALIGNED(entry->index, 1UL << order)) {
		check->why = "a folio is misplaced";
		return -EUCLEAN;
	}
	return memfd_claim_indexes(check, entry->index, 1UL << order);
}

/* See struct memfd_format. */
int memfd_v2_validate(struct memfd_incoming *in, struct memfd_check *check)
{
	int err;

	err = memfd_claim_folio(check, in->phys, 0);
	if (err)
		return err;
	in->v2 = *(struct memfd_luo_ser *)phys_to_virt(in->phys);

	if (in->v2.flags) {
		check->why = "unknown flags";
		return -EOPNOTSUPP;
	}
	if (in->v2.size > MAX_LFS_FILESIZE || in->v2.pos > MAX_LFS_FILESIZE) {
		check->why = "size or position is out of range";
		return -EUCLEAN;
	}

	err = check_array(in, check);
	if (err)
		return err;
	return incoming_for_each(in, check_entry, check);
}

/* See struct memfd_format. */
void memfd_v2_get_attrs(const struct memfd_incoming *in, struct memfd_attrs *attrs)
{
	*attrs = (struct memfd_attrs) {
		.pos = in->v2.pos,
		.size = in->v2.size,
		.seals = in->v2.seals,
		.mode = memfd_v2_mode(in->v2.seals),
		.uid = GLOBAL_ROOT_UID,
		.gid = GLOBAL_ROOT_GID,
	};
}

static int free_entry(struct memfd_incoming *in,
		      const struct memfd_luo_folio_ser *entry, void *data)
{
	const phys_addr_t phys = PFN_PHYS((phys_addr_t)entry->pfn);
	const int order = kho_preserved_order(phys);

	/* Negative: it was restored and is in the file. */
	if (order >= 0)
		memfd_free_handed_over(phys, order);
	return 0;
}

/* Free all its memory that is not in a file. */
void memfd_v2_free(struct memfd_incoming *in)
{
	struct kho_vmalloc_chunk *chunk, *next;

	incoming_for_each(in, free_entry, NULL);

	for (chunk = KHOSER_LOAD_PTR(in->v2.folios.first); chunk; chunk = next) {
		next = KHOSER_LOAD_PTR(chunk->hdr.next);
		for (int i = 0; i < KHO_VMALLOC_SIZE && chunk->phys[i]; i++)
			memfd_free_handed_over(chunk->phys[i], in->v2.folios.order);
		memfd_free_handed_over(virt_to_phys(chunk), 0);
		cond_resched();
	}

	memfd_free_handed_over(in->phys, 0);
}

static int adopt_folio(struct inode *inode, struct folio *folio, pgoff_t index,
		       bool uptodate)
{
	/* A folio that is not is cleared on first use. */
	if (uptodate)
		folio_mark_uptodate(folio);
	return shmem_adopt_folio(inode, folio, index);
}

static int adopt_entry(struct memfd_incoming *in,
		       const struct memfd_luo_folio_ser *entry, void *data)
{
	const phys_addr_t phys = PFN_PHYS((phys_addr_t)entry->pfn);
	const bool uptodate = entry->flags & MEMFD_LUO_FOLIO_UPTODATE;
	const int order = kho_preserved_order(phys);
	struct inode *inode = data;
	struct folio *folio;
	struct page *page;
	int err = 0;

	if (order < 0)
		return -EIO;
	if (order <= MEMFD_MAX_FOLIO_ORDER) {
		folio = kho_restore_folio(phys);
		return folio ? adopt_folio(inode, folio, entry->index, uptodate) : -EIO;
	}

	page = kho_restore_pages(phys, 1UL << order);
	if (!page)
		return -EIO;
	for (unsigned long i = 0; i < 1UL << order; i++) {
		int ret = adopt_folio(inode, page_folio(page + i), entry->index + i,
					    uptodate);

		err = err ?: ret;
	}
	return err;
}

/* A page that was not added to the file was freed by that. */
int memfd_v2_adopt(struct memfd_incoming *in, struct inode *inode)
{
	int err = incoming_for_each(in, adopt_entry, inode);

	memfd_v2_free(in);
	return err == -ENOMEM ? -EIO : err;
}
