// SPDX-License-Identifier: GPL-2.0
/* Lists for programs: what is in them, in pieces, while sessions come and go */
#include <linux/cleanup.h>
#include <linux/string.h>

#include "luo_fake.h"

#define SPACE	16

/* A letter per entry with its name's or string's end, its token, and what is wrong */
static const char *describe(const struct liveupdate_list_entry *entry, char *text, size_t size)
{
	static const char *const states[] = {
		"-", "busy", "open", "frozen", "waiting", "preserved", "untried", "retrieving",
		"retrieved", "failed", "finished",
	};

	if (entry->kind == LIVEUPDATE_ENTRY_SESSION)
		snprintf(text, size, "%s:%s", entry->name, states[entry->state]);
	else if (entry->kind == LIVEUPDATE_ENTRY_FILE)
		snprintf(text, size, "%llu:%s", entry->token, states[entry->state]);
	else
		snprintf(text, size, "%s:%s,%llu", entry->compatible, states[entry->state],
			 entry->token);
	if (entry->err)
		snprintf(text + strlen(text), size - strlen(text), "(%d)", entry->err);
	return text;
}

/* Goes on from *@cursor, in pieces of @max */
static void expect_from(struct kunit *test, struct luo *luo, u32 what, u64 *cursor, u32 max,
			const char *want)
{
	struct liveupdate_list_entry *entries;
	char all[512] = "", one[128];
	int nr;

	entries = kunit_kcalloc(test, SPACE, sizeof(*entries), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, entries);
	do {
		nr = luo_list(luo, what, cursor, entries, max);
		KUNIT_ASSERT_GE(test, nr, 0);
		for (int i = 0; i < nr; i++) {
			strlcat(all, *all ? " " : "", sizeof(all));
			strlcat(all, describe(&entries[i], one, sizeof(one)), sizeof(all));
		}
	} while (nr);
	KUNIT_EXPECT_STREQ(test, all, want);
}

static void expect_list(struct kunit *test, struct luo *luo, u32 what, const char *want)
{
	for (u32 max = 1; max <= SPACE; max *= 2) {
		u64 cursor = 0;

		expect_from(test, luo, what, &cursor, max, want);
	}
}

static struct luo_fake *with_sessions(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);

	luo_fake_flb(fake, 1);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "a"), 1), 0);
	luo_fake_session(test, fake, "b");
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, fake, "c"), 2), 0);
	return fake;
}

#define OUTGOING	"a:open 1:preserved b:open c:open 2:preserved luo-flb1-v1:preserved,2"

static void outgoing(struct kunit *test)
{
	struct luo_fake *fake = with_sessions(test);
	struct liveupdate_session *a;
	u64 token;

	expect_list(test, fake->luo, LIVEUPDATE_LIST_OUTGOING, OUTGOING);
	scoped_guard(mutex, &fake->luo->lock)
		a = luo_session_find(fake->luo, "a", LUO_OUTGOING);
	KUNIT_EXPECT_EQ(test, luo_session_freeze(a, &token), 0);
	expect_list(test, fake->luo, LIVEUPDATE_LIST_OUTGOING,
		    "a:frozen 1:frozen b:open c:open 2:preserved luo-flb1-v1:preserved,2");
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING, "");
}

static void incoming(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, with_sessions(test));
	struct luo *luo = fake->luo;
	struct liveupdate_session *a;

	luo_fake_flb(fake, 1);
	expect_list(test, luo, LIVEUPDATE_LIST_INCOMING,
		    "a:waiting 1:untried b:waiting c:waiting 2:untried luo-flb1-v1:untried,2");
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	expect_list(test, luo, LIVEUPDATE_LIST_INCOMING,
		    "a:retrieved 1:retrieved b:waiting c:waiting 2:untried luo-flb1-v1:untried,2");
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	expect_list(test, luo, LIVEUPDATE_LIST_INCOMING,
		    "b:waiting c:waiting 2:untried luo-flb1-v1:untried,1");
	luo_session_close(a);
	luo_fake_finish(fake, "b");
	luo_fake_finish(fake, "c");
	expect_list(test, luo, LIVEUPDATE_LIST_INCOMING, "luo-flb1-v1:finished,0");
}

/* Files that nobody reads say why, before they are retrieved and after */
static void nobody_reads(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_send(test, with_sessions(test));
	struct liveupdate_session *a;

	luo_fake_start(test, fake);
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING,
		    "a:waiting 1:untried(-19) b:waiting c:waiting 2:untried(-19) luo-flb1-v1:untried,2(-19)");
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -ENODEV);
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING,
		    "a:retrieved 1:untried(-19) b:waiting c:waiting 2:untried(-19) luo-flb1-v1:untried,2(-19)");
	luo_session_close(a);
}

/* In a version that the FLB of this kernel does not read */
static void unread_flb(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, with_sessions(test));

	luo_fake_flb_called(fake, 1, "luo-flb1-v2");
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING,
		    "a:waiting 1:untried b:waiting c:waiting 2:untried luo-flb1-v1:untried,2(-93)");
}

static void failed_file(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, with_sessions(test));
	struct liveupdate_session *a = luo_fake_retrieved(test, fake, "a");

	fake->script.fail_op = 'R';
	fake->script.fail_nr = 1;
	fake->script.fail_with = -EIO;
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EIO);
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING,
		    "a:retrieved 1:failed(-5) b:waiting c:waiting 2:untried luo-flb1-v1:untried,2(-19)");
}

/* The checksum of its files is not what it was */
static void damaged(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_send(test, with_sessions(test));
	struct luo_ser *ser = luo_fake_published(fake, LUO_KHO_ENTRY_NAME);
	struct luo_session_ser *first = phys_to_virt(ser->sessions_pa) +
					sizeof(struct kho_block_header_ser);
	struct liveupdate_session *a;

	((struct luo_file_ser *)(phys_to_virt(first->files) +
				 sizeof(struct kho_block_header_ser)))->data ^= 1;
	luo_fake_arrive(test, fake);
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING,
		    "a:waiting(-117) b:waiting c:waiting 2:untried luo-flb1-v1:untried,2(-19)");
	a = luo_fake_retrieved(test, fake, "a");
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING,
		    "a:retrieved(-117) b:waiting c:waiting 2:untried luo-flb1-v1:untried,2(-19)");
	luo_session_close(a);
}

/* Nobody waits for a call that is active. */
static void busy_session(struct kunit *test)
{
	struct luo_fake *fake = with_sessions(test);
	struct liveupdate_session *a;
	u64 cursor = 0;

	scoped_guard(mutex, &fake->luo->lock)
		a = luo_session_find(fake->luo, "a", LUO_OUTGOING);
	scoped_guard(rwsem_write, &a->lock)
		expect_list(test, fake->luo, LIVEUPDATE_LIST_OUTGOING,
			    "a:busy b:open c:open 2:preserved luo-flb1-v1:preserved,2");

	/* It becomes busy after it was listed, and before its file was */
	cursor = (a->id << 24) + 1;
	scoped_guard(rwsem_write, &a->lock)
		expect_from(test, fake->luo, LIVEUPDATE_LIST_OUTGOING, &cursor, 1,
			    "a:busy b:open c:open 2:preserved luo-flb1-v1:preserved,2");
}

static void closed_meanwhile(struct kunit *test)
{
	struct luo_fake *fake = with_sessions(test);
	struct liveupdate_list_entry entries[3];
	struct liveupdate_session *a;
	u64 cursor = 0;

	KUNIT_EXPECT_EQ(test, luo_list(fake->luo, LIVEUPDATE_LIST_OUTGOING, &cursor, entries, 3),
			3);
	scoped_guard(mutex, &fake->luo->lock)
		a = luo_session_find(fake->luo, "a", LUO_OUTGOING);
	luo_session_close(a);
	luo_fake_session(test, fake, "a");
	expect_from(test, fake->luo, LIVEUPDATE_LIST_OUTGOING, &cursor, 2,
		    "c:open 2:preserved a:open luo-flb1-v1:preserved,1");
}

/* What is of a version that nobody reads is named, whatever bytes there are */
static void unknown_version(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_send(test, with_sessions(test));
	struct luo_ser *ser = luo_fake_published(fake, LUO_KHO_ENTRY_NAME);
	struct liveupdate_ioctl_get_info *info;

	info = kunit_kzalloc(test, sizeof(*info), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, info);
	memcpy(ser->compatible, "luo-\nv9\377", LUO_ABI_COMPAT_LEN);
	luo_fake_arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_info(fake->luo, info), 0);
	KUNIT_EXPECT_EQ(test, info->incoming, -EPROTONOSUPPORT);
	KUNIT_EXPECT_EQ(test, info->sessions_err, -EPROTONOSUPPORT);
	KUNIT_EXPECT_EQ(test, info->flbs_err, -EPROTONOSUPPORT);
	KUNIT_EXPECT_STREQ(test, info->version, "luo-\\012v9\\377");
	expect_list(test, fake->luo, LIVEUPDATE_LIST_INCOMING, "");
}

static void info_of_both_sides(struct kunit *test)
{
	struct luo_fake *from = with_sessions(test), *fake;
	struct liveupdate_ioctl_get_info *info;

	info = kunit_kzalloc(test, sizeof(*info), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, info);
	KUNIT_EXPECT_EQ(test, luo_info(from->luo, info), 0);
	KUNIT_EXPECT_EQ(test, info->files, 2);
	KUNIT_EXPECT_EQ(test, info->outgoing_bytes, from->store.nr_out << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, info->scratch_largest, SZ_8M);
	KUNIT_EXPECT_EQ(test, info->incoming, 0);
	fake = luo_fake_kexec(test, from);
	KUNIT_EXPECT_EQ(test, luo_info(fake->luo, info), 0);
	KUNIT_EXPECT_EQ(test, info->files, 0);
	KUNIT_EXPECT_EQ(test, info->number, 1);
	KUNIT_EXPECT_EQ(test, info->incoming, 1);
	KUNIT_EXPECT_EQ(test, info->incoming_bytes, fake->store.nr_in << PAGE_SHIFT);
	KUNIT_EXPECT_STREQ(test, info->version, "luo-v5");
	fake->store.refused = -EUCLEAN;
	KUNIT_EXPECT_EQ(test, luo_info(fake->luo, info), 0);
	KUNIT_EXPECT_EQ(test, info->flags, LIVEUPDATE_INFO_LOST);
}

static void unknown_list(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_list_entry entry;
	u64 cursor = 0;

	KUNIT_EXPECT_EQ(test, luo_list(fake->luo, LIVEUPDATE_LIST_TIMELINE + 1, &cursor, &entry, 1),
			-EINVAL);
}

static struct kunit_case luo_list_cases[] = {
	KUNIT_CASE(outgoing),
	KUNIT_CASE(incoming),
	KUNIT_CASE(nobody_reads),
	KUNIT_CASE(unread_flb),
	KUNIT_CASE(failed_file),
	KUNIT_CASE(damaged),
	KUNIT_CASE(busy_session),
	KUNIT_CASE(closed_meanwhile),
	KUNIT_CASE(unknown_version),
	KUNIT_CASE(info_of_both_sides),
	KUNIT_CASE(unknown_list),
	{ }
};

static struct kunit_suite luo_list_suite = {
	.name = "luo_list",
	.test_cases = luo_list_cases,
};

kunit_test_suite(luo_list_suite);
