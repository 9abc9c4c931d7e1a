// SPDX-License-Identifier: GPL-2.0
/*
 * Let the first allocation or user copy of a call fail, then the second, until nothing
 * fails any more: each time nothing has happened, and it works the next time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "luo_fault.h"
#include "luo_harness.h"

#define MOST	5000

FIXTURE(fault)
{
	int dev;
	int session;
	int memfd;
};

FIXTURE_SETUP(fault)
{
	if (!luo_fault_setup())
		SKIP(return, "this kernel injects no faults");
	self->dev = test_open();
	self->session = test_create(self->dev, "session");
	self->memfd = test_memfd(64 * PAGE);
	/* Pages and holes in turn */
	for (int i = 0; i < 64; i += 2)
		ASSERT_TRUE(luo_fill(self->memfd, 1, i * PAGE, PAGE));
}

FIXTURE_TEARDOWN(fault)
{
	close(self->session);
	EXPECT_FALSE(luo_is_preserved(self->memfd));
	for (int i = 0; i < 64; i += 2)
		EXPECT_TRUE(luo_holds(self->memfd, 1, i * PAGE, PAGE));
	EXPECT_EQ(0, ftruncate(self->memfd, 0));
	close(self->memfd);
	close(self->dev);
	self->dev = test_open();
	close(test_create(self->dev, "session"));
	close(self->dev);
}

/*
 * Sweep over @call; @failed runs after each that said no, @worked after each that said
 * yes, although something failed inside or because nothing did.
 */
#define sweep(call, failed, worked) ({						\
	int nth_, ret_, fired_ = 1, failures_ = 0;				\
										\
	for (nth_ = 1; fired_ && nth_ < MOST; nth_++) {				\
		luo_fault_arm(nth_);						\
		ret_ = (call);							\
		fired_ = luo_fault_fired();					\
		if (ret_ < 0) {							\
			ASSERT_TRUE(fired_ && luo_fault_errno(ret_))		\
				luo_say("fault %d: %s", nth_, luo_error(ret_));	\
			failures_++;						\
			failed;							\
		} else {							\
			worked;							\
		}								\
	}									\
	EXPECT_LT(nth_, MOST);							\
	luo_say("%d faults, %d failures", nth_ - 2, failures_);			\
	failures_; })

TEST_F(fault, open)
{
	close(self->dev);
	EXPECT_GT(sweep(luo_open(), {}, close(ret_)), 0);
	self->dev = test_open();
}

TEST_F(fault, create)
{
	int fds = luo_count_fds();

	EXPECT_GT(sweep(luo_create(self->dev, "other"),
			({ EXPECT_EQ(fds, luo_count_fds());
			   close(test_create(self->dev, "other")); }),
			close(ret_)), 0);
}

TEST_F(fault, get_name)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	EXPECT_GT(sweep(luo_get_name(self->session, name), {},
			EXPECT_STREQ("session", name)), 0);
}

static int renew(int dev, int session)
{
	close(session);
	return luo_create(dev, "session");
}

TEST_F(fault, preserve)
{
	EXPECT_GT(sweep(luo_preserve(self->session, self->memfd, 1),
			EXPECT_FALSE(luo_is_preserved(self->memfd)),
			({ EXPECT_TRUE(luo_is_preserved(self->memfd));
			   self->session = renew(self->dev, self->session);
			   ASSERT_GE(self->session, 0); })), 0);
}

/* The same session all the time, so that what is left of a failure would be in the way */
TEST_F(fault, preserve_more)
{
	int other = test_memfd(PAGE);
	__u64 token = 1;

	test_preserve(self->session, self->memfd, 0);
	EXPECT_GT(sweep(luo_preserve(self->session, other, token),
			EXPECT_FALSE(luo_is_preserved(other)),
			({ other = test_memfd(PAGE); token++; })), 0);
	EXPECT_TRUE(luo_is_preserved(self->memfd));
}

TEST_F(fault, freeze)
{
	test_preserve(self->session, self->memfd, 1);
	/* Pages that came into holes are what freeze needs memory for. */
	ASSERT_TRUE(luo_fill(self->memfd, 3, PAGE, PAGE));
	ASSERT_TRUE(luo_fill(self->memfd, 3, 9 * PAGE, PAGE));
	EXPECT_GE(sweep(luo_freeze(self->session, NULL),
			({ test_err_thaw(EINVAL, self->session);
			   EXPECT_EQ(1, pwrite(self->memfd, "x", 1, 63 * PAGE));
			   self->session = renew(self->dev, self->session);
			   ftruncate(self->memfd, 63 * PAGE);
			   ftruncate(self->memfd, 64 * PAGE);
			   test_preserve(self->session, self->memfd, 1);
			   luo_fill(self->memfd, 3, PAGE, PAGE);
			   luo_fill(self->memfd, 3, 63 * PAGE, PAGE); }),
			test_thaw(self->session)), 0);
}

TEST_F(fault, thaw)
{
	test_preserve(self->session, self->memfd, 1);
	test_freeze(self->session);
	EXPECT_GE(sweep(luo_thaw(self->session),
			({ test_err_freeze(EBUSY, self->session); }),
			test_freeze(self->session)), 0);
}

/* close(2) cannot fail, and it gives everything up. */
TEST_F(fault, close)
{
	int again;

	test_preserve(self->session, self->memfd, 1);
	sweep((close(self->session), luo_is_preserved(self->memfd)), {},
	      ({ EXPECT_EQ(0, ret_);
		 again = test_create(self->dev, "session");
		 self->session = again;
		 test_preserve(self->session, self->memfd, 1); }));
}

TEST_F(fault, close_frozen)
{
	test_preserve(self->session, self->memfd, 1);
	test_freeze(self->session);
	sweep(close(self->session), {},
	      ({ EXPECT_FALSE(luo_is_preserved(self->memfd));
		 EXPECT_EQ(1, pwrite(self->memfd, "x", 1, 63 * PAGE));
		 self->session = test_create(self->dev, "session");
		 test_preserve(self->session, self->memfd, 1);
		 test_freeze(self->session); }));
}

TEST_HARNESS_MAIN
