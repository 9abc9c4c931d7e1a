/* SPDX-License-Identifier: GPL-2.0 */
/* Which kernel is loaded? The kernel that runs shows no more than its SHA-256. */
#ifndef LOADED_H
#define LOADED_H

#include "preflight.h"

/* @ask as it was said, before preflight_complete(), of the image that was just loaded */
void loaded_write(const struct preflight *ask);

/*
 * Fill in what luoctl kexec has noted, or the boot loader's default entry, which is what systemctl
 * loads: whichever of them is loaded. The path of the image, or NULL: it is neither.
 */
const char *loaded_find(struct preflight *ask);

/* Unload it: what was loaded is not to be started by the next who reboots. */
void loaded_drop(void);

#endif /* LOADED_H */
