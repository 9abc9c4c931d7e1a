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
#include "memory.h"
#include "preflight.h"
#include "state.h"

/* Also exit statuses, but for the last ones: they do not count for them */
enum answer { YES, NO, UNKNOWN, MODULE, FORCED };

static const char *const answers[] = { "yes", "no", "unknown", "module", "forced" };

/* What is looked at. The names are for --force, and for programs: they stay. */
enum check {
	THIS_KERNEL, DETAILS, BUSY, FORMATS, LATER, IMAGE, MODULES, MACHINE, PAGE_SIZE,
	COMMAND_LINE, LOADED_IMAGE, SCRATCH, ROOM, BAD_MEMORY, INITRD, UNFINISHED,
};

static const char *const checks[] = {
	[THIS_KERNEL] = "this-kernel",
	[DETAILS] = "details",
	[BUSY] = "busy",
	[FORMATS] = "formats",
	[LATER] = "later",
	[IMAGE] = "image",
	[MODULES] = "modules",
	[MACHINE] = "machine",
	[PAGE_SIZE] = "page-size",
	[COMMAND_LINE] = "command-line",
	[LOADED_IMAGE] = "loaded-image",
	[SCRATCH] = "scratch",
	[ROOM] = "room",
	[BAD_MEMORY] = "bad-memory",
	[INITRD] = "initrd",
	[UNFINISHED] = "unfinished",
};

bool preflight_knows(const char *id)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		if (!strcmp(checks[i], id))
			return true;
	return false;
}

static bool is_one_of(const struct words *words, const char *word)
{
	for (unsigned int i = 0; i < words->nr; i++)
		if (!strcmp(words->word[i], word))
			return true;
	return false;
}

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

/* What was forced is said all the same, and does not count. */
static enum answer judge(struct judge *j, enum check id, enum answer answer)
{
	if ((answer == NO || answer == UNKNOWN) && is_one_of(&j->ask->force, checks[id]))
		return FORCED;
	j->no |= answer == NO;
	j->unknown |= answer == UNKNOWN;
	return answer;
}

/* @text is freed. */
static void add_check(struct judge *j, enum check id, enum answer reply, char *text)
{
	struct json_object *one = json_object_new_object();

	reply = judge(j, id, reply);
	json_object_object_add(one, "id", json_object_new_string(checks[id]));
	json_object_object_add(one, "answer", json_object_new_string(answers[reply]));
	json_object_object_add(one, "what", json_object_new_string(text));
	json_object_array_add(j->checks, one);
	free(text);
}

#define check(j, id, reply, ...) do {				\
	char *text_;						\
								\
	if (asprintf(&text_, __VA_ARGS__) < 0)			\
		err(EXIT_UNKNOWN, "preflight");			\
	add_check(j, id, reply, text_);				\
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
	answer = judge(j, FORMATS, who_reads(j, kind, compatible));
	one = json_object_new_object();
	json_object_object_add(one, "kind", json_object_new_string(kind_name(kind)));
	json_object_object_add(one, "compatible", json_object_new_string(compatible));
	json_object_object_add(one, "read", json_object_new_string(answers[answer]));
	json_object_object_add(one, "module", found && found->module ?
			       json_object_new_string(found->module) : NULL);
	json_object_object_add(one, "files", json_object_new_array());
	json_object_array_add(j->formats, one);
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
		check(j, BUSY, UNKNOWN, "session '%s' is busy, its files are unknown",
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
			check(j, LATER, UNKNOWN, "what systemd will preserve: %s is not read",
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
	if (state_is(j->view, "none") || state_is(j->view, "off")) {
		check(j, THIS_KERNEL, NO, "nothing is handed over: %s", why_off());
		return false;
	}
	if (strcmp(json_text(j->view, "details"), "yes"))
		check(j, DETAILS, UNKNOWN, "what this kernel preserves cannot be read: %s",
		      state_is(j->view, "basic") ? NO_QUERY : json_text(j->view, "details"));
	if (j->running.why)
		check(j, DETAILS, UNKNOWN, "the running kernel: %s", j->running.why);
	return true;
}

static void check_image(struct judge *j)
{
	const struct image *next = &j->next;
	unsigned long page = sysconf(_SC_PAGESIZE);

	if (next->why)
		check(j, IMAGE, UNKNOWN, "the image: %s", next->why);
	if (next->unread)
		check(j, MODULES, UNKNOWN, "unreadable modules: %u", next->unread);
	if (next->foreign && j->missing)
		check(j, MODULES, UNKNOWN, "modules for another kernel than %s: %u", next->release,
		      next->foreign);
	if (j->in_module)
		check(j, MODULES, UNKNOWN,
		      "it may have it in a module, as this kernel has: --modules");
	if (strcmp(next->machine, "unknown") && strcmp(next->machine, j->running.machine))
		check(j, MACHINE, NO, "it is for another architecture: %s", next->machine);
	else if (!strcmp(next->machine, "unknown") && !next->why)
		check(j, MACHINE, UNKNOWN, "it is for an unknown architecture");
	else if (next->has_boot && 1UL << (next->boot.page_shift & 31) != page)
		check(j, PAGE_SIZE, NO, "its page size differs: %lu KiB instead of %lu",
		      (1UL << (next->boot.page_shift & 31)) / 1024, page / 1024);
}

static void check_command_line(struct judge *j)
{
	const char *line = j->ask->command_line;
	bool always = cmdline_switch(line, "kho", false);
	bool never = !cmdline_switch(line, "kho", true);

	if (!line)
		check(j, COMMAND_LINE, UNKNOWN, "its command line is not known: no /proc/cmdline");
	else if (!cmdline_switch(line, "liveupdate", false))
		check(j, COMMAND_LINE, NO,
		      "its command line does not switch live update on: liveupdate=on");
	else if (never || (!always && j->next.has_boot &&
			   !(j->next.boot.flags & LIVEUPDATE_NOTE_KHO_ON)))
		check(j, COMMAND_LINE, NO,
		      "its command line does not switch Kexec HandOver on: kho=on");
	else if (always || j->next.has_boot)
		check(j, COMMAND_LINE, YES, "its command line switches live update on");
}

/* The next kernel would find what is handed over missing, or its scratch, and die. */
static void check_limits(struct judge *j)
{
	char *limit = j->ask->command_line ? cmdline_new_limit(j->ask->command_line) : NULL;

	if (limit)
		check(j, COMMAND_LINE, NO,
		      "its command line takes memory away that this kernel has: %s", limit);
	free(limit);
}

static void check_loaded(struct judge *j)
{
	struct json_object *image = json_get(j->view, "image");

	if (j->ask->loading)
		return;
	if (!image)
		check(j, LOADED_IMAGE, UNKNOWN, "an image is being loaded or started");
	else if (!strcmp(json_text(j->view, "image"), "no-handover"))
		check(j, LOADED_IMAGE, NO,
		      "the loaded image gets no handover: load it with kexec -s");
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

/* Whether kexec of this kernel loads an initramfs elsewhere if scratch has no room for it */
static bool initrd_elsewhere(struct judge *j)
{
	return json_get(json_get(j->view, "scratch"), "free");
}

/*
 * The kernel, its initramfs and all that is allocated before the kernel has found out which
 * memory is preserved. This is what is known of it: it needs somewhat more.
 */
static void check_scratch(struct judge *j)
{
	struct json_object *scratch = json_get(j->view, "scratch");
	unsigned long long have = json_object_get_uint64(json_get(scratch, "bytes"));
	unsigned long long largest = json_object_get_uint64(json_get(scratch, "largest"));
	unsigned long long ram = memory(), want, initrd = 0;

	if (j->next.why)
		return;
	if (j->ask->initrd)
		close(open_file(j->ask->initrd, &initrd));
	if (initrd_elsewhere(j))
		initrd = 0;
	if (!have || !ram || !j->next.has_boot) {
		check(j, SCRATCH, UNKNOWN, "how much scratch memory it needs, or has");
		return;
	}
	want = j->next.init_size + initrd +
	       (ram >> (j->next.boot.page_shift & 31)) * j->next.boot.page_bytes;
	if (want > have || j->next.init_size > largest || initrd > largest)
		check(j, SCRATCH, NO,
		      "it needs %llu MiB of scratch memory, of %llu: see kho_scratch=",
		      want >> 20, have >> 20);
	else
		check(j, SCRATCH, YES, "it needs %llu of the %llu MiB of scratch memory to start",
		      want >> 20, have >> 20);
}

/* What is preserved after this is not seen. Then the reboot is refused. */
static void check_room(struct judge *j)
{
	struct json_object *scratch = json_get(j->view, "scratch");
	unsigned long long needed = json_object_get_uint64(json_get(scratch, "needed"));
	unsigned long long found = json_object_get_uint64(json_get(scratch, "found"));

	if (found < needed)
		check(j, ROOM, NO,
		      "it would need %llu MiB of memory to start in, and find %llu: preserve less",
		      needed >> 20, found >> 20);
}

/* Pages that this kernel has taken out of use. One that hands on no list loses nothing. */
static void check_bad_memory(struct judge *j)
{
	static const char list[] = "hwpoison-v1";
	unsigned long long bad = memory_in_system("HardwareCorrupted:");

	if (!bad || j->next.why || !image_find(&j->running, LIVEUPDATE_NOTE_SUBTREE, list))
		return;
	if (image_find(&j->next, LIVEUPDATE_NOTE_SUBTREE, list))
		check(j, BAD_MEMORY, YES, "it keeps %llu KiB of bad memory out of use", bad >> 10);
	else
		check(j, BAD_MEMORY, NO,
		      "it would use %llu KiB of bad memory: it does not read %s", bad >> 10, list);
}

/* A boot loader has given this kernel one, and nobody has said that the next needs none. */
static void check_initrd(struct judge *j)
{
	if (j->ask->initrd || j->ask->no_initrd || !started_with_initrd())
		return;
	check(j, INITRD, NO,
	      "it gets no initramfs, and this kernel was started with one: --no-initrd?");
}

/* Nothing of the previous kernel is handed on. */
static void check_unread(struct judge *j, const char *what, const char *key)
{
	struct json_object *previous = json_get(j->view, "previous_kernel");

	/* What is lost already cannot be lost by this. */
	if (!strcmp(json_text(j->view, "incoming"), "lost"))
		return;
	if (json_get(previous, key) && !j->ask->lose_unfinished)
		check(j, UNFINISHED, NO,
		      "%s of the previous kernel are %s and will be lost: --lose-unfinished",
		      what, json_text(previous, key));
}

static void check_unfinished(struct judge *j)
{
	struct json_object *sessions = json_get(json_get(j->view, "previous_kernel"), "sessions");
	const char *name;

	check_unread(j, "sessions", "sessions_error");
	check_unread(j, "FLBs", "flbs_error");
	for (size_t i = 0; i < json_length(sessions); i++) {
		name = json_text(json_object_array_get_idx(sessions, i), "name");
		json_object_array_add(j->lost, json_object_new_string(name));
		if (!j->ask->lose_unfinished && !is_one_of(&j->ask->lose, name))
			check(j, UNFINISHED, NO,
			      "session '%s' of the previous kernel is unfinished and will be lost",
			      name);
	}
}

static bool is_busy(struct json_object *view)
{
	struct json_object *sessions = json_get(json_get(view, "next_kernel"), "sessions");

	for (size_t i = 0; i < json_length(sessions); i++)
		if (!strcmp(json_text(json_object_array_get_idx(sessions, i), "state"), "busy"))
			return true;
	return false;
}

/* Calls do not last long, but for an op that hangs. */
static void look(struct judge *j)
{
	j->view = state_read();
	for (int i = 0; i < 10 && is_busy(j->view); i++) {
		json_object_put(j->view);
		usleep(10000);
		j->view = state_read();
	}
}

static void judge_all(struct judge *j)
{
	look(j);
	if (check_this_kernel(j)) {
		need_formats(j);
		check_loaded(j);
		check_unfinished(j);
		check_scratch(j);
		check_room(j);
		check_bad_memory(j);
	}
	check_image(j);
	check_command_line(j);
	check_limits(j);
	check_initrd(j);
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

	image_read(&j.next, ask->kernel);
	if (ask->modules && !j.next.why && !image_read_modules(&j.next, ask->modules))
		err(EXIT_UNKNOWN, "%s", ask->modules);
	if (ask->assume)
		image_assume(&j.next, ask->assume);
	image_read_running(&j.running);
	judge_all(&j);
	answer = j.no ? NO : j.unknown ? UNKNOWN : YES;

	*said = json_object_new_object();
	json_object_object_add(*said, "image", json_bytes(ask->image));
	json_object_object_add(*said, "answer", json_object_new_string(answers[answer]));
	json_object_object_add(*said, "formats", j.formats);
	json_object_object_add(*said, "checks", j.checks);
	json_object_object_add(*said, "lost_sessions", j.lost);
	image_put(&j.next);
	image_put(&j.running);
	json_object_put(j.view);
	return answer;
}
