/* SPDX-License-Identifier: MIT */
/* Lines of text become deliveries, and what is wrong with one is said by its name. */
#include <config.h>

#include "cli/sample.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "host/message.h"
#include "main.h"

static struct delivery_pool *pool;

static void set_up(void)
{
    ck_assert_int_eq(delivery_pool_new(0, 1, &pool), ACKD_OK);
}

static void tear_down(void)
{
    ck_assert_uint_eq(delivery_pool_live(pool), 0);
    delivery_pool_free(&pool);
}

static struct delivery *made(const char *line, bool json)
{
    struct delivery *delivery = NULL;
    int code = sample_make(pool, line, strlen(line), json, &delivery);
    if (code != ACKD_OK)
        ck_abort_msg("%s: %s", line, ackd_error_text(ackd_error_current()));
    return delivery;
}

static void refused(const char *line, const char *why)
{
    struct delivery *delivery = NULL;
    ck_assert_int_eq(sample_make(pool, line, strlen(line), true, &delivery), ACKD_E_SYNTAX);
    ck_assert_ptr_null(delivery);
    if (strstr(ackd_error_text(ackd_error_current()), why) == NULL)
        ck_abort_msg("%s: %s", line, ackd_error_text(ackd_error_current()));
}

static void body_is(const struct delivery *delivery, const char *text)
{
    ck_assert_uint_eq(delivery->body.size, strlen(text));
    ck_assert_uint_eq(delivery->body_size, strlen(text));
    ck_assert_mem_eq(delivery->body.data, text, strlen(text));
}

START_TEST(a_plain_line_is_a_body_and_nothing_else)
{
    struct delivery *delivery = made("{\"body\": 1}", false);
    body_is(delivery, "{\"body\": 1}");
    ck_assert_str_eq(delivery->routing_key, "try");
    ck_assert_str_eq(delivery->exchange, "");
    ck_assert_ptr_null(delivery->properties.message_id);
    ck_assert_int_eq(delivery->properties.priority, -1);
    ck_assert_int_eq(delivery->properties.delivery_mode, -1);
    ck_assert(!delivery->redelivered);
    delivery_free(&delivery);
}
END_TEST

START_TEST(a_plain_line_keeps_its_zero_octets)
{
    struct delivery *delivery = NULL;
    ck_assert_int_eq(sample_make(pool, "a\0b", 3, false, &delivery), ACKD_OK);
    ck_assert_uint_eq(delivery->body.size, 3);
    ck_assert_mem_eq(delivery->body.data, "a\0b", 3);
    delivery_free(&delivery);
}
END_TEST

START_TEST(a_text_is_the_body_itself)
{
    struct delivery *delivery = made("{\"body\": \"one \\\"two\\\"\"}", true);
    body_is(delivery, "one \"two\"");
    delivery_free(&delivery);
}
END_TEST

START_TEST(any_other_value_is_a_body_of_JSON)
{
    struct delivery *delivery = made("{\"body\": {\"id\": 7, \"tags\": [1, null]}}", true);
    body_is(delivery, "{\"id\":7,\"tags\":[1,null]}");
    delivery_free(&delivery);
}
END_TEST

START_TEST(without_a_body_it_is_empty)
{
    struct delivery *delivery = made("{}", true);
    body_is(delivery, "");
    delivery_free(&delivery);
}
END_TEST

START_TEST(every_property_finds_its_place)
{
    struct delivery *delivery = made(
        "{\"routing_key\": \"k\", \"exchange\": \"x\", \"content_type\": \"ct\","
        " \"content_encoding\": \"ce\", \"correlation_id\": \"ci\", \"reply_to\": \"rt\","
        " \"expiration\": \"ex\", \"message_id\": \"mi\", \"type\": \"ty\", \"user_id\": \"ui\","
        " \"app_id\": \"ai\", \"priority\": 255, \"delivery_mode\": 2, \"timestamp\": 5000000000,"
        " \"redelivered\": true}",
        true);
    const struct properties *properties = &delivery->properties;
    ck_assert_str_eq(delivery->routing_key, "k");
    ck_assert_str_eq(delivery->exchange, "x");
    ck_assert_str_eq(properties->content_type, "ct");
    ck_assert_str_eq(properties->content_encoding, "ce");
    ck_assert_str_eq(properties->correlation_id, "ci");
    ck_assert_str_eq(properties->reply_to, "rt");
    ck_assert_str_eq(properties->expiration, "ex");
    ck_assert_str_eq(properties->message_id, "mi");
    ck_assert_str_eq(properties->type, "ty");
    ck_assert_str_eq(properties->user_id, "ui");
    ck_assert_str_eq(properties->app_id, "ai");
    ck_assert_int_eq(properties->priority, 255);
    ck_assert_int_eq(properties->delivery_mode, 2);
    ck_assert_uint_eq(properties->timestamp_s, UINT64_C(5000000000));
    ck_assert(delivery->redelivered);
    delivery_free(&delivery);
}
END_TEST

START_TEST(headers_read_back_as_they_were_written)
{
    struct delivery *delivery =
        made("{\"headers\": {\"text\": \"a\", \"whole\": -3, \"real\": 2.5, \"yes\": true}}", true);
    struct ackd_message message = {.delivery = delivery};
    struct ackd_header header;
    ck_assert(ackd_message_header(&message, "text", &header));
    ck_assert_int_eq(header.kind, ACKD_HEADER_TEXT);
    ck_assert_uint_eq(header.bytes.size, 1);
    ck_assert_mem_eq(header.bytes.data, "a", 1);
    ck_assert(ackd_message_header(&message, "whole", &header));
    ck_assert_int_eq(header.integer, -3);
    ck_assert(ackd_message_header(&message, "real", &header));
    ck_assert(header.real == 2.5);
    ck_assert(ackd_message_header(&message, "yes", &header));
    ck_assert_int_eq(header.integer, 1);
    delivery_free(&delivery);
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
    refused("{\"body\": ", "not JSON at column");
    refused("[1]", "not a JSON object");
    refused("{\"boddy\": 1}", "unknown key 'boddy'");
    refused("{\"body\": 1, \"body\": 2}", "not JSON");
    refused("{\"type\": 1}", "'type' is not a string");
    refused("{\"redelivered\": 1}", "'redelivered' is neither true nor false");
    refused("{\"headers\": []}", "'headers' is not an object");
    refused("{\"headers\": {\"a\": null}}", "header 'a' is neither");
}
END_TEST

START_TEST(a_number_that_does_not_fit_is_refused_and_not_cut)
{
    refused("{\"priority\": 256}", "'priority' is not a number from 0 to 255");
    refused("{\"priority\": -1}", "'priority' is not a number from 0 to 255");
    refused("{\"delivery_mode\": 4294967298}", "'delivery_mode' is not a number from 0 to 255");
    refused("{\"timestamp\": -1}", "'timestamp' is not a number of 0 or above");
    refused("{\"timestamp\": \"now\"}", "'timestamp' is not a number of 0 or above");
}
END_TEST

START_TEST(a_header_name_has_255_bytes_at_most)
{
    char line[400];
    snprintf(line, sizeof line, "{\"headers\": {\"%0256d\": 1}}", 0);
    refused(line, "255 at most");
    snprintf(line, sizeof line, "{\"headers\": {\"%0255d\": 1}}", 0);
    struct delivery *delivery = made(line, true);
    delivery_free(&delivery);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("sample");
    TCase *tcase = tcase_create("sample");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_plain_line_is_a_body_and_nothing_else);
    tcase_add_test(tcase, a_plain_line_keeps_its_zero_octets);
    tcase_add_test(tcase, a_text_is_the_body_itself);
    tcase_add_test(tcase, any_other_value_is_a_body_of_JSON);
    tcase_add_test(tcase, without_a_body_it_is_empty);
    tcase_add_test(tcase, every_property_finds_its_place);
    tcase_add_test(tcase, headers_read_back_as_they_were_written);
    tcase_add_test(tcase, what_is_wrong_is_named);
    tcase_add_test(tcase, a_number_that_does_not_fit_is_refused_and_not_cut);
    tcase_add_test(tcase, a_header_name_has_255_bytes_at_most);
    suite_add_tcase(suite, tcase);
    return suite;
}
