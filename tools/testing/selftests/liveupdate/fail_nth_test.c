// SPDX-License-Identifier: GPL-2.0
/*
 * Let the first allocation or user copy of a call fail, then the second, until nothing
 * fails any more: each time nothing has happened, nothing more is in use than before, and
 * it works the next time. Then let any of them fail.
 *
 * liveupdate.memfd_format=v2 on the kernel's command line has memfds preserved that way,
 * luo_faults=deep makes it larger and longer.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fault_inject.h"
#include "lib/harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	1800

/* Should a reboot that is to be refused take place after all, nothing runs there. */
#define NOT_WANTED	"console=ttyS0 panic=-1"

/* So many sessions are described by one page. */
#define PER_BLOCK	((PAGE - 16) / 80)

/* So much memory has a page of its own in KHO's map. */
#define PER_LEAF	(PAGE * 8L * PAGE)

/* All that a failed freeze may leave behind is what it has kept already. */
#define BUT_KEPT	(LUO_COUNT_SHMEM | LUO_COUNT_FILES)

struct scene {
	int pages;		/* of the memfd */
	int dev;
	int session;
	int memfd;
	int before;		/* a memfd that is frozen before that one */
	int refuses;		/* a session that refuses to be frozen */
	struct luo_counts idle;	/* with no session */
};

FIXTURE(fault)
{
	struct scene s;
};

/* Pages and holes in turn; in the second half only once it is preserved, for freeze */
static bool fill(int memfd, __u64 seed, int from, int to)
{
	for (int i = from; i < to; i += 2)
		if (!luo_fill(memfd, seed, (off_t)i * PAGE, PAGE))
			return false;
	return true;
}

static bool is_filled(int memfd, __u64 seed, int from, int to)
{
	for (int i = from; i < to; i += 2)
		if (!luo_holds(memfd, seed, (off_t)i * PAGE, PAGE))
			return false;
	return true;
}

FIXTURE_SETUP(fault)
{
	if (!luo_fault_setup())
		SKIP(return, "this kernel injects no faults");
	self->s.pages = luo_fault_deep() ? 4096 : 1152;
	self->s.before = -1;
	self->s.refuses = -1;
	self->s.dev = test_open();
	self->s.memfd = test_memfd((off_t)self->s.pages * PAGE);
	ASSERT_TRUE(fill(self->s.memfd, 1, 0, self->s.pages / 2));
	luo_counts_take(&self->s.idle);
	self->s.session = test_create(self->s.dev, "session");
}

FIXTURE_TEARDOWN(fault)
{
	close(self->s.refuses);
	close(self->s.session);
	close(self->s.before);
	EXPECT_FALSE(luo_is_preserved(self->s.memfd));
	EXPECT_TRUE(luo_counts_still(&self->s.idle, LUO_COUNT_ALL & ~LUO_COUNT_SHMEM));
	EXPECT_TRUE(is_filled(self->s.memfd, 1, 0, self->s.pages / 2));
	/* With a reference to a page left this would be EBUSY. */
	EXPECT_EQ(0, fcntl(self->s.memfd, F_ADD_SEALS, F_SEAL_WRITE));
	EXPECT_EQ(0, ftruncate(self->s.memfd, 0));
	close(self->s.memfd);
	close(self->s.dev);
	self->s.dev = test_open();
	close(test_create(self->s.dev, "session"));
	close(self->s.dev);
}

TEST_F(fault, open)
{
	close(self->s.dev);
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, luo_open(), close(test_open()), close(ret_)), 0);
	self->s.dev = test_open();
}

TEST_F(fault, create)
{
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, luo_create(self->s.dev, "other"),
			    close(test_create(self->s.dev, "other")), close(ret_)), 0);
}

/* The first one takes memory that others share with it. */
TEST_F(fault, create_first)
{
	close(self->s.session);
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, luo_create(self->s.dev, "other"),
			    close(test_create(self->s.dev, "other")), close(ret_)), 0);
	self->s.session = test_create(self->s.dev, "session");
}

TEST_F(fault, create_many)
{
	int sessions[PER_BLOCK];
	char name[16];

	for (int i = 1; i < PER_BLOCK; i++) {
		snprintf(name, sizeof(name), "session %d", i);
		sessions[i] = test_create(self->s.dev, name);
	}
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, luo_create(self->s.dev, "other"),
			    close(test_create(self->s.dev, "other")), close(ret_)), 0);
	for (int i = 1; i < PER_BLOCK; i++)
		close(sessions[i]);
}

TEST_F(fault, get_name)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, luo_get_name(self->s.session, name),
			    test_get_name(self->s.session, name),
			    EXPECT_STREQ("session", name)), 0);
}

/* Unpreserve everything. */
static void renew(struct __test_metadata *_metadata, struct scene *s)
{
	close(s->session);
	s->session = test_create(s->dev, "session");
}

static int sweep_preserve(struct __test_metadata *_metadata, struct scene *s, int memfd)
{
	return luo_sweep(LUO_COUNT_ALL, luo_preserve(s->session, memfd, 1),
			 ({ EXPECT_FALSE(luo_is_preserved(memfd));
			    test_preserve(s->session, memfd, 1);
			    renew(_metadata, s); }),
			 ({ EXPECT_TRUE(luo_is_preserved(memfd));
			    renew(_metadata, s); }));
}

TEST_F(fault, preserve)
{
	EXPECT_GT(sweep_preserve(_metadata, &self->s, self->s.memfd), 0);
}

/* The same session all the time, so that what is left of a failure would be in the way */
TEST_F(fault, preserve_more)
{
	int other = test_memfd(PAGE);
	__u64 token = 1;

	test_preserve(self->s.session, self->s.memfd, 0);
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, luo_preserve(self->s.session, other, token),
			    EXPECT_FALSE(luo_is_preserved(other)),
			    ({ close(other);
			       other = test_memfd(PAGE);
			       token++; })), 0);
	EXPECT_TRUE(luo_is_preserved(self->s.memfd));
	close(other);
}

/*
 * Memory that KHO's map has no page for yet; what is taken up stays so until the test ends.
 * It is taken up by single pages, as a memfd's come from where those do.
 */
static int memfd_elsewhere(struct __test_metadata *_metadata)
{
	void *p = mmap(NULL, PER_LEAF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int memfd = test_memfd(64 * PAGE);

	ASSERT_NE(MAP_FAILED, p);
	madvise(p, PER_LEAF, MADV_NOHUGEPAGE);
	ASSERT_EQ(0, madvise(p, PER_LEAF, MADV_POPULATE_WRITE));
	ASSERT_TRUE(fill(memfd, 2, 0, 64));
	return memfd;
}

/* KHO's own allocations: where nothing has been preserved yet, its map has to grow. */
TEST_F(fault, preserve_elsewhere)
{
	struct luo_counts before, after;
	int tries = 0, failures, memfd;

	do {
		memfd = memfd_elsewhere(_metadata);
		luo_counts_take(&before);
		failures = sweep_preserve(_metadata, &self->s, memfd);
		luo_counts_take(&after);
		/* With a reference to a page left this would be EBUSY. */
		EXPECT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE));
		close(memfd);
	} while (before.nodes == after.nodes && ++tries < 8);
	EXPECT_GT(failures, 0);
	EXPECT_GT(after.nodes, before.nodes);
}

/* Preserved, and since then pages have come into holes, which freeze needs memory for. */
static void make_fresh(struct __test_metadata *_metadata, struct scene *s)
{
	const int half = s->pages / 2;

	renew(_metadata, s);
	close(s->before);
	s->before = test_memfd(2 * PAGE);
	test_preserve(s->session, s->before, 0);
	ASSERT_EQ(0, ftruncate(s->memfd, (off_t)half * PAGE));
	ASSERT_EQ(0, ftruncate(s->memfd, (off_t)s->pages * PAGE));
	test_preserve(s->session, s->memfd, 1);
	ASSERT_TRUE(fill(s->memfd, 3, half, s->pages));
}

/* Neither frozen nor unpreserved, and it can be tried again. */
static void is_thawed(struct __test_metadata *_metadata, struct scene *s)
{
	test_err_thaw(EINVAL, s->session);
	EXPECT_TRUE(luo_is_preserved(s->memfd));
	EXPECT_EQ(1, pwrite(s->memfd, "x", 1, (s->pages - 1L) * PAGE));
	EXPECT_EQ(1, pwrite(s->before, "x", 1, PAGE));
	test_freeze(s->session);
	EXPECT_TRUE(is_filled(s->memfd, 3, s->pages / 2, s->pages - 1));
	test_thaw(s->session);
}

TEST_F(fault, freeze)
{
	make_fresh(_metadata, &self->s);
	EXPECT_GT(luo_sweep(BUT_KEPT, luo_freeze(self->s.session, NULL),
			    ({ is_thawed(_metadata, &self->s);
			       make_fresh(_metadata, &self->s); }),
			    ({ test_thaw(self->s.session);
			       make_fresh(_metadata, &self->s); })), 0);
}

/* A session that cannot be frozen: memfd-v2 cannot carry the mode of a memfd in it. */
static void refuse(struct __test_metadata *_metadata, struct scene *s)
{
	const char *format = luo_memfd_format_now();
	int memfd = test_memfd(PAGE);

	close(s->refuses);
	s->refuses = test_create(s->dev, "refuses");
	ASSERT_TRUE(luo_memfd_format("v2"));
	test_preserve(s->refuses, memfd, 47829);
	ASSERT_TRUE(luo_memfd_format(format));
	ASSERT_EQ(0, fchmod(memfd, 0600));
	close(memfd);
}

/* 0 if it is refused for that reason */
static int refused(int ret)
{
	return ret == -EOPNOTSUPP ? 0 : ret ?: -EINVAL;
}

TEST_F(fault, freeze_refused)
{
	__u64 token = 0;

	refuse(_metadata, &self->s);
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, refused(luo_freeze(self->s.refuses, &token)),
			    test_err_thaw(EINVAL, self->s.refuses),
			    ({ EXPECT_EQ(47829, token);
			       token = 0;
			       test_err_thaw(EINVAL, self->s.refuses); })), 0);
}

/*
 * The freeze of the reboot. There is an image, but after the session that a fault may hit
 * comes one that refuses in any case.
 */
static void make_fresh_and_refuse(struct __test_metadata *_metadata, struct scene *s)
{
	make_fresh(_metadata, s);
	refuse(_metadata, s);
}

TEST_F(fault, reboot)
{
	int first = test_create(self->s.dev, "first");

	ASSERT_EQ(0, luo_load_next(NOT_WANTED));
	make_fresh_and_refuse(_metadata, &self->s);
	EXPECT_GT(luo_sweep(BUT_KEPT, refused(luo_reboot()),
			    ({ test_err_thaw(EINVAL, first);
			       is_thawed(_metadata, &self->s);
			       make_fresh_and_refuse(_metadata, &self->s); }),
			    ({ is_thawed(_metadata, &self->s);
			       make_fresh_and_refuse(_metadata, &self->s); })), 0);
	EXPECT_EQ(0, luo_unload());
	close(first);
}

TEST_F(fault, thaw)
{
	test_preserve(self->s.session, self->s.memfd, 1);
	test_freeze(self->s.session);
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, luo_thaw(self->s.session),
			    test_err_freeze(EALREADY, self->s.session),
			    test_freeze(self->s.session)), 0);
}

static int count_entry(const struct liveupdate_list_entry *entry, void *arg)
{
	*(int *)arg += 1;
	return 0;
}

static int count_entries(int dev)
{
	struct liveupdate_ioctl_get_info info;
	int nr = 0, err;

	err = luo_get_info(dev, &info);
	if (!err)
		err = luo_list(dev, LIVEUPDATE_LIST_OUTGOING, count_entry, &nr);
	return err ?: nr;
}

TEST_F(fault, query)
{
	test_preserve(self->s.session, self->s.memfd, 1);
	EXPECT_GT(luo_sweep(LUO_COUNT_ALL, count_entries(self->s.dev),
			    EXPECT_LE(2, count_entries(self->s.dev)),
			    EXPECT_LE(2, ret_)), 0);
}

/* close(2) cannot fail, and it gives everything up. */
static int close_it(int fd)
{
	return close(fd) ? -errno : 0;
}

static void preserve_again(struct __test_metadata *_metadata, struct scene *s)
{
	EXPECT_FALSE(luo_is_preserved(s->memfd));
	EXPECT_TRUE(luo_counts_still(&s->idle, LUO_COUNT_ALL & ~LUO_COUNT_SHMEM));
	EXPECT_EQ(1, pwrite(s->memfd, "x", 1, (s->pages - 1L) * PAGE));
	s->session = test_create(s->dev, "session");
	test_preserve(s->session, s->memfd, 1);
}

TEST_F(fault, close)
{
	test_preserve(self->s.session, self->s.memfd, 1);
	EXPECT_EQ(0, luo_sweep(LUO_COUNT_ALL, close_it(self->s.session), {},
			       preserve_again(_metadata, &self->s)));
}

TEST_F(fault, close_frozen)
{
	test_preserve(self->s.session, self->s.memfd, 1);
	test_freeze(self->s.session);
	EXPECT_EQ(0, luo_sweep(LUO_COUNT_ALL, close_it(self->s.session), {},
			       ({ preserve_again(_metadata, &self->s);
				  test_freeze(self->s.session); })));
}

/* The life of a session, with so many faults that each call needs several attempts */
#define ATTEMPTS	50

static void begin_life(struct __test_metadata *_metadata, struct scene *s, unsigned int percent)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	s->session = luo_insist(percent, ATTEMPTS, luo_create(s->dev, "session"),
				EXPECT_TRUE(luo_counts_still(&before_, LUO_COUNT_ALL)));
	ASSERT_GE(s->session, 0);
	EXPECT_EQ(0, luo_insist(percent, ATTEMPTS, luo_get_name(s->session, name), {}));
	EXPECT_STREQ("session", name);
	EXPECT_EQ(0, luo_insist(percent, ATTEMPTS, luo_preserve(s->session, s->memfd, 1),
				({ EXPECT_TRUE(luo_counts_still(&before_, LUO_COUNT_ALL));
				   EXPECT_FALSE(luo_is_preserved(s->memfd)); })));
}

static void live(struct __test_metadata *_metadata, struct scene *s, unsigned int percent)
{
	const int half = s->pages / 2;

	refuse(_metadata, s);
	ASSERT_TRUE(fill(s->memfd, 3, half, s->pages));
	EXPECT_EQ(0, luo_insist(percent, ATTEMPTS, refused(luo_reboot()),
				test_err_thaw(EINVAL, s->session)));
	ASSERT_TRUE(fill(s->memfd, 3, half + 1, s->pages));
	EXPECT_EQ(0, luo_insist(percent, ATTEMPTS, luo_freeze(s->session, NULL),
				test_err_thaw(EINVAL, s->session)));
	EXPECT_EQ(0, luo_insist(percent, ATTEMPTS, luo_thaw(s->session),
				test_err_freeze(EALREADY, s->session)));
	close(s->refuses);
	s->refuses = -1;
}

static void end_life(struct __test_metadata *_metadata, struct scene *s, unsigned int percent)
{
	luo_fault_begin(percent);
	close(s->session);
	luo_fault_end();
	s->session = -1;
	EXPECT_FALSE(luo_is_preserved(s->memfd));
	EXPECT_TRUE(luo_counts_still(&s->idle, LUO_COUNT_ALL & ~LUO_COUNT_SHMEM));
	ASSERT_EQ(0, ftruncate(s->memfd, (off_t)s->pages / 2 * PAGE));
	ASSERT_EQ(0, ftruncate(s->memfd, (off_t)s->pages * PAGE));
}

TEST_F(fault, at_random)
{
	const int rounds = luo_fault_deep() ? 100 : 6;
	unsigned int percent;

	close(self->s.session);
	ASSERT_EQ(0, luo_load_next(NOT_WANTED));
	for (int i = 0; i < rounds; i++) {
		/* A guest that says nothing is taken for dead. */
		luo_say("round %d of %d", i + 1, rounds);
		percent = 10 + i % 6 * 8;
		begin_life(_metadata, &self->s, percent);
		live(_metadata, &self->s, percent);
		end_life(_metadata, &self->s, percent);
	}
	luo_say("%u failures", luo_fault_failures);
	EXPECT_GT(luo_fault_failures, rounds);
	EXPECT_EQ(0, luo_unload());
}

TEST_HARNESS_MAIN
