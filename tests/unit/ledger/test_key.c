/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/key.h"

#include <string.h>

#include "main.h"

/* The key of the reference: the octets 0 to 15. */
static const struct key_seed reference = {UINT64_C(0x0706050403020100),
                                          UINT64_C(0x0f0e0d0c0b0a0908)};

START_TEST(test_is_siphash_1_3)
{
    /* Of the octets 0, 1, 2 ..., with a seed of 0: what CPython 3.11 has for hash(bytes). */
    static const struct {
        size_t size;
        uint64_t hash;
    } vectors[] = {{1, UINT64_C(0x68a914128e01e473)},
                   {7, UINT64_C(0x2f098ab0c751325a)},
                   {8, UINT64_C(0xead411e67ebe2eea)},
                   {9, UINT64_C(0x75927f9d95124362)},
                   {16, UINT64_C(0x8972188433a5c5b7)}};
    static const unsigned char octets[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const struct key_seed none = {0, 0};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        ck_assert_uint_eq(key_hash(&none, octets, vectors[i].size), vectors[i].hash);
    /* The reference's key, and nothing. */
    ck_assert_uint_eq(key_hash(&reference, octets, 0), UINT64_C(0xabac0158050fc4dc));
}
END_TEST

START_TEST(test_every_byte_and_the_length_count)
{
    unsigned char bytes[40] = {0};
    uint64_t seen[sizeof bytes + 1];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        seen[size] = key_hash(&reference, bytes, size);
        for (size_t other = 0; other < size; other++)
            ck_assert_uint_ne(seen[size], seen[other]);
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        ck_assert_uint_ne(key_hash(&reference, bytes, sizeof bytes), seen[sizeof bytes]);
        bytes[i] = 0;
    }
}
END_TEST

START_TEST(test_another_seed_gives_other_numbers)
{
    struct key_seed other = reference;
    other.high++;
    ck_assert_uint_ne(key_hash(&reference, "customer", 8), key_hash(&other, "customer", 8));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/key");
    TCase *tc = tcase_create("key");
    tcase_add_test(tc, test_is_siphash_1_3);
    tcase_add_test(tc, test_every_byte_and_the_length_count);
    tcase_add_test(tc, test_another_seed_gives_other_numbers);
    suite_add_tcase(suite, tc);
    return suite;
}
