// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl: a process that holds a session for the next kernel, until it is killed.
 *
 * Where systemd is process 1 it is the service luo-hold-NAME. Whatever is started from a unit,
 * a scope or a login belongs to its control group and ends with it, and each of these ends before
 * the reboot, unless it is without DefaultDependencies=. What is in no unit that ends is killed
 * at last by systemd-shutdown, unless the group says otherwise, SurviveFinalKillSignal=, or the
 * name begins with an @, see systemd's page on storage daemons for the root file system.
 *
 * Elsewhere it is a process in the background.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hold.h"
#include "luoctl.h"
#include "run.h"

#define CGROUPS		"/sys/fs/cgroup"
#define SURVIVES	"user.survive_final_kill_signal"
/* Each byte of a name is up to three of a unit's, which has at most 255. */
#define UNIT_SIZE	(3 * LIVEUPDATE_SESSION_NAME_LENGTH)

/* What the process holds is pinned: its end frees little memory, and loses what was saved. */
static void avoid_oom_killer(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");

	/* In a container that may be forbidden. */
	if (!f)
		return;
	fputs("-1000", f);
	fclose(f);
}

/* Nothing but the session stays open, as descriptor 3. */
static void settle(int session)
{
	int null;

	avoid_oom_killer();
	if (dup2(session, 3) < 0)
		_exit(EXIT_NO);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	/* A unit's main process leads a session already. */
	setsid();
	if (syscall(SYS_close_range, 4U, ~0U, 0U) || chdir("/"))
		_exit(EXIT_NO);
}

static pid_t in_background(const char *name, int session)
{
	char *argv0 = program_invocation_name, first = *argv0;
	pid_t pid;

	/* Before its number is known */
	*argv0 = '@';
	pid = fork();
	if (!pid) {
		settle(session);
		for (;;)
			pause();
	}
	*argv0 = first;
	if (pid < 0)
		errx(EXIT_NO, "session '%s': no process to hold it: %s", name, strerror(errno));
	return pid;
}

/* What a unit's name and a command line of systemd's can have in them: no %, $, \, / or @ */
static void unit_name(const char *name, char *unit)
{
	for (; *name; name++) {
		unsigned char c = *name;
		bool plain = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		plain |= (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
		unit += sprintf(unit, plain ? "%c" : ":%02x", c);
	}
	*unit = 0;
}

/* Its exit status, or -1; @said: the first line of all that it writes, to be freed */
static int run(char **said, char *const argv[])
{
	int status = run_program(said, true, -1, argv);

	(*said)[strcspn(*said, "\n")] = 0;
	return status;
}

/* The number of a unit's main process; 0: there is none */
static pid_t main_process(const char *unit)
{
	char *said;
	int status = run(&said, (char *const []) {
			"systemctl", "show", "--property=MainPID", "--value", (char *)unit, NULL });
	pid_t pid = status ? 0 : atoi(said);

	free(said);
	return pid;
}

/* One that was just told to end may not have ended yet. */
static int run_unit(char **said, char *const argv[])
{
	int status = run(said, argv);

	for (int i = 0; i < 50 && status && strstr(*said, "already"); i++) {
		free(*said);
		usleep(100000);
		status = run(said, argv);
	}
	return status;
}

/* Returns when the unit has the session, or exits. */
static pid_t in_unit(const char *name, int session)
{
	char unit[UNIT_SIZE], arg[UNIT_SIZE + 32], self[PATH_MAX], pid[16], fd[16];
	char *said;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	pid_t holder = 0;

	if (n < 0)
		err(EXIT_NO, "/proc/self/exe");
	self[n] = 0;
	unit_name(name, unit);
	snprintf(arg, sizeof(arg), "--unit=luo-hold-%s.service", unit);
	snprintf(pid, sizeof(pid), "%d", getpid());
	snprintf(fd, sizeof(fd), "%d", session);
	if (!run_unit(&said, (char *const []) {
			"systemd-run", "--quiet", "--collect", "--no-ask-password", arg,
			"--description=Holds a session for the next kernel",
			"--service-type=notify",
			/* Neither the end of the system nor another target stops it. */
			"--property=DefaultDependencies=no",
			"--property=IgnoreOnIsolate=yes",
			"--property=SurviveFinalKillSignal=yes",
			"--property=ManagedOOMPreference=omit",
			self, HOLD_IN_UNIT, pid, fd, unit, NULL }))
		holder = main_process(arg + strlen("--unit="));
	if (!holder)
		errx(EXIT_NO, "session '%s': not kept, as no unit can hold it: %s", name,
		     *said ? said : "systemd-run has failed");
	free(said);
	return holder;
}

pid_t hold_start(const char *name, int session)
{
	return systemd_runs() ? in_unit(name, session) : in_background(name, session);
}

static int take(pid_t pid, int fd, const char *unit)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH + 1] = "", text[UNIT_SIZE];
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int session = syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	if (session < 0)
		err(EXIT_NO, "process %d", pid);
	/* To the caller, another process may have that number. */
	if (!luo_get_name(session, name))
		unit_name(name, text);
	if (!*name || strcmp(text, unit))
		errx(EXIT_NO, "process %d: descriptor %d is not the session", pid, fd);
	return session;
}

/* As sd_notify(3) does: a socket by its path, or an abstract one */
static void say_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len;

	if (!path || strlen(path) >= sizeof(addr.sun_path))
		errx(EXIT_NO, "not started by systemd");
	len = strlen(path);
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = 0;
	len += offsetof(struct sockaddr_un, sun_path);
	if (sendto(sock, "READY=1", 7, MSG_NOSIGNAL, (struct sockaddr *)&addr, len) < 0)
		err(EXIT_NO, "%s", path);
	close(sock);
}

int hold_in_unit(int argc, char **argv)
{
	if (argc != 5)
		return EXIT_UNKNOWN;
	argv[0][0] = '@';
	settle(take(atoi(argv[2]), atoi(argv[3]), argv[4]));
	say_ready();
	for (;;)
		pause();
}

/*
 * systemd marks the group of each such unit. A unit that stops with the system all the same is
 * not told apart.
 */
static bool unit_survives(void)
{
	char *text = read_file("/proc/self/cgroup"), path[PATH_MAX], value[1];
	char *at = text ? strstr(text, "0::/") : NULL;
	bool survives = false;

	if (at) {
		at += strlen("0::");
		at[strcspn(at, "\n")] = 0;
		snprintf(path, sizeof(path), CGROUPS "%s", at);
		survives = getxattr(path, SURVIVES, value, sizeof(value)) == 1 && *value == '1';
	}
	free(text);
	return survives;
}

void hold_check(const char *name)
{
	if (systemd_runs() && !unit_survives())
		errx(EXIT_NO, "session '%s': this unit ends before the reboot; use --keep", name);
}
