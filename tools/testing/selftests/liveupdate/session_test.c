// SPDX-License-Identifier: GPL-2.0
/* What one kernel can show of the device, of sessions and of what is put in them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "lib/fixture.h"

TEST(device_is_root_only)
{
	struct stat st;

	if (access(LUO_DEVICE, F_OK) && luo_is_off(-ENOENT))
		SKIP(return, "no " LUO_DEVICE ": live update is off");
	ASSERT_EQ(0, stat(LUO_DEVICE, &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0600, st.st_mode & 0777);
}

static int open_as_nobody(void *arg)
{
	if (setgid(65534) || setuid(65534))
		return 1;
	return luo_open() == -EACCES ? 0 : 2;
}

TEST_F(session, device_wants_root)
{
	close(self->dev);
	EXPECT_EQ(0, luo_in_child(open_as_nobody, NULL));
	self->dev = test_open();
}

TEST_F(session, device_has_one_opener)
{
	test_err_open(EBUSY);
	close(self->dev);
	self->dev = test_open();
	test_err_open(EBUSY);
}

static int try_open(void *arg)
{
	return luo_open() == -EBUSY ? 0 : 1;
}

TEST_F(session, device_has_one_opener_anywhere)
{
	int copy = dup(self->dev);

	EXPECT_EQ(0, luo_in_child(try_open, NULL));
	/* It is open until its last descriptor is closed. */
	close(self->dev);
	EXPECT_EQ(0, luo_in_child(try_open, NULL));
	close(copy);
	EXPECT_EQ(1, luo_in_child(try_open, NULL));
	self->dev = test_open();
}

TEST_F(session, device_opens_again_and_again)
{
	for (int i = 0; i < 1000; i++) {
		close(self->dev);
		self->dev = luo_open();
		ASSERT_GE(self->dev, 0);
	}
}

TEST_F(session, outlives_the_device)
{
	int memfd = test_memfd(4096);

	close(self->dev);
	test_preserve(self->one, memfd, 1);
	EXPECT_TRUE(luo_is_preserved(memfd));
	self->dev = test_open();
	test_err_create(EEXIST, self->dev, "one");
}

TEST_F(session, name_is_empty)
{
	int fds = luo_count_fds();

	test_err_create(EINVAL, self->dev, "");
	test_err_retrieve(EINVAL, self->dev, "");
	EXPECT_EQ(fds, luo_count_fds());
}

TEST_F(session, name_is_not_terminated)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH + 1];

	memset(name, 'x', sizeof(name));
	name[LIVEUPDATE_SESSION_NAME_LENGTH] = 0;
	test_err_create(EINVAL, self->dev, name);
	test_err_retrieve(EINVAL, self->dev, name);
}

TEST_F(session, name_is_as_long_as_can_be)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH] = "", got[LIVEUPDATE_SESSION_NAME_LENGTH];
	int s;

	memset(name, 'x', LUO_NAME_MAX);
	s = test_create(self->dev, name);
	test_err_create(EEXIST, self->dev, name);
	test_get_name(s, got);
	EXPECT_EQ(0, memcmp(name, got, sizeof(name)));
	close(s);
}

TEST_F(session, name_can_be_any_bytes)
{
	static const char * const names[] = { "\xff\xfe", "a/b", "..", " ", "\n", "%s", "o", "On" };
	char got[LIVEUPDATE_SESSION_NAME_LENGTH];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int s = test_create(self->dev, names[i]);

		test_get_name(s, got);
		EXPECT_STREQ(names[i], got);
		close(s);
	}
}

/* The reply is the whole field, zeroes included: nothing of the kernel's stack. */
TEST_F(session, get_name)
{
	char got[LIVEUPDATE_SESSION_NAME_LENGTH];

	test_get_name(self->two, got);
	EXPECT_STREQ("two", got);
	for (size_t i = 3; i < sizeof(got); i++)
		EXPECT_EQ(0, got[i]);
}

TEST_F(session, name_is_taken)
{
	int fds = luo_count_fds();

	test_err_create(EEXIST, self->dev, "one");
	EXPECT_EQ(fds, luo_count_fds());
	close(self->one);
	self->one = test_create(self->dev, "one");
}

/* What follows the terminator is no part of the name. */
TEST_F(session, name_ends_at_zero)
{
	struct liveupdate_ioctl_create_session arg = { .size = sizeof(arg), .name = "one\0more" };

	EXPECT_EQ(-EEXIST, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_CREATE_SESSION, &arg));
}

TEST_F(session, many)
{
	static int fd[1000];
	char name[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "session-%d", i);
		fd[i] = test_create(self->dev, name);
	}
	test_err_create(EEXIST, self->dev, "session-0");
	test_err_create(EEXIST, self->dev, "session-999");
	for (int i = 0; i < 1000; i += 2)
		close(fd[i]);
	test_err_create(EEXIST, self->dev, "session-1");
	close(test_create(self->dev, "session-0"));
	for (int i = 1; i < 1000; i += 2)
		close(fd[i]);
}

static int name_is_free(void *arg)
{
	int dev = luo_open(), s;

	if (dev < 0)
		return 1;
	s = luo_create(dev, arg);
	return s < 0 ? 2 : 0;
}

TEST_F(session, name_is_free_after_last_close)
{
	int copy = dup(self->one);

	close(self->one);
	test_err_create(EEXIST, self->dev, "one");
	close(copy);
	close(self->dev);
	EXPECT_EQ(0, luo_in_child(name_is_free, "one"));
	EXPECT_EQ(2, luo_in_child(name_is_free, "two"));
	self->dev = test_open();
	self->one = test_create(self->dev, "one");
}

/* Another process has it open while this one closes it. */
static void wait_for_parent(void *arg)
{
	char byte;

	while (read(*(int *)arg, &byte, 1) < 0)
		;
}

TEST_F(session, name_is_free_after_exit)
{
	struct luo_child c;
	int go[2], memfd = test_memfd(4096);

	test_preserve(self->one, memfd, 7);
	ASSERT_EQ(0, pipe(go));
	ASSERT_TRUE(luo_child_start(&c, wait_for_parent, &go[0]));
	close(self->one);
	test_err_create(EEXIST, self->dev, "one");
	EXPECT_TRUE(luo_is_preserved(memfd));
	ASSERT_TRUE(luo_child_kill(&c));
	self->one = test_create(self->dev, "one");
	EXPECT_FALSE(luo_is_preserved(memfd));
}

TEST_F(session, survives_dup)
{
	int copy = dup(self->one), memfd = test_memfd(4096);

	test_preserve(copy, memfd, 1);
	close(copy);
	EXPECT_TRUE(luo_is_preserved(memfd));
	test_err_preserve(EEXIST, self->one, test_memfd(4096), 1);
}

/* The test binary called with a descriptor's number says the name of that session. */
static int exec_self(void *arg)
{
	char nr[16];

	snprintf(nr, sizeof(nr), "%d", *(int *)arg);
	fcntl(*(int *)arg, F_SETFD, 0);
	execl("/proc/self/exe", "session_test", "--name-of", nr, NULL);
	return 99;
}

static int name_of(const char *nr)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	if (luo_get_name(atoi(nr), name))
		return 98;
	return strcmp(name, "one") ? 97 : 42;
}

TEST_F(session, survives_execve)
{
	EXPECT_EQ(42, luo_in_child(exec_self, &self->one));
}

/* On its way in a socket, with no descriptor left anywhere, the session still lives. */
TEST_F(session, survives_scm_rights)
{
	int sock[2], memfd = test_memfd(4096);

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	test_preserve(self->one, memfd, 1);
	ASSERT_EQ(0, luo_send_fd(sock[0], self->one));
	close(self->one);
	test_err_create(EEXIST, self->dev, "one");
	EXPECT_TRUE(luo_is_preserved(memfd));
	self->one = luo_receive_fd(sock[1]);
	ASSERT_GE(self->one, 0);
	test_err_preserve(EEXIST, self->one, test_memfd(4096), 1);
}

TEST_F(session, link_text)
{
	char text[256];

	ASSERT_TRUE(luo_link_text(self->one, text, sizeof(text)));
	EXPECT_STREQ("anon_inode:[luo_session] one", text);
}

TEST_F(session, file_system)
{
	struct statfs st;

	ASSERT_EQ(0, fstatfs(self->one, &st));
	EXPECT_EQ(ANON_INODE_FS_MAGIC, st.f_type);
}

TEST_F(session, is_close_on_exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->one, F_GETFD));
}

TEST_F(session, is_no_file_to_read)
{
	char byte = 0;

	EXPECT_EQ(-1, read(self->one, &byte, 1));
	EXPECT_EQ(-1, write(self->one, &byte, 1));
	EXPECT_EQ(-1, read(self->dev, &byte, 1));
}

TEST_F(session, preserve_bad_fd)
{
	int memfd = test_memfd(4096), path;

	close(memfd);
	test_err_preserve(EBADF, self->one, memfd, 1);
	test_err_preserve(EBADF, self->one, -1, 1);
	test_err_preserve(EBADF, self->one, 1 << 20, 1);
	path = open("/proc/self/exe", O_PATH);
	test_err_preserve(EBADF, self->one, path, 1);
}

TEST_F(session, preserve_token_taken)
{
	int a = test_memfd(4096), b = test_memfd(4096);

	test_preserve(self->one, a, 5);
	test_err_preserve(EEXIST, self->one, b, 5);
	EXPECT_FALSE(luo_is_preserved(b));
	/* Tokens belong to a session, and the refused file to nobody. */
	test_preserve(self->two, b, 5);
}

TEST_F(session, preserve_twice)
{
	int memfd = test_memfd(4096), copy = dup(memfd), again = luo_reopen(memfd, O_RDWR);

	ASSERT_GE(again, 0);
	test_preserve(self->one, memfd, 1);
	test_err_preserve(EBUSY, self->one, memfd, 2);
	test_err_preserve(EBUSY, self->two, memfd, 1);
	test_err_preserve(EBUSY, self->two, copy, 1);
	test_err_preserve(EBUSY, self->two, again, 1);
	/* The refusals took nothing away, and no token */
	EXPECT_TRUE(luo_is_preserved(memfd));
	test_preserve(self->one, test_memfd(4096), 2);
	close(self->one);
	test_preserve(self->two, again, 1);
	self->one = test_create(self->dev, "one");
}

TEST_F(session, preserve_what_nobody_can)
{
	int p[2], fds[6];

	ASSERT_EQ(0, pipe(p));
	fds[0] = p[0];
	fds[1] = p[1];
	fds[2] = open("/proc/self/exe", O_RDONLY);
	fds[3] = self->two;
	fds[4] = self->dev;
	fds[5] = open("/dev/null", O_RDWR);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		test_err_preserve(ENOENT, self->one, fds[i], 1);
	test_preserve(self->one, test_memfd(4096), 1);
}

/* A session in itself would never be closed. */
TEST_F(session, preserve_itself)
{
	test_err_preserve(ENOENT, self->one, self->one, 1);
}

TEST_F(session, tokens_are_any_number)
{
	static const __u64 tokens[] = { 0, 1, ~0ULL, 1ULL << 63, 0xffffffffULL, 1ULL << 32 };

	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		test_preserve(self->one, test_memfd(4096), tokens[i]);
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++)
		test_err_preserve(EEXIST, self->one, test_memfd(4096), tokens[i]);
}

TEST_F(session, preserve_many)
{
	static int fd[1000];

	for (int i = 0; i < 1000; i++) {
		fd[i] = test_memfd(i % 3 ? 4096 : 0);
		test_preserve(self->one, fd[i], i);
	}
	test_err_preserve(EEXIST, self->one, test_memfd(0), 500);
	test_err_preserve(EBUSY, self->two, fd[500], 500);
	close(self->one);
	for (int i = 0; i < 1000; i++)
		EXPECT_FALSE(luo_is_preserved(fd[i]));
	self->one = test_create(self->dev, "one");
}

/* The file's last descriptor may be closed: the session holds it. */
TEST_F(session, keeps_the_file)
{
	int memfd = test_memfd(4096), again = luo_reopen(memfd, O_RDWR);
	char *p = luo_map(memfd, 4096);

	ASSERT_GE(again, 0);
	ASSERT_NE(NULL, p);
	p[0] = 'x';
	test_preserve(self->one, memfd, 1);
	close(memfd);
	EXPECT_TRUE(luo_is_preserved(again));
	close(self->one);
	EXPECT_FALSE(luo_is_preserved(again));
	EXPECT_EQ('x', p[0]);
	self->one = test_create(self->dev, "one");
}

TEST_F(session, nothing_was_handed_over)
{
	test_err_retrieve(ENOENT, self->dev, "somebody");
	/* An outgoing session is none that was handed over. */
	test_err_retrieve(ENOENT, self->dev, "one");
}

TEST_F(session, outgoing_cannot_retrieve)
{
	test_preserve(self->one, test_memfd(4096), 1);
	test_err_retrieve_fd(EINVAL, self->one, 1);
	test_err_retrieve_fd(EINVAL, self->one, 2);
}

TEST_F(session, outgoing_cannot_finish)
{
	int memfd = test_memfd(4096);

	test_preserve(self->one, memfd, 1);
	test_err_finish(EINVAL, self->one);
	test_err_finish(EINVAL, self->two);
	EXPECT_TRUE(luo_is_preserved(memfd));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--name-of"))
		return name_of(argv[2]);
	return test_harness_run(argc, argv);
}
