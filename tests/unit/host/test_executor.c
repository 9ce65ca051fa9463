/* SPDX-License-Identifier: MIT */
/* Loops with threads of their own: calls posted to them, what is local to them, and their end. */
#define ACKD_ALLOW_BLOCKING /* threads of its own pause */
#include <config.h>

#include "host/executor.h"

#include <ackd/ackd.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/timer.h"
#include "main.h"
#include "task/wait.h"

enum { SENDERS = 4, LOOPS_MAX = 3 };

static struct executor *executors[LOOPS_MAX];
static atomic_uint ended;
static atomic_uint deadlocks;
static atomic_ulong wakes; /* all writes of eight bytes: that is what wakes a loop */

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (size == sizeof(uint64_t))
        atomic_fetch_add(&wakes, 1);
    return syscall(SYS_write, fd, bytes, size);
}

static void log_nothing(const struct log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static void deadlocked(void *arg)
{
    (void)arg;
    atomic_fetch_add(&deadlocks, 1);
}

static void begin(unsigned loops)
{
    atomic_store(&ended, 0);
    atomic_store(&deadlocks, 0);
    log_use(log_nothing, NULL);
    static const char *const names[LOOPS_MAX] = {"loop 0", "loop 1", "loop 2"};
    for (unsigned i = 0; i < loops; i++) {
        struct executor_options options = {
            .name = names[i], .deadlocked = deadlocked, .deadlock_ms = 20};
        ck_assert_int_eq(executor_new(&options, &executors[i]), ACKD_OK);
        ck_assert_int_eq(executor_start(executors[i]), ACKD_OK);
    }
}

static void closed(void *arg)
{
    struct executor *executor = arg;
    atomic_fetch_add(&ended, 1);
    loop_stop(executor_loop(executor));
}

static void close_here(void *arg)
{
    executor_close(arg, closed, arg);
}

static void post(unsigned index, void (*fn)(void *arg), void *arg)
{
    ck_assert_int_eq(ackd_post(executor_handle(executors[index]), fn, arg, NULL), ACKD_OK);
}

static void stop(unsigned index)
{
    post(index, close_here, executors[index]);
    executor_join(executors[index]);
}

static void end(unsigned loops)
{
    for (unsigned i = 0; i < loops; i++)
        stop(i);
    ck_assert_uint_eq(atomic_load(&ended), loops);
    for (unsigned i = 0; i < loops; i++)
        executor_free(&executors[i]);
    log_use(NULL, NULL);
}

/* Roots, and the wait for their end from outside. */
struct root {
    unsigned loop;
    ackd_task_fn *fn;
    void *arg;
    struct ackd_task *task;
    int code;
    char text[256];
    atomic_bool done;
};

static int root_run(void *arg)
{
    struct root *root = arg;
    return root->fn(root->arg);
}

static void root_done(struct ackd_task *task, int code, const struct ackd_error *error,
                      enum ackd_cancel_reason reason, void *arg)
{
    struct root *root = arg;
    (void)reason;
    root->code = code;
    if (error != NULL)
        snprintf(root->text, sizeof root->text, "%s", ackd_error_text(error));
    ck_assert(root->task == task);
    atomic_store(&root->done, true);
}

static void root_spawn(void *arg)
{
    struct root *root = arg;
    struct scheduler_root spawn = {.fn = root_run, .arg = root, .name = "root", .done = root_done};
    int code = scheduler_spawn(executor_scheduler(executors[root->loop]), &spawn, &root->task);
    ck_assert_int_eq(code, ACKD_OK);
}

static void root_start(struct root *root)
{
    post(root->loop, root_spawn, root);
}

static void sleep_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
}

static int root_wait(struct root *root)
{
    while (!atomic_load(&root->done))
        sleep_ms(1);
    return root->code;
}

static int run_on(unsigned loop, ackd_task_fn *fn, void *arg)
{
    struct root root = {.loop = loop, .fn = fn, .arg = arg};
    root_start(&root);
    return root_wait(&root);
}

static void cancel_root(void *arg)
{
    ackd_task_cancel(((struct root *)arg)->task, ACKD_CANCEL_REQUESTED);
}

struct sender {
    pthread_t thread;
    unsigned long count;
    unsigned long ran, disordered; /* the loop's */
    atomic_ulong destroyed;
    unsigned long refused;
};

struct call {
    struct sender *sender;
    unsigned long number;
};

static void call_run(void *arg)
{
    struct call *call = arg;
    call->sender->disordered += call->number != call->sender->ran;
    call->sender->ran++;
    free(call);
}

static void call_destroy(void *arg)
{
    struct call *call = arg;
    atomic_fetch_add(&call->sender->destroyed, 1);
    free(call);
}

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    struct ackd_loop *loop = executor_handle(executors[0]);
    for (unsigned long i = 0; i < sender->count; i++) {
        struct call *call = malloc(sizeof *call);
        *call = (struct call){sender, i};
        int code = ackd_post(loop, call_run, call, call_destroy);
        test_that(code == ACKD_OK || code == ACKD_E_CLOSED);
        sender->refused += code == ACKD_E_CLOSED;
    }
    return NULL;
}

static void start_senders(struct sender *senders, unsigned long count)
{
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.count = count};
        ck_assert_int_eq(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
}

static void join_senders(struct sender *senders)
{
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
}

START_TEST(rule_l2_posts_of_four_threads_run_in_each_ones_order)
{
    static struct sender senders[SENDERS];
    begin(1);
    unsigned long count = test_scale(1000000);
    unsigned long before = atomic_load(&wakes);
    start_senders(senders, count);
    join_senders(senders);
    unsigned long woken = atomic_load(&wakes) - before;
    end(1);
    for (int i = 0; i < SENDERS; i++) {
        ck_assert_uint_eq(senders[i].ran, count);
        ck_assert_uint_eq(senders[i].disordered, 0);
        ck_assert_uint_eq(senders[i].refused, 0);
    }
    if (count > 10000)
        ck_assert_uint_lt(woken * 4, SENDERS * count);
}
END_TEST

START_TEST(rule_l3_a_post_to_a_closed_loop_is_refused_and_its_argument_destroyed)
{
    static struct sender sender;
    sender = (struct sender){0};
    begin(1);
    stop(0);
    struct call *call = malloc(sizeof *call);
    *call = (struct call){&sender, 0};
    ck_assert_int_eq(ackd_post(executor_handle(executors[0]), call_run, call, call_destroy),
                     ACKD_E_CLOSED);
    ck_assert_uint_eq(sender.ran, 0);
    ck_assert_uint_eq(atomic_load(&sender.destroyed), 1);
    ck_assert_int_eq(ackd_post(executor_handle(executors[0]), call_run, NULL, NULL), ACKD_E_CLOSED);
    executor_free(&executors[0]);
}
END_TEST

START_TEST(rule_l3_each_post_is_either_run_or_refused_while_the_loop_stops)
{
    static struct sender senders[SENDERS];
    unsigned long rounds = test_scale(200);
    for (unsigned long round = 0; round < rounds; round++) {
        begin(1);
        start_senders(senders, 500);
        if (round % 2 == 0)
            sched_yield();
        stop(0);
        join_senders(senders);
        for (int i = 0; i < SENDERS; i++) {
            test_that(senders[i].ran + senders[i].refused == senders[i].count);
            test_that(senders[i].disordered == 0);
            test_that(atomic_load(&senders[i].destroyed) == senders[i].refused);
        }
        executor_free(&executors[0]);
    }
}
END_TEST

static void note_current(void *arg)
{
    *(struct ackd_loop **)arg = ackd_loop_current();
}

static int note_current_in_task(void *arg)
{
    note_current(arg);
    return ACKD_OK;
}

START_TEST(the_current_loop_is_that_of_its_thread)
{
    struct ackd_loop *seen[2] = {NULL};
    ck_assert_ptr_null(ackd_loop_current());
    begin(2);
    ck_assert(!executor_is_known(executors[0]));
    ck_assert_int_eq(run_on(0, note_current_in_task, &seen[0]), ACKD_OK);
    post(1, note_current, &seen[1]);
    end(2);
    ck_assert_ptr_nonnull(seen[0]);
    ck_assert_ptr_nonnull(seen[1]);
    ck_assert_ptr_ne(seen[0], seen[1]);
    ck_assert_ptr_null(ackd_loop_current());
}
END_TEST

/* Values that note when they were made and destroyed: "ab" made, "BA" destroyed. */
static char story[64];
static atomic_uint made;
static char keys[4];

static void tell(char letter)
{
    size_t length = strlen(story);
    story[length] = letter;
    story[length + 1] = '\0';
}

static int create_a(void **ret_value)
{
    ACKD_TRY(ackd_delay(5)); /* long enough for others to ask meanwhile */
    atomic_fetch_add(&made, 1);
    tell('a');
    *ret_value = &keys[0];
    return ACKD_OK;
}

static void destroy_a(void *value)
{
    ck_assert_ptr_eq(value, &keys[0]);
    ck_assert_int_eq(ackd_delay(2), ACKD_OK); /* it may await */
    tell('A');
}

static int create_b(void **ret_value)
{
    void *a;
    ACKD_TRY(ackd_loop_local(&keys[0], create_a, destroy_a, &a));
    tell('b');
    *ret_value = &keys[1];
    return ACKD_OK;
}

static void destroy_b(void *value)
{
    void *a = NULL;
    ck_assert_ptr_eq(value, &keys[1]);
    ck_assert_int_eq(ackd_loop_local(&keys[0], create_a, destroy_a, &a), ACKD_OK);
    ck_assert_ptr_eq(a, &keys[0]); /* what it was made with is still there */
    ck_assert_int_eq(ackd_loop_local(&keys[2], create_a, destroy_a, &a), ACKD_E_CLOSED);
    tell('B');
}

static int ask_for_b(void *arg)
{
    void *b = NULL;
    (void)arg;
    ACKD_TRY(ackd_loop_local(&keys[1], create_b, destroy_b, &b));
    ck_assert_ptr_eq(b, &keys[1]);
    return ACKD_OK;
}

static int ask_side_by_side(void *arg)
{
    ACKD_SCOPE(scope);
    for (int i = 0; i < 5; i++)
        ACKD_TRY(ackd_spawn(&scope, ask_for_b, arg));
    return ackd_scope_join(&scope);
}

static void reset_locals(void)
{
    story[0] = '\0';
    atomic_store(&made, 0);
}

START_TEST(a_loop_local_is_made_once_and_destroyed_last_made_first)
{
    reset_locals();
    begin(1);
    ck_assert_int_eq(run_on(0, ask_side_by_side, NULL), ACKD_OK);
    ck_assert_int_eq(run_on(0, ask_side_by_side, NULL), ACKD_OK);
    ck_assert_str_eq(story, "ab");
    end(1);
    ck_assert_str_eq(story, "abBA");
}
END_TEST

START_TEST(each_loop_has_its_own_locals)
{
    reset_locals();
    begin(2);
    ck_assert_int_eq(run_on(0, ask_for_b, NULL), ACKD_OK);
    ck_assert_int_eq(run_on(1, ask_for_b, NULL), ACKD_OK);
    ck_assert_uint_eq(atomic_load(&made), 2);
    end(2);
    ck_assert_str_eq(story, "ababBABA");
}
END_TEST

static int create_at_the_third_try(void **ret_value)
{
    unsigned tries = atomic_fetch_add(&made, 1) + 1;
    ACKD_TRY(ackd_delay(1));
    if (tries < 3)
        return ackd_fail(ACKD_E_USER, "try %u", tries);
    *ret_value = &keys[3];
    return ACKD_OK;
}

static unsigned failures;

static int ask_for_the_third(void *arg)
{
    void *value = NULL;
    (void)arg;
    int code = ackd_loop_local(&keys[3], create_at_the_third_try, NULL, &value);
    failures += code == ACKD_E_USER;
    ck_assert(code == ACKD_E_USER || value == &keys[3]);
    return ACKD_OK;
}

static int ask_for_the_third_side_by_side(void *arg)
{
    ACKD_SCOPE(scope);
    for (int i = 0; i < 5; i++)
        ACKD_TRY(ackd_spawn(&scope, ask_for_the_third, arg));
    return ackd_scope_join(&scope);
}

START_TEST(where_a_loop_local_cannot_be_made_the_next_who_asks_tries)
{
    reset_locals();
    failures = 0;
    begin(1);
    ck_assert_int_eq(run_on(0, ask_for_the_third_side_by_side, NULL), ACKD_OK);
    end(1);
    ck_assert_uint_eq(failures, 2);
    ck_assert_uint_eq(atomic_load(&made), 3);
}
END_TEST

static int create_itself(void **ret_value)
{
    return ackd_loop_local(&keys[0], create_itself, NULL, ret_value);
}

static int create_oddly(void **ret_value)
{
    (void)ret_value;
    return 3;
}

static int ask_wrongly(void *arg)
{
    void *value = arg;
    ck_assert_int_eq(ackd_loop_local(&keys[0], create_itself, NULL, &value), ACKD_E_CYCLE);
    ck_assert_int_eq(ackd_loop_local(&keys[0], create_oddly, NULL, &value), ACKD_E_BAD_RETURN);
    ck_assert_int_eq(ackd_loop_local(NULL, create_a, NULL, &value), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_loop_local(&keys[0], NULL, NULL, &value), ACKD_E_INVAL);
    ck_assert_ptr_eq(value, arg);
    return ACKD_OK;
}

START_TEST(asking_wrongly_for_a_loop_local_is_refused)
{
    void *value;
    ck_assert_int_eq(ackd_loop_local(&keys[0], create_a, NULL, &value), ACKD_E_NOT_IN_TASK);
    begin(1);
    ck_assert_int_eq(run_on(0, ask_wrongly, &keys[3]), ACKD_OK);
    end(1);
}
END_TEST

static int create_slowly(void **ret_value)
{
    ACKD_TRY(ackd_delay(3600000));
    *ret_value = NULL;
    return ACKD_OK;
}

static int ask_for_the_slow(void *arg)
{
    void *value;
    (void)arg;
    return ackd_loop_local(&keys[0], create_slowly, NULL, &value);
}

static int ask_with_little_time(void *arg)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 5);
    return ackd_deadline_pop(&deadline, ask_for_the_slow(arg));
}

static int ask_at_different_length(void *arg)
{
    ACKD_SCOPE_SUPERVISED(scope);
    struct ackd_task *slow, *quick;
    ACKD_TRY(ackd_spawn_task(&scope, ask_for_the_slow, arg,
                             &(struct ackd_task_options){.name = "slow"}, &slow));
    ACKD_TRY(ackd_spawn_task(&scope, ask_with_little_time, arg,
                             &(struct ackd_task_options){.name = "quick"}, &quick));
    ck_assert_int_eq(ackd_await(quick), ACKD_E_TIMEOUT); /* it waits for the maker no longer */
    ackd_task_cancel(slow, ACKD_CANCEL_REQUESTED);
    ck_assert_int_eq(ackd_await(slow), ACKD_CANCELED); /* and the maker itself can be cancelled */
    ackd_task_unref(slow);
    ackd_task_unref(quick);
    return ackd_scope_join(&scope);
}

START_TEST(waiting_for_a_loop_local_ends_with_the_deadline)
{
    begin(1);
    ck_assert_int_eq(run_on(0, ask_at_different_length, NULL), ACKD_OK);
    end(1);
}
END_TEST

static int wait_for_nothing(void *arg)
{
    const enum wait_kind *kind = arg;
    struct wait wait;
    wait_init(&wait, *kind, NULL, ACKD_HERE);
    return wait_park(&wait);
}

/* How often a loop with nothing but such a wait is said to be deadlocked, in 200 ms at least. */
static unsigned deadlocks_with(enum wait_kind kind, bool expected)
{
    struct root root = {.fn = wait_for_nothing, .arg = &kind};
    begin(1);
    root_start(&root);
    for (int i = 0; i < 500 && expected && atomic_load(&deadlocks) == 0; i++)
        sleep_ms(10); /* a busy machine */
    sleep_ms(200);
    unsigned count = atomic_load(&deadlocks);
    post(0, cancel_root, &root);
    ck_assert_int_eq(root_wait(&root), ACKD_CANCELED);
    end(1);
    return count;
}

START_TEST(rule_l5_a_deadlock_is_told_once_and_only_where_it_is_one)
{
    ck_assert_uint_eq(deadlocks_with(WAIT_TASK, true), 1);
    ck_assert_uint_eq(deadlocks_with(WAIT_PIPE, false), 0);
}
END_TEST

static int delay_an_hour(void *arg)
{
    (void)arg;
    return ackd_delay(3600000);
}

START_TEST(rule_l5_one_who_waits_for_time_is_no_deadlock)
{
    static enum wait_kind kind = WAIT_TASK;
    struct root roots[] = {{.fn = wait_for_nothing, .arg = &kind}, {.fn = delay_an_hour}};
    begin(1);
    for (int i = 0; i < 2; i++)
        root_start(&roots[i]);
    sleep_ms(100);
    ck_assert_uint_eq(atomic_load(&deadlocks), 0);
    for (int i = 0; i < 2; i++) {
        post(0, cancel_root, &roots[i]);
        ck_assert_int_eq(root_wait(&roots[i]), ACKD_CANCELED);
    }
    end(1);
}
END_TEST

/* The longest of many short delays. */
static int measure_delays(void *arg)
{
    uint64_t *longest_ns = arg;
    struct loop *loop = executor_loop(executors[1]);
    for (int i = 0; i < 100; i++) {
        uint64_t before_ns = loop_now_ns(loop);
        ACKD_TRY(ackd_delay(1));
        uint64_t took_ns = loop_now_ns(loop) - before_ns;
        if (took_ns > *longest_ns)
            *longest_ns = took_ns;
    }
    return ACKD_OK;
}

static atomic_bool released;

static void hog(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&released, memory_order_relaxed))
        sleep_ms(1); /* the loop is stalled whether or not its thread computes */
}

START_TEST(rule_l6_a_stalled_loop_does_not_hold_up_another)
{
    uint64_t alone_ns = 0, beside_ns = 0;
    begin(2);
    ck_assert_int_eq(run_on(1, measure_delays, &alone_ns), ACKD_OK);
    atomic_store(&released, false);
    post(0, hog, NULL);
    ck_assert_int_eq(run_on(1, measure_delays, &beside_ns), ACKD_OK); /* it ends at all */
    atomic_store(&released, true);
    end(2);
    uint64_t allowed_ns = 2 * alone_ns + 100 * NS_PER_MS; /* what else the machine does */
    ck_assert_uint_le(beside_ns, allowed_ns);
}
END_TEST

static void count_call(void *arg)
{
    atomic_fetch_add((atomic_ulong *)arg, 1);
}

static void count_refused(void *arg)
{
    atomic_fetch_add((atomic_ulong *)arg + 1, 1);
}

/* Posts to all others, also to those that have stopped, until it is cancelled itself. */
static int chatter(void *arg)
{
    unsigned own = *(const unsigned *)arg;
    static atomic_ulong calls[LOOPS_MAX][2]; /* made, and refused */
    int code = ACKD_OK;
    while (code == ACKD_OK) {
        for (unsigned i = 0; i < LOOPS_MAX; i++) {
            unsigned long refused = atomic_load(&calls[own][1]);
            if (i != own && ackd_post(executor_handle(executors[i]), count_call, calls[own],
                                      count_refused) == ACKD_E_CLOSED)
                test_that(atomic_load(&calls[own][1]) == refused + 1);
        }
        error_clear();
        code = ackd_yield();
    }
    return code;
}

/* Each of all orders, while each loop posts to the others; then all at once. */
START_TEST(rule_l4_loops_stop_in_any_order)
{
    static const unsigned orders[][LOOPS_MAX] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static unsigned own[LOOPS_MAX] = {0, 1, 2};
    enum { ORDERS = sizeof orders / sizeof orders[0] };
    for (unsigned long round = 0; round < test_scale(100) + ORDERS; round++) {
        struct root roots[LOOPS_MAX] = {{.fn = NULL}};
        begin(LOOPS_MAX);
        for (unsigned i = 0; i < LOOPS_MAX; i++) {
            roots[i] = (struct root){.loop = i, .fn = chatter, .arg = &own[i]};
            root_start(&roots[i]);
        }
        for (unsigned i = 0; i < LOOPS_MAX; i++) {
            unsigned which = orders[round % ORDERS][i];
            post(which, cancel_root, &roots[which]);
            post(which, close_here, executors[which]);
            if (round % 2 == 0)
                executor_join(executors[which]);
        }
        for (unsigned i = 0; i < LOOPS_MAX; i++) {
            if (round % 2 == 1)
                executor_join(executors[i]);
            test_that(roots[i].code == ACKD_CANCELED);
        }
        test_that(atomic_load(&ended) == LOOPS_MAX);
        for (unsigned i = 0; i < LOOPS_MAX; i++)
            executor_free(&executors[i]);
    }
    log_use(NULL, NULL);
}
END_TEST

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct sleeper {
    atomic_bool sleeps;
    uint64_t woken_ns;
};

static int sleep_an_hour(void *arg)
{
    struct sleeper *sleeper = arg;
    atomic_store(&sleeper->sleeps, true);
    int code = ackd_delay(3600000);
    sleeper->woken_ns = monotonic_ns();
    return code;
}

/* The rule's bound is 5 ms; of several times, one at least is not lengthened by what else runs. */
START_TEST(rule_c15_a_cancel_from_another_thread_wakes_its_loop_at_once)
{
    uint64_t least_ns = UINT64_MAX;
    begin(1);
    for (int i = 0; i < 10; i++) {
        struct sleeper sleeper = {.woken_ns = 0};
        struct root root = {.fn = sleep_an_hour, .arg = &sleeper};
        root_start(&root);
        while (!atomic_load(&sleeper.sleeps))
            sleep_ms(1);
        sleep_ms(5); /* the loop waits for events */
        uint64_t from_ns = monotonic_ns();
        ackd_task_cancel(root.task, ACKD_CANCEL_REQUESTED);
        ck_assert_int_eq(root_wait(&root), ACKD_CANCELED);
        uint64_t took_ns = sleeper.woken_ns - from_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    end(1);
    ck_assert_uint_lt(least_ns, 50 * NS_PER_MS);
}
END_TEST

static int await_foreign(void *arg)
{
    return ackd_await(arg);
}

static atomic_bool begun;

static int wait_for_release(void *arg)
{
    atomic_store(&begun, true);
    while (!atomic_load(&released))
        ACKD_TRY(ackd_delay(1));
    return arg == NULL ? ACKD_OK : ACKD_E_INVAL;
}

START_TEST(rule_a4_a_task_of_another_loop_cannot_be_awaited)
{
    begin(2);
    atomic_store(&released, false);
    atomic_store(&begun, false);
    struct root far = {.loop = 1, .fn = wait_for_release};
    root_start(&far);
    while (!atomic_load(&begun))
        sleep_ms(1);
    struct root near = {.loop = 0, .fn = await_foreign, .arg = far.task};
    root_start(&near);
    ck_assert_int_eq(root_wait(&near), ACKD_E_WRONG_LOOP);
    ck_assert_ptr_nonnull(strstr(near.text, "loop 0"));
    ck_assert_ptr_nonnull(strstr(near.text, "loop 1"));
    atomic_store(&released, true);
    ck_assert_int_eq(root_wait(&far), ACKD_OK);
    end(2);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/executor");
    TCase *tc = tcase_create("executor");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, rule_l2_posts_of_four_threads_run_in_each_ones_order);
    tcase_add_test(tc, rule_l3_a_post_to_a_closed_loop_is_refused_and_its_argument_destroyed);
    tcase_add_test(tc, rule_l3_each_post_is_either_run_or_refused_while_the_loop_stops);
    tcase_add_test(tc, the_current_loop_is_that_of_its_thread);
    tcase_add_test(tc, a_loop_local_is_made_once_and_destroyed_last_made_first);
    tcase_add_test(tc, each_loop_has_its_own_locals);
    tcase_add_test(tc, where_a_loop_local_cannot_be_made_the_next_who_asks_tries);
    tcase_add_test(tc, asking_wrongly_for_a_loop_local_is_refused);
    tcase_add_test(tc, waiting_for_a_loop_local_ends_with_the_deadline);
    tcase_add_test(tc, rule_l5_a_deadlock_is_told_once_and_only_where_it_is_one);
    tcase_add_test(tc, rule_l5_one_who_waits_for_time_is_no_deadlock);
    tcase_add_test(tc, rule_l6_a_stalled_loop_does_not_hold_up_another);
    tcase_add_test(tc, rule_l4_loops_stop_in_any_order);
    tcase_add_test(tc, rule_c15_a_cancel_from_another_thread_wakes_its_loop_at_once);
    tcase_add_test(tc, rule_a4_a_task_of_another_loop_cannot_be_awaited);
    suite_add_tcase(suite, tc);
    return suite;
}
