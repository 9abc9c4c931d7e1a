// SPDX-License-Identifier: GPL-2.0
/*
 * The agent of `make demo-vm`: keeps a virtual machine alive while the kernel under it
 * is replaced. Documentation/userspace-api/liveupdate-vmm.rst goes with it.
 *
 * It is the only program of a small host, besides QEMU. In the first kernel it finds
 * that nothing was handed over to it, and starts a machine. When the machine has run
 * for a while it saves it, preserves what it consists of, and reboots. In the next
 * kernel it finds the session, and goes on.
 *
 * Three memfds are preserved in one session: the guest's memory, while it runs; the
 * rest of the machine's state, once it stands still; and notes to itself.
 *
 * Process 1 only starts the agent, and starts it again if it dies.
 *
 * On the kernel's command line:
 *
 *   vm_memory=MIB   the guest's memory, 16 by default
 *   vm_steps=N      how long the guest runs before the update, and after it
 *   vm_refuse=1     first try to reboot without a kernel to go to
 *   vm_die=1        in the next kernel, die at the worst moment
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "host.h"
#include "libluo.h"
#include "vm_qemu.h"

#define SESSION		"vm-1"
#define ATTEMPTS	3

/* There is no way to list what a session holds: programs agree on numbers. */
enum token { TOKEN_NOTES, TOKEN_MEMORY, TOKEN_STATE };

/*
 * What the next agent has to know. It may be of another version, so this is a format:
 * fields stay where they are, a new meaning is a new magic number.
 */
struct notes {
	__u64 magic;
	__u64 memory_size;
	__u64 cycles_per_second;
	__u64 began;			/* cycles() at the beginning of the story */
	__u64 steps;			/* the last that the guest told of */
	__u64 unread;			/* how much of a line of the guest has come */
	char line[4096];
};

#define NOTES_MAGIC	0x31656f746e6d76ULL

struct agent {
	struct vm vm;
	int session;
	int notes_fd;
	struct notes *notes;
	bool audited;
};

static FILE *story;
static const struct notes *clock_of_story;

/* ---- the story: "SECONDS host|guest TEXT"; scripts/demo_vm.py makes columns of it */

static double story_time(__u64 when)
{
	return (double)(when - clock_of_story->began) / clock_of_story->cycles_per_second;
}

/* A phase that ends here has a name; without one it is "-". */
static void host_at(__u64 when, const char *phase, const char *fmt, ...)
{
	va_list ap;

	fprintf(story, "%.4f host %s ", story_time(when), phase);
	va_start(ap, fmt);
	vfprintf(story, fmt, ap);
	va_end(ap);
	fputc('\n', story);
}

#define host(phase, fmt, ...)	host_at(cycles(), phase, fmt, ##__VA_ARGS__)

static void guest_said(void *arg, const char *line)
{
	struct agent *agent = arg;
	unsigned long step;

	fprintf(story, "%.4f guest %s\n", story_time(cycles()), line);
	if (sscanf(line, "step %lu", &step) == 1)
		agent->notes->steps = step;
	if (!strncmp(line, "audit:", 6) || !strncmp(line, "LOST", 4))
		agent->audited = true;
}

/* Show what failed, and hand it on. */
static int failed(const char *what, int err)
{
	if (err < 0)
		host("-", "%s: %s", what, strerror(-err));
	return err;
}

static unsigned long option(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* ---- the first kernel: a machine from nothing */

static int map_notes(struct agent *agent)
{
	struct stat st;

	if (fstat(agent->notes_fd, &st))
		return -errno;
	if (st.st_size < (off_t)sizeof(*agent->notes))
		return -EPROTONOSUPPORT;
	agent->notes = mmap(NULL, sizeof(*agent->notes), PROT_READ | PROT_WRITE, MAP_SHARED,
			    agent->notes_fd, 0);
	if (agent->notes == MAP_FAILED)
		return -errno;
	clock_of_story = agent->notes;
	return 0;
}

/* All have their size from the beginning: what is preserved cannot grow. */
static int make_files(struct agent *agent)
{
	struct vm_files *files = &agent->vm.files;
	int err;

	files->size = option("vm_memory", 16) * MIB;
	files->memory = memfd_create("memory", MFD_CLOEXEC);
	files->state = memfd_create("state", MFD_CLOEXEC);
	agent->notes_fd = memfd_create("notes", MFD_CLOEXEC);
	if (files->memory < 0 || files->state < 0 || agent->notes_fd < 0 ||
	    ftruncate(files->memory, files->size) ||
	    ftruncate(agent->notes_fd, sizeof(*agent->notes)))
		return -errno;
	err = map_notes(agent);
	if (err)
		return err;
	agent->notes->magic = NOTES_MAGIC;
	agent->notes->memory_size = files->size;
	agent->notes->cycles_per_second = cycles_per_second();
	agent->notes->began = cycles();
	return 0;
}

/* Calls that take long are made beside the guest, which is listened to. */
static int beside(struct agent *agent, int (*work)(struct agent *))
{
	pid_t pid = fork();
	int status, err = 0;

	if (pid < 0)
		return failed("fork", -errno);
	if (!pid)
		_exit(-work(agent));
	while (!err && !waitpid(pid, &status, WNOHANG))
		err = vm_listen(&agent->vm, 10);
	if (err)
		return failed("QEMU", err);
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* A file that is preserved is the session's, whoever of those that have it said so. */
static int preserve_memory(struct agent *agent)
{
	int err = luo_preserve(agent->session, agent->vm.files.memory, TOKEN_MEMORY);

	if (!err)
		host("-", "preserved the guest's memory");
	return failed("preserve the memory", err);
}

/*
 * What takes time in proportion to memory is done while the guest runs: preserved
 * memory can be used as before, only its size is fixed.
 */
static int preserve_early(struct agent *agent)
{
	int device = luo_open_wait(1000);
	int err = device < 0 ? device : luo_create(device, SESSION);

	if (device >= 0)
		close(device);
	if (err < 0)
		return failed("create session", err);
	agent->session = err;
	err = luo_preserve(agent->session, agent->notes_fd, TOKEN_NOTES);
	return failed("preserve the notes", err) ?: beside(agent, preserve_memory);
}

static int load_kernel(struct agent *agent)
{
	char cmdline[2048];
	int kernel = open("/bzImage", O_RDONLY | O_CLOEXEC);
	int initrd = open("/sys/firmware/initrd", O_RDONLY | O_CLOEXEC);
	int err = 0;

	(void)agent;	/* work for beside() */
	read_cmdline(cmdline, sizeof(cmdline));
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(cmdline) + 1, cmdline, 0L))
		err = -errno;
	close(kernel);
	close(initrd);
	if (!err)
		host("-", "loaded the next kernel");
	return failed("kexec_file_load", err);
}

static int run_steps(struct agent *agent, unsigned long steps)
{
	unsigned long until = agent->notes->steps + steps;
	int err = 0;

	while (!err && agent->notes->steps < until && !agent->audited)
		err = vm_listen(&agent->vm, 1000);
	return failed("QEMU", err);
}

/* ---- the update */

/* A line of which only a part has come goes with the rest. */
static void save_line(struct agent *agent)
{
	agent->notes->unread = agent->vm.serial.length;
	memcpy(agent->notes->line, agent->vm.serial.text, agent->vm.serial.length);
}

/*
 * All that can still refuse does so here, while the guest can go on in this kernel.
 * What is left to reboot() is to jump.
 */
static int preserve_late(struct agent *agent)
{
	__u64 refused;
	int err = luo_preserve(agent->session, agent->vm.files.state, TOKEN_STATE);

	if (err)
		return failed("preserve the state", err);
	host("preserve", "preserved its state");
	err = luo_freeze(agent->session, &refused);
	if (err == -ENOTTY)
		err = 0;	/* this kernel freezes in reboot() only */
	if (err)
		return failed("freeze", err);
	host("freeze", "froze the session");
	return 0;
}

/* Comes back only if it fails. */
static int jump(void)
{
	host("jump", "reboot(KEXEC)");
	flush_story(story);
	reboot(RB_KEXEC);
	return failed("reboot", -errno);
}

static int update(struct agent *agent)
{
	int err = vm_save(&agent->vm);

	if (err)
		return failed("save", err);
	host_at(agent->vm.changed, "stop", "stopped the guest");
	host("save", "saved its state");
	save_line(agent);
	return preserve_late(agent) ?: jump();
}

/*
 * Nothing has happened: thaw, and let the guest go on. The state that was preserved
 * is not true any more; a file can be taken out of a session only with all others.
 */
static int go_back(struct agent *agent)
{
	int err = luo_thaw(agent->session);

	close(agent->session);
	if (err && err != -EINVAL && err != -ENOTTY)
		failed("thaw", err);
	err = vm_continue(&agent->vm);
	if (err)
		return failed("continue", err);
	host_at(agent->vm.changed, "run", "the guest goes on in this kernel");
	return preserve_early(agent);
}

static int start_machine(struct agent *agent)
{
	int err = vm_start(&agent->vm, false);

	if (err)
		return failed("QEMU", err);
	host("begin", "started QEMU, %s", agent->vm.version);
	return failed("continue", vm_continue(&agent->vm));
}

static int first_kernel(struct agent *agent)
{
	unsigned long steps = option("vm_steps", 10);
	bool refuse = option("vm_refuse", 0);
	int tries, err = failed("memfds", make_files(agent));

	if (err)
		return err;
	host("-", "memory for the guest: a memfd of %zu MiB", agent->vm.files.size / MIB);
	err = refuse ? 0 : load_kernel(agent);
	err = err ?: start_machine(agent);
	err = err ?: run_steps(agent, steps / 2);
	err = err ?: preserve_early(agent);
	err = err ?: run_steps(agent, steps - steps / 2);
	for (tries = 0; !err && tries < 1 + refuse; tries++) {
		update(agent);
		err = go_back(agent);
		err = err ?: beside(agent, load_kernel);
		err = err ?: run_steps(agent, steps);
	}
	return err ?: -EAGAIN;
}

/* ---- the next kernel */

/* Retrieved files belong to the session until it is finished, and survive this process. */
static int retrieve_files(struct agent *agent)
{
	struct vm_files *files = &agent->vm.files;
	int err;

	agent->notes_fd = luo_retrieve_fd(agent->session, TOKEN_NOTES);
	files->memory = luo_retrieve_fd(agent->session, TOKEN_MEMORY);
	files->state = luo_retrieve_fd(agent->session, TOKEN_STATE);
	if (agent->notes_fd < 0)
		return agent->notes_fd;
	if (files->memory < 0)
		return files->memory;
	if (files->state < 0)
		return files->state;
	err = map_notes(agent);
	if (err)
		return err;
	if (agent->notes->magic != NOTES_MAGIC)
		return -EPROTONOSUPPORT;
	if (agent->notes->unread >= sizeof(agent->notes->line))
		return -EUCLEAN;
	files->size = agent->notes->memory_size;
	agent->vm.serial.length = agent->notes->unread;
	memcpy(agent->vm.serial.text, agent->notes->line, agent->notes->unread);
	return 0;
}

/*
 * The point of no return is the guest's first instruction: from then on the state
 * that was saved does not fit the memory. Until then everything can be done again,
 * by this process or another one; so finish just before, not earlier.
 */
static int second_kernel(struct agent *agent, bool die)
{
	__u64 began = cycles();
	int err = retrieve_files(agent);

	if (err)
		return err;
	host_at(began, "boot", "found session %s", SESSION);
	host("retrieve", "retrieved memory, state and notes");
	err = vm_start(&agent->vm, true);
	if (err)
		return failed("QEMU", err);
	host("start", "started QEMU, %s", agent->vm.version);
	err = vm_load(&agent->vm);
	if (err)
		return failed("load", err);
	host("load", "loaded its state");
	if (die) {
		host("-", "the agent dies");
		raise(SIGKILL);
	}
	err = luo_finish(agent->session);
	if (err)
		return failed("finish", err);
	host("finish", "finished the session");
	err = vm_continue(&agent->vm);
	if (err)
		return failed("continue", err);
	host_at(agent->vm.changed, "run", "the guest goes on");
	err = run_steps(agent, option("vm_steps", 10));
	err = err ?: vm_ask_guest(&agent->vm);
	while (!err && !agent->audited)
		err = vm_listen(&agent->vm, 1000);
	return err ?: vm_quit(&agent->vm);
}

/* ---- the process */

/*
 * Is there something to go on with? "No" is -ENOENT and nothing else: any other answer
 * means that a machine was handed over and cannot be had now, and to start from
 * nothing would be to start it twice, or to lose it.
 */
static int run_agent(struct agent *agent, bool die)
{
	int device = luo_open_wait(1000);

	if (device < 0)
		return device;
	agent->session = luo_retrieve(device, SESSION, LIVEUPDATE_RETRIEVE_KEEP);
	close(device);
	if (agent->session == -ENOENT)
		return first_kernel(agent);
	if (agent->session < 0)
		return agent->session;
	return second_kernel(agent, die);
}

/* Its exit status; -1 if it was killed. */
static int start_agent(bool die)
{
	static struct agent agent = { .vm.heard = guest_said };
	int status = 0, err;
	pid_t pid = fork();

	if (!pid) {
		agent.vm.arg = &agent;
		err = run_agent(&agent, die);
		if (err)
			fprintf(story, "agent: %s\n", strerror(-err));
		exit(err ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	/* Its QEMU dies with it, but not at the same moment. */
	while (wait(NULL) > 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
	struct utsname uts;
	int attempt, status = -1;

	story = start_host();
	uname(&uts);
	fprintf(story, "kernel %s after %.3f s\n", uts.release, now());
	for (attempt = 0; attempt < ATTEMPTS && status < 0; attempt++)
		status = start_agent(!attempt && option("vm_die", 0));
	fprintf(story, "end: %s\n", status ? "failed" : "done");
	power_off(story);
}
