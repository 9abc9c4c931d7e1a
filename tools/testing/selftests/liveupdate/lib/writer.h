/* SPDX-License-Identifier: GPL-2.0 */
/* A thread that writes to a memfd all the time, and notices what gets lost. */
#ifndef WRITER_H
#define WRITER_H

#include <pthread.h>
#include <stdbool.h>

#define LUO_BUSY_PAGES	1024

struct luo_busy {
	int memfd;
	bool stop;
	int lost;
	pthread_t thread;
};

/* Start on a memfd of LUO_BUSY_PAGES pages; 0 or an errno */
int luo_busy_start(struct luo_busy *b, int memfd);

/* Stop; how many writes were neither there afterwards nor refused with EBUSY */
int luo_busy_stop(struct luo_busy *b);

#endif /* WRITER_H */
