// SPDX-License-Identifier: GPL-2.0
/*
 * luoctl preserved: which memory a kernel that crashed had preserved, for programs that filter
 * its dump. The tree is that of <linux/kho/abi/kexec_handover.h>.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "luoctl.h"

#define VMCORE	"/proc/vmcore"
#define TREE	"KHO_MEMORY_MAP("
#define FORMAT	"kho-v4"

/* A leaf is for 128 MiB of single pages: far more than any host has */
#define MOST_NODES	1048576UL

struct range {
	unsigned long long start;
	unsigned long long size;
};

struct core {
	const char *path;
	int fd;
	Elf *elf;
	size_t page;		/* size of one, and the shift that makes it */
	unsigned int shift;
	unsigned long nodes;	/* that were read */
	struct range *ranges;
	size_t nr, room;
};

static noreturn void damaged(const struct core *core, const char *what)
{
	errx(EXIT_DAMAGED, "%s: %s", core->path, what);
}

static void read_memory(struct core *core, unsigned long long address, void *page)
{
	size_t nr;

	if (++core->nodes > MOST_NODES)
		damaged(core, "the tree of preserved memory is too large");
	if (elf_getphdrnum(core->elf, &nr))
		damaged(core, elf_errmsg(-1));
	for (size_t i = 0; i < nr; i++) {
		GElf_Phdr head;

		if (!gelf_getphdr(core->elf, i, &head) || head.p_type != PT_LOAD ||
		    address < head.p_paddr || address - head.p_paddr >= head.p_filesz)
			continue;
		if (pread(core->fd, page, core->page, head.p_offset + address - head.p_paddr) !=
		    (ssize_t)core->page)
			break;
		return;
	}
	damaged(core, "memory that lists what is preserved is not there");
}

/* Pages of one order come in ascending order: most of them continue the last range. */
static void add_range(struct core *core, unsigned long long start, unsigned long long size)
{
	struct range *last = core->nr ? &core->ranges[core->nr - 1] : NULL;

	if (last && last->start + last->size == start) {
		last->size += size;
		return;
	}
	if (core->nr == core->room) {
		core->room = 2 * core->room + 512;
		core->ranges = reallocarray(core->ranges, core->room, sizeof(*core->ranges));
		if (!core->ranges)
			err(EXIT_NO, "ranges");
	}
	core->ranges[core->nr++] = (struct range){ start, size };
}

/* A bit is at the position that says the order, below it is the address */
static void add_key(struct core *core, unsigned long long key)
{
	const unsigned int bit = key ? 63 - __builtin_clzll(key) : 0, order_0 = 64 - core->shift;
	unsigned int order;

	if (!bit || bit > order_0)
		damaged(core, "preserved memory of an unknown size");
	order = order_0 - bit;
	add_range(core, (key & ~(1ULL << bit)) << (core->shift + order),
		  1ULL << (core->shift + order));
}

/* Level 0 is a bitmap, all others are tables of addresses. */
static void walk(struct core *core, unsigned long long address, unsigned int level,
		 unsigned long long key)
{
	const unsigned int table = core->shift - 3, bitmap = core->shift + 3;
	unsigned long long *node = malloc(core->page);

	if (!node)
		err(EXIT_NO, "a node");
	read_memory(core, address, node);
	for (size_t i = 0; i < core->page / sizeof(*node); i++) {
		if (node[i] && level) {
			walk(core, node[i], level - 1,
			     key | (unsigned long long)i << (bitmap + (level - 1) * table));
			continue;
		}
		for (unsigned int bit = 0; node[i] && bit < 64; bit++)
			if (node[i] >> bit & 1)
				add_key(core, key | (i * 64 + bit));
	}
	free(node);
}

static unsigned int levels(const struct core *core)
{
	const unsigned int table = core->shift - 3, bitmap = core->shift + 3;

	return (64 - core->shift + 1 - bitmap + table - 1) / table;
}

/* The text of the note, to be freed, or NULL */
static char *find_note(struct core *core, const GElf_Phdr *head)
{
	Elf_Data *data = elf_getdata_rawchunk(core->elf, head->p_offset, head->p_filesz,
					      ELF_T_NHDR);
	size_t at = 0, next, name, desc;
	GElf_Nhdr note;

	for (; data && (next = gelf_getnote(data, at, &note, &name, &desc)); at = next)
		if (note.n_namesz == sizeof("VMCOREINFO") &&
		    !memcmp((char *)data->d_buf + name, "VMCOREINFO", note.n_namesz))
			return strndup((char *)data->d_buf + desc, note.n_descsz);
	return NULL;
}

static char *vmcoreinfo(struct core *core)
{
	char *text = NULL;
	GElf_Phdr head;
	size_t nr;

	if (elf_getphdrnum(core->elf, &nr))
		errx(EXIT_NO, "%s: %s", core->path, elf_errmsg(-1));
	for (size_t i = 0; i < nr && !text; i++)
		if (gelf_getphdr(core->elf, i, &head) && head.p_type == PT_NOTE)
			text = find_note(core, &head);
	if (!text)
		errx(EXIT_NO, "%s: no VMCOREINFO: not a dump of a kernel", core->path);
	return text;
}

/* Where the tree is. Exits if there is none. */
static unsigned long long find_tree(struct core *core)
{
	char *text = vmcoreinfo(core), *page = strstr(text, "PAGESIZE=");
	char *tree = strstr(text, TREE);
	unsigned long long address = 0;
	char format[32] = "";

	if (page)
		core->page = strtoul(page + strlen("PAGESIZE="), NULL, 10);
	if (core->page < 4096 || core->page > 65536 || core->page & (core->page - 1))
		damaged(core, "VMCOREINFO without a size of pages");
	core->shift = __builtin_ctzl(core->page);
	if (!tree)
		errx(EXIT_ABSENT, "%s: Kexec HandOver was off, or does not say where its tree is",
		     core->path);
	if (sscanf(tree + strlen(TREE), "%31[^)])=%llx", format, &address) != 2)
		damaged(core, "VMCOREINFO is corrupted");
	if (strcmp(format, FORMAT))
		errx(EXIT_INCOMPATIBLE, "%s: preserved memory is listed as %s, not as " FORMAT,
		     core->path, format);
	free(text);
	return address;
}

static int by_start(const void *a, const void *b)
{
	const struct range *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

static void merge(struct core *core)
{
	size_t kept = 0;

	if (core->nr)
		qsort(core->ranges, core->nr, sizeof(*core->ranges), by_start);
	for (size_t i = 0; i < core->nr; i++) {
		struct range *last = kept ? &core->ranges[kept - 1] : NULL;

		if (last && last->start + last->size == core->ranges[i].start)
			last->size += core->ranges[i].size;
		else
			core->ranges[kept++] = core->ranges[i];
	}
	core->nr = kept;
}

static void print_ranges(const struct core *core)
{
	struct json_object *all = json_object_new_array(), *one;

	for (size_t i = 0; i < core->nr; i++) {
		if (!json_wanted) {
			printf("0x%llx 0x%llx\n", core->ranges[i].start, core->ranges[i].size);
			continue;
		}
		one = json_object_new_object();
		json_object_object_add(one, "start", json_object_new_uint64(core->ranges[i].start));
		json_object_object_add(one, "size", json_object_new_uint64(core->ranges[i].size));
		json_object_array_add(all, one);
	}
	if (json_wanted) {
		one = json_object_new_object();
		json_object_object_add(one, "preserved", all);
		print_json(one);
		json_object_put(one);
	} else {
		json_object_put(all);
	}
}

static int run_preserved(int argc, char **argv)
{
	struct core core = { };
	unsigned long long tree;

	while (next_option(argc, argv, &cmd_preserved) != -1)
		;
	core.path = argv[optind] ?: VMCORE;
	core.fd = open(core.path, O_RDONLY | O_CLOEXEC);
	if (core.fd < 0)
		err(EXIT_NO, "%s", core.path);
	elf_version(EV_CURRENT);
	core.elf = elf_begin(core.fd, ELF_C_READ, NULL);
	if (!core.elf || elf_kind(core.elf) != ELF_K_ELF)
		errx(EXIT_NO, "%s: not an ELF file", core.path);
	tree = find_tree(&core);
	walk(&core, tree, levels(&core), 0);
	merge(&core);
	print_ranges(&core);
	free(core.ranges);
	elf_end(core.elf);
	close(core.fd);
	return 0;
}

const struct command cmd_preserved = {
	.name = "preserved",
	.what = "list the memory that a kernel that crashed had preserved",
	.words = "[VMCORE]",
	.max = 1,
	.choices = (const struct choice[]) { JSON_CHOICE, { } },
	.help = "A line for each range: address and size, in bytes. VMCORE is the dump of the\n"
		"whole memory; without it, " VMCORE ", in the crash kernel.",
	.run = run_preserved,
};
