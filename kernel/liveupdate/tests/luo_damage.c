// SPDX-License-Identifier: GPL-2.0
/*
 * Damages one field of what is handed over, as it is told, when all has been written and
 * nothing is left but the kexec: so that it can be seen what the next kernel makes of it.
 *
 * What is written to liveupdate_damage in debugfs says what to do, once, at the next
 * reboot into another kernel:
 *
 *	FIELD SESSION NR HOW VALUE SUMS
 *
 *   FIELD	one of those that reading the file lists
 *   SESSION	whose field, as far as each session has one; else anything
 *   NR		which file of the session, or which FLB; else anything
 *   HOW	set: to VALUE, add: VALUE, self: to the address of the page that the field is
 *		on, free: to that of a page that is not handed over
 *   VALUE	hexadecimal
 *   SUMS	wrong: checksums stay as they are, right: they are made right again,
 *		none: they are not handed over
 *
 * Fields are found in the first block of their chain only. Of a string, the first eight
 * bytes are one field, as a number.
 */
#define pr_fmt(fmt) "luo: " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../luo_internal.h"
#include "luo_seal.h"

enum damage_in {
	IN_SER,
	IN_EXT,
	IN_SESSIONS,
	IN_SESSION,
	IN_CRCS,
	IN_CRC,
	IN_FILES,
	IN_FILE,
	IN_FLBS,
	IN_FLB,
};

struct damage_field {
	const char *name;
	enum damage_in in;
	size_t offset;
	size_t size;
};

static const struct damage_field damage_fields[] = {
	{ "ser.compatible", IN_SER, offsetof(struct luo_ser, compatible), 8 },
	{ "ser.liveupdate_num", IN_SER, offsetof(struct luo_ser, liveupdate_num), 8 },
	{ "ser.sessions_pa", IN_SER, offsetof(struct luo_ser, sessions_pa), 8 },
	{ "ser.flbs_pa", IN_SER, offsetof(struct luo_ser, flbs_pa), 8 },
	{ "ext.compatible", IN_EXT, offsetof(struct luo_ext_ser, compatible), 8 },
	{ "ext.self_crc", IN_EXT, offsetof(struct luo_ext_ser, self_crc), 4 },
	{ "ext.ser_crc", IN_EXT, offsetof(struct luo_ext_ser, ser_crc), 4 },
	{ "ext.sessions_crc", IN_EXT, offsetof(struct luo_ext_ser, sessions_crc), 4 },
	{ "ext.flbs_crc", IN_EXT, offsetof(struct luo_ext_ser, flbs_crc), 4 },
	{ "ext.files_crcs_crc", IN_EXT, offsetof(struct luo_ext_ser, files_crcs_crc), 4 },
	{ "ext.files_crcs_pa", IN_EXT, offsetof(struct luo_ext_ser, files_crcs_pa), 8 },
	{ "sessions.next", IN_SESSIONS, offsetof(struct kho_block_header_ser, next), 8 },
	{ "sessions.count", IN_SESSIONS, offsetof(struct kho_block_header_ser, count), 8 },
	{ "session.name", IN_SESSION, offsetof(struct luo_session_ser, name), 8 },
	{ "session.files", IN_SESSION, offsetof(struct luo_session_ser, files), 8 },
	{ "session.count", IN_SESSION, offsetof(struct luo_session_ser, count), 8 },
	{ "crcs.next", IN_CRCS, offsetof(struct kho_block_header_ser, next), 8 },
	{ "crcs.count", IN_CRCS, offsetof(struct kho_block_header_ser, count), 8 },
	{ "crc", IN_CRC, 0, 4 },
	{ "files.next", IN_FILES, offsetof(struct kho_block_header_ser, next), 8 },
	{ "files.count", IN_FILES, offsetof(struct kho_block_header_ser, count), 8 },
	{ "file.compatible", IN_FILE, offsetof(struct luo_file_ser, compatible), 8 },
	{ "file.data", IN_FILE, offsetof(struct luo_file_ser, data), 8 },
	{ "file.token", IN_FILE, offsetof(struct luo_file_ser, token), 8 },
	{ "flbs.pgcnt", IN_FLBS, offsetof(struct luo_flb_header_ser, pgcnt), 8 },
	{ "flbs.count", IN_FLBS, offsetof(struct luo_flb_header_ser, count), 8 },
	{ "flb.name", IN_FLB, offsetof(struct luo_flb_ser, name), 8 },
	{ "flb.data", IN_FLB, offsetof(struct luo_flb_ser, data), 8 },
	{ "flb.count", IN_FLB, offsetof(struct luo_flb_ser, count), 8 },
};

/**
 * struct damage - what to do
 * @text: as it was written
 * @field: to which field; NULL: nothing
 * @session: of which session
 * @nr: of which file or FLB
 * @how: what to make of it
 * @value: with that
 * @sums: what becomes of the checksums
 */
struct damage {
	char text[160];
	const struct damage_field *field;
	char session[LIVEUPDATE_SESSION_NAME_LENGTH];
	unsigned int nr;
	char how[8];
	u64 value;
	char sums[8];
};

/* Innermost; protects damage_next, what to do at the next reboot */
static DEFINE_MUTEX(damage_lock);
static struct damage damage_next;

/* Stays ours, so that it is not handed over. */
static struct page *damage_free_page;

static bool damage_is_of(struct luo_chain *chain, u64 phys)
{
	struct page *page;

	list_for_each_entry(page, &chain->blocks, lru) {
		if (page_to_phys(page) == phys)
			return true;
	}
	return false;
}

/* Pages that we know are those of the chains, and the FLBs. */
static const void *damage_peek(void *ctx, u64 phys, unsigned int *order)
{
	struct liveupdate_session *session;
	struct luo *luo = ctx;
	bool known;

	*order = 0;
	if (luo->flb_area.mem && phys == virt_to_phys(luo->flb_area.mem)) {
		*order = luo->flb_area.order;
		return luo->flb_area.mem;
	}
	known = damage_is_of(&luo->session_chain, phys) || damage_is_of(&luo->crc_chain, phys);
	list_for_each_entry(session, &luo->outgoing, in_side)
		known |= damage_is_of(&session->chain, phys);
	return known ? phys_to_virt(phys) : NULL;
}

static void *damage_block(u64 phys)
{
	return phys ? phys_to_virt(phys) : NULL;
}

static void *damage_entry(u64 phys, size_t entry_size, unsigned int nr)
{
	struct kho_block_header_ser *block = damage_block(phys);

	if (!block || nr >= block->count)
		return NULL;
	return luo_wire_block_entry(block, entry_size, nr);
}

static struct luo_session_ser *damage_session(struct luo *luo, const char *name,
					      unsigned int *nr)
{
	struct luo_session_ser *ser;

	for (*nr = 0;; (*nr)++) {
		ser = damage_entry(luo->ser->sessions_pa, sizeof(*ser), *nr);
		if (!ser || !strcmp(ser->name, name))
			return ser;
	}
}

static void *damage_flb(struct luo *luo, unsigned int nr)
{
	struct luo_flb_header_ser *header = luo->flb_area.mem;

	return nr < header->count ? (struct luo_flb_ser *)(header + 1) + nr : NULL;
}

/* Where the structure is that has the field */
static void *damage_base(struct luo *luo, const struct damage *d)
{
	struct luo_session_ser *session;
	unsigned int nr;

	session = damage_session(luo, d->session, &nr);
	switch (d->field->in) {
	case IN_SER:
		return luo->ser;
	case IN_EXT:
		return luo->ext;
	case IN_SESSIONS:
		return damage_block(luo->ser->sessions_pa);
	case IN_SESSION:
		return session;
	case IN_CRCS:
		return damage_block(luo->ext->ext.files_crcs_pa);
	case IN_CRC:
		return damage_entry(luo->ext->ext.files_crcs_pa, sizeof(u32), nr);
	case IN_FILES:
		return session ? damage_block(session->files) : NULL;
	case IN_FILE:
		return session ? damage_entry(session->files, sizeof(struct luo_file_ser),
					      d->nr) : NULL;
	case IN_FLBS:
		return luo->flb_area.mem;
	case IN_FLB:
		return damage_flb(luo, d->nr);
	}
	return NULL;
}

static void damage_inflict(const struct damage *d, void *field)
{
	u64 value = 0;

	if (!strcmp(d->how, "add"))
		memcpy(&value, field, d->field->size);
	else if (!strcmp(d->how, "self"))
		value = virt_to_phys(field) & PAGE_MASK;
	else if (!strcmp(d->how, "free"))
		value = page_to_phys(damage_free_page);
	value += d->value;
	memcpy(field, &value, d->field->size);
}

/* What was damaged is not to be repaired, only what is computed of it. */
static void damage_make_right(struct luo *luo, const struct damage *d)
{
	const struct luo_wire_pages pages = { .peek = damage_peek, .ctx = luo };

	if (d->field->in == IN_EXT) {
		luo->ext->ext.self_crc = luo_wire_ext_crc(&luo->ext->ext);
		return;
	}
	if (d->field->in != IN_CRCS && d->field->in != IN_CRC)
		luo_seal_files(luo->ser, &luo->ext->ext, &pages);
	luo_seal(luo->ser, &luo->ext->ext, &pages);
}

/**
 * luo_damage() - do it, if anything is to be done
 * @luo: where all has been written, the gate is closed
 *
 * Context: Process context. May sleep.
 */
void luo_damage(struct luo *luo)
{
	struct damage *d = &damage_next;
	void *base;

	guard(mutex)(&damage_lock);
	if (!d->field || luo->store != &luo_kho_store)
		return;
	base = damage_base(luo, d);
	if (base) {
		damage_inflict(d, base + d->field->offset);
		if (!strcmp(d->sums, "right"))
			damage_make_right(luo, d);
		else if (!strcmp(d->sums, "none"))
			luo->store->ops->withdraw(luo->store, luo->ext);
	}
	pr_warn("the handover %s: %s\n", base ? "is damaged, as was asked for" :
		"has no such field to be damaged", d->text);
	d->field = NULL;
}

static int liveupdate_damage_show(struct seq_file *m, void *v)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(damage_fields); i++)
		seq_printf(m, "%s\n", damage_fields[i].name);
	return 0;
}

static const char * const damage_hows[] = { "set", "add", "self", "free" };
static const char * const damage_sums[] = { "wrong", "right", "none" };

static const struct damage_field *damage_field_of(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(damage_fields); i++) {
		if (!strcmp(damage_fields[i].name, name))
			return &damage_fields[i];
	}
	return NULL;
}

static int damage_parse(struct damage *d)
{
	char name[32];

	if (sscanf(d->text, "%31s %63s %u %7s %llx %7s", name, d->session, &d->nr, d->how,
		   &d->value, d->sums) != 6)
		return -EINVAL;
	d->field = damage_field_of(name);
	if (!d->field || match_string(damage_hows, ARRAY_SIZE(damage_hows), d->how) < 0 ||
	    match_string(damage_sums, ARRAY_SIZE(damage_sums), d->sums) < 0)
		return -EINVAL;
	return 0;
}

static ssize_t liveupdate_damage_write(struct file *file, const char __user *buf, size_t len,
				       loff_t *pos)
{
	struct damage d = {};
	int err;

	if (len >= sizeof(d.text))
		return -EINVAL;
	if (copy_from_user(d.text, buf, len))
		return -EFAULT;
	err = damage_parse(&d);
	if (err)
		return err;

	guard(mutex)(&damage_lock);
	if (!damage_free_page)
		damage_free_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!damage_free_page)
		return -ENOMEM;
	damage_next = d;
	return len;
}
DEFINE_SHOW_STORE_ATTRIBUTE(liveupdate_damage);

static int __init damage_init(void)
{
	debugfs_create_file("liveupdate_damage", 0600, NULL, NULL, &liveupdate_damage_fops);
	return 0;
}
late_initcall(damage_init);
