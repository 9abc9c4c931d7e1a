/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * libluo: the calls of /dev/liveupdate.
 *
 * Each returns a file descriptor or 0, or -errno. What these errnos mean is in libluo(3) and
 * in Documentation/userspace-api/liveupdate.rst.
 */
#ifndef LUO_LIBLUO_H
#define LUO_LIBLUO_H

#include <linux/types.h>

/* Installed, libluo.h includes its own copy, unless the program has included the system's. */
#ifndef LIVEUPDATE_IOCTL_TYPE
#include <linux/liveupdate.h>
#endif

#if !defined(LIVEUPDATE_ABI) || LIVEUPDATE_ABI < 2
#error "<linux/liveupdate.h> is older than libluo.h: include libluo.h before it, or without it"
#endif

#define LUO_DEVICE	"/dev/liveupdate"
/* Bytes of a session's name, without its terminating zero */
#define LUO_NAME_MAX	(LIVEUPDATE_SESSION_NAME_LENGTH - 1)

#ifdef __cplusplus
extern "C" {
#endif

int luo_ioctl(int fd, unsigned int nr, void *arg);
int luo_open(void);
/* One program at a time has it open, and not for long: wait for so many milliseconds. */
int luo_open_wait(unsigned int ms);
int luo_create(int dev, const char *name);
int luo_retrieve(int dev, const char *name, __u64 flags);
int luo_preserve(int session, int fd, __u64 token);
int luo_retrieve_fd(int session, __u64 token);
int luo_finish(int session);
/* @name has room for LIVEUPDATE_SESSION_NAME_LENGTH bytes. */
int luo_get_name(int session, char *name);
/* @token: set to whose file refused; may be NULL */
int luo_freeze(int session, __u64 *token);
int luo_thaw(int session);

/* For the two below: opened for reading, which no other program hinders or notices */
int luo_open_query(void);
int luo_get_info(int dev, struct liveupdate_ioctl_get_info *info);
/*
 * Each entry of LIVEUPDATE_LIST_*, until @fn returns other than 0, which is returned then.
 */
int luo_list(int dev, __u32 what, int (*fn)(const struct liveupdate_list_entry *entry, void *arg),
	     void *arg);

/*
 * The next kernel: load it with kexec_file_load(2), forget it, start it. @initrd may be -1.
 * luo_kexec() returns only if it fails. File systems are the caller's to sync.
 */
int luo_kexec_load(int kernel, int initrd, const char *command_line);
int luo_kexec_unload(void);
int luo_kexec(void);

/* What a call has returned, or an errno, by its name: "EUCLEAN"; NULL if libluo has none */
const char *luo_errno_name(int err);
/* The errno of a name, negative; -EINVAL if libluo has none of it */
int luo_errno(const char *name);
/* The same in words, live update's own where it has some: "damaged" */
const char *luo_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif /* LUO_LIBLUO_H */
