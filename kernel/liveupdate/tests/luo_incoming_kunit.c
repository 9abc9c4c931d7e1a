// SPDX-License-Identifier: GPL-2.0
/* Handovers that are damaged, of another version, or none at all */
#include "luo_fake.h"
#include "luo_heads.h"

/* Session "a" with files 1 to 3 and an empty "b", on their way; nobody has looked yet */
static struct luo_fake *on_its_way(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to = luo_fake_boot_bare(test);
	struct liveupdate_session *a = luo_fake_session(test, from, "a");

	luo_fake_session(test, from, "b");
	for (unsigned int nr = 1; nr <= 3; nr++)
		KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, a, nr), 0);
	KUNIT_ASSERT_EQ(test, luo_reboot(from->luo, true), 0);
	luo_fake_handover(from, to);
	return to;
}

static void arrive(struct kunit *test, struct luo_fake *fake)
{
	luo_fake_start(test, fake);
	KUNIT_ASSERT_EQ(test, luo_handler_register(fake->luo, &fake->script.fh), 0);
}

static struct luo_ser *root_of(struct luo_fake *fake)
{
	return luo_fake_published(fake, LUO_KHO_ENTRY_NAME);
}

static void *session_block(struct luo_fake *fake)
{
	return phys_to_virt(root_of(fake)->sessions_pa);
}

static void *file_block(struct luo_fake *fake)
{
	struct luo_session_ser *ser = luo_wire_block_entry(session_block(fake), sizeof(*ser), 0);

	return phys_to_virt(ser->files);
}

/* All is refused with @err, nothing is given back, and new sessions go on */
static void expect_refused(struct kunit *test, struct luo_fake *fake, int err)
{
	unsigned long before = fake->store.nr_in;
	struct liveupdate_session *session;

	arrive(test, fake);
	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), err);
		KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "x", false, &session), err);
	}
	KUNIT_EXPECT_EQ(test, luo_session_create(fake->luo, "a", &session), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, session, 1), 0);
	KUNIT_EXPECT_EQ(test, luo_reboot(fake->luo, true), 0);
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, before);
}

/* Session "a" is there, but no file of it; "b" is valid */
static void expect_files_refused(struct kunit *test, struct luo_fake *fake)
{
	struct liveupdate_session *a, *b;
	unsigned long before;

	arrive(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	for (u64 token = 0; token < 4; token++)
		KUNIT_EXPECT_EQ(test, luo_fake_get(a, token), -EUCLEAN);
	b = luo_fake_retrieved(test, fake, "b");
	KUNIT_EXPECT_EQ(test, luo_fake_get(b, 1), -ENOENT);

	before = fake->store.nr_in;
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, before);
	KUNIT_EXPECT_STREQ(test, fake->script.log, "");
	KUNIT_EXPECT_EQ(test, luo_session_finish(b), 0);
	KUNIT_EXPECT_EQ(test, fake->luo->in.unfinished, 0);
	luo_session_close(a);
	luo_session_close(b);
}

static void nothing_was_handed_over(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot(test);
	struct liveupdate_session *session;

	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -ENOENT);
}

static void empty_handover(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_kexec(test, luo_fake_boot(test));
	struct liveupdate_session *session;
	unsigned long before = fake->store.nr_in;

	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -ENOENT);
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, before);
}

static void kho_refused(struct kunit *test)
{
	struct luo_fake *fake = luo_fake_boot_bare(test);

	fake->store.refused = -EPROTONOSUPPORT;
	expect_refused(test, fake, -EPROTONOSUPPORT);
	fake = luo_fake_boot_bare(test);
	fake->store.refused = -EUCLEAN;
	expect_refused(test, fake, -EUCLEAN);
}

KUNIT_ARRAY_PARAM_DESC(version, version_cases, name);

/* The checksum does not match either, but the version is validated first */
static void unknown_version(struct kunit *test)
{
	const struct version_case *param = test->param_value;
	struct luo_fake *fake = on_its_way(test);

	memcpy(root_of(fake)->compatible, param->head, sizeof(param->head));
	expect_refused(test, fake, -EPROTONOSUPPORT);
}

static void flip(void *at, size_t offset)
{
	((u8 *)at)[offset] ^= 0x10;
}

static void any_bit_of_the_root(struct kunit *test)
{
	for (size_t i = LUO_ABI_COMPAT_LEN; i < sizeof(struct luo_ser); i += 3) {
		struct luo_fake *fake = on_its_way(test);

		flip(root_of(fake), i);
		expect_refused(test, fake, -EUCLEAN);
	}
}

static void any_bit_of_the_sessions(struct kunit *test)
{
	for (size_t i = 0; i < 16 + 2 * sizeof(struct luo_session_ser); i += 7) {
		struct luo_fake *fake = on_its_way(test);

		flip(session_block(fake), i);
		expect_refused(test, fake, -EUCLEAN);
	}
}

static void any_bit_of_the_files(struct kunit *test)
{
	for (size_t i = 0; i < 16 + 3 * sizeof(struct luo_file_ser); i += 7) {
		struct luo_fake *fake = on_its_way(test);

		flip(file_block(fake), i);
		expect_files_refused(test, fake);
	}
}

static void without_checksums(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);

	luo_fake_forget_name(fake, LUO_EXT_KHO_ENTRY_NAME);
	arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_get(luo_fake_retrieved(test, fake, "a"), 2), 2);
}

static void checksums_of_another_version(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_ext_ser *ext = luo_fake_published(fake, LUO_EXT_KHO_ENTRY_NAME);

	strscpy(ext->compatible, "luo-ext-v2");
	arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_get(luo_fake_retrieved(test, fake, "a"), 2), 2);
}

static void damaged_checksums_damage_nothing(struct kunit *test)
{
	for (size_t i = LUO_EXT_COMPAT_LEN; i < offsetof(struct luo_ext_ser, stamps); i += 4) {
		struct luo_fake *fake = on_its_way(test);

		flip(luo_fake_published(fake, LUO_EXT_KHO_ENTRY_NAME), i);
		arrive(test, fake);
		KUNIT_EXPECT_EQ(test, luo_fake_get(luo_fake_retrieved(test, fake, "a"), 2), 2);
	}
}

static void damaged_chain_of_checksums_damages_nothing(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_ext_ser *ext = luo_fake_published(fake, LUO_EXT_KHO_ENTRY_NAME);

	flip(phys_to_virt(ext->files_crcs_pa), 16);
	arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_get(luo_fake_retrieved(test, fake, "a"), 2), 2);
}

/* As from a stock kernel: what only the structure can tell */
static struct luo_fake *unchecked(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);

	luo_fake_forget_name(fake, LUO_EXT_KHO_ENTRY_NAME);
	return fake;
}

static void two_sessions_of_one_name(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);
	struct luo_session_ser *b = luo_wire_block_entry(session_block(fake), sizeof(*b), 1);

	strscpy(b->name, "a");
	expect_refused(test, fake, -EUCLEAN);
	KUNIT_EXPECT_EQ(test, fake->luo->in.unfinished, 0);
}

static void two_files_of_one_token(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);
	struct luo_file_ser *ser = luo_wire_block_entry(file_block(fake), sizeof(*ser), 2);

	ser->token = 1;
	expect_files_refused(test, fake);
}

/* Neither can tell; but what is given back once is not touched again */
static void two_sessions_of_one_file_chain(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);
	struct luo_session_ser *ser = luo_wire_block_entry(session_block(fake), sizeof(*ser), 0);
	struct liveupdate_session *a, *b;

	ser[1].files = ser[0].files;
	ser[1].count = ser[0].count;
	arrive(test, fake);
	a = luo_fake_retrieved(test, fake, "a");
	b = luo_fake_retrieved(test, fake, "b");
	KUNIT_EXPECT_EQ(test, luo_session_finish(a), 0);
	KUNIT_EXPECT_EQ(test, luo_fake_get(b, 1), 1);
	KUNIT_EXPECT_EQ(test, luo_session_finish(b), 0);
	KUNIT_EXPECT_EQ(test, fake->luo->in.unfinished, 0);
	luo_session_close(a);
	luo_session_close(b);
}

static void more_files_than_counted(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);
	struct luo_session_ser *a = luo_wire_block_entry(session_block(fake), sizeof(*a), 0);

	a->count--;
	expect_files_refused(test, fake);
}

static void string_without_an_end(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);
	struct luo_file_ser *ser = luo_wire_block_entry(file_block(fake), sizeof(*ser), 1);

	memset(ser->compatible, 'x', sizeof(ser->compatible));
	expect_files_refused(test, fake);
}

static void chain_without_an_end(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);
	struct kho_block_header_ser *block = session_block(fake);

	block->next = root_of(fake)->sessions_pa;
	expect_refused(test, fake, -EUCLEAN);
}

static void address_of_no_preserved_page(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);

	root_of(fake)->sessions_pa = virt_to_phys(fake->luo) & PAGE_MASK;
	expect_refused(test, fake, -EUCLEAN);

	fake = unchecked(test);
	root_of(fake)->sessions_pa = U64_MAX & PAGE_MASK;
	expect_refused(test, fake, -EUCLEAN);
}

static void session_name_without_an_end(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_session_ser *ser = luo_wire_block_entry(phys_to_virt(root_of(fake)->sessions_pa),
							   sizeof(*ser), 1);
	struct liveupdate_session *session;

	luo_fake_forget_name(fake, LUO_EXT_KHO_ENTRY_NAME);
	memset(ser->name, 'x', sizeof(ser->name));
	arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);
}

static void results_stay(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_ser *root = root_of(fake);
	struct luo_session_ser *ser = luo_wire_block_entry(phys_to_virt(root->sessions_pa),
							   sizeof(*ser), 0);
	struct liveupdate_session *session;

	root->liveupdate_num ^= 1;
	arrive(test, fake);
	root->liveupdate_num ^= 1;
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);

	fake = on_its_way(test);
	root = root_of(fake);
	ser = luo_wire_block_entry(phys_to_virt(root->sessions_pa), sizeof(*ser), 0);
	ser->count ^= 1;
	arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);
	ser->count ^= 1;
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);
}

/* Valid in itself, but one checksum for two sessions: better none than the wrong one */
static void fewer_checksums_than_sessions(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_ext_ser *ext = luo_fake_published(fake, LUO_EXT_KHO_ENTRY_NAME);
	void *block = phys_to_virt(ext->files_crcs_pa);

	luo_wire_write_block(block, 0, 1);
	luo_wire_write_ext(ext, root_of(fake), ext->sessions_crc, 0, ext->files_crcs_pa,
			   luo_wire_block_crc(LUO_WIRE_CRC_SEED, block, sizeof(u32)));
	arrive(test, fake);
	KUNIT_EXPECT_TRUE(test, fake->luo->in.has_ext);
	KUNIT_EXPECT_EQ(test, luo_fake_get(luo_fake_retrieved(test, fake, "a"), 2), 2);
	KUNIT_EXPECT_FALSE(test, fake->luo->in.has_file_crcs);
}

static void root_stays_while_there_are_flbs(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test), *to = luo_fake_boot_bare(test);
	struct luo_store *store = &from->store.store;
	void *flbs = store->ops->alloc(store, 0);

	KUNIT_ASSERT_NOT_NULL(test, flbs);
	luo_fake_session(test, from, "a");
	KUNIT_ASSERT_EQ(test, luo_reboot(from->luo, true), 0);
	luo_fake_handover(from, to);
	luo_fake_forget_name(to, LUO_EXT_KHO_ENTRY_NAME);
	root_of(to)->flbs_pa = virt_to_phys(flbs);
	arrive(test, to);
	luo_session_close(luo_fake_retrieved(test, to, "a"));
	KUNIT_EXPECT_NOT_NULL(test, xa_load(&to->store.in, PHYS_PFN(virt_to_phys(root_of(to)))));
	KUNIT_EXPECT_NOT_NULL(test, xa_load(&to->store.in, PHYS_PFN(virt_to_phys(flbs))));
}

static void root_that_is_no_page(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct liveupdate_session *session;

	for (int i = 0; i < LUO_FAKE_NAMES; i++)
		fake->store.in_names[i].size = PAGE_SIZE + 1;
	arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);

	fake = on_its_way(test);
	for (int i = 0; i < LUO_FAKE_NAMES; i++)
		fake->store.in_names[i].phys = virt_to_phys(fake->luo) & PAGE_MASK;
	arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);
}

static struct kunit_case luo_incoming_cases[] = {
	KUNIT_CASE(nothing_was_handed_over),
	KUNIT_CASE(empty_handover),
	KUNIT_CASE(kho_refused),
	KUNIT_CASE_PARAM(unknown_version, version_gen_params),
	KUNIT_CASE(any_bit_of_the_root),
	KUNIT_CASE_SLOW(any_bit_of_the_sessions),
	KUNIT_CASE_SLOW(any_bit_of_the_files),
	KUNIT_CASE(without_checksums),
	KUNIT_CASE(checksums_of_another_version),
	KUNIT_CASE(damaged_checksums_damage_nothing),
	KUNIT_CASE(damaged_chain_of_checksums_damages_nothing),
	KUNIT_CASE(two_sessions_of_one_name),
	KUNIT_CASE(two_files_of_one_token),
	KUNIT_CASE(two_sessions_of_one_file_chain),
	KUNIT_CASE(more_files_than_counted),
	KUNIT_CASE(string_without_an_end),
	KUNIT_CASE(chain_without_an_end),
	KUNIT_CASE(address_of_no_preserved_page),
	KUNIT_CASE(session_name_without_an_end),
	KUNIT_CASE(results_stay),
	KUNIT_CASE(fewer_checksums_than_sessions),
	KUNIT_CASE(root_stays_while_there_are_flbs),
	KUNIT_CASE(root_that_is_no_page),
	{}
};

static struct kunit_suite luo_incoming_suite = {
	.name = "luo_incoming",
	.test_cases = luo_incoming_cases,
};

kunit_test_suite(luo_incoming_suite);
