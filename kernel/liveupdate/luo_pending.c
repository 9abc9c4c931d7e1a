// SPDX-License-Identifier: GPL-2.0
/*
 * How many files of each kind, that is of each compatible string, are yet to be finished.
 *
 * An FLB is finished after the last file that depends on it, and which ones do is for this
 * kernel's handlers to say: the count that was handed over is that of another kernel's, and
 * only a hint. So all files are counted, in all sessions, retrieved or not, before the first
 * one is finished; but only if an FLB was handed over.
 */
#include <linux/errno.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "luo_internal.h"

/**
 * struct luo_pending_name - files of one kind
 * @by_name: in pending->names
 * @name: their compatible string, padded with zeroes
 * @left: how many are not finished
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

/**
 * luo_pending_start() - begin to count
 * @pending: not counted yet
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENOMEM.
 */
int luo_pending_start(struct luo_pending *pending)
{
	return rhashtable_init(&pending->names, &luo_pending_params);
}

/**
 * luo_pending_add() - count a file
 * @pending: being counted
 * @name: the file's compatible string
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENOMEM.
 */
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

/**
 * luo_pending_stop() - undo luo_pending_start()
 * @pending: counted, or being counted
 */
void luo_pending_stop(struct luo_pending *pending)
{
	rhashtable_free_and_destroy(&pending->names, luo_pending_free, NULL);
}

/**
 * luo_pending_done() - a file is finished
 * @luo: where; luo->state_lock is held
 * @name: the file's compatible string
 */
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

/**
 * luo_pending_any() - is a file of this kind yet to be finished?
 * @luo: where; luo->state_lock is held
 * @name: the kind's compatible string
 *
 * Return: false if there is none; true if there is one, or nobody knows.
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
