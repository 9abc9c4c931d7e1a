// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* The calls of /dev/liveupdate, see libluo.h */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libluo.h"

/* Entries of a list that are asked for at once */
#define BATCH	16

int luo_ioctl(int fd, unsigned int nr, void *arg)
{
	return ioctl(fd, nr, arg) < 0 ? -errno : 0;
}

static int open_as(int flags)
{
	int fd = open(LUO_DEVICE, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int luo_open(void)
{
	return open_as(O_RDWR);
}

int luo_open_query(void)
{
	return open_as(O_RDONLY);
}

int luo_open_wait(unsigned int ms)
{
	int fd = luo_open();

	for (; fd == -EBUSY && ms >= 10; ms -= 10) {
		usleep(10000);
		fd = luo_open();
	}
	return fd;
}

int luo_create(int dev, const char *name)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .fd = -1 };
	int ret;

	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	ret = luo_ioctl(dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg);
	return ret ?: arg.fd;
}

/* Without flags the argument is as short as the stock kernel's. */
int luo_retrieve(int dev, const char *name, __u64 flags)
{
	struct liveupdate_ioctl_retrieve_session arg = { .fd = -1, .flags = flags };
	int ret;

	arg.size = flags ? sizeof(arg) : offsetof(typeof(arg), flags);
	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	ret = luo_ioctl(dev, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, &arg);
	return ret ?: arg.fd;
}

int luo_preserve(int session, int fd, __u64 token)
{
	struct liveupdate_session_preserve_fd arg = {
		.size = sizeof(arg), .fd = fd, .token = token,
	};

	return luo_ioctl(session, LIVEUPDATE_SESSION_PRESERVE_FD, &arg);
}

int luo_retrieve_fd(int session, __u64 token)
{
	struct liveupdate_session_retrieve_fd arg = {
		.size = sizeof(arg), .fd = -1, .token = token,
	};
	int ret = luo_ioctl(session, LIVEUPDATE_SESSION_RETRIEVE_FD, &arg);

	return ret ?: arg.fd;
}

int luo_finish(int session)
{
	struct liveupdate_session_finish arg = { .size = sizeof(arg) };

	return luo_ioctl(session, LIVEUPDATE_SESSION_FINISH, &arg);
}

int luo_get_name(int session, char *name)
{
	struct liveupdate_session_get_name arg = { .size = sizeof(arg) };
	int ret;

	/* No name is left over, should the kernel not write all of it. */
	memset(arg.name, 0xff, sizeof(arg.name));
	ret = luo_ioctl(session, LIVEUPDATE_SESSION_GET_NAME, &arg);
	if (!ret)
		memcpy(name, arg.name, sizeof(arg.name));
	return ret;
}

int luo_freeze(int session, __u64 *token)
{
	struct liveupdate_session_freeze arg = { .size = sizeof(arg) };
	int ret = luo_ioctl(session, LIVEUPDATE_SESSION_FREEZE, &arg);

	if (token)
		*token = arg.token;
	return ret;
}

int luo_thaw(int session)
{
	struct liveupdate_session_thaw arg = { .size = sizeof(arg) };

	return luo_ioctl(session, LIVEUPDATE_SESSION_THAW, &arg);
}

int luo_get_info(int dev, struct liveupdate_ioctl_get_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	return luo_ioctl(dev, LIVEUPDATE_IOCTL_GET_INFO, info);
}

int luo_list(int dev, __u32 what, int (*fn)(const struct liveupdate_list_entry *entry, void *arg),
	     void *arg)
{
	struct liveupdate_list_entry entries[BATCH];
	struct liveupdate_ioctl_list list = {
		.size = sizeof(list), .what = what, .entries = (uintptr_t)entries,
		.entry_size = sizeof(entries[0]),
	};
	int ret;

	for (;;) {
		list.count = BATCH;
		ret = luo_ioctl(dev, LIVEUPDATE_IOCTL_LIST, &list);
		if (ret || !list.count)
			return ret;
		for (__u32 i = 0; i < list.count; i++) {
			ret = fn(&entries[i], arg);
			if (ret)
				return ret;
		}
	}
}

static int kexec_file_load(int kernel, int initrd, const char *line, unsigned long flags)
{
	unsigned long size = line ? strlen(line) + 1 : 0;

	return syscall(SYS_kexec_file_load, kernel, initrd, size, line, flags) < 0 ? -errno : 0;
}

int luo_kexec_load(int kernel, int initrd, const char *command_line)
{
	return kexec_file_load(kernel, initrd, command_line,
			       initrd == -1 ? KEXEC_FILE_NO_INITRAMFS : 0);
}

int luo_kexec_unload(void)
{
	return kexec_file_load(-1, -1, NULL, KEXEC_FILE_UNLOAD);
}

int luo_kexec(void)
{
	reboot(LINUX_REBOOT_CMD_KEXEC);
	return -errno;
}

/* strerrorname_np() is glibc's alone. */
#define NAMED(err)	{ err, #err }

static const struct {
	int err;
	const char *name;
} errnos[] = {
	NAMED(E2BIG), NAMED(EACCES), NAMED(EADDRNOTAVAIL), NAMED(EAGAIN),
	NAMED(EALREADY), NAMED(EBADF), NAMED(EBUSY), NAMED(ECANCELED), NAMED(ECHILD),
	NAMED(EDEADLK), NAMED(EDOM), NAMED(EEXIST), NAMED(EFAULT), NAMED(EFBIG),
	NAMED(EINTR), NAMED(EINVAL), NAMED(EIO), NAMED(EKEYREJECTED), NAMED(EMFILE),
	NAMED(ENFILE), NAMED(ENODATA), NAMED(ENODEV), NAMED(ENOENT), NAMED(ENOEXEC),
	NAMED(ENOMEM), NAMED(ENOPKG), NAMED(ENOSPC), NAMED(ENOTCONN), NAMED(ENOTTY),
	NAMED(ENXIO), NAMED(EOPNOTSUPP), NAMED(EOVERFLOW), NAMED(EPERM),
	NAMED(EPROTONOSUPPORT), NAMED(ERANGE), NAMED(ETIMEDOUT), NAMED(EUCLEAN),
	NAMED(EXDEV),
	{ }
};

const char *luo_errno_name(int err)
{
	for (size_t i = 0; errnos[i].name; i++)
		if (err == errnos[i].err || err == -errnos[i].err)
			return errnos[i].name;
	return NULL;
}

int luo_errno(const char *name)
{
	for (size_t i = 0; errnos[i].name; i++)
		if (!strcmp(name, errnos[i].name))
			return -errnos[i].err;
	return -EINVAL;
}

const char *luo_strerror(int err)
{
	err = abs(err);
	switch (err) {
	case EALREADY:
		return "frozen already";
	case ENODEV:
		return "no handler";
	case ENOENT:
		return "absent";
	case EPROTONOSUPPORT:
		return "unsupported version";
	case EUCLEAN:
		return "damaged";
	default:
		return strerror(err);
	}
}
