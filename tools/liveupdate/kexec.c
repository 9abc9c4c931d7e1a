// SPDX-License-Identifier: GPL-2.0
/* luoctl kexec: the live update itself, if preflight has nothing against it */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "luoctl.h"
#include "preflight.h"
#include "state.h"

struct request {
	struct preflight ask;
	bool reuse;
	bool force;
	bool dry_run;
};

static const char *load_error(int error)
{
	switch (error) {
	case ENOEXEC:
		return "not a bootable image (want a bzImage or an uncompressed arm64 Image)";
	case EADDRNOTAVAIL:
		return "too large for the scratch memory: boot with a larger kho_scratch=";
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
	const char *line = request->ask.command_line;
	unsigned long flags = initrd < 0 ? KEXEC_FILE_NO_INITRAMFS : 0;

	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(line) + 1, line, flags))
		errx(EXIT_NO, "%s: cannot be loaded: %s", request->ask.image, load_error(errno));
}

static void say_who(int error)
{
	struct json_object *view = state_read();
	struct json_object *held = json_object_object_get(view, "next_kernel");
	struct json_object *last = json_object_object_get(held, "last_refusal");
	const char *who = last ? json_object_get_string(last) : "";

	/* It may be one of long ago. */
	if (atoi(who) != -error)
		who = "";
	errx(EXIT_NO, "the reboot was refused: %s%s%s", strerror(error), *who ? ": " : "", who);
}

/* Does not return. */
static void go(void)
{
	fflush(NULL);
	if (systemd_runs()) {
		execlp("systemctl", "systemctl", "kexec", NULL);
		err(EXIT_NO, "systemctl");
	}
	sync();
	reboot(LINUX_REBOOT_CMD_KEXEC);
	say_who(errno);
}

static error_t parse_kexec(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &request->ask;
		return 0;
	case 'r':
		request->reuse = true;
		return 0;
	case 'f':
		request->force = true;
		return 0;
	case 'n':
		request->dry_run = true;
		return 0;
	case ARGP_KEY_END:
		if (request->reuse && request->ask.command_line)
			argp_error(state, "either --reuse-cmdline or --command-line");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int run(struct request *request)
{
	int kernel, initrd = -1, answer;
	unsigned long long size;
	struct json_object *said;

	kernel = open_file(request->ask.image, &size);
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
	if (answer && !request->force)
		errx(answer, "not started; use --force to start it anyway");
	load(request, kernel, initrd);
	go();
	return EXIT_NO;
}

static const char kexec_doc[] =
	"Start the kernel in IMAGE, which takes over what this one holds.\n"
	"\vThe exit status is that of preflight if nothing was started, 1 if the reboot was\n"
	"refused.";

int cmd_kexec(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "reuse-cmdline", 'r', NULL, 0, "With that of this kernel: the default", 0 },
		{ "force", 'f', NULL, 0, "Whatever preflight says", 0 },
		{ "dry-run", 'n', NULL, 0, "Preflight, and say what would be done", 0 },
		{ }
	};
	const struct argp_child children[] = { { &preflight_argp }, { } };
	const struct argp argp = {
		.options = options, .parser = parse_kexec, .args_doc = "IMAGE",
		.doc = kexec_doc, .children = children,
	};
	struct request request = { .ask = { .loading = true } };

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	if (!request.ask.command_line)
		err(EXIT_UNKNOWN, "/proc/cmdline");
	return run(&request);
}
