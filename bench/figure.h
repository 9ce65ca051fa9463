/* SPDX-License-Identifier: MIT */
/*
 * figure - what was measured, beside what was wanted, and beside what others need for the same.
 *
 * Nanoseconds move from machine to machine and from hour to hour. So those who do the same work take
 * turns within one run, each figure is the median of its rounds, and what counts is how many times
 * ours the others need.
 */
#ifndef ACKD_BENCH_FIGURE_H
#define ACKD_BENCH_FIGURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { FIGURE_ROUNDS = 5, FIGURE_CONTESTANTS = 4 };

struct figure_contestant {
    const char *name;
    double times_least; /* of ours that it needs, as a target; 0: none; never of the first */
    size_t count;
    double rounds[FIGURE_ROUNDS];
};

struct figure {
    const char *what, *unit;
    double at_most;                                           /* ours, as a target; 0: none */
    struct figure_contestant contestants[FIGURE_CONTESTANTS]; /* ours first; it needs no name */
};

/* One more round of @contestant; those beyond FIGURE_ROUNDS are not kept. */
void figure_note(struct figure *figure, size_t contestant, double value);
/* Of what was noted; 0 if nothing was. */
double figure_median(const struct figure *figure, size_t contestant);
/* A table, or with @json an object in each line. Figures of which nothing was noted are left out. */
void figure_print_all(const char *bench, const struct figure *figures, size_t count, bool json);

/* The one argument that programs of figures know. Ends the process with 64 for another. */
bool figure_wants_json(int argc, char **argv);

uint64_t figure_clock_ns(clockid_t clock);

/* Of this process: what is resident, its page tables, how many mappings it has. */
struct figure_memory {
    size_t bytes, table_bytes, mappings;
};
struct figure_memory figure_memory(void);

/*
 * run(arg, ret_values) in a process of its own, which starts as small as this one is now. What it
 * left in the @count values is copied here. False if it failed, which it has told.
 */
bool figure_apart(void (*run)(void *arg, double *ret_values), void *arg, double *ret_values,
                  size_t count);

#endif
