/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_SEAM_CRC32C_H
#define _LUO_SEAM_CRC32C_H

#include <linux/types.h>

u32 crc32c(u32 crc, const void *p, size_t len);

#endif /* _LUO_SEAM_CRC32C_H */
