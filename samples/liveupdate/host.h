/* SPDX-License-Identifier: GPL-2.0 */
/* What the samples need as /init of a small guest. */
#ifndef HOST_H
#define HOST_H

#include <stddef.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <linux/types.h>

#define MIB		(1024UL * 1024)

FILE *start_host(void);
void read_cmdline(char *cmdline, size_t size);
void flush_story(FILE *story);
noreturn void power_off(FILE *story);

double now(void);
__u64 cycles(void);
__u64 cycles_per_second(void);

#endif
