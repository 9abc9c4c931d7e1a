// SPDX-License-Identifier: GPL-2.0
/*
 * What programs can ask: the state as a whole, and lists of sessions, files, FLBs, formats
 * and timestamps, in pieces.
 *
 * Each entry has a position, ascending, which stays while others come and go: sessions and
 * FLBs are numbered in order of their lists, files count from their session's number. A
 * cursor is the position to go on from. Readers wait neither for ops, but can_preserve(), nor
 * for calls of others: a session with an active call is listed as busy, without its files.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/pid.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include "luo_compat.h"
#include "luo_internal.h"

/* Space for the files of a session, at most LUO_CHAIN_MAX_BLOCKS * 1023 with 64 KiB pages */
#define FILE_BITS	24
#define FLBS		BIT_ULL(63)

struct lister {
	struct luo *luo;
	struct liveupdate_list_entry *entries;
	u32 max;
	u32 nr;
	u64 cursor;
};

/* Returns 0, also if the entry was listed before, or 1: there is no space. */
static int lister_add(struct lister *to, u64 pos, const struct liveupdate_list_entry *entry)
{
	if (pos < to->cursor)
		return 0;
	if (to->nr == to->max)
		return 1;
	to->entries[to->nr++] = *entry;
	to->cursor = pos + 1;
	return 0;
}

/* 0 also if the program has ended, or is not in the caller's namespace. */
static pid_t holder_pid(const struct liveupdate_session *session)
{
	guard(rcu)();
	return pid_task(session->holder, PIDTYPE_TGID) ? pid_vnr(session->holder) : 0;
}

static u32 session_state(const struct liveupdate_session *session)
{
	switch (session->state) {
	case LUO_SESSION_OPEN:
		return LIVEUPDATE_STATE_OPEN;
	case LUO_SESSION_FROZEN:
		return LIVEUPDATE_STATE_FROZEN;
	case LUO_SESSION_WAITING:
		return LIVEUPDATE_STATE_WAITING;
	default:
		return LIVEUPDATE_STATE_RETRIEVED;
	}
}

static u32 file_state(enum luo_file_state state)
{
	switch (state) {
	case LUO_FILE_PRESERVED:
		return LIVEUPDATE_STATE_PRESERVED;
	case LUO_FILE_FROZEN:
		return LIVEUPDATE_STATE_FROZEN;
	case LUO_FILE_UNTRIED:
		return LIVEUPDATE_STATE_UNTRIED;
	case LUO_FILE_RETRIEVING:
		return LIVEUPDATE_STATE_RETRIEVING;
	case LUO_FILE_RETRIEVED:
		return LIVEUPDATE_STATE_RETRIEVED;
	case LUO_FILE_FAILED:
		return LIVEUPDATE_STATE_FAILED;
	default:
		return LIVEUPDATE_STATE_NONE;
	}
}

/* What retrieving a file would return for lack of a handler; else 0. */
static int mismatch(struct luo *luo, const char *found)
{
	return PTR_ERR_OR_ZERO(luo_handler_match(luo, found));
}

static int list_file(struct lister *to, u64 pos, const struct luo_file *lf)
{
	struct liveupdate_list_entry entry = {
		.kind = LIVEUPDATE_ENTRY_FILE,
		.state = file_state(READ_ONCE(lf->state)),
		.err = min(READ_ONCE(lf->args.retrieve_status), 0),
		.token = lf->key.token,
	};

	if (!entry.err && !READ_ONCE(lf->handler))
		entry.err = mismatch(to->luo, lf->found);
	strscpy_pad(entry.compatible, lf->args.compatible);
	return lister_add(to, pos, &entry);
}

/* Files of a session that was not retrieved yet */
struct peek {
	struct lister *to;
	u64 pos;
};

static int list_peeked_file(const void *ptr, void *arg)
{
	const struct luo_file_ser *ser = ptr;
	struct liveupdate_list_entry entry = {
		.kind = LIVEUPDATE_ENTRY_FILE,
		.state = LIVEUPDATE_STATE_UNTRIED,
		.token = ser->token,
	};
	struct peek *peek = arg;

	if (peek->pos >= peek->to->cursor)
		entry.err = mismatch(peek->to->luo, ser->compatible);
	strscpy_pad(entry.compatible, ser->compatible);
	return lister_add(peek->to, peek->pos++, &entry);
}

static int list_files(struct lister *to, u64 pos, struct liveupdate_session *session)
{
	struct peek peek = { .to = to, .pos = pos };
	struct luo_file *lf;

	if (session->key.side == LUO_INCOMING && !session->adopted)
		return luo_incoming_each_file(session, list_peeked_file, &peek) > 0;
	list_for_each_entry(lf, &session->files, in_session) {
		if (list_file(to, pos++, lf))
			return 1;
	}
	return 0;
}

static int look_at_none(const void *ptr, void *arg)
{
	return 1;
}

/* Validates the files of a session that was not retrieved yet. */
static int session_err(struct lister *to, u64 pos, struct liveupdate_session *session)
{
	int err = session->err;

	if (pos >= to->cursor && session->key.side == LUO_INCOMING && !session->adopted)
		err = luo_incoming_each_file(session, look_at_none, NULL);
	return min(err, 0);
}

/* A session that has become busy between two calls is listed again, in place of the rest. */
static int list_busy(struct lister *to, u64 pos, struct liveupdate_list_entry *entry)
{
	u64 next = pos + BIT_ULL(FILE_BITS);

	entry->state = LIVEUPDATE_STATE_BUSY;
	if (lister_add(to, max(pos, to->cursor), entry))
		return 1;
	to->cursor = next;
	return 0;
}

static int list_session(struct lister *to, struct liveupdate_session *session)
{
	struct liveupdate_list_entry entry = {
		.kind = LIVEUPDATE_ENTRY_SESSION,
		.pid = holder_pid(session),
	};
	u64 pos = session->id << FILE_BITS;
	int full;

	if (to->cursor >= pos + BIT_ULL(FILE_BITS))
		return 0;
	strscpy_pad(entry.name, luo_session_name(session));
	if (!down_read_trylock(&session->lock))
		return list_busy(to, pos, &entry);
	entry.state = session_state(session);
	entry.err = session_err(to, pos, session);
	full = lister_add(to, pos, &entry);
	if (!full && !entry.err)
		full = list_files(to, pos + 1, session);
	up_read(&session->lock);
	return full;
}

static int list_sessions(struct lister *to, const struct list_head *side)
{
	struct liveupdate_session *session;

	lockdep_assert_held(&to->luo->lock);
	list_for_each_entry(session, side, in_side) {
		if (list_session(to, session))
			return 1;
	}
	return 0;
}

/* As mismatch(), for an FLB that was not retrieved. */
static int flb_mismatch(struct luo *luo, const char *found)
{
	enum luo_compat_match best = LUO_COMPAT_NONE;
	struct luo_flb *lflb;

	lockdep_assert_held(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (luo_flb_registered(lflb))
			best = max(best, luo_compat_match(found, lflb->flb->compatible,
							  lflb->flb->also_retrieves));
	}
	if (best == LUO_COMPAT_NONE)
		return -ENODEV;
	return best == LUO_COMPAT_FAMILY ? -EPROTONOSUPPORT : 0;
}

static int list_flb(struct lister *to, u64 nr, const char *compatible, u32 state, int err,
		    u64 files)
{
	struct liveupdate_list_entry entry = {
		.kind = LIVEUPDATE_ENTRY_FLB,
		.state = state,
		.err = err,
		.token = files,
	};

	strscpy_pad(entry.compatible, compatible);
	return lister_add(to, FLBS + nr, &entry);
}

static void list_outgoing_flbs(struct lister *to)
{
	struct luo_flb *lflb;

	guard(spinlock)(&to->luo->state_lock);
	list_for_each_entry(lflb, &to->luo->flbs, in_list) {
		if (lflb->live && list_flb(to, lflb->id, lflb->flb->compatible,
					   LIVEUPDATE_STATE_PRESERVED, 0, lflb->users))
			return;
	}
}

static void list_incoming_flbs(struct lister *to)
{
	static const u32 states[] = {
		[LUO_FLB_WAITING] = LIVEUPDATE_STATE_UNTRIED,
		[LUO_FLB_RETRIEVED] = LIVEUPDATE_STATE_RETRIEVED,
		[LUO_FLB_FAILED] = LIVEUPDATE_STATE_FAILED,
		[LUO_FLB_FINISHED] = LIVEUPDATE_STATE_FINISHED,
	};
	const struct luo_incoming *in = &to->luo->in;

	guard(spinlock)(&to->luo->state_lock);
	for (unsigned long i = 0; i < in->nr_flbs; i++) {
		const struct luo_flb_entry *entry = &in->flbs[i];
		int err = entry->err;

		if (entry->state == LUO_FLB_WAITING)
			err = flb_mismatch(to->luo, entry->name);
		if (list_flb(to, i, entry->name, states[entry->state], err, entry->left))
			return;
	}
}

static int list_outgoing(struct lister *to)
{
	struct luo *luo = to->luo;

	guard(rwsem_read)(&luo->handlers_lock);
	guard(mutex)(&luo->lock);
	if (!list_sessions(to, &luo->outgoing))
		list_outgoing_flbs(to);
	return 0;
}

/* What is corrupted or of an unknown version is not listed; luo_info() has the errno. */
static int list_incoming(struct lister *to)
{
	struct luo *luo = to->luo;

	guard(rwsem_read)(&luo->handlers_lock);
	guard(mutex)(&luo->lock);
	if (luo_session_read_incoming(luo) == -ENOMEM || luo_flb_read_area(luo) == -ENOMEM)
		return -ENOMEM;
	if (!list_sessions(to, &luo->incoming))
		list_incoming_flbs(to);
	return 0;
}

static void list_format(struct lister *to, u64 *pos, u32 kind, const char *compatible,
			const char *const *older)
{
	struct liveupdate_list_entry entry = { .kind = kind };

	strscpy_pad(entry.compatible, compatible);
	lister_add(to, (*pos)++, &entry);
	entry.flags = LIVEUPDATE_ENTRY_OLDER;
	for (; older && *older; older++) {
		strscpy_pad(entry.compatible, *older);
		lister_add(to, (*pos)++, &entry);
	}
}

static int list_formats(struct lister *to)
{
	struct luo *luo = to->luo;
	struct luo_handler *handler;
	struct luo_flb *lflb;
	u64 pos = 0;

	scoped_guard(rwsem_read, &luo->handlers_lock) {
		list_for_each_entry(handler, &luo->handlers, in_list)
			list_format(to, &pos, LIVEUPDATE_ENTRY_HANDLER, handler->fh->compatible,
				    handler->fh->also_retrieves);
	}
	pos = FLBS;
	guard(spinlock)(&luo->state_lock);
	list_for_each_entry(lflb, &luo->flbs, in_list) {
		if (luo_flb_registered(lflb))
			list_format(to, &pos, LIVEUPDATE_ENTRY_FLB, lflb->flb->compatible,
				    lflb->flb->also_retrieves);
	}
	return 0;
}

static void list_stamp(void *arg, const struct luo_timeline_row *row)
{
	struct liveupdate_list_entry entry = {
		.kind = LIVEUPDATE_ENTRY_STAMP,
		.flags = row->previous ? LIVEUPDATE_ENTRY_PREVIOUS : 0,
		.token = row->stamp.ns,
		.extra = row->stamp.cycles,
	};

	strscpy_pad(entry.name, row->name);
	lister_add(arg, row->nr, &entry);
}

static int list_timeline(struct lister *to)
{
	luo_timeline_each(to->luo, list_stamp, to);
	return 0;
}

/*
 * Fill @entries, of which there are @max, from *@cursor on, and move it. Returns the number
 * of entries, 0 at the end, -EINVAL if @what is unknown, or -ENOMEM.
 */
int luo_list(struct luo *luo, u32 what, u64 *cursor, struct liveupdate_list_entry *entries,
	     u32 max)
{
	static int (*const lists[])(struct lister *to) = {
		[LIVEUPDATE_LIST_OUTGOING] = list_outgoing,
		[LIVEUPDATE_LIST_INCOMING] = list_incoming,
		[LIVEUPDATE_LIST_FORMATS] = list_formats,
		[LIVEUPDATE_LIST_TIMELINE] = list_timeline,
	};
	struct lister to = { .luo = luo, .entries = entries, .max = max, .cursor = *cursor };
	int err;

	if (what >= ARRAY_SIZE(lists))
		return -EINVAL;
	err = lists[what](&to);
	*cursor = to.cursor;
	return err ?: to.nr;
}

static void info_refusal(struct luo *luo, struct liveupdate_ioctl_get_info *info)
{
	const struct luo_refusal *refusal = &luo->refusal;

	guard(spinlock)(&luo->state_lock);
	info->refusal = refusal->err;
	info->refusal_token = refusal->token;
	strscpy_pad(info->refusal_session, refusal->session);
	strscpy_pad(info->refusal_compatible, refusal->compatible);
}

/* Fill @info, except for its size. Reads the incoming handover. Returns 0 or -ENOMEM. */
int luo_info(struct luo *luo, struct liveupdate_ioctl_get_info *info)
{
	const struct luo_store_ops *ops = luo->store->ops;

	info->abi = LIVEUPDATE_ABI;
	info->features = LIVEUPDATE_FEATURE_KEEP | LIVEUPDATE_FEATURE_FREEZE |
			 LIVEUPDATE_FEATURE_LIST;
	scoped_guard(mutex, &luo->lock) {
		info->sessions_err = luo_session_read_incoming(luo);
		info->flbs_err = luo_flb_read_area(luo);
		info->number = luo->in.err ? 0 : luo->in.head.liveupdate_num;
		strscpy_pad(info->version, luo->in.version);
	}
	if (info->sessions_err == -ENOMEM || info->flbs_err == -ENOMEM)
		return -ENOMEM;
	info->incoming = luo_incoming_state(luo);
	info->flags = ops->refused(luo->store) ? LIVEUPDATE_INFO_LOST : 0;
	info->scratch_bytes = ops->scratch(luo->store, &info->scratch_largest);
	info->outgoing_bytes = (u64)ops->nr_pages(luo->store, false) << PAGE_SHIFT;
	info->incoming_bytes = (u64)ops->nr_pages(luo->store, true) << PAGE_SHIFT;
	info->files = atomic_long_read(&luo->nr_preserved);
	info_refusal(luo, info);
	info->reserved = 0;
	return 0;
}
