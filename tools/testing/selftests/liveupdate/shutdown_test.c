// SPDX-License-Identifier: GPL-2.0
/*
 * systemd's own programs take a store of file descriptors over to the next kernel.
 *
 * In the first kernel this program is process 1 and a service manager of the simplest kind:
 * services give it file descriptors to keep. It writes a list of them, as systemd does, loads
 * the next kernel and becomes systemd-shutdown, which preserves them all and jumps.
 *
 * In the next kernel it reads what that left in the session "systemd": at token 0 the mapping
 * from names to tokens, at those the file descriptors. The service gets its own back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/util.h"

#define SHUTDOWN	"/usr/lib/systemd/systemd-shutdown"
#define TEST_LUO	"/usr/lib/systemd/tests/unit-tests/manual/test-luo"
#define NOTIFY		"/run/notify"

#define MAX_STORE	16
#define LISTEN_FDS_START	3

/* File descriptors that services gave away, with the names that they gave them */
static struct stored {
	char name[64];
	int fd;
} store[MAX_STORE];
static int nr_stored;

static void keep(const char *name, int fd)
{
	if (nr_stored == MAX_STORE || fd < 0)
		ksft_exit_fail_msg("%s: cannot be kept: %d\n", name, fd);
	snprintf(store[nr_stored].name, sizeof(store->name), "%s", name);
	store[nr_stored++].fd = fd;
}

static struct stored *stored(const char *name)
{
	for (int i = 0; i < nr_stored; i++)
		if (!strcmp(store[i].name, name))
			return &store[i];
	return NULL;
}

/* The name of the session that this is, if it is one */
static const char *session_name(int fd)
{
	static const char what[] = "anon_inode:[luo_session] ";
	static char text[128];

	if (!luo_link_text(fd, text, sizeof(text)) || strncmp(text, what, strlen(what)))
		return NULL;
	return text + strlen(what);
}

/* ---- a service and its manager */

static int listen_to_services(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = NOTIFY };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		ksft_exit_fail_perror(NOTIFY);
	setenv("NOTIFY_SOCKET", NOTIFY, 1);
	return sock;
}

/* "FDSTORE=1\nFDNAME=x" with a file descriptor, "FDSTOREREMOVE=1\nFDNAME=x", "BARRIER=1" */
static void hear(int sock)
{
	char text[512], *name;
	struct stored *old;
	int fd;

	if (luo_receive_text(sock, text, sizeof(text), &fd))
		ksft_exit_fail_perror(NOTIFY);
	name = strstr(text, "FDNAME=");
	if (name) {
		name += strlen("FDNAME=");
		name[strcspn(name, "\n")] = 0;
	}
	if (name && fd >= 0 && strstr(text, "FDSTORE=1")) {
		keep(name, fd);
		return;
	}
	old = name && strstr(text, "FDSTOREREMOVE=1") ? stored(name) : NULL;
	if (old) {
		close(old->fd);
		*old = store[--nr_stored];
	}
	/* With a barrier comes a pipe that the service waits for us to close. */
	close(fd);
}

/* Until it ends and has no more to say */
static int serve(int sock, pid_t pid)
{
	struct pollfd poll_it = { .fd = sock, .events = POLLIN };
	int status;

	for (;;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);

		while (poll(&poll_it, 1, ended ? 0 : 100) > 0)
			hear(sock);
		if (ended)
			return ended == pid ? status : -1;
	}
}

/* What was stored is handed to the service as its file descriptors 3 and up. */
static void hand_over(void)
{
	char names[MAX_STORE * sizeof(store->name)] = "", number[16];
	int above = LISTEN_FDS_START + MAX_STORE;

	for (int i = 0; i < nr_stored; i++)
		store[i].fd = fcntl(store[i].fd, F_DUPFD_CLOEXEC, above);
	for (int i = 0; i < nr_stored; i++) {
		dup2(store[i].fd, LISTEN_FDS_START + i);
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%.*s",
			 i ? ":" : "", (int)sizeof(store->name) - 1, store[i].name);
	}
	snprintf(number, sizeof(number), "%d", nr_stored);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
}

static bool test_luo(const char *verb)
{
	int sock = listen_to_services(), status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (nr_stored)
			hand_over();
		execl(TEST_LUO, "test-luo", verb, NULL);
		perror(TEST_LUO);
		_exit(127);
	}
	status = serve(sock, pid);
	close(sock);
	unlink(NOTIFY);
	if (status)
		luo_say("test-luo %s: status %#x", verb, status);
	return !status;
}

/* ---- memfds of ours */

#define BIG	(8 << 20)

static const struct shape {
	const char *name;
	off_t size;
	struct { off_t from; size_t len; } data[2];
	int seals;
	off_t pos;
} shapes[] = {
	{ "big", BIG, { { 0, BIG } }, .pos = 12345 },
	{ "holes", 64 * PAGE, { { 3 * PAGE, PAGE }, { 60 * PAGE + 7, 100 } } },
	{ "sealed", PAGE, { { 0, 10 } },
	  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE },
	{ "empty" },
};

static void make(const struct shape *s, int seed)
{
	int fd = luo_memfd(s->name, MFD_ALLOW_SEALING, s->size);

	for (int i = 0; i < ARRAY_SIZE(s->data); i++)
		if (!luo_fill(fd, seed, s->data[i].from, s->data[i].len))
			ksft_exit_fail_perror(s->name);
	if (fcntl(fd, F_ADD_SEALS, s->seals) || lseek(fd, s->pos, SEEK_SET) != s->pos)
		ksft_exit_fail_perror(s->name);
	keep(s->name, fcntl(fd, F_DUPFD, 0));
}

static bool is_as_made(const struct shape *s, int seed)
{
	struct stored *found = stored(s->name);
	off_t at = 0;
	int fd;

	if (!found)
		return false;
	fd = found->fd;
	if (luo_size(fd) != s->size || luo_seals(fd) != s->seals ||
	    lseek(fd, 0, SEEK_CUR) != s->pos)
		return false;
	for (int i = 0; i < ARRAY_SIZE(s->data) && s->data[i].len; i++) {
		if (!luo_is_zero(fd, at, s->data[i].from - at) ||
		    !luo_holds(fd, seed, s->data[i].from, s->data[i].len))
			return false;
		at = s->data[i].from + s->data[i].len;
	}
	return luo_is_zero(fd, at, s->size - at);
}

/* ---- the first kernel */

/* What systemd writes for systemd-shutdown: which unit has which file descriptors */
static void write_list(void)
{
	int fd = memfd_create("list", 0);
	char number[16];

	dprintf(fd, "{\"version\":1,\"units\":{\"test.service\":{\"fdstore\":[");
	for (int i = 0; i < nr_stored; i++) {
		const char *session = session_name(store[i].fd);

		dprintf(fd, "%s{\"name\":\"%s\",\"fd\":%d,", i ? "," : "", store[i].name,
			store[i].fd);
		if (session)
			dprintf(fd, "\"type\":\"luo_session\",\"sessionName\":\"%s\"}", session);
		else
			dprintf(fd, "\"type\":\"fd\"}");
	}
	dprintf(fd, "]}}}");
	lseek(fd, 0, SEEK_SET);
	snprintf(number, sizeof(number), "%d", fd);
	setenv("SYSTEMD_LUO_SERIALIZE_FD", number, 1);
}

static void first_kernel(void)
{
	char cmdline[2048];
	int ret;

	ksft_set_plan(2);
	ksft_test_result(getpid() == 1, "process 1\n");
	ksft_test_result(test_luo("store"), "test-luo store\n");
	for (int i = 0; i < ARRAY_SIZE(shapes); i++)
		make(&shapes[i], i);
	write_list();
	ret = luo_next_cmdline(cmdline, sizeof(cmdline)) ? luo_load_next(cmdline) : -EINVAL;
	if (ret)
		ksft_exit_fail_msg("loading the next kernel: %s\n", luo_error(ret));
	fflush(stdout);
	execl(SHUTDOWN, "systemd-shutdown", "kexec", "--log-target=kmsg", "--log-level=debug",
	      NULL);
	ksft_exit_fail_perror(SHUTDOWN);
}

/* ---- the next kernel */

#define MAP_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_EXEC)

/* What stands at token 0: text, and nobody can change it. */
static bool read_map(int session, char *map, size_t size)
{
	int fd = luo_retrieve_fd(session, 0);
	ssize_t n = pread(fd, map, size - 1, 0);

	if (n <= 0 || luo_seals(fd) != MAP_SEALS)
		return false;
	map[n] = 0;
	luo_say("%s", map);
	return true;
}

/* The file descriptors of all units, in the order in which they stand there */
static void retrieve_all(int dev, int session, const char *map)
{
	static const char in_session[] =
		"{\"type\":\"luo_session\",\"name\":\"%63[^\"]\",\"sessionName\":\"%63[^\"]\"}";
	char name[64], other[64];
	unsigned long long token;

	for (const char *at = map; (at = strstr(at, "{\"type\":")); at++) {
		if (sscanf(at, "{\"type\":\"fd\",\"name\":\"%63[^\"]\",\"token\":%llu}",
			   name, &token) == 2)
			keep(name, luo_retrieve_fd(session, token));
		else if (sscanf(at, in_session, name, other) == 2)
			keep(name, luo_retrieve(dev, other, 0));
		else
			ksft_exit_fail_msg("mapping not understood\n");
	}
}

static void next_kernel(void)
{
	int dev = luo_open(), session = luo_retrieve(dev, "systemd", 0), gone;
	static char map[65536];

	ksft_set_plan(ARRAY_SIZE(shapes) + 5);
	ksft_test_result(session >= 0, "session systemd\n");
	ksft_test_result(read_map(session, map, sizeof(map)), "mapping\n");
	retrieve_all(dev, session, map);
	for (int i = 0; i < ARRAY_SIZE(shapes); i++)
		ksft_test_result(is_as_made(&shapes[i], i), "%s\n", shapes[i].name);
	ksft_test_result(test_luo("check"), "test-luo check\n");
	ksft_test_result(stored("big") && !stored("testfd1") && !stored("testfd2"),
			 "what it took out is not stored any more\n");
	gone = luo_finish(session);
	if (!gone)
		gone = luo_retrieve(dev, "systemd", 0);
	ksft_test_result(gone == -ENOENT || gone == -EINVAL, "finished\n");
}

int main(void)
{
	ksft_print_header();
	if (luo_stage() == 1)
		first_kernel();
	next_kernel();
	ksft_finished();
}
