// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl guard: a preflight before each reboot by kexec that systemd is asked for
 *
 * liveupdate-preflight.service runs it when the service is stopped. systemd stops this service
 * before any other unit, as all others are ordered before it. To refuse a reboot, all jobs are
 * cancelled: no unit has been stopped yet.
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

static bool systemctl(char *const argv[])
{
	char *said;
	bool failed = run_program(&said, true, -1, argv);

	if (failed)
		warnx("%s %s: %s", argv[0], argv[1], said);
	free(said);
	return !failed;
}

/* PREFLIGHT= in /etc/default/liveupdate */
static bool only_warns(void)
{
	return !strcmp(getenv("PREFLIGHT") ?: "", "warn");
}

/* Is systemd about to reboot by kexec? If that cannot be told: yes. */
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

/* Is there an outgoing session or an unfinished one? If that cannot be told: yes. */
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

/* The user who has asked for the reboot is logged in on one of the terminals. */
static void tell_all(const char *text)
{
	FILE *f = popen("exec wall 2>/dev/null", "we");

	if (!f)
		return;
	fputs(text, f);
	pclose(f);
}

/*
 * Cancels the job that stops this service as well; it is started again once it has stopped. If
 * the jobs cannot be cancelled the caller fails, and guard --failed tries again.
 */
static int refuse(const char *why)
{
	char *text;

	if (only_warns()) {
		printf("The reboot by kexec goes on, as only a warning was asked for: %s\n", why);
		return 0;
	}
	if (!systemctl((char *const []) { "systemctl", "cancel", NULL }))
		return EXIT_NO;
	loaded_drop();
	systemctl((char *const []) { "systemctl", "start", "--no-block", SERVICE, NULL });
	if (asprintf(&text, "The reboot by kexec is refused and nothing was stopped: %s\n"
			    "See: journalctl -u %s\n", why, SERVICE) < 0)
		return 0;
	fputs(text, stdout);
	fflush(stdout);
	tell_all(text);
	free(text);
	return 0;
}

/* The first format that is not read, or the first check with that answer; to be freed */
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

/* Why preflight does not say yes, to be freed; NULL: it does */
static char *reason(void)
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

static bool has_failed(void)
{
	return strcmp(getenv("SERVICE_RESULT") ?: "success", "success");
}

static int run_guard(int argc, char **argv)
{
	bool failed = false;
	int ret = 0, key;
	char *why;

	while ((key = next_option(argc, argv, &cmd_guard)) != -1)
		failed |= key == 'F';
	if ((failed && !has_failed()) || !kexec_is_queued() || !has_sessions())
		return 0;
	why = failed ? strdup("the preflight has failed") : reason();
	if (why)
		ret = refuse(why);
	free(why);
	return ret;
}

const struct command cmd_guard = {
	.name = "guard",
	.what = "refuse a reboot that loses what is preserved",
	.words = "",
	.max = 0,
	.choices = (const struct choice[]) {
		{ "failed", 'F', NULL, "refuse it if SERVICE_RESULT is not success" },
		{ }
	},
	.help = "liveupdate-preflight.service runs it when the service is stopped: if systemd is\n"
		"about to reboot by kexec, ask preflight about the kernel that is loaded, and\n"
		"cancel the reboot unless the answer is yes. With PREFLIGHT=warn only say so.\n"
		"The exit status is 0, also if the reboot was refused; 1 if it cannot be.",
	.run = run_guard,
};
