// SPDX-License-Identifier: GPL-2.0
/*
 * A live update from beginning to end, as a story: `make demo`.
 *
 * This is /init of a small guest. Started by the first kernel, it puts memfds of
 * several kinds into sessions, notes in one more memfd what it expects to
 * find (the ledger), and has kexec-tools load and start the next kernel. Started by
 * that one ("demo=second" on the command line), it gets everything back, compares,
 * finishes, and turns the machine off.
 *
 * The story goes to the second serial port, the kernel's log to the first. The last
 * line says whether it all worked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <nettle/sha2.h>
#include <nettle/version.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "host.h"
#include "libluo.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define WRITE_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

#define LEDGER_SESSION	"ledger"
#define LEDGER_TOKEN	0
#define LEDGER_MAGIC	0x6c6564676572ULL

/* What is preserved, and what of it is special */
struct item {
	const char *session;
	__u64 token;
	const char *what;
	size_t size;
	size_t step;		/* 0: all written; else one page in so many bytes */
	off_t position;
	int seals;
};

static const struct item items[] = {
	{ "vm-1", 1, "64 MiB of pseudo-random data", .size = 64 * MIB },
	{ "vm-1", 2, "sealed against all changes", .size = MIB, .seals = WRITE_SEALS },
	{ "vm-1", ~0ULL, "empty", .size = 0 },
	{ "vm-2", 1, "16 MiB with 16 holes", .size = 16 * MIB, .step = MIB },
	{ "vm-2", 2, "position at byte 123457", .size = MIB, .position = 123457 },
};

/* What can be said of a memfd */
struct facts {
	unsigned char digest[SHA256_DIGEST_SIZE];
	__u64 size;
	__u64 position;
	__u64 extents;	/* stretches of data between holes */
	__u32 seals;
	__u32 mode;
};

struct ledger {
	__u64 magic;
	__u64 cycles_per_second;
	__u64 jump;		/* cycle count just before kexec -e */
	struct facts facts[ARRAY_SIZE(items)];
};

static FILE *story;
static double step_began;

/* One step of the story, with the guest time since the last one. */
static void step(const char *fmt, ...)
{
	double t = now();
	va_list ap;

	fprintf(story, "%8.3f s  ", t - step_began);
	va_start(ap, fmt);
	vfprintf(story, fmt, ap);
	va_end(ap);
	fputc('\n', story);
	step_began = now();
}

static noreturn void give_up(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	fputs("   FAIL     ", story);
	va_start(ap, fmt);
	vfprintf(story, fmt, ap);
	va_end(ap);
	fprintf(story, "%s%s\ndemo: FAIL\n", err ? ": " : "", err ? strerror(err) : "");
	power_off(story);
}

/* A file descriptor or 0, as the calls of live update return it; or the end. */
static int must(int ret, const char *what)
{
	if (ret >= 0)
		return ret;
	errno = -ret;
	give_up("%s", what);
}

/* The most likely reason has a name. */
static int open_device(void)
{
	int device = luo_open_wait(1000);

	if (device == -ENOENT) {
		errno = 0;
		give_up("live update is off in this kernel: boot with kho=on liveupdate=on");
	}
	return must(device, LUO_DEVICE);
}

static int retrieve(int device, const char *name)
{
	return luo_retrieve(device, name, 0);
}

/* Sessions are opened once, when first asked for. */
static int session_fd(int device, const char *name, int (*open_one)(int, const char *))
{
	static struct { const char *name; int fd; } open_sessions[4];
	size_t i;

	for (i = 0; open_sessions[i].name; i++)
		if (!strcmp(open_sessions[i].name, name))
			return open_sessions[i].fd;
	open_sessions[i].name = name;
	open_sessions[i].fd = must(open_one(device, name), name);
	return open_sessions[i].fd;
}

/* Numbers that depend on the seed alone (xorshift64). */
static void scribble(unsigned char *p, size_t len, __u64 seed)
{
	__u64 *word = (__u64 *)p;
	__u64 x = seed * 0x9e3779b97f4a7c15ULL + 1;

	for (; len; len -= sizeof(*word)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		*word++ = x;
	}
}

static void *map(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		give_up("mmap");
	return p;
}

static int make_memfd(const struct item *item)
{
	int fd = memfd_create(item->what, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t at, chunk = item->step ? 4096 : item->size;
	unsigned char *p;

	if (fd < 0 || ftruncate(fd, item->size))
		give_up("memfd");
	if (item->size) {
		p = map(fd, item->size);
		for (at = 0; at < item->size; at += item->step ?: item->size)
			scribble(p + at, chunk, at + item->token + item->seals + item->position);
		munmap(p, item->size);
	}
	if (lseek(fd, item->position, SEEK_SET) < 0)
		give_up("lseek");
	if (item->seals && fcntl(fd, F_ADD_SEALS, item->seals))
		give_up("seals");
	return fd;
}

static __u64 count_extents(int fd)
{
	__u64 n = 0;
	int copy;
	off_t at;
	char path[64];

	/* A file of its own: the position of this one is to stay. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	copy = open(path, O_RDONLY | O_CLOEXEC);
	if (copy < 0)
		give_up("%s", path);
	for (at = 0; (at = lseek(copy, at, SEEK_DATA)) >= 0; n++)
		at = lseek(copy, at, SEEK_HOLE);
	close(copy);
	return n;
}

/* read(2), because reading a hole through a mapping fills it. */
static void look_at(int fd, struct facts *facts)
{
	static unsigned char buffer[MIB];
	struct sha256_ctx sha;
	struct stat st;
	off_t at = 0;
	ssize_t n;

	memset(facts, 0, sizeof(*facts));
	if (fstat(fd, &st))
		give_up("fstat");
	facts->size = st.st_size;
	facts->mode = st.st_mode;
	facts->position = lseek(fd, 0, SEEK_CUR);
	facts->seals = fcntl(fd, F_GET_SEALS);
	facts->extents = count_extents(fd);

	sha256_init(&sha);
	while ((n = pread(fd, buffer, sizeof(buffer), at)) > 0) {
		sha256_update(&sha, n, buffer);
		at += n;
	}
	if (n < 0)
		give_up("read");
#if NETTLE_VERSION_MAJOR < 4
	sha256_digest(&sha, sizeof(facts->digest), facts->digest);
#else
	sha256_digest(&sha, facts->digest);
#endif
}

static const char *hex(const unsigned char *digest)
{
	static char text[17];
	int i;

	for (i = 0; i < 8; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	return text;
}

static bool compare(const struct item *item, const struct facts *want, const struct facts *got)
{
	char why[256] = "";
	size_t n = 0;

	if (memcmp(want->digest, got->digest, sizeof(got->digest)))
		n += snprintf(why + n, sizeof(why) - n, ", contents differ");
	if (want->size != got->size)
		n += snprintf(why + n, sizeof(why) - n, ", size %llu, not %llu",
			      got->size, want->size);
	if (want->position != got->position)
		n += snprintf(why + n, sizeof(why) - n, ", position %llu, not %llu",
			      got->position, want->position);
	if (want->seals != got->seals)
		n += snprintf(why + n, sizeof(why) - n, ", seals %#x, not %#x",
			      got->seals, want->seals);
	if (want->extents != got->extents)
		n += snprintf(why + n, sizeof(why) - n, ", %llu stretches of data, not %llu",
			      got->extents, want->extents);
	if (want->mode != got->mode)
		n += snprintf(why + n, sizeof(why) - n, ", mode %o, not %o",
			      got->mode, want->mode);
	step("%s %-5s %-28s  sha256 %s...%s", n ? "FAIL" : "PASS", item->session, item->what,
	     hex(got->digest), why);
	return !n;
}

/* Run kexec-tools; what it has to say matters only if it fails. */
static void run(const char *const argv[])
{
	char said[1024] = "";
	size_t len = 0;
	ssize_t n;
	int status, out[2];
	pid_t pid;

	if (pipe(out))
		give_up("pipe");
	pid = fork();
	if (pid < 0)
		give_up("fork");
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		execv(argv[0], (char *const *)argv);
		perror(argv[0]);
		_exit(127);
	}
	close(out[1]);
	while ((n = read(out[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += n;
	close(out[0]);
	waitpid(pid, &status, 0);
	if (status) {
		fprintf(story, "%s", said);
		errno = 0;
		give_up("%s %s did not work", argv[0], argv[1]);
	}
}

static void load_next_kernel(const char *cmdline)
{
	static char arg[2200];
	static const char *const argv[] = {
		"/sbin/kexec", "-s", "-l", "/bzImage", "--initrd=/sys/firmware/initrd", arg, NULL
	};

	snprintf(arg, sizeof(arg), "--command-line=%s demo=second", cmdline);
	run(argv);
	step("loaded the next kernel: kexec -s -l /bzImage");
}

static void first_kernel(const char *cmdline)
{
	int device, fds[ARRAY_SIZE(items)], ledger_fd;
	static const char *const jump[] = { "/sbin/kexec", "-e", NULL };
	struct ledger *ledger;
	size_t i;

	device = open_device();
	ledger_fd = memfd_create("ledger", MFD_CLOEXEC);
	if (ledger_fd < 0 || ftruncate(ledger_fd, sizeof(*ledger)))
		give_up("ledger");
	ledger = map(ledger_fd, sizeof(*ledger));
	ledger->magic = LEDGER_MAGIC;
	ledger->cycles_per_second = cycles_per_second();
	step("opened /dev/liveupdate");

	for (i = 0; i < ARRAY_SIZE(items); i++) {
		fds[i] = make_memfd(&items[i]);
		look_at(fds[i], &ledger->facts[i]);
		step("made memfd  %-28s  sha256 %s...", items[i].what,
		     hex(ledger->facts[i].digest));
	}
	for (i = 0; i < ARRAY_SIZE(items); i++) {
		must(luo_preserve(session_fd(device, items[i].session, luo_create), fds[i],
				  items[i].token), items[i].what);
		step("preserved in session %s, token %llu: %s", items[i].session,
		     items[i].token, items[i].what);
	}
	must(luo_preserve(session_fd(device, LEDGER_SESSION, luo_create), ledger_fd,
			  LEDGER_TOKEN), "the list of digests");
	step("preserved the list of digests as one more memfd");
	load_next_kernel(cmdline);
	step("jumping: kexec -e");
	flush_story(story);

	/* Written after it was preserved: that must not be lost either. */
	ledger->jump = cycles();
	run(jump);
	errno = 0;
	give_up("kexec -e came back");
}

static int second_kernel(void)
{
	int device, fds[ARRAY_SIZE(items)], fd, passed = 0;
	__u64 began = cycles(), retrieved;
	struct ledger ledger;
	struct facts facts;
	double second;
	size_t i;

	device = open_device();
	fd = must(luo_retrieve_fd(session_fd(device, LEDGER_SESSION, retrieve), LEDGER_TOKEN),
		  "the list of digests");
	if (pread(fd, &ledger, sizeof(ledger), 0) != sizeof(ledger) ||
	    ledger.magic != LEDGER_MAGIC) {
		errno = EUCLEAN;
		give_up("the list of digests is damaged");
	}
	step("opened /dev/liveupdate, retrieved the list of digests");

	for (i = 0; i < ARRAY_SIZE(items); i++) {
		fds[i] = luo_retrieve_fd(session_fd(device, items[i].session, retrieve),
					 items[i].token);
		if (fds[i] < 0)
			step("FAIL %-5s %-28s  cannot be retrieved: %s", items[i].session,
			     items[i].what, strerror(-fds[i]));
	}
	retrieved = cycles();
	step("retrieved all the others");

	for (i = 0; i < ARRAY_SIZE(items); i++) {
		if (fds[i] < 0)
			continue;
		look_at(fds[i], &facts);
		passed += compare(&items[i], &ledger.facts[i], &facts);
	}
	must(luo_finish(session_fd(device, "vm-1", NULL)), "vm-1");
	must(luo_finish(session_fd(device, "vm-2", NULL)), "vm-2");
	must(luo_finish(session_fd(device, LEDGER_SESSION, NULL)), LEDGER_SESSION);
	step("finished all sessions");

	second = ledger.cycles_per_second;
	fprintf(story, "\nblackout: %.2f s: %.2f s from kexec -e to /init, %.3f s for the memfds\n",
		(retrieved - ledger.jump) / second, (began - ledger.jump) / second,
		(retrieved - began) / second);
	fprintf(story, "%d of %zu memfds are as they were\n", passed, ARRAY_SIZE(items));
	return passed == ARRAY_SIZE(items) ? 0 : 1;
}

int main(void)
{
	char cmdline[2048];
	struct utsname uts;
	bool second;
	int fd;

	story = start_host();
	read_cmdline(cmdline, sizeof(cmdline));
	second = strstr(cmdline, "demo=second");
	uname(&uts);
	fprintf(story, "%s%s kernel, Linux %s, %.1f s after its start\n", second ? "\n" : "",
		second ? "Second" : "First", uts.release, now());
	step_began = now();

	if (!second)
		first_kernel(cmdline);
	fd = second_kernel();
	fprintf(story, "demo: %s\n", fd ? "FAIL" : "PASS");
	power_off(story);
}
