/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/metric.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "main.h"

static struct metric_set one, other, third;

static void enter(struct metric_set *set, const char *label)
{
    ck_assert_int_eq(metric_register(set, label), 0);
}

START_TEST(test_every_metric_is_described_once)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_description *description = metric_describe((enum metric)i);
        ck_assert_uint_eq(strspn(description->name, "abcdefghijklmnopqrstuvwxyz_"),
                          strlen(description->name));
        ck_assert(description->help[0] != '\0' && description->unit[0] != '\0');
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(metric_describe((enum metric)k)->name, description->name);
    }
    ck_assert_int_eq(metric_describe(METRIC_handlers_running)->kind, METRIC_GAUGE);
    ck_assert_int_eq(metric_describe(METRIC_messages_acked)->kind, METRIC_COUNTER);
}
END_TEST

static void teardown(void)
{
    metric_retire(&one);
    metric_retire(&other);
    metric_retire(&third);
}

START_TEST(test_a_sum_is_over_the_sets_of_a_label_or_of_all)
{
    uint64_t before = metric_sum(METRIC_messages_acked, NULL);
    enter(&one, "orders-2");
    enter(&other, "orders-2");
    enter(&third, "mails-2");
    metric_add(&one, METRIC_messages_acked, 3);
    metric_add(&other, METRIC_messages_acked, 4);
    metric_add(&third, METRIC_messages_acked, 5);
    ck_assert_uint_eq(metric_sum(METRIC_messages_acked, "orders-2"), 7);
    ck_assert_uint_eq(metric_sum(METRIC_messages_acked, "mails-2"), 5);
    ck_assert_uint_eq(metric_sum(METRIC_messages_acked, "nobody"), 0);
    ck_assert_uint_eq(metric_sum(METRIC_messages_acked, NULL), before + 12);
    ck_assert_uint_eq(metric_sum(METRIC_messages_dead, NULL), 0);
}
END_TEST

START_TEST(test_a_gauge_goes_up_and_down)
{
    enter(&one, "bytes");
    metric_add(&one, METRIC_bytes_buffered, 100);
    metric_subtract(&one, METRIC_bytes_buffered, 30);
    ck_assert_uint_eq(metric_sum(METRIC_bytes_buffered, "bytes"), 70);
    metric_store(&one, METRIC_bytes_buffered, 5);
    ck_assert_uint_eq(metric_sum(METRIC_bytes_buffered, "bytes"), 5);
}
END_TEST

START_TEST(test_M2_what_a_retired_set_counted_stays_and_its_gauges_go)
{
    enter(&one, "orders-4");
    metric_add(&one, METRIC_messages_acked, 3);
    metric_add(&one, METRIC_handlers_running, 2);
    metric_retire(&one);
    metric_retire(&one);
    ck_assert_uint_eq(metric_sum(METRIC_messages_acked, "orders-4"), 3);
    ck_assert_uint_eq(metric_sum(METRIC_handlers_running, "orders-4"), 0);
    enter(&one, "orders-4");
    ck_assert_uint_eq(metric_load(&one, METRIC_messages_acked), 0);
    metric_add(&one, METRIC_messages_acked, 1);
    ck_assert_uint_eq(metric_sum(METRIC_messages_acked, "orders-4"), 4);
}
END_TEST

static void see(const char *label, const uint64_t *values, void *arg)
{
    char *seen = arg;
    sprintf(seen + strlen(seen), "%s=%d ", label, (int)values[METRIC_messages_acked]);
}

START_TEST(test_each_visits_labels_in_their_first_order)
{
    char seen[256] = "";
    enter(&one, "orders-5");
    enter(&other, "");
    enter(&third, "orders-5");
    metric_add(&one, METRIC_messages_acked, 1);
    metric_add(&third, METRIC_messages_acked, 2);
    metric_each(see, seen);
    ck_assert_ptr_nonnull(strstr(seen, "orders-5=3 =0 "));
}
END_TEST

static void *count(void *arg)
{
    for (int i = 0; i < 100000; i++)
        metric_add(arg, METRIC_channel_recoveries, 1);
    return NULL;
}

START_TEST(test_M1_readers_beside_writers_never_see_less_than_before)
{
    pthread_t threads[2];
    enter(&one, "orders-6");
    enter(&other, "orders-6");
    ck_assert_int_eq(pthread_create(&threads[0], NULL, count, &one), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, count, &other), 0);
    uint64_t before = 0;
    for (int i = 0; i < 10000; i++) {
        uint64_t sum = metric_sum(METRIC_channel_recoveries, NULL);
        test_that(sum >= before);
        before = sum;
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    ck_assert_uint_eq(metric_sum(METRIC_channel_recoveries, "orders-6"), 200000);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/metric");
    TCase *tc = tcase_create("metric");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, test_every_metric_is_described_once);
    tcase_add_test(tc, test_a_sum_is_over_the_sets_of_a_label_or_of_all);
    tcase_add_test(tc, test_a_gauge_goes_up_and_down);
    tcase_add_test(tc, test_M2_what_a_retired_set_counted_stays_and_its_gauges_go);
    tcase_add_test(tc, test_each_visits_labels_in_their_first_order);
    tcase_add_test(tc, test_M1_readers_beside_writers_never_see_less_than_before);
    suite_add_tcase(suite, tc);
    return suite;
}
