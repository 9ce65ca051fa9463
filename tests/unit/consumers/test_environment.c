/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"
#include "memory.h"
#include "message.h"

static const char *const *list;

static void teardown(void)
{
    memory_reset();
}

static void make(const struct ackd_message *message, char *const *inherited,
                 const char *const *added)
{
    list = NULL;
    ck_assert_int_eq(environment_make(message, inherited, added, &list), ACKD_OK);
}

/* The value of @name; NULL if it is not set. There may be one only. */
static const char *value(const char *name)
{
    const char *found = NULL;
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strncmp(list[i], name, strlen(name)) != 0 || list[i][strlen(name)] != '=')
            continue;
        ck_assert_msg(found == NULL, "%s is there twice", name);
        found = list[i] + strlen(name) + 1;
    }
    return found;
}

static struct ackd_header text_header(const char *name, const char *text, size_t size)
{
    return (struct ackd_header){
        .name = name, .name_size = strlen(name), .kind = ACKD_HEADER_TEXT, .bytes = {text, size}};
}

START_TEST(test_tells_what_the_message_carries)
{
    struct ackd_message message = {.body = "hello",
                                   .size = 5,
                                   .exchange = "shop",
                                   .routing_key = "order.new",
                                   .queue = "orders",
                                   .content_type = "text/plain",
                                   .id = "m-1",
                                   .redelivered = true,
                                   .attempt = 3};
    make(&message, NULL, NULL);
    ck_assert_str_eq(value("ACKD_EXCHANGE"), "shop");
    ck_assert_str_eq(value("ACKD_ROUTING_KEY"), "order.new");
    ck_assert_str_eq(value("ACKD_QUEUE"), "orders");
    ck_assert_str_eq(value("ACKD_CONSUMER"), "test");
    ck_assert_str_eq(value("ACKD_CONTENT_TYPE"), "text/plain");
    ck_assert_str_eq(value("ACKD_MESSAGE_ID"), "m-1");
    ck_assert_str_eq(value("ACKD_REDELIVERED"), "1");
    ck_assert_str_eq(value("ACKD_ATTEMPT"), "3");
    ck_assert_str_eq(value("ACKD_SIZE"), "5");
    ck_assert_ptr_null(value("ACKD_TYPE"));
    ck_assert_ptr_null(value("ACKD_TIMESTAMP"));
    ck_assert_ptr_null(value("ACKD_HEADERS_LEFT_OUT"));
}
END_TEST

START_TEST(test_headers_of_texts_and_numbers_are_told)
{
    const struct ackd_header headers[] = {
        text_header("customer-Id", "4711", 4),
        {.name = "count", .name_size = 5, .kind = ACKD_HEADER_INTEGER, .integer = -7},
        {.name = "ratio", .name_size = 5, .kind = ACKD_HEADER_REAL, .real = 0.5},
        {.name = "flag", .name_size = 4, .kind = ACKD_HEADER_BOOLEAN, .integer = 1},
        {.name = "table", .name_size = 5, .kind = ACKD_HEADER_TABLE},
    };
    struct ackd_message message = {.headers = headers, .header_count = 5};
    make(&message, NULL, NULL);
    ck_assert_str_eq(value("ACKD_HEADER_CUSTOMER_ID"), "4711");
    ck_assert_str_eq(value("ACKD_HEADER_COUNT"), "-7");
    ck_assert_str_eq(value("ACKD_HEADER_RATIO"), "0.5");
    ck_assert_str_eq(value("ACKD_HEADER_FLAG"), "1");
    ck_assert_ptr_null(value("ACKD_HEADER_TABLE"));
    ck_assert_str_eq(value("ACKD_HEADERS_LEFT_OUT"), "1");
}
END_TEST

START_TEST(test_a_header_cannot_be_another_variable)
{
    const struct ackd_header headers[] = {
        text_header("PATH", "/evil", 5),         text_header("=x", "1", 1),
        text_header("a=b\nLD_PRELOAD", "2", 1),  text_header("customer.id", "first", 5),
        text_header("customer-id", "second", 6),
    };
    char *const inherited[] = {(char[]){"PATH=/bin"}, NULL};
    struct ackd_message message = {.headers = headers, .header_count = 5};
    make(&message, inherited, NULL);
    ck_assert_str_eq(value("PATH"), "/bin");
    ck_assert_str_eq(value("ACKD_HEADER_PATH"), "/evil");
    ck_assert_str_eq(value("ACKD_HEADER__X"), "1");
    ck_assert_str_eq(value("ACKD_HEADER_A_B_LD_PRELOAD"), "2");
    ck_assert_str_eq(value("ACKD_HEADER_CUSTOMER_ID"), "first");
    ck_assert_str_eq(value("ACKD_HEADERS_LEFT_OUT"), "1");
}
END_TEST

START_TEST(test_what_is_too_large_is_left_out_whole)
{
    static char large[ENVIRONMENT_VALUE_MAX + 1];
    memset(large, 'x', sizeof large);
    char name[ENVIRONMENT_NAME_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const struct ackd_header headers[] = {
        text_header("large", large, sizeof large),
        text_header("fits", large, sizeof large - 1),
        text_header("zero", "a\0b", 3),
        text_header(name, "x", 1),
        text_header(name + 1, "y", 1),
    };
    struct ackd_message message = {.headers = headers, .header_count = 5};
    make(&message, NULL, NULL);
    ck_assert_ptr_null(value("ACKD_HEADER_LARGE"));
    ck_assert_uint_eq(strlen(value("ACKD_HEADER_FITS")), ENVIRONMENT_VALUE_MAX);
    ck_assert_ptr_null(value("ACKD_HEADER_ZERO"));
    ck_assert_str_eq(value("ACKD_HEADERS_LEFT_OUT"), "3");
}
END_TEST

START_TEST(test_any_number_of_headers_is_bounded)
{
    enum { COUNT = 1000 };
    static struct ackd_header headers[COUNT];
    static char names[COUNT][8];
    static char large[ENVIRONMENT_VALUE_MAX];
    memset(large, 'x', sizeof large);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "h%d", i);
        headers[i] = text_header(names[i], "v", 1);
    }
    struct ackd_message message = {.headers = headers, .header_count = COUNT};
    make(&message, NULL, NULL);
    ck_assert_str_eq(value("ACKD_HEADER_H63"), "v");
    ck_assert_ptr_null(value("ACKD_HEADER_H64"));
    ck_assert_str_eq(value("ACKD_HEADERS_LEFT_OUT"), "936");
    for (int i = 0; i < COUNT; i++)
        headers[i] = text_header(names[i], large, sizeof large);
    make(&message, NULL, NULL);
    ck_assert_ptr_nonnull(value("ACKD_HEADER_H15"));
    ck_assert_ptr_null(value("ACKD_HEADER_H16"));
}
END_TEST

START_TEST(test_what_is_added_takes_the_place_of_what_is_inherited)
{
    char *const inherited[] = {(char[]){"PATH=/bin"}, (char[]){"LANG=C"},
                               (char[]){"NOTIFY_SOCKET=/run/systemd/notify"},
                               (char[]){"ACKD_TYPE=stale"}, NULL};
    const char *const added[] = {"LANG=de_DE.UTF-8", "MODE=test", "ACKD_QUEUE=false", NULL};
    struct ackd_message message = {.queue = "orders"};
    make(&message, inherited, added);
    ck_assert_str_eq(value("PATH"), "/bin");
    ck_assert_str_eq(value("LANG"), "de_DE.UTF-8");
    ck_assert_str_eq(value("MODE"), "test");
    ck_assert_str_eq(value("ACKD_QUEUE"), "orders");
    ck_assert_ptr_null(value("NOTIFY_SOCKET"));
    ck_assert_ptr_null(value("ACKD_TYPE"));
}
END_TEST

START_TEST(test_too_many_variables_are_an_error)
{
    static char *inherited[ENVIRONMENT_MAX + 2];
    static char names[ENVIRONMENT_MAX + 1][16];
    struct ackd_message message = {.queue = "orders"};
    for (int i = 0; i <= ENVIRONMENT_MAX; i++) {
        snprintf(names[i], sizeof names[i], "V%d=1", i);
        inherited[i] = names[i];
    }
    inherited[ENVIRONMENT_MAX + 1] = NULL;
    ck_assert_int_eq(environment_make(&message, inherited, NULL, &list), ACKD_E_FULL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("consumers/exec/environment");
    TCase *tc = tcase_create("environment");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, test_tells_what_the_message_carries);
    tcase_add_test(tc, test_headers_of_texts_and_numbers_are_told);
    tcase_add_test(tc, test_a_header_cannot_be_another_variable);
    tcase_add_test(tc, test_what_is_too_large_is_left_out_whole);
    tcase_add_test(tc, test_any_number_of_headers_is_bounded);
    tcase_add_test(tc, test_what_is_added_takes_the_place_of_what_is_inherited);
    tcase_add_test(tc, test_too_many_variables_are_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
