// SPDX-License-Identifier: GPL-2.0
/*
 * Every ioctl with every size: too short, exact, longer with zeroes, longer with something
 * else; bad pointers, reserved fields, numbers that do not exist, the wrong kind of file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/harness.h"

#define TAIL	64

/* What an argument can be, and some bytes beyond that no kernel knows */
union argument {
	__u32 size;
	struct liveupdate_ioctl_create_session create;
	struct liveupdate_ioctl_retrieve_session retrieve;
	struct liveupdate_session_preserve_fd preserve;
	struct liveupdate_session_retrieve_fd retrieve_fd;
	struct liveupdate_session_finish finish;
	struct liveupdate_session_get_name get_name;
	struct liveupdate_session_freeze freeze;
	struct liveupdate_session_thaw thaw;
	struct liveupdate_ioctl_get_info info;
	struct liveupdate_ioctl_list list;
	__u8 bytes[sizeof(struct liveupdate_ioctl_get_info) + TAIL];
};

FIXTURE(call)
{
	int dev;
	int session;
	int memfd;
	int right;		/* the file that understands the call */
	int wrong;		/* the one that does not */
	union argument *arg;
};

FIXTURE_VARIANT(call)
{
	unsigned int nr;
	__u32 exact;		/* all that is known today */
	__u32 least;		/* up to the last required field */
	bool device;
	int ret;		/* of a good call, on a new and empty session */
	void (*fill)(union argument *arg, int memfd);
	bool (*happened)(int dev, int session, int memfd);
};

static void fill_create(union argument *arg, int memfd)
{
	strcpy((char *)arg->create.name, "new");
}

static void fill_retrieve(union argument *arg, int memfd)
{
	strcpy((char *)arg->retrieve.name, "never handed over");
}

static void fill_preserve(union argument *arg, int memfd)
{
	arg->preserve.fd = memfd;
	arg->preserve.token = 1;
}

static void fill_nothing(union argument *arg, int memfd)
{
}

static bool created(int dev, int session, int memfd)
{
	int fd = luo_create(dev, "new");

	if (fd >= 0)
		close(fd);
	return fd == -EEXIST;
}

static bool preserved(int dev, int session, int memfd)
{
	return ftruncate(memfd, 8192) != 0;
}

static bool frozen(int dev, int session, int memfd)
{
	return luo_thaw(session) == 0;
}

#define EXACT(tag)		sizeof(struct liveupdate_##tag)
#define OFFSET(tag, field)	offsetof(struct liveupdate_##tag, field)

FIXTURE_VARIANT_ADD(call, create_session) {
	.nr = LIVEUPDATE_IOCTL_CREATE_SESSION,
	.exact = EXACT(ioctl_create_session), .least = EXACT(ioctl_create_session),
	.device = true, .ret = 0, .fill = fill_create, .happened = created,
};

FIXTURE_VARIANT_ADD(call, retrieve_session) {
	.nr = LIVEUPDATE_IOCTL_RETRIEVE_SESSION,
	.exact = EXACT(ioctl_retrieve_session), .least = OFFSET(ioctl_retrieve_session, flags),
	.device = true, .ret = -ENOENT, .fill = fill_retrieve,
};

FIXTURE_VARIANT_ADD(call, preserve_fd) {
	.nr = LIVEUPDATE_SESSION_PRESERVE_FD,
	.exact = EXACT(session_preserve_fd), .least = EXACT(session_preserve_fd),
	.ret = 0, .fill = fill_preserve, .happened = preserved,
};

FIXTURE_VARIANT_ADD(call, retrieve_fd) {
	.nr = LIVEUPDATE_SESSION_RETRIEVE_FD,
	.exact = EXACT(session_retrieve_fd), .least = EXACT(session_retrieve_fd),
	.ret = -EINVAL, .fill = fill_nothing,
};

FIXTURE_VARIANT_ADD(call, finish) {
	.nr = LIVEUPDATE_SESSION_FINISH,
	.exact = EXACT(session_finish), .least = EXACT(session_finish),
	.ret = -EINVAL, .fill = fill_nothing,
};

FIXTURE_VARIANT_ADD(call, get_name) {
	.nr = LIVEUPDATE_SESSION_GET_NAME,
	.exact = EXACT(session_get_name), .least = EXACT(session_get_name),
	.ret = 0, .fill = fill_nothing,
};

FIXTURE_VARIANT_ADD(call, freeze) {
	.nr = LIVEUPDATE_SESSION_FREEZE,
	.exact = EXACT(session_freeze), .least = EXACT(session_freeze),
	.ret = 0, .fill = fill_nothing,
	.happened = frozen,
};

FIXTURE_VARIANT_ADD(call, thaw) {
	.nr = LIVEUPDATE_SESSION_THAW,
	.exact = EXACT(session_thaw), .least = EXACT(session_thaw),
	.ret = -EINVAL, .fill = fill_nothing,
};

static struct liveupdate_list_entry listed[4];

static void fill_list(union argument *arg, int memfd)
{
	arg->list.entries = (uintptr_t)listed;
	arg->list.entry_size = sizeof(listed[0]);
	arg->list.count = ARRAY_SIZE(listed);
}

FIXTURE_VARIANT_ADD(call, get_info) {
	.nr = LIVEUPDATE_IOCTL_GET_INFO,
	.exact = EXACT(ioctl_get_info), .least = EXACT(ioctl_get_info),
	.device = true, .ret = 0, .fill = fill_nothing,
};

FIXTURE_VARIANT_ADD(call, list) {
	.nr = LIVEUPDATE_IOCTL_LIST,
	.exact = EXACT(ioctl_list), .least = EXACT(ioctl_list),
	.device = true, .ret = 0, .fill = fill_list,
};

/* Two pages of which only the first exists: an argument can be put at its very end. */
static void *edge(void)
{
	char *p = mmap(NULL, 2 * luo_page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || munmap(p + luo_page_size(), luo_page_size()))
		return NULL;
	return p + luo_page_size();
}

static union argument *copy_read_only(const union argument *arg)
{
	void *p = mmap(NULL, luo_page_size(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	memcpy(p, arg, sizeof(*arg));
	mprotect(p, luo_page_size(), PROT_READ);
	return p;
}

FIXTURE_SETUP(call)
{
	self->dev = luo_open();
	if (luo_is_off(self->dev))
		SKIP(return, "no " LUO_DEVICE ": live update is off");
	ASSERT_GE(self->dev, 0);
	self->session = test_create(self->dev, "session");
	self->memfd = test_memfd(4096);
	self->right = variant->device ? self->dev : self->session;
	self->wrong = variant->device ? self->session : self->dev;
	self->arg = calloc(1, sizeof(*self->arg));
	ASSERT_NE(NULL, self->arg);
	variant->fill(self->arg, self->memfd);
	self->arg->size = variant->exact;
}

FIXTURE_TEARDOWN(call)
{
	free(self->arg);
	close(self->memfd);
	close(self->session);
	close(self->dev);
}

/* A call that failed has done nothing and left no file descriptor. */
#define expect_failure(err, call) ({					\
	int fds = luo_count_fds();					\
									\
	test_err_(err, "call", call);						\
	EXPECT_EQ(fds, luo_count_fds());				\
	if (variant->happened)						\
		EXPECT_FALSE(variant->happened(self->dev, self->session, self->memfd)); })

TEST_F(call, exact)
{
	ASSERT_EQ(variant->ret, luo_ioctl(self->right, variant->nr, self->arg));
	if (variant->happened)
		EXPECT_TRUE(variant->happened(self->dev, self->session, self->memfd));
}

TEST_F(call, least)
{
	self->arg->size = variant->least;
	ASSERT_EQ(variant->ret, luo_ioctl(self->right, variant->nr, self->arg));
}

TEST_F(call, too_short)
{
	__u32 sizes[] = { 0, 1, 3, 4, variant->least - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->arg->size = sizes[i];
		expect_failure(EINVAL, luo_ioctl(self->right, variant->nr, self->arg));
	}
}

TEST_F(call, longer_with_zeroes)
{
	self->arg->size = variant->exact + TAIL;
	if (self->arg->size > sizeof(*self->arg))
		self->arg->size = sizeof(*self->arg);
	ASSERT_EQ(variant->ret, luo_ioctl(self->right, variant->nr, self->arg));
}

TEST_F(call, longer_with_something)
{
	__u32 last[] = { variant->exact, variant->exact + 7, variant->exact + TAIL - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(last); i++) {
		self->arg->size = last[i] + 1;
		self->arg->bytes[last[i]] = 1;
		expect_failure(E2BIG, luo_ioctl(self->right, variant->nr, self->arg));
		self->arg->bytes[last[i]] = 0;
	}
}

/* Nobody reads megabytes to see that they are zero. */
TEST_F(call, longer_than_a_page)
{
	size_t size = luo_page_size() + 1;
	union argument *arg;

	arg = mmap(NULL, 2 * luo_page_size(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, arg);
	*arg = *self->arg;
	arg->size = size;
	expect_failure(E2BIG, luo_ioctl(self->right, variant->nr, arg));
	arg->size = size - 1;
	EXPECT_EQ(variant->ret, luo_ioctl(self->right, variant->nr, arg));
	munmap(arg, 2 * luo_page_size());
}

TEST_F(call, longest)
{
	int ret;

	self->arg->size = ~0U;
	ret = luo_ioctl(self->right, variant->nr, self->arg);
	EXPECT_TRUE(ret == -E2BIG || ret == -EFAULT || ret == -EINVAL);
	if (variant->happened)
		EXPECT_FALSE(variant->happened(self->dev, self->session, self->memfd));
}

TEST_F(call, bad_pointer)
{
	void *bad[] = { NULL, (void *)8, (void *)-4096L, (void *)(1UL << 63) };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		expect_failure(EFAULT, luo_ioctl(self->right, variant->nr, bad[i]));
}

/* The size can be read and the rest cannot, or only half of it */
TEST_F(call, bad_end)
{
	__u32 there[] = { 4, variant->exact / 2, variant->exact - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
		void *end = edge();

		ASSERT_NE(NULL, end);
		memcpy(end - there[i], self->arg, there[i]);
		expect_failure(EFAULT, luo_ioctl(self->right, variant->nr, end - there[i]));
	}
}

/* The argument can be read, but not written: no reply, and then nothing has happened. */
TEST_F(call, read_only)
{
	union argument *arg = copy_read_only(self->arg);
	int fds = luo_count_fds(), ret;

	ASSERT_NE(NULL, arg);
	ret = luo_ioctl(self->right, variant->nr, arg);
	if (variant->nr == LIVEUPDATE_IOCTL_CREATE_SESSION ||
	    variant->nr == LIVEUPDATE_IOCTL_GET_INFO || variant->nr == LIVEUPDATE_IOCTL_LIST ||
	    variant->nr == LIVEUPDATE_SESSION_GET_NAME) {
		EXPECT_EQ(-EFAULT, ret);
	} else {
		EXPECT_TRUE(ret == variant->ret || ret == -EFAULT);
	}
	EXPECT_EQ(fds, luo_count_fds());
	if (variant->happened)
		EXPECT_EQ(!ret, variant->happened(self->dev, self->session, self->memfd));
}

TEST_F(call, wrong_file)
{
	EXPECT_EQ(-ENOTTY, luo_ioctl(self->wrong, variant->nr, self->arg));
	EXPECT_EQ(-ENOTTY, luo_ioctl(self->wrong, variant->nr, NULL));
	EXPECT_EQ(-ENOTTY, luo_ioctl(self->memfd, variant->nr, self->arg));
}

/* Each bit that must be 0, one at a time, and that the call works without them */
TEST(reserved_fields)
{
	static const struct {
		unsigned int nr;
		__u32 size;
		int ret;
	} calls[] = {
		{ LIVEUPDATE_SESSION_FINISH, EXACT(session_finish), -EINVAL },
		{ LIVEUPDATE_SESSION_GET_NAME, EXACT(session_get_name), 0 },
		{ LIVEUPDATE_SESSION_THAW, EXACT(session_thaw), -EINVAL },
		{ LIVEUPDATE_SESSION_FREEZE, EXACT(session_freeze), 0 },
	};
	int dev = test_open(), s = test_create(dev, "session");

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		union argument arg = { .size = calls[i].size };

		/* In all of them it is the second word. */
		for (arg.finish.reserved = 1; arg.finish.reserved; arg.finish.reserved <<= 1)
			test_err_(EOPNOTSUPP, "reserved", luo_ioctl(s, calls[i].nr, &arg));
		EXPECT_EQ(calls[i].ret, luo_ioctl(s, calls[i].nr, &arg));
	}
	close(s);
	close(dev);
}

TEST(retrieve_flags)
{
	int dev = test_open(), bit;

	test_err_(ENOENT, "retrieve", luo_retrieve(dev, "nobody", LIVEUPDATE_RETRIEVE_KEEP));
	for (bit = 1; bit < 64; bit++)
		test_err_(EOPNOTSUPP, "retrieve", luo_retrieve(dev, "nobody", 1ULL << bit));
	close(dev);
}

/* The argument's size is not part of the number, and so nothing else is either. */
static bool known(unsigned int nr, bool device)
{
	if (device)
		return nr <= 0x01 || nr == 0x20 || nr == 0x21;
	return (nr >= 0x40 && nr <= 0x43) || nr == 0x60 || nr == 0x61;
}

TEST(unknown_numbers)
{
	int dev = test_open(), s = test_create(dev, "session");
	union argument arg = { .size = sizeof(arg) };
	unsigned int nr;

	for (nr = 0; nr < 256; nr++) {
		unsigned int cmd = _IO(LIVEUPDATE_IOCTL_TYPE, nr);

		if (!known(nr, true))
			test_err_(ENOTTY, "on device", luo_ioctl(dev, cmd, &arg));
		if (!known(nr, false))
			test_err_(ENOTTY, "on session", luo_ioctl(s, cmd, &arg));
	}
	for (nr = 0; nr < 256; nr++) {
		unsigned int sized = _IOWR(LIVEUPDATE_IOCTL_TYPE, nr, long);

		test_err_(ENOTTY, "other type", luo_ioctl(dev, _IO(0xBB, nr), &arg));
		test_err_(ENOTTY, "other type", luo_ioctl(s, _IO(0xBB, nr), &arg));
		test_err_(ENOTTY, "with a size", luo_ioctl(dev, sized, &arg));
	}
	close(s);
	close(dev);
}

TEST_HARNESS_MAIN
