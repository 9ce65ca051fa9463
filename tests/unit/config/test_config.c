/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "config/config.h"

#include <ackd/error.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(memory, size) ((void)0)
#endif

#include "fixture.h"
#include "main.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static const char secret[] = "hunter2-and-more";
static long allocations;      /* since the last reset */
static long fails_at = -1;    /* the allocation that fails; -1: none */
static bool watched;          /* what is freed is looked into */
static int freed_with_secret; /* blocks that held it when they were freed */

static bool allocation_fails(void)
{
    return ++allocations == fails_at;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(memory, size);
}

void __wrap_free(void *memory)
{
    /* What was never written is looked into as well: it may be what somebody else left behind. */
    if (watched && memory != NULL)
        VALGRIND_MAKE_MEM_DEFINED(memory, malloc_usable_size(memory));
    if (watched && memory != NULL &&
        memmem(memory, malloc_usable_size(memory), secret, strlen(secret)) != NULL)
        freed_with_secret++;
    __real_free(memory);
}

START_TEST(test_defaults_are_those_of_the_manual)
{
    struct config *config = fixture_good("consumers: {a: {queue: q, handler: h}}\n");
    ck_assert_uint_eq(config_loops(config), 1);
    ck_assert_uint_eq(config_stack_size(config), 262144);
    ck_assert_int_eq(config_stack_guard(config), 0);
    ck_assert_uint_eq(config_tasks_max(config), 20000);
    struct config_stall stall;
    config_stall(config, &stall);
    ck_assert_uint_eq(stall.warn_ms, 50);
    ck_assert_uint_eq(stall.error_ms, 1000);
    ck_assert_uint_eq(stall.abort_ms, 0);
    ck_assert(!config_unobserved_fails(config));
    ck_assert_uint_eq(config_shutdown_ms(config), 85000);
    ck_assert_uint_eq(config_shutdown_soft_percent(config), 60);
    ck_assert_int_eq(config_log_level(config), 6);
    ck_assert_int_eq(config_log_format(config), 0);
    ck_assert_str_eq(config_plugin_path(config)[0], ACKD_PLUGIN_DIRECTORY);
    ck_assert_ptr_null(config_plugin_path(config)[1]);
    size_t count = 0;
    const struct config_broker *broker = config_brokers(config, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(broker->heartbeat_ms, 15000);
    ck_assert_uint_eq(broker->reconnect_first_ms, 500);
    ck_assert_uint_eq(broker->reconnect_max_ms, 30000);
    ck_assert(broker->tls_verify);
    ck_assert(!broker->tls);
    ck_assert(!broker->external);
    const struct config_consumer *consumer = config_consumers(config, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_ptr_eq(consumer->broker, broker);
    ck_assert_uint_eq(consumer->concurrency, 16);
    ck_assert_uint_eq(consumer->loops, 1);
    ck_assert_uint_eq(consumer->message_size_max, 64 << 20);
    ck_assert_uint_eq(consumer->buffer, 0);
    ck_assert_uint_eq(config_buffer(config), 256 << 20);
    ck_assert_uint_eq(consumer->batch_size, 0);
    ck_assert_uint_eq(consumer->timeout_ms, 0);
    ck_assert_uint_eq(consumer->stack_size, 0);
    config_unref(&config);
}
END_TEST

START_TEST(test_a_missing_file_is_an_error)
{
    fixture_errors("ackd.yaml: cannot be read: No such file or directory\n");
}
END_TEST

START_TEST(test_a_failure_counts_its_errors)
{
    struct config *config = NULL;
    struct config_errors errors;
    fixture_write("ackd.yaml", "x: 1\ny: 2\n");
    ck_assert_int_eq(config_load("ackd.yaml", NULL, &config, &errors), ACKD_E_CONFIG);
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), "ackd.yaml: 2 errors");
    ck_assert_uint_eq(errors.count, 2);
    config_errors_free(&errors);
    config_errors_free(&errors);
}
END_TEST

START_TEST(test_the_last_reference_frees)
{
    struct config *config = fixture_good("");
    struct config *second = config_ref(config);
    ck_assert_ptr_eq(second, config);
    config_unref(&config);
    ck_assert_ptr_null(config);
    ck_assert_uint_eq(config_loops(second), 1);
    config_unref(&second);
    config_unref(&second);
}
END_TEST

/* A configuration that holds the secret in every place that can. */
static void write_secrets(const char *tail)
{
    char text[1024];
    char folder[128];
    ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
    fixture_write("secret", "hunter2-and-more\n");
    snprintf(text, sizeof text,
             "brokers:\n"
             "  a: {user: u, password: hunter2-and-more}\n"
             "  b: {user: u, password: \"${file:%s/secret}\"}\n"
             "  c: {uri: \"amqp://u:hunter2-and-more@localhost\"}\n"
             "  d: {user: u, password: \"${PASSWORD}\"}\n"
             "  e: {uri: \"amqp://u:${PASSWORD}@localhost\"}\n"
             "%s",
             folder, tail);
    fixture_write("ackd.yaml", text);
    fixture_setenv("PASSWORD", secret);
}

START_TEST(test_passwords_do_not_stay_in_freed_memory)
{
    write_secrets("");
    watched = true;
    struct config *config = fixture_load();
    char *dump = fixture_dump(config);
    ck_assert_ptr_null(strstr(dump, secret));
    free(dump);
    size_t count = 0;
    const struct config_broker *brokers = config_brokers(config, &count);
    ck_assert_uint_eq(count, 5);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(brokers[i].password, secret);
    config_unref(&config);
    watched = false;
    ck_assert_int_eq(freed_with_secret, 0);
}
END_TEST

START_TEST(test_nor_where_loading_failed)
{
    write_secrets("nonsense: 1\n");
    watched = true;
    fixture_errors("ackd.yaml:7:1: unknown option 'nonsense'\n");
    watched = false;
    ck_assert_int_eq(freed_with_secret, 0);
}
END_TEST

static const char *password_of(const char *name)
{
    return strcmp(name, "PASSWORD") == 0 ? secret : NULL;
}

START_TEST(test_every_failed_allocation_is_an_error)
{
    write_secrets("consumers: {a: {broker: a, queue: q, handler: h, settings: {x: [y, z]}}}\n");
    fixture_folder("conf.d");
    fixture_write("conf.d/a.yaml", "log: {level: debug}\nplugins: {path: [a, b]}\n");
    struct config *config = NULL;
    struct config_errors errors;
    long step = 0;
    for (bool failed = true; failed;) {
        ck_assert_int_lt(++step, 1000);
        allocations = 0;
        fails_at = step;
        int code = config_load("ackd.yaml", password_of, &config, &errors);
        failed = allocations >= step;
        fails_at = -1;
        ck_assert_int_eq(code, failed ? ACKD_E_NOMEM : ACKD_OK);
        ck_assert_uint_eq(errors.count, 0);
        config_errors_free(&errors);
    }
    ck_assert_int_gt(step, 5);
    config_unref(&config);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("config/config");
    TCase *tc = tcase_create("config");
    tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
    tcase_add_test(tc, test_defaults_are_those_of_the_manual);
    tcase_add_test(tc, test_a_missing_file_is_an_error);
    tcase_add_test(tc, test_a_failure_counts_its_errors);
    tcase_add_test(tc, test_the_last_reference_frees);
    tcase_add_test(tc, test_passwords_do_not_stay_in_freed_memory);
    tcase_add_test(tc, test_nor_where_loading_failed);
    tcase_add_test(tc, test_every_failed_allocation_is_an_error);
    suite_add_tcase(suite, tc);
    return suite;
}
