/* SPDX-License-Identifier: MIT */
/* Tables that are wrong in one way each. Values are tested where they are used: test_settings. */
#include <config.h>

#include "plugin/option.h"

#include <ackd/error.h>
#include <string.h>

#include "main.h"

struct state {
    int64_t number;
    const char *max_length;
    uint64_t duration;
    int choice;
    const char *const *list;
};

static const char *const choices[] = {"a", "b", NULL};
static const char *const no_choices[] = {NULL};
static struct arena arena;

static void setup(void)
{
    arena_init(&arena, NULL, 0);
}

static void teardown(void)
{
    arena_fini(&arena);
}

/* A table of this row is refused, and the text has the word in it. */
static void refused(struct ackd_option row, const char *word)
{
    const struct ackd_option table[] = {row, ACKD_OPTIONS_END};
    const struct ackd_option *complete = NULL;
    ck_assert_int_eq(option_table(table, sizeof(struct state), "it", &arena, &complete),
                     ACKD_E_PLUGIN);
    ck_assert_ptr_null(complete);
    const char *text = ackd_error_text(ackd_error_current());
    ck_assert_msg(strstr(text, word) != NULL, "%s", text);
}

#define ROW(...) (struct ackd_option) ACKD_OPTION(struct state, __VA_ARGS__)

START_TEST(test_no_table_is_an_empty_one)
{
    const struct ackd_option *complete = NULL;
    static const struct ackd_option empty[] = {ACKD_OPTIONS_END};
    ck_assert_int_eq(option_table(NULL, 0, "it", &arena, &complete), ACKD_OK);
    ck_assert_uint_eq(complete[0].size, 0);
    ck_assert_int_eq(option_table(empty, 0, "it", &arena, &complete), ACKD_OK);
    ck_assert_uint_eq(complete[0].size, 0);
    ck_assert_ptr_null(option_find(complete, "number"));
}
END_TEST

START_TEST(test_keys_are_written_with_dashes)
{
    static const struct ackd_option table[] = {ACKD_OPTION(struct state, number, INTEGER),
                                               ACKD_OPTION(struct state, max_length, STRING),
                                               ACKD_OPTIONS_END};
    const struct ackd_option *complete = NULL;
    ck_assert_int_eq(option_table(table, sizeof(struct state), "it", &arena, &complete), ACKD_OK);
    const struct ackd_option *option = option_find(complete, "max-length");
    ck_assert_ptr_nonnull(option);
    ck_assert_uint_eq(option->offset, offsetof(struct state, max_length));
    ck_assert_ptr_null(option_find(complete, "max_length"));
    ck_assert_str_eq(option_type_name(option), "string");
}
END_TEST

START_TEST(a_least_without_a_most_is_a_bound_of_its_own)
{
    const struct ackd_option row = ROW(number, INTEGER, .min = 6);
    const char *const below[] = {"5", NULL}, *const far[] = {"9000000000", NULL};
    struct state state = {.number = 0};
    ck_assert_int_eq(option_set(&row, below, false, &state), ACKD_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "write 6 at least"));
    ck_assert_int_eq(option_set(&row, far, false, &state), ACKD_OK);
    ck_assert_int_eq(state.number, 9000000000);
}
END_TEST

START_TEST(test_faults_of_a_row_are_named)
{
    struct ackd_option row = ROW(number, INTEGER);
    refused(ROW(choice, CHOICE), "needs .choices");
    refused(ROW(choice, CHOICE, .choices = no_choices), "needs .choices");
    refused(ROW(choice, CHOICE, .choices = choices, .fallback = "c"), "its default");
    refused(ROW(number, INTEGER, .fallback = "many"), "its default");
    refused(ROW(number, INTEGER, .fallback = "7", .min = 1, .max = 5), "its default");
    refused(ROW(number, INTEGER, .min = 6, .max = 5), "min is above its max");
    refused(ROW(max_length, STRING, .max = 5), "bounds are for numbers");
    refused(ROW(duration, DURATION, .required = true, .fallback = "5s"), "required");
    row.offset = sizeof(struct state);
    refused(row, "outside of state_size");
    row.offset = SIZE_MAX;
    refused(row, "outside of state_size");
    row.offset = 1;
    refused(row, "offset");
    row = ROW(number, INTEGER);
    row.type = 99;
    refused(row, "does not know");
    row = ROW(number, INTEGER);
    row.name = NULL;
    refused(row, "without a name");
    row = ROW(number, INTEGER);
    row.size = 3;
    refused(row, "not made by ACKD_OPTION");
}
END_TEST

START_TEST(test_the_same_key_twice_is_refused)
{
    static const struct ackd_option table[] = {ACKD_OPTION(struct state, number, INTEGER),
                                               ACKD_OPTION(struct state, number, INTEGER),
                                               ACKD_OPTIONS_END};
    const struct ackd_option *complete = NULL;
    ck_assert_int_eq(option_table(table, sizeof(struct state), "it", &arena, &complete),
                     ACKD_E_PLUGIN);
}
END_TEST

START_TEST(test_a_table_without_an_end_is_refused)
{
    static struct ackd_option table[OPTION_ROWS_MAX + 2];
    const struct ackd_option *complete = NULL;
    for (size_t i = 0; i < OPTION_ROWS_MAX + 2; i++)
        table[i] = ROW(number, INTEGER);
    ck_assert_int_eq(option_table(table, sizeof(struct state), "it", &arena, &complete),
                     ACKD_E_PLUGIN);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "ACKD_OPTIONS_END"));
}
END_TEST

/* Rows of another version are of another length. */
struct older {
    uint32_t size;
    uint32_t type;
    const char *name;
    size_t offset;
    const char *fallback;
};

struct newer {
    struct ackd_option option;
    uint64_t more;
};

START_TEST(test_rows_of_other_versions_are_read_by_their_own_length)
{
    static const struct older old[] = {
        {sizeof *old, ACKD_OPTION_INTEGER, "number", offsetof(struct state, number), "5"},
        {sizeof *old, ACKD_OPTION_STRING, "max_length", offsetof(struct state, max_length), NULL},
        {0, 0, NULL, 0, NULL}};
    static struct newer new[] = {{.option = ACKD_OPTION(struct state, number, INTEGER)},
                                 {.option = ACKD_OPTION(struct state, duration, DURATION)},
                                 {.option = ACKD_OPTIONS_END}};
    const struct ackd_option *complete = NULL;
    ck_assert_int_eq(option_table((const void *)old, sizeof(struct state), "it", &arena, &complete),
                     ACKD_OK);
    ck_assert_str_eq(complete[0].fallback, "5");
    ck_assert_ptr_null(complete[0].help);
    ck_assert_str_eq(complete[1].name, "max-length");
    ck_assert_uint_eq(complete[2].size, 0);
    new[0].option.size = new[1].option.size = sizeof *new;
    ck_assert_int_eq(option_table(&new->option, sizeof(struct state), "it", &arena, &complete),
                     ACKD_OK);
    ck_assert_str_eq(complete[1].name, "duration");
    new[1].more = 1;
    ck_assert_int_eq(option_table(&new->option, sizeof(struct state), "it", &arena, &complete),
                     ACKD_E_PLUGIN);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("plugin/option");
    TCase *tc = tcase_create("option");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_no_table_is_an_empty_one);
    tcase_add_test(tc, test_keys_are_written_with_dashes);
    tcase_add_test(tc, a_least_without_a_most_is_a_bound_of_its_own);
    tcase_add_test(tc, test_faults_of_a_row_are_named);
    tcase_add_test(tc, test_the_same_key_twice_is_refused);
    tcase_add_test(tc, test_a_table_without_an_end_is_refused);
    tcase_add_test(tc, test_rows_of_other_versions_are_read_by_their_own_length);
    suite_add_tcase(suite, tc);
    return suite;
}
