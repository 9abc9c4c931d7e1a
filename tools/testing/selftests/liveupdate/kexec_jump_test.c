// SPDX-License-Identifier: GPL-2.0
/*
 * Images that come back (KEXEC_JUMP). Nothing is handed over to them, so sessions are left
 * as they are: by a jump there and back, and by one that is refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "lib/harness.h"

#define HOLE		(4 * PAGE)
#define FREEZE_TIMEOUT	"/sys/power/pm_freeze_timeout"

FIXTURE(back) {
	int dev;
	int live;
	int frozen;
	int memfd;		/* preserved in @live; only its first half has pages */
	int still;		/* the same in @frozen */
};

FIXTURE_SETUP(back)
{
	self->dev = test_open();
	self->live = test_create(self->dev, "live");
	self->frozen = test_create(self->dev, "frozen");
	self->memfd = test_memfd(2 * HOLE);
	self->still = test_memfd(2 * HOLE);
	ASSERT_TRUE(luo_fill(self->memfd, 1, 0, HOLE));
	ASSERT_TRUE(luo_fill(self->still, 2, 0, HOLE));
	test_preserve(self->live, self->memfd, 1);
	test_preserve(self->frozen, self->still, 1);
	test_freeze(self->frozen);
	ASSERT_EQ(0, luo_load_back());
}

FIXTURE_TEARDOWN(back)
{
	ASSERT_EQ(0, luo_unload());
	close(self->live);
	close(self->frozen);
	EXPECT_FALSE(luo_is_preserved(self->memfd));
	EXPECT_FALSE(luo_is_preserved(self->still));
}

/* Each session is in the state it was in, and has what it had. */
#define expect_unchanged() do {							\
	test_err_thaw(EINVAL, self->live);					\
	test_preserve(self->live, test_memfd(PAGE), 2);				\
	EXPECT_EQ(1, pwrite(self->memfd, "x", 1, HOLE));			\
	EXPECT_TRUE(luo_is_preserved(self->memfd));				\
	test_err_preserve(EBUSY, self->frozen, test_memfd(PAGE), 2);		\
	EXPECT_EQ(-1, pwrite(self->still, "x", 1, HOLE));			\
	test_thaw(self->frozen);						\
	EXPECT_EQ(1, pwrite(self->still, "x", 1, HOLE));			\
	EXPECT_TRUE(luo_holds(self->memfd, 1, 0, HOLE));			\
	EXPECT_TRUE(luo_holds(self->still, 2, 0, HOLE));			\
	test_freeze(self->live);						\
} while (0)

TEST_F(back, there_and_back)
{
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, luo_jump());
	expect_unchanged();
}

static void touch(void *arg)
{
	luo_touch(arg);
}

static void copy(void *arg)
{
	int to = luo_memfd("copy", 0, PAGE);

	if (pwrite(to, arg, 1, 0) != 1)
		_exit(3);
}

/* Who waits for a frozen memfd in user space is stopped like everybody else, and waits on. */
TEST_F(back, sleeper_of_user_space_comes_back)
{
	char *hole = (char *)luo_map(self->still, 2 * HOLE) + 2 * HOLE - PAGE;
	struct luo_child c;

	ASSERT_TRUE(luo_child_start(&c, touch, hole));
	ASSERT_TRUE(luo_child_sleeps(&c));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, luo_jump());
	EXPECT_TRUE(luo_child_sleeps(&c));
	expect_unchanged();
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
}

/* Who waits in the kernel may hold locks, and cannot be stopped. */
TEST_F(back, refused_for_a_sleeper)
{
	char *hole = (char *)luo_map(self->still, 2 * HOLE) + 2 * HOLE - PAGE;
	struct luo_child c;

	ASSERT_TRUE(luo_write_text(FREEZE_TIMEOUT, "200"));
	ASSERT_TRUE(luo_child_start(&c, copy, hole));
	ASSERT_TRUE(luo_child_sleeps(&c));
	for (int i = 0; i < 3; i++)
		test_err_(EBUSY, "reboot", luo_jump());
	EXPECT_TRUE(luo_child_sleeps(&c));
	expect_unchanged();
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	ASSERT_EQ(0, luo_jump());
}

TEST_HARNESS_MAIN
