// SPDX-License-Identifier: GPL-2.0
/* luoctl kexec: the live update itself, if preflight has nothing against it */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmdline.h"
#include "loaded.h"
#include "luoctl.h"
#include "preflight.h"
#include "state.h"

/* @said: @ask before it was completed */
struct request {
	struct preflight ask;
	struct preflight said;
	bool dry_run;
};

static const char *load_error(int error)
{
	switch (error) {
	case ENOEXEC:
		return "not a bootable image (want a bzImage or an uncompressed arm64 Image)";
	case EADDRNOTAVAIL:
		return "too large for scratch memory: unload the last image, or preserve nothing";
	case EPERM:
		return "not permitted: not root, or the kernel is locked down";
	case EBUSY:
		return "another image is being loaded or started";
	case EKEYREJECTED:
	case ENODATA:
	case ENOPKG:
		return "signature rejected";
	default:
		return strerror(error);
	}
}

static void load(const struct request *request, int kernel, int initrd)
{
	int err = luo_kexec_load(kernel, initrd, request->ask.command_line);

	if (err)
		errx(EXIT_NO, "%s: cannot be loaded: %s", request->ask.image, load_error(-err));
}

static void say_who(int error)
{
	struct json_object *view = state_read();
	struct json_object *held = json_object_object_get(view, "next_kernel");
	struct json_object *last = json_object_object_get(held, "last_refusal");

	/* It may be one of long ago. */
	if (error_of(last) != -error || !json_get(last, "token"))
		errx(EXIT_NO, "the reboot was refused: %s", luo_strerror(-error));
	errx(EXIT_NO, "the reboot was refused: %s, by token %s (%s) of session '%s'",
	     luo_strerror(-error), json_text(last, "token"), json_text(last, "compatible"),
	     json_text(last, "session"));
}

/* Does not return. */
static void go(void)
{
	int error;

	fflush(NULL);
	if (systemd_runs()) {
		execlp("systemctl", "systemctl", "kexec", NULL);
		error = errno;
		loaded_drop();
		errx(EXIT_NO, "systemctl: %s", strerror(error));
	}
	sync();
	error = -luo_kexec();
	loaded_drop();
	say_who(error);
}

static int run(struct request *request)
{
	int kernel, initrd = -1, answer;
	unsigned long long size;
	struct json_object *said;

	kernel = open_file(request->ask.kernel, &size);
	if (request->ask.initrd)
		initrd = open_file(request->ask.initrd, &size);
	answer = preflight(&request->ask, &said);
	preflight_print(said);
	json_object_put(said);
	if (request->dry_run) {
		printf("Not done: load it, with '%s', then %s\n", request->ask.command_line,
		       systemd_runs() ? "systemctl kexec" : "reboot(LINUX_REBOOT_CMD_KEXEC)");
		return answer;
	}
	if (answer)
		errx(answer, "not started");
	load(request, kernel, initrd);
	loaded_write(&request->said);
	go();
	return EXIT_NO;
}

static int run_kexec(int argc, char **argv)
{
	struct request request = { .ask = { .loading = true } };
	bool reuse = false;
	int key;

	while ((key = next_option(argc, argv, &cmd_kexec)) != -1) {
		if (preflight_option(&request.ask, key, &cmd_kexec))
			continue;
		reuse |= key == 'r';
		request.dry_run |= key == 'n';
	}
	if (reuse && request.ask.command_line)
		bad_usage(&cmd_kexec, "either --reuse-cmdline or --command-line");
	request.said = request.ask;
	request.said.image = argv[optind];
	preflight_complete(&request.ask, argv[optind], &cmd_kexec);
	if (!request.ask.command_line)
		err(EXIT_UNKNOWN, "/proc/cmdline");
	return run(&request);
}

const struct command cmd_kexec = {
	.name = "kexec",
	.what = "start another kernel, after a preflight",
	.words = "IMAGE",
	.min = 1,
	.max = 1,
	.choices = (const struct choice[]) {
		{ "reuse-cmdline", 'r', NULL, "with that of this kernel: the default" },
		{ "dry-run", 'n', NULL, "preflight, and say what would be done" },
		{ }
	},
	.shared = preflight_choices,
	.help = "Start the kernel in IMAGE, which takes over what this one holds.\n"
		"The exit status is that of preflight if nothing was started, 1 if the reboot was\n"
		"refused.",
	.run = run_kexec,
};
