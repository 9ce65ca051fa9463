/* SPDX-License-Identifier: MIT */
/*
 * switch for aarch64, procedure call standard: x19 to x30, the low halves of v8 to v15, and FPCR.
 *
 * A stack that was left holds, from its pointer upwards: x29, x30, x19 to x28, d8 to d15, FPCR.
 * switch_init lays the same out by hand, with switch_entry in x30, the entry in x19 and its
 * argument in x20.
 */
#define FRAME_SIZE 176

	.text

/* void *switch_init(void *top, void (*entry)(void *), void *arg) */
	.globl	switch_init
	.hidden	switch_init
	.type	switch_init, %function
	.p2align 4
switch_init:
	.cfi_startproc
	hint	#34 /* bti c */
	sub	x3, x0, #FRAME_SIZE
	adrp	x4, switch_entry
	add	x4, x4, :lo12:switch_entry
	stp	xzr, x4, [x3, #0]
	stp	x1, x2, [x3, #16]
	stp	xzr, xzr, [x3, #32]
	stp	xzr, xzr, [x3, #48]
	stp	xzr, xzr, [x3, #64]
	stp	xzr, xzr, [x3, #80]
	stp	xzr, xzr, [x3, #96]
	stp	xzr, xzr, [x3, #112]
	stp	xzr, xzr, [x3, #128]
	stp	xzr, xzr, [x3, #144]
	stp	xzr, xzr, [x3, #160]
	mov	x0, x3
	ret
	.cfi_endproc
	.size	switch_init, . - switch_init

/* void switch_to(void **save, void *to) */
	.globl	switch_to
	.hidden	switch_to
	.type	switch_to, %function
	.p2align 4
switch_to:
	.cfi_startproc
	hint	#34 /* bti c */
	stp	x29, x30, [sp, #-FRAME_SIZE]!
	.cfi_def_cfa_offset FRAME_SIZE
	.cfi_offset x29, -FRAME_SIZE
	.cfi_offset x30, -(FRAME_SIZE - 8)
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	.cfi_offset x19, -(FRAME_SIZE - 16)
	.cfi_offset x20, -(FRAME_SIZE - 24)
	stp	x21, x22, [sp, #32]
	.cfi_offset x21, -(FRAME_SIZE - 32)
	.cfi_offset x22, -(FRAME_SIZE - 40)
	stp	x23, x24, [sp, #48]
	.cfi_offset x23, -(FRAME_SIZE - 48)
	.cfi_offset x24, -(FRAME_SIZE - 56)
	stp	x25, x26, [sp, #64]
	.cfi_offset x25, -(FRAME_SIZE - 64)
	.cfi_offset x26, -(FRAME_SIZE - 72)
	stp	x27, x28, [sp, #80]
	.cfi_offset x27, -(FRAME_SIZE - 80)
	.cfi_offset x28, -(FRAME_SIZE - 88)
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x9, sp
	str	x9, [x0]
	/* Both stacks look alike here, so the rules above hold for the new one too. */
	mov	sp, x1
	ldr	x9, [sp, #160]
	msr	fpcr, x9
	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x27, x28, [sp, #80]
	ldp	x25, x26, [sp, #64]
	ldp	x23, x24, [sp, #48]
	ldp	x21, x22, [sp, #32]
	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #FRAME_SIZE
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	.cfi_restore x19
	.cfi_restore x20
	.cfi_restore x21
	.cfi_restore x22
	.cfi_restore x23
	.cfi_restore x24
	.cfi_restore x25
	.cfi_restore x26
	.cfi_restore x27
	.cfi_restore x28
	ret
	.cfi_endproc
	.size	switch_to, . - switch_to

/* The outermost frame: it has no caller, and says so to whoever unwinds. */
	.globl	switch_entry
	.hidden	switch_entry
	.type	switch_entry, %function
	.p2align 4
switch_entry:
	.cfi_startproc
	.cfi_undefined x30
	.cfi_undefined x29
	hint	#36 /* bti j */
	mov	x29, xzr
	mov	x30, xzr
	mov	x0, x20
	blr	x19
	brk	#1
	.cfi_endproc
	.size	switch_entry, . - switch_entry

#ifdef __ARM_FEATURE_BTI_DEFAULT
	.section .note.gnu.property, "a"
	.p2align 3
	.long	4
	.long	16
	.long	5
	.asciz	"GNU"
	.long	0xc0000000
	.long	4
	.long	1
	.long	0
#endif
	.section .note.GNU-stack, "", %progbits
