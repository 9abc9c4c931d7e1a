// SPDX-License-Identifier: GPL-2.0
/*
 * What kexec_file_load() makes of the payload of a bzImage: small images, each with one thing in
 * it that is not as it should be. None of them is started. That real ones are is kexec-unpack's.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "lib/harness.h"

#ifdef __x86_64__
#include <asm/bootparam.h>
#include <linux/elf.h>
#include <linux/kexec.h>

#define KERNEL		0xffffffff80000000UL	/* __START_KERNEL_map */
#define BASE		0x1000000UL		/* where it is linked to be, in memory */
#define SEGMENT		0x1000UL
#define SEGMENTS	2
#define HEADERS		0x1000UL		/* of the ELF file */
#define SECTIONS	(HEADERS + SEGMENTS * SEGMENT)
#define RELOCS		(SECTIONS + sizeof(struct elf64_shdr))
#define REAL_MODE	1024			/* the boot sector, and another one */
#define PAYLOAD		64			/* from the end of that */

struct vmlinux {
	char headers[HEADERS];
	char segments[SEGMENTS][SEGMENT];
	struct elf64_shdr section;
	__s32 relocs[8];
};

/* What is loaded next; each test has its own. */
static struct {
	struct boot_params params;
	struct vmlinux elf;
	struct elf64_hdr *ehdr;
	struct elf64_phdr *phdrs;
	size_t elf_size;
	size_t (*pack)(char *out, const char *in, __u32 size);
	__u32 magic;		/* instead of its own, unless it is 0 */
	int flips;		/* of bits in the payload */
	int more;		/* than there is in it, as the payload says */
	__u32 payload_length;	/* 0: what it is */
	const char *cmdline;
	int kmsg;
} image;

static void set_elf(struct vmlinux *elf, struct elf64_hdr *ehdr, struct elf64_phdr *phdrs)
{
	/* A zero, one of 64 bits, a zero, two of 32 bits */
	static const __s32 relocs[] = { 0, BASE + 8, 0, BASE + 16, BASE + 2 * SEGMENT - 4 };

	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS64;
	ehdr->e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr->e_ident[EI_VERSION] = EV_CURRENT;
	ehdr->e_type = ET_EXEC;
	ehdr->e_machine = EM_X86_64;
	ehdr->e_version = EV_CURRENT;
	ehdr->e_entry = BASE;
	ehdr->e_ehsize = sizeof(*ehdr);
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phentsize = sizeof(*phdrs);
	ehdr->e_phnum = SEGMENTS;
	ehdr->e_shoff = SECTIONS;
	ehdr->e_shentsize = sizeof(elf->section);
	ehdr->e_shnum = 1;
	for (int i = 0; i < SEGMENTS; i++)
		phdrs[i] = (struct elf64_phdr) {
			.p_type = PT_LOAD, .p_offset = HEADERS + i * SEGMENT,
			.p_paddr = BASE + i * SEGMENT, .p_filesz = SEGMENT, .p_memsz = SEGMENT,
		};
	memcpy(elf->relocs, relocs, sizeof(relocs));
	for (int i = 0; i < ARRAY_SIZE(relocs); i++)
		if (relocs[i])
			elf->relocs[i] += (__s32)KERNEL;
}

/* Each packs without compressing anything, and tells how large it is then. */

/* One block of which all is literal: 15, then bytes of 255 and a last one that add up */
static size_t pack_lz4(char *out, const char *in, __u32 size)
{
	const __u32 magic = 0x184c2102;
	char *at = out + 8;
	size_t rest = size - 15;
	__u32 block;

	*at++ = (char)0xf0;
	for (; rest >= 255; rest -= 255)
		*at++ = (char)255;
	*at++ = (char)rest;
	memcpy(at, in, size);
	at += size;
	block = at - out - 8;
	memcpy(out, &magic, 4);
	memcpy(out + 4, &block, 4);
	return at - out;
}

/* A frame of one segment that says its size, with one block, the last one, as it is */
static size_t pack_zstd(char *out, const char *in, __u32 size)
{
	const __u32 magic = 0xfd2fb528, block = size << 3 | 1;

	memcpy(out, &magic, 4);
	out[4] = (char)0xa0;
	memcpy(out + 5, &size, 4);
	memcpy(out + 9, &block, 3);
	memcpy(out + 12, in, size);
	return 12 + size;
}

/* A header, one block that is stored, which is the last one, and a checksum that is not read */
static size_t pack_gzip(char *out, const char *in, __u32 size)
{
	const __u16 sizes[] = { size, ~size };

	memcpy(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x01", 11);
	memcpy(out + 11, sizes, 4);
	memcpy(out + 15, in, size);
	memset(out + 15 + size, 0, 4);
	return 19 + size;
}

static __u32 crc32(const void *data, size_t size)
{
	const __u8 *at = data;
	__u32 crc = ~0;

	for (; size--; at++) {
		crc ^= *at;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* Put its checksum behind it, and tell where that ends. */
static char *seal(char *begin, char *end)
{
	const __u32 crc = crc32(begin, end - begin);

	memcpy(end, &crc, 4);
	return end + 4;
}

static char *pad(char *begin, char *end)
{
	while ((end - begin) % 4)
		*end++ = 0;
	return end;
}

/* Seven bits in each byte, the lowest first; all but the last have the highest bit */
static char *put_number(char *at, size_t number)
{
	for (; number >= 128; number >>= 7)
		*at++ = (char)(number | 128);
	*at++ = (char)number;
	return at;
}

/* One block of LZMA2, with one chunk that is not compressed; then the index, and the footer */
static size_t pack_xz(char *out, const char *in, __u32 size)
{
	const char first[] = { 1, (char)((size - 1) >> 8), (char)(size - 1) };
	const __u32 check = crc32(in, size);
	char *block, *at, *index;
	__u32 words;

	memcpy(out, "\3757zXZ\0\0\1", 8);
	block = seal(out + 6, out + 8);
	memcpy(block, "\2\0\x21\1\x08\0\0\0", 8);
	at = seal(block, block + 8);
	memcpy(at, first, 3);
	memcpy(at + 3, in, size);
	at += 3 + size;
	*at++ = 0;
	words = at - block + 4;
	index = pad(block, at);
	memcpy(index, &check, 4);
	index += 4;
	memcpy(index, "\0\1", 2);
	at = put_number(put_number(index + 2, words), size);
	at = seal(index, pad(index, at));
	words = (at - index) / 4 - 1;
	memcpy(at + 4, &words, 4);
	memcpy(at + 8, "\0\1", 2);
	words = crc32(at + 4, 6);
	memcpy(at, &words, 4);
	memcpy(at + 10, "YZ", 2);
	return at + 12 - out;
}

static size_t (*const packers[])(char *out, const char *in, __u32 size) = {
	pack_lz4, pack_zstd, pack_gzip, pack_xz,
};

FIXTURE(image)
{
};

FIXTURE_SETUP(image)
{
	struct setup_header *hdr = &image.params.hdr;

	if (access("/sys/kernel/kexec", F_OK) || luo_is_off(luo_open()))
		SKIP(return, "live update is off");
	image.ehdr = (void *)image.elf.headers;
	image.phdrs = (void *)(image.ehdr + 1);
	set_elf(&image.elf, image.ehdr, image.phdrs);
	image.elf_size = RELOCS + 5 * sizeof(__s32);
	image.pack = pack_lz4;
	image.cmdline = "";
	*hdr = (struct setup_header) {
		.setup_sects = 1, .boot_flag = 0xaa55, .jump = 0x66eb, .header = 0x53726448,
		.version = 0x20f, .loadflags = LOADED_HIGH, .kernel_alignment = 2 << 20,
		.relocatable_kernel = 1, .cmdline_size = 2047, .payload_offset = PAYLOAD,
		.xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G | XLF_5LEVEL |
			      XLF_5LEVEL_ENABLED,
		.pref_address = BASE, .init_size = 4 << 20,
	};
	image.kmsg = luo_kmsg_open();
	ASSERT_GE(image.kmsg, 0);
}

FIXTURE_TEARDOWN(image)
{
	luo_unload();
	close(image.kmsg);
}

/* A memfd with the image; its payload ends with the size of what is in it. */
static int make_image(void)
{
	static char file[64 << 10];
	char *payload = file + REAL_MODE + PAYLOAD;
	__u32 said = image.elf_size + image.more;
	int fd = memfd_create("bzImage", MFD_CLOEXEC);
	size_t size;

	size = image.pack(payload, (char *)&image.elf, image.elf_size);
	if (image.magic)
		memcpy(payload, &image.magic, 4);
	for (int i = 0; i < image.flips; i++)
		payload[rand() % (rand() % 2 ? 32 : size)] ^= 1 << rand() % 8;
	memcpy(payload + size, &said, sizeof(said));
	size += sizeof(said);
	image.params.hdr.payload_length = image.payload_length ?: size;
	memcpy(file, &image.params, REAL_MODE);
	size += REAL_MODE + PAYLOAD;
	return write(fd, file, size) == (ssize_t)size ? fd : -1;
}

static int load(void)
{
	int fd = make_image();
	int ret = syscall(SYS_kexec_file_load, fd, -1, strlen(image.cmdline) + 1, image.cmdline,
			  KEXEC_FILE_NO_INITRAMFS);

	ret = ret ? -errno : 0;
	close(fd);
	return ret;
}

/* Each is loaded; and the kernel says so of it. */
#define expect_said(text) ({							\
	const char *text_ = (text);						\
										\
	EXPECT_EQ(0, load());							\
	EXPECT_EQ(1, luo_kmsg_count(image.kmsg, "kexec-bzImage64: ", text_))	\
		TH_LOG("not said: %s", text_); })

#define expect_unpacked()	expect_said("the kernel is unpacked, 8 KiB")
#define expect_as_it_is(why)	expect_said("the kernel is unpacked at its start: " why)

TEST_F(image, that_is_good)
{
	expect_unpacked();
	image.cmdline = "nokaslr";
	expect_unpacked();
	for (int i = 0; i < ARRAY_SIZE(packers); i++) {
		image.pack = packers[i];
		expect_unpacked();
	}
}

TEST_F(image, without_relocations)
{
	image.elf_size = RELOCS;
	expect_unpacked();
}

TEST_F(image, of_an_older_kernel)
{
	/* Another list, of 32 bits and to be subtracted */
	memmove(&image.elf.relocs[2], &image.elf.relocs[0], 5 * sizeof(__s32));
	image.elf_size = RELOCS + 7 * sizeof(__s32);
	expect_as_it_is("relocations of another kind");
}

TEST_F(image, with_relocations_that_are_damaged)
{
	const __s32 first = image.elf.relocs[1], last = image.elf.relocs[4];

	image.elf.relocs[1] = (__s32)(KERNEL + BASE + 2 * SEGMENT - 4);
	expect_as_it_is("relocation outside of the kernel");
	image.elf.relocs[1] = first;
	image.elf.relocs[4] = (__s32)(KERNEL + BASE + 2 * SEGMENT - 3);
	expect_as_it_is("relocation outside of the kernel");
	image.elf.relocs[4] = (__s32)(KERNEL + BASE - 1);
	expect_as_it_is("relocation outside of the kernel");
	image.elf.relocs[4] = 1;
	expect_as_it_is("relocation outside of the kernel");
	image.elf.relocs[4] = last;
	image.elf.relocs[0] = 1;
	expect_as_it_is("relocations of another kind");
	image.elf.relocs[0] = 0;
	image.elf_size -= 2;
	expect_as_it_is("relocations of another kind");
	image.elf_size += 2;
	image.ehdr->e_shnum = 0;
	image.ehdr->e_shoff = 1UL << 40;
	expect_as_it_is("relocations of another kind");
	image.ehdr->e_shoff = SEGMENT;
	expect_as_it_is("relocations of another kind");
}

TEST_F(image, whose_segments_do_not_fit)
{
	const struct elf64_phdr second = image.phdrs[1];

	image.phdrs[1].p_paddr = BASE + SEGMENT - 1;
	expect_as_it_is("an ELF file of another kind");
	image.phdrs[1].p_paddr = BASE + HEADERS + SEGMENT + 1;
	expect_as_it_is("an ELF file of another kind");
	image.phdrs[1] = second;
	image.phdrs[1].p_memsz = SEGMENT - 1;
	expect_as_it_is("an ELF file of another kind");
	image.phdrs[1].p_memsz = image.params.hdr.init_size - SEGMENT + 1;
	expect_as_it_is("an ELF file of another kind");
	image.phdrs[1].p_memsz--;
	expect_unpacked();
	image.phdrs[1] = second;
	image.phdrs[0].p_paddr = BASE - SEGMENT;
	expect_as_it_is("an ELF file of another kind");
	image.phdrs[0].p_paddr = BASE;
	image.phdrs[1].p_offset = 1UL << 40;
	expect_as_it_is("not an ELF file");
	image.phdrs[0].p_offset = HEADERS + SEGMENT;
	image.phdrs[1].p_offset = HEADERS;
	expect_as_it_is("an ELF file of another kind");
}

TEST_F(image, of_another_kind)
{
	image.ehdr->e_machine = EM_386;
	expect_as_it_is("an ELF file of another kind");
	image.ehdr->e_machine = EM_X86_64;
	image.ehdr->e_entry = BASE + 2 * SEGMENT;
	expect_as_it_is("an ELF file of another kind");
	image.ehdr->e_entry = BASE - 1;
	expect_as_it_is("an ELF file of another kind");
	image.ehdr->e_entry = BASE + 2 * SEGMENT - 1;
	expect_unpacked();
	image.ehdr->e_ident[EI_CLASS] = ELFCLASS32;
	expect_as_it_is("not an ELF file");
	image.elf.headers[0] = 0;
	expect_as_it_is("not an ELF file");
}

TEST_F(image, whose_payload_is_damaged)
{
	struct setup_header *hdr = &image.params.hdr;

	for (int i = 0; i < ARRAY_SIZE(packers); i++) {
		image.pack = packers[i];
		image.more = 1;
		expect_as_it_is("payload damaged");
		image.more = -1;
		expect_as_it_is("payload damaged");
		image.more = 8 - (int)image.elf_size;
		expect_as_it_is("payload damaged");
	}
	image.more = -(int)image.elf_size;
	expect_as_it_is("payload of a wrong size");
	image.more = hdr->init_size - image.elf_size + 1;
	expect_as_it_is("payload of a wrong size");
	image.more = 0;
	image.payload_length = hdr->payload_length + 1;
	expect_as_it_is("no payload");
	image.payload_length = 7;
	expect_as_it_is("no payload");
	image.payload_length = 0;
	hdr->payload_offset = -1;
	expect_as_it_is("no payload");
	hdr->payload_offset = PAYLOAD;
	image.magic = 0x04034b50;
	expect_as_it_is("unknown compression");
}

TEST_F(image, that_only_the_image_can_start)
{
	struct setup_header *hdr = &image.params.hdr;

	image.cmdline = "quiet no5lvl";
	expect_as_it_is("another depth of page tables");
	image.cmdline = "mem_encrypt=off";
	expect_as_it_is("encrypted memory");
	image.cmdline = "no5lvls mem_encrypted=1 xmem_encrypt=on";
	expect_unpacked();
	hdr->kernel_alignment = 1 << 20;
	expect_as_it_is("not relocatable");
	hdr->kernel_alignment = 3 << 20;
	expect_as_it_is("not relocatable");
	hdr->kernel_alignment = 2 << 20;
	hdr->pref_address = BASE + (1 << 20);
	expect_as_it_is("not relocatable");
	hdr->pref_address = BASE;
	hdr->relocatable_kernel = 0;
	expect_as_it_is("not relocatable");
}

/* Whatever is in it: it is unpacked, or loaded as it is, or refused. */
TEST_F(image, with_any_damage)
{
	const struct vmlinux elf = image.elf;
	int unpacked = 0;

	srand(1);
	for (int i = 0; i < 500; i++) {
		char *headers = image.elf.headers, *relocs = (char *)image.elf.relocs;
		const int size = sizeof(*image.ehdr) + SEGMENTS * sizeof(*image.phdrs);

		for (int k = rand() % 3; k > 0; k--)
			headers[rand() % size] ^= 1 << rand() % 8;
		image.pack = packers[i % ARRAY_SIZE(packers)];
		image.flips = rand() % 4 / 3;
		if (rand() % 2)
			relocs[rand() % sizeof(image.elf.relocs)] ^= 1 << rand() % 8;
		image.elf_size += rand() % 9 - 4;
		load();
		unpacked += luo_kmsg_count(image.kmsg, "the kernel is unpacked, ", "KiB");
		image.elf = elf;
		image.elf_size = RELOCS + 5 * sizeof(__s32);
	}
	image.flips = 0;
	luo_say("%d are unpacked", unpacked);
	EXPECT_GE(unpacked, 5);
	expect_unpacked();
}

#endif /* __x86_64__ */

TEST_HARNESS_MAIN
