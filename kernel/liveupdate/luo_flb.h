/* SPDX-License-Identifier: GPL-2.0 */
/*
 * FLBs: objects shared by all files of the handlers that depend on them. See luo_flb.c for
 * the registry, luo_flb_outgoing.c for this kernel's, luo_flb_incoming.c for the previous
 * kernel's.
 */
#ifndef _LUO_FLB_H
#define _LUO_FLB_H

#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/rculist.h>
#include <linux/srcu.h>

#include "luo_oplock.h"

struct luo;
struct luo_handler;
struct luo_root;

/**
 * struct luo_flb - an FLB that is registered, or was and left an object behind
 * @in_list: in luo->flbs, in order of registration, while it is in use
 * @id: its number there, ascending
 * @flb: what the driver registered; may be gone once it is not in use
 * @links: struct luo_flb_link: handlers that it is registered with; empty: hidden from
 *	new files and gets
 * @oplock: its op lock
 * @live: preserve() has made the object, and unpreserve() has not been called yet
 * @users: preserved files that depend on it
 * @gets: references to the object
 * @args: arguments of the ops; keeps its values between calls
 * @removed: no longer in luo->flbs
 * @rcu: for walkers of luo->flbs
 *
 * Written under luo->state_lock, except @args, which the owner of @oplock uses; @in_list is
 * also walked under luo_flb_srcu alone.
 *
 *   not live -- first file: preserve() --> live -- last file, last put: unpreserve() --+
 *       ^                                                                              |
 *       +------------------------------------------------------------------------------+
 */
struct luo_flb {
	struct list_head in_list;
	u64 id;
	struct liveupdate_flb *flb;
	struct list_head links;
	struct luo_oplock oplock;
	bool live;
	unsigned long users;
	unsigned long gets;
	struct liveupdate_flb_op_args args;
	bool removed;
	struct rcu_head rcu;
};

/**
 * struct luo_flb_link - a handler depends on an FLB
 * @in_handler: in handler->flbs, in order of registration, until it is @unlinked
 * @in_flb: in lflb->links, until it is @unlinked
 * @fh: the handler; may be gone if @unlinked
 * @lflb: the FLB
 * @users: files preserved through it
 * @unlinked: unregistered
 * @removed: unregistered and without @users
 * @rcu: for walkers of handler->flbs
 *
 * Written under luo->state_lock; @in_handler is also walked under luo_flb_srcu alone, @lflb
 * and @fh are constant.
 */
struct luo_flb_link {
	struct list_head in_handler;
	struct list_head in_flb;
	struct liveupdate_file_handler *fh;
	struct luo_flb *lflb;
	unsigned long users;
	bool unlinked;
	bool removed;
	struct rcu_head rcu;
};

/**
 * struct luo_flb_area - the FLB area of the outgoing handover
 * @mem: the folio
 * @order: its order
 * @used: number of slots that are reserved
 *
 * All of it is under luo->lock, or the gate is closed.
 */
struct luo_flb_area {
	void *mem;
	unsigned int order;
	unsigned long used;
};

/*
 * State of an entry that was handed over, under luo->state_lock:
 *
 *   WAITING -- first get, or finish --> RETRIEVED -- last file, last put --> FINISHED
 *      '------------ retrieve() fails --> FAILED
 */
enum luo_flb_entry_state {
	LUO_FLB_WAITING,
	LUO_FLB_RETRIEVED,
	LUO_FLB_FAILED,
	LUO_FLB_FINISHED,
};

/**
 * struct luo_flb_entry - an FLB of the previous kernel
 * @name: its compatible string
 * @data: what its preserve() set
 * @left: number of files that depended on it in the previous kernel and are not known to be
 *	finished; a hint
 * @state: see enum luo_flb_entry_state
 * @oplock: its op lock
 * @claimed: an FLB of that very string is registered, or was got
 * @due: the last file that depends on it is finished; no more gets
 * @hidden: unregistered while there was an object; no more gets
 * @flb: the FLB that has retrieved it, or is about to; else NULL
 * @gets: references to the object
 * @err: in state FAILED, the errno of retrieve()
 * @args: arguments of the ops; keeps its values between calls
 *
 * All of it is under luo->state_lock, except @args, which the owner of @oplock uses.
 */
struct luo_flb_entry {
	char name[LIVEUPDATE_FLB_COMPAT_LENGTH];
	u64 data;
	u64 left;
	enum luo_flb_entry_state state;
	struct luo_oplock oplock;
	bool claimed;
	bool due;
	bool hidden;
	struct liveupdate_flb *flb;
	unsigned long gets;
	int err;
	struct liveupdate_flb_op_args args;
};

/* Compatible strings of incoming files that are told apart; one kernel has a few handlers */
#define LUO_UNFINISHED_KINDS	64

/**
 * struct luo_unfinished - unfinished incoming files, by compatible string
 * @counted: they have been counted; set once, under luo->lock and luo->state_lock
 * @failed: they could not be counted; set once, under luo->lock
 * @nr: number of @kinds; constant once @counted
 * @kinds: how many files of each string are left, under luo->state_lock
 */
struct luo_unfinished {
	bool counted;
	bool failed;
	unsigned int nr;
	struct luo_unfinished_kind {
		char name[LIVEUPDATE_HNDL_COMPAT_LENGTH];
		unsigned long left;
	} kinds[LUO_UNFINISHED_KINDS];
};

/*
 * Walkers of luo->flbs and handler->flbs are inside, also while an op runs; ops may walk
 * again. What they have found stays, even if it is unregistered meanwhile.
 */
extern struct srcu_struct luo_flb_srcu;

/* From the last registered to the first; the head follows. luo_flb_srcu is held. */
static inline struct list_head *luo_flb_prev(struct list_head *at)
{
	return srcu_dereference(list_bidir_prev_rcu(at), &luo_flb_srcu);
}

static inline bool luo_flb_registered(const struct luo_flb *lflb)
{
	return !list_empty(&lflb->links);
}

/* luo_flb.c */
bool luo_flb_valid(const struct liveupdate_flb *flb);
struct luo_flb *luo_flb_find(struct luo *luo, struct liveupdate_flb *flb);
int luo_flb_link(struct luo *luo, struct luo_handler *handler, struct liveupdate_flb *flb);
int luo_flb_unlink(struct luo *luo, struct liveupdate_file_handler *fh,
		   struct liveupdate_flb *flb);
struct liveupdate_flb *luo_flb_unlink_first(struct luo *luo, struct luo_handler *handler);
void luo_flb_put(struct luo_flb *lflb);
void luo_flb_link_put(struct luo_flb_link *link);

/* luo_flb_outgoing.c */
int luo_flb_area_start(struct luo *luo);
void luo_flb_area_stop(struct luo *luo);
void luo_flb_area_write(struct luo *luo, struct luo_root *root);
void luo_flb_area_write_nothing(struct luo *luo);
int luo_flb_use_all(struct luo *luo, struct luo_handler *handler, struct list_head *uses);
void luo_flb_unuse_all(struct luo *luo, struct list_head *uses);
int luo_flb_get_outgoing(struct luo *luo, struct liveupdate_flb *flb, void **objp);
void luo_flb_put_outgoing(struct luo *luo, struct liveupdate_flb *flb);

/* luo_flb_incoming.c */
int luo_flb_get_incoming(struct luo *luo, struct liveupdate_flb *flb, void **objp);
void luo_flb_put_incoming(struct luo *luo, struct liveupdate_flb *flb);
void luo_flb_registered_incoming(struct luo *luo, struct liveupdate_flb *flb);
bool luo_flb_unregistered_incoming(struct luo *luo, struct liveupdate_flb *flb, bool hide);
void luo_flb_file_finished(struct luo *luo, struct luo_handler *handler, const char *name);
void luo_flb_finish_rest(struct luo *luo);
void luo_flb_count_files(struct luo *luo);
void luo_flb_drop_incoming(struct luo *luo);

/* luo_flb_lookup.c */
int luo_flb_read_area(struct luo *luo);
void luo_flb_free_area(struct luo *luo);
int luo_flb_match(struct luo *luo, const struct liveupdate_flb *flb,
		  struct luo_flb_entry **found);
void luo_flb_claim(struct luo *luo, struct liveupdate_flb *flb);
int luo_flb_peek_incoming(struct luo *luo, struct liveupdate_flb *flb, u64 *data);

/* luo_unfinished.c */
bool luo_unfinished_add(struct luo_unfinished *unfinished, const char *name);
void luo_unfinished_done(struct luo *luo, const char *name);
bool luo_unfinished_any(struct luo *luo, const char *name);

#endif /* _LUO_FLB_H */
