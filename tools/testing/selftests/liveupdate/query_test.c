// SPDX-License-Identifier: GPL-2.0
/* What programs can ask on a device that is open for reading. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fixture.h"

static int open_query_(struct __test_metadata *_metadata)
{
	return test_fd_("open", luo_open_query());
}

#define open_query()	open_query_(_metadata)

static struct liveupdate_ioctl_get_info info_of_(struct __test_metadata *_metadata, int dev)
{
	struct liveupdate_ioctl_get_info info = { };

	EXPECT_EQ(0, luo_get_info(dev, &info));
	return info;
}

#define info_of(dev)	info_of_(_metadata, dev)

TEST_F(session, readers_are_not_counted)
{
	int readers[8];

	/* The fixture has it open for writing */
	test_err_open(EBUSY);
	for (int i = 0; i < ARRAY_SIZE(readers); i++)
		readers[i] = open_query();
	close(self->dev);
	self->dev = test_open();
	close(readers[0]);
	test_err_open(EBUSY);
	for (int i = 1; i < ARRAY_SIZE(readers); i++)
		close(readers[i]);
}

TEST_F(session, readers_only_ask)
{
	int dev = open_query();

	test_err_create(EBADF, dev, "three");
	test_err_retrieve(EBADF, dev, "three");
	EXPECT_EQ(-ENOTTY, luo_ioctl(dev, LIVEUPDATE_SESSION_THAW, NULL));
	info_of(dev);
	info_of(self->dev);
	close(dev);
}

TEST_F(session, info)
{
	struct liveupdate_ioctl_get_info before = info_of(self->dev), info;
	int memfd;

	EXPECT_EQ(LIVEUPDATE_ABI, before.abi);
	EXPECT_EQ(LIVEUPDATE_FEATURE_KEEP | LIVEUPDATE_FEATURE_FREEZE | LIVEUPDATE_FEATURE_LIST,
		  before.features);
	EXPECT_EQ(0, before.number);
	EXPECT_EQ(0, before.incoming);
	EXPECT_EQ(0, before.flags);
	EXPECT_EQ(0, before.version[0]);
	EXPECT_GE(before.scratch_bytes, before.scratch_largest);
	EXPECT_LT(1 << 20, before.scratch_largest);

	memfd = test_memfd(100 * PAGE);
	ASSERT_TRUE(luo_fill(memfd, 1, 0, 100 * PAGE));
	test_preserve(self->one, memfd, 1);
	info = info_of(self->dev);
	EXPECT_EQ(before.files + 1, info.files);
	EXPECT_LE(before.outgoing_bytes + 100 * PAGE, info.outgoing_bytes);
}

/* Entries of a side, and how many of each kind */
struct seen {
	int nr;
	struct liveupdate_list_entry entries[64];
};

static int see(const struct liveupdate_list_entry *entry, void *arg)
{
	struct seen *seen = arg;

	if (seen->nr < ARRAY_SIZE(seen->entries))
		seen->entries[seen->nr++] = *entry;
	return 0;
}

static struct seen list_(struct __test_metadata *_metadata, int dev, __u32 what)
{
	struct seen seen = { };

	EXPECT_EQ(0, luo_list(dev, what, see, &seen));
	return seen;
}

#define list(dev, what)	list_(_metadata, dev, what)

static const struct liveupdate_list_entry *find(const struct seen *seen, __u32 kind,
						const char *name)
{
	for (int i = 0; i < seen->nr; i++) {
		const struct liveupdate_list_entry *entry = &seen->entries[i];

		if (entry->kind == kind && (!strcmp((char *)entry->name, name) ||
					    !strcmp((char *)entry->compatible, name)))
			return entry;
	}
	return NULL;
}

TEST_F(session, outgoing)
{
	const struct liveupdate_list_entry *one, *two;
	struct seen seen;

	test_preserve(self->one, test_memfd(PAGE), 7);
	test_preserve(self->one, test_memfd(PAGE), ~0ULL);
	test_freeze(self->one);
	seen = list(self->dev, LIVEUPDATE_LIST_OUTGOING);
	one = find(&seen, LIVEUPDATE_ENTRY_SESSION, "one");
	two = find(&seen, LIVEUPDATE_ENTRY_SESSION, "two");
	ASSERT_NE(NULL, one);
	ASSERT_NE(NULL, two);
	EXPECT_EQ(one + 3, two);
	EXPECT_EQ(LIVEUPDATE_STATE_FROZEN, one->state);
	EXPECT_EQ(LIVEUPDATE_STATE_OPEN, two->state);
	EXPECT_EQ(getpid(), one->pid);
	EXPECT_EQ(LIVEUPDATE_ENTRY_FILE, one[1].kind);
	EXPECT_EQ(LIVEUPDATE_STATE_FROZEN, one[1].state);
	EXPECT_EQ(7, one[1].token);
	EXPECT_EQ(~0ULL, one[2].token);
	EXPECT_EQ(0, strncmp("memfd-", (char *)one[1].compatible, 6));
	EXPECT_EQ(0, one[1].err);
}

static int create_and_keep(void *arg)
{
	return luo_create(*(int *)arg, "theirs") < 0;
}

TEST_F(session, holder_that_ended)
{
	const struct liveupdate_list_entry *theirs;
	struct luo_child child;
	struct seen seen;
	int sock[2], fd;

	/* It leaves its descriptor to us */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock));
	child.pid = fork();
	ASSERT_GE(child.pid, 0);
	if (!child.pid)
		_exit(luo_send_fd(sock[1], luo_create(self->dev, "theirs")) != 0);
	fd = luo_receive_fd(sock[0]);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(child.pid, waitpid(child.pid, NULL, 0));
	seen = list(self->dev, LIVEUPDATE_LIST_OUTGOING);
	theirs = find(&seen, LIVEUPDATE_ENTRY_SESSION, "theirs");
	ASSERT_NE(NULL, theirs);
	EXPECT_EQ(0, theirs->pid);
	close(fd);
	EXPECT_EQ(0, luo_in_child(create_and_keep, &self->dev));
	seen = list(self->dev, LIVEUPDATE_LIST_OUTGOING);
	EXPECT_EQ(NULL, find(&seen, LIVEUPDATE_ENTRY_SESSION, "theirs"));
}

/* One entry at a time: 0 at the end, else as the kernel has it */
static int next(int dev, __u64 *cursor, struct liveupdate_list_entry *entry)
{
	struct liveupdate_ioctl_list arg = {
		.size = sizeof(arg), .what = LIVEUPDATE_LIST_OUTGOING, .cursor = *cursor,
		.entries = (uintptr_t)entry, .entry_size = sizeof(*entry), .count = 1,
	};
	int err = luo_ioctl(dev, LIVEUPDATE_IOCTL_LIST, &arg);

	*cursor = arg.cursor;
	return err ?: (int)arg.count;
}

/* What is there all the time is listed, though what was listed before it is closed. */
TEST_F(session, closed_meanwhile)
{
	struct liveupdate_list_entry entry;
	__u64 cursor = 0;
	int early[4], ret;

	for (int i = 0; i < ARRAY_SIZE(early); i++) {
		char name[] = { 'a' + i, 0 };

		early[i] = test_create(self->dev, name);
		test_preserve(early[i], test_memfd(PAGE), i);
	}
	test_preserve(test_create(self->dev, "last"), test_memfd(PAGE), 99);
	do {
		ASSERT_EQ(1, next(self->dev, &cursor, &entry));
	} while (strcmp((char *)entry.name, "c"));
	for (int i = 0; i < 3; i++)
		close(early[i]);
	ASSERT_EQ(1, next(self->dev, &cursor, &entry));
	EXPECT_EQ(0, strcmp("d", (char *)entry.name));
	ASSERT_EQ(1, next(self->dev, &cursor, &entry));
	EXPECT_EQ(3, entry.token);
	ASSERT_EQ(1, next(self->dev, &cursor, &entry));
	EXPECT_EQ(0, strcmp("last", (char *)entry.name));
	ASSERT_EQ(1, next(self->dev, &cursor, &entry));
	EXPECT_EQ(99, entry.token);
	/* FLBs come last, if there are any. */
	do {
		ret = next(self->dev, &cursor, &entry);
	} while (ret == 1 && entry.kind == LIVEUPDATE_ENTRY_FLB);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, next(self->dev, &cursor, &entry));
	/* No cursor that anybody makes up does harm */
	for (cursor = ~0ULL; cursor; cursor >>= 1) {
		__u64 copy = cursor;

		EXPECT_LE(0, next(self->dev, &copy, &entry));
	}
}

/* Names are bytes, whatever they mean to a terminal. */
TEST_F(session, strange_name)
{
	int s = test_create(self->dev, "a\nb\033");
	struct seen seen = list(self->dev, LIVEUPDATE_LIST_OUTGOING);

	EXPECT_NE(NULL, find(&seen, LIVEUPDATE_ENTRY_SESSION, "a\nb\033"));
	close(s);
}

static bool has_format(const struct seen *seen, const char *name)
{
	const struct liveupdate_list_entry *entry = find(seen, LIVEUPDATE_ENTRY_HANDLER, name);

	return entry && !(entry->flags & LIVEUPDATE_ENTRY_OLDER);
}

TEST_F(session, formats_and_timeline)
{
	struct seen formats = list(self->dev, LIVEUPDATE_LIST_FORMATS);
	struct seen timeline = list(self->dev, LIVEUPDATE_LIST_TIMELINE);
	const struct liveupdate_list_entry *opened, *now;

	EXPECT_TRUE(has_format(&formats, "memfd-v2"));
	EXPECT_TRUE(has_format(&formats, "memfd-extent-v1"));
	opened = find(&timeline, LIVEUPDATE_ENTRY_STAMP, "opened");
	now = find(&timeline, LIVEUPDATE_ENTRY_STAMP, "now");
	ASSERT_NE(NULL, opened);
	ASSERT_NE(NULL, now);
	EXPECT_LT(0, opened->token);
	EXPECT_LT(opened->token, now->token);
	EXPECT_EQ(0, opened->flags);
	EXPECT_EQ(LIVEUPDATE_ENTRY_PREVIOUS, timeline.entries[0].flags);
}

/* An image of kexec_load(2), which is a few bytes on this machine only */
#ifdef __x86_64__
TEST_F(session, refused)
{
	struct liveupdate_ioctl_get_info info;
	int memfd = test_memfd(PAGE);

	test_preserve(self->one, memfd, 5);
	ASSERT_EQ(0, luo_load_raw());
	EXPECT_EQ(-EOPNOTSUPP, luo_reboot());
	info = info_of(self->dev);
	EXPECT_EQ(-EOPNOTSUPP, info.refusal);
	EXPECT_EQ(0, info.refusal_session[0]);
	ASSERT_EQ(0, luo_unload());
}
#endif

/* Larger entries than the kernel knows, smaller ones, none */
TEST_F(session, entry_sizes)
{
	struct {
		struct liveupdate_list_entry entry;
		__u64 more[2];
	} large[3];
	struct liveupdate_ioctl_list arg = {
		.size = sizeof(arg), .what = LIVEUPDATE_LIST_FORMATS, .entries = (uintptr_t)large,
		.entry_size = sizeof(large[0]), .count = ARRAY_SIZE(large),
	}, bad;

	memset(large, 0xff, sizeof(large));
	ASSERT_EQ(0, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_LIST, &arg));
	ASSERT_LE(2, arg.count);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(LIVEUPDATE_ENTRY_HANDLER, large[i].entry.kind);
		EXPECT_EQ(0, large[i].more[0] | large[i].more[1]);
	}

	bad = arg;
	bad.cursor = 0;
	bad.entry_size = sizeof(large[0].entry) - 1;
	EXPECT_EQ(-EINVAL, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_LIST, &bad));
	bad.entry_size = luo_page_size() + 1;
	EXPECT_EQ(-E2BIG, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_LIST, &bad));
	bad.entry_size = sizeof(large[0].entry);
	bad.count = 0;
	EXPECT_EQ(-EINVAL, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_LIST, &bad));
	bad.count = ~0U;
	bad.entries = 8;
	EXPECT_EQ(-EFAULT, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_LIST, &bad));
	bad.what = LIVEUPDATE_LIST_TIMELINE + 1;
	EXPECT_EQ(-EINVAL, luo_ioctl(self->dev, LIVEUPDATE_IOCTL_LIST, &bad));
}

TEST_HARNESS_MAIN
