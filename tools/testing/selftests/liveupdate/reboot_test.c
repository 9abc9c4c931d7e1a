// SPDX-License-Identifier: GPL-2.0
/*
 * Reboots that do not take place: the system is as it was before, and can try again.
 *
 * Should one take place after all, the next kernel finds a command line that runs nothing, and the
 * end of this program is missing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/writer.h"
#include "lib/fixture.h"

#define HOLE		(4 * PAGE)
#define NOT_WANTED	"console=ttyS0 panic=-1"

static int half_a_memfd(void)
{
	int memfd = luo_memfd("half", MFD_ALLOW_SEALING, 2 * HOLE);

	return luo_fill(memfd, 1, 0, HOLE) ? memfd : -EIO;
}

TEST_F(session, no_image)
{
	int memfd = test_memfd(PAGE);

	luo_unload();
	test_preserve(self->one, memfd, 1);
	test_err_(EINVAL, "reboot", luo_jump());
	EXPECT_TRUE(luo_is_preserved(memfd));
	test_preserve(self->one, test_memfd(PAGE), 2);
}

/* A memfd whose mode changed since cannot be carried by memfd-v2: freeze refuses it. */
#define bad_memfd(session, token) ({				\
	int bad_ = test_memfd(PAGE);				\
								\
	ASSERT_TRUE(luo_memfd_format("v2"));			\
	test_preserve(session, bad_, token);			\
	ASSERT_TRUE(luo_memfd_format("extent-v1"));		\
	ASSERT_EQ(0, fchmod(bad_, 0600));			\
	bad_; })

#define expect_refusal()	test_err_(EOPNOTSUPP, "reboot", luo_jump())

#define load_next()	ASSERT_EQ(0, luo_load_next(NOT_WANTED))

TEST_F(session, refused_by_a_file)
{
	int before = half_a_memfd(), after = half_a_memfd();

	load_next();
	test_preserve(self->one, before, 1);
	bad_memfd(self->one, 2);
	test_preserve(self->one, after, 3);
	for (int i = 0; i < 3; i++) {
		expect_refusal();
		/* Not frozen, still preserved, and everything goes on */
		test_err_thaw(EINVAL, self->one);
		EXPECT_TRUE(luo_is_preserved(before));
		EXPECT_EQ(1, pwrite(before, "x", 1, HOLE + i * PAGE));
		EXPECT_EQ(1, pwrite(after, "x", 1, HOLE + i * PAGE));
		EXPECT_EQ(0, fcntl(before, F_ADD_SEALS, 1 << (1 + i % 2)));
		test_preserve(self->one, test_memfd(PAGE), 10 + i);
		test_err_create(EEXIST, self->dev, "one");
		close(test_create(self->dev, "three"));
	}
	EXPECT_TRUE(luo_holds(before, 1, 0, HOLE));
}

TEST_F(session, refusal_says_who)
{
	int kmsg = luo_kmsg_open();

	load_next();
	test_preserve(self->two, test_memfd(PAGE), 1);
	bad_memfd(self->two, 47829);
	expect_refusal();
	if (!luo_kmsg_count(kmsg, "two", "47829")) {
		close(kmsg);
		kmsg = luo_kmsg_open();
		expect_refusal();
		EXPECT_GE(luo_kmsg_count(kmsg, "two", "bad5"), 1);
	}
	close(kmsg);
}

/* Repaired, the session can be frozen; and with it gone nothing stands in the way. */
TEST_F(session, refusal_can_be_repaired)
{
	int bad;

	load_next();
	bad = bad_memfd(self->one, 1);
	expect_refusal();
	test_err_freeze(EOPNOTSUPP, self->one);
	ASSERT_EQ(0, fchmod(bad, 0777));
	test_freeze(self->one);
	test_thaw(self->one);
}

/* What FREEZE froze stays frozen, what the reboot froze does not. */
TEST_F(session, refusal_and_freeze)
{
	int frozen = half_a_memfd(), other = half_a_memfd();

	load_next();
	test_preserve(self->two, frozen, 1);
	test_freeze(self->two);
	test_preserve(self->one, other, 1);
	bad_memfd(self->one, 2);
	expect_refusal();
	test_err_freeze(EALREADY, self->two);
	EXPECT_EQ(-1, pwrite(frozen, "x", 1, HOLE));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(1, pwrite(other, "x", 1, HOLE));
	test_err_thaw(EINVAL, self->one);
	test_thaw(self->two);
	EXPECT_EQ(1, pwrite(frozen, "x", 1, HOLE));
}

static void touch(void *arg)
{
	luo_touch(arg);
}

/* Somebody waits at a frozen hole all the while. */
TEST_F(session, refusal_and_a_sleeper)
{
	int frozen = half_a_memfd();
	struct luo_child c;
	char *p = luo_map(frozen, 2 * HOLE);

	load_next();
	test_preserve(self->two, frozen, 1);
	test_freeze(self->two);
	ASSERT_TRUE(luo_child_start(&c, touch, p + HOLE));
	ASSERT_TRUE(luo_child_sleeps(&c));
	bad_memfd(self->one, 2);
	expect_refusal();
	expect_refusal();
	ASSERT_TRUE(luo_child_sleeps(&c));
	test_thaw(self->two);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	EXPECT_EQ('t', p[HOLE]);
}

TEST_F(session, refusal_while_others_write)
{
	int memfd = test_memfd(LUO_BUSY_PAGES * PAGE);
	struct luo_busy b;

	load_next();
	test_preserve(self->one, memfd, 1);
	bad_memfd(self->two, 1);
	ASSERT_EQ(0, luo_busy_start(&b, memfd));
	for (int i = 0; i < 20; i++)
		expect_refusal();
	EXPECT_EQ(0, luo_busy_stop(&b));
}

/* An image of kexec_load(2) carries no handover: nothing preserved may be lost with it. */
TEST_F(session, image_without_handover)
{
	int memfd = half_a_memfd(), kmsg = luo_kmsg_open();

	luo_unload();
	ASSERT_EQ(0, luo_load_raw());
	test_preserve(self->one, memfd, 1);
	expect_refusal();
	EXPECT_GE(luo_kmsg_count(kmsg, "", ""), 1);
	test_err_thaw(EINVAL, self->one);
	EXPECT_EQ(1, pwrite(memfd, "x", 1, HOLE));
	test_preserve(self->two, test_memfd(PAGE), 1);
	close(self->one);
	expect_refusal();
	self->one = test_create(self->dev, "one");
	test_freeze(self->two);
	expect_refusal();
	test_thaw(self->two);
	EXPECT_EQ(0, luo_unload());
	close(kmsg);
}

TEST_HARNESS_MAIN
