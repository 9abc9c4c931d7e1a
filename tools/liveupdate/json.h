/* SPDX-License-Identifier: GPL-2.0 */
#ifndef JSON_H
#define JSON_H

#include <json-c/json.h>

/* Members of objects: NULL, "", and of no array 0 */
struct json_object *json_get(struct json_object *from, const char *key);
const char *json_text(struct json_object *from, const char *key);
size_t json_length(struct json_object *array);

/* Of any bytes, such as a path, see escape() */
struct json_object *json_bytes(const char *bytes);

/* With the versions of the tool and of the kernel that runs */
void print_json(struct json_object *json);

#endif /* JSON_H */
