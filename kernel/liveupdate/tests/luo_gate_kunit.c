// SPDX-License-Identifier: GPL-2.0
/* The gate: who shuts it waits, and can be killed; closes are made up for */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "luo_fake.h"

struct shutter {
	struct luo_gate *gate;
	int ret;
	struct completion done;
};

static int shutter_run(void *arg)
{
	struct shutter *shutter = arg;

	allow_signal(SIGKILL);
	shutter->ret = luo_gate_close(shutter->gate);
	complete(&shutter->done);
	return 0;
}

/* A call is active, and another task closes the gate and waits */
static struct task_struct *shut_while_inside(struct kunit *test, struct luo_fake *fake,
					     struct shutter *shutter)
{
	struct task_struct *task;

	shutter->gate = &fake->luo->gate;
	init_completion(&shutter->done);
	KUNIT_ASSERT_EQ(test, luo_gate_enter(shutter->gate), 0);
	task = kthread_run(shutter_run, shutter, "luo-shutter");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (int i = 0; i < 1000 && !READ_ONCE(shutter->gate->closed); i++)
		usleep_range(1000, 2000);
	msleep(20);
	KUNIT_EXPECT_FALSE(test, completion_done(&shutter->done));
	KUNIT_EXPECT_EQ(test, luo_gate_enter(shutter->gate), -EBUSY);
	return task;
}

static void shut_gate_waits(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct shutter shutter;

	shut_while_inside(test, fake, &shutter);
	luo_gate_leave(shutter.gate);
	if (!wait_for_completion_timeout(&shutter.done, 5 * HZ)) {
		KUNIT_FAIL(test, "nobody woke it");
		wait_for_completion(&shutter.done);
	}
	KUNIT_EXPECT_EQ(test, shutter.ret, 0);
}

static void shut_gate_opens_if_killed(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct shutter shutter;

	send_sig(SIGKILL, shut_while_inside(test, fake, &shutter), 1);
	wait_for_completion(&shutter.done);
	KUNIT_EXPECT_EQ(test, shutter.ret, -EINTR);
	KUNIT_EXPECT_EQ(test, luo_gate_enter(shutter.gate), 0);
	luo_gate_leave(shutter.gate);
	luo_gate_leave(shutter.gate);
}

/* A close that came while the gate was closed */
struct late_close {
	struct luo_gate_deferred deferred;
	struct luo_gate *gate;
	struct late_close *another;	/* that comes while this one is carried out */
	int entering;			/* what a call was answered meanwhile */
	int times;
};

static void late_close_run(struct luo_gate_deferred *deferred)
{
	struct late_close *late = container_of(deferred, struct late_close, deferred);

	late->times++;
	if (late->another)
		late->entering = luo_gate_enter_or_defer(late->gate, &late->another->deferred);
	else
		late->entering = luo_gate_enter(late->gate);
}

/* No call enters before they have all run. */
static void closes_come_first(struct kunit *test)
{
	struct luo_gate *gate = &luo_fake_boot(test)->luo->gate;
	struct late_close last = { .deferred.run = late_close_run, .gate = gate };
	struct late_close first = {
		.deferred.run = late_close_run, .gate = gate, .another = &last,
	};

	KUNIT_ASSERT_EQ(test, luo_gate_close(gate), 0);
	KUNIT_EXPECT_FALSE(test, luo_gate_enter_or_defer(gate, &first.deferred));
	luo_gate_open(gate);
	KUNIT_EXPECT_EQ(test, first.times, 1);
	KUNIT_EXPECT_FALSE(test, first.entering);
	KUNIT_EXPECT_EQ(test, last.times, 1);
	KUNIT_EXPECT_EQ(test, last.entering, -EBUSY);
	KUNIT_EXPECT_EQ(test, luo_gate_enter(gate), 0);
	luo_gate_leave(gate);
	KUNIT_EXPECT_EQ(test, gate->active, 0);
}

/* Unless a call is active, which may wait for one that has yet to enter. */
static void closes_do_not_keep_others_out(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct late_close late = { .deferred.run = late_close_run, .gate = &fake->luo->gate };
	struct shutter shutter;
	struct task_struct *task;

	task = shut_while_inside(test, fake, &shutter);
	KUNIT_EXPECT_FALSE(test, luo_gate_enter_or_defer(shutter.gate, &late.deferred));
	send_sig(SIGKILL, task, 1);
	wait_for_completion(&shutter.done);
	KUNIT_EXPECT_EQ(test, shutter.ret, -EINTR);
	KUNIT_EXPECT_EQ(test, late.times, 1);
	KUNIT_EXPECT_EQ(test, late.entering, 0);
	luo_gate_leave(shutter.gate);
	luo_gate_leave(shutter.gate);
	KUNIT_EXPECT_EQ(test, shutter.gate->active, 0);
}

static struct kunit_case luo_gate_cases[] = {
	KUNIT_CASE(shut_gate_waits),
	KUNIT_CASE(shut_gate_opens_if_killed),
	KUNIT_CASE(closes_come_first),
	KUNIT_CASE(closes_do_not_keep_others_out),
	{}
};

static struct kunit_suite luo_gate_suite = {
	.name = "luo_gate",
	.test_cases = luo_gate_cases,
};

kunit_test_suite(luo_gate_suite);
