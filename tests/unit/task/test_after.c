/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "task/after.h"

#include <pthread.h>

#include "base/error.h"
#include "task/source.h"
#include "world.h"

static struct ackd_cancel_source *source;
static unsigned calls;

static void reset(void)
{
    world_new();
    ck_assert_int_eq(ackd_cancel_source_new(&source), ACKD_OK);
    calls = 0;
}

static void leave(void)
{
    ackd_cancel_source_unref(source);
    world_free();
}

static bool is_canceled(void)
{
    return ackd_token_canceled(ackd_cancel_source_token(source));
}

static enum ackd_cancel_reason reason(void)
{
    return ackd_token_reason(ackd_cancel_source_token(source), NULL);
}

static void count(void *arg)
{
    (void)arg;
    calls++;
}

static const uint64_t limits[] = {0, 50, 500, UINT64_MAX};

static int set_limit(void *arg)
{
    return ackd_cancel_after(source, *(const uint64_t *)arg);
}

static int set_limit_to(uint64_t ms)
{
    return world_run(set_limit, &ms);
}

START_TEST(rule_c13_nought_cancels_before_it_returns)
{
    struct ackd_cancel_registration registration;
    ackd_cancel_register(ackd_cancel_source_token(source), &registration, count, NULL);
    ck_assert_int_eq(set_limit_to(limits[0]), ACKD_OK);
    ck_assert_int_eq(reason(), ACKD_CANCEL_DEADLINE);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

START_TEST(rule_c13_a_second_request_takes_the_place_of_the_first)
{
    struct ackd_cancel_registration registration;
    ackd_cancel_register(ackd_cancel_source_token(source), &registration, count, NULL);
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    ck_assert_int_eq(set_limit_to(limits[2]), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 1);
    world_pass_ms(499);
    ck_assert(!is_canceled());
    world_pass_ms(1);
    ck_assert_int_eq(reason(), ACKD_CANCEL_DEADLINE);
    world_pass_ms(1000);
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

START_TEST(rule_c13_the_greatest_number_takes_the_request_back)
{
    ck_assert_int_eq(set_limit_to(limits[3]), ACKD_OK);
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    ck_assert_int_eq(set_limit_to(limits[3]), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
    world_pass_ms(1000);
    ck_assert(!is_canceled());
}
END_TEST

START_TEST(rule_c13_once_cancelled_it_has_no_effect)
{
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    ackd_cancel(source, ACKD_CANCEL_PAUSE, NULL);
    ck_assert_uint_eq(world_counts().timers, 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(set_limit_to(limits[i]), ACKD_OK);
    ck_assert_uint_eq(world_counts().timers, 0);
    world_pass_ms(1000);
    ck_assert_int_eq(reason(), ACKD_CANCEL_PAUSE);
}
END_TEST

START_TEST(rule_c14_reset_drops_the_request_too)
{
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    ck_assert(ackd_cancel_source_try_reset(source));
    ck_assert_uint_eq(world_counts().timers, 0);
    world_pass_ms(1000);
    ck_assert(!is_canceled());
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    world_pass_ms(50);
    ck_assert(!ackd_cancel_source_try_reset(source));
}
END_TEST

START_TEST(letting_go_of_the_source_stops_the_timer)
{
    struct ackd_cancel_source *mine = source;
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    ackd_cancel_source_unref(mine);
    ck_assert_uint_eq(world_counts().timers, 0);
    source = NULL;
}
END_TEST

static void *elsewhere_do(void *arg)
{
    void (*fn)(struct ackd_cancel_source * source) = *(void (**)(struct ackd_cancel_source *))arg;
    fn(source);
    return NULL;
}

static void elsewhere(void (*fn)(struct ackd_cancel_source *source))
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, elsewhere_do, &fn), 0);
    pthread_join(thread, NULL);
}

static void cancel(struct ackd_cancel_source *it)
{
    ackd_cancel(it, ACKD_CANCEL_REQUESTED, NULL);
}

static void try_reset(struct ackd_cancel_source *it)
{
    ck_assert(ackd_cancel_source_try_reset(it));
}

static void set_on_a_plain_thread(struct ackd_cancel_source *it)
{
    ck_assert_int_eq(ackd_cancel_after(it, 50), ACKD_E_NOT_IN_TASK);
    error_clear();
}

START_TEST(rule_c13_cancelled_on_another_thread_the_loop_stops_the_timer)
{
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    elsewhere(cancel);
    ck_assert_uint_eq(atomic_load(&world.wakes), 1);
    scheduler_turn(world.scheduler);
    ck_assert_uint_eq(world_counts().timers, 0);
    ck_assert_int_eq(reason(), ACKD_CANCEL_REQUESTED);
    ck_assert_uint_eq(atomic_load(&source->references), 1);
}
END_TEST

START_TEST(rule_c14_reset_on_another_thread_voids_the_timer_at_once)
{
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    elsewhere(try_reset);
    world.now_ns += 100 * NS_PER_MS;
    world_settle();
    ck_assert(!is_canceled());
    ck_assert_uint_eq(world_counts().timers, 0);
    ck_assert_uint_eq(atomic_load(&source->references), 1);
}
END_TEST

static int reset_elsewhere_and_set_anew(void *arg)
{
    (void)arg;
    ck_assert_int_eq(ackd_cancel_after(source, 50), ACKD_OK);
    elsewhere(try_reset);
    ck_assert_int_eq(ackd_cancel_after(source, 100), ACKD_OK);
    elsewhere(try_reset);
    ck_assert_int_eq(ackd_cancel_after(source, 200), ACKD_OK);
    return ACKD_OK;
}

START_TEST(a_request_after_a_reset_elsewhere_counts)
{
    ck_assert_int_eq(world_run(reset_elsewhere_and_set_anew, NULL), ACKD_OK);
    world_pass_ms(199);
    ck_assert(!is_canceled());
    world_pass_ms(1);
    ck_assert_int_eq(reason(), ACKD_CANCEL_DEADLINE);
    ck_assert_uint_eq(atomic_load(&source->references), 1);
}
END_TEST

START_TEST(let_go_of_on_another_thread_it_is_freed_on_the_loop)
{
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    elsewhere(ackd_cancel_source_unref);
    ck_assert_uint_eq(world_counts().timers, 1);
    if (_i == 1)
        world.now_ns += 100 * NS_PER_MS; /* due before the loop heard of it */
    world_settle();
    ck_assert_uint_eq(world_counts().timers, 0);
    source = NULL;
}
END_TEST

START_TEST(a_loop_that_ends_takes_its_timers_with_it)
{
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    if (_i == 1)
        elsewhere(try_reset);
    else if (_i == 2)
        elsewhere(ackd_cancel_source_unref);
    scheduler_free(&world.scheduler);
    world_new();
    if (_i == 2) {
        source = NULL;
        return;
    }
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_E_WRONG_LOOP);
    world_pass_ms(1000);
    ck_assert(!is_canceled());
    elsewhere(cancel);
    ck_assert(is_canceled());
}
END_TEST

START_TEST(it_is_set_on_its_loop_only)
{
    ck_assert_int_eq(ackd_cancel_after(source, 1), ACKD_E_NOT_IN_TASK);
    elsewhere(set_on_a_plain_thread);
    ck_assert_int_eq(set_limit_to(limits[1]), ACKD_OK);
    ck_assert(!is_canceled());
}
END_TEST

static int set_on_what_is_not_ours(void *arg)
{
    ck_assert_int_eq(ackd_cancel_after(NULL, 0), ACKD_E_INVAL);
    return ackd_cancel_after(arg, 0);
}

START_TEST(a_lent_source_has_no_timer)
{
    struct ackd_cancel_source lent;
    source_init(&lent);
    ck_assert_int_eq(world_run(set_on_what_is_not_ours, &lent), ACKD_E_INVAL);
    ck_assert(!ackd_token_canceled(ackd_cancel_source_token(&lent)));
    source_fini(&lent);
}
END_TEST

struct storm {
    struct ackd_cancel_source *source;
    atomic_uint turn; /* rounds begun */
    atomic_bool over;
};

static void *storm_elsewhere(void *arg)
{
    struct storm *storm = arg;
    unsigned seen = 0;
    while (!atomic_load(&storm->over)) {
        unsigned turn = atomic_load(&storm->turn);
        if (turn == seen)
            continue;
        seen = turn;
        if (turn % 3 == 0)
            (void)ackd_cancel_source_try_reset(storm->source);
        else if (turn % 3 == 1)
            ackd_cancel(storm->source, ACKD_CANCEL_REQUESTED, NULL);
        ackd_cancel_source_unref(storm->source);
        atomic_fetch_add(&storm->turn, 1);
        seen++;
    }
    return NULL;
}

static int storm_rounds(void *arg)
{
    struct storm *storm = arg;
    for (unsigned long i = 0; i < test_scale(20000); i++) {
        struct ackd_cancel_source *mine;
        ck_assert_int_eq(ackd_cancel_source_new(&mine), ACKD_OK);
        test_that(ackd_cancel_after(mine, i % 3) == ACKD_OK);
        storm->source = ackd_cancel_source_ref(mine);
        unsigned turn = atomic_fetch_add(&storm->turn, 1) + 1;
        if (i % 5 == 0)
            test_that(ackd_delay(1) == ACKD_OK);
        test_that(ackd_cancel_after(mine, 1 + i % 2) == ACKD_OK);
        ackd_cancel_source_unref(mine);
        while (atomic_load(&storm->turn) == turn)
            test_that(ackd_yield() == ACKD_OK);
    }
    return ackd_delay(10);
}

START_TEST(arming_firing_resetting_and_letting_go_at_once_leaves_no_timer)
{
    struct storm storm = {.source = NULL};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, storm_elsewhere, &storm), 0);
    ck_assert_int_eq(world_run(storm_rounds, &storm), ACKD_OK);
    atomic_store(&storm.over, true);
    pthread_join(thread, NULL);
    world_pass_ms(10);
    ck_assert_uint_eq(world_counts().timers, 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/after");
    TCase *tc = tcase_create("after");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, reset, leave);
    tcase_add_test(tc, rule_c13_nought_cancels_before_it_returns);
    tcase_add_test(tc, rule_c13_a_second_request_takes_the_place_of_the_first);
    tcase_add_test(tc, rule_c13_the_greatest_number_takes_the_request_back);
    tcase_add_test(tc, rule_c13_once_cancelled_it_has_no_effect);
    tcase_add_test(tc, rule_c14_reset_drops_the_request_too);
    tcase_add_test(tc, letting_go_of_the_source_stops_the_timer);
    tcase_add_test(tc, rule_c13_cancelled_on_another_thread_the_loop_stops_the_timer);
    tcase_add_test(tc, rule_c14_reset_on_another_thread_voids_the_timer_at_once);
    tcase_add_test(tc, a_request_after_a_reset_elsewhere_counts);
    tcase_add_loop_test(tc, let_go_of_on_another_thread_it_is_freed_on_the_loop, 0, 2);
    tcase_add_loop_test(tc, a_loop_that_ends_takes_its_timers_with_it, 0, 3);
    tcase_add_test(tc, it_is_set_on_its_loop_only);
    tcase_add_test(tc, a_lent_source_has_no_timer);
    tcase_add_test(tc, arming_firing_resetting_and_letting_go_at_once_leaves_no_timer);
    suite_add_tcase(suite, tc);
    return suite;
}
