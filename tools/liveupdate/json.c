// SPDX-License-Identifier: GPL-2.0
/* luoctl: members of JSON objects */
#include <stdio.h>

#include "json.h"

struct json_object *json_get(struct json_object *from, const char *key)
{
	return json_object_object_get(from, key);
}

const char *json_text(struct json_object *from, const char *key)
{
	return json_object_get_string(json_get(from, key)) ?: "";
}

size_t json_length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

void print_json(struct json_object *json)
{
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
}
