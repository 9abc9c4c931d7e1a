// SPDX-License-Identifier: GPL-2.0
/*
 * Ten FLBs on three handlers, and which op is called when. All depend on handler 0, those
 * with even numbers on handler 1, too, those with odd numbers on handler 2.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>

#include "../lib/flb.h"
#include "scenario.h"

#define FLBS	10

/* One op of FLBs, from @first up or down to @last */
static void add(char *words, const char *op, int first, int last, int step)
{
	for (int i = first; step > 0 ? i <= last : i >= last; i += step)
		luo_flb_word(words, "flb%d.%s", i, op);
}

static void preserve_device(int session, int handler, __u64 token)
{
	int fd = test_flb_open(handler);

	test_preserve(session, fd, token);
	close(fd);
}

/* FLB @failing cannot be preserved: those before it are unpreserved, in reverse. */
static void check_failure(int session, int failing)
{
	char want[FLB_WORDS] = "";
	int fd = test_flb_open(0);

	test_flb("fail flb%d.preserve", failing);
	test_err_preserve(EIO, session, fd, 1);
	add(want, "preserve", 0, failing, 1);
	add(want, "unpreserve", failing - 1, 0, -1);
	expect_ops(want);
	for (int i = 0; i < FLBS; i++)
		test_err_flb(ENOENT, "get_outgoing %d", i);
	close(fd);
}

static void failure_1(void)
{
	int s = create("failure"), fd = -1;
	char want[FLB_WORDS] = "";

	test_load(FLB_TEST);
	test_flb("register");
	for (int i = 0; i < FLBS; i++)
		check_failure(s, i);

	fd = test_flb_open(0);
	test_flb("fail file0.preserve");
	test_err_preserve(EIO, s, fd, 1);
	add(want, "preserve", 0, FLBS - 1, 1);
	luo_flb_word(want, "file0.preserve");
	add(want, "unpreserve", FLBS - 1, 0, -1);
	expect_ops(want);
	test_flb("fail nothing");
}

/* Each FLB is preserved for the first file that depends on it, unpreserved with the last. */
static void given_up_1(void)
{
	int a = create("given up"), b = create("given up too");
	char want[FLB_WORDS] = "";

	preserve_device(a, 2, 1);
	add(want, "preserve", 1, 9, 2);
	luo_flb_word(want, "file2.preserve");
	preserve_device(b, 0, 1);
	add(want, "preserve", 0, 8, 2);
	luo_flb_word(want, "file0.preserve");
	expect_ops(want);
	preserve_device(a, 1, 2);
	preserve_device(a, 1, 3);
	expect_ops("file1.preserve file1.preserve");

	/* File 0 is the last for the FLBs with odd numbers; a reference keeps number 3. */
	close(a);
	expect_ops("file1.unpreserve file1.unpreserve file2.unpreserve");
	for (int i = 0; i < FLBS; i++) {
		test_flb("get_outgoing %d", i);
		if (i != 3)
			test_flb("put_outgoing %d", i);
	}
	expect_ops("");
	close(b);
	want[0] = 0;
	luo_flb_word(want, "file0.unpreserve");
	add(want, "unpreserve", 9, 4, -1);
	add(want, "unpreserve", 2, 0, -1);
	expect_ops(want);
	test_flb("put_outgoing 3");
	expect_ops("flb3.unpreserve");
	test_err_flb(ENOENT, "get_outgoing 3");
}

/* For the next kernel: files 0 and 1 in one session, file 2 in another */
static void ten_1(void)
{
	int a = create("ten a"), b = create("ten b");
	char want[FLB_WORDS] = "";

	preserve_device(a, 0, 0);
	preserve_device(a, 1, 1);
	preserve_device(b, 2, 2);
	add(want, "preserve", 0, FLBS - 1, 1);
	luo_flb_word(want, "file0.preserve file1.preserve file2.preserve");
	expect_ops(want);
}

/* Asked for, number 7 fails, and goes on failing without being tried again. */
static void get_all(void)
{
	char want[FLB_WORDS] = "";

	test_flb("fail flb7.retrieve");
	for (int i = 0; i < FLBS; i++) {
		if (i == 7)
			test_err_flb(EIO, "get_incoming 7");
		else
			test_flb("get_incoming %d", i);
	}
	test_flb("fail nothing");
	test_err_flb(EIO, "get_incoming 7");
	add(want, "retrieve", 0, FLBS - 1, 1);
	expect_ops(want);
	for (int i = 0; i < FLBS; i++) {
		if (i == 7)
			continue;
		test_flb("get_incoming %d", i);
		test_flb("put_incoming %d", i);
		test_flb("put_incoming %d", i);
	}
	expect_ops("");
}

static void ten_2(void)
{
	char want[FLB_WORDS] = "file1.finish file0.finish";
	int s;

	test_load(FLB_TEST);
	test_flb("register");
	get_all();

	/* Not retrieved, only finished: FLBs with even numbers go with file 0. */
	s = retrieve("ten a");
	test_finish(s);
	add(want, "finish", 8, 0, -2);
	expect_ops(want);
	for (int i = 0; i < FLBS; i += 2)
		test_err_flb(ENODATA, "get_incoming %d", i);

	/* A reference keeps number 1. */
	test_flb("get_incoming 1");
	s = retrieve("ten b");
	close(test_retrieve_fd(s, 2));
	test_finish(s);
	expect_ops("file2.retrieve file2.finish flb9.finish flb5.finish flb3.finish");
	test_flb("put_incoming 1");
	expect_ops("flb1.finish");
	for (int i = 1; i < FLBS; i += 2) {
		if (i != 7)
			test_err_flb(ENODATA, "get_incoming %d", i);
	}
	/* Nothing of them is left, and all can go. */
	close(s);
	test_flb("unregister");
	expect_ops("");
}

static const struct scenario flb_ten_scenarios[] = {
	{ "failures", { failure_1 } },
	{ "given up", { given_up_1 } },
	{ "handed over", { ten_1, ten_2 } },
	{ }
};

SCENARIOS("flb-ten", flb_ten_scenarios)
