/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the previous kernel handed over, where it lies in memory, and damage to it. Memory is
 * read and written through /dev/mem, behind the kernel's back.
 */
#ifndef DEVMEM_H
#define DEVMEM_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define BLOCK_HEADER	16

/* See include/linux/kho/abi/: luo.h, block.h, memfd.h, kexec_handover.h */
struct luo_block {
	__u64 next;
	__u64 count;
};

struct luo_session_entry {
	char name[64];
	__u64 files;
	__u64 count;
};

struct luo_file_entry {
	char compatible[48];
	__u64 data;
	__u64 token;
};

struct luo_memfd_image {
	__u64 pos;
	__u64 size;
	__u32 seals;
	__u32 flags;
	__u64 nr_folios;
	__u64 first;
	__u32 total_pages;
	__u16 array_flags;
	__u16 order;
};

struct luo_memfd_entry {
	__u64 pfn;		/* and 12 bits of flags, the highest */
	__u64 index;
};

/*
 * A place in one of the structures that file number 1 of a session is made of, or is
 * reached by
 */
struct place {
	enum { NOWHERE, SESSION, BLOCK, IMAGE, CHUNK, ARRAY } in;
	size_t at;
	size_t size;
};

#define IN(base, type, field, size)	{ base, offsetof(type, field), size }
#define IN_SESSION(field)	IN(SESSION, struct luo_session_entry, field, 8)
#define IN_BLOCK(field)		IN(BLOCK, struct luo_block, field, 8)
#define IN_FILE(nr, field)	\
	{ BLOCK, BLOCK_HEADER + (nr) * sizeof(struct luo_file_entry) + \
		 offsetof(struct luo_file_entry, field), 8 }
#define IN_IMAGE(field)		IN(IMAGE, struct luo_memfd_image, field, 8)
#define IN_IMAGE_U32(field)	IN(IMAGE, struct luo_memfd_image, field, 4)
#define IN_IMAGE_U16(field)	IN(IMAGE, struct luo_memfd_image, field, 2)
#define NEXT_CHUNK		{ CHUNK, 0, 8 }
#define IN_CHUNK(nr)		{ CHUNK, 8 + (nr) * 8, 8 }
#define IN_ENTRY(nr, field)	\
	{ ARRAY, (nr) * sizeof(struct luo_memfd_entry) + \
		 offsetof(struct luo_memfd_entry, field), 8 }

/*
 * One way to be damaged, which is a session's name, too. What is written is the sum of
 * a constant, of what stands in the one or the other place, and of the address of a page
 * that was not handed over; divided by the size of a page if it is the number of one.
 */
struct damage {
	const char *name;
	int err;
	struct write {
		struct place to;
		struct place from;
		__u64 plus;
		bool own_page;
		bool pfn;
	} writes[2];
	bool all;	/* all three memfds cannot be retrieved */
	bool freed;	/* it can be told what it is, and it is freed */
};

#define SET(value)		.plus = (value)
#define ADD(place, value)	.from = place, .plus = (value)
#define COPY(place)		.from = place
#define OWN_PAGE		.own_page = true
#define OWN_PFN			.own_page = true, .pfn = true
#define PFN(place)		.from = place, .pfn = true

#define NO_PAGE			0xfffffffffffff000ull
#define NO_PFN			0x000fffffffffffffull
#define FLAG(nr)		(1ull << (52 + (nr)))

/* Is it possible here? A kernel with CONFIG_STRICT_DEVMEM or without debugfs says no. */
bool luo_memory_works(void);

__u64 luo_memory_read(__u64 phys, size_t size);
void luo_memory_write(__u64 phys, size_t size, __u64 value);

/* How many live updates have led here */
__u64 luo_memory_number(void);

/* First blocks: of the sessions, of their files' checksums. And the area of FLBs */
__u64 luo_memory_sessions(void);
__u64 luo_memory_flbs(void);
__u64 luo_memory_checksums(void);

/* Do it, to the session of that name. All values are taken before any is written. */
void luo_inflict(const struct damage *d);

/* What stands there now */
__u64 luo_place_value(const struct place *p, const char *session);

/* Where the entry of a session is, 0 if there is none; where the image of a memfd is */
__u64 luo_memory_session(const char *name);
__u64 luo_memory_memfd(const char *session, unsigned int nr);
__u64 luo_memory_file(const char *session, unsigned int nr, const char *compatible);

/* A page of this program: memory, but nothing that was handed over */
__u64 luo_memory_own_page(void);

#endif /* DEVMEM_H */
