/* SPDX-License-Identifier: MIT */
/*
 * Random trees of scopes, limits and combinators, with failures and cancellations at random
 * moments. Whatever happens: nothing lives on, the counts add up, and each failure is told to
 * somebody: to who awaited it, or in the log, and as unobserved no more than once.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "base/timer.h"
#include "world.h"

enum { FAILURES_MAX = 512, KIDS = 3 };

static struct random dice;
static bool told[FAILURES_MAX];
static unsigned unobserved[FAILURES_MAX]; /* how often it was reported as such */
static unsigned failures;
static bool cut; /* a text in the log was: not all that was told can be known */

static uint64_t below(uint64_t bound)
{
    return random_below(&dice, bound);
}

static int fail_anew(void)
{
    test_that(failures < FAILURES_MAX);
    unsigned number = failures++;
    return ackd_fail(ACKD_E_USER - (int)number, "<%u>", number);
}

/* Each "<number>" in @text has been told. */
static void look(const char *text, bool is_unobserved)
{
    for (const char *at = text; (at = strchr(at, '<')) != NULL; at++) {
        char *end;
        unsigned long number = strtoul(at + 1, &end, 10);
        if (*end != '>' || number >= failures)
            continue;
        told[number] = true;
        unobserved[number] += is_unobserved;
    }
}

static void look_at_error(const struct ackd_error *error)
{
    static char text[65536];
    test_that(ackd_error_format(error, text, sizeof text) < sizeof text);
    look(text, false);
}

static void look_at_log(const struct log_record *record, void *arg)
{
    (void)arg;
    look(record->text, strcmp(record->event, "unobserved-failure") == 0);
    cut = cut || strlen(record->text) > 700;
}

/* What the code of a program would: look at a failure, and go on or give up. */
static int take(int code)
{
    if (code == ACKD_OK || code == ACKD_CANCELED)
        return code;
    test_that(ackd_error_code(ackd_error_current()) == code);
    if (below(3) > 0)
        return code;
    look_at_error(ackd_error_current());
    error_clear();
    return ACKD_OK;
}

static int node(void *arg);

static int leaf(void)
{
    int code = ackd_delay(below(20));
    if (code == ACKD_CANCELED && below(4) > 0)
        return code;
    return below(3) == 0 ? fail_anew() : ACKD_OK;
}

static int wait_for(struct ackd_task **tasks, size_t count, uint64_t how)
{
    if (how == 0)
        return take(ackd_when_all(tasks, count));
    if (how == 1)
        return take(ackd_when_any(tasks, count, NULL));
    if (how == 2)
        return take(ackd_race(tasks, count, NULL));
    ackd_task_cancel(tasks[below(count)], ACKD_CANCEL_REQUESTED);
    return take(ackd_await(tasks[below(count)]));
}

static int in_scope(void *depth)
{
    struct ackd_task *tasks[KIDS];
    const struct ackd_task_options options = {.name = "kid"};
    size_t count = 0, wanted = 1 + below(KIDS);
    int code = ACKD_OK;
    __attribute__((cleanup(ackd_scope_close))) struct ackd_scope scope;
    ackd_scope_open_at(&scope, below(2) == 0 ? ACKD_SCOPE_FAIL_FAST : ACKD_SCOPE_SUPERVISE,
                       ACKD_HERE);
    while (count < wanted && code == ACKD_OK) {
        code = ackd_spawn_task(&scope, node, depth, &options, &tasks[count]);
        count += code == ACKD_OK;
    }
    if (code == ACKD_OK)
        code = wait_for(tasks, count, below(4));
    if (code == ACKD_OK && below(3) == 0)
        code = take(ackd_delay(below(10)));
    for (size_t i = 0; i < count; i++)
        ackd_task_unref(tasks[i]);
    return code == ACKD_OK && below(2) == 0 ? take(ackd_scope_join(&scope)) : code;
}

static int each_node(void *item, void *arg)
{
    (void)arg;
    return node(item);
}

static int combined(void *depth)
{
    const struct ackd_alternative ways[KIDS] = {
        {node, depth, "way 0"}, {node, depth, "way 1"}, {node, depth, "way 2"}};
    const struct ackd_failover_options options = {.per_try_ms = below(20)};
    void *items[KIDS] = {depth, depth, depth};
    const struct ackd_for_each_options each = {.concurrency = 1 + below(KIDS)};
    switch (below(3)) {
    case 0:
        return take(ackd_failover(ways, KIDS, &options, NULL));
    case 1:
        return take(ackd_hedge(ways, KIDS, below(10), NULL));
    default:
        return take(ackd_for_each(items, KIDS, each_node, NULL, &each));
    }
}

static int node(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    if (depth == 0)
        return leaf();
    void *deeper = (void *)(depth - 1);
    struct ackd_deadline deadline;
    switch (below(5)) {
    case 0:
        return leaf();
    case 1:
        ackd_deadline_push(&deadline, below(30));
        return ackd_deadline_pop(&deadline, in_scope(deeper));
    case 2:
    case 3:
        return in_scope(deeper);
    default:
        return combined(deeper);
    }
}

static void grow(uint64_t seed)
{
    random_init(&dice, seed);
    memset(told, 0, sizeof told);
    memset(unobserved, 0, sizeof unobserved);
    failures = 0;
    cut = false;
    struct ackd_task *task = world_spawn(node, (void *)(1 + below(3)));
    world_settle();
    world_pass_ms(below(60));
    if (world_counts().live > 0 && below(2) == 0)
        ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
    world_run_all();
    look_at_error(world.end.error);
    struct scheduler_counts counts = world_counts();
    ck_assert_msg(counts.live == 0 && counts.timers == 0 &&
                      counts.created == counts.succeeded + counts.failed + counts.cancelled,
                  "seed %llu: %llu live, %llu timers", (unsigned long long)seed,
                  (unsigned long long)counts.live, (unsigned long long)counts.timers);
    for (unsigned i = 0; i < failures && !cut; i++)
        ck_assert_msg(told[i] && unobserved[i] <= 1, "seed %llu: failure %u of %u: %s",
                      (unsigned long long)seed, i, failures,
                      told[i] ? "reported twice" : "nobody was told");
}

START_TEST(of_random_trees_nothing_lives_on_and_each_failure_is_told)
{
    log_use(look_at_log, NULL);
    log_set_level(ACKD_LOG_DEBUG);
    const char *given = getenv("TREE_SEED");
    if (given != NULL) {
        grow(strtoull(given, NULL, 10));
        return;
    }
    unsigned long count = test_scale(20000);
    for (unsigned long seed = 1; seed <= count; seed++)
        grow(seed);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/tree");
    TCase *tc = tcase_create("tree");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, world_new, world_free);
    tcase_add_test(tc, of_random_trees_nothing_lives_on_and_each_failure_is_told);
    suite_add_tcase(suite, tc);
    return suite;
}
