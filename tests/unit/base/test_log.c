/* SPDX-License-Identifier: MIT */
/*
 * Lines of a log. What stands in them comes from anywhere: messages, brokers, other programs. So
 * the long tests make texts of every kind and read the lines back with readers that accept nothing
 * but the form.
 */
#include <config.h>

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "main.h"

static char line[1024];

static const char *logfmt(const char *text)
{
    struct log_record record = {.level = ACKD_LOG_INFO, .event = "e", .text = text};
    ck_assert_uint_eq(log_format_logfmt(&record, line, sizeof line), strlen(line));
    ck_assert_int_eq(strncmp(line, "level=info event=e msg=", 23), 0);
    return line + 23;
}

START_TEST(test_a_plain_text_stays_as_it_is)
{
    ck_assert_str_eq(logfmt("all is well"), "\"all is well\"");
    ck_assert_str_eq(logfmt(""), "\"\"");
    ck_assert_str_eq(logfmt("\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x87"),
                     "\"\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x87\"");
}
END_TEST

START_TEST(test_a_text_cannot_end_its_line_or_its_quotes)
{
    ck_assert_str_eq(logfmt("a\nlevel=error"), "\"a\\nlevel=error\"");
    ck_assert_str_eq(logfmt("a\r\tb"), "\"a\\u000d\\u0009b\"");
    ck_assert_str_eq(logfmt("a\" b=\"c"), "\"a\\\" b=\\\"c\"");
    ck_assert_str_eq(logfmt("a\\"), "\"a\\\\\"");
}
END_TEST

START_TEST(test_a_text_cannot_speak_to_the_terminal)
{
    ck_assert_str_eq(logfmt("\x1b[31mred\x07\x7f"), "\"\\u001b[31mred\\u0007\\u007f\"");
    ck_assert_str_eq(logfmt("\xc2\x9b"
                            "31m"),
                     "\"\\u009b31m\""); /* C1: the same as ESC [ */
    ck_assert_str_eq(logfmt("\x9b"
                            "31m"),
                     "\"\\u009b31m\"");
    ck_assert_str_eq(logfmt("\xc2\xa0"), "\"\xc2\xa0\"");
}
END_TEST

START_TEST(test_bytes_that_are_not_utf8_are_escaped_one_by_one)
{
    ck_assert_str_eq(logfmt("\xff\xfe"), "\"\\u00ff\\u00fe\"");
    ck_assert_str_eq(logfmt("\xc3"), "\"\\u00c3\"");
    ck_assert_str_eq(logfmt("\xc3("), "\"\\u00c3(\"");
    ck_assert_str_eq(logfmt("\xc0\xaf"), "\"\\u00c0\\u00af\"");                       /* too long */
    ck_assert_str_eq(logfmt("\xe0\x80\xaf"), "\"\\u00e0\\u0080\\u00af\"");            /* too long */
    ck_assert_str_eq(logfmt("\xf0\x80\x80\xaf"), "\"\\u00f0\\u0080\\u0080\\u00af\""); /* too long */
    ck_assert_str_eq(logfmt("\xed\xa0\x80"), "\"\\u00ed\\u00a0\\u0080\""); /* half of a pair */
    ck_assert_str_eq(logfmt("\xf4\x90\x80\x80"), "\"\\u00f4\\u0090\\u0080\\u0080\""); /* beyond */
    ck_assert_str_eq(logfmt("\xe2\x82"), "\"\\u00e2\\u0082\"");
}
END_TEST

START_TEST(test_fields_follow_the_context_and_are_quoted_where_they_must)
{
    const struct ackd_log_field outer[] = {ACKD_FIELD("consumer", "orders")};
    const struct ackd_log_field inner[] = {ACKD_FIELD_INT("tag", 7)};
    const struct ackd_log_field own[] = {ACKD_FIELD("a", "x y"), ACKD_FIELD("b", ""),
                                         ACKD_FIELD("c", "d=e"), ACKD_FIELD_INT("n", INT64_MIN)};
    struct log_context first = {.fields = outer, .count = 1};
    struct log_context second = {.outer = &first, .fields = inner, .count = 1};
    struct log_record record = {.level = ACKD_LOG_WARNING,
                                .event = "slow",
                                .text = "t",
                                .fields = own,
                                .count = 4,
                                .context = &second};
    log_format_logfmt(&record, line, sizeof line);
    ck_assert_str_eq(line,
                     "level=warning event=slow msg=\"t\" tag=7 consumer=orders a=\"x y\" b=\"\" "
                     "c=\"d=e\" n=-9223372036854775808");
    log_format_json(&record, line, sizeof line);
    ck_assert_str_eq(line, "\"level\":\"warning\",\"event\":\"slow\",\"msg\":\"t\",\"tag\":7,"
                           "\"consumer\":\"orders\",\"a\":\"x y\",\"b\":\"\",\"c\":\"d=e\","
                           "\"n\":-9223372036854775808");
}
END_TEST

START_TEST(test_a_key_cannot_be_more_than_a_key)
{
    const struct ackd_log_field own[] = {ACKD_FIELD("a b=\"\n", "x")};
    struct log_record record = {
        .level = ACKD_LOG_INFO, .event = "e v", .text = "t", .fields = own, .count = 1};
    log_format_logfmt(&record, line, sizeof line);
    ck_assert_str_eq(line, "level=info event=\"e v\" msg=\"t\" a_b___=x");
    log_format_json(&record, line, sizeof line);
    ck_assert_str_eq(line, "\"level\":\"info\",\"event\":\"e v\",\"msg\":\"t\",\"a_b___\":\"x\"");
}
END_TEST

/* Reads one character of a JSON string (RFC 8259, section 7), all of it plain; NULL: it is none. */
static const char *read_character(const char *at)
{
    if (*at == '\\' && (at[1] == '"' || at[1] == '\\' || at[1] == 'n'))
        return at + 2;
    if (*at == '\\')
        return at[1] == 'u' && strspn(at + 2, "0123456789abcdef") >= 4 ? at + 6 : NULL;
    return (unsigned char)*at < 0x20 || *at == 0x7f || *at == '"' ? NULL : at + 1;
}

/* Reads "...": behind it, or NULL. */
static const char *read_string(const char *at)
{
    if (*at++ != '"')
        return NULL;
    while (*at != '"') {
        at = read_character(at);
        if (at == NULL)
            return NULL;
    }
    return at + 1;
}

/* Reads a string or a number: behind it, or NULL. */
static const char *read_value(const char *at)
{
    if (*at == '"')
        return read_string(at);
    at += *at == '-';
    size_t digits = strspn(at, "0123456789");
    return digits == 0 ? NULL : at + digits;
}

static bool is_json_inside(const char *at)
{
    while (*at != '\0') {
        at = read_string(at);
        if (at == NULL || *at++ != ':')
            return false;
        at = read_value(at);
        if (at == NULL || (*at != '\0' && (*at++ != ',' || *at == '\0')))
            return false;
    }
    return true;
}

static bool is_logfmt(const char *at)
{
    while (*at != '\0') {
        size_t key = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
        if (key == 0 || at[key] != '=')
            return false;
        at += key + 1;
        if (*at == '"')
            at = read_string(at);
        else
            at += strcspn(at, " \"\\=\n\t");
        if (at == NULL || (*at != '\0' && (*at++ != ' ' || *at == '\0')))
            return false;
    }
    return true;
}

/* Bytes of every kind, with more of those that could do harm. */
static void any_text(struct random *random, char *text, size_t size)
{
    static const char harmful[] = "\"\\\n\r\t\x1b\x7f\x80\x9b\xc0\xc2\xe0\xed\xf0\xf4\xff= ,:{}";
    size_t length = random_below(random, size);
    for (size_t i = 0; i < length; i++) {
        text[i] = random_below(random, 2) == 0 ? harmful[random_below(random, sizeof harmful - 1)]
                                               : (char)(1 + random_below(random, 255));
    }
    text[length] = '\0';
}

START_TEST(test_whatever_is_logged_and_wherever_it_is_cut_the_line_is_well_formed)
{
    struct random random = {.state = 5};
    unsigned long rounds = test_scale(30000);
    for (unsigned long i = 0; i < rounds; i++) {
        char text[80], value[40];
        any_text(&random, text, sizeof text);
        any_text(&random, value, sizeof value);
        const struct ackd_log_field fields[] = {ACKD_FIELD("a", value), ACKD_FIELD_INT("n", -5),
                                                ACKD_FIELD("b", text)};
        struct log_record record = {
            .level = ACKD_LOG_ERROR, .event = "e", .text = text, .fields = fields, .count = 3};
        size_t size = 1 + random_below(&random, 400);
        char *exact = malloc(size); /* so that the sanitizers see a byte too many */
        ck_assert_ptr_nonnull(exact);
        size_t length = log_format_json(&record, exact, size);
        test_that(length < size && strlen(exact) == length);
        test_that(is_json_inside(exact));
        length = log_format_logfmt(&record, exact, size);
        test_that(length < size && strlen(exact) == length);
        test_that(is_logfmt(exact));
        free(exact);
    }
}
END_TEST

START_TEST(test_a_cut_text_keeps_its_closing_quote)
{
    struct log_record record = {.level = ACKD_LOG_INFO, .event = "e", .text = "0123456789\n"};
    log_format_logfmt(&record, line, 30);
    ck_assert_str_eq(line, "level=info event=e msg=\"0123\"");
    log_format_logfmt(&record, line, 37); /* one byte of an escape of two would fit */
    ck_assert_str_eq(line, "level=info event=e msg=\"0123456789\"");
    log_format_logfmt(&record, line, 1);
    ck_assert_str_eq(line, "");
}
END_TEST

static int written;

static void write_line(const struct log_record *record, void *arg)
{
    ck_assert_ptr_eq(arg, &written);
    log_format_logfmt(record, line, sizeof line);
    errno = EIO;
    written++;
}

START_TEST(test_levels_and_errno)
{
    log_use(write_line, &written);
    log_set_level(ACKD_LOG_INFO);
    errno = ENOENT;
    ackd_log_debug("hidden", "%d", 1);
    ck_assert_int_eq(written, 0);
    ackd_log_info("shown", "number %d", 7);
    ck_assert_int_eq(written, 1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_str_eq(line, "level=info event=shown msg=\"number 7\"");
    log_set_level(ACKD_LOG_DEBUG);
    ck_assert(ackd_log_enabled(ACKD_LOG_DEBUG));
    log_use(NULL, NULL);
}
END_TEST

START_TEST(test_the_context_is_carried_and_given_back)
{
    const struct ackd_log_field fields[] = {ACKD_FIELD("consumer", "orders")};
    struct log_context context = {.fields = fields, .count = 1};
    log_use(write_line, &written);
    ck_assert_ptr_null(log_context_use(&context));
    ackd_log_event(ACKD_LOG_ERROR, "e", ACKD_FIELDS(ACKD_FIELD_INT("n", 1)), "t");
    ck_assert_str_eq(line, "level=error event=e msg=\"t\" consumer=orders n=1");
    ck_assert_ptr_eq(log_context_use(NULL), &context);
    log_use(NULL, NULL);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/log");
    TCase *tc = tcase_create("log");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_a_plain_text_stays_as_it_is);
    tcase_add_test(tc, test_a_text_cannot_end_its_line_or_its_quotes);
    tcase_add_test(tc, test_a_text_cannot_speak_to_the_terminal);
    tcase_add_test(tc, test_bytes_that_are_not_utf8_are_escaped_one_by_one);
    tcase_add_test(tc, test_fields_follow_the_context_and_are_quoted_where_they_must);
    tcase_add_test(tc, test_a_key_cannot_be_more_than_a_key);
    tcase_add_test(tc, test_whatever_is_logged_and_wherever_it_is_cut_the_line_is_well_formed);
    tcase_add_test(tc, test_a_cut_text_keeps_its_closing_quote);
    tcase_add_test(tc, test_levels_and_errno);
    tcase_add_test(tc, test_the_context_is_carried_and_given_back);
    suite_add_tcase(suite, tc);
    return suite;
}
