/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "main.h"

static char *print(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static char *print(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

START_TEST(test_takes_from_the_first_block_until_it_is_full)
{
    alignas(max_align_t) char first[256];
    char *volatile start = first; /* a compiler knows that what is allocated is nothing else's */
    struct arena arena;
    arena_init(&arena, first, sizeof first);
    char *one = arena_alloc(&arena, 100);
    char *other = arena_alloc(&arena, 100);
    ck_assert_ptr_eq(one, start);
    ck_assert(other >= one + 100 && other + 100 <= start + sizeof first);
    char *beyond = arena_alloc(&arena, 100);
    ck_assert(beyond < start || beyond >= start + sizeof first);
    arena_reset(&arena);
    ck_assert_ptr_eq(arena_alloc(&arena, sizeof first), start);
    ck_assert_ptr_null(arena.blocks);
    arena_fini(&arena);
}
END_TEST

START_TEST(test_is_aligned_for_any_type_wherever_the_first_block_lies)
{
    alignas(max_align_t) char first[128];
    for (size_t skip = 0; skip < alignof(max_align_t); skip++) {
        struct arena arena;
        arena_init(&arena, first + skip, sizeof first - skip);
        for (size_t i = 0; i < 8; i++) {
            arena_alloc_bytes(&arena, i);
            ck_assert_uint_eq((uintptr_t)arena_alloc(&arena, 1) % alignof(max_align_t), 0);
        }
        arena_fini(&arena);
    }
}
END_TEST

START_TEST(test_bytes_lie_side_by_side)
{
    char first[64];
    struct arena arena;
    arena_init(&arena, first, sizeof first);
    char *one = arena_alloc_bytes(&arena, 3);
    ck_assert_ptr_eq(arena_alloc_bytes(&arena, 3), one + 3);
    arena_fini(&arena);
}
END_TEST

START_TEST(test_nothing_has_a_place_too)
{
    struct arena arena;
    arena_init(&arena, NULL, 0);
    ck_assert_ptr_nonnull(arena_alloc(&arena, 0)); /* NULL would say that memory is out */
    ck_assert_ptr_nonnull(arena_alloc_bytes(&arena, 0));
    ck_assert_str_eq(arena_strndup(&arena, NULL, 0), "");
    arena_fini(&arena);
}
END_TEST

START_TEST(test_what_cannot_be_had_is_NULL_and_harmless)
{
    struct arena arena;
    volatile size_t all = SIZE_MAX;
    arena_init(&arena, NULL, 0);
    ck_assert_ptr_null(arena_alloc(&arena, all));
    ck_assert_ptr_null(arena_alloc(&arena, all - 15));
    ck_assert_ptr_null(arena_alloc_bytes(&arena, all / 2));
    ck_assert_ptr_null(arena_strndup(&arena, "x", all));
    ck_assert_ptr_nonnull(arena_alloc(&arena, 16));
    arena_fini(&arena);
}
END_TEST

START_TEST(test_copies_and_prints_texts)
{
    struct arena arena;
    arena_init(&arena, NULL, 0);
    ck_assert_str_eq(arena_strndup(&arena, "queue", 3), "que");
    ck_assert_str_eq(print(&arena, "%s-%d", "orders", 7), "orders-7");
    char *padded = print(&arena, "%9000d", 1);
    ck_assert_uint_eq(strlen(padded), 9000);
    arena_fini(&arena);
}
END_TEST

/* Pieces of any size never overlap, and keep what was written to them. */
START_TEST(test_pieces_never_overlap)
{
    enum { PIECES = 400 };
    static unsigned char *pieces[PIECES];
    static size_t sizes[PIECES];
    char first[512];
    struct arena arena;
    struct random random = {.state = 7};
    arena_init(&arena, first, sizeof first);
    unsigned long rounds = test_scale(50);
    for (unsigned long round = 0; round < rounds; round++) {
        for (size_t i = 0; i < PIECES; i++) {
            bool large = random_below(&random, 50) == 0;
            sizes[i] = random_below(&random, large ? 20000 : 200);
            pieces[i] = random_below(&random, 2) == 0 ? arena_alloc(&arena, sizes[i])
                                                      : arena_alloc_bytes(&arena, sizes[i]);
            test_that(pieces[i] != NULL);
            memset(pieces[i], (int)(i % 251), sizes[i]);
        }
        for (size_t i = 0; i < PIECES; i++) {
            for (size_t k = 0; k < sizes[i]; k++)
                test_that(pieces[i][k] == i % 251);
        }
        arena_reset(&arena);
    }
    arena_fini(&arena);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/arena");
    TCase *tc = tcase_create("arena");
    tcase_add_test(tc, test_takes_from_the_first_block_until_it_is_full);
    tcase_add_test(tc, test_is_aligned_for_any_type_wherever_the_first_block_lies);
    tcase_add_test(tc, test_bytes_lie_side_by_side);
    tcase_add_test(tc, test_nothing_has_a_place_too);
    tcase_add_test(tc, test_what_cannot_be_had_is_NULL_and_harmless);
    tcase_add_test(tc, test_copies_and_prints_texts);
    tcase_add_test(tc, test_pieces_never_overlap);
    suite_add_tcase(suite, tc);
    return suite;
}
