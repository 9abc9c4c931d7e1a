// SPDX-License-Identifier: GPL-2.0
/*
 * What the next kernel's getters say: nothing was preserved, something that cannot be read
 * was, live update is off. All is asked three times: before there were slab caches, at
 * early_initcall, now.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>

#include "devmem.h"
#include "../lib/flb.h"
#include "scenario.h"

#define FLB0	"luo_test-flb0-v1"
#define FLB1	"luo_test-flb1-v1"
#define NEWER	"luo_test-flb0-v3"
#define READER	"luo_test-flb0-v2"	/* reads version 1, too */
#define NONE	"luo_test-flb-none-v1"

/* A module comes too late to be asked early. */
static void load_built_in(void)
{
	if (!luo_flb_built_in(FLB_TEST))
		luo_skip("needs " FLB_TEST " to be built in");
	test_load(FLB_TEST);
}

static void preserve_device(const char *name)
{
	test_preserve(create(name), test_flb_open(0), 1);
}

static void preserve_memfd(const char *name)
{
	int fd = test_memfd(PAGE);

	require_true(luo_fill(fd, 1, 0, PAGE));
	test_preserve(create(name), fd, 1);
}

static void retrieve_memfd(const char *name)
{
	int s = retrieve(name);

	check_true(luo_holds(test_retrieve_fd(s, 1), 1, 0, PAGE));
	test_finish(s);
}

/* All of the family of FLB 0 say one thing, all others another. */
static void expect_answers(int family, int others)
{
	expect_early(BEFORE_SLAB, FLB0, family);
	expect_early(BEFORE_SLAB, READER, family);
	expect_early(BEFORE_SLAB, NEWER, family);
	expect_early(BEFORE_SLAB, NONE, others);
	expect_early(AT_INITCALL, FLB0, family);
	expect_early(AT_INITCALL, FLB1, others);
	for (int i = 0; i < 2; i++) {
		test_err_flb(-family, "get_incoming 0");
		test_err_flb(-others, "get_incoming 1");
	}
}

static void expect_the_same(int err)
{
	expect_answers(err, err);
}

/* A first boot; after one without live update; after one that preserved something else */
static void absent_1(void)
{
	load_built_in();
	expect_the_same(-ENODATA);
	test_flb("register");
	expect_the_same(-ENODATA);
}

static void absent_2(void)
{
	absent_1();
	create("empty");
	preserve_memfd("others");
}

static void absent_3(void)
{
	absent_1();
	retrieve_memfd("others");
	expect_the_same(-ENODATA);
	expect_ops("");
}

static const struct scenario flb_absent_scenarios[] = {
	{ "nothing preserved", { absent_1, absent_2, absent_3 } },
	{ }
};

SCENARIOS("flb-absent", flb_absent_scenarios)

/* In a file of debugfs */
static void expect_shown(const char *file, const char *line)
{
	char path[64], text[8192];

	snprintf(path, sizeof(path), "/sys/kernel/debug/liveupdate/%s", file);
	require_true(luo_read_text(path, text, sizeof(text)));
	check_true(strstr(text, line)) luo_say("no '%s' in '%s'", line, text);
}

/*
 * The next kernel knows nothing of the FLB: its files are retrieved, and the kernel's log has to
 * name it. It is not carried on to the third.
 */
static void gone_1(void)
{
	test_load(FLB_TEST);
	test_flb("register");
	preserve_device("gone");
	expect_ops("flb0.preserve flb1.preserve file0.preserve");
}

static void gone_2(void)
{
	int s = retrieve("gone");

	/* Nor, at first, of the files */
	test_err_retrieve_fd(ENODEV, s, 1);
	test_err_finish(EBUSY, s);
	expect_shown("incoming", "  token 1: luo_test-file0-v1, untried, no handler");
	expect_shown("incoming_flbs", FLB0 ": untried, 1 files left, 0 gets");
	test_load(FLB_TEST);
	test_flb("register");
	close(test_retrieve_fd(s, 1));
	expect_shown("incoming", "  token 1: luo_test-file0-v1, retrieved");
	test_finish(s);
	expect_ops("file0.retrieve file0.finish");
}

static void gone_3(void)
{
	test_load(FLB_TEST);
	test_flb("register");
	test_err_flb(ENODATA, "get_incoming 0");
	test_err_flb(ENODATA, "get_incoming 1");
}

static const struct scenario flb_gone_scenarios[] = {
	{ "kernel without it", { gone_1, gone_2, gone_3 } },
	{ }
};

SCENARIOS("flb-gone", flb_gone_scenarios, .more = { NULL, "luo_flb_test.links=0" })

/*
 * Live update is off, or all of handover is: an FLB that was preserved cannot be read. The
 * third kernel has it off, too, and nothing was handed over to it.
 */
static void off_1(void)
{
	load_built_in();
	test_flb("register");
	preserve_device("off");
}

static void expect_off(int family, int others)
{
	load_built_in();
	check_eq(-ENOENT, luo_open());
	expect_answers(family, others);
	/* Registering does nothing and says so to nobody. */
	test_flb("register");
	expect_answers(family, others);
	test_err_flb(EOPNOTSUPP, "get_outgoing 0");
	test_flb("unregister");
	expect_answers(family, others);
	expect_ops("");
}

static void off_2(void)
{
	expect_off(-EPROTONOSUPPORT, -ENODATA);
}

static void off_3(void)
{
	expect_off(-EOPNOTSUPP, -EOPNOTSUPP);
}

static const struct scenario flb_off_scenarios[] = {
	{ "something and nothing preserved", { off_1, off_2, off_3 } },
	{ }
};

SCENARIOS("flb-off", flb_off_scenarios,
	  .more = { NULL, "liveupdate=off", "liveupdate=off" })
SCENARIOS("flb-kho-off", flb_off_scenarios, .more = { NULL, "kho=off", "kho=off" })

/*
 * The version of Kexec HandOver itself is not known: what was preserved is lost, and all
 * of it is incompatible. Then live update goes on as if nothing had been.
 */
static void break_kho(const char *how)
{
	load_built_in();
	test_flb("register");
	preserve_device("kho");
	test_flb(how);
}

static void expect_no_kho(int err, const char *incoming)
{
	load_built_in();
	expect_the_same(err);
	test_flb("register");
	expect_the_same(err);
	expect_ops("");
	check_eq(err, with_device(luo_retrieve(dev, "kho", 0)));
	check_true(luo_status_is("incoming", incoming));
	expect_shown("flbs", FLB0 " write read");
	check_true(luo_status_is("number", "0"));
	preserve_device("kho");
	expect_ops("flb0.preserve file0.preserve");
	expect_the_same(err);
}

static void kho_1(void)
{
	break_kho("break_kho");
}

static void kho_2(void)
{
	expect_no_kho(-EPROTONOSUPPORT, "lost");
}

static void kho_3(void)
{
	int s;

	load_built_in();
	test_flb("register");
	s = retrieve("kho");
	test_flb("get_incoming 0");
	test_flb("put_incoming 0");
	close(test_retrieve_fd(s, 1));
	test_finish(s);
	test_err_flb(ENODATA, "get_incoming 0");
}

static const struct scenario flb_kho_version_scenarios[] = {
	{ "unknown version of handover", { kho_1, kho_2, kho_3 } },
	{ }
};

SCENARIOS("flb-kho-version", flb_kho_version_scenarios)

/* Whether anything was handed over cannot be told: that is not the same as nothing. */
static void kho_node_1(void)
{
	break_kho("break_kho_node");
}

static void kho_node_2(void)
{
	expect_no_kho(-EUCLEAN, "damaged");
}

static const struct scenario flb_kho_node_scenarios[] = {
	{ "broken node of handover", { kho_node_1, kho_node_2, kho_3 } },
	{ }
};

SCENARIOS("flb-kho-node", flb_kho_node_scenarios)

/* The object is there before slab caches are, and at early_initcall, and is the same. */
static void early_1(void)
{
	load_built_in();
	test_flb("register");
	preserve_device("early");
	expect_ops("flb0.preserve file0.preserve");
}

static void early_2(void)
{
	int s;

	load_built_in();
	expect_early(BEFORE_SLAB, FLB0, 0);
	expect_early(BEFORE_SLAB, READER, 0);
	expect_early(BEFORE_SLAB, NEWER, -EPROTONOSUPPORT);
	expect_early(BEFORE_SLAB, NONE, -ENODATA);
	expect_early(AT_INITCALL, FLB0, 0);
	expect_early(AT_INITCALL, FLB1, -ENODATA);
	expect_ops("flb0.retrieve");

	test_flb("register");
	test_flb("get_incoming 0");
	test_flb("put_incoming 0");
	s = retrieve("early");
	close(test_retrieve_fd(s, 1));
	test_finish(s);
	expect_ops("file0.retrieve file0.finish flb0.finish");
	test_err_flb(ENODATA, "get_incoming 0");
}

static const struct scenario flb_early_scenarios[] = {
	{ "before slab and at early_initcall", { early_1, early_2 } },
	{ }
};

SCENARIOS("flb-early", flb_early_scenarios)

/* One bit of the FLBs has changed: all are damaged, and no session or file is. */
static void damage_1(void)
{
	test_load(FLB_TEST);
	test_flb("register");
	preserve_device("damage");
}

static void damage_2(void)
{
	__u64 at;
	int s;

	if (!luo_memory_works())
		luo_skip("no way to memory: /dev/mem, debugfs of KHO");
	at = luo_memory_flbs() + BLOCK_HEADER;
	luo_memory_write(at, 1, luo_memory_read(at, 1) ^ 1);
	test_load(FLB_TEST);
	for (int i = 0; i < 2; i++) {
		test_err_flb(EUCLEAN, "get_incoming 0");
		test_err_flb(EUCLEAN, "get_incoming 1");
		check_eq(i ? -EEXIST : 0, luo_flb_command("register"));
	}
	s = retrieve("damage");
	close(test_retrieve_fd(s, 1));
	check_true(luo_status_is("incoming", "damaged"));
	expect_shown("incoming", "FLBs: damaged");
	test_finish(s);
	test_err_flb(EUCLEAN, "get_incoming 0");
	/* What is new is valid. */
	test_preserve(s, test_flb_open(0), 1);
	expect_ops("file0.retrieve file0.finish flb0.preserve file0.preserve");
}

static void damage_3(void)
{
	int s = retrieve("damage");

	test_load(FLB_TEST);
	test_flb("register");
	test_flb("get_incoming 0");
	test_flb("put_incoming 0");
	test_finish(s);
	expect_ops("flb0.retrieve file0.finish flb0.finish");
}

static const struct scenario flb_damage_scenarios[] = {
	{ "of the area", { damage_1, damage_2, damage_3 } },
	{ }
};

SCENARIOS("flb-damage", flb_damage_scenarios)
