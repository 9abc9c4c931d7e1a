// SPDX-License-Identifier: GPL-2.0
/*
 * The list of bad pages as it is handed over: what makes one valid. Pure code, which runs in
 * early boot, and in user space under tools/testing/liveupdate.
 */
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <asm/page.h>

#include "hwpoison_kho.h"

/* No physical address has more bits. */
#define PHYS_BITS	52

static u32 ser_crc(const struct hwpoison_ser *ser)
{
	return crc32c(~0, &ser->page_shift,
		      sizeof(*ser) - sizeof(ser->crc) + ser->nr * sizeof(ser->pfns[0]));
}

/* @ser is complete, but for what is the same in each. */
void hwpoison_ser_seal(struct hwpoison_ser *ser)
{
	ser->page_shift = PAGE_SHIFT;
	ser->crc = ser_crc(ser);
}

/* To be asked before anything is mapped and read. */
bool hwpoison_ser_size_valid(size_t size)
{
	return size > sizeof(struct hwpoison_ser) && size % sizeof(u64) == 0 &&
	       (size - sizeof(struct hwpoison_ser)) / sizeof(u64) <= HWPOISON_MAX_PAGES;
}

/*
 * Checks @ser, of @size bytes, a valid size. Returns 0, -EUCLEAN if it is damaged,
 * -EPROTONOSUPPORT if it is of a kernel with another page size.
 */
int hwpoison_ser_check(const struct hwpoison_ser *ser, size_t size)
{
	if (ser->nr != (size - sizeof(*ser)) / sizeof(ser->pfns[0]) || ser->crc != ser_crc(ser))
		return -EUCLEAN;
	if (ser->page_shift != PAGE_SHIFT)
		return -EPROTONOSUPPORT;

	for (u64 i = 0; i < ser->nr; i++) {
		if (ser->pfns[i] >> (PHYS_BITS - PAGE_SHIFT) ||
		    (i && ser->pfns[i] <= ser->pfns[i - 1]))
			return -EUCLEAN;
	}
	return 0;
}
