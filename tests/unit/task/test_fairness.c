/* SPDX-License-Identifier: MIT */
/* Who runs when: no task keeps the others waiting by never having to wait itself. */
#include <config.h>

#include <string.h>

#include "base/timer.h"
#include "task/task.h"
#include "task/wait.h"
#include "world.h"

static char order[64];

static void note(char letter)
{
    size_t length = strlen(order);
    ck_assert_uint_lt(length + 1, sizeof order);
    order[length] = letter;
    order[length + 1] = '\0';
}

static void reset(void)
{
    world_new();
    order[0] = '\0';
}

static int yield_and_note(void *arg)
{
    const char *letters = arg;
    note(letters[0]);
    ACKD_TRY(ackd_yield());
    note(letters[1]);
    return ACKD_OK;
}

START_TEST(rule_y1_a_yielder_comes_after_all_that_were_ready)
{
    static char a[] = "aA", b[] = "bB", c[] = "cC";
    world_spawn(yield_and_note, a);
    world_spawn(yield_and_note, b);
    world_spawn(yield_and_note, c);
    world_run_all();
    ck_assert_str_eq(order, "abcABC");
}
END_TEST

/*
 * Each await takes a microsecond of the clock, and completes at once: what a task that consumes an
 * ever full mailbox does.
 */
struct busy {
    struct ackd_task *complete;
    uint64_t awaits;
    uint64_t served_ns; /* when the timer's task ran; 0: not yet */
    uint64_t due_ns;
    bool posted_ran;
};

static int sleep_a_millisecond(void *arg)
{
    struct busy *busy = arg;
    busy->due_ns = world.now_ns + NS_PER_MS;
    ACKD_TRY(ackd_delay(1));
    busy->served_ns = world.now_ns;
    return ACKD_OK;
}

static int return_at_once(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static int await_what_is_complete(void *arg)
{
    struct busy *busy = arg;
    ACKD_SCOPE(scope);
    const struct ackd_task_options options = {.name = "complete"};
    ACKD_TRY(ackd_spawn_task(&scope, return_at_once, NULL, &options, &busy->complete));
    ACKD_TRY(ackd_spawn(&scope, sleep_a_millisecond, busy));
    while (busy->served_ns == 0 && busy->awaits < 1000000) {
        ACKD_TRY(ackd_await(busy->complete));
        busy->awaits++;
        world.now_ns += 1000;
    }
    ackd_task_unref(busy->complete);
    return ackd_scope_join(&scope);
}

START_TEST(rule_y2_a_timer_is_served_while_a_task_never_has_to_wait)
{
    struct busy busy = {0};
    ck_assert_int_eq(world_run(await_what_is_complete, &busy), ACKD_OK);
    ck_assert_uint_ne(busy.served_ns, 0);
    ck_assert_uint_ge(busy.served_ns, busy.due_ns);
    ck_assert_uint_le(busy.served_ns, busy.due_ns + 5 * NS_PER_MS);
    ck_assert_uint_gt(busy.awaits, 900);
}
END_TEST

static int delay_nothing(void *arg)
{
    uint64_t *left = arg;
    while (*left > 0) {
        --*left;
        ACKD_TRY(ackd_delay(0));
    }
    return ACKD_OK;
}

static unsigned long served;

static void serve(struct scheduler_post *post)
{
    (void)post;
    served++;
}

START_TEST(rule_y5_no_delay_completes_at_once_and_others_are_served_meanwhile)
{
    uint64_t many = test_scale(10000000);
    uint64_t left = many;
    struct scheduler_post post = {.run = serve};
    unsigned long turns = 0;
    served = 0;
    world_spawn(delay_nothing, &left);
    while (world_counts().live > 0) {
        ck_assert_uint_eq(served, turns); /* what came during one turn is served in the next */
        uint64_t before = left;
        ck_assert(scheduler_post(world.scheduler, &post));
        scheduler_turn(world.scheduler);
        turns++;
        test_that(before - left <= 256 * 128 + 1);
    }
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert_uint_ge(turns, many / (256 * 128));
    /* Once for each spending of the budget, and once more. */
    ck_assert_uint_le(world_counts().dispatched, many / 128 + 2);
    ck_assert_uint_eq(world.now_ns, 1000 * NS_PER_S);
}
END_TEST

START_TEST(rule_y5_a_delay_of_nothing_does_not_switch)
{
    uint64_t left = 100;
    ck_assert_int_eq(world_run(delay_nothing, &left), ACKD_OK);
    ck_assert_uint_eq(world_counts().dispatched, 1);
}
END_TEST

/* Y6: waits of different kinds, ended in a mixed order. */

static struct wait *open_waits[4];

static int wait_for_io(void *arg)
{
    const char *which = arg;
    struct wait wait;
    ACKD_TRY(wait_check(ACKD_HERE));
    wait_init(&wait, WAIT_PIPE, NULL, ACKD_HERE);
    open_waits[which[1] - '0'] = &wait;
    int code = wait_park(&wait);
    note(which[0]);
    return code;
}

static int wait_for_time(void *arg)
{
    const char *which = arg;
    ACKD_TRY(ackd_delay((uint64_t)(which[1] - '0')));
    note(which[0]);
    return ACKD_OK;
}

struct pair {
    char letter;
    struct ackd_task *task;
};

static int wait_for_task(void *arg)
{
    struct pair *pair = arg;
    int code = ackd_await(pair->task);
    note(pair->letter);
    return code;
}

static void finish_two(struct scheduler_post *post)
{
    (void)post;
    wait_finish(open_waits[1], ACKD_OK);
    wait_finish(open_waits[0], ACKD_OK);
}

START_TEST(rule_y6_all_run_in_the_order_in_which_they_became_ready)
{
    static char t1[] = "t1", u1[] = "u1", x0[] = "x0", y1[] = "y1", z2[] = "z2";
    world_spawn(wait_for_time, u1);
    world_spawn(wait_for_io, x0);
    world_spawn(wait_for_io, y1);
    struct pair pair = {.letter = 'p', .task = world_spawn(wait_for_io, z2)};
    world_spawn(wait_for_task, &pair);
    world_spawn(wait_for_time, t1);
    world_settle();
    ck_assert_str_eq(order, "");
    /* Ready in this order: what a descriptor's callback ends between turns; then, in the turn, the
     * posted call's y and x, the timers' u and t; last p, which z2 makes ready by ending. */
    struct scheduler_post post = {.run = finish_two};
    ck_assert(scheduler_post(world.scheduler, &post));
    wait_finish(open_waits[2], ACKD_OK);
    world.now_ns += NS_PER_MS;
    world_run_all();
    ck_assert_str_eq(order, "zyxutp");
}
END_TEST

static int spawn_in_order(void *arg)
{
    (void)arg;
    static char letters[20][3];
    ACKD_SCOPE(scope);
    for (size_t i = 0; i < 20; i++) {
        letters[i][0] = (char)('a' + i);
        letters[i][1] = (char)('A' + i);
        ACKD_TRY(ackd_spawn(&scope, yield_and_note, letters[i]));
    }
    return ackd_scope_join(&scope);
}

START_TEST(rule_y6_across_turns_too)
{
    world_spawn(spawn_in_order, NULL);
    world_run_all();
    ck_assert_str_eq(order, "abcdefghijklmnopqrstABCDEFGHIJKLMNOPQRST");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/fairness");
    TCase *tc = tcase_create("fairness");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_y1_a_yielder_comes_after_all_that_were_ready);
    tcase_add_test(tc, rule_y2_a_timer_is_served_while_a_task_never_has_to_wait);
    tcase_add_test(tc, rule_y5_no_delay_completes_at_once_and_others_are_served_meanwhile);
    tcase_add_test(tc, rule_y5_a_delay_of_nothing_does_not_switch);
    tcase_add_test(tc, rule_y6_all_run_in_the_order_in_which_they_became_ready);
    tcase_add_test(tc, rule_y6_across_turns_too);
    suite_add_tcase(suite, tc);
    return suite;
}
