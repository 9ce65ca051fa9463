/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "io/bridge.h"

#include <pthread.h>

#include "main.h"

START_TEST(test_shows_nothing_before_the_flush_and_wakes_only_for_something)
{
    struct loop *loop;
    struct bridge bridge;
    int items[2];
    ck_assert_int_eq(loop_new("to", &loop), 0);
    ck_assert_int_eq(bridge_init(&bridge, 2, loop), 0);
    bridge_flush(&bridge);
    ck_assert_uint_eq(bridge_wakes(&bridge), 0);
    ck_assert(bridge_send(&bridge, &items[0]));
    ck_assert(bridge_send(&bridge, &items[1]));
    ck_assert_ptr_null(bridge_receive(&bridge));
    ck_assert_uint_eq(bridge_sent(&bridge), 0);
    bridge_flush(&bridge);
    bridge_flush(&bridge);
    ck_assert_uint_eq(bridge_wakes(&bridge), 1);
    ck_assert_uint_eq(bridge_sent(&bridge), 2);
    ck_assert_ptr_eq(bridge_receive(&bridge), &items[0]);
    ck_assert_ptr_eq(bridge_receive(&bridge), &items[1]);
    ck_assert_ptr_null(bridge_receive(&bridge));
    bridge_fini(&bridge);
    loop_free(&loop);
}
END_TEST

START_TEST(test_refuses_when_full_and_goes_on_when_there_is_room)
{
    struct loop *loop;
    struct bridge bridge;
    int item;
    ck_assert_int_eq(loop_new("to", &loop), 0);
    ck_assert_int_eq(bridge_init(&bridge, 4, loop), 0);
    for (int i = 0; i < 4; i++)
        ck_assert(bridge_send(&bridge, &item));
    ck_assert(!bridge_send(&bridge, &item));
    bridge_flush(&bridge);
    ck_assert_uint_eq(bridge_sent(&bridge), 4);
    while (bridge_receive(&bridge) != NULL)
        ;
    ck_assert(bridge_send(&bridge, &item));
    bridge_fini(&bridge);
    loop_free(&loop);
}
END_TEST

/* There and back between two loops on threads of their own. */
struct shuttle {
    struct loop *here, *there;
    struct bridge out, back;
    uintptr_t count, next_out, next_back, seen_there, unflushed;
    bool in_order;
};

static uint64_t turn_there(void *arg)
{
    struct shuttle *shuttle = arg;
    for (;;) {
        if (shuttle->unflushed != 0) {
            if (!bridge_send(&shuttle->back, (void *)shuttle->unflushed))
                break;
            shuttle->unflushed = 0;
        }
        uintptr_t item = (uintptr_t)bridge_receive(&shuttle->out);
        if (item == 0)
            break;
        if (item != ++shuttle->seen_there)
            shuttle->in_order = false;
        shuttle->unflushed = item;
    }
    bridge_flush(&shuttle->back);
    return shuttle->unflushed != 0 ? 0 : TIMER_NEVER;
}

static uint64_t turn_here(void *arg)
{
    struct shuttle *shuttle = arg;
    uintptr_t item;
    while ((item = (uintptr_t)bridge_receive(&shuttle->back)) != 0) {
        if (item != ++shuttle->next_back)
            shuttle->in_order = false;
    }
    while (shuttle->next_out < shuttle->count &&
           bridge_send(&shuttle->out, (void *)(shuttle->next_out + 1)))
        shuttle->next_out++;
    bridge_flush(&shuttle->out);
    if (shuttle->next_back == shuttle->count)
        loop_stop(shuttle->here);
    return TIMER_NEVER;
}

START_TEST(test_between_loops_nothing_is_lost_and_wake_ups_are_few)
{
    struct shuttle shuttle = {.count = test_scale(300000), .in_order = true};
    ck_assert_int_eq(loop_new("here", &shuttle.here), 0);
    ck_assert_int_eq(loop_new("there", &shuttle.there), 0);
    ck_assert_int_eq(bridge_init(&shuttle.out, 512, shuttle.there), 0);
    ck_assert_int_eq(bridge_init(&shuttle.back, 512, shuttle.here), 0);
    loop_set_turn(shuttle.here, turn_here, &shuttle);
    loop_set_turn(shuttle.there, turn_there, &shuttle);
    ck_assert_int_eq(loop_start(shuttle.there), 0);
    loop_run(shuttle.here);
    loop_stop(shuttle.there);
    loop_join(shuttle.there);
    ck_assert(shuttle.in_order);
    ck_assert_uint_eq(bridge_sent(&shuttle.out), shuttle.count);
    ck_assert_uint_eq(bridge_sent(&shuttle.back), shuttle.count);
    if (shuttle.count >= 10000)
        ck_assert_uint_lt(bridge_wakes(&shuttle.out), shuttle.count / 4);
    bridge_fini(&shuttle.out);
    bridge_fini(&shuttle.back);
    loop_free(&shuttle.here);
    loop_free(&shuttle.there);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/bridge");
    TCase *tc = tcase_create("bridge");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_shows_nothing_before_the_flush_and_wakes_only_for_something);
    tcase_add_test(tc, test_refuses_when_full_and_goes_on_when_there_is_room);
    tcase_add_test(tc, test_between_loops_nothing_is_lost_and_wake_ups_are_few);
    suite_add_tcase(suite, tc);
    return suite;
}
