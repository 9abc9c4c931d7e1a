// SPDX-License-Identifier: GPL-2.0
/*
 * Faults in the next kernel: nothing that was handed over is lost for want of memory, and
 * nothing of it stays behind. Faults on the way there are fail_nth_test.c's, but for those
 * with objects that files share.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../lib/fault_inject.h"
#include "../lib/flb.h"
#include "scenario.h"

/* There is much to do in depth. */
static void take_your_time(void)
{
	if (luo_fault_deep())
		alarm(3000);
	if (!luo_fault_setup())
		luo_skip("this kernel injects no faults");
}

static const char *name_of(const char *kind, int i)
{
	static char name[LIVEUPDATE_SESSION_NAME_LENGTH];

	snprintf(name, sizeof(name), "%s %d", kind, i);
	return name;
}

/* Many sessions wait, and reading what was handed over fails at each of them. */
static int nr_sessions(void)
{
	return luo_fault_deep() ? 500 : 100;
}

static void raise_limit(void)
{
	struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };

	require_eq(0, setrlimit(RLIMIT_NOFILE, &limit));
}

static void sessions_1(void)
{
	int dev;

	raise_limit();
	dev = test_open();
	for (int i = 0; i < nr_sessions(); i++) {
		int s = test_create(dev, name_of("waiting", i)), fd = test_memfd(PAGE);

		require_true(luo_fill(fd, i, 0, PAGE));
		test_preserve(s, fd, i);
		close(fd);
	}
	close(dev);
}

/*
 * What works, although something failed inside, works only once. So a sweep takes a session,
 * or a file, for each step: one that was refused must not be lost, and come at the next try.
 */
struct steps {
	unsigned int nth;
	int failures;
	int most;	/* faults until nothing failed any more */
};

static bool step_failed(struct steps *steps, const struct luo_counts *before, int ret)
{
	bool fired = luo_fault_fired();

	if (!fired) {
		steps->most = steps->nth - 1;
		steps->nth = 0;
	}
	if (ret >= 0)
		return false;
	require_true(fired && luo_fault_errno(ret))
		luo_say("fault %u: %s", steps->nth, luo_error(ret));
	/* Where only the reply could not be given the file may be there already. */
	check_true(luo_counts_still(before, ret == -ENOMEM ? LUO_COUNT_BUT_MAP : LUO_COUNT_PINS))
		luo_say("fault %u", steps->nth);
	steps->failures++;
	return true;
}

static void tell_steps(const char *what, const struct steps *steps)
{
	luo_say("%s: %d faults, %d failures", what, steps->most, steps->failures);
	check_ge(steps->most, 1);
	check_ge(steps->failures, 1);
}

#define step(at, call) ({					\
	struct steps *steps_ = (at);				\
	struct luo_counts before_;				\
	bool faults_ = true;					\
	int ret_;						\
								\
	luo_counts_take(&before_);				\
	luo_fault_arm(++steps_->nth);				\
	do {							\
		ret_ = (call);					\
		if (!faults_)					\
			break;					\
		faults_ = false;				\
	} while (step_failed(steps_, &before_, ret_));		\
	ret_; })

/* All sessions are read for the first of them: few faults come to lie anywhere in that. */
static int retrieve_first(int dev, const char *name)
{
	static const unsigned int percent[] = { 20, 20, 10, 10, 5, 5, 3, 3, 2, 2, 1, 1 };
	unsigned int failures = luo_fault_failures;
	int s = -ENOMEM;

	for (int i = 0; s < 0 && i < ARRAY_SIZE(percent); i++)
		s = luo_insist_once(percent[i], luo_retrieve(dev, name, 0),
				    check_true(luo_counts_still(&before_, LUO_COUNT_BUT_MAP)));
	luo_say("reading all sessions: %u failures", luo_fault_failures - failures);
	check_ge(luo_fault_failures - failures, 4);
	return s < 0 ? test_retrieve(dev, name) : s;
}

static void sessions_2(void)
{
	struct steps steps = {};
	int dev, s, fd;

	take_your_time();
	raise_limit();
	dev = test_open();
	for (int i = 0; i < nr_sessions(); i++) {
		const char *name = name_of("waiting", i);

		s = i ? step(&steps, luo_retrieve(dev, name, 0)) : retrieve_first(dev, name);
		require_ge(s, 0);
		fd = test_retrieve_fd(s, i);
		check_true(luo_holds(fd, i, 0, PAGE));
		close(fd);
		test_finish(s);
		close(s);
		test_err_retrieve(ENOENT, dev, name);
	}
	tell_steps("retrieve session", &steps);
	close(dev);
}

/* Files whose handler promises that it can be tried again */
#define FILES		200
#define FILE_PAGES	16

static int nr_pages(void)
{
	return luo_fault_deep() ? 4096 : FILE_PAGES;
}

static void retrieve_1(void)
{
	int s = create("retrieve"), fd;

	for (int i = 0; i < FILES; i++) {
		/* Pages and holes in turn, in few of them many */
		const int pages = i % 20 ? FILE_PAGES : nr_pages();

		fd = test_memfd(2L * pages * PAGE);
		for (int k = 0; k < pages; k++)
			require_true(luo_fill(fd, i, (2L * k + 1) * PAGE, PAGE));
		test_preserve(s, fd, i);
		close(fd);
	}
}

static void check_file(int fd, int i)
{
	require_ge(fd, 0);
	for (int k = 0; k < (i % 20 ? FILE_PAGES : nr_pages()); k++) {
		check_true(luo_is_hole(fd, 2L * k * PAGE, PAGE));
		check_true(luo_holds(fd, i, (2L * k + 1) * PAGE, PAGE));
	}
	close(fd);
}

static void retrieve_2(void)
{
	unsigned int at_random = luo_fault_failures;
	struct steps steps = {};
	int dev, s, fd, fds = luo_count_fds();

	take_your_time();
	dev = test_open();
	s = luo_insist(5, 50, luo_retrieve(dev, "retrieve", 0), {});
	close(dev);
	for (int i = 0; i < FILES; i++) {
		if (i % 20 == 0)
			luo_say("file %d", i);
		if (i % 4 == 3)
			fd = luo_insist(20, 50, luo_retrieve_fd(s, i), {});
		else
			fd = step(&steps, luo_retrieve_fd(s, i));
		check_file(fd, i);
	}
	tell_steps("retrieve fd", &steps);
	at_random = luo_fault_failures - at_random;
	luo_say("%u failures at random", at_random);
	check_ge(at_random, FILES / 8);
	check_eq(fds + 1, luo_count_fds());
	test_finish(s);
	close(s);
}

/* What nobody has retrieved goes with FINISH, or with close, whatever fails meanwhile. */
#define DROPPED		16
#define DROPPED_SIZE	(4L << 20)

static void dropped_1(void)
{
	for (int i = 0; i < DROPPED; i++) {
		int s = create(name_of("dropped", i)), fd = test_memfd(DROPPED_SIZE);

		require_true(luo_fill(fd, i, 0, DROPPED_SIZE));
		test_preserve(s, fd, i);
		close(fd);
	}
}

/* FINISH takes place or does not; a close always does. */
static void drop(int s, int nth, bool finish, int *failures)
{
	int ret;

	luo_fault_arm(nth);
	ret = finish ? luo_finish(s) : close(s);
	if (luo_fault_fired() && ret < 0 && luo_fault_errno(ret)) {
		(*failures)++;
		test_finish(s);
	} else {
		check_eq(0, ret);
	}
	if (finish)
		close(s);
}

static void dropped_2(void)
{
	long long before = luo_free_memory(), gain;
	struct luo_counts counts;
	int failures = 0;

	take_your_time();
	luo_counts_take(&counts);
	for (int i = 0; i < DROPPED; i++) {
		int s = retrieve(name_of("dropped", i));

		drop(s, i / 2 + 1, i % 2, &failures);
		expect_gone(name_of("dropped", i));
	}
	luo_say("%d failures", failures);
	check_ge(failures, 1);
	check_true(luo_counts_still(&counts, LUO_COUNT_BUT_MAP));
	/* Other memory comes and goes: it is all of them, or one is missing. */
	gain = luo_free_memory() - before;
	check_ge(gain, DROPPED * DROPPED_SIZE - DROPPED_SIZE / 2);
}

/* Files that depend on three objects, whose handler makes no promise. */
#define FLBS		3
#define DEVICES		36
#define ALL_PRESERVED	"flb0.preserve flb1.preserve flb2.preserve file0.preserve"
#define ALL_GIVEN_UP	"file0.unpreserve flb2.unpreserve flb1.unpreserve flb0.unpreserve"

struct op {
	char who[8];
	char what[16];
};

/* "flb0.preserve file0.preserve" and so on, in @ops; how many */
static int split_ops(const char *text, struct op *ops, int most)
{
	char copy[4096], *save, *word;
	int nr = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		require_true(nr < most);
		snprintf(ops[nr].who, sizeof(ops[nr].who), "%.*s", (int)strcspn(word, "."), word);
		snprintf(ops[nr].what, sizeof(ops[nr].what), "%s", word + strcspn(word, ".") + 1);
		nr++;
	}
	return nr;
}

/*
 * What has been preserved has been unpreserved, last one first, but for one that may have
 * failed itself, which is then the last that was preserved.
 */
static bool is_balanced(const char *text)
{
	struct op ops[32];
	int nr = split_ops(text, ops, 32), preserved = 0, left;

	while (preserved < nr && !strcmp(ops[preserved].what, "preserve"))
		preserved++;
	left = nr - preserved;
	if (left != preserved && left != preserved - 1 && preserved)
		return false;
	for (int i = preserved; i < nr; i++)
		if (strcmp(ops[i].what, "unpreserve") || strcmp(ops[i].who, ops[--left].who))
			return false;
	return true;
}

static void objects_are(int err)
{
	for (int i = 0; i < FLBS; i++) {
		if (err) {
			test_err_flb(err, "get_outgoing %d", i);
		} else {
			test_flb("get_outgoing %d", i);
			test_flb("put_outgoing %d", i);
		}
	}
}

/* A second try works, and all of it is unpreserved again. */
static void preserve_device(int device)
{
	int s = create("again");

	test_preserve(s, device, 1);
	objects_are(0);
	expect_ops(ALL_PRESERVED);
	close(s);
	expect_ops(ALL_GIVEN_UP);
	objects_are(ENOENT);
}

static void preserve_with_faults(void)
{
	int s = create("objects"), device = test_flb_open(0), failures;

	failures = luo_sweep(LUO_COUNT_ALL, luo_preserve(s, device, 1),
			     ({ const char *ops = luo_flb_ops();

				check_true(is_balanced(ops))
					luo_say("%s", ops);
				objects_are(ENOENT);
				preserve_device(device); }),
			     ({ objects_are(0);
				close(s);
				expect_ops(ALL_PRESERVED " " ALL_GIVEN_UP);
				s = create("objects"); }));
	check_ge(failures, 2 * FLBS);
	close(device);
	close(s);
}

static void objects_1(void)
{
	take_your_time();
	test_load(FLB_TEST);
	test_flb("register");
	preserve_with_faults();
	for (int i = 0; i < DEVICES; i++) {
		int s = create(name_of("objects", i)), device = test_flb_open(0);

		test_preserve(s, device, i);
		close(device);
	}
	test_flb("clear");
}

/* Asked for, each is retrieved once. Writing the command may fail, too. */
static void get_objects(void)
{
	struct steps steps = {};

	for (int i = 0; i < FLBS; i++)
		check_eq(0, luo_insist(30, 50, luo_flb_command("get_incoming %d", i), {}));
	for (int i = 0; !steps.most; i = (i + 1) % FLBS) {
		check_eq(0, step(&steps, luo_flb_command("get_incoming %d", i)));
		test_flb("put_incoming %d", i);
	}
	tell_steps("get object", &steps);
	for (int i = 0; i < FLBS; i++)
		test_flb("put_incoming %d", i);
	expect_ops("flb0.retrieve flb1.retrieve flb2.retrieve");
}

/*
 * From the first fault on again, once nothing failed any more: how many faults there are changes
 * from call to call, and the first of all is in reading the arguments.
 */
static void arm_next(struct steps *steps)
{
	luo_fault_arm(++steps->nth);
}

static bool next_failed(struct steps *steps, int ret)
{
	if (!luo_fault_fired()) {
		steps->nth = 0;
		require_ge(ret, 0);
	}
	if (ret >= 0)
		return false;
	require_true(luo_fault_errno(ret))
		luo_say("fault %u: %s", steps->nth, luo_error(ret));
	steps->failures++;
	return true;
}

/* If it failed in the handler it goes on failing, else it works. One call in any case. */
static void retrieve_device(int s, int token, struct steps *steps)
{
	int fd, again;

	arm_next(steps);
	fd = luo_retrieve_fd(s, token);
	next_failed(steps, fd);
	again = luo_retrieve_fd(s, token);
	check_true(again >= 0 || again == fd)
		luo_say("device %d: %s, then %s", token, luo_error(fd), luo_error(again));
	expect_ops("file0.retrieve");
	close(fd);
	close(again);
}

static void finish_device(int s, bool last, struct steps *steps)
{
	int ret;

	arm_next(steps);
	ret = luo_finish(s);
	if (next_failed(steps, ret)) {
		expect_ops("");
		ret = luo_finish(s);
	}
	check_eq(0, ret);
	expect_ops(last ? "file0.finish flb2.finish flb1.finish flb0.finish" : "file0.finish");
	close(s);
}

static void objects_2(void)
{
	struct steps retrieved = {}, finished = {};

	take_your_time();
	test_load(FLB_TEST);
	test_flb("register");
	get_objects();
	for (int i = 0; i < DEVICES; i++) {
		int s = retrieve(name_of("objects", i));

		if (i % 3)
			retrieve_device(s, i, &retrieved);
		finish_device(s, i == DEVICES - 1, &finished);
	}
	luo_say("retrieve: %d failures, finish: %d", retrieved.failures, finished.failures);
	check_ge(retrieved.failures, 3);
	check_ge(finished.failures, 1);
	for (int i = 0; i < FLBS; i++)
		test_err_flb(ENODATA, "get_incoming %d", i);
	test_flb("unregister");
	expect_ops("");
}

static const struct scenario fault_scenarios[] = {
	{ "sessions", { sessions_1, sessions_2 } },
	{ "retrieve", { retrieve_1, retrieve_2 } },
	{ "dropped", { dropped_1, dropped_2 } },
	/* The last one: what it finishes goes with the last session. */
	{ "objects", { objects_1, objects_2 } },
	{ }
};

SCENARIOS("fault", fault_scenarios)
