/* SPDX-License-Identifier: GPL-2.0 */
/* The calls of live update; all return a file descriptor or 0, or an errno, negative. */
#ifndef SESSIONS_H
#define SESSIONS_H

#include <linux/liveupdate.h>

int open_liveupdate(void);
int create_session(int device, const char *name);
int retrieve_session(int device, const char *name, __u64 flags);
int preserve_fd(int session, int fd, __u64 token);
int retrieve_fd(int session, __u64 token);
int freeze_session(int session, __u64 *refused);
int thaw_session(int session);
int finish_session(int session);

#endif
