/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "ledger/kill_switch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "main.h"

enum { STEPS = 300000, UNDERWAY = 32 };
#define MS UINT64_C(1000000)

/* One message from its start to its outcome. */
static bool run(struct kill_switch *kill_switch, bool failed, uint64_t now_ns)
{
    ck_assert(kill_switch_allows(kill_switch));
    return kill_switch_note(kill_switch, kill_switch_start(kill_switch), failed, now_ns);
}

START_TEST(test_without_a_share_it_never_trips)
{
    struct kill_switch kill_switch;
    kill_switch_init(&kill_switch, 0, 20, 1000);
    for (int i = 0; i < 1000; i++)
        ck_assert(!run(&kill_switch, true, 0));
    ck_assert(kill_switch_allows(&kill_switch));
}
END_TEST

START_TEST(test_it_trips_at_the_share_and_not_before_it_knows_enough)
{
    struct kill_switch kill_switch;
    kill_switch_init(&kill_switch, 50, 4, 1000);
    ck_assert(!run(&kill_switch, true, 0));
    ck_assert(!run(&kill_switch, true, 0));
    ck_assert(!run(&kill_switch, true, 0)); /* W1: three of four are known */
    ck_assert(run(&kill_switch, false, 7));
    ck_assert_int_eq(kill_switch.state, KILL_SWITCH_OPEN);
    ck_assert_uint_eq(kill_switch.due_ns, 7 + 1000 * MS);
    ck_assert(!kill_switch_allows(&kill_switch));
}
END_TEST

START_TEST(test_old_outcomes_are_forgotten)
{
    struct kill_switch kill_switch;
    kill_switch_init(&kill_switch, 100, 3, 1000);
    for (int i = 0; i < 100; i++) {
        ck_assert(!run(&kill_switch, true, 0));
        ck_assert(!run(&kill_switch, true, 0));
        ck_assert(!run(&kill_switch, false, 0));
    }
    ck_assert(!run(&kill_switch, true, 0));
    ck_assert(!run(&kill_switch, true, 0));
    ck_assert(run(&kill_switch, true, 0));
}
END_TEST

static void trip(struct kill_switch *kill_switch)
{
    kill_switch_init(kill_switch, 50, 2, 1000);
    ck_assert(!run(kill_switch, true, 0));
    ck_assert(run(kill_switch, true, 0));
}

START_TEST(test_half_open_it_tries_one_and_closes_when_that_succeeds)
{
    struct kill_switch kill_switch;
    trip(&kill_switch);
    ck_assert(!kill_switch_go_on(&kill_switch, 1000 * MS - 1));
    ck_assert(kill_switch_go_on(&kill_switch, 1000 * MS));
    ck_assert(kill_switch_allows(&kill_switch));
    uint32_t period = kill_switch_start(&kill_switch);
    ck_assert(!kill_switch_allows(&kill_switch)); /* W2 */
    ck_assert(kill_switch_note(&kill_switch, period, false, 1001 * MS));
    ck_assert_int_eq(kill_switch.state, KILL_SWITCH_CLOSED);
    ck_assert(!run(&kill_switch, true, 1002 * MS)); /* it has forgotten */
    ck_assert(run(&kill_switch, true, 1002 * MS));
}
END_TEST

START_TEST(test_half_open_it_pauses_again_when_that_fails)
{
    struct kill_switch kill_switch;
    trip(&kill_switch);
    ck_assert(kill_switch_go_on(&kill_switch, 1000 * MS));
    ck_assert(run(&kill_switch, true, 1500 * MS));
    ck_assert_int_eq(kill_switch.state, KILL_SWITCH_OPEN);
    ck_assert_uint_eq(kill_switch.due_ns, 2500 * MS);
}
END_TEST

START_TEST(test_what_was_tried_and_says_nothing_leaves_room_for_another)
{
    struct kill_switch kill_switch;
    trip(&kill_switch);
    ck_assert(kill_switch_go_on(&kill_switch, 1000 * MS));
    kill_switch_pass(&kill_switch, kill_switch_start(&kill_switch));
    ck_assert(run(&kill_switch, false, 1001 * MS));
    ck_assert_int_eq(kill_switch.state, KILL_SWITCH_CLOSED);
}
END_TEST

START_TEST(test_what_started_earlier_says_nothing)
{
    struct kill_switch kill_switch;
    kill_switch_init(&kill_switch, 50, 2, 1000);
    uint32_t early = kill_switch_start(&kill_switch);
    ck_assert(!run(&kill_switch, true, 0));
    ck_assert(run(&kill_switch, true, 0));
    ck_assert(!kill_switch_note(&kill_switch, early, false, 1)); /* W3 */
    ck_assert(kill_switch_go_on(&kill_switch, 1000 * MS));
    ck_assert(!kill_switch_note(&kill_switch, early, false, 1001 * MS));
    uint32_t tried = kill_switch_start(&kill_switch);
    kill_switch_pass(&kill_switch, early);
    ck_assert(!kill_switch_allows(&kill_switch));
    ck_assert(kill_switch_note(&kill_switch, tried, false, 1002 * MS));
}
END_TEST

START_TEST(test_an_operator_closes_it)
{
    struct kill_switch kill_switch;
    trip(&kill_switch);
    kill_switch_reset(&kill_switch);
    ck_assert(kill_switch_allows(&kill_switch));
    ck_assert(!run(&kill_switch, true, 0));
    kill_switch_reset(&kill_switch);
    ck_assert(run(&kill_switch, true, 0)); /* closed already: nothing was forgotten */
}
END_TEST

START_TEST(test_states_have_names)
{
    ck_assert_str_eq(kill_switch_state_name(KILL_SWITCH_OPEN), "tripped");
}
END_TEST

/* The last outcomes since it was closed, as plainly as can be. */
struct model {
    struct kill_switch kill_switch;
    struct random random;
    bool outcomes[STEPS];
    size_t count;
    uint32_t underway[UNDERWAY]; /* periods */
    size_t underway_count;
    uint64_t now_ns;
    unsigned long trips, closes;
};

static void model_end_one(struct model *model, size_t index, bool failed)
{
    struct kill_switch *kill_switch = &model->kill_switch;
    enum kill_switch_state before = kill_switch->state;
    uint32_t period = model->underway[index];
    bool counts = period == kill_switch->period;
    model->underway[index] = model->underway[--model->underway_count];
    bool changed = kill_switch_note(kill_switch, period, failed, model->now_ns);
    enum kill_switch_state expected = before;
    if (counts && before == KILL_SWITCH_HALF_OPEN) {
        expected = failed ? KILL_SWITCH_OPEN : KILL_SWITCH_CLOSED;
    } else if (counts) {
        model->outcomes[model->count++] = failed;
        size_t failures = 0;
        for (size_t i = 0; i < kill_switch->of && i < model->count; i++)
            failures += model->outcomes[model->count - 1 - i];
        if (model->count >= kill_switch->of &&
            failures * 100 >= (size_t)kill_switch->percent * kill_switch->of)
            expected = KILL_SWITCH_OPEN;
    }
    test_that(kill_switch->state == expected);
    test_that(changed == (expected != before));
    if (changed)
        model->count = 0;
    model->trips += changed && expected == KILL_SWITCH_OPEN;
    model->closes += changed && expected == KILL_SWITCH_CLOSED;
}

static void model_step(struct model *model, unsigned failing)
{
    struct random *random = &model->random;
    struct kill_switch *kill_switch = &model->kill_switch;
    bool open = kill_switch->state == KILL_SWITCH_OPEN;
    model->now_ns += random_below(random, 100) * MS;
    if (kill_switch_go_on(kill_switch, model->now_ns)) {
        test_that(open && model->now_ns >= kill_switch->due_ns);
        test_that(kill_switch->state == KILL_SWITCH_HALF_OPEN);
    }
    if (model->underway_count < UNDERWAY && random_below(random, 2) == 0 &&
        kill_switch_allows(kill_switch)) {
        test_that(kill_switch->state != KILL_SWITCH_OPEN);
        model->underway[model->underway_count++] = kill_switch_start(kill_switch);
        test_that(kill_switch->state == KILL_SWITCH_CLOSED || !kill_switch_allows(kill_switch));
    }
    if (model->underway_count > 0 && random_below(random, 2) == 0)
        model_end_one(model, random_below(random, model->underway_count),
                      random_below(random, 100) < failing);
}

START_TEST(test_does_what_a_plain_model_does)
{
    static const struct {
        uint32_t percent, of;
    } settings[] = {{50, 20}, {1, 1}, {100, 64}, {30, 65}, {99, 7}, {100, KILL_SWITCH_OF_MAX}};
    const char *given = getenv("ACKD_SEED");
    uint64_t seed = given == NULL ? (uint64_t)time(NULL) : strtoull(given, NULL, 0);
    fprintf(stderr, "# ACKD_SEED=%" PRIu64 "\n", seed);
    static struct model model;
    unsigned long trips = 0;
    unsigned long closes = 0;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        memset(&model, 0, sizeof model);
        random_init(&model.random, seed + i);
        kill_switch_init(&model.kill_switch, settings[i].percent, settings[i].of, 500);
        unsigned failing = 0;
        for (unsigned long step = 0; step < test_scale(STEPS) / 10; step++) {
            if (step % 1000 == 0)
                failing = (unsigned)random_below(&model.random, 101);
            model_step(&model, failing);
        }
        trips += model.trips;
        closes += model.closes;
    }
    if (test_scale(STEPS) >= 30000) {
        ck_assert_uint_gt(trips, 10);
        ck_assert_uint_gt(closes, 10);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger/kill_switch");
    TCase *tc = tcase_create("kill_switch");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_without_a_share_it_never_trips);
    tcase_add_test(tc, test_it_trips_at_the_share_and_not_before_it_knows_enough);
    tcase_add_test(tc, test_old_outcomes_are_forgotten);
    tcase_add_test(tc, test_half_open_it_tries_one_and_closes_when_that_succeeds);
    tcase_add_test(tc, test_half_open_it_pauses_again_when_that_fails);
    tcase_add_test(tc, test_what_was_tried_and_says_nothing_leaves_room_for_another);
    tcase_add_test(tc, test_what_started_earlier_says_nothing);
    tcase_add_test(tc, test_an_operator_closes_it);
    tcase_add_test(tc, test_states_have_names);
    tcase_add_test(tc, test_does_what_a_plain_model_does);
    suite_add_tcase(suite, tc);
    return suite;
}
