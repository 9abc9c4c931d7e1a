// SPDX-License-Identifier: GPL-2.0
/*
 * The machine that does not notice: all the software of the virtual machine of
 * `make demo-vm`. It is the machine's firmware, and needs no other.
 *
 * A timer makes it take ten steps a second. At every step it compares three counters
 * of steps, one in memory, one in a register of the CPU, one in a device: if any of
 * the three had been lost, or were of another moment than the others, they would
 * differ. It writes the step down in a list in memory, looks after some pages of
 * memory, and says so on the serial port.
 *
 * Each page of memory is full of a number that depends on its address and on how
 * often it has been written. Asked by a byte on the serial port, the guest goes
 * through the whole list, and through every byte of memory, and tells what it found.
 *
 * It is told nothing of a live update.
 */
#include <stdnoreturn.h>

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define PAGE_SIZE	4096
#define PAGE_WORDS	(PAGE_SIZE / sizeof(u32))
#define FIRST_PAGE	256		/* all memory from 1 MiB on */
#define PAGES_PER_STEP	64

#define TICKS_PER_SECOND 100
#define TICKS_PER_STEP	10
#define MAX_STEPS	4096

#define SERIAL		0x3f8
#define APIC		0xfee00000
#define APIC_EOI	0xb0
#define APIC_ENABLE	0xf0
#define APIC_TIMER	0x320
#define APIC_TIMER_COUNT 0x380
#define APIC_TIMER_NOW	0x390
#define APIC_TIMER_DIVIDER 0x3e0
#define FW_CFG_SELECT	0x510
#define FW_CFG_DATA	0x511
#define FW_CFG_RAM_SIZE	3
#define TIMER_VECTOR	32
#define TIMER_MASKED	0x10000
#define TIMER_PERIODIC	0x20000
#define TIMER_PER_MS	1000000		/* in QEMU */

/* The CPU's own count of steps, in a register that the compiler leaves alone. */
register u32 steps_in_cpu asm("ebx");

static u32 steps;			/* the same in memory */
static u32 list[MAX_STEPS];		/* what was done at each: checksum() of its number */
static u32 pages;			/* FIRST_PAGE up to here */
static u32 writings;			/* how many times some page was written, in turn */
static u32 ticks;
static u32 cycles_per_ms;
static u32 began, last, longest;	/* in thousands of cycles */

static u64 idt[TIMER_VECTOR + 1];

static inline void port_out(u16 port, u8 value)
{
	asm volatile("outb %0, %1" :: "a"(value), "Nd"(port));
}

static inline u8 port_in(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* In units of 1024: 32 bits last for half an hour. */
static u32 cycles(void)
{
	u64 now;

	asm volatile("rdtsc" : "=A"(now));
	return now >> 10;
}

/* ---- the serial port */

static void put_char(char c)
{
	while (!(port_in(SERIAL + 5) & 0x20))
		;
	port_out(SERIAL, c);
}

static void put_number(u32 n, int digits)
{
	if (n >= 10 || digits > 1)
		put_number(n / 10, digits - 1);
	put_char('0' + n % 10);
}

/* A text in which each % stands for the next number, # for one of three digits. */
static void say(const char *text, u32 a, u32 b, u32 c)
{
	for (; *text; text++) {
		if (*text != '%' && *text != '#') {
			put_char(*text);
			continue;
		}
		put_number(a, *text == '#' ? 3 : 1);
		a = b;
		b = c;
	}
	put_char('\n');
}

static noreturn void stop(void)
{
	asm volatile("cli");
	for (;;)
		asm volatile("hlt");
}

/* ---- time */

static void set_apic(u32 reg, u32 value)
{
	asm volatile("movl %0, (%1)" :: "r"(value), "r"(APIC + reg) : "memory");
}

static u32 get_apic(u32 reg)
{
	u32 value;

	asm volatile("movl (%1), %0" : "=r"(value) : "r"(APIC + reg));
	return value;
}

static __attribute__((interrupt)) void timer_interrupt(__attribute__((unused)) void *frame)
{
	ticks++;
	set_apic(APIC_EOI, 0);
}

static void start_timer(void)
{
	u32 entry = (u32)timer_interrupt, at = (u32)idt;
	u16 table[3] = { sizeof(idt) - 1, at, at >> 16 };

	/* A gate to code segment 8 */
	idt[TIMER_VECTOR] = (u64)((entry & 0xffff0000) | 0x8e00) << 32 | 8 << 16 |
			    (entry & 0xffff);
	asm volatile("lidt %0" :: "m"(table));
	set_apic(APIC_TIMER, TIMER_PERIODIC | TIMER_VECTOR);
	set_apic(APIC_TIMER_COUNT, 1000 / TICKS_PER_SECOND * TIMER_PER_MS);
	asm volatile("sti");
}

static void wait_for_tick(u32 tick)
{
	while ((int)(ticks - tick) < 0)
		asm volatile("hlt" ::: "memory");
}

/* How fast the CPU counts, by the timer. */
static void calibrate(void)
{
	u32 since;

	set_apic(APIC_ENABLE, 0x1ff);
	set_apic(APIC_TIMER_DIVIDER, 0xb);	/* by 1 */
	set_apic(APIC_TIMER, TIMER_MASKED | TIMER_VECTOR);
	set_apic(APIC_TIMER_COUNT, ~0);
	since = cycles();
	while (~get_apic(APIC_TIMER_NOW) < 50 * TIMER_PER_MS)
		;
	began = cycles();
	last = began;
	cycles_per_ms = (began - since) / 50;
}

/* ---- memory */

static u32 checksum(u32 n)
{
	n *= 0x9e3779b1;
	n ^= n >> 15;
	return n * 0x85ebca77 + 1;
}

/* Pages are written in turn: how many times this one has been? */
static u32 contents(u32 page)
{
	u32 times = writings / (pages - FIRST_PAGE);

	if (page - FIRST_PAGE < writings % (pages - FIRST_PAGE))
		times++;
	return checksum(page ^ times << 20);
}

static void write_page(u32 page)
{
	u32 *word = (u32 *)(page * PAGE_SIZE);
	u32 value, i;

	writings++;
	value = contents(page);
	for (i = 0; i < PAGE_WORDS; i++)
		word[i] = value;
}

static u32 page_is_bad(u32 page)
{
	const u32 *word = (const u32 *)(page * PAGE_SIZE);
	u32 value = contents(page), bad = 0, i;

	for (i = 0; i < PAGE_WORDS; i++)
		bad |= word[i] ^ value;
	return bad;
}

static void write_all_memory(void)
{
	u32 i, page;

	asm volatile("outw %0, %1" :: "a"((u16)FW_CFG_RAM_SIZE), "Nd"((u16)FW_CFG_SELECT));
	for (i = 0; i < 4; i++)
		pages |= port_in(FW_CFG_DATA) << 8 * i;
	pages /= PAGE_SIZE;
	for (page = FIRST_PAGE; page < pages; page++)
		write_page(page);
}

/* ---- what it does */

/* Three places must agree on which step this is. */
static void compare_counters(void)
{
	u32 in_device = port_in(SERIAL + 7);

	if (steps_in_cpu == steps && in_device == (steps & 0xff))
		return;
	say("LOST: memory is at step %, the CPU at %, the device at %", steps, steps_in_cpu,
	    in_device);
	stop();
}

static void count_step(void)
{
	compare_counters();
	steps++;
	steps_in_cpu++;
	port_out(SERIAL + 7, steps);
	list[steps % MAX_STEPS] = checksum(steps);
}

static void look_after_pages(void)
{
	u32 i, page;

	for (i = 0; i < PAGES_PER_STEP; i++) {
		page = FIRST_PAGE + writings % (pages - FIRST_PAGE);
		if (page_is_bad(page)) {
			say("LOST: page % is not as it was written", page, 0, 0);
			stop();
		}
		write_page(page);
	}
}

static void note_time(void)
{
	u32 now = cycles(), ms;

	if (now - last > longest)
		longest = now - last;
	last = now;
	ms = (now - began) / cycles_per_ms;
	say("step % at %.# s", steps, ms / 1000, ms % 1000);
}

/* Only as far as the list has room: 400 s. */
static void audit(void)
{
	u32 i, bad_steps = 0, bad_pages = 0;

	compare_counters();
	for (i = steps < MAX_STEPS ? 1 : steps - MAX_STEPS + 1; i <= steps; i++)
		bad_steps += list[i % MAX_STEPS] != checksum(i);
	for (i = FIRST_PAGE; i < pages; i++)
		bad_pages += !!page_is_bad(i);
	say("% steps in the list, % of them wrong", steps, bad_steps, 0);
	say("% pages, % of them wrong", pages - FIRST_PAGE, bad_pages, 0);
	say("longest time from step to step: % ms", longest / cycles_per_ms, 0, 0);
	say(bad_steps || bad_pages ? "LOST" : "audit: nothing missing, nothing twice", 0, 0, 0);
}

int main(void)
{
	steps_in_cpu = 0;
	port_out(SERIAL + 7, 0);
	write_all_memory();
	say("% pages written", pages - FIRST_PAGE, 0, 0);
	calibrate();
	start_timer();
	for (;;) {
		wait_for_tick((steps + 1) * TICKS_PER_STEP);
		count_step();
		look_after_pages();
		note_time();
		if (port_in(SERIAL + 5) & 1) {
			port_in(SERIAL);
			audit();
		}
	}
}
