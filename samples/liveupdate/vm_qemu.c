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
#include <json-c/json.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "host.h"
#include "vm_qemu.h"

#define QEMU		"/usr/bin/qemu"
#define FIRMWARE	"/vm_guest.bin"
#define PATIENCE	120	/* seconds that QEMU may take for anything */

/* What an object has under that key, which stays the object's; NULL: nothing */
static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

/* The same of a string; empty: nothing */
static const char *member_text(struct json_object *object, const char *key)
{
	return json_object_get_string(member(object, key)) ?: "";
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
	struct json_object *said = json_tokener_parse(line);
	const char *event = member_text(said, "event");

	if (!member(said, "event")) {
		json_object_put(vm->reply);
		vm->reply = said;
		return;
	}
	if (!strcmp(event, "STOP") || !strcmp(event, "RESUME")) {
		vm->running = !strcmp(event, "RESUME");
		vm->changed = cycles();
	} else if (!strcmp(event, "MIGRATION")) {
		snprintf(vm->migration, sizeof(vm->migration), "%s",
			 member_text(member(said, "data"), "status"));
	}
	json_object_put(said);
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

	while (!err && !vm->reply)
		err = now() > deadline ? -ETIMEDOUT : vm_listen(vm, 1000);
	if (!vm->reply)
		return err;
	if (member(vm->reply, "return") || member(vm->reply, "QMP"))
		return 0;
	fprintf(stderr, "QEMU: %s\n", json_object_to_json_string(vm->reply));
	return -EIO;
}

static int qmp_call(struct vm *vm, const char *command, const char *arguments)
{
	json_object_put(vm->reply);
	vm->reply = NULL;
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

	snprintf(vm->version, sizeof(vm->version), "%s",
		 member_text(member(member(vm->reply, "QMP"), "version"), "package"));
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

static void close_both(const int *fds)
{
	close(fds[0]);
	close(fds[1]);
}

/* Start it; the machine does not run until vm_continue(). */
int vm_start(struct vm *vm, bool incoming)
{
	int qmp[2], serial[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp))
		return -errno;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, serial)) {
		err = -errno;
		goto err_qmp;
	}
	vm->pid = fork();
	if (vm->pid < 0) {
		err = -errno;
		goto err_serial;
	}
	if (!vm->pid)
		run_qemu(vm, qmp[1], serial[1], incoming);
	close(qmp[1]);
	close(serial[1]);
	vm->qmp.fd = qmp[0];
	vm->serial.fd = serial[0];
	return greet(vm);

err_serial:
	close_both(serial);
err_qmp:
	close_both(qmp);
	return err;
}

void vm_kill(struct vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	close(vm->qmp.fd);
	close(vm->serial.fd);
	json_object_put(vm->reply);
	vm->reply = NULL;
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
