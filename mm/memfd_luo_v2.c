// SPDX-License-Identifier: GPL-2.0
/*
 * Live update of memfds: serialize memfd-v2, the format of mainline kernels.
 *
 * A description on a page of its own leads to an array with an entry for each folio. It has
 * contents, size, position and seals, but neither mode and owner nor how the file was
 * opened: what it cannot describe is refused.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/liveupdate.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/vmalloc.h>
#include <uapi/linux/memfd.h>

#include "memfd_luo.h"

static int v2_check_attrs(struct file *file, const struct shmem_attrs *attrs)
{
	const fmode_t mode = file->f_mode & (FMODE_READ | FMODE_WRITE);

	if ((attrs->mode & S_IALLUGO) != memfd_v2_mode(attrs->seals) ||
	    !uid_eq(attrs->uid, GLOBAL_ROOT_UID) || !gid_eq(attrs->gid, GLOBAL_ROOT_GID))
		return -EOPNOTSUPP;

	/*
	 * It is retrieved open for reading and writing: give no access that it did not
	 * have.
	 */
	if (mode == (FMODE_READ | FMODE_WRITE))
		return 0;
	if (mode == FMODE_READ && (attrs->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return 0;
	return -EACCES;
}

static int v2_create(struct memfd_preserved *mp)
{
	mp->v2.ser = liveupdate_alloc_page();
	return mp->v2.ser ? 0 : -ENOMEM;
}

/* The array is preserved for as long as it exists. */
static void v2_drop_array(struct memfd_v2 *v2)
{
	if (!v2->capacity)
		return;

	kho_unpreserve_vmalloc(&v2->array);
	vfree(v2->entries);
	v2->entries = NULL;
	v2->capacity = 0;
	memset(&v2->array, 0, sizeof(v2->array));
}

/* Make space for @want entries, and for some pages that may be added until the freeze. */
static int v2_grow(struct memfd_v2 *v2, u64 want)
{
	struct memfd_luo_folio_ser *entries;
	struct kho_vmalloc array = {};	/* KHO reads the order of what it fails to preserve */
	size_t size;
	int err;

	if (want <= v2->capacity)
		return 0;

	size = PAGE_ALIGN((want + want / 64 + 1) * sizeof(*entries));
	entries = __vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!entries)
		return -ENOMEM;

	err = kho_preserve_vmalloc(entries, &array);
	if (err) {
		vfree(entries);
		return err;
	}

	if (v2->nr)
		memcpy(entries, v2->entries, v2->nr * sizeof(*entries));
	v2_drop_array(v2);
	v2->entries = entries;
	v2->capacity = size / sizeof(*entries);
	v2->array = array;
	return 0;
}

static int v2_reserve(struct memfd_preserved *mp, u64 nr)
{
	return v2_grow(&mp->v2, mp->v2.nr + nr);
}

static int v2_add(struct memfd_preserved *mp, struct folio **batch, long nr)
{
	struct memfd_v2 *v2 = &mp->v2;
	struct folio *folio = batch[0];
	int err;

	if (v2->nr == v2->capacity) {
		err = v2_grow(v2, v2->nr + v2->nr / 2 + 1);
		if (err)
			return err;
	}

	err = kho_preserve_folio(folio);
	if (err)
		return err;

	v2->entries[v2->nr++] = (struct memfd_luo_folio_ser) {
		.pfn = folio_pfn(folio),
		.flags = MEMFD_LUO_FOLIO_DIRTY | MEMFD_LUO_FOLIO_UPTODATE,
		.index = folio->index,
	};
	mp->pages += folio_nr_pages(folio);
	return 1;
}

/* An array without entries would be leaked by the next kernel. */
static int v2_flush(struct memfd_preserved *mp)
{
	if (!mp->v2.nr)
		v2_drop_array(&mp->v2);
	return 0;
}

static int v2_for_each(struct memfd_preserved *mp, int (*fn)(struct folio *folio))
{
	int err = 0;

	for (u64 i = 0; !err && i < mp->v2.nr; i++)
		err = fn(pfn_folio(mp->v2.entries[i].pfn));
	return err;
}

static int v2_drop_folio(struct folio *folio)
{
	kho_unpreserve_folio(folio);
	unpin_folio(folio);
	cond_resched();
	return 0;
}

static void v2_destroy(struct memfd_preserved *mp)
{
	v2_for_each(mp, v2_drop_folio);
	v2_drop_array(&mp->v2);
	liveupdate_free_page(mp->v2.ser);
}

static phys_addr_t v2_write(struct memfd_preserved *mp, struct file *file,
			    const struct shmem_attrs *attrs)
{
	*mp->v2.ser = (struct memfd_luo_ser) {
		.pos = READ_ONCE(file->f_pos),
		.size = i_size_read(file_inode(file)),
		.seals = attrs->seals,
		.nr_folios = mp->v2.nr,
		.folios = mp->v2.array,
	};
	return virt_to_phys(mp->v2.ser);
}

const struct memfd_format memfd_v2_format = {
	.check_attrs = v2_check_attrs,
	.create = v2_create,
	.destroy = v2_destroy,
	.reserve = v2_reserve,
	.add = v2_add,
	.flush = v2_flush,
	.for_each = v2_for_each,
	.write = v2_write,
	.validate = memfd_v2_validate,
	.get_attrs = memfd_v2_get_attrs,
	.adopt = memfd_v2_adopt,
	.free = memfd_v2_free,
};
