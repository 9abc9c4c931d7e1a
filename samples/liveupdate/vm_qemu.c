// SPDX-License-Identifier: GPL-2.0
/*
 * Starting an unmodified QEMU so that its machine can be taken over a live update:
 *
 *  - The guest's memory is a memfd of ours, shared: memory-backend-file on its path
 *    under /proc/self/fd. (memory-backend-memfd makes one of its own, which nobody
 *    else could preserve.)
 *  - "Migration" saves and loads the rest of the machine, some 100 KiB, to and from a
 *    second memfd: mode cpr-reboot, with x-ignore-shared, which leaves out memory
 *    that is shared. Loading needs the same command line.
 *
 * QEMU is told what to do over QMP, one JSON object a line, on a socketpair. The
 * guest's serial port is another one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "host.h"
#include "vm_qemu.h"

#define QEMU		"/usr/bin/qemu-system-x86_64"
#define FIRMWARE	"/vm_guest.bin"
#define PATIENCE	120	/* seconds that QEMU may take for anything */

/* ---- JSON, as far as QMP speaks it: an object is one line */

static const char *skip_string(const char *p)
{
	for (p++; *p && *p != '"'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p ? p + 1 : p;
}

static const char *skip_value(const char *p)
{
	int depth = 0;

	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		depth += *p == '{' || *p == '[';
		depth -= *p == '}' || *p == ']';
		p++;
	} while (*p && (depth > 0 || !strchr(",}]", *p)));
	return p;
}

/* Where the value of that key of an object begins; NULL if it has none. */
static const char *json_get(const char *object, const char *key)
{
	const char *name, *p = object;
	size_t length = strlen(key);
	bool found;

	if (!p || *p != '{')
		return NULL;
	for (p++; ; p = skip_value(p)) {
		p += strspn(p, ", ");
		if (*p != '"')
			return NULL;
		name = p + 1;
		p = skip_string(p);
		found = p == name + length + 1 && !strncmp(name, key, length);
		p += strspn(p, ": ");
		if (found)
			return p;
	}
}

/* A string, as it stands there; empty if it is none. */
static void json_text(const char *value, char *text, size_t size)
{
	size_t length = 0;

	if (value && *value == '"')
		length = skip_string(value) - value - 2;
	snprintf(text, size, "%.*s", (int)length, length ? value + 1 : "");
}

static bool json_is(const char *value, const char *text)
{
	char found[64];

	json_text(value, found, sizeof(found));
	return !strcmp(found, text);
}

/* ---- lines */

/* How much has come; 0 is none, for now. */
static ssize_t stream_read(struct stream *s)
{
	ssize_t n = recv(s->fd, s->text + s->length, sizeof(s->text) - 1 - s->length,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	s->length += n;
	s->text[s->length] = '\0';
	return n;
}

/* The next whole line, without its end. */
static bool stream_line(struct stream *s, char *line, size_t size)
{
	char *end = memchr(s->text, '\n', s->length);
	size_t length;

	if (!end && s->length < sizeof(s->text) - 1)
		return false;
	length = end ? (size_t)(end + 1 - s->text) : s->length;
	snprintf(line, size, "%.*s", (int)strcspn(s->text, "\r\n"), s->text);
	s->length -= length;
	memmove(s->text, s->text + length, s->length + 1);
	return true;
}

/* An event changes what is known of the machine; anything else answers a command. */
static void qmp_line(struct vm *vm, const char *line)
{
	const char *event = json_get(line, "event"), *data = json_get(line, "data");

	if (!event) {
		snprintf(vm->reply, sizeof(vm->reply), "%.*s", (int)sizeof(vm->reply) - 1, line);
	} else if (json_is(event, "STOP") || json_is(event, "RESUME")) {
		vm->running = json_is(event, "RESUME");
		vm->changed = cycles();
	} else if (json_is(event, "MIGRATION")) {
		json_text(json_get(data, "status"), vm->migration, sizeof(vm->migration));
	}
}

/* Wait that long for something to come, and take in all that is there. */
int vm_listen(struct vm *vm, int ms)
{
	struct pollfd fds[] = {
		{ .fd = vm->qmp.fd, .events = POLLIN },
		{ .fd = vm->serial.fd, .events = POLLIN },
	};
	char line[sizeof(vm->qmp.text)];
	ssize_t n;

	if (poll(fds, 2, ms) < 0)
		return errno == EINTR ? 0 : -errno;
	while (stream_read(&vm->serial) > 0)
		while (stream_line(&vm->serial, line, sizeof(line)))
			vm->heard(vm->arg, line);
	while ((n = stream_read(&vm->qmp)) > 0)
		while (stream_line(&vm->qmp, line, sizeof(line)))
			qmp_line(vm, line);
	return n;
}

/* ---- QMP */

/* Until QEMU has answered: 0, or what it said is shown. */
static int qmp_reply(struct vm *vm)
{
	double deadline = now() + PATIENCE;
	int err = 0;

	while (!err && !*vm->reply)
		err = now() > deadline ? -ETIMEDOUT : vm_listen(vm, 1000);
	if (!*vm->reply)
		return err;
	if (json_get(vm->reply, "return") || json_get(vm->reply, "QMP"))
		return 0;
	fprintf(stderr, "QEMU: %s\n", vm->reply);
	return -EIO;
}

static int qmp_call(struct vm *vm, const char *command, const char *arguments)
{
	*vm->reply = '\0';
	if (dprintf(vm->qmp.fd, "{\"execute\": \"%s\"%s%s}\n", command,
		    *arguments ? ", \"arguments\": " : "", arguments) < 0)
		return -EPIPE;
	return qmp_reply(vm);
}

/* Until the machine runs or stands still. */
static int wait_running(struct vm *vm, bool running)
{
	double deadline = now() + PATIENCE;
	int err = 0;

	while (!err && vm->running != running)
		err = now() > deadline ? -ETIMEDOUT : vm_listen(vm, 1000);
	return err;
}

/* "Migrate" to the second memfd, or from it. */
static int migrate(struct vm *vm, const char *command)
{
	double deadline = now() + PATIENCE;
	char where[64];
	int err;

	*vm->migration = '\0';
	snprintf(where, sizeof(where), "{\"uri\": \"file:/proc/self/fd/%d\"}", vm->files.state);
	err = qmp_call(vm, command, where);
	while (!err && strcmp(vm->migration, "completed")) {
		if (!strcmp(vm->migration, "failed"))
			return -EIO;
		err = now() > deadline ? -ETIMEDOUT : vm_listen(vm, 1000);
	}
	return err;
}

static int allow(struct vm *vm, const char *capability)
{
	char list[128];

	snprintf(list, sizeof(list),
		 "{\"capabilities\": [{\"capability\": \"%s\", \"state\": true}]}", capability);
	return qmp_call(vm, "migrate-set-capabilities", list);
}

static int greet(struct vm *vm)
{
	int err = qmp_reply(vm);

	json_text(json_get(json_get(json_get(vm->reply, "QMP"), "version"), "package"),
		  vm->version, sizeof(vm->version));
	err = err ?: qmp_call(vm, "qmp_capabilities", "");
	err = err ?: allow(vm, "x-ignore-shared");
	err = err ?: allow(vm, "events");
	return err ?: qmp_call(vm, "migrate-set-parameters", "{\"mode\": \"cpr-reboot\"}");
}

/* ---- the process */

static void inherit(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

/* The child's side: both sockets, and the memfds under the numbers that they have here. */
static noreturn void run_qemu(const struct vm *vm, int qmp, int serial, bool incoming)
{
	char memory[160], monitor[64], port[64], megabytes[32];
	const char *const argv[] = {
		QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-S",
		"-M", "microvm,pic=off,pit=off,rtc=off,memory-backend=memory",
		"-accel", getenv("vm_accel") ?: "tcg", "-cpu", "qemu64", "-m", megabytes,
		"-object", memory, "-bios", FIRMWARE,
		"-chardev", port, "-serial", "chardev:serial",
		"-chardev", monitor, "-object", "monitor-qmp,id=monitor,chardev=qmp",
		incoming ? "-incoming" : NULL, "defer", NULL
	};

	/* Nobody else may write to the memory once the next agent has it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(megabytes, sizeof(megabytes), "%zuM", vm->files.size >> 20);
	snprintf(memory, sizeof(memory),
		 "memory-backend-file,id=memory,share=on,size=%s,mem-path=/proc/self/fd/%d",
		 megabytes, vm->files.memory);
	snprintf(monitor, sizeof(monitor), "socket,id=qmp,fd=%d", qmp);
	snprintf(port, sizeof(port), "socket,id=serial,fd=%d", serial);
	inherit(vm->files.memory);
	inherit(vm->files.state);
	inherit(qmp);
	inherit(serial);
	execv(QEMU, (char *const *)argv);
	perror(QEMU);
	_exit(127);
}

/* Start it; the machine does not run until vm_continue(). */
int vm_start(struct vm *vm, bool incoming)
{
	int qmp[2], serial[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, serial))
		return -errno;
	vm->pid = fork();
	if (vm->pid < 0)
		return -errno;
	if (!vm->pid)
		run_qemu(vm, qmp[1], serial[1], incoming);
	close(qmp[1]);
	close(serial[1]);
	vm->qmp.fd = qmp[0];
	vm->serial.fd = serial[0];
	return greet(vm);
}

void vm_kill(struct vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	close(vm->qmp.fd);
	close(vm->serial.fd);
}

/* Stop the machine and write its state; QEMU stays, and vm_continue() goes back. */
int vm_save(struct vm *vm)
{
	int err = migrate(vm, "migrate");

	err = err ?: wait_running(vm, false);
	/* What the guest said last is still on its way. */
	return err ?: vm_listen(vm, 0);
}

int vm_load(struct vm *vm)
{
	return migrate(vm, "migrate-incoming");
}

int vm_continue(struct vm *vm)
{
	return qmp_call(vm, "cont", "") ?: wait_running(vm, true);
}

int vm_quit(struct vm *vm)
{
	int err = qmp_call(vm, "quit", "");

	vm_kill(vm);
	return err;
}

/* One byte makes this guest tell what it has found. */
int vm_ask_guest(struct vm *vm)
{
	return write(vm->serial.fd, "?", 1) == 1 ? 0 : -EPIPE;
}
