// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions that are retrieved and finished by one thread, as many by two, and by four at
 * once. How long that took is told, and is for whoever reads it: a test cannot know how many
 * processors the machine really has. What it checks is that each memfd is whole. That
 * sessions which name the same memory do not get it twice is for kexec-damage.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "scenario.h"

#define SESSIONS	64		/* in each round */
#define PAGES		(768 * 4096 / PAGE)	/* 576 MiB in all, whatever their size */
#define AT_ONCE		8
#define MAX_THREADS	4

static const int threads_in_round[] = { 1, 2, 4 };

#define ROUNDS		((int)ARRAY_SIZE(threads_in_round))

static const char *name_of(int i)
{
	static __thread char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "parallel %d", i);
	return name;
}

static int value_of(int session, int page)
{
	return session * PAGES + page + 1;
}

/* Pages of several memfds in turn, so that what is handed over is a page at a time. */
static void fill_some(const int *fds, int first)
{
	for (int page = 0; page < PAGES; page++) {
		for (int i = 0; i < AT_ONCE; i++) {
			int value = value_of(first + i, page);

			require_eq(sizeof(value),
				   pwrite(fds[i], &value, sizeof(value), (off_t)page * PAGE));
		}
	}
}

static void parallel_1(void)
{
	for (int first = 0; first < ROUNDS * SESSIONS; first += AT_ONCE) {
		int fds[AT_ONCE];

		for (int i = 0; i < AT_ONCE; i++)
			fds[i] = test_memfd(PAGES * PAGE);
		fill_some(fds, first);
		for (int i = 0; i < AT_ONCE; i++) {
			test_preserve(create(name_of(first + i)), fds[i], 1);
			close(fds[i]);
		}
	}
}

/* One thread's share: every @step-th session from @first on and before @end */
struct share {
	pthread_barrier_t *start;
	const int *sessions;
	int *memfds;
	int first;
	int end;
	int step;
};

static void *take_share(void *arg)
{
	struct share *s = arg;

	pthread_barrier_wait(s->start);
	for (int i = s->first; i < s->end; i += s->step) {
		s->memfds[i] = luo_retrieve_fd(s->sessions[i], 1);
		if (luo_finish(s->sessions[i]))
			s->memfds[i] = -1;
	}
	return NULL;
}

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static long long take(const int *sessions, int *memfds, int first, int threads)
{
	pthread_t thread[MAX_THREADS];
	struct share share[MAX_THREADS];
	pthread_barrier_t start;
	long long begin;

	pthread_barrier_init(&start, NULL, threads + 1);
	for (int i = 0; i < threads; i++) {
		share[i] = (struct share){ &start, sessions, memfds, first + i,
					   first + SESSIONS, threads };
		require_eq(0, pthread_create(&thread[i], NULL, take_share, &share[i]));
	}
	begin = now_us();
	pthread_barrier_wait(&start);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return now_us() - begin;
}

static void check_memfd(int memfd, int session)
{
	require_ge(memfd, 0);
	for (int page = 0; page < PAGES; page++) {
		int value = 0;

		pread(memfd, &value, sizeof(value), (off_t)page * PAGE);
		check_eq(value_of(session, page), value);
	}
}

static void parallel_2(void)
{
	static int sessions[ROUNDS * SESSIONS], memfds[ROUNDS * SESSIONS];

	for (int i = 0; i < ROUNDS * SESSIONS; i++)
		sessions[i] = retrieve(name_of(i));
	for (int round = 0; round < ROUNDS; round++) {
		int threads = threads_in_round[round];
		long long us = take(sessions, memfds, round * SESSIONS, threads);

		luo_say("%d sessions of %d pages: %lld us, by %d threads, on %ld CPUs", SESSIONS,
			PAGES, us, threads, sysconf(_SC_NPROCESSORS_ONLN));
	}
	for (int i = 0; i < ROUNDS * SESSIONS; i++) {
		check_memfd(memfds[i], i);
		close(memfds[i]);
		close(sessions[i]);
	}
}

static const struct scenario parallel_scenarios[] = {
	{ "sessions", { parallel_1, parallel_2 } },
	{ }
};

SCENARIOS("parallel", parallel_scenarios)
