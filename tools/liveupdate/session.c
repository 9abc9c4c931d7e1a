// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl save, drop, hold: sessions for the next kernel, for scripts.
 *
 * An outgoing session lives as long as a process holds it, see hold.c.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hold.h"
#include "proc.h"
#include "luoctl.h"
#include "memory.h"

#define MAX_FDS		64

/*
 * The session of that name, new or held by another process; *@made says which. Another process
 * may make one, or give it up, at the same time.
 */
static int session_get(const char *name, bool *made)
{
	int dev, session;

	for (int i = 0; i < 100; i++) {
		session = session_held(name);
		*made = session < 0;
		if (session >= 0)
			return session;
		dev = open_device();
		session = luo_create(dev, name);
		close(dev);
		if (session != -EEXIST)
			break;
		usleep(10000);
	}
	if (session < 0)
		errx(exit_status(session), "session '%s': cannot be made: %s", name,
		     luo_strerror(session));
	return session;
}

static void copy(int from, int to, const char *what)
{
	static char buf[1 << 20];
	unsigned long long bytes = 0;
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf)))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			errx(EXIT_NO, "%s: cannot be read: %s", what, strerror(errno));
		memory_check(what, bytes, n);
		bytes += n;
		write_all(to, buf, n);
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
		errx(exit_status(err), "session '%s': token %llu cannot be preserved: %s", name,
		     (unsigned long long)token, luo_strerror(err));
	}
}

/* Is that process this program, which holds what was saved? */
static bool is_ours(pid_t pid)
{
	char path[32], *name = program_name(pid), *line;
	bool is;

	/* Not by its file, which may have been upgraded since */
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	line = read_file(path);
	is = name && !strcmp(name, "luoctl") && line && *line == '@';
	free(line);
	free(name);
	return is;
}

struct drop {
	const char *name;
	unsigned int nr;
	bool dry;
};

static int drop_one(pid_t pid, int fd, const char *name, void *arg)
{
	struct drop *drop = arg;
	char *program;
	int session;

	if (strcmp(name, drop->name))
		return 0;
	session = take_session(pid, fd);
	if (session == -EPERM)
		errx(EXIT_NO, "session '%s': process %d cannot be looked at", name, pid);
	if (session < 0)
		return 0;
	close(session);
	if (!is_ours(pid)) {
		program = program_name(pid);
		errx(EXIT_BUSY, "session '%s': held by process %d (%s), not by luoctl save", name,
		     pid, program ?: "?");
	}
	drop->nr++;
	if (!drop->dry)
		kill(pid, SIGTERM);
	return 0;
}

/* End those who hold what was saved, and wait for the name; but none if one is not ours. */
static bool drop_session(const char *name)
{
	struct drop drop = { .name = name, .dry = true };

	if (each_session(drop_one, &drop) < 0)
		err(EXIT_NO, "/proc");
	if (!drop.nr)
		return false;
	drop.dry = false;
	each_session(drop_one, &drop);
	for (int i = 0; i < 500; i++) {
		int session = session_held(name);

		if (session == -ENOENT)
			return true;
		if (session >= 0)
			close(session);
		usleep(10000);
	}
	errx(EXIT_NO, "session '%s': its holder does not end", name);
}

static int run_save(int argc, char **argv)
{
	int session, memfd, key;
	bool made, replace = false;
	char **word;
	__u64 token;

	while ((key = next_option(argc, argv, &cmd_save)) != -1)
		replace |= key == 'r';
	word = argv + optind;
	token = parse_token(word[1]);
	check_name(word[0]);
	/* Else the memfd would be it */
	need_open(STDIN_FILENO, "standard input");
	memfd = memfd_create(word[0], MFD_CLOEXEC);
	if (memfd < 0)
		errx(EXIT_NO, "no memory file: %s", strerror(errno));
	memory_check_file("standard input", STDIN_FILENO);
	copy(STDIN_FILENO, memfd, "standard input");
	if (replace)
		drop_session(word[0]);
	session = session_get(word[0], &made);
	put_in(session, word[0], memfd, token);
	if (made)
		printf("%d\n", hold_start(word[0], session));
	return 0;
}

const struct command cmd_save = {
	.name = "save",
	.what = "preserve standard input in a session",
	.words = "SESSION TOKEN",
	.min = 2,
	.max = 2,
	.choices = (const struct choice[]) {
		{ "replace", 'r', NULL, "drop what SESSION has before" }, { }
	},
	.help = "Put standard input into SESSION, as TOKEN, for the next kernel.\n"
		"If no process holds the session yet, one in the background does from now on,\n"
		"and its number is printed. The session ends with that process, see luoctl drop.",
	.run = run_save,
};

static int run_drop(int argc, char **argv)
{
	const char *name;

	while (next_option(argc, argv, &cmd_drop) != -1)
		;
	name = argv[optind];
	check_name(name);
	if (access(LUO_DEVICE, F_OK))
		errx(EXIT_OFF, "%s", why_off());
	if (!drop_session(name))
		errx(EXIT_ABSENT, "session '%s': no process holds one for the next kernel", name);
	return 0;
}

const struct command cmd_drop = {
	.name = "drop",
	.what = "unpreserve what was saved in a session",
	.words = "SESSION",
	.min = 1,
	.max = 1,
	.help = "Unpreserve all that was saved in SESSION, which luoctl save has made.\n"
		"The exit status is 3 if there is none, 6 if another program holds it, 7 if live\n"
		"update is off.",
	.run = run_drop,
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

/* As env(1) and shells: it was not found, or could not be run */
noreturn static void run_command(char **command)
{
	execvp(command[0], command);
	errx(errno == ENOENT ? 127 : 126, "%s: %s", command[0], strerror(errno));
}

static int run_hold(int argc, char **argv)
{
	struct hold hold = { };
	const char *name = NULL;
	char **command = NULL;
	char text[16];
	int key, session;
	bool made, keep = false;

	while (!command && (key = next_option(argc, argv, &cmd_hold)) != -1) {
		if (key == 'f')
			parse_fd(&hold, optarg);
		else if (key == 'k')
			keep = true;
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
	check_name(name);
	session = session_get(name, &made);
	if (made && !keep)
		hold_check(name);
	for (int i = 0; i < hold.nr; i++)
		put_in(session, name, hold.fd[i], hold.token[i]);
	if (made && keep)
		hold_start(name, session);
	snprintf(text, sizeof(text), "%d", session);
	if (fcntl(session, F_SETFD, 0) || setenv("LUO_SESSION", text, 1))
		errx(EXIT_NO, "session '%s': cannot be passed on: %s", name, strerror(errno));
	run_command(command);
}

const struct command cmd_hold = {
	.name = "hold",
	.what = "run a command with a session",
	.words = "SESSION COMMAND [ARGUMENT...]",
	.max = -1,
	.choices = (const struct choice[]) {
		{ "fd", 'f', "N:TOKEN", "preserve descriptor N in it, as TOKEN" },
		{ "keep", 'k', NULL, "hold it after COMMAND as well, as save does" }, { }
	},
	.help = "Run COMMAND with SESSION for the next kernel as descriptor $LUO_SESSION.\n"
		"The session ends when the last process that has the descriptor ends. Under systemd\n"
		"that is before the reboot, in most units: there it is refused without --keep.\n"
		"The exit status is that of COMMAND, 127 if there is none, 126 if it cannot be run.",
	.run = run_hold,
};
