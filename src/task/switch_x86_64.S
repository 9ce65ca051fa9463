/* SPDX-License-Identifier: MIT */
/*
 * switch for x86-64, System V convention: six registers, MXCSR and the x87 control word.
 *
 * A stack that was left holds, from its pointer upwards: control words, r15, r14, r13, r12, rbx,
 * rbp, return address. switch_init lays the same out by hand, with the return address of
 * switch_entry, the entry in rbx and its argument in r12.
 */
#define MXCSR_DEFAULT 0x1f80
#define X87_DEFAULT 0x037f
#define FRAME_SIZE 64
/* From the highest address a stack may use to switch_entry's stack pointer. */
#define TOP_GAP 16

	.text

/* void *switch_init(void *top, void (*entry)(void *), void *arg) */
	.globl	switch_init
	.hidden	switch_init
	.type	switch_init, @function
	.p2align 4
switch_init:
	.cfi_startproc
	endbr64
	leaq	-(TOP_GAP + FRAME_SIZE)(%rdi), %rax
	leaq	switch_entry(%rip), %rcx
	movl	$MXCSR_DEFAULT, 0(%rax)
	movl	$X87_DEFAULT, 4(%rax)
	movq	$0, 8(%rax)
	movq	$0, 16(%rax)
	movq	$0, 24(%rax)
	movq	%rdx, 32(%rax)
	movq	%rsi, 40(%rax)
	movq	$0, 48(%rax)
	movq	%rcx, 56(%rax)
	movq	$0, 64(%rax)
	movq	$0, 72(%rax)
	ret
	.cfi_endproc
	.size	switch_init, . - switch_init

/* void switch_to(void **save, void *to) */
	.globl	switch_to
	.hidden	switch_to
	.type	switch_to, @function
	.p2align 4
switch_to:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	0(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	/* Both stacks look alike here, so the rules above hold for the new one too. */
	movq	%rsi, %rsp
	ldmxcsr	0(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	switch_to, . - switch_to

/* The outermost frame: it has no caller, and says so to whoever unwinds. */
	.globl	switch_entry
	.hidden	switch_entry
	.type	switch_entry, @function
	.p2align 4
switch_entry:
	.cfi_startproc
	.cfi_undefined rip
	.cfi_undefined rbp
	endbr64
	xorl	%ebp, %ebp
	movq	%r12, %rdi
	/*
	 * A call, but for the processor's own notes of return addresses: what is entered here never
	 * returns, and with one note too many, all returns after the switch back are mispredicted.
	 */
	leaq	1f(%rip), %rax
	pushq	%rax
	.cfi_adjust_cfa_offset 8
	jmp	*%rbx
1:
	ud2
	.cfi_endproc
	.size	switch_entry, . - switch_entry

#ifdef __CET__
/* Every indirect branch target above has its endbr64. Shadow stacks are not claimed. */
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4
	.long	16
	.long	5
	.asciz	"GNU"
	.long	0xc0000002
	.long	4
	.long	1
	.long	0
#endif
	.section .note.GNU-stack, "", @progbits
