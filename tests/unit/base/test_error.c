/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "main.h"

/* The linker sends every malloc of this program here. */
static bool memory_is_out;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return memory_is_out ? NULL : __real_malloc(size);
}

static const struct ackd_error *make(int code)
{
    (void)ackd_fail(code, "of code %d", code);
    return error_take();
}

/* Takes the references. */
static const struct ackd_error *bundle(const struct ackd_error **errors, size_t count)
{
    struct error_bundle all = {0};
    for (size_t i = 0; i < count; i++)
        error_collect(&all, errors[i]);
    return error_bundle_end(&all, ACKD_HERE);
}

static unsigned occurrences(const char *text, const char *what)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        count++;
    return count;
}

static int fail_here(void)
{
    return ackd_fail(ACKD_E_NOT_FOUND, "order %d", 7);
}

START_TEST(rule_e1_an_error_says_what_and_where)
{
    struct error_slot slot = {.task_id = 42, .task_name = "orders"};
    struct error_slot *before = error_slot_use(&slot);
    ck_assert_int_eq(fail_here(), ACKD_E_NOT_FOUND);
    const struct ackd_error *error = ackd_error_current();
    ck_assert_int_eq(ackd_error_code(error), ACKD_E_NOT_FOUND);
    ck_assert_str_eq(ackd_error_text(error), "order 7");
    ck_assert_str_eq(ackd_error_function(error), "fail_here");
    ck_assert_ptr_nonnull(strstr(ackd_error_file(error), "test_error.c"));
    ck_assert_int_gt(ackd_error_line(error), 0);
    ck_assert_uint_eq(ackd_error_task_id(error), 42);
    ck_assert_str_eq(ackd_error_task_name(error), "orders");
    errno = EPIPE;
    ck_assert_int_eq(ackd_fail(ACKD_E_OS, "write"), ACKD_E_OS);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(ackd_error_errno(ackd_error_current()), EPIPE);
    error_slot_clear(&slot);
    ck_assert_ptr_eq(error_slot_use(before), &slot);
}
END_TEST

START_TEST(rule_e2_causes_go_from_the_newest_to_the_oldest)
{
    (void)fail_here();
    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(ackd_wrap(ACKD_E_USER - i, "level %d", i), ACKD_E_USER - i);
    const struct ackd_error *error = ackd_error_current();
    for (int i = 3; i >= 1; i--) {
        ck_assert_int_eq(ackd_error_code(error), ACKD_E_USER - i);
        error = ackd_error_cause(error);
    }
    ck_assert_int_eq(ackd_error_code(error), ACKD_E_NOT_FOUND);
    ck_assert_ptr_null(ackd_error_cause(error));
    error_clear();
}
END_TEST

static int pass_on(int levels)
{
    if (levels == 0)
        return fail_here();
    ACKD_TRY(pass_on(levels - 1));
    return ACKD_OK;
}

START_TEST(rule_e3_the_trace_has_each_place_and_counts_them_all)
{
    const char *file, *function;
    int line;
    ck_assert_int_eq(pass_on(5), ACKD_E_NOT_FOUND);
    ck_assert_uint_eq(ackd_error_trace_count(ackd_error_current()), 5);
    ck_assert(ackd_error_trace(ackd_error_current(), 4, &file, &line, &function));
    ck_assert_str_eq(function, "pass_on");
    ck_assert_int_eq(pass_on(40), ACKD_E_NOT_FOUND);
    ck_assert_uint_eq(ackd_error_trace_count(ackd_error_current()), 40);
    ck_assert(ackd_error_trace(ackd_error_current(), 15, &file, &line, &function));
    ck_assert(!ackd_error_trace(ackd_error_current(), 16, &file, &line, &function));
    error_clear();
}
END_TEST

START_TEST(rule_e4_out_of_memory_still_gives_the_verdict)
{
    memory_is_out = true;
    int drop = ackd_drop("not wanted");
    enum ackd_verdict dropped = ackd_error_verdict(ackd_error_current());
    error_clear();
    int dead = ackd_dead("it never will");
    enum ackd_verdict died = ackd_error_verdict(ackd_error_current());
    error_clear();
    memory_is_out = false;
    ck_assert_int_eq(drop, ACKD_E_DROP);
    ck_assert_int_eq(dropped, ACKD_VERDICT_DROP);
    ck_assert_int_eq(dead, ACKD_E_DEAD);
    ck_assert_int_eq(died, ACKD_VERDICT_DEAD);
}
END_TEST

START_TEST(rule_e4_out_of_memory_still_gives_the_right_code)
{
    memory_is_out = true;
    int failed = fail_here();
    int wrapped = ackd_wrap(ACKD_E_REFUSED, "order");
    int code = ackd_error_code(ackd_error_current());
    int traced = pass_on(3);
    int dead = ackd_dead("no such customer");
    int own = ackd_fail(ACKD_E_USER - 7, "of a handler");
    const struct ackd_error *children[] = {error_take(), error_take()};
    children[1] = ackd_error_ref(children[0]);
    const struct ackd_error *all = bundle(children, 2);
    memory_is_out = false;
    ck_assert_int_eq(failed, ACKD_E_NOT_FOUND);
    ck_assert_int_eq(wrapped, ACKD_E_REFUSED);
    ck_assert_int_eq(code, ACKD_E_REFUSED);
    ck_assert_int_eq(traced, ACKD_E_NOT_FOUND);
    ck_assert_int_eq(dead, ACKD_E_DEAD);
    ck_assert_int_lt(own, 0);
    ck_assert_ptr_nonnull(all);
    ackd_error_unref(all);
}
END_TEST

START_TEST(what_is_no_failure_is_a_failure_of_its_own)
{
    ck_assert_int_eq(ackd_fail(0, "none"), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_fail(3, "positive"), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_wrap(ACKD_CANCELED, "canceled"), ACKD_E_INVAL);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "canceled"));
    error_clear();
}
END_TEST

START_TEST(a_slot_that_is_given_what_it_holds_keeps_one_reference)
{
    (void)fail_here();
    const struct ackd_error *error = ackd_error_current();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(error_give(ackd_error_ref(error)), ACKD_E_NOT_FOUND);
    ck_assert_ptr_eq(error_take(), error);
    ck_assert_ptr_null(ackd_error_current());
    ackd_error_unref(error); /* the last one: valgrind and LSan look */
    ck_assert_int_eq(error_give(NULL), ACKD_E_INTERNAL);
    error_clear();
}
END_TEST

START_TEST(a_verdict_is_kept_by_who_wraps_it)
{
    ck_assert_int_eq(ackd_dead("no such customer"), ACKD_E_DEAD);
    ck_assert_int_eq(ackd_wrap(ACKD_E_REFUSED, "order"), ACKD_E_REFUSED);
    ck_assert_int_eq(ackd_error_verdict(ackd_error_current()), ACKD_VERDICT_DEAD);
    error_clear();
    ck_assert_int_eq(ackd_retry_after(1500, "busy"), ACKD_E_RETRY);
    ck_assert_int_eq(ackd_wrap(ACKD_E_REFUSED, "order"), ACKD_E_REFUSED);
    ck_assert_int_eq(ackd_error_verdict(ackd_error_current()), ACKD_VERDICT_RETRY);
    ck_assert_uint_eq(ackd_error_delay_ms(ackd_error_current()), 1500);
    error_clear();
}
END_TEST

START_TEST(an_aggregate_keeps_its_children_in_order_and_each_once)
{
    struct error_bundle none = {0};
    ck_assert_ptr_null(error_bundle_end(&none, ACKD_HERE));
    const struct ackd_error *one = make(ACKD_E_TLS);
    ck_assert_ptr_eq(bundle(&one, 1), one);
    const struct ackd_error *twice[] = {one, ackd_error_ref(one)};
    ck_assert_ptr_eq(bundle(twice, 2), one);
    const struct ackd_error *children[] = {one, make(ACKD_E_CLOSED), ackd_error_ref(one)};
    const struct ackd_error *all = bundle(children, 3);
    ck_assert_int_eq(ackd_error_code(all), ACKD_E_AGGREGATE);
    ck_assert_str_eq(ackd_error_text(all), "2 failures");
    ck_assert_str_eq(ackd_error_function(all), "bundle");
    ck_assert_uint_eq(ackd_error_child_count(all), 2);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(all, 0)), ACKD_E_TLS);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(all, 1)), ACKD_E_CLOSED);
    ck_assert_ptr_null(ackd_error_child(all, 2));
    all = error_with_child(all, make(ACKD_E_EXIT));
    ck_assert_uint_eq(ackd_error_child_count(all), 3);
    char text[512];
    size_t length = ackd_error_format(all, text, sizeof text);
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_ptr_nonnull(strstr(text, "also E_EXIT"));
    ackd_error_unref(all);
}
END_TEST

START_TEST(a_handler_makes_one_failure_of_several)
{
    const struct ackd_error *errors[] = {NULL, make(ACKD_E_TLS), NULL, make(ACKD_E_EXIT)};
    ck_assert_int_eq(ackd_aggregate(errors, 1), ACKD_OK);
    ck_assert_int_eq(ackd_aggregate(errors, 0), ACKD_OK);
    ck_assert_int_eq(ackd_aggregate(errors, 3), ACKD_E_TLS);
    ck_assert_ptr_eq(ackd_error_current(), errors[1]);
    ck_assert_int_eq(ackd_aggregate(errors, 4), ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(ackd_error_current()), 2);
    ck_assert_ptr_eq(ackd_error_child(ackd_error_current(), 1), errors[3]);
    error_clear();
    ackd_error_unref(errors[1]);
    ackd_error_unref(errors[3]);
}
END_TEST

static const struct ackd_error *make_retry(uint64_t delay_ms)
{
    (void)ackd_retry_after(delay_ms, "busy");
    return error_take();
}

static const struct ackd_error *make_dead(void)
{
    error_clear();
    (void)ackd_dead("no such customer");
    return error_take();
}

START_TEST(an_aggregate_is_tried_again_unless_all_are_dead)
{
    const struct ackd_error *mixed[] = {make_dead(), make_retry(300), make_retry(2000),
                                        make(ACKD_E_TLS)};
    const struct ackd_error *all = bundle(mixed, 4);
    ck_assert_int_eq(ackd_error_verdict(all), ACKD_VERDICT_RETRY);
    ck_assert_uint_eq(ackd_error_delay_ms(all), 2000);
    const struct ackd_error *dead[] = {make_dead(), make_dead()};
    const struct ackd_error *both = bundle(dead, 2);
    ck_assert_int_eq(ackd_error_verdict(both), ACKD_VERDICT_DEAD);
    const struct ackd_error *nested[] = {both, make_dead()};
    both = bundle(nested, 2);
    ck_assert_int_eq(ackd_error_verdict(both), ACKD_VERDICT_DEAD);
    const struct ackd_error *alive[] = {both, all};
    all = bundle(alive, 2);
    ck_assert_int_eq(ackd_error_verdict(all), ACKD_VERDICT_RETRY);
    ck_assert_uint_eq(ackd_error_delay_ms(all), 2000);
    ck_assert_int_eq(error_give(all), ACKD_E_AGGREGATE);
    ck_assert_int_eq(ackd_wrap(ACKD_E_REFUSED, "order"), ACKD_E_REFUSED);
    ck_assert_uint_eq(ackd_error_delay_ms(ackd_error_current()), 2000);
    error_clear();
}
END_TEST

START_TEST(rule_w16_every_leaf_of_a_tree_is_printed_once)
{
    const struct ackd_error *x = make(ACKD_E_TLS), *y = make(ACKD_E_CLOSED), *z = make(ACKD_E_EXIT);
    const struct ackd_error *inner[] = {ackd_error_ref(x), y};
    (void)error_give(bundle(inner, 2));
    (void)ackd_wrap(ACKD_E_REFUSED, "of the first half");
    const struct ackd_error *halves[] = {error_take(), x, z};
    const struct ackd_error *all = bundle(halves, 3);
    ck_assert_uint_eq(ackd_error_child_count(all), 3); /* the tree is kept */
    ck_assert_uint_eq(ackd_error_child_count(ackd_error_cause(ackd_error_child(all, 0))), 2);
    char text[1024];
    size_t length = ackd_error_format(all, text, sizeof text);
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_uint_eq(occurrences(text, "E_TLS"), 1);
    ck_assert_uint_eq(occurrences(text, "E_CLOSED"), 1);
    ck_assert_uint_eq(occurrences(text, "E_EXIT"), 1);
    ck_assert_uint_eq(occurrences(text, "\n"), 6);
    ck_assert_ptr_nonnull(strstr(text, "\n  also E_REFUSED: of the first half"));
    ck_assert_ptr_nonnull(strstr(text, "\n    because E_AGGREGATE: 2 failures"));
    ck_assert_ptr_nonnull(strstr(text, "\n      also E_TLS"));
    ck_assert_uint_eq(ackd_error_format(all, NULL, 0), length);
    ackd_error_unref(all);
}
END_TEST

/* Each level has the one below twice: as a cause and as a child. */
START_TEST(a_tree_that_shares_its_branches_is_printed_in_no_time)
{
    enum { LEVELS = 5000 };
    (void)fail_here();
    for (int i = 0; i < LEVELS; i++) {
        const struct ackd_error *below = ackd_error_ref(ackd_error_current());
        (void)ackd_wrap(ACKD_E_REFUSED, "level");
        (void)error_give(error_with_child(error_take(), below));
    }
    size_t length = ackd_error_format(ackd_error_current(), NULL, 0);
    char *text = malloc(length + 1);
    ck_assert_uint_eq(ackd_error_format(ackd_error_current(), text, length + 1), length);
    ck_assert_uint_eq(occurrences(text, "E_REFUSED"), LEVELS);
    ck_assert_uint_eq(occurrences(text, "E_NOT_FOUND"), 1);
    free(text);
    error_clear();
}
END_TEST

START_TEST(of_very_many_failures_all_are_counted)
{
    enum { MANY = 1500, KEPT = 1024 };
    struct error_bundle all = {0};
    for (int i = 0; i < MANY; i++)
        error_collect(&all, make(ACKD_E_USER - i));
    const struct ackd_error *error = error_bundle_end(&all, ACKD_HERE);
    ck_assert_uint_eq(ackd_error_child_count(error), MANY);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(error, KEPT - 1)), ACKD_E_USER - KEPT + 1);
    ck_assert_ptr_null(ackd_error_child(error, KEPT));
    size_t length = ackd_error_format(error, NULL, 0);
    char *text = malloc(length + 1);
    ackd_error_format(error, text, length + 1);
    ck_assert_uint_eq(occurrences(text, "also E_USER"), KEPT);
    ck_assert_ptr_nonnull(strstr(text, "of its 1500 further errors 1024 were kept"));
    free(text);
    ackd_error_unref(error);
}
END_TEST

START_TEST(who_adds_a_child_to_a_shared_error_changes_a_copy)
{
    struct error_slot slot = {.task_id = 42, .task_name = "orders"};
    struct error_slot *before = error_slot_use(&slot);
    (void)pass_on(2);
    error_slot_use(before);
    const struct ackd_error *shared = error_with_child(slot.error, make(ACKD_E_TLS));
    slot.error = NULL;
    const struct ackd_error *grown = error_with_child(ackd_error_ref(shared), make(ACKD_E_EXIT));
    ck_assert_ptr_ne(grown, shared);
    ck_assert_uint_eq(ackd_error_child_count(shared), 1);
    ck_assert_uint_eq(ackd_error_child_count(grown), 2);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(grown, 0)), ACKD_E_TLS);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(grown, 1)), ACKD_E_EXIT);
    ck_assert_uint_eq(ackd_error_task_id(grown), 42);
    ck_assert_str_eq(ackd_error_task_name(grown), "orders");
    ck_assert_uint_eq(ackd_error_trace_count(grown), 2);
    const struct ackd_error *both[] = {ackd_error_ref(shared), ackd_error_ref(grown)};
    ck_assert_ptr_eq(bundle(both, 2), grown); /* it is one failure */
    ackd_error_unref(grown);
    const struct ackd_error *nested = error_with_child(make(ACKD_E_CLOSED), ackd_error_ref(shared));
    nested = error_with_child(nested, error_with_child(make(ACKD_E_OS), ackd_error_ref(grown)));
    char text[1024];
    ackd_error_format(nested, text, sizeof text);
    ck_assert_uint_eq(occurrences(text, "E_NOT_FOUND"), 1);
    ck_assert_uint_eq(occurrences(text, "E_TLS"), 1);
    ck_assert_uint_eq(occurrences(text, "E_EXIT"), 1);
    ackd_error_unref(nested);
    ackd_error_unref(shared);
    ackd_error_unref(grown);
}
END_TEST

START_TEST(a_code_of_a_handler_is_told_by_its_number)
{
    ck_assert_str_eq(error_name(ACKD_E_USER - 7).text, "E_USER-7");
    ck_assert_str_eq(error_name(ACKD_E_USER).text, "E_USER");
    ck_assert_str_eq(error_name(INT_MIN).text, "E_USER-2147482648");
    ck_assert_str_eq(error_name(ACKD_E_TLS).text, "E_TLS");
    char text[256];
    const struct ackd_error *error = make(ACKD_E_USER - 7);
    ackd_error_format(error, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "E_USER-7: of code -1007"));
    ackd_error_unref(error);
}
END_TEST

START_TEST(every_code_has_a_name_and_a_text)
{
    ck_assert_str_eq(ackd_code_name(ACKD_OK), "OK");
    ck_assert_str_eq(ackd_code_name(ACKD_E_SUSPEND), "E_SUSPEND");
    ck_assert_str_eq(ackd_code_name(ACKD_E_USER - 5), "E_USER");
#define ACKD_ERROR(name, value, text)                     \
    ck_assert_str_eq(ackd_code_name(ACKD_##name), #name); \
    ck_assert_str_eq(ackd_code_text(ACKD_##name), text);
#include <ackd/errors.def>
#undef ACKD_ERROR
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("base/error");
    TCase *tc = tcase_create("error");
    tcase_add_test(tc, rule_e1_an_error_says_what_and_where);
    tcase_add_test(tc, rule_e2_causes_go_from_the_newest_to_the_oldest);
    tcase_add_test(tc, rule_e3_the_trace_has_each_place_and_counts_them_all);
    tcase_add_test(tc, rule_e4_out_of_memory_still_gives_the_verdict);
    tcase_add_test(tc, rule_e4_out_of_memory_still_gives_the_right_code);
    tcase_add_test(tc, what_is_no_failure_is_a_failure_of_its_own);
    tcase_add_test(tc, a_slot_that_is_given_what_it_holds_keeps_one_reference);
    tcase_add_test(tc, a_verdict_is_kept_by_who_wraps_it);
    tcase_add_test(tc, an_aggregate_keeps_its_children_in_order_and_each_once);
    tcase_add_test(tc, a_handler_makes_one_failure_of_several);
    tcase_add_test(tc, an_aggregate_is_tried_again_unless_all_are_dead);
    tcase_add_test(tc, rule_w16_every_leaf_of_a_tree_is_printed_once);
    tcase_add_test(tc, a_tree_that_shares_its_branches_is_printed_in_no_time);
    tcase_add_test(tc, of_very_many_failures_all_are_counted);
    tcase_add_test(tc, who_adds_a_child_to_a_shared_error_changes_a_copy);
    tcase_add_test(tc, a_code_of_a_handler_is_told_by_its_number);
    tcase_add_test(tc, every_code_has_a_name_and_a_text);
    suite_add_tcase(suite, tc);
    return suite;
}
