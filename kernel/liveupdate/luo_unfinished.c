// SPDX-License-Identifier: GPL-2.0
/*
 * Unfinished incoming files, counted by compatible string.
 *
 * An FLB is finished after the last file that depends on it, and the handlers of this
 * kernel determine which files those are: the count that was handed over is only a hint. So
 * the files of all sessions, retrieved or not, are counted before the first one is
 * finished; but only if an FLB was handed over.
 */
#include <linux/lockdep.h>
#include <linux/string.h>

#include "luo_internal.h"

static struct luo_unfinished_kind *kind_of(struct luo_unfinished *unfinished, const char *name)
{
	for (unsigned int i = 0; i < unfinished->nr; i++) {
		if (!strcmp(unfinished->kinds[i].name, name))
			return &unfinished->kinds[i];
	}
	return NULL;
}

/* Count a file, by its compatible string. Returns false if that is one string too many. */
bool luo_unfinished_add(struct luo_unfinished *unfinished, const char *name)
{
	struct luo_unfinished_kind *kind = kind_of(unfinished, name);

	if (!kind) {
		if (unfinished->nr == LUO_UNFINISHED_KINDS)
			return false;
		kind = &unfinished->kinds[unfinished->nr++];
		strscpy(kind->name, name);
	}
	kind->left++;
	return true;
}

/* A file with that compatible string is finished. luo->state_lock is held. */
void luo_unfinished_done(struct luo *luo, const char *name)
{
	struct luo_unfinished_kind *kind;

	lockdep_assert_held(&luo->state_lock);
	kind = luo->unfinished.counted ? kind_of(&luo->unfinished, name) : NULL;
	if (kind)
		kind->left--;
}

/*
 * Is a file with that compatible string unfinished? Also true if that is not known.
 * luo->state_lock is held.
 */
bool luo_unfinished_any(struct luo *luo, const char *name)
{
	struct luo_unfinished_kind *kind;

	lockdep_assert_held(&luo->state_lock);
	if (!luo->unfinished.counted)
		return true;
	kind = kind_of(&luo->unfinished, name);
	return kind && kind->left;
}
