/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the allocator as the readers of memfds need, from the C library. */
#ifndef _LUO_USER_SLAB_H
#define _LUO_USER_SLAB_H

#include <stdlib.h>

#define kzalloc_obj(obj, ...)	calloc(1, sizeof(obj))
#define kfree(p)		free(p)

#endif /* _LUO_USER_SLAB_H */
