// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once, until the kexec: threads create sessions, preserve memfds, pass the
 * sessions on, write, close, begin again, while reboots are refused and at last one is not.
 * Of each step that the kernel has said yes to a thread makes a note, in memory that is
 * preserved too. The next kernel finds all that is noted.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "scenario.h"

#define THREADS		4
#define SLOTS		8
#define FILES		3
#define FILLED		(8 * PAGE)
#define COUNTER		(12 * PAGE)	/* a hole when it is preserved */
#define SIZE		(16 * PAGE)
#define REFUSALS	20

/* What a thread knows of one of its sessions; all of it is 0 until there is one */
struct note {
	__u64 valid;
	__u64 seed;
	__u64 nr;
	__u64 counter[FILES];
};

struct stresser {
	pthread_t thread;
	int number;
	int dev;
	struct note *notes;
	int sessions[SLOTS];
	int memfds[SLOTS][FILES];
	__u64 rounds;
	char bad[128];			/* the first thing that went wrong */
};

static void must(struct stresser *s, bool holds, const char *what, int ret)
{
	if (!holds && !s->bad[0])
		snprintf(s->bad, sizeof(s->bad), "%s: %s", what, luo_error(ret));
}

static void session_name(char *name, size_t size, int thread, int slot)
{
	snprintf(name, size, "stress %d.%d", thread, slot);
}

/* A reboot may be on its way: then nothing happens until it is refused, or for ever. */
#define until_not_busy(call) ({			\
	int got_;				\
						\
	while ((got_ = (call)) == -EBUSY)	\
		sched_yield();			\
	got_; })

/* By one of the ways in which a file descriptor can come to somebody else */
static int pass_on(int session, __u64 how)
{
	int socks[2], other = -1;

	if (how % 3 == 0)
		return session;
	if (how % 3 == 1) {
		other = dup(session);
	} else if (!socketpair(AF_UNIX, SOCK_STREAM, 0, socks)) {
		if (!luo_send_fd(socks[0], session))
			other = luo_receive_fd(socks[1]);
		close(socks[0]);
		close(socks[1]);
	}
	close(session);
	return other;
}

static void give_up(struct stresser *s, int slot)
{
	struct note *note = &s->notes[slot];

	__atomic_store_n(&note->valid, 0, __ATOMIC_SEQ_CST);
	close(s->sessions[slot]);
	for (__u64 i = 0; i < note->nr; i++)
		close(s->memfds[slot][i]);
	memset(note, 0, sizeof(*note));
}

static void begin(struct stresser *s, int slot)
{
	struct note *note = &s->notes[slot];
	const __u64 seed = 1 + s->rounds * THREADS + s->number;
	const int nr = 1 + s->rounds % FILES;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	int session;

	session_name(name, sizeof(name), s->number, slot);
	session = until_not_busy(luo_create(s->dev, name));
	must(s, session >= 0, name, session);
	session = pass_on(session, s->rounds);
	for (int i = 0; i < nr; i++) {
		int memfd = luo_memfd(name, 0, SIZE), ret;

		must(s, luo_fill(memfd, seed + i, 0, FILLED), "fill", -errno);
		ret = until_not_busy(luo_preserve(session, memfd, i));
		must(s, !ret, "preserve", ret);
		s->memfds[slot][i] = memfd;
	}
	s->sessions[slot] = session;
	note->seed = seed;
	note->nr = nr;
	__atomic_store_n(&note->valid, 1, __ATOMIC_RELEASE);
}

/* Whatever slot it is, of whatever age: a number that only grows, once it is written */
static void count(struct stresser *s, int slot)
{
	struct note *note = &s->notes[slot];
	const __u64 value = s->rounds + 1;

	for (__u64 i = 0; note->valid && i < note->nr; i++) {
		if (pwrite(s->memfds[slot][i], &value, sizeof(value), COUNTER) == sizeof(value))
			__atomic_store_n(&note->counter[i], value, __ATOMIC_RELEASE);
		else
			must(s, errno == EBUSY, "write", -errno);
	}
}

static void *stress(void *arg)
{
	struct stresser *s = arg;

	for (;;) {
		const int slot = s->rounds % SLOTS;

		if (s->notes[slot].valid)
			give_up(s, slot);
		begin(s, slot);
		for (int i = 0; i < SLOTS; i++)
			count(s, i);
		__atomic_store_n(&s->rounds, s->rounds + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/*
 * A memfd whose mode has changed cannot be carried by memfd-v2: so long all reboots fail. Not by
 * luo_jump(), which forks for coverage: sessions that threads close would live on in the child.
 */
static void refuse_reboots(const struct stresser *stressers)
{
	int session = test_create(stressers[0].dev, "not yet"), memfd = test_memfd(PAGE);

	require_true(luo_memfd_format("v2"));
	test_preserve(session, memfd, 1);
	require_true(luo_memfd_format("extent-v1"));
	require_eq(0, fchmod(memfd, 0600));
	for (int i = 0; i < REFUSALS; i++) {
		const __u64 rounds = __atomic_load_n(&stressers[0].rounds, __ATOMIC_ACQUIRE);

		check_eq(-EOPNOTSUPP, luo_reboot());
		/* After each all goes on. */
		while (__atomic_load_n(&stressers[0].rounds, __ATOMIC_ACQUIRE) < rounds + 2)
			sched_yield();
	}
	close(session);
	close(memfd);
}

static void stress_1(void)
{
	static struct stresser stressers[THREADS];
	int dev, notes = create("notes");

	dev = test_open();
	for (int i = 0; i < THREADS; i++) {
		int memfd = test_memfd(PAGE);

		stressers[i].number = i;
		stressers[i].dev = dev;
		stressers[i].notes = luo_map(memfd, PAGE);
		memset(stressers[i].notes, 0, PAGE);
		test_preserve(notes, memfd, i);
		require_eq(0, pthread_create(&stressers[i].thread, NULL, stress, &stressers[i]));
	}
	for (int i = 0; i < THREADS; i++)
		while (__atomic_load_n(&stressers[i].rounds, __ATOMIC_ACQUIRE) < SLOTS)
			sched_yield();
	refuse_reboots(stressers);
	for (int i = 0; i < THREADS; i++) {
		luo_say("thread %d: %llu rounds", i, stressers[i].rounds);
		check_eq(0, stressers[i].bad[0])
			luo_say("%s", stressers[i].bad);
	}
}

static void check_files(int session, const struct note *note)
{
	for (__u64 i = 0; i < note->nr; i++) {
		int memfd = test_retrieve_fd(session, i);
		__u64 value = 0;

		check_eq(SIZE, luo_size(memfd));
		check_true(luo_holds(memfd, note->seed + i, 0, FILLED));
		check_eq(sizeof(value), pread(memfd, &value, sizeof(value), COUNTER));
		check_ge(value, note->counter[i]);
		close(memfd);
	}
}

/* How many sessions were noted */
static int check_notes(int thread, const struct note *notes)
{
	int nr = 0;

	for (int slot = 0; slot < SLOTS; slot++) {
		char name[LIVEUPDATE_SESSION_NAME_LENGTH];
		int session;

		session_name(name, sizeof(name), thread, slot);
		/* What is not noted may be there: it was not said yet, or not any more. */
		session = with_device(luo_retrieve(dev, name, 0));
		if (notes[slot].valid) {
			require_ge(session, 0)
				luo_say("%s: %s", name, luo_error(session));
			check_files(session, &notes[slot]);
			test_finish(session);
			nr++;
		}
		if (session >= 0)
			close(session);
	}
	return nr;
}

static void stress_2(void)
{
	int notes = retrieve("notes"), nr = 0;

	for (int i = 0; i < THREADS; i++)
		nr += check_notes(i, luo_map(test_retrieve_fd(notes, i), PAGE));
	luo_say("%d of %d sessions were noted", nr, THREADS * SLOTS);
	check_ge(nr, THREADS * (SLOTS - 1));
	test_finish(notes);
	expect_not_handed_over("not yet");
}

static const struct scenario stress_scenarios[] = {
	{ "all at once", { stress_1, stress_2 } },
	{ }
};

SCENARIOS("stress", stress_scenarios)
