// SPDX-License-Identifier: GPL-2.0
/* luoctl: other programs */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "luoctl.h"
#include "run.h"

static void become(int output, bool errors, int input, char *const argv[])
{
	dup2(output, STDOUT_FILENO);
	if (errors)
		dup2(output, STDERR_FILENO);
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	execvp(argv[0], argv);
	/* A caller that does not read errors can do without the program. */
	if (errors)
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int run_program(char **said, bool errors, int input, char *const argv[])
{
	int fds[2], status;
	size_t size = 0;
	pid_t pid;
	FILE *f;

	*said = NULL;
	signal(SIGCHLD, SIG_DFL);
	if (pipe2(fds, O_CLOEXEC))
		err(EXIT_NO, "pipe");
	pid = fork();
	if (!pid)
		become(fds[1], errors, input, argv);
	close(fds[1]);
	f = fdopen(fds[0], "re");
	if (!f || getdelim(said, &size, '\0', f) < 0) {
		free(*said);
		*said = strdup("");
	}
	if (!*said)
		err(EXIT_NO, "%s", argv[0]);
	if (f)
		fclose(f);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}
