// SPDX-License-Identifier: GPL-2.0
/* What FLBs are told of handovers that are damaged, or of another version */
#include "luo_fake.h"
#include "luo_heads.h"

/* Session "a" with file 1, "b" with file 2, FLBs 1 to 3; nobody has looked yet */
static struct luo_fake *on_its_way(struct kunit *test)
{
	struct luo_fake *from = luo_fake_boot(test);

	for (unsigned int nr = 1; nr <= 3; nr++)
		luo_fake_flb(from, nr);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "a"), 1), 0);
	KUNIT_ASSERT_EQ(test, luo_fake_preserve(test, luo_fake_session(test, from, "b"), 2), 0);
	return luo_fake_send(test, from);
}

/* As from a stock kernel: what only the structure can tell */
static struct luo_fake *unchecked(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);

	luo_fake_forget_name(fake, LUO_EXT_KHO_ENTRY_NAME);
	return fake;
}

static struct luo_ser *root_of(struct luo_fake *fake)
{
	return luo_fake_published(fake, LUO_KHO_ENTRY_NAME);
}

static struct luo_flb_header_ser *area_of(struct luo_fake *fake)
{
	return phys_to_virt(root_of(fake)->flbs_pa);
}

static struct luo_flb_ser *flb_of(struct luo_fake *fake, unsigned int index)
{
	return (struct luo_flb_ser *)(area_of(fake) + 1) + index;
}

/* All getters say it, early and late, on and off, and of FLBs that were not handed over */
static void expect_answer(struct kunit *test, struct luo_fake *fake, int err)
{
	struct luo_script_flb *flb = &fake->flb[0], *absent = &fake->flb[3];

	fake->luo->enabled = false;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), err ?: -EPROTONOSUPPORT);
	fake->luo->enabled = true;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(flb), err);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(absent), err ?: -ENODATA);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(absent), err ?: -ENODATA);
	luo_fake_arrive(test, fake);
	luo_fake_flb(fake, 1);
	luo_fake_flb(fake, 4);
	for (int i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, luo_fake_flb_in(flb), err);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(absent), err ?: -ENODATA);
}

/* No op is called, nothing is given back, and what goes out is not concerned */
static void expect_refused(struct kunit *test, struct luo_fake *fake, int err)
{
	unsigned long before = fake->store.nr_in;
	struct liveupdate_session *c;

	expect_answer(test, fake, err);
	luo_fake_expect_log(fake, "");
	KUNIT_EXPECT_EQ(test, fake->store.nr_in, before);
	c = luo_fake_session(test, fake, "c");
	KUNIT_EXPECT_EQ(test, luo_fake_preserve(test, c, 3), 0);
	luo_session_close(c);
	luo_fake_expect_log(fake, "p1 p4 P3 U3 u4 u1");
}

/* Only the area is damaged: sessions are none the worse, but the way to it stays */
static void expect_area_refused(struct kunit *test, struct luo_fake *fake)
{
	struct luo_ser *root = root_of(fake);
	struct liveupdate_session *a;

	expect_refused(test, fake, -EUCLEAN);
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), 1);
	luo_fake_finish(fake, "b");
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, fake->luo->in.unfinished, 0);
	luo_fake_expect_log(fake, "R1 C2 D2 C1 D1");
	KUNIT_EXPECT_NOT_NULL(test, xa_load(&fake->store.in, PHYS_PFN(virt_to_phys(root))));
}

static void as_it_was(struct kunit *test)
{
	expect_answer(test, on_its_way(test), 0);
	expect_answer(test, unchecked(test), 0);
}

/* --------------------------------------------------------------------- all of it */

KUNIT_ARRAY_PARAM_DESC(version, version_cases, name);

static void unknown_version(struct kunit *test)
{
	const struct version_case *param = test->param_value;
	struct luo_fake *fake = on_its_way(test);

	memcpy(root_of(fake)->compatible, param->head, sizeof(param->head));
	expect_refused(test, fake, -EPROTONOSUPPORT);
	fake = unchecked(test);
	memcpy(root_of(fake)->compatible, param->head, sizeof(param->head));
	expect_refused(test, fake, -EPROTONOSUPPORT);
}

static void kho_refused(struct kunit *test)
{
	static const int errs[] = { -EPROTONOSUPPORT, -EUCLEAN };
	struct luo_fake *fake;

	for (int i = 0; i < ARRAY_SIZE(errs); i++) {
		fake = luo_fake_boot_bare(test);
		fake->store.refused = errs[i];
		expect_refused(test, fake, errs[i]);
	}
}

static void any_bit_of_the_root(struct kunit *test)
{
	for (size_t i = LUO_ABI_COMPAT_LEN; i < sizeof(struct luo_ser); i += 3) {
		struct luo_fake *fake = on_its_way(test);

		((u8 *)root_of(fake))[i] ^= 0x10;
		expect_refused(test, fake, -EUCLEAN);
	}
}

/* -------------------------------------------------------------------- the area */

static void any_bit_of_the_area(struct kunit *test)
{
	for (size_t i = 0; i < 16 + 3 * sizeof(struct luo_flb_ser); i += 7) {
		struct luo_fake *fake = on_its_way(test);

		((u8 *)area_of(fake))[i] ^= 0x10;
		expect_area_refused(test, fake);
	}
}

static void no_pages(struct luo_fake *fake)
{
	area_of(fake)->pgcnt = 0;
}

static void more_pages_than_the_folio(struct luo_fake *fake)
{
	area_of(fake)->pgcnt = 2;
}

static void more_pages_than_there_are(struct luo_fake *fake)
{
	area_of(fake)->pgcnt = U64_MAX;
}

static void more_than_there_is_room_for(struct luo_fake *fake)
{
	area_of(fake)->count = luo_wire_flbs_per(0) + 1;
}

static void more_than_a_number_holds(struct luo_fake *fake)
{
	area_of(fake)->count = U64_MAX / sizeof(struct luo_flb_ser) + 2;
}

static void more_than_have_names(struct luo_fake *fake)
{
	area_of(fake)->count = 4;
}

static void name_without_an_end(struct luo_fake *fake)
{
	memset(flb_of(fake, 1)->name, 'x', LUO_COMPAT_LEN);
}

static void no_name(struct luo_fake *fake)
{
	memset(flb_of(fake, 2)->name, 0, LUO_COMPAT_LEN);
}

static void name_with_a_blank(struct luo_fake *fake)
{
	flb_of(fake, 2)->name[3] = ' ';
}

static void two_of_one_name(struct luo_fake *fake)
{
	memcpy(flb_of(fake, 2)->name, flb_of(fake, 1)->name, LUO_COMPAT_LEN);
}

static void not_in_a_preserved_page(struct luo_fake *fake)
{
	root_of(fake)->flbs_pa = virt_to_phys(fake->luo) & PAGE_MASK;
}

static void nowhere(struct luo_fake *fake)
{
	root_of(fake)->flbs_pa = U64_MAX & PAGE_MASK;
}

static const struct area_case {
	const char *name;
	void (*damage)(struct luo_fake *fake);
} area_cases[] = {
	{ "no_pages", no_pages },
	{ "more_pages_than_the_folio", more_pages_than_the_folio },
	{ "more_pages_than_there_are", more_pages_than_there_are },
	{ "more_than_there_is_room_for", more_than_there_is_room_for },
	{ "more_than_a_number_holds", more_than_a_number_holds },
	{ "more_than_have_names", more_than_have_names },
	{ "name_without_an_end", name_without_an_end },
	{ "no_name", no_name },
	{ "name_with_a_blank", name_with_a_blank },
	{ "two_of_one_name", two_of_one_name },
	{ "not_in_a_preserved_page", not_in_a_preserved_page },
	{ "nowhere", nowhere },
};

KUNIT_ARRAY_PARAM_DESC(area, area_cases, name);

static void damaged_area(struct kunit *test)
{
	const struct area_case *param = test->param_value;
	struct luo_fake *fake = unchecked(test);

	param->damage(fake);
	expect_area_refused(test, fake);
}

/* Not a whole page: that is the root's mistake, and concerns everybody */
static void area_inside_a_page(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);

	root_of(fake)->flbs_pa += 8;
	expect_refused(test, fake, -EUCLEAN);
}

/* The root says that there are none */
static void no_area(struct kunit *test)
{
	struct luo_fake *fake = unchecked(test);

	root_of(fake)->flbs_pa = 0;
	KUNIT_EXPECT_EQ(test, luo_fake_flb_early(&fake->flb[0]), -ENODATA);
	luo_fake_arrive(test, fake);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(luo_fake_flb(fake, 1)), -ENODATA);
}

/* Any number of files, any data: that is for others to judge */
static void counts_and_data_are_no_damage(struct kunit *test)
{
	static const u64 counts[] = { 0, 1, U64_MAX };

	for (int i = 0; i < ARRAY_SIZE(counts); i++) {
		struct luo_fake *fake = unchecked(test);

		flb_of(fake, 0)->count = counts[i];
		flb_of(fake, 0)->data = U64_MAX;
		expect_answer(test, fake, 0);
		KUNIT_EXPECT_EQ(test, fake->flb[0].got, U64_MAX);
		luo_fake_finish(fake, "a");
		luo_fake_finish(fake, "b");
		luo_fake_expect_log(fake, "r1 C1 D1 C2 D2 d1");
	}
}

static void checksums_that_cannot_be_read(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_ext_ser *ext = luo_fake_published(fake, LUO_EXT_KHO_ENTRY_NAME);

	ext->flbs_crc ^= 1;
	expect_answer(test, fake, 0);
}

/* ------------------------------------------------------------ sessions and files */

static void damaged_sessions(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct liveupdate_session *session;

	((u8 *)phys_to_virt(root_of(fake)->sessions_pa))[20] ^= 1;
	expect_answer(test, fake, 0);
	KUNIT_EXPECT_EQ(test, luo_session_retrieve(fake->luo, "a", false, &session), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_fake_expect_log(fake, "r1");
}

static void damaged_files(struct kunit *test)
{
	struct luo_fake *fake = on_its_way(test);
	struct luo_session_ser *ser;
	struct liveupdate_session *a;

	ser = luo_wire_block_entry(phys_to_virt(root_of(fake)->sessions_pa), sizeof(*ser), 0);
	((u8 *)phys_to_virt(ser->files))[20] ^= 1;
	expect_answer(test, fake, 0);
	a = luo_fake_retrieved(test, fake, "a");
	KUNIT_EXPECT_EQ(test, luo_fake_get(a, 1), -EUCLEAN);
	luo_session_close(a);
	KUNIT_EXPECT_EQ(test, luo_fake_flb_in(&fake->flb[0]), 0);
	luo_fake_finish(fake, "b");
	luo_fake_expect_log(fake, "r1 C2 D2 d1");
}

static struct kunit_case luo_flb_refusal_cases[] = {
	KUNIT_CASE(as_it_was),
	KUNIT_CASE_PARAM(unknown_version, version_gen_params),
	KUNIT_CASE(kho_refused),
	KUNIT_CASE(any_bit_of_the_root),
	KUNIT_CASE(any_bit_of_the_area),
	KUNIT_CASE_PARAM(damaged_area, area_gen_params),
	KUNIT_CASE(area_inside_a_page),
	KUNIT_CASE(no_area),
	KUNIT_CASE(counts_and_data_are_no_damage),
	KUNIT_CASE(checksums_that_cannot_be_read),
	KUNIT_CASE(damaged_sessions),
	KUNIT_CASE(damaged_files),
	{}
};

static struct kunit_suite luo_flb_refusal_suite = {
	.name = "luo_flb_refused",
	.test_cases = luo_flb_refusal_cases,
};

kunit_test_suite(luo_flb_refusal_suite);
