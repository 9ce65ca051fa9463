/* SPDX-License-Identifier: MIT */
/*
 * bench_publish - what it costs a handler to publish: from the call, over the bridge to the broker's
 * thread and back, to the end of the call. The broker's thread answers at once; a broker is not
 * there.
 *
 * On a machine with fewer processors than threads that are awake it is the kernel's scheduling that
 * is measured.
 */
#include <config.h>

#define ACKD_ALLOW_BLOCKING /* it waits on a thread of its own */
#include <ackd/ackd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "figure.h"
#include "host/publication.h"
#include "host/runner.h"
#include "io/bridge.h"

enum { SIDE_BY_SIDE = 256, EACH = 400, ALONE = 20000, BODY = 100, CAPACITY = 64 };

enum { FIGURE_ALONE, FIGURE_SIDE_BY_SIDE, FIGURE_ALLOCATIONS, FIGURES };

static struct figure figures[FIGURES] = {
    [FIGURE_ALONE] = {"publish, one after the other", "us each", 0, {{.name = "ackd"}}},
    [FIGURE_SIDE_BY_SIDE] = {"publish, 256 tasks side by side", "ns each", 0, {{.name = "ackd"}}},
    [FIGURE_ALLOCATIONS] = {"allocations by a publish", "each", 0.001, {{.name = "ackd"}}}};

static char body[BODY];
static struct loop *loop;
static struct runner *runner;

/* What is allocated by anybody, in front of the C library. */
static atomic_ulong allocations;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_realloc(memory, size);
}

static int publish_some(void *arg)
{
    size_t count = *(const size_t *)arg;
    for (size_t i = 0; i < count; i++)
        ACKD_TRY(ackd_publish("shop", "ready", (struct ackd_bytes){body, sizeof body}));
    return ACKD_OK;
}

static int publish_side_by_side(size_t tasks, size_t each)
{
    ACKD_SCOPE(calls);
    for (size_t i = 0; i < tasks; i++)
        ACKD_TRY(ackd_spawn(&calls, publish_some, &each));
    return ackd_scope_join(&calls);
}

static int measure(void)
{
    uint64_t from_ns = figure_clock_ns(CLOCK_MONOTONIC);
    ACKD_TRY(publish_side_by_side(1, ALONE));
    uint64_t then_ns = figure_clock_ns(CLOCK_MONOTONIC);
    figure_note(&figures[FIGURE_ALONE], 0, (double)(then_ns - from_ns) / 1000 / ALONE);
    unsigned long before = atomic_load(&allocations);
    from_ns = figure_clock_ns(CLOCK_MONOTONIC);
    ACKD_TRY(publish_side_by_side(SIDE_BY_SIDE, EACH));
    then_ns = figure_clock_ns(CLOCK_MONOTONIC);
    unsigned long made = atomic_load(&allocations) - before;
    figure_note(&figures[FIGURE_SIDE_BY_SIDE], 0,
                (double)(then_ns - from_ns) / (SIDE_BY_SIDE * EACH));
    figure_note(&figures[FIGURE_ALLOCATIONS], 0, (double)made / (SIDE_BY_SIDE * EACH));
    return ACKD_OK;
}

static int run(void *state)
{
    (void)state;
    ACKD_TRY(publish_side_by_side(SIDE_BY_SIDE, EACH)); /* to get warm */
    for (int round = 0; round < FIGURE_ROUNDS; round++)
        ACKD_TRY(measure());
    return ACKD_OK;
}

static const struct ackd_consumer handler = {.size = sizeof handler, .name = "bench", .run = run};
static struct station station = {.handler = &handler, .consumer = "bench", .publishes = true};

/* The broker's thread: it answers. */
static uint64_t turn(void *arg)
{
    struct crossing *crossing;
    (void)arg;
    while ((crossing = runner_receive(runner)) != NULL) {
        if (crossing->kind == CROSSING_PUBLISH)
            publication_answer(publication_of(crossing), ACKD_OK);
        else
            loop_stop(loop);
    }
    runner_flush(runner);
    return TIMER_NEVER;
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench_publish: %s: %s\n", what, ackd_error_text(ackd_error_current()));
    exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
    bool json = figure_wants_json(argc, argv);
    static struct order quit = {.crossing = {CROSSING_QUIT}};
    if (loop_new("broker", &loop) != ACKD_OK)
        die("a loop");
    const struct runner_options options = {.name = "loop 0", .owner = loop, .capacity = CAPACITY};
    if (runner_new(&options, &runner) != ACKD_OK)
        die("a runner");
    runner_place(runner, &station);
    loop_set_turn(loop, turn, NULL);
    if (runner_start(runner) != ACKD_OK)
        die("a thread");
    runner_send(runner, &station.run_crossing);
    runner_flush(runner);
    loop_run(loop);
    if (station.run_code != ACKD_OK)
        die("publishing");
    runner_send(runner, &quit.crossing);
    runner_flush(runner);
    runner_join(runner);
    runner_clear(&station);
    runner_free(&runner);
    loop_free(&loop);
    figure_print_all("publish", figures, FIGURES, json);
    return 0;
}
