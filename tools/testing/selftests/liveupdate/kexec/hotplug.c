// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is added while the machine runs, or that only ACPI knows: it is not in the map that
 * the next kernel gets. Where it is taken into use as movable, what is preserved is moved out of
 * it; where the kernel uses it as any other, it cannot be preserved.
 *
 *   luo_dimm=hot            it is added on request
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scenario.h"

/* Where it begins: the machine has less memory without it. */
#define ADDED		(8ULL << 30)
#define SIZE		(16 << 20)
#define MEMORY		"/sys/devices/system/memory/"

static bool is_hot(void)
{
	return getenv("luo_dimm");
}

static bool is_there(void)
{
	char path[128], text[64];

	require_true(luo_read_text(MEMORY "block_size_bytes", text, sizeof(text)));
	snprintf(path, sizeof(path), MEMORY "memory%llu/state", ADDED / strtoull(text, NULL, 16));
	return luo_read_text(path, text, sizeof(text)) && !strncmp(text, "online", 6);
}

static bool is_movable(void)
{
	char text[64];

	require_true(luo_read_text(MEMORY "auto_online_blocks", text, sizeof(text)));
	return !strncmp(text, "online_movable", 14);
}

/* The harness adds it when it reads that. */
static void ask_for_it(void)
{
	luo_say("luo: plug a dimm");
	for (int i = 0; i < 300 && !is_there(); i++)
		usleep(100000);
}

static __u64 nr_added(int memfd)
{
	char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, memfd, 0);
	static __u64 pfns[SIZE / PAGE];
	__u64 nr = 0;

	require_true(map != MAP_FAILED);
	luo_pfns(map, pfns, SIZE / PAGE);
	for (int i = 0; i < SIZE / PAGE; i++)
		nr += pfns[i] >= ADDED / PAGE;
	munmap(map, SIZE);
	return nr;
}

static int filled(unsigned int seed)
{
	int memfd = test_memfd(SIZE);

	require_true(luo_fill(memfd, seed, 0, SIZE));
	return memfd;
}

/* Sooner or later the memory is used that was added. */
static int filled_there(unsigned int seed)
{
	int memfd = filled(seed);

	for (int i = 0; i < 100 && !nr_added(memfd); i++) {
		/* Kept, so that another place is found for the next one */
		memfd = filled(seed);
	}
	require_true(nr_added(memfd));
	return memfd;
}

static void added_1(void)
{
	int s = create("hotplug"), late;

	/* If it is there already, and the kernel's, that is where all pages would come from. */
	if (is_hot()) {
		test_preserve(s, filled(1), 1);
		ask_for_it();
	}
	require_true(is_there());
	late = filled_there(2);
	if (is_movable()) {
		test_preserve(s, late, 2);
		check_eq(0, nr_added(late));
	} else {
		test_err_preserve(EOPNOTSUPP, s, late, 2);
	}
	check_true(luo_holds(late, 2, 0, SIZE));
}

static void added_2(void)
{
	int s = retrieve("hotplug"), late;

	if (is_hot())
		check_true(luo_holds(test_retrieve_fd(s, 1), 1, 0, SIZE));
	/* ACPI knows it by now, also if it was added in between. */
	require_true(is_there());
	if (is_movable()) {
		late = test_retrieve_fd(s, 2);
		check_true(luo_holds(late, 2, 0, SIZE));
	} else {
		test_err_retrieve_fd(ENOENT, s, 2);
	}
	test_finish(s);
}

static const struct scenario added_scenarios[] = {
	{ "memory that was added", { added_1, added_2 } },
	{ }
};

SCENARIOS("hotplug", added_scenarios)
