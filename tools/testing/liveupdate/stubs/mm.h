/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as the readers of memfds need, in user space: memory that
 * the previous kernel has preserved in part, and that watches what is done to it. All headers of
 * the kernel that the reader includes, and that tools/include has not, are this one.
 */
#ifndef _LUO_SEAM_MM_H
#define _LUO_SEAM_MM_H

#include <asm/page.h>
#include <errno.h>
#include <limits.h>
#include <linux/align.h>
#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/container_of.h>
#include <linux/kernel.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT		12
#define PAGE_MASK		(~(PAGE_SIZE - 1))
#define PAGE_ALIGNED(addr)	IS_ALIGNED((unsigned long)(addr), PAGE_SIZE)
#define MAX_PAGE_ORDER		10
#define MAX_PAGECACHE_ORDER	9
#define MAX_LFS_FILESIZE	((loff_t)LLONG_MAX)
#define S_IALLUGO		07777
#define IS_ENABLED(...)		1
#define WARN_ON_ONCE(is)	((is) ? abort(), true : false)
#define const_ilog2(n)		(63 - __builtin_clzll(n))
#define DIV_ROUND_UP_ULL	DIV_ROUND_UP

#define pgoff_t			unsigned long
#define umode_t			unsigned short

#define PHYS_PFN(phys)		((unsigned long)((phys) >> PAGE_SHIFT))
#define PFN_PHYS(pfn)		((phys_addr_t)(pfn) << PAGE_SHIFT)

/* There is this much memory, from 0 on. */
#define MEMORY_PAGES		4096

/**
 * struct page - a page of memory
 * @preserved: the order of the block that was preserved and begins here, and one; or 0
 * @claimed: somebody has claimed that
 * @part: it is part of such a block
 * @bytes: what is in it, or NULL: nobody has looked yet
 * @restored: how often it was
 * @freed: how often it was
 * @in_file: it was put into the file
 * @index: where there
 */
struct page {
	int preserved;
	bool claimed;
	bool part;
	u8 *bytes;
	unsigned int restored;
	unsigned int freed;
	bool in_file;
	pgoff_t index;
};

struct folio {
	struct page page;
};

extern struct page memory[MEMORY_PAGES];

/* The largest block that anybody has a reason to look into */
extern unsigned int memory_most_order;

struct inode {
	int unused;
};

struct file;
struct liveupdate_file_op_args;

struct liveupdate_file_handler {
	int unused;
};

struct shmem_attrs;

/* Owners, and what a memfd may be sealed against; nobody looks at them here. */
typedef u32 kuid_t;
typedef u32 kgid_t;

#define GLOBAL_ROOT_UID			0
#define GLOBAL_ROOT_GID			0

struct user_namespace {
	int unused;
};

extern struct user_namespace init_user_ns;

static inline kuid_t make_kuid(struct user_namespace *ns, u32 uid)
{
	return uid;
}

static inline kgid_t make_kgid(struct user_namespace *ns, u32 gid)
{
	return gid;
}

#define F_SEAL_SHRINK			0x0002
#define F_SEAL_GROW			0x0004
#define F_SEAL_WRITE			0x0008
#define F_SEAL_FUTURE_WRITE		0x0010
#define F_SEAL_EXEC			0x0020

/* Memory of the previous kernel */
int kho_preserved_order(phys_addr_t phys);
int kho_claim(phys_addr_t phys);
int kho_unclaim(phys_addr_t phys);

/* How many blocks are claimed, and not restored */
unsigned int memory_claimed(void);
struct folio *kho_restore_folio(phys_addr_t phys);
struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr);
unsigned int kho_restore_folios(const phys_addr_t *phys, unsigned int nr, struct folio **folios);
void *phys_to_virt(phys_addr_t phys);
phys_addr_t virt_to_phys(const void *at);
struct page *phys_to_page(phys_addr_t phys);
int luo_small_claim(u64 phys, const void **obj);
void luo_small_unclaim(u64 phys);
void luo_small_release(u64 phys);
void __free_page(struct page *page);

/* All of it as new; what was written to it is lost */
void memory_clear(void);

/* The file */
int shmem_adopt_pages(struct inode *inode, struct folio **folios, unsigned int nr,
		      pgoff_t index);
int shmem_adopt_folio(struct inode *inode, struct folio *folio, pgoff_t index);

#define page_folio(page)		((struct folio *)(page))
#define __folio_mark_uptodate(folio)	((void)(folio))
#define folio_mark_uptodate(folio)	((void)(folio))

/* For claims */
#define GFP_KERNEL			0
#define __GFP_NOFAIL			0
#define get_zeroed_page(gfp)		((void)(gfp), (unsigned long)calloc(1, PAGE_SIZE))
#define free_page(addr)			free((void *)(addr))

struct xarray {
	struct {
		unsigned long at;
		void *what;
	} *slots;
	unsigned int nr;
};

struct xa_walk {
	const struct xarray *xa;
	unsigned int next;
	unsigned long *at;
	void **what;
};

#define xa_init(xa)			(*(xa) = (struct xarray) {})
void *xa_load(struct xarray *xa, unsigned long at);
void *xa_store(struct xarray *xa, unsigned long at, void *entry, gfp_t gfp);
struct xa_walk xa_walk(const struct xarray *xa, unsigned long *at, void **what);
bool xa_step(struct xa_walk *walk);
#define xa_err(entry)			((void)(entry), 0)
#define xa_for_each(xa, at, entry)						\
	for (struct xa_walk walk_ = xa_walk(xa, &(at), (void **)&(entry)); xa_step(&walk_);)
#define xa_destroy(xa)			free((xa)->slots)

/* Tasks: there is one */
struct rw_semaphore {
	int unused;
};

#define DECLARE_RWSEM(name)		struct rw_semaphore name

static inline void down_read(struct rw_semaphore *sem)
{
}

static inline void up_read(struct rw_semaphore *sem)
{
}

static inline void down_write(struct rw_semaphore *sem)
{
}

static inline void up_write(struct rw_semaphore *sem)
{
}

#define current				NULL
#define cond_resched()			do { } while (0)
#define fatal_signal_pending(task)	((void)(task), false)
#define pr_warn_ratelimited(...)	do { } while (0)

#define pfn_folio(pfn)			page_folio(pfn_to_page(pfn))
#define pfn_to_page(pfn)		(&memory[pfn])

#endif /* _LUO_SEAM_MM_H */
