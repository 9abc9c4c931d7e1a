// SPDX-License-Identifier: GPL-2.0
/* A session of which a call is under way can be looked at, without waiting for it */
#include <linux/cleanup.h>
#include <linux/seq_file.h>

#include "luo_fake.h"

#define ROOM	1024

static struct seq_file *show_on(struct kunit *test)
{
	struct seq_file *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->buf = kunit_kzalloc(test, ROOM, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m->buf);
	m->size = ROOM;
	return m;
}

static void show(struct luo *luo, struct seq_file *m, struct liveupdate_session *session)
{
	guard(rwsem_read)(&luo->handlers_lock);
	guard(mutex)(&luo->lock);
	luo_session_show_files(m, session);
}

static void expect_shown(struct kunit *test, struct luo *luo,
			 struct liveupdate_session *session, const char *fdinfo,
			 const char *files)
{
	struct seq_file *m = show_on(test);

	luo_session_show(m, session);
	KUNIT_EXPECT_STREQ(test, m->buf, fdinfo);
	m = show_on(test);
	show(luo, m, session);
	KUNIT_EXPECT_STREQ(test, m->buf, files);
}

#define FDINFO		"liveupdate-session:\ta\nliveupdate-side:\toutgoing\nliveupdate-state:\t"

static void busy_while_an_op_runs(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session = luo_fake_session(test, fake, "a");

	luo_fake_preserve(test, session, 1);
	expect_shown(test, fake->luo, session, FDINFO "open\nliveupdate-files:\t1\n",
		     "session a: open\n  token 1: luo-test-v1, preserved\n");
	scoped_guard(rwsem_write, &session->lock)
		expect_shown(test, fake->luo, session, FDINFO "busy\n", "session a: busy\n");
}

static void names_stay_on_their_line(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session;

	session = luo_fake_session(test, fake, "a\n\033[1m\r\\n \xc3\xa9");
	KUNIT_EXPECT_STREQ(test, luo_session_text(session),
			   "a\\012\\033[1m\\015\\134n \\303\\251");
	expect_shown(test, fake->luo, session,
		     "liveupdate-session:\ta\\012\\033[1m\\015\\134n \\303\\251\n"
		     "liveupdate-side:\toutgoing\nliveupdate-state:\topen\n"
		     "liveupdate-files:\t0\n",
		     "session a\\012\\033[1m\\015\\134n \\303\\251: open\n");
}

/* Each byte escaped is as long as it gets. */
static void longest_name_fits(struct kunit *test)
{
	char name[LIVEUPDATE_SESSION_NAME_LENGTH], text[LUO_NAME_TEXT];

	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	KUNIT_EXPECT_EQ(test, strlen(luo_name_escape(name, text)), 4 * (sizeof(name) - 1));
}

static struct kunit_case luo_show_cases[] = {
	KUNIT_CASE(busy_while_an_op_runs),
	KUNIT_CASE(names_stay_on_their_line),
	KUNIT_CASE(longest_name_fits),
	{ }
};

static struct kunit_suite luo_show_suite = {
	.name = "luo_show",
	.test_cases = luo_show_cases,
};

kunit_test_suite(luo_show_suite);
