# SPDX-License-Identifier: GPL-2.0
#
# Live Update Orchestrator: build it, boot it, test it. `make help` says what there is.

# A tree of the user's own as the base, and what the demo's guest is started with
KSRC ?=
KERNEL_ARGS ?=
MEMORY ?= 2G
# For make demo-vm: the virtual machine's memory, in MiB, and what runs it, tcg or kvm
VM_MEMORY ?= 256
ACCEL ?= tcg
TEST ?=
# For make check-configs: which of them
CONFIGS ?= 1 2 3 4 5 6 7 8 9 10 11 12
# For make deb: what is packed
DEB ?= tools kernel
# For make bench: fewer sizes; one case; the kernel that is configured as Debian's
QUICK ?=
# Some shells have it in the environment.
HOST :=
CASE ?=
# For make fuzz-calls: how many, and which ones
CALLS ?= 1000000
SEED ?= 1
# Another base than linux-source-7.3, another architecture than x86_64
BASE ?=
ARCH ?=
# For arm64, 16k: pages of that size
PAGES ?=
export KSRC KERNEL_ARGS MEMORY BASE ARCH PAGES

build := build
check := scripts/check.py

# One job at a time here; the kernel's own make runs in parallel.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

help:
	@sed -n 's/^#: \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

#: The Live Update Orchestrator: file descriptors that survive the replacement of the kernel.
#:
#:   make demo         watch memfds survive a kexec in a QEMU guest   (KERNEL_ARGS=, MEMORY=2G)
#:   make demo-vm      watch a virtual machine that does not notice  (VM_MEMORY=256, ACCEL=kvm)
#:   make demo-host    watch a Debian that is live-updated three times     (SHORT=1: once)
#:   make check        the everyday tests                            (TEST=<name> runs one)
#:
#:   make shell        busybox in the guest, /dev/liveupdate and a second kernel at hand
#:   make kernel       build our kernel: build/out/lean/arch/x86/boot/bzImage
#:   make debug-kernel the same with lockdep, KASAN, fault injection: build/out/debug
#:   make stock        build the untouched base with the same configuration: build/out/stock
#:   make kernel-off   compile with CONFIG_LIVEUPDATE=n
#:
#:   make check-user   the pure code in user space, under sanitizers: seconds
#:   make fuzz-wire    damaged handovers for their reader, coverage-guided  (FUZZ_SECONDS=30)
#:   make fuzz-extent  damaged lists of a memfd's extents for theirs
#:   make fuzz-v2      damaged memfds in the older format, memfd-v2
#:   make fuzz-hwpoison damaged lists of bad pages
#:   make fuzz-calls   a million calls at random on the debug kernel      (CALLS=, SEED=)
#:   make fuzz-faults  every allocation and user copy fails, on the debug kernel, in depth
#:   make kunit        the KUnit suites
#:   make check-stock  the base's own selftests on our kernel
#:   make check-debug  KUnit and selftests on the debug kernel
#:   make check-full   all of these, W=1, sparse, coverage, kernel-off: long
#:   make check-all    all there is, also on Linux 7.2 and for arm64: hours
#:   make check-interop live updates between our kernel, the stock one, and ours on Linux 7.2
#:   make check-systemd systemd as process 1 carries its services' state over two live updates
#:   make check-kvm    a virtual CPU of KVM, itself emulated, that waits for frozen memory
#:   make check-kcsan  the concurrent tests on a kernel that notices data races
#:   make check-configs a dozen kernels whose configurations are drawn by lot, with W=1: long
#:   make check-host   on a kernel with Debian's configuration; small hosts, several NUMA nodes, what
#:                     a command line may ask for
#:   make host-kernel  that kernel: build/out/host                          (an hour)
#:   make deb          it, luoctl and libluo as packages of Debian: build/deb  (DEB=tools)
#:   make check-deb    install, upgrade and purge these
#:   make bench        what a live update costs, ours and stock: build/bench (QUICK=1, CASE=);
#:                     with HOST=1 the kernel configured as Debian's, and ours: build/bench-host
#:   make bench-scratch how much memory is set aside on hosts of many sizes, ours and stock
#:   make docs         the documents as HTML: build/docs
#:   make series       the patches to mail: build/series
#:   make check-series do they apply, build at each step, and come to what is tested? Long
#:   make coverage     which lines of kernel/liveupdate the tests run
#:   make style        checkpatch, W=1, sparse, kernel-doc on our files
#:
#:   make setup        install what all this needs; every target does so by itself
#:   make clean        remove the kernels, keep the source trees
#:   make distclean    remove all of build/
#:
#: KSRC=<tree> builds on a kernel tree of your own instead of Debian's linux-source-7.3,
#: BASE=7.2 on linux-source-7.2, in build/7.2; ARCH=arm64 cross-compiles, in build/arm64; with
#: PAGES=16k in addition, for pages of 16 KiB.

setup:
	@scripts/setup.sh

kernel: setup
	@scripts/build.sh lean$(PAGES)

debug-kernel: setup
	@scripts/build.sh debug

stock: setup
	@scripts/build.sh stock

kernel-off: setup
	@scripts/build.sh off

demo: kernel
	@scripts/demo.py --memory "$(MEMORY)" --append "$(KERNEL_ARGS)"

demo-vm: setup
	@scripts/build.sh $(if $(filter kvm,$(ACCEL)),kvm,lean)
	@scripts/demo_vm.py --accel "$(ACCEL)" --guest-memory "$(VM_MEMORY)" --memory "$(MEMORY)" \
		--append "$(KERNEL_ARGS)"

demo-host: setup
	@scripts/setup.sh deb
	@set -e; for name in host host-next; do scripts/build.sh $$name; done
	@scripts/demo_host.py $(if $(SHORT),--short)

shell: kernel
	@scripts/shell.py --memory "$(MEMORY)" --append "$(KERNEL_ARGS)"

check: kernel
	@$(check) --tier check $(if $(TEST),--test '$(TEST)')

check-debug: debug-kernel
	@$(check) --tier debug $(if $(TEST),--test '$(TEST)')

check-full: export STYLE := all
check-full: kernel debug-kernel kernel-off
	@$(check) --tier all $(if $(TEST),--test '$(TEST)')

check-all: setup
	@scripts/steps.sh $(build)/check-all.log 'make check-full' 'make check-interop' \
		'make check-systemd' 'make check-kvm' 'make check-kcsan' 'make check-host' 'make check-configs' \
		'make check-deb' 'make SHORT=1 demo-host' 'make check-series' 'make BASE=7.2 check' 'make ARCH=arm64 check' \
		'make ARCH=arm64 PAGES=16k check'

series: setup
	@scripts/tree.sh linux
	@scripts/series.py

check-series: series
	@scripts/setup.sh docs series
	@scripts/check_series.py

docs:
	@scripts/setup.sh docs
	@scripts/tree.sh linux
	@scripts/docs.sh

bench: kernel
	@scripts/setup.sh bench
	@scripts/build.sh $(if $(HOST),host,stock)
	@scripts/bench.py $(if $(HOST),--host) $(if $(QUICK),--quick) $(if $(CASE),--case '$(CASE)')

bench-scratch: kernel stock
	@scripts/bench_scratch.py

check-interop: setup
	@scripts/build.sh interop
	@scripts/build.sh plain
	@scripts/build.sh stock-interop
	@BASE=7.2 scripts/build.sh interop
	@$(check) --tier interop $(if $(TEST),--test '$(TEST)')

check-systemd: setup
	@scripts/build.sh systemd
	@$(check) --tier systemd $(if $(TEST),--test '$(TEST)')

check-kvm: setup
	@scripts/build.sh kvm
	@$(check) --tier kvm

check-kcsan: setup
	@scripts/build.sh kcsan
	@$(check) --tier kcsan $(if $(TEST),--test '$(TEST)')

check-host: kernel
	@set -e; for name in early host host-next; do scripts/build.sh $$name; done
	@$(check) --tier host $(if $(TEST),--test '$(TEST)')

host-kernel: setup
	@scripts/build.sh host

deb: setup
	@scripts/setup.sh deb
	@set -e; for what in $(DEB); do scripts/deb.sh $$what; done

check-deb: setup
	@scripts/setup.sh deb
	@scripts/build.sh host
	@$(check) --tier deb

check-configs: setup
	@set -e; for n in $(CONFIGS); do scripts/build.sh config-$$n; done
	@$(check) --tier configs $(if $(TEST),--test '$(TEST)')

check-user: setup
	@scripts/tree.sh linux
	@$(check) --tier user

fuzz-calls: debug-kernel
	@$(check) --tier debug --test calls --append 'luo_calls=$(CALLS) luo_seed=$(SEED)'

fuzz-faults: debug-kernel
	@$(check) --tier debug --test '*fa[iu]l*' --append luo_faults=deep

fuzz-wire fuzz-extent fuzz-v2 fuzz-hwpoison: setup
	@scripts/tree.sh linux
	@$(MAKE) -C tools/testing/liveupdate $@ FUZZ_VERBOSE=1

kunit: kernel
	@$(check) --tier kunit

check-stock: kernel
	@$(check) --tier stock

coverage: setup
	@scripts/build.sh coverage
	@scripts/coverage.py

style: kernel
	@scripts/style.sh all

clean:
	rm -rf $(build)/out $(build)/logs $(build)/initramfs $(build)/disks $(build)/demo* $(build)/docs \
		$(build)/series* $(build)/deb*

distclean:
	rm -rf $(build)

.PHONY: bench bench-scratch help setup kernel debug-kernel stock kernel-off demo demo-vm demo-host shell check check-debug \
	check-full check-all check-interop check-systemd check-kvm check-kcsan check-host check-configs \
	host-kernel deb check-deb check-series series docs check-user fuzz-wire \
	fuzz-extent fuzz-v2 fuzz-hwpoison fuzz-calls fuzz-faults kunit check-stock coverage style \
	clean distclean
