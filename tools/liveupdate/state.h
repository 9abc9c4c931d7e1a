/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STATE_H
#define STATE_H

#include "json.h"

/* What the kernel shows, to be put; NULL: it was built without live update */
struct json_object *state_read(void);

/* The output of luoctl timeline --json, to be put; NULL: it cannot be read */
struct json_object *timeline_read(void);

#endif /* STATE_H */
