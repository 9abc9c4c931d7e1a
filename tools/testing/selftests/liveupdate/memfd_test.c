// SPDX-License-Identifier: GPL-2.0
/* What a memfd may and may not do while it is preserved, and which ones are refused. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fixture.h"

#define EXPECT_ERR(err, call)	({ EXPECT_EQ(-1, call); EXPECT_EQ(err, errno); })

TEST_F(session, preserved_size_is_fixed)
{
	int memfd = test_memfd(4 * PAGE);

	ASSERT_TRUE(luo_fill(memfd, 1, 0, 4 * PAGE));
	test_preserve(self->one, memfd, 1);
	EXPECT_ERR(EPERM, ftruncate(memfd, 5 * PAGE));
	EXPECT_ERR(EPERM, ftruncate(memfd, 3 * PAGE));
	EXPECT_ERR(EPERM, ftruncate(memfd, 0));
	EXPECT_ERR(EPERM, fallocate(memfd, 0, 4 * PAGE, PAGE));
	EXPECT_ERR(EPERM, fallocate(memfd, 0, 0, PAGE));
	EXPECT_ERR(EPERM, fallocate(memfd, FALLOC_FL_KEEP_SIZE, 4 * PAGE, PAGE));
	EXPECT_EQ(4 * PAGE, luo_size(memfd));
	EXPECT_TRUE(luo_holds(memfd, 1, 0, 4 * PAGE));
}

TEST_F(session, preserved_cannot_be_punched)
{
	int memfd = test_memfd(4 * PAGE);
	char *p = luo_map(memfd, 4 * PAGE);

	ASSERT_NE(NULL, p);
	ASSERT_TRUE(luo_fill(memfd, 1, 0, 4 * PAGE));
	test_preserve(self->one, memfd, 1);
	EXPECT_ERR(EPERM, fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    PAGE, PAGE));
	EXPECT_ERR(EPERM, madvise(p, PAGE, MADV_REMOVE));
	EXPECT_TRUE(luo_holds(memfd, 1, 0, 4 * PAGE));
}

TEST_F(session, preserved_cannot_grow_by_writing)
{
	int memfd = test_memfd(PAGE + 100);

	test_preserve(self->one, memfd, 1);
	EXPECT_ERR(EPERM, pwrite(memfd, "x", 1, PAGE + 100));
	EXPECT_ERR(EPERM, pwrite(memfd, "x", 1, 10 * PAGE));
	EXPECT_EQ(PAGE + 100, luo_size(memfd));
	EXPECT_EQ(1, pwrite(memfd, "x", 1, PAGE + 99));
}

/* A write that begins before the end and would reach past it is refused or cut short. */
TEST_F(session, preserved_write_across_the_end)
{
	int memfd = test_memfd(PAGE + 100);
	char buf[200];
	ssize_t n;

	memset(buf, 'x', sizeof(buf));
	test_preserve(self->one, memfd, 1);
	n = pwrite(memfd, buf, sizeof(buf), PAGE);
	EXPECT_TRUE(n == 100 || (n < 0 && errno == EPERM));
	EXPECT_EQ(PAGE + 100, luo_size(memfd));
}

TEST_F(session, preserved_goes_on)
{
	int memfd = test_memfd(8 * PAGE);
	char *before = luo_map(memfd, 8 * PAGE), *after;

	ASSERT_TRUE(luo_fill(memfd, 1, 0, 2 * PAGE));
	test_preserve(self->one, memfd, 1);
	EXPECT_TRUE(luo_holds(memfd, 1, 0, 2 * PAGE));
	EXPECT_TRUE(luo_fill(memfd, 2, 0, 2 * PAGE));
	EXPECT_TRUE(luo_holds(memfd, 2, 0, 2 * PAGE));
	after = luo_map(memfd, 8 * PAGE);
	ASSERT_NE(NULL, after);
	before[0] = 'a';
	EXPECT_EQ('a', after[0]);
	/* Holes too */
	before[5 * PAGE] = 'h';
	EXPECT_EQ('h', after[5 * PAGE]);
	EXPECT_EQ(1, pwrite(memfd, "w", 1, 6 * PAGE));
	EXPECT_EQ('w', before[6 * PAGE]);
}

/* After the session's close, whatever was forbidden is allowed again. */
TEST_F(session, given_up_is_free)
{
	int memfd = test_memfd(4 * PAGE);

	ASSERT_TRUE(luo_fill(memfd, 1, 0, 4 * PAGE));
	test_preserve(self->one, memfd, 1);
	close(self->one);
	self->one = test_create(self->dev, "one");
	EXPECT_TRUE(luo_holds(memfd, 1, 0, 4 * PAGE));
	EXPECT_EQ(0, ftruncate(memfd, 5 * PAGE));
	EXPECT_EQ(0, fallocate(memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	EXPECT_EQ(0, fallocate(memfd, 0, 5 * PAGE, PAGE));
	EXPECT_EQ(1, pwrite(memfd, "x", 1, 10 * PAGE));
	EXPECT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	EXPECT_EQ(0, fchmod(memfd, 0600));
	EXPECT_EQ(0, fchown(memfd, 1, 1));
}

/* Over and over: no page, pin or reference is kept. */
TEST_F(session, preserved_again_and_again)
{
	int memfd = test_memfd(64 * PAGE);

	ASSERT_TRUE(luo_fill(memfd, 1, 0, 64 * PAGE));
	for (int i = 0; i < 200; i++) {
		test_preserve(self->one, memfd, i);
		close(self->one);
		self->one = test_create(self->dev, "one");
	}
	EXPECT_TRUE(luo_holds(memfd, 1, 0, 64 * PAGE));
	EXPECT_EQ(0, ftruncate(memfd, 0));
}

/*
 * What a memfd took is free again within five seconds of the end of its session. All that others
 * allocate meanwhile, or KASAN holds back, is less than half of that.
 */
TEST_F_TIMEOUT(session, memory_comes_back, 300)
{
	const long long size = 64 << 20, enough = luo_free_memory() - size / 2;

	for (int i = 0; i < 4; i++) {
		int memfd = test_memfd(size);
		char *p = luo_map(memfd, size);

		ASSERT_NE(NULL, p);
		for (long long at = 0; at < size; at += PAGE)
			p[at] = 1;
		EXPECT_LT(luo_free_memory(), enough);
		test_preserve(self->one, memfd, 1);
		munmap(p, size);
		close(memfd);
		close(self->one);
		self->one = test_create(self->dev, "one");
		for (int n = 0; n < 50 && luo_free_memory() < enough; n++)
			usleep(100000);
		EXPECT_GE(luo_free_memory(), enough);
	}
}

TEST_F(session, read_only_fd)
{
	int memfd = test_memfd(PAGE), ro = luo_reopen(memfd, O_RDONLY);

	ASSERT_GE(ro, 0);
	ASSERT_TRUE(luo_memfd_format("v2"));
	test_err_preserve(EACCES, self->one, ro, 1);
	EXPECT_FALSE(luo_is_preserved(memfd));
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
	test_preserve(self->one, ro, 1);
}

TEST_F(session, read_only_fd_of_what_nobody_can_write)
{
	int memfd = test_memfd(PAGE), ro = luo_reopen(memfd, O_RDONLY);

	ASSERT_GE(ro, 0);
	ASSERT_TRUE(luo_fill(memfd, 1, 0, PAGE));
	ASSERT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE));
	ASSERT_TRUE(luo_memfd_format("v2"));
	test_preserve(self->one, ro, 1);
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
}

TEST_F(session, every_seal)
{
	static const int seals[] = {
		F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE,
		F_SEAL_EXEC, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
		int memfd = test_memfd(PAGE);

		ASSERT_TRUE(luo_fill(memfd, 1, 0, PAGE));
		ASSERT_EQ(0, fcntl(memfd, F_ADD_SEALS, seals[i]));
		test_preserve(self->one, memfd, i);
		EXPECT_EQ(seals[i] & luo_seals(memfd), seals[i]);
	}
}

/* Seals are those at freeze: adding them goes on while preserved. */
TEST_F(session, preserved_can_be_sealed)
{
	int memfd = test_memfd(PAGE);

	test_preserve(self->one, memfd, 1);
	EXPECT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	EXPECT_EQ(F_SEAL_SHRINK | F_SEAL_GROW, luo_seals(memfd));
	close(self->one);
	self->one = test_create(self->dev, "one");
	EXPECT_EQ(F_SEAL_SHRINK | F_SEAL_GROW, luo_seals(memfd));
}

/* memfd-v2 says nothing of mode and owner: only those it implies can be preserved. */
TEST_F(session, mode_that_cannot_be_carried)
{
	static const mode_t modes[] = { 0, 0600, 0666, 0755, 0776, 01777, 04777, 02777 };
	int memfd = test_memfd(PAGE);

	ASSERT_TRUE(luo_memfd_format("v2"));
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, fchmod(memfd, modes[i]));
		test_err_preserve(EOPNOTSUPP, self->one, memfd, 1);
		EXPECT_FALSE(luo_is_preserved(memfd));
	}
	ASSERT_EQ(0, fchmod(memfd, 0777));
	test_preserve(self->one, memfd, 1);
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
}

/* memfd-extent-v1 says all of it, as it is at freeze. */
TEST_F(session, mode_and_owner)
{
	static const mode_t modes[] = { 0, 0600, 0666, 0755, 01777, 04777, 02777 };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int memfd = test_memfd(PAGE);

		ASSERT_EQ(0, fchmod(memfd, modes[i]));
		ASSERT_EQ(0, fchown(memfd, i, 7));
		test_preserve(self->one, memfd, i);
		EXPECT_EQ(0, fchmod(memfd, 0700));
	}
	test_freeze(self->one);
	test_thaw(self->one);
}

TEST_F(session, memfd_format)
{
	EXPECT_FALSE(luo_memfd_format("v3"));
	EXPECT_TRUE(luo_memfd_format("v2\n"));
	EXPECT_TRUE(luo_memfd_format("extent-v1\n"));
}

TEST_F(session, owner_that_cannot_be_carried)
{
	int memfd = test_memfd(PAGE);

	ASSERT_TRUE(luo_memfd_format("v2"));
	ASSERT_EQ(0, fchown(memfd, 1, -1));
	test_err_preserve(EOPNOTSUPP, self->one, memfd, 1);
	ASSERT_EQ(0, fchown(memfd, 0, 1));
	test_err_preserve(EOPNOTSUPP, self->one, memfd, 1);
	ASSERT_EQ(0, fchown(memfd, 0, 0));
	test_preserve(self->one, memfd, 1);
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
}

/* MFD_NOEXEC_SEAL: mode 0666 and sealed so. Sealed while executable: mode 0777. */
TEST_F(session, exec_seal_and_mode)
{
	int plain = test_fd_("memfd", luo_memfd("plain", MFD_NOEXEC_SEAL, PAGE));
	int sealed = test_memfd(PAGE);

	EXPECT_EQ(0666, luo_mode(plain));
	EXPECT_EQ(F_SEAL_EXEC, luo_seals(plain) & F_SEAL_EXEC);
	test_preserve(self->one, plain, 1);
	ASSERT_EQ(0, fcntl(sealed, F_ADD_SEALS, F_SEAL_EXEC));
	EXPECT_EQ(0777, luo_mode(sealed));
	test_preserve(self->one, sealed, 2);
}

/* A file of tmpfs that has a name is no memfd. */
TEST_F(session, tmpfs_is_no_memfd)
{
	int file = open("/tmp/file", O_RDWR | O_CREAT, 0777);

	if (file < 0)
		SKIP(return, "no tmpfs at /tmp");
	EXPECT_EQ(0, ftruncate(file, PAGE));
	test_err_preserve(ENOENT, self->one, file, 1);
	EXPECT_EQ(0, ftruncate(file, 0));
	unlink("/tmp/file");
}

/* Nor is one that never had a name. */
TEST_F(session, nameless_tmpfs_is_no_memfd)
{
	int file = open("/tmp", O_RDWR | O_TMPFILE, 0777);

	if (file < 0)
		SKIP(return, "no tmpfs at /tmp");
	EXPECT_EQ(0, ftruncate(file, PAGE));
	test_err_preserve(ENOENT, self->one, file, 1);
	EXPECT_EQ(0, ftruncate(file, 0));
}

/* Nor is memory that is shared without any file, though /proc can open one of it. */
TEST_F(session, shared_memory_is_no_memfd)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long from = (unsigned long)p;
	char path[64];
	int file;

	ASSERT_NE(MAP_FAILED, p);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", from, from + PAGE);
	file = open(path, O_RDWR);
	if (file < 0)
		SKIP(return, "no /proc/self/map_files: %s", strerrorname_np(errno));
	EXPECT_EQ(PAGE, luo_size(file));
	test_err_preserve(ENOENT, self->one, file, 1);
	EXPECT_EQ(1, pwrite(file, "x", 1, 0));
	EXPECT_EQ('x', p[0]);
}

TEST_F(session, huge_and_empty)
{
	int memfd = test_memfd(1ULL << 40);

	/* A terabyte with one page in it */
	EXPECT_EQ(1, pwrite(memfd, "x", 1, 1ULL << 39));
	test_preserve(self->one, memfd, 1);
	EXPECT_ERR(EPERM, ftruncate(memfd, 0));
}

/* Others write, fault and map while it is preserved and unpreserved. */
struct busy {
	int memfd;
	char *map;
	bool stop;
	bool lost;
};

static void *write_all_the_time(void *arg)
{
	struct busy *b = arg;
	unsigned int i = 0;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		size_t at = (i++ * 7919) % 256 * PAGE;
		__u32 got = 0;

		if (pwrite(b->memfd, &i, sizeof(i), at) != sizeof(i) ||
		    pread(b->memfd, &got, sizeof(got), at) != sizeof(got) || got != i)
			b->lost = true;
		b->map[at + 100] = 1;
	}
	return NULL;
}

TEST_F(session, preserve_while_others_write)
{
	struct busy b = { .memfd = test_memfd(256 * PAGE) };
	pthread_t thread;

	b.map = luo_map(b.memfd, 256 * PAGE);
	ASSERT_NE(NULL, b.map);
	ASSERT_EQ(0, pthread_create(&thread, NULL, write_all_the_time, &b));
	for (int i = 0; i < 100; i++) {
		test_preserve(self->one, b.memfd, 1);
		close(self->one);
		self->one = test_create(self->dev, "one");
	}
	__atomic_store_n(&b.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_FALSE(b.lost);
	EXPECT_EQ(0, ftruncate(b.memfd, 0));
}

TEST_HARNESS_MAIN
