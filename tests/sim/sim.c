/* SPDX-License-Identifier: MIT */
/* sim - the world and its loops: io/loop.h in virtual time. */
#include <config.h>

#include "sim.h"

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#endif

enum { SIM_TICK_NS = 2000, SIM_STEPS_MAX = 4 * 1000 * 1000, SIM_LOOPS_MAX = 16 };

#define SIM_BEGIN_NS (UINT64_C(1000) * NS_PER_S)
#define SIM_EPOCH_NS (UINT64_C(1700000000) * NS_PER_S)

struct loop {
    struct list node;
    char name[32];
    struct timers timers;
    uint64_t (*turn)(void *arg);
    void *turn_arg;
    uint64_t turn_ns; /* when it wants its next turn */
    struct error_slot slot;
    bool woken;
    bool running;
    bool stopping;
};

static struct {
    uint64_t seed;
    struct random random;
    uint64_t now_ns;
    uint64_t limit_ns;
    uint64_t steps;
    struct list loops;
    struct timers events;
    struct loop *current;
    void (*check)(void *arg);
    void *check_arg;
} sim;

static struct {
    bool inside; /* the daemon is at work */
    uint64_t counted;
    uint64_t from; /* of those that are counted */
    uint64_t until;
    uint64_t failed;
} memory;

static void (*sim_failed)(const char *text);

void sim_set_failed(void (*failed)(const char *text))
{
    sim_failed = failed;
}

void sim_fail(const char *file, int line, const char *format, ...)
{
    memory.inside = false;
    char what[512], text[640];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(text, sizeof text,
             "SIM_SEED=%" PRIu64 " at %" PRIu64 " ms, step %" PRIu64 ": %s:%d: %s", sim.seed,
             sim_now_ms(), sim.steps, file, line, what);
    if (sim_failed != NULL)
        sim_failed(text);
    ck_abort_msg("%s", text);
    abort();
}

/* An assertion of the daemon's own ends the process: say first which seed led to it. */
static void sim_crashed(int number)
{
    char text[96];
    int size = snprintf(text, sizeof text,
                        "# SIM_SEED=%" PRIu64 " crashed with signal %d at %" PRIu64 " ms\n",
                        sim.seed, number, sim_now_ms());
    ssize_t written = write(STDERR_FILENO, text, (size_t)size);
    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

void sim_begin(uint64_t seed)
{
    memset(&sim, 0, sizeof sim);
    memset(&memory, 0, sizeof memory);
    sim.seed = seed;
    sim.now_ns = SIM_BEGIN_NS;
    sim.limit_ns = UINT64_MAX;
    random_init(&sim.random, seed);
    list_init(&sim.loops);
    timers_init(&sim.events);
    signal(SIGABRT, sim_crashed);
    signal(SIGSEGV, sim_crashed);
    sim_streams_begin();
    sim_system_begin();
    sim_offload_begin();
}

void sim_memory_fail(uint64_t first, uint64_t count)
{
    memory.from = memory.counted + first;
    memory.until = memory.from + count;
}

uint64_t sim_memory_counted(void)
{
    return memory.counted;
}

uint64_t sim_memory_failed(void)
{
    return memory.failed;
}

void sim_memory_enter(bool daemon)
{
    memory.inside = daemon;
}

bool sim_memory_aside(bool aside)
{
    bool before = !memory.inside;
    memory.inside = !aside;
    return before;
}

bool sim_memory_fails(void)
{
    if (!memory.inside)
        return false;
    memory.counted++;
    bool fails = memory.counted >= memory.from && memory.counted < memory.until;
    memory.failed += fails;
    return fails;
}

void sim_end(void)
{
    sim_that(list_empty(&sim.loops));
    sim_streams_end();
    sim_system_end();
    sim_equal(sim.events.count, 0);
}

void sim_kill(void)
{
    list_init(&sim.loops);
    sim_streams_kill();
    sim_system_begin();
    sim_offload_kill();
}

struct random *sim_random(void)
{
    return &sim.random;
}

uint64_t sim_between(uint64_t least, uint64_t most)
{
    return least + random_below(&sim.random, most - least + 1);
}

bool sim_chance(unsigned percent)
{
    return random_below(&sim.random, 100) < percent;
}

uint64_t sim_now_ns(void)
{
    return sim.now_ns;
}

uint64_t sim_now_ms(void)
{
    return (sim.now_ns - SIM_BEGIN_NS) / NS_PER_MS;
}

uint64_t sim_steps(void)
{
    return sim.steps;
}

void sim_after_ns(struct timer *timer, uint64_t ns)
{
    timer_start(&sim.events, timer, sim.now_ns + ns);
}

void sim_set_check(void (*check)(void *arg), void *arg)
{
    sim.check = check;
    sim.check_arg = arg;
}

void sim_set_limit_ns(uint64_t limit_ns)
{
    sim.limit_ns = limit_ns;
}

/* As on the loop's own thread: with its own current error. What the daemon does, and nothing that the
 * world does, is between the marks for Callgrind. */
static void sim_enter(struct loop *loop, void (*call)(void *arg), void *arg)
{
    sim_that(sim.current == NULL);
    sim.current = loop;
    struct error_slot *before = error_slot_use(&loop->slot);
    memory.inside = true;
    CALLGRIND_TOGGLE_COLLECT;
    call(arg);
    CALLGRIND_TOGGLE_COLLECT;
    memory.inside = false;
    (void)error_slot_use(before);
    sim.current = NULL;
}

void sim_copy(void *to, const void *from, size_t size)
{
    CALLGRIND_TOGGLE_COLLECT;
    memcpy(to, from, size);
    CALLGRIND_TOGGLE_COLLECT;
}

void sim_on_loop(struct loop *loop, void (*call)(void *arg), void *arg)
{
    loop->woken = true; /* L1 of loop.h: a turn follows */
    sim_enter(loop, call, arg);
}

static void sim_turn(void *arg)
{
    struct loop *loop = arg;
    loop->woken = false;
    (void)timers_run(&loop->timers, sim.now_ns);
    loop->turn_ns = loop->turn == NULL ? TIMER_NEVER : loop->turn(loop->turn_arg);
}

static uint64_t sim_due_ns(const struct loop *loop)
{
    if (!loop->running || loop->stopping)
        return TIMER_NEVER;
    if (loop->woken)
        return 0;
    uint64_t due_ns = timers_next_ns(&loop->timers);
    return due_ns < loop->turn_ns ? due_ns : loop->turn_ns;
}

/* The loops that are ready now, and when the next thing is due. */
static size_t sim_ready(struct loop **ready, uint64_t *ret_next_ns)
{
    size_t count = 0;
    *ret_next_ns = timers_next_ns(&sim.events);
    list_for_each (node, &sim.loops) {
        struct loop *loop = LIST_ITEM(node, loop, node);
        uint64_t due_ns = sim_due_ns(loop);
        if (due_ns <= sim.now_ns && count < SIM_LOOPS_MAX)
            ready[count++] = loop;
        if (due_ns < *ret_next_ns)
            *ret_next_ns = due_ns;
    }
    return count;
}

/* One thing happens. */
static void sim_step(void)
{
    struct loop *ready[SIM_LOOPS_MAX];
    uint64_t next_ns = 0;
    sim.steps++;
    memory.inside = false;
    size_t count = sim_ready(ready, &next_ns);
    if (next_ns == TIMER_NEVER)
        sim_fail(__FILE__, __LINE__, "nothing will ever happen again");
    if (next_ns > sim.now_ns) {
        sim.now_ns = next_ns;
        count = sim_ready(ready, &next_ns);
    }
    if (sim.now_ns > sim.limit_ns || sim.steps > SIM_STEPS_MAX)
        sim_fail(__FILE__, __LINE__, "it takes too long: %" PRIu64 " steps", sim.steps);
    bool events = timers_next_ns(&sim.events) <= sim.now_ns;
    size_t pick = random_below(&sim.random, count + events);
    if (pick == count) {
        (void)timers_run(&sim.events, sim.now_ns);
    } else {
        sim_enter(ready[pick], sim_turn, ready[pick]);
    }
    sim.now_ns += random_below(&sim.random, SIM_TICK_NS);
    if (sim.check != NULL)
        sim.check(sim.check_arg);
}

int loop_new(const char *name, struct loop **ret_loop)
{
    bool aside = sim_memory_aside(true);
    struct loop *loop = calloc(1, sizeof *loop);
    sim_that(loop != NULL);
    (void)sim_memory_aside(aside);
    snprintf(loop->name, sizeof loop->name, "%s", name);
    timers_init(&loop->timers);
    loop->turn_ns = TIMER_NEVER;
    list_append(&sim.loops, &loop->node);
    *ret_loop = loop;
    return ACKD_OK;
}

void loop_free(struct loop **loop)
{
    struct loop *freed = *loop;
    if (freed == NULL)
        return;
    *loop = NULL;
    sim_that(!freed->running);
    sim_equal(freed->timers.count, 0);
    list_remove(&freed->node);
    error_slot_clear(&freed->slot);
    free(freed);
}

struct loop *loop_current(void)
{
    return sim.current;
}

void loop_set_turn(struct loop *loop, uint64_t (*turn)(void *arg), void *arg)
{
    loop->turn = turn;
    loop->turn_arg = arg;
    loop->woken = true;
}

uint64_t loop_cpu_ns(void)
{
    return 0; /* none passes within a turn */
}

uint64_t loop_now_ns(const struct loop *loop)
{
    (void)loop;
    return sim.now_ns;
}

uint64_t loop_wall_ns(const struct loop *loop)
{
    (void)loop;
    return SIM_EPOCH_NS + sim.now_ns;
}

struct timers *loop_timers(struct loop *loop)
{
    return &loop->timers;
}

bool loop_expects(struct loop *loop)
{
    (void)loop;
    return false;
}

void loop_run(struct loop *loop)
{
    sim_that(sim.current == NULL);
    sim_that(!loop->running);
    loop->running = loop->woken = true;
    while (!loop->stopping)
        sim_step();
    loop->running = loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

void loop_wake(struct loop *loop)
{
    loop->woken = true;
}

int loop_start(struct loop *loop)
{
    loop->running = loop->woken = true;
    return ACKD_OK;
}

void loop_join(struct loop *loop)
{
    if (!loop->running)
        return;
    while (!loop->stopping)
        sim_step();
    loop->running = loop->stopping = false;
}
