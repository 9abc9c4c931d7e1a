// SPDX-License-Identifier: GPL-2.0
/* Two kernels in one. See luo_fake.h. */
#include <linux/delay.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "luo_fake.h"

static struct luo_fake_store *luo_fake_of(struct luo_store *store)
{
	return container_of(store, struct luo_fake_store, store);
}

static bool luo_fake_usable(struct luo_store *store)
{
	return !luo_fake_of(store)->unusable;
}

/* A folio's order is kept in its address, above the bits that are the xarray's */
static void *luo_fake_entry(void *page, unsigned int order)
{
	return (void *)((unsigned long)page | order << 2);
}

static void *luo_fake_entry_page(void *entry)
{
	return (void *)((unsigned long)entry & PAGE_MASK);
}

static unsigned int luo_fake_entry_order(void *entry)
{
	return ((unsigned long)entry & ~PAGE_MASK) >> 2;
}

static void luo_fake_entry_free(void *entry)
{
	free_pages((unsigned long)luo_fake_entry_page(entry), luo_fake_entry_order(entry));
}

static void *luo_fake_alloc(struct luo_store *store, unsigned int order)
{
	struct luo_fake_store *fake = luo_fake_of(store);
	void *page;

	if (fake->fail_at && !--fake->fail_at)
		return NULL;
	page = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, order);
	if (!page)
		return NULL;
	if (xa_err(xa_store(&fake->out, PHYS_PFN(virt_to_phys(page)),
			    luo_fake_entry(page, order), GFP_KERNEL))) {
		free_pages((unsigned long)page, order);
		return NULL;
	}
	fake->nr_out++;
	return page;
}

/* What has been handed over is not this kernel's to free */
static void luo_fake_drop(struct luo_store *store, void *page)
{
	struct luo_fake_store *fake = luo_fake_of(store);
	void *entry = xa_erase(&fake->out, PHYS_PFN(virt_to_phys(page)));

	if (!entry)
		return;
	fake->nr_out--;
	luo_fake_entry_free(entry);
}

static const void *luo_fake_peek(struct luo_store *store, u64 phys, unsigned int *order)
{
	void *entry;

	if (!PAGE_ALIGNED(phys))
		return NULL;
	entry = xa_load(&luo_fake_of(store)->in, PHYS_PFN(phys));
	if (!entry)
		return NULL;
	*order = luo_fake_entry_order(entry);
	return luo_fake_entry_page(entry);
}

static void luo_fake_release(struct luo_store *store, u64 phys)
{
	struct luo_fake_store *fake = luo_fake_of(store);
	void *entry = xa_erase(&fake->in, PHYS_PFN(phys));

	if (WARN_ONCE(!entry, "luo: released twice, or never preserved\n"))
		return;
	fake->nr_in--;
	luo_fake_entry_free(entry);
}

static struct luo_fake_name *luo_fake_name_of(struct luo_fake_name *names, const char *name)
{
	for (int i = 0; i < LUO_FAKE_NAMES; i++) {
		if (name ? names[i].name && !strcmp(names[i].name, name) : !names[i].name)
			return &names[i];
	}
	return NULL;
}

static int luo_fake_publish(struct luo_store *store, const char *name, void *page, size_t size)
{
	struct luo_fake_name *slot = luo_fake_name_of(luo_fake_of(store)->out_names, NULL);

	if (!slot)
		return -ENOMEM;
	*slot = (struct luo_fake_name){ name, virt_to_phys(page), size };
	return 0;
}

static void luo_fake_withdraw(struct luo_store *store, void *page)
{
	struct luo_fake_name *names = luo_fake_of(store)->out_names;

	for (int i = 0; i < LUO_FAKE_NAMES; i++) {
		if (names[i].name && names[i].phys == virt_to_phys(page))
			names[i].name = NULL;
	}
}

static int luo_fake_find(struct luo_store *store, const char *name, u64 *phys, size_t *size)
{
	struct luo_fake_name *slot = luo_fake_name_of(luo_fake_of(store)->in_names, name);

	if (!slot)
		return -ENOENT;
	*phys = slot->phys;
	*size = slot->size;
	return 0;
}

static int luo_fake_refused(struct luo_store *store)
{
	return luo_fake_of(store)->refused;
}

static unsigned long luo_fake_nr_pages(struct luo_store *store, bool incoming)
{
	struct luo_fake_store *fake = luo_fake_of(store);

	return incoming ? fake->nr_in : fake->nr_out;
}

static u64 luo_fake_scratch(struct luo_store *store, u64 *largest)
{
	*largest = SZ_8M;
	return SZ_16M;
}

static int luo_fake_room(struct luo_store *store)
{
	return luo_fake_of(store)->no_room;
}

static const struct luo_store_ops luo_fake_ops = {
	.usable = luo_fake_usable,
	.alloc = luo_fake_alloc,
	.drop = luo_fake_drop,
	.peek = luo_fake_peek,
	.release = luo_fake_release,
	.publish = luo_fake_publish,
	.withdraw = luo_fake_withdraw,
	.find = luo_fake_find,
	.refused = luo_fake_refused,
	.nr_pages = luo_fake_nr_pages,
	.scratch = luo_fake_scratch,
	.room = luo_fake_room,
};

static void luo_fake_store_empty(struct xarray *pages)
{
	unsigned long pfn;
	void *page;

	xa_for_each(pages, pfn, page)
		luo_fake_entry_free(page);
	xa_destroy(pages);
}

static void luo_fake_close_all(struct luo *luo)
{
	struct liveupdate_session *session, *next;

	list_for_each_entry_safe(session, next, &luo->outgoing, in_side)
		luo_session_close(session);
	list_for_each_entry_safe(session, next, &luo->incoming, in_side) {
		if (session->state == LUO_SESSION_RETRIEVED)
			luo_session_close(session);
	}
}

/* Of sessions that are parked because nothing reads what is in them */
static void luo_fake_forget_parked(struct luo *luo)
{
	struct liveupdate_session *session;
	struct luo_file *lf, *next;

	list_for_each_entry(session, &luo->incoming, in_side) {
		list_for_each_entry_safe(lf, next, &session->files, in_session) {
			if (!lf->handler)
				luo_file_free(lf);
		}
	}
}

/* Closes that came late are made up for, and what is still open is closed */
static void luo_fake_power_off(struct luo_fake *fake)
{
	if (fake->luo->gate.closed)
		luo_gate_open(&fake->luo->gate);
	luo_fake_close_all(fake->luo);
}

/*
 * An FLB was unregistered while there was an object of it. Some architectures have warned
 * once and for all even if that was suppressed.
 */
void luo_fake_expect_in_use(struct kunit *test, int warnings)
{
	static bool warned;

	if (!warned || warnings)
		KUNIT_EXPECT_EQ(test, warnings, 1);
	warned = true;
}

/* A driver's module, with the reference of one that is loaded; skips where there is none */
#ifdef CONFIG_MODULE_UNLOAD
struct module *luo_fake_module(struct kunit *test, enum module_state state)
{
	struct module *mod = kunit_kzalloc(test, sizeof(*mod), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mod);
	mod->state = state;
	atomic_set(&mod->refcnt, 1);
	return mod;
}

int luo_fake_module_refs(struct module *mod)
{
	return module_refcount(mod);
}
#else
struct module *luo_fake_module(struct kunit *test, enum module_state state)
{
	kunit_skip(test, "modules are not unloaded");
	return NULL;
}

int luo_fake_module_refs(struct module *mod)
{
	return 0;
}
#endif

/* How many tasks wait for an op of another */
unsigned long luo_fake_nr_waiting(struct luo *luo)
{
	guard(spinlock)(&luo->state_lock);
	return list_count_nodes(&luo->waiters);
}

/* Wait for that many to wait. Does not end the case: its tasks may be on its stack. */
void luo_fake_expect_waiting(struct kunit *test, struct luo *luo, unsigned long count)
{
	for (int i = 0; i < 1000 && luo_fake_nr_waiting(luo) != count; i++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, luo_fake_nr_waiting(luo), count);
}

/* How many FLBs are registered */
unsigned long luo_fake_nr_flbs(struct luo_fake *fake)
{
	return list_count_nodes(&fake->luo->flbs);
}

/* As if there had been no memory to count unfinished files with */
void luo_fake_fail_counting(struct luo_fake *fake)
{
	fake->luo->unfinished.failed = true;
}

bool luo_fake_is_finished(struct liveupdate_session *session)
{
	return session->key.side == LUO_FINISHED;
}

static void luo_fake_shutdown(void *arg)
{
	struct luo_fake *fake = arg;
	struct luo_handler *handler, *next;

	luo_fake_power_off(fake);
	luo_fake_forget_parked(fake->luo);
	/* A kernel that goes off leaves objects of the last one behind; no mistake of anybody */
	luo_drop_incoming(fake->luo);
	list_for_each_entry_safe(handler, next, &fake->luo->handlers, in_list)
		luo_handler_unregister(fake->luo, handler->fh);
	KUNIT_EXPECT_TRUE_MSG(fake->test, list_empty(&fake->luo->flbs), "an FLB is left over");
	for (int i = 0; i < LUO_FAKE_FLBS; i++)
		KUNIT_EXPECT_FALSE(fake->test, fake->flb[i].out || fake->flb[i].wrong);
	luo_exit(fake->luo);
	luo_fake_store_empty(&fake->store.out);
	luo_fake_store_empty(&fake->store.in);
}

/* Without a handler, and not started yet */
struct luo_fake *luo_fake_boot_bare(struct kunit *test)
{
	struct luo_fake *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->luo = kunit_kzalloc(test, sizeof(*fake->luo), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->luo);

	fake->store.store.ops = &luo_fake_ops;
	xa_init(&fake->store.out);
	xa_init(&fake->store.in);
	fake->test = test;
	fake->luo->enabled = true;
	luo_init_early(fake->luo, &fake->store.store);
	KUNIT_ASSERT_EQ(test, luo_init(fake->luo), 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, luo_fake_shutdown, fake), 0);
	luo_script_init(&fake->script, "luo-test-v1", 1);
	for (int i = 0; i < LUO_FAKE_FLBS; i++) {
		char name[] = "luo-flb1-v1";

		name[sizeof("luo-flb") - 1] += i;
		luo_script_flb_init(&fake->flb[i], fake, i + 1, name);
	}
	return fake;
}

void luo_fake_start(struct kunit *test, struct luo_fake *fake)
{
	KUNIT_ASSERT_EQ(test, luo_start(fake->luo), 0);
}

struct luo_fake *luo_fake_boot(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot_bare(test);

	luo_fake_start(test, fake);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->script.fh), 0);
	return fake;
}

/* All that @from preserved is @to's now, and @from goes off: it can free none of it */
void luo_fake_handover(struct luo_fake *from, struct luo_fake *to)
{
	unsigned long pfn;
	void *page;

	xa_for_each(&from->store.out, pfn, page) {
		xa_erase(&from->store.out, pfn);
		xa_store(&to->store.in, pfn, page, GFP_KERNEL);
	}
	to->store.nr_in = from->store.nr_out;
	from->store.nr_out = 0;
	memcpy(to->store.in_names, from->store.out_names, sizeof(to->store.in_names));
	luo_fake_power_off(from);
}

/* On its way to a kernel that has not looked yet */
struct luo_fake *luo_fake_send(struct kunit *test, struct luo_fake *from)
{
	struct luo_fake *to = luo_fake_boot_bare(test);

	KUNIT_ASSERT_EQ(test, luo_reboot(from->luo, true), 0);
	luo_fake_handover(from, to);
	return to;
}

void luo_fake_arrive(struct kunit *test, struct luo_fake *to)
{
	luo_fake_start(test, to);
	KUNIT_ASSERT_EQ(test, luo_handler_register(to->luo, &to->script.fh), 0);
}

/* The whole way, to a kernel that has the same handler */
struct luo_fake *luo_fake_kexec(struct kunit *test, struct luo_fake *from)
{
	struct luo_fake *to = luo_fake_send(test, from);

	luo_fake_arrive(test, to);
	return to;
}

/* For damaging it: what came in under this name */
void *luo_fake_published(struct luo_fake *fake, const char *name)
{
	struct luo_fake_name *slot = luo_fake_name_of(fake->store.in_names, name);

	return slot ? phys_to_virt(slot->phys) : NULL;
}

void luo_fake_forget_name(struct luo_fake *fake, const char *name)
{
	struct luo_fake_name *slot = luo_fake_name_of(fake->store.in_names, name);

	if (slot)
		slot->name = NULL;
}

/* All that came in is freed, but for what was published, which is never freed. */
void luo_fake_expect_freed(struct kunit *test, struct luo_fake *fake)
{
	unsigned long published = 0;

	for (int i = 0; i < LUO_FAKE_NAMES; i++) {
		struct luo_fake_name *slot = &fake->store.in_names[i];

		if (!slot->name)
			continue;
		published++;
		KUNIT_EXPECT_NOT_NULL_MSG(test, xa_load(&fake->store.in, PHYS_PFN(slot->phys)),
					  "%s was freed", slot->name);
	}
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, published);
}

static const struct file_operations luo_script_fops = {
	.owner = THIS_MODULE,
};

/* Kind and number live in the file's private data, so that any handler can look */
static struct file *luo_script_open(unsigned int kind, unsigned int nr)
{
	return anon_inode_getfile("[luo-test]", &luo_script_fops,
				  (void *)((unsigned long)kind << 16 | nr), O_RDWR);
}

static void luo_script_fput(void *file)
{
	fput(file);
}

struct file *luo_script_file(struct kunit *test, unsigned int kind, unsigned int nr)
{
	struct file *file = luo_script_open(kind, nr);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, luo_script_fput, file), 0);
	return file;
}

unsigned int luo_script_file_nr(struct file *file)
{
	return (unsigned long)file->private_data & 0xffff;
}

static struct luo_script *luo_script_of(struct liveupdate_file_handler *fh)
{
	return container_of(fh, struct luo_script, fh);
}

void luo_script_note(char *log, char op, unsigned int nr)
{
	static DEFINE_SPINLOCK(lock);
	size_t len;

	guard(spinlock)(&lock);
	len = strlen(log);
	scnprintf(log + len, LUO_SCRIPT_LOG - len, "%s%c%u", len ? " " : "", op, nr);
}

/* Should it fail? */
static int luo_script_asked(struct luo_script *script, char op, unsigned int nr)
{
	luo_script_note(script->into, op, nr);
	return script->fail_op == op && script->fail_nr == nr ? script->fail_with : 0;
}

static bool luo_script_can_preserve(struct liveupdate_file_handler *fh, struct file *file)
{
	return file->f_op == &luo_script_fops &&
	       (unsigned long)file->private_data >> 16 == luo_script_of(fh)->kind;
}

static int luo_script_preserve(struct liveupdate_file_op_args *args)
{
	args->serialized_data = luo_script_file_nr(args->file);
	return luo_script_asked(luo_script_of(args->handler), 'P', args->serialized_data);
}

static void luo_script_unpreserve(struct liveupdate_file_op_args *args)
{
	luo_script_asked(luo_script_of(args->handler), 'U', args->serialized_data);
}

static int luo_script_freeze(struct liveupdate_file_op_args *args)
{
	return luo_script_asked(luo_script_of(args->handler), 'F', args->serialized_data);
}

static void luo_script_unfreeze(struct liveupdate_file_op_args *args)
{
	luo_script_asked(luo_script_of(args->handler), 'T', args->serialized_data);
}

static int luo_script_want(struct luo_script *script, struct liveupdate_file_op_args *args)
{
	struct file *file;

	if (script->ready) {
		complete(script->ready);
		wait_for_completion(script->go);
	}
	script->want_err = liveupdate_get_file_incoming(args->session, script->want, &file);
	if (!script->want_err)
		fput(file);
	return script->want_err;
}

static int luo_script_retrieve(struct liveupdate_file_op_args *args)
{
	struct luo_script *script = luo_script_of(args->handler);
	unsigned int nr = args->serialized_data;
	struct file *file;
	int err;

	err = luo_script_asked(script, 'R', nr);
	if (!err && script->want && script->want_by == nr)
		err = luo_script_want(script, args);
	if (err)
		return err;

	file = luo_script_open(script->kind, nr);
	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

static bool luo_script_can_finish(struct liveupdate_file_op_args *args)
{
	return !luo_script_asked(luo_script_of(args->handler), 'C', args->serialized_data);
}

static void luo_script_finish(struct liveupdate_file_op_args *args)
{
	struct luo_script *script = luo_script_of(args->handler);

	script->status = args->retrieve_status;
	luo_script_asked(script, 'D', args->serialized_data);
}

void luo_script_init(struct luo_script *script, const char *compatible, unsigned int kind)
{
	/* The string is constant for everybody but who makes the handler */
	strscpy((char *)script->fh.compatible, compatible, sizeof(script->fh.compatible));
	script->fh.ops = &script->ops;
	script->kind = kind;
	script->into = script->log;
	script->ops = (struct liveupdate_file_ops){
		.can_preserve = luo_script_can_preserve,
		.preserve = luo_script_preserve,
		.unpreserve = luo_script_unpreserve,
		.freeze = luo_script_freeze,
		.unfreeze = luo_script_unfreeze,
		.retrieve = luo_script_retrieve,
		.can_finish = luo_script_can_finish,
		.finish = luo_script_finish,
	};
}

struct liveupdate_session *luo_fake_session(struct kunit *test, struct luo_fake *fake,
					    const char *name)
{
	struct liveupdate_session *session;

	KUNIT_ASSERT_EQ(test, luo_session_create(fake->luo, name, &session), 0);
	return session;
}

struct liveupdate_session *luo_fake_retrieved(struct kunit *test, struct luo_fake *fake,
					      const char *name)
{
	struct liveupdate_session *session;

	KUNIT_ASSERT_EQ(test, luo_session_retrieve(fake->luo, name, false, &session), 0);
	return session;
}

/* A new file of kind 1; its number is its token */
int luo_fake_preserve(struct kunit *test, struct liveupdate_session *session, unsigned int nr)
{
	return luo_session_preserve(session, luo_script_file(test, 1, nr), nr);
}

/* Retrieve a file and put it: its number, or an errno */
int luo_fake_get(struct liveupdate_session *session, u64 token)
{
	struct file *file;
	int nr, err;

	err = luo_session_retrieve_file(session, token, &file);
	if (err)
		return err;
	nr = luo_script_file_nr(file);
	fput(file);
	return nr;
}
