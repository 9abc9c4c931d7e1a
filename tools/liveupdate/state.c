// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says in /sys/kernel/liveupdate, and to who asks /dev/liveupdate, as JSON.
 * The schema is luoctl.schema.json.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luoctl.h"
#include "state.h"

#define STATUS	"/sys/kernel/liveupdate/"

static void add(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

/* Bytes of the previous kernel, or of any program: as text that is valid whatever they are */
static void add_bytes(struct json_object *to, const char *key, const __u8 *bytes, size_t size)
{
	char *text = escape((const char *)bytes, size);

	add(to, key, text);
	free(text);
}

/* What has no name is a number that error_of() reads. */
static const char *error_name(int err)
{
	static char number[16];

	snprintf(number, sizeof(number), "E%d", -err);
	return luo_errno_name(err) ?: number;
}

int error_of(struct json_object *from)
{
	const char *name = json_text(from, "error");

	if (*name && name[strspn(name, "E0123456789")] == 0 && name[1])
		return -atoi(name + 1);
	return *name ? luo_errno(name) : 0;
}

static void add_error(struct json_object *to, int err)
{
	add(to, "error", err ? error_name(err) : NULL);
}

/* The file's one line; NULL if there is none */
static char *status(const char *name)
{
	char path[128], *text;

	snprintf(path, sizeof(path), STATUS "%s", name);
	text = read_file(path);
	if (text)
		text[strcspn(text, "\n")] = 0;
	return text;
}

static void add_status(struct json_object *view, const char *name)
{
	char *text = status(name);

	add(view, name, text);
	free(text);
}

static const char *state_name(__u32 state)
{
	static const char *const names[] = {
		[LIVEUPDATE_STATE_BUSY] = "busy",
		[LIVEUPDATE_STATE_OPEN] = "open",
		[LIVEUPDATE_STATE_FROZEN] = "frozen",
		[LIVEUPDATE_STATE_WAITING] = "waiting",
		[LIVEUPDATE_STATE_PRESERVED] = "preserved",
		[LIVEUPDATE_STATE_UNTRIED] = "untried",
		[LIVEUPDATE_STATE_RETRIEVING] = "retrieving",
		[LIVEUPDATE_STATE_RETRIEVED] = "retrieved",
		[LIVEUPDATE_STATE_FAILED] = "failed",
		[LIVEUPDATE_STATE_FINISHED] = "finished",
	};

	if (state >= sizeof(names) / sizeof(*names) || !names[state])
		return "unknown";
	return names[state];
}

/* A word for what is wrong with all of it; NULL: nothing */
static const char *error_word(int err)
{
	switch (err) {
	case 0:
		return NULL;
	case -EPROTONOSUPPORT:
		return "incompatible";
	case -EUCLEAN:
		return "damaged";
	default:
		return error_name(err);
	}
}

struct reader {
	struct json_object *sessions;
	struct json_object *flbs;
	struct json_object *session;	/* the one that was read last */
};

/* The program that the kernel knows may have passed it on and ended. */
static void add_holder(struct json_object *to, const struct liveupdate_list_entry *entry)
{
	pid_t pid = entry->pid ?: find_holder((const char *)entry->name);
	char *program = pid ? program_name(pid) : NULL;

	json_object_object_add(to, "pid", pid ? json_object_new_int(pid) : NULL);
	add(to, "program", program);
	free(program);
}

static void read_session(struct reader *r, const struct liveupdate_list_entry *entry)
{
	struct json_object *session = json_object_new_object();

	/* Listed again, as busy: a call has begun, and its files are not known any more. */
	if (r->session && entry->state == LIVEUPDATE_STATE_BUSY) {
		char *name = escape((const char *)entry->name, sizeof(entry->name));
		bool again = !strcmp(name, json_text(r->session, "name"));

		free(name);
		if (again) {
			add(r->session, "state", "busy");
			json_object_put(session);
			return;
		}
	}
	add_bytes(session, "name", entry->name, sizeof(entry->name));
	add(session, "state", state_name(entry->state));
	add_error(session, entry->err);
	if (entry->state == LIVEUPDATE_STATE_WAITING) {
		add(session, "pid", NULL);
		add(session, "program", NULL);
	} else {
		add_holder(session, entry);
	}
	json_object_object_add(session, "files", json_object_new_array());
	json_object_array_add(r->sessions, session);
	r->session = session;
}

static void read_file_entry(struct reader *r, const struct liveupdate_list_entry *entry)
{
	struct json_object *file = json_object_new_object();
	char token[24];

	snprintf(token, sizeof(token), "%llu", (unsigned long long)entry->token);
	add(file, "token", token);
	add_bytes(file, "compatible", entry->compatible, sizeof(entry->compatible));
	add(file, "state", state_name(entry->state));
	add_error(file, entry->err);
	json_object_array_add(json_get(r->session, "files"), file);
}

static void read_flb(struct reader *r, const struct liveupdate_list_entry *entry)
{
	struct json_object *flb = json_object_new_object();

	add_bytes(flb, "compatible", entry->compatible, sizeof(entry->compatible));
	add(flb, "state", state_name(entry->state));
	add_error(flb, entry->err);
	json_object_object_add(flb, "files", json_object_new_uint64(entry->token));
	json_object_array_add(r->flbs, flb);
}

static int read_entry(const struct liveupdate_list_entry *entry, void *arg)
{
	struct reader *r = arg;

	if (entry->kind == LIVEUPDATE_ENTRY_SESSION)
		read_session(r, entry);
	else if (entry->kind == LIVEUPDATE_ENTRY_FILE && r->session)
		read_file_entry(r, entry);
	else if (entry->kind == LIVEUPDATE_ENTRY_FLB)
		read_flb(r, entry);
	return 0;
}

/* One side; NULL and *@err if it cannot be listed */
static struct json_object *read_side(int dev, __u32 what, __u64 bytes, int *err)
{
	int ret;

	struct json_object *side = json_object_new_object();
	struct reader r = {
		.sessions = json_object_new_array(), .flbs = json_object_new_array(),
	};

	json_object_object_add(side, "sessions", r.sessions);
	json_object_object_add(side, "flbs", r.flbs);
	json_object_object_add(side, "bytes_preserved", json_object_new_uint64(bytes));
	ret = luo_list(dev, what, read_entry, &r);
	if (!ret)
		return side;
	*err = ret;
	json_object_put(side);
	return NULL;
}

static struct json_object *last_refusal(const struct liveupdate_ioctl_get_info *info)
{
	struct json_object *last;
	char token[24];

	if (!info->refusal)
		return NULL;
	last = json_object_new_object();
	add_error(last, info->refusal);
	snprintf(token, sizeof(token), "%llu", (unsigned long long)info->refusal_token);
	add(last, "token", info->refusal_session[0] ? token : NULL);
	add_bytes(last, "compatible", info->refusal_compatible, sizeof(info->refusal_compatible));
	add_bytes(last, "session", info->refusal_session, sizeof(info->refusal_session));
	return last;
}

static int read_format(const struct liveupdate_list_entry *entry, void *arg)
{
	struct json_object **lists = arg, *one = json_object_new_object();
	bool writes = !(entry->flags & LIVEUPDATE_ENTRY_OLDER);

	add_bytes(one, "compatible", entry->compatible, sizeof(entry->compatible));
	json_object_object_add(one, "writes", json_object_new_boolean(writes));
	json_object_array_add(lists[entry->kind == LIVEUPDATE_ENTRY_FLB], one);
	return 0;
}

/* 0 or an errno: then there is no telling what this kernel may write yet. */
static int add_formats(struct json_object *view, int dev)
{
	struct json_object *lists[] = { json_object_new_array(), json_object_new_array() };

	int err = luo_list(dev, LIVEUPDATE_LIST_FORMATS, read_format, lists);

	json_object_object_add(view, "handlers", lists[0]);
	json_object_object_add(view, "flbs", lists[1]);
	return err;
}

/* In bytes; negative if this kernel does not tell, or not this user */
static long long scratch_number(const char *name)
{
	char path[128], *text;
	long long bytes;

	snprintf(path, sizeof(path), "scratch/%s", name);
	text = status(path);
	bytes = text ? atoll(text) : -1;
	free(text);
	return bytes;
}

static long long scratch_free(void)
{
	long long sum = -1, bytes;
	char name[32];

	for (unsigned int area = 0;; area++) {
		snprintf(name, sizeof(name), "%u/free", area);
		bytes = scratch_number(name);
		if (bytes < 0)
			return sum;
		sum = (sum < 0 ? 0 : sum) + bytes;
	}
}

static void add_number(struct json_object *to, const char *key, long long number)
{
	json_object_object_add(to, key, number < 0 ? NULL : json_object_new_int64(number));
}

static void add_scratch(struct json_object *view, const struct liveupdate_ioctl_get_info *info)
{
	struct json_object *scratch = json_object_new_object();

	json_object_object_add(scratch, "bytes", json_object_new_uint64(info->scratch_bytes));
	json_object_object_add(scratch, "largest", json_object_new_uint64(info->scratch_largest));
	add_number(scratch, "free", scratch_free());
	add_number(scratch, "needed", scratch_number("needed"));
	add_number(scratch, "found", scratch_number("found"));
	json_object_object_add(view, "scratch", scratch);
}

/* Returns 0, or the errno for a side that is missing. */
static int add_sides(struct json_object *view, int dev,
		     const struct liveupdate_ioctl_get_info *info)
{
	struct json_object *next, *previous;
	int err = 0;

	previous = read_side(dev, LIVEUPDATE_LIST_INCOMING, info->incoming_bytes, &err);
	next = read_side(dev, LIVEUPDATE_LIST_OUTGOING, info->outgoing_bytes, &err);
	if (previous) {
		add(previous, "sessions_error", error_word(info->sessions_err));
		add(previous, "flbs_error", error_word(info->flbs_err));
	}
	if (next) {
		json_object_object_add(next, "files_preserved",
				       json_object_new_uint64(info->files));
		json_object_object_add(next, "last_refusal", last_refusal(info));
	}
	json_object_object_add(view, "next_kernel", next);
	json_object_object_add(view, "previous_kernel", previous);
	return err;
}

/* What only the device says; all of it is null where it does not, or not to this user. */
static void add_details(struct json_object *view)
{
	static const char *const keys[] = {
		"handlers", "flbs", "scratch", "next_kernel", "previous_kernel", "last_update",
	};
	struct liveupdate_ioctl_get_info info;
	/* A kernel that answers no queries would take it for the one opener. */
	int dev = has_queries() ? luo_open_query() : -ENOTTY, err;

	err = dev < 0 ? dev : luo_get_info(dev, &info);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		add(view, keys[i], NULL);
	add(view, "details", err ? error_name(err) : "yes");
	if (!err) {
		add_scratch(view, &info);
		err = add_sides(view, dev, &info);
		err = add_formats(view, dev) ?: err;
		add(view, "details", err ? error_name(err) : "yes");
		json_object_object_add(view, "last_update", timeline_read(dev));
	}
	if (dev >= 0)
		close(dev);
}

static const char *support(const char *enabled)
{
	if (!enabled)
		return access(LUO_DEVICE, F_OK) ? "none" : "basic";
	return *enabled == '1' ? "on" : "off";
}

struct json_object *state_read(void)
{
	struct json_object *view = json_object_new_object();
	char *enabled = status("enabled"), *number = status("number");
	const char *how = support(enabled);

	add(view, "live_update", how);
	json_object_object_add(view, "enabled",
			       json_object_new_boolean(!strcmp(how, "on") ||
						       !strcmp(how, "basic")));
	json_object_object_add(view, "number", number ?
			       json_object_new_uint64(strtoull(number, NULL, 10)) : NULL);
	/* First: the kernel validates sessions for that, and "incoming" says how it went. */
	add_details(view);
	add_status(view, "incoming");
	add_status(view, "incoming_version");
	add_status(view, "image");
	free(enabled);
	free(number);
	return view;
}

bool state_is(struct json_object *view, const char *support)
{
	return !strcmp(json_text(view, "live_update"), support);
}
