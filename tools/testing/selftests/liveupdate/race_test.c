// SPDX-License-Identifier: GPL-2.0
/* Several threads at once. The debug kernel watches their locks and their memory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/fixture.h"

#define THREADS	4
#define ROUNDS	200

struct racer {
	pthread_t thread;
	pthread_barrier_t *barrier;
	int dev;
	int session;
	int memfd;
	int *won;
	int bad;
};

static bool run(struct racer *r, void *(*fn)(void *arg))
{
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&r[i].thread, NULL, fn, &r[i]))
			return false;
	for (int i = 0; i < THREADS; i++)
		pthread_join(r[i].thread, NULL);
	return true;
}

static int bad_racers(struct racer *r)
{
	int bad = 0;

	for (int i = 0; i < THREADS; i++)
		bad += r[i].bad;
	return bad;
}

static void *preserve_once(void *arg)
{
	struct racer *r = arg;
	int ret;

	pthread_barrier_wait(r->barrier);
	ret = luo_preserve(r->session, r->memfd, 1);
	if (!ret)
		__atomic_fetch_add(r->won, 1, __ATOMIC_RELAXED);
	else if (ret != -EBUSY)
		r->bad++;
	return NULL;
}

/* Everybody wants the same file: exactly one gets it. */
TEST_F(session, preserve_one_file)
{
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, THREADS);
	for (int round = 0; round < 50; round++) {
		struct racer r[THREADS];
		int won = 0, memfd = test_memfd(PAGE);

		for (int i = 0; i < THREADS; i++) {
			char name[2] = { 'a' + i };

			r[i] = (struct racer) {
				.barrier = &barrier, .memfd = memfd, .won = &won,
				.session = test_create(self->dev, name),
			};
		}
		ASSERT_TRUE(run(r, preserve_once));
		EXPECT_EQ(1, won);
		EXPECT_EQ(0, bad_racers(r));
		for (int i = 0; i < THREADS; i++)
			close(r[i].session);
		EXPECT_FALSE(luo_is_preserved(memfd));
		close(memfd);
	}
}

static void *create_same_name(void *arg)
{
	struct racer *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		int s = luo_create(r->dev, "same");

		if (s == -EEXIST)
			continue;
		if (s < 0 || __atomic_add_fetch(r->won, 1, __ATOMIC_SEQ_CST) != 1)
			r->bad++;
		__atomic_sub_fetch(r->won, 1, __ATOMIC_SEQ_CST);
		close(s);
	}
	return NULL;
}

/* Never two sessions of one name */
TEST_F(session, create_one_name)
{
	struct racer r[THREADS];
	int won = 0;

	for (int i = 0; i < THREADS; i++)
		r[i] = (struct racer) { .dev = self->dev, .won = &won };
	ASSERT_TRUE(run(r, create_same_name));
	EXPECT_EQ(0, bad_racers(r));
	close(test_create(self->dev, "same"));
}

static bool one_of(int ret, int a, int b)
{
	return !ret || ret == -a || ret == -b;
}

static void *do_everything(void *arg)
{
	struct racer *r = arg;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	for (int i = 0; i < ROUNDS; i++) {
		int ret = luo_preserve(r->session, r->memfd, i);

		r->bad += !one_of(ret, EBUSY, EEXIST);
		r->bad += !one_of(luo_freeze(r->session, NULL), EALREADY, EALREADY);
		r->bad += luo_get_name(r->session, name) != 0;
		ret = pwrite(r->memfd, "x", 1, i % 64 * PAGE);
		r->bad += ret != 1 && errno != EBUSY;
		r->bad += !one_of(luo_thaw(r->session), EINVAL, EINVAL);
		r->bad += luo_finish(r->session) != -EINVAL;
	}
	return NULL;
}

/* All calls at once on one session: each answers one of the things it may say. */
TEST_F(session, one_session)
{
	struct racer r[THREADS];
	int memfds[THREADS];

	for (int i = 0; i < THREADS; i++) {
		memfds[i] = test_memfd(64 * PAGE);
		r[i] = (struct racer) { .session = self->one, .memfd = memfds[i] };
	}
	ASSERT_TRUE(run(r, do_everything));
	EXPECT_EQ(0, bad_racers(r));
	luo_thaw(self->one);
	for (int i = 0; i < THREADS; i++)
		EXPECT_TRUE(luo_is_preserved(memfds[i]));
	close(self->one);
	for (int i = 0; i < THREADS; i++)
		EXPECT_FALSE(luo_is_preserved(memfds[i]));
	self->one = test_create(self->dev, "one");
}

/* Reads all that tells of sessions, again and again. */
struct reader {
	pthread_t thread;
	int session;
	bool end;
	int bad;
};

static void *read_all(void *arg)
{
	static const char *const files[] = {
		"/sys/kernel/liveupdate/incoming", "/sys/kernel/liveupdate/number",
		"/sys/kernel/debug/liveupdate/outgoing", "/sys/kernel/debug/liveupdate/incoming",
		"/sys/kernel/debug/liveupdate/outgoing_flbs",
		"/sys/kernel/debug/liveupdate/incoming_flbs",
	};
	struct reader *r = arg;
	char path[64], text[16384];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r->session);
	while (!__atomic_load_n(&r->end, __ATOMIC_RELAXED)) {
		for (int i = 0; i < ARRAY_SIZE(files); i++) {
			luo_read_text(files[i], text, sizeof(text));	/* not all are there */
			r->bad += !luo_read_text(path, text, sizeof(text));
		}
	}
	return NULL;
}

/* A reader disturbs nobody. That it races with nobody is for kernels that notice such things. */
TEST_F(session, one_session_while_it_is_read)
{
	struct reader reader = { .session = self->one };
	struct racer r[THREADS];

	ASSERT_EQ(0, pthread_create(&reader.thread, NULL, read_all, &reader));
	for (int i = 0; i < THREADS; i++)
		r[i] = (struct racer) { .session = self->one, .memfd = test_memfd(64 * PAGE) };
	ASSERT_TRUE(run(r, do_everything));
	__atomic_store_n(&reader.end, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(reader.thread, NULL));
	EXPECT_EQ(0, bad_racers(r));
	EXPECT_EQ(0, reader.bad);
	for (int i = 0; i < THREADS; i++)
		close(r[i].memfd);
}

/* The last close comes while other threads are in the middle of a call. */
static void *use_until_closed(void *arg)
{
	struct racer *r = arg;
	int ret;

	pthread_barrier_wait(r->barrier);
	do {
		ret = luo_freeze(r->session, NULL);
		if (!ret || ret == -EALREADY)
			ret = luo_thaw(r->session);
	} while (!ret || ret == -EINVAL || ret == -EALREADY);
	r->bad += ret != -EBADF;
	return NULL;
}

TEST_F(session, close_in_the_middle)
{
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int round = 0; round < 50; round++) {
		int s = test_create(self->dev, "short"), memfd = test_memfd(PAGE);
		struct racer r[THREADS];

		test_preserve(s, memfd, 1);
		for (int i = 0; i < THREADS; i++) {
			r[i] = (struct racer) { .session = s, .barrier = &barrier };
			ASSERT_EQ(0, pthread_create(&r[i].thread, NULL, use_until_closed, &r[i]));
		}
		pthread_barrier_wait(&barrier);
		close(s);
		for (int i = 0; i < THREADS; i++)
			pthread_join(r[i].thread, NULL);
		EXPECT_EQ(0, bad_racers(r));
		EXPECT_FALSE(luo_is_preserved(memfd));
		close(memfd);
	}
}

TEST_HARNESS_MAIN
