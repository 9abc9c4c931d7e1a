// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/string.h>

#include "handover_build.h"
#include "luo_compat.h"

/*
 * 60 sessions in 2 blocks; of their files one chain has 3 blocks, the others 1 or none. 100
 * FLBs in a folio of 2 pages; nothing else begins where its second page is.
 */
#define SESSIONS_PER_BLOCK	luo_wire_per_block(sizeof(struct luo_session_ser))
#define FILES_PER_BLOCK		luo_wire_per_block(sizeof(struct luo_file_ser))
#define LONG_CHAIN_FILES	(2 * FILES_PER_BLOCK + 5)
#define SHORT_CHAINS		4
#define FLBS_ORDER		1

enum image_layout {
	PAGE_SESSIONS,
	PAGE_LONG_CHAIN = PAGE_SESSIONS + 2,
	PAGE_SHORT_CHAINS = PAGE_LONG_CHAIN + 3,
	PAGE_CRCS = PAGE_SHORT_CHAINS + SHORT_CHAINS,
	PAGE_FLBS,
	PAGE_SPARE,
};

static_assert(PAGE_SPARE < IMAGE_PAGES);
static_assert(luo_wire_flbs_per(FLBS_ORDER) >= IMAGE_FLBS);

static u64 image_phys(unsigned int page)
{
	return IMAGE_BASE + page * PAGE_SIZE;
}

/* Moves the start, so that the end stays at the end of the allocation */
void image_resize(u8 **blob, size_t *size, size_t new_size)
{
	*blob += *size;
	*blob -= new_size;
	*size = new_size;
}

struct image *image_create(struct kunit *test)
{
	struct image *image = kunit_kzalloc(test, sizeof(*image), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, image);
	image->test = test;
	image->ser_size = sizeof(struct luo_ser);
	image->ser = kunit_kzalloc(test, image->ser_size, GFP_KERNEL);
	image->ext_size = sizeof(struct luo_ext_ser);
	image->ext = kunit_kzalloc(test, image->ext_size, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, image->ser);
	KUNIT_ASSERT_NOT_NULL(test, image->ext);

	image->page[PAGE_FLBS].room = FLBS_ORDER;
	for (i = 0; i < IMAGE_PAGES; i++) {
		image->page[i].phys = image_phys(i);
		image->page[i].keep = kunit_kzalloc(test, PAGE_SIZE << image->page[i].room,
						    GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, image->page[i].keep);
	}

	return image;
}

/* ---------------------------------------------------------------------- writing */

/* A chain of files in as many pages as it takes, from @page on; returns its checksum */
static u32 write_files(struct image *image, unsigned int page, unsigned int count)
{
	static const char *const compatible[] = { "memfd-v2", "vfio-pci-v1", "iommufd_v12", "x" };
	u32 crc = LUO_WIRE_CRC_SEED;
	unsigned int i, used;

	for (; count; count -= used, page++) {
		u8 *block = image->page[page].data;

		used = count < FILES_PER_BLOCK ? count : FILES_PER_BLOCK;
		luo_wire_write_block(block, used < count ? image_phys(page + 1) : 0, used);
		for (i = 0; i < used; i++) {
			luo_wire_write_file(luo_wire_block_entry(block, sizeof(struct luo_file_ser),
								 i),
					    compatible[i % ARRAY_SIZE(compatible)],
					    page * PAGE_SIZE + i, (u64)count << 32 | i);
		}
		crc = luo_wire_block_crc(crc, block, sizeof(struct luo_file_ser));
	}

	return crc;
}

static void write_session(struct image *image, unsigned int i)
{
	u8 *block = image->page[PAGE_SESSIONS + i / SESSIONS_PER_BLOCK].data;
	struct luo_session_ser *ser;
	unsigned int files = 0, page = 0;
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	u32 crc = 0;

	if (!i) {
		page = PAGE_LONG_CHAIN;
		files = LONG_CHAIN_FILES;
	} else if (i <= SHORT_CHAINS) {
		page = PAGE_SHORT_CHAINS + i - 1;
		files = i;
	}

	if (files)
		crc = write_files(image, page, files);
	memcpy(luo_wire_block_entry(image->page[PAGE_CRCS].data, sizeof(crc), i), &crc,
	       sizeof(crc));

	snprintf(name, sizeof(name), "session %u", i);
	ser = luo_wire_block_entry(block, sizeof(*ser), i % SESSIONS_PER_BLOCK);
	luo_wire_write_session(ser, name, files ? image_phys(page) : 0, files);
}

/* Returns their checksum */
static u32 write_flbs(struct image *image)
{
	u8 *area = image->page[PAGE_FLBS].data;
	char name[LUO_COMPAT_LEN];
	unsigned int i;

	for (i = 0; i < IMAGE_FLBS; i++) {
		snprintf(name, sizeof(name), "flb%u-v%u", i / 2, i);
		luo_wire_write_flb(area, i, name, i * PAGE_SIZE, 1 + i % 3);
	}
	luo_wire_write_flbs(area, FLBS_ORDER, IMAGE_FLBS);
	return luo_wire_flbs_crc(area);
}

/* All as new: pages, sizes, what is preserved */
void image_write(struct image *image)
{
	const struct luo_wire_head head = {
		.liveupdate_num = 7,
		.sessions_pa = image_phys(PAGE_SESSIONS),
		.flbs_pa = image_phys(PAGE_FLBS),
	};
	const size_t size = sizeof(struct luo_session_ser);
	u32 sessions_crc = LUO_WIRE_CRC_SEED;
	unsigned int i;

	image_resize(&image->ser, &image->ser_size, sizeof(struct luo_ser));
	image_resize(&image->ext, &image->ext_size, sizeof(struct luo_ext_ser));
	for (i = 0; i < IMAGE_PAGES; i++) {
		image->page[i].data = image->page[i].keep;
		image->page[i].order = image->page[i].room;
		memset(image->page[i].data, 0, PAGE_SIZE << image->page[i].room);
	}

	for (i = 0; i < IMAGE_SESSIONS; i++)
		write_session(image, i);

	luo_wire_write_block(image->page[PAGE_SESSIONS].data, image_phys(PAGE_SESSIONS + 1),
			     SESSIONS_PER_BLOCK);
	luo_wire_write_block(image->page[PAGE_SESSIONS + 1].data, 0,
			     IMAGE_SESSIONS - SESSIONS_PER_BLOCK);
	for (i = 0; i < 2; i++)
		sessions_crc = luo_wire_block_crc(sessions_crc,
						  image->page[PAGE_SESSIONS + i].data, size);
	luo_wire_write_block(image->page[PAGE_CRCS].data, 0, IMAGE_SESSIONS);

	luo_wire_write_head((struct luo_ser *)image->ser, &head);
	luo_wire_write_ext((struct luo_ext_ser *)image->ext, (struct luo_ser *)image->ser,
			   sessions_crc, write_flbs(image), image_phys(PAGE_CRCS),
			   luo_wire_block_crc(LUO_WIRE_CRC_SEED, image->page[PAGE_CRCS].data,
					      sizeof(u32)));
}

/* ---------------------------------------------------------------------- reading */

/* The page that begins there, or NULL */
struct image_page *image_find(struct image *image, u64 phys)
{
	unsigned int i;

	for (i = 0; i < IMAGE_PAGES; i++) {
		if (image->page[i].keep && image->page[i].phys == phys)
			return &image->page[i];
	}
	return NULL;
}

static const void *image_peek(void *ctx, u64 phys, unsigned int *order)
{
	struct image *image = ctx;
	const struct image_page *page = image_find(image, phys);

	image->peeks++;
	KUNIT_ASSERT_TRUE(image->test, phys);
	KUNIT_ASSERT_EQ(image->test, phys % PAGE_SIZE, 0);

	if (!page || page->order > page->room)
		return NULL;
	*order = page->order;
	return page->data;
}

/* On the way through a chain */
struct reader {
	struct image *image;
	struct image_facts *facts;
	size_t entry_size;
	u64 count;
	u64 digest;
	const u32 *crcs[IMAGE_SESSIONS];
	u64 crcs_count;
	bool checked;
};

static u64 digest_add(u64 digest, const void *data, size_t size)
{
	const u8 *byte = data;

	while (size--)
		digest = (digest ^ *byte++) * 0x100000001b3ULL;
	return digest ?: 1;
}

/* Nothing is handed out that does not lie in one of the pages, past its header */
static void expect_entry(struct reader *reader, const void *entry)
{
	struct image *image = reader->image;
	unsigned int i;

	for (i = 0; i < IMAGE_PAGES; i++) {
		const u8 *page = image->page[i].data;

		if (page && (const u8 *)entry >= page + sizeof(struct kho_block_header_ser) &&
		    (const u8 *)entry + reader->entry_size <= page + PAGE_SIZE)
			return;
	}

	KUNIT_ASSERT_TRUE(image->test, !"an entry that is in no page");
}

static int read_file(const void *entry, void *arg)
{
	static const char *const also[] = { "memfd-v1", "iommufd_v12", NULL };
	const struct luo_file_ser *ser = entry;
	struct reader *reader = arg;

	expect_entry(reader, entry);
	reader->count++;
	if (!luo_wire_file_valid(ser)) {
		reader->facts->refused = true;
		return 0;
	}

	KUNIT_ASSERT_LT(reader->image->test, strlen(ser->compatible), sizeof(ser->compatible));
	if (luo_compat_match(ser->compatible, "memfd-v2", also) == LUO_COMPAT_EXACT)
		KUNIT_ASSERT_TRUE(reader->image->test, !strcmp(ser->compatible, "memfd-v2"));
	reader->digest = digest_add(reader->digest, ser, sizeof(*ser));
	reader->facts->file_count++;
	return 0;
}

static int read_block(u64 phys, void *arg)
{
	unsigned int *count = arg;

	(*count)++;
	return 0;
}

/*
 * Checks a chain, then visits it: both say the same, neither looks at more pages than a
 * chain of IMAGE_PAGES that loops takes to be seen through.
 */
static int read_chain(struct reader *reader, u64 first, struct luo_wire_chain *chain,
		      int (*visit)(const void *entry, void *arg))
{
	struct image *image = reader->image;
	const struct luo_wire_pages pages = { .peek = image_peek, .ctx = image };
	unsigned int blocks = 0;
	int err;

	image->peeks = 0;
	err = luo_wire_check_chain(&pages, first, reader->entry_size, chain);
	KUNIT_ASSERT_TRUE(image->test, !err || err == -EUCLEAN);
	KUNIT_ASSERT_LE(image->test, image->peeks, 3 * IMAGE_PAGES);

	image->peeks = 0;
	if (err) {
		reader->facts->refused = true;
		luo_wire_each_block(&pages, first, read_block, &blocks);
		KUNIT_ASSERT_LE(image->test, image->peeks, 3 * IMAGE_PAGES);
		return err;
	}

	KUNIT_ASSERT_EQ(image->test, luo_wire_each_block(&pages, first, read_block, &blocks), 0);
	KUNIT_ASSERT_EQ(image->test, blocks, chain->blocks);
	KUNIT_ASSERT_LE(image->test, blocks, chain->entries);
	KUNIT_ASSERT_EQ(image->test, luo_wire_for_each(&pages, first, reader->entry_size, visit,
						       reader), 0);
	KUNIT_ASSERT_EQ(image->test, reader->count, chain->entries);
	return 0;
}

static void read_files(struct reader *sessions, const struct luo_session_ser *ser, u64 index)
{
	struct reader reader = {
		.image = sessions->image,
		.facts = sessions->facts,
		.entry_size = sizeof(struct luo_file_ser),
	};
	struct luo_wire_chain chain;

	if (read_chain(&reader, ser->files, &chain, read_file))
		return;
	if (chain.entries != ser->count)
		reader.facts->refused = true;
	if (index >= sessions->crcs_count)
		return;

	if (chain.crc == *sessions->crcs[index])
		reader.facts->files_digest[index] = reader.digest;
	else
		reader.facts->refused = true;
}

static int read_session(const void *entry, void *arg)
{
	const struct luo_session_ser *ser = entry;
	struct reader *reader = arg;
	u64 index = reader->count++;

	expect_entry(reader, entry);
	if (!luo_wire_session_valid(ser)) {
		reader->facts->refused = true;
		return 0;
	}

	KUNIT_ASSERT_LT(reader->image->test, strlen(ser->name), sizeof(ser->name));
	KUNIT_ASSERT_EQ(reader->image->test, ser->files % PAGE_SIZE, 0);
	reader->digest = digest_add(reader->digest, ser, sizeof(*ser));
	reader->facts->session_count++;
	read_files(reader, ser, index);
	return 0;
}

static int read_crc(const void *entry, void *arg)
{
	struct reader *reader = arg;

	expect_entry(reader, entry);
	if (reader->count < IMAGE_SESSIONS)
		reader->crcs[reader->count] = entry;
	reader->count++;
	return 0;
}

/* The checksums of the files, if they are what they were */
static void read_crcs(struct reader *sessions, const struct luo_ext_ser *ext)
{
	struct reader reader = *sessions;
	struct luo_wire_chain chain;

	reader.entry_size = sizeof(u32);
	if (read_chain(&reader, ext->files_crcs_pa, &chain, read_crc))
		return;
	if (chain.crc != ext->files_crcs_crc) {
		sessions->facts->refused = true;
		return;
	}

	memcpy(sessions->crcs, reader.crcs, sizeof(reader.crcs));
	sessions->crcs_count = reader.count < IMAGE_SESSIONS ? reader.count : IMAGE_SESSIONS;
	sessions->facts->crcs_count = reader.count;
}

static void read_sessions(struct reader *reader, const struct luo_wire_head *head,
			  const struct luo_ext_ser *ext)
{
	struct image_facts *facts = reader->facts;
	struct luo_wire_chain chain;

	facts->sessions = read_chain(reader, head->sessions_pa, &chain, read_session);
	if (facts->sessions || !ext)
		return;

	if (chain.crc == ext->sessions_crc) {
		facts->sessions_digest = reader->digest;
		return;
	}

	/* The kernel would not have gone on to the files */
	memset(facts->files_digest, 0, sizeof(facts->files_digest));
	facts->sessions = -EUCLEAN;
	facts->refused = true;
}

/* All entries are in the folio, and have names of their own */
static void expect_flbs(struct image *image, const struct luo_wire_flbs *flbs)
{
	const u8 *begin = (const u8 *)flbs->entries - sizeof(struct luo_flb_header_ser);
	unsigned int i;

	for (i = 0; i < IMAGE_PAGES && image->page[i].data != begin; i++)
		;
	KUNIT_ASSERT_LT(image->test, i, IMAGE_PAGES);
	KUNIT_ASSERT_LE(image->test, flbs->count, luo_wire_flbs_per(image->page[i].room));
	for (i = 0; i < flbs->count; i++) {
		const char *name = flbs->entries[i].name;

		KUNIT_ASSERT_TRUE(image->test, luo_compat_valid(name, LUO_COMPAT_LEN));
		KUNIT_ASSERT_TRUE(image->test, !i || strcmp(name, flbs->entries[i - 1].name));
	}
}

static void read_flbs(struct reader *reader, const struct luo_wire_head *head,
		      const struct luo_ext_ser *ext)
{
	struct image *image = reader->image;
	const struct luo_wire_pages pages = { .peek = image_peek, .ctx = image };
	struct image_facts *facts = reader->facts;
	struct luo_wire_flbs flbs;
	unsigned int i;

	image->peeks = 0;
	facts->flbs = luo_wire_read_flbs(&pages, head->flbs_pa, ext, &flbs);
	KUNIT_ASSERT_TRUE(image->test, !facts->flbs || facts->flbs == -EUCLEAN);
	KUNIT_ASSERT_LE(image->test, image->peeks, 1);
	if (facts->flbs) {
		facts->refused = true;
		return;
	}

	facts->flb_count = flbs.count;
	if (!flbs.count)
		return;
	expect_flbs(image, &flbs);
	for (i = 0; ext && i < flbs.count; i++)
		facts->flbs_digest = digest_add(facts->flbs_digest, &flbs.entries[i],
						sizeof(flbs.entries[i]));
}

void image_read(struct image *image, struct image_facts *facts)
{
	struct reader reader = {
		.image = image,
		.facts = facts,
		.entry_size = sizeof(struct luo_session_ser),
	};
	struct luo_wire_head head;
	struct luo_ext_ser ext;

	memset(facts, 0, sizeof(*facts));
	facts->checked = luo_wire_read_ext(image->ext, image->ext_size, &ext);
	facts->head = luo_wire_read_head(image->ser, image->ser_size,
					 facts->checked ? &ext : NULL, &head);
	if (facts->head) {
		KUNIT_ASSERT_TRUE(image->test, facts->head == -EUCLEAN ||
				  facts->head == -EPROTONOSUPPORT);
		facts->refused = true;
		return;
	}

	read_flbs(&reader, &head, facts->checked ? &ext : NULL);
	if (facts->checked)
		read_crcs(&reader, &ext);
	read_sessions(&reader, &head, facts->checked ? &ext : NULL);
}
