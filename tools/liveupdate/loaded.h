/* SPDX-License-Identifier: GPL-2.0 */
/* Which kernel is loaded? The running kernel shows its SHA-256 and its command line. */
#ifndef LOADED_H
#define LOADED_H

#include "preflight.h"

/* @ask: of the image that was just loaded, before preflight_complete() */
void loaded_write(const struct preflight *ask);

/*
 * Returns the path of the image, and fills in @ask: as luoctl kexec has noted it, or from the boot
 * loader's default entry, which systemctl loads. NULL: another image is loaded, or none.
 */
const char *loaded_find(struct preflight *ask);

/* Unload the image: the next reboot is not to start it. */
void loaded_drop(void);

#endif /* LOADED_H */
