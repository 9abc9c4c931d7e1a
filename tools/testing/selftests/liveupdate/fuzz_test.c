// SPDX-License-Identifier: GPL-2.0
/*
 * Calls at random: right ones and wrong ones, with sizes, pointers and file descriptors of
 * every kind, by one thread and by several that share sessions and memfds. The kernel says
 * one of the things that it may say, nothing leaks, and afterwards all is as it was.
 *
 *   luo_calls=N  how many calls, luo_seed=N  which ones; on the kernel's command line
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/harness.h"
#include "lib/fd_kinds.h"

#define THREADS		4
#define SESSIONS	6
#define MEMFDS		8
#define NAMES		5
#define PRESET_CALLS	2000

struct fuzzer {
	pthread_t thread;
	unsigned short random[3];
	int calls;
	int dev;
	int sessions[SESSIONS];		/* -1: none */
	int memfds[MEMFDS];
	const struct luo_kinds *kinds;
	char *edge;			/* the end of memory that is there */
	char *wall;			/* memory that cannot be written */
	unsigned long said[256];	/* how often which errno */
	char bad[128];			/* the first answer that nobody may give */
};

union argument {
	__u32 size;
	struct liveupdate_ioctl_retrieve_session named;
	struct liveupdate_session_preserve_fd numbered;
	struct liveupdate_session_get_name get_name;
	struct liveupdate_session_freeze freeze;
	struct liveupdate_ioctl_list list;
	__u8 bytes[256];
};

static const struct {
	unsigned int nr;
	__u32 size;
} verbs[] = {
	{ LIVEUPDATE_IOCTL_CREATE_SESSION, sizeof(struct liveupdate_ioctl_create_session) },
	{ LIVEUPDATE_IOCTL_RETRIEVE_SESSION, sizeof(struct liveupdate_ioctl_retrieve_session) },
	{ LIVEUPDATE_SESSION_PRESERVE_FD, sizeof(struct liveupdate_session_preserve_fd) },
	{ LIVEUPDATE_SESSION_RETRIEVE_FD, sizeof(struct liveupdate_session_retrieve_fd) },
	{ LIVEUPDATE_SESSION_FINISH, sizeof(struct liveupdate_session_finish) },
	{ LIVEUPDATE_SESSION_GET_NAME, sizeof(struct liveupdate_session_get_name) },
	{ LIVEUPDATE_SESSION_FREEZE, sizeof(struct liveupdate_session_freeze) },
	{ LIVEUPDATE_SESSION_THAW, sizeof(struct liveupdate_session_thaw) },
	{ LIVEUPDATE_IOCTL_GET_INFO, sizeof(struct liveupdate_ioctl_get_info) },
	{ LIVEUPDATE_IOCTL_LIST, sizeof(struct liveupdate_ioctl_list) },
};

static unsigned long setting(const char *name, unsigned long preset)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : preset;
}

static unsigned int below(struct fuzzer *f, unsigned int limit)
{
	return nrand48(f->random) % limit;
}

static int any_fd(struct fuzzer *f)
{
	switch (below(f, 10)) {
	case 0:
		return f->dev;
	case 1:
		return f->sessions[below(f, SESSIONS)];
	case 2:
		return (int)below(f, 200) - 3;
	case 3:
		return (int)jrand48(f->random);
	case 4:
	case 5:
		return f->kinds->fd[below(f, f->kinds->nr)];
	default:
		return f->memfds[below(f, MEMFDS)];
	}
}

static __u32 any_size(struct fuzzer *f, __u32 size)
{
	switch (below(f, 12)) {
	case 0:
		return below(f, sizeof(union argument));
	case 1:
		return size + 1 + below(f, 64);
	case 2:
		return size - 1 - below(f, 8);
	case 3:
		return jrand48(f->random);
	case 4:
		return 4096 + 4 - below(f, 8);
	default:
		return size;
	}
}

/* At the end of memory that may be overwritten, and nowhere else */
static void fill_list(struct fuzzer *f, struct liveupdate_ioctl_list *list)
{
	list->what = below(f, 5);
	list->entries = (uintptr_t)f->edge - below(f, 2048);
	if (below(f, 4))
		list->entry_size = sizeof(struct liveupdate_list_entry);
	if (below(f, 4))
		list->count = below(f, 8);
	if (below(f, 2))
		list->cursor = 0;
}

static void fill(struct fuzzer *f, union argument *arg, unsigned int verb)
{
	memset(arg, below(f, 8) ? 0 : 0xff, sizeof(*arg));
	arg->size = any_size(f, verbs[verb].size);
	if (verb < 2) {
		snprintf((char *)arg->named.name, sizeof(arg->named.name), "fuzz %u",
			 below(f, NAMES));
		if (!below(f, 16))
			memset(arg->named.name, 'x', sizeof(arg->named.name));
		arg->named.flags = below(f, 4) ? 0 : nrand48(f->random);
	} else if (verb < 4) {
		arg->numbered.fd = any_fd(f);
		arg->numbered.token = below(f, 16) ? below(f, 6) : -1ULL;
	}
	if (!below(f, 8))
		arg->bytes[4 + below(f, sizeof(*arg) - 4)] = nrand48(f->random);
	if (verbs[verb].nr == LIVEUPDATE_IOCTL_LIST)
		fill_list(f, &arg->list);
}

/* Where the argument is; what does not fit there is cut off. */
static void *place(struct fuzzer *f, union argument *arg)
{
	size_t part;

	switch (below(f, 16)) {
	case 0:
		return NULL;
	case 1:
		return (void *)-4096L;
	case 2:
		return (void *)(jrand48(f->random) & 0x7fffffffffffL);
	case 3:
		return f->wall;
	case 4:
		part = below(f, sizeof(*arg));
		memcpy(f->edge - part, arg, part);
		return f->edge - part;
	default:
		return arg;
	}
}

/* All that any of the calls may say */
static bool may_be_said(int err)
{
	static const int errnos[] = {
		0, EBADF, ENOTTY, EINVAL, EOPNOTSUPP, E2BIG, EFAULT, EBUSY, EALREADY, EEXIST,
		ENOENT, EACCES,
	};

	for (int i = 0; i < ARRAY_SIZE(errnos); i++)
		if (err == errnos[i])
			return true;
	return false;
}

static void answered(struct fuzzer *f, const char *what, int fd, int err)
{
	f->said[err & 255]++;
	if (!may_be_said(err) && !f->bad[0])
		snprintf(f->bad, sizeof(f->bad), "%s on fd %d: %s", what, fd, strerror(err));
}

static void take_session(struct fuzzer *f, int fd)
{
	int *slot = &f->sessions[below(f, SESSIONS)];

	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

/* One that is open, if there is one */
static int any_session(struct fuzzer *f)
{
	int session = -1;

	for (int tries = 0; session < 0 && tries < 8; tries++)
		session = f->sessions[below(f, SESSIONS)];
	return session;
}

static void call_ioctl(struct fuzzer *f)
{
	unsigned int verb = below(f, ARRAY_SIZE(verbs)), nr = verbs[verb].nr;
	union argument arg;
	int fd = verb < 2 ? f->dev : any_session(f), ret;
	void *at;

	/* Other numbers, other files */
	if (!below(f, 16))
		nr = _IO(LIVEUPDATE_IOCTL_TYPE, below(f, 256));
	if (!below(f, 16))
		fd = any_fd(f);
	fill(f, &arg, verb);
	at = place(f, &arg);
	ret = ioctl(fd, nr, at) ? errno : 0;
	answered(f, "ioctl", fd, ret);
	if (!ret && nr == LIVEUPDATE_IOCTL_CREATE_SESSION)
		take_session(f, ((struct liveupdate_ioctl_create_session *)at)->fd);
}

/* What else there is to be done to a session */
static void call_session(struct fuzzer *f, int session)
{
	struct pollfd p = { .fd = session, .events = POLLIN | POLLOUT };
	char bytes[64] = {};

	switch (below(f, 7)) {
	case 0:
		read(session, bytes, sizeof(bytes));
		break;
	case 1:
		write(session, bytes, sizeof(bytes));
		break;
	case 2:
		poll(&p, 1, 0);
		break;
	case 3:
		lseek(session, below(f, 4096), below(f, 5));
		break;
	case 4:
		mmap(NULL, 4096, PROT_READ, MAP_SHARED, session, 0);
		break;
	case 5:
		ftruncate(session, below(f, 4096));
		break;
	default:
		fchmod(session, below(f, 0777));
	}
}

static void call_memfd(struct fuzzer *f, int memfd)
{
	char bytes[64] = {};

	switch (below(f, 7)) {
	case 0:
		ftruncate(memfd, below(f, 16 * PAGE));
		break;
	case 1:
		fchmod(memfd, below(f, 0777));
		break;
	case 2:
		pwrite(memfd, bytes, sizeof(bytes), below(f, 20 * PAGE));
		break;
	case 3:
		fallocate(memfd, below(f, 4), below(f, 20 * PAGE), PAGE);
		break;
	case 4:
		fcntl(memfd, F_ADD_SEALS, 1 << below(f, 4));
		break;
	case 5:
		lseek(memfd, below(f, 20 * PAGE), SEEK_SET);
		break;
	default:
		f->memfds[below(f, MEMFDS)] = memfd;
	}
}

static void call_other(struct fuzzer *f)
{
	int session = any_session(f);

	switch (below(f, 8)) {
	case 0:		/* a name more for it, of which the older may go */
		session = dup(session);
		if (session >= 0)
			take_session(f, session);
		break;
	case 1:
		if (!below(f, 4))
			take_session(f, -1);
		break;
	case 2:
	case 3:
	case 4:
		call_session(f, session);
		break;
	default:
		call_memfd(f, f->memfds[below(f, MEMFDS)]);
	}
}

static void *work(void *arg)
{
	struct fuzzer *f = arg;

	while (f->calls-- > 0) {
		/* A guest that says nothing is taken for dead. */
		if (f->calls && f->calls % 10000 == 0)
			luo_say("%d calls to go", f->calls);
		if (below(f, 4))
			call_ioctl(f);
		else
			call_other(f);
	}
	return NULL;
}

FIXTURE(fuzz)
{
	int fds;
	int memfds[MEMFDS];
	int session;
	struct luo_kinds kinds;
	struct fuzzer fuzzers[THREADS];
};

static void setup_fuzzer(struct fuzzer *f, int dev, int session, const int *memfds,
			 const struct luo_kinds *kinds, unsigned long seed)
{
	char *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(f, 0, sizeof(*f));
	f->random[0] = seed;
	f->random[1] = seed >> 16;
	f->random[2] = seed >> 32;
	f->dev = dev;
	f->kinds = kinds;
	f->edge = pages + PAGE;
	f->wall = pages + 2 * PAGE;
	munmap(f->edge, PAGE);
	mprotect(f->wall, PAGE, PROT_READ);
	memcpy(f->memfds, memfds, sizeof(f->memfds));
	for (int i = 0; i < SESSIONS; i++)
		f->sessions[i] = i ? -1 : dup(session);
}

FIXTURE_SETUP(fuzz)
{
	unsigned long seed = setting("luo_seed", 1);
	int dev = luo_open();

	if (luo_is_off(dev))
		SKIP(return, "no " LUO_DEVICE ": live update is off");
	close(dev);
	self->fds = luo_count_fds();
	dev = test_open();
	self->session = test_create(dev, "shared");
	ASSERT_GE(luo_kinds_open(&self->kinds), 20);
	for (int i = 0; i < MEMFDS; i++)
		self->memfds[i] = test_memfd(16 * PAGE);
	for (int i = 0; i < THREADS; i++)
		setup_fuzzer(&self->fuzzers[i], dev, self->session, self->memfds, &self->kinds,
			     seed * THREADS + i);
}

/* Whatever was left open, preserved, frozen goes with the last close. */
FIXTURE_TEARDOWN(fuzz)
{
	char name[16];
	int dev = self->fuzzers[0].dev;

	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < SESSIONS; k++)
			close(self->fuzzers[i].sessions[k]);
	close(self->session);
	/* Seals may have come to them, so that they cannot be resized: they can be preserved. */
	self->session = test_create(dev, "shared");
	for (int i = 0; i < MEMFDS; i++) {
		test_preserve(self->session, self->memfds[i], i);
		close(self->memfds[i]);
	}
	close(self->session);
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "fuzz %d", i);
		close(test_create(dev, name));
	}
	luo_kinds_close(&self->kinds);
	close(dev);
	EXPECT_EQ(self->fds, luo_count_fds());
}

static void tell(struct __test_metadata *_metadata, const struct fuzzer *f, int nr)
{
	unsigned long all[256] = {}, calls = 0;

	for (int i = 0; i < nr; i++) {
		EXPECT_STREQ("", f[i].bad);
		for (int err = 0; err < 256; err++) {
			all[err] += f[i].said[err];
			calls += f[i].said[err];
		}
	}
	for (int err = 0; err < 256; err++)
		if (all[err])
			luo_say("%8lu %s", all[err], err ? strerror(err) : "success");
	/* Some of each of what matters */
	EXPECT_GT(all[0], calls / 50);
	EXPECT_GT(all[EINVAL], 0);
	EXPECT_GT(all[EFAULT], 0);
	EXPECT_GT(all[EBUSY], 0);
	EXPECT_GT(all[EEXIST], 0);
	EXPECT_GT(all[ENOENT], 0);
}

TEST_F_TIMEOUT(fuzz, one_thread, 3600)
{
	self->fuzzers[0].calls = setting("luo_calls", PRESET_CALLS) / 2;
	work(&self->fuzzers[0]);
	tell(_metadata, self->fuzzers, 1);
}

TEST_F_TIMEOUT(fuzz, threads, 3600)
{
	for (int i = 0; i < THREADS; i++) {
		self->fuzzers[i].calls = setting("luo_calls", PRESET_CALLS) / 2 / THREADS;
		ASSERT_EQ(0, pthread_create(&self->fuzzers[i].thread, NULL, work,
					    &self->fuzzers[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(self->fuzzers[i].thread, NULL);
	tell(_metadata, self->fuzzers, THREADS);
}

TEST_HARNESS_MAIN
