// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual machine that is a service of systemd, luo-vm.service, and goes on in the next kernel:
 * part of `make demo-host`. Documentation/userspace-api/liveupdate-vmm.rst goes with it.
 *
 * The unit says LUOSession=vm: systemd makes a session of that name, gives it to the service as a
 * descriptor, keeps it when the service ends, and has it again in the next kernel. The service
 * preserves the guest's memory while the guest runs. When it is told to end it saves the rest of
 * the machine, and preserves that: so it ends in time for a live update, late for an operator who
 * just stops it, since what is in the session can be had back in the next kernel only.
 *
 * SIGUSR1 makes the guest go through all that it has in memory, and tell what it finds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include "host.h"
#include "libluo.h"
#include "vm_qemu.h"

#define SESSION		"vm"

/* The last one has that part of a line of the guest's that has come. */
enum token { TOKEN_MEMORY, TOKEN_STATE, TOKEN_LINE };

struct service {
	struct vm vm;
	int session;
	unsigned long step;		/* the last that the guest told of */
	bool silent;			/* no step was told yet */
};

/* What the guest says but for its steps, of which the first is told, is for the journal. */
static void guest_said(void *arg, const char *line)
{
	struct service *service = arg;

	if (sscanf(line, "step %lu", &service->step) != 1) {
		printf("guest: %s\n", line);
	} else if (service->silent) {
		printf("the guest is at step %lu\n", service->step);
		service->silent = false;
	}
}

static int failed(const char *what, int err)
{
	if (err < 0)
		printf("%s: %s\n", what, luo_strerror(err));
	return err;
}

/* The descriptor of that name that systemd gives */
static int given(const char *name)
{
	char **names = NULL;
	int nr = sd_listen_fds_with_names(0, &names), found = -ENOENT;

	for (int i = 0; i < nr; i++) {
		if (!strcmp(names[i], name))
			found = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	return found;
}

static int new_machine(struct service *service, unsigned long megabytes)
{
	struct vm_files *files = &service->vm.files;

	files->size = megabytes * MIB;
	files->memory = memfd_create("memory", MFD_CLOEXEC);
	files->state = memfd_create("state", MFD_CLOEXEC);
	if (files->memory < 0 || files->state < 0 || ftruncate(files->memory, files->size))
		return -errno;
	return failed("QEMU", vm_start(&service->vm, false));
}

static int preserve_line(struct service *service)
{
	const struct stream *serial = &service->vm.serial;
	int err, fd = memfd_create("line", MFD_CLOEXEC);

	if (fd < 0 || write(fd, serial->text, serial->length) != (ssize_t)serial->length)
		return -errno;
	err = luo_preserve(service->session, fd, TOKEN_LINE);
	close(fd);
	return err;
}

static int retrieve_line(struct service *service)
{
	struct stream *serial = &service->vm.serial;
	int fd = luo_retrieve_fd(service->session, TOKEN_LINE);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, serial->text, sizeof(serial->text) - 1);
	close(fd);
	if (n < 0)
		return -errno;
	serial->length = n;
	return 0;
}

/* Of the previous kernel. Only when QEMU has taken all of it is the session done with. */
static int old_machine(struct service *service)
{
	struct vm_files *files = &service->vm.files;
	struct stat st;
	int err;

	files->state = luo_retrieve_fd(service->session, TOKEN_STATE);
	if (files->state < 0 || fstat(files->memory, &st))
		return failed("state", files->state < 0 ? files->state : -errno);
	files->size = st.st_size;
	err = failed("line", retrieve_line(service));
	err = err ?: failed("QEMU", vm_start(&service->vm, true));
	err = err ?: failed("load", vm_load(&service->vm));
	return err ?: failed("finish", luo_finish(service->session));
}

/* -EINVAL: the session is a new one. All else means that a machine was handed over to us. */
static int begin(struct service *service, unsigned long megabytes)
{
	int err, memory = luo_retrieve_fd(service->session, TOKEN_MEMORY);

	if (memory < 0 && memory != -EINVAL)
		return failed("memory", memory);
	service->vm.files.memory = memory;
	err = memory < 0 ? new_machine(service, megabytes) : old_machine(service);
	/* While the guest runs: this takes time in proportion to its memory. */
	err = err ?: failed("continue", vm_continue(&service->vm));
	if (err)
		return err;
	printf("%s\n", memory < 0 ? "a new machine" : "the machine goes on");
	return failed("preserve its memory", luo_preserve(service->session,
							  service->vm.files.memory, TOKEN_MEMORY));
}

/* Signals are blocked, and taken between two looks at QEMU. */
static void block(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, signals, NULL);
}

static int serve(struct service *service, const sigset_t *signals)
{
	const struct timespec now = { };
	int err = 0, signal = 0;

	while (!err && signal != SIGTERM) {
		err = vm_listen(&service->vm, 100);
		signal = sigtimedwait(signals, NULL, &now);
		if (signal == SIGUSR1)
			err = err ?: vm_ask_guest(&service->vm);
	}
	return failed("QEMU", err);
}

static int end(struct service *service)
{
	int err = failed("save", vm_save(&service->vm));

	err = err ?: failed("preserve its state",
			    luo_preserve(service->session, service->vm.files.state, TOKEN_STATE));
	err = err ?: failed("preserve a line", preserve_line(service));
	if (!err)
		printf("the machine is saved at step %lu\n", service->step);
	vm_kill(&service->vm);
	return err;
}

int main(int argc, char **argv)
{
	static struct service service = { .vm.heard = guest_said, .silent = true };
	unsigned long megabytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	sigset_t signals;
	int err;

	setlinebuf(stdout);
	service.vm.arg = &service;
	service.session = given(SESSION);
	if (service.session < 0 || !megabytes) {
		fprintf(stderr, "usage: %s MIB, as a service with LUOSession=" SESSION "\n",
			argv[0]);
		return 2;
	}
	err = begin(&service, megabytes);
	/* QEMU was started with the signals of this process as they were. */
	block(&signals);
	if (!err) {
		sd_notify(0, "READY=1");
		err = serve(&service, &signals) ?: end(&service);
	}
	return err ? 1 : 0;
}
