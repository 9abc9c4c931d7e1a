/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the phases of the last live update took, over both kernels.
 */
#ifndef _LUO_TIMELINE_H
#define _LUO_TIMELINE_H

#include <linux/kho/abi/luo.h>
#include <linux/types.h>

/* The duration of a phase that is not known */
#define LUO_UNKNOWN	U64_MAX

/* Milestones of this kernel, in order */
enum luo_milestone {
	LUO_MILESTONE_PARSED,	/* the root was read: the kernel has come up */
	LUO_MILESTONE_OPENED,	/* a program opened the device */
	LUO_MILESTONE_RETRIEVED,	/* a file was retrieved; the last one counts */
	LUO_MILESTONE_FINISHED,	/* the last session was finished */
	LUO_MILESTONES
};

/* Each but the last two ends where the next one begins. */
enum luo_phase {
	LUO_PHASE_FREEZE,	/* of files, from the reboot on */
	LUO_PHASE_SERIALIZE,
	LUO_PHASE_DEVICES,	/* shut down, and the system's core */
	LUO_PHASE_CPUS,		/* stopped */
	LUO_PHASE_BOOT,		/* from the jump to LUO_MILESTONE_PARSED */
	LUO_PHASE_START,	/* of programs, to LUO_MILESTONE_OPENED */
	LUO_PHASE_RETRIEVE,	/* and whatever else happens from there to the last file */
	LUO_PHASE_FINISH,
	LUO_PHASE_BLACKOUT,	/* up to and with LUO_PHASE_START */
	LUO_PHASES
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

void luo_timeline_phases(const struct luo_stamp_ser *old, const struct luo_timeline *timeline,
			 const struct luo_stamp_ser *now, u64 *phases);

#endif /* _LUO_TIMELINE_H */
