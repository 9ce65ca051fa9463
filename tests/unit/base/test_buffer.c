/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/buffer.h"

#include <ackd/error.h>
#include <string.h>

#include "base/random.h"
#include "main.h"

START_TEST(test_bytes_come_out_in_the_order_they_came_in)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    ck_assert_uint_eq(buffer_size(&buffer), 0);
    ck_assert_int_eq(buffer_append(&buffer, "hello ", 6), ACKD_OK);
    ck_assert_int_eq(buffer_append(&buffer, "world", 5), ACKD_OK);
    ck_assert_uint_eq(buffer_size(&buffer), 11);
    ck_assert_mem_eq(buffer_bytes(&buffer), "hello world", 11);
    buffer_consume(&buffer, 6);
    ck_assert_mem_eq(buffer_bytes(&buffer), "world", 5);
    buffer_clear(&buffer);
    ck_assert_uint_eq(buffer_size(&buffer), 0);
    buffer_fini(&buffer);
}
END_TEST

START_TEST(test_never_holds_more_than_its_limit)
{
    static const char bytes[5000];
    struct buffer buffer;
    uint8_t *at = NULL;
    buffer_init(&buffer, 5000);
    ck_assert_int_eq(buffer_append(&buffer, bytes, 4999), ACKD_OK);
    ck_assert_int_eq(buffer_append(&buffer, bytes, 2), ACKD_E_FULL);
    ck_assert_uint_eq(buffer_size(&buffer), 4999);
    ck_assert_int_eq(buffer_append(&buffer, bytes, 1), ACKD_OK);
    ck_assert_uint_eq(buffer.capacity, 5000);
    ck_assert_int_eq(buffer_reserve(&buffer, SIZE_MAX, &at), ACKD_E_FULL);
    buffer_consume(&buffer, 10);
    ck_assert_int_eq(buffer_append(&buffer, bytes, 10), ACKD_OK);
    buffer_fini(&buffer);
}
END_TEST

START_TEST(test_a_limit_of_any_size_is_kept)
{
    char bytes[64] = {0};
    struct buffer buffer;
    buffer_init(&buffer, 10);
    ck_assert_int_eq(buffer_append(&buffer, bytes, 10), ACKD_OK);
    ck_assert_uint_eq(buffer.capacity, 10);
    buffer_fini(&buffer);
    buffer_init(&buffer, SIZE_MAX);
    ck_assert_int_eq(buffer_append(&buffer, bytes, 64), ACKD_OK);
    buffer_fini(&buffer);
}
END_TEST

START_TEST(test_an_empty_one_gives_nothing_and_takes_nothing)
{
    struct buffer buffer;
    uint8_t *at = NULL;
    buffer_init(&buffer, 100);
    ck_assert_int_eq(buffer_reserve(&buffer, 0, &at), ACKD_OK);
    buffer_commit(&buffer, 0);
    ck_assert_int_eq(buffer_append(&buffer, NULL, 0), ACKD_OK);
    buffer_consume(&buffer, 0);
    ck_assert_ptr_null(buffer_bytes(&buffer));
    ck_assert_ptr_null(buffer.data);
    buffer_fini(&buffer);
}
END_TEST

START_TEST(test_swaps_without_copying)
{
    struct buffer one, other;
    buffer_init(&one, 100);
    buffer_init(&other, 200);
    ck_assert_int_eq(buffer_append(&one, "one", 3), ACKD_OK);
    const uint8_t *bytes = buffer_bytes(&one);
    buffer_swap(&one, &other);
    ck_assert_ptr_eq(buffer_bytes(&other), bytes);
    ck_assert_uint_eq(buffer_size(&one), 0);
    ck_assert_uint_eq(one.limit, 200);
    buffer_fini(&one);
    buffer_fini(&other);
}
END_TEST

START_TEST(test_after_warm_up_it_keeps_its_memory)
{
    char bytes[3000] = {0};
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(buffer_append(&buffer, bytes, sizeof bytes), ACKD_OK);
        ck_assert_uint_eq(buffer.capacity, 4096);
        buffer_consume(&buffer, sizeof bytes);
    }
    buffer_fini(&buffer);
}
END_TEST

/* A stream that is never emptied, against its two ends: every byte says where it belongs. */
START_TEST(test_no_byte_is_lost_or_turned_round)
{
    struct buffer buffer;
    struct random random = {.state = 11};
    uint64_t written = 0;
    uint64_t taken = 0;
    buffer_init(&buffer, 10000);
    unsigned long steps = test_scale(200000);
    for (unsigned long i = 0; i < steps; i++) {
        uint8_t *at = NULL;
        size_t size = random_below(&random, random_below(&random, 20) == 0 ? 9000 : 200);
        if (buffer_reserve(&buffer, size, &at) == ACKD_OK) {
            size_t filled = random_below(&random, size + 1);
            for (size_t k = 0; k < filled; k++)
                at[k] = (uint8_t)(written++ * 7);
            buffer_commit(&buffer, filled);
        } else {
            test_that(buffer_size(&buffer) + size > 10000);
        }
        test_that(buffer_size(&buffer) == written - taken);
        test_that(buffer.capacity <= 10000);
        size = random_below(&random, buffer_size(&buffer) + 1);
        for (size_t k = 0; k < size; k++)
            test_that(buffer_bytes(&buffer)[k] == (uint8_t)(taken++ * 7));
        buffer_consume(&buffer, size);
    }
    ck_assert_uint_gt(written, steps);
    buffer_fini(&buffer);
}
END_TEST

/* A byte in and a byte out at a time, with much in it: each byte is moved a bounded number of
 * times. */
START_TEST(test_small_steps_do_not_move_all_each_time)
{
    enum { HELD = 60000 };
    static char bytes[HELD];
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    ck_assert_int_eq(buffer_append(&buffer, bytes, HELD), ACKD_OK);
    unsigned long moves = 0;
    for (unsigned long i = 0; i < 10 * HELD; i++) {
        size_t start = buffer.start;
        test_that(buffer_append(&buffer, "x", 1) == ACKD_OK);
        moves += buffer.start < start;
        buffer_consume(&buffer, 1);
    }
    ck_assert_uint_le(moves, 11);
    buffer_fini(&buffer);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/buffer");
    TCase *tc = tcase_create("buffer");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_bytes_come_out_in_the_order_they_came_in);
    tcase_add_test(tc, test_never_holds_more_than_its_limit);
    tcase_add_test(tc, test_a_limit_of_any_size_is_kept);
    tcase_add_test(tc, test_an_empty_one_gives_nothing_and_takes_nothing);
    tcase_add_test(tc, test_swaps_without_copying);
    tcase_add_test(tc, test_after_warm_up_it_keeps_its_memory);
    tcase_add_test(tc, test_no_byte_is_lost_or_turned_round);
    tcase_add_test(tc, test_small_steps_do_not_move_all_each_time);
    suite_add_tcase(suite, tc);
    return suite;
}
