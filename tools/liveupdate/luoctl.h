/* SPDX-License-Identifier: GPL-2.0 */
/*
 * luoctl: live update from the command line. Each command is a file of its own.
 *
 * It answers by its exit status, see EXIT_* in options.h.
 */
#ifndef LUOCTL_H
#define LUOCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "libluo.h"
#include "options.h"

#ifndef LUOCTL_VERSION
#define LUOCTL_VERSION	"unknown"
#endif

#define NO_QUERY	"this kernel does not list what it holds"

/* The exit status for an errno of the kernel's, which has words in luo_strerror() */
int exit_status(int err);

/* Why there is no device, in a sentence */
const char *why_off(void);

__u64 parse_token(const char *word);

/* Of a session; else it exits */
void check_name(const char *name);

/* Else it exits: what is opened next would be taken for it */
void need_open(int fd, const char *what);

/* All of it, or it exits */
void write_all(int fd, const char *buf, size_t len);

/* The device, as soon as nobody else has it open, for up to a second; or it exits */
int open_device(void);

/* Does it? Else opening the device only to look keeps others from it. */
bool has_queries(void);

/* The device, for queries alone, of a kernel that answers them; or it exits */
int open_query(void);

/* The process that holds an outgoing session of that name; 0: none is found */
pid_t find_holder(const char *name);

/* Escaped, to be freed; NULL: it has ended */
char *program_name(pid_t pid);

/* All of a file, to be freed; NULL and errno if it cannot be read */
char *read_file(const char *path);

/* Opened for reading, with its size in bytes; or it exits */
int open_file(const char *path, unsigned long long *size);

/* The initramfs that this kernel was started with, if it has kept it; was it, at all? */
#define OWN_INITRD	"/sys/firmware/initrd"
bool started_with_initrd(void);

/* As sd_booted(3) sees it */
bool systemd_runs(void);

/*
 * Bytes, up to the first zero, as printable ASCII: all else, and the backslash, is an octal
 * escape, as in the kernel's log. To be freed.
 */
char *escape(const char *bytes, size_t size);

/* That is undone in place. */
char *unescape(char *text);

/* An escaped name, with the characters that can be printed here, padded to so many columns */
void print_name(const char *name, int width);

/* To a terminal, after more than a second, and then once a second; @end: a new line */
void say_how_far(unsigned long long nr, const char *unit, bool end);

#endif /* LUOCTL_H */
