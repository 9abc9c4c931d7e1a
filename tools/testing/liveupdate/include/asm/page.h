/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_SEAM_PAGE_H
#define _LUO_SEAM_PAGE_H

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096UL

#endif /* _LUO_SEAM_PAGE_H */
