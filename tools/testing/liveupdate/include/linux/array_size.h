/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_SEAM_ARRAY_SIZE_H
#define _LUO_SEAM_ARRAY_SIZE_H

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#endif /* _LUO_SEAM_ARRAY_SIZE_H */
