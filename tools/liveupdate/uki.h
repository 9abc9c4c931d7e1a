/* SPDX-License-Identifier: GPL-2.0 */
#ifndef UKI_H
#define UKI_H

#include <stdbool.h>

/**
 * struct uki - the parts of a unified kernel image
 * @kernel: path of the kernel
 * @initrd: path of the initramfs; NULL: it has none
 * @command_line: NULL: it has none
 */
struct uki {
	char *kernel;
	char *initrd;
	char *command_line;
};

/* False: it is another kind of file, or cannot be read. Exits if it is cut off. */
bool uki_open(const char *path, struct uki *uki);

#endif /* UKI_H */
