// SPDX-License-Identifier: GPL-2.0
/*
 * When this kernel and the previous one have reached each milestone of a live update. How
 * long that took, and how far the clocks can be trusted, is for luoctl timeline to say.
 */
#include <linux/cleanup.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>

#include "luo_internal.h"

/*
 * Read clock and counter. A virtual CPU can be descheduled between the two, so of some
 * readings the one counts in which the least time went by.
 */
void luo_read_clocks(struct luo_stamp_ser *stamp)
{
	u64 least = U64_MAX;

	for (int i = 0; i < 4; i++) {
		u64 before = get_cycles(), ns = ktime_get_mono_fast_ns();
		u64 between = get_cycles() - before;

		if (between >= least)
			continue;
		least = between;
		stamp->ns = ns;
		stamp->cycles = before + between / 2;
	}
}

/*
 * Record that this kernel has reached a milestone. Of retrievals the last one counts, of
 * all others the first. Does not sleep.
 */
void luo_timeline_record(struct luo *luo, enum luo_milestone point)
{
	struct luo_stamp_ser *stamp = &luo->timeline.points[point];

	guard(spinlock)(&luo->state_lock);
	if (stamp->ns && point != LUO_MILESTONE_RETRIEVED)
		return;
	luo_read_clocks(stamp);
	if (point == LUO_MILESTONE_PARSED)
		luo->timeline.real = ktime_get_real_ns();
}

static void each_stamp(const struct luo_timeline_row *first, const char *const *names,
		       const struct luo_stamp_ser *stamps, unsigned int nr,
		       void (*fn)(void *arg, const struct luo_timeline_row *row), void *arg)
{
	struct luo_timeline_row row = *first;

	for (unsigned int i = 0; i < nr; i++, row.nr++) {
		row.name = names[i];
		row.stamp = stamps[i];
		fn(arg, &row);
	}
}

/*
 * Call @fn with each milestone of the previous kernel and of this one, with the wall clock of
 * each, and with the clocks now. Those of the previous kernel have no checksum: they are
 * written after the checksums.
 */
void luo_timeline_each(struct luo *luo,
		       void (*fn)(void *arg, const struct luo_timeline_row *row), void *arg)
{
	static const char *const previous[LIVEUPDATE_STAMPS] = {
		[LIVEUPDATE_STAMP_REBOOT] = "reboot",
		[LIVEUPDATE_STAMP_FROZEN] = "frozen",
		[LIVEUPDATE_STAMP_SERIALIZED] = "serialized",
		[LIVEUPDATE_STAMP_SYSCORE] = "devices",
		[LIVEUPDATE_STAMP_MACHINE] = "kexec",
	};
	static const char *const this[LUO_MILESTONES] = {
		[LUO_MILESTONE_PARSED] = "parsed",
		[LUO_MILESTONE_OPENED] = "opened",
		[LUO_MILESTONE_RETRIEVED] = "retrieved",
		[LUO_MILESTONE_FINISHED] = "finished",
	};
	static const char *const real[] = { "realtime" }, *const last[] = { "now" };
	const struct luo_stamp_ser *stamps = luo->in.ext.stamps;
	struct luo_timeline_row row = { .previous = true };
	struct luo_timeline timeline;
	struct luo_stamp_ser now;

	scoped_guard(spinlock, &luo->state_lock)
		timeline = luo->timeline;
	luo_read_clocks(&now);
	each_stamp(&row, previous, stamps, LIVEUPDATE_STAMPS, fn, arg);
	row.nr = LIVEUPDATE_STAMPS;
	each_stamp(&row, real, &stamps[LUO_STAMP_REAL], 1, fn, arg);
	row = (struct luo_timeline_row){ .nr = row.nr + 1 };
	each_stamp(&row, this, timeline.points, LUO_MILESTONES, fn, arg);
	row.nr += LUO_MILESTONES;
	each_stamp(&row, real, &(struct luo_stamp_ser){ .ns = timeline.real }, 1, fn, arg);
	row.nr++;
	each_stamp(&row, last, &now, 1, fn, arg);
}
