// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl guard: no reboot by kexec without a preflight, whoever asks systemd for it
 *
 * It is what liveupdate-preflight.service does when it is stopped, which systemd does before it
 * stops anything else: all other units are ordered before that one. A reboot that would lose
 * what is preserved is cancelled there: all jobs are, and nothing has been stopped yet.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "loaded.h"
#include "luoctl.h"
#include "preflight.h"
#include "run.h"
#include "state.h"

#define SERVICE		"liveupdate-preflight.service"

static void systemctl(char *const argv[])
{
	char *said;

	if (run_program(&said, true, -1, argv))
		warnx("%s %s: %s", argv[0], argv[1], said);
	free(said);
}

/* Is systemd about to reboot by kexec? Not if it stops this unit for another reason. */
static bool kexec_is_queued(void)
{
	bool queued;
	char *said;

	queued = run_program(&said, false, -1, (char *const []) {
			"systemctl", "show", "--property=Job", "--value", "systemd-kexec.service",
			NULL }) || atoi(said);
	free(said);
	return queued;
}

/* Sessions, of this kernel or not yet finished. What cannot be listed may be there. */
static bool has_sessions(void)
{
	struct json_object *view = state_read();
	struct json_object *next = json_get(view, "next_kernel");
	struct json_object *previous = json_get(view, "previous_kernel");
	bool off = state_is(view, "none") || state_is(view, "off");
	bool has = strcmp(json_text(view, "details"), "yes") ||
		   json_length(json_get(next, "sessions")) ||
		   json_length(json_get(previous, "sessions")) ||
		   json_get(previous, "sessions_error") || json_get(previous, "flbs_error");

	json_object_put(view);
	return has && !off;
}

/* To the terminals of all who are logged in: one of them has asked for the reboot. */
static void tell_all(const char *text)
{
	FILE *f = popen("exec wall 2>/dev/null", "we");

	if (!f)
		return;
	fputs(text, f);
	pclose(f);
}

/* Also the job by which this unit is stopped: it is started again as soon as it has ended. */
static void refuse(const char *why)
{
	char *text;

	loaded_drop();
	systemctl((char *const []) { "systemctl", "cancel", NULL });
	systemctl((char *const []) { "systemctl", "start", "--no-block", SERVICE, NULL });
	if (asprintf(&text, "The reboot by kexec is refused and nothing was stopped: %s\n"
			    "See: journalctl -u %s\n", why, SERVICE) < 0)
		return;
	fputs(text, stdout);
	fflush(stdout);
	tell_all(text);
	free(text);
}

/* The first thing that speaks against it, in a line */
static char *first_reason(struct json_object *said)
{
	struct json_object *checks = json_get(said, "checks"), *formats = json_get(said, "formats");
	struct json_object *one;
	char *text = NULL;

	for (size_t i = 0; !text && i < json_length(formats); i++) {
		one = json_object_array_get_idx(formats, i);
		if (!strcmp(json_text(one, "read"), "no") &&
		    asprintf(&text, "%s does not read %s", json_text(said, "image"),
			     json_text(one, "compatible")) < 0)
			return NULL;
	}
	for (size_t i = 0; !text && i < json_length(checks); i++) {
		one = json_object_array_get_idx(checks, i);
		if (!strcmp(json_text(one, "answer"), json_text(said, "answer")))
			text = strdup(json_text(one, "what"));
	}
	return text;
}

/* NULL: nothing speaks against it; to be freed */
static char *look(void)
{
	struct preflight ask = { };
	const char *image = loaded_find(&ask);
	struct json_object *said;
	char *why = NULL;

	if (!image)
		return strdup("it cannot be told which kernel is loaded: load it by luoctl kexec");
	preflight_complete(&ask, image, &cmd_guard);
	if (preflight(&ask, &said))
		why = first_reason(said) ?: strdup("see what preflight has said");
	preflight_print(said);
	json_object_put(said);
	return why;
}

/* After it has ended: whatever it died of, nobody has said yes. */
static int guard_failed(void)
{
	const char *result = getenv("SERVICE_RESULT") ?: "success";

	if (!strcmp(result, "success") || !kexec_is_queued())
		return 0;
	refuse("the preflight has failed");
	return EXIT_NO;
}

static int run_guard(int argc, char **argv)
{
	bool warn_only = false, failed = false;
	char *why;
	int key;

	while ((key = next_option(argc, argv, &cmd_guard)) != -1) {
		warn_only |= key == 'w';
		failed |= key == 'F';
	}
	if (failed)
		return guard_failed();
	if (!kexec_is_queued() || !has_sessions())
		return 0;
	why = look();
	if (why && warn_only)
		printf("The reboot by kexec goes on, as only a warning was asked for: %s\n", why);
	else if (why)
		refuse(why);
	free(why);
	return 0;
}

const struct command cmd_guard = {
	.name = "guard",
	.what = "cancel a reboot that loses what is preserved",
	.words = "",
	.max = 0,
	.choices = (const struct choice[]) {
		{ "warn-only", 'w', NULL, "say so, and let it go on" },
		{ "failed", 'F', NULL, "cancel it if another luoctl guard has failed" },
		{ }
	},
	.help = "What liveupdate-preflight.service does as it is stopped: if systemd is about to\n"
		"reboot by kexec, ask preflight about the kernel that is loaded, and cancel the\n"
		"reboot unless the answer is yes. The exit status is 0 also if it was cancelled.",
	.run = run_guard,
};
