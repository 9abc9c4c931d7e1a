// SPDX-License-Identifier: GPL-2.0
/* luoctl: which processes have sessions open, by what /proc shows */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc.h"
#include "json.h"
#include "luoctl.h"

#define PROC_LINK	"anon_inode:[luo_session] "

/* The name of a session, if the descriptor is one */
static bool session_link(int folder, const char *fd, char *name, size_t size)
{
	char link[sizeof(PROC_LINK) + LIVEUPDATE_SESSION_NAME_LENGTH];
	ssize_t n = readlinkat(folder, fd, link, sizeof(link) - 1);

	if (n < (ssize_t)strlen(PROC_LINK) || strncmp(link, PROC_LINK, strlen(PROC_LINK)))
		return false;
	link[n] = 0;
	snprintf(name, size, "%s", link + strlen(PROC_LINK));
	return true;
}

static int each_in_process(int proc, const char *pid, session_fn fn, void *arg)
{
	char path[300], name[LIVEUPDATE_SESSION_NAME_LENGTH + 1];
	struct dirent *entry;
	int ret = 0, folder;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/fd", pid);
	folder = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = folder < 0 ? NULL : fdopendir(folder);
	if (!dir)
		return 0;
	while (!ret && (entry = readdir(dir)))
		if (session_link(folder, entry->d_name, name, sizeof(name)))
			ret = fn(atoi(pid), atoi(entry->d_name), name, arg);
	closedir(dir);
	return ret;
}

int each_session(session_fn fn, void *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return -errno;
	while (!ret && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0)
			ret = each_in_process(dirfd(dir), entry->d_name, fn, arg);
	closedir(dir);
	return ret;
}

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

int take_session(pid_t pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), session;

	if (pidfd < 0)
		return -errno;
	session = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (session < 0)
		session = -errno;
	close(pidfd);
	if (session >= 0 && !is_outgoing(session)) {
		close(session);
		return -ENOENT;
	}
	return session;
}

struct search {
	const char *name;
	int session;
};

static int take_if_named(pid_t pid, int fd, const char *name, void *arg)
{
	struct search *search = arg;

	if (strcmp(name, search->name))
		return 0;
	search->session = take_session(pid, fd);
	return search->session >= 0;
}

int session_held(const char *name)
{
	struct search search = { .name = name, .session = -ENOENT };
	int ret = each_session(take_if_named, &search);

	return ret < 0 ? ret : search.session;
}

static int note_holder(pid_t pid, int fd, const char *name, void *arg)
{
	char *text = escape(name, LIVEUPDATE_SESSION_NAME_LENGTH);

	if (!json_get(arg, text))
		json_object_object_add(arg, text, json_object_new_int(pid));
	free(text);
	return 0;
}

/* There may be thousands: /proc is read once. */
pid_t find_holder(const char *name)
{
	static struct json_object *holders;
	char *text = escape(name, LIVEUPDATE_SESSION_NAME_LENGTH);
	pid_t pid;

	if (!holders) {
		holders = json_object_new_object();
		each_session(note_holder, holders);
	}
	pid = json_object_get_int(json_get(holders, text));
	free(text);
	return pid;
}
