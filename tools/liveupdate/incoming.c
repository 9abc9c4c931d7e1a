// SPDX-License-Identifier: GPL-2.0
/* luoctl restore, have, finish: sessions of the previous kernel, for scripts */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luoctl.h"

/* Say what is wrong with a session, or with the file of a token, and end */
noreturn static void session_error(const char *name, int err)
{
	switch (err) {
	case -ENOENT:
		errx(EXIT_ABSENT, "session '%s': not handed over by the previous kernel", name);
	case -EINVAL:
		errx(EXIT_BUSY, "session '%s': retrieved by another program", name);
	case -EPROTONOSUPPORT:
		errx(EXIT_INCOMPATIBLE, "session '%s': the handover is of an unsupported version",
		     name);
	case -EUCLEAN:
		errx(EXIT_DAMAGED, "session '%s': the handover is damaged, see the kernel's log",
		     name);
	default:
		errx(exit_status(err), "session '%s': %s", name, luo_strerror(err));
	}
}

noreturn static void token_error(const char *name, __u64 token, int err)
{
	if (err == -ENOENT)
		errx(EXIT_ABSENT, "session '%s' has no token %llu", name,
		     (unsigned long long)token);
	errx(exit_status(err), "session '%s': token %llu cannot be retrieved: %s", name,
	     (unsigned long long)token, luo_strerror(err));
}

/*
 * So that closing it loses nothing. A kernel without LIVEUPDATE_RETRIEVE_KEEP finishes it with
 * the last close, and frees all that it has: there it takes @discard.
 */
static int session_retrieve(const char *name, bool discard, bool *kept)
{
	int dev = open_device();
	int session = luo_retrieve(dev, name, LIVEUPDATE_RETRIEVE_KEEP);

	*kept = session != -E2BIG;
	if (!*kept && !discard)
		errx(EXIT_NO, "session '%s': this kernel frees all of it at once: --discard",
		     name);
	if (!*kept)
		session = luo_retrieve(dev, name, 0);
	close(dev);
	if (session < 0)
		session_error(name, session);
	return session;
}

/* With pread(), as the position is shared with the file that the session has */
static void copy_out(const char *name, __u64 token, int fd)
{
	static char buf[1 << 20];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), at))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			errx(EXIT_NO, "session '%s': token %llu cannot be read from its start: %s",
			     name, (unsigned long long)token, strerror(errno));
		write_all(STDOUT_FILENO, buf, n);
		at += n;
		say_how_far(at >> 20, "MiB", false);
	}
	say_how_far(at >> 20, "MiB", true);
}

static int run_restore(int argc, char **argv)
{
	bool discard = false, kept;
	int session, fd, key;
	char **word;
	__u64 token;

	while ((key = next_option(argc, argv, &cmd_restore)) != -1)
		discard |= key == 'd';
	word = argv + optind;
	token = parse_token(word[1]);
	check_name(word[0]);
	need_open(STDOUT_FILENO, "standard output");
	session = session_retrieve(word[0], discard, &kept);
	fd = luo_retrieve_fd(session, token);
	if (fd < 0)
		token_error(word[0], token, fd);
	copy_out(word[0], token, fd);
	if (!kept)
		warnx("session '%s': this kernel finishes it now, with all that it has", word[0]);
	return 0;
}

const struct command cmd_restore = {
	.name = "restore",
	.what = "write a file of a retrieved session to standard output",
	.words = "SESSION TOKEN",
	.min = 2,
	.max = 2,
	.choices = (const struct choice[]) {
		{ "discard", 'd', NULL, "where the kernel cannot keep the rest: free it" }, { }
	},
	.help = "Write what SESSION of the previous kernel has as TOKEN to standard output.\n"
		"The session stays as it is, and can be restored from again until it is finished.\n"
		"The exit status is 3 if the previous kernel handed over no such thing, 4 if that is\n"
		"of a version which this kernel does not read, 5 if it is damaged, 6 if another\n"
		"program has it, 7 if live update is off, 8 if it may work later, 1 else.",
	.run = run_restore,
};

struct look {
	const char *name;
	bool has_token;
	__u64 token;
	bool in_session;
	bool found;
	int err;		/* once it is found */
	__u32 state;
	unsigned int unretrieved;
	__u64 first;		/* the token of the first of these */
};

static int look_at(const struct liveupdate_list_entry *entry, void *arg)
{
	struct look *look = arg;

	if (entry->kind == LIVEUPDATE_ENTRY_SESSION) {
		look->in_session = !strncmp((const char *)entry->name, look->name,
					    sizeof(entry->name));
		if (!look->in_session)
			return 0;
		look->state = entry->state;
		look->err = entry->err;
		look->found = !look->has_token || entry->err;
	}
	if (entry->kind != LIVEUPDATE_ENTRY_FILE || !look->in_session)
		return 0;
	if (entry->state != LIVEUPDATE_STATE_RETRIEVED && !look->unretrieved++)
		look->first = entry->token;
	if (look->has_token && entry->token == look->token) {
		look->found = true;
		look->err = entry->err;
	}
	return 0;
}

/* What there is of a session; or it exits, if that cannot be told */
static void look_for(struct look *look)
{
	struct liveupdate_ioctl_get_info info;
	int dev = open_query();
	int err = luo_list(dev, LIVEUPDATE_LIST_INCOMING, look_at, look);

	if (!err)
		err = luo_get_info(dev, &info);
	close(dev);
	if (err)
		session_error(look->name, err);
	if (info.sessions_err)
		session_error(look->name, info.sessions_err);
}

static int run_have(int argc, char **argv)
{
	struct look look = { };
	char **word;

	while (next_option(argc, argv, &cmd_have) != -1)
		;
	word = argv + optind;
	check_name(word[0]);
	look.name = word[0];
	look.has_token = argc - optind > 1;
	if (look.has_token)
		look.token = parse_token(word[1]);
	look_for(&look);
	if (look.state == LIVEUPDATE_STATE_BUSY)
		errx(EXIT_BUSY, "session '%s': a call on it is active", look.name);
	if (!look.found && look.state)
		token_error(look.name, look.token, -ENOENT);
	if (!look.found)
		session_error(look.name, -ENOENT);
	if (look.err && look.has_token)
		token_error(look.name, look.token, look.err);
	if (look.err)
		session_error(look.name, look.err);
	if (look.state == LIVEUPDATE_STATE_RETRIEVED)
		session_error(look.name, -EINVAL);
	return 0;
}

const struct command cmd_have = {
	.name = "have",
	.what = "tell whether a session was handed over",
	.words = "SESSION [TOKEN]",
	.min = 1,
	.max = 2,
	.help = "Can SESSION of the previous kernel be retrieved, and TOKEN in it?\n"
		"Changes nothing.\n"
		"The exit status is 0 if so, else as that of restore.",
	.run = run_have,
};

/* Finishing frees what was not retrieved, and nobody else has it. */
static void refuse_loss(const char *name)
{
	struct look look = { .name = name };

	look_for(&look);
	if (look.state != LIVEUPDATE_STATE_RETRIEVED)
		errx(EXIT_BUSY, "session '%s': a call on it is active", name);
	if (look.err)
		errx(EXIT_DAMAGED, "session '%s': its files are damaged; --discard to finish it",
		     name);
	if (look.unretrieved)
		errx(EXIT_NO, "session '%s': files not retrieved: %u, token %llu first: --discard",
		     name, look.unretrieved, (unsigned long long)look.first);
}

static int run_finish(int argc, char **argv)
{
	bool discard = false, kept;
	int session, err, key;
	char **word;

	while ((key = next_option(argc, argv, &cmd_finish)) != -1)
		discard |= key == 'd';
	word = argv + optind;
	check_name(word[0]);
	session = session_retrieve(word[0], discard, &kept);
	if (kept && !discard)
		refuse_loss(word[0]);
	err = luo_finish(session);
	if (err == -EBUSY)
		errx(EXIT_BUSY, "session '%s' cannot be finished yet; see the kernel's log",
		     word[0]);
	if (err)
		errx(exit_status(err), "session '%s' cannot be finished: %s", word[0],
		     luo_strerror(err));
	return 0;
}

const struct command cmd_finish = {
	.name = "finish",
	.what = "finish a session of the previous kernel",
	.words = "SESSION",
	.min = 1,
	.max = 1,
	.choices = (const struct choice[]) {
		{ "discard", 'd', NULL, "also with files that were not retrieved" }, { }
	},
	.help = "Finish SESSION of the previous kernel. That is refused if files were not\n"
		"retrieved, or could not be; --discard frees them.\n"
		"The exit status is that of restore.",
	.run = run_finish,
};
