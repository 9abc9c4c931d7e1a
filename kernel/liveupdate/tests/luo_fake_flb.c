// SPDX-License-Identifier: GPL-2.0
/* FLBs that do what they are told. See luo_fake.h. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/string.h>

#include "luo_fake.h"

static struct luo_script_flb *luo_script_flb_of(struct liveupdate_flb *flb)
{
	return container_of(flb, struct luo_script_flb, flb);
}

static int luo_script_flb_get(struct luo_script_flb *script, struct liveupdate_flb *flb,
			      bool incoming)
{
	void *obj = ERR_PTR(-ENOENT);
	int err;

	if (incoming)
		err = luo_flb_get_incoming(script->luo, flb, &obj);
	else
		err = luo_flb_get_outgoing(script->luo, flb, &obj);
	if (err)
		return err;

	if (incoming)
		luo_flb_put_incoming(script->luo, flb);
	else
		luo_flb_put_outgoing(script->luo, flb);
	return obj == luo_script_flb_of(flb)->obj ? 0 : -EBADF;
}

/* Should it fail? */
static int luo_script_flb_asked(struct luo_script_flb *script, char op,
				struct liveupdate_flb_op_args *args)
{
	if (atomic_inc_return(&script->busy) != 1)
		script->wrong = true;
	luo_script_note(script->into, op, script->nr);
	strscpy(script->found, args->compatible);
	script->calls++;
	fsleep(script->delay);
	if (script->hold_op == op) {
		complete(script->ready);
		wait_for_completion(script->go);
	}
	if (script->ask_op == op)
		script->ask_err = luo_script_flb_get(script, script->ask, script->ask_incoming);
	atomic_dec(&script->busy);
	return script->fail_op == op ? script->fail_with : 0;
}

static int luo_script_flb_preserve(struct liveupdate_flb_op_args *args)
{
	struct luo_script_flb *script = luo_script_flb_of(args->flb);
	int err = luo_script_flb_asked(script, 'p', args);

	if (script->out || args->data || args->obj)
		script->wrong = true;
	if (err)
		return err;
	script->out = true;
	args->data = script->data;
	args->obj = script->obj;
	return 0;
}

static void luo_script_flb_unpreserve(struct liveupdate_flb_op_args *args)
{
	struct luo_script_flb *script = luo_script_flb_of(args->flb);

	luo_script_flb_asked(script, 'u', args);
	if (!script->out || args->data != script->data || args->obj != script->obj)
		script->wrong = true;
	script->out = false;
}

static int luo_script_flb_retrieve(struct liveupdate_flb_op_args *args)
{
	struct luo_script_flb *script = luo_script_flb_of(args->flb);
	int err = luo_script_flb_asked(script, 'r', args);

	if (script->in || args->obj)
		script->wrong = true;
	script->got = args->data;
	if (err)
		return err;
	script->in = true;
	args->obj = script->obj;
	return 0;
}

static void luo_script_flb_finish(struct liveupdate_flb_op_args *args)
{
	struct luo_script_flb *script = luo_script_flb_of(args->flb);

	luo_script_flb_asked(script, 'd', args);
	if (!script->in || args->data != script->got || args->obj != script->obj)
		script->wrong = true;
	script->in = false;
}

void luo_script_flb_init(struct luo_script_flb *script, struct luo_fake *fake, unsigned int nr,
			 const char *compatible)
{
	memset(script, 0, sizeof(*script));
	strscpy((char *)script->flb.compatible, compatible, sizeof(script->flb.compatible));
	script->flb.ops = &script->ops;
	script->ops = (struct liveupdate_flb_ops){
		.preserve = luo_script_flb_preserve,
		.unpreserve = luo_script_flb_unpreserve,
		.retrieve = luo_script_flb_retrieve,
		.finish = luo_script_flb_finish,
	};
	script->luo = fake->luo;
	script->nr = nr;
	script->into = fake->script.log;
	script->obj = script;
	script->data = 0xf1b000 + nr;
}

void luo_fake_link(struct luo_fake *fake, struct luo_script *handler, struct luo_script_flb *flb)
{
	KUNIT_ASSERT_EQ(fake->test, luo_handler_add_flb(fake->luo, &handler->fh, &flb->flb), 0);
}

/* A kernel's FLB, registered with its handler */
struct luo_script_flb *luo_fake_flb(struct luo_fake *fake, unsigned int nr)
{
	struct luo_script_flb *script = &fake->flb[nr - 1];

	luo_fake_link(fake, &fake->script, script);
	return script;
}

/* The same, under another name */
struct luo_script_flb *luo_fake_flb_called(struct luo_fake *fake, unsigned int nr,
					   const char *compatible)
{
	luo_script_flb_init(&fake->flb[nr - 1], fake, nr, compatible);
	return luo_fake_flb(fake, nr);
}

/* Get what the previous kernel handed over, and put it */
int luo_fake_flb_in(struct luo_script_flb *script)
{
	return luo_script_flb_get(script, &script->flb, true);
}

/* The same for what is preserved */
int luo_fake_flb_out(struct luo_script_flb *script)
{
	return luo_script_flb_get(script, &script->flb, false);
}

/* What the early getter says */
int luo_fake_flb_early(struct luo_script_flb *script)
{
	u64 data = 0;
	int err = luo_flb_peek_incoming(script->luo, &script->flb, &data);

	if (!err)
		script->got = data;
	return err;
}

/* A second handler, for files of kind 2, that writes into the same log */
void luo_fake_other(struct luo_fake *fake)
{
	luo_script_init(&fake->other, "luo-other-v1", 2);
	fake->other.into = fake->script.log;
	KUNIT_ASSERT_EQ(fake->test, luo_handler_register(fake->luo, &fake->other.fh), 0);
}

/* What was asked of handlers and FLBs since the last time */
void luo_fake_expect_log(struct luo_fake *fake, const char *log)
{
	KUNIT_EXPECT_STREQ(fake->test, fake->script.log, log);
	fake->script.log[0] = 0;
}

/* Handed over: session "a" with so many files, session "b" with one more, so many FLBs */
struct luo_fake *luo_fake_with_flbs(struct kunit *test, unsigned int files, unsigned int flbs)
{
	struct luo_fake *from = luo_fake_boot(test), *to;
	struct liveupdate_session *a = luo_fake_session(test, from, "a");
	unsigned int nr;

	for (nr = 1; nr <= flbs; nr++)
		luo_fake_flb(from, nr);
	for (nr = 1; nr <= files; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, nr), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "b"), nr), 0);
	to = luo_fake_kexec(test, from);
	for (nr = 1; nr <= flbs; nr++)
		luo_fake_flb(to, nr);
	return to;
}

/* Nobody has retrieved anything of that session */
void luo_fake_finish(struct luo_fake *fake, const char *name)
{
	struct liveupdate_session *session = luo_fake_retrieved(fake->test, fake, name);

	KUNIT_EXPECT_EQ(fake->test, luo_session_finish(session), 0);
	luo_session_close(session);
}
