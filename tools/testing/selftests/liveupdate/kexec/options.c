// SPDX-License-Identifier: GPL-2.0
/*
 * Each kernel of a row has something else on its command line that touches memory early, and
 * nevertheless finds all that the one before has handed over.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>

#include "scenario.h"

#define PAGES	1024

static const char *const options[] = {
	"debugfs=off",
	"memtest=2",
	"kfence.sample_interval=10",
	"debug_pagealloc=on",
	"init_on_alloc=1 init_on_free=1",
	"page_poison=1",
	"hugepages=16",
	"hugepagesz=1G hugepages=1",
	"movablecore=256M",
	"numa=off",
	"nokaslr",
	"no5lvl",
	"maxcpus=1",
	"kho_bootmem=5M,65M,3M",
	"kho_scratch=0%",
	"crashkernel=128M",
	"slub_debug=FZP",
	"",
};

static int options_kernels(void)
{
	return 1 + sizeof(options) / sizeof(*options);
}

static const char *options_of(int stage)
{
	return stage > 1 && stage <= options_kernels() ? options[stage - 2] : NULL;
}

/*
 * One memfd through a row of kernels; what stands in its first page is up to the caller. Returns
 * it, in each.
 */
static int carry(const char *name, const char *option, bool last)
{
	int stage = luo_stage(), s, memfd;

	if (stage == 1) {
		memfd = test_memfd(PAGES * PAGE);
		require_true(luo_fill(memfd, 1, 0, PAGES * PAGE));
	} else {
		luo_say("with %s", option);
		s = retrieve(name);
		memfd = test_retrieve_fd(s, stage - 1);
		check_true(luo_holds(memfd, 1, PAGE, (PAGES - 1) * PAGE));
		test_finish(s);
	}
	if (!last)
		test_preserve(create(name), memfd, stage);
	return memfd;
}

static void options_every(void)
{
	const int stage = luo_stage();

	carry("options", options_of(stage), stage == options_kernels());
}

static const struct scenario options_scenarios[] = {
	{ "options of the next kernel", .every = options_every, .kernels = options_kernels },
	{ }
};

SCENARIOS("options", options_scenarios, .more_of = options_of)

/*
 * Memory that the command line takes away, and that was there before: the same is there. The
 * row is for a first kernel without, and for one with mem=1500M.
 */
static const char *const limits[] = {
	"mem=1G",
	"memmap=256M$1G",
	"memmap=exactmap memmap=640K@0 memmap=600M@1M",
	"",
};

static int limits_kernels(void)
{
	return 1 + sizeof(limits) / sizeof(*limits);
}

static const char *limits_of(int stage)
{
	return stage > 1 && stage <= limits_kernels() ? limits[stage - 2] : NULL;
}

static void limits_every(void)
{
	const long long now = luo_meminfo("MemTotal");
	const int stage = luo_stage();
	const int memfd = carry("limits", limits_of(stage), stage == limits_kernels());
	long long first;

	if (stage == 1)
		require_eq(sizeof(now), pwrite(memfd, &now, sizeof(now), 0));
	require_eq(sizeof(first), pread(memfd, &first, sizeof(first), 0));
	check_ge(now, first - first / 100);
	check_ge(first + first / 100, now);
}

static const struct scenario limits_scenarios[] = {
	{ "memory taken away", .every = limits_every, .kernels = limits_kernels },
	{ }
};

SCENARIOS("limits", limits_scenarios, .more_of = limits_of)

#ifdef __x86_64__
#include <asm/bootparam.h>

/*
 * A kernel is unpacked when it is loaded, or unpacks itself where the depth of page tables is
 * another one, or something is asked for that only the image does. It gets an address by chance
 * in either case.
 */
#define TEXT	0xffffffff81000000ULL

static const char *const unpacks[] = {
	"", "", "nokaslr", "no5lvl", "no5lvl", "", "mem_encrypt=off", "",
};

/* The first page of the memfd that is carried along */
struct unpack_notes {
	__u64 text[2 + ARRAY_SIZE(unpacks)];	/* where each kernel begins */
	bool deep;				/* the first one's page tables have five levels */
};

static int unpack_kernels(void)
{
	return 1 + ARRAY_SIZE(unpacks);
}

static const char *unpack_of(int stage)
{
	return stage > 1 && stage <= unpack_kernels() ? unpacks[stage - 2] : NULL;
}

static __u64 text_address(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long address = 0;
	char name[64] = "";

	while (f && strcmp(name, "_text") && fscanf(f, "%llx %*c %63s%*[^\n]", &address, name) == 2)
		;
	require_true(f && !strcmp(name, "_text"));
	fclose(f);
	return address;
}

static bool is_deep(void)
{
	char text[16384];

	require_true(luo_read_text("/proc/cpuinfo", text, sizeof(text)));
	return strstr(text, " la57");
}

/* What the kernel was told about KASLR, which it goes by for all other addresses */
static bool is_randomized(void)
{
	int fd = open("/sys/kernel/boot_params/data", O_RDONLY | O_CLOEXEC);
	struct boot_params params;

	require_eq(sizeof(params), read(fd, &params, sizeof(params)));
	close(fd);
	return params.hdr.loadflags & KASLR_FLAG;
}

static void unpack_every(void)
{
	const int stage = luo_stage();
	const char *option = unpack_of(stage) ?: "";
	const int memfd = carry("unpack", option, stage == unpack_kernels());
	struct unpack_notes notes = { .deep = is_deep() };

	if (stage > 1)
		require_eq(sizeof(notes), pread(memfd, &notes, sizeof(notes), 0));
	notes.text[stage] = text_address();
	require_eq(sizeof(notes), pwrite(memfd, &notes, sizeof(notes), 0));
	check_eq(!!strcmp(option, "nokaslr"), is_randomized());
	if (!is_randomized())
		check_eq(TEXT, notes.text[stage]);
	check_eq(notes.deep && strcmp(option, "no5lvl"), is_deep());
	/* Each may come to the default by chance, one in 480, but not both. */
	if (stage == unpack_kernels())
		check_true(notes.text[2] != TEXT || notes.text[3] != TEXT);
}

static const struct scenario unpack_scenarios[] = {
	{ "kernels that are unpacked", .every = unpack_every, .kernels = unpack_kernels },
	{ }
};

SCENARIOS("unpack", unpack_scenarios, .more_of = unpack_of)
#endif /* __x86_64__ */
