/* SPDX-License-Identifier: MIT */
/* orphan - see the header. */
#include <config.h>

#include "host/orphan.h"

#include <ackd/message.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "host/consumer.h"
#include "host/dispatch.h"
#include "host/host.h"
#include "host/settle.h"

void orphan_init(struct consumer *consumer)
{
    struct random *random = host_random(consumer->host);
    size_t room = 4 * (size_t)consumer->config->prefetch;
    finished_init(&consumer->orphans.finished, room > ORPHAN_ROOM ? room : ORPHAN_ROOM);
    consumer->orphans.key = (struct identity_key){random_next(random), random_next(random)};
}

void orphan_fini(struct consumer *consumer)
{
    finished_fini(&consumer->orphans.finished);
}

static uint64_t orphan_now_ns(const struct consumer *consumer)
{
    return loop_now_ns(consumer->host->loop);
}

static bool orphan_is(const struct consumer *consumer, const struct job *job)
{
    return job->entry.epoch != consumer->ledger.epoch;
}

/* What the broker itself writes into a message that it gives out again. */
static bool orphan_is_of_broker(const struct ackd_header *header)
{
    static const char *const names[] = {"x-delivery-count", "x-acquired-count"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (header->name_size == strlen(names[i]) &&
            memcmp(header->name, names[i], header->name_size) == 0)
            return true;
    }
    return false;
}

/* Each header as it lies there: its name, and all up to the next one. */
static void orphan_add_headers(struct identity_sum *sum, const struct ackd_message *message)
{
    struct ackd_headers headers = ackd_message_headers(message);
    struct ackd_header header;
    const uint8_t *at = headers.rest.data;
    while (ackd_headers_next(&headers, &header)) {
        const uint8_t *next = headers.rest.data;
        if (!orphan_is_of_broker(&header))
            identity_add(sum, at, (size_t)(next - at));
        at = next;
    }
}

static void orphan_add_properties(struct identity_sum *sum, const struct properties *properties)
{
    const char *texts[] = {
        properties->content_type, properties->content_encoding, properties->correlation_id,
        properties->reply_to,     properties->expiration,       properties->message_id,
        properties->type,         properties->user_id,          properties->app_id,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        identity_add_text(sum, texts[i]);
    identity_add_number(sum, properties->timestamp_s);
    identity_add_number(sum, (uint64_t)properties->delivery_mode);
    identity_add_number(sum, (uint64_t)properties->priority);
}

static bool orphan_has_id(const struct consumer *consumer, const struct job *job)
{
    return consumer->config->message_ids == 1 && job->delivery->properties.message_id != NULL;
}

/* What @job is known by; false: it cannot be known again. */
static bool orphan_identity(const struct consumer *consumer, struct job *job,
                            struct identity *ret_identity)
{
    const struct delivery *delivery = job->delivery;
    struct identity_sum sum;
    *ret_identity = job->identity;
    if (job->identified)
        return true;
    if (delivery->poison != NULL ||
        (delivery->body.size > ORPHAN_BODY_MAX && !orphan_has_id(consumer, job)))
        return false;
    identity_begin(&sum, &consumer->orphans.key);
    identity_add_text(&sum, delivery->exchange);
    identity_add_text(&sum, delivery->routing_key);
    if (orphan_has_id(consumer, job)) {
        identity_add_text(&sum, delivery->properties.message_id);
        identity_add_number(&sum, delivery->body.size);
        identity_add_number(&sum, job->failures);
    } else {
        orphan_add_properties(&sum, &delivery->properties);
        orphan_add_headers(&sum, &job->message);
        identity_add(&sum, delivery->body.data, delivery->body.size);
    }
    *ret_identity = job->identity = identity_end(&sum);
    job->identified = true;
    return true;
}

static void orphan_remember(struct consumer *consumer, struct job *job)
{
    struct identity identity;
    uint64_t until_ns = FINISHED_NO_LIMIT;
    if (job->copied)
        return; /* its copy looks like it, has the same id, and must run */
    if (!orphan_identity(consumer, job, &identity))
        return;
    if (consumer->ledger.epoch != 0 && !orphan_has_id(consumer, job))
        until_ns = orphan_now_ns(consumer) + ORPHAN_MEMORY_MS * NS_PER_MS; /* O2 */
    if (finished_add(&consumer->orphans.finished, identity, until_ns) != ACKD_OK)
        error_clear(); /* it runs again */
}

void orphan_acked(struct consumer *consumer, struct job *job)
{
    if (orphan_has_id(consumer, job))
        orphan_remember(consumer, job); /* O3 */
}

void orphan_active(struct consumer *consumer)
{
    uint64_t until_ns = orphan_now_ns(consumer) + ORPHAN_MEMORY_MS * NS_PER_MS;
    finished_limit(&consumer->orphans.finished, until_ns); /* O2 */
}

/* Ask the handlers that run on @station for a channel that is gone to stop. */
static void orphan_cancel(struct consumer *consumer, struct station *station)
{
    if (station->running == 0 || station->orphans_under_way) {
        station->orphans_again = station->orphans_under_way;
        return;
    }
    station->orphans_under_way = true;
    station->orphans_again = false;
    station->orphans = (struct order){.crossing = {CROSSING_ORPHANS},
                                      .reason = ACKD_CANCEL_CHANNEL_CLOSED,
                                      .station = station,
                                      .epoch = consumer->epochs};
    runner_send(station->runner, &station->orphans.crossing);
    runner_flush(station->runner);
}

void orphan_canceled(struct consumer *consumer, struct station *station)
{
    station->orphans_under_way = false;
    if (station->orphans_again)
        orphan_cancel(consumer, station);
}

void orphan_lost(struct consumer *consumer)
{
    static const enum job_state alive[] = {JOB_RUNNING, JOB_PUBLISHING};
    consumer->orphans.alive = 0;
    if (consumer->config->message_ids == 1)
        finished_keep_last(&consumer->orphans.finished, consumer->config->prefetch); /* O3 */
    for (size_t i = 0; i < sizeof alive / sizeof alive[0]; i++) {
        list_for_each (node, &consumer->jobs[alive[i]])
            consumer->orphans.alive++;
    }
    list_for_each (node, &consumer->jobs[JOB_SETTLED]) {
        struct job *job = LIST_ITEM(node, job, node);
        if (job->entry.answer == LEDGER_ACK)
            orphan_remember(consumer, job); /* it was not sent */
    }
    for (size_t i = 0; i < consumer->station_count && consumer->config->orphans == 1; i++)
        orphan_cancel(consumer, &consumer->stations[i]);
}

/* The message that waits for @job to end; NULL: none does. */
static struct job *orphan_twin(const struct consumer *consumer, const struct job *job)
{
    list_for_each (node, &consumer->jobs[JOB_HELD]) {
        struct job *twin = LIST_ITEM(node, job, node);
        if (twin->orphan == job)
            return twin;
    }
    return NULL;
}

static void orphan_recognize(struct consumer *consumer, struct job *job)
{
    metric_add(&consumer->metrics, METRIC_messages_recognized, 1);
    const struct log_context *before = log_context_use(&job->log);
    ackd_log_event(ACKD_LOG_INFO, "recognized", NULL, 0,
                   "handled before, on a channel that was lost: acknowledged without running "
                   "again");
    (void)log_context_use(before);
    settle_answer(consumer, job, LEDGER_ACK);
}

void orphan_settled(struct consumer *consumer, struct job *job, enum ledger_answer answer)
{
    if (consumer->orphans.alive > 0)
        consumer->orphans.alive--;
    struct job *twin = orphan_twin(consumer, job);
    if (twin == NULL) {
        if (answer == LEDGER_ACK)
            orphan_remember(consumer, job);
        return;
    }
    twin->orphan = NULL;
    if (answer == LEDGER_ACK)
        orphan_recognize(consumer, twin);
    else
        dispatch_queue(consumer, twin);
}

/* The message in work, of a channel that is gone, that @identity stands for and none waits for. */
static struct job *orphan_find(struct consumer *consumer, struct identity identity)
{
    static const enum job_state alive[] = {JOB_RUNNING, JOB_PUBLISHING};
    for (size_t i = 0; consumer->orphans.alive > 0 && i < sizeof alive / sizeof alive[0]; i++) {
        list_for_each (node, &consumer->jobs[alive[i]]) {
            struct job *job = LIST_ITEM(node, job, node);
            struct identity other;
            if (orphan_is(consumer, job) && orphan_identity(consumer, job, &other) &&
                identity_equal(identity, other) && orphan_twin(consumer, job) == NULL)
                return job;
        }
    }
    return NULL;
}

bool orphan_claim(struct consumer *consumer, struct job *job)
{
    struct orphans *orphans = &consumer->orphans;
    struct identity identity;
    if (orphans->alive == 0 && orphans->finished.count == 0)
        return false;
    if (!orphan_identity(consumer, job, &identity))
        return false;
    if (finished_take(&orphans->finished, identity, orphan_now_ns(consumer))) {
        orphan_recognize(consumer, job);
        return true;
    }
    job->orphan = orphan_find(consumer, identity);
    if (job->orphan == NULL)
        return false;
    consumer_move(consumer, job, JOB_HELD);
    return true;
}

void orphan_release(struct consumer *consumer)
{
    struct list *held = &consumer->jobs[JOB_HELD];
    while (!list_empty(held))
        retry_give_back(consumer, LIST_ITEM(held->next, job, node));
}
