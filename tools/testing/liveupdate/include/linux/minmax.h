/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LUO_SEAM_MINMAX_H
#define _LUO_SEAM_MINMAX_H

#define min(x, y) ({			\
	__auto_type __min_x = (x);	\
	__auto_type __min_y = (y);	\
	__min_x < __min_y ? __min_x : __min_y; })

#endif /* _LUO_SEAM_MINMAX_H */
