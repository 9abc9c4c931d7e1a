/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions with three memfds, with the tokens 0 to 2. Number 1 is for damage and large
 * enough for its memory to be seen when it is freed; the others are small.
 */
#ifndef THREE_MEMFDS_H
#define THREE_MEMFDS_H

#define LARGE_PAGES	1024
#define LARGE		(LARGE_PAGES * PAGE)
#define SMALL		(3 * PAGE + 5)
#define THREE_SEED	500

void preserve_small(int session, unsigned int token);
void preserve_large(int session);
void preserve_three(const char *name);

/* Is it all there? retrieve_three() also finishes the session. */
void retrieve_three(const char *name);
void retrieve_small(int session, unsigned int token);
void retrieve_large(int session);

/* One cannot be retrieved, nor at a second try. */
void expect_refused(int session, unsigned int token, int err);

#endif /* THREE_MEMFDS_H */
