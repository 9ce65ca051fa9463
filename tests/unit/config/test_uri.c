/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/uri.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "main.h"

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, NULL, 0);
}

static void teardown(void)
{
    arena_fini(&arena);
}

static struct uri parse(const char *text)
{
    struct uri uri;
    ck_assert_int_eq(uri_parse(&arena, text, &uri), ACKD_OK);
    return uri;
}

static void check_error(const char *text, const char *error)
{
    struct uri uri;
    ck_assert_int_eq(uri_parse(&arena, text, &uri), ACKD_E_SYNTAX);
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), error);
}

START_TEST(test_ports_have_defaults)
{
    struct uri uri = parse("amqp://rabbit");
    ck_assert(!uri.tls);
    ck_assert_uint_eq(uri.host_count, 1);
    ck_assert_str_eq(uri.hosts[0].name, "rabbit");
    ck_assert_uint_eq(uri.hosts[0].port, 5672);
    ck_assert_str_eq(uri.vhost, "/");
    ck_assert_ptr_null(uri.user);
    ck_assert_ptr_null(uri.password);
    uri = parse("AMQPS://rabbit/");
    ck_assert(uri.tls);
    ck_assert_uint_eq(uri.hosts[0].port, 5671);
    ck_assert_str_eq(uri.vhost, "/");
}
END_TEST

START_TEST(test_several_hosts)
{
    struct uri uri = parse("amqps://rabbit-1,rabbit_2.example:1,[::1],[fe80::1%25eth0]:65535/prod");
    ck_assert_uint_eq(uri.host_count, 4);
    ck_assert_str_eq(uri.hosts[0].name, "rabbit-1");
    ck_assert_uint_eq(uri.hosts[0].port, 5671);
    ck_assert_str_eq(uri.hosts[1].name, "rabbit_2.example");
    ck_assert_uint_eq(uri.hosts[1].port, 1);
    ck_assert_str_eq(uri.hosts[2].name, "::1");
    ck_assert_uint_eq(uri.hosts[2].port, 5671);
    ck_assert_str_eq(uri.hosts[3].name, "fe80::1%eth0");
    ck_assert_uint_eq(uri.hosts[3].port, 65535);
    ck_assert_str_eq(uri.vhost, "prod");
}
END_TEST

START_TEST(test_parts_are_decoded)
{
    struct uri uri = parse("amqp://us%65r%3a:p%40ss%2F:x@h/%2F");
    ck_assert_str_eq(uri.user, "user:");
    ck_assert_str_eq(uri.password, "p@ss/:x");
    ck_assert_str_eq(uri.vhost, "/");
    uri = parse("amqp://u:@h/a%2Fb%25");
    ck_assert_str_eq(uri.password, "");
    ck_assert_str_eq(uri.vhost, "a/b%");
    uri = parse("amqp://u@h");
    ck_assert_str_eq(uri.user, "u");
    ck_assert_ptr_null(uri.password);
    uri = parse("amqp://u:p@q@h/");
    ck_assert_str_eq(uri.password, "p@q");
    ck_assert_str_eq(uri.hosts[0].name, "h");
}
END_TEST

START_TEST(test_what_is_no_uri_is_refused)
{
    const struct {
        const char *text;
        const char *error;
    } wrong[] = {
        {"rabbit", "does not start with amqp:// or amqps://: write amqps://HOST, as in "
                   "amqps://rabbit-1/prod"},
        {"http://h", "does not start with amqp:// or amqps://: write amqps://HOST, as in "
                     "amqps://rabbit-1/prod"},
        {"amqp://", "has an empty host"},
        {"amqp:///v", "has an empty host"},
        {"amqp://a,,b", "has an empty host"},
        {"amqp://a,", "has an empty host"},
        {"amqp://:5672", "has an empty host"},
        {"amqp://[]", "has an empty host"},
        {"amqp://@h", "has an empty user before the '@'"},
        {"amqp://:p@h", "has an empty user before the '@'"},
        {"amqp://h:0", "has a port that is not a number from 1 to 65535"},
        {"amqp://h:", "has a port that is not a number from 1 to 65535"},
        {"amqp://h:65536", "has a port that is not a number from 1 to 65535"},
        {"amqp://h:000001", "has a port that is not a number from 1 to 65535"},
        {"amqp://h:1a", "has a port that is not a number from 1 to 65535"},
        {"amqp://[::1", "has a '[' without ']'"},
        {"amqp://[::1]5672", "has something other than ':PORT' behind a ']'"},
        {"amqp://::1", "has an empty host"},
        {"amqp://h;i", "has a host with a character that no host has: write HOST, HOST:PORT or "
                       "[ADDRESS]:PORT, with ',' between them"},
        {"amqp://h/a/b", "has a '/' in the virtual host: write %2F for it"},
        {"amqp://h/%zz", "has a '%' in the virtual host that two hexadecimal digits do not follow: "
                         "write %25 for a '%'"},
        {"amqp://h/a%2", "has a '%' in the virtual host that two hexadecimal digits do not follow: "
                         "write %25 for a '%'"},
        {"amqp://h/%00", "has a NUL byte (%00) in the virtual host"},
        {"amqp://%ff:p@h", "has bytes in the user that are not UTF-8"},
        {"amqp://u:p%@h", "has a '%' in the password that two hexadecimal digits do not follow: "
                          "write %25 for a '%'"},
        {"amqp://u:p/q@h", "has a '/', '?' or '#' before an '@': in a user or a password write "
                           "%2F, %3F and %23"},
        {"amqp://h?heartbeat=5",
         "has a '?' or a '#' in it: options are written below 'broker', and in a user, a password "
         "or a virtual host these are %3F and %23"},
        {"amqp://h /", "has a space or a control character in it: write %20 and the like"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_error(wrong[i].text, wrong[i].error);
}
END_TEST

START_TEST(test_lengths_are_bounded)
{
    char text[1024] = "amqp://h/";
    memset(text + 9, 'v', 255);
    ck_assert_uint_eq(strlen(parse(text).vhost), 255);
    text[9 + 255] = 'v';
    check_error(text, "has a virtual host of more than 255 bytes");
    strcpy(text, "amqp://h");
    for (int i = 1; i < URI_HOSTS_MAX; i++)
        strcat(text, ",h");
    ck_assert_uint_eq(parse(text).host_count, URI_HOSTS_MAX);
    strcat(text, ",h");
    check_error(text, "has more than 32 hosts");
}
END_TEST

START_TEST(test_loopback_is_this_machine_only)
{
    const char *const here[] = {"localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "::1"};
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        ck_assert(uri_is_loopback(here[i]));
    const char *const there[] = {"rabbit",
                                 "localhost.example",
                                 "127.example.com",
                                 "128.0.0.1",
                                 "127.0.0.1.x",
                                 "127.1",
                                 "::2",
                                 ""};
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        ck_assert(!uri_is_loopback(there[i]));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/uri");
    TCase *tc = tcase_create("uri");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_ports_have_defaults);
    tcase_add_test(tc, test_several_hosts);
    tcase_add_test(tc, test_parts_are_decoded);
    tcase_add_test(tc, test_what_is_no_uri_is_refused);
    tcase_add_test(tc, test_lengths_are_bounded);
    tcase_add_test(tc, test_loopback_is_this_machine_only);
    suite_add_tcase(suite, tc);
    return suite;
}
