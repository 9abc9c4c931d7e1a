/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libc's, and what the kernel has on top. Not the one of tools/include, whose strscpy()
 * knows no bounds.
 */
#ifndef _LUO_SEAM_STRING_H
#define _LUO_SEAM_STRING_H

#include <string.h>

static inline void strscpy_pad_room(char *to, const char *from, size_t room)
{
	memset(to, 0, room);
	while (*from && --room)
		*to++ = *from++;
}

/* Into an array, which it fills: string, terminator, zeroes */
#define strscpy_pad(array, string)	strscpy_pad_room(array, string, sizeof(array))

#endif /* _LUO_SEAM_STRING_H */
