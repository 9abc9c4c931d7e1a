// SPDX-License-Identifier: GPL-2.0
/*
 * Memory groups: preserving in one that has a limit, and retrieving in one that may not have what
 * is retrieved, that is throttled, or that a task leaves meanwhile.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "../lib/memcg.h"
#include "scenario.h"

#define SIZE		(8 * 1024 * 1024)
#define SEED		1600

static void enter_group(const char *limit)
{
	if (!luo_group_make())
		luo_skip("no memory groups");
	require_true(luo_group_limit(limit));
	require_true(luo_group_enter());
}

/* It has room for the file, and a little more. */
static void group_1(void)
{
	int s = create("group"), fd;

	enter_group("12M");
	fd = test_memfd(SIZE);
	require_true(luo_fill(fd, SEED, 0, SIZE));
	test_preserve(s, fd, 1);
	require_true(luo_group_leave());
	check_ge(luo_group_used(), SIZE);
}

/*
 * A group that may have a quarter of it: the memory is in use already, so it is charged
 * past the limit, to whom it belongs now, and is whole. What it holds is given back.
 */
static void group_2(void)
{
	int s = retrieve("group"), fd;

	enter_group("2M");
	fd = luo_retrieve_fd(s, 1);
	require_true(luo_group_limit("max"));
	require_true(luo_group_leave());
	require_ge(fd, 0);
	check_ge(luo_group_used(), SIZE);
	check_true(luo_holds(fd, SEED, 0, SIZE));
	test_finish(s);
	close(s);
	close(fd);
	for (int i = 0; i < 50 && luo_group_used() > SIZE / 2; i++)
		usleep(100000);
	check_ge(SIZE / 2, luo_group_used());
}

/*
 * A group that is throttled above a part of it: a sleep of up to two seconds for each
 * 128 pages would be more than four minutes. What is retrieved was in use before.
 */
#define THROTTLED	(64L << 20)

static void high_1(void)
{
	int s = create("high"), fd = test_memfd(THROTTLED);

	require_true(luo_fill(fd, SEED + 1, 0, THROTTLED));
	test_preserve(s, fd, 1);
}

static void high_2(void)
{
	int s = retrieve("high"), fd;
	time_t begin;

	luo_group_remove();
	if (!luo_group_make())
		luo_skip("no memory groups");
	require_true(luo_group_high("2M"));
	require_true(luo_group_enter());
	begin = time(NULL);
	fd = luo_retrieve_fd(s, 1);
	/* The issue's own bound, fifty times less than it took */
	check_ge(5, time(NULL) - begin);
	require_true(luo_group_high("max"));
	require_true(luo_group_leave());
	require_ge(fd, 0);
	check_ge(luo_group_used(), THROTTLED);
	check_true(luo_holds(fd, SEED + 1, 0, THROTTLED));
	test_finish(s);
	close(s);
	close(fd);
	luo_group_remove();
}

/*
 * A task that goes from one group to another while it retrieves pages one by one: each is
 * charged to one group, and that one counts it.
 */
#define MOVED		(32L << 20)

static void moves_1(void)
{
	int s = create("moves"), fd = test_memfd(MOVED), between = test_memfd(MOVED);

	/* In turn, so that no two pages of a memfd are neighbours */
	for (off_t at = 0; at < MOVED; at += PAGE) {
		require_true(luo_fill(fd, SEED + 2, at, PAGE));
		require_true(luo_fill(between, SEED + 3, at, PAGE));
	}
	test_preserve(s, fd, 1);
	test_preserve(s, between, 2);
}

static atomic_bool moves_end;
static atomic_int moves;

static void *move_about(void *arg)
{
	while (!moves_end) {
		require_true(luo_group_enter());
		require_true(luo_group_leave());
		moves++;
	}
	return NULL;
}

/* Retrieve, and be in and out of the group meanwhile. */
static int retrieve_moving(int session, unsigned int token)
{
	const int before = moves;
	int fd = test_retrieve_fd(session, token);

	luo_say("%d moves in the course of it", moves - before);
	check_ge(moves - before, 1);
	return fd;
}

/* What the group says to have in files of this kind, once all has been counted */
static long long settled_shmem(long long expected)
{
	for (int i = 0; i < 50 && luo_group_stat("shmem") != expected; i++)
		usleep(100000);
	return luo_group_stat("shmem");
}

static void moves_2(void)
{
	int s = retrieve("moves"), fds[2];
	pthread_t mover;

	luo_group_remove();
	if (!luo_group_make())
		luo_skip("no memory groups");
	require_eq(0, pthread_create(&mover, NULL, move_about, NULL));
	/* The first ones wait for the kernel to notice that there are more to come. */
	while (moves < 20)
		sched_yield();
	for (int i = 0; i < 2; i++)
		fds[i] = retrieve_moving(s, 1 + i);
	moves_end = true;
	require_eq(0, pthread_join(mover, NULL));
	for (int i = 0; i < 2; i++) {
		check_true(luo_holds(fds[i], SEED + 2 + i, 0, MOVED));
		close(fds[i]);
	}
	test_finish(s);
	close(s);

	/* A group that counts too little shows nothing before it has something. */
	check_eq(0, settled_shmem(0));
	require_true(luo_group_enter());
	fds[0] = test_memfd(MOVED);
	require_true(luo_fill(fds[0], 1, 0, MOVED));
	require_true(luo_group_leave());
	check_eq(MOVED, settled_shmem(MOVED));
	close(fds[0]);
}

static const struct scenario groups_scenarios[] = {
	{ "a limit", { group_1, group_2 } },
	{ "throttled", { high_1, high_2 } },
	{ "moves", { moves_1, moves_2 } },
	{ }
};

SCENARIOS("groups", groups_scenarios)
