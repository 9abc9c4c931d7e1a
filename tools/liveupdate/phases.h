/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the phases of the last live update took, computed from the readings of clock and
 * counter that both kernels have taken.
 */
#ifndef PHASES_H
#define PHASES_H

#include <linux/types.h>

/* The duration of a phase that is not known */
#define PHASE_UNKNOWN	(~0ULL)

/**
 * struct reading - clock and counter, read together
 * @ns: CLOCK_MONOTONIC
 * @cycles: the processor's counter
 */
struct reading {
	__u64 ns;
	__u64 cycles;
};

/* Milestones of the previous kernel, in order */
enum {
	PREVIOUS_REBOOT,	/* it was asked to go */
	PREVIOUS_FROZEN,	/* all files are */
	PREVIOUS_SERIALIZED,
	PREVIOUS_DEVICES,	/* are shut down */
	PREVIOUS_KEXEC,
	PREVIOUS_MILESTONES
};

/* Milestones of this kernel, in order */
enum {
	THIS_PARSED,		/* what was handed over: the kernel has come up */
	THIS_OPENED,		/* the device, by the first program */
	THIS_RETRIEVED,		/* the last file so far */
	THIS_FINISHED,		/* the last session */
	THIS_MILESTONES
};

/* Each but the last two ends where the next one begins. */
enum phase {
	PHASE_FREEZE,		/* from the reboot on */
	PHASE_SERIALIZE,
	PHASE_DEVICES,
	PHASE_CPUS,
	PHASE_BOOT,		/* from the kexec to THIS_PARSED */
	PHASE_START,		/* of programs, to THIS_OPENED */
	PHASE_RETRIEVE,
	PHASE_FINISH,
	PHASE_BLACKOUT,		/* up to and with PHASE_START */
	PHASES
};

/**
 * struct readings - of one live update
 * @previous: when the previous kernel reached its milestones; not trusted
 * @previous_real: its wall clock at PREVIOUS_SERIALIZED, in nanoseconds since 1970
 * @this: when this kernel reached its milestones; 0: not yet
 * @this_real: its wall clock at THIS_PARSED
 * @now: when these were read, which tells the counter's rate
 */
struct readings {
	struct reading previous[PREVIOUS_MILESTONES];
	__u64 previous_real;
	struct reading this[THIS_MILESTONES];
	__u64 this_real;
	struct reading now;
};

/* PHASES values in nanoseconds, or PHASE_UNKNOWN */
void compute_phases(const struct readings *readings, __u64 *phases);

#endif /* PHASES_H */
