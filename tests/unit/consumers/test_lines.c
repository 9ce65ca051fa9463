/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "lines.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "main.h"

static struct lines lines;
static char seen[65536];

static void see(const char *line, void *arg)
{
    ck_assert_ptr_eq(arg, seen);
    ck_assert_uint_le(strlen(line), LINES_LENGTH_MAX);
    strcat(strcat(seen, line), "|");
}

static void begin(uint64_t max)
{
    seen[0] = '\0';
    lines_init(&lines, max, see, seen);
}

static void add(const char *text)
{
    lines_add(&lines, text, strlen(text));
}

START_TEST(test_a_line_is_given_when_it_is_complete)
{
    begin(1000);
    add("one\ntw");
    ck_assert_str_eq(seen, "one|");
    add("o\n\nthree");
    ck_assert_str_eq(seen, "one|two|");
    lines_end(&lines);
    ck_assert_str_eq(seen, "one|two|three|");
    ck_assert_str_eq(lines.last, "three");
}
END_TEST

START_TEST(test_beyond_the_bound_bytes_are_counted)
{
    begin(5);
    add("one\ntwo\nthree\n");
    lines_end(&lines);
    ck_assert_str_eq(seen, "one|t|... 9 bytes more|");
    ck_assert_str_eq(lines.last, "three");
}
END_TEST

START_TEST(test_a_bound_of_nothing_gives_nothing_but_the_count)
{
    begin(0);
    add("one\n");
    lines_end(&lines);
    ck_assert_str_eq(seen, "... 4 bytes more|");
    begin(0);
    lines_end(&lines);
    ck_assert_str_eq(seen, "");
    ck_assert_str_eq(lines.last, "");
}
END_TEST

START_TEST(test_a_long_line_comes_in_pieces)
{
    char text[LINES_LENGTH_MAX + 11];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    begin(10000);
    add(text);
    add("\nend\n");
    lines_end(&lines);
    ck_assert_uint_eq(strcspn(seen, "|"), LINES_LENGTH_MAX);
    ck_assert_str_eq(seen + LINES_LENGTH_MAX, "|xxxxxxxxxx|end|");
}
END_TEST

START_TEST(test_the_last_line_is_cut_and_has_no_carriage_return)
{
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    begin(10000);
    add("failed\r\n\r\n\n");
    ck_assert_str_eq(seen, "failed|");
    ck_assert_str_eq(lines.last, "failed");
    add(text);
    lines_end(&lines);
    ck_assert_uint_eq(strlen(lines.last), LINES_LAST_SIZE - 1);
}
END_TEST

START_TEST(test_a_zero_byte_does_not_end_a_line)
{
    begin(1000);
    lines_add(&lines, "a\0b\n", 4);
    ck_assert_str_eq(seen, "a b|");
}
END_TEST

/* However a stream is cut into pieces, the lines are the same. */
START_TEST(test_pieces_do_not_matter)
{
    struct random random = {.state = 3};
    static char whole[65536];
    unsigned long rounds = test_scale(300);
    for (unsigned long round = 0; round < rounds; round++) {
        char text[3000];
        size_t size = random_below(&random, sizeof text);
        for (size_t i = 0; i < size; i++)
            text[i] = "abc\n\r\0"[random_below(&random, 6)];
        uint64_t max = random_below(&random, 4000);
        begin(max);
        lines_add(&lines, text, size);
        lines_end(&lines);
        memcpy(whole, seen, sizeof whole);
        begin(max);
        for (size_t at = 0; at < size;) {
            size_t piece = 1 + random_below(&random, 50);
            piece = piece > size - at ? size - at : piece;
            lines_add(&lines, text + at, piece);
            at += piece;
        }
        lines_end(&lines);
        ck_assert_str_eq(seen, whole);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("consumers/exec/lines");
    TCase *tc = tcase_create("lines");
    tcase_add_test(tc, test_a_line_is_given_when_it_is_complete);
    tcase_add_test(tc, test_beyond_the_bound_bytes_are_counted);
    tcase_add_test(tc, test_a_bound_of_nothing_gives_nothing_but_the_count);
    tcase_add_test(tc, test_a_long_line_comes_in_pieces);
    tcase_add_test(tc, test_the_last_line_is_cut_and_has_no_carriage_return);
    tcase_add_test(tc, test_a_zero_byte_does_not_end_a_line);
    tcase_add_test(tc, test_pieces_do_not_matter);
    suite_add_tcase(suite, tc);
    return suite;
}
