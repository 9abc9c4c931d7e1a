// SPDX-License-Identifier: GPL-2.0
/*
 * A small handover, to be kept: the next kernel says byte by byte what it found in memory,
 * and scripts/golden.py makes a header of it that KUnit reads for ever after.
 *
 * What is in it is known to kernel/liveupdate/tests/luo_golden_image_kunit.c. Never change
 * it: add another one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devmem.h"
#include "scenario.h"

#define BLOBS	"/sys/kernel/debug/kho/in/sub_fdts/"

static void image_1(void)
{
	int one = create("golden-1"), two = create("golden 2"), fd;

	create("golden empty");

	fd = test_memfd(PAGE + 5);
	require_true(luo_fill(fd, 1, 0, PAGE + 5));
	require_eq(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	require_eq(7, lseek(fd, 7, SEEK_SET));
	test_preserve(one, fd, 0);

	test_preserve(one, test_memfd(0), ~0ULL);

	fd = test_memfd(3 * PAGE);
	require_true(luo_fill(fd, 2, 0, 3 * PAGE));
	test_preserve(two, fd, 5);
}

/* "# golden: WHAT ADDRESS BYTES": a piece that starts there */
static void say_bytes(const char *what, __u64 phys, const __u8 *bytes, size_t size)
{
	printf("# golden: %s 0x%llx ", what, (unsigned long long)phys);
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

static void say_memory(const char *what, __u64 phys, size_t size)
{
	__u8 bytes[PAGE];

	require_ge(sizeof(bytes), size);
	for (size_t i = 0; i < size; i += 8) {
		__u64 value = luo_memory_read(phys + i, 8);

		memcpy(bytes + i, &value, 8);
	}
	say_bytes(what, phys, bytes, size);
}

static void say_blob(const char *name)
{
	__u8 bytes[PAGE];
	char path[128];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), BLOBS "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	size = read(fd, bytes, sizeof(bytes));
	require_ge(size, 1);
	say_bytes(name, 0, bytes, size);
	close(fd);
}

static __u64 say_chain(const char *what, __u64 at, size_t entry)
{
	__u64 first = at;

	while (at) {
		__u64 next = luo_memory_read(at, 8), count = luo_memory_read(at + 8, 8);

		say_memory(what, at, BLOCK_HEADER + count * entry);
		at = next;
	}
	return first;
}

static void say_memfd(__u64 at)
{
	__u64 nr = luo_memory_read(at + offsetof(struct luo_memfd_image, nr_folios), 8);
	__u64 chunk = luo_memory_read(at + offsetof(struct luo_memfd_image, first), 8);

	say_memory("memfd", at, sizeof(struct luo_memfd_image));
	if (!nr)
		return;
	say_memory("chunk", chunk, 16);
	say_memory("folios", luo_memory_read(chunk + 8, 8), nr * sizeof(struct luo_memfd_entry));
}

/* 64 bytes, and the words that the four bytes at 56 count */
static void say_extents(__u64 at)
{
	say_memory("extents", at, 64 + luo_memory_read(at + 56, 4) * 8);
}

static void image_2(void)
{
	static const char *const names[] = { "golden-1", "golden 2", "golden empty" };

	if (!luo_memory_works())
		luo_skip("no access to memory");
	say_blob("LUO");
	say_blob("LUO-ext");
	say_chain("sessions", luo_memory_sessions(), sizeof(struct luo_session_entry));
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		__u64 session = luo_memory_session(names[i]), files;

		require_ne(0, session);
		files = luo_memory_read(session + offsetof(struct luo_session_entry, files), 8);
		say_chain("files", files, sizeof(struct luo_file_entry));
	}
	say_memory("flbs", luo_memory_flbs(), 16 + 3 * 64);
	if (!access(BLOBS "LUO-ext", R_OK))
		say_chain("checksums", luo_memory_checksums(), 4);
	if (getenv("luo_golden"))
		say_extents(luo_memory_file("golden-1", 0, "memfd-extent-v1"));
	else
		say_memfd(luo_memory_memfd("golden-1", 0));
}

static const struct scenario golden_scenarios[] = {
	{ "image", { image_1, image_2 } },
	{ }
};

SCENARIOS("golden", golden_scenarios)
