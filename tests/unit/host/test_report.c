/* SPDX-License-Identifier: MIT */
/* What SIGQUIT writes: the tree of tasks as log lines, some in each turn; and the same as text. */
#include <config.h>

#include <ackd/ackd.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/timer.h"
#include "host/report.h"
#include "host/survey.h"
#include "main.h"

static struct scheduler *scheduler;
static uint64_t now_ns;
static unsigned tasks, heads, handlers, lints, survivors, dones;
static char first_lines[4096];

static uint64_t now(void *arg)
{
    (void)arg;
    return now_ns;
}

static void log_count(const struct log_record *record, void *arg)
{
    (void)arg;
    tasks += strcmp(record->event, "task") == 0;
    heads += strcmp(record->event, "tasks") == 0;
    handlers += strcmp(record->event, "handler") == 0;
    lints += strcmp(record->event, "lint") == 0;
    survivors += strcmp(record->event, "survivor") == 0;
    size_t length = strlen(first_lines);
    char line[512];
    (void)log_format_logfmt(record, line, sizeof line);
    if (length + strlen(line) + 2 < sizeof first_lines)
        snprintf(first_lines + length, sizeof first_lines - length, "%s\n", line);
}

static bool woken;

static void wake(void *arg)
{
    (void)arg;
    woken = true;
}

static void settle(void)
{
    do
        woken = false;
    while (scheduler_turn(scheduler) == 0 || woken);
}

static int wait_a_while(void *arg)
{
    (void)arg;
    return ackd_delay(1000);
}

static int spawn_many(void *arg)
{
    ACKD_SCOPE(scope);
    for (uintptr_t i = 0; i < (uintptr_t)arg; i++)
        ACKD_TRY(ackd_spawn(&scope, wait_a_while, NULL));
    return ackd_scope_join(&scope);
}

/* The call in which a root ends. */
static void root_done(struct ackd_task *task, int code, const struct ackd_error *error,
                      enum ackd_cancel_reason reason, void *arg)
{
    (void)task;
    (void)error;
    (void)reason;
    (void)arg;
    ck_assert_int_eq(code, ACKD_OK);
}

static void begin(uintptr_t count)
{
    const struct scheduler_options options = {.name = "loop 7", .now_ns = now, .wake = wake};
    const struct scheduler_root root = {
        .fn = spawn_many, .arg = (void *)count, .name = "orders", .done = root_done};
    now_ns = NS_PER_S;
    tasks = heads = handlers = lints = survivors = dones = 0;
    first_lines[0] = '\0';
    log_use(log_count, NULL);
    ck_assert_int_eq(scheduler_new(&options, &scheduler), ACKD_OK);
    ck_assert_int_eq(scheduler_spawn(scheduler, &root, NULL), ACKD_OK);
    settle();
    now_ns += 12 * NS_PER_MS;
}

static void end(void)
{
    now_ns += 2 * NS_PER_S;
    settle();
    scheduler_free(&scheduler);
    log_use(NULL, NULL);
}

static void note_done(void *arg)
{
    ck_assert_ptr_eq(arg, &dones);
    dones++;
}

START_TEST(rule_i2_a_report_writes_some_lines_in_each_turn)
{
    enum { COUNT = 1234 };
    unsigned turns = 0;
    begin(COUNT);
    report_start(scheduler, false, note_done, &dones);
    ck_assert_uint_eq(tasks, 0);
    while (dones == 0) {
        unsigned before = tasks;
        (void)scheduler_turn(scheduler);
        ck_assert_uint_le(tasks - before, 100);
        ck_assert_uint_lt(++turns, 100);
    }
    ck_assert_uint_eq(tasks, COUNT + 1);
    ck_assert_uint_eq(heads, 1);
    ck_assert_uint_eq(handlers, 1);
    ck_assert_uint_ge(turns, COUNT / 100 + COUNT / SURVEY_SLICE);
    settle();
    ck_assert_uint_eq(dones, 1);
    ck_assert_msg(strstr(first_lines, "1235 tasks live, 0 ready, 1235 parked") != NULL, "%s",
                  first_lines);
    ck_assert_msg(strstr(first_lines, "  #") != NULL, "%s", first_lines); /* a child, indented */
    end();
}
END_TEST

/* Tasks that end between the slices are no more there, or are shown as they were. */
START_TEST(a_report_may_be_overtaken_by_the_tasks)
{
    begin(1100);
    report_start(scheduler, false, note_done, &dones);
    (void)scheduler_turn(scheduler);
    now_ns += 2 * NS_PER_S;
    settle();
    ck_assert_uint_eq(dones, 1);
    ck_assert_uint_ge(tasks, 500);
    end();
}
END_TEST

START_TEST(reports_may_overlap)
{
    begin(700);
    for (int i = 0; i < 5; i++)
        report_start(scheduler, i % 2 == 1, note_done, &dones);
    settle();
    ck_assert_uint_eq(dones, 5);
    ck_assert_uint_eq(tasks, 3 * 701);
    ck_assert_uint_eq(survivors, 2 * 701);
    ck_assert_uint_eq(heads, 3);
    end();
}
END_TEST

START_TEST(a_report_of_a_loop_that_has_ended_is_over_at_once)
{
    begin(3);
    now_ns += 2 * NS_PER_S;
    settle();
    report_start(scheduler, false, note_done, &dones); /* the close runs its first slice */
    scheduler_close(scheduler);
    ck_assert_uint_eq(dones, 1);
    report_start(scheduler, false, note_done, &dones);
    ck_assert_uint_eq(dones, 2);
    ck_assert_uint_eq(tasks, 0);
    end();
}
END_TEST

START_TEST(survivors_are_all_named)
{
    begin(3);
    report_tasks(scheduler, true);
    ck_assert_uint_eq(survivors, 4);
    ck_assert_uint_eq(heads + tasks + handlers, 0);
    ck_assert_msg(strstr(first_lines, "awaiting scope in spawn_many") != NULL, "%s", first_lines);
    ck_assert_msg(strstr(first_lines, "awaiting timer in wait_a_while") != NULL, "%s", first_lines);
    ck_assert_msg(strstr(first_lines, "for 12 ms") != NULL, "%s", first_lines);
    end();
}
END_TEST

START_TEST(waits_that_do_not_fit_are_counted)
{
    char text[512];
    begin(40);
    report_waits(scheduler, text, sizeof text);
    ck_assert_uint_lt(strlen(text), sizeof text);
    ck_assert_msg(strstr(text, "'orders' awaiting scope in spawn_many") != NULL, "%s", text);
    unsigned named = 1, more = 0;
    for (const char *at = text; (at = strstr(at, "; #")) != NULL; at++)
        named++;
    const char *rest = strstr(text, "; and ");
    ck_assert_ptr_nonnull(rest);
    ck_assert_int_eq(sscanf(rest, "; and %u more", &more), 1);
    ck_assert_uint_eq(named + more, 41);
    end();
}
END_TEST

START_TEST(a_dump_that_does_not_fit_is_cut_and_says_how_long_it_is)
{
    static char whole[16384];
    char part[100];
    begin(40);
    size_t length = report_dump(scheduler, whole, sizeof whole);
    ck_assert_uint_eq(length, strlen(whole));
    ck_assert_uint_eq(report_dump(scheduler, part, sizeof part), length);
    ck_assert_uint_eq(strlen(part), sizeof part - 1);
    ck_assert_int_eq(strncmp(whole, part, sizeof part - 1), 0);
    ck_assert_uint_eq(report_dump(scheduler, NULL, 0), length);
    ck_assert_msg(strncmp(whole, "loop 7: 41 tasks live", 21) == 0, "%s", whole);
    ck_assert_msg(strstr(whole, "\n +-#") != NULL, "%s", whole);
    ck_assert_msg(strstr(whole, "KiB at most") != NULL, "%s", whole);
    end();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("host/report");
    TCase *tc = tcase_create("report");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, rule_i2_a_report_writes_some_lines_in_each_turn);
    tcase_add_test(tc, a_report_may_be_overtaken_by_the_tasks);
    tcase_add_test(tc, reports_may_overlap);
    tcase_add_test(tc, a_report_of_a_loop_that_has_ended_is_over_at_once);
    tcase_add_test(tc, survivors_are_all_named);
    tcase_add_test(tc, waits_that_do_not_fit_are_counted);
    tcase_add_test(tc, a_dump_that_does_not_fit_is_cut_and_says_how_long_it_is);
    suite_add_tcase(suite, tc);
    return suite;
}
