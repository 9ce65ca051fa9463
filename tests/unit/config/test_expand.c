/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/expand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "main.h"

#define HEAD "consumers:\n  a:\n    queue: q\n    handler: h\n    settings:\n      x: "

/* What setting x of consumer a is when @value is written. */
static void check_value(const char *value, const char *expected)
{
    char text[512];
    snprintf(text, sizeof text, HEAD "%s\n", value);
    struct config *config = fixture_good(text);
    size_t count = 0;
    const struct config_consumer *consumer = config_consumers(config, &count);
    ck_assert_uint_eq(consumer->setting_count, 1);
    ck_assert_str_eq(consumer->settings[0].values[0], expected);
    config_unref(&config);
}

static void check_error(const char *value, const char *error)
{
    char text[512];
    char line[512];
    snprintf(text, sizeof text, HEAD "%s\n", value);
    snprintf(line, sizeof line, "ackd.yaml:6:10: %s\n", error);
    fixture_bad(text, line);
}

START_TEST(test_variables_are_filled_in)
{
    fixture_setenv("NAME", "orders");
    fixture_setenv("EMPTY", "");
    check_value("${NAME}", "orders");
    check_value("a ${NAME} b ${NAME}", "a orders b orders");
    check_value("\"${NAME}\"", "orders");
    check_value("'x${EMPTY}'", "x");
}
END_TEST

START_TEST(test_defaults_hold_where_a_variable_is_unset_or_empty)
{
    fixture_setenv("NAME", "orders");
    fixture_setenv("EMPTY", "");
    check_value("${NAME:-other}", "orders");
    check_value("${EMPTY:-other}", "other");
    check_value("${UNSET:-other}", "other");
    check_value("x${UNSET:-}", "x");
    check_value("${UNSET:-a:-b}", "a:-b");
    check_value("${UNSET:-http://h/}", "http://h/");
}
END_TEST

START_TEST(test_dollar_signs)
{
    check_value("$$", "$");
    check_value("a$$b", "a$b");
    check_value("$${NAME}", "${NAME}");
    check_value("pa$word", "pa$word");
    check_value("$1$", "$1$");
    fixture_setenv("NAME", "${OTHER} $$");
    check_value("${NAME}", "${OTHER} $$"); /* E1 */
    check_value("$$${NAME}", "$${OTHER} $$");
}
END_TEST

START_TEST(test_an_unset_variable_is_an_error_with_the_place)
{
    check_error("a ${NAME}",
                "variable 'NAME' is not set: set it, or give a default: ${NAME:-default}");
    fixture_setenv("NAME", "\xff");
    check_error("${NAME}", "variable 'NAME' is not text in UTF-8");
}
END_TEST

START_TEST(test_what_is_no_reference_is_refused)
{
    static const char help[] =
        "' names no variable: write ${NAME}, ${NAME:-default}, ${file:/path}, or $$ for a dollar "
        "sign";
    char line[256];
    const char *const wrong[] = {"${}", "${1A}", "${A B}", "${A-b}", "${:-x}"};
    const char *const named[] = {"'${}", "'${1A}", "'${A B}", "'${A-b}", "'${}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(line, sizeof line, "%s%s", named[i], help);
        check_error(wrong[i], line);
    }
    check_error("x ${NAME", "'${' without '}': write $$ for a dollar sign");
    check_error("${file:relative}", "'${file:relative}' holds no absolute path");
}
END_TEST

/* The absolute name of @file, within ${file:...}. */
static const char *file_reference(const char *file)
{
    static char text[256];
    char folder[128];
    ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
    snprintf(text, sizeof text, "${file:%s/%s}", folder, file);
    return text;
}

START_TEST(test_files_are_filled_in_without_their_last_newline)
{
    fixture_write("secret", "word\n");
    check_value(file_reference("secret"), "word");
    fixture_write("secret", "word\r\n");
    check_value(file_reference("secret"), "word");
    fixture_write("secret", "two\nlines\n\n");
    check_value(file_reference("secret"), "two\nlines\n");
    fixture_write("secret", "");
    check_value(file_reference("secret"), "");
    fixture_write("secret", "$${X} ${X}");
    check_value(file_reference("secret"), "$${X} ${X}"); /* E1 */
}
END_TEST

static void check_file_error(const char *error)
{
    char folder[128];
    char line[300];
    ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
    snprintf(line, sizeof line, "file '%s/secret' %s", folder, error);
    check_error(file_reference("secret"), line);
}

START_TEST(test_a_secret_that_everybody_may_read_is_refused)
{
    fixture_write("secret", "word\n");
    fixture_mode("secret", 0644);
    check_file_error("holds a secret, but everybody may read it (mode 0644): chmod o= it");
    fixture_mode("secret", 0602);
    check_file_error("holds a secret, but everybody may write to it (mode 0602): chmod o= it");
    fixture_mode("secret", 0640);
    check_value(file_reference("secret"), "word");
}
END_TEST

START_TEST(test_files_that_hold_no_secret)
{
    check_file_error("cannot be read: No such file or directory");
    fixture_folder("secret");
    check_file_error("is a directory");
    ck_assert_int_eq(rmdir("secret"), 0);
    fixture_write_bytes("secret", "a\0b", 3);
    check_file_error("is not text in UTF-8");
    static char large[65537];
    memset(large, 'x', sizeof large);
    fixture_write_bytes("secret", large, sizeof large);
    check_file_error("is larger than 65536 bytes");
}
END_TEST

START_TEST(test_what_came_from_a_file_is_never_in_an_error)
{
    fixture_write("secret", "hunter2");
    char text[512];
    snprintf(text, sizeof text, "runtime:\n  loops: %s\n", file_reference("secret"));
    fixture_bad(text, "ackd.yaml:2:10: 'loops' in 'runtime': its value is not a whole number: "
                      "write digits, as in 16\n");
    snprintf(text, sizeof text, "runtime:\n  loops: %s\n", file_reference("secret"));
    fixture_write("secret", "9999");
    fixture_bad(text, "ackd.yaml:2:10: 'loops' in 'runtime': its value is too large: the most is "
                      "64\n");
}
END_TEST

static void check_broker(const char *uri, const char *user, const char *vhost)
{
    char text[512];
    snprintf(text, sizeof text, "broker:\n  uri: %s\n", uri);
    struct config *config = fixture_good(text);
    size_t count = 0;
    const struct config_broker *broker = config_brokers(config, &count);
    ck_assert_str_eq(broker->user, user);
    ck_assert_str_eq(broker->vhost, vhost);
    config_unref(&config);
}

START_TEST(test_parts_of_a_uri_are_encoded)
{
    fixture_setenv("USER_NAME", "a:b@c/d?e#f%20 $");
    fixture_setenv("VHOST", "x/y");
    fixture_setenv("URI", "amqps://u:p@h/v%2Fw");
    check_broker("amqps://${USER_NAME}:p@h/${VHOST}", "a:b@c/d?e#f%20 $", "x/y");
    check_broker("amqps://${UNSET:-a@b}:p@h", "a@b", "/");
    check_broker("${URI}", "u", "v/w"); /* E2: a whole one stays as it is */
}
END_TEST

START_TEST(test_settings_that_are_urls_are_encoded_too)
{
    fixture_setenv("PATH_PART", "a b/c");
    check_value("http://h/${PATH_PART}", "http://h/a%20b%2Fc");
    check_value("${PATH_PART}://h", "a b/c://h");
}
END_TEST

START_TEST(test_hosts_of_a_variable_stay_a_list)
{
    fixture_setenv("HOSTS", "rabbit-1,rabbit-2");
    struct config *config = fixture_good("broker:\n  uri: amqps://${HOSTS}/prod\n");
    size_t count = 0;
    const struct config_broker *broker = config_brokers(config, &count);
    ck_assert_uint_eq(broker->host_count, 2);
    ck_assert_str_eq(broker->hosts[1].name, "rabbit-2");
    config_unref(&config);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/expand");
    TCase *tc = tcase_create("expand");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_variables_are_filled_in);
    tcase_add_test(tc, test_defaults_hold_where_a_variable_is_unset_or_empty);
    tcase_add_test(tc, test_dollar_signs);
    tcase_add_test(tc, test_an_unset_variable_is_an_error_with_the_place);
    tcase_add_test(tc, test_what_is_no_reference_is_refused);
    tcase_add_test(tc, test_files_are_filled_in_without_their_last_newline);
    tcase_add_test(tc, test_a_secret_that_everybody_may_read_is_refused);
    tcase_add_test(tc, test_files_that_hold_no_secret);
    tcase_add_test(tc, test_what_came_from_a_file_is_never_in_an_error);
    tcase_add_test(tc, test_parts_of_a_uri_are_encoded);
    tcase_add_test(tc, test_settings_that_are_urls_are_encoded_too);
    tcase_add_test(tc, test_hosts_of_a_variable_stay_a_list);
    suite_add_tcase(suite, tc);
    return suite;
}
