/* SPDX-License-Identifier: MIT */
/*
 * test - a handler's unit test: made-up messages, the runtime of the daemon, a clock that the test
 * moves.
 *
 *     struct ackd_test *test;
 *     const struct ackd_test_setting settings[] = {{"packing", "20ms"}, {NULL, NULL}};
 *     ck_assert_int_eq(ackd_test_new(&ackd_consumer, settings, &test), ACKD_OK);
 *     struct ackd_test_message order = {.body = ackd_bytes("{\"order\": 1}")};
 *     struct ackd_test_outcome outcome;
 *     ck_assert_int_eq(ackd_test_handle(test, &order, &outcome), ACKD_OK);
 *     ck_assert_int_eq(outcome.verdict, ACKD_VERDICT_DONE);
 *     ck_assert_uint_eq(outcome.took_ms, 20);
 *     ackd_test_free(&test);
 *
 * Everything runs on the calling thread, inside these calls. Time stands still while anything can
 * run; when all tasks wait for time alone it jumps to the next limit or timer, so that a test of an
 * hour's wait takes no time and no luck. While a task waits for something outside (a socket, a
 * process, a file, the CPU pool, a promise) the clock goes with the real one.
 */
#ifndef ACKD_TEST_H
#define ACKD_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/consumer.h>
#include <ackd/error.h>
#include <ackd/message.h>
#include <ackd/task.h>

ACKD_BEGIN_DECLS

/* One consumer on one loop. Several may be there at once, also of different consumers. */
struct ackd_test;

/* As under 'settings:' in the configuration, in text; a list is its items with the same key. */
struct ackd_test_setting {
    const char *key, *value;
};

/*
 * Fill in the state from @settings (ended by {NULL, NULL}; NULL: none), run start() to its end, and
 * begin run(). ACKD_E_CONFIG for a wrong setting, ACKD_E_PLUGIN for a wrong descriptor, the code of a
 * start() that failed, ACKD_E_NOMEM; ACKD_E_ON_LOOP in a task.
 */
ACKD_API ACKD_MUST_CHECK int ackd_test_new(const struct ackd_consumer *consumer,
                                           const struct ackd_test_setting *settings,
                                           struct ackd_test **ret_test);
/*
 * Stop as the daemon does: what still runs is cancelled with SHUTDOWN and waited for, then stop()
 * runs. Returns what that returned, or else the failure with which run() had ended; ACKD_E_TIMEOUT,
 * naming them, where tasks did not end within an hour of the test's clock: then the test leaks on
 * purpose, because they may still use it.
 */
ACKD_API ACKD_MUST_CHECK int ackd_test_stop(struct ackd_test *test);
/* ackd_test_stop, if that was not called, and free. NULL does nothing. */
ACKD_API void ackd_test_free(struct ackd_test **test);

/* The consumer's 'timeout:', for messages from here on; 0: none. */
ACKD_API void ackd_test_set_timeout(struct ackd_test *test, uint64_t ms);
/* The handler's state, to look at or to change between calls. */
ACKD_API void *ackd_test_state(struct ackd_test *test);

/* A header of a message: text if @text is set, else the integer. */
struct ackd_test_header {
    const char *name;
    const char *text;
    int64_t integer;
};

/* What is zero is absent, and what a broker always gives has a default. Borrowed for the call. */
struct ackd_test_message {
    struct ackd_bytes body;
    const char *exchange;    /* "" */
    const char *routing_key; /* the queue's name, "test" */
    const char *content_type, *content_encoding, *correlation_id, *reply_to, *expiration, *id,
        *type, *user_id, *app_id;
    uint64_t timestamp_s;
    int priority, delivery_mode;
    bool redelivered;
    uint32_t attempt;                       /* 1 */
    const struct ackd_test_header *headers; /* ended by a NULL name */
};

struct ackd_test_outcome {
    bool ended;
    enum ackd_verdict verdict;      /* as the daemon would act on it */
    int code;                       /* what the handler returned */
    const struct ackd_error *error; /* borrowed while the test lives; NULL unless it failed */
    uint64_t delay_ms;              /* of ackd_retry_after */
    uint64_t took_ms;               /* of the test's clock */
};

/*
 * Handle one message to its end; the clock moves as it must. ACKD_E_TIMEOUT where it has not ended
 * within an hour of that clock, ACKD_E_DEADLOCK where it waits for something that cannot come: the
 * error names what its tasks await.
 */
ACKD_API ACKD_MUST_CHECK int ackd_test_handle(struct ackd_test *test,
                                              const struct ackd_test_message *message,
                                              struct ackd_test_outcome *ret_outcome);

/* Several side by side: send, settle or advance, look, or finish as ackd_test_handle does. A
 * delivery lives as long as the test. */
struct ackd_test_delivery;
ACKD_API ACKD_MUST_CHECK int ackd_test_send(struct ackd_test *test,
                                            const struct ackd_test_message *message,
                                            struct ackd_test_delivery **ret_delivery);
ACKD_API struct ackd_test_outcome ackd_test_outcome(const struct ackd_test_delivery *delivery);
ACKD_API ACKD_MUST_CHECK int ackd_test_finish(struct ackd_test_delivery *delivery,
                                              struct ackd_test_outcome *ret_outcome);

/*
 * The same for handle_batch: @count messages as one batch, in this order, and an outcome or a
 * delivery for each. ackd_test_finish and ackd_test_cancel on any of them act on the whole batch.
 * ACKD_E_INVAL without messages, or where the consumer has no handle_batch; ackd_test_send likewise
 * where it has no handle.
 */
ACKD_API ACKD_MUST_CHECK int ackd_test_handle_batch(struct ackd_test *test,
                                                    const struct ackd_test_message *messages,
                                                    size_t count,
                                                    struct ackd_test_outcome *ret_outcomes);
ACKD_API ACKD_MUST_CHECK int ackd_test_send_batch(struct ackd_test *test,
                                                  const struct ackd_test_message *messages,
                                                  size_t count,
                                                  struct ackd_test_delivery **ret_deliveries);
/* As the host would: SHUTDOWN, PAUSE, CHANNEL_CLOSED, REQUESTED. */
ACKD_API void ackd_test_cancel(struct ackd_test_delivery *delivery, enum ackd_cancel_reason reason);

/*
 * What was published, or asked for with ackd_request; absent properties are NULL, 0, or -1. All of
 * it lives as long as the test.
 */
struct ackd_test_publication {
    const char *exchange, *routing_key;
    struct ackd_bytes body;
    const char *content_type, *content_encoding, *correlation_id, *reply_to, *expiration, *id,
        *type, *user_id, *app_id;
    uint64_t timestamp_s;
    int priority;
    bool transient, optional;
    bool request; /* its correlation_id is ackd's */
    struct ackd_headers headers;
    uint64_t at_ms; /* of the test's clock */
};
/* How many so far; and the one at @index, in the order of the calls, NULL beyond the last. */
ACKD_API size_t ackd_test_publications(const struct ackd_test *test);
ACKD_API const struct ackd_test_publication *ackd_test_publication(const struct ackd_test *test,
                                                                   size_t index);

/*
 * What becomes of it: ACKD_OK, confirmed, and *ret_reply, which is copied, is the reply to a request;
 * a failure, with which the call ends (ackd_fail gives it a text); ACKD_TEST_UNANSWERED: nothing
 * comes, and the call ends with its time limit, or when it is cancelled. It must not wait.
 */
#define ACKD_TEST_UNANSWERED 1
typedef int ackd_test_publish_fn(const struct ackd_test_publication *publication,
                                 struct ackd_bytes *ret_reply, void *arg);
/* From here on; NULL: all is confirmed, and no request is answered. */
ACKD_API void ackd_test_on_publish(struct ackd_test *test, ackd_test_publish_fn *answer, void *arg);

/* Run until nothing more can happen without time or the outside. The clock stays. */
ACKD_API void ackd_test_settle(struct ackd_test *test);
/* Move the clock on by @ms, through all that is due on the way; what is outside is not waited for.
 */
ACKD_API void ackd_test_advance(struct ackd_test *test, uint64_t ms);
/* Since ackd_test_new. */
ACKD_API uint64_t ackd_test_now_ms(const struct ackd_test *test);

/* Run fn(arg) as a task beside the messages, to its end: for tests of parts of a handler. */
#define ackd_test_run(test, fn, arg) ackd_test_run_at((test), (fn), (arg), #fn)
ACKD_API ACKD_MUST_CHECK int ackd_test_run_at(struct ackd_test *test, ackd_task_fn *fn, void *arg,
                                              const char *name);

/* Tasks that are alive, run() of the consumer included. */
ACKD_API size_t ackd_test_tasks(const struct ackd_test *test);
/* Failures that nobody looked at so far: a good test ends with 0. */
ACKD_API size_t ackd_test_unobserved(const struct ackd_test *test);
/* What each task awaits, as SIGQUIT shows it; terminated. Returns the length of the whole. */
ACKD_API size_t ackd_test_dump(const struct ackd_test *test, char *text, size_t size);

ACKD_END_DECLS

#endif
