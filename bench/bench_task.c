/* SPDX-License-Identifier: MIT */
/*
 * bench_task - what the runtime costs, beside what ucontext and threads cost in the same run. With
 * a name only what has it in its own.
 */
#include <config.h>

#include <ackd/ackd.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/timer.h"
#include "figure.h"
#include "task/scheduler.h"

enum { CALIBRATE_NS = 20000000 };

static struct scheduler *scheduler;
static uint64_t virtual_ns; /* what the scheduler's clock says besides the real one */

static uint64_t bench_now(void *arg)
{
    (void)arg;
    return figure_clock_ns(CLOCK_MONOTONIC) + virtual_ns;
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench_task: %s: %s\n", what, ackd_error_text(ackd_error_current()));
    exit(EXIT_FAILURE);
}

/* Run tasks to the end; time that nobody needs is skipped. */
static void run_all(void)
{
    struct scheduler_counts counts;
    do {
        uint64_t due_ns = scheduler_turn(scheduler);
        uint64_t now_ns = bench_now(NULL);
        if (due_ns != TIMER_NEVER && due_ns > now_ns)
            virtual_ns += due_ns - now_ns;
        scheduler_counts(scheduler, &counts);
    } while (counts.live > 0);
}

static void spawn_root(ackd_task_fn *fn, void *arg)
{
    const struct scheduler_root root = {.fn = fn, .arg = arg, .name = "bench"};
    if (scheduler_spawn(scheduler, &root, NULL) != ACKD_OK)
        die("spawn");
}

static unsigned long done_count;

static void message_done(struct ackd_task *task, int code, const struct ackd_error *error,
                         enum ackd_cancel_reason reason, void *arg)
{
    (void)task;
    (void)code;
    (void)error;
    (void)reason;
    (void)arg;
    done_count++;
}

static int nothing(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

/* A message's whole path through this floor, in batches as a loop gets them. */
static void bench_message(unsigned long count)
{
    const struct scheduler_root root = {.fn = nothing, .name = "orders", .done = message_done};
    for (unsigned long i = 0; i < count; i++) {
        if (scheduler_spawn(scheduler, &root, NULL) != ACKD_OK)
            die("spawn");
        if (i % 64 == 63)
            scheduler_turn(scheduler);
    }
    run_all();
}

static int allocate(void *arg)
{
    (void)arg;
    return ackd_alloc(100) == NULL ? ACKD_E_NOMEM : ackd_printf("order %d", 4711) == NULL;
}

static void bench_message_memory(unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        spawn_root(allocate, NULL);
        if (i % 64 == 63)
            scheduler_turn(scheduler);
    }
    run_all();
}

static int await_completed(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    const struct ackd_task_options options = {.name = "child"};
    struct ackd_task *task;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, nothing, NULL, &options, &task));
    int code = ackd_scope_join(&scope);
    for (unsigned long i = 0; i < count && code == ACKD_OK; i++)
        code = ackd_await(task);
    ackd_task_unref(task);
    return code;
}

static void bench_await_completed(unsigned long count)
{
    spawn_root(await_completed, &count);
    run_all();
}

static int suspend(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    for (unsigned long i = 0; i < count; i++)
        ACKD_TRY(ackd_yield());
    return ACKD_OK;
}

/* Two that take turns, so that each resume is of another stack. */
static void bench_suspend(unsigned long count)
{
    count /= 2;
    spawn_root(suspend, &count);
    spawn_root(suspend, &count);
    run_all();
}

static int spawn_and_await(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    const struct ackd_task_options options = {.name = "child"};
    ACKD_SCOPE(scope);
    for (unsigned long i = 0; i < count; i++) {
        struct ackd_task *task;
        ACKD_TRY(ackd_spawn_task(&scope, nothing, NULL, &options, &task));
        int code = ackd_await(task);
        ackd_task_unref(task);
        ACKD_TRY(code);
    }
    return ackd_scope_join(&scope);
}

static void bench_spawn(unsigned long count)
{
    spawn_root(spawn_and_await, &count);
    run_all();
}

static void ignore(void *arg)
{
    (void)arg;
}

static int register_calls(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    for (unsigned long i = 0; i < count; i++) {
        struct ackd_cancel_call call;
        ackd_cancel_call_add(&call, ignore, NULL);
        ackd_cancel_call_remove(&call);
    }
    return ACKD_OK;
}

static void bench_cancel_call(unsigned long count)
{
    spawn_root(register_calls, &count);
    run_all();
}

static int enter_scopes(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    for (unsigned long i = 0; i < count; i++) {
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_scope_join(&scope));
    }
    return ACKD_OK;
}

static void bench_scope(unsigned long count)
{
    spawn_root(enter_scopes, &count);
    run_all();
}

static int acquire_and_release(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    struct ackd_semaphore semaphore;
    ACKD_TRY(ackd_semaphore_init(&semaphore, "bench", 1, 1));
    for (unsigned long i = 0; i < count; i++) {
        ACKD_TRY(ackd_semaphore_acquire(&semaphore));
        ACKD_TRY(ackd_semaphore_release(&semaphore));
    }
    ackd_semaphore_fini(&semaphore);
    return ACKD_OK;
}

static void bench_semaphore(unsigned long count)
{
    spawn_root(acquire_and_release, &count);
    run_all();
}

static int lock_and_unlock(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    struct ackd_mutex mutex;
    ackd_mutex_init(&mutex, "bench");
    for (unsigned long i = 0; i < count; i++) {
        ACKD_TRY(ackd_mutex_lock(&mutex));
        ACKD_TRY(ackd_mutex_unlock(&mutex));
    }
    ackd_mutex_fini(&mutex);
    return ACKD_OK;
}

static void bench_mutex(unsigned long count)
{
    spawn_root(lock_and_unlock, &count);
    run_all();
}

struct parcels {
    struct ackd_mailbox *mailbox;
    unsigned long count;
};

static int send_parcels(void *arg)
{
    struct parcels *parcels = arg;
    for (unsigned long i = 0; i < parcels->count; i++)
        ACKD_TRY(ackd_mailbox_send(parcels->mailbox, arg));
    return ackd_mailbox_complete(parcels->mailbox, ACKD_OK) ? ACKD_OK : ACKD_E_CLOSED;
}

static int receive_parcels(void *arg)
{
    const struct parcels *parcels = arg;
    void *item;
    for (unsigned long i = 0; i < parcels->count; i++)
        ACKD_TRY(ackd_mailbox_receive(parcels->mailbox, &item));
    return ACKD_OK;
}

/* From one task to another, 64 of room. */
static void bench_mailbox(unsigned long count)
{
    const struct ackd_mailbox_options options = {.name = "bench", .capacity = 64};
    struct parcels parcels = {.count = count};
    if (ackd_mailbox_new(&options, &parcels.mailbox) != ACKD_OK)
        die("mailbox");
    spawn_root(send_parcels, &parcels);
    spawn_root(receive_parcels, &parcels);
    run_all();
    ackd_mailbox_free(&parcels.mailbox);
}

static int resolve_and_await(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    for (unsigned long i = 0; i < count; i++) {
        struct ackd_promise *promise;
        void *value;
        ACKD_TRY(ackd_promise_new("bench", &promise));
        if (!ackd_promise_resolve(promise, arg))
            return ACKD_E_INTERNAL;
        ACKD_TRY(ackd_promise_take(&promise, &value));
    }
    return ACKD_OK;
}

static void bench_promise(unsigned long count)
{
    spawn_root(resolve_and_await, &count);
    run_all();
}

static int start_and_await(void *arg)
{
    unsigned long count = *(const unsigned long *)arg;
    for (unsigned long i = 0; i < count; i++) {
        struct ackd_op op;
        ACKD_TRY(ackd_op_delay(&op, 0));
        ACKD_TRY(ackd_op_await(&op));
    }
    return ACKD_OK;
}

static void bench_op(unsigned long count)
{
    spawn_root(start_and_await, &count);
    run_all();
}

static int delay(void *arg)
{
    (void)arg;
    return ackd_delay(5);
}

/* 1,000 at once, each a task that waits 5 ms: the processor's time for each. */
static void bench_delay(unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        spawn_root(delay, NULL);
        if (i % 1000 == 999)
            run_all();
    }
    run_all();
}

static ucontext_t main_context, other_context;
static char other_stack[64 * 1024];

static void swap_for_ever(void)
{
    for (;;)
        swapcontext(&other_context, &main_context);
}

static void bench_ucontext(unsigned long count)
{
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = other_stack;
    other_context.uc_stack.ss_size = sizeof other_stack;
    makecontext(&other_context, swap_for_ever, 0);
    for (unsigned long i = 0; i < count; i++)
        swapcontext(&main_context, &other_context);
}

static void swap_once(void)
{
}

/* A context that runs and ends, on a stack that is there. */
static void bench_ucontext_create(unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        getcontext(&other_context);
        other_context.uc_stack.ss_sp = other_stack;
        other_context.uc_stack.ss_size = sizeof other_stack;
        other_context.uc_link = &main_context;
        makecontext(&other_context, swap_once, 0);
        swapcontext(&main_context, &other_context);
    }
}

struct hand_off {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    unsigned long left;
    bool theirs;
};

static void *hand_back(void *arg)
{
    struct hand_off *hand_off = arg;
    pthread_mutex_lock(&hand_off->lock);
    while (hand_off->left > 0) {
        while (!hand_off->theirs)
            pthread_cond_wait(&hand_off->turned, &hand_off->lock);
        hand_off->theirs = false;
        hand_off->left--;
        pthread_cond_signal(&hand_off->turned);
    }
    pthread_mutex_unlock(&hand_off->lock);
    return NULL;
}

static void bench_thread_hand_off(unsigned long count)
{
    struct hand_off hand_off = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER, .left = count};
    pthread_t thread;
    if (pthread_create(&thread, NULL, hand_back, &hand_off) != 0)
        die("thread");
    pthread_mutex_lock(&hand_off.lock);
    for (unsigned long i = 0; i < count; i++) {
        hand_off.theirs = true;
        pthread_cond_signal(&hand_off.turned);
        while (hand_off.theirs)
            pthread_cond_wait(&hand_off.turned, &hand_off.lock);
    }
    pthread_mutex_unlock(&hand_off.lock);
    pthread_join(thread, NULL);
}

static void *return_at_once(void *arg)
{
    return arg;
}

static void bench_thread_create(unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, return_at_once, NULL) != 0)
            die("thread");
        pthread_join(thread, NULL);
    }
}

enum {
    MESSAGE,
    MESSAGE_MEMORY,
    COMPLETED,
    SUSPEND,
    SPAWN,
    SCOPE,
    CANCEL_CALL,
    SEMAPHORE,
    MUTEX,
    MAILBOX,
    PROMISE,
    OPERATION,
    DELAY,
    GROWN,
    FIGURES
};

static struct figure figures[FIGURES] = {
    [MESSAGE] = {.what = "message: spawn, run, done", .unit = "ns", .at_most = 60},
    [MESSAGE_MEMORY] = {.what = "message with 2 allocations", .unit = "ns"},
    [COMPLETED] = {.what = "await of a completed task", .unit = "ns", .at_most = 5},
    [SUSPEND] = {.what = "suspend and resume",
                 .unit = "ns",
                 .at_most = 40,
                 .contestants = {{0},
                                 {.name = "ucontext", .times_least = 5},
                                 {.name = "threads", .times_least = 20}}},
    [SPAWN] = {.what = "spawn and await",
               .unit = "ns",
               .at_most = 100,
               .contestants = {{0}, {.name = "ucontext"}, {.name = "threads", .times_least = 50}}},
    [SCOPE] = {.what = "scope: open and join", .unit = "ns"},
    [CANCEL_CALL] = {.what = "cancel call: add and remove", .unit = "ns", .at_most = 20},
    [SEMAPHORE] = {.what = "semaphore: acquire and release", .unit = "ns"},
    [MUTEX] = {.what = "mutex: lock and unlock", .unit = "ns"},
    [MAILBOX] = {.what = "mailbox: send and receive", .unit = "ns"},
    [PROMISE] = {.what = "promise: new, resolve, take", .unit = "ns"},
    [OPERATION] = {.what = "operation: start and await", .unit = "ns"},
    [DELAY] = {.what = "delay(5) in 1,000 tasks, processor time", .unit = "ns", .at_most = 1500},
    [GROWN] = {.what = "memory grown after warm-up", .unit = "KiB", .at_most = 1},
};

static struct bench {
    void (*run)(unsigned long count);
    size_t figure, contestant;
    clockid_t clock;
    unsigned long count; /* 0: not wanted */
} benches[] = {
    {bench_message, MESSAGE, 0, CLOCK_MONOTONIC, 0},
    {bench_message_memory, MESSAGE_MEMORY, 0, CLOCK_MONOTONIC, 0},
    {bench_await_completed, COMPLETED, 0, CLOCK_MONOTONIC, 0},
    {bench_suspend, SUSPEND, 0, CLOCK_MONOTONIC, 0},
    {bench_ucontext, SUSPEND, 1, CLOCK_MONOTONIC, 0},
    {bench_thread_hand_off, SUSPEND, 2, CLOCK_MONOTONIC, 0},
    {bench_spawn, SPAWN, 0, CLOCK_MONOTONIC, 0},
    {bench_ucontext_create, SPAWN, 1, CLOCK_MONOTONIC, 0},
    {bench_thread_create, SPAWN, 2, CLOCK_MONOTONIC, 0},
    {bench_scope, SCOPE, 0, CLOCK_MONOTONIC, 0},
    {bench_cancel_call, CANCEL_CALL, 0, CLOCK_MONOTONIC, 0},
    {bench_semaphore, SEMAPHORE, 0, CLOCK_MONOTONIC, 0},
    {bench_mutex, MUTEX, 0, CLOCK_MONOTONIC, 0},
    {bench_mailbox, MAILBOX, 0, CLOCK_MONOTONIC, 0},
    {bench_promise, PROMISE, 0, CLOCK_MONOTONIC, 0},
    {bench_op, OPERATION, 0, CLOCK_MONOTONIC, 0},
    {bench_delay, DELAY, 0, CLOCK_PROCESS_CPUTIME_ID, 0},
};

enum { BENCHES = sizeof benches / sizeof benches[0] };

static double run_once(struct bench *bench)
{
    uint64_t from_ns = figure_clock_ns(bench->clock);
    bench->run(bench->count);
    return (double)(figure_clock_ns(bench->clock) - from_ns) / (double)bench->count;
}

static void calibrate(struct bench *bench)
{
    bench->count = 1000;
    while (run_once(bench) * (double)bench->count < CALIBRATE_NS)
        bench->count *= 2;
}

static size_t allocated_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

int main(int argc, char **argv)
{
    const char *only = argc == 2 && argv[1][0] != '-' ? argv[1] : NULL;
    bool json = only == NULL && figure_wants_json(argc, argv);
    const struct scheduler_options options = {
        .name = "bench", .now_ns = bench_now, .stacks_cached = 1024};
    if (scheduler_new(&options, &scheduler) != ACKD_OK)
        die("scheduler");
    for (size_t i = 0; i < BENCHES; i++) {
        if (only == NULL || strstr(figures[benches[i].figure].what, only) != NULL)
            calibrate(&benches[i]);
    }
    size_t before = allocated_bytes();
    for (size_t round = 0; round < FIGURE_ROUNDS; round++) {
        for (size_t i = 0; i < BENCHES; i++) {
            struct bench *bench = &benches[i];
            if (bench->count > 0)
                figure_note(&figures[bench->figure], bench->contestant, run_once(bench));
        }
    }
    size_t after = allocated_bytes();
    if (only == NULL)
        figure_note(&figures[GROWN], 0, after > before ? (double)(after - before) / 1024 : 0);
    figure_print_all("bench_task", figures, FIGURES, json);
    scheduler_free(&scheduler);
    return EXIT_SUCCESS;
}
