/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "amqp/delivery.h"

#include <ackd/error.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "server.h"

START_TEST(test_a_new_delivery_is_empty_and_its_extra_bytes_are_zero)
{
    struct delivery_pool *pool = NULL;
    ck_assert_int_eq(delivery_pool_new(100, 4, &pool), ACKD_OK);
    static const uint8_t zero[100];
    for (int i = 0; i < 3; i++) {
        struct delivery *delivery = delivery_new(pool);
        ck_assert_ptr_nonnull(delivery);
        ck_assert_mem_eq(delivery->extra, zero, sizeof zero);
        ck_assert_str_eq(delivery->consumer_tag, "");
        ck_assert_str_eq(delivery->exchange, "");
        ck_assert_str_eq(delivery->routing_key, "");
        ck_assert_int_eq(delivery->properties.priority, -1);
        ck_assert_int_eq(delivery->properties.delivery_mode, -1);
        ck_assert_ptr_null(delivery->properties.type);
        ck_assert_ptr_nonnull(delivery->body.data);
        ck_assert_ptr_null(delivery->poison);
        memset(delivery->extra, 0xff, 100);
        delivery->tag = 5;
        delivery->poison = "x";
        delivery->large_body = malloc(10);
        ck_assert_ptr_nonnull(arena_alloc(&delivery->arena, 100000));
        delivery_free(&delivery);
        ck_assert_ptr_null(delivery);
        delivery_free(&delivery);
    }
    delivery_pool_free(&pool);
    ck_assert_ptr_null(pool);
    delivery_pool_free(&pool);
}
END_TEST

START_TEST(test_no_more_than_asked_are_kept)
{
    struct delivery_pool *pool = NULL;
    struct delivery *deliveries[10];
    ck_assert_int_eq(delivery_pool_new(0, 3, &pool), ACKD_OK);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 10; i++)
            deliveries[i] = delivery_new(pool);
        ck_assert_uint_eq(delivery_pool_live(pool), 10);
        struct delivery *first = deliveries[2];
        for (size_t i = 0; i < 10; i++)
            delivery_free(&deliveries[i]);
        ck_assert_uint_eq(delivery_pool_live(pool), 0);
        deliveries[0] = delivery_new(pool); /* the one that was used last of those kept */
        ck_assert_ptr_eq(deliveries[0], first);
        delivery_free(&deliveries[0]);
    }
    delivery_pool_free(&pool);
}
END_TEST

/* After warm-up a small message allocates nothing. */
START_TEST(test_small_messages_allocate_nothing)
{
    struct server server;
    server_init(&server);
    server_log_in(&server);
    server_open_channel(&server, 1);
    size_t before = 0;
    for (uint64_t tag = 1; tag <= 1000; tag++) {
        server_say_deliver(&server, 1, tag);
        server_say_header(&server, 1, 100, "\x30\0\0\0\0\x03\x01kV\x02", 10);
        server_say_body(&server, 1,
                        "0123456789012345678901234567890123456789012345678901234567"
                        "890123456789012345678901234567890123456789",
                        100, 100);
        struct connection_event event = server_expect(&server, CHANNEL_DELIVERY);
        delivery_free(&event.delivery);
        if (tag == 10)
            before = mallinfo2().uordblks;
        if (tag > 10)
            test_that(mallinfo2().uordblks == before);
    }
    server_fini(&server);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/delivery");
    TCase *tc = tcase_create("delivery");
    tcase_add_test(tc, test_a_new_delivery_is_empty_and_its_extra_bytes_are_zero);
    tcase_add_test(tc, test_no_more_than_asked_are_kept);
    tcase_add_test(tc, test_small_messages_allocate_nothing);
    suite_add_tcase(suite, tc);
    return suite;
}
