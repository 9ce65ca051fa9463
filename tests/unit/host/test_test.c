/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/ackd.h>
#include <ackd/test.h>
#include <check.h>
#include <string.h>

#include "main.h"

/* A handler that does what the body says. */
struct actor {
    uint64_t pause; /* ms, of "wait" */
    const char *const *words;
    unsigned started, stopped, alive, most, beats;
    const char *file; /* of a program for "run" */
};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct actor, pause, DURATION, .fallback = "20ms", .help = "how long"),
    ACKD_OPTION(struct actor, words, LIST, .help = "some words"),
    ACKD_OPTION(struct actor, file, STRING, .fallback = "true", .help = "a program"),
    ACKD_OPTIONS_END};

static int start(void *state)
{
    struct actor *actor = state;
    ACKD_TRY(ackd_delay(1000));
    actor->started++;
    return ACKD_OK;
}

static int stop(void *state)
{
    struct actor *actor = state;
    actor->stopped++;
    return ackd_delay(1000);
}

static int fail_slowly(void *arg)
{
    (void)arg;
    ACKD_TRY(ackd_delay(5));
    return ackd_fail(ACKD_E_REFUSED, "a child failed");
}

static int run_program(const struct actor *actor)
{
    const struct ackd_process_options process = {.file = actor->file};
    int status = -1;
    ACKD_PROCESS(program);
    ACKD_TRY(ackd_process_open(&process, &program));
    ACKD_TRY(ackd_process_wait(program, &status, NULL));
    return status == 0 ? ACKD_OK : ackd_fail(ACKD_E_EXIT, "status %d", status);
}

static int act(struct actor *actor, const struct ackd_message *message, const char *what)
{
    struct ackd_header header;
    if (strcmp(what, "wait") == 0)
        return ackd_delay(actor->pause);
    if (strcmp(what, "fail") == 0)
        return ackd_fail(ACKD_E_USER - 3, "as told");
    if (strcmp(what, "later") == 0)
        return ackd_retry_after(1500, "not yet");
    if (strcmp(what, "dead") == 0)
        return ackd_dead("never");
    if (strcmp(what, "header") == 0)
        return ackd_message_header(message, "colour", &header) && header.bytes.size == 3 &&
                       memcmp(header.bytes.data, "red", 3) == 0 &&
                       ackd_message_header(message, "size", &header) && header.integer == -7
                   ? ACKD_OK
                   : ackd_fail(ACKD_E_NOT_FOUND, "no such header");
    if (strcmp(what, "child") == 0) {
        ACKD_SCOPE(work);
        ACKD_TRY(ackd_spawn(&work, fail_slowly, NULL));
        return ackd_scope_join(&work);
    }
    if (strcmp(what, "forget") == 0) {
        ACKD_SCOPE_SUPERVISED(work);
        ACKD_TRY(ackd_spawn(&work, fail_slowly, NULL));
        return ackd_scope_join(&work);
    }
    if (strcmp(what, "run") == 0)
        return run_program(actor);
    return ackd_dead("unknown: %s", what);
}

static int beat(void *state)
{
    struct actor *actor = state;
    for (;; actor->beats++)
        ACKD_TRY(ackd_delay(500));
}

static int tick(void *state)
{
    struct actor *actor = state;
    struct ackd_periodic second;
    ACKD_TRY(ackd_periodic_start(&second, 1000));
    for (;; actor->beats++)
        ACKD_TRY(ackd_periodic_next(&second));
}

static int beat_and_fail(void *state)
{
    struct actor *actor = state;
    ACKD_TRY(ackd_delay(500));
    actor->beats++;
    return ackd_fail(ACKD_E_DISCONNECTED, "no heart");
}

static int handle(const struct ackd_message *message, void *state)
{
    struct actor *actor = state;
    struct ackd_bytes body = ackd_message_body(message);
    const char *what = ackd_printf("%.*s", (int)body.size, (const char *)body.data);
    actor->alive++;
    actor->most = actor->alive > actor->most ? actor->alive : actor->most;
    int code = act(actor, message, what);
    actor->alive--;
    return code;
}

static const struct ackd_consumer actor_consumer = {.size = sizeof(struct ackd_consumer),
                                                    .abi_major = ACKD_ABI_MAJOR,
                                                    .abi_minor = ACKD_ABI_MINOR,
                                                    .name = "actor",
                                                    .options = options,
                                                    .state_size = sizeof(struct actor),
                                                    .start = start,
                                                    .handle = handle,
                                                    .stop = stop};

static struct ackd_test *test;

static void begin(void)
{
    const struct ackd_test_setting settings[] = {
        {"pause", "1h"}, {"words", "a"}, {"words", "b"}, {NULL, NULL}};
    ck_assert_int_eq(ackd_test_new(&actor_consumer, settings, &test), ACKD_OK);
}

static void end(void)
{
    ackd_test_free(&test);
    ck_assert_ptr_null(test);
}

static struct ackd_test_outcome outcome_of(const char *body)
{
    const struct ackd_test_message message = {.body = ackd_bytes(body)};
    struct ackd_test_outcome outcome;
    ck_assert_int_eq(ackd_test_handle(test, &message, &outcome), ACKD_OK);
    ck_assert(outcome.ended);
    return outcome;
}

START_TEST(the_state_is_filled_in_and_start_has_run)
{
    const struct actor *actor = ackd_test_state(test);
    ck_assert_uint_eq(actor->pause, 3600000);
    ck_assert_str_eq(actor->words[1], "b");
    ck_assert_str_eq(actor->file, "true");
    ck_assert_uint_eq(actor->started, 1);
    ck_assert_uint_eq(ackd_test_now_ms(test), 1000);
    ck_assert_uint_eq(ackd_test_tasks(test), 0);
}
END_TEST

START_TEST(an_hour_takes_no_time)
{
    struct actor *actor = ackd_test_state(test);
    actor->pause = 3599999;
    struct ackd_test_outcome outcome = outcome_of("wait");
    ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_DONE);
    ck_assert_int_eq(outcome.code, ACKD_OK);
    ck_assert_uint_eq(outcome.took_ms, 3599999);
}
END_TEST

START_TEST(what_is_due_at_the_very_end_of_the_patience_is_in_time)
{
    struct ackd_test_outcome outcome = outcome_of("wait"); /* an hour, as long as the test waits */
    ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_DONE);
    ck_assert_uint_eq(outcome.took_ms, 3600000);
}
END_TEST

START_TEST(verdicts_are_those_of_the_daemon)
{
    struct ackd_test_outcome outcome = outcome_of("fail");
    ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_RETRY);
    ck_assert_int_eq(outcome.code, ACKD_E_USER - 3);
    ck_assert_str_eq(ackd_error_text(outcome.error), "as told");
    outcome = outcome_of("later");
    ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_RETRY);
    ck_assert_uint_eq(outcome.delay_ms, 1500);
    ck_assert_int_eq(outcome_of("dead").verdict, ACKD_VERDICT_DEAD);
    outcome = outcome_of("child");
    ck_assert_int_eq(outcome.code, ACKD_E_REFUSED);
    ck_assert_uint_eq(outcome.took_ms, 5);
    ck_assert_uint_eq(ackd_test_unobserved(test), 0);
}
END_TEST

START_TEST(a_failure_that_nobody_looked_at_is_counted)
{
    ck_assert_int_eq(outcome_of("forget").verdict, ACKD_VERDICT_DONE);
    ck_assert_uint_eq(ackd_test_unobserved(test), 1);
}
END_TEST

START_TEST(headers_arrive)
{
    const struct ackd_test_header headers[] = {{"colour", "red", 0}, {"size", NULL, -7}, {0}};
    const struct ackd_test_message message = {.body = ackd_bytes("header"), .headers = headers};
    struct ackd_test_outcome outcome;
    ck_assert_int_eq(ackd_test_handle(test, &message, &outcome), ACKD_OK);
    ck_assert_int_eq(outcome.code, ACKD_OK);
}
END_TEST

START_TEST(messages_run_side_by_side)
{
    struct actor *actor = ackd_test_state(test);
    struct ackd_test_delivery *deliveries[3];
    const struct ackd_test_message message = {.body = ackd_bytes("wait")};
    actor->pause = 100;
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(ackd_test_send(test, &message, &deliveries[i]), ACKD_OK);
    ackd_test_settle(test);
    ck_assert_uint_eq(actor->alive, 3);
    char text[1024];
    ck_assert_uint_gt(ackd_test_dump(test, text, sizeof text), 0);
    ck_assert_ptr_nonnull(strstr(text, "awaiting timer"));
    ackd_test_advance(test, 99);
    ck_assert(!ackd_test_outcome(deliveries[0]).ended);
    ackd_test_advance(test, 1);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(ackd_test_outcome(deliveries[i]).took_ms, 100);
}
END_TEST

START_TEST(what_was_sent_can_be_waited_for_with_the_outside)
{
    struct ackd_test_delivery *waits, *runs;
    struct ackd_test_outcome outcome;
    const struct ackd_test_message wait = {.body = ackd_bytes("wait")};
    const struct ackd_test_message run = {.body = ackd_bytes("run")};
    ck_assert_int_eq(ackd_test_send(test, &wait, &waits), ACKD_OK);
    ck_assert_int_eq(ackd_test_send(test, &run, &runs), ACKD_OK);
    ck_assert_int_eq(ackd_test_finish(runs, &outcome), ACKD_OK);
    ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_DONE);
    ck_assert(!ackd_test_outcome(waits).ended);
    ck_assert_int_eq(ackd_test_finish(waits, &outcome), ACKD_OK);
    ck_assert_uint_eq(outcome.took_ms, 3600000);
}
END_TEST

START_TEST(a_timeout_is_a_failure_and_names_what_was_awaited)
{
    ackd_test_set_timeout(test, 30);
    struct ackd_test_outcome outcome = outcome_of("wait");
    ck_assert_int_eq(outcome.code, ACKD_E_TIMEOUT);
    ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_RETRY);
    ck_assert_uint_eq(outcome.took_ms, 30);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(outcome.error), "awaiting timer"));
}
END_TEST

START_TEST(a_cancelled_message_is_given_back)
{
    const struct ackd_test_message message = {.body = ackd_bytes("wait")};
    struct ackd_test_delivery *one, *other;
    ck_assert_int_eq(ackd_test_send(test, &message, &one), ACKD_OK);
    ck_assert_int_eq(ackd_test_send(test, &message, &other), ACKD_OK);
    ackd_test_cancel(one, ACKD_CANCEL_PAUSE);
    ackd_test_cancel(other, ACKD_CANCEL_CHANNEL_CLOSED);
    ackd_test_settle(test);
    ck_assert_int_eq(ackd_test_outcome(one).verdict, ACKD_VERDICT_RELEASE);
    ck_assert_int_eq(ackd_test_outcome(one).code, ACKD_CANCELED);
    ck_assert_int_eq(ackd_test_outcome(other).verdict, ACKD_VERDICT_ORPHAN);
}
END_TEST

START_TEST(what_is_outside_is_waited_for)
{
    struct actor *actor = ackd_test_state(test);
    ackd_test_set_timeout(test, 60000);
    ck_assert_int_eq(outcome_of("run").code, ACKD_OK);
    actor->file = "false";
    ck_assert_int_eq(outcome_of("run").code, ACKD_E_EXIT);
    ck_assert_uint_lt(ackd_test_now_ms(test), 55000);
}
END_TEST

START_TEST(stop_cancels_what_runs)
{
    const struct ackd_test_message message = {.body = ackd_bytes("wait")};
    const struct actor *actor = ackd_test_state(test);
    struct ackd_test_delivery *delivery;
    ck_assert_int_eq(ackd_test_send(test, &message, &delivery), ACKD_OK);
    ackd_test_settle(test);
    ck_assert_int_eq(ackd_test_stop(test), ACKD_OK);
    ck_assert_int_eq(ackd_test_outcome(delivery).verdict, ACKD_VERDICT_RELEASE);
    ck_assert_uint_eq(actor->stopped, 1);
    ck_assert_uint_eq(ackd_test_now_ms(test), 2000);
    ck_assert_int_eq(ackd_test_send(test, &message, &delivery), ACKD_E_CLOSED);
}
END_TEST

static int never(void *arg)
{
    (void)arg;
    return ackd_delay(7200000);
}

static int one_of_two(void *arg)
{
    ACKD_TRY(ackd_delay(7));
    *(int *)arg = 5;
    return ackd_fail(ACKD_E_NOT_FOUND, "as said");
}

START_TEST(a_part_of_a_handler_runs_by_itself)
{
    int value = 0;
    ck_assert_int_eq(ackd_test_run(test, one_of_two, &value), ACKD_E_NOT_FOUND);
    ck_assert_int_eq(value, 5);
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), "as said");
}
END_TEST

START_TEST(what_does_not_end_is_named)
{
    ck_assert_int_eq(ackd_test_run(test, never, NULL), ACKD_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "never"));
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "awaiting timer"));
}
END_TEST

START_TEST(a_wrong_setting_is_refused)
{
    const struct ackd_test_setting settings[] = {{"pase", "1h"}, {NULL, NULL}};
    struct ackd_test *other = NULL;
    ck_assert_int_eq(ackd_test_new(&actor_consumer, settings, &other), ACKD_E_CONFIG);
    ck_assert_ptr_null(other);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(ackd_error_current()), "did you mean 'pause'"));
}
END_TEST

static int fail_to_start(void *state)
{
    (void)state;
    return ackd_fail(ACKD_E_DISCONNECTED, "no database");
}

START_TEST(a_start_that_fails_says_why)
{
    struct ackd_consumer consumer = actor_consumer;
    struct ackd_test *other = NULL;
    consumer.start = fail_to_start;
    ck_assert_int_eq(ackd_test_new(&consumer, NULL, &other), ACKD_E_DISCONNECTED);
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), "no database");
}
END_TEST

START_TEST(run_goes_on_beside_the_messages_until_the_stop)
{
    struct ackd_consumer consumer = actor_consumer;
    consumer.run = beat;
    ck_assert_int_eq(ackd_test_new(&consumer, NULL, &test), ACKD_OK);
    const struct actor *actor = ackd_test_state(test);
    ackd_test_advance(test, 5000);
    ck_assert_uint_eq(actor->beats, 10);
    ck_assert_int_eq(outcome_of("wait").verdict, ACKD_VERDICT_DONE);
    ck_assert_uint_eq(ackd_test_tasks(test), 1);
    ck_assert_int_eq(ackd_test_stop(test), ACKD_OK);
    ck_assert_uint_eq(ackd_test_tasks(test), 0);
    end();
}
END_TEST

START_TEST(an_hour_takes_no_time_beside_a_run_that_ticks)
{
    struct ackd_consumer consumer = actor_consumer;
    consumer.run = tick;
    ck_assert_int_eq(ackd_test_new(&consumer, NULL, &test), ACKD_OK);
    struct actor *actor = ackd_test_state(test);
    actor->pause = 3599999;
    ck_assert_uint_eq(outcome_of("wait").took_ms, 3599999);
    ck_assert_uint_eq(actor->beats, 3599);
    ck_assert_int_eq(ackd_test_stop(test), ACKD_OK);
    end();
}
END_TEST

START_TEST(a_run_that_fails_is_told_at_the_stop)
{
    struct ackd_consumer consumer = actor_consumer;
    consumer.run = beat_and_fail;
    ck_assert_int_eq(ackd_test_new(&consumer, NULL, &test), ACKD_OK);
    ackd_test_advance(test, 5000);
    ck_assert_int_eq(ackd_test_stop(test), ACKD_E_DISCONNECTED);
    ck_assert_str_eq(ackd_error_text(ackd_error_current()), "no heart");
    end();
}
END_TEST

START_TEST(a_run_that_fails_is_called_again_where_that_was_chosen)
{
    struct ackd_consumer consumer = actor_consumer;
    consumer.run = beat_and_fail;
    consumer.run_failure = ACKD_SERVICE_RESTART;
    ck_assert_int_eq(ackd_test_new(&consumer, NULL, &test), ACKD_OK);
    const struct actor *actor = ackd_test_state(test);
    ackd_test_advance(test, 600000);
    ck_assert_uint_gt(actor->beats, 10);
    ck_assert_uint_lt(actor->beats, 100);
    ck_assert_int_eq(ackd_test_stop(test), ACKD_OK);
    end();
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("test");
    TCase *tc = tcase_create("test");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, the_state_is_filled_in_and_start_has_run);
    tcase_add_test(tc, an_hour_takes_no_time);
    tcase_add_test(tc, what_is_due_at_the_very_end_of_the_patience_is_in_time);
    tcase_add_test(tc, verdicts_are_those_of_the_daemon);
    tcase_add_test(tc, a_failure_that_nobody_looked_at_is_counted);
    tcase_add_test(tc, headers_arrive);
    tcase_add_test(tc, messages_run_side_by_side);
    tcase_add_test(tc, what_was_sent_can_be_waited_for_with_the_outside);
    tcase_add_test(tc, a_timeout_is_a_failure_and_names_what_was_awaited);
    tcase_add_test(tc, a_cancelled_message_is_given_back);
    tcase_add_test(tc, what_is_outside_is_waited_for);
    tcase_add_test(tc, stop_cancels_what_runs);
    tcase_add_test(tc, a_part_of_a_handler_runs_by_itself);
    suite_add_tcase(suite, tc);
    TCase *alone = tcase_create("alone");
    tcase_add_test(alone, run_goes_on_beside_the_messages_until_the_stop);
    tcase_add_test(alone, an_hour_takes_no_time_beside_a_run_that_ticks);
    tcase_add_test(alone, a_run_that_fails_is_told_at_the_stop);
    tcase_add_test(alone, a_run_that_fails_is_called_again_where_that_was_chosen);
    tcase_add_test(alone, a_wrong_setting_is_refused);
    tcase_add_test(alone, a_start_that_fails_says_why);
    suite_add_tcase(suite, alone);
    TCase *stuck = tcase_create("stuck");
    tcase_add_checked_fixture(stuck, begin, NULL); /* what does not end is left behind */
    tcase_add_test(stuck, what_does_not_end_is_named);
    suite_add_tcase(suite, stuck);
    return suite;
}
