// SPDX-License-Identifier: GPL-2.0
#include <linux/string.h>

#include "handover.h"
#include "luo_seal.h"

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

/* Not counted, and with no more than the caller's word for the order */
static const void *seal_peek(void *ctx, u64 phys, unsigned int *order)
{
	struct image_page *page = image_find(ctx, phys);

	if (!page)
		return NULL;
	*order = page->room;
	return page->data;
}

/**
 * handover_seal() - make all checksums right
 * @image: what was handed over, damaged or not
 */
void handover_seal(struct image *image)
{
	const struct luo_wire_pages pages = { .peek = seal_peek, .ctx = image };
	struct luo_ext_ser *ext = (void *)image->ext;
	struct luo_ser *ser = (void *)image->ser;

	if (image->ext_size != sizeof(*ext) || image->ser_size != sizeof(*ser))
		return;
	luo_seal_files(ser, ext, &pages);
	luo_seal(ser, ext, &pages);
}
