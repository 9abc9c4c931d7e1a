/* SPDX-License-Identifier: GPL-2.0 */
/* A virtual machine: a QEMU process, what it says of it (QMP), and the guest's serial port. */
#ifndef VM_QEMU_H
#define VM_QEMU_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <sys/types.h>

struct json_object;

/* What has come on a socket and is not a whole line yet */
struct stream {
	int fd;
	size_t length;
	char text[4096];
};

/* What QEMU lives on; all three outlast the process. */
struct vm_files {
	int memory;		/* memfd: the guest's RAM */
	int state;		/* memfd: all else of the machine, once it has been saved */
	size_t size;		/* of the memory */
};

struct vm {
	struct vm_files files;
	pid_t pid;
	struct stream qmp;
	struct stream serial;
	void (*heard)(void *arg, const char *line);	/* what the guest said */
	void *arg;

	/* What QEMU said */
	char version[64];
	struct json_object *reply;	/* to the last command; NULL: none yet */
	char migration[16];
	bool running;
	__u64 changed;		/* cycles() when running did */
};

int vm_start(struct vm *vm, bool incoming);
void vm_kill(struct vm *vm);
int vm_save(struct vm *vm);
int vm_load(struct vm *vm);
int vm_continue(struct vm *vm);
int vm_quit(struct vm *vm);
int vm_ask_guest(struct vm *vm);
int vm_listen(struct vm *vm, int ms);

#endif
