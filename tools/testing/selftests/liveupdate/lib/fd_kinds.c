// SPDX-License-Identifier: GPL-2.0
/* File descriptors of every kind: whatever somebody may put into a session. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fd_kinds.h"
#include "util.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB	0x0004U
#endif

static void add(struct luo_kinds *kinds, const char *name, int fd)
{
	if (fd < 0 || kinds->nr == MAX_KINDS)
		return;
	kinds->name[kinds->nr] = name;
	kinds->fd[kinds->nr++] = fd;
}

static void add_paths(struct luo_kinds *kinds)
{
	static const struct {
		const char *path;
		int flags;
	} paths[] = {
		{ "/dev/null", O_RDWR }, { "/dev/zero", O_RDWR }, { "/dev/mem", O_RDONLY },
		{ "/dev/console", O_RDWR | O_NOCTTY | O_NONBLOCK },
		{ "/dev/ptmx", O_RDWR | O_NOCTTY },
		{ "/proc/self/maps", O_RDONLY }, { "/proc/self/mem", O_RDWR },
		{ "/proc/self/ns/mnt", O_RDONLY }, { "/proc/self", O_RDONLY },
		{ "/sys/kernel/uevent_seqnum", O_RDONLY }, { "/tmp", O_RDONLY },
		{ "/tmp", O_PATH }, { "/dev/null", O_PATH }, { LUO_DEVICE, O_PATH },
		{ "/tmp", O_TMPFILE | O_RDWR }, { "/tmp/file", O_RDWR | O_CREAT },
		{ "/dev/shm/file", O_RDWR | O_CREAT },
	};

	for (int i = 0; i < ARRAY_SIZE(paths); i++)
		add(kinds, paths[i].path, open(paths[i].path, paths[i].flags | O_CLOEXEC, 0600));
}

static void add_pairs(struct luo_kinds *kinds)
{
	int fds[2];

	if (!pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
		add(kinds, "pipe, to read", fds[0]);
		add(kinds, "pipe, to write", fds[1]);
	}
	if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds)) {
		add(kinds, "socket", fds[0]);
		add(kinds, "its peer", fds[1]);
	}
}

static void add_memfds(struct luo_kinds *kinds)
{
	int fd = luo_memfd("kinds", MFD_ALLOW_SEALING, 2 * PAGE);

	add(kinds, "memfd", fd);
	add(kinds, "memfd, to read", luo_reopen(fd, O_RDONLY));
	add(kinds, "memfd, O_PATH", luo_reopen(fd, O_PATH));
	add(kinds, "memfd, empty", luo_memfd("kinds", 0, 0));
	add(kinds, "memfd, huge pages", memfd_create("kinds", MFD_HUGETLB | MFD_CLOEXEC));
	fd = luo_memfd("kinds", MFD_ALLOW_SEALING, PAGE);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	add(kinds, "memfd, sealed", fd);
}

/* By number, where the C library of bookworm has no function */
static void add_numbers(struct luo_kinds *kinds)
{
	char params[256] = {};

	add(kinds, "pidfd", syscall(SYS_pidfd_open, getpid(), 0));
#ifdef SYS_io_uring_setup
	add(kinds, "io_uring", syscall(SYS_io_uring_setup, 4, params));
#endif
#ifdef SYS_memfd_secret
	add(kinds, "memfd_secret", syscall(SYS_memfd_secret, 0));
#endif
#ifdef SYS_userfaultfd
	add(kinds, "userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC));
#endif
}

int luo_kinds_open(struct luo_kinds *kinds)
{
	sigset_t none;

	memset(kinds, 0, sizeof(*kinds));
	sigemptyset(&none);
	add_paths(kinds);
	add_pairs(kinds);
	add_memfds(kinds);
	add_numbers(kinds);
	add(kinds, "epoll", epoll_create1(EPOLL_CLOEXEC));
	add(kinds, "eventfd", eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	add(kinds, "timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	add(kinds, "signalfd", signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK));
	add(kinds, "inotify", inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
	return kinds->nr;
}

void luo_kinds_close(struct luo_kinds *kinds)
{
	while (kinds->nr)
		close(kinds->fd[--kinds->nr]);
}
