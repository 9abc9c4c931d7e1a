// SPDX-License-Identifier: GPL-2.0
/* Sessions with three memfds. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "scenario.h"
#include "three_memfds.h"

void preserve_small(int session, unsigned int token)
{
	int fd = test_memfd(SMALL);

	require_true(luo_fill(fd, THREE_SEED + token, 0, SMALL));
	test_preserve(session, fd, token);
	close(fd);
}

/* Its pages are there, and all but the last hold zeroes. */
void preserve_large(int session)
{
	int fd = test_memfd(LARGE);

	require_eq(0, fallocate(fd, 0, 0, LARGE));
	require_true(luo_fill(fd, THREE_SEED + 1, LARGE - PAGE, PAGE));
	test_preserve(session, fd, 1);
	close(fd);
}

void preserve_three(const char *name)
{
	int s = create(name);

	preserve_small(s, 0);
	preserve_large(s);
	preserve_small(s, 2);
}

void retrieve_small(int session, unsigned int token)
{
	int fd = test_retrieve_fd(session, token);

	check_eq(SMALL, luo_size(fd));
	check_true(luo_holds(fd, THREE_SEED + token, 0, SMALL));
	close(fd);
}

void retrieve_large(int session)
{
	int fd = test_retrieve_fd(session, 1);

	check_eq(LARGE, luo_size(fd));
	check_true(luo_is_zero(fd, 0, LARGE - PAGE));
	check_true(luo_holds(fd, THREE_SEED + 1, LARGE - PAGE, PAGE));
	close(fd);
}

void retrieve_three(const char *name)
{
	int s = retrieve(name);

	retrieve_small(s, 0);
	retrieve_large(s);
	retrieve_small(s, 2);
	test_finish(s);
	close(s);
	expect_gone(name);
}

void expect_refused(int session, unsigned int token, int err)
{
	test_err_retrieve_fd(err, session, token);
	test_err_retrieve_fd(err, session, token);
}
