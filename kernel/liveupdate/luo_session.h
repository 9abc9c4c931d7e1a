/* SPDX-License-Identifier: GPL-2.0 */
/* Sessions: named sets of files. See luo_session.c and luo_names.c. */
#ifndef _LUO_SESSION_H
#define _LUO_SESSION_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable-types.h>
#include <linux/rwsem.h>
#include <uapi/linux/liveupdate.h>

#include "luo_chain.h"
#include "luo_gate.h"

struct file;
struct luo;
struct pid;

/*
 * Sides of a session, which change on these arrows only, under luo->lock:
 *
 *   CREATE --> OUTGOING <------ first PRESERVE ------ FINISHED
 *                                                        ^
 *   handed over --> INCOMING --------- FINISH -----------+
 *
 * A finished session is an empty outgoing one that is not linked by name until a file is
 * preserved in it. It is stale while an outgoing session of its name exists, see
 * luo_session_is_stale().
 */
enum luo_side {
	LUO_OUTGOING,
	LUO_INCOMING,
	LUO_FINISHED,
};

/*
 * State, under session->lock; WAITING and RETRIEVED also under luo->lock:
 *
 *   outgoing: OPEN <-- FREEZE, THAW, reboot --> FROZEN
 *   incoming: WAITING <-- RETRIEVE_SESSION, close that parks --> RETRIEVED
 */
enum luo_session_state {
	LUO_SESSION_OPEN,
	LUO_SESSION_FROZEN,
	LUO_SESSION_WAITING,
	LUO_SESSION_RETRIEVED,
};

/**
 * struct luo_session_key - the key of luo->names
 * @name: padded with zeroes
 * @side: enum luo_side; finished sessions are not found
 */
struct luo_session_key {
	char name[LIVEUPDATE_SESSION_NAME_LENGTH];
	u32 side;
};

/**
 * struct liveupdate_session - a named set of files
 * @luo: the orchestrator
 * @key: its name and side. The side is written under luo->lock with session->lock held for
 *	writing.
 * @by_name: in luo->names, unless the session is finished
 * @in_side: in luo->outgoing or luo->incoming
 * @id: its number there, ascending; luo->lock
 * @holder: the program that created or retrieved it, NULL: none; luo->lock
 * @lock: see the top of luo_internal.h
 * @state: see enum luo_session_state
 * @files: struct luo_file, in order of preservation
 * @chain: outgoing: has an entry reserved for each file
 * @park_on_close: retrieved with LIVEUPDATE_RETRIEVE_KEEP
 * @reboot_froze: the reboot froze it, and thaws it if it fails
 * @adopted: incoming: @files is filled
 * @err: incoming: result of validating its file chain
 * @files_pa: incoming: address of the first block of its file chain
 * @files_count: incoming: number of entries that the chain has to have
 * @files_crc: incoming: checksum that the chain has to have
 * @deferred: a close that came while the gate was closed
 * @rcu: for luo_session_is_stale(), which looks at luo->names without luo->lock
 */
struct liveupdate_session {
	struct luo *luo;
	struct luo_session_key key;
	struct rhash_head by_name;
	struct list_head in_side;
	u64 id;
	struct pid *holder;
	struct rw_semaphore lock;
	enum luo_session_state state;
	struct list_head files;
	struct luo_chain chain;
	bool park_on_close;
	bool reboot_froze;
	bool adopted;
	int err;
	u64 files_pa;
	u64 files_count;
	u32 files_crc;
	struct luo_gate_deferred deferred;
	struct rcu_head rcu;
};

/* luo_session.c */
int luo_session_read_incoming(struct luo *luo);
void luo_session_drop_incoming(struct luo *luo);
int luo_session_create(struct luo *luo, const char *name, struct liveupdate_session **session);
int luo_session_retrieve(struct luo *luo, const char *name, bool keep,
			 struct liveupdate_session **session);
void luo_session_unretrieve(struct liveupdate_session *session);
void luo_session_close(struct liveupdate_session *session);
int luo_session_preserve(struct liveupdate_session *session, struct file *file, u64 token);
int luo_session_retrieve_file(struct liveupdate_session *session, u64 token, struct file **file);
int luo_session_finish(struct liveupdate_session *session);
int luo_session_freeze(struct liveupdate_session *session, u64 *token);
int luo_session_thaw(struct liveupdate_session *session);

/* luo_names.c */
struct liveupdate_session *luo_session_find(struct luo *luo, const char *name,
					    enum luo_side side);
struct liveupdate_session *luo_session_alloc(struct luo *luo, const char *name,
					     enum luo_side side);
int luo_session_link(struct liveupdate_session *session);
void luo_session_unlink(struct liveupdate_session *session);
bool luo_session_is_stale(struct liveupdate_session *session);
void luo_session_detach(struct liveupdate_session *session);
int luo_session_reactivate(struct liveupdate_session *session);
void luo_session_free(struct liveupdate_session *session);
extern const struct rhashtable_params luo_session_names;

static inline const char *luo_session_name(const struct liveupdate_session *session)
{
	return session->key.name;
}

/* Space for a name with each byte escaped */
#define LUO_NAME_TEXT	(4 * LIVEUPDATE_SESSION_NAME_LENGTH)

const char *luo_name_escape(const char *name, char *text);

/* A session's name for the log: one line, whatever is in it. */
#define luo_session_text(session) \
	luo_name_escape(luo_session_name(session), (char[LUO_NAME_TEXT]) {})

#endif /* _LUO_SESSION_H */
