// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl save, restore, finish, hold: live update for scripts.
 *
 * An outgoing session lives as long as a process holds it. What is saved is held by a
 * process in the background, which the end of a system leaves alone: its name begins with
 * an @, see systemd's page on storage daemons for the root file system.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "luoctl.h"

#define PROC_LINK	"anon_inode:[luo_session] "
#define MAX_FDS		64

/*
 * The previous kernel's session may have the name as well, with a program that has not finished
 * it. Kernels that do not say which it is have no way to tell.
 */
static bool is_outgoing(int session)
{
	char path[64], *text;
	bool is;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	text = read_file(path);
	is = !text || !strstr(text, "\nliveupdate-side:") ||
	     strstr(text, "\nliveupdate-side:\toutgoing\n");
	free(text);
	return is;
}

/* A descriptor of another process's file, if it is that session */
static int take_over(int proc, const char *pid, const char *fd, const char *name)
{
	char path[600], link[sizeof(PROC_LINK) + LIVEUPDATE_SESSION_NAME_LENGTH];
	int pidfd, session;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/fd/%s", pid, fd);
	n = readlinkat(proc, path, link, sizeof(link) - 1);
	if (n < 0)
		return -ENOENT;
	link[n] = 0;
	if (strncmp(link, PROC_LINK, strlen(PROC_LINK)) || strcmp(link + strlen(PROC_LINK), name))
		return -ENOENT;

	pidfd = syscall(SYS_pidfd_open, atoi(pid), 0);
	if (pidfd < 0)
		return -errno;
	session = syscall(SYS_pidfd_getfd, pidfd, atoi(fd), 0);
	if (session < 0)
		session = -errno;
	close(pidfd);
	if (session >= 0 && !is_outgoing(session)) {
		close(session);
		return -ENOENT;
	}
	return session;
}

static int take_over_from(int proc, const char *pid, const char *name)
{
	int ret = -ENOENT, folder;
	struct dirent *entry;
	char path[300];
	DIR *dir;

	snprintf(path, sizeof(path), "%s/fd", pid);
	folder = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = folder < 0 ? NULL : fdopendir(folder);
	if (!dir)
		return -ENOENT;
	while (ret < 0 && (entry = readdir(dir)))
		ret = take_over(proc, pid, entry->d_name, name);
	closedir(dir);
	return ret;
}

/* An outgoing session that some process holds; -ENOENT if nobody does */
static int session_held(const char *name)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int ret = -ENOENT;

	if (!dir)
		return -errno;
	while (ret < 0 && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0)
			ret = take_over_from(dirfd(dir), entry->d_name, name);
	closedir(dir);
	return ret;
}

static void check_name(const char *name)
{
	if (!*name || strlen(name) > NAME_MAX_LEN)
		errx(EXIT_UNKNOWN, "invalid session name '%s': want 1 to %d bytes", name,
		     NAME_MAX_LEN);
}

/* The session of that name, new or held by another process; *@made says which */
static int session_get(const char *name, bool *made)
{
	int dev, session;

	check_name(name);
	session = session_held(name);
	*made = session < 0;
	if (session >= 0)
		return session;

	dev = open_device();
	session = luo_create(dev, name);
	close(dev);
	if (session < 0)
		errx(EXIT_NO, "session '%s': cannot be made: %s", name, strerror(-session));
	return session;
}

/* So that closing it loses nothing */
static int session_retrieve(const char *name)
{
	int dev, session;

	check_name(name);
	dev = open_device();
	session = luo_retrieve(dev, name, LIVEUPDATE_RETRIEVE_KEEP);
	close(dev);
	switch (session) {
	case -ENOENT:
		errx(EXIT_NO, "session '%s': not handed over by the previous kernel", name);
	case -EINVAL:
		errx(EXIT_NO, "session '%s': retrieved by another program", name);
	case -EPROTONOSUPPORT:
		errx(EXIT_NO, "unsupported version of the handover");
	case -EUCLEAN:
		errx(EXIT_NO, "the handover is corrupted, see the kernel's log");
	}
	if (session < 0)
		errx(EXIT_NO, "session '%s': cannot be retrieved: %s", name, strerror(-session));
	return session;
}

static void copy(int from, int to, const char *what)
{
	static char buf[1 << 20];
	unsigned long long bytes = 0;
	char *at;
	ssize_t n, done;

	while ((n = read(from, buf, sizeof(buf)))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			errx(EXIT_NO, "%s: cannot be read: %s", what, strerror(errno));
		bytes += n;
		for (at = buf; n; at += done, n -= done) {
			done = write(to, at, n);
			if (done < 0)
				errx(EXIT_NO, "%s: cannot be written: %s", what, strerror(errno));
		}
		say_how_far(bytes >> 20, "MiB", false);
	}
	say_how_far(bytes >> 20, "MiB", true);
}

static void put_in(int session, const char *name, int fd, __u64 token)
{
	int err = luo_preserve(session, fd, token);

	switch (err) {
	case 0:
		return;
	case -EEXIST:
		errx(EXIT_NO, "session '%s': token %llu is in use", name,
		     (unsigned long long)token);
	case -ENOENT:
		errx(EXIT_NO, "session '%s': no handler for the file of token %llu",
		     name, (unsigned long long)token);
	default:
		errx(EXIT_NO, "session '%s': token %llu cannot be preserved: %s", name,
		     (unsigned long long)token, strerror(-err));
	}
}

/* In the background, with nothing else of who called, until it is told to end */
static void hold_on(char *argv0, int session)
{
	pid_t pid;
	int null;

	/* Before anybody knows its number */
	argv0[0] = '@';
	pid = fork();
	if (pid < 0)
		errx(EXIT_NO, "no process to hold the session: %s", strerror(errno));
	if (pid) {
		printf("%d\n", pid);
		return;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (dup2(session, 3) < 0 || syscall(SYS_close_range, 4U, ~0U, 0U) || setsid() < 0 ||
	    chdir("/"))
		_exit(EXIT_NO);
	for (;;)
		pause();
}

static int run_save(int argc, char **argv)
{
	int session, memfd;
	char **word;
	__u64 token;
	bool made;

	while (next_option(argc, argv, &cmd_save) != -1)
		;
	word = argv + optind;
	token = parse_token(word[1]);
	check_name(word[0]);
	memfd = memfd_create(word[0], MFD_CLOEXEC);
	if (memfd < 0)
		errx(EXIT_NO, "no memory file: %s", strerror(errno));
	copy(STDIN_FILENO, memfd, "standard input");
	session = session_get(word[0], &made);
	put_in(session, word[0], memfd, token);
	if (made)
		hold_on(program_invocation_name, session);
	return 0;
}

const struct command cmd_save = {
	.name = "save",
	.what = "preserve standard input in a session",
	.words = "SESSION TOKEN",
	.min = 2,
	.max = 2,
	.help = "Put standard input into SESSION, as TOKEN, for the next kernel.\n"
		"If no process holds the session yet, one in the background does from now on,\n"
		"and its number is printed. The session ends with that process.",
	.run = run_save,
};

static int run_restore(int argc, char **argv)
{
	int session, fd;
	char **word;
	__u64 token;

	while (next_option(argc, argv, &cmd_restore) != -1)
		;
	word = argv + optind;
	token = parse_token(word[1]);
	session = session_retrieve(word[0]);
	fd = luo_retrieve_fd(session, token);
	if (fd == -ENOENT)
		errx(EXIT_NO, "session '%s' has no token %llu", word[0],
		     (unsigned long long)token);
	if (fd < 0)
		errx(EXIT_NO, "session '%s': token %llu cannot be retrieved: %s", word[0],
		     (unsigned long long)token, strerror(-fd));
	if (lseek(fd, 0, SEEK_SET) < 0)
		errx(EXIT_NO, "session '%s': token %llu cannot be read from its start", word[0],
		     (unsigned long long)token);
	copy(fd, STDOUT_FILENO, "what was saved");
	return 0;
}

const struct command cmd_restore = {
	.name = "restore",
	.what = "write a file of a retrieved session to standard output",
	.words = "SESSION TOKEN",
	.min = 2,
	.max = 2,
	.help = "Write what SESSION of the previous kernel has as TOKEN to standard output.\n"
		"The session stays as it is, and can be restored from again until it is finished.",
	.run = run_restore,
};

static int run_finish(int argc, char **argv)
{
	int session, err;
	char **word;

	while (next_option(argc, argv, &cmd_finish) != -1)
		;
	word = argv + optind;
	session = session_retrieve(word[0]);
	err = luo_finish(session);
	if (err == -EBUSY)
		errx(EXIT_NO, "session '%s' cannot be finished yet; see the kernel's log", word[0]);
	if (err)
		errx(EXIT_NO, "session '%s' cannot be finished: %s", word[0], strerror(-err));
	return 0;
}

const struct command cmd_finish = {
	.name = "finish",
	.what = "finish a session of the previous kernel",
	.words = "SESSION",
	.min = 1,
	.max = 1,
	.help = "Finish SESSION of the previous kernel. Files that were not retrieved are freed.",
	.run = run_finish,
};

struct hold {
	int nr;
	int fd[MAX_FDS];
	__u64 token[MAX_FDS];
};

static void parse_fd(struct hold *hold, const char *arg)
{
	char *end;
	long fd = strtol(arg, &end, 10);

	if (end == arg || *end != ':' || fd < 0 || fd > 0xffffff)
		bad_usage(&cmd_hold, "'%s' is not N:TOKEN", arg);
	if (hold->nr == MAX_FDS)
		bad_usage(&cmd_hold, "no more than %d times --fd", MAX_FDS);
	hold->fd[hold->nr] = fd;
	hold->token[hold->nr++] = parse_token(end + 1);
}

static int run_hold(int argc, char **argv)
{
	struct hold hold = { };
	const char *name = NULL;
	char **command = NULL;
	char text[16];
	int key, session;
	bool made;

	while (!command && (key = next_option(argc, argv, &cmd_hold)) != -1) {
		if (key == 'f')
			parse_fd(&hold, optarg);
		else if (!name)
			name = optarg;
		else
			command = &argv[optind - 1];
	}
	/* What stands behind "--" */
	if (!name && optind < argc)
		name = argv[optind++];
	if (!command && optind < argc)
		command = &argv[optind];
	if (!command)
		bad_usage(&cmd_hold, "want %s", cmd_hold.words);
	session = session_get(name, &made);
	for (int i = 0; i < hold.nr; i++)
		put_in(session, name, hold.fd[i], hold.token[i]);
	snprintf(text, sizeof(text), "%d", session);
	if (fcntl(session, F_SETFD, 0) || setenv("LUO_SESSION", text, 1))
		errx(EXIT_NO, "session '%s': cannot be passed on: %s", name, strerror(errno));
	execvp(command[0], command);
	errx(EXIT_NO, "%s: %s", command[0], strerror(errno));
}

const struct command cmd_hold = {
	.name = "hold",
	.what = "run a command with a session",
	.words = "SESSION COMMAND [ARGUMENT...]",
	.max = -1,
	.choices = (const struct choice[]) {
		{ "fd", 'f', "N:TOKEN", "preserve descriptor N in it, as TOKEN" }, { }
	},
	.help = "Run COMMAND with SESSION for the next kernel as descriptor $LUO_SESSION.\n"
		"The session ends when the last process that has the descriptor ends.",
	.run = run_hold,
};
