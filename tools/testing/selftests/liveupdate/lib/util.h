/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all test programs share: memfds with known contents, processes that one can wait
 * for, and the calls of live update, which are libluo's.
 *
 * Each call comes three times: luo_NAME() answers what the kernel answers, a file
 * descriptor or 0, or -errno; test_NAME() demands success; test_err_NAME() demands one
 * errno. The latter two want require_eq() and friends, from harness.h or from check.h.
 */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "libluo.h"
#include "kselftest.h"	/* for __printf and __noreturn */

/* Newer than the C library of bookworm */
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC		0x0020
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL		0x0008U
#endif

/* Tables are made of it, so it has to be known here; -DPAGE= for kernels with other pages */
#ifndef PAGE
#define PAGE			4096
#endif

#define test_fd_(what, call) ({			\
	int fd_ = (call);			\
						\
	require_ge(fd_, 0)			\
		luo_say(what ": %s", luo_error(fd_)); \
	fd_; })

#define test_ok_(what, call) ({			\
	int ret_ = (call);			\
						\
	require_eq(0, ret_)			\
		luo_say(what ": %s", luo_error(ret_)); })

#define test_err_(err, what, call) ({		\
	int ret_ = (call), want_ = -(err);	\
						\
	check_eq(want_, ret_)			\
		luo_say(what ": %s, want %s", luo_error(ret_), luo_error(want_)); })

#define test_open()			test_fd_("open", luo_open())
#define test_create(dev, name)		test_fd_("create", luo_create(dev, name))
#define test_retrieve(dev, name)	test_fd_("retrieve", luo_retrieve(dev, name, 0))
#define test_retrieve_keep(dev, name)	\
	test_fd_("retrieve", luo_retrieve(dev, name, LIVEUPDATE_RETRIEVE_KEEP))
#define test_preserve(s, fd, token)	test_ok_("preserve", luo_preserve(s, fd, token))
#define test_retrieve_fd(s, token)	test_fd_("retrieve fd", luo_retrieve_fd(s, token))
#define test_finish(s)			test_ok_("finish", luo_finish(s))
#define test_get_name(s, name)		test_ok_("get name", luo_get_name(s, name))
#define test_freeze(s)			test_ok_("freeze", luo_freeze(s, NULL))
#define test_thaw(s)			test_ok_("thaw", luo_thaw(s))
#define test_memfd(size)		\
	test_fd_("memfd", luo_memfd("memfd", MFD_ALLOW_SEALING, size))

#define test_err_open(err)		test_err_(err, "open", luo_open())
#define test_err_create(err, dev, name)	test_err_(err, "create", luo_create(dev, name))
#define test_err_retrieve(err, dev, name)	\
	test_err_(err, "retrieve", luo_retrieve(dev, name, 0))
#define test_err_preserve(err, s, fd, token)	\
	test_err_(err, "preserve", luo_preserve(s, fd, token))
#define test_err_retrieve_fd(err, s, token)	\
	test_err_(err, "retrieve fd", luo_retrieve_fd(s, token))
#define test_err_finish(err, s)		test_err_(err, "finish", luo_finish(s))
#define test_err_get_name(err, s)	\
	test_err_(err, "get name", luo_get_name(s, (char[LIVEUPDATE_SESSION_NAME_LENGTH]) {}))
#define test_err_freeze(err, s)		test_err_(err, "freeze", luo_freeze(s, NULL))
#define test_err_thaw(err, s)		test_err_(err, "thaw", luo_thaw(s))

/* One line of explanation in the output; "success" or the errno's text */
void __printf(1, 2) luo_say(const char *fmt, ...);
const char *luo_error(int ret);

/* Through a socket: 0 or an errno; the descriptor or an errno. See scm_rights.c */
int luo_send_fd(int sock, int fd);
int luo_receive_fd(int sock);

/* The same with a text; without a descriptor if that is -1. 0 or an errno. */
int luo_send_text(int sock, const char *text, int fd);
int luo_receive_text(int sock, char *text, size_t size, int *fd);

/* What the link in /proc says of it */
bool luo_link_text(int fd, char *text, size_t size);

/* How many file descriptors this process has */
int luo_count_fds(void);

/* Is there no device because live update is off? luo_required=1 says that it must be on. */
bool luo_is_off(int dev);

/*
 * memfds. Contents are a function of a seed and the position, so that the next kernel's
 * program can work out what it must find.
 */
int luo_memfd(const char *name, unsigned int flags, off_t size);
int luo_reopen(int fd, int flags);
bool luo_fill(int fd, __u64 seed, off_t from, size_t len);
bool luo_holds(int fd, __u64 seed, off_t from, size_t len);
bool luo_is_zero(int fd, off_t from, size_t len);
bool luo_is_hole(int fd, off_t from, size_t len);
bool luo_is_preserved(int fd);
void *luo_map(int fd, size_t len);
off_t luo_size(int fd);
int luo_seals(int fd);
mode_t luo_mode(int fd);
size_t luo_page_size(void);

/* What debugfs says of "outgoing" or "incoming"; -1: nothing */
long long luo_bytes_preserved(const char *side);

/* The format that memfds are preserved in: "v2", "extent-v1" */
bool luo_memfd_format(const char *format);
const char *luo_memfd_format_now(void);

/* Write one byte; read one */
void luo_touch(char *at);
char luo_look(const char *at);

/* Another process that touches memory and says so; see blocked_task.c */
struct luo_child {
	pid_t pid;
	int started;
	int done;
};

bool luo_child_start(struct luo_child *c, void (*work)(void *arg), void *arg);
bool luo_child_sleeps(struct luo_child *c);
bool luo_child_done(struct luo_child *c);
bool luo_child_kill(struct luo_child *c);
int luo_child_exit(struct luo_child *c);

/* Run a function in a forked process; its return value, or -1 if it died */
int luo_in_child(int (*fn)(void *arg), void *arg);

/* In one go, as files of the kernel want it */
bool luo_write_text(const char *path, const char *text);
bool luo_read_text(const char *path, char *text, size_t size);

/* New lines of the kernel's log, from now on; how many of them have both in them */
int luo_kmsg_open(void);
int luo_kmsg_count(int kmsg, const char *one, const char *two);

/* Does that file of /sys/kernel/liveupdate say so? If not, what it does say is printed. */
bool luo_status_is(const char *name, const char *want);

/* Free memory in bytes, with what processors keep at hand: MemFree does not count that */
long long luo_free_memory(void);

/* Does the release of this kernel begin like that? */
bool luo_is_linux(const char *release);

/* A line of /proc/meminfo, in bytes */
long long luo_meminfo(const char *what);

/* /sys/kernel/liveupdate/scratch: a number, or -1; the same of an area; the sum of all areas */
long long luo_scratch_number(const char *name);
long long luo_scratch_area(int i, const char *name);
long long luo_scratch_sum(const char *name);
bool luo_in_scratch(long long address);

/* Where this kernel found its initramfs. False: it does not say, as on arm64 */
bool luo_initrd(long long *start, long long *end);

/*
 * Memory errors: the page frames of pages that are mapped, and of one that can be; can there be
 * errors, in this kernel? Whether a page is out of use; have it be so, and no more; and one that
 * nobody misses.
 */
bool luo_can_poison(void);
void luo_pfns(const void *memory, __u64 *pfns, size_t nr);
__u64 luo_pfn(const void *page);
bool luo_is_poisoned(__u64 pfn);
bool luo_is_free(__u64 pfn);
bool luo_poison(__u64 pfn);
bool luo_unpoison(__u64 pfn);
__u64 luo_poison_page(void);

/* The next kernel; see kexec.c. From LUO_MORE on a command line is for one kernel only. */
#define LUO_MORE	" luo_more=1"

int luo_stage(void);
bool luo_next_cmdline(char *out, size_t size);
int luo_load_next(const char *cmdline);
int luo_load_crash(const char *cmdline);
int luo_load_legacy(const char *cmdline);
int luo_load_raw(void);
int luo_load_back(void);
int luo_unload(void);
int luo_reboot(void);
int luo_jump_by_luoctl(const char *cmdline, bool force, const char *said);
int luo_jump(void);

#endif /* UTIL_H */
