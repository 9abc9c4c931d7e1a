// SPDX-License-Identifier: GPL-2.0
#include <linux/string.h>

#include "handover.h"

static u8 *copy(struct kunit *test, const u8 *data, size_t size, size_t room)
{
	u8 *bytes = kunit_kzalloc(test, room, GFP_KERNEL);

	KUNIT_ASSERT_TRUE(test, bytes || !room);
	memcpy(bytes, data, size < room ? size : room);
	return bytes;
}

static void read_page(struct image *image, const struct piece_head *head, const u8 *data)
{
	struct image_page *page = image->page;

	while (page < image->page + IMAGE_PAGES && page->keep)
		page++;
	if (page == image->page + IMAGE_PAGES)
		return;

	page->phys = head->phys;
	page->order = head->order;
	while (page->room < HANDOVER_MAX_ROOM &&
	       (PAGE_SIZE << page->room < head->size || page->room < head->order))
		page->room++;
	page->keep = copy(image->test, data, head->size, PAGE_SIZE << page->room);
	page->data = page->keep;
}

/**
 * handover_read() - what a file says was handed over
 * @test: whom the memory belongs to
 * @data: the file; it may be anything
 * @size: its size
 *
 * Return: The handover, of as many pieces as are whole and find room.
 */
struct image *handover_read(struct kunit *test, const u8 *data, size_t size)
{
	struct image *image = kunit_kzalloc(test, sizeof(*image), GFP_KERNEL);
	struct piece_head head;

	KUNIT_ASSERT_NOT_NULL(test, image);
	image->test = test;
	for (; size >= sizeof(head); data += head.size, size -= head.size) {
		memcpy(&head, data, sizeof(head));
		data += sizeof(head);
		size -= sizeof(head);
		if (head.size > size)
			break;

		if (head.kind == PIECE_SER && !image->ser) {
			image->ser = copy(test, data, head.size, head.size);
			image->ser_size = head.size;
		} else if (head.kind == PIECE_EXT && !image->ext) {
			image->ext = copy(test, data, head.size, head.size);
			image->ext_size = head.size;
		} else if (head.kind == PIECE_PAGE) {
			read_page(image, &head, data);
		}
	}
	return image;
}

/* Returns how much of the room is left, as much as before if it is too little */
static size_t write_piece(u8 *end, size_t left, struct piece_head head, const u8 *data)
{
	if (!data || left < sizeof(head) + head.size)
		return left;

	memcpy(end - left, &head, sizeof(head));
	memcpy(end - left + sizeof(head), data, head.size);
	return left - sizeof(head) - head.size;
}

/**
 * handover_write() - make a file of a handover
 * @image: what was handed over
 * @data: the file
 * @room: the most that it may become
 *
 * Return: How long it has become. Pieces that do not fit are left out.
 */
size_t handover_write(const struct image *image, u8 *data, size_t room)
{
	u8 *end = data + room;
	size_t left = room;

	left = write_piece(end, left, (struct piece_head) {
		.kind = PIECE_SER, .size = image->ser_size }, image->ser);
	left = write_piece(end, left, (struct piece_head) {
		.kind = PIECE_EXT, .size = image->ext_size }, image->ext);
	for (unsigned int i = 0; i < IMAGE_PAGES; i++) {
		const struct image_page *page = &image->page[i];
		size_t used = PAGE_SIZE << page->room;

		while (page->data && used && !page->data[used - 1])
			used--;
		left = write_piece(end, left, (struct piece_head) {
			.kind = PIECE_PAGE, .phys = page->phys, .order = page->order,
			.size = used }, page->data);
	}
	return room - left;
}

/* The block there, if it holds no more than it can */
static u8 *find_block(struct image *image, u64 phys, size_t entry_size)
{
	struct image_page *page = image_find(image, phys);
	const struct kho_block_header_ser *header;

	if (!page || !page->data)
		return NULL;
	header = (const void *)page->data;
	return header->count <= luo_wire_per_block(entry_size) ? page->data : NULL;
}

static u32 chain_crc(struct image *image, u64 phys, size_t entry_size)
{
	u32 crc = LUO_WIRE_CRC_SEED;
	u8 *block;

	for (unsigned int i = 0; i < IMAGE_PAGES && phys; i++) {
		block = find_block(image, phys, entry_size);
		if (!block)
			break;
		crc = luo_wire_block_crc(crc, block, entry_size);
		phys = ((const struct kho_block_header_ser *)block)->next;
	}
	return crc;
}

/* The checksums of all sessions' files, as far as the first block of them has room */
static void seal_files(struct image *image, u64 phys, u64 crcs_pa)
{
	const struct luo_session_ser *ser;
	u8 *crcs = find_block(image, crcs_pa, sizeof(u32));
	u64 index = 0;
	u8 *block;
	u32 crc;

	for (unsigned int i = 0; i < IMAGE_PAGES && crcs && phys; i++) {
		block = find_block(image, phys, sizeof(*ser));
		if (!block || block == crcs)
			break;
		for (u64 k = 0; k < ((struct kho_block_header_ser *)block)->count; k++, index++) {
			if (index >= ((struct kho_block_header_ser *)crcs)->count)
				return;
			ser = luo_wire_block_entry(block, sizeof(*ser), k);
			crc = ser->files ? chain_crc(image, ser->files,
						     sizeof(struct luo_file_ser)) : 0;
			memcpy(luo_wire_block_entry(crcs, sizeof(crc), index), &crc, sizeof(crc));
		}
		phys = ((struct kho_block_header_ser *)block)->next;
	}
}

static u32 area_crc(struct image *image, u64 phys)
{
	struct image_page *page = image_find(image, phys);
	const struct luo_flb_header_ser *header;

	if (!page || !page->data)
		return 0;
	header = (const void *)page->data;
	return header->count <= luo_wire_flbs_per(page->room) ? luo_wire_flbs_crc(header) : 0;
}

/**
 * handover_seal() - make all checksums right
 * @image: what was handed over, damaged or not
 */
void handover_seal(struct image *image)
{
	struct luo_ext_ser *ext = (void *)image->ext;
	struct luo_ser ser;
	u32 sessions, crcs;

	if (image->ext_size != sizeof(*ext) || image->ser_size != sizeof(ser))
		return;

	memcpy(&ser, image->ser, sizeof(ser));
	seal_files(image, ser.sessions_pa, ext->files_crcs_pa);
	crcs = chain_crc(image, ext->files_crcs_pa, sizeof(u32));
	sessions = chain_crc(image, ser.sessions_pa, sizeof(struct luo_session_ser));
	luo_wire_write_ext(ext, &ser, ser.sessions_pa ? sessions : ext->sessions_crc,
			   ser.flbs_pa ? area_crc(image, ser.flbs_pa) : ext->flbs_crc,
			   ext->files_crcs_pa, ext->files_crcs_pa ? crcs : ext->files_crcs_crc);
}
