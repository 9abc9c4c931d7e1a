// SPDX-License-Identifier: GPL-2.0
/* Find what was handed over in memory, and write something else there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scenario.h"
#include "devmem.h"

#define MEMORY	"/dev/mem"
#define BLOBS	"/sys/kernel/debug/kho/in/sub_fdts/"

/* Where in the blobs the number of live updates is; an address that all else is found from */
#define LUO_NUMBER		8
#define LUO_SESSIONS_PA		16
#define LUO_FLBS_PA		24
#define LUO_EXT_FILES_CRCS_PA	40

bool luo_memory_works(void)
{
	int fd = open(MEMORY, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return !access(BLOBS "LUO", R_OK);
}

static void transfer(__u64 phys, void *buf, size_t size, bool write)
{
	int fd = open(MEMORY, (write ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	ssize_t got;

	require_ge(fd, 0);
	got = write ? pwrite(fd, buf, size, phys) : pread(fd, buf, size, phys);
	require_eq(size, got)
		luo_say("%s at 0x%llx: %m", write ? "write" : "read", (unsigned long long)phys);
	close(fd);
}

/* Up to eight bytes; we are little-endian, and so is all that is handed over. */
__u64 luo_memory_read(__u64 phys, size_t size)
{
	__u64 value = 0;

	transfer(phys, &value, size, false);
	return value;
}

void luo_memory_write(__u64 phys, size_t size, __u64 value)
{
	transfer(phys, &value, size, true);
	require_eq(0, memcmp(&value, &(__u64) { luo_memory_read(phys, size) }, size));
}

static __u64 blob(const char *path, off_t at)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	__u64 value;

	require_ge(fd, 0);
	require_eq(sizeof(value), pread(fd, &value, sizeof(value), at));
	require_ne(0, value);
	close(fd);
	return value;
}

__u64 luo_memory_number(void)
{
	return blob(BLOBS "LUO", LUO_NUMBER);
}

__u64 luo_memory_sessions(void)
{
	return blob(BLOBS "LUO", LUO_SESSIONS_PA);
}

__u64 luo_memory_flbs(void)
{
	return blob(BLOBS "LUO", LUO_FLBS_PA);
}

__u64 luo_memory_checksums(void)
{
	return blob(BLOBS "LUO-ext", LUO_EXT_FILES_CRCS_PA);
}

__u64 luo_memory_session(const char *name)
{
	struct luo_session_entry entry;
	struct luo_block block;

	for (__u64 at = luo_memory_sessions(); at; at = block.next) {
		transfer(at, &block, sizeof(block), false);
		for (__u64 i = 0; i < block.count; i++) {
			__u64 where = at + BLOCK_HEADER + i * sizeof(entry);

			transfer(where, &entry, sizeof(entry), false);
			if (!strncmp(entry.name, name, sizeof(entry.name)))
				return where;
		}
	}
	return 0;
}

static __u64 first_block(const char *session)
{
	__u64 at = luo_memory_session(session);

	require_ne(0, at);
	return luo_memory_read(at + offsetof(struct luo_session_entry, files), 8);
}

/* What leads there must be valid still. */
__u64 luo_memory_file(const char *session, unsigned int nr, const char *compatible)
{
	struct luo_file_entry file;

	transfer(first_block(session) + BLOCK_HEADER + nr * sizeof(file), &file, sizeof(file),
		 false);
	require_eq(0, strcmp(file.compatible, compatible));
	return file.data;
}

__u64 luo_memory_memfd(const char *session, unsigned int nr)
{
	return luo_memory_file(session, nr, "memfd-v2");
}

__u64 luo_memory_own_page(void)
{
	static char *page;
	__u64 entry;
	int fd;

	if (!page) {
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);
		require_ne(MAP_FAILED, page);
	}
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	require_ge(fd, 0);
	require_eq(sizeof(entry), pread(fd, &entry, sizeof(entry),
					(unsigned long)page / PAGE * sizeof(entry)));
	close(fd);
	entry &= (1ull << 55) - 1;
	require_ne(0, entry);
	return entry * PAGE;
}

static __u64 base_of(const struct place *p, const char *session)
{
	__u64 at;

	if (p->in == SESSION)
		return luo_memory_session(session);
	if (p->in == BLOCK)
		return first_block(session);
	at = luo_memory_memfd(session, 1);
	if (p->in == IMAGE)
		return at;
	at = luo_memory_read(at + offsetof(struct luo_memfd_image, first), 8);
	if (p->in == CHUNK)
		return at;
	return luo_memory_read(at + 8, 8);
}

__u64 luo_place_value(const struct place *p, const char *session)
{
	return luo_memory_read(base_of(p, session) + p->at, p->size);
}

void luo_inflict(const struct damage *d)
{
	__u64 at[ARRAY_SIZE(d->writes)], value[ARRAY_SIZE(d->writes)];

	for (int i = 0; i < ARRAY_SIZE(d->writes); i++) {
		const struct write *w = &d->writes[i];

		if (w->to.in == NOWHERE)
			continue;
		at[i] = base_of(&w->to, d->name) + w->to.at;
		value[i] = w->plus + (w->own_page ? luo_memory_own_page() : 0);
		if (w->from.in != NOWHERE)
			value[i] += luo_place_value(&w->from, d->name);
		if (w->pfn)
			value[i] /= PAGE;
	}
	for (int i = 0; i < ARRAY_SIZE(d->writes); i++)
		if (d->writes[i].to.in != NOWHERE)
			luo_memory_write(at[i], d->writes[i].to.size, value[i]);
}
