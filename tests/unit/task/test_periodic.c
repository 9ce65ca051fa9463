/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <string.h>

#include "base/timer.h"
#include "world.h"

static struct ackd_periodic periodic;
static uint64_t start_ns;

static uint64_t now_ms(void)
{
    return (world.now_ns - start_ns) / NS_PER_MS;
}

static void reset(void)
{
    memset(&periodic, 0, sizeof periodic);
    world_new();
    start_ns = world.now_ns;
}

static int tick_and_work(void *arg)
{
    const uint64_t *work_ms = arg;
    static const uint64_t ticked_at[] = {100, 200, 300, 660, 700, 800};
    ck_assert_int_eq(ackd_periodic_start(&periodic, 0), ACKD_E_INVAL);
    ACKD_TRY(ackd_periodic_start(&periodic, 100));
    for (int i = 0; i < 6; i++) {
        ACKD_TRY(ackd_periodic_next(&periodic));
        ck_assert_uint_eq(now_ms(), ticked_at[i]);
        ACKD_TRY(ackd_delay(work_ms[i]));
    }
    ackd_periodic_stop(&periodic);
    ck_assert_int_eq(ackd_periodic_next(&periodic), ACKD_E_CLOSED);
    ackd_periodic_stop(&periodic);
    return ACKD_OK;
}

START_TEST(rule_q9_ticks_coalesce_keep_their_grid_and_end)
{
    static const uint64_t work_ms[] = {0, 99, 360, 30, 1, 1};
    ck_assert_int_eq(world_run(tick_and_work, (void *)(uintptr_t)work_ms), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

static int wait_for_tick(void *arg)
{
    *(int *)arg = ackd_periodic_next(&periodic);
    return ACKD_OK;
}

static int two_wait_then_stop(void *arg)
{
    int *codes = arg;
    ACKD_TRY(ackd_periodic_start(&periodic, 100));
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, wait_for_tick, &codes[0]));
    ACKD_TRY(ackd_spawn(&scope, wait_for_tick, &codes[1]));
    ACKD_TRY(ackd_delay(50));
    ackd_periodic_stop(&periodic);
    return ackd_scope_join(&scope);
}

START_TEST(rule_q9_never_two_at_once_and_stop_ends_the_wait)
{
    int codes[2] = {99, 99};
    ck_assert_int_eq(world_run(two_wait_then_stop, codes), ACKD_OK);
    ck_assert_int_eq(codes[0], ACKD_E_CLOSED);
    ck_assert_int_eq(codes[1], ACKD_E_INVAL);
    ck_assert_uint_eq(now_ms(), 50);
}
END_TEST

static int leave_it_ticking(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_periodic_start(&periodic, 100));
    return ackd_periodic_next(&periodic);
}

START_TEST(it_ends_with_the_task_that_started_it)
{
    ck_assert_int_eq(world_run(leave_it_ticking, NULL), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
    int code = 99;
    ck_assert_int_eq(world_run(wait_for_tick, &code), ACKD_OK);
    ck_assert_int_eq(code, ACKD_E_CLOSED);
}
END_TEST

static __attribute__((noinline)) int start_on_a_stack_that_goes(void)
{
    struct ackd_periodic local;
    return ackd_periodic_start(&local, 10);
}

static int leave_blocks(void *arg)
{
    size_t *timers = arg;
    ACKD_TRY(start_on_a_stack_that_goes());
    ACKD_TRY(start_on_a_stack_that_goes());
    char over[256];
    memset(over, 0x5a, sizeof over);
    ACKD_TRY(ackd_delay(over[3] == 0x5a ? 1 : 2));
    *timers = (size_t)world_counts().timers;
    return ACKD_OK;
}

START_TEST(it_ends_when_its_block_is_seen_to_be_gone)
{
    size_t timers = 99;
    ck_assert_int_eq(world_run(leave_blocks, &timers), ACKD_OK);
    ck_assert_uint_eq(timers, 0);
}
END_TEST

static int wait_cancelled(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_periodic_start(&periodic, 100));
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 50);
    int code = ackd_deadline_pop(&deadline, ackd_periodic_next(&periodic));
    ck_assert_int_eq(code, ACKD_E_TIMEOUT);
    ACKD_TRY(ackd_periodic_next(&periodic));
    ck_assert_uint_eq(now_ms(), 100);
    return ACKD_OK;
}

START_TEST(a_cancelled_wait_takes_no_tick)
{
    ck_assert_int_eq(world_run(wait_cancelled, NULL), ACKD_OK);
}
END_TEST

static int sleep_for_long(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_periodic_start(&periodic, 1));
    ACKD_TRY(ackd_delay(100));
    uint64_t before = world_counts().timers;
    ACKD_TRY(ackd_delay(3600 * 1000));
    ck_assert_uint_eq(before, 0);
    return ackd_periodic_next(&periodic);
}

START_TEST(nobody_is_woken_for_ticks_that_nobody_awaits)
{
    ck_assert_int_eq(world_run(sleep_for_long, NULL), ACKD_OK);
    ck_assert_uint_le(world_counts().dispatched, 4);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/periodic");
    TCase *tc = tcase_create("periodic");
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_q9_ticks_coalesce_keep_their_grid_and_end);
    tcase_add_test(tc, rule_q9_never_two_at_once_and_stop_ends_the_wait);
    tcase_add_test(tc, it_ends_with_the_task_that_started_it);
    tcase_add_test(tc, it_ends_when_its_block_is_seen_to_be_gone);
    tcase_add_test(tc, a_cancelled_wait_takes_no_tick);
    tcase_add_test(tc, nobody_is_woken_for_ticks_that_nobody_awaits);
    suite_add_tcase(suite, tc);
    return suite;
}
