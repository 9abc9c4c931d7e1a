// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says in /sys/kernel/liveupdate and debugfs liveupdate/, as JSON. The
 * schema is in luoctl(8).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "luoctl.h"
#include "state.h"

#define STATUS	"/sys/kernel/liveupdate/"
#define DETAILS	"/sys/kernel/debug/liveupdate/"

static struct json_object *number(const char *text)
{
	return json_object_new_uint64(strtoull(text, NULL, 10));
}

static void add(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

/* The file's one line; NULL if there is none */
static char *status(const char *name)
{
	char path[64], *text;

	snprintf(path, sizeof(path), STATUS "%s", name);
	text = read_file(path);
	if (text)
		text[strcspn(text, "\n")] = 0;
	return text;
}

static void add_status(struct json_object *view, const char *name)
{
	char *text = status(name);

	json_object_object_add(view, name, text ? json_object_new_string(text) : NULL);
	free(text);
}

/* A file of debugfs, to be freed; NULL without root or debugfs */
static char *read_details(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), DETAILS "%s", name);
	return read_file(path);
}

/* Lines of a string and of what the kernel does with it; NULL without root or debugfs */
static struct json_object *formats(const char *name)
{
	char *text = read_details(name), *at = text, *line;
	struct json_object *list, *one;

	if (!text)
		return NULL;
	list = json_object_new_array();
	while ((line = strsep(&at, "\n"))) {
		size_t len = strcspn(line, " ");

		if (!len)
			continue;
		one = json_object_new_object();
		json_object_object_add(one, "compatible", json_object_new_string_len(line, len));
		json_object_object_add(one, "writes",
				       json_object_new_boolean(!!strstr(line + len, "write")));
		json_object_array_add(list, one);
	}
	free(text);
	return list;
}

/* "A: B" is cut in two; a name may have a colon in it, what comes after has none */
static char *cut(char *line)
{
	char *colon = NULL;

	for (char *at = line; (at = strstr(at, ": ")); at++)
		colon = at;
	if (!colon)
		return NULL;
	*colon = 0;
	return colon + 2;
}

struct reader {
	struct json_object *all;
	struct json_object *sessions;
	struct json_object *flbs;
	struct json_object *files;	/* of the session that was read last */
};

static void read_session(struct reader *r, char *line)
{
	struct json_object *session = json_object_new_object();
	char *state = cut(line);

	add(session, "name", unescape(line));
	add(session, "state", state ?: "");
	r->files = json_object_new_array();
	json_object_object_add(session, "files", r->files);
	json_object_array_add(r->sessions, session);
}

static void read_token(struct reader *r, char *line)
{
	struct json_object *file = json_object_new_object();
	char *colon = strstr(line, ": "), *comma;

	if (!colon || !r->files) {
		json_object_put(file);
		return;
	}
	*colon = 0;
	colon += 2;
	comma = strstr(colon, ", ");
	if (comma)
		*comma = 0;
	add(file, "token", line);
	add(file, "compatible", colon);
	add(file, "state", comma ? comma + 2 : "");
	json_object_array_add(r->files, file);
}

static void read_flb(struct reader *r, char *line)
{
	struct json_object *flb = json_object_new_object();
	char *state = cut(line), *comma = state ? strchr(state, ',') : NULL;

	add(flb, "compatible", line);
	json_object_object_add(flb, "files", comma ? number(comma + 1) : NULL);
	if (comma)
		*comma = 0;
	add(flb, "state", state ?: "");
	json_object_array_add(r->flbs, flb);
}

static void read_line(struct reader *r, char *line)
{
	if (!strncmp(line, "session ", 8)) {
		read_session(r, line + 8);
	} else if (!strncmp(line, "  token ", 8)) {
		read_token(r, line + 8);
	} else if (!strncmp(line, "last refusal: ", 14)) {
		if (strcmp(line + 14, "none"))
			add(r->all, "last_refusal", line + 14);
	} else if (!strncmp(line, "files preserved: ", 17)) {
		json_object_object_add(r->all, "files_preserved", number(line + 17));
	} else if (!strncmp(line, "bytes preserved: ", 17)) {
		json_object_object_add(r->all, "bytes_preserved", number(line + 17));
	} else if (!strncmp(line, "sessions: ", 10)) {
		add(r->all, "sessions_error", line + 10);
	} else if (!strncmp(line, "FLBs: ", 6)) {
		add(r->all, "flbs_error", line + 6);
	}
}

static void read_lines(struct reader *r, char *text,
		       void (*read)(struct reader *r, char *line))
{
	char *at = text, *line;

	while (at && (line = strsep(&at, "\n")))
		if (*line)
			read(r, line);
	free(text);
}

/* NULL without root or debugfs */
static struct json_object *details(const char *sessions, const char *flbs)
{
	char *text = read_details(sessions);
	struct reader r = { };

	if (!text)
		return NULL;
	r.all = json_object_new_object();
	r.sessions = json_object_new_array();
	r.flbs = json_object_new_array();
	json_object_object_add(r.all, "sessions", r.sessions);
	json_object_object_add(r.all, "flbs", r.flbs);
	read_lines(&r, text, read_line);
	read_lines(&r, read_details(flbs), read_flb);
	return r.all;
}

struct json_object *state_read(void)
{
	struct json_object *view, *last;
	char *enabled = status("enabled"), *updates = status("number");

	if (!enabled)
		return NULL;
	/* First: the kernel validates sessions for that, and "incoming" says how it went. */
	last = details("incoming", "incoming_flbs");
	view = json_object_new_object();
	json_object_object_add(view, "enabled", json_object_new_boolean(*enabled == '1'));
	json_object_object_add(view, "number", number(updates ?: "0"));
	add_status(view, "incoming");
	add_status(view, "image");
	json_object_object_add(view, "handlers", formats("handlers"));
	json_object_object_add(view, "flbs", formats("flbs"));
	json_object_object_add(view, "next_kernel", details("outgoing", "outgoing_flbs"));
	json_object_object_add(view, "previous_kernel", last);
	json_object_object_add(view, "last_update", timeline_read());
	free(enabled);
	free(updates);
	return view;
}
