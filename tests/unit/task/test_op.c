/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/timer.h"
#include "world.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *bytes, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *bytes, size_t size);

static uint64_t allocations;
static bool no_memory;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return no_memory ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return no_memory ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *bytes, size_t size)
{
    allocations++;
    return no_memory ? NULL : __real_realloc(bytes, size);
}

static struct ackd_semaphore semaphore;
static struct ackd_mailbox *mailbox;

static void reset(void)
{
    const struct ackd_mailbox_options options = {.name = "parcels", .capacity = 4};
    world_new();
    ck_assert_int_eq(ackd_semaphore_init(&semaphore, "permits", 1, 1), ACKD_OK);
    ck_assert_int_eq(ackd_mailbox_new(&options, &mailbox), ACKD_OK);
}

static void over(void)
{
    ackd_semaphore_fini(&semaphore);
    ackd_mailbox_free(&mailbox);
    world_free();
}

static uint64_t now_ms(uint64_t from_ns)
{
    return (world.now_ns - from_ns) / NS_PER_MS;
}

static int start_three_then_await(void *arg)
{
    uint64_t from_ns = world.now_ns;
    struct ackd_op slow, quick, none;
    (void)arg;
    ACKD_TRY(ackd_op_delay(&slow, 50));
    ACKD_TRY(ackd_op_delay(&quick, 20));
    ACKD_TRY(ackd_op_delay(&none, 0));
    ck_assert(ackd_op_is_completed(&none));
    ck_assert(!ackd_op_is_completed(&quick));
    ACKD_TRY(ackd_delay(30));
    ck_assert(ackd_op_is_completed(&quick));
    ACKD_TRY(ackd_op_await(&slow));
    ck_assert_uint_eq(now_ms(from_ns), 50);
    ACKD_TRY(ackd_op_await(&quick));
    ACKD_TRY(ackd_op_await(&none));
    ck_assert_uint_eq(now_ms(from_ns), 50);
    return ACKD_OK;
}

START_TEST(what_is_started_together_takes_as_long_as_the_longest)
{
    ck_assert_int_eq(world_run(start_three_then_await, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

static int await_twice(void *arg)
{
    (void)arg;
    struct ackd_op op = {0, 0, {NULL}}, copy;
    ck_assert_int_eq(ackd_op_await(&op), ACKD_E_CONSUMED);
    ck_assert(!ackd_op_cancel(&op));
    ACKD_TRY(ackd_op_delay(&op, 10));
    copy = op;
    uint32_t version = op.version;
    ck_assert_int_eq(ackd_op_await(&copy), ACKD_E_CONSUMED);
    ACKD_TRY(ackd_op_await(&op));
    ck_assert_int_eq(ackd_op_await(&op), ACKD_E_CONSUMED);
    ck_assert(!ackd_op_is_completed(&op));
    ACKD_TRY(ackd_op_delay(&op, 10));
    ck_assert_uint_ne(op.version, version);
    /* An older use of the same memory is not this one. */
    uint32_t now = op.version;
    op.version = version;
    ck_assert_int_eq(ackd_op_await(&op), ACKD_E_CONSUMED);
    op.version = now;
    ck_assert(ackd_op_cancel(&op));
    ck_assert_int_eq(ackd_op_await(&op), ACKD_E_CONSUMED);
    return ACKD_OK;
}

START_TEST(rule_q7_awaited_twice_it_is_consumed)
{
    ck_assert_int_eq(world_run(await_twice, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

static __attribute__((noinline)) int start_and_leave(void **item)
{
    struct ackd_op ops[4];
    ACKD_TRY(ackd_op_delay(&ops[0], 1000));
    ACKD_TRY(ackd_op_acquire(&ops[1], &semaphore));
    ACKD_TRY(ackd_op_acquire(&ops[2], &semaphore));
    return ackd_op_receive(&ops[3], mailbox, item);
}

static int leave_ops_behind(void *arg)
{
    void *item = NULL;
    ACKD_TRY(ackd_mailbox_try_send(mailbox, arg));
    ACKD_TRY(start_and_leave(&item));
    char wipe[512];
    memset(wipe, 0x5a, sizeof wipe);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 0);
    ACKD_TRY(ackd_delay(wipe[99] == 0x5a ? 1 : 2));
    ck_assert_uint_eq(world_counts().timers, 0);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
    ck_assert(ackd_mailbox_try_receive(mailbox, &item));
    ck_assert_ptr_eq(item, arg);
    /* And again, up to the end of the task. */
    ACKD_TRY(ackd_mailbox_try_send(mailbox, arg));
    return start_and_leave(&item);
}

START_TEST(rule_q7_left_behind_it_is_reported_and_cancelled)
{
    static char parcel[] = "parcel";
    log_set_level(ACKD_LOG_DEBUG);
    ck_assert_int_eq(world_run(leave_ops_behind, parcel), ACKD_OK);
    ck_assert_uint_eq(world_logged("left an operation behind"), 8);
    ck_assert_uint_eq(world_logged("test_op.c"), 8);
    ck_assert_uint_eq(world_counts().timers, 0);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
    ck_assert_uint_eq(ackd_mailbox_count(mailbox), 1);
}
END_TEST

static __attribute__((noinline)) int start_on_a_semaphore_that_goes(void)
{
    struct ackd_semaphore local;
    struct ackd_op ops[3];
    ACKD_TRY(ackd_semaphore_init(&local, "local", 1, 1));
    for (int i = 0; i < 3; i++)
        ACKD_TRY(ackd_op_acquire(&ops[i], &local));
    return ACKD_OK;
}

static int leave_ops_and_their_semaphore(void *arg)
{
    (void)arg;
    char wipe[1024];
    ACKD_TRY(start_on_a_semaphore_that_goes());
    memset(wipe, 0x5a, sizeof wipe);
    ACKD_TRY(ackd_delay(1));
    for (size_t i = 0; i < sizeof wipe; i++)
        test_that(wipe[i] == 0x5a);
    return start_on_a_semaphore_that_goes();
}

START_TEST(rule_q7_though_what_it_waits_in_is_gone_with_it)
{
    ck_assert_int_eq(world_run(leave_ops_and_their_semaphore, NULL), ACKD_OK);
    ck_assert_int_eq(world_run(leave_ops_and_their_semaphore, NULL), ACKD_OK);
}
END_TEST

static int leave_on_the_heap(void *arg)
{
    struct ackd_op *op = __real_malloc(sizeof *op);
    (void)arg;
    int code = ackd_op_acquire(op, &semaphore);
    free(op);
    ACKD_TRY(code);
    op = ackd_alloc(sizeof *op);
    return ackd_op_delay(op, 1000);
}

START_TEST(rule_q7_wherever_its_memory_was)
{
    ck_assert_int_eq(world_run(leave_on_the_heap, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
}
END_TEST

static int start_again_in_the_same_place(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        struct ackd_op op;
        ACKD_TRY(ackd_op_delay(&op, 1000));
        ck_assert_uint_eq(world_counts().timers, 1);
    }
    return ACKD_OK;
}

START_TEST(rule_q7_started_again_without_an_await_the_older_is_cancelled)
{
    ck_assert_int_eq(world_run(start_again_in_the_same_place, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

static int await_cancelled(void *arg)
{
    void *item = NULL;
    struct ackd_op acquired, waiting, received, late;
    ACKD_TRY(ackd_mailbox_try_send(mailbox, arg));
    ACKD_TRY(ackd_op_acquire(&acquired, &semaphore));
    ACKD_TRY(ackd_op_acquire(&waiting, &semaphore));
    ACKD_TRY(ackd_op_receive(&received, mailbox, &item));
    ck_assert_int_eq(ackd_op_await(&waiting), ACKD_CANCELED);
    /* What has completed is not lost; nothing more is started. */
    ck_assert_int_eq(ackd_op_await(&acquired), ACKD_OK);
    ck_assert_int_eq(ackd_op_await(&received), ACKD_OK);
    ck_assert_ptr_eq(item, arg);
    ck_assert_int_eq(ackd_op_delay(&late, 0), ACKD_CANCELED);
    ck_assert_int_eq(ackd_semaphore_release(&semaphore), ACKD_OK);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
    return ACKD_CANCELED;
}

START_TEST(rule_c16_a_cancelled_caller_gets_what_completed_and_leaves_the_rest)
{
    static char parcel[] = "parcel";
    struct ackd_task *task = world_spawn(await_cancelled, parcel);
    world_settle();
    ackd_task_cancel(task, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

static int await_of_another(void *arg)
{
    ck_assert_int_eq(ackd_op_await(arg), ACKD_E_INVAL);
    return ACKD_OK;
}

static int let_another_await(void *arg)
{
    (void)arg;
    struct ackd_op op;
    ACKD_TRY(ackd_op_delay(&op, 10));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, await_of_another, &op));
    ACKD_TRY(ackd_scope_join(&scope));
    return ackd_op_await(&op);
}

START_TEST(only_the_task_that_started_it_awaits_it)
{
    struct ackd_op op = {0, 0, {NULL}};
    ck_assert_int_eq(world_run(let_another_await, NULL), ACKD_OK);
    ck_assert_int_eq(ackd_op_await(&op), ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_op_delay(&op, 1), ACKD_E_NOT_IN_TASK);
}
END_TEST

static int await_promises(void *arg)
{
    (void)arg;
    static char value[] = "value";
    void *got = NULL;
    struct ackd_promise *promise;
    struct ackd_op op, again, abandoned;
    ACKD_TRY(ackd_promise_new("a", &promise));
    ACKD_TRY(ackd_op_promise(&op, promise, &got));
    ck_assert(ackd_promise_resolve(promise, value));
    ACKD_TRY(ackd_op_promise(&again, promise, &got));
    ackd_promise_unref(promise);
    ck_assert_ptr_null(got);
    ACKD_TRY(ackd_op_await(&op));
    ck_assert_ptr_eq(got, value);
    ck_assert(!ackd_op_cancel(&again));
    ACKD_TRY(ackd_promise_new("b", &promise));
    ACKD_TRY(ackd_op_promise(&abandoned, promise, &got));
    ackd_promise_unref(promise);
    ck_assert_int_eq(ackd_op_await(&abandoned), ACKD_E_ABANDONED);
    ACKD_TRY(ackd_promise_new("c", &promise));
    ACKD_TRY(ackd_op_promise(&op, promise, &got));
    ackd_promise_unref(ackd_promise_ref(promise));
    ck_assert(ackd_op_cancel(&op));
    ackd_promise_unref(promise);
    return ACKD_OK;
}

START_TEST(an_operation_keeps_its_promise)
{
    ck_assert_int_eq(world_run(await_promises, NULL), ACKD_OK);
}
END_TEST

static int acquire_of_what_ends(void *arg)
{
    (void)arg;
    struct ackd_op has, wants;
    ACKD_TRY(ackd_op_acquire(&has, &semaphore));
    ACKD_TRY(ackd_op_acquire(&wants, &semaphore));
    ackd_semaphore_fini(&semaphore);
    memset(&semaphore, 0x5a, sizeof semaphore);
    ck_assert_int_eq(ackd_op_await(&has), ACKD_E_CLOSED);
    ck_assert(!ackd_op_cancel(&wants));
    return ackd_semaphore_init(&semaphore, "permits", 1, 1);
}

START_TEST(operations_on_a_semaphore_that_ends_are_told)
{
    ck_assert_int_eq(world_run(acquire_of_what_ends, NULL), ACKD_OK);
}
END_TEST

/* One of each that can complete at once; each step is at most 11 completions. */
static int complete_at_once(struct ackd_mutex *mutex, struct ackd_event *event,
                            struct ackd_promise *resolved, struct ackd_once *done)
{
    struct ackd_op op;
    void *item;
    ACKD_TRY(ackd_delay(0));
    ACKD_TRY(ackd_semaphore_acquire(&semaphore));
    ACKD_TRY(ackd_semaphore_release(&semaphore));
    ACKD_TRY(ackd_mutex_lock(mutex));
    ACKD_TRY(ackd_mutex_unlock(mutex));
    ACKD_TRY(ackd_event_await(event));
    ACKD_TRY(ackd_mailbox_send(mailbox, mutex));
    ACKD_TRY(ackd_mailbox_receive(mailbox, &item));
    ACKD_TRY(ackd_promise_await(resolved, &item));
    ACKD_TRY(ackd_once(done, NULL, NULL));
    ACKD_TRY(ackd_op_acquire(&op, &semaphore));
    ACKD_TRY(ackd_op_await(&op));
    ACKD_TRY(ackd_semaphore_release(&semaphore));
    ACKD_TRY(ackd_op_delay(&op, 0));
    return ackd_op_await(&op);
}

static int nothing(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

enum { STEPS = 10, COMPLETIONS = 11 };

static int complete_ten_million(void *arg)
{
    (void)arg;
    struct ackd_mutex mutex;
    struct ackd_event event;
    struct ackd_promise *resolved;
    struct ackd_once done = {{NULL}};
    ackd_mutex_init(&mutex, "mutex");
    ackd_event_init(&event, "event", false);
    ACKD_TRY(ackd_event_set(&event));
    ACKD_TRY(ackd_promise_new("resolved", &resolved));
    ck_assert(ackd_promise_resolve(resolved, NULL));
    ACKD_TRY(ackd_once(&done, nothing, NULL));
    ACKD_TRY(complete_at_once(&mutex, &event, resolved, &done));
    for (unsigned long i = 0; i < test_scale(10000000 / COMPLETIONS / STEPS); i++) {
        ACKD_TRY(ackd_yield()); /* the budget is new */
        struct scheduler_counts then = world_counts();
        uint64_t before = allocations;
        for (int step = 0; step < STEPS; step++)
            ACKD_TRY(complete_at_once(&mutex, &event, resolved, &done));
        struct scheduler_counts now = world_counts();
        test_that(allocations == before);
        test_that(now.switches == then.switches);
        test_that(now.dispatched == then.dispatched);
    }
    ackd_promise_unref(resolved);
    ackd_event_fini(&event);
    ackd_mutex_fini(&mutex);
    return ACKD_OK;
}

START_TEST(rule_q8_what_completes_at_once_allocates_nothing_and_switches_nowhere)
{
    void *counted = __wrap_malloc(1);
    ck_assert_uint_gt(allocations, 0);
    free(counted);
    ck_assert_int_eq(world_run(complete_ten_million, NULL), ACKD_OK);
}
END_TEST

struct bare {
    struct ackd_mutex mutex;
    int op, periodic, promise, mailbox, locked, again, unlocked;
};

static int begin_without_memory(void *arg)
{
    struct bare *bare = arg;
    struct ackd_op op;
    struct ackd_periodic periodic;
    struct ackd_promise *promise;
    struct ackd_mailbox *other;
    const struct ackd_mailbox_options options = {.name = "other", .capacity = 1};
    no_memory = true;
    bare->op = ackd_op_acquire(&op, &semaphore);
    bare->periodic = ackd_periodic_start(&periodic, 10);
    bare->promise = ackd_promise_new("p", &promise);
    bare->mailbox = ackd_mailbox_new(&options, &other);
    bare->locked = ackd_mutex_lock(&bare->mutex);
    bare->again = ackd_mutex_lock(&bare->mutex);
    bare->unlocked = ackd_mutex_unlock(&bare->mutex);
    no_memory = false;
    ck_assert_int_eq(ackd_op_await(&op), ACKD_E_CONSUMED);
    ck_assert_int_eq(ackd_periodic_next(&periodic), ACKD_E_CLOSED);
    return ACKD_OK;
}

START_TEST(rule_e4_out_of_memory_nothing_is_half_begun_and_a_mutex_still_locks)
{
    struct bare bare;
    ackd_mutex_init(&bare.mutex, "bare");
    ck_assert_int_eq(world_run(begin_without_memory, &bare), ACKD_OK);
    ck_assert_int_eq(bare.op, ACKD_E_NOMEM);
    ck_assert_int_eq(bare.periodic, ACKD_E_NOMEM);
    ck_assert_int_eq(bare.promise, ACKD_E_NOMEM);
    ck_assert_int_eq(bare.mailbox, ACKD_E_NOMEM);
    ck_assert_int_eq(bare.locked, ACKD_OK);
    ck_assert_int_eq(bare.again, ACKD_E_CYCLE);
    ck_assert_int_eq(bare.unlocked, ACKD_OK);
    ck_assert_uint_eq(ackd_semaphore_available(&semaphore), 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/op");
    TCase *tc = tcase_create("op");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, reset, over);
    tcase_add_test(tc, what_is_started_together_takes_as_long_as_the_longest);
    tcase_add_test(tc, rule_q7_awaited_twice_it_is_consumed);
    tcase_add_test(tc, rule_q7_left_behind_it_is_reported_and_cancelled);
    tcase_add_test(tc, rule_q7_though_what_it_waits_in_is_gone_with_it);
    tcase_add_test(tc, rule_q7_wherever_its_memory_was);
    tcase_add_test(tc, rule_q7_started_again_without_an_await_the_older_is_cancelled);
    tcase_add_test(tc, rule_c16_a_cancelled_caller_gets_what_completed_and_leaves_the_rest);
    tcase_add_test(tc, only_the_task_that_started_it_awaits_it);
    tcase_add_test(tc, an_operation_keeps_its_promise);
    tcase_add_test(tc, operations_on_a_semaphore_that_ends_are_told);
    tcase_add_test(tc, rule_q8_what_completes_at_once_allocates_nothing_and_switches_nowhere);
    tcase_add_test(tc, rule_e4_out_of_memory_nothing_is_half_begun_and_a_mutex_still_locks);
    suite_add_tcase(suite, tc);
    return suite;
}
