// SPDX-License-Identifier: GPL-2.0
/*
 * The base tree's own two-kernel programs, as they are: each is told the stage, leaves a
 * process behind that holds its sessions, and says by its exit status how it went.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "scenario.h"

#define OUTPUT	"/tmp/output"

/* Its output is no KTAP of ours: every line becomes a comment. */
static void show_output(void)
{
	FILE *f = fopen(OUTPUT, "r");
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		luo_say("  %s", line);
	}
	if (f)
		fclose(f);
}

static void run(const char *program, const char *stage)
{
	char path[128];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/stock/%s", program);
	if (access(path, X_OK))
		luo_skip("the program is not there");
	pid = fork();
	if (!pid) {
		int out = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execl(path, program, "-s", stage, NULL);
		_exit(127);
	}
	require_eq(pid, waitpid(pid, &status, 0));
	show_output();
	unlink(OUTPUT);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 4)
		luo_skip("it skips");
	require_eq(0, status);
}

#define STOCK(program)				\
static void program##_1(void)			\
{						\
	run(#program, "1");			\
}						\
						\
static void program##_2(void)			\
{						\
	run(#program, "2");			\
}

STOCK(luo_kexec_simple)
STOCK(luo_multi_session)
STOCK(luo_stress_sessions)
STOCK(luo_stress_files)

static const struct scenario stock_scenarios[] = {
	{ "luo_kexec_simple", { luo_kexec_simple_1, luo_kexec_simple_2 } },
	{ "luo_multi_session", { luo_multi_session_1, luo_multi_session_2 } },
	{ "luo_stress_sessions", { luo_stress_sessions_1, luo_stress_sessions_2 } },
	{ "luo_stress_files", { luo_stress_files_1, luo_stress_files_2 } },
	{ }
};

SCENARIOS("stock", stock_scenarios)

/*
 * The base's own FLBs, CONFIG_LIVEUPDATE_TEST: every handler depends on them, and the kernel's log
 * has to say what becomes of them.
 */
static void objects_1(void)
{
	int fd = test_memfd(PAGE);

	require_true(luo_fill(fd, 1, 0, PAGE));
	test_preserve(create("objects"), fd, 1);
}

static void objects_2(void)
{
	int s = retrieve("objects");

	check_true(luo_holds(test_retrieve_fd(s, 1), 1, 0, PAGE));
	test_finish(s);
}

static const struct scenario stock_objects_scenarios[] = {
	{ "objects of the base's own test", { objects_1, objects_2 } },
	{ }
};

SCENARIOS("flb-stock", stock_objects_scenarios)
