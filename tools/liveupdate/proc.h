/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PROC_H
#define PROC_H

#include <sys/types.h>

/* Each descriptor of a session that a process has, until it returns other than 0 */
typedef int (*session_fn)(pid_t pid, int fd, const char *name, void *arg);
int each_session(session_fn fn, void *arg);

/* A descriptor of another process's outgoing session, or an errno */
int take_session(pid_t pid, int fd);

/* An outgoing session that some process holds; -ENOENT if none does */
int session_held(const char *name);

#endif /* PROC_H */
