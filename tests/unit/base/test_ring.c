/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include "main.h"

START_TEST(test_holds_what_was_published_in_order)
{
    struct ring ring;
    int items[3];
    ck_assert_int_eq(ring_init(&ring, 3), 0);
    ck_assert(ring_push(&ring, &items[0]));
    ck_assert(ring_push(&ring, &items[1]));
    ck_assert_ptr_null(ring_pop(&ring)); /* R2 */
    ck_assert(ring_publish(&ring));
    ck_assert(!ring_publish(&ring));
    ck_assert_ptr_eq(ring_pop(&ring), &items[0]);
    ck_assert_ptr_eq(ring_pop(&ring), &items[1]);
    ck_assert_ptr_null(ring_pop(&ring));
    ring_fini(&ring);
}
END_TEST

START_TEST(test_refuses_when_full)
{
    struct ring ring;
    int item;
    ck_assert_int_eq(ring_init(&ring, 4), 0);
    for (int i = 0; i < 4; i++)
        ck_assert(ring_push(&ring, &item));
    ck_assert(!ring_push(&ring, &item));
    ck_assert(ring_publish(&ring));
    while (ring_pop(&ring) != NULL)
        ;
    ck_assert(ring_push(&ring, &item));
    ring_fini(&ring);
}
END_TEST

START_TEST(test_the_place_of_an_item_is_free_when_it_was_taken)
{
    struct ring ring;
    int item;
    ck_assert_int_eq(ring_init(&ring, 4), 0);
    for (int i = 0; i < 4; i++)
        ck_assert(ring_push(&ring, &item));
    ck_assert(ring_publish(&ring));
    for (int i = 0; i < 100; i++) { /* never empty, and never more than four under way */
        ck_assert_ptr_nonnull(ring_pop(&ring));
        ck_assert(ring_push(&ring, &item));
        ck_assert(!ring_push(&ring, &item));
        if (i % 3 == 0)
            ck_assert(ring_publish(&ring));
    }
    ring_fini(&ring);
}
END_TEST

static void *produce(void *arg)
{
    struct ring *ring = arg;
    uintptr_t count = test_scale(200000);
    for (uintptr_t i = 1; i <= count; i++) {
        while (!ring_push(ring, (void *)i)) {
            ring_publish(ring);
            sched_yield(); /* the consumer may have no processor */
        }
        if (i % 7 == 0)
            ring_publish(ring);
    }
    ring_publish(ring);
    return NULL;
}

START_TEST(test_between_threads_nothing_is_lost_or_turned_round)
{
    struct ring ring;
    pthread_t producer;
    ck_assert_int_eq(ring_init(&ring, 64), 0);
    ck_assert_int_eq(pthread_create(&producer, NULL, produce, &ring), 0);
    uintptr_t count = test_scale(200000);
    uintptr_t expected = 1;
    while (expected <= count) {
        uintptr_t item = (uintptr_t)ring_pop(&ring);
        if (item == 0) {
            sched_yield();
            continue;
        }
        ck_assert_uint_eq(item, expected);
        expected++;
    }
    pthread_join(producer, NULL);
    ck_assert_ptr_null(ring_pop(&ring));
    ring_fini(&ring);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/ring");
    TCase *tc = tcase_create("ring");
    tcase_add_test(tc, test_holds_what_was_published_in_order);
    tcase_add_test(tc, test_refuses_when_full);
    tcase_add_test(tc, test_the_place_of_an_item_is_free_when_it_was_taken);
    tcase_add_test(tc, test_between_threads_nothing_is_lost_or_turned_round);
    suite_add_tcase(suite, tc);
    return suite;
}
