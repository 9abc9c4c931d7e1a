/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two kernels in one: a store that stands for KHO, handlers and FLBs that do what they are
 * told and record what they were asked, and instances of struct luo on top of them.
 */
#ifndef _LUO_FAKE_H
#define _LUO_FAKE_H

#include <kunit/test.h>
#include <linux/module.h>
#include <linux/xarray.h>

#include "../luo_internal.h"

#define LUO_FAKE_NAMES	4

/**
 * struct luo_fake_name - something published
 * @name: under which name; NULL: unused
 * @phys: where it lies
 * @size: how many bytes
 */
struct luo_fake_name {
	const char *name;
	u64 phys;
	size_t size;
};

/**
 * struct luo_fake_store - one kernel's view of memory that outlives it
 * @store: as the core sees it
 * @out: pages preserved for the next kernel, by frame
 * @in: pages preserved by the previous kernel, untouched, by frame
 * @out_names: published for the next kernel
 * @in_names: published by the previous kernel
 * @nr_out: pages in @out
 * @nr_in: pages in @in
 * @fail_at: the allocation that fails, counted down; 0: none
 * @refused: what refused() says
 * @no_room: what room() says
 * @unusable: what usable() denies
 */
struct luo_fake_store {
	struct luo_store store;
	struct xarray out;
	struct xarray in;
	struct luo_fake_name out_names[LUO_FAKE_NAMES];
	struct luo_fake_name in_names[LUO_FAKE_NAMES];
	unsigned long nr_out;
	unsigned long nr_in;
	unsigned int fail_at;
	int refused;
	int no_room;
	bool unusable;
};

#define LUO_SCRIPT_LOG	1024

/**
 * struct luo_script - a handler that does what it is told
 * @fh: as it is registered
 * @ops: its ops
 * @kind: which files it takes
 * @log: what it was asked: a letter per op and the file's number, separated by blanks.
 *	P preserve, U unpreserve, F freeze, T thaw, R retrieve, C can_finish, D done
 * @into: where it is noted; @log, or another's for their order
 * @fail_op: the op that fails, as that letter; 0: none
 * @fail_nr: the file that it fails for
 * @fail_with: the errno
 * @want: retrieve() of @want_by asks for the file of this token; 0: none
 * @want_by: the file that does
 * @want_err: what it was told
 * @status: retrieve_status that finish() was last called with
 * @ready: completed when retrieve() of @want_by has begun; NULL: nobody waits
 * @go: what it then waits for
 */
struct luo_script {
	struct liveupdate_file_handler fh;
	struct liveupdate_file_ops ops;
	unsigned int kind;
	char log[LUO_SCRIPT_LOG];
	char *into;
	char fail_op;
	unsigned int fail_nr;
	int fail_with;
	u64 want;
	unsigned int want_by;
	int want_err;
	int status;
	struct completion *ready;
	struct completion *go;
};

/**
 * struct luo_script_flb - an FLB that does what it is told
 * @flb: as it is registered
 * @ops: its ops
 * @luo: where its ops ask for FLBs
 * @nr: what the log calls it
 * @into: where it is noted what it was asked, by default among its kernel's handler's: a
 *	letter per op and @nr. p preserve, u unpreserve, r retrieve, d done
 * @fail_op: the op that fails, as that letter; 0: none
 * @fail_with: the errno
 * @obj: what it makes; itself, unless the test says otherwise
 * @data: what preserve() hands over
 * @got: what retrieve() was given
 * @found: the string that the last op was called with
 * @ask_op: the op that asks for an FLB, as its letter; 0: none
 * @ask: the FLB
 * @ask_incoming: that of the previous kernel
 * @ask_err: what it was told
 * @hold_op: the op that completes @ready and waits for @go; 0: none
 * @ready: see there
 * @go: see there
 * @delay: how long its ops take, in microseconds
 * @calls: how often any of them was called
 * @busy: ops under way
 * @out: preserved, and not unpreserved yet
 * @in: retrieved, and not finished yet
 * @wrong: an op came while another was under way, or when it was not due, or with what
 *	is not its own
 */
struct luo_script_flb {
	struct liveupdate_flb flb;
	struct liveupdate_flb_ops ops;
	struct luo *luo;
	unsigned int nr;
	char *into;
	char fail_op;
	int fail_with;
	void *obj;
	u64 data;
	u64 got;
	char found[LIVEUPDATE_FLB_COMPAT_LENGTH];
	char ask_op;
	struct liveupdate_flb *ask;
	bool ask_incoming;
	int ask_err;
	char hold_op;
	struct completion *ready;
	struct completion *go;
	unsigned int delay;
	unsigned int calls;
	atomic_t busy;
	bool out;
	bool in;
	bool wrong;
};

#define LUO_FAKE_FLBS	4

/**
 * struct luo_fake - one kernel
 * @test: whose it is
 * @luo: its orchestrator
 * @store: its memory
 * @script: its handler, of kind 1 and with the string "luo-test-v1"
 * @other: another one, for the test to make
 * @flb: FLBs, numbered from 1 on, with the strings "luo-flb1-v1" and so on
 */
struct luo_fake {
	struct kunit *test;
	struct luo *luo;
	struct luo_fake_store store;
	struct luo_script script;
	struct luo_script other;
	struct luo_script_flb flb[LUO_FAKE_FLBS];
};

struct module *luo_fake_module(struct kunit *test, enum module_state state);
int luo_fake_module_refs(struct module *mod);
struct luo_fake *luo_fake_boot(struct kunit *test);
struct luo_fake *luo_fake_boot_bare(struct kunit *test);
void luo_fake_start(struct kunit *test, struct luo_fake *fake);
void luo_fake_handover(struct luo_fake *from, struct luo_fake *to);
struct luo_fake *luo_fake_send(struct kunit *test, struct luo_fake *from);
void luo_fake_arrive(struct kunit *test, struct luo_fake *to);
struct luo_fake *luo_fake_kexec(struct kunit *test, struct luo_fake *from);
void *luo_fake_published(struct luo_fake *fake, const char *name);
void luo_fake_forget_name(struct luo_fake *fake, const char *name);
void luo_fake_expect_freed(struct kunit *test, struct luo_fake *fake);
void luo_fake_expect_in_use(struct kunit *test, int warnings);
unsigned long luo_fake_nr_waiting(struct luo *luo);
void luo_fake_expect_waiting(struct kunit *test, struct luo *luo, unsigned long count);
unsigned long luo_fake_nr_flbs(struct luo_fake *fake);
void luo_fake_fail_counting(struct luo_fake *fake);
bool luo_fake_is_finished(struct liveupdate_session *session);

void luo_script_init(struct luo_script *script, const char *compatible, unsigned int kind);
struct file *luo_script_file(struct kunit *test, unsigned int kind, unsigned int nr);
unsigned int luo_script_file_nr(struct file *file);
void luo_script_note(char *log, char op, unsigned int nr);

/* luo_fake_flb.c */
void luo_script_flb_init(struct luo_script_flb *script, struct luo_fake *fake, unsigned int nr,
			 const char *compatible);
struct luo_script_flb *luo_fake_flb(struct luo_fake *fake, unsigned int nr);
struct luo_script_flb *luo_fake_flb_called(struct luo_fake *fake, unsigned int nr,
					   const char *compatible);
void luo_fake_link(struct luo_fake *fake, struct luo_script *handler, struct luo_script_flb *flb);
int luo_fake_flb_in(struct luo_script_flb *script);
int luo_fake_flb_out(struct luo_script_flb *script);
int luo_fake_flb_early(struct luo_script_flb *script);
void luo_fake_other(struct luo_fake *fake);
void luo_fake_expect_log(struct luo_fake *fake, const char *log);
struct luo_fake *luo_fake_with_flbs(struct kunit *test, unsigned int files, unsigned int flbs);
void luo_fake_finish(struct luo_fake *fake, const char *name);

struct liveupdate_session *luo_fake_session(struct kunit *test, struct luo_fake *fake,
					    const char *name);
struct liveupdate_session *luo_fake_retrieved(struct kunit *test, struct luo_fake *fake,
					      const char *name);
int luo_fake_preserve(struct kunit *test, struct liveupdate_session *session,
		      unsigned int nr);
int luo_fake_get(struct liveupdate_session *session, u64 token);

#endif /* _LUO_FAKE_H */
