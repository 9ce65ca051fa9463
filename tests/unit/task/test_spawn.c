/* SPDX-License-Identifier: MIT */
/* The flags of a spawn: started inline, waiting for room, without a budget. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "base/timer.h"
#include "task/owner.h"
#include "world.h"

/* A literal as an argument of a task. */
#define TEXT(text) ((void *)(uintptr_t)(text))

static char order[64];

static void note(char letter)
{
    size_t length = strlen(order);
    ck_assert_uint_lt(length + 1, sizeof order);
    order[length] = letter;
    order[length + 1] = '\0';
}

static void reset(void)
{
    world_new();
    order[0] = '\0';
}

/* For tests of the bound: room for @tasks_max. */
static void reset_with_room(size_t tasks_max)
{
    world_free();
    world_new_with((struct scheduler_options){.tasks_max = tasks_max});
}

static const struct ackd_task_options plain = {.name = "plain"};
static const struct ackd_task_options at_once = {.name = "inline", .flags = ACKD_TASK_START_INLINE};
static const struct ackd_task_options patient = {.name = "patient",
                                                 .flags = ACKD_TASK_WAIT_FOR_ROOM};

static int note_and_end(void *arg)
{
    note(*(const char *)arg);
    return ACKD_OK;
}

static int note_yield_note(void *arg)
{
    const char *letters = arg;
    note(letters[0]);
    ACKD_TRY(ackd_yield());
    note(letters[1]);
    return ACKD_OK;
}

static int spawn_inline(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn(&scope, note_and_end, TEXT("q")));
    note('a');
    ACKD_TRY(ackd_spawn_task(&scope, note_yield_note, TEXT("bB"), &at_once, NULL));
    note('c');
    return ackd_scope_join(&scope);
}

START_TEST(rule_t1_start_inline_runs_to_the_first_suspension_before_spawn_returns)
{
    ck_assert_int_eq(world_run(spawn_inline, NULL), ACKD_OK);
    ck_assert_str_eq(order, "abcqB");
}
END_TEST

static int spawn_one_that_ends(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    struct ackd_task *child = NULL;
    errno = ERANGE;
    ACKD_TRY(ackd_spawn_task(&scope, note_and_end, TEXT("b"), &at_once, &child));
    ck_assert_int_eq(errno, ERANGE);
    ck_assert_int_eq(ackd_task_state(child), ACKD_TASK_SUCCEEDED);
    ck_assert_int_eq(ackd_task_state(ackd_task_current()), ACKD_TASK_RUNNING);
    uint64_t dispatched = world_counts().dispatched;
    ck_assert_int_eq(ackd_await(child), ACKD_OK);
    ck_assert_uint_eq(world_counts().dispatched, dispatched);
    ackd_task_unref(child);
    return ackd_scope_join(&scope);
}

START_TEST(one_that_never_suspends_has_ended_when_spawn_returns)
{
    ck_assert_int_eq(world_run(spawn_one_that_ends, NULL), ACKD_OK);
    ck_assert_str_eq(order, "b");
}
END_TEST

static unsigned begun;

static int count_and_yield(void *arg)
{
    (void)arg;
    begun++;
    return ackd_yield();
}

/* More than a turn may dispatch: wherever the turn ends, none is late. */
static int spawn_very_many_inline(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    begun = 0;
    for (unsigned i = 0; i < 2000; i++) {
        test_that(begun == i);
        ACKD_TRY(ackd_spawn_task(&scope, count_and_yield, NULL, &at_once, NULL));
    }
    return ackd_scope_join(&scope);
}

START_TEST(rule_t1_start_inline_holds_across_turns)
{
    world_spawn(spawn_very_many_inline, NULL);
    for (unsigned turn = 0; world_counts().live > 0; turn++) {
        ck_assert_uint_lt(turn, 10000);
        scheduler_turn(world.scheduler);
    }
    ck_assert_int_eq(world.end.code, ACKD_OK);
    ck_assert_uint_eq(begun, 2000);
}
END_TEST

static int spawn_inline_deeper(void *arg)
{
    unsigned *depth = arg;
    if (++*depth == 50)
        return ackd_yield();
    unsigned now = *depth;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, spawn_inline_deeper, depth, &at_once, NULL));
    ck_assert_uint_gt(*depth, now);
    return ackd_scope_join(&scope);
}

START_TEST(those_started_inline_may_start_others_so)
{
    unsigned depth = 0;
    ck_assert_int_eq(world_run(spawn_inline_deeper, &depth), ACKD_OK);
    ck_assert_uint_eq(depth, 50);
}
END_TEST

static int cancel_parent(void *arg)
{
    ackd_task_cancel(arg, ACKD_CANCEL_REQUESTED);
    return ACKD_OK;
}

static int be_cancelled_by_child(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    struct ackd_task *self = ackd_task_current();
    ck_assert_int_eq(ackd_spawn_task(&scope, cancel_parent, self, &at_once, NULL), ACKD_OK);
    ck_assert_int_eq(ackd_spawn_task(&scope, note_and_end, TEXT("x"), &at_once, NULL),
                     ACKD_CANCELED);
    return ackd_checkpoint();
}

START_TEST(a_parent_cancelled_meanwhile_has_spawned_all_the_same)
{
    ck_assert_int_eq(world_run(be_cancelled_by_child, NULL), ACKD_CANCELED);
    ck_assert_str_eq(order, "");
    ck_assert_uint_eq(world_counts().created, 2);
}
END_TEST

static int fail_at_once(void *arg)
{
    (void)arg;
    return ackd_fail(ACKD_E_NOT_FOUND, "gone");
}

static int spawn_inline_failing(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ck_assert_int_eq(ackd_spawn_task(&scope, fail_at_once, NULL, &at_once, NULL), ACKD_OK);
    return ackd_scope_join(&scope);
}

START_TEST(a_failure_before_spawn_returned_is_the_scopes)
{
    ck_assert_int_eq(world_run(spawn_inline_failing, NULL), ACKD_E_NOT_FOUND);
}
END_TEST

struct outside {
    struct scheduler_post post;
    struct ackd_scope *scope;
};

static void spawn_from_outside(struct scheduler_post *post)
{
    struct outside *outside = (struct outside *)post;
    ck_assert_int_eq(ackd_spawn_task(outside->scope, note_and_end, TEXT("x"), &at_once, NULL),
                     ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_spawn_task(outside->scope, note_and_end, TEXT("x"), &patient, NULL),
                     ACKD_E_NOT_IN_TASK);
    ck_assert_int_eq(ackd_spawn_task(outside->scope, note_and_end, TEXT("o"), &plain, NULL),
                     ACKD_OK);
}

static int offer_scope(void *arg)
{
    struct outside *outside = arg;
    ACKD_SCOPE(scope);
    outside->scope = &scope;
    scheduler_post(world.scheduler, &outside->post);
    ACKD_TRY(ackd_delay(5));
    return ackd_scope_join(&scope);
}

START_TEST(who_is_no_task_cannot_spawn_in_a_way_that_suspends)
{
    struct outside outside = {.post = {.run = spawn_from_outside}};
    ck_assert_int_eq(world_run(offer_scope, &outside), ACKD_OK);
    ck_assert_str_eq(order, "o");
}
END_TEST

static int spawn_with_unknown_flag(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    const struct ackd_task_options strange = {.name = "strange", .flags = 64};
    ck_assert_int_eq(ackd_spawn_task(&scope, note_and_end, TEXT("x"), &strange, NULL),
                     ACKD_E_INVAL);
    return ackd_scope_join(&scope);
}

START_TEST(unknown_flags_are_refused)
{
    ck_assert_int_eq(world_run(spawn_with_unknown_flag, NULL), ACKD_OK);
    ck_assert_str_eq(order, "");
}
END_TEST

/* T13: room for four, of which the root is one. */

static int delay_and_note(void *arg)
{
    const char *what = arg;
    ACKD_TRY(ackd_delay((uint64_t)(what[0] - '0')));
    note(what[1]);
    return ACKD_OK;
}

static int spawn_more_than_fit(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, delay_and_note, TEXT("3a"), &patient, NULL));
    ACKD_TRY(ackd_spawn_task(&scope, delay_and_note, TEXT("1b"), &patient, NULL));
    ACKD_TRY(ackd_spawn_task(&scope, delay_and_note, TEXT("2c"), &patient, NULL));
    ck_assert_int_eq(ackd_spawn_task(&scope, delay_and_note, TEXT("1x"), &plain, NULL),
                     ACKD_E_FULL);
    ck_assert_str_eq(order, "");
    ACKD_TRY(ackd_spawn_task(&scope, delay_and_note, TEXT("1d"), &patient, NULL));
    ck_assert_str_eq(order, "b");
    ck_assert_uint_eq(world_counts().live, 4);
    ACKD_TRY(ackd_spawn_task(&scope, delay_and_note, TEXT("1e"), &patient, NULL));
    ck_assert_str_eq(order, "bcd");
    return ackd_scope_join(&scope);
}

START_TEST(rule_t13_with_the_flag_spawn_waits_for_room)
{
    reset_with_room(4);
    ck_assert_int_eq(world_run(spawn_more_than_fit, NULL), ACKD_OK);
    ck_assert_str_eq(order, "bcdae");
    ck_assert_uint_eq(world_counts().created, 6);
}
END_TEST

/* A root that wants one child more than there is room for. */
static int wait_for_room(void *arg)
{
    const char *letter = arg;
    ACKD_SCOPE(scope);
    int code = ackd_spawn_task(&scope, note_and_end, arg, &patient, NULL);
    if (code == ACKD_CANCELED)
        note((char)(letter[0] - 'a' + 'A'));
    ACKD_TRY(code);
    return ackd_scope_join(&scope);
}

static int hold_a_place(void *arg)
{
    (void)arg;
    return ackd_delay(10);
}

START_TEST(rule_t13_room_is_granted_first_come_first_served)
{
    reset_with_room(4);
    world_spawn(hold_a_place, NULL);
    world_spawn(wait_for_room, TEXT("a"));
    world_spawn(wait_for_room, TEXT("b"));
    world_spawn(wait_for_room, TEXT("c"));
    world_settle();
    ck_assert_uint_eq(world_counts().live, 4);
    world_run_all();
    ck_assert_str_eq(order, "abc");
}
END_TEST

START_TEST(rule_t13_a_waiter_that_is_cancelled_has_taken_no_room)
{
    reset_with_room(3);
    world_spawn(hold_a_place, NULL);
    struct ackd_task *first = world_spawn(wait_for_room, TEXT("a"));
    world_spawn(wait_for_room, TEXT("b"));
    world_settle();
    ackd_task_cancel(first, ACKD_CANCEL_REQUESTED);
    world_settle();
    ck_assert_str_eq(order, "Ab"); /* its own end made room for the other */
    world_run_all();
    ck_assert_uint_eq(world_counts().created, 4);
}
END_TEST

/* Room comes and the wish goes in the same turn: the grant counts (A7), and the child is spawned
 * into a scope that is cancelled then. */
START_TEST(rule_t13_a_grant_that_meets_a_cancellation_is_passed_on)
{
    reset_with_room(3);
    struct ackd_task *holder = world_spawn(hold_a_place, NULL);
    struct ackd_task *first = world_spawn(wait_for_room, TEXT("a"));
    world_spawn(wait_for_room, TEXT("b"));
    world_settle();
    ackd_task_cancel(holder, ACKD_CANCEL_REQUESTED);
    ackd_task_cancel(first, ACKD_CANCEL_REQUESTED);
    world_run_all();
    ck_assert_str_eq(order, "Ab");
}
END_TEST

static struct outside lent;

static int borrow_scope(void *arg)
{
    (void)arg;
    return ackd_spawn_task(lent.scope, note_and_end, TEXT("s"), &patient, NULL);
}

static int lend_scope(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    lent.scope = &scope;
    ACKD_TRY(ackd_yield()); /* the borrower comes, and waits */
    int code = ackd_scope_join(&scope);
    note('j');
    return code;
}

START_TEST(a_scope_stays_while_somebody_waits_for_room_in_it)
{
    reset_with_room(3);
    world_spawn(lend_scope, NULL);
    world_spawn(borrow_scope, NULL);
    world_spawn(hold_a_place, NULL);
    world_run_all();
    ck_assert_str_eq(order, "sj");
}
END_TEST

static int observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                   void *arg)
{
    (void)task;
    (void)error;
    (void)arg;
    ck_assert_int_eq(code, ACKD_OK);
    note('.');
    return ACKD_OK;
}

static int detach_patiently(void *owner)
{
    int code = ackd_spawn_detached(owner, note_and_end, TEXT("d"), &patient, observe, NULL);
    if (code == ACKD_E_CLOSED)
        note('X');
    return ACKD_OK;
}

static unsigned owners_ended;

static void owner_ended(struct ackd_owner *owner)
{
    owners_ended++;
    memset(owner, 0x5a, sizeof *owner);
}

START_TEST(a_detached_task_may_wait_for_room_too)
{
    reset_with_room(2);
    struct ackd_owner owner;
    owner_init(&owner, world.scheduler, "owner");
    world_spawn(hold_a_place, NULL);
    world_spawn(detach_patiently, &owner);
    world_run_all();
    ck_assert_str_eq(order, "d.");
    owner_close(&owner, NULL);
}
END_TEST

START_TEST(an_owner_that_closes_meanwhile_ends_after_the_waiter)
{
    reset_with_room(2);
    struct ackd_owner owner;
    owners_ended = 0;
    owner_init(&owner, world.scheduler, "owner");
    world_spawn(hold_a_place, NULL);
    world_spawn(detach_patiently, &owner);
    world_settle();
    owner_close(&owner, owner_ended);
    ck_assert_uint_eq(owners_ended, 0);
    world_run_all();
    ck_assert_uint_eq(owners_ended, 1);
    ck_assert_str_eq(order, "X");
}
END_TEST

/* Y3 */

static bool other_ran;

static int run_meanwhile(void *arg)
{
    (void)arg;
    other_ran = true;
    return ACKD_OK;
}

static int await_what_is_complete(void *arg)
{
    bool *forced_off = arg;
    other_ran = false;
    for (unsigned i = 0; i < 100000 && !other_ran; i++)
        ACKD_TRY(ackd_delay(0));
    *forced_off = other_ran;
    return ACKD_OK;
}

static int spawn_without_budget(void *arg)
{
    bool *forced_off = arg;
    const struct ackd_task_options greedy = {.name = "greedy", .flags = ACKD_TASK_NO_BUDGET};
    ACKD_SCOPE(scope);
    ACKD_TRY(ackd_spawn_task(&scope, await_what_is_complete, &forced_off[0], &greedy, NULL));
    ACKD_TRY(ackd_spawn(&scope, run_meanwhile, NULL));
    ACKD_TRY(ackd_scope_join(&scope));
    ACKD_SCOPE(again);
    ACKD_TRY(ackd_spawn_task(&again, await_what_is_complete, &forced_off[1], &plain, NULL));
    ACKD_TRY(ackd_spawn(&again, run_meanwhile, NULL));
    return ackd_scope_join(&again);
}

START_TEST(rule_y3_without_a_budget_a_task_is_never_forced_off)
{
    bool forced_off[2] = {true, false};
    ck_assert_int_eq(world_run(spawn_without_budget, forced_off), ACKD_OK);
    ck_assert(!forced_off[0]);
    ck_assert(forced_off[1]);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/spawn");
    TCase *tc = tcase_create("spawn");
    tcase_add_checked_fixture(tc, reset, world_free);
    tcase_add_test(tc, rule_t1_start_inline_runs_to_the_first_suspension_before_spawn_returns);
    tcase_add_test(tc, one_that_never_suspends_has_ended_when_spawn_returns);
    tcase_add_test(tc, rule_t1_start_inline_holds_across_turns);
    tcase_add_test(tc, those_started_inline_may_start_others_so);
    tcase_add_test(tc, a_parent_cancelled_meanwhile_has_spawned_all_the_same);
    tcase_add_test(tc, a_failure_before_spawn_returned_is_the_scopes);
    tcase_add_test(tc, who_is_no_task_cannot_spawn_in_a_way_that_suspends);
    tcase_add_test(tc, unknown_flags_are_refused);
    tcase_add_test(tc, rule_t13_with_the_flag_spawn_waits_for_room);
    tcase_add_test(tc, rule_t13_room_is_granted_first_come_first_served);
    tcase_add_test(tc, rule_t13_a_waiter_that_is_cancelled_has_taken_no_room);
    tcase_add_test(tc, rule_t13_a_grant_that_meets_a_cancellation_is_passed_on);
    tcase_add_test(tc, a_scope_stays_while_somebody_waits_for_room_in_it);
    tcase_add_test(tc, a_detached_task_may_wait_for_room_too);
    tcase_add_test(tc, an_owner_that_closes_meanwhile_ends_after_the_waiter);
    tcase_add_test(tc, rule_y3_without_a_budget_a_task_is_never_forced_off);
    suite_add_tcase(suite, tc);
    return suite;
}
