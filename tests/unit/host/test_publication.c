/* SPDX-License-Identifier: MIT */
/* Publishing as a handler sees it: what is sent, how calls end, how many are under way. */
#include <config.h>

#include <ackd/ackd.h>
#include <ackd/test.h>
#include <check.h>
#include <string.h>

#include "main.h"

enum { MANY = 3000 }; /* more than may be under way */

/* What the handler does: set by each test. */
static int (*handler)(const struct ackd_message *message);
static struct ackd_test *test;
static unsigned started, stopped, ran;

static int handle(const struct ackd_message *message, void *state)
{
    (void)state;
    return handler(message);
}

static int start(void *state)
{
    (void)state;
    started++;
    return ackd_publish("", "start", ackd_bytes("s"));
}

static int observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                   void *arg)
{
    (void)task;
    (void)error;
    (void)arg;
    ck_assert_int_eq(code, ACKD_OK);
    return ACKD_OK;
}

static int detached(void *arg)
{
    (void)arg;
    return ackd_publish("", "detached", ackd_bytes("d"));
}

static int run(void *state)
{
    const struct ackd_task_options options = {.name = "detached"};
    ran++;
    ACKD_TRY(ackd_publish("", "run", ackd_bytes("r")));
    return ackd_spawn_detached(ackd_owner_current(), detached, state, &options, observe, NULL);
}

static int stop(void *state)
{
    (void)state;
    stopped++;
    return ackd_publish("", "stop", ackd_bytes("e"));
}

static const struct ackd_consumer consumer = {.size = sizeof consumer,
                                              .abi_major = ACKD_ABI_MAJOR,
                                              .abi_minor = ACKD_ABI_MINOR,
                                              .name = "publisher",
                                              .handle = handle};
static const struct ackd_consumer whole = {.size = sizeof whole,
                                           .abi_major = ACKD_ABI_MAJOR,
                                           .abi_minor = ACKD_ABI_MINOR,
                                           .name = "whole",
                                           .start = start,
                                           .handle = handle,
                                           .stop = stop,
                                           .run = run};

static void begin(const struct ackd_consumer *what, int (*does)(const struct ackd_message *message))
{
    handler = does;
    ck_assert_int_eq(ackd_test_new(what, NULL, &test), ACKD_OK);
}

static void end(void)
{
    ck_assert_uint_eq(ackd_test_unobserved(test), 0);
    ackd_test_free(&test);
}

static struct ackd_test_outcome outcome_of(const struct ackd_test_message *message)
{
    struct ackd_test_outcome outcome;
    ck_assert_int_eq(ackd_test_handle(test, message, &outcome), ACKD_OK);
    return outcome;
}

static bool is(struct ackd_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

static int publish_one(const struct ackd_message *message)
{
    return ackd_publish("shop", "ready", ackd_message_body(message));
}

START_TEST(what_is_published_can_be_looked_at)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_one);
    ck_assert_int_eq(outcome_of(&message).verdict, ACKD_VERDICT_DONE);
    ck_assert_uint_eq(ackd_test_publications(test), 1);
    const struct ackd_test_publication *sent = ackd_test_publication(test, 0);
    ck_assert_str_eq(sent->exchange, "shop");
    ck_assert_str_eq(sent->routing_key, "ready");
    ck_assert(is(sent->body, "order"));
    ck_assert(!sent->transient && !sent->optional && !sent->request);
    ck_assert_ptr_null(sent->content_type);
    ck_assert_int_eq(sent->priority, -1);
    ck_assert_ptr_null(ackd_test_publication(test, 1));
    end();
}
END_TEST

static int publish_all(const struct ackd_message *message)
{
    const struct ackd_publication_header headers[] = {
        {"text", "value", 0}, {"number", NULL, -7}, {NULL, NULL, 0}};
    const struct ackd_publication publication = {.routing_key = "key",
                                                 .content_type = "a",
                                                 .content_encoding = "b",
                                                 .correlation_id = "c",
                                                 .reply_to = "d",
                                                 .expiration = "e",
                                                 .id = "f",
                                                 .type = "g",
                                                 .user_id = "h",
                                                 .app_id = "i",
                                                 .timestamp_s = 77,
                                                 .priority = 4,
                                                 .transient = true,
                                                 .optional = true,
                                                 .forward = ackd_message_headers(message),
                                                 .headers = headers};
    return ackd_publish_message(&publication);
}

START_TEST(all_properties_and_headers_are_sent)
{
    const struct ackd_test_header given[] = {{.name = "given", .integer = 5}, {.name = NULL}};
    const struct ackd_test_message message = {.headers = given};
    begin(&consumer, publish_all);
    ck_assert_int_eq(outcome_of(&message).verdict, ACKD_VERDICT_DONE);
    const struct ackd_test_publication *sent = ackd_test_publication(test, 0);
    const char *const got[] = {sent->content_type, sent->content_encoding, sent->correlation_id,
                               sent->reply_to,     sent->expiration,       sent->id,
                               sent->type,         sent->user_id,          sent->app_id};
    for (size_t i = 0; i < sizeof got / sizeof got[0]; i++)
        ck_assert(got[i][0] == (char)('a' + i) && got[i][1] == '\0');
    ck_assert_str_eq(sent->exchange, "");
    ck_assert_uint_eq(sent->timestamp_s, 77);
    ck_assert_int_eq(sent->priority, 4);
    ck_assert(sent->transient && sent->optional);
    struct ackd_headers headers = sent->headers;
    struct ackd_header header;
    ck_assert(ackd_headers_next(&headers, &header));
    ck_assert(header.name_size == 5 && header.integer == 5);
    ck_assert(ackd_headers_next(&headers, &header));
    ck_assert(is(header.bytes, "value"));
    ck_assert(ackd_headers_next(&headers, &header));
    ck_assert(header.kind == ACKD_HEADER_INTEGER && header.integer == -7);
    ck_assert(!ackd_headers_next(&headers, &header));
    end();
}
END_TEST

static int fail_with(const struct ackd_test_publication *publication, struct ackd_bytes *ret_reply,
                     void *arg)
{
    (void)publication;
    (void)ret_reply;
    return *(int *)arg;
}

START_TEST(promise_d13_a_publish_that_fails_fails_the_message_by_its_name)
{
    int codes[] = {ACKD_E_RETURNED, ACKD_E_NACKED, ACKD_E_DISCONNECTED, ACKD_E_BLOCKED,
                   ACKD_E_NOT_FOUND};
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_one);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        ackd_test_on_publish(test, fail_with, &codes[i]);
        struct ackd_test_outcome outcome = outcome_of(&message);
        ck_assert_int_eq(outcome.code, codes[i]);
        ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_RETRY);
    }
    end();
}
END_TEST

static int unanswered(const struct ackd_test_publication *publication, struct ackd_bytes *ret_reply,
                      void *arg)
{
    (void)publication;
    (void)ret_reply;
    (void)arg;
    return ACKD_TEST_UNANSWERED;
}

static int publish_within_a_second(const struct ackd_message *message)
{
    const struct ackd_publication publication = {.body = ackd_message_body(message),
                                                 .timeout_ms = 1000};
    return ackd_publish_message(&publication);
}

START_TEST(promise_d13_a_message_is_not_done_before_its_publish_is_confirmed)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_within_a_second);
    ackd_test_on_publish(test, unanswered, NULL);
    struct ackd_test_delivery *delivery;
    ck_assert_int_eq(ackd_test_send(test, &message, &delivery), ACKD_OK);
    ackd_test_advance(test, 999);
    ck_assert(!ackd_test_outcome(delivery).ended);
    ck_assert_uint_eq(ackd_test_publications(test), 1);
    ackd_test_advance(test, 1);
    ck_assert(ackd_test_outcome(delivery).ended);
    ck_assert_int_eq(ackd_test_outcome(delivery).code, ACKD_E_TIMEOUT);
    end();
}
END_TEST

static int ask_for_an_hour(const struct ackd_message *message)
{
    struct ackd_bytes reply;
    const struct ackd_publication publication = {
        .routing_key = "quotes", .body = ackd_message_body(message), .timeout_ms = 3500000};
    return ackd_request(&publication, &reply);
}

START_TEST(the_clock_leaps_over_what_nobody_answers)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, ask_for_an_hour);
    struct ackd_test_outcome outcome = outcome_of(&message);
    ck_assert_int_eq(outcome.code, ACKD_E_TIMEOUT);
    ck_assert_uint_eq(outcome.took_ms, 3500000);
    end();
}
END_TEST

START_TEST(cancelled_in_a_publish_a_handler_goes_at_once)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_one);
    ackd_test_on_publish(test, unanswered, NULL);
    struct ackd_test_delivery *delivery;
    ck_assert_int_eq(ackd_test_send(test, &message, &delivery), ACKD_OK);
    ackd_test_settle(test);
    ackd_test_cancel(delivery, ACKD_CANCEL_SHUTDOWN);
    ackd_test_settle(test);
    ck_assert(ackd_test_outcome(delivery).ended);
    ck_assert_int_eq(ackd_test_outcome(delivery).verdict, ACKD_VERDICT_RELEASE);
    ck_assert_uint_eq(ackd_test_now_ms(test), 0);
    end();
}
END_TEST

static int publish_child(void *arg)
{
    return ackd_publish("", "many", (struct ackd_bytes){arg, sizeof(unsigned)});
}

static unsigned numbers[MANY];

static int publish_many(const struct ackd_message *message)
{
    (void)message;
    ACKD_SCOPE(calls);
    for (unsigned i = 0; i < MANY; i++) {
        numbers[i] = i;
        ACKD_TRY(ackd_spawn(&calls, publish_child, &numbers[i]));
    }
    return ackd_scope_join(&calls);
}

START_TEST(publishes_beyond_the_bound_wait_and_stay_in_order)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_many);
    ackd_test_on_publish(test, unanswered, NULL);
    struct ackd_test_delivery *delivery;
    ck_assert_int_eq(ackd_test_send(test, &message, &delivery), ACKD_OK);
    ackd_test_settle(test);
    ck_assert_uint_eq(ackd_test_publications(test), 1024);
    ackd_test_cancel(delivery, ACKD_CANCEL_REQUESTED);
    ackd_test_settle(test);
    ck_assert(ackd_test_outcome(delivery).ended);
    ck_assert_uint_eq(ackd_test_publications(test), 1024);
    ackd_test_on_publish(test, NULL, NULL);
    ck_assert_int_eq(outcome_of(&message).verdict, ACKD_VERDICT_DONE);
    ck_assert_uint_eq(ackd_test_publications(test), 1024 + MANY);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned number;
        memcpy(&number, ackd_test_publication(test, 1024 + i)->body.data, sizeof number);
        ck_assert_uint_eq(number, i);
    }
    end();
}
END_TEST

static int publish_hastily(const struct ackd_message *message)
{
    (void)message;
    const struct ackd_publication hasty = {.routing_key = "hasty", .timeout_ms = 100};
    return ackd_publish_message(&hasty);
}

START_TEST(the_wait_for_room_is_part_of_the_time_limit)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_many);
    ackd_test_on_publish(test, unanswered, NULL);
    struct ackd_test_delivery *many, *hasty;
    ck_assert_int_eq(ackd_test_send(test, &message, &many), ACKD_OK);
    ackd_test_settle(test);
    handler = publish_hastily;
    ck_assert_int_eq(ackd_test_send(test, &message, &hasty), ACKD_OK);
    ackd_test_advance(test, 99);
    ck_assert(!ackd_test_outcome(hasty).ended);
    ackd_test_advance(test, 1);
    ck_assert_int_eq(ackd_test_outcome(hasty).code, ACKD_E_TIMEOUT);
    ackd_test_cancel(many, ACKD_CANCEL_REQUESTED);
    ackd_test_settle(test);
    ck_assert(ackd_test_outcome(many).ended);
    end();
}
END_TEST

static char large[1 << 20];

static int publish_large(void *arg)
{
    (void)arg;
    return ackd_publish("", "large", (struct ackd_bytes){large, sizeof large});
}

static int publish_much(const struct ackd_message *message)
{
    (void)message;
    ACKD_SCOPE(calls);
    for (int i = 0; i < 100; i++)
        ACKD_TRY(ackd_spawn(&calls, publish_large, NULL));
    return ackd_scope_join(&calls);
}

START_TEST(their_bytes_are_bounded_too)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_much);
    ackd_test_on_publish(test, unanswered, NULL);
    struct ackd_test_delivery *delivery;
    ck_assert_int_eq(ackd_test_send(test, &message, &delivery), ACKD_OK);
    ackd_test_settle(test);
    ck_assert_uint_eq(ackd_test_publications(test), 63); /* of 64 MiB, with their names */
    ackd_test_cancel(delivery, ACKD_CANCEL_REQUESTED);
    ackd_test_settle(test);
    ck_assert(ackd_test_outcome(delivery).ended);
    end();
}
END_TEST

static int answer_with_length(const struct ackd_test_publication *publication,
                              struct ackd_bytes *ret_reply, void *arg)
{
    (void)arg;
    ck_assert(publication->request);
    ck_assert_ptr_nonnull(publication->correlation_id);
    *ret_reply = ackd_bytes(publication->body.size == 5 ? "five" : "not five");
    return ACKD_OK;
}

static int ask(const struct ackd_message *message)
{
    struct ackd_bytes reply;
    const struct ackd_publication question = {.routing_key = "length",
                                              .body = ackd_message_body(message)};
    ACKD_TRY(ackd_request(&question, &reply));
    ck_assert(is(reply, "five"));
    return ACKD_OK;
}

START_TEST(a_request_has_its_reply)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, ask);
    ackd_test_on_publish(test, answer_with_length, NULL);
    ck_assert_int_eq(outcome_of(&message).verdict, ACKD_VERDICT_DONE);
    ackd_test_on_publish(test, NULL, NULL);
    ck_assert_int_eq(outcome_of(&message).code, ACKD_E_TIMEOUT);
    ck_assert_uint_eq(ackd_test_now_ms(test), 30000);
    end();
}
END_TEST

static int answer(const struct ackd_message *message)
{
    return ackd_reply(message, ackd_bytes("fine"));
}

START_TEST(a_reply_goes_where_the_message_says)
{
    const struct ackd_test_message asks = {.reply_to = "answers", .correlation_id = "id-7"};
    const struct ackd_test_message directly = {.reply_to = "amq.rabbitmq.reply-to.abc"};
    const struct ackd_test_message speechless = {.body = ackd_bytes("order")};
    begin(&consumer, answer);
    ck_assert_int_eq(outcome_of(&asks).verdict, ACKD_VERDICT_DONE);
    const struct ackd_test_publication *sent = ackd_test_publication(test, 0);
    ck_assert_str_eq(sent->exchange, "");
    ck_assert_str_eq(sent->routing_key, "answers");
    ck_assert_str_eq(sent->correlation_id, "id-7");
    ck_assert(!sent->optional);
    ck_assert_int_eq(outcome_of(&directly).verdict, ACKD_VERDICT_DONE);
    ck_assert(ackd_test_publication(test, 1)->optional);
    ck_assert_int_eq(outcome_of(&speechless).code, ACKD_E_INVAL);
    ck_assert_uint_eq(ackd_test_publications(test), 2);
    end();
}
END_TEST

START_TEST(start_run_stop_and_what_is_detached_publish_too)
{
    static const char *const keys[] = {"start", "run", "detached", "ready", "stop"};
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    started = stopped = ran = 0;
    begin(&whole, publish_one);
    ck_assert_int_eq(outcome_of(&message).verdict, ACKD_VERDICT_DONE);
    ck_assert_int_eq(ackd_test_stop(test), ACKD_OK);
    ck_assert_uint_eq(ackd_test_publications(test), 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_str_eq(ackd_test_publication(test, i)->routing_key, keys[i]);
    ck_assert(started == 1 && stopped == 1 && ran == 1);
    end();
}
END_TEST

static int publish_badly(const struct ackd_message *message)
{
    char name[300];
    (void)message;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const struct ackd_publication_header headers[] = {{name, NULL, 1}, {NULL, NULL, 0}};
    const struct ackd_publication publication = {.headers = headers};
    return ackd_publish_message(&publication);
}

START_TEST(a_header_name_that_is_too_long_is_refused)
{
    const struct ackd_test_message message = {.body = ackd_bytes("order")};
    begin(&consumer, publish_badly);
    ck_assert_int_eq(outcome_of(&message).code, ACKD_E_INVAL);
    ck_assert_uint_eq(ackd_test_publications(test), 0);
    end();
}
END_TEST

START_TEST(outside_of_tasks_nothing_is_published)
{
    ck_assert_int_eq(ackd_publish("", "q", ackd_bytes("b")), ACKD_E_NOT_IN_TASK);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("publication");
    TCase *tcase = tcase_create("publication");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_is_published_can_be_looked_at);
    tcase_add_test(tcase, all_properties_and_headers_are_sent);
    tcase_add_test(tcase, promise_d13_a_publish_that_fails_fails_the_message_by_its_name);
    tcase_add_test(tcase, promise_d13_a_message_is_not_done_before_its_publish_is_confirmed);
    tcase_add_test(tcase, the_clock_leaps_over_what_nobody_answers);
    tcase_add_test(tcase, cancelled_in_a_publish_a_handler_goes_at_once);
    tcase_add_test(tcase, publishes_beyond_the_bound_wait_and_stay_in_order);
    tcase_add_test(tcase, the_wait_for_room_is_part_of_the_time_limit);
    tcase_add_test(tcase, their_bytes_are_bounded_too);
    tcase_add_test(tcase, a_request_has_its_reply);
    tcase_add_test(tcase, a_reply_goes_where_the_message_says);
    tcase_add_test(tcase, start_run_stop_and_what_is_detached_publish_too);
    tcase_add_test(tcase, a_header_name_that_is_too_long_is_refused);
    tcase_add_test(tcase, outside_of_tasks_nothing_is_published);
    suite_add_tcase(suite, tcase);
    return suite;
}
