// SPDX-License-Identifier: GPL-2.0
/* CRC-32C as the kernel's crc32c() counts it: no inversion at either end */
#include <linux/crc32c.h>

u32 crc32c(u32 crc, const void *p, size_t len)
{
	static u32 table[256];
	const u8 *byte = p;
	unsigned int i, bit;

	for (i = 0; !table[255] && i < 256; i++) {
		u32 rest = i;

		for (bit = 0; bit < 8; bit++)
			rest = rest >> 1 ^ (rest & 1 ? 0x82f63b78 : 0);
		table[i] = rest;
	}

	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *byte++) & 0xff];
	return crc;
}
