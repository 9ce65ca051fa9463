/* SPDX-License-Identifier: MIT */
/*
 * symbol - what an address of code is called: function, file and line where that is known, and
 * always the module and the offset in it, with which it can be found out later.
 *
 * libdw reads what compilers wrote for debuggers. It is opened when the first address is looked up
 * and not before; without it, or in a stripped module, functions are those that the module exports.
 *
 * It takes time and stack: not for a task's stack, nor for a signal handler.
 */
#ifndef ACKD_IO_SYMBOL_H
#define ACKD_IO_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol {
    char function[96]; /* "" where unknown */
    char file[160];    /* the same */
    int line;
    char module[64];   /* the file's name; "" where the address is in none */
    uint64_t offset;   /* in the module */
    char build_id[48]; /* of the module, in hex; "" where it has none */
    bool below;        /* of the system, or ackd's own: what it was called for is further out */
};

/* @exact: an instruction that was interrupted; else what a call returns to. */
void symbol_find(const void *address, bool exact, struct symbol *ret_symbol);
/* As function (file:line), function (module+0xoffset) or module+0xoffset. Returns the length. */
size_t symbol_format(const struct symbol *symbol, char *text, size_t size);
/* As file:line, or where that is not known module+0xoffset [build id]. */
size_t symbol_format_place(const struct symbol *symbol, char *text, size_t size);
/* Give back what libdw holds, until the next look-up. */
void symbol_forget(void);

#endif
