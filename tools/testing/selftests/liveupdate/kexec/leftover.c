// SPDX-License-Identifier: GPL-2.0
/* What is left of a handover: what was published, and sessions that no program wanted. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scenario.h"

#define BLOBS		"/sys/kernel/debug/kho/in/sub_fdts/"
#define MAX_BLOBS	8
#define CHURN		(300L << 20)

/*
 * What the previous kernel has published can be read in debugfs of KHO for as long as this
 * one runs, and stays what it was.
 */
struct blob {
	char name[64];
	char bytes[4096];
	ssize_t size;
};

static void read_blob(struct blob *blob, const char *name)
{
	char path[sizeof(BLOBS) + sizeof(blob->name)];
	int fd;

	require_true(strlen(name) < sizeof(blob->name));
	memcpy(blob->name, name, strlen(name) + 1);
	snprintf(path, sizeof(path), BLOBS "%s", blob->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	require_ge(fd, 0);
	blob->size = read(fd, blob->bytes, sizeof(blob->bytes));
	check_ge(blob->size, 1);
	close(fd);
}

/* What the kernel itself reads at boot may have been freed before the first look at it. */
static void check_apic_timer(const struct blob *blob)
{
	struct {
		__u32 crc, signature, microcode, reserved;
		__u64 hz;
	} timer;

	check_eq(sizeof(timer), blob->size);
	memcpy(&timer, blob->bytes, sizeof(timer));
	check_eq(0, timer.reserved);
	check_ge(timer.hz, 1000000);
	check_ge(10000000000, timer.hz);
}

static int read_blobs(struct blob *blobs)
{
	DIR *dir = opendir(BLOBS);
	struct dirent *entry;
	int nr = 0;

	if (!dir)
		luo_skip("no debugfs of KHO");
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		require_true(nr < MAX_BLOBS);
		read_blob(&blobs[nr], entry->d_name);
		if (!strcmp(entry->d_name, "apic-timer-v1"))
			check_apic_timer(&blobs[nr]);
		nr++;
	}
	closedir(dir);
	return nr;
}

/* Use memory until what has been freed is somebody else's. */
static void churn(void)
{
	char *mem = mmap(NULL, CHURN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	require_ne(MAP_FAILED, mem);
	memset(mem, 0x55, CHURN);
	munmap(mem, CHURN);
}

/* Reading what anybody may read is what used to free them. */
static void look(void)
{
	static const char *const files[] = { "enabled", "number", "incoming", "image" };
	char text[4096];

	for (int i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(text, sizeof(text), "/sys/kernel/liveupdate/%s", files[i]);
		check_true(luo_read_text(text, text, sizeof(text)));
	}
	luo_read_text("/sys/kernel/debug/liveupdate/incoming", text, sizeof(text));
}

static void expect_same_blobs(const struct blob *before, int nr)
{
	struct blob now[MAX_BLOBS];

	check_eq(nr, read_blobs(now));
	for (int i = 0; i < nr; i++) {
		check_eq(before[i].size, now[i].size);
		check_eq(0, memcmp(before[i].bytes, now[i].bytes, before[i].size))
			luo_say("'%s' has changed", before[i].name);
	}
}

static void published_1(void)
{
	test_preserve(create("published"), test_memfd(PAGE), 1);
}

static void published_2(void)
{
	struct blob before[MAX_BLOBS];
	int nr = read_blobs(before), s;

	check_ge(nr, 2);
	s = retrieve("published");
	test_finish(s);
	look();
	churn();
	expect_same_blobs(before, nr);
}

/* Nothing was handed over, and that was published, too. */
static void published_3(void)
{
	struct blob before[MAX_BLOBS];
	int nr = read_blobs(before);

	check_ge(nr, 2);
	look();
	expect_not_handed_over("published");
	churn();
	expect_same_blobs(before, nr);
	/* A live update that had nothing to carry counts as well. */
	check_true(luo_status_is("incoming", "none"));
	check_true(luo_status_is("number", "2"));
}

static const struct scenario published_scenarios[] = {
	{ "published", { published_1, published_2, published_3 } },
	{ }
};

SCENARIOS("published", published_scenarios)

/*
 * Two more than the kernel's log names, which has to have their names, escaped, and the number of
 * the others. Nothing in the second kernel asks for them.
 */
static void unwanted_1(void)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "unwanted\n%02d", i);
		create(name);
	}
}

static void unwanted_2(void)
{
	check_true(luo_status_is("incoming", "present"));
}

static void unwanted_3(void)
{
	check_true(luo_status_is("incoming", "none"));
}

static const struct scenario unwanted_scenarios[] = {
	{ "unwanted", { unwanted_1, unwanted_2, unwanted_3 } },
	{ }
};

SCENARIOS("unwanted", unwanted_scenarios)
