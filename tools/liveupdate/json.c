// SPDX-License-Identifier: GPL-2.0
/* luoctl: members of JSON objects */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "json.h"
#include "luoctl.h"

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
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

struct json_object *json_bytes(const char *bytes)
{
	char *text = escape(bytes, strlen(bytes));
	struct json_object *json = json_object_new_string(text);

	free(text);
	return json;
}

void print_json(struct json_object *json)
{
	struct utsname uts;

	uname(&uts);
	json_object_object_add(json, "luoctl", json_object_new_string(LUOCTL_VERSION));
	json_object_object_add(json, "kernel", json_object_new_string(uts.release));
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
}
