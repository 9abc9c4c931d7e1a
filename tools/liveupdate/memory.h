/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMORY_H
#define MEMORY_H

/* Bytes of what /proc/meminfo calls @what, a word with its colon; 0 if it has no such line */
unsigned long long memory_in_system(const char *what);

/*
 * Before @more bytes are put into memory, where @bytes are already: exits if these do not fit, a
 * reserve left. Asks the kernel now and then.
 */
void memory_check(const char *what, unsigned long long bytes, unsigned long long more);

/* The same with all that a file, if it is one, still has to be read of it */
void memory_check_file(const char *what, int fd);

#endif /* MEMORY_H */
