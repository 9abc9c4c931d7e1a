// SPDX-License-Identifier: GPL-2.0
/*
 * Fifty live updates in a row. Sessions are carried on, changed, dropped and made anew in
 * each kernel: nothing is lost, the number counts, and no kernel has less memory than the
 * one before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>

#include "devmem.h"
#include "../lib/flb.h"
#include "scenario.h"

#define UPDATES		50
#define PAGES		64
#define CARRIED		(PAGES * PAGE)

/*
 * How much memory is free differs by some pages from kernel to kernel: so that of some
 * early ones is compared with that of some late ones. With one page lost in each update
 * it would be (LATE - EARLY) * PAGE less.
 */
#define EARLY		2
#define LATE		38
#define SOME		12
#define SLACK		((LATE - EARLY) * PAGE * 3 / 4)

/* Page 0 of what is carried on */
struct record {
	long long early;	/* free memory of some kernels, added up */
	long long late;
	int kernels;		/* that have written here */
};

static int repeat_kernels(void)
{
	return UPDATES + 1;
}

static const char *name_of(const char *what, int kernel)
{
	static char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "%s-%d", what, kernel);
	return name;
}

/* Each kernel writes one page, but not the first. */
static int page_of(int kernel)
{
	return 1 + kernel % (PAGES - 1);
}

/* Which kernel was the last to write that page; 0: none */
static int writer_of(int page, int last)
{
	while (last > 0 && page_of(last) != page)
		last--;
	return last;
}

static void write_page(int memfd, int kernel)
{
	require_true(luo_fill(memfd, kernel, page_of(kernel) * PAGE, PAGE));
}

static void expect_pages(int memfd, int last)
{
	check_eq(CARRIED, luo_size(memfd));
	for (int page = 1; page < PAGES; page++) {
		int kernel = writer_of(page, last);

		if (kernel)
			check_true(luo_holds(memfd, kernel, page * PAGE, PAGE));
		else
			check_true(luo_is_zero(memfd, page * PAGE, PAGE));
	}
}

static void expect_as_much_memory(int memfd, int kernel, long long free_memory)
{
	struct record r = {};

	require_eq(sizeof(r), pread(memfd, &r, sizeof(r), 0));
	check_eq(kernel - 1, r.kernels);
	r.kernels = kernel;
	if (kernel >= EARLY && kernel < EARLY + SOME)
		r.early += free_memory;
	if (kernel >= LATE && kernel < LATE + SOME)
		r.late += free_memory;
	require_eq(sizeof(r), pwrite(memfd, &r, sizeof(r), 0));
	luo_say("free: %lld", free_memory);
	if (kernel < repeat_kernels())
		return;
	luo_say("%+lld bytes on average", (r.late - r.early) / SOME);
	check_ge(r.late / SOME, r.early / SOME - SLACK);
}

/* The same descriptor serves the next update. */
static void carry_on(int kernel, long long free_memory)
{
	int s = retrieve("carried"), memfd = test_retrieve_fd(s, kernel - 1);

	expect_pages(memfd, kernel - 1);
	expect_as_much_memory(memfd, kernel, free_memory);
	test_finish(s);
	write_page(memfd, kernel);
	test_preserve(s, memfd, kernel);
	close(memfd);
}

static void begin(void)
{
	struct record r = { .kernels = 1 };
	int memfd = test_memfd(CARRIED);

	/* All of it from the start on, so that all kernels have the same to carry. */
	require_eq(0, fallocate(memfd, 0, 0, CARRIED));
	require_eq(sizeof(r), pwrite(memfd, &r, sizeof(r), 0));
	write_page(memfd, 1);
	test_preserve(create("carried"), memfd, 1);
	close(memfd);
}

static void make(const char *what, int kernel)
{
	int s = create(name_of(what, kernel)), memfd = test_memfd(3 * PAGE);

	require_true(luo_fill(memfd, kernel, PAGE, PAGE));
	test_preserve(s, memfd, 7);
	close(memfd);
	test_preserve(s, test_flb_open(0), 8);
}

/* One is taken over, the other is left alone and not carried on. */
static void take(int kernel)
{
	int s, memfd;

	s = retrieve(name_of("taken", kernel));
	memfd = test_retrieve_fd(s, 7);
	check_true(luo_is_hole(memfd, 0, PAGE));
	check_true(luo_holds(memfd, kernel, PAGE, PAGE));
	close(memfd);
	close(test_retrieve_fd(s, 8));
	test_finish(s);
	close(s);
	expect_gone(name_of("taken", kernel));
	if (kernel > 1) {
		expect_not_handed_over(name_of("taken", kernel - 1));
		expect_not_handed_over(name_of("left", kernel - 1));
	}
}

static void repeat_every(void)
{
	long long free_memory = luo_free_memory();
	int kernel = luo_stage();

	test_load(FLB_TEST);
	test_flb("register");
	if (kernel == 1) {
		begin();
	} else {
		if (luo_memory_works())
			check_eq(kernel - 1, luo_memory_number());
		carry_on(kernel, free_memory);
		take(kernel - 1);
	}
	if (kernel == repeat_kernels())
		return;
	make("taken", kernel);
	make("left", kernel);
}

static const struct scenario repeat_scenarios[] = {
	{ "fifty times", .every = repeat_every, .kernels = repeat_kernels },
	{ }
};

SCENARIOS("repeat", repeat_scenarios)
