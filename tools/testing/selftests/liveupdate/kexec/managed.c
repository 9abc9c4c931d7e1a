// SPDX-License-Identifier: GPL-2.0
/*
 * What else a host does with the memory of a memfd that is preserved: faults that a program
 * handles, buffers that are registered for I/O, pages that are merged, locked, huge, or aged
 * another way; and files that only a socket has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scenario.h"

#define SIZE		(64 * (size_t)PAGE)
#define HUGE_SIZE	(8 * 1024 * 1024)
#define SEED		1400
#define KSM		"/sys/kernel/mm/ksm/"
#define GENERATIONS	"/sys/kernel/mm/lru_gen/enabled"
#define THP		"/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static int filled(unsigned int seed)
{
	int fd = test_memfd(SIZE);

	require_true(luo_fill(fd, SEED + seed, 0, SIZE));
	return fd;
}

static void expect_filled(const char *session, unsigned int seed)
{
	int s = retrieve(session), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, SEED + seed, 0, SIZE));
	test_finish(s);
}

/* Fill the page at @to as that of @from, as who handles faults does */
static int copy_page(int uffd, char *to, const char *from)
{
	struct uffdio_copy copy = {
		.dst = (unsigned long)to, .src = (unsigned long)from, .len = PAGE,
	};

	return ioctl(uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

/*
 * Holes that are filled by userfaultfd: up to the freeze they come with the rest, after it none
 * can be filled.
 */
static void handled_1(void)
{
	int s = create("handled"), fd = test_memfd(SIZE), whole = filled(0);
	char *map = luo_map(fd, SIZE), *from = luo_map(whole, SIZE);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (unsigned long)map, SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);

	require_true(map && from);
	require_true(uffd >= 0);
	require_eq(0, ioctl(uffd, UFFDIO_API, &api));
	require_eq(0, ioctl(uffd, UFFDIO_REGISTER, &area));
	require_eq(0, copy_page(uffd, map, from));
	test_preserve(s, fd, 1);
	require_eq(0, copy_page(uffd, map + PAGE, from + PAGE));
	check_eq(-EEXIST, copy_page(uffd, map, from));
	test_freeze(s);
	check_eq(-EBUSY, copy_page(uffd, map + 2 * PAGE, from));
	check_true(luo_is_hole(fd, 2 * PAGE, SIZE - 2 * PAGE));
	test_thaw(s);
	require_eq(0, copy_page(uffd, map + 3 * PAGE, from + 3 * PAGE));
	test_freeze(s);
}

static void handled_2(void)
{
	int s = retrieve("handled"), fd = test_retrieve_fd(s, 1);

	check_true(luo_holds(fd, SEED, 0, 2 * PAGE));
	check_true(luo_is_hole(fd, 2 * PAGE, PAGE));
	check_true(luo_holds(fd, SEED, 3 * PAGE, PAGE));
	check_true(luo_is_hole(fd, 4 * PAGE, SIZE - 4 * PAGE));
	test_finish(s);
}

struct ring {
	int fd;
	unsigned int *tail, *array;
	struct io_uring_sqe *entry;
};

static void make_ring(struct ring *ring, struct iovec *buffer)
{
	struct io_uring_params params = { };
	char *map;

	ring->fd = syscall(SYS_io_uring_setup, 1, &params);
	require_true(ring->fd >= 0);
	map = mmap(NULL, params.sq_off.array + sizeof(__u32), PROT_READ | PROT_WRITE, MAP_SHARED,
		   ring->fd, IORING_OFF_SQ_RING);
	ring->entry = mmap(NULL, sizeof(*ring->entry), PROT_READ | PROT_WRITE, MAP_SHARED,
			   ring->fd, IORING_OFF_SQES);
	require_true(map != MAP_FAILED && ring->entry != MAP_FAILED);
	ring->tail = (unsigned int *)(map + params.sq_off.tail);
	ring->array = (unsigned int *)(map + params.sq_off.array);
	require_eq(0, syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, buffer,
			      1));
}

/* The kernel reads the file into memory that it knows by the pages, not by the mapping. */
static void read_fixed(struct ring *ring, int fd, char *to, off_t from, size_t len)
{
	*ring->entry = (struct io_uring_sqe) {
		.opcode = IORING_OP_READ_FIXED, .fd = fd, .off = from,
		.addr = (unsigned long)to, .len = len,
	};
	ring->array[0] = 0;
	__atomic_add_fetch(ring->tail, 1, __ATOMIC_RELEASE);
	require_eq(1, syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL,
			      0));
}

/*
 * Buffers that are registered stay where they are; what I/O puts into them comes along, also
 * after the freeze: devices cannot be told.
 */
static void registered_1(void)
{
	int s = create("registered"), fd = test_memfd(SIZE), source = filled(1);
	struct iovec buffer = { luo_map(fd, SIZE), SIZE };
	struct ring ring;

	require_ne(NULL, buffer.iov_base);
	make_ring(&ring, &buffer);
	test_preserve(s, fd, 1);
	read_fixed(&ring, source, buffer.iov_base, 0, SIZE / 2);
	test_freeze(s);
	read_fixed(&ring, source, buffer.iov_base + SIZE / 2, SIZE / 2, SIZE / 2);
}

static void registered_2(void)
{
	expect_filled("registered", 1);
}

static long read_number(const char *path)
{
	char text[32];

	return luo_read_text(path, text, sizeof(text)) ? atol(text) : -1;
}

/*
 * Copies of its pages that a private mapping has are merged with each other. They are nothing
 * of the file.
 */
static void merged_1(void)
{
	int s = create("merged"), fd = filled(2);
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	require_true(map != MAP_FAILED);
	test_preserve(s, fd, 1);
	memset(map, 7, SIZE);
	require_eq(0, madvise(map, SIZE, MADV_MERGEABLE));
	require_true(luo_write_text(KSM "pages_to_scan", "1000"));
	require_true(luo_write_text(KSM "run", "1"));
	for (int i = 0; i < 300 && read_number(KSM "pages_sharing") < 32; i++)
		usleep(100000);
	check_ge(read_number(KSM "pages_sharing"), 32);
	check_true(luo_holds(fd, SEED + 2, 0, SIZE));
}

static void merged_2(void)
{
	expect_filled("merged", 2);
}

static void locked_1(void)
{
	int s = create("locked"), fd = filled(3);
	char *map = luo_map(fd, SIZE);

	require_ne(NULL, map);
	require_eq(0, mlock(map, SIZE / 2));
	test_preserve(s, fd, 1);
	require_eq(0, mlock(map, SIZE));
	require_eq(0, munlock(map, PAGE));
}

static void locked_2(void)
{
	int s = retrieve("locked"), fd = test_retrieve_fd(s, 1);
	char *map = luo_map(fd, SIZE);

	require_ne(NULL, map);
	require_eq(0, mlock(map, SIZE));
	check_true(luo_holds(fd, SEED + 3, 0, SIZE));
	test_finish(s);
	check_eq(0, munlock(map, SIZE));
	check_true(luo_holds(fd, SEED + 3, 0, SIZE));
}

/* Nobody but a socket has the session, and the file that it preserves. */
static void sent_1(void)
{
	int s = create("sent"), fd = filled(4), pair[2];

	require_eq(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	test_preserve(s, fd, 1);
	require_eq(0, luo_send_fd(pair[0], fd));
	require_eq(0, luo_send_fd(pair[0], s));
	close(fd);
	close(s);
	check_eq(-EEXIST, with_device(luo_create(dev, "sent")))
		luo_say("another of that name can be made: it is gone");
}

static void sent_2(void)
{
	expect_filled("sent", 4);
}

/* The kernel ages pages one way when they are preserved, the other way when they come back. */
static void aged_1(void)
{
	int s = create("aged"), s_2;

	if (!luo_write_text(GENERATIONS, "y"))
		luo_skip("no multi-generational LRU");
	test_preserve(s, filled(5), 1);
	require_true(luo_write_text(GENERATIONS, "n"));
	s_2 = create("aged-2");
	test_preserve(s_2, filled(6), 1);
}

static void aged_2(void)
{
	if (!luo_write_text(GENERATIONS, "n"))
		luo_skip("no multi-generational LRU");
	expect_filled("aged", 5);
	require_true(luo_write_text(GENERATIONS, "y"));
	expect_filled("aged-2", 6);
}

static const char *const policies[] = { "always", "within_size", "advise", "never", NULL };

/* As large as the policy has it when they are written; another one holds when they come back. */
static void sizes_1(void)
{
	int s = create("sizes");

	for (int i = 0; policies[i]; i++) {
		int fd = test_memfd(HUGE_SIZE);

		require_true(luo_write_text(THP, policies[i]));
		require_true(luo_fill(fd, SEED + 10 + i, 0, HUGE_SIZE / 2));
		test_preserve(s, fd, i);
		require_true(luo_fill(fd, SEED + 10 + i, HUGE_SIZE / 2, HUGE_SIZE / 2));
	}
}

static void sizes_2(void)
{
	int s = retrieve("sizes");

	for (int i = 0; policies[i]; i++) {
		int fd;

		require_true(luo_write_text(THP, policies[(i + 1) % 4]));
		fd = test_retrieve_fd(s, i);
		check_true(luo_holds(fd, SEED + 10 + i, 0, HUGE_SIZE));
		require_true(luo_fill(fd, SEED + 20 + i, 0, HUGE_SIZE));
		check_true(luo_holds(fd, SEED + 20 + i, 0, HUGE_SIZE));
	}
	test_finish(s);
}

static const struct scenario managed_scenarios[] = {
	{ "userfaultfd", { handled_1, handled_2 } },
	{ "io_uring's buffers", { registered_1, registered_2 } },
	{ "merged pages", { merged_1, merged_2 } },
	{ "locked pages", { locked_1, locked_2 } },
	{ "in a socket", { sent_1, sent_2 } },
	{ "generations", { aged_1, aged_2 } },
	{ "huge pages of every policy", { sizes_1, sizes_2 } },
	{ }
};

SCENARIOS("managed", managed_scenarios)
