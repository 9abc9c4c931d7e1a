// SPDX-License-Identifier: GPL-2.0
/* The gate: who shuts it waits, and can be killed */
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
	shutter->ret = luo_gate_shut(shutter->gate);
	complete(&shutter->done);
	return 0;
}

/* Somebody is inside, and another task shuts the gate and waits */
static struct task_struct *shut_while_inside(struct kunit *test, struct luo_fake *fake,
					     struct shutter *shutter)
{
	struct task_struct *task;

	shutter->gate = &fake->luo->gate;
	init_completion(&shutter->done);
	KUNIT_ASSERT_EQ(test, luo_gate_enter(shutter->gate), 0);
	task = kthread_run(shutter_run, shutter, "luo-shutter");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (int i = 0; i < 1000 && !READ_ONCE(shutter->gate->shut); i++)
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

static struct kunit_case luo_gate_cases[] = {
	KUNIT_CASE(shut_gate_waits),
	KUNIT_CASE(shut_gate_opens_if_killed),
	{}
};

static struct kunit_suite luo_gate_suite = {
	.name = "luo_gate",
	.test_cases = luo_gate_cases,
};

kunit_test_suite(luo_gate_suite);
