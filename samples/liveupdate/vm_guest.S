/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_guest from the reset of the CPU to main(): real mode, protected mode with flat
 * segments, a stack.
 */
	.section .reset, "ax"		/* where every x86 CPU begins: 16 bytes below 4 GiB */
	.code16
	.globl	reset
reset:
	jmp	start

	.section .start, "ax"
start:
	cli
	addr32 lgdtl %cs:gdt_pointer + 0x10000	/* offset in a segment at -0x10000 */
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$8, $protected

	.code32
protected:
	movl	$16, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$stack_top, %esp
	call	main
1:	hlt
	jmp	1b

	.section .rodata, "a"
	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 8: code, all of 4 GiB */
	.quad	0x00cf93000000ffff	/* 16: data, the same */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.section .note.GNU-stack, "", @progbits
