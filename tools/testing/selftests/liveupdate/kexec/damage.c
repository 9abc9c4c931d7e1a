// SPDX-License-Identifier: GPL-2.0
/*
 * What was handed over is damaged before the kernel has looked at it.
 *
 * Each level is looked at when it is first needed, so that there is time: the sessions
 * when the first is retrieved, the files of one when it is, a memfd when it is. The
 * damage must be found, found again, hurt nothing besides, and nothing damaged may be
 * freed: nobody knows whose memory it is.
 *
 * Every session here has three memfds, with the tokens 0 to 2. Number 1 is for damage
 * and large enough for its memory to be seen when it is freed; the others are valid.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "devmem.h"
#include "three_memfds.h"

/* Of the file chain, with checksums */
static const struct damage file_damages[] = {
	{ "a token", EUCLEAN, { { IN_FILE(1, token), SET(3) } }, .all = true },
	{ "a bit of an address", EUCLEAN,
	  { { IN_FILE(1, data), ADD(IN_FILE(1, data), PAGE) } }, .all = true },
	{ "a name", EUCLEAN, { { IN_FILE(1, compatible), SET(0) } }, .all = true },
	{ "more files", EUCLEAN, { { IN_BLOCK(count), SET(4) } }, .all = true },
	{ "too many files", EUCLEAN, { { IN_BLOCK(count), SET(64) } }, .all = true },
	{ "countless files", EUCLEAN, { { IN_BLOCK(count), SET(-1) } }, .all = true },
	{ }
};

/* Of the file chain, without */
static const struct damage unchecked_damages[] = {
	{ "no files", EUCLEAN, { { IN_BLOCK(count), SET(0) } }, .all = true },
	{ "less files", EUCLEAN, { { IN_BLOCK(count), SET(2) } }, .all = true },
	{ "more files", EUCLEAN, { { IN_BLOCK(count), SET(4) } }, .all = true },
	{ "too many files", EUCLEAN, { { IN_BLOCK(count), SET(64) } }, .all = true },
	{ "countless files", EUCLEAN, { { IN_BLOCK(count), SET(-1) } }, .all = true },
	{ "blocks in a circle", EUCLEAN, { { IN_BLOCK(next), COPY(IN_SESSION(files)) } },
	  .all = true },
	{ "next block misaligned", EUCLEAN, { { IN_BLOCK(next), SET(8) } }, .all = true },
	{ "next block not handed over", EUCLEAN, { { IN_BLOCK(next), OWN_PAGE } },
	  .all = true },
	{ "next block nowhere", EUCLEAN, { { IN_BLOCK(next), SET(NO_PAGE) } }, .all = true },
	{ "next block is a memfd", EUCLEAN,
	  { { IN_BLOCK(next), COPY(IN_FILE(1, data)) } }, .all = true },
	{ "a name missing", EUCLEAN, { { IN_FILE(1, compatible), SET(0) } }, .all = true },
	{ "a name unprintable", EUCLEAN, { { IN_FILE(1, compatible), SET(0x80) } },
	  .all = true },
	{ "a token twice", EUCLEAN, { { IN_FILE(1, token), SET(2) } }, .all = true },
	{ "memfd misaligned", EUCLEAN, { { IN_FILE(1, data), ADD(IN_FILE(1, data), 8) } } },
	{ "memfd not handed over", EUCLEAN, { { IN_FILE(1, data), OWN_PAGE } } },
	{ "memfd nowhere", EUCLEAN, { { IN_FILE(1, data), SET(NO_PAGE) } } },
	{ "memfd at 0", EUCLEAN, { { IN_FILE(1, data), SET(0) } } },
	{ "memfd is another, used up", EUCLEAN,
	  { { IN_FILE(1, data), COPY(IN_FILE(0, data)) } } },
	{ }
};

static const struct damage memfd_damages[] = {
	{ "flags", EOPNOTSUPP, { { IN_IMAGE_U32(flags), SET(1) } } },
	{ "seals", EOPNOTSUPP, { { IN_IMAGE_U32(seals), SET(0x40) } }, .freed = true },
	{ "size out of range", EUCLEAN, { { IN_IMAGE(size), SET(1ull << 63) } } },
	{ "position out of range", EUCLEAN, { { IN_IMAGE(pos), SET(1ull << 63) } } },
	{ "size less than its folios", EUCLEAN,
	  { { IN_IMAGE(size), SET(LARGE - PAGE) } } },
	{ "too many folios", EUCLEAN, { { IN_IMAGE(nr_folios), SET(LARGE_PAGES * 3) } } },
	{ "countless folios", EUCLEAN, { { IN_IMAGE(nr_folios), SET(-1) } } },
	{ "chunk misaligned", EUCLEAN, { { IN_IMAGE(first), ADD(IN_IMAGE(first), 8) } } },
	{ "chunk not handed over", EUCLEAN, { { IN_IMAGE(first), OWN_PAGE } } },
	{ "chunk nowhere", EUCLEAN, { { IN_IMAGE(first), SET(NO_PAGE) } } },
	{ "chunk is the memfd", EUCLEAN, { { IN_IMAGE(first), COPY(IN_FILE(1, data)) } } },
	{ "no chunk", EUCLEAN, { { IN_IMAGE(first), SET(0) } } },
	{ "no array", EUCLEAN,
	  { { IN_IMAGE(first), SET(0) }, { IN_IMAGE_U32(total_pages), SET(0) } } },
	{ "more pages", EUCLEAN,
	  { { IN_IMAGE_U32(total_pages), ADD(IN_IMAGE_U32(total_pages), 1) } } },
	{ "less pages", EUCLEAN,
	  { { IN_IMAGE_U32(total_pages), ADD(IN_IMAGE_U32(total_pages), -1) } } },
	{ "larger pages", EUCLEAN, { { IN_IMAGE_U16(order), SET(1) } } },
	{ "impossible pages", EUCLEAN, { { IN_IMAGE_U16(order), SET(0xffff) } } },
	{ "chunks in a circle", EUCLEAN, { { NEXT_CHUNK, COPY(IN_IMAGE(first)) } } },
	{ "next chunk misaligned", EUCLEAN, { { NEXT_CHUNK, ADD(IN_IMAGE(first), 16) } } },
	{ "next chunk not handed over", EUCLEAN, { { NEXT_CHUNK, OWN_PAGE } } },
	{ "piece misaligned", EUCLEAN, { { IN_CHUNK(1), ADD(IN_CHUNK(1), 16) } } },
	{ "piece not handed over", EUCLEAN, { { IN_CHUNK(1), OWN_PAGE } } },
	{ "piece twice", EUCLEAN, { { IN_CHUNK(1), COPY(IN_CHUNK(0)) } } },
	{ "piece is the chunk", EUCLEAN, { { IN_CHUNK(1), COPY(IN_IMAGE(first)) } } },
	{ "piece missing", EUCLEAN, { { IN_CHUNK(1), SET(0) } } },
	{ "folio not handed over", EUCLEAN, { { IN_ENTRY(1, pfn), OWN_PFN } } },
	{ "folio nowhere", EUCLEAN, { { IN_ENTRY(1, pfn), SET(NO_PFN) } } },
	{ "folio twice", EUCLEAN, { { IN_ENTRY(1, pfn), COPY(IN_ENTRY(0, pfn)) } } },
	{ "folio is the memfd", EUCLEAN,
	  { { IN_ENTRY(1, pfn), PFN(IN_FILE(1, data)) } } },
	{ "folio is of the array", EUCLEAN, { { IN_ENTRY(1, pfn), PFN(IN_CHUNK(0)) } } },
	{ "folio of another, used up", EUCLEAN,
	  { { IN_ENTRY(1, pfn), PFN(IN_FILE(0, data)) } } },
	{ "index twice", EUCLEAN, { { IN_ENTRY(1, index), COPY(IN_ENTRY(0, index)) } } },
	{ "index at the end", EUCLEAN, { { IN_ENTRY(1, index), SET(LARGE_PAGES) } } },
	{ "index past the end", EUCLEAN, { { IN_ENTRY(1, index), SET(-1) } } },
	{ "folio flags", EOPNOTSUPP,
	  { { IN_ENTRY(1, pfn), ADD(IN_ENTRY(1, pfn), FLAG(2)) } } },
	{ "more folio flags", EOPNOTSUPP,
	  { { IN_ENTRY(1, pfn), ADD(IN_ENTRY(1, pfn), FLAG(11)) } } },
	{ }
};

/* Two folios of 2 MiB */
static const struct damage huge_damages[] = {
	{ "huge: index misaligned", EUCLEAN, { { IN_ENTRY(1, index), SET(513) } } },
	{ "huge: index twice", EUCLEAN, { { IN_ENTRY(1, index), SET(0) } } },
	{ "huge: index at the end", EUCLEAN, { { IN_ENTRY(1, index), SET(LARGE_PAGES) } } },
	{ "huge: not its first page", EUCLEAN,
	  { { IN_ENTRY(1, pfn), ADD(IN_ENTRY(1, pfn), 1) } } },
	{ "huge: folio twice", EUCLEAN, { { IN_ENTRY(1, pfn), COPY(IN_ENTRY(0, pfn)) } } },
	{ "huge: folio of the array", EUCLEAN, { { IN_ENTRY(1, pfn), PFN(IN_CHUNK(0)) } } },
	{ }
};

static void need_memory_access(void)
{
	if (!luo_memory_works())
		luo_skip("no way to memory: /dev/mem, debugfs of KHO");
}

/* A session is over by FINISH or by being closed. */
static void check_damage(const struct damage *d, bool finish)
{
	long long before = luo_free_memory(), more;
	int s;

	luo_say("%s", d->name);
	luo_inflict(d);
	s = retrieve(d->name);
	for (unsigned int token = 0; token < 3; token++) {
		if (d->all || token == 1)
			expect_refused(s, token, d->err);
		else
			retrieve_small(s, token);
	}
	if (finish)
		test_finish(s);
	close(s);
	expect_gone(d->name);
	more = luo_free_memory() - before;
	if ((more > LARGE / 2) != d->freed)
		luo_say("%lld bytes more are free, of %d", more, LARGE);
	check_eq(d->freed, more > LARGE / 2);
}

static void preserve_all(const struct damage *d)
{
	for (; d->name; d++)
		preserve_three(d->name);
}

static void check_all(const struct damage *d)
{
	need_memory_access();
	for (int i = 0; d[i].name; i++)
		check_damage(&d[i], i % 2);
}

/*
 * Sessions. Every name is refused, also one that never was, and new sessions are made as
 * if nothing had been handed over. Validating again has the same result.
 */
#define SESSIONS	20

static const char *name_of(int i)
{
	static char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "damaged-%d", i);
	return name;
}

static void expect_no_session(void)
{
	int dev = test_open();

	for (int i = 0; i <= SESSIONS; i++)
		test_err_retrieve(EUCLEAN, dev, name_of(i));
	test_err_retrieve(EUCLEAN, dev, "unheard of");
	close(dev);
}

static void sessions_1(void)
{
	for (int i = 0; i < SESSIONS; i++)
		preserve_three(name_of(i));
}

static void sessions_2(void)
{
	long long before = luo_free_memory();
	__u64 at, old;

	need_memory_access();
	at = luo_memory_sessions() + BLOCK_HEADER + offsetof(struct luo_session_entry, name);
	old = luo_memory_read(at, 1);
	luo_memory_write(at, 1, old ^ 1);
	expect_no_session();
	expect_no_session();
	luo_memory_write(at, 1, old);
	expect_no_session();
	check_ge(LARGE / 2, luo_free_memory() - before);

	/* The names are free; this is for the third kernel. */
	preserve_three(name_of(0));
	preserve_three("sound");
}

static void sessions_3(void)
{
	expect_not_handed_over(name_of(1));
	retrieve_three("sound");
	retrieve_three(name_of(0));
}

/* Files, with checksums; then memfds, which the checksums do not cover */
static void files_2(void)
{
	preserve_all(file_damages);
	preserve_three("files: sound");
}

static void files_3(void)
{
	check_all(file_damages);
	retrieve_three("files: sound");
}

/*
 * Two memfds with the same pages: each is valid, and the first to be retrieved gets them.
 * Memory is used once whatever is said about it.
 */
static void shared_2(void)
{
	preserve_three("shared");
}

static void share_field(const char *name, size_t at, size_t size)
{
	__u64 from = luo_memory_memfd(name, 2), to = luo_memory_memfd(name, 1);

	luo_memory_write(to + at, size, luo_memory_read(from + at, size));
}

static void share(const char *name)
{
	share_field(name, offsetof(struct luo_memfd_image, first), 8);
	share_field(name, offsetof(struct luo_memfd_image, total_pages), 4);
	share_field(name, offsetof(struct luo_memfd_image, nr_folios), 8);
}

static void shared_3(void)
{
	int s, fd;

	need_memory_access();
	share("shared");
	s = retrieve("shared");
	fd = test_retrieve_fd(s, 1);
	expect_refused(s, 2, EUCLEAN);
	retrieve_small(s, 0);
	test_finish(s);
	close(s);
	check_eq(LARGE, luo_size(fd));
	check_true(luo_holds(fd, THREE_SEED + 2, 0, SMALL));
}

/* The same with both retrieved at once: still one gets the pages, and one is told */
#define RACES	10

struct racer {
	pthread_barrier_t *start;
	int session;
	__u64 token;
	int fd;
};

static void *racer_run(void *arg)
{
	struct racer *racer = arg;

	pthread_barrier_wait(racer->start);
	racer->fd = luo_retrieve_fd(racer->session, racer->token);
	return NULL;
}

static const char *race_of(int i)
{
	static char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "race-%d", i);
	return name;
}

static void raced_2(void)
{
	for (int i = 0; i < RACES; i++)
		preserve_three(race_of(i));
}

static void race(int s)
{
	pthread_barrier_t start;
	struct racer racer[2];
	pthread_t thread[2];

	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++) {
		racer[i] = (struct racer){ &start, s, i + 1, -1 };
		require_eq(0, pthread_create(&thread[i], NULL, racer_run, &racer[i]));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);

	check_eq(1, (racer[0].fd >= 0) + (racer[1].fd >= 0));
	expect_refused(s, racer[0].fd >= 0 ? 2 : 1, EUCLEAN);
}

static void raced_3(void)
{
	need_memory_access();
	for (int i = 0; i < RACES; i++) {
		int s;

		share(race_of(i));
		s = retrieve(race_of(i));
		race(s);
		test_finish(s);
		close(s);
	}
}

static void memfds_2(void)
{
	preserve_all(memfd_damages);
	preserve_three("memfds: sound");
}

static void memfds_3(void)
{
	check_all(memfd_damages);
	retrieve_three("memfds: sound");
}

#define THP	"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static bool set_huge_pages(const char *when)
{
	int fd = open(THP, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, when, strlen(when)) == (ssize_t)strlen(when);

	close(fd);
	return ok;
}

/* Only the large memfd has them. Huge pages of kernels with other pages are larger than it. */
static void huge_2(void)
{
	if (PAGE != 4096)
		luo_skip("a huge page is larger than these memfds");
	for (const struct damage *d = huge_damages; d->name; d++) {
		int s = create(d->name);

		preserve_small(s, 0);
		if (!set_huge_pages("force"))
			luo_skip("no huge pages for shmem");
		preserve_large(s);
		set_huge_pages("never");
		preserve_small(s, 2);
	}
}

static void huge_3(void)
{
	static const struct place second = IN_ENTRY(1, index);

	if (PAGE != 4096)
		luo_skip("a huge page is larger than these memfds");
	need_memory_access();
	for (const struct damage *d = huge_damages; d->name; d++) {
		if (!luo_memory_session(d->name))
			luo_skip("no huge pages for shmem");
		if (luo_place_value(&second, d->name) != LARGE_PAGES / 2)
			luo_skip("not enough memory for huge pages in the kernel before");
	}
	check_all(huge_damages);
}

static const struct scenario damage_scenarios[] = {
	{ "sessions", { sessions_1, sessions_2, sessions_3 } },
	{ "files", { NULL, files_2, files_3 } },
	{ "memfds", { NULL, memfds_2, memfds_3 } },
	{ "shared pages", { NULL, shared_2, shared_3 } },
	{ "shared pages at once", { NULL, raced_2, raced_3 } },
	{ "huge memfds", { NULL, huge_2, huge_3 } },
	{ }
};

SCENARIOS("damage", damage_scenarios)

/* The checksums of files are damaged, too, so that there are none. */
static void unchecked_1(void)
{
	preserve_all(unchecked_damages);
	preserve_three("unchecked: sound");
}

static void unchecked_2(void)
{
	__u64 at;

	need_memory_access();
	at = luo_memory_checksums() + BLOCK_HEADER;
	luo_memory_write(at, 1, luo_memory_read(at, 1) ^ 1);
	check_all(unchecked_damages);
	retrieve_three("unchecked: sound");
}

static const struct scenario unchecked_scenarios[] = {
	{ "files", { unchecked_1, unchecked_2 } },
	{ }
};

SCENARIOS("unchecked", unchecked_scenarios)
