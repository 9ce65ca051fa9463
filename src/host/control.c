/* SPDX-License-Identifier: MIT */
/* control - see the header. It finds and checks; what is done is the business of others. */
#include <config.h>

#include "host/control.h"

#include <ackd/error.h>
#include <inttypes.h>

#include "base/log.h"
#include "host/gate.h"
#include "host/host.h"
#include "host/pause.h"

enum { CONTROL_PREFETCH_MAX = 65535, CONTROL_PER_MS_MAX = 86400000 };

static int control_find(struct host *host, const char *name, struct consumer **ret_consumer)
{
    struct consumer *consumer = host_consumer(host, name);
    if (consumer == NULL)
        return ackd_fail(ACKD_E_NOT_FOUND, "there is no consumer '%.64s'", name);
    if (consumer->stopping)
        return ackd_fail(ACKD_E_CLOSED, "consumer '%s' is stopping", consumer->config->name);
    *ret_consumer = consumer;
    return ACKD_OK;
}

static int control_check(const char *what, uint64_t number, uint64_t most)
{
    if (number >= 1 && number <= most)
        return ACKD_OK;
    return ackd_fail(ACKD_E_INVAL, "%s of %" PRIu64 ": from 1 to %" PRIu64 " is possible", what,
                     number, most);
}

static void control_log(const struct consumer *consumer, const char *what, uint64_t number)
{
    struct ackd_log_field fields[] = {ACKD_FIELD("consumer", consumer->config->name),
                                      ACKD_FIELD_INT("value", number)};
    ackd_log_event(ACKD_LOG_NOTICE, "control", fields, 2, "%s is now %" PRIu64, what, number);
}

/* Ask each of its loops to cancel what runs, or the one message of @tag. */
static int control_order_cancel(struct consumer *consumer, uint64_t tag,
                                enum ackd_cancel_reason reason)
{
    for (size_t i = 0; i < consumer->station_count; i++) {
        if (consumer->stations[i].cancel.under_way)
            return ackd_fail(ACKD_E_FULL,
                             "a cancellation of consumer '%s' is under way: again in "
                             "a moment",
                             consumer->config->name);
    }
    for (size_t i = 0; i < consumer->station_count; i++) {
        struct station *station = &consumer->stations[i];
        station->cancel = (struct order){.crossing = {CROSSING_CANCEL},
                                         .reason = reason,
                                         .station = station,
                                         .epoch = UINT32_MAX,
                                         .tag = tag,
                                         .under_way = true};
        runner_send(station->runner, &station->cancel.crossing);
        runner_flush(station->runner);
    }
    return ACKD_OK;
}

int control_pause(struct host *host, const char *name, bool cancel)
{
    struct consumer *consumer = NULL;
    ACKD_TRY(control_find(host, name, &consumer));
    if (pause_holds(consumer, PAUSE_OPERATOR))
        return ACKD_OK;
    if (cancel)
        ACKD_TRY(control_order_cancel(consumer, 0, ACKD_CANCEL_PAUSE));
    pause_begin(consumer, PAUSE_OPERATOR, "until it is resumed");
    return ACKD_OK;
}

int control_resume(struct host *host, const char *name)
{
    struct consumer *consumer = NULL;
    ACKD_TRY(control_find(host, name, &consumer));
    if (consumer->gate != NULL)
        gate_reset(consumer->gate);
    pause_end(consumer, PAUSE_OPERATOR);
    return ACKD_OK;
}

uint32_t control_concurrency_max(struct host *host, const char *name)
{
    const struct consumer *consumer = host_consumer(host, name);
    return consumer == NULL ? 0 : consumer_concurrency_max(consumer->config);
}

int control_concurrency(struct host *host, const char *name, uint32_t concurrency)
{
    struct consumer *consumer = NULL;
    ACKD_TRY(control_find(host, name, &consumer));
    ACKD_TRY(control_check("a concurrency", concurrency, control_concurrency_max(host, name)));
    consumer->concurrency = concurrency;
    control_log(consumer, "concurrency", concurrency);
    if (consumer->prefetch < concurrency) {
        uint64_t prefetch = (uint64_t)concurrency * 5 / 4 + 1;
        return control_prefetch(host, name,
                                prefetch > CONTROL_PREFETCH_MAX ? CONTROL_PREFETCH_MAX
                                                                : (uint32_t)prefetch);
    }
    return ACKD_OK;
}

int control_prefetch(struct host *host, const char *name, uint32_t prefetch)
{
    struct consumer *consumer = NULL;
    ACKD_TRY(control_find(host, name, &consumer));
    ACKD_TRY(control_check("a prefetch", prefetch, CONTROL_PREFETCH_MAX));
    consumer->prefetch_fixed = true;
    consumer_set_prefetch(consumer, prefetch);
    control_log(consumer, "prefetch", prefetch);
    return ACKD_OK;
}

int control_rate(struct host *host, const char *name, uint64_t count, uint64_t per_ms)
{
    struct consumer *consumer = NULL;
    ACKD_TRY(control_find(host, name, &consumer));
    if (count > 0)
        ACKD_TRY(control_check("a rate's time", per_ms, CONTROL_PER_MS_MAX));
    if (consumer->gate == NULL)
        ACKD_TRY(gate_new_open(consumer, &consumer->gate));
    rate_change(&consumer->gate->rate, count, per_ms, loop_now_ns(host->loop));
    control_log(consumer, "rate", count);
    return ACKD_OK;
}

int control_limit(struct host *host, const char *group, uint32_t concurrency, uint64_t count,
                  uint64_t per_ms)
{
    struct limit *limit = host_limit(host, group);
    if (limit == NULL)
        return ackd_fail(ACKD_E_NOT_FOUND, "there is no limit '%.64s'", group);
    if (host->drain.stage != DRAIN_NOT)
        return ackd_fail(ACKD_E_CLOSED, "the host is stopping");
    if (count > 0)
        ACKD_TRY(control_check("a rate's time", per_ms, CONTROL_PER_MS_MAX));
    limit_change(limit, concurrency, count, per_ms, loop_now_ns(host->loop));
    struct ackd_log_field fields[] = {ACKD_FIELD("limit", limit->name),
                                      ACKD_FIELD_INT("concurrency", concurrency),
                                      ACKD_FIELD_INT("rate", count)};
    ackd_log_event(ACKD_LOG_NOTICE, "control", fields, 3, "limit '%s' is changed", limit->name);
    return ACKD_OK;
}

int control_cancel(struct host *host, const char *name, uint64_t tag, bool dead, size_t *ret_count)
{
    struct consumer *consumer = NULL;
    size_t count = 0;
    ACKD_TRY(control_find(host, name, &consumer));
    list_for_each (node, &consumer->jobs[JOB_RUNNING])
        count += tag == 0 || LIST_ITEM(node, job, node)->entry.tag == tag;
    if (tag != 0 && count == 0)
        return ackd_fail(ACKD_E_NOT_FOUND, "no message %" PRIu64 " of consumer '%s' runs", tag,
                         consumer->config->name);
    ACKD_TRY(control_order_cancel(consumer, tag, ACKD_CANCEL_REQUESTED));
    list_for_each (node, &consumer->jobs[JOB_RUNNING]) {
        struct job *job = LIST_ITEM(node, job, node);
        if (tag == 0 || job->entry.tag == tag)
            job->dead_if_canceled = dead;
    }
    *ret_count = count;
    return ACKD_OK;
}
