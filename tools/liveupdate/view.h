/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIEW_H
#define VIEW_H

#include <json-c/json.h>

/* All that the kernel says, to be put; NULL: it was built without live update */
struct json_object *view_read(void);

/* What luoctl timeline --json says, to be put; NULL: it cannot be read */
struct json_object *timeline_read(void);

/* Members of objects: NULL, "", and of no array 0 */
struct json_object *json_get(struct json_object *from, const char *key);
const char *json_text(struct json_object *from, const char *key);
size_t json_length(struct json_object *array);

void print_json(struct json_object *json);

#endif /* VIEW_H */
