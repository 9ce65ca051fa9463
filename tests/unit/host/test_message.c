/* SPDX-License-Identifier: MIT */
/* What a handler reads of its message: what the delivery has, and nothing where it has nothing. */
#include <config.h>

#include "host/message.h"

#include <string.h>

#include "main.h"

/* Two headers of one name, then another: "a" = 1 (l), "a" = "x" (S), "ab" = true (t). */
static const uint8_t headers[] = {1,   'a', 'l', 0, 0, 0, 0,   0, 0,   0,   1,   1,
                                  'a', 'S', 0,   0, 0, 1, 'x', 2, 'a', 'b', 't', 1};

static struct delivery delivery;
static struct ackd_message message;

static void set_up(void)
{
    delivery = (struct delivery){.tag = 9,
                                 .exchange = "events",
                                 .routing_key = "order.made",
                                 .properties = {.priority = -1, .delivery_mode = -1},
                                 .redelivered = true};
    message = (struct ackd_message){
        .delivery = &delivery, .consumer = "orders", .queue = "work", .attempt = 3};
}

START_TEST(what_the_host_knows_is_there)
{
    ck_assert_str_eq(ackd_message_consumer(&message), "orders");
    ck_assert_str_eq(ackd_message_queue(&message), "work");
    ck_assert_uint_eq(ackd_message_attempt(&message), 3);
    ck_assert_uint_eq(ackd_message_tag(&message), 9);
    ck_assert_str_eq(ackd_message_exchange(&message), "events");
    ck_assert_str_eq(ackd_message_routing_key(&message), "order.made");
    ck_assert(ackd_message_redelivered(&message));
}
END_TEST

START_TEST(an_empty_body_can_be_read_as_text)
{
    struct ackd_bytes body = ackd_message_body(&message);
    ck_assert_uint_eq(body.size, 0);
    ck_assert_ptr_nonnull(body.data);
    delivery.body = ackd_bytes("hello");
    body = ackd_message_body(&message);
    ck_assert_uint_eq(body.size, 5);
    ck_assert_mem_eq(body.data, "hello", 5);
}
END_TEST

START_TEST(absent_properties_are_told_from_present_ones)
{
    ck_assert_ptr_null(ackd_message_id(&message));
    ck_assert_ptr_null(ackd_message_content_type(&message));
    ck_assert_int_eq(ackd_message_priority(&message), -1);
    ck_assert_int_eq(ackd_message_delivery_mode(&message), -1);
    ck_assert_uint_eq(ackd_message_timestamp_s(&message), 0);
}
END_TEST

START_TEST(each_property_is_read_from_its_own_place)
{
    delivery.properties = (struct properties){.content_type = "ct",
                                              .content_encoding = "ce",
                                              .correlation_id = "ci",
                                              .reply_to = "rt",
                                              .expiration = "ex",
                                              .message_id = "mi",
                                              .type = "ty",
                                              .user_id = "ui",
                                              .app_id = "ai",
                                              .timestamp_s = 7,
                                              .delivery_mode = 2,
                                              .priority = 0};
    ck_assert_str_eq(ackd_message_content_type(&message), "ct");
    ck_assert_str_eq(ackd_message_content_encoding(&message), "ce");
    ck_assert_str_eq(ackd_message_correlation_id(&message), "ci");
    ck_assert_str_eq(ackd_message_reply_to(&message), "rt");
    ck_assert_str_eq(ackd_message_expiration(&message), "ex");
    ck_assert_str_eq(ackd_message_id(&message), "mi");
    ck_assert_str_eq(ackd_message_type(&message), "ty");
    ck_assert_str_eq(ackd_message_user_id(&message), "ui");
    ck_assert_str_eq(ackd_message_app_id(&message), "ai");
    ck_assert_uint_eq(ackd_message_timestamp_s(&message), 7);
    ck_assert_int_eq(ackd_message_delivery_mode(&message), 2);
    ck_assert_int_eq(ackd_message_priority(&message), 0);
}
END_TEST

START_TEST(the_first_header_of_a_name_is_found)
{
    struct ackd_header header;
    delivery.properties.headers = (struct ackd_bytes){headers, sizeof headers};
    ck_assert(ackd_message_header(&message, "a", &header));
    ck_assert_int_eq(header.integer, 1);
    ck_assert(ackd_message_header(&message, "ab", &header));
    ck_assert_int_eq(header.integer, 1);
}
END_TEST

START_TEST(a_header_that_is_not_there_leaves_the_result_alone)
{
    struct ackd_header header = {.integer = 42};
    ck_assert(!ackd_message_header(&message, "a", &header));
    delivery.properties.headers = (struct ackd_bytes){headers, sizeof headers};
    ck_assert(!ackd_message_header(&message, "abc", &header));
    ck_assert(!ackd_message_header(&message, "", &header));
    ck_assert_int_eq(header.integer, 42);
}
END_TEST

START_TEST(a_walk_sees_all_headers_in_order)
{
    struct ackd_header header;
    delivery.properties.headers = (struct ackd_bytes){headers, sizeof headers};
    struct ackd_headers walk = ackd_message_headers(&message);
    ck_assert(ackd_headers_next(&walk, &header));
    ck_assert_int_eq(header.integer, 1);
    ck_assert(ackd_headers_next(&walk, &header));
    ck_assert_int_eq(header.kind, ACKD_HEADER_TEXT);
    ck_assert_mem_eq(header.bytes.data, "x", 1);
    ck_assert(ackd_headers_next(&walk, &header));
    ck_assert_uint_eq(header.name_size, 2);
    ck_assert(!ackd_headers_next(&walk, &header));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("message");
    TCase *tcase = tcase_create("message");
    tcase_add_checked_fixture(tcase, set_up, NULL);
    tcase_add_test(tcase, what_the_host_knows_is_there);
    tcase_add_test(tcase, an_empty_body_can_be_read_as_text);
    tcase_add_test(tcase, absent_properties_are_told_from_present_ones);
    tcase_add_test(tcase, each_property_is_read_from_its_own_place);
    tcase_add_test(tcase, the_first_header_of_a_name_is_found);
    tcase_add_test(tcase, a_header_that_is_not_there_leaves_the_result_alone);
    tcase_add_test(tcase, a_walk_sees_all_headers_in_order);
    suite_add_tcase(suite, tcase);
    return suite;
}
