// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that watches: nothing is looked at that was not preserved, restored that was not
 * or was already, freed or put into a file that was not restored.
 */
#include "mm.h"

struct page memory[MEMORY_PAGES];
struct user_namespace init_user_ns;
unsigned int memory_most_order;

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Pages with bytes */
static struct page *written[MEMORY_PAGES];
static unsigned int nr_written;

void memory_clear(void)
{
	while (nr_written)
		free(written[--nr_written]->bytes);
	memset(memory, 0, sizeof(memory));
}

struct page *phys_to_page(phys_addr_t phys)
{
	must(PHYS_PFN(phys) < MEMORY_PAGES);
	return &memory[PHYS_PFN(phys)];
}

int kho_preserved_order(phys_addr_t phys)
{
	if (phys % PAGE_SIZE || PHYS_PFN(phys) >= MEMORY_PAGES)
		return -ENOENT;
	return phys_to_page(phys)->preserved ? phys_to_page(phys)->preserved - 1 : -ENOENT;
}

/* What nobody has written is zero, and the address sanitizer watches the end of a block. */
void *phys_to_virt(phys_addr_t phys)
{
	struct page *page = phys_to_page(phys);
	size_t size;

	must(page->preserved && page->preserved <= memory_most_order + 1);
	if (!page->bytes) {
		size = PAGE_SIZE << (page->preserved - 1);
		page->bytes = aligned_alloc(PAGE_SIZE, size);
		must(page->bytes);
		memset(page->bytes, 0, size);
		written[nr_written++] = page;
	}
	return page->bytes + phys % PAGE_SIZE;
}

/* Of the beginning of a block */
phys_addr_t virt_to_phys(const void *at)
{
	for (unsigned int i = 0; i < nr_written; i++)
		if (written[i]->bytes == at)
			return PFN_PHYS(written[i] - memory);
	abort();
}

/* Of one block, once at a time */
int kho_claim(phys_addr_t phys)
{
	int order = kho_preserved_order(phys);

	if (order < 0 || phys_to_page(phys)->claimed)
		return -ENOENT;
	phys_to_page(phys)->claimed = true;
	return order;
}

int kho_unclaim(phys_addr_t phys)
{
	int order = kho_preserved_order(phys);

	must(order >= 0 && phys_to_page(phys)->claimed);
	phys_to_page(phys)->claimed = false;
	return order;
}

unsigned int memory_claimed(void)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < MEMORY_PAGES; i++)
		nr += memory[i].preserved && memory[i].claimed;
	return nr;
}

/* Nobody restores what he has not claimed. */
static struct page *restore(struct page *page, int order)
{
	must(page->claimed && page->preserved == order + 1 &&
	     page + (1UL << order) <= memory + MEMORY_PAGES);
	page->preserved = 0;
	for (unsigned long i = 0; i < 1UL << order; i++)
		must(!page[i].restored++);
	return page;
}

struct folio *kho_restore_folio(phys_addr_t phys)
{
	struct page *page = phys_to_page(phys);

	must(page->preserved);
	/* What shmem_adopt_folio() has to know */
	page->index = page->preserved - 1;
	return page_folio(restore(page, page->preserved - 1));
}

struct page *kho_restore_pages(phys_addr_t phys, unsigned long nr)
{
	struct page *page = phys_to_page(phys);

	must(page->preserved && nr == 1UL << (page->preserved - 1));
	return restore(page, page->preserved - 1);
}

unsigned int kho_restore_folios(const phys_addr_t *phys, unsigned int nr, struct folio **folios)
{
	for (unsigned int i = 0; i < nr; i++)
		folios[i] = page_folio(restore(phys_to_page(phys[i]), 0));
	return nr;
}

void __free_page(struct page *page)
{
	must(page->restored == 1 && !page->in_file && !page->freed++);
}

/* The one that the handover begins with; see fuzz_extent.c for its bytes */
int luo_small_claim(u64 phys, const void **obj)
{
	int order;

	if (phys % 128)
		return -EUCLEAN;
	order = kho_claim(phys & PAGE_MASK);
	if (order < 0)
		return -EUCLEAN;
	if (order) {
		kho_unclaim(phys & PAGE_MASK);
		return -EUCLEAN;
	}
	*obj = phys_to_virt(phys);
	return 0;
}

void luo_small_unclaim(u64 phys)
{
	kho_unclaim(phys & PAGE_MASK);
}

void luo_small_release(u64 phys)
{
	restore(phys_to_page(phys & PAGE_MASK), 0);
}

static void put(struct page *page, pgoff_t index)
{
	must(page->restored == 1 && !page->freed && !page->in_file);
	page->in_file = true;
	page->index = index;
}

int shmem_adopt_pages(struct inode *inode, struct folio **folios, unsigned int nr,
		      pgoff_t index)
{
	(void)inode;
	for (unsigned int i = 0; i < nr; i++)
		put(&folios[i]->page, index + i);
	return 0;
}

int shmem_adopt_folio(struct inode *inode, struct folio *folio, pgoff_t index)
{
	const unsigned long nr = 1UL << folio->page.index;

	(void)inode;
	must(IS_ALIGNED(index, nr));
	for (unsigned long i = 0; i < nr; i++)
		put(&folio->page + i, index + i);
	return 0;
}

void *xa_load(struct xarray *xa, unsigned long at)
{
	for (unsigned int i = 0; i < xa->nr; i++)
		if (xa->slots[i].at == at)
			return xa->slots[i].what;
	return NULL;
}

void *xa_store(struct xarray *xa, unsigned long at, void *entry, gfp_t gfp)
{
	(void)gfp;
	xa->slots = realloc(xa->slots, (xa->nr + 1) * sizeof(*xa->slots));
	must(xa->slots);
	xa->slots[xa->nr].at = at;
	xa->slots[xa->nr++].what = entry;
	return NULL;
}

struct xa_walk xa_walk(const struct xarray *xa, unsigned long *at, void **what)
{
	return (struct xa_walk) { .xa = xa, .at = at, .what = what };
}

bool xa_step(struct xa_walk *walk)
{
	if (walk->next == walk->xa->nr)
		return false;
	*walk->at = walk->xa->slots[walk->next].at;
	*walk->what = walk->xa->slots[walk->next++].what;
	return true;
}
