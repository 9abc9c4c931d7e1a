// SPDX-License-Identifier: GPL-2.0
/* The calls of live update, see Documentation/userspace-api/liveupdate.rst. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include "sessions.h"

static int call(int fd, unsigned long nr, void *arg)
{
	return ioctl(fd, nr, arg) ? -errno : 0;
}

/* One program at a time has it open, and not for long: wait up to a second. */
int open_liveupdate(void)
{
	int fd, tries;

	for (tries = 0; tries < 100; tries++) {
		fd = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != EBUSY)
			break;
		usleep(10000);
	}
	return -errno;
}

int create_session(int device, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg) };

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	return call(device, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg) ?: arg.fd;
}

int retrieve_session(int device, const char *name, __u64 flags)
{
	struct liveupdate_ioctl_retrieve_session arg = { .size = sizeof(arg), .flags = flags };

	snprintf((char *)arg.name, sizeof(arg.name), "%s", name);
	return call(device, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg) ?: arg.fd;
}

int preserve_fd(int session, int fd, __u64 token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return call(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int retrieve_fd(int session, __u64 token)
{
	struct liveupdate_session_retrieve_fd arg = { .size = sizeof(arg), .token = token };

	return call(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg) ?: arg.fd;
}

/* If a file refuses, @refused says which. */
int freeze_session(int session, __u64 *refused)
{
	struct liveupdate_session_freeze arg = { .size = sizeof(arg) };
	int err = call(session, LIVEUPDATE_SESSION_FREEZE, &arg);

	*refused = arg.token;
	return err;
}

int thaw_session(int session)
{
	struct liveupdate_session_thaw arg = { .size = sizeof(arg) };

	return call(session, LIVEUPDATE_SESSION_THAW, &arg);
}

int finish_session(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return call(session, LIVEUPDATE_SESSION_FINISH, &arg);
}
