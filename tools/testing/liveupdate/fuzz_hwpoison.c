// SPDX-License-Identifier: GPL-2.0
/*
 * The list of bad pages, coverage-guided. What passes is what a kernel writes: as many pages as
 * there is room for, in ascending order, each of which can exist.
 */
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <asm/page.h>

#include "../../../mm/hwpoison_kho.h"
#include "libfuzzer.h"

static unsigned long long nr_read, nr_sizes, nr_damaged, nr_unknown, nr_valid;

static void tell(void)
{
	fprintf(stderr, "fuzzed: %llu lists of bad pages read: %llu of no size that one has, ",
		nr_read, nr_sizes);
	fprintf(stderr, "%llu damaged, %llu of another page size, %llu valid\n", nr_damaged,
		nr_unknown, nr_valid);
	/* A fuzzer that sees only one side of it does not test. */
	if (nr_read > 20000 && (!nr_sizes || !nr_damaged || !nr_unknown || !nr_valid))
		_exit(1);
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void expect_valid(const struct hwpoison_ser *ser, size_t size)
{
	must(ser->nr && ser->nr <= HWPOISON_MAX_PAGES);
	must(size == sizeof(*ser) + ser->nr * sizeof(u64));
	for (u64 i = 0; i < ser->nr; i++) {
		must(ser->pfns[i] << PAGE_SHIFT >> PAGE_SHIFT == ser->pfns[i]);
		must(ser->pfns[i] << PAGE_SHIFT < 1ULL << 52);
		must(!i || ser->pfns[i] > ser->pfns[i - 1]);
	}
}

/* In memory of its own size, so that reading beyond it is noticed */
int fuzz_one(const u8 *data, size_t size)
{
	struct hwpoison_ser *ser;
	int err;

	if (!nr_read++)
		atexit(tell);
	if (!hwpoison_ser_size_valid(size)) {
		nr_sizes++;
		return 0;
	}
	ser = malloc(size);
	must(ser);
	memcpy(ser, data, size);
	err = hwpoison_ser_check(ser, size);
	if (!err)
		expect_valid(ser, size);
	must(!err || err == -EUCLEAN || err == -EPROTONOSUPPORT);
	nr_valid += !err;
	nr_damaged += err == -EUCLEAN;
	nr_unknown += err == -EPROTONOSUPPORT;
	free(ser);
	return 0;
}

/* Most inputs get a good head, so that what is behind it is looked at. */
size_t fuzz_mutate(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	struct hwpoison_ser *ser;
	u32 shift;

	size = fuzz_mutate_bytes(data, size, max_size);
	if (seed % 4 && size >= sizeof(u64))
		size -= size % sizeof(u64);
	if (seed % 16 == 0 || !hwpoison_ser_size_valid(size))
		return size;
	ser = malloc(size);
	must(ser);
	memcpy(ser, data, size);
	ser->nr = (size - sizeof(*ser)) / sizeof(u64);
	shift = ser->page_shift;
	for (u64 i = 0; seed % 2 && i < ser->nr; i++)
		ser->pfns[i] = i ? ser->pfns[i - 1] + 1 + ser->pfns[i] % 512 : ser->pfns[i] >> 40;
	hwpoison_ser_seal(ser);
	if (seed % 32 == 1 && shift != PAGE_SHIFT) {
		ser->page_shift = shift;
		ser->crc = crc32c(~0, &ser->page_shift, size - sizeof(ser->crc));
	}
	memcpy(data, ser, size);
	free(ser);
	return size;
}
