/* SPDX-License-Identifier: GPL-2.0 */
/* What luo_flb_test.c and luo_flb_early.c share. */
#ifndef _LUO_FLB_TEST_H
#define _LUO_FLB_TEST_H

#include <linux/liveupdate.h>
#include <linux/types.h>

#define FLB_TEST_FAMILY		"luo_test-flb"

struct dentry;

/* Folder in debugfs */
extern struct dentry *flb_test_dir;

/* What was handed over for FLB 0, if somebody has asked early; else 0 */
extern u64 flb_test_early_data;

extern const struct liveupdate_flb_ops flb_test_flb_ops;

/* Make what the parameters ask for, once; then these can be called. */
int flb_test_create(void);
const char *flb_test_compatible(unsigned int nr);
int flb_test_get_incoming(unsigned int nr);
int flb_test_put_incoming(unsigned int nr);

#endif /* _LUO_FLB_TEST_H */
