/* SPDX-License-Identifier: GPL-2.0 */
/* File descriptors of every kind that this kernel has. */
#ifndef FD_KINDS_H
#define FD_KINDS_H

#define MAX_KINDS	48

struct luo_kinds {
	int fd[MAX_KINDS];
	const char *name[MAX_KINDS];
	int nr;
};

/* Those that cannot be had are left out; how many there are */
int luo_kinds_open(struct luo_kinds *kinds);
void luo_kinds_close(struct luo_kinds *kinds);

#endif /* FD_KINDS_H */
