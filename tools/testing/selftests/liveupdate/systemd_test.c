// SPDX-License-Identifier: GPL-2.0
/*
 * Services of a host that systemd runs, and the one that looks after them.
 *
 *   systemd_test store       gives memfds to systemd to keep, which is there before it starts
 *   systemd_test sessions    has two from systemd, LUOSession=, and uses one again and again
 *   systemd_test theirs V    systemd's own test of that, with the verb V
 *   systemd_test saved       looks for what luoctl saved in the previous kernel, in units that end
 *   systemd_test held        looks at who holds that now, and keeps a session itself
 *   systemd_test host N      prints what all came to in this kernel and goes to the next, or
 *                           ends in the Nth
 *
 * A service looks at what it got back, leaves something for the next kernel, says that it is
 * ready, and stays until it is stopped.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "kexec/scenario.h"
#include "lib/shell.h"

#define TEST_LUO	"/usr/lib/systemd/tests/unit-tests/manual/test-luo"
#define SIZE		(4 << 20)
#define LAST_TOKEN	~0ull

/* ---- a service and systemd */

/* How many file descriptors there were for us before we were started */
static int nr_given(void)
{
	return atoi(getenv("LISTEN_FDS") ?: "0");
}

/* The one of that name, or -1 */
static int given(const char *name)
{
	const char *at = getenv("LISTEN_FDNAMES") ?: "";
	size_t len = strlen(name);

	for (int fd = 3; fd < 3 + nr_given(); fd++) {
		if (!strncmp(at, name, len) && (!at[len] || at[len] == ':'))
			return fd;
		at += strcspn(at, ":");
		at += *at == ':';
	}
	return -1;
}

static void notify(const char *text, int fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", getenv("NOTIFY_SOCKET") ?: "");
	require_eq(0, connect(sock, (struct sockaddr *)&addr, sizeof(addr)));
	require_eq(0, luo_send_text(sock, text, fd));
	close(sock);
}

static void keep(const char *name, int fd)
{
	char text[128];

	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	notify(text, fd);
}

static void forget(const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	notify(text, -1);
}

static void __noreturn stay(void)
{
	fflush(stdout);
	if (luo_has_failed)
		_exit(1);
	notify("READY=1", -1);
	for (;;)
		pause();
}

static int filled(int seed)
{
	int fd = test_memfd(SIZE);

	require_true(luo_fill(fd, seed, PAGE, SIZE - PAGE));
	return fd;
}

static bool is_filled(int fd, int seed)
{
	return luo_size(fd) == SIZE && luo_is_hole(fd, 0, PAGE) &&
	       luo_holds(fd, seed, PAGE, SIZE - PAGE);
}

/* ---- the services */

/* One is kept for ever, one replaced in each kernel, one written anew where it is. */
static void store(int kernel)
{
	int written = given("written");

	if (kernel == 1) {
		check_eq(0, nr_given());
		keep("kept", filled(0));
		written = filled(1);
		keep("written", written);
	} else {
		check_eq(3, nr_given());
		check_true(is_filled(given("kept"), 0));
		check_true(is_filled(given("replaced"), kernel - 1));
		check_true(is_filled(written, kernel - 1));
		forget("replaced");
		require_true(luo_fill(written, kernel, PAGE, SIZE - PAGE));
	}
	keep("replaced", filled(kernel));
}

/* Retrieved, finished and filled again in each kernel */
static void work(int s, int kernel)
{
	if (kernel == 1) {
		test_err_retrieve_fd(EINVAL, s, 1);
	} else {
		check_true(is_filled(test_retrieve_fd(s, LAST_TOKEN), kernel - 1));
		check_true(is_filled(test_retrieve_fd(s, kernel - 1), kernel));
		test_finish(s);
	}
	test_preserve(s, filled(kernel + 1), kernel);
	test_preserve(s, filled(kernel), LAST_TOKEN);
}

/* Retrieved in the second kernel, not finished: the third has a new one of that name. */
static void left(int s, int kernel)
{
	if (kernel == 2)
		check_true(is_filled(test_retrieve_fd(s, 0), 1));
	else
		test_err_retrieve_fd(EINVAL, s, 0);
	if (kernel == 1)
		test_preserve(s, filled(1), 0);
}

static void sessions(int kernel)
{
	check_eq(2, nr_given());
	require_ge(given("work"), 0);
	require_ge(given("left"), 0);
	work(given("work"), kernel);
	left(given("left"), kernel);
}

/*
 * store and check of the next kernel, store-hijack and check-hijack. The session that it
 * makes bears the number of the kernel: it finishes none.
 */
static void __noreturn theirs(int kernel, const char *verb)
{
	bool check = !strncmp(verb, "check", 5), hijack = strstr(verb, "hijack");
	char prefix[32];

	if (check && kernel == 1)
		exit(0);
	snprintf(prefix, sizeof(prefix), "kernel-%d", kernel - check);
	execl(TEST_LUO, "test-luo", verb, hijack ? NULL : prefix, NULL);
	perror(TEST_LUO);
	_exit(127);
}

/* ---- services that call luoctl */

/* What that program prints; its exit status, or -1 */
static int ask(char *answer, size_t size, char *const *argv)
{
	int fds[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	if (pipe(fds))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	close(fds[1]);
	while ((n = read(fds[0], answer + len, size - 1 - len)) > 0)
		len += n;
	answer[len] = 0;
	answer[strcspn(answer, "\n")] = 0;
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#define systemctl(answer, ...)						\
	ask(answer, sizeof(answer), (char *const []) { "/usr/bin/systemctl", __VA_ARGS__, NULL })

/* Each has one line as token 1, NAME of kernel N: see the units, and held() for the last one. */
static const char *const saved_names[] = { "service", "scope", "stop", "unit", "kept" };

static void expect_saved(const char *name, int kernel)
{
	char line[128], want[64];

	snprintf(want, sizeof(want), "%s of kernel %d", name, kernel);
	snprintf(line, sizeof(line), "luoctl restore %s 1", name);
	expect_shell(0, line);
	check_eq(0, strcmp(want, luo_out));
	snprintf(line, sizeof(line), "luoctl finish %s", name);
	expect_shell(0, line);
}

static void saved(int kernel)
{
	for (int i = 0; kernel > 1 && i < ARRAY_SIZE(saved_names); i++)
		expect_saved(saved_names[i], kernel - 1);
}

/* In a service of its own, where memory that runs out does not end it */
static void expect_holder(const char *name)
{
	char unit[64], pid[64], path[128], text[4096];

	snprintf(unit, sizeof(unit), "luo-hold-%s.service", name);
	check_eq(0, systemctl(pid, "show", "--property=MainPID", "--value", unit));
	snprintf(path, sizeof(path), "/proc/%d/cmdline", atoi(pid));
	require_true(luo_read_text(path, text, sizeof(text)));
	check_eq('@', text[0]);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", atoi(pid));
	require_true(luo_read_text(path, text, sizeof(text)));
	expect_said(text, unit);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", atoi(pid));
	require_true(luo_read_text(path, text, sizeof(text)));
	check_eq(-1000, atoi(text));
}

/* What cannot be held is refused, and no session is left behind. */
static void not_held(void)
{
	expect_shell(1, "luoctl hold refused true");
	expect_err("use --keep");
	expect_shell(1, "echo lost | PATH=/none /sbin/luoctl save refused 1");
	expect_err("no unit can hold it: systemd-run: No such file");
	expect_shell(1, "luoctl save refused 1 </dev/zero");
	expect_err("not enough memory: ");
	expect_shell(4, "systemctl is-active luo-hold-refused");
	expect_shell(0, "luoctl status --json");
	check_true(!strstr(luo_out, "refused"));
}

static void held(int kernel)
{
	int memfd = test_memfd(0);

	not_held();
	dprintf(memfd, "kept of kernel %d\n", kernel);
	dup2(memfd, 9);
	expect_shell(0, "luoctl hold --keep --fd 9:1 kept true");
	expect_holder("kept");
	expect_holder("service");
	expect_holder("scope");
	/* Any bytes are a name, and a session ends with its holder. */
	expect_shell(0, "kill $(echo gone | luoctl save '%h/$PATH @\\\303\244' 1)");
	expect_shell(0, "while luoctl status | grep -q PATH; do sleep 0.1; done");
	expect_shell(0, "kill $(echo gone | luoctl save '%h/$PATH @\\\303\244' 1)");
}

/* ---- who looks after them */

static const char *const services[] = {
	"luo-store", "luo-sessions", "luo-theirs", "luo-hijack", "luo-names", "luo-saved",
	"luo-stop", "luo-unit", "luo-held",
};

static void show_log(const char *service)
{
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/run/%s.log", service);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		printf("%s%s", line[0] == '#' ? "" : "# ", line);
	if (f)
		fclose(f);
}

static void report(int kernel)
{
	char answer[256];

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(services) + 1);
	for (int i = 0; i < ARRAY_SIZE(services); i++) {
		int status = systemctl(answer, "is-active", (char *)services[i]);

		show_log(services[i]);
		luo_say("%s: %s", services[i], answer);
		ksft_test_result(!status, "%s\n", services[i]);
	}
	systemctl(answer, "show", "--property=KExecCount", "--value");
	luo_say("KExecCount: %s", answer);
	ksft_test_result(atoi(answer) == kernel - 1, "KExecCount\n");
}

/* systemctl finds the next kernel in an entry of a boot loader. */
static void write_entry(void)
{
	char cmdline[2048];
	FILE *f;

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	mkdir("/boot/loader", 0755);
	mkdir("/boot/loader/entries", 0755);
	f = fopen("/boot/loader/entries/next.conf", "w");
	require_true(f);
	fprintf(f, "title Next\nlinux /kernel\ninitrd /initrd\noptions %s\n", cmdline);
	fclose(f);
}

/* luoctl loads it itself, and then asks systemd as well. */
static int luoctl_kexec(char *answer, size_t size)
{
	char cmdline[2048];

	require_true(luo_next_cmdline(cmdline, sizeof(cmdline)));
	return ask(answer, size, (char *const []) {
			"/sbin/luoctl", "kexec", "/boot/kernel", "--initrd=/boot/initrd",
			"--command-line", cmdline, "--lose-unfinished", NULL });
}

static int next_kernel(int kernel, char *answer, size_t size)
{
	if (kernel > 1)
		return luoctl_kexec(answer, size);
	write_entry();
	return ask(answer, size, (char *const []) {
			"/usr/bin/systemctl", "kexec", "--no-block", NULL });
}

/* The first time as an operator does, then by luoctl */
static void host(int kernel, int last)
{
	char answer[4096];

	printf("# luo: begin systemd_test 0\n");
	report(kernel);
	if (kernel < last) {
		if (!next_kernel(kernel, answer, sizeof(answer)))
			return;
		printf("Bail out! kexec: %s\n", answer);
	}
	printf("# luo: end systemd_test 0\n# luo: end guest 0\n");
	systemctl(answer, "reboot", "--no-block");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int kernel = luo_stage();

	setlinebuf(stdout);
	if (!strcmp(what, "host") && argc == 3) {
		host(kernel, atoi(argv[2]));
		return luo_has_failed;
	}
	if (!strcmp(what, "theirs") && argc == 3)
		theirs(kernel, argv[2]);
	if (!strcmp(what, "store"))
		store(kernel);
	else if (!strcmp(what, "sessions"))
		sessions(kernel);
	else if (!strcmp(what, "saved"))
		saved(kernel);
	else if (!strcmp(what, "held"))
		held(kernel);
	else
		return 2;
	stay();
}
