/* SPDX-License-Identifier: MIT */
/* when_all, when_any and race: waiting for tasks that were started before. */
#include <config.h>

#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/timer.h"
#include "task/sanitizer.h"
#include "task/task.h"
#include "world.h"

enum { MANY = 20 };

/* How a child behaves. */
struct part {
    uint64_t ms;   /* it takes */
    int code;      /* it ends with, if it is not cancelled */
    int on_cancel; /* it ends with, if it is: 0 for ACKD_CANCELED */
    uint64_t cleanup_ms;
    bool ended;
};

#define PART(takes_ms, ends_with)          \
    {                                      \
        .ms = takes_ms, .code = ends_with, \
    }

static int play(void *arg)
{
    struct part *part = arg;
    int code = ackd_delay(part->ms);
    if (code == ACKD_CANCELED && part->cleanup_ms > 0) {
        struct ackd_shield shield;
        ACKD_TRY(ackd_shield_push(&shield, 1000));
        error_ignore(ackd_delay(part->cleanup_ms));
        ackd_shield_pop(&shield);
    }
    part->ended = true;
    if (code == ACKD_CANCELED)
        return part->on_cancel == 0 ? code : ackd_fail(part->on_cancel, "while being cancelled");
    return part->code == 0 ? ACKD_OK : ackd_fail(part->code, "after %d ms", (int)part->ms);
}

/* Children in a supervised scope, and what is done with their handles. */
struct play {
    struct part parts[MANY];
    size_t count;
    int (*act)(struct play *play);
    struct ackd_task *tasks[MANY];
    size_t index;
    int code;
    uint64_t took_ms;
    const struct ackd_error *error; /* with a reference */
};

static int stage(void *arg)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    struct play *play_of = arg;
    ACKD_SCOPE_SUPERVISED(scope);
    for (size_t i = 0; i < play_of->count; i++) {
        const struct ackd_task_options options = {.name = names[i % 10]};
        ACKD_TRY(ackd_spawn_task(&scope, play, &play_of->parts[i], &options, &play_of->tasks[i]));
    }
    uint64_t start_ns = world.now_ns;
    play_of->code = play_of->act(play_of);
    play_of->took_ms = (world.now_ns - start_ns) / NS_PER_MS;
    if (play_of->code < ACKD_CANCELED)
        play_of->error = ackd_error_ref(ackd_error_current());
    error_clear();
    int code = ackd_scope_join(&scope);
    for (size_t i = 0; i < play_of->count; i++) {
        ck_assert(list_empty(&play_of->tasks[i]->waiters));
        ackd_task_unref(play_of->tasks[i]);
    }
    return code;
}

static void perform(struct play *play_of, int expected)
{
    ck_assert_int_eq(world_run(stage, play_of), ACKD_OK);
    ck_assert_int_eq(play_of->code, expected);
    if (expected < ACKD_CANCELED)
        ck_assert_int_eq(ackd_error_code(play_of->error), expected);
}

static void done(struct play *play_of)
{
    ackd_error_unref(play_of->error);
    play_of->error = NULL;
}

static int all(struct play *play_of)
{
    return ackd_when_all(play_of->tasks, play_of->count);
}

static int any(struct play *play_of)
{
    return ackd_when_any(play_of->tasks, play_of->count, &play_of->index);
}

static int race(struct play *play_of)
{
    return ackd_race(play_of->tasks, play_of->count, &play_of->index);
}

static int none_or_null(void *arg)
{
    (void)arg;
    uint64_t dispatched = world_counts().dispatched;
    ck_assert_int_eq(ackd_when_all(NULL, 0), ACKD_OK);
    struct ackd_task *tasks[] = {ackd_task_current(), NULL};
    ck_assert_int_eq(ackd_when_all(tasks, 2), ACKD_E_INVAL);
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), "task 1 of the 2 to wait for is NULL");
    ck_assert_str_eq(ackd_error_function(ackd_error_current()), "none_or_null");
    ck_assert(list_empty(&tasks[0]->waiters));
    ck_assert_uint_eq(world_counts().dispatched, dispatched);
    return ACKD_OK;
}

START_TEST(rule_w1_all_of_none_is_success_and_null_is_refused)
{
    ck_assert_int_eq(world_run(none_or_null, NULL), ACKD_OK);
    ck_assert_int_eq(ackd_when_all(NULL, 0), ACKD_E_NOT_IN_TASK);
}
END_TEST

START_TEST(rule_w2_an_early_failure_does_not_end_the_wait_for_all)
{
    struct play trio = {
        .parts = {PART(10, ACKD_E_TLS), PART(50, 0), PART(100, 0)}, .count = 3, .act = all};
    perform(&trio, ACKD_E_TLS);
    ck_assert_uint_eq(trio.took_ms, 100);
    done(&trio);
}
END_TEST

START_TEST(rule_w3_one_failure_is_itself_and_several_are_listed_in_input_order)
{
    struct play one = {
        .parts = {PART(30, 0), PART(10, ACKD_E_TLS), PART(20, 0)}, .count = 3, .act = all};
    perform(&one, ACKD_E_TLS);
    ck_assert_str_eq(ackd_error_text(one.error), "after 10 ms");
    ck_assert_uint_eq(ackd_error_child_count(one.error), 0);
    ck_assert_str_eq(ackd_error_task_name(one.error), "b");
    done(&one);
    struct play more = {.parts = {PART(30, ACKD_E_TLS), PART(10, 0), PART(20, ACKD_E_EXIT),
                                  PART(5, ACKD_E_USER - 7)},
                        .count = 4,
                        .act = all};
    perform(&more, ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(more.error), 3);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(more.error, 0)), ACKD_E_TLS);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(more.error, 1)), ACKD_E_EXIT);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(more.error, 2)), ACKD_E_USER - 7);
    ck_assert_str_eq(ackd_error_function(more.error), "all");
    done(&more);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

START_TEST(rule_w3_holds_for_more_tasks_than_fit_on_the_stack)
{
    struct play crowd = {.count = MANY, .act = all};
    for (int i = 0; i < MANY; i++)
        crowd.parts[i] = (struct part)PART((uint64_t)(MANY - i), i % 2 == 0 ? ACKD_E_USER - i : 0);
    perform(&crowd, ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(crowd.error), MANY / 2);
    for (int i = 0; i < MANY / 2; i++)
        ck_assert_int_eq(ackd_error_code(ackd_error_child(crowd.error, (size_t)i)),
                         ACKD_E_USER - 2 * i);
    done(&crowd);
}
END_TEST

static int all_after_cancel(struct play *play_of)
{
    ackd_task_cancel(play_of->tasks[2], ACKD_CANCEL_PAUSE);
    ACKD_TRY(ackd_delay(1)); /* it has ended before the one with the lower index */
    ackd_task_cancel(play_of->tasks[1], ACKD_CANCEL_LOST_RACE);
    int code = all(play_of);
    ck_assert_int_eq(ackd_awaited_reason(),
                     code == ACKD_CANCELED ? ACKD_CANCEL_LOST_RACE : ACKD_CANCEL_NONE);
    ck_assert_int_eq(ackd_task_cancel_reason(play_of->tasks[2]), ACKD_CANCEL_PAUSE);
    return code;
}

START_TEST(rule_w4_a_failure_counts_before_a_cancellation_and_that_before_success)
{
    struct play quiet = {
        .parts = {PART(10, 0), PART(100, 0), PART(50, 0)}, .count = 3, .act = all_after_cancel};
    perform(&quiet, ACKD_CANCELED);
    ck_assert_uint_eq(quiet.took_ms, 10);
    struct play mixed = {.parts = {PART(10, 0), PART(100, 0), PART(50, 0), PART(20, ACKD_E_TLS)},
                         .count = 4,
                         .act = all_after_cancel};
    perform(&mixed, ACKD_E_TLS);
    done(&mixed);
}
END_TEST

static int pass_on_the_cancellation(void *arg)
{
    (void)arg;
    struct part part = {.ms = 100};
    const struct ackd_task_options options = {.name = "child"};
    struct ackd_task *task;
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, play, &part, &options, &task));
    ackd_task_cancel(task, ACKD_CANCEL_PAUSE);
    int code = ackd_when_all(&task, 1);
    ackd_task_unref(task);
    return code;
}

START_TEST(who_passes_on_a_cancellation_of_others_is_told_whose_it_was)
{
    ck_assert_int_eq(world_run(pass_on_the_cancellation, NULL), ACKD_E_BAD_RETURN);
    ck_assert_str_eq(ackd_error_text(world.end.error),
                     "task 'root' returned ACKD_CANCELED but nobody had cancelled it: what it "
                     "awaited was (pause)");
}
END_TEST

static int all_twice(struct play *play_of)
{
    struct ackd_task *tasks[] = {play_of->tasks[0], play_of->tasks[1], play_of->tasks[0],
                                 play_of->tasks[1]};
    return ackd_when_all(tasks, 4);
}

/* Two tasks that end with one and the same error. */
static int fail_as(void *arg)
{
    ACKD_TRY(ackd_await(arg));
    return ACKD_OK;
}

static int all_of_the_same_error(struct play *play_of)
{
    const struct ackd_task_options options = {.name = "follower"};
    struct ackd_task *tasks[3] = {play_of->tasks[0]};
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, fail_as, play_of->tasks[0], &options, &tasks[1]));
    ACKD_TRY(ackd_spawn_task(&scope, fail_as, play_of->tasks[0], &options, &tasks[2]));
    int code = ackd_when_all(tasks, 3);
    ackd_task_unref(tasks[1]);
    ackd_task_unref(tasks[2]);
    return code;
}

START_TEST(rule_w5_the_same_task_is_waited_for_and_its_error_listed_once)
{
    struct play pair = {
        .parts = {PART(10, ACKD_E_TLS), PART(5, ACKD_E_EXIT)}, .count = 2, .act = all_twice};
    perform(&pair, ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(pair.error), 2);
    done(&pair);
    struct play single = {
        .parts = {PART(10, ACKD_E_TLS)}, .count = 1, .act = all_of_the_same_error};
    perform(&single, ACKD_E_TLS);
    done(&single);
}
END_TEST

static int all_twice_once_ended(struct play *play_of)
{
    ACKD_TRY(ackd_delay(20));
    uint64_t dispatched = world_counts().dispatched;
    int code = all_twice(play_of);
    ck_assert_uint_eq(world_counts().dispatched, dispatched);
    return code;
}

/* What has ended already is judged by other lines than what is waited for. */
START_TEST(rule_w3_and_w5_hold_for_tasks_that_have_ended)
{
    struct play pair = {.parts = {PART(10, ACKD_E_TLS), PART(5, ACKD_E_EXIT)},
                        .count = 2,
                        .act = all_twice_once_ended};
    perform(&pair, ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(pair.error), 2);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(pair.error, 0)), ACKD_E_TLS);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(pair.error, 1)), ACKD_E_EXIT);
    done(&pair);
    struct play single = {
        .parts = {PART(10, 0), PART(5, ACKD_E_EXIT)}, .count = 2, .act = all_twice_once_ended};
    perform(&single, ACKD_E_EXIT);
    ck_assert_uint_eq(ackd_error_child_count(single.error), 0);
    done(&single);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

static int all_and_nothing_else(struct play *play_of)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 20);
    return ackd_deadline_pop(&deadline, all(play_of));
}

START_TEST(rule_w6_all_failures_are_observed_and_none_when_it_is_cancelled)
{
    struct play seen = {
        .parts = {PART(1, ACKD_E_TLS), PART(2, ACKD_E_EXIT), PART(3, 0)}, .count = 3, .act = all};
    perform(&seen, ACKD_E_AGGREGATE);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
    done(&seen);
    struct play unseen = {.parts = {PART(1, ACKD_E_TLS), PART(2, ACKD_E_EXIT), PART(30, 0)},
                          .count = 3,
                          .act = all_and_nothing_else};
    perform(&unseen, ACKD_E_TIMEOUT);
    ck_assert_uint_eq(unseen.took_ms, 20);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(unseen.error), "awaiting when_all at "));
    ck_assert_uint_eq(world_logged("unobserved-failure"), 2);
    ck_assert(unseen.parts[2].ended);
    done(&unseen);
}
END_TEST

static int one_after_the_other(struct play *play_of)
{
    for (size_t i = 0; i < play_of->count; i++)
        ACKD_TRY(play(&play_of->parts[i]));
    return ACKD_OK;
}

START_TEST(rule_w7_what_is_awaited_together_takes_no_longer_than_the_longest)
{
    struct play together = {
        .parts = {PART(100, 0), PART(100, 0), PART(100, 0)}, .count = 3, .act = all};
    perform(&together, ACKD_OK);
    ck_assert_uint_eq(together.took_ms, 100);
    struct play apart = {.parts = {PART(100, 0), PART(100, 0), PART(100, 0)},
                         .count = 3,
                         .act = one_after_the_other};
    perform(&apart, ACKD_OK);
    ck_assert_uint_eq(apart.took_ms, 300);
}
END_TEST

static int any_of_ended(struct play *play_of)
{
    ck_assert_int_eq(ackd_when_any(play_of->tasks, 0, &play_of->index), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_race(play_of->tasks, 0, &play_of->index), ACKD_E_INVAL);
    struct ackd_task *with_null[] = {play_of->tasks[0], NULL};
    ck_assert_int_eq(ackd_when_any(with_null, 2, &play_of->index), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_race(with_null, 2, NULL), ACKD_E_INVAL);
    ACKD_TRY(ackd_delay(10));
    uint64_t dispatched = world_counts().dispatched;
    ACKD_TRY(any(play_of));
    ck_assert_uint_eq(world_counts().dispatched, dispatched);
    return ACKD_OK;
}

START_TEST(rule_w8_any_of_none_is_refused_and_of_ended_ones_the_first_counts)
{
    struct play ended = {
        .parts = {PART(50, 0), PART(6, 0), PART(5, 0)}, .count = 3, .act = any_of_ended};
    perform(&ended, ACKD_OK);
    ck_assert_uint_eq(ended.index, 1);
}
END_TEST

START_TEST(rule_w8_of_tasks_that_end_together_the_first_counts)
{
    struct play tie = {.parts = {PART(9, 0), PART(5, 0), PART(5, 0)}, .count = 3, .act = any};
    perform(&tie, ACKD_OK);
    ck_assert_uint_eq(tie.index, 1);
    ck_assert_uint_eq(tie.took_ms, 5);
}
END_TEST

static int any_then_await(struct play *play_of)
{
    ACKD_TRY(any(play_of));
    return ackd_await(play_of->tasks[play_of->index]);
}

static int any_after_cancel(struct play *play_of)
{
    ackd_task_cancel(play_of->tasks[0], ACKD_CANCEL_REQUESTED);
    return any(play_of);
}

START_TEST(rule_w9_the_winner_may_have_failed_and_is_not_looked_at)
{
    struct play failed = {.parts = {PART(50, 0), PART(5, ACKD_E_TLS)}, .count = 2, .act = any};
    perform(&failed, ACKD_OK);
    ck_assert_uint_eq(failed.index, 1);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
    struct play awaited = {
        .parts = {PART(50, 0), PART(5, ACKD_E_TLS)}, .count = 2, .act = any_then_await};
    perform(&awaited, ACKD_E_TLS);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
    done(&awaited);
    struct play canceled = {
        .parts = {PART(50, 0), PART(60, 0)}, .count = 2, .act = any_after_cancel};
    perform(&canceled, ACKD_OK);
    ck_assert_uint_eq(canceled.index, 0);
}
END_TEST

static int succeed(void *arg)
{
    (void)arg;
    return ACKD_OK;
}

static int any_a_million_times(struct play *play_of)
{
    const struct ackd_task_options options = {.name = "short"};
    long warm = 0;
    unsigned long count = test_scale(1000000);
    struct ackd_task *tasks[] = {play_of->tasks[0], NULL};
    for (unsigned long i = 0; i < count; i++) {
        ACKD_SCOPE(scope);
        ACKD_TRY(ackd_spawn_task(&scope, succeed, NULL, &options, &tasks[1]));
        size_t index = 9;
        int code = ackd_when_any(tasks, 2, &index);
        ackd_task_unref(tasks[1]);
        test_that(code == ACKD_OK && index == 1);
        test_that(list_empty(&tasks[0]->waiters));
        test_that(tasks[0]->references == 2);
        ACKD_TRY(ackd_scope_join(&scope));
        if (i == count / 10)
            warm = world_resident_pages();
    }
    ck_assert_int_le(world_resident_pages() - warm, 256);
    return ACKD_OK;
}

START_TEST(rule_w10_any_leaves_nothing_with_the_losers)
{
    struct play patient = {.parts = {PART(3600 * 1000, 0)}, .count = 1, .act = any_a_million_times};
    perform(&patient, ACKD_OK);
}
END_TEST

START_TEST(rule_w11_a_race_is_over_when_the_losers_have_ended)
{
    struct play clean = {.parts = {PART(50, 0), PART(5, 0), PART(60, 0)}, .count = 3, .act = race};
    clean.parts[0].cleanup_ms = 7;
    perform(&clean, ACKD_OK);
    ck_assert_uint_eq(clean.index, 1);
    ck_assert_uint_eq(clean.took_ms, 12);
    ck_assert_uint_eq(world_counts().cancelled, 2);
}
END_TEST

static int race_and_look(struct play *play_of)
{
    int code = race(play_of);
    for (size_t i = 0; i < play_of->count; i++)
        ck_assert_int_ge(ackd_task_state(play_of->tasks[i]), ACKD_TASK_SUCCEEDED);
    ck_assert_int_eq(ackd_task_state(play_of->tasks[0]), ACKD_TASK_CANCELED);
    ck_assert_int_eq(ackd_task_cancel_reason(play_of->tasks[0]), ACKD_CANCEL_LOST_RACE);
    return code;
}

START_TEST(rule_w11_failures_of_losers_go_with_the_winners_or_are_reported)
{
    struct play lost = {.parts = {PART(50, 0), PART(5, ACKD_E_TLS), PART(60, 0), PART(70, 0)},
                        .count = 4,
                        .act = race_and_look};
    lost.parts[2].on_cancel = ACKD_E_EXIT;
    lost.parts[3].on_cancel = ACKD_E_CLOSED;
    perform(&lost, ACKD_E_TLS);
    ck_assert_uint_eq(ackd_error_child_count(lost.error), 2);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(lost.error, 0)), ACKD_E_EXIT);
    ck_assert_int_eq(ackd_error_code(ackd_error_child(lost.error, 1)), ACKD_E_CLOSED);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 0);
    done(&lost);
    struct play won = {
        .parts = {PART(50, 0), PART(5, 0), PART(60, 0)}, .count = 3, .act = race_and_look};
    won.parts[2].on_cancel = ACKD_E_EXIT;
    perform(&won, ACKD_OK);
    ck_assert_uint_eq(world_logged("unobserved-failure"), 1);
}
END_TEST

static int race_within(struct play *play_of)
{
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, 20);
    int code = race(play_of);
    ck_assert_int_eq(code, ACKD_CANCELED);
    ck_assert_int_eq(ackd_task_cancel_reason(play_of->tasks[0]), ACKD_CANCEL_DEADLINE);
    ck_assert(play_of->parts[0].ended && play_of->parts[1].ended);
    return ackd_deadline_pop(&deadline, code);
}

START_TEST(a_cancelled_race_ends_all_before_it_returns)
{
    struct play late = {.parts = {PART(50, 0), PART(60, 0)}, .count = 2, .act = race_within};
    late.parts[1].cleanup_ms = 5;
    perform(&late, ACKD_E_TIMEOUT);
    ck_assert_uint_eq(late.took_ms, 25);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(late.error), "awaiting race at "));
    done(&late);
}
END_TEST

static int act_once_cancelled(struct play *play_of)
{
    int (*const acts[])(struct play *) = {all, any, race};
    ackd_task_cancel(ackd_task_current(), ACKD_CANCEL_SHUTDOWN);
    uint64_t dispatched = world_counts().dispatched;
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(acts[i](play_of), ACKD_CANCELED);
    ck_assert_uint_eq(world_counts().dispatched, dispatched);
    return ACKD_CANCELED;
}

START_TEST(all_any_and_race_begin_nothing_once_cancelled)
{
    struct play cold = {.parts = {PART(50, 0), PART(60, 0)}, .count = 2, .act = act_once_cancelled};
    ck_assert_int_eq(world_run(stage, &cold), ACKD_CANCELED);
    ck_assert_int_eq(cold.code, ACKD_CANCELED);
}
END_TEST

static const struct play at_moment = {
    .parts = {PART(10, 0), PART(20, ACKD_E_TLS), {.ms = 30, .cleanup_ms = 3}, PART(10, 0)},
    .count = 4};

/* What ends first counts, and a wait that is over is over (A7). */
START_TEST(all_can_be_cancelled_together_at_every_moment)
{
    int (*const acts[])(struct play *) = {all, any, race};
    for (uint64_t ms = 0; ms < 40; ms++) {
        for (size_t i = 0; i < 3; i++) {
            struct play play_of = at_moment;
            play_of.act = acts[i];
            struct ackd_task *task = world_spawn(stage, &play_of);
            world_settle();
            world_pass_ms(ms);
            if (world_counts().live > 0)
                ackd_task_cancel(task, ACKD_CANCEL_SHUTDOWN);
            world_run_all();
            int expected = i == 1 ? ACKD_OK : ACKD_CANCELED;
            if (ms >= (i == 0 ? 30U : 10U))
                expected = i == 0 ? ACKD_E_TLS : ACKD_OK;
            ck_assert_msg(play_of.code == expected, "%d at %d ms: %d", (int)i, (int)ms,
                          play_of.code);
            done(&play_of);
        }
    }
}
END_TEST

static int act_within(struct play *play_of)
{
    int (*const acts[])(struct play *) = {all, any, race};
    uint64_t limit_ms = play_of->took_ms;
    struct ackd_deadline deadline;
    ackd_deadline_push(&deadline, limit_ms);
    return ackd_deadline_pop(&deadline, acts[play_of->index](play_of));
}

START_TEST(the_caller_alone_can_be_cancelled_at_every_moment)
{
    for (uint64_t ms = 0; ms < 40; ms++) {
        for (size_t i = 0; i < 3; i++) {
            struct play play_of = at_moment;
            play_of.act = act_within;
            play_of.index = i;
            play_of.took_ms = ms;
            ck_assert_int_eq(world_run(stage, &play_of), ACKD_OK);
            int in_time = i == 0 ? ACKD_E_TLS : ACKD_OK;
            uint64_t end_ms = i == 0 ? 30 : 10;
            int expected = ms > end_ms ? in_time : ACKD_E_TIMEOUT;
            if (ms == end_ms && play_of.code == in_time)
                expected = in_time; /* which timer fires first is not said */
            ck_assert_msg(play_of.code == expected, "%d at %d ms: %d", (int)i, (int)ms,
                          play_of.code);
            done(&play_of);
        }
    }
}
END_TEST

static uint64_t other_now(void *arg)
{
    (void)arg;
    return world.now_ns;
}

static int wait_for_foreign(void *arg)
{
    struct ackd_task *tasks[] = {arg};
    ck_assert_int_eq(ackd_when_all(tasks, 1), ACKD_E_WRONG_LOOP);
    ck_assert_int_eq(ackd_when_any(tasks, 1, NULL), ACKD_E_WRONG_LOOP);
    ck_assert_int_eq(ackd_race(tasks, 1, NULL), ACKD_E_WRONG_LOOP);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "belongs to loop 7"));
    return ACKD_OK;
}

START_TEST(tasks_of_another_loop_are_refused)
{
    struct scheduler *other;
    const struct scheduler_options options = {.name = "loop 7", .now_ns = other_now};
    ck_assert_int_eq(scheduler_new(&options, &other), ACKD_OK);
    struct scheduler_root root = {.fn = succeed, .name = "foreign"};
    struct ackd_task *task;
    ck_assert_int_eq(scheduler_spawn(other, &root, &task), ACKD_OK);
    ck_assert_int_eq(world_run(wait_for_foreign, task), ACKD_OK);
    while (scheduler_turn(other) == 0)
        continue;
    scheduler_free(&other);
}
END_TEST

static int let_go_while_waited_for(void *arg)
{
    struct ackd_task **tasks = arg;
    ACKD_TRY(ackd_delay(5));
    for (int i = 0; i < 2; i++) {
        ackd_task_unref(tasks[i]);
        tasks[i] = NULL;
    }
    return ACKD_OK;
}

static int wait_without_handles(void *arg)
{
    (void)arg;
    struct part parts[] = {PART(20, ACKD_E_TLS), PART(10, 0)};
    struct ackd_task *tasks[2];
    const struct ackd_task_options options = {.name = "child"};
    ACKD_SCOPE_SUPERVISED(scope);
    ACKD_TRY(ackd_spawn_task(&scope, play, &parts[0], &options, &tasks[0]));
    ACKD_TRY(ackd_spawn_task(&scope, play, &parts[1], &options, &tasks[1]));
    ACKD_TRY(ackd_spawn(&scope, let_go_while_waited_for, tasks));
    return ackd_when_all(tasks, 2);
}

START_TEST(the_array_and_the_handles_may_go_while_they_are_waited_for)
{
    ck_assert_int_eq(world_run(wait_without_handles, NULL), ACKD_E_TLS);
}
END_TEST

static int fail_pair(void *arg)
{
    (void)arg;
    struct part parts[] = {PART(1, ACKD_E_TLS), PART(2, ACKD_E_EXIT)};
    struct ackd_task *tasks[2];
    const struct ackd_task_options options = {.name = "leaf"};
    ACKD_SCOPE_SUPERVISED(scope);
    for (int i = 0; i < 2; i++)
        ACKD_TRY(ackd_spawn_task(&scope, play, &parts[i], &options, &tasks[i]));
    int code = ackd_when_all(tasks, 2);
    ackd_task_unref(tasks[0]);
    ackd_task_unref(tasks[1]);
    return code;
}

static int fail_pairs(void *arg)
{
    (void)arg;
    struct ackd_task *tasks[2];
    const struct ackd_task_options options = {.name = "branch"};
    ACKD_SCOPE_SUPERVISED(scope);
    for (int i = 0; i < 2; i++)
        ACKD_TRY(ackd_spawn_task(&scope, fail_pair, NULL, &options, &tasks[i]));
    int code = ackd_when_all(tasks, 2);
    ackd_task_unref(tasks[0]);
    ackd_task_unref(tasks[1]);
    return code;
}

START_TEST(rule_w16_aggregates_of_aggregates_keep_the_tree)
{
    ck_assert_int_eq(world_run(fail_pairs, NULL), ACKD_E_AGGREGATE);
    ck_assert_uint_eq(ackd_error_child_count(world.end.error), 2);
    for (size_t i = 0; i < 2; i++) {
        const struct ackd_error *branch = ackd_error_child(world.end.error, i);
        ck_assert_int_eq(ackd_error_code(branch), ACKD_E_AGGREGATE);
        ck_assert_uint_eq(ackd_error_child_count(branch), 2);
        ck_assert_str_eq(ackd_error_task_name(branch), "branch");
        ck_assert_str_eq(ackd_error_task_name(ackd_error_child(branch, 0)), "leaf");
    }
    unsigned leaves = 0;
    for (const char *at = world.end.text; (at = strstr(at, "also E_")) != NULL; at++)
        leaves++;
    ck_assert_uint_eq(leaves, 6);
    ck_assert_uint_eq(world_logged("unobserved"), 0);
}
END_TEST

static void add_waiting(TCase *tc)
{
    tcase_add_test(tc, rule_w1_all_of_none_is_success_and_null_is_refused);
    tcase_add_test(tc, rule_w2_an_early_failure_does_not_end_the_wait_for_all);
    tcase_add_test(tc, rule_w3_one_failure_is_itself_and_several_are_listed_in_input_order);
    tcase_add_test(tc, rule_w3_holds_for_more_tasks_than_fit_on_the_stack);
    tcase_add_test(tc, rule_w4_a_failure_counts_before_a_cancellation_and_that_before_success);
    tcase_add_test(tc, who_passes_on_a_cancellation_of_others_is_told_whose_it_was);
    tcase_add_test(tc, rule_w5_the_same_task_is_waited_for_and_its_error_listed_once);
    tcase_add_test(tc, rule_w3_and_w5_hold_for_tasks_that_have_ended);
    tcase_add_test(tc, rule_w6_all_failures_are_observed_and_none_when_it_is_cancelled);
    tcase_add_test(tc, rule_w7_what_is_awaited_together_takes_no_longer_than_the_longest);
    tcase_add_test(tc, rule_w8_any_of_none_is_refused_and_of_ended_ones_the_first_counts);
    tcase_add_test(tc, rule_w8_of_tasks_that_end_together_the_first_counts);
    tcase_add_test(tc, rule_w9_the_winner_may_have_failed_and_is_not_looked_at);
    tcase_add_test(tc, rule_w10_any_leaves_nothing_with_the_losers);
    tcase_add_test(tc, rule_w11_a_race_is_over_when_the_losers_have_ended);
    tcase_add_test(tc, rule_w11_failures_of_losers_go_with_the_winners_or_are_reported);
    tcase_add_test(tc, rule_w16_aggregates_of_aggregates_keep_the_tree);
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("task/combine");
    TCase *tc = tcase_create("combine");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, world_new, world_free);
    add_waiting(tc);
    tcase_add_test(tc, a_cancelled_race_ends_all_before_it_returns);
    tcase_add_test(tc, all_any_and_race_begin_nothing_once_cancelled);
    tcase_add_test(tc, all_can_be_cancelled_together_at_every_moment);
    tcase_add_test(tc, the_caller_alone_can_be_cancelled_at_every_moment);
    tcase_add_test(tc, tasks_of_another_loop_are_refused);
    tcase_add_test(tc, the_array_and_the_handles_may_go_while_they_are_waited_for);
    suite_add_tcase(suite, tc);
    return suite;
}
