/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/effective.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "main.h"

static const char full[] =
    "brokers:\n"
    "  main:\n"
    "    uri: amqps://rabbit-1,[fe80::1%25eth0]:5673/pr%2Fod%20x\n"
    "    user: orders\n"
    "    password: hunter2\n"
    "    tls: {ca: /ca.pem, verify: off-insecure}\n"
    "  other: {uri: \"amqp://us:hunter2@localhost\"}\n"
    "runtime: {loops: 2}\n"
    "consumers:\n"
    "  a:\n"
    "    broker: main\n"
    "    queue: \"a: b\"\n"
    "    handler: exec\n"
    "    timeout: ${TIMEOUT:-90s}\n"
    "    settings: {url: http://h/, list: [a, 'b, c', $$x], api-token: hunter2,\n"
    "               proxy: \"http://u:hunter2@h\", '~': \"line\\nbreak\"}\n";

static char *dump_of(const char *text)
{
    struct config *config = fixture_good(text);
    char *dump = fixture_dump(config);
    config_unref(&config);
    return dump;
}

/* The dump has a line that starts with @start, after spaces, and ends with @end. */
static void check_line(const char *dump, const char *start, const char *end)
{
    const char *at = strstr(dump, start);
    ck_assert_msg(at != NULL, "no '%s' in\n%s", start, dump);
    const char *newline = strchr(at, '\n');
    ck_assert_msg((size_t)(newline - at) >= strlen(end) &&
                      memcmp(newline - strlen(end), end, strlen(end)) == 0,
                  "'%.*s' does not end with '%s'", (int)(newline - at), at, end);
}

START_TEST(test_each_value_tells_where_it_came_from)
{
    char *dump = dump_of(full);
    check_line(dump, "uri: \"amqps://rabbit-1:5671,[fe80::1%25eth0]:5673/pr%2Fod%20x\" ",
               "# ackd.yaml:3");
    check_line(dump, "user: orders ", "# ackd.yaml:4");
    check_line(dump, "password: (secret) ", "# ackd.yaml:5");
    check_line(dump, "verify: off-insecure ", "# ackd.yaml:6");
    check_line(dump, "uri: \"amqp://localhost:5672/\" ", "# ackd.yaml:7");
    check_line(dump, "user: us ", "# ackd.yaml:7");
    check_line(dump, "heartbeat: 15s ", "# default");
    check_line(dump, "timeout: 90s ", "# ackd.yaml:14 ${TIMEOUT}");
    check_line(dump, "prefetch: 21 ",
               "# default: concurrency and a quarter more, with 'key' eight times and 512 at "
               "least; no more than 'rate' makes of a minute");
    check_line(dump, "dead-letter: \"a: b.dead\" ", "# default: QUEUE.dead");
    check_line(dump, "# stack: not set", "; that of 'runtime'");
    check_line(dump, "list: [a, \"b, c\", \"$$x\"] ", "# ackd.yaml:15");
    check_line(dump, "\"~\": \"line\\x0abreak\" ", "# ackd.yaml:16");
    free(dump);
}
END_TEST

START_TEST(test_secrets_are_never_shown)
{
    char *dump = dump_of(full);
    ck_assert_ptr_null(strstr(dump, "hunter2"));
    check_line(dump, "api-token: (secret) ", "# ackd.yaml:15");
    check_line(dump, "proxy: (secret) ", "# ackd.yaml:16");
    free(dump);
}
END_TEST

START_TEST(test_what_came_from_a_file_is_not_shown_anywhere)
{
    char text[1024];
    char folder[128];
    ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
    fixture_write("secret", "hunter2\n");
    fixture_write("uri", "amqps://u:hunter2@hunter2.example/hunter2\n");
    snprintf(text, sizeof text,
             "broker: {uri: \"${file:%s/uri}\"}\n"
             "consumers: {a: {queue: \"${file:%s/secret}\", handler: h, settings: {x: [a, "
             "\"${file:%s/secret}\"]}}}\n",
             folder, folder, folder);
    char *dump = dump_of(text);
    check_line(dump, "uri: (secret) ", "/uri}");
    check_line(dump, "user: (secret) ", "/uri}");
    check_line(dump, "queue: (secret) ", "/secret}");
    check_line(dump, "x: (secret) ", "# ackd.yaml:2");
    ck_assert_ptr_null(strstr(dump, "hunter2"));
    free(dump);
}
END_TEST

static bool is_url(const struct config_consumer *consumer, const char *key, void *arg)
{
    (*(int *)arg)++;
    return strcmp(consumer->name, "a") == 0 && strcmp(key, "url") == 0;
}

START_TEST(test_a_handlers_table_can_name_its_secrets)
{
    struct config *config = fixture_good(full);
    char *text = NULL;
    size_t size = 0;
    int asked = 0;
    FILE *memory = open_memstream(&text, &size);
    ck_assert_int_eq(config_dump_with(config, is_url, &asked, memory), 0);
    fclose(memory);
    check_line(text, "url: (secret) ", "# ackd.yaml:15");
    ck_assert_int_gt(asked, 0);
    free(text);
    config_unref(&config);
}
END_TEST

/* Without the origins, which differ; a secret is a plain word once it has been read back. */
static char *strip(const char *dump)
{
    static const char quoted[] = "\"(secret)\"";
    char *text = malloc(strlen(dump) + 1);
    char *to = text;
    for (const char *at = dump; *at != '\0';) {
        if (strncmp(at, quoted, strlen(quoted)) == 0) {
            to = stpcpy(to, "(secret)");
            at += strlen(quoted);
        } else if (strncmp(at, "  # ", 4) == 0) {
            at += strcspn(at, "\n");
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
    return text;
}

/* @text, printed and read again, prints the same. */
static void check_again(const char *text)
{
    char *first = dump_of(text);
    char *second = dump_of(first);
    char *one = strip(first);
    char *other = strip(second);
    ck_assert_int_eq(strcmp(one, other), 0);
    free(one);
    free(other);
    free(first);
    free(second);
}

START_TEST(test_what_is_printed_loads_and_means_the_same)
{
    check_again(full);
    check_again("broker: {uri: amqps://r, auth: external, tls: {cert: /c, key: /k}}\n"
                "plugins: {path: [/a, '/b c'], cache: /d}\nlog: {level: debug, format: json}\n");
}
END_TEST

START_TEST(test_the_sample_gives_exactly_the_defaults)
{
    char sample[512];
    const char *folder = getenv("top_srcdir");
    if (folder == NULL)
        return; /* not run by make */
    snprintf(sample, sizeof sample, "%s/etc/ackd.yaml", folder);
    struct config *config = NULL;
    struct config_errors errors;
    ck_assert_int_eq(config_load(sample, NULL, &config, &errors), 0);
    ck_assert_ptr_null(config_warnings(config)[0]);
    char *first = fixture_dump(config);
    char *second = dump_of("");
    ck_assert_int_eq(strcmp(first, second), 0);
    free(first);
    free(second);
    config_errors_free(&errors);
    config_unref(&config);
}
END_TEST

START_TEST(test_a_full_disk_is_an_error)
{
    struct config *config = fixture_good(full);
    FILE *out = fopen("/dev/full", "we");
    if (out != NULL) {
        ck_assert_int_ne(config_dump(config, out), 0);
        ck_assert_int_ne(config_schema(out), 0);
        fclose(out);
    }
    config_unref(&config);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/effective");
    TCase *tc = tcase_create("effective");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_each_value_tells_where_it_came_from);
    tcase_add_test(tc, test_secrets_are_never_shown);
    tcase_add_test(tc, test_what_came_from_a_file_is_not_shown_anywhere);
    tcase_add_test(tc, test_a_handlers_table_can_name_its_secrets);
    tcase_add_test(tc, test_what_is_printed_loads_and_means_the_same);
    tcase_add_test(tc, test_the_sample_gives_exactly_the_defaults);
    tcase_add_test(tc, test_a_full_disk_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
