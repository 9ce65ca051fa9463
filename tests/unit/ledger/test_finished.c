/* SPDX-License-Identifier: MIT */
/* The memory of what was handled, and the identities in it. */
#include <config.h>

#include "ledger/finished.h"

#include <ackd/error.h>
#include <string.h>

#include "main.h"

enum { FINISHED_ROOM = 64 };

static struct finished finished;

static struct identity number(uint64_t low)
{
    return (struct identity){.low = low, .high = ~low};
}

static void add(uint64_t low, uint64_t until_ns)
{
    ck_assert_int_eq(finished_add(&finished, number(low), until_ns), ACKD_OK);
}

static struct identity sum(const char *first, const char *second)
{
    static const struct identity_key key = {1, 2};
    struct identity_sum sum;
    identity_begin(&sum, &key);
    identity_add_text(&sum, first);
    identity_add_text(&sum, second);
    return identity_end(&sum);
}

START_TEST(the_hash_is_siphash_of_128_bits)
{
    /* The reference's vectors for no bytes and for eight, key 00 to 0f. */
    static const struct identity_key key = {UINT64_C(0x0706050403020100),
                                            UINT64_C(0x0f0e0d0c0b0a0908)};
    struct identity_sum sum;
    identity_begin(&sum, &key);
    struct identity none = identity_end(&sum);
    ck_assert_uint_eq(none.low, UINT64_C(0xe6a825ba047f81a3));
    ck_assert_uint_eq(none.high, UINT64_C(0x930255c71472f66d));
    identity_begin(&sum, &key);
    identity_add_number(&sum, UINT64_C(0x0706050403020100));
    struct identity eight = identity_end(&sum);
    ck_assert_uint_eq(eight.low, UINT64_C(0x61f55862baa9623b));
    ck_assert_uint_eq(eight.high, UINT64_C(0xb49714f364e2830f));
}
END_TEST

START_TEST(identities_differ_where_messages_do)
{
    ck_assert(identity_equal(sum("ab", "c"), sum("ab", "c")));
    ck_assert(!identity_equal(sum("ab", "c"), sum("a", "bc")));
    ck_assert(!identity_equal(sum("", NULL), sum(NULL, "")));
    ck_assert(!identity_equal(sum("", NULL), sum("", "")));
    /* Every length and every place in it counts. */
    char text[40];
    memset(text, 'x', sizeof text);
    for (size_t size = 0; size + 1 < sizeof text; size++) {
        text[size] = '\0';
        struct identity whole = sum(text, "");
        for (size_t at = 0; at < size; at++) {
            text[at] = 'y';
            ck_assert(!identity_equal(whole, sum(text, "")));
            text[at] = 'x';
        }
        text[size] = 'x';
    }
}
END_TEST

/* F1 */
START_TEST(what_is_added_twice_is_taken_twice)
{
    finished_init(&finished, FINISHED_ROOM);
    ck_assert(!finished_take(&finished, number(1), 0));
    add(1, FINISHED_NO_LIMIT);
    add(1, FINISHED_NO_LIMIT);
    add(2, FINISHED_NO_LIMIT);
    ck_assert(finished_take(&finished, number(1), 0));
    ck_assert(finished_take(&finished, number(1), 0));
    ck_assert(!finished_take(&finished, number(1), 0));
    ck_assert(finished_take(&finished, number(2), 0));
    ck_assert_uint_eq(finished.count, 0);
    finished_fini(&finished);
}
END_TEST

/* F2 */
START_TEST(a_full_memory_forgets_the_oldest)
{
    finished_init(&finished, FINISHED_ROOM);
    for (uint64_t i = 0; i < 10 * FINISHED_ROOM; i++)
        add(i, FINISHED_NO_LIMIT);
    ck_assert_uint_eq(finished.count, FINISHED_ROOM);
    for (uint64_t i = 0; i < 10 * FINISHED_ROOM; i++)
        ck_assert_int_eq(finished_take(&finished, number(i), 0), i >= 9 * FINISHED_ROOM);
    finished_fini(&finished);
}
END_TEST

/* F3 */
START_TEST(what_is_past_its_time_is_gone)
{
    finished_init(&finished, FINISHED_ROOM);
    add(1, 100);
    add(2, FINISHED_NO_LIMIT);
    add(3, 300);
    finished_limit(&finished, 200);
    ck_assert(!finished_take(&finished, number(1), 101));
    ck_assert(!finished_take(&finished, number(2), 201));
    ck_assert(finished_take(&finished, number(3), 300));
    ck_assert_uint_eq(finished.count, 0);
    finished_fini(&finished);
}
END_TEST

START_TEST(the_last_few_can_be_kept)
{
    finished_init(&finished, FINISHED_ROOM);
    for (uint64_t i = 0; i < 20; i++)
        add(i, FINISHED_NO_LIMIT);
    finished_keep_last(&finished, 5);
    ck_assert_uint_eq(finished.count, 5);
    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(finished_take(&finished, number(i), 0), i >= 15);
    finished_fini(&finished);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("finished");
    TCase *tc = tcase_create("finished");
    tcase_add_test(tc, the_hash_is_siphash_of_128_bits);
    tcase_add_test(tc, identities_differ_where_messages_do);
    tcase_add_test(tc, what_is_added_twice_is_taken_twice);
    tcase_add_test(tc, a_full_memory_forgets_the_oldest);
    tcase_add_test(tc, what_is_past_its_time_is_gone);
    tcase_add_test(tc, the_last_few_can_be_kept);
    suite_add_tcase(suite, tc);
    return suite;
}
