// SPDX-License-Identifier: GPL-2.0
/*
 * The frequency of the APIC timer: what is handed over is these bytes, and nothing that differs
 * from them, nor another CPU, nor a frequency that no timer has, is believed.
 */
#include <kunit/test.h>
#include <linux/kho/abi/apic_timer.h>
#include <asm/apic.h>

#define SIGNATURE	0x00a20f12
#define MICROCODE	0x0a201210

static const u8 golden[] = {
	0x76, 0x91, 0x6e, 0x05,
	0x12, 0x0f, 0xa2, 0x00, 0x10, 0x12, 0x20, 0x0a, 0x00, 0x00, 0x00, 0x00,
	0x00, 0xe1, 0xf5, 0x05, 0x00, 0x00, 0x00, 0x00,
};

static struct apic_timer_ser timer_of(u64 hz)
{
	struct apic_timer_ser ser = { .signature = SIGNATURE, .microcode = MICROCODE, .hz = hz };

	apic_timer_ser_seal(&ser);
	return ser;
}

static void apic_timer_golden_test(struct kunit *test)
{
	const struct apic_timer_ser ser = timer_of(100000000);

	KUNIT_EXPECT_MEMEQ(test, &ser, golden, sizeof(golden));
	KUNIT_EXPECT_TRUE(test, apic_timer_ser_valid(&ser, SIGNATURE, MICROCODE));
}

static void apic_timer_each_bit_test(struct kunit *test)
{
	struct apic_timer_ser ser = timer_of(100000000);
	u8 *bytes = (u8 *)&ser;

	for (unsigned int i = 0; i < 8 * sizeof(ser); i++) {
		bytes[i / 8] ^= BIT(i % 8);
		KUNIT_EXPECT_FALSE_MSG(test, apic_timer_ser_valid(&ser, SIGNATURE, MICROCODE),
				       "bit %u", i);
		bytes[i / 8] ^= BIT(i % 8);
	}
}

static void apic_timer_other_cpu_test(struct kunit *test)
{
	const struct apic_timer_ser ser = timer_of(100000000);

	KUNIT_EXPECT_FALSE(test, apic_timer_ser_valid(&ser, SIGNATURE + 1, MICROCODE));
	KUNIT_EXPECT_FALSE(test, apic_timer_ser_valid(&ser, SIGNATURE, MICROCODE + 1));
	KUNIT_EXPECT_FALSE(test, apic_timer_ser_valid(&ser, SIGNATURE, MICROCODE - 1));
}

static void apic_timer_range_test(struct kunit *test)
{
	static const struct {
		u64 hz;
		bool valid;
	} cases[] = {
		{ 0, false }, { 999999, false }, { 1000000, true }, { 10000000000, true },
		{ 10000000001, false }, { U64_MAX, false },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct apic_timer_ser ser = timer_of(cases[i].hz);

		KUNIT_EXPECT_EQ_MSG(test, apic_timer_ser_valid(&ser, SIGNATURE, MICROCODE),
				    cases[i].valid, "%llu Hz", cases[i].hz);
	}
}

static struct kunit_case apic_timer_cases[] = {
	KUNIT_CASE(apic_timer_golden_test),
	KUNIT_CASE(apic_timer_each_bit_test),
	KUNIT_CASE(apic_timer_other_cpu_test),
	KUNIT_CASE(apic_timer_range_test),
	{ }
};

static struct kunit_suite apic_timer_suite = {
	.name = "luo_apic_timer",
	.test_cases = apic_timer_cases,
};

kunit_test_suite(apic_timer_suite);
