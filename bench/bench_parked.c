/* SPDX-License-Identifier: MIT */
/*
 * bench_parked - what tasks take while they wait, ten thousand and more of them: memory, page tables
 * and mappings, with both kinds of guards below their stacks, and how long one takes to be made.
 *
 * A guard by mprotect is a mapping of its own, of which vm.max_map_count allows for some 32,000; a
 * guard region, of kernels from 6.13 on, is none.
 */
#include <config.h>

#include <ackd/ackd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "figure.h"
#include "task/scheduler.h"

enum { USED = 3072 - 512 }; /* 3 KiB of the stack with the frames of the wait */

static const struct parked {
    size_t count;
    enum stack_guard guard;
    bool uses;    /* 3 KiB of its stack */
    double bytes; /* of all of them in MiB, as a target; 0: none */
    const char *what;
} cases[] = {
    {10000, STACK_GUARD_MPROTECT, true, 80, "10,000 by mprotect, 3 KB used"},
    {30000, STACK_GUARD_MPROTECT, false, 0, "30,000 by mprotect"},
    {10000, STACK_GUARD_REGION, true, 80, "10,000 by regions, 3 KB used"},
    {100000, STACK_GUARD_REGION, false, 0, "100,000 by regions"},
    {100000, STACK_GUARD_REGION, true, 0, "100,000 by regions, 3 KB used"},
};

enum { CASES = sizeof cases / sizeof cases[0], VALUES = 5 };

static uint64_t now_ns(void *arg)
{
    (void)arg;
    return figure_clock_ns(CLOCK_MONOTONIC);
}

_Noreturn static void die(void)
{
    fprintf(stderr, "bench_parked: %s\n", ackd_error_text(ackd_error_current()));
    exit(EXIT_FAILURE);
}

static int only_park(void *arg)
{
    (void)arg;
    return ackd_delay(3600000);
}

static int use_and_park(void *arg)
{
    volatile char used[USED];
    memset((char *)(uintptr_t)used, 1, sizeof used);
    (void)arg;
    ACKD_TRY(ackd_delay(3600000));
    return used[7] == 1 ? ACKD_OK : ACKD_E_INTERNAL;
}

/* All in MiB, KiB of each, MiB of page tables, mappings, nanoseconds to make each. */
static void park(void *arg, double *ret_values)
{
    const struct parked *parked = arg;
    const struct scheduler_root root = {.fn = parked->uses ? use_and_park : only_park,
                                        .name = "orders"};
    const struct scheduler_options options = {
        .name = "bench", .now_ns = now_ns, .tasks_max = parked->count, .guard = parked->guard};
    struct scheduler *scheduler;
    struct scheduler_counts counts;
    if (scheduler_new(&options, &scheduler) != ACKD_OK)
        die();
    struct figure_memory before = figure_memory();
    uint64_t from_ns = now_ns(NULL);
    for (size_t i = 0; i < parked->count; i++) {
        if (scheduler_spawn(scheduler, &root, NULL) != ACKD_OK)
            die();
    }
    do {
        scheduler_turn(scheduler);
        scheduler_counts(scheduler, &counts);
    } while (counts.ready > 0);
    double count = (double)parked->count;
    ret_values[4] = (double)(now_ns(NULL) - from_ns) / count;
    struct figure_memory after = figure_memory();
    double bytes = (double)(after.bytes - before.bytes);
    if (counts.live != parked->count)
        exit(EXIT_FAILURE);
    ret_values[0] = bytes / (1 << 20);
    ret_values[1] = bytes / 1024 / count;
    ret_values[2] = (double)(after.table_bytes - before.table_bytes) / (1 << 20);
    ret_values[3] = (double)(after.mappings - before.mappings);
}

/* Whether this kernel has what the case needs. */
static bool is_possible(const struct parked *parked)
{
    const struct scheduler_options options = {
        .name = "bench", .now_ns = now_ns, .tasks_max = parked->count, .guard = parked->guard};
    struct scheduler *scheduler = NULL;
    int code = scheduler_new(&options, &scheduler);
    if (code == ACKD_OK)
        scheduler_free(&scheduler);
    else
        fprintf(stderr, "%s: left out: %s\n", parked->what, ackd_error_text(ackd_error_current()));
    error_ignore(code);
    return code == ACKD_OK;
}

int main(int argc, char **argv)
{
    static const char *const units[VALUES] = {"MiB", "KiB", "MiB", "", "ns"};
    static const char *const whats[VALUES] = {"", "  each", "  page tables", "  mappings",
                                              "  to make each, and let it wait"};
    static struct figure figures[CASES * VALUES];
    static char names[CASES * VALUES][64];
    bool json = figure_wants_json(argc, argv);
    for (size_t i = 0; i < CASES; i++) {
        double values[VALUES];
        if (!is_possible(&cases[i]))
            continue;
        for (int round = 0; round < FIGURE_ROUNDS; round++) {
            if (!figure_apart(park, (void *)(uintptr_t)&cases[i], values, VALUES))
                return EXIT_FAILURE;
            for (size_t j = 0; j < VALUES; j++)
                figure_note(&figures[i * VALUES + j], 0, values[j]);
        }
        for (size_t j = 0; j < VALUES; j++) {
            struct figure *figure = &figures[i * VALUES + j];
            char *name = names[i * VALUES + j];
            snprintf(name, sizeof names[0], "%s%s", json || j == 0 ? cases[i].what : "", whats[j]);
            figure->what = name;
            figure->unit = units[j];
        }
        figures[i * VALUES].at_most = cases[i].bytes;
    }
    figure_print_all("bench_parked", figures, CASES * VALUES, json);
    return EXIT_SUCCESS;
}
