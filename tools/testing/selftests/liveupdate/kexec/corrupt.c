// SPDX-License-Identifier: GPL-2.0
/*
 * One kernel after the other is handed something that is damaged: each looks at what it
 * got, makes the same again and has other damage done to it on the way to the next one.
 *
 * The damage is done by the kernel, when all is written: see kernel/liveupdate/tests/luo_damage.c.
 * Checksums are left as they were, so that they notice; or made right again or dropped, so
 * that nothing but a look at the fields does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/flb.h"
#include "scenario.h"
#include "three_memfds.h"

#define KNOB	"/sys/kernel/debug/liveupdate_damage"

/*
 * In each kernel: the sessions "one" and "two", each with three memfds, and "flb", with a
 * file that depends on two FLBs. Damage is to "one".
 */
struct corruption {
	const char *what;	/* as the knob wants it */
	int sessions;		/* why none can be retrieved */
	int files;		/* why no file of "one" can be */
	int file;		/* why its file 1 cannot be */
	int flbs;		/* why no FLB can be had */
	bool stuck;		/* "one" cannot be finished */
};

#define ALL_UNKNOWN	.sessions = EPROTONOSUPPORT, .flbs = EPROTONOSUPPORT
#define ALL		.sessions = EUCLEAN, .flbs = EUCLEAN
#define SESSIONS	.sessions = EUCLEAN
#define FILES		.files = EUCLEAN
#define ONE_FILE	.file = EUCLEAN
#define FLBS		.flbs = EUCLEAN
#define NOTHING		.sessions = 0

/* Those that the debug kernel goes through come first. */
static const struct corruption corruptions[] = {
	{ "ser.compatible - 0 set 3 right", ALL_UNKNOWN },
	{ "file.data one 1 add 1000 wrong", FILES },
	{ "sessions.next - 0 self 0 right", SESSIONS },
	{ "file.data one 1 free 0 right", ONE_FILE },
	{ "files.count one 0 set ffffffffffffffff none", FILES },
	{ "flb.name - 0 set 80 right", FLBS },

	{ "ser.compatible - 0 add 1 wrong", ALL_UNKNOWN },
	{ "ser.compatible - 0 add 100000000000 none", ALL_UNKNOWN },
	{ "ser.liveupdate_num - 0 add 1 wrong", ALL },
	{ "ser.liveupdate_num - 0 set ffffffffffffffff right", NOTHING },
	{ "ser.sessions_pa - 0 add 1000 wrong", ALL },
	{ "ser.sessions_pa - 0 free 0 right", SESSIONS },
	{ "ser.sessions_pa - 0 set fffffffffffff000 right", SESSIONS },
	{ "ser.sessions_pa - 0 add 8 none", ALL },
	{ "ser.flbs_pa - 0 add 1000 wrong", ALL },
	{ "ser.flbs_pa - 0 free 0 right", FLBS },
	{ "ser.flbs_pa - 0 add 8 none", ALL },

	/* What can be ignored is. */
	{ "ext.compatible - 0 add 1 wrong", NOTHING },
	{ "ext.self_crc - 0 add 1 wrong", NOTHING },
	{ "ext.files_crcs_crc - 0 add 1 right", NOTHING },
	{ "ext.files_crcs_pa - 0 free 0 right", NOTHING },
	{ "crcs.next - 0 self 0 right", NOTHING },
	{ "crcs.count - 0 set ffffffffffffffff wrong", NOTHING },
	{ "crc one 0 add 1 wrong", NOTHING },
	/* Checksums that are valid themselves are trusted. */
	{ "ext.ser_crc - 0 add 1 right", ALL },
	{ "ext.sessions_crc - 0 add 1 right", SESSIONS },
	{ "ext.flbs_crc - 0 add 1 right", FLBS },
	{ "crc one 0 add 1 right", FILES },

	{ "sessions.next - 0 free 0 wrong", SESSIONS },
	{ "sessions.next - 0 free 0 none", SESSIONS },
	{ "sessions.next - 0 set 8 right", SESSIONS },
	{ "sessions.count - 0 add 1 wrong", SESSIONS },
	{ "sessions.count - 0 set ffffffffffffffff right", SESSIONS },
	{ "sessions.count - 0 set 0 none", SESSIONS },
	{ "session.name one 0 add 1 wrong", SESSIONS },
	{ "session.name one 0 set 0 right", SESSIONS },
	{ "session.name one 0 set 6f7774 right", SESSIONS },	/* "two" twice */
	{ "session.files one 0 add 1000 wrong", SESSIONS },
	{ "session.files one 0 add 8 right", SESSIONS },
	{ "session.files one 0 free 0 right", FILES },
	{ "session.files one 0 self 0 none", FILES },
	{ "session.count one 0 add 1 wrong", SESSIONS },
	{ "session.count one 0 add 1 right", FILES },
	{ "session.count one 0 set 0 none", SESSIONS },

	{ "files.next one 0 free 0 wrong", FILES },
	{ "files.next one 0 self 0 right", FILES },
	{ "files.next one 0 set fffffffffffff000 none", FILES },
	{ "files.count one 0 add 1 wrong", FILES },
	{ "files.count one 0 set 0 right", FILES },
	{ "file.compatible one 1 add 1 wrong", FILES },
	{ "file.compatible one 1 set 80 right", FILES },
	{ "file.compatible one 1 add 1 none", .file = ENODEV, .stuck = true },
	{ "file.data one 1 add 1 none", ONE_FILE },
	{ "file.data one 1 set 0 right", ONE_FILE },
	{ "file.token one 1 add 5 wrong", FILES },
	{ "file.token one 1 set 0 right", FILES },
	{ "file.token one 1 set 2 none", FILES },

	{ "flbs.pgcnt - 0 add 1 wrong", FLBS },
	{ "flbs.pgcnt - 0 set 0 right", FLBS },
	{ "flbs.pgcnt - 0 set 100000000000001 none", FLBS },
	{ "flbs.count - 0 add 1 wrong", FLBS },
	{ "flbs.count - 0 set ffffffffffffffff right", FLBS },
	{ "flbs.count - 0 set 41 none", FLBS },
	{ "flb.name - 1 set 0 none", FLBS },
	{ "flb.data - 0 add 1000 wrong", FLBS },
	{ "flb.count - 0 add 1 wrong", FLBS },
	{ "flb.count - 0 set ffffffffffffffff right", NOTHING },	/* a hint only */
};

/* luo_damages=N: only the first N of them */
static int corrupt_kernels(void)
{
	int wanted = atoi(getenv("luo_damages") ?: "0");

	return 1 + (wanted ?: (int)ARRAY_SIZE(corruptions));
}

/* Every field that there is has its damage above. */
static void expect_no_field_left(void)
{
	FILE *f = fopen(KNOB, "re");
	char field[64];
	int fields = 0;

	require_true(f);
	while (fgets(field, sizeof(field), f)) {
		size_t len = strcspn(field, "\n");
		int found = 0;

		field[len] = ' ';
		for (int i = 0; i < (int)ARRAY_SIZE(corruptions); i++)
			found += !strncmp(corruptions[i].what, field, len + 1);
		check_ne(0, found)
			luo_say("nothing is done to %s", field);
		fields++;
	}
	fclose(f);
	check_ge(fields, 20);
}

static void hand_over(const char *damage)
{
	preserve_three("one");
	preserve_three("two");
	test_preserve(create("flb"), test_flb_open(0), 1);
	require_true(luo_write_text(KNOB, damage))
		luo_say("%s: %m", damage);
}

static void expect_flbs(int err)
{
	for (int nr = 0; nr < 2; nr++) {
		test_err_flb(err, "get_incoming %d", nr);
		if (!err)
			test_flb("put_incoming %d", nr);
	}
}

static void expect_no_sessions(int err)
{
	static const char * const names[] = { "one", "two", "flb", "unheard of", "one" };
	int dev = test_open();

	for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
		test_err_retrieve(err, dev, names[i]);
	close(dev);
}

static void expect_one(const struct corruption *h)
{
	int s = retrieve("one");

	for (unsigned int token = 0; token < 3; token++) {
		if (h->files || (h->file && token == 1))
			expect_refused(s, token, h->files ?: h->file);
		else if (token == 1)
			retrieve_large(s);
		else
			retrieve_small(s, token);
	}
	if (h->stuck) {
		test_err_finish(EBUSY, s);
		close(s);
		close(retrieve("one"));
		return;
	}
	test_finish(s);
	close(s);
	expect_gone("one");
}

static void expect_rest(void)
{
	int s;

	retrieve_three("two");
	s = retrieve("flb");
	close(test_retrieve_fd(s, 1));
	test_finish(s);
	close(s);
	expect_gone("flb");
}

/* Memory of what could not be retrieved is nobody else's. */
static void expect_sessions(const struct corruption *h)
{
	long long before = luo_free_memory(), more;
	bool kept = h->sessions || h->files || h->file;

	if (h->sessions)
		expect_no_sessions(h->sessions);
	else
		expect_one(h);
	more = luo_free_memory() - before;
	if ((more > LARGE / 2) == kept)
		luo_say("%lld bytes more are free, of %d", more, LARGE);
	check_eq(!kept, more > LARGE / 2);
	if (!h->sessions)
		expect_rest();
}

static int expect_harm(void *arg)
{
	const struct corruption *h = arg;

	luo_say("%s", h->what);
	expect_flbs(h->flbs);
	test_flb("register");
	expect_sessions(h);
	expect_flbs(h->flbs ?: (h->sessions ? 0 : ENODATA));
	return luo_has_failed;
}

/* What fails in one kernel is not to be in the way of the next. */
static void corrupt_every(void)
{
	int stage = luo_stage();

	test_load(FLB_TEST);
	if (stage == 1) {
		expect_no_field_left();
		test_flb("register");
	} else {
		check_eq(0, luo_in_child(expect_harm, (void *)&corruptions[stage - 2]));
	}
	if (stage < corrupt_kernels())
		hand_over(corruptions[stage - 1].what);
}

static const struct scenario corrupt_scenarios[] = {
	{ "damage after freeze", .every = corrupt_every, .kernels = corrupt_kernels },
	{ }
};

SCENARIOS("corrupt", corrupt_scenarios)
