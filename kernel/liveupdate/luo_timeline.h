/* SPDX-License-Identifier: GPL-2.0 */
/* Milestones of a live update. See luo_timeline.c. */
#ifndef _LUO_TIMELINE_H
#define _LUO_TIMELINE_H

#include <linux/kho/abi/luo.h>
#include <linux/types.h>

/* Milestones of this kernel, in order */
enum luo_milestone {
	LUO_MILESTONE_PARSED,	/* the root was read: the kernel has come up */
	LUO_MILESTONE_OPENED,	/* a program opened the device */
	LUO_MILESTONE_RETRIEVED,	/* a file was retrieved; the last one counts */
	LUO_MILESTONE_FINISHED,	/* the last session was finished */
	LUO_MILESTONES
};

/**
 * struct luo_timeline - the timestamps of this kernel
 * @points: when the milestones were reached; 0 if not yet
 * @real: the wall clock at LUO_MILESTONE_PARSED, in nanoseconds since 1970
 */
struct luo_timeline {
	struct luo_stamp_ser points[LUO_MILESTONES];
	u64 real;
};

/**
 * struct luo_timeline_row - a milestone, to be shown
 * @nr: its position
 * @previous: the previous kernel's
 * @name: its name; "realtime": the wall clock in nanoseconds since 1970; "now"
 * @stamp: when it was reached; 0 if not yet
 */
struct luo_timeline_row {
	unsigned int nr;
	bool previous;
	const char *name;
	struct luo_stamp_ser stamp;
};

#endif /* _LUO_TIMELINE_H */
