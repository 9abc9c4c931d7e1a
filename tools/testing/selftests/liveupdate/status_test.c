// SPDX-License-Identifier: GPL-2.0
/* What one kernel says of live update in /sys, and of sessions in /proc. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fixture.h"
#include "lib/flb.h"

#define DEBUGFS		"/sys/kernel/debug/liveupdate/"

/* Nobody goes there. */
#define NOT_WANTED	"console=ttyS0 panic=-1"

static const char *const files[] = {
	"enabled", "number", "incoming", "image",
};

static int read_as_nobody(void *arg)
{
	char path[64], text[4096];

	if (setgid(65534) || setuid(65534))
		return 1;
	for (int i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/liveupdate/%s", files[i]);
		if (!luo_read_text(path, text, sizeof(text)) || !access(path, W_OK))
			return 2;
	}
	return 0;
}

TEST_F(session, everybody_may_read)
{
	EXPECT_EQ(0, luo_in_child(read_as_nobody, NULL));
}

TEST_F(session, first_kernel)
{
	EXPECT_TRUE(luo_status_is("enabled", "1"));
	EXPECT_TRUE(luo_status_is("number", "0"));
	EXPECT_TRUE(luo_status_is("incoming", "none"));
}

TEST_F(session, image)
{
	luo_unload();
	EXPECT_TRUE(luo_status_is("image", "none"));
	ASSERT_EQ(0, luo_load_next(NOT_WANTED));
	EXPECT_TRUE(luo_status_is("image", "handover"));
#ifdef __x86_64__
	ASSERT_EQ(0, luo_load_raw());
	EXPECT_TRUE(luo_status_is("image", "no-handover"));
#endif
	ASSERT_EQ(0, luo_unload());
	EXPECT_TRUE(luo_status_is("image", "none"));
}

#define READERS	4
#define CALLS	50000

static int read_image_for_ever(void *arg)
{
	int fd = open("/sys/kernel/liveupdate/image", O_RDONLY | O_CLOEXEC);
	char text[64];

	if (fd < 0 || setgid(65534) || setuid(65534))
		return 1;
	for (;;)
		pread(fd, text, sizeof(text), 0);
}

/* Who may only read must not be able to keep root from loading an image. */
TEST_F(session, readers_hinder_no_load)
{
	pid_t readers[READERS];
	int refused = 0;

	luo_unload();
	for (int i = 0; i < READERS; i++) {
		readers[i] = fork();
		ASSERT_GE(readers[i], 0);
		if (!readers[i])
			_exit(read_image_for_ever(NULL));
	}
	for (int i = 0; i < CALLS; i++)
		refused += luo_unload() != 0;
	EXPECT_EQ(0, refused);
	EXPECT_EQ(0, luo_load_next(NOT_WANTED));
	EXPECT_EQ(0, luo_unload());
	for (int i = 0; i < READERS; i++) {
		EXPECT_EQ(0, waitpid(readers[i], NULL, WNOHANG));
		EXPECT_EQ(0, kill(readers[i], SIGKILL));
		EXPECT_EQ(readers[i], waitpid(readers[i], NULL, 0));
	}
}

static bool has_line(const char *text, const char *line)
{
	static char copy[64 * 1024];
	char *at = copy, *one;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((one = strsep(&at, "\n")))
		if (!strcmp(one, line))
			return true;
	luo_say("no line '%s' in '%s'", line, text);
	return false;
}

TEST_F(session, strings)
{
	char text[4096];

	ASSERT_TRUE(luo_read_text(DEBUGFS "handlers", text, sizeof(text)));
	EXPECT_TRUE(has_line(text, "memfd-v2 write read"));
	EXPECT_TRUE(has_line(text, "memfd-extent-v1 write read"));
}

/* Is the line there, word by word, in what /proc says of a session? */
static bool fdinfo_has(int session, const char *line)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", session);
	return luo_read_text(path, text, sizeof(text)) && has_line(text, line);
}

TEST_F(session, fdinfo)
{
	EXPECT_TRUE(fdinfo_has(self->one, "liveupdate-session:\tone"));
	EXPECT_TRUE(fdinfo_has(self->one, "liveupdate-side:\toutgoing"));
	EXPECT_TRUE(fdinfo_has(self->one, "liveupdate-state:\topen"));
	EXPECT_TRUE(fdinfo_has(self->one, "liveupdate-files:\t0"));
	test_preserve(self->one, test_memfd(PAGE), 1);
	test_preserve(self->one, test_memfd(PAGE), 2);
	EXPECT_TRUE(fdinfo_has(self->one, "liveupdate-files:\t2"));
	test_freeze(self->one);
	EXPECT_TRUE(fdinfo_has(self->one, "liveupdate-state:\tfrozen"));
	EXPECT_TRUE(fdinfo_has(self->two, "liveupdate-state:\topen"));
	test_thaw(self->one);
	EXPECT_TRUE(fdinfo_has(self->one, "liveupdate-state:\topen"));
}

/* A name cannot put lines there. */
TEST_F(session, fdinfo_of_a_strange_name)
{
	int s = test_create(self->dev, "a\nliveupdate-side:\\");

	EXPECT_TRUE(fdinfo_has(s, "liveupdate-session:\ta\\012liveupdate-side:\\134"));
	EXPECT_TRUE(fdinfo_has(s, "liveupdate-side:\toutgoing"));
	close(s);
}

static bool outgoing_has(const char *line)
{
	static char text[64 * 1024];

	return luo_read_text(DEBUGFS "outgoing", text, sizeof(text)) && has_line(text, line);
}

TEST_F(session, debugfs_outgoing)
{
	test_preserve(self->one, test_memfd(PAGE), 1);
	test_preserve(self->one, test_memfd(PAGE), 18446744073709551615ULL);
	EXPECT_TRUE(outgoing_has("files preserved: 2"));
	EXPECT_TRUE(outgoing_has("session one: open"));
	EXPECT_TRUE(outgoing_has("  token 1: memfd-extent-v1, preserved"));
	EXPECT_TRUE(outgoing_has("  token 18446744073709551615: memfd-extent-v1, preserved"));
	test_freeze(self->one);
	EXPECT_TRUE(outgoing_has("session one: frozen"));
	EXPECT_TRUE(outgoing_has("  token 1: memfd-extent-v1, frozen"));
	EXPECT_TRUE(outgoing_has("session two: open"));
}

#define MANY	100

/* It is read in pieces: what is closed in between may be missing, but the end comes. */
TEST_F(session, debugfs_closed_meanwhile)
{
	static char text[64 * 1024];
	int many[MANY], fd;
	ssize_t n, len;
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many %d", i);
		many[i] = test_create(self->dev, name);
	}
	fd = open(DEBUGFS "outgoing", O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	len = read(fd, text, 1024);
	ASSERT_LT(0, len);
	for (int i = 0; i < MANY; i++)
		close(many[i]);
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	close(fd);
	text[len] = 0;
	EXPECT_EQ(0, n);
	EXPECT_NE(NULL, strstr(text, "session many 0: open")) luo_say("'%s'", text);
	EXPECT_EQ(NULL, strstr(text, "session many 99: open")) luo_say("'%s'", text);
}

TEST_F(session, debugfs_flbs)
{
	char text[4096];

	test_load(FLB_SAMPLE);
	ASSERT_TRUE(luo_read_text(DEBUGFS "outgoing_flbs", text, sizeof(text)));
	EXPECT_TRUE(has_line(text, "flb-sample-v2: idle, 0 files, 0 gets"));
	ASSERT_TRUE(luo_read_text(DEBUGFS "flbs", text, sizeof(text)));
	EXPECT_TRUE(has_line(text, "flb-sample-v2 write read"));
	if (!luo_flb_built_in(FLB_SAMPLE))
		EXPECT_EQ(0, luo_flb_unload(FLB_SAMPLE));
}

/* It is all of KHO's; nobody else preserves anything meanwhile. */
TEST_F(session, debugfs_bytes)
{
	long long before = luo_bytes_preserved("outgoing"), more;
	int memfd = test_memfd(64 * PAGE);

	ASSERT_GE(before, 0);
	ASSERT_TRUE(luo_fill(memfd, 1, 0, 64 * PAGE));
	test_preserve(self->one, memfd, 1);
	more = luo_bytes_preserved("outgoing") - before;
	EXPECT_GE(more, 64 * PAGE);
	EXPECT_LE(more, 80 * PAGE);
	close(self->one);
	more = luo_bytes_preserved("outgoing") - before;
	EXPECT_GE(more, 0);
	EXPECT_LE(more, 16 * PAGE);
	self->one = test_create(self->dev, "one");
}

/* memfd-v2 cannot carry the mode of a memfd in it. */
TEST_F(session, debugfs_refusal)
{
	int memfd = test_memfd(PAGE);

	ASSERT_TRUE(luo_memfd_format("v2"));
	test_preserve(self->two, memfd, 47829);
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
	ASSERT_EQ(0, fchmod(memfd, 0600));
	test_err_freeze(EOPNOTSUPP, self->two);
	EXPECT_TRUE(outgoing_has("last refusal: -95, token 47829: memfd-v2, session two"));
}

#ifdef __x86_64__
TEST_F(session, debugfs_refused_reboot)
{
	test_preserve(self->one, test_memfd(PAGE), 1);
	ASSERT_EQ(0, luo_load_raw());
	test_err_(EOPNOTSUPP, "reboot", luo_jump());
	EXPECT_TRUE(outgoing_has("last refusal: -95, the reboot"));
	ASSERT_EQ(0, luo_unload());
}
#endif

#define PIECES	300

/* More than goes into one piece of it */
TEST_F(session, debugfs_many)
{
	static char text[64 * 1024];
	int sessions[PIECES], found = 0;
	char name[32];

	for (int i = 0; i < PIECES; i++) {
		snprintf(name, sizeof(name), "number %d, with a longer name", i);
		sessions[i] = test_create(self->dev, name);
	}
	ASSERT_TRUE(luo_read_text(DEBUGFS "outgoing", text, sizeof(text)));
	for (char *at = text; (at = strstr(at, "session number ")); at++)
		EXPECT_EQ(found++, atoi(at + strlen("session number ")));
	EXPECT_EQ(PIECES, found);
	for (int i = 0; i < PIECES; i++)
		close(sessions[i]);
}

TEST_HARNESS_MAIN
