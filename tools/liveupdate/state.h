/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>

#include "json.h"

/* What the kernel shows, to be put */
struct json_object *state_read(void);

/*
 * Is live update "on" or "off" in the kernel, or built in at all: "none"? "basic": it is on, but
 * the kernel has no LIVEUPDATE_IOCTL_GET_INFO, as the mainline one.
 */
bool state_is(struct json_object *view, const char *support);

/* The errno of its "error", 0 if that is null */
int error_of(struct json_object *from);

/* The output of luoctl timeline --json, to be put; NULL: it cannot be read from the device */
struct json_object *timeline_read(int dev);

#endif /* STATE_H */
