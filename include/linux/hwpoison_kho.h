/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kexec HandOver of the list of bad pages: what the memory error handler and KHO call.
 */
#ifndef _LINUX_HWPOISON_KHO_H
#define _LINUX_HWPOISON_KHO_H

#include <linux/types.h>

struct kho_scratch;

#ifdef CONFIG_KEXEC_HANDOVER_HWPOISON

void hwpoison_kho_add(unsigned long pfn);
void hwpoison_kho_remove(unsigned long pfn, unsigned long nr);
unsigned long hwpoison_kho_next(unsigned long pfn, unsigned long end);
void hwpoison_kho_reserve_scratch(phys_addr_t phys, size_t size,
				  const struct kho_scratch *areas, unsigned int nr_areas);
void hwpoison_kho_reserve(void);

#else

static inline void hwpoison_kho_add(unsigned long pfn)
{
}

static inline void hwpoison_kho_remove(unsigned long pfn, unsigned long nr)
{
}

static inline unsigned long hwpoison_kho_next(unsigned long pfn, unsigned long end)
{
	return end;
}

static inline void hwpoison_kho_reserve_scratch(phys_addr_t phys, size_t size,
						const struct kho_scratch *areas,
						unsigned int nr_areas)
{
}

static inline void hwpoison_kho_reserve(void)
{
}

#endif /* CONFIG_KEXEC_HANDOVER_HWPOISON */

#endif /* _LINUX_HWPOISON_KHO_H */
