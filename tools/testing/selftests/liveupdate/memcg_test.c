// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays for what is preserved: whoever has the session, not the host. Memory groups
 * show it, which a debug kernel has.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/fault_inject.h"
#include "lib/memcg.h"
#include "lib/harness.h"

#define FILES		2000
#define LIMIT		(8 * 1024 * 1024)
#define SOMEBODY	1000

/*
 * The least that a file costs in structs: 870 bytes with the three FLBs that the base's own
 * test hangs on each file; the smallest struct has 32. And in preserved pages: 128 bytes of
 * a shared page and an entry of 64 in the chain of its session's files.
 */
#define LEAST_STRUCTS	850
#define LEAST_PAGES	190

/* As memfd-v2: a page for its description, and one for the list of its folios */
#define LEAST_PAGES_V2	(2 * PAGE + 60)

/* What a child has seen */
struct report {
	long long preserved;
	long long structs;
	long long pages;
	long long gone;
	int err;
};

FIXTURE(charged)
{
	int session;
	struct report *report;
};

FIXTURE_SETUP(charged)
{
	const struct rlimit many = { 2 * FILES, 2 * FILES };
	int dev;

	if (!luo_group_make())
		SKIP(return, "this kernel has no memory groups");
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &many));
	dev = test_open();
	self->session = test_create(dev, "session");
	close(dev);
	self->report = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, self->report);
}

FIXTURE_TEARDOWN(charged)
{
	close(self->session);
	luo_group_remove();
}

static bool become_somebody(void)
{
	return !setgroups(0, NULL) && !setgid(SOMEBODY) && !setuid(SOMEBODY);
}

static long long structs(void)
{
	return luo_group_stat("slab");
}

static long long pages(void)
{
	return luo_group_stat("kernel") - luo_group_stat("slab");
}

/* The kernel adds up what its processors have counted every two seconds, if it is not much. */
static void settle(void)
{
	long long before;

	do {
		before = luo_group_stat("kernel");
		sleep(3);
	} while (luo_group_stat("kernel") != before);
}

struct work {
	int session;
	struct report *report;
	off_t size;
};

/* Their contents are charged elsewhere. They are root's, as memfd-v2 can say no other owner. */
static int preserve_open_files(void *arg)
{
	struct report *r = ((struct work *)arg)->report;
	int session = ((struct work *)arg)->session;
	off_t size = ((struct work *)arg)->size;
	static int fds[FILES];

	if (!luo_group_enter())
		return 1;
	for (int i = 0; i < FILES; i++) {
		fds[i] = luo_memfd("file", 0, size);
		if (fds[i] < 0 || (size && !luo_fill(fds[i], i, 0, size)))
			return 1;
	}
	if (!become_somebody())
		return 1;
	settle();
	r->structs = structs();
	r->pages = pages();
	for (int i = 0; i < FILES && !r->err; i++) {
		r->err = luo_preserve(session, fds[i], i);
		r->preserved += !r->err;
	}
	settle();
	r->structs = structs() - r->structs;
	r->pages = pages() - r->pages;
	return 0;
}

static void expect_charged(struct __test_metadata *_metadata, struct report *r,
			   long long least_pages)
{
	EXPECT_EQ(0, r->err);
	EXPECT_EQ(FILES, r->preserved);
	luo_say("%lld bytes of structs, %lld bytes of pages a file", r->structs / FILES,
		r->pages / FILES);
	EXPECT_GE(r->structs / FILES, LEAST_STRUCTS);
	EXPECT_GE(r->pages / FILES, least_pages);
}

/* Empty ones */
TEST_F(charged, each_file)
{
	struct work work = { self->session, self->report };

	ASSERT_EQ(0, luo_in_child(preserve_open_files, &work));
	expect_charged(_metadata, self->report, LEAST_PAGES);
}

TEST_F(charged, each_file_v2)
{
	struct work work = { self->session, self->report, PAGE };

	ASSERT_TRUE(luo_memfd_format("v2"));
	ASSERT_EQ(0, luo_in_child(preserve_open_files, &work));
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
	expect_charged(_metadata, self->report, LEAST_PAGES_V2);
}

/* Nothing but the session holds them. */
static int preserve_without_end(void *arg)
{
	struct report *r = ((struct work *)arg)->report;
	int session = ((struct work *)arg)->session, fd;

	if (!luo_group_enter() || !become_somebody())
		return 1;
	for (; r->preserved < LIMIT / LEAST_STRUCTS; r->preserved++) {
		fd = luo_memfd("file", 0, 0);
		r->err = fd < 0 ? fd : luo_preserve(session, fd, r->preserved);
		close(fd);
		if (r->err)
			return 0;
	}
	return 0;
}

/* The group comes to its limit: that is the end, by an error or by the OOM killer. */
TEST_F(charged, limit)
{
	struct work work = { self->session, self->report };
	int ret;

	ASSERT_TRUE(luo_group_limit("8M"));
	ret = luo_in_child(preserve_without_end, &work);
	luo_say("%lld files, then %s", self->report->preserved,
		ret < 0 ? "killed" : luo_error(self->report->err));
	EXPECT_TRUE(ret == -1 || (!ret && self->report->err == -ENOMEM));
	EXPECT_GE(self->report->preserved, 1000);
	EXPECT_GE(LIMIT, luo_group_number("memory.peak"));
	EXPECT_GE(luo_group_stat("kernel"), LIMIT / 2);

	/* It is the session that holds it all. */
	close(self->session);
	for (int i = 0; i < 100 && luo_group_stat("kernel") > LIMIT / 8; i++)
		usleep(100000);
	EXPECT_GE(LIMIT / 8, luo_group_stat("kernel"));
	self->session = -1;
}

#define ROUNDS		400
#define NTH		16	/* The first session has no more that can fail than that. */
#define LEAST_FAILURES	(4 * ROUNDS)
#define SLACK		(1024 * 1024)

/* Memory that is free, or in slabs: what has been freed there KASAN keeps for a while. */
static long long free_or_in_slabs(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	long long kilobytes = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Slab: %lld kB", &kilobytes);
	if (!kilobytes) {
		perror("/proc/meminfo");
		exit(1);
	}
	fclose(f);
	return luo_free_memory() + kilobytes * 1024;
}

/* With no other session the first one takes pages, and gives them back if that fails. */
static int fail_to_create(void *arg)
{
	struct report *r = ((struct work *)arg)->report;
	int dev = luo_open(), session;

	if (dev < 0 || !luo_fault_setup() || !luo_group_enter())
		return 1;
	r->pages = pages();
	r->gone = free_or_in_slabs();
	for (int i = 0; i < ROUNDS * NTH; i++) {
		luo_fault_arm(1 + i % NTH);
		session = luo_create(dev, "first");
		luo_fault_fired();
		if (session >= 0)
			close(session);
		r->preserved += session < 0;
	}
	r->pages = pages() - r->pages;
	r->gone -= free_or_in_slabs();
	return 0;
}

TEST_F(charged, nothing_for_what_failed)
{
	struct work work = { -1, self->report };

	close(self->session);
	self->session = -1;
	ASSERT_EQ(0, luo_in_child(fail_to_create, &work));
	luo_say("%lld failures, %lld bytes charged, %lld bytes gone", self->report->preserved,
		self->report->pages, self->report->gone);
	EXPECT_GE(self->report->preserved, LEAST_FAILURES);
	EXPECT_LT(self->report->pages, SLACK);
	EXPECT_LT(self->report->gone, SLACK);
}

TEST_HARNESS_MAIN
