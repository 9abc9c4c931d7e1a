// SPDX-License-Identifier: GPL-2.0
/*
 * Memfds with something that the next kernel would not get: refused when they are preserved
 * or, if it came later, when they are frozen; and it cannot come once they are.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <linux/fs.h>
#include <unistd.h>

#include "lib/fixture.h"

#define EXPECT_ERR(err, call)	({ EXPECT_EQ(-1, call); EXPECT_EQ(err, errno); })

/* An ACL of version 2: rwx for the owner, for user 1000, the group, the mask; none for others */
static int set_acl(int memfd)
{
	struct {
		__le32 version;
		struct {
			__le16 tag, perm;
			__le32 id;
		} entry[5];
	} acl = { 2, { { 1, 7, -1 }, { 2, 7, 1000 }, { 4, 7, -1 }, { 16, 7, -1 }, { 32, 0, -1 } } };

	return fsetxattr(memfd, "system.posix_acl_access", &acl, sizeof(acl), 0);
}

static int set_xattr(int memfd)
{
	return fsetxattr(memfd, "trusted.luo", "x", 1, 0);
}

static int set_flags(int memfd)
{
	int flags = FS_NODUMP_FL;

	return ioctl(memfd, FS_IOC_SETFLAGS, &flags);
}

static int drop_flags(int memfd)
{
	int flags = 0;

	return ioctl(memfd, FS_IOC_SETFLAGS, &flags);
}

static int drop_xattr(int memfd)
{
	return fremovexattr(memfd, "trusted.luo");
}

static int drop_acl(int memfd)
{
	return fremovexattr(memfd, "system.posix_acl_access");
}

static const struct {
	const char *name;
	int (*set)(int memfd);
	int (*drop)(int memfd);
} extras[] = {
	{ "an ACL", set_acl, drop_acl },
	{ "an extended attribute", set_xattr, drop_xattr },
	{ "inode flags", set_flags, drop_flags },
};

TEST_F(session, what_is_not_carried_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(extras); i++) {
		int memfd = test_memfd(PAGE);

		luo_say("%s", extras[i].name);
		ASSERT_EQ(0, extras[i].set(memfd))
			luo_say("%m");
		test_err_preserve(EOPNOTSUPP, self->one, memfd, i);
		ASSERT_EQ(0, extras[i].drop(memfd));
		test_preserve(self->one, memfd, i);

		/* It came later. */
		ASSERT_EQ(0, extras[i].set(memfd));
		test_err_freeze(EOPNOTSUPP, self->one);
		ASSERT_EQ(0, extras[i].drop(memfd));
		test_freeze(self->one);
		EXPECT_ERR(EBUSY, extras[i].set(memfd));
		test_thaw(self->one);
		close(memfd);
	}
}

/* Not even the look at what is in it keeps a seal from a file that has nothing. */
TEST_F(session, empty_file_can_be_sealed)
{
	int memfd = test_memfd(0);

	test_preserve(self->one, memfd, 1);
	EXPECT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE));
	test_freeze(self->one);
}

/* The largest file there can be, with its last page: nobody may have each reboot refused. */
static int largest_memfd(void)
{
	int memfd = luo_memfd("largest", 0, 0);

	if (memfd >= 0 && ftruncate(memfd, LLONG_MAX)) {
		luo_say("ftruncate: %m");
		close(memfd);
		return -1;
	}
	return memfd;
}

TEST_F(session, largest_file)
{
	int memfd = largest_memfd();

	ASSERT_GE(memfd, 0);
	ASSERT_EQ(1, pwrite(memfd, "e", 1, LLONG_MAX - 1));
	test_preserve(self->one, memfd, 1);
	test_freeze(self->one);
	close(memfd);
}

TEST_F(session, largest_file_grows_at_its_end)
{
	int memfd = largest_memfd();

	ASSERT_GE(memfd, 0);
	test_preserve(self->one, memfd, 1);
	ASSERT_EQ(1, pwrite(memfd, "e", 1, LLONG_MAX - 1));
	test_freeze(self->one);
	EXPECT_EQ(1, pwrite(memfd, "f", 1, LLONG_MAX - 1));
	close(memfd);
}

/*
 * Small pages behind the end of the file may be joined to a huge one that begins before it,
 * as khugepaged does: that would fill the hole in front of them.
 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define MIB		(1024 * 1024L)

static char *map_aligned(int memfd)
{
	char *at = mmap(NULL, 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	at += -(unsigned long)at % (2 * MIB);
	return mmap(at, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memfd, 0);
}

TEST_F(session, collapse_fills_no_hole_of_a_frozen_file)
{
	int memfd = test_memfd(MIB), first = test_memfd(MIB);

	if (PAGE != 4096)
		SKIP(return, "a huge page has another size");
	/* The second time makes them complete, not only allocated. */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, fallocate(memfd, FALLOC_FL_KEEP_SIZE, MIB, MIB));
		ASSERT_EQ(0, fallocate(first, FALLOC_FL_KEEP_SIZE, MIB, MIB));
	}
	if (madvise(map_aligned(first), 2 * MIB, MADV_COLLAPSE))
		SKIP(return, "this kernel makes no huge page of that");
	test_preserve(self->one, memfd, 1);
	test_freeze(self->one);
	EXPECT_EQ(-1, madvise(map_aligned(memfd), 2 * MIB, MADV_COLLAPSE));
	EXPECT_TRUE(luo_is_hole(memfd, 0, MIB));
	test_thaw(self->one);

	/* Preserved but not frozen it may; then it is data. */
	EXPECT_EQ(0, madvise(map_aligned(memfd), 2 * MIB, MADV_COLLAPSE));
	EXPECT_FALSE(luo_is_hole(memfd, 0, MIB));
	test_freeze(self->one);
}

/* Whoever loses set-ID bits by writing would change the mode, which is handed over already. */
static int write_as_nobody(void *arg)
{
	if (setgid(65534) || setuid(65534))
		return 1;
	return pwrite(*(int *)arg, "x", 1, 0) == 1 ? 0 : errno;
}

TEST_F(session, frozen_set_id_file_is_written_by_root_only)
{
	int memfd = test_memfd(PAGE);
	struct stat st;

	ASSERT_EQ(1, pwrite(memfd, "a", 1, 0));
	ASSERT_EQ(0, fchmod(memfd, 04777));
	test_preserve(self->one, memfd, 1);
	test_freeze(self->one);
	EXPECT_EQ(EBUSY, luo_in_child(write_as_nobody, &memfd));
	EXPECT_EQ(1, pwrite(memfd, "b", 1, 0));
	test_thaw(self->one);
	EXPECT_EQ(0, luo_in_child(write_as_nobody, &memfd));
	ASSERT_EQ(0, fstat(memfd, &st));
	EXPECT_EQ(0777, st.st_mode & 07777);
}

/* None of what is done to a memfd here makes its pages dirty. */
#ifndef __NR_cachestat
#define __NR_cachestat	451
#endif

static __u64 dirty_pages(int fd)
{
	struct {
		__u64 off, len;
	} range = { 0, 0 };
	struct {
		__u64 cache, dirty, writeback, evicted, recently_evicted;
	} stat = { .dirty = ~0ULL };

	if (syscall(__NR_cachestat, fd, &range, &stat, 0))
		luo_say("cachestat: %m");
	return stat.dirty + stat.writeback;
}

TEST_F(session, cachestat_counts_no_dirty_pages)
{
	int memfd = test_memfd(4 * PAGE);

	ASSERT_TRUE(luo_fill(memfd, 1, 0, 2 * PAGE));
	EXPECT_EQ(0, dirty_pages(memfd));
	test_preserve(self->one, memfd, 1);
	ASSERT_TRUE(luo_fill(memfd, 1, 2 * PAGE, PAGE));
	EXPECT_EQ(0, dirty_pages(memfd));
	test_freeze(self->one);
	EXPECT_EQ(0, dirty_pages(memfd));
}

static bool poison(const char *page)
{
	return luo_poison(luo_pfn(page));
}

static char *map_page(int memfd, int i)
{
	return (char *)luo_map(memfd, 4 * PAGE) + i * PAGE;
}

TEST_F(session, poisoned_page_is_not_preserved)
{
	int memfd = test_memfd(4 * PAGE);

	ASSERT_TRUE(luo_fill(memfd, 1, 0, 4 * PAGE));
	if (!luo_can_poison())
		SKIP(return, "no memory failures in this kernel");
	ASSERT_TRUE(poison(map_page(memfd, 1)));
	test_err_preserve(EIO, self->one, memfd, 1);
}

TEST_F(session, page_poisoned_later_is_found)
{
	int memfd = test_memfd(4 * PAGE), elsewhere = test_memfd(4 * PAGE);

	ASSERT_TRUE(luo_fill(memfd, 1, 0, 4 * PAGE));
	ASSERT_TRUE(luo_fill(elsewhere, 1, 0, 4 * PAGE));
	test_preserve(self->one, memfd, 1);
	if (!luo_can_poison())
		SKIP(return, "no memory failures in this kernel");
	ASSERT_TRUE(poison(map_page(elsewhere, 0)));
	test_freeze(self->one);
	test_thaw(self->one);
	ASSERT_TRUE(poison(map_page(memfd, 2)));
	test_err_freeze(EIO, self->one);
	test_err_freeze(EIO, self->one);
}

#ifdef __aarch64__	/* whose memory has tags, where the machine has MTE */

static bool has_tags(void)
{
	return getauxval(AT_HWCAP2) & HWCAP2_MTE;
}

static bool tag_page(int memfd, int i)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_MTE, MAP_SHARED, memfd,
			  i * PAGE);

	if (page == MAP_FAILED)
		return false;
	*page = 'x';
	munmap(page, PAGE);
	return true;
}

TEST_F(session, tagged_page_is_not_preserved)
{
	int memfd = test_memfd(4 * PAGE);

	if (!has_tags())
		SKIP(return, "no tagged memory on this machine");
	ASSERT_TRUE(luo_fill(memfd, 1, 0, 4 * PAGE));
	ASSERT_TRUE(tag_page(memfd, 3));
	test_err_preserve(EOPNOTSUPP, self->one, memfd, 1);
	test_preserve(self->one, test_memfd(PAGE), 1);
}

TEST_F(session, page_tagged_later_is_found)
{
	int memfd = test_memfd(4 * PAGE);

	if (!has_tags())
		SKIP(return, "no tagged memory on this machine");
	ASSERT_TRUE(luo_fill(memfd, 1, 0, 4 * PAGE));
	test_preserve(self->one, memfd, 1);
	test_freeze(self->one);
	test_thaw(self->one);
	ASSERT_TRUE(tag_page(memfd, 0));
	test_err_freeze(EOPNOTSUPP, self->one);
	test_err_freeze(EOPNOTSUPP, self->one);
}

#endif /* __aarch64__ */

/*
 * Memory that is added is not in the map that the next kernel gets. For luo_added=FROM-TO the guest
 * has to be started with a mem= that is less than it has; the rest is taken into use as memory for
 * the kernel, since what is preserved is migrated out of movable memory.
 */
#define MEMORY	"/sys/devices/system/memory/"

static long long add_memory(void)
{
	long long from, to, size, bytes = 0;
	char path[128], text[64];

	if (!getenv("luo_added") || sscanf(getenv("luo_added"), "%lli-%lli", &from, &to) != 2 ||
	    !luo_read_text(MEMORY "block_size_bytes", text, sizeof(text)))
		return 0;
	size = strtoll(text, NULL, 16);
	for (; from + size <= to; from += size) {
		snprintf(text, sizeof(text), "0x%llx", from);
		snprintf(path, sizeof(path), MEMORY "memory%lld/state", from / size);
		if (luo_write_text(MEMORY "probe", text) && luo_write_text(path, "online_kernel"))
			bytes += size;
	}
	return bytes;
}

TEST_F(session, memory_that_was_added)
{
	long long bytes = add_memory();
	int memfd = test_memfd(1LL << 40), err = 0;
	long token;

	if (!bytes)
		SKIP(return, "no memory was added");
	/* Sooner or later some of it is taken; all before that can be preserved. */
	for (token = 0; !err && token < bytes / (8 << 20); token++) {
		close(memfd);
		memfd = test_memfd(16 << 20);
		ASSERT_TRUE(luo_fill(memfd, 1, 0, 16 << 20));
		err = luo_preserve(self->one, memfd, token);
	}
	EXPECT_EQ(-EOPNOTSUPP, err);
	test_err_preserve(EOPNOTSUPP, self->two, memfd, 1);
	test_freeze(self->one);
}

TEST_HARNESS_MAIN
