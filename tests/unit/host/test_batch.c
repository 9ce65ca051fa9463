/* SPDX-License-Identifier: MIT */
/* What a handler of batches can say of each message, and what becomes of the rest. */
#include <config.h>

#include <ackd/ackd.h>
#include <ackd/test.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host/batch.h"
#include "main.h"

enum { BATCH_MAX = 16 };

/* What a call returns in the end: by the body of the last message, which marks nothing itself. */
struct world {
    size_t calls, messages, children;
    int mark_code; /* of the message "mark" */
    struct ackd_test *test;
};

static struct world world;

static bool says(const struct ackd_message *message, const char *what)
{
    struct ackd_bytes body = ackd_message_body(message);
    return body.size == strlen(what) && memcmp(body.data, what, body.size) == 0;
}

static int mark_one(const struct ackd_message *message)
{
    if (says(message, "done"))
        return ackd_batch_mark(message, ACKD_OK);
    if (says(message, "dead"))
        return ackd_batch_mark(message, ackd_dead("never valid"));
    if (says(message, "drop"))
        return ackd_batch_mark(message, ackd_drop("old news"));
    if (says(message, "later"))
        return ackd_batch_mark(message, ackd_retry_after(1234, "busy"));
    if (says(message, "fail"))
        return ackd_batch_mark(message, ackd_fail(ACKD_E_USER - 7, "no stock"));
    if (says(message, "silent"))
        return ackd_batch_mark(message, ACKD_E_USER - 8);
    if (says(message, "positive"))
        return ackd_batch_mark(message, 42);
    if (says(message, "back"))
        return ackd_batch_mark(message, ACKD_CANCELED);
    if (says(message, "twice")) {
        ACKD_TRY(ackd_batch_mark(message, ackd_dead("at first")));
        return ackd_batch_mark(message, ackd_fail(ACKD_E_USER - 9, "on reflection"));
    }
    return ACKD_OK;
}

static int child(void *arg)
{
    const struct ackd_message **message = arg;
    ACKD_TRY(ackd_delay(20));
    world.children++;
    return ackd_batch_mark(*message, ackd_drop("by a child"));
}

static int in_the_end(const struct ackd_message *last)
{
    if (says(last, "return failure"))
        return ackd_fail(ACKD_E_USER - 1, "the database is away");
    if (says(last, "return dead"))
        return ackd_dead("all of it");
    if (says(last, "return positive"))
        return 7;
    if (says(last, "return canceled"))
        return ACKD_CANCELED;
    if (says(last, "wait"))
        return ackd_delay(3600000);
    if (says(last, "fail when told"))
        return ackd_delay(3600000) == ACKD_OK ? ACKD_OK : ackd_fail(ACKD_E_USER - 2, "half done");
    if (says(last, "mark when told")) {
        int code = ackd_delay(3600000);
        ACKD_TRY(ackd_batch_mark(last, ackd_fail(ACKD_E_USER - 3, "too late")));
        return code;
    }
    return ACKD_OK;
}

static int handle_batch(const struct ackd_batch *batch, void *state)
{
    size_t count = ackd_batch_size(batch);
    (void)state;
    world.calls++;
    world.messages += count;
    ck_assert_uint_ge(count, 1);
    ck_assert_ptr_null(ackd_batch_message(batch, count));
    const struct ackd_message *of_children[BATCH_MAX];
    ACKD_SCOPE(scope);
    for (size_t i = 0; i < count; i++) {
        const struct ackd_message *message = of_children[i] = ackd_batch_message(batch, i);
        ACKD_TRY(mark_one(message));
        if (says(message, "child"))
            ACKD_TRY(ackd_spawn(&scope, child, &of_children[i]));
    }
    ACKD_TRY(ackd_scope_join(&scope));
    return in_the_end(ackd_batch_message(batch, count - 1));
}

static int handle(const struct ackd_message *message, void *state)
{
    (void)state;
    world.mark_code = says(message, "mark") ? ackd_batch_mark(message, ackd_dead("alone")) : 0;
    return ACKD_OK;
}

static const struct ackd_consumer both = {.size = sizeof both,
                                          .abi_major = ACKD_ABI_MAJOR,
                                          .abi_minor = ACKD_ABI_MINOR,
                                          .name = "both",
                                          .handle = handle,
                                          .handle_batch = handle_batch};

static void set_up(void)
{
    memset(&world, 0, sizeof world);
    ck_assert_int_eq(ackd_test_new(&both, NULL, &world.test), ACKD_OK);
}

static void tear_down(void)
{
    ck_assert_uint_eq(ackd_test_unobserved(world.test), 0);
    ackd_test_free(&world.test);
}

static size_t make(struct ackd_test_message *messages, const char *const *bodies)
{
    size_t count = 0;
    memset(messages, 0, BATCH_MAX * sizeof *messages);
    for (; bodies[count] != NULL; count++)
        messages[count].body = ackd_bytes(bodies[count]);
    return count;
}

static void run(const char *const *bodies, struct ackd_test_outcome *ret_outcomes)
{
    struct ackd_test_message messages[BATCH_MAX];
    size_t count = make(messages, bodies);
    ck_assert_int_eq(ackd_test_handle_batch(world.test, messages, count, ret_outcomes), ACKD_OK);
    ck_assert_uint_eq(world.calls, 1);
    ck_assert_uint_eq(world.messages, count);
}

static void is(const struct ackd_test_outcome *outcome, enum ackd_verdict verdict, int code)
{
    ck_assert_str_eq(ackd_verdict_name(outcome->verdict), ackd_verdict_name(verdict));
    ck_assert_str_eq(ackd_code_name(outcome->code), ackd_code_name(code));
    ck_assert_int_eq(outcome->code, code);
}

START_TEST(what_the_call_returns_decides_on_all_that_is_not_marked)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    run((const char *[]){"a", "dead", "b", "return failure", NULL}, outcomes);
    is(&outcomes[0], ACKD_VERDICT_RETRY, ACKD_E_USER - 1);
    is(&outcomes[1], ACKD_VERDICT_DEAD, ACKD_E_DEAD);
    is(&outcomes[2], ACKD_VERDICT_RETRY, ACKD_E_USER - 1);
    is(&outcomes[3], ACKD_VERDICT_RETRY, ACKD_E_USER - 1);
    ck_assert_str_eq(ackd_error_text(outcomes[0].error), "the database is away");
    ck_assert_str_eq(ackd_error_text(outcomes[1].error), "never valid");
}
END_TEST

START_TEST(each_message_can_have_a_verdict_of_its_own)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    run((const char *[]){"done", "dead", "drop", "later", "fail", "silent", "back", "plain", NULL},
        outcomes);
    is(&outcomes[0], ACKD_VERDICT_DONE, ACKD_OK);
    is(&outcomes[1], ACKD_VERDICT_DEAD, ACKD_E_DEAD);
    is(&outcomes[2], ACKD_VERDICT_DROP, ACKD_E_DROP);
    is(&outcomes[3], ACKD_VERDICT_RETRY, ackd_error_code(outcomes[3].error));
    ck_assert_uint_eq(outcomes[3].delay_ms, 1234);
    ck_assert_ptr_null(ackd_error_cause(outcomes[3].error));
    is(&outcomes[4], ACKD_VERDICT_RETRY, ACKD_E_USER - 7);
    is(&outcomes[5], ACKD_VERDICT_RETRY, ACKD_E_USER - 8);
    is(&outcomes[6], ACKD_VERDICT_RELEASE, ACKD_CANCELED);
    is(&outcomes[7], ACKD_VERDICT_DONE, ACKD_OK);
}
END_TEST

START_TEST(a_mark_stays_where_the_call_fails)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    run((const char *[]){"done", "x", "return dead", NULL}, outcomes);
    is(&outcomes[0], ACKD_VERDICT_DONE, ACKD_OK);
    is(&outcomes[1], ACKD_VERDICT_DEAD, ACKD_E_DEAD);
}
END_TEST

START_TEST(the_last_mark_holds)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    run((const char *[]){"twice", NULL}, outcomes);
    is(&outcomes[0], ACKD_VERDICT_RETRY, ACKD_E_USER - 9);
    ck_assert_str_eq(ackd_error_text(outcomes[0].error), "on reflection");
}
END_TEST

START_TEST(promise_a12_garbage_that_a_batch_returns_is_a_failure_of_each)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    run((const char *[]){"positive", "x", "return positive", NULL}, outcomes);
    is(&outcomes[0], ACKD_VERDICT_RETRY, ACKD_E_BAD_RETURN);
    is(&outcomes[1], ACKD_VERDICT_RETRY, ACKD_E_BAD_RETURN);
}
END_TEST

START_TEST(a_call_that_claims_to_be_cancelled_has_failed)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    run((const char *[]){"x", "return canceled", NULL}, outcomes);
    ck_assert_int_eq(outcomes[0].verdict, ACKD_VERDICT_RETRY);
}
END_TEST

START_TEST(children_end_before_anything_of_the_batch_is_settled)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    run((const char *[]){"child", "x", "child", NULL}, outcomes);
    ck_assert_uint_eq(world.children, 2);
    is(&outcomes[0], ACKD_VERDICT_DROP, ACKD_E_DROP);
    is(&outcomes[1], ACKD_VERDICT_DONE, ACKD_OK);
    ck_assert_uint_eq(outcomes[1].took_ms, 20);
}
END_TEST

START_TEST(a_timeout_is_of_the_whole_batch_and_leaves_marks)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    ackd_test_set_timeout(world.test, 500);
    run((const char *[]){"done", "x", "fail when told", NULL}, outcomes);
    is(&outcomes[0], ACKD_VERDICT_DONE, ACKD_OK);
    is(&outcomes[1], ACKD_VERDICT_RETRY, ACKD_E_TIMEOUT);
    is(&outcomes[2], ACKD_VERDICT_RETRY, ACKD_E_TIMEOUT);
    ck_assert_uint_eq(outcomes[2].took_ms, 500);
    ck_assert_ptr_nonnull(strstr(ackd_error_text(outcomes[1].error), "the batch's timeout"));
}
END_TEST

static void cancel(const char *const *bodies, enum ackd_cancel_reason reason,
                   struct ackd_test_outcome *ret_outcomes)
{
    struct ackd_test_message messages[BATCH_MAX];
    struct ackd_test_delivery *deliveries[BATCH_MAX];
    size_t count = make(messages, bodies);
    ck_assert_int_eq(ackd_test_send_batch(world.test, messages, count, deliveries), ACKD_OK);
    ackd_test_settle(world.test);
    ck_assert(!ackd_test_outcome(deliveries[0]).ended);
    ackd_test_cancel(deliveries[0], reason);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(ackd_test_finish(deliveries[i], &ret_outcomes[i]), ACKD_OK);
}

START_TEST(a_stop_gives_back_what_is_not_marked)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    cancel((const char *[]){"done", "dead", "x", "wait", NULL}, ACKD_CANCEL_SHUTDOWN, outcomes);
    is(&outcomes[0], ACKD_VERDICT_DONE, ACKD_OK);
    is(&outcomes[1], ACKD_VERDICT_DEAD, ACKD_E_DEAD);
    is(&outcomes[2], ACKD_VERDICT_RELEASE, ACKD_CANCELED);
    is(&outcomes[3], ACKD_VERDICT_RELEASE, ACKD_CANCELED);
}
END_TEST

START_TEST(a_failure_during_a_stop_is_given_back_marked_or_returned)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    cancel((const char *[]){"x", "fail when told", NULL}, ACKD_CANCEL_SHUTDOWN, outcomes);
    is(&outcomes[0], ACKD_VERDICT_RELEASE, ACKD_E_USER - 2);
    world.calls = world.messages = 0;
    cancel((const char *[]){"x", "mark when told", NULL}, ACKD_CANCEL_SHUTDOWN, outcomes);
    is(&outcomes[0], ACKD_VERDICT_RELEASE, ACKD_CANCELED);
    is(&outcomes[1], ACKD_VERDICT_RELEASE, ACKD_E_USER - 3);
}
END_TEST

START_TEST(a_channel_that_died_makes_orphans)
{
    struct ackd_test_outcome outcomes[BATCH_MAX];
    cancel((const char *[]){"x", "wait", NULL}, ACKD_CANCEL_CHANNEL_CLOSED, outcomes);
    is(&outcomes[0], ACKD_VERDICT_ORPHAN, ACKD_CANCELED);
    is(&outcomes[1], ACKD_VERDICT_ORPHAN, ACKD_CANCELED);
}
END_TEST

START_TEST(batches_run_side_by_side)
{
    struct ackd_test_message messages[BATCH_MAX];
    struct ackd_test_delivery *first[BATCH_MAX], *second[BATCH_MAX];
    size_t count = make(messages, (const char *[]){"child", "x", NULL});
    ck_assert_int_eq(ackd_test_send_batch(world.test, messages, count, first), ACKD_OK);
    ck_assert_int_eq(ackd_test_send_batch(world.test, messages, count, second), ACKD_OK);
    ackd_test_advance(world.test, 20);
    ck_assert(ackd_test_outcome(first[1]).ended);
    ck_assert(ackd_test_outcome(second[1]).ended);
    ck_assert_uint_eq(world.calls, 2);
}
END_TEST

START_TEST(a_message_alone_cannot_be_marked)
{
    struct ackd_test_message message = {.body = ackd_bytes("mark")};
    struct ackd_test_outcome outcome;
    ck_assert_int_eq(ackd_test_handle(world.test, &message, &outcome), ACKD_OK);
    ck_assert_int_eq(world.mark_code, ACKD_E_INVAL);
    is(&outcome, ACKD_VERDICT_DONE, ACKD_OK);
}
END_TEST

START_TEST(what_a_consumer_does_not_have_is_not_called)
{
    struct ackd_consumer only = both;
    struct ackd_test *test;
    struct ackd_test_message message = {.body = ackd_bytes("x")};
    struct ackd_test_outcome outcome;
    only.handle = NULL;
    ck_assert_int_eq(ackd_test_new(&only, NULL, &test), ACKD_OK);
    ck_assert_int_eq(ackd_test_handle(test, &message, &outcome), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_test_handle_batch(test, &message, 1, &outcome), ACKD_OK);
    ck_assert_int_eq(ackd_test_handle_batch(test, &message, 0, &outcome), ACKD_E_INVAL);
    ackd_test_free(&test);
    only = both;
    only.handle_batch = NULL;
    ck_assert_int_eq(ackd_test_new(&only, NULL, &test), ACKD_OK);
    ck_assert_int_eq(ackd_test_handle_batch(test, &message, 1, &outcome), ACKD_E_INVAL);
    ck_assert_int_eq(ackd_test_handle(test, &message, &outcome), ACKD_OK);
    ackd_test_free(&test);
    only.handle = NULL;
    ck_assert_int_eq(ackd_test_new(&only, NULL, &test), ACKD_E_PLUGIN);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("batch");
    TCase *tc = tcase_create("batch");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, what_the_call_returns_decides_on_all_that_is_not_marked);
    tcase_add_test(tc, each_message_can_have_a_verdict_of_its_own);
    tcase_add_test(tc, a_mark_stays_where_the_call_fails);
    tcase_add_test(tc, the_last_mark_holds);
    tcase_add_test(tc, promise_a12_garbage_that_a_batch_returns_is_a_failure_of_each);
    tcase_add_test(tc, a_call_that_claims_to_be_cancelled_has_failed);
    tcase_add_test(tc, children_end_before_anything_of_the_batch_is_settled);
    tcase_add_test(tc, a_timeout_is_of_the_whole_batch_and_leaves_marks);
    tcase_add_test(tc, a_stop_gives_back_what_is_not_marked);
    tcase_add_test(tc, a_failure_during_a_stop_is_given_back_marked_or_returned);
    tcase_add_test(tc, a_channel_that_died_makes_orphans);
    tcase_add_test(tc, batches_run_side_by_side);
    tcase_add_test(tc, a_message_alone_cannot_be_marked);
    tcase_add_test(tc, what_a_consumer_does_not_have_is_not_called);
    suite_add_tcase(suite, tc);
    return suite;
}
