// SPDX-License-Identifier: GPL-2.0
/*
 * The root: the pages that KHO hands over by name, which lead to everything else.
 *
 * Those of the previous kernel are never freed: KHO shows them in debugfs for as long as
 * this kernel runs. The next kernel does not preserve them again, so they do not add up.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/errno.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include <trace/events/liveupdate.h>

#include "luo_internal.h"

/* Find what was published under a name. Returns 0, -ENOENT or -EUCLEAN. */
static int root_find(struct luo_store *store, const char *name, const void **mem, size_t *size)
{
	unsigned int order;
	u64 phys;
	int err;

	err = store->ops->find(store, name, &phys, size);
	if (err)
		return err;
	*mem = store->ops->peek(store, phys, &order);
	return *mem && *size <= PAGE_SIZE << order ? 0 : -EUCLEAN;
}

/* Of whatever version: who finds an unknown one looks for the kernel that reads it. */
static void note_version(const char *page, size_t size, struct luo_incoming *in)
{
	size_t len = strnlen(page, min(size, LUO_ABI_COMPAT_LEN));
	int n = string_escape_mem(page, len, in->version, sizeof(in->version) - 1,
				  ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, "\\");

	in->version[n] = 0;
}

static void validate_ext(struct luo_store *store, struct luo_incoming *in)
{
	const void *page;
	size_t size;
	int err;

	err = root_find(store, LUO_EXT_KHO_ENTRY_NAME, &page, &size);
	if (!err)
		in->has_ext = luo_wire_read_ext(page, size, &in->ext);
	in->bad_ext = !in->has_ext && err != -ENOENT;
}

/*
 * Find and validate the root and its checksums. @in is zeroed. Neither sleeps nor
 * allocates, so it works as soon as the store can be read. Returns 0, also if nothing was
 * handed over, -EPROTONOSUPPORT or -EUCLEAN.
 */
int luo_root_validate(struct luo_store *store, struct luo_incoming *in)
{
	const void *page;
	size_t size;
	int err;

	err = store->ops->refused(store);
	if (err)
		return err;

	err = root_find(store, LUO_KHO_ENTRY_NAME, &page, &size);
	if (err)
		return err == -ENOENT ? 0 : err;
	note_version(page, size, in);
	validate_ext(store, in);
	return luo_wire_read_head(page, size, in->has_ext ? &in->ext : NULL, &in->head);
}

/* Name the sessions that the previous kernel did not finish. They are lost. */
static void name_dropped(struct luo *luo)
{
	u32 nr = luo->in.ext.dropped;
	const struct luo_ext_page *page;
	char name[LUO_NAME_TEXT];
	const void *mem;
	size_t size;

	if (!luo->in.has_ext || !nr ||
	    root_find(luo->store, LUO_EXT_KHO_ENTRY_NAME, &mem, &size))
		return;
	page = mem;
	for (u32 i = 0; size >= sizeof(*page) && i < min(nr, LUO_DROPPED_NAMED); i++) {
		strscpy(name, page->dropped[i], LIVEUPDATE_SESSION_NAME_LENGTH);
		pr_warn("session '%s' was not finished by the previous kernel and is lost\n",
			luo_name_escape(name, (char[LUO_NAME_TEXT]) {}));
	}
	if (nr > LUO_DROPPED_NAMED || size < sizeof(*page))
		pr_warn("sessions not finished by the previous kernel and lost: %u\n", nr);
}

/*
 * Read and validate the root, unless that is done. luo->lock is held. The result is
 * luo->in.err.
 */
void luo_root_read(struct luo *luo)
{
	struct luo_incoming *in = &luo->in;
	u64 start;

	lockdep_assert_held(&luo->lock);
	if (in->head_read)
		return;
	start = luo_trace_start(liveupdate_parse);
	in->head_read = true;
	in->err = luo_root_validate(luo->store, in);
	trace_liveupdate_parse("root", in->err, start);
	luo_timeline_record(luo, LUO_MILESTONE_PARSED);
	if (in->bad_ext)
		pr_warn("handover checksums unreadable, continuing without\n");
	if (in->err)
		pr_err("incoming handover%s%s rejected (%s), memory %s\n",
		       in->version[0] ? " " : "", in->version,
		       in->err == -EPROTONOSUPPORT ? "unsupported version" : "corrupted",
		       luo->store->ops->refused(luo->store) ? "lost" : "left in place");
	else if (!in->head.sessions_pa)
		in->over = true;
	name_dropped(luo);
}

static void *publish(struct luo_store *store, const char *name, size_t size)
{
	void *page = store->ops->alloc(store, 0);

	if (!page)
		return NULL;
	if (store->ops->publish(store, name, page, size)) {
		store->ops->drop(store, page);
		return NULL;
	}
	return page;
}

static void withdraw(struct luo_store *store, void *page)
{
	store->ops->withdraw(store, page);
	store->ops->drop(store, page);
}

/*
 * Publish the pages of the root for the next kernel; luo_root_write() fills them in.
 * Returns 0 or -ENOMEM.
 */
int luo_root_publish(struct luo *luo)
{
	luo->ser = publish(luo->store, LUO_KHO_ENTRY_NAME, sizeof(*luo->ser));
	if (!luo->ser)
		return -ENOMEM;

	luo->ext = publish(luo->store, LUO_EXT_KHO_ENTRY_NAME, sizeof(*luo->ext));
	if (luo->ext)
		return 0;
	withdraw(luo->store, luo->ser);
	luo->ser = NULL;
	return -ENOMEM;
}

/* Undo luo_root_publish(). */
void luo_root_withdraw(struct luo *luo)
{
	withdraw(luo->store, luo->ext);
	withdraw(luo->store, luo->ser);
	luo->ext = NULL;
	luo->ser = NULL;
}

/* Serialize the root, except for the timestamps. */
void luo_root_write(struct luo *luo, const struct luo_root *root)
{
	struct luo_wire_head head = {
		.liveupdate_num = luo->in.head.liveupdate_num + 1,
		.sessions_pa = root->sessions_pa,
		.flbs_pa = root->flbs_pa,
	};

	luo_wire_write_head(luo->ser, &head);
	luo_wire_write_ext(&luo->ext->ext, luo->ser, root->sessions_crc, root->flbs_crc,
			   root->files_crcs_pa, root->files_crcs_crc);
}

