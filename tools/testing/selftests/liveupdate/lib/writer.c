// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "writer.h"
#include "util.h"

static void *write_all_the_time(void *arg)
{
	struct luo_busy *b = arg;
	unsigned int i = 0;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		size_t at = (++i * 7919) % LUO_BUSY_PAGES * PAGE;
		__u32 got = 0;
		ssize_t n = pwrite(b->memfd, &i, sizeof(i), at);

		if (n < 0 && errno == EBUSY)
			continue;
		if (n != sizeof(i) || pread(b->memfd, &got, sizeof(got), at) != n || got != i)
			b->lost++;
	}
	return NULL;
}

int luo_busy_start(struct luo_busy *b, int memfd)
{
	*b = (struct luo_busy){ .memfd = memfd };
	return pthread_create(&b->thread, NULL, write_all_the_time, b);
}

int luo_busy_stop(struct luo_busy *b)
{
	__atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
	pthread_join(b->thread, NULL);
	return b->lost;
}
