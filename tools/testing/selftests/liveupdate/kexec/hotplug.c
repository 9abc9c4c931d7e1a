// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is added while the machine runs, or that only ACPI knows: it is not in the map that
 * the next kernel gets. Where it is taken into use as movable, what is preserved is moved out of
 * it; where the kernel uses it as any other, it cannot be preserved.
 *
 *   luo_dimm=hot            it is added on request
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scenario.h"

/* Where it begins: the machine has less memory without it. */
#define ADDED		(8ULL << 30)
#define SIZE		(16 << 20)
/*
 * So many files that preserving them, once the memory was added, takes new nodes of the tree: a
 * leaf of it covers 128 MiB.
 */
#define EARLY		40
#define LATE		EARLY
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

/* The harness adds the module when it reads that line. */
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

/* Sooner or later the memory is used that was added: to the first node, if there are several. */
static int filled_there(unsigned int seed)
{
	cpu_set_t first;
	int memfd;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	require_eq(0, sched_setaffinity(0, sizeof(first), &first));
	memfd = filled(seed);
	for (int i = 0; i < 100 && !nr_added(memfd); i++) {
		/* Kept, so that another place is found for the next one */
		memfd = filled(seed);
	}
	require_true(nr_added(memfd));
	return memfd;
}

static void added_1(void)
{
	int s = create("hotplug"), early[EARLY], late;

	/* With a module of the kernel's from the start all pages would come from there. */
	for (int i = 0; is_hot() && i < EARLY; i++)
		early[i] = filled(i);
	if (is_hot())
		ask_for_it();
	require_true(is_there());
	for (int i = 0; is_hot() && i < EARLY; i++)
		test_preserve(s, early[i], i);
	late = filled_there(LATE);
	if (is_movable()) {
		test_preserve(s, late, LATE);
		check_eq(0, nr_added(late));
	} else {
		test_err_preserve(EOPNOTSUPP, s, late, LATE);
	}
	check_true(luo_holds(late, LATE, 0, SIZE));
}

static void added_2(void)
{
	int s = retrieve("hotplug"), late;

	for (int i = 0; is_hot() && i < EARLY; i++)
		check_true(luo_holds(test_retrieve_fd(s, i), i, 0, SIZE));
	/* ACPI knows it by now, also if it was added in between. */
	require_true(is_there());
	if (is_movable()) {
		late = test_retrieve_fd(s, LATE);
		check_true(luo_holds(late, LATE, 0, SIZE));
	} else {
		test_err_retrieve_fd(ENOENT, s, LATE);
	}
	test_finish(s);
}

static const struct scenario added_scenarios[] = {
	{ "memory that was added", { added_1, added_2 } },
	{ }
};

SCENARIOS("hotplug", added_scenarios)
