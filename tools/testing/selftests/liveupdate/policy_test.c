// SPDX-License-Identifier: GPL-2.0
/* What somebody without privilege can do who was given a session, and what not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fixture.h"

#define SOMEBODY	1000

static bool become_somebody(void)
{
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !setgroups(0, NULL) &&
	       !setresgid(SOMEBODY, SOMEBODY, SOMEBODY) &&
	       !setresuid(SOMEBODY, SOMEBODY, SOMEBODY);
}

/* In the child: what was not so is in the output. */
static bool is(const char *what, int want, int got)
{
	if (got != want)
		luo_say("%s: %s, want %s", what, luo_error(got), luo_error(want));
	return got == want;
}

/* All that a session allows */
static int use_session(void *arg)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	int session = *(int *)arg, memfd;

	if (!become_somebody())
		return 1;
	memfd = luo_memfd("memfd", MFD_ALLOW_SEALING, PAGE);
	return !(is("preserve", 0, luo_preserve(session, memfd, 1)) &&
		 is("get name", 0, luo_get_name(session, name)) &&
		 is("freeze", 0, luo_freeze(session, NULL)) &&
		 is("thaw", 0, luo_thaw(session)) &&
		 is("truncate", 0, ftruncate(memfd, PAGE)));
}

TEST_F(session, is_a_capability)
{
	EXPECT_EQ(0, luo_in_child(use_session, &self->one));
	test_err_preserve(EEXIST, self->one, test_memfd(PAGE), 1);
}

/* And nothing more: not what the device allows, not files that nobody lets be preserved */
static int misuse_session(void *arg)
{
	int session = *(int *)arg, fds[2], path;

	if (!become_somebody() || pipe(fds))
		return 1;
	path = open("/proc/self/exe", O_PATH);
	return !(is("open", -EACCES, luo_open()) &&
		 is("create", -ENOTTY, luo_create(session, "another")) &&
		 is("retrieve", -ENOTTY, luo_retrieve(session, "another", 0)) &&
		 is("retrieve fd", -EINVAL, luo_retrieve_fd(session, 1)) &&
		 is("finish", -EINVAL, luo_finish(session)) &&
		 is("preserve a pipe", -ENOENT, luo_preserve(session, fds[0], 1)) &&
		 is("preserve itself", -ENOENT, luo_preserve(session, session, 1)) &&
		 is("preserve nothing", -EBADF, luo_preserve(session, -1, 1)) &&
		 is("preserve a path", -EBADF, luo_preserve(session, path, 1)));
}

TEST_F(session, is_no_more_than_that)
{
	EXPECT_EQ(0, luo_in_child(misuse_session, &self->one));
}

/* So is the device: who is given it can make sessions and retrieve them. */
static int use_device(void *arg)
{
	int dev = *(int *)arg, session;

	if (!become_somebody())
		return 1;
	session = luo_create(dev, "somebody's");
	return !(is("open", -EACCES, luo_open()) &&
		 is("create", 0, session < 0 ? session : 0) &&
		 is("retrieve", -ENOENT, luo_retrieve(dev, "nobody's", 0)));
}

TEST_F(session, device_is_a_capability_too)
{
	EXPECT_EQ(0, luo_in_child(use_device, &self->dev));
}

/* What may be written only by others cannot be had for writing by preserving it. */
struct narrow {
	int session;
	int memfd;
};

static int use_narrow(void *arg)
{
	struct narrow *narrow = arg;

	if (!become_somebody())
		return 1;
	return !(is("preserve", 0, luo_preserve(narrow->session, narrow->memfd, 1)) &&
		 is("reopen", -EACCES, luo_reopen(narrow->memfd, O_RDWR)) &&
		 is("chmod", -1, fchmod(narrow->memfd, 0777)) &&
		 is("write", -1, pwrite(narrow->memfd, "x", 1, 0)) &&
		 is("seal", -1, fcntl(narrow->memfd, F_ADD_SEALS, F_SEAL_SEAL)));
}

TEST_F(session, does_not_widen_a_file)
{
	int memfd = test_memfd(PAGE);
	struct narrow narrow = { self->one, luo_reopen(memfd, O_RDONLY) };

	ASSERT_GE(narrow.memfd, 0);
	ASSERT_EQ(0, fchmod(memfd, 0444));
	EXPECT_EQ(0, luo_in_child(use_narrow, &narrow));
	EXPECT_TRUE(luo_is_preserved(memfd));
}

/* Not by its owner, and not by root */
static int change_frozen(void *arg)
{
	int memfd = *(int *)arg;

	if (!become_somebody())
		return 1;
	return !(is("chmod", -EBUSY, fchmod(memfd, 0777) ? -errno : 0) &&
		 is("seal", -EBUSY, fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL) ? -errno : 0));
}

TEST_F(session, frozen_files_keep_seals_mode_and_owner)
{
	int memfd = test_memfd(PAGE);
	struct stat st;

	ASSERT_EQ(0, fchown(memfd, SOMEBODY, SOMEBODY));
	ASSERT_EQ(0, fchmod(memfd, 0640));
	ASSERT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	test_preserve(self->one, memfd, 1);
	test_freeze(self->one);
	EXPECT_EQ(0, luo_in_child(change_frozen, &memfd));
	EXPECT_EQ(-1, fchmod(memfd, 0777));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, fchown(memfd, 0, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_EQ(0, fstat(memfd, &st));
	EXPECT_EQ(0640, st.st_mode & 0777);
	EXPECT_EQ(SOMEBODY, st.st_uid);
	EXPECT_EQ(F_SEAL_SHRINK, luo_seals(memfd));
}

TEST_HARNESS_MAIN
