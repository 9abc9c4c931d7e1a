// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl formats, preflight and kexec, as long as nothing is started: what they say of the
 * images in /images, which scripts/images.py has made of the kernel that runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/flb.h"
#include "lib/harness.h"
#include "lib/shell.h"

#define NEXT	"/boot/kernel"

FIXTURE(preflight) {
	int dev;
	int session;
};

FIXTURE_SETUP(preflight)
{
	if (access("/images/unmarked", R_OK) || access("/sbin/luoctl", X_OK))
		SKIP(return, "no images or no luoctl: see scripts/images.py");
	ASSERT_EQ(0, luo_unload());
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
	self->dev = test_open();
	self->session = test_create(self->dev, "preflight");
	close(self->dev);
}

FIXTURE_TEARDOWN(preflight)
{
	close(self->session);
	luo_memfd_format("extent-v1");
	luo_unload();
}

static void hold_memfd(struct __test_metadata *_metadata, int session, const char *format)
{
	ASSERT_TRUE(luo_memfd_format(format));
	test_preserve(session, test_memfd(PAGE), 1);
}

/* What the kernel that runs says of itself is what is in its image, in whatever packing. */
TEST_F(preflight, formats_of_one)
{
	static const char *const names[] = {
		NEXT, "/images/gzip", "/images/zstd", "/images/lz4", "/images/xz",
		"/images/zboot", "/images/arm64",
	};
	char line[256];

	expect_shell(0, "luoctl formats | grep -v '^the' >/tmp/running");
	for (int i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(line, sizeof(line),
			 "luoctl formats %s | grep -v '^/' | cmp - /tmp/running", names[i]);
		expect_shell(0, line);
	}
	expect_shell(0, "luoctl formats " NEXT);
	expect_out("x86_64, pages of 4 KiB, Kexec HandOver is on by default");
	expect_out("  kho      kho-v4 ");
	expect_out("  luo      luo-v5 ");
	expect_out("  file     memfd-extent-v1 ");
	expect_shell(0, "luoctl formats /images/arm64");
	expect_out("/images/arm64: aarch64");
	expect_shell(0, "luoctl formats --json " NEXT);
	luo_print_json();
	expect_shell(0, "luoctl formats --json");
	luo_print_json();
}

TEST_F(preflight, formats_cannot_tell)
{
	static const struct {
		const char *name;
		const char *why;
	} images[] = {
		{ "cut", "truncated" },
		{ "arm64-cut", "truncated" },
		{ "cut-inside", "truncated or corrupted" },
		{ "bzip2", "unknown compression" },
		{ "unmarked", "it does not note its formats" },
		{ "debian", "it does not note its formats" },
		{ "no-such-file", "No such file" },
	};
	char line[128];

	for (int i = 0; i < ARRAY_SIZE(images); i++) {
		snprintf(line, sizeof(line), "/images/%s", images[i].name);
		/* Its package could not be had; who runs this says so. */
		if (!strcmp(images[i].name, "debian") && access(line, R_OK))
			continue;
		snprintf(line, sizeof(line), "luoctl formats /images/%s", images[i].name);
		expect_shell(2, line);
		expect_err(images[i].name);
		expect_err(images[i].why);
		snprintf(line, sizeof(line), "luoctl preflight -N /images/%s", images[i].name);
		if (!strcmp(images[i].name, "arm64-cut")) {
			expect_shell(1, line);
			continue;
		}
		expect_shell(2, line);
		expect_out("unknown whether it takes over");
		expect_out(images[i].why);
	}
	expect_shell(2, "luoctl formats /bin/busybox");
	expect_shell(2, "luoctl formats /proc/cmdline");
	expect_err("not a kernel");
	expect_shell(2, "luoctl formats --modules /no/such/folder " NEXT);
	expect_err("/no/such/folder: No such file or directory");
	expect_shell(2, "luoctl formats one two three");
}

TEST_F(preflight, formats_of_two)
{
	expect_shell(0, "luoctl formats /images/stripped " NEXT);
	expect_out("From the first to the second: all is read");
	expect_out("Back: not read: memfd-extent-v1");
	expect_shell(1, "luoctl formats " NEXT " /images/stripped");
	expect_out("From the first to the second: not read: memfd-extent-v1");
	expect_shell(1, "luoctl formats --json " NEXT " /images/stripped");
	luo_print_json();
	/* What is not written any more cannot be missed. */
	expect_shell(0, "luoctl formats /images/older /images/stripped");
	expect_out("memfd-extent-v1                                  reads          -");
	expect_shell(2, "luoctl formats " NEXT " /images/unmarked");
}

TEST_F(preflight, nothing_held)
{
	static const char *const packed[] = { "gzip", "zstd", "lz4", "xz", "kho-off" };

	expect_shell(0, "luoctl preflight -N " NEXT);
	expect_out(NEXT ": yes");
	expect_out("yes      kho  kho-v4");
	expect_out("yes      luo  luo-v5");
	expect_out("MiB of scratch memory to start");
	for (int i = 0; i < ARRAY_SIZE(packed); i++) {
		char line[64];

		snprintf(line, sizeof(line), "luoctl preflight -N /images/%s", packed[i]);
		expect_shell(0, line);
	}
	expect_shell(2, "luoctl preflight -N /images/riscv");
	expect_out("it is for an unknown architecture");
	expect_shell(1, "luoctl preflight -N /images/arm64");
	expect_out("it is for another architecture: aarch64");
	expect_shell(1, "luoctl preflight -N /images/pages");
	expect_out("its page size differs: 16 KiB instead of 4");
	expect_shell(1, "luoctl preflight -N /images/hungry");
	expect_out("MiB of scratch memory, of ");
	expect_shell(2, "luoctl preflight");
	expect_shell(2, "luoctl preflight -N " NEXT " " NEXT);
}

/* One file has kernel, initramfs and command line, but for what is said. */
TEST_F(preflight, unified_image)
{
	int memfd = test_memfd(PAGE);

	expect_shell(0, "luoctl formats " NEXT " | tail -n +2 >/tmp/next");
	expect_shell(0, "luoctl formats /images/uki | tail -n +2 | cmp - /tmp/next");
	expect_shell(0, "luoctl preflight /images/uki");
	expect_out("/images/uki: yes");
	expect_shell(0, "luoctl preflight -N -c liveupdate=on /images/uki-off");
	expect_shell(1, "luoctl preflight -N /images/uki-off");
	expect_out("its command line does not switch live update on");
	expect_shell(1, "luoctl preflight -c liveupdate=on /images/uki-off");
	expect_out("it gets no initramfs");
	expect_shell(2, "luoctl preflight /images/uki-cut");
	expect_err("/images/uki-cut: truncated: section .linux is not in it");
	expect_shell(2, "luoctl formats /images/uki-cut");
	expect_shell(0, "luoctl kexec --dry-run /images/uki");
	expect_out("load it, with 'console=ttyS0 liveupdate=on quiet', then");

	/* It can be loaded; the reboot is refused, as the format cannot say the new mode. */
	ASSERT_TRUE(luo_memfd_format("v2"));
	test_preserve(self->session, memfd, 1);
	ASSERT_EQ(0, fchmod(memfd, 0600));
	expect_shell(1, "luoctl kexec /images/uki");
	expect_err("the reboot was refused");
	expect_err("by token 1");
}

/* A page with a memory error, which the next kernel is to know */
TEST_F(preflight, bad_memory)
{
	__u64 pfn;

	expect_shell(0, "luoctl preflight -N /images/careless");
	if (!luo_can_poison())
		SKIP(return, "no memory failures in this kernel");
	pfn = luo_poison_page();
	expect_shell(0, "luoctl preflight -N " NEXT);
	expect_out("bad-memory: it keeps 4 KiB of bad memory out of use");
	expect_shell(1, "luoctl preflight -N /images/careless");
	expect_out("bad-memory: it would use 4 KiB of bad memory: it does not read hwpoison-v1");
	expect_shell(0, "luoctl preflight -N --force bad-memory /images/careless");
	ASSERT_TRUE(luo_unpoison(pfn));
	expect_shell(0, "luoctl preflight -N /images/careless");
}

/* The stock kernel reads memfd-v2 and not memfd-extent-v1, but says neither. */
static void expect_unknown_to_stock(struct __test_metadata *_metadata, const char *format)
{
	if (access("/images/stock", R_OK))
		return;
	expect_shell(2, "luoctl preflight -N /images/stock");
	expect_out("it does not note its formats");
	expect_out(format);
}

TEST_F(preflight, held)
{
	hold_memfd(_metadata, self->session, "v2");
	expect_unknown_to_stock(_metadata, "unknown  file memfd-v2");
	expect_shell(0, "luoctl preflight -N /images/stripped");
	expect_out("yes      file memfd-v2");
	expect_shell(2, "luoctl preflight -N /images/unmarked");
	expect_out("unknown  file memfd-v2");
	expect_out("token 1 of session 'preflight'");
	ASSERT_TRUE(luo_memfd_format("extent-v1"));
	test_preserve(self->session, test_memfd(PAGE), 2);
	expect_unknown_to_stock(_metadata, "unknown  file memfd-extent-v1");
	expect_shell(0, "luoctl preflight -N " NEXT);
	expect_out("yes      file memfd-extent-v1");
	expect_shell(0, "luoctl preflight -N --json " NEXT);
	luo_print_json();
	expect_shell(1, "luoctl preflight -N /images/stripped");
	expect_out("NO, it does not take over");
	expect_out("no       file memfd-extent-v1");
	expect_out("token 2 of session 'preflight'");
	expect_out("yes      file memfd-v2");
	expect_shell(0, "luoctl preflight -N /images/older");
	expect_shell(1, "luoctl preflight -N /images/object");
	expect_out("no       file memfd-extent-v1");
	expect_shell(1, "luoctl preflight -N --json /images/stripped");
	luo_print_json();
	expect_shell(2, "luoctl preflight -N --json /images/unmarked");
	luo_print_json();
}

#define AS_REGISTERED	"luoctl formats >/tmp/running; "		\
			"cd /sys/kernel/debug/liveupdate; "		\
			"cat handlers flbs | while read -r format rest; do "	\
			"grep \" $format .*${rest##* }\" /tmp/running || exit 1; done"

#define WITH_DEVICE	"exec 9<>/dev/flb_sample; luoctl hold --fd 9:1 device "

TEST_F(preflight, modules)
{
	if (luo_flb_built_in(FLB_SAMPLE))
		SKIP(return, "the sample driver is no module here");
	test_load(FLB_SAMPLE);
	/* Here it is a module as well: nobody has looked whether there is one. */
	expect_shell(2, WITH_DEVICE "luoctl preflight -N " NEXT);
	expect_out("unknown  file flb-sample-file-v1");
	expect_out("unknown  flb  flb-sample-v2");
	expect_out("it may have it in a module, as this kernel has: --modules");
	expect_shell(1, WITH_DEVICE "luoctl preflight -N --modules /sys/kernel " NEXT);
	expect_out("no       file flb-sample-file-v1");
	expect_out("no       flb  flb-sample-v2");
	expect_shell(0, WITH_DEVICE "luoctl preflight -N --modules /lib/modules " NEXT);
	expect_out("module   file flb-sample-file-v1, with flb_sample");
	expect_out("module   flb  flb-sample-v2, with flb_sample");
	expect_shell(0, WITH_DEVICE "luoctl preflight -N -j -m /modules/packed " NEXT);
	expect_out("\"read\":\"module\"");
	luo_print_json();
	expect_shell(0, "luoctl formats --modules /modules/packed --json " NEXT);
	expect_out("\"module\":\"flb_sample\"");
	luo_print_json();
	/* The running one says what is loaded, and has a note for all that is registered. */
	expect_shell(0, "luoctl formats | grep flb-sample-v1");
	expect_out("flb_sample");
	expect_shell(0, AS_REGISTERED);
	expect_out("memfd-extent-v1");
	expect_out("flb-sample-v2");
	EXPECT_EQ(0, luo_flb_unload(FLB_SAMPLE));
}

TEST_F(preflight, modules_that_do_not_count)
{
	static const char *const broken[] = { "broken", "cut", "text" };
	char line[256];

	if (luo_flb_built_in(FLB_SAMPLE))
		SKIP(return, "the sample driver is no module here");
	test_load(FLB_SAMPLE);
	for (int i = 0; i < ARRAY_SIZE(broken); i++) {
		snprintf(line, sizeof(line), WITH_DEVICE "luoctl preflight -N -m /modules/%s " NEXT,
			 broken[i]);
		expect_shell(2, line);
		expect_out("unreadable modules: 1");
		expect_out("unknown  flb  flb-sample-v2");
		expect_err("/modules/");
	}
	expect_shell(2, WITH_DEVICE "luoctl preflight -N -m /modules/foreign " NEXT);
	expect_out("modules for another kernel than ");
	expect_shell(0, "luoctl preflight -N -m /modules/foreign " NEXT);
	expect_shell(0, "ln -s /modules/packed /tmp/link");
	expect_shell(0, WITH_DEVICE "luoctl preflight -N -m /tmp/link " NEXT);
	EXPECT_EQ(0, luo_flb_unload(FLB_SAMPLE));
}

TEST_F(preflight, command_line)
{
	static const struct {
		int status;
		const char *line;
	} lines[] = {
		{ 0, "liveupdate=on" },
		{ 0, "console=ttyS0 kho=on liveupdate=1" },
		{ 0, "liveupdate=off liveupdate=Yes" },
		{ 0, "liveupdate=enabled" },
		{ 1, "liveupdate=on liveupdate=disabled" },
		{ 1, "liveupdate=on kho=Disable" },
		{ 0, "liveupdate=on -- liveupdate=off" },
		{ 0, "liveupdate=on liveupdate=perhaps" },
		{ 0, "\"liveupdate=on\" x=\"a liveupdate=off b\"" },
		{ 1, "" },
		{ 1, "liveupdate" },
		{ 1, "liveupdate=on liveupdate=0" },
		{ 1, "xliveupdate=on" },
		{ 1, "-- liveupdate=on" },
		{ 1, "liveupdate=on kho=off" },
	};
	char line[256];

	for (int i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(line, sizeof(line), "luoctl preflight -N --command-line '%s' " NEXT,
			 lines[i].line);
		expect_shell(lines[i].status, line);
		expect_out(lines[i].status ? "its command line does not switch" :
			   "its command line switches live update on");
	}
	expect_shell(1, "luoctl preflight -N -c 'liveupdate=on mem=1G' " NEXT);
	expect_out("its command line takes memory away that this kernel has: mem=1G");
	expect_shell(1, "luoctl preflight -N -c 'liveupdate=on memmap=64M$1G' " NEXT);
	expect_shell(0, "luoctl preflight -N -c 'liveupdate=on xmem=1G -- mem=1G' " NEXT);
	expect_shell(1, "luoctl preflight -N -c liveupdate=on /images/kho-off");
	expect_out("its command line does not switch Kexec HandOver on");
	expect_shell(0, "luoctl preflight -N -c 'liveupdate=on kho=on' /images/kho-off");
}

TEST_F(preflight, loaded_image)
{
	ASSERT_EQ(0, luo_load_next("panic=-1"));
	expect_shell(0, "luoctl preflight -N " NEXT);
	ASSERT_EQ(0, luo_load_raw());
	expect_shell(1, "luoctl preflight -N " NEXT);
	expect_out("the loaded image gets no handover");
	/* That will be another one. */
	expect_shell(0, "luoctl kexec -N --dry-run --reuse-cmdline " NEXT);
	expect_out("Not done");
}

/* Its size in MiB, and what there is: as preflight says it */
static bool scratch(unsigned int *want, unsigned int *have)
{
	char *at = strstr(luo_out, "it needs ");

	return at && sscanf(at, "it needs %u of the %u MiB", want, have) == 2;
}

/* What does not fit beside the kernel is loaded elsewhere. */
TEST_F(preflight, scratch)
{
	int fd = open("/tmp/large", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unsigned int want, have;

	expect_shell(0, "luoctl preflight -N " NEXT);
	ASSERT_TRUE(scratch(&want, &have));
	ASSERT_GT(have, want);
	ASSERT_EQ(0, ftruncate(fd, (have + 1LL) << 20));
	expect_shell(0, "luoctl preflight --initrd /tmp/large " NEXT);
	expect_shell(0, "luoctl kexec -n -r -i /tmp/large " NEXT);
	expect_shell(2, "luoctl preflight -i /no/such/file " NEXT);
	close(fd);
	unlink("/tmp/large");
}

/* A kernel that needs more than there is: by a file over the one that says how much. */
TEST_F(preflight, room)
{
	expect_shell(0, "echo 999999999999 >/tmp/needed");
	expect_shell(0, "mount --bind /tmp/needed /sys/kernel/liveupdate/scratch/needed");
	expect_shell(1, "luoctl preflight -N " NEXT);
	expect_out("MiB of memory to start in, and find ");
	expect_shell(0, "luoctl preflight -N --force=room " NEXT);
	expect_shell(0, "umount /sys/kernel/liveupdate/scratch/needed");
	expect_shell(0, "luoctl preflight -N " NEXT);
}

/* Hardened hosts have none. */
TEST_F(preflight, without_debugfs)
{
	hold_memfd(_metadata, self->session, "extent-v1");
	expect_shell(0, "umount /sys/kernel/debug");
	expect_shell(0, "luoctl preflight -N " NEXT);
	expect_out("yes      file memfd-extent-v1");
	expect_out("MiB of scratch memory to start");
	expect_shell(1, "luoctl preflight -N /images/stripped");
	expect_out("token 1 of session 'preflight'");
	expect_shell(0, "luoctl status");
	expect_out("session preflight: open, held by ");
	expect_out("Scratch memory: ");
	expect_out(" free\n");
	expect_shell(2, "luoctl timeline");
	expect_shell(0, "mount -t debugfs none /sys/kernel/debug");
}

static int status_as_nobody(void *arg)
{
	char text[4096] = "";
	FILE *out;
	size_t n;

	if (setgid(65534) || setuid(65534))
		return 1;
	out = popen("/sbin/luoctl status", "re");
	if (!out)
		return 2;
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = 0;
	luo_say("%s", text);
	/* It cannot tell */
	if (pclose(out) != 2 << 8)
		return 3;
	return strstr(text, "What it is cannot be read: EACCES") ? 0 : 4;
}

/* Who may not open the device is told that, and not that there is nothing. */
TEST_F(preflight, without_rights)
{
	EXPECT_EQ(0, luo_in_child(status_as_nobody, NULL));
}

/* This kernel was started with an initramfs, and the next one is to have none? */
TEST_F(preflight, initrd)
{
	expect_shell(1, "luoctl preflight " NEXT);
	expect_out("no       initrd: it gets no initramfs, and this kernel was started with one");
	expect_shell(1, "luoctl kexec " NEXT);
	EXPECT_TRUE(luo_status_is("image", "none"));
	expect_shell(0, "luoctl preflight --no-initrd " NEXT);
	expect_shell(0, "luoctl preflight --initrd=/sys/firmware/initrd " NEXT);
	expect_shell(0, "luoctl preflight --reuse-initrd " NEXT);
	expect_shell(0, "luoctl preflight --force=initrd " NEXT);
	expect_out("forced   initrd: it gets no initramfs");
	expect_shell(2, "luoctl preflight --reuse-initrd --no-initrd " NEXT);
	expect_err("one of --initrd, --reuse-initrd and --no-initrd");
	expect_shell(2, "luoctl preflight -N --force " NEXT);
	expect_shell(2, "luoctl preflight -N --force everything " NEXT);
	expect_err("no check is named 'everything'");
	expect_shell(2, "luoctl preflight --initrd=/boot " NEXT);
	expect_err("/boot: not a regular file");
	expect_shell(2, "luoctl preflight -N /boot");
}

#define ASSUMED		"luoctl preflight -N --assume=stock-7.3 "	\
			"-c 'kho=on liveupdate=on' /images/stock"

/* An image that notes nothing is taken for what its operator knows it to be. */
TEST_F(preflight, assume)
{
	if (access("/images/stock", R_OK))
		SKIP(return, "no stock kernel here");
	expect_shell(2, "luoctl preflight -N /images/stock");
	expect_shell(0, ASSUMED);
	hold_memfd(_metadata, self->session, "extent-v1");
	expect_shell(1, ASSUMED);
	expect_out("no       file memfd-extent-v1");
	expect_shell(2, "luoctl preflight -N --assume=stock-9.9 /images/stock");
	expect_err("no kernel is known as 'stock-9.9'");
}

TEST_F(preflight, not_started)
{
	hold_memfd(_metadata, self->session, "extent-v1");
	expect_shell(1, "luoctl kexec -N /images/stripped");
	expect_out("no       file memfd-extent-v1");
	expect_err("not started");
	EXPECT_TRUE(luo_status_is("image", "none"));
	expect_shell(2, "luoctl kexec -N -r /images/unmarked");
	EXPECT_TRUE(luo_status_is("image", "none"));
	expect_shell(1, "luoctl kexec -N --force=formats -r /images/stripped");
	expect_err("/images/stripped: cannot be loaded: not a bootable image");
	expect_shell(1, "luoctl kexec -N -n -c liveupdate=off " NEXT);
	expect_shell(0, "luoctl kexec -n -c liveupdate=on -i /sys/firmware/initrd " NEXT);
	expect_out("reboot(LINUX_REBOOT_CMD_KEXEC)");
	EXPECT_TRUE(luo_status_is("image", "none"));
	expect_shell(2, "luoctl kexec -N -r -c liveupdate=on " NEXT);
	expect_err("either --reuse-cmdline or --command-line");
	expect_shell(2, "luoctl kexec -N -r /no/such/image");
	expect_shell(2, "luoctl kexec -r -i /no/such/initramfs " NEXT);
}

/* A file of the kernel's says something else, to one command. */
#define INSTEAD		"unshare -m sh -c 'mount --bind /tmp/instead %s && exec %s'"

static int seen_as(const char *file, const char *text, const char *command)
{
	FILE *f = fopen("/tmp/instead", "we");
	char line[512];

	if (!f || fputs(text, f) < 0 || fclose(f))
		return -1;
	snprintf(line, sizeof(line), INSTEAD, file, command);
	return luo_shell(line);
}

#define PREFLIGHT	"luoctl preflight -N " NEXT

/* This kernel's command line goes on to the next one, but for what a boot loader has added. */
TEST_F(preflight, reused_command_line)
{
	static const char line[] = "BOOT_IMAGE=/v a=\"b initrd=c\"  initrd=/x liveupdate=on d\n";
	static const char want[] = "load it, with 'a=\"b initrd=c\" liveupdate=on d', then ";

	EXPECT_EQ(0, seen_as("/proc/cmdline", line, "luoctl kexec -N -n " NEXT));
	expect_out(want);
	EXPECT_EQ(0, seen_as("/proc/cmdline", line, "luoctl kexec -N -n -r " NEXT));
	expect_out(want);
	EXPECT_EQ(1, seen_as("/proc/cmdline", "liveupdate=off\n", PREFLIGHT));
	EXPECT_EQ(0, seen_as("/proc/cmdline", "liveupdate=off\n", PREFLIGHT " -c liveupdate=on"));
}

/* What systemd preserves comes later, in whatever format this kernel writes. */
TEST_F(preflight, systemd)
{
	if (luo_flb_built_in(FLB_SAMPLE))
		SKIP(return, "the sample driver is no module here");
	test_load(FLB_SAMPLE);
	expect_shell(0, PREFLIGHT);
	expect_shell(0, "mkdir -p /run/systemd/system");
	expect_shell(2, PREFLIGHT);
	expect_out("later: what systemd will preserve: flb-sample-file-v1 is not read");
	expect_shell(0, PREFLIGHT " --force=later");
	EXPECT_EQ(0, luo_flb_unload(FLB_SAMPLE));
	expect_shell(0, PREFLIGHT);
	expect_shell(0, "luoctl kexec -N -n " NEXT);
	expect_out("then systemctl kexec");
	/* There is none, and what was loaded is not left for who comes next. */
	expect_shell(1, "luoctl kexec -N " NEXT);
	expect_err("systemctl");
	EXPECT_TRUE(luo_status_is("image", "none"));
	expect_shell(0, "rm -r /run/systemd");
}

/* The reboot itself is refused, by a memfd that its format cannot carry any more. */
TEST_F(preflight, refused)
{
	int memfd = test_memfd(PAGE);

	ASSERT_TRUE(luo_memfd_format("v2"));
	test_preserve(self->session, memfd, 77);
	ASSERT_EQ(0, fchmod(memfd, 0600));
	expect_shell(1, "luoctl kexec -N " NEXT);
	expect_out(NEXT ": yes");
	expect_err("the reboot was refused: Operation not supported, by token 77 (memfd-v2) of ");
	EXPECT_TRUE(luo_status_is("image", "none"));
	expect_shell(0, "luoctl status");
	expect_out("last refusal: EOPNOTSUPP (Operation not supported), token 77 (memfd-v2) of ");
}

#define WITHOUT		"unshare -m sh -c 'mount -t tmpfs none /sys/kernel && "	\
			"mount -t tmpfs none /dev && exec luoctl %s 2>&1'"

/* As on a machine whose kernel knows nothing of live update: each says so, none hangs. */
TEST_F(preflight, no_live_update_at_all)
{
	static const struct {
		int status;
		const char *command;
		const char *said;
	} lines[] = {
		{ 7, "status", "this kernel was built without live update" },
		{ 7, "status --json", "\"live_update\":\"none\"" },
		{ 7, "timeline", "built without live update" },
		{ 7, "timeline --json", "\"blackout_ms\":null" },
		{ 7, "save s 1 </bin/busybox", "built without live update" },
		{ 7, "restore s 1", "built without live update" },
		{ 7, "have s 1", "built without live update" },
		{ 7, "finish s", "built without live update" },
		{ 7, "drop s", "built without live update" },
		{ 7, "hold s true", "built without live update" },
		{ 0, "formats " NEXT, "memfd-v2" },
		{ 0, "formats --json " NEXT, "memfd-v2" },
		{ 2, "formats", "/sys/kernel/notes cannot be read" },
		{ 1, "preflight -N --json " NEXT, "this-kernel" },
		{ 1, "preflight -N " NEXT, "this kernel was built without live update" },
		{ 1, "kexec -N -r " NEXT, "not started" },
	};
	char line[256];

	for (int i = 0; i < ARRAY_SIZE(lines); i++) {
		snprintf(line, sizeof(line), WITHOUT, lines[i].command);
		expect_shell(lines[i].status, line);
		expect_out(lines[i].said);
		if (strstr(lines[i].command, "--json"))
			luo_print_json();
	}
	EXPECT_TRUE(luo_status_is("image", "none"));
}

TEST_HARNESS_MAIN
