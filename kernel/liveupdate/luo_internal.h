/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Live Update Orchestrator: internal structures and functions.
 *
 * A *session* is a named set of *files*. It is *outgoing* while files are preserved in it for
 * the next kernel, *incoming* when the previous kernel handed it over. A *handler* preserves
 * and retrieves one kind of file; an *FLB* is an object that many files share. A *store* is
 * memory that the next kernel finds again. All of it hangs off one struct luo, which can
 * exist twice: KUnit plays two kernels in one.
 *
 * A file calls those below it, or further right, only; scripts/arrows.py checks that there
 * is no circle:
 *
 *	luo_core.c		switch, initcalls, reboot, exported functions
 *	luo_ioctl.c		the ioctls: the only code that accesses user memory
 *	luo_list.c		the state for programs
 *	luo_debugfs.c, luo_sysfs.c, luo_show.c		the state as text
 *	luo_outgoing.c		freeze and serialize everything
 *	luo_session.c		operations on sessions
 *	luo_retrieve.c		incoming files: adopt, retrieve, finish
 *	luo_file.c		outgoing files: preserve, freeze, unpreserve
 *	luo_names.c		names and sides of sessions
 *	luo_handler.c		registry of file handlers
 *	luo_flb_incoming.c	the life of an incoming FLB
 *	luo_flb_outgoing.c	the life of an outgoing FLB
 *	luo_flb_lookup.c	which incoming entry belongs to an FLB
 *	luo_flb.c		registry of FLBs
 *	luo_incoming.c		reader of incoming sessions and files
 *	luo_root.c		the root of the handover, both sides
 *	luo_chain.c		writer of chains of entries
 *	luo_wire.c		the serialization format: pure
 *	luo_compat.c		compatible strings: pure
 *	luo_store.c, luo_pages.c	KHO, behind ops
 *	luo_gate.c, luo_oplock.c, luo_timeline.c, luo_unfinished.c
 *
 * Locks, outermost first:
 *
 *   luo->gate		not a lock: counts active calls. The reboot closes it and waits until
 *			no call is active. No caller ever sleeps on it.
 *   session->lock	the session's files and state. Held across the handlers' ops: for
 *			reading by retrieval, else for writing. Only tried by who shows a
 *			session, since that may hold locks from below.
 *   luo->handlers_lock	the list of handlers, registration of FLBs. Held across
 *			can_preserve(), no other op.
 *   luo_flb_srcu	walkers of luo->flbs and handler->flbs, also while an op runs. No task
 *			waits for its grace period: an op may be loading a module whose init
 *			unregisters an FLB.
 *   luo->lock		names, lists and sides of sessions, the session chain, the FLB area,
 *			and the incoming handover. Not held across ops. The session chain
 *			allocates under it, one page per 51 sessions, so a memcg at its limit
 *			may reclaim here.
 *   luo->state_lock	spinlock: states of files and FLBs, owners and waiters of op locks,
 *			the table of objects. Innermost.
 *
 * The op lock of an FLB (luo_oplock.c) is held across its ops, that of a file across
 * retrieve(), which may need other files and FLBs; a wait that would never end is refused.
 *
 * None of them is held across the kexec.
 */
#ifndef _LUO_INTERNAL_H
#define _LUO_INTERNAL_H

#include <linux/hashtable.h>
#include <linux/list.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rhashtable-types.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "luo_chain.h"
#include "luo_flb.h"
#include "luo_gate.h"
#include "luo_oplock.h"
#include "luo_session.h"
#include "luo_store.h"
#include "luo_timeline.h"
#include "luo_wire.h"

struct seq_file;

/* Space for the version of a root with each byte escaped */
#define LUO_VERSION_TEXT	(4 * LUO_ABI_COMPAT_LEN + 1)

/* log2 of the buckets in luo->objects: enough for some 10,000 files at once */
#define LUO_OBJECT_BITS	12

/**
 * struct luo_incoming - the incoming handover; under luo->lock
 * @head_read: the root has been validated
 * @sessions_read: the session chain has been validated
 * @flbs_read: the FLB area has been validated
 * @err: result for the root, and with it for everything: 0, -EPROTONOSUPPORT or -EUCLEAN
 * @sessions_err: result for the session chain
 * @flbs_err: result for the FLB area
 * @has_ext: @ext is valid
 * @bad_ext: there are checksums, and they are not valid
 * @has_file_crcs: the chain of checksums that @ext points to is valid
 * @head: the root
 * @version: its version, in printable ASCII, also if it is unknown; empty if there is no root
 * @ext: copy of the checksums and timestamps
 * @unfinished: number of unfinished sessions
 * @over: all sessions are finished; set once
 * @flbs: the entries of the FLB area; constant once read, their contents are under
 *	luo->state_lock
 * @nr_flbs: number of @flbs
 * @flbs_left: number of unfinished ones; under luo->state_lock
 */
struct luo_incoming {
	bool head_read;
	bool sessions_read;
	bool flbs_read;
	int err;
	int sessions_err;
	int flbs_err;
	bool has_ext;
	bool bad_ext;
	bool has_file_crcs;
	struct luo_wire_head head;
	char version[LUO_VERSION_TEXT];
	struct luo_ext_ser ext;
	unsigned long unfinished;
	bool over;
	struct luo_flb_entry *flbs;
	unsigned long nr_flbs;
	unsigned long flbs_left;
};

/**
 * struct luo_root - what the root of the outgoing handover leads to
 * @sessions_pa: first block of the session chain, 0: none
 * @flbs_pa: FLB area
 * @files_crcs_pa: first block of the checksums of file chains, 0: none
 * @sessions_crc: checksum of the session chain
 * @flbs_crc: checksum of the FLB area
 * @files_crcs_crc: checksum of the chain at @files_crcs_pa
 */
struct luo_root {
	u64 sessions_pa;
	u64 flbs_pa;
	u64 files_crcs_pa;
	u32 sessions_crc;
	u32 flbs_crc;
	u32 files_crcs_crc;
};

/**
 * struct luo_refusal - the last refusal of a freeze or a reboot
 * @err: its errno; 0 if there was none
 * @session: session of the file whose handler refused; empty if the reboot was refused for
 *	another reason
 * @compatible: the handler's string
 * @token: the file's token
 */
struct luo_refusal {
	int err;
	char session[LIVEUPDATE_SESSION_NAME_LENGTH];
	char compatible[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	u64 token;
};

/**
 * struct luo - one orchestrator
 * @store: where the handover is
 * @enabled: live update is switched on
 * @misc: /dev/liveupdate
 * @opened: bit 0: the device is open
 * @gate: see the top of this file
 * @handlers_lock: see the top of this file
 * @handlers: struct luo_handler, in order of registration
 * @lock: see the top of this file
 * @names: sessions by side and name
 * @last_id: of the session that was linked last
 * @outgoing: sessions for the next kernel, in order of creation
 * @incoming: sessions of the previous kernel, in their order
 * @session_chain: has an entry reserved for each session in @outgoing
 * @crc_chain: likewise, for the checksums of their file chains
 * @flb_area: has a slot reserved for each FLB that is preserved
 * @in: the incoming handover
 * @unfinished: its unfinished files
 * @ser: the root for the next kernel
 * @ext: checksums, timestamps and names of dropped sessions for the next kernel
 * @state_lock: see the top of this file
 * @tokens: files by session and token
 * @objects: files by the object that they refer to
 * @flbs: struct luo_flb, in order of registration
 * @last_flb_id: of the FLB that was registered last
 * @held: struct luo_oplock: op locks that are held
 * @waiters: struct luo_waiter: tasks that wait for an op lock
 * @oplock_wq: where they wait
 * @nr_preserved: number of files in outgoing sessions
 * @refusal: the last refusal; under luo->state_lock
 * @timeline: milestones of this kernel; under luo->state_lock
 */
struct luo {
	struct luo_store *store;
	bool enabled;
	struct miscdevice misc;
	unsigned long opened;
	struct luo_gate gate;

	struct rw_semaphore handlers_lock;
	struct list_head handlers;

	struct mutex lock;	/* see the top of this file */
	struct rhashtable names;
	u64 last_id;
	struct list_head outgoing;
	struct list_head incoming;
	struct luo_chain session_chain;
	struct luo_chain crc_chain;
	struct luo_flb_area flb_area;
	struct luo_incoming in;
	struct luo_unfinished unfinished;
	struct luo_ser *ser;
	struct luo_ext_page *ext;

	spinlock_t state_lock;	/* see the top of this file */
	struct rhashtable tokens;
	DECLARE_HASHTABLE(objects, LUO_OBJECT_BITS);
	struct list_head flbs;
	u64 last_flb_id;
	struct list_head held;
	struct list_head waiters;
	wait_queue_head_t oplock_wq;
	atomic_long_t nr_preserved;
	struct luo_refusal refusal;
	struct luo_timeline timeline;
};

/**
 * struct luo_handler - a registered file handler
 * @in_list: in luo->handlers
 * @fh: what the driver registered
 * @refs: one for being registered, one for each file, one for each lookup
 * @nr_files: number of its files
 * @flbs: struct luo_flb_link: FLBs that its files depend on; under luo->state_lock
 */
struct luo_handler {
	struct list_head in_list;
	struct liveupdate_file_handler *fh;
	refcount_t refs;
	atomic_long_t nr_files;
	struct list_head flbs;
};

/*
 * State of a file, under luo->state_lock:
 *
 *   outgoing: NEW --> PRESERVED <--> FROZEN
 *   incoming: UNTRIED <--> RETRIEVING --> RETRIEVED
 *                               '-------> FAILED
 */
enum luo_file_state {
	LUO_FILE_NEW,
	LUO_FILE_PRESERVED,
	LUO_FILE_FROZEN,
	LUO_FILE_UNTRIED,
	LUO_FILE_RETRIEVING,
	LUO_FILE_RETRIEVED,
	LUO_FILE_FAILED,
};

/**
 * struct luo_file_key - the key of luo->tokens
 * @session: the session
 * @token: the file's token there
 */
struct luo_file_key {
	struct liveupdate_session *session;
	u64 token;
};

/**
 * struct luo_file - one file of a session
 * @key: its session and token
 * @by_token: in luo->tokens
 * @in_session: in session->files
 * @by_id: in luo->objects while the object is preserved or retrieved
 * @id: identifies the object, among files of handlers with the same get_id()
 * @state: see enum luo_file_state
 * @oplock: its op lock, held in state RETRIEVING
 * @handler: its handler, with a reference; NULL if none is bound
 * @flbs: outgoing: struct luo_flb_use: FLBs that it depends on, in order of preservation
 * @args: arguments of the handler's ops; keeps its values between calls
 * @found: incoming: the string that was handed over
 * @rcu: for readers of luo->tokens
 */
struct luo_file {
	struct luo_file_key key;
	struct rhash_head by_token;
	struct list_head in_session;
	struct hlist_node by_id;
	unsigned long id;
	enum luo_file_state state;
	struct luo_oplock oplock;
	struct luo_handler *handler;
	struct list_head flbs;
	struct liveupdate_file_op_args args;
	char found[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	struct rcu_head rcu;
};

/*
 * The result of a driver's op: 0 or an errno. After anything else nothing that the driver
 * says of the object can be relied on, so that is an error.
 */
#define luo_op_result(op, compatible, ret)						\
({											\
	int __ret = (ret);								\
											\
	WARN_ONCE(__ret > 0, "luo: " op "() of '%s' returned %d\n", compatible, __ret) ?	\
		-EUCLEAN : __ret;							\
})

/* luo_core.c */
void luo_init_early(struct luo *luo, struct luo_store *store);
int luo_init(struct luo *luo);
int luo_start(struct luo *luo);
void luo_drop_incoming(struct luo *luo);
void luo_exit(struct luo *luo);
int luo_reboot(struct luo *luo, bool handover);

static inline bool luo_enabled(const struct luo *luo)
{
	return luo->enabled && luo->store->ops->usable(luo->store);
}

/* luo_ioctl.c */
int luo_device_register(struct luo *luo);

/* luo_handler.c */
int luo_handler_register(struct luo *luo, struct liveupdate_file_handler *fh);
void luo_handler_unregister(struct luo *luo, struct liveupdate_file_handler *fh);
int luo_handler_add_flb(struct luo *luo, struct liveupdate_file_handler *fh,
			struct liveupdate_flb *flb);
void luo_handler_remove_flb(struct luo *luo, struct liveupdate_file_handler *fh,
			    struct liveupdate_flb *flb);
struct luo_handler *luo_handler_for_file(struct luo *luo, struct file *file);
struct luo_handler *luo_handler_for_string(struct luo *luo, const char *found);
struct luo_handler *luo_handler_match(struct luo *luo, const char *found);
void luo_handler_put(struct luo_handler *handler);
unsigned long luo_handler_id(struct luo_handler *handler, struct file *file);

/* rhashtable's own errnos, for a table that could not grow, are not for user space. */
static inline int luo_table_errno(int err)
{
	return err && err != -EEXIST ? -ENOMEM : err;
}

/* luo_root.c */
int luo_root_publish(struct luo *luo);
void luo_root_withdraw(struct luo *luo);
void luo_root_write(struct luo *luo, const struct luo_root *root);
int luo_root_validate(struct luo_store *store, struct luo_incoming *in);
void luo_root_read(struct luo *luo);

/* luo_incoming.c */
int luo_incoming_each_session(struct luo *luo, int (*fn)(const void *entry, void *arg),
			      void *arg);
void luo_incoming_each_crc(struct luo *luo, u64 nr, int (*fn)(const void *entry, void *arg),
			   void *arg);
int luo_incoming_each_file(struct liveupdate_session *session,
			   int (*fn)(const void *entry, void *arg), void *arg);
void luo_incoming_free_sessions(struct luo *luo);
void luo_incoming_free_files(struct liveupdate_session *session);
int luo_incoming_state(struct luo *luo);

/* luo_outgoing.c */
void luo_outgoing_name_dropped(struct luo *luo);
int luo_outgoing_start(struct luo *luo);
void luo_outgoing_stop(struct luo *luo);
int luo_outgoing_freeze(struct luo *luo);
void luo_outgoing_thaw(struct luo *luo);
void luo_outgoing_write(struct luo *luo);

/* luo_file.c */
int luo_file_preserve(struct liveupdate_session *session, struct file *file, u64 token);
void luo_file_unpreserve_all(struct liveupdate_session *session);
void luo_file_note_refusal(struct luo *luo, const struct luo_file *lf, int err);
int luo_file_freeze_all(struct liveupdate_session *session, u64 *token);
void luo_file_thaw_all(struct liveupdate_session *session);
int luo_file_token_outgoing(struct liveupdate_session *session, struct file *file, u64 *token);
struct luo_file *luo_file_find(struct liveupdate_session *session, u64 token);
int luo_file_adopt(struct liveupdate_session *session, const struct luo_file_ser *ser);
void luo_file_free(struct luo_file *lf);
int luo_file_register(struct luo_file *lf);
void luo_file_unregister(struct luo_file *lf);
extern const struct rhashtable_params luo_file_tokens;

/* luo_retrieve.c */
int luo_file_adopt_all(struct liveupdate_session *session);
int luo_file_retrieve(struct liveupdate_session *session, u64 token, struct file **file);
int luo_file_finish_all(struct liveupdate_session *session);

/* luo_list.c */
int luo_list(struct luo *luo, u32 what, u64 *cursor, struct liveupdate_list_entry *entries,
	     u32 max);
int luo_info(struct luo *luo, struct liveupdate_ioctl_get_info *info);

/* luo_show.c */
const char *luo_incoming_state_name(int state);
void luo_session_show(struct seq_file *m, struct liveupdate_session *session);
void luo_session_show_files(struct seq_file *m, struct liveupdate_session *session);

/* luo_timeline.c */
void luo_read_clocks(struct luo_stamp_ser *stamp);
void luo_timeline_record(struct luo *luo, enum luo_milestone point);
void luo_timeline_each(struct luo *luo,
		       void (*fn)(void *arg, const struct luo_timeline_row *row), void *arg);

/* luo_debugfs.c */
#ifdef CONFIG_DEBUG_FS
void luo_debugfs_init(struct luo *luo);
#else
static inline void luo_debugfs_init(struct luo *luo)
{
}
#endif

/* luo_sysfs.c */
#ifdef CONFIG_SYSFS
int luo_sysfs_init(struct luo *luo);
#else
static inline int luo_sysfs_init(struct luo *luo)
{
	return 0;
}
#endif

/* tests/luo_damage.c: damages what has been written, if it was told to */
#ifdef CONFIG_LIVEUPDATE_DAMAGE
void luo_damage(struct luo *luo);
#else
static inline void luo_damage(struct luo *luo)
{
}
#endif

/* lib/tests/liveupdate.c: hangs FLBs on every handler that is registered */
#ifdef CONFIG_LIVEUPDATE_TEST
void liveupdate_test_register(struct liveupdate_file_handler *fh);
#else
static inline void liveupdate_test_register(struct liveupdate_file_handler *fh)
{
}
#endif

#endif /* _LUO_INTERNAL_H */
