/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/value.h"

#include <ackd/error.h>
#include <string.h>

#include "main.h"

#define FAILS(call, text)                                                \
    do {                                                                 \
        ck_assert_int_eq((call), ACKD_E_SYNTAX);                         \
        ck_assert_str_eq(ackd_error_text(ackd_error_current()), (text)); \
    } while (0)

static const char duration_help[] =
    "not a duration: write a number and ms, s, m, h or d, as in 500ms";
static const char size_help[] =
    "not a size: write a number of bytes, or one with KiB, MiB, GiB or TiB, as in 64KiB";
static const char share_help[] = "not a share: write a number from 0 to 100 and '%', as in 60%";

START_TEST(test_integers_up_to_the_last_one)
{
    int64_t number = 7;
    ck_assert_int_eq(value_integer("0", &number), 0);
    ck_assert_int_eq(number, 0);
    ck_assert_int_eq(value_integer("-1", &number), 0);
    ck_assert_int_eq(number, -1);
    ck_assert_int_eq(value_integer("9223372036854775807", &number), 0);
    ck_assert(number == INT64_MAX);
    ck_assert_int_eq(value_integer("-9223372036854775808", &number), 0);
    ck_assert(number == INT64_MIN);
    FAILS(value_integer("9223372036854775808", &number), "too large a number");
    FAILS(value_integer("-9223372036854775809", &number), "too large a number");
    FAILS(value_integer("99999999999999999999999", &number), "too large a number");
    ck_assert(number == INT64_MIN);
}
END_TEST

START_TEST(test_what_is_no_integer_is_refused)
{
    int64_t number = 0;
    const char *const wrong[] = {"", "-", "+1", " 1", "1 ", "1.5", "0x10", "1e3", "--1", "a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        FAILS(value_integer(wrong[i], &number), "not a whole number: write digits, as in 16");
}
END_TEST

START_TEST(test_booleans)
{
    bool value = false;
    ck_assert_int_eq(value_boolean("true", &value), 0);
    ck_assert(value);
    ck_assert_int_eq(value_boolean("off", &value), 0);
    ck_assert(!value);
    ck_assert_int_eq(value_boolean("yes", &value), 0);
    ck_assert(value);
    FAILS(value_boolean("1", &value), "neither true nor false: write one of the two");
    FAILS(value_boolean("", &value), "neither true nor false: write one of the two");
    FAILS(value_boolean("truely", &value), "neither true nor false: write one of the two");
}
END_TEST

START_TEST(test_durations_in_every_unit)
{
    uint64_t ms = 0;
    const struct {
        const char *text;
        uint64_t ms;
    } right[] = {{"0", 0},          {"0s", 0},      {"500ms", 500},
                 {"15s", 15000},    {"5m", 300000}, {"1h", 3600000},
                 {"2d", 172800000}, {"007s", 7000}, {"18446744073709551615ms", UINT64_MAX}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        ck_assert_int_eq(value_duration_ms(right[i].text, &ms), 0);
        ck_assert_uint_eq(ms, right[i].ms);
    }
}
END_TEST

START_TEST(test_what_is_no_duration_is_refused)
{
    uint64_t ms = 1;
    const char *const wrong[] = {"",    "s",    "5 s", " 5s",  "5s ",
                                 "-5s", "1.5s", "5S",  "5sec", "1h30m"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        FAILS(value_duration_ms(wrong[i], &ms), duration_help);
    FAILS(value_duration_ms("30", &ms), "a duration without a unit: write ms, s, m, h or d behind "
                                        "the number, as in 30s");
    FAILS(value_duration_ms("18446744073709551616ms", &ms), "too large a number");
    FAILS(value_duration_ms("18446744073709552s", &ms), "too large a number");
    ck_assert_uint_eq(ms, 1);
}
END_TEST

START_TEST(test_sizes_in_every_unit)
{
    uint64_t bytes = 0;
    const struct {
        const char *text;
        uint64_t bytes;
    } right[] = {{"0", 0},
                 {"4096", 4096},
                 {"1B", 1},
                 {"64KiB", 65536},
                 {"1MiB", 1048576},
                 {"2GiB", UINT64_C(2147483648)},
                 {"1TiB", UINT64_C(1099511627776)},
                 {"18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        ck_assert_int_eq(value_size(right[i].text, &bytes), 0);
        ck_assert_uint_eq(bytes, right[i].bytes);
    }
}
END_TEST

START_TEST(test_what_is_no_size_is_refused)
{
    uint64_t bytes = 1;
    const char *const wrong[] = {"", "KiB", "1K", "1k", "1KB", "1kib", "1 KiB", "-1", "1.5MiB"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        FAILS(value_size(wrong[i], &bytes), size_help);
    FAILS(value_size("16777216TiB", &bytes), "too large a number");
    ck_assert_uint_eq(bytes, 1);
}
END_TEST

START_TEST(test_shares_from_0_to_100)
{
    uint32_t percent = 1;
    ck_assert_int_eq(value_percent("0%", &percent), 0);
    ck_assert_uint_eq(percent, 0);
    ck_assert_int_eq(value_percent("100%", &percent), 0);
    ck_assert_uint_eq(percent, 100);
    FAILS(value_percent("101%", &percent), share_help);
    FAILS(value_percent("50", &percent), share_help);
    FAILS(value_percent("50 %", &percent), share_help);
    FAILS(value_percent("4294967297%", &percent), share_help);
    FAILS(value_percent("%", &percent), share_help);
}
END_TEST

START_TEST(test_rates)
{
    uint64_t count = 0, per_ms = 0;
    ck_assert_int_eq(value_rate("500/s", &count, &per_ms), 0);
    ck_assert_uint_eq(count, 500);
    ck_assert_uint_eq(per_ms, 1000);
    ck_assert_int_eq(value_rate("6/h", &count, &per_ms), 0);
    ck_assert_uint_eq(per_ms, 3600000);
    FAILS(value_rate("500", &count, &per_ms),
          "not a rate: write a number, '/' and s, m or h, as in 100/s");
    FAILS(value_rate("500/ms", &count, &per_ms),
          "not a rate: write a number, '/' and s, m or h, as in 100/s");
    FAILS(value_rate("/s", &count, &per_ms),
          "not a rate: write a number, '/' and s, m or h, as in 100/s");
}
END_TEST

START_TEST(test_choices_are_listed_when_none_fits)
{
    const char *const choices[] = {"plain", "external", NULL};
    int index = -1;
    ck_assert_int_eq(value_choice("external", choices, &index), 0);
    ck_assert_int_eq(index, 1);
    FAILS(value_choice("Plain", choices, &index), "not one of plain, external");
    ck_assert_int_eq(index, 1);
}
END_TEST

START_TEST(test_urls_have_a_scheme_and_a_host)
{
    const char *const right[] = {"http://a", "https://127.0.0.1:8080/x?y#z", "a+b-c.1://[::1]/"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        ck_assert_int_eq(value_url(right[i]), 0);
    const char *const wrong[] = {"",     "http",  "http:",   "http://", "http:///x",
                                 "://a", "1://a", "http:/a", "/a",      "http://:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        FAILS(value_url(wrong[i]), "not a URL: write a scheme, '://' and a host, as in "
                                   "http://127.0.0.1:8080/orders");
    FAILS(value_url("http://a b"), "a URL with a space or a control character in it: write %20 and "
                                   "the like");
}
END_TEST

START_TEST(test_utf8_as_the_rfc_has_it)
{
    const char *const right[] = {"",
                                 "abc",
                                 "\xc3\xa9",
                                 "\xe2\x82\xac",
                                 "\xf0\x9f\x98\x80",
                                 "\xed\x9f\xbf",
                                 "\xee\x80\x80",
                                 "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        ck_assert(value_is_utf8(right[i], strlen(right[i]), NULL));
    const char *const wrong[] = {"ab\x80",
                                 "ab\xc0\x80",
                                 "ab\xc1\xbf",
                                 "ab\xe0\x9f\xbf",
                                 "ab\xed\xa0\x80",
                                 "ab\xf0\x8f\xbf\xbf",
                                 "ab\xf4\x90\x80\x80",
                                 "ab\xf5\x80\x80\x80",
                                 "ab\xc3",
                                 "ab\xe2\x82",
                                 "ab\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        size_t at = 0;
        ck_assert(!value_is_utf8(wrong[i], strlen(wrong[i]), &at));
        ck_assert_uint_eq(at, 2);
    }
    ck_assert(!value_is_utf8("a\0b", 3, NULL));
}
END_TEST

START_TEST(test_formats_with_the_largest_whole_unit)
{
    char text[VALUE_TEXT_SIZE];
    ck_assert_str_eq(value_format_duration(0, text), "0");
    ck_assert_str_eq(value_format_duration(1, text), "1ms");
    ck_assert_str_eq(value_format_duration(90000, text), "90s");
    ck_assert_str_eq(value_format_duration(1500, text), "1500ms");
    ck_assert_str_eq(value_format_duration(86400000, text), "1d");
    ck_assert_str_eq(value_format_duration(UINT64_MAX, text), "18446744073709551615ms");
    ck_assert_str_eq(value_format_size(0, text), "0");
    ck_assert_str_eq(value_format_size(1023, text), "1023");
    ck_assert_str_eq(value_format_size(262144, text), "256KiB");
    ck_assert_str_eq(value_format_size(1536, text), "1536");
    ck_assert_str_eq(value_format_size(UINT64_C(1) << 41, text), "2TiB");
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/value");
    TCase *tc = tcase_create("value");
    tcase_add_test(tc, test_integers_up_to_the_last_one);
    tcase_add_test(tc, test_what_is_no_integer_is_refused);
    tcase_add_test(tc, test_booleans);
    tcase_add_test(tc, test_durations_in_every_unit);
    tcase_add_test(tc, test_what_is_no_duration_is_refused);
    tcase_add_test(tc, test_sizes_in_every_unit);
    tcase_add_test(tc, test_what_is_no_size_is_refused);
    tcase_add_test(tc, test_shares_from_0_to_100);
    tcase_add_test(tc, test_rates);
    tcase_add_test(tc, test_choices_are_listed_when_none_fits);
    tcase_add_test(tc, test_urls_have_a_scheme_and_a_host);
    tcase_add_test(tc, test_utf8_as_the_rfc_has_it);
    tcase_add_test(tc, test_formats_with_the_largest_whole_unit);
    suite_add_tcase(suite, tc);
    return suite;
}
