/* SPDX-License-Identifier: MIT */
/* retry - see the header. */
#include <config.h>

#include "host/retry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/gate.h"
#include "host/host.h"
#include "host/letter.h"
#include "host/report.h"
#include "host/settle.h"
#include "host/story.h"
#include "ledger/redelivery.h"

enum { RETRY_LINE_SIZE = 1024 };

static int retry_name(struct retry *retry, size_t step, const char *queue)
{
    size_t size = strlen(queue) + LADDER_NAME_MORE;
    retry->names[step] = malloc(size);
    if (retry->names[step] == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the delay queues of '%s'", queue);
    ladder_name(queue, retry->ladder.ms[step], retry->names[step], size);
    return ACKD_OK;
}

/* Classic queues have lost confirmed messages to a broker that was killed. x-expires is never set:
 * it would delete a queue with its messages. */
static void retry_describe(struct retry *retry, size_t step, const char *queue)
{
    const struct channel_field fields[RETRY_FIELDS] = {
        CHANNEL_FIELD_TEXT("x-queue-type", "quorum"),
        CHANNEL_FIELD_INTEGER("x-message-ttl", (int64_t)retry->ladder.ms[step]),
        CHANNEL_FIELD_TEXT("x-dead-letter-exchange", ""),
        CHANNEL_FIELD_TEXT("x-dead-letter-routing-key", queue),
        CHANNEL_FIELD_TEXT("x-dead-letter-strategy", "at-least-once"),
        CHANNEL_FIELD_TEXT("x-overflow", "reject-publish"),
    };
    memcpy(retry->fields[step], fields, sizeof fields);
    retry->steps[1 + step] = (struct topology_step){.kind = TOPOLOGY_DECLARE_QUEUE,
                                                    .name = retry->names[step],
                                                    .arguments = retry->fields[step],
                                                    .argument_count = RETRY_FIELDS};
}

int retry_init(struct retry *retry, const struct config_consumer *config,
               void (*done)(struct topology_wish *wish, int code))
{
    static const struct channel_field quorum[] = {CHANNEL_FIELD_TEXT("x-queue-type", "quorum")};
    retry->policy = (struct retry_policy){.attempts = config->retry_attempts,
                                          .first_ms = config->retry_first_ms,
                                          .factor = config->retry_factor,
                                          .max_ms = config->retry_max_ms};
    ladder_init(&retry->ladder, config->retry_first_ms, config->retry_max_ms);
    /* What is never tried again needs no queue to wait in, nor what is tried again in its place. */
    bool strict = config->key_kind != CONFIG_KEY_NONE && config->key_order == CONFIG_KEY_STRICT;
    strict = strict || config->queue_type == CONFIG_QUEUE_STREAM; /* others read the stream, too */
    size_t count = config->retry_attempts == 1 || strict ? 0 : retry->ladder.count;
    /* RabbitMQ 3.10 can lose what was declared last if it is killed soon: so the longest wait is
     * last, which is used latest. See decision 0020. */
    retry->steps[0] = (struct topology_step){.kind = TOPOLOGY_HAVE_QUEUE,
                                             .name = config->dead_letter,
                                             .arguments = quorum,
                                             .argument_count = 1};
    for (size_t i = 0; i < count; i++) {
        ACKD_TRY(retry_name(retry, i, config->queue));
        retry_describe(retry, i, config->queue);
    }
    retry->wish.steps = retry->steps;
    retry->wish.count = count + 1;
    retry->wish.done = done;
    return ACKD_OK;
}

void retry_fini(struct retry *retry)
{
    list_remove(&retry->wish.node); /* the topology outlives it, and may still hold it */
    for (size_t i = 0; i < LADDER_STEPS_MAX; i++)
        free(retry->names[i]);
}

void retry_declare(struct consumer *consumer)
{
    struct retry *retry = &consumer->retry;
    if (!retry->ready && list_empty(&retry->wish.node))
        topology_declare(consumer->broker->topology, &retry->wish);
}

/* A line about one message, with the error that led to it; current errors stay. */
static void retry_log(const struct job *job, enum ackd_log_level level, const char *event,
                      const struct ackd_error *error, const char *id, uint64_t wait_ms,
                      const char *what)
{
    if (!ackd_log_enabled(level))
        return;
    char text[RETRY_LINE_SIZE];
    report_failure_line(error, text, sizeof text);
    const struct error_name name = error_name(ackd_error_code(error));
    struct ackd_log_field fields[] = {
        ACKD_FIELD_INT("attempt", job->message.attempt), ACKD_FIELD("code", name.text),
        ACKD_FIELD_INT("wait_ms", wait_ms), ACKD_FIELD("error_id", id)};
    const struct log_context *before = log_context_use(&job->log);
    ackd_log_event(level, event, fields, id == NULL ? 3 : 4, "%s: %s", what, text);
    (void)log_context_use(before);
}

void retry_give_back_later(struct consumer *consumer, struct job *job,
                           const struct ackd_error *error)
{
    if (consumer->retry.refused < UINT32_MAX)
        consumer->retry.refused++;
    uint64_t pause_ms = retry_pause_ms(consumer->retry.refused);
    retry_log(job, ACKD_LOG_WARNING, "release", error, NULL, pause_ms,
              "not handled, and goes back");
    settle_later(consumer, job, pause_ms);
}

/* X2. What can be mended for the next time is. The error is current. */
static void retry_refused(struct consumer *consumer, struct job *job)
{
    const struct ackd_error *error = ackd_error_current();
    struct retry *retry = &consumer->retry;
    if (retry->refused < UINT32_MAX)
        retry->refused++;
    uint64_t pause_ms = retry_pause_ms(retry->refused);
    bool unsaid = ackd_error_code(error) == ACKD_E_TIMEOUT; /* decision 0020 */
    retry_log(job, ACKD_LOG_ERROR, "copy-failed", error, NULL, pause_ms,
              unsaid
                  ? "its copy was not confirmed, and it goes back; has the queue that it goes to a "
                    "leader (rabbitmq-queues quorum_status)?"
                  : "it could not be copied to where it should go, and goes back");
    if (ackd_error_code(error) == ACKD_E_RETURNED && !consumer->stopping) {
        retry->ready = false; /* somebody deleted the queue */
        retry_declare(consumer);
    }
    if (strstr(ackd_error_text(error), "user_id") != NULL)
        broker_distrust_user(consumer->broker);
    settle_later(consumer, job, pause_ms);
}

/* What a confirmed copy is counted as. */
static void retry_confirmed(struct letter *letter, struct job *job, int code, enum metric metric)
{
    struct consumer *consumer = job->consumer;
    letter_free(&letter);
    if (code != ACKD_OK) {
        retry_refused(consumer, job);
        return;
    }
    consumer->retry.refused = 0;
    job->copied = true;
    metric_add(&consumer->metrics, metric, 1);
    settle_answer(consumer, job, LEDGER_ACK); /* X1: now, and not before */
}

static void retry_again_done(struct letter *letter, struct job *job, int code)
{
    retry_confirmed(letter, job, code, METRIC_messages_retried);
}

static void retry_on_done(struct letter *letter, struct job *job, int code)
{
    retry_confirmed(letter, job, code, METRIC_messages_waited_on);
}

static void retry_dead_done(struct letter *letter, struct job *job, int code)
{
    retry_confirmed(letter, job, code, METRIC_messages_dead);
}

static void retry_back_done(struct letter *letter, struct job *job, int code)
{
    retry_confirmed(letter, job, code, METRIC_messages_put_back);
}

/* Whether its channel still is there: if not, somebody else gets it, and a copy would be one more.
 */
static bool retry_is_live(struct consumer *consumer, struct job *job)
{
    if (job->entry.open && job->entry.epoch == consumer->ledger.epoch)
        return true;
    settle_answer(consumer, job, LEDGER_RELEASE);
    return false;
}

static void retry_publish(struct consumer *consumer, struct job *job, struct letter *letter)
{
    consumer_move(consumer, job, JOB_PUBLISHING);
    letter_publish(letter);
}

void retry_dead(struct consumer *consumer, struct job *job, const struct ackd_error *error)
{
    const struct letter_text text = {.kind = LETTER_DEAD,
                                     .queue = consumer->config->dead_letter,
                                     .failures = job->failures,
                                     .error = error};
    struct letter *letter;
    if (!retry_is_live(consumer, job))
        return;
    if (letter_new(job, &text, retry_dead_done, &letter) != ACKD_OK) {
        retry_refused(consumer, job);
        return;
    }
    retry_log(job, ACKD_LOG_WARNING, "dead", error, letter_id(letter), 0, "to the dead letters");
    retry_publish(consumer, job, letter);
}

void retry_failed(struct consumer *consumer, struct job *job)
{
    struct retry *retry = &consumer->retry;
    job->failures++;
    struct retry_plan plan = retry_next(&retry->policy, &retry->ladder, job->failures,
                                        job->delay_ms, random_next(host_random(consumer->host)));
    if (!plan.again) {
        retry_dead(consumer, job, job->error);
        return;
    }
    const struct letter_text text = {.kind = LETTER_AGAIN,
                                     .queue = retry->names[plan.step],
                                     .failures = job->failures,
                                     .left_ms = plan.left_ms,
                                     .error = job->error};
    struct letter *letter;
    if (!retry_is_live(consumer, job))
        return;
    int code = letter_new(job, &text, retry_again_done, &letter);
    if (code == ACKD_E_TOO_LARGE) {
        /* It cannot be kept for later as it is: aside with it, rather than round and round. */
        retry_dead(consumer, job, job->error);
        return;
    }
    if (code != ACKD_OK) {
        retry_refused(consumer, job);
        return;
    }
    retry_log(job, ACKD_LOG_WARNING, "retry", job->error, letter_id(letter),
              retry->ladder.ms[plan.step] + plan.left_ms, "failed, to be tried again");
    retry_publish(consumer, job, letter);
}

/* Learn what is told about it; a second time changes nothing. */
static void retry_read(struct consumer *consumer, struct job *job)
{
    if (job->story == NULL)
        job->story =
            story_read(job->delivery, consumer->config->queue, broker_user(consumer->broker));
    if (job->story != NULL && job->failures < job->story->failures)
        job->failures = job->story->failures;
}

/* How often it came back, for what it costs to believe that. */
static uint64_t retry_count(const struct job *job)
{
    int64_t count = job->delivery->redelivered ? story_delivery_count(job->delivery) : 0;
    return count < 0 ? 0 : (uint64_t)count;
}

/* X3: whether to give it back could end it. */
static bool retry_would_end(const struct consumer *consumer, const struct job *job)
{
    uint32_t configured = consumer->config->delivery_limit;
    const char *server = link_server(consumer->broker->consuming);
    int64_t limit =
        redelivery_limit(redelivery_version(server), configured == 0 ? -1 : (int64_t)configured);
    return limit >= 0 && redelivery_would_end(limit, retry_count(job));
}

void retry_give_back(struct consumer *consumer, struct job *job)
{
    struct letter_text text = {.kind = LETTER_SAME, .queue = consumer->config->queue};
    struct letter *letter;
    bool live = job->entry.open && job->entry.epoch == consumer->ledger.epoch;
    bool late = consumer->host->drain.stage >= DRAIN_FORCING; /* no confirm is waited for */
    if (!live || late || job->delivery->poison != NULL || settle_keeps(consumer) ||
        !retry_would_end(consumer, job)) {
        settle_answer(consumer, job, LEDGER_RELEASE);
        return;
    }
    retry_read(consumer, job);
    text.failures = job->failures;
    if (letter_new(job, &text, retry_back_done, &letter) != ACKD_OK) {
        settle_answer(consumer, job, LEDGER_RELEASE);
        return;
    }
    if (consumer->gate != NULL)
        gate_forget(consumer->gate, job); /* it is not to start meanwhile */
    retry_publish(consumer, job, letter);
}

/* The rest of a wait that is longer than any delay queue's. */
static void retry_wait_on(struct consumer *consumer, struct job *job)
{
    struct retry *retry = &consumer->retry;
    struct retry_plan plan = retry_wait(&retry->ladder, job->story->left_ms);
    const struct letter_text text = {.kind = LETTER_SAME,
                                     .queue = retry->names[plan.step],
                                     .failures = job->failures,
                                     .left_ms = plan.left_ms};
    struct letter *letter;
    if (letter_new(job, &text, retry_on_done, &letter) != ACKD_OK) {
        retry_refused(consumer, job);
        return;
    }
    retry_publish(consumer, job, letter);
}

static void retry_expired(struct consumer *consumer, struct job *job)
{
    const struct ackd_bytes last = job->story->error;
    enum { SHOWN = 300 };
    int shown = last.size > SHOWN ? SHOWN : (int)last.size;
    (void)ackd_fail(
        ACKD_E_TIMEOUT,
        "its life (expiration %s) ended while it waited to be tried again; it had "
        "failed with: %.*s",
        job->delivery->properties.expiration == NULL ? "?" : job->delivery->properties.expiration,
        shown, shown == 0 ? "" : (const char *)last.data);
    const struct ackd_error *error = error_take();
    retry_dead(consumer, job, error);
    ackd_error_unref(error);
}

/* How often the broker says that it came back, where that cannot be forged. */
static uint32_t retry_returns(const struct consumer *consumer, const struct job *job)
{
    const struct delivery *delivery = job->delivery;
    bool quorum = consumer->config->queue_type == CONFIG_QUEUE_QUORUM ||
                  consumer->config->delivery_limit != 0; /* other queues have none */
    if (!delivery->redelivered || !quorum)
        return 0;
    uint64_t count = redelivery_believed(true, quorum, story_delivery_count(delivery));
    return count > UINT16_MAX ? UINT16_MAX : (uint32_t)count;
}

bool retry_arrived(struct consumer *consumer, struct job *job)
{
    retry_read(consumer, job);
    job->message.attempt = 1 + job->failures + retry_returns(consumer, job);
    if (job->story == NULL)
        return false;
    uint64_t now_ms = loop_wall_ns(consumer->host->loop) / NS_PER_MS;
    if (job->story->expires_ms != 0 && job->story->expires_ms <= now_ms) {
        retry_expired(consumer, job);
        return true;
    }
    if (job->story->left_ms == 0 || consumer->retry.names[0] == NULL)
        return false;
    retry_wait_on(consumer, job);
    return true;
}
