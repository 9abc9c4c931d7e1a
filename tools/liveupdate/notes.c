// SPDX-License-Identifier: GPL-2.0
/* The notes that say what a kernel takes over, see <linux/liveupdate.h> */
#define _GNU_SOURCE
#include <ctype.h>
#include <err.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "luoctl.h"

void notes_add(struct image *image, unsigned int type, const char *compatible,
	       const char *module)
{
	struct format *format;

	image->formats = reallocarray(image->formats, image->nr + 1, sizeof(*image->formats));
	if (!image->formats)
		err(EXIT_UNKNOWN, "formats");
	format = &image->formats[image->nr++];
	*format = (struct format){
		.kind = type & ~LIVEUPDATE_NOTE_OLDER,
		.older = type & LIVEUPDATE_NOTE_OLDER,
		.compatible = strdup(compatible),
		.module = module ? strdup(module) : NULL,
	};
	if (!format->compatible || (module && !format->module))
		err(EXIT_UNKNOWN, "formats");
}

/* As the kernel wants them to be: nothing in them that a terminal obeys */
static bool is_string(const char *desc, size_t size)
{
	if (size < 2 || desc[size - 1])
		return false;
	for (size_t i = 0; i < size - 1; i++)
		if (!isgraph((unsigned char)desc[i]))
			return false;
	return true;
}

/* Types that are not known here are for newer programs; modules speak of formats only. */
static void take_note(struct image *image, unsigned int type, const void *desc, size_t size,
		      const char *module)
{
	unsigned int kind = type & ~LIVEUPDATE_NOTE_OLDER;

	if (module && kind != LIVEUPDATE_NOTE_FILE && kind != LIVEUPDATE_NOTE_FLB)
		return;
	switch (kind) {
	case LIVEUPDATE_NOTE_STORE:
	case LIVEUPDATE_NOTE_CORE:
	case LIVEUPDATE_NOTE_FILE:
	case LIVEUPDATE_NOTE_FLB:
	case LIVEUPDATE_NOTE_SUBTREE:
		if (is_string(desc, size))
			notes_add(image, type, desc, module);
		break;
	case LIVEUPDATE_NOTE_BOOT:
		if (size >= sizeof(image->boot)) {
			memcpy(&image->boot, desc, sizeof(image->boot));
			image->has_boot = true;
		}
	}
}

static void take_notes(struct image *image, Elf_Data *data, const char *module)
{
	size_t at = 0, next, name, desc;
	GElf_Nhdr note;

	for (; (next = gelf_getnote(data, at, &note, &name, &desc)); at = next) {
		if (note.n_namesz == sizeof(LIVEUPDATE_NOTE_NAME) &&
		    !memcmp((char *)data->d_buf + name, LIVEUPDATE_NOTE_NAME,
			    sizeof(LIVEUPDATE_NOTE_NAME)))
			take_note(image, note.n_type, (char *)data->d_buf + desc, note.n_descsz,
				  module);
	}
}

void notes_read(struct image *image, void *notes, size_t size, const char *module)
{
	Elf_Data data = {
		.d_buf = notes, .d_type = ELF_T_NHDR, .d_version = EV_CURRENT, .d_size = size,
		.d_align = 4,
	};

	take_notes(image, &data, module);
}

/* One that begins there? Its name has been found. False: there should be more behind it */
static bool take_flat(struct image *image, const unsigned char *at, const unsigned char *end)
{
	Elf32_Nhdr note;
	__u32 left;

	memcpy(&note, at, sizeof(note));
	at += sizeof(note) + ((sizeof(LIVEUPDATE_NOTE_NAME) + 3) & ~3);
	if (note.n_namesz != sizeof(LIVEUPDATE_NOTE_NAME) || at > end ||
	    note.n_descsz > (size_t)(end - at))
		return true;
	take_note(image, note.n_type, at, note.n_descsz, NULL);
	if (note.n_type != LIVEUPDATE_NOTE_END || note.n_descsz != sizeof(left))
		return true;
	memcpy(&left, at, sizeof(left));
	return left <= (size_t)(end - at);
}

/* A flat image says nowhere where its notes are. False: truncated */
bool notes_scan(struct image *image, const struct blob *blob)
{
	const unsigned char *end = blob->data + blob->size, *at = blob->data;
	bool whole = true;

	while (at && (at = memmem(at, end - at, LIVEUPDATE_NOTE_NAME,
				  sizeof(LIVEUPDATE_NOTE_NAME)))) {
		size_t offset = at - blob->data;

		if (offset >= sizeof(Elf32_Nhdr) && !(offset % 4))
			whole &= take_flat(image, at - sizeof(Elf32_Nhdr), end);
		at++;
	}
	return whole;
}

/* Modules have sections only. False: they are not all there */
static bool take_sections(struct image *image, Elf *elf, const char *module)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	Elf_Data *data;
	size_t nr = 0;

	while ((section = elf_nextscn(elf, section))) {
		nr++;
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
			continue;
		data = elf_getdata(section, NULL);
		if (!data)
			return false;
		take_notes(image, data, module);
	}
	return nr;
}

/* Whether all is there that is to be loaded */
static bool take_segments(struct image *image, Elf *elf, size_t size)
{
	__u64 first = ~0ULL, last = 0;
	size_t nr = 0;
	GElf_Phdr header;
	Elf_Data *data;

	elf_getphdrnum(elf, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (!gelf_getphdr(elf, i, &header) || header.p_offset > size ||
		    header.p_filesz > size - header.p_offset)
			return false;
		if (header.p_type == PT_LOAD && header.p_paddr < first)
			first = header.p_paddr;
		if (header.p_type == PT_LOAD && header.p_paddr + header.p_memsz > last)
			last = header.p_paddr + header.p_memsz;
		if (header.p_type != PT_NOTE)
			continue;
		data = elf_getdata_rawchunk(elf, header.p_offset, header.p_filesz, ELF_T_NHDR);
		if (!data && header.p_filesz)
			return false;
		if (data)
			take_notes(image, data, NULL);
	}
	if (!image->init_size && last > first)
		image->init_size = last - first;
	return nr;
}

static const char *machine_name(unsigned int machine)
{
	switch (machine) {
	case EM_X86_64:
		return "x86_64";
	case EM_AARCH64:
		return "aarch64";
	default:
		return "unknown";
	}
}

/* False if it is no ELF file, or not all of one */
bool notes_read_elf(struct image *image, const struct blob *blob, const char *module)
{
	GElf_Ehdr header;
	bool ok = false;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)blob->data, blob->size);
	if (!elf)
		return false;
	if (elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &header)) {
		if (!module)
			image->machine = machine_name(header.e_machine);
		ok = header.e_type != ET_REL ? take_segments(image, elf, blob->size) :
		     take_sections(image, elf, module);
	}
	elf_end(elf);
	return ok;
}
