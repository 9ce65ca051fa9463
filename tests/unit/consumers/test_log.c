/* SPDX-License-Identifier: MIT */
/* The handler log, with messages made up and its lines caught. */
#include <config.h>

#include <ackd/consumer.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "main.h"
#include "message.h"

extern const struct ackd_consumer ackd_consumer;

/* As the handler has it: options fill it in. */
struct state {
    int level;
    uint64_t body;
};

static char line[4096];
static int lines;
static struct state state;

static void catch_line(const struct log_record *record, void *arg)
{
    (void)arg;
    log_format_logfmt(record, line, sizeof line);
    lines++;
}

static void setup(void)
{
    state = (struct state){.level = ACKD_LOG_INFO - ACKD_LOG_ERROR, .body = 10};
    lines = 0;
    line[0] = '\0';
    log_use(catch_line, NULL);
    log_set_level(ACKD_LOG_INFO);
}

static void teardown(void)
{
    log_use(NULL, NULL);
}

/* A message of that body gives a line with that text. */
static void shows(const char *body, size_t size, const char *text)
{
    struct ackd_message message = {.body = body, .size = size, .attempt = 1};
    ck_assert_int_eq(ackd_consumer.handle(&message, &state), 0);
    char expected[1024];
    snprintf(expected, sizeof expected, "msg=\"%s\" ", text);
    ck_assert_msg(strstr(line, expected) != NULL, "%s", line);
}

START_TEST(test_one_line_tells_what_the_message_carries)
{
    struct ackd_message message = {.body = "hello",
                                   .size = 5,
                                   .exchange = "shop",
                                   .routing_key = "order.new",
                                   .id = "m-1",
                                   .type = "order",
                                   .content_type = "text/plain",
                                   .redelivered = true,
                                   .attempt = 2,
                                   .timestamp_s = 1700000000};
    ck_assert_int_eq(ackd_consumer.handle(&message, &state), 0);
    ck_assert_int_eq(lines, 1);
    ck_assert_str_eq(line, "level=info event=message msg=\"hello\" exchange=shop "
                           "routing_key=order.new size=5 attempt=2 redelivered=true message_id=m-1 "
                           "type=order content_type=text/plain timestamp=1700000000");
}
END_TEST

START_TEST(test_a_long_body_is_cut_and_what_is_left_is_counted)
{
    shows("0123456789", 10, "0123456789");
    shows("0123456789a", 11, "0123456789... (1 bytes more)");
    shows("", 0, "");
    state.body = 0;
    shows("0123456789a", 11, "(11 bytes more)");
}
END_TEST

START_TEST(test_no_character_is_cut_in_two)
{
    shows("012345678\xc3\xa9", 11, "012345678... (2 bytes more)");
    shows("01234567\xc3\xa9!", 11, "01234567\xc3\xa9... (1 bytes more)");
    shows("01234567\xe2\x82\xac!", 12, "01234567... (4 bytes more)");
    shows("0123456\xf0\x9f\x90\x87!", 12, "0123456... (5 bytes more)");
    shows(
        "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 12,
        "\\u0080\\u0080\\u0080\\u0080\\u0080\\u0080\\u0080\\u0080\\u0080\\u0080... (2 bytes more)");
}
END_TEST

START_TEST(test_what_is_no_text_is_only_counted)
{
    shows("ab\0cd", 5, "(5 bytes that are not text)");
}
END_TEST

START_TEST(test_at_a_level_that_is_not_written_it_does_nothing)
{
    struct ackd_message message = {.body = "x", .size = 1};
    state.level = ACKD_LOG_DEBUG - ACKD_LOG_ERROR;
    ck_assert_int_eq(ackd_consumer.handle(&message, &state), 0);
    ck_assert_int_eq(lines, 0);
}
END_TEST

START_TEST(test_every_property_at_once_fits)
{
    static char body[900];
    memset(body, 'x', sizeof body);
    struct ackd_message message = {.body = body,
                                   .size = 1 << 20,
                                   .exchange = "e",
                                   .routing_key = "r",
                                   .id = "i",
                                   .type = "t",
                                   .content_type = "c",
                                   .content_encoding = "n",
                                   .correlation_id = "o",
                                   .reply_to = "p",
                                   .app_id = "a",
                                   .redelivered = true,
                                   .timestamp_s = 1};
    state.body = 899;
    ck_assert_int_eq(ackd_consumer.handle(&message, &state), 0);
    ck_assert_ptr_nonnull(strstr(line, "xxx... (1047677 bytes more)\""));
    ck_assert_ptr_nonnull(strstr(line, " app_id=a timestamp=1"));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("consumers/log");
    TCase *tc = tcase_create("log");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_one_line_tells_what_the_message_carries);
    tcase_add_test(tc, test_a_long_body_is_cut_and_what_is_left_is_counted);
    tcase_add_test(tc, test_no_character_is_cut_in_two);
    tcase_add_test(tc, test_what_is_no_text_is_only_counted);
    tcase_add_test(tc, test_at_a_level_that_is_not_written_it_does_nothing);
    tcase_add_test(tc, test_every_property_at_once_fits);
    suite_add_tcase(suite, tc);
    return suite;
}
