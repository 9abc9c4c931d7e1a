// SPDX-License-Identifier: GPL-2.0
/* FREEZE and THAW: what they answer, and what a frozen memfd does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/writer.h"
#include "lib/fixture.h"
#include "lib/flb.h"

#define PAGES	8
#define EXPECT_ERR(err, call)	({ EXPECT_EQ(-1, call); EXPECT_EQ(err, errno); })

/* A memfd whose first half is there and whose second half is a hole, in session one */
#define half_a_memfd() ({							\
	int memfd_ = test_memfd(PAGES * PAGE);					\
										\
	ASSERT_TRUE(luo_fill(memfd_, 1, 0, PAGES / 2 * PAGE));			\
	test_preserve(self->one, memfd_, memfd_);				\
	memfd_; })

#define HOLE	(PAGES / 2 * PAGE)

TEST_F(session, states)
{
	test_preserve(self->one, test_memfd(PAGE), 1);
	test_err_thaw(EINVAL, self->one);
	test_freeze(self->one);
	test_err_freeze(EALREADY, self->one);
	test_err_preserve(EBUSY, self->one, test_memfd(PAGE), 2);
	test_thaw(self->one);
	test_err_thaw(EINVAL, self->one);
	test_preserve(self->one, test_memfd(PAGE), 2);
	test_freeze(self->one);
	test_thaw(self->one);
}

TEST_F(session, empty_session)
{
	test_freeze(self->one);
	test_err_freeze(EALREADY, self->one);
	test_err_preserve(EBUSY, self->one, test_memfd(PAGE), 1);
	test_thaw(self->one);
	test_preserve(self->one, test_memfd(PAGE), 1);
}

TEST_F(session, one_session_only)
{
	test_freeze(self->one);
	test_err_thaw(EINVAL, self->two);
	test_preserve(self->two, test_memfd(PAGE), 1);
	test_freeze(self->two);
	test_thaw(self->one);
	test_err_preserve(EBUSY, self->two, test_memfd(PAGE), 2);
}

/* What a frozen session still answers */
TEST_F(session, frozen_says_no_politely)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	test_freeze(self->one);
	test_err_finish(EINVAL, self->one);
	test_err_retrieve_fd(EINVAL, self->one, 1);
	test_get_name(self->one, name);
	EXPECT_STREQ("one", name);
	test_err_create(EEXIST, self->dev, "one");
}

TEST_F(session, close_thaws)
{
	int memfd = half_a_memfd();

	test_freeze(self->one);
	close(self->one);
	self->one = test_create(self->dev, "one");
	EXPECT_EQ(1, pwrite(memfd, "x", 1, HOLE));
	EXPECT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	EXPECT_EQ(0, fchmod(memfd, 0700));
	EXPECT_EQ(0, ftruncate(memfd, 2 * PAGES * PAGE));
}

TEST_F(session, frozen_memfd_keeps_what_it_has)
{
	int memfd = half_a_memfd();
	char *p = luo_map(memfd, PAGES * PAGE), *q;

	ASSERT_NE(NULL, p);
	test_freeze(self->one);
	EXPECT_TRUE(luo_holds(memfd, 1, 0, HOLE));
	EXPECT_TRUE(luo_fill(memfd, 2, 0, HOLE));
	EXPECT_TRUE(luo_holds(memfd, 2, 0, HOLE));
	p[PAGE] = 'p';
	q = luo_map(memfd, PAGES * PAGE);
	ASSERT_NE(NULL, q);
	EXPECT_EQ('p', q[PAGE]);
	/* A hole can be read, which makes no page */
	EXPECT_TRUE(luo_is_zero(memfd, HOLE, HOLE));
	EXPECT_TRUE(luo_is_hole(memfd, HOLE, HOLE));
}

TEST_F(session, frozen_memfd_write_into_hole)
{
	int memfd = half_a_memfd();

	test_freeze(self->one);
	EXPECT_ERR(EBUSY, pwrite(memfd, "x", 1, HOLE));
	EXPECT_ERR(EBUSY, pwrite(memfd, "x", 1, PAGES * PAGE - 1));
	EXPECT_EQ(1, pwrite(memfd, "x", 1, HOLE - 1));
	test_thaw(self->one);
	EXPECT_EQ(1, pwrite(memfd, "x", 1, HOLE));
	/* What came into the hole in between counts next time. */
	test_freeze(self->one);
	EXPECT_EQ(1, pwrite(memfd, "y", 1, HOLE));
	EXPECT_ERR(EBUSY, pwrite(memfd, "y", 1, HOLE + PAGE));
}

/* Half of it has a page and half has none: a short write, or none. */
TEST_F(session, frozen_memfd_write_across_the_edge)
{
	int memfd = half_a_memfd();
	char buf[2 * PAGE] = "";
	ssize_t n;

	test_freeze(self->one);
	n = pwrite(memfd, buf, sizeof(buf), HOLE - PAGE);
	EXPECT_TRUE(n == PAGE || (n < 0 && errno == EBUSY));
	EXPECT_TRUE(luo_is_hole(memfd, HOLE, HOLE));
}

TEST_F(session, frozen_memfd_is_what_it_is)
{
	int memfd = half_a_memfd();

	test_freeze(self->one);
	EXPECT_ERR(EBUSY, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	EXPECT_ERR(EBUSY, fchmod(memfd, 0700));
	EXPECT_ERR(EBUSY, fchown(memfd, 1, 1));
	EXPECT_ERR(EPERM, ftruncate(memfd, 0));
	EXPECT_EQ(-1, fallocate(memfd, 0, 0, PAGES * PAGE));
	EXPECT_EQ(0, luo_seals(memfd));
	EXPECT_EQ(0777, luo_mode(memfd));
	test_thaw(self->one);
	EXPECT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
}

struct touch {
	char *at;
	int memfd;
	int other;
};

static void touch(void *arg)
{
	struct touch *t = arg;

	luo_touch(t->at);
}

static void look(void *arg)
{
	struct touch *t = arg;

	luo_look(t->at);
}

/* write(2) to another memfd, from the hole: the fault happens under that one's lock */
static void copy(void *arg)
{
	struct touch *t = arg;

	if (pwrite(t->other, t->at, PAGE, 0) != PAGE)
		_exit(3);
}

TEST_F(session, fault_into_hole_waits_for_thaw)
{
	int memfd = half_a_memfd();
	struct touch t = { .at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE };
	struct luo_child c;

	test_freeze(self->one);
	ASSERT_TRUE(luo_child_start(&c, touch, &t));
	ASSERT_TRUE(luo_child_sleeps(&c));
	EXPECT_TRUE(luo_is_hole(memfd, HOLE, HOLE));
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	EXPECT_EQ('t', *t.at);
}

TEST_F(session, read_fault_into_hole_waits_for_thaw)
{
	int memfd = half_a_memfd();
	struct touch t = { .at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE };
	struct luo_child c;

	test_freeze(self->one);
	ASSERT_TRUE(luo_child_start(&c, look, &t));
	ASSERT_TRUE(luo_child_sleeps(&c));
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
}

TEST_F(session, fault_into_hole_can_be_killed)
{
	int memfd = half_a_memfd();
	struct touch t = { .at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE };
	struct luo_child c;

	test_freeze(self->one);
	ASSERT_TRUE(luo_child_start(&c, touch, &t));
	ASSERT_TRUE(luo_child_sleeps(&c));
	EXPECT_TRUE(luo_child_kill(&c));
	EXPECT_TRUE(luo_is_hole(memfd, HOLE, HOLE));
	test_thaw(self->one);
}

/* A fault of user space holds nothing: whatever a signal does, it does. */
static int handled[2];

static void handler(int sig)
{
	if (write(handled[1], "h", 1) != 1)
		_exit(4);
}

static void touch_with_handler(void *arg)
{
	struct sigaction action = { .sa_handler = handler };

	sigaction(SIGUSR1, &action, NULL);
	touch(arg);
}

TEST_F(session, fault_into_hole_lets_signals_in)
{
	int memfd = half_a_memfd(), status;
	struct touch t = { .at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE };
	struct luo_child c;
	char byte;

	ASSERT_EQ(0, pipe(handled));
	test_freeze(self->one);
	ASSERT_TRUE(luo_child_start(&c, touch_with_handler, &t));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(luo_child_sleeps(&c));
		ASSERT_EQ(0, kill(c.pid, SIGUSR1));
		ASSERT_EQ(1, read(handled[0], &byte, 1));
	}

	ASSERT_TRUE(luo_child_sleeps(&c));
	ASSERT_EQ(0, kill(c.pid, SIGSTOP));
	ASSERT_EQ(c.pid, waitpid(c.pid, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(c.pid, SIGCONT));

	ASSERT_TRUE(luo_child_sleeps(&c));
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, c.pid, NULL, NULL));
	ASSERT_EQ(c.pid, waitpid(c.pid, &status, 0));
	EXPECT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, c.pid, NULL, NULL));

	ASSERT_TRUE(luo_child_sleeps(&c));
	EXPECT_TRUE(luo_is_hole(memfd, HOLE, HOLE));
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	EXPECT_EQ('t', *t.at);
	close(handled[0]);
	close(handled[1]);
}

/* A kernel thread does not wait for somebody else's thaw. He can fault, and wait, himself. */
TEST_F(session, kernel_thread_does_not_wait)
{
	int memfd = half_a_memfd(), worker;
	char *at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE;

	test_load(DEVICE_TEST);
	worker = open("/sys/kernel/debug/luo_device_test/worker", O_WRONLY | O_CLOEXEC);
	ASSERT_GE(worker, 0);
	EXPECT_EQ(1, write(worker, at, 1));
	test_freeze(self->one);
	EXPECT_EQ(1, write(worker, at, 1));
	EXPECT_ERR(EFAULT, write(worker, at + PAGE, 1));
	test_thaw(self->one);
	EXPECT_EQ(1, write(worker, at + PAGE, 1));
	close(worker);
}

/* In the kernel a signal makes no difference to a fault: it waits on, and does not spin. */
static void copy_with_handler(void *arg)
{
	struct sigaction action = { .sa_handler = handler };
	struct touch *t = arg;
	int to = luo_memfd("copy", 0, PAGE);

	sigaction(SIGUSR1, &action, NULL);
	if (pwrite(to, t->at, 1, 0) != 1)
		_exit(3);
}

TEST_F(session, fault_in_the_kernel_does_not_spin)
{
	int memfd = half_a_memfd();
	struct touch t = { .at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE };
	struct luo_child c;

	ASSERT_EQ(0, pipe(handled));
	test_freeze(self->one);
	ASSERT_TRUE(luo_child_start(&c, copy_with_handler, &t));
	ASSERT_TRUE(luo_child_sleeps(&c));
	ASSERT_EQ(0, kill(c.pid, SIGUSR1));
	ASSERT_TRUE(luo_child_sleeps(&c));
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	close(handled[0]);
	close(handled[1]);
}

TEST_F(session, many_wait_for_thaw)
{
	int memfd = half_a_memfd();
	struct touch t[8];
	struct luo_child c[8];
	char *p = luo_map(memfd, PAGES * PAGE);

	test_freeze(self->one);
	for (int i = 0; i < 8; i++) {
		t[i].at = p + HOLE + i % 4 * PAGE + i;
		ASSERT_TRUE(luo_child_start(&c[i], touch, &t[i]));
	}
	for (int i = 0; i < 8; i++)
		ASSERT_TRUE(luo_child_sleeps(&c[i]));
	test_thaw(self->one);
	for (int i = 0; i < 8; i++) {
		EXPECT_TRUE(luo_child_done(&c[i]));
		EXPECT_EQ(0, luo_child_exit(&c[i]));
		EXPECT_EQ('t', *t[i].at);
	}
}

/* Populating a range takes pages as a fault does. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

static void populate(void *arg)
{
	struct touch *t = arg;

	if (madvise(t->at, PAGE, MADV_POPULATE_WRITE))
		_exit(3);
}

TEST_F(session, populate_waits_for_thaw)
{
	int memfd = half_a_memfd();
	struct touch t = { .at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE };
	struct luo_child c;

	test_freeze(self->one);
	ASSERT_TRUE(luo_child_start(&c, populate, &t));
	ASSERT_TRUE(luo_child_sleeps(&c));
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
}

/* Access by way of /proc/PID/mem cannot drop the lock of the address space: no waiting. */
static int write_by_proc_mem(void *arg)
{
	struct touch *t = arg;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	return pwrite(mem, "x", 1, (off_t)(unsigned long)t->at) == 1 ? 1 : 0;
}

TEST_F(session, fault_that_cannot_wait_fails)
{
	int memfd = half_a_memfd();
	struct touch t = { .at = (char *)luo_map(memfd, PAGES * PAGE) + HOLE };

	EXPECT_EQ(1, luo_in_child(write_by_proc_mem, &t));
	t.at += PAGE;
	test_freeze(self->one);
	EXPECT_EQ(0, luo_in_child(write_by_proc_mem, &t));
	EXPECT_TRUE(luo_is_hole(memfd, HOLE + PAGE, HOLE - PAGE));
	test_thaw(self->one);
	EXPECT_EQ(1, luo_in_child(write_by_proc_mem, &t));
}

/*
 * The sleeper holds the lock of the memfd that it writes to, and that one is preserved in
 * the same session: neither THAW nor close may want that lock before they wake it.
 */
static bool start_copy(struct luo_child *c, struct touch *t, int from, int to)
{
	t->at = (char *)luo_map(from, PAGES * PAGE) + HOLE;
	t->other = to;
	return luo_child_start(c, copy, t) && luo_child_sleeps(c);
}

/* A call that waits for another one on the session can be killed; the other one goes on. */
struct waiter {
	int session;
	int memfd;
	int other;
};

static void preserve_that_waits(void *arg)
{
	struct waiter *w = arg;

	luo_preserve(w->session, w->memfd, 77);
}

static void preserve_another(void *arg)
{
	struct waiter *w = arg;

	luo_preserve(w->session, w->other, 78);
}

TEST_F(session, wait_for_another_call_can_be_killed)
{
	int memfd = half_a_memfd();
	struct touch t;
	struct waiter w = { self->two, test_memfd(PAGES * PAGE), test_memfd(PAGE) };
	struct luo_child locks, first, second;

	/* Who sleeps in a hole holds the lock of @w.memfd, which PRESERVE of that waits for. */
	test_freeze(self->one);
	ASSERT_TRUE(start_copy(&locks, &t, memfd, w.memfd));
	ASSERT_TRUE(luo_child_start(&first, preserve_that_waits, &w));
	ASSERT_TRUE(luo_child_sleeps(&first));
	ASSERT_TRUE(luo_child_start(&second, preserve_another, &w));
	ASSERT_TRUE(luo_child_sleeps(&second));
	EXPECT_TRUE(luo_child_kill(&second));
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&first));
	EXPECT_EQ(0, luo_child_exit(&first));
	EXPECT_TRUE(luo_child_done(&locks));
	EXPECT_EQ(0, luo_child_exit(&locks));
	EXPECT_TRUE(luo_is_preserved(w.memfd));
}

TEST_F(session, sleeper_with_a_lock_and_thaw)
{
	int from = half_a_memfd(), to = half_a_memfd();
	struct luo_child c;
	struct touch t;

	test_freeze(self->one);
	ASSERT_TRUE(start_copy(&c, &t, from, to));
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	EXPECT_TRUE(luo_is_zero(to, 0, PAGE));
}

/* FREEZE and THAW of another session, whose file's lock the sleeper may hold */
TEST_F(session, sleeper_with_a_lock_of_another_session)
{
	int from = half_a_memfd(), to = test_memfd(PAGES * PAGE);
	struct luo_child c;
	struct touch t;

	ASSERT_TRUE(luo_fill(to, 1, 0, HOLE));
	test_preserve(self->two, to, 1);
	test_freeze(self->one);
	test_freeze(self->two);
	ASSERT_TRUE(start_copy(&c, &t, from, to));
	test_thaw(self->two);
	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
}

/* The child was forked before the session was there, so this close is the last one. */
struct late {
	int memfd;
	int go;
	int to;
};

static void touch_when_told(void *arg)
{
	struct late *l = arg;
	struct touch t = { .at = (char *)luo_map(l->memfd, PAGES * PAGE) + HOLE,
			   .other = l->to };
	char byte;

	while (read(l->go, &byte, 1) < 0)
		;
	copy(&t);
}

TEST_F(session, last_close_wakes_a_sleeper_with_a_lock)
{
	struct late l = { .memfd = test_memfd(PAGES * PAGE), .to = test_memfd(PAGES * PAGE) };
	struct luo_child c;
	int go[2], s;

	ASSERT_TRUE(luo_fill(l.memfd, 1, 0, HOLE));
	ASSERT_TRUE(luo_fill(l.to, 1, 0, HOLE));
	ASSERT_EQ(0, pipe(go));
	l.go = go[0];
	ASSERT_TRUE(luo_child_start(&c, touch_when_told, &l));
	s = test_create(self->dev, "late");
	test_preserve(s, l.to, 1);
	test_preserve(s, l.memfd, 2);
	test_freeze(s);
	ASSERT_EQ(1, write(go[1], "g", 1));
	ASSERT_TRUE(luo_child_sleeps(&c));
	close(s);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	EXPECT_EQ(0, ftruncate(l.to, 0));
}

/* A handler that refuses: its token is named and everything is thawed. */
TEST_F(session, refused)
{
	int good = half_a_memfd(), bad = test_memfd(PAGE), last = test_memfd(PAGE);
	__u64 token = 0;

	ASSERT_TRUE(luo_memfd_format("v2"));
	test_preserve(self->one, bad, 0xbad);
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
	test_preserve(self->one, last, 3);
	ASSERT_EQ(0, fchmod(bad, 0600));
	test_err_(EOPNOTSUPP, "freeze", luo_freeze(self->one, &token));
	EXPECT_EQ(0xbad, token);
	test_err_thaw(EINVAL, self->one);
	EXPECT_EQ(1, pwrite(good, "x", 1, HOLE));
	EXPECT_EQ(0, fcntl(last, F_ADD_SEALS, F_SEAL_GROW));
	test_preserve(self->one, test_memfd(PAGE), 4);
	ASSERT_EQ(0, fchmod(bad, 0777));
	test_freeze(self->one);
	test_thaw(self->one);
}

TEST_F(session, freeze_again_and_again)
{
	int memfd = half_a_memfd();

	for (int i = 0; i < 200; i++) {
		test_freeze(self->one);
		test_thaw(self->one);
	}
	close(self->one);
	self->one = test_create(self->dev, "one");
	EXPECT_TRUE(luo_holds(memfd, 1, 0, HOLE));
	EXPECT_EQ(0, ftruncate(memfd, 0));
}

/* Writers that never stop: what was written is there or the write said EBUSY. */
TEST_F(session, freeze_while_others_write)
{
	int memfd = test_memfd(LUO_BUSY_PAGES * PAGE);
	struct luo_busy b;

	test_preserve(self->one, memfd, 1);
	ASSERT_EQ(0, luo_busy_start(&b, memfd));
	for (int i = 0; i < 100; i++) {
		test_freeze(self->one);
		test_thaw(self->one);
	}
	EXPECT_EQ(0, luo_busy_stop(&b));
}

TEST_HARNESS_MAIN
