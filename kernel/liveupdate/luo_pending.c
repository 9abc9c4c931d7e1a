// SPDX-License-Identifier: GPL-2.0
/*
 * Unfinished incoming files, counted by compatible string.
 *
 * An FLB is finished after the last file that depends on it, and the handlers of this
 * kernel determine which files those are: the count that was handed over is only a hint. So
 * the files of all sessions, retrieved or not, are counted before the first one is
 * finished; but only if an FLB was handed over.
 */
#include <linux/errno.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_internal.h"

/*
 * In pending->names: how many files of this compatible string, padded with zeroes, are
 * unfinished.
 */
struct luo_pending_name {
	struct rhash_head by_name;
	char name[LIVEUPDATE_HNDL_COMPAT_LENGTH];
	unsigned long left;
};

static const struct rhashtable_params luo_pending_params = {
	.key_len = LIVEUPDATE_HNDL_COMPAT_LENGTH,
	.key_offset = offsetof(struct luo_pending_name, name),
	.head_offset = offsetof(struct luo_pending_name, by_name),
};

static struct luo_pending_name *luo_pending_find(struct luo_pending *pending, const char *name)
{
	char key[LIVEUPDATE_HNDL_COMPAT_LENGTH];

	strscpy_pad(key, name);
	return rhashtable_lookup_fast(&pending->names, key, luo_pending_params);
}

/* Begin to count. Returns 0 or -ENOMEM. */
int luo_pending_start(struct luo_pending *pending)
{
	return rhashtable_init(&pending->names, &luo_pending_params);
}

/* Count a file, by its compatible string. Returns 0 or -ENOMEM. */
int luo_pending_add(struct luo_pending *pending, const char *name)
{
	struct luo_pending_name *found = luo_pending_find(pending, name);
	int err;

	if (!found) {
		found = kzalloc_obj(*found);
		if (!found)
			return -ENOMEM;
		strscpy_pad(found->name, name);
		err = rhashtable_insert_fast(&pending->names, &found->by_name, luo_pending_params);
		if (err) {
			kfree(found);
			return -ENOMEM;
		}
	}
	found->left++;
	return 0;
}

static void luo_pending_free(void *ptr, void *arg)
{
	kfree(ptr);
}

/* Undo luo_pending_start(). */
void luo_pending_stop(struct luo_pending *pending)
{
	rhashtable_free_and_destroy(&pending->names, luo_pending_free, NULL);
}

/* A file with that compatible string is finished. luo->state_lock is held. */
void luo_pending_done(struct luo *luo, const char *name)
{
	struct luo_pending_name *found;

	lockdep_assert_held(&luo->state_lock);
	if (!luo->pending.counted)
		return;
	found = luo_pending_find(&luo->pending, name);
	if (found)
		found->left--;
}

/*
 * Is a file with that compatible string unfinished? Also true if that is not known.
 * luo->state_lock is held.
 */
bool luo_pending_any(struct luo *luo, const char *name)
{
	struct luo_pending_name *found;

	lockdep_assert_held(&luo->state_lock);
	if (!luo->pending.counted)
		return true;
	found = luo_pending_find(&luo->pending, name);
	return found && found->left;
}
