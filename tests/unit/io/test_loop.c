/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "io/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "main.h"

struct world {
    struct loop *loop;
    struct timer timer;
    struct timer stop;
    uint64_t next_ns; /* what the turn returns */
    unsigned turns;
    unsigned fired;
    uint64_t fired_ns;
    unsigned turns_at_fire;
    unsigned turns_max; /* stop there */
    atomic_uint woken;
};

static uint64_t turn(void *arg)
{
    struct world *world = arg;
    world->turns++;
    if (world->turns_max > 0 && world->turns >= world->turns_max)
        loop_stop(world->loop);
    return world->next_ns;
}

static void fire(struct timer *timer)
{
    struct world *world = LIST_ITEM(timer, world, timer);
    world->fired++;
    world->fired_ns = loop_now_ns(world->loop);
    world->turns_at_fire = world->turns;
}

static void stop(struct timer *timer)
{
    struct world *world = LIST_ITEM(timer, world, stop);
    loop_stop(world->loop);
}

static void world_init(struct world *world)
{
    *world = (struct world){.next_ns = TIMER_NEVER};
    timer_init(&world->timer, fire);
    timer_init(&world->stop, stop);
    ck_assert_int_eq(loop_new("test", &world->loop), 0);
    loop_set_turn(world->loop, turn, world);
}

static void world_run(struct world *world, uint64_t ms)
{
    uint64_t now_ns = loop_now_ns(world->loop);
    timer_start(loop_timers(world->loop), &world->stop, timer_after_ms(now_ns, ms));
    loop_run(world->loop);
}

START_TEST(test_runs_the_turn_after_the_timers_of_the_same_round)
{
    struct world world;
    world_init(&world);
    timer_start(loop_timers(world.loop), &world.timer, loop_now_ns(world.loop));
    world.turns_max = 1;
    loop_run(world.loop);
    ck_assert_uint_eq(world.fired, 1);
    ck_assert_uint_eq(world.turns_at_fire, 0);
    ck_assert_uint_eq(world.turns, 1);
    loop_free(&world.loop);
    ck_assert_ptr_null(world.loop);
}
END_TEST

START_TEST(test_never_fires_a_timer_early)
{
    struct world world;
    world_init(&world);
    for (unsigned i = 0; i < test_scale(60); i++) {
        uint64_t due_ns = loop_now_ns(world.loop) + 1 + i * 61003;
        timer_start(loop_timers(world.loop), &world.timer, due_ns);
        timer_start(loop_timers(world.loop), &world.stop, due_ns);
        loop_run(world.loop);
        test_that(world.fired == i + 1);
        test_that(world.fired_ns >= due_ns);
    }
    loop_free(&world.loop);
}
END_TEST

static uint64_t slow_turn(void *arg)
{
    struct world *world = arg;
    if (world->turns++ == 0) {
        uint64_t start_ns = loop_now_ns(world->loop);
        while (loop_now_ns(world->loop) - start_ns < 30 * NS_PER_MS)
            ;
        world->next_ns = loop_now_ns(world->loop) + 40 * NS_PER_MS;
        return world->next_ns;
    }
    if (loop_now_ns(world->loop) >= world->next_ns)
        loop_stop(world->loop);
    return world->next_ns;
}

START_TEST(test_comes_round_when_the_turn_asked_for_it_also_after_a_long_turn)
{
    struct world world;
    world_init(&world);
    loop_set_turn(world.loop, slow_turn, &world);
    loop_run(world.loop);
    ck_assert_uint_ge(loop_now_ns(world.loop), world.next_ns);
    ck_assert_uint_le(world.turns, 4);
    loop_free(&world.loop);
}
END_TEST

START_TEST(test_comes_round_at_once_while_the_turn_returns_0_and_still_serves_timers)
{
    struct world world;
    world_init(&world);
    world.next_ns = 0;
    uint64_t now_ns = loop_now_ns(world.loop);
    timer_start(loop_timers(world.loop), &world.timer, timer_after_ms(now_ns, 2));
    world_run(&world, 300); /* long enough for 20 turns on the slowest machine */
    ck_assert_uint_eq(world.fired, 1);
    ck_assert_uint_gt(world.turns, 20);
    loop_free(&world.loop);
}
END_TEST

START_TEST(test_makes_no_wake_up_while_there_is_nothing_to_do)
{
    struct world world;
    world_init(&world);
    world_run(&world, 150);
    /* The first, the one at the end, and the one that may see the clock a little before. */
    ck_assert_uint_le(world.turns, 3);
    loop_free(&world.loop);
}
END_TEST

static uint64_t count_wakes(void *arg)
{
    struct world *world = arg;
    world->turns++;
    unsigned expected = 4;
    if (atomic_load(&world->woken) >= expected)
        loop_stop(world->loop);
    return TIMER_NEVER;
}

static void *wake_often(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < 20000; i++)
        loop_wake(world->loop);
    atomic_fetch_add(&world->woken, 1);
    loop_wake(world->loop);
    return NULL;
}

START_TEST(test_wakes_from_other_threads_and_many_wakes_are_few_rounds)
{
    struct world world;
    pthread_t threads[4];
    world_init(&world);
    loop_set_turn(world.loop, count_wakes, &world);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wake_often, &world), 0);
    loop_run(world.loop);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_lt(world.turns, 80000);
    loop_free(&world.loop);
}
END_TEST

struct place {
    struct loop *loop;
    struct loop *current;
    char name[32];
    sigset_t mask;
    atomic_uint turns;
};

static uint64_t note_place(void *arg)
{
    struct place *place = arg;
    place->current = loop_current();
    pthread_getname_np(pthread_self(), place->name, sizeof place->name);
    pthread_sigmask(SIG_BLOCK, NULL, &place->mask);
    atomic_fetch_add(&place->turns, 1);
    return TIMER_NEVER;
}

START_TEST(rule_k8_a_loop_has_a_named_thread_that_takes_no_signal_but_faults)
{
    struct place place = {0};
    ck_assert_int_eq(loop_new("loop 7", &place.loop), 0);
    ck_assert_ptr_null(loop_current());
    loop_set_turn(place.loop, note_place, &place);
    ck_assert_int_eq(loop_start(place.loop), 0);
    unsigned before = atomic_load(&place.turns);
    loop_wake(place.loop);
    while (atomic_load(&place.turns) <= before)
        loop_wake(place.loop);
    loop_stop(place.loop);
    loop_join(place.loop);
    ck_assert_ptr_eq(place.current, place.loop);
    ck_assert_ptr_null(loop_current());
    ck_assert_int_eq(sigismember(&place.mask, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&place.mask, SIGUSR1), 1);
    ck_assert_int_eq(sigismember(&place.mask, SIGCHLD), 1);
    ck_assert_int_eq(sigismember(&place.mask, SIGPIPE), 1);
    ck_assert_int_eq(sigismember(&place.mask, SIGSEGV), 0);
    ck_assert_int_eq(sigismember(&place.mask, SIGABRT), 0);
    ck_assert_str_eq(place.name, "loop 7");
    loop_free(&place.loop);
}
END_TEST

START_TEST(test_starts_and_stops_again_and_again)
{
    for (unsigned i = 0; i < test_scale(100); i++) {
        struct loop *loops[2];
        for (int k = 0; k < 2; k++) {
            ck_assert_int_eq(loop_new("again", &loops[k]), 0);
            ck_assert_int_eq(loop_start(loops[k]), 0);
        }
        for (int k = 0; k < 2; k++) {
            loop_stop(loops[(k + i) % 2]);
            loop_join(loops[(k + i) % 2]);
            loop_free(&loops[(k + i) % 2]);
        }
    }
}
END_TEST

START_TEST(test_does_not_run_after_a_stop_that_came_first)
{
    struct world world;
    world_init(&world);
    loop_stop(world.loop);
    loop_run(world.loop);
    ck_assert_uint_eq(world.turns, 0);
    world_run(&world, 1);
    ck_assert_uint_gt(world.turns, 0);
    loop_free(&world.loop);
    loop_free(&world.loop);
}
END_TEST

START_TEST(test_knows_the_time_of_the_wall)
{
    struct world world;
    world_init(&world);
    uint64_t now_s = loop_wall_ns(world.loop) / NS_PER_S;
    ck_assert_uint_gt(now_s, UINT64_C(1600000000));
    uint64_t before_ns = loop_now_ns(world.loop);
    ck_assert_uint_ge(loop_now_ns(world.loop), before_ns);
    loop_free(&world.loop);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/loop");
    TCase *tc = tcase_create("loop");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, test_runs_the_turn_after_the_timers_of_the_same_round);
    tcase_add_test(tc, test_never_fires_a_timer_early);
    tcase_add_test(tc, test_comes_round_when_the_turn_asked_for_it_also_after_a_long_turn);
    tcase_add_test(tc, test_comes_round_at_once_while_the_turn_returns_0_and_still_serves_timers);
    tcase_add_test(tc, test_makes_no_wake_up_while_there_is_nothing_to_do);
    tcase_add_test(tc, test_wakes_from_other_threads_and_many_wakes_are_few_rounds);
    tcase_add_test(tc, rule_k8_a_loop_has_a_named_thread_that_takes_no_signal_but_faults);
    tcase_add_test(tc, test_starts_and_stops_again_and_again);
    tcase_add_test(tc, test_does_not_run_after_a_stop_that_came_first);
    tcase_add_test(tc, test_knows_the_time_of_the_wall);
    suite_add_tcase(suite, tc);
    return suite;
}
