/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HWPOISON_KHO_H
#define _HWPOISON_KHO_H

#include <linux/kho/abi/hwpoison.h>
#include <linux/types.h>

void hwpoison_ser_seal(struct hwpoison_ser *ser);
bool hwpoison_ser_size_valid(size_t size);
int hwpoison_ser_check(const struct hwpoison_ser *ser, size_t size);

#endif /* _HWPOISON_KHO_H */
