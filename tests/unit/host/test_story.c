/* SPDX-License-Identifier: MIT */
/* What a message tells of itself, and whose word it is. */
#include <config.h>

#include "host/story.h"

#include <string.h>

#include "amqp/entries.h"
#include "main.h"

static uint8_t bytes[8192];
static struct entries entries;
static struct delivery delivery;

static void set_up(void)
{
    entries = (struct entries){.bytes = bytes, .room = sizeof bytes};
    delivery = (struct delivery){.exchange = "", .routing_key = "work"};
    delivery.properties.user_id = "ackd";
    arena_init(&delivery.arena, NULL, 0);
}

static void tear_down(void)
{
    arena_fini(&delivery.arena);
}

static void text(const char *name, const char *value)
{
    test_that(entries_text(&entries, name, value, strlen(value)));
}

static void number(const char *name, int64_t value)
{
    test_that(entries_integer(&entries, name, value));
}

static const struct story *read_as(const char *queue, const char *user)
{
    delivery.properties.headers = (struct ackd_bytes){entries.bytes, entries.size};
    return story_read(&delivery, queue, user);
}

/* What makes a story. */
static void tell(int64_t attempts)
{
    number(STORY_ATTEMPTS, attempts);
    text(STORY_QUEUE, "work");
}

START_TEST(a_story_gives_back_what_the_message_was)
{
    tell(3);
    text(STORY_EXCHANGE, "events");
    text(STORY_ROUTING_KEY, "order.made");
    text(STORY_USER_ID, "shop");
    text(STORY_EXPIRATION, "60000");
    text(STORY_ERROR, "no such shelf");
    text(STORY_FIRST_FAILED, "2026-01-01T00:00:00.000Z");
    number(STORY_LEFT, 700);
    number(STORY_EXPIRES, 1700000000000);
    const struct story *story = read_as("work", "ackd");
    ck_assert_ptr_nonnull(story);
    ck_assert_uint_eq(story->failures, 3);
    ck_assert_uint_eq(story->left_ms, 700);
    ck_assert_uint_eq(story->expires_ms, 1700000000000);
    ck_assert(story->first_failed);
    ck_assert_uint_eq(story->error.size, strlen("no such shelf"));
    ck_assert_str_eq(delivery.exchange, "events");
    ck_assert_str_eq(delivery.routing_key, "order.made");
    ck_assert_str_eq(delivery.properties.user_id, "shop");
    ck_assert_str_eq(delivery.properties.expiration, "60000");
}
END_TEST

START_TEST(what_the_original_did_not_have_the_message_does_not)
{
    delivery.properties.expiration = "1";
    tell(1);
    ck_assert_ptr_nonnull(read_as("work", "ackd"));
    ck_assert_str_eq(delivery.exchange, "");
    ck_assert_str_eq(delivery.routing_key, "");
    ck_assert_ptr_null(delivery.properties.user_id);
    ck_assert_ptr_null(delivery.properties.expiration);
}
END_TEST

static void is_as_it_was(const char *user)
{
    ck_assert_str_eq(delivery.routing_key, "work");
    if (user == NULL)
        ck_assert_ptr_null(delivery.properties.user_id);
    else
        ck_assert_str_eq(delivery.properties.user_id, user);
}

START_TEST(promise_d10_a_story_of_somebody_else_is_not_believed)
{
    static const char *const authors[] = {NULL, "", "shop", "ackd2", "ack", "ACKD"};
    tell(99);
    text(STORY_ROUTING_KEY, "elsewhere");
    for (size_t i = 0; i < sizeof authors / sizeof authors[0]; i++) {
        delivery.properties.user_id = authors[i];
        ck_assert_ptr_null(read_as("work", "ackd"));
        is_as_it_was(authors[i]);
    }
    ck_assert_ptr_nonnull(read_as("work", NULL)); /* nobody can vouch here: decision 0017 */
}
END_TEST

START_TEST(promise_d10_the_story_of_another_queue_is_not_this_ones)
{
    static const char *const queues[] = {"", "wor", "work2", "work.dead"};
    tell(2);
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        ck_assert_ptr_null(read_as(queues[i], "ackd"));
        is_as_it_was("ackd");
    }
}
END_TEST

START_TEST(half_a_story_is_none)
{
    text(STORY_QUEUE, "work");
    text(STORY_ROUTING_KEY, "elsewhere");
    ck_assert_ptr_null(read_as("work", "ackd"));
    text(STORY_ATTEMPTS, "3"); /* not a number */
    ck_assert_ptr_null(read_as("work", "ackd"));
    is_as_it_was("ackd");
    entries.size = 0;
    ck_assert_ptr_null(read_as("work", "ackd"));
    number(STORY_ATTEMPTS, 3);
    ck_assert_ptr_null(read_as("work", "ackd"));
    number(STORY_QUEUE, 3);
    ck_assert_ptr_null(read_as("work", "ackd"));
    is_as_it_was("ackd");
}
END_TEST

START_TEST(numbers_out_of_bounds_become_bounds)
{
    tell(INT64_MAX);
    number(STORY_LEFT, -1);
    number(STORY_EXPIRES, INT64_MIN);
    const struct story *story = read_as("work", "ackd");
    ck_assert_ptr_nonnull(story);
    ck_assert_uint_eq(story->failures, INT32_MAX);
    ck_assert_uint_eq(story->left_ms, 0);
    ck_assert_uint_eq(story->expires_ms, 0);
    number(STORY_ATTEMPTS, -5);           /* of two, the last one holds */
    delivery.properties.user_id = "ackd"; /* what was read gave back the original's */
    ck_assert_uint_eq(read_as("work", "ackd")->failures, 0);
}
END_TEST

START_TEST(a_delivery_count_is_read_where_it_is_a_number)
{
    ck_assert_int_eq(story_delivery_count(&delivery), -1);
    text("x-delivery-count", "4");
    (void)read_as("work", "ackd");
    ck_assert_int_eq(story_delivery_count(&delivery), -1);
    number("x-delivery-count", 4);
    (void)read_as("work", "ackd");
    ck_assert_int_eq(story_delivery_count(&delivery), 4);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/story");
    TCase *tc = tcase_create("story");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_story_gives_back_what_the_message_was);
    tcase_add_test(tc, what_the_original_did_not_have_the_message_does_not);
    tcase_add_test(tc, promise_d10_a_story_of_somebody_else_is_not_believed);
    tcase_add_test(tc, promise_d10_the_story_of_another_queue_is_not_this_ones);
    tcase_add_test(tc, half_a_story_is_none);
    tcase_add_test(tc, numbers_out_of_bounds_become_bounds);
    tcase_add_test(tc, a_delivery_count_is_read_where_it_is_a_number);
    suite_add_tcase(suite, tc);
    return suite;
}
