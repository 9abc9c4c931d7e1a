// SPDX-License-Identifier: GPL-2.0
/*
 * Can the next kernel take over what this one holds?
 *
 * Each thing that is looked at has an answer of its own. One no makes it a no; without one,
 * what cannot be told makes it unknown.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmdline.h"
#include "image.h"
#include "luoctl.h"
#include "preflight.h"
#include "state.h"

#define SCRATCH	"/sys/kernel/debug/kho/out/scratch_len"

/* Also exit statuses, but for the last ones: they do not count for them */
enum answer { YES, NO, UNKNOWN, MODULE, LOST };

static const char *const answers[] = { "yes", "no", "unknown", "module", "lost" };

struct judge {
	const struct preflight *ask;
	struct image next;
	struct image running;
	struct json_object *view;
	struct json_object *formats;
	struct json_object *checks;
	struct json_object *lost;
	bool no;
	bool unknown;
	bool missing;		/* a format is not read */
	bool in_module;		/* one that is in a module here */
};

static void judge(struct judge *j, enum answer answer)
{
	j->no |= answer == NO;
	j->unknown |= answer == UNKNOWN;
}

/* @text is freed. */
static void add_check(struct judge *j, enum answer reply, char *text)
{
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "answer", json_object_new_string(answers[reply]));
	json_object_object_add(one, "what", json_object_new_string(text));
	json_object_array_add(j->checks, one);
	free(text);
	judge(j, reply);
}

#define check(j, reply, ...) do {				\
	char *text_;						\
								\
	if (asprintf(&text_, __VA_ARGS__) < 0)			\
		err(EXIT_UNKNOWN, "preflight");			\
	add_check(j, reply, text_);				\
} while (0)

/* Formats: what is in use, and who reads it */

static struct json_object *find_format(struct judge *j, unsigned int kind,
				       const char *compatible)
{
	for (size_t i = 0; i < json_length(j->formats); i++) {
		struct json_object *one = json_object_array_get_idx(j->formats, i);

		if (!strcmp(json_text(one, "kind"), kind_name(kind)) &&
		    !strcmp(json_text(one, "compatible"), compatible))
			return one;
	}
	return NULL;
}

/* Where nobody has looked, nobody can say no. */
static enum answer who_reads(struct judge *j, unsigned int kind, const char *compatible)
{
	const struct format *next = image_find(&j->next, kind, compatible);
	const struct format *here = image_find(&j->running, kind, compatible);

	if (next)
		return next->module ? MODULE : YES;
	j->missing = true;
	if (j->next.why || j->next.unread || j->next.foreign)
		return UNKNOWN;
	if (here && here->module && !j->ask->modules) {
		j->in_module = true;
		return UNKNOWN;
	}
	return NO;
}

static struct json_object *need(struct judge *j, unsigned int kind, const char *compatible)
{
	const struct format *found = image_find(&j->next, kind, compatible);
	struct json_object *one = find_format(j, kind, compatible);
	enum answer answer;

	if (one)
		return one;
	answer = who_reads(j, kind, compatible);
	one = json_object_new_object();
	json_object_object_add(one, "kind", json_object_new_string(kind_name(kind)));
	json_object_object_add(one, "compatible", json_object_new_string(compatible));
	json_object_object_add(one, "read", json_object_new_string(answers[answer]));
	json_object_object_add(one, "module", found && found->module ?
			       json_object_new_string(found->module) : NULL);
	json_object_object_add(one, "files", json_object_new_array());
	json_object_array_add(j->formats, one);
	judge(j, answer);
	return one;
}

static void need_file(struct judge *j, struct json_object *session, struct json_object *file)
{
	struct json_object *format = need(j, LIVEUPDATE_NOTE_FILE, json_text(file, "compatible"));
	struct json_object *one = json_object_new_object();

	json_object_object_add(one, "session", json_object_get(json_get(session, "name")));
	json_object_object_add(one, "token", json_object_get(json_get(file, "token")));
	json_object_array_add(json_get(format, "files"), one);
}

static void need_files(struct judge *j, struct json_object *session)
{
	struct json_object *files = json_get(session, "files");

	/* Something is being done to it just now, which cannot be waited for */
	if (!strcmp(json_text(session, "state"), "busy"))
		check(j, UNKNOWN, "session '%s' is busy, its files are unknown",
		      json_text(session, "name"));
	for (size_t i = 0; i < json_length(files); i++)
		need_file(j, session, json_object_array_get_idx(files, i));
}

/*
 * What systemd keeps for its services it preserves at the very end of this kernel: by then
 * any format could be needed that is written here.
 */
static void need_later(struct judge *j)
{
	struct json_object *handlers = json_get(j->view, "handlers"), *one;

	if (!systemd_runs() || j->next.why)
		return;
	for (size_t i = 0; i < json_length(handlers); i++) {
		one = json_object_array_get_idx(handlers, i);
		if (json_object_get_boolean(json_get(one, "writes")) &&
		    !image_find(&j->next, LIVEUPDATE_NOTE_FILE, json_text(one, "compatible")))
			check(j, UNKNOWN, "what systemd will preserve: %s is not read",
			      json_text(one, "compatible"));
	}
}

static void need_formats(struct judge *j)
{
	struct json_object *held = json_get(j->view, "next_kernel");
	struct json_object *sessions = json_get(held, "sessions"), *flbs = json_get(held, "flbs");

	for (size_t i = 0; i < j->running.nr; i++) {
		const struct format *format = &j->running.formats[i];

		if (!format->older && (format->kind == LIVEUPDATE_NOTE_STORE ||
				       format->kind == LIVEUPDATE_NOTE_CORE))
			need(j, format->kind, format->compatible);
	}
	for (size_t i = 0; i < json_length(sessions); i++)
		need_files(j, json_object_array_get_idx(sessions, i));
	for (size_t i = 0; i < json_length(flbs); i++) {
		struct json_object *flb = json_object_array_get_idx(flbs, i);

		if (!strcmp(json_text(flb, "state"), "preserved"))
			need(j, LIVEUPDATE_NOTE_FLB, json_text(flb, "compatible"));
	}
	need_later(j);
}

/* What has to be so besides */

static bool check_this_kernel(struct judge *j)
{
	if (!j->view) {
		check(j, NO, "this kernel was built without live update: nothing is handed over");
		return false;
	}
	if (!json_object_get_boolean(json_get(j->view, "enabled"))) {
		check(j, NO, "live update is off in this kernel: nothing is handed over");
		return false;
	}
	if (!json_get(j->view, "next_kernel"))
		check(j, UNKNOWN, "what this kernel preserves is visible to root only, in debugfs");
	if (j->running.why)
		check(j, UNKNOWN, "the running kernel: %s", j->running.why);
	return true;
}

static void check_image(struct judge *j)
{
	const struct image *next = &j->next;
	unsigned long page = sysconf(_SC_PAGESIZE);

	if (next->why)
		check(j, UNKNOWN, "%s: %s", j->ask->image, next->why);
	if (next->unread)
		check(j, UNKNOWN, "unreadable modules: %u", next->unread);
	if (next->foreign && j->missing)
		check(j, UNKNOWN, "modules for another kernel than %s: %u", next->release,
		      next->foreign);
	if (j->in_module)
		check(j, UNKNOWN, "it may have it in a module, as this kernel has: --modules");
	if (strcmp(next->machine, "unknown") && strcmp(next->machine, j->running.machine))
		check(j, NO, "it is for another architecture: %s", next->machine);
	else if (!strcmp(next->machine, "unknown") && !next->why)
		check(j, UNKNOWN, "it is for an unknown architecture");
	else if (next->has_boot && 1UL << (next->boot.page_shift & 31) != page)
		check(j, NO, "its page size differs: %lu KiB instead of %lu",
		      (1UL << (next->boot.page_shift & 31)) / 1024, page / 1024);
}

static void check_command_line(struct judge *j)
{
	const char *line = j->ask->command_line;
	bool always = cmdline_switch(line, "kho", false);
	bool never = !cmdline_switch(line, "kho", true);

	if (!line)
		check(j, UNKNOWN, "its command line is not known: no /proc/cmdline");
	else if (!cmdline_switch(line, "liveupdate", false))
		check(j, NO, "its command line does not switch live update on: liveupdate=on");
	else if (never || (!always && j->next.has_boot &&
			   !(j->next.boot.flags & LIVEUPDATE_NOTE_KHO_ON)))
		check(j, NO, "its command line does not switch Kexec HandOver on: kho=on");
	else if (always || j->next.has_boot)
		check(j, YES, "its command line switches live update on");
}

static void check_loaded(struct judge *j)
{
	struct json_object *image = json_get(j->view, "image");

	if (j->ask->loading)
		return;
	if (!image)
		check(j, UNKNOWN, "an image is being loaded or started");
	else if (!strcmp(json_text(j->view, "image"), "no-handover"))
		check(j, NO, "the loaded image gets no handover: load it with kexec -s");
}

/* Bytes of RAM, 0: not known */
static unsigned long long memory(void)
{
	char *map = read_file("/proc/iomem"), *at = map, *line;
	unsigned long long from, to, sum = 0;

	while (at && (line = strsep(&at, "\n")))
		if (*line != ' ' && strstr(line, " : System RAM") &&
		    sscanf(line, "%llx-%llx", &from, &to) == 2 && to)
			sum += to - from + 1;
	free(map);
	return sum;
}

/* Bytes of scratch memory, and of the largest piece; 0: not known */
static unsigned long long scratch(unsigned long long *largest)
{
	char *all = read_file(SCRATCH), *at = all, *line;
	unsigned long long sum = 0, one;

	*largest = 0;
	while (at && (line = strsep(&at, "\n"))) {
		one = strtoull(line, NULL, 16);
		sum += one;
		if (one > *largest)
			*largest = one;
	}
	free(all);
	return sum;
}

/*
 * The kernel, its initramfs and all that is allocated before the kernel has found out which
 * memory is preserved. This is what is known of it: it needs somewhat more.
 */
static void check_scratch(struct judge *j)
{
	unsigned long long largest, have = scratch(&largest), ram = memory(), want, initrd = 0;

	if (j->next.why)
		return;
	if (j->ask->initrd)
		close(open_file(j->ask->initrd, &initrd));
	if (!have || !ram || !j->next.has_boot) {
		check(j, UNKNOWN, "how much scratch memory it needs, or has: " SCRATCH);
		return;
	}
	want = j->next.init_size + initrd +
	       (ram >> (j->next.boot.page_shift & 31)) * j->next.boot.page_bytes;
	if (want > have || j->next.init_size > largest || initrd > largest)
		check(j, NO, "it needs %llu MiB of scratch memory, of %llu: see kho_scratch=",
		      want >> 20, have >> 20);
	else
		check(j, YES, "it needs %llu of the %llu MiB of scratch memory to start",
		      want >> 20, have >> 20);
}

/* Nothing of the previous kernel is handed on. */
static void name_lost(struct judge *j)
{
	struct json_object *last = json_get(j->view, "previous_kernel");
	struct json_object *sessions = json_get(last, "sessions"), *name;

	if (json_get(last, "sessions_error"))
		check(j, LOST, "sessions of the previous kernel, which are %s",
		      json_text(last, "sessions_error"));
	if (json_get(last, "flbs_error"))
		check(j, LOST, "FLBs of the previous kernel, which are %s",
		      json_text(last, "flbs_error"));

	for (size_t i = 0; i < json_length(sessions); i++) {
		name = json_get(json_object_array_get_idx(sessions, i), "name");
		json_object_array_add(j->lost, json_object_get(name));
	}
}

/* Is every file in it? What is opened and closed meanwhile can hide others. */
static bool view_is_whole(struct json_object *view)
{
	struct json_object *held = json_get(view, "next_kernel");
	struct json_object *sessions = json_get(held, "sessions"), *session;
	__u64 files = 0;

	for (size_t i = 0; i < json_length(sessions); i++) {
		session = json_object_array_get_idx(sessions, i);
		if (!strcmp(json_text(session, "state"), "busy"))
			return true;
		files += json_length(json_get(session, "files"));
	}
	return !held || files == json_object_get_uint64(json_get(held, "files_preserved"));
}

static void look(struct judge *j)
{
	for (int i = 0; i < 10; i++) {
		json_object_put(j->view);
		j->view = state_read();
		if (view_is_whole(j->view))
			return;
		usleep(10000);
	}
	check(j, UNKNOWN, "what this kernel preserves keeps changing");
}

static void judge_all(struct judge *j)
{
	look(j);
	if (check_this_kernel(j)) {
		need_formats(j);
		check_loaded(j);
		name_lost(j);
		check_scratch(j);
	}
	check_image(j);
	check_command_line(j);
}

int preflight(const struct preflight *ask, struct json_object **said)
{
	struct judge j = {
		.ask = ask,
		.formats = json_object_new_array(),
		.checks = json_object_new_array(),
		.lost = json_object_new_array(),
	};
	enum answer answer;

	image_read(&j.next, ask->image);
	if (ask->modules && !j.next.why && !image_read_modules(&j.next, ask->modules))
		err(EXIT_UNKNOWN, "%s", ask->modules);
	image_read_running(&j.running);
	judge_all(&j);
	answer = j.no ? NO : j.unknown ? UNKNOWN : YES;

	*said = json_object_new_object();
	json_object_object_add(*said, "image", json_object_new_string(ask->image));
	json_object_object_add(*said, "answer", json_object_new_string(answers[answer]));
	json_object_object_add(*said, "formats", j.formats);
	json_object_object_add(*said, "checks", j.checks);
	json_object_object_add(*said, "lost_sessions", j.lost);
	image_put(&j.next);
	image_put(&j.running);
	json_object_put(j.view);
	return answer;
}
