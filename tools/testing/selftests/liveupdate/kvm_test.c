// SPDX-License-Identifier: GPL-2.0
/*
 * A virtual CPU of KVM that touches a hole of its frozen memory: it waits, can be kicked out
 * of KVM_RUN by a signal, and goes on after the thaw. Whether KVM asks a kernel thread first
 * (asynchronous page faults) makes no difference.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/harness.h"

#ifdef __x86_64__	/* the guest's code is */
#include "lib/fixture.h"

#define PAGES	8
#define HOLE	(4 * PAGE)

/* movb $'k', (0x4000); hlt: in real mode, at address 0 */
static const unsigned char code[] = { 0xc6, 0x06, 0x00, 0x40, 'k', 0xf4 };

struct machine {
	int vcpu;
	struct kvm_run *run;
};

static bool make_machine(struct machine *m, int kvm, char *memory)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = PAGES * PAGE,
		.userspace_addr = (unsigned long)memory,
	};
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rflags = 2 };
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		return false;
	m->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (m->vcpu < 0 || ioctl(m->vcpu, KVM_GET_SREGS, &sregs))
		return false;
	m->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		      MAP_SHARED, m->vcpu, 0);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return m->run != MAP_FAILED && !ioctl(m->vcpu, KVM_SET_SREGS, &sregs) &&
	       !ioctl(m->vcpu, KVM_SET_REGS, &regs);
}

static void nothing(int sig)
{
}

/* The virtual CPU belongs to the process that made it: all of it is in the child. */
struct guest {
	char *memory;
	int kicked[2];
};

static void run_guest(void *arg)
{
	struct sigaction action = { .sa_handler = nothing };	/* no SA_RESTART */
	struct guest *g = arg;
	struct machine m;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	sigaction(SIGUSR1, &action, NULL);
	if (kvm < 0 || !make_machine(&m, kvm, g->memory))
		_exit(10);
	while (ioctl(m.vcpu, KVM_RUN, 0)) {
		if (errno != EINTR || write(g->kicked[1], "k", 1) != 1)
			_exit(11);
	}
	if (m.run->exit_reason != KVM_EXIT_HLT)
		_exit(12);
}

TEST_F(session, virtual_cpu_waits_and_can_be_kicked)
{
	int memfd = test_memfd(PAGES * PAGE);
	struct guest g = { .memory = luo_map(memfd, PAGES * PAGE) };
	struct luo_child c;
	char byte;

	if (access("/dev/kvm", R_OK | W_OK))
		SKIP(return, "no /dev/kvm");
	ASSERT_EQ(0, pipe(g.kicked));
	ASSERT_EQ(sizeof(code), pwrite(memfd, code, sizeof(code), 0));
	test_preserve(self->one, memfd, 1);
	test_freeze(self->one);

	ASSERT_TRUE(luo_child_start(&c, run_guest, &g));
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(luo_child_sleeps(&c));
		ASSERT_EQ(0, kill(c.pid, SIGUSR1));
		ASSERT_EQ(1, read(g.kicked[0], &byte, 1));
	}
	ASSERT_TRUE(luo_child_sleeps(&c));
	EXPECT_TRUE(luo_is_hole(memfd, HOLE, HOLE));

	test_thaw(self->one);
	EXPECT_TRUE(luo_child_done(&c));
	EXPECT_EQ(0, luo_child_exit(&c));
	EXPECT_EQ('k', g.memory[HOLE]);
}

#endif /* __x86_64__ */

TEST_HARNESS_MAIN
