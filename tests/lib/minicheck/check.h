/* SPDX-License-Identifier: MIT */
/*
 * check - as much of Check's interface as the tests of the lower floors use.
 *
 * For builds where Check itself cannot be had: a cross build has the target's libc, and no package
 * beside it (--with-check=mini). Names and meaning are Check's, so that a test cannot tell: each
 * one runs in a process of its own, between the functions of its fixture, and no longer than its
 * timeout. The result is TAP.
 *
 * CK_DEFAULT_TIMEOUT and CK_TIMEOUT_MULTIPLIER are heeded.
 */
#ifndef ACKD_TESTS_LIB_MINICHECK_CHECK_H
#define ACKD_TESTS_LIB_MINICHECK_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define Suite struct minicheck_suite
#define TCase struct minicheck_case
#define SRunner struct minicheck_runner

struct minicheck_suite;
struct minicheck_case;
struct minicheck_runner;

struct minicheck_test {
    const char *name, *file;
    void (*fn)(int i);
};

enum print_output { CK_SILENT };

Suite *suite_create(const char *name);
void suite_add_tcase(Suite *suite, TCase *tc);
TCase *tcase_create(const char *name);
void tcase_set_timeout(TCase *tc, double seconds);
void tcase_add_checked_fixture(TCase *tc, void (*setup)(void), void (*teardown)(void));
void tcase_add_loop_test(TCase *tc, const struct minicheck_test *test, int from, int to);
#define tcase_add_test(tc, test) tcase_add_loop_test((tc), (test), 0, 1)

SRunner *srunner_create(Suite *suite);
void srunner_set_tap(SRunner *runner, const char *name); /* "-": standard output, as always */
void srunner_run_all(SRunner *runner, enum print_output mode);
void srunner_free(SRunner *runner);

/* A test that is added to no case is an unused variable, which the compiler reports. */
#define START_TEST(test)                                                           \
    static void test##_fn(int _i);                                                 \
    static const struct minicheck_test test##_test = {#test, __FILE__, test##_fn}; \
    static const struct minicheck_test *const test = &test##_test;                 \
    static void test##_fn(int _i __attribute__((unused)))
#define END_TEST

__attribute__((noreturn, format(printf, 3, 4))) void minicheck_fail(const char *file, int line,
                                                                    const char *format, ...);

#define ck_abort_msg(...) minicheck_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ck_assert_msg(condition, ...)  \
    do {                               \
        if (!(condition))              \
            ck_abort_msg(__VA_ARGS__); \
    } while (0)
#define ck_assert(condition) ck_assert_msg(condition, "Assertion '%s' failed", #condition)

#define MINICHECK_COMPARE(type, format, x, op, y)                                                  \
    do {                                                                                           \
        const type minicheck_x = (x);                                                              \
        const type minicheck_y = (y);                                                              \
        ck_assert_msg(minicheck_x op minicheck_y,                                                  \
                      "Assertion '%s' failed: %s == " format ", %s == " format, #x " " #op " " #y, \
                      #x, minicheck_x, #y, minicheck_y);                                           \
    } while (0)
#define MINICHECK_INT(x, op, y) MINICHECK_COMPARE(intmax_t, "%jd", x, op, y)
#define MINICHECK_UINT(x, op, y) MINICHECK_COMPARE(uintmax_t, "%ju", x, op, y)
#define MINICHECK_PTR(x, op, y) \
    MINICHECK_COMPARE(void *, "%p", (void *)(uintptr_t)(x), op, (void *)(uintptr_t)(y))

#define ck_assert_int_eq(x, y) MINICHECK_INT(x, ==, y)
#define ck_assert_int_ne(x, y) MINICHECK_INT(x, !=, y)
#define ck_assert_int_lt(x, y) MINICHECK_INT(x, <, y)
#define ck_assert_int_le(x, y) MINICHECK_INT(x, <=, y)
#define ck_assert_int_gt(x, y) MINICHECK_INT(x, >, y)
#define ck_assert_int_ge(x, y) MINICHECK_INT(x, >=, y)
#define ck_assert_uint_eq(x, y) MINICHECK_UINT(x, ==, y)
#define ck_assert_uint_ne(x, y) MINICHECK_UINT(x, !=, y)
#define ck_assert_uint_lt(x, y) MINICHECK_UINT(x, <, y)
#define ck_assert_uint_le(x, y) MINICHECK_UINT(x, <=, y)
#define ck_assert_uint_gt(x, y) MINICHECK_UINT(x, >, y)
#define ck_assert_uint_ge(x, y) MINICHECK_UINT(x, >=, y)
#define ck_assert_ptr_eq(x, y) MINICHECK_PTR(x, ==, y)
#define ck_assert_ptr_ne(x, y) MINICHECK_PTR(x, !=, y)
#define ck_assert_ptr_null(x) MINICHECK_PTR(x, ==, 0)
#define ck_assert_ptr_nonnull(x) MINICHECK_PTR(x, !=, 0)

#define MINICHECK_STR(x, op, y)                                                                   \
    do {                                                                                          \
        const char *minicheck_x = (x);                                                            \
        const char *minicheck_y = (y);                                                            \
        ck_assert_msg(minicheck_x != NULL && minicheck_y != NULL &&                               \
                          strcmp(minicheck_x, minicheck_y) op 0,                                  \
                      "Assertion '%s' failed: %s == \"%s\", %s == \"%s\"", #x " " #op " " #y, #x, \
                      minicheck_x == NULL ? "(null)" : minicheck_x, #y,                           \
                      minicheck_y == NULL ? "(null)" : minicheck_y);                              \
    } while (0)
#define ck_assert_str_eq(x, y) MINICHECK_STR(x, ==, y)
#define ck_assert_str_ne(x, y) MINICHECK_STR(x, !=, y)
/* NULL is equal to NULL. */
#define ck_assert_pstr_eq(x, y)         \
    do {                                \
        if ((x) == NULL || (y) == NULL) \
            ck_assert_ptr_eq(x, y);     \
        else                            \
            ck_assert_str_eq(x, y);     \
    } while (0)
#define ck_assert_mem_eq(x, y, size) \
    ck_assert_msg(memcmp((x), (y), (size)) == 0, "Assertion '%s' failed", #x " == " #y)

#endif
