/* SPDX-License-Identifier: MIT */
/*
 * bench_task - what the runtime costs, beside what ucontext and threads cost in the same run.
 *
 * Each figure is the median of several rounds; the contestants take turns. Nanoseconds move from
 * machine to machine, so what counts is the ratio to the contestant. With --json for scripts; with
 * a name only what has it in its own.
 */
#include <config.h>

#include <ackd/ackd.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "base/timer.h"
#include "task/scheduler.h"

enum { ROUNDS = 9, CALIBRATE_NS = 20000000 };

static struct scheduler *scheduler;
static uint64_t virtual_ns; /* what the scheduler's clock says besides the real one */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t bench_now(void *arg)
{
    (void)arg;
    return clock_ns(CLOCK_MONOTONIC) + virtual_ns;
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

struct bench {
    const char *name;
    void (*run)(unsigned long count);
    double target_ns; /* 0: none */
    clockid_t clock;
    unsigned long count;
    double rounds[ROUNDS];
    double median_ns;
};

static struct bench benches[] = {
    {"message: spawn, run, done", bench_message, 60, CLOCK_MONOTONIC, 0, {0}, 0},
    {"message with 2 allocations", bench_message_memory, 0, CLOCK_MONOTONIC, 0, {0}, 0},
    {"await of a completed task", bench_await_completed, 5, CLOCK_MONOTONIC, 0, {0}, 0},
    {"suspend and resume", bench_suspend, 40, CLOCK_MONOTONIC, 0, {0}, 0},
    {"spawn and await", bench_spawn, 100, CLOCK_MONOTONIC, 0, {0}, 0},
    {"scope: open and join", bench_scope, 0, CLOCK_MONOTONIC, 0, {0}, 0},
    {"cancel call: add and remove", bench_cancel_call, 0, CLOCK_MONOTONIC, 0, {0}, 0},
    {"delay(5) in 1,000 tasks", bench_delay, 0, CLOCK_PROCESS_CPUTIME_ID, 0, {0}, 0},
    {"ucontext: there and back", bench_ucontext, 0, CLOCK_MONOTONIC, 0, {0}, 0},
    {"threads: there and back", bench_thread_hand_off, 0, CLOCK_MONOTONIC, 0, {0}, 0},
    {"thread: create and join", bench_thread_create, 0, CLOCK_MONOTONIC, 0, {0}, 0},
};

enum {
    BENCHES = sizeof benches / sizeof benches[0],
    SUSPEND = 3,
    SPAWN = 4,
    UCONTEXT = 8,
    HAND_OFF = 9,
    CREATE = 10
};

static double run_once(struct bench *bench)
{
    uint64_t from_ns = clock_ns(bench->clock);
    bench->run(bench->count);
    return (double)(clock_ns(bench->clock) - from_ns) / (double)bench->count;
}

static void calibrate(struct bench *bench)
{
    bench->count = 1000;
    while (run_once(bench) * (double)bench->count < CALIBRATE_NS)
        bench->count *= 2;
}

static int compare(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static size_t allocated_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void print_table(size_t grown)
{
    printf("%-30s %12s %10s\n", "", "ns", "target");
    for (size_t i = 0; i < BENCHES; i++) {
        if (benches[i].count == 0)
            continue;
        printf("%-30s %12.1f", benches[i].name, benches[i].median_ns);
        if (benches[i].target_ns > 0)
            printf(" %10.0f", benches[i].target_ns);
        printf("\n");
    }
    if (benches[SUSPEND].count == 0 || benches[CREATE].count == 0)
        return;
    printf("suspend and resume: %.1f x ucontext, %.0f x threads\n",
           benches[UCONTEXT].median_ns / benches[SUSPEND].median_ns,
           benches[HAND_OFF].median_ns / benches[SUSPEND].median_ns);
    printf("spawn and await: %.0f x creating a thread\n",
           benches[CREATE].median_ns / benches[SPAWN].median_ns);
    printf("memory grown after warm-up: %zu bytes\n", grown);
}

static void print_json(size_t grown)
{
    printf("{\"benches\": [");
    for (size_t i = 0; i < BENCHES; i++)
        printf("%s{\"name\": \"%s\", \"ns\": %.2f, \"target_ns\": %.0f}", i == 0 ? "" : ", ",
               benches[i].name, benches[i].median_ns, benches[i].target_ns);
    printf("], \"suspend_vs_ucontext\": %.2f, \"suspend_vs_threads\": %.2f, "
           "\"spawn_vs_thread\": %.2f, \"grown_bytes\": %zu}\n",
           benches[UCONTEXT].median_ns / benches[SUSPEND].median_ns,
           benches[HAND_OFF].median_ns / benches[SUSPEND].median_ns,
           benches[CREATE].median_ns / benches[SPAWN].median_ns, grown);
}

int main(int argc, char **argv)
{
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 2 || (argc == 2 && !json && argv[1][0] == '-')) {
        fprintf(stderr, "usage: bench_task [--json | NAME]\n");
        return 64;
    }
    const struct scheduler_options options = {
        .name = "bench", .now_ns = bench_now, .stacks_cached = 1024};
    if (scheduler_new(&options, &scheduler) != ACKD_OK)
        die("scheduler");
    for (size_t i = 0; i < BENCHES; i++) {
        if (argc == 1 || json || strstr(benches[i].name, argv[1]) != NULL)
            calibrate(&benches[i]);
    }
    size_t before = allocated_bytes();
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BENCHES; i++) {
            if (benches[i].count > 0)
                benches[i].rounds[round] = run_once(&benches[i]);
        }
    }
    size_t after = allocated_bytes();
    for (size_t i = 0; i < BENCHES; i++) {
        qsort(benches[i].rounds, ROUNDS, sizeof(double), compare);
        benches[i].median_ns = benches[i].rounds[ROUNDS / 2];
    }
    size_t grown = after > before ? after - before : 0;
    if (json)
        print_json(grown);
    else
        print_table(grown);
    scheduler_free(&scheduler);
    return EXIT_SUCCESS;
}
