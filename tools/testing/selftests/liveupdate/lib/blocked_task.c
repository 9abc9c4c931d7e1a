// SPDX-License-Identifier: GPL-2.0
/*
 * A process that does one thing which may sleep in the kernel.
 *
 * Its parent learns over two pipes that it is about to do it and that it has done it. In
 * between, /proc/PID/stat says whether it runs or sleeps, so no test needs to guess how
 * long that may take.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

bool luo_child_start(struct luo_child *c, void (*work)(void *arg), void *arg)
{
	int started[2], done[2];
	char byte;

	if (pipe2(started, O_CLOEXEC) || pipe2(done, O_CLOEXEC))
		return false;
	fflush(stdout);
	c->pid = fork();
	if (c->pid < 0)
		return false;
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(started[0]);
		close(done[0]);
		if (write(started[1], "s", 1) != 1)
			_exit(2);
		work(arg);
		if (write(done[1], "d", 1) != 1)
			_exit(2);
		_exit(0);
	}
	close(started[1]);
	close(done[1]);
	c->started = started[0];
	c->done = done[0];
	return read(c->started, &byte, 1) == 1;
}

static char state_of(pid_t pid)
{
	char path[64], line[512];
	char *p;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	line[n] = 0;
	p = strrchr(line, ')');
	return p && p[1] ? p[2] : 0;
}

static bool finished(struct luo_child *c)
{
	struct pollfd p = { .fd = c->done, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/*
 * Wait until the child sleeps, and say false if it got through or died instead. One look
 * may catch it on its way: it must be found asleep many times in a row.
 */
bool luo_child_sleeps(struct luo_child *c)
{
	int asleep = 0;

	while (asleep < 50) {
		char state = state_of(c->pid);

		if (finished(c) || !state || state == 'Z')
			return false;
		asleep = state == 'D' || state == 'S' ? asleep + 1 : 0;
		usleep(1000);
	}
	return true;
}

/* Wait until the child has done its work; false if it died before. */
bool luo_child_done(struct luo_child *c)
{
	char byte;

	return read(c->done, &byte, 1) == 1;
}

static int reap(struct luo_child *c)
{
	int status = -1;

	waitpid(c->pid, &status, 0);
	close(c->started);
	close(c->done);
	return status;
}

/* Kill it, and wait until it is gone */
bool luo_child_kill(struct luo_child *c)
{
	int status;

	kill(c->pid, SIGKILL);
	status = reap(c);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int luo_child_exit(struct luo_child *c)
{
	int status = reap(c);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int luo_in_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid)
		_exit(fn(arg));
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}
