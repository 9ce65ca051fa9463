/* SPDX-License-Identifier: MIT */
/* failover, hedge and for_each: what they start has ended when they return. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/timer.h"
#include "world.h"

enum { WAYS = 12 };

static struct way {
    uint64_t ms;
    int code;      /* 0: success */
    int on_cancel; /* the failure it ends with when it is cancelled; 1: success; 0: ACKD_CANCELED */
    uint64_t began_ms;
    unsigned runs;
    enum ackd_cancel_reason reason;
} ways[WAYS];

static uint64_t start_ns;
static unsigned alive, alive_max;

static uint64_t passed_ms(void)
{
    return (world.now_ns - start_ns) / NS_PER_MS;
}

static int go(void *arg)
{
    struct way *way = arg;
    way->runs++;
    way->began_ms = passed_ms();
    if (++alive > alive_max)
        alive_max = alive;
    int code = ackd_delay(way->ms);
    way->reason = ackd_cancel_reason();
    alive--;
    if (code == ACKD_CANCELED && way->on_cancel == 1)
        return ACKD_OK;
    if (code == ACKD_CANCELED)
        return way->on_cancel == 0 ? code : ackd_fail(way->on_cancel, "while being cancelled");
    return way->code == 0 ? ACKD_OK : ackd_fail(way->code, "after %d ms", (int)way->ms);
}

static const struct ackd_alternative alternatives[WAYS] = {
    {go, &ways[0], "way 0"}, {go, &ways[1], "way 1"},   {go, &ways[2], "way 2"},
    {go, &ways[3], "way 3"}, {go, &ways[4], "way 4"},   {go, &ways[5], "way 5"},
    {go, &ways[6], "way 6"}, {go, &ways[7], "way 7"},   {go, &ways[8], "way 8"},
    {go, &ways[9], "way 9"}, {go, &ways[10], "way 10"}, {go, &ways[11], "way 11"},
};

static struct plan {
    size_t count, winner;
    struct ackd_failover_options failover;
    struct ackd_for_each_options each;
    uint64_t stagger_ms, took_ms;
    int code;
    size_t started, not_started;
} plan;

static void reset(void)
{
    memset(ways, 0, sizeof ways);
    plan = (struct plan){.winner = 99};
    plan.each.ret_started = &plan.started;
    plan.each.ret_not_started = &plan.not_started;
    alive = alive_max = 0;
    world_new();
    start_ns = world.now_ns;
}

static int fail_over(void *arg)
{
    (void)arg;
    plan.code = ackd_failover(alternatives, plan.count, &plan.failover, &plan.winner);
    plan.took_ms = passed_ms();
    ck_assert_uint_eq(world_counts().live, 1);
    return plan.code;
}

static int hedge(void *arg)
{
    (void)arg;
    plan.code = ackd_hedge(alternatives, plan.count, plan.stagger_ms, &plan.winner);
    plan.took_ms = passed_ms();
    ck_assert_uint_eq(world_counts().live, 1);
    ck_assert_uint_eq(world_counts().timers, 0);
    return plan.code;
}

static int each_item(void *item, void *arg)
{
    ck_assert_ptr_eq(arg, &plan);
    return go(item);
}

static int go_through(void *arg)
{
    (void)arg;
    void *items[WAYS];
    for (size_t i = 0; i < WAYS; i++)
        items[i] = &ways[i];
    plan.code = ackd_for_each(items, plan.count, each_item, &plan, &plan.each);
    plan.took_ms = passed_ms();
    ck_assert_uint_eq(world_counts().live, 1);
    ck_assert_uint_eq(plan.started + plan.not_started, plan.count);
    return plan.code;
}

static void cancel_at(ackd_task_fn *fn, uint64_t ms)
{
    struct ackd_task *task = world_spawn(fn, NULL);
    world_settle();
    world_pass_ms(ms);
    ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_run_all();
}

START_TEST(rule_w12_the_next_way_is_tried_when_one_has_failed)
{
    ways[0] = (struct way){.ms = 10, .code = ACKD_E_REFUSED};
    ways[1] = (struct way){.ms = 20};
    plan.count = 3;
    ck_assert_int_eq(world_run(fail_over, NULL), ACKD_OK);
    ck_assert_uint_eq(plan.winner, 1);
    ck_assert_uint_eq(ways[1].began_ms, 10);
    ck_assert_uint_eq(plan.took_ms, 30);
    ck_assert_uint_eq(ways[2].runs, 0);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

START_TEST(rule_w12_all_failures_are_listed_in_order)
{
    for (int i = 0; i < 3; i++)
        ways[i] = (struct way){.ms = (uint64_t)(10 - i), .code = ACKD_E_USER - i};
    plan.count = 3;
    ck_assert_int_eq(world_run(fail_over, NULL), ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(ackd_error_code(ackd_error_child(world.end.error, (size_t)i)),
                         ACKD_E_USER - i);
    ck_assert_str_eq(ackd_error_function(world.end.error), "fail_over");
    ck_assert_uint_eq(plan.winner, 99);
    plan.count = 1;
    ck_assert_int_eq(world_run(fail_over, NULL), ACKD_E_USER);
    plan.count = 0;
    ck_assert_int_eq(world_run(fail_over, NULL), ACKD_E_INVAL);
}
END_TEST

START_TEST(rule_w12_a_try_that_takes_too_long_has_failed)
{
    ways[0] = (struct way){.ms = 500};
    ways[1] = (struct way){.ms = 500, .on_cancel = ACKD_E_TLS};
    ways[2] = (struct way){.ms = 500};
    plan.count = 3;
    plan.failover.per_try_ms = 50;
    ck_assert_int_eq(world_run(fail_over, NULL), ACKD_E_AGGREGATE);
    ck_assert_uint_eq(plan.took_ms, 150);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(world.end.error, 0)), ACKD_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_child(world.end.error, 0)),
                                 "a limit of 50 ms passed after 50 ms, awaiting task way 0 at "));
    ck_assert_int_eq(ackd_error_code(ackd_error_child(world.end.error, 1)), ACKD_E_TLS);
    ck_assert_int_eq(ways[0].reason, ACKD_CANCEL_DEADLINE);
    ways[1].on_cancel = 1; /* what succeeds all the same is a success: it was paid */
    ck_assert_int_eq(world_run(fail_over, NULL), ACKD_OK);
    ck_assert_uint_eq(plan.winner, 1);
}
END_TEST

START_TEST(rule_w12_a_final_code_stops_at_once)
{
    static const int final[] = {ACKD_E_TLS, ACKD_E_USER - 2};
    plan.failover.final_codes = final;
    plan.failover.final_count = 2;
    plan.count = 3;
    ways[0] = (struct way){.ms = 1, .code = ACKD_E_EXIT};
    ways[1] = (struct way){.ms = 1, .code = ACKD_E_USER - 2};
    ck_assert_int_eq(world_run(fail_over, NULL), ACKD_E_USER - 2);
    ck_assert_uint_eq(ways[2].runs, 0);
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), 1);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(world.end.error, 0)), ACKD_E_EXIT);
}
END_TEST

START_TEST(rule_w12_a_cancelled_caller_starts_no_further_try)
{
    plan.count = 3;
    ways[0] = (struct way){.ms = 10, .code = ACKD_E_EXIT};
    ways[1] = (struct way){.ms = 10, .on_cancel = ACKD_E_TLS};
    cancel_at(fail_over, 15);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_int_eq(ways[1].reason, ACKD_CANCEL_SHUTDOWN);
    ck_assert_uint_eq(ways[2].runs, 0);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
    cancel_at(fail_over, 0);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
}
END_TEST

START_TEST(rule_w13_the_next_way_starts_after_the_stagger)
{
    plan.count = 4;
    plan.stagger_ms = 30;
    ways[0] = (struct way){.ms = 100};
    ways[1] = (struct way){.ms = 50};
    ways[2] = (struct way){.ms = 100};
    ck_assert_int_eq(world_run(hedge, NULL), ACKD_OK);
    ck_assert_uint_eq(plan.winner, 1);
    ck_assert_uint_eq(plan.took_ms, 80);
    ck_assert_uint_eq(ways[1].began_ms, 30);
    ck_assert_uint_eq(ways[2].began_ms, 60);
    ck_assert_uint_eq(ways[3].runs, 0);
    ck_assert_int_eq(ways[0].reason, ACKD_CANCEL_LOST_RACE);
    ck_assert_int_eq(ways[2].reason, ACKD_CANCEL_LOST_RACE);
}
END_TEST

START_TEST(rule_w13_the_next_way_starts_at_once_when_one_has_failed)
{
    plan.count = 3;
    plan.stagger_ms = 30;
    ways[0] = (struct way){.ms = 5, .code = ACKD_E_EXIT};
    ways[1] = (struct way){.ms = 100};
    ways[2] = (struct way){.ms = 10};
    ck_assert_int_eq(world_run(hedge, NULL), ACKD_OK);
    ck_assert_uint_eq(plan.winner, 2);
    ck_assert_uint_eq(ways[1].began_ms, 5);
    ck_assert_uint_eq(ways[2].began_ms, 35);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

START_TEST(rule_w13_all_failures_are_listed_in_order)
{
    plan.count = WAYS;
    plan.stagger_ms = 2;
    for (int i = 0; i < WAYS; i++)
        ways[i] = (struct way){.ms = (uint64_t)(100 - 7 * i), .code = ACKD_E_USER - i};
    ck_assert_int_eq(world_run(hedge, NULL), ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), WAYS);
    for (int i = 0; i < WAYS; i++)
        ck_assert_int_eq(ackd_error_code(ackd_error_child(world.end.error, (size_t)i)),
                         ACKD_E_USER - i);
    plan.count = 1;
    ck_assert_int_eq(world_run(hedge, NULL), ACKD_E_USER);
    plan.count = 0;
    ck_assert_int_eq(world_run(hedge, NULL), ACKD_E_INVAL);
}
END_TEST

START_TEST(rule_w13_a_loser_that_fails_afterwards_is_reported)
{
    plan.count = 2;
    ways[0] = (struct way){.ms = 100, .on_cancel = ACKD_E_EXIT};
    ways[1] = (struct way){.ms = 10};
    ck_assert_int_eq(world_run(hedge, NULL), ACKD_OK); /* no stagger: both at once */
    ck_assert_uint_eq(ways[1].began_ms, 0);
    ck_assert_uint_eq(plan.took_ms, 10);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
}
END_TEST

START_TEST(a_cancelled_hedge_waits_for_all_and_keeps_a_success)
{
    plan.count = 3;
    plan.stagger_ms = 10;
    ways[0] = ways[1] = ways[2] = (struct way){.ms = 100};
    cancel_at(hedge, 15);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_uint_eq(ways[2].runs, 0);
    ways[1].on_cancel = 1;
    cancel_at(hedge, 15);
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert_uint_eq(plan.winner, 1);
}
END_TEST

START_TEST(rule_w14_no_more_than_asked_for_are_alive)
{
    plan.count = WAYS;
    for (size_t i = 0; i < WAYS; i++)
        ways[i] = (struct way){.ms = 10 + i % 3};
    plan.each.concurrency = 3;
    ck_assert_int_eq(world_run(go_through, NULL), ACKD_OK);
    ck_assert_uint_eq(alive_max, 3);
    ck_assert_uint_eq(plan.started, WAYS);
    for (size_t i = 0; i < WAYS; i++)
        ck_assert_uint_eq(ways[i].runs, 1);
    plan.each.concurrency = 0;
    ck_assert_int_eq(world_run(go_through, NULL), ACKD_OK);
    ck_assert_uint_eq(alive_max, WAYS);
    plan.count = 0;
    ck_assert_int_eq(world_run(go_through, NULL), ACKD_OK);
}
END_TEST

START_TEST(rule_w14_the_first_failure_stops_the_rest)
{
    plan.count = WAYS;
    plan.each.concurrency = 3;
    for (size_t i = 0; i < WAYS; i++)
        ways[i] = (struct way){.ms = 20};
    ways[1] = (struct way){.ms = 5, .code = ACKD_E_TLS};
    ways[2].on_cancel = ACKD_E_EXIT;
    ck_assert_int_eq(world_run(go_through, NULL), ACKD_E_TLS);
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), 1);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(world.end.error, 0)), ACKD_E_EXIT);
    ck_assert_int_eq(ways[0].reason, ACKD_CANCEL_SIBLING_FAILED);
    ck_assert_uint_eq(plan.started, 3);
    ck_assert_uint_eq(plan.not_started, WAYS - 3);
    ck_assert_uint_eq(plan.took_ms, 5);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

START_TEST(rule_w14_what_was_spawned_but_not_begun_does_not_begin)
{
    plan.count = WAYS;
    for (size_t i = 0; i < WAYS; i++)
        ways[i] = (struct way){.ms = 20};
    ways[0] = (struct way){.ms = 0, .code = ACKD_E_TLS}; /* before the others had their turn */
    ck_assert_int_eq(world_run(go_through, NULL), ACKD_E_TLS);
    ck_assert_uint_eq(plan.started, 1);
}
END_TEST

START_TEST(rule_w15_a_cancelled_caller_gets_cancelled_whatever_failed_after_it)
{
    plan.count = WAYS;
    plan.each.concurrency = 2;
    for (size_t i = 0; i < WAYS; i++)
        ways[i] = (struct way){.ms = 20, .on_cancel = ACKD_E_EXIT};
    cancel_at(go_through, 30);
    ck_assert_int_eq(plan.code, ACKD_CANCELED);
    ck_assert_int_eq(world.end.code, ACKD_CANCELED);
    ck_assert_uint_eq(plan.started, 4);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
    cancel_at(go_through, 0);
    ck_assert_int_eq(plan.code, ACKD_CANCELED);
}
END_TEST

static struct ackd_cancel_source *source;

static int cancel_source(void *arg)
{
    ACKD_TRY(ackd_delay((uint64_t)(intptr_t)arg));
    ackd_cancel(source, ACKD_CANCEL_PAUSE, "test");
    return ACKD_OK;
}

static int go_through_with_token(void *arg)
{
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_cancel_source_new(&source));
    plan.each.token = ackd_cancel_source_token(source);
    if (arg == NULL)
        ackd_cancel(source, ACKD_CANCEL_PAUSE, "test");
    else
        ACKD_TRY(ackd_spawn(&scope, cancel_source, arg));
    void *items[WAYS];
    for (size_t i = 0; i < WAYS; i++)
        items[i] = &ways[i];
    plan.code = ackd_for_each(items, plan.count, each_item, &plan, &plan.each);
    plan.took_ms = passed_ms();
    ck_assert(!ackd_cancellation_requested());
    error_clear();
    int code = ackd_scope_join(&scope);
    ackd_cancel_source_unref(source);
    return code;
}

START_TEST(rule_w15_a_cancelled_token_makes_it_cancelled_and_failures_are_suppressed)
{
    plan.count = WAYS;
    plan.each.concurrency = 2;
    for (size_t i = 0; i < WAYS; i++)
        ways[i] = (struct way){.ms = 20, .on_cancel = ACKD_E_EXIT};
    ck_assert_int_eq(world_run(go_through_with_token, (void *)30), ACKD_OK);
    ck_assert_int_eq(plan.code, ACKD_CANCELED);
    ck_assert_uint_eq(plan.took_ms, 30);
    ck_assert_uint_eq(plan.started, 4);
    ck_assert_uint_eq(plan.not_started, WAYS - 4);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
    ck_assert_int_eq(world_run(go_through_with_token, NULL), ACKD_OK);
    ck_assert_int_eq(plan.code, ACKD_CANCELED);
    ck_assert_uint_eq(plan.started, 0);
    ways[0].code = ACKD_E_TLS; /* a failure that came first is one */
    ck_assert_int_eq(world_run(go_through_with_token, (void *)30), ACKD_OK);
    ck_assert_int_eq(plan.code, ACKD_E_TLS);
}
END_TEST

/* Whatever the moment, what was started has ended: fail_over, hedge and go_through look. */
START_TEST(each_can_be_cancelled_at_every_moment)
{
    ackd_task_fn *const acts[] = {fail_over, hedge, go_through};
    plan.each.concurrency = 2;
    plan.stagger_ms = 4;
    for (uint64_t ms = 0; ms < 45; ms++) {
        for (size_t i = 0; i < 3; i++) {
            plan.count = 3;
            for (int way = 0; way < 3; way++)
                ways[way] = (struct way){.ms = 10, .code = way < 2 ? ACKD_E_TLS : 0};
            struct ackd_task *task = world_spawn(acts[i], NULL);
            world_settle();
            world_pass_ms(ms);
            if (world_counts().live > 0)
                ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
            world_run_all();
            ck_assert_uint_eq(alive, 0);
            ck_assert(world.end.code == ACKD_CANCELED || world.end.code == ACKD_OK ||
                      (i == 2 && world.end.code == ACKD_E_TLS && ms >= 10));
        }
    }
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

/*
 * What a handler looks like: the order is paid through the first gateway that takes it, a refused
 * card being final, while the stock of three warehouses is asked for, of which two are enough.
 */
enum { CARD_REFUSED = ACKD_E_USER - 1, WAREHOUSES = 3 };

struct order {
    int gateway_codes[2]; /* 0: it takes the money; -1: it does not answer */
    int warehouse_codes[WAREHOUSES];
    bool paid;
    size_t gateway;
    int in_stock;
};

static struct order order;

static int pay(void *arg)
{
    int code = *(int *)arg;
    ACKD_TRY(ackd_delay(code == -1 ? 60000 : 20));
    if (code != 0)
        return ackd_fail(code, "the gateway refused");
    order.paid = true;
    return ACKD_OK;
}

static int ask_warehouse(void *arg)
{
    int code = *(int *)arg;
    ACKD_TRY(ackd_delay(30));
    return code == 0 ? ACKD_OK
                     : ackd_fail(code, "warehouse %d", (int)((int *)arg - order.warehouse_codes));
}

static int reserve(void *arg)
{
    (void)arg;
    const struct ackd_task_options options = {.name = "warehouse"};
    const struct ackd_error *errors[WAREHOUSES];
    struct ackd_task *tasks[WAREHOUSES];
    ACKD_SCOPE_SUPERVISED(scope);
    for (int i = 0; i < WAREHOUSES; i++)
        ACKD_TRY(
            ackd_spawn_task(&scope, ask_warehouse, &order.warehouse_codes[i], &options, &tasks[i]));
    int code = ackd_scope_join(&scope);
    for (int i = 0; i < WAREHOUSES && code == ACKD_OK; i++) {
        errors[i] = ackd_task_error(tasks[i]);
        order.in_stock += errors[i] == NULL;
    }
    if (code == ACKD_OK && order.in_stock < 2)
        code = ackd_aggregate(errors, WAREHOUSES);
    for (int i = 0; i < WAREHOUSES; i++)
        ackd_task_unref(tasks[i]);
    return code;
}

static int charge(void *arg)
{
    (void)arg;
    static const int final[] = {CARD_REFUSED};
    const struct ackd_alternative gateways[] = {{pay, &order.gateway_codes[0], "pay-north"},
                                                {pay, &order.gateway_codes[1], "pay-south"}};
    const struct ackd_failover_options options = {
        .per_try_ms = 500, .final_codes = final, .final_count = 1};
    int code = ackd_failover(gateways, 2, &options, &order.gateway);
    return code == CARD_REFUSED ? ackd_dead("the card was refused") : code;
}

static int handle_order(void *arg)
{
    (void)arg;
    ACKD_SCOPE(calls);
    ACKD_TRY(ackd_spawn(&calls, reserve, NULL));
    ACKD_TRY(ackd_spawn(&calls, charge, NULL));
    ACKD_TRY(ackd_scope_join(&calls));
    return ACKD_OK;
}

START_TEST(an_order_is_paid_through_the_second_gateway_with_one_warehouse_gone)
{
    order = (struct order){.gateway_codes = {-1, 0}, .warehouse_codes = {0, ACKD_E_TLS, 0}};
    ck_assert_int_eq(world_run(handle_order, NULL), ACKD_OK);
    ck_assert(order.paid);
    ck_assert_uint_eq(order.gateway, 1);
    ck_assert_int_eq(order.in_stock, 2);
    ck_assert_uint_eq(passed_ms(), 520);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

START_TEST(an_order_whose_card_is_refused_is_dead_and_keeps_the_story)
{
    order = (struct order){.gateway_codes = {ACKD_E_REFUSED, CARD_REFUSED}};
    ck_assert_int_eq(world_run(handle_order, NULL), ACKD_E_DEAD);
    ck_assert_int_eq(ackd_error_verdict(world.end.error), ACKD_VERDICT_DEAD);
    ck_assert_ptr_nonnull(strstr(world.end.text, "because E_USER-1: the gateway refused"));
    ck_assert_ptr_nonnull(strstr(world.end.text, "also E_REFUSED: the gateway refused"));
    ck_assert(!order.paid);
}
END_TEST

START_TEST(an_order_that_two_warehouses_fail_is_tried_again_with_both_failures)
{
    order = (struct order){.gateway_codes = {-1, -1},
                           .warehouse_codes = {ACKD_E_CLOSED, 0, ACKD_E_TLS}};
    ck_assert_int_eq(world_run(handle_order, NULL), ACKD_E_AGGREGATE);
    ck_assert_int_eq(ackd_error_verdict(world.end.error), ACKD_VERDICT_RETRY);
    ck_assert_str_eq(ackd_error_text(ackd_error_child(world.end.error, 0)), "warehouse 0");
    ck_assert_str_eq(ackd_error_text(ackd_error_child(world.end.error, 1)), "warehouse 2");
    ck_assert_uint_eq(passed_ms(), 30); /* the payment under way was stopped */
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/alternative");
    TCase *tc = tcase_create("alternative");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_w12_the_next_way_is_tried_when_one_has_failed);
    tcase_add_test(tc, rule_w12_all_failures_are_listed_in_order);
    tcase_add_test(tc, rule_w12_a_try_that_takes_too_long_has_failed);
    tcase_add_test(tc, rule_w12_a_final_code_stops_at_once);
    tcase_add_test(tc, rule_w12_a_cancelled_caller_starts_no_further_try);
    tcase_add_test(tc, rule_w13_the_next_way_starts_after_the_stagger);
    tcase_add_test(tc, rule_w13_the_next_way_starts_at_once_when_one_has_failed);
    tcase_add_test(tc, rule_w13_all_failures_are_listed_in_order);
    tcase_add_test(tc, rule_w13_a_loser_that_fails_afterwards_is_reported);
    tcase_add_test(tc, a_cancelled_hedge_waits_for_all_and_keeps_a_success);
    tcase_add_test(tc, rule_w14_no_more_than_asked_for_are_alive);
    tcase_add_test(tc, rule_w14_the_first_failure_stops_the_rest);
    tcase_add_test(tc, rule_w14_what_was_spawned_but_not_begun_does_not_begin);
    tcase_add_test(tc, rule_w15_a_cancelled_caller_gets_cancelled_whatever_failed_after_it);
    tcase_add_test(tc, rule_w15_a_cancelled_token_makes_it_cancelled_and_failures_are_suppressed);
    tcase_add_test(tc, each_can_be_cancelled_at_every_moment);
    tcase_add_test(tc, an_order_is_paid_through_the_second_gateway_with_one_warehouse_gone);
    tcase_add_test(tc, an_order_whose_card_is_refused_is_dead_and_keeps_the_story);
    tcase_add_test(tc, an_order_that_two_warehouses_fail_is_tried_again_with_both_failures);
    suite_add_tcase(suite, tc);
    return suite;
}
