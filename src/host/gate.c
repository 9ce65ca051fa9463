/* SPDX-License-Identifier: MIT */
/* gate - see the header. */
#include <config.h>

#include "host/gate.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "host/host.h"
#include "host/pause.h"

enum {
    GATE_AHEAD_MAX = 16384, /* messages, that a consumer with a key fetches at most by itself */
    GATE_AHEAD_LEFT = 4,    /* back to the usual when so much of that waits: a quarter */
    GATE_AHEAD_BUFFER = 2   /* of the buffer that it may fill for that: a half */
};

static uint64_t gate_now_ns(const struct gate *gate)
{
    return loop_now_ns(gate->consumer->host->loop);
}

static void gate_arm(struct gate *gate, struct timer *timer, uint64_t due_ns)
{
    timer_start(loop_timers(gate->consumer->host->loop), timer, due_ns);
}

/* The turn that this is part of does what has become due. */
static void gate_due(struct timer *timer)
{
    (void)timer;
}

static void gate_half_open(struct timer *timer)
{
    struct gate *gate = LIST_ITEM(timer, gate, half_open);
    if (kill_switch_go_on(&gate->kill_switch, gate_now_ns(gate)))
        pause_end(gate->consumer, PAUSE_KILL_SWITCH);
}

int gate_new_open(struct consumer *consumer, struct gate **ret_gate)
{
    const struct config_consumer *config = consumer->config;
    struct gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the gate of consumer '%s'", config->name);
    gate->consumer = consumer;
    timer_init(&gate->due, gate_due);
    timer_init(&gate->half_open, gate_half_open);
    rate_init(&gate->rate, 0, 0);
    limit_member_init(&gate->member);
    kill_switch_init(&gate->kill_switch, config->kill_failures, config->kill_of,
                     config->kill_pause_ms);
    *ret_gate = gate;
    return ACKD_OK;
}

int gate_new(struct consumer *consumer, struct gate **ret_gate)
{
    const struct config_consumer *config = consumer->config;
    struct host *host = consumer->host;
    *ret_gate = NULL;
    if (config->key_kind == CONFIG_KEY_NONE && config->rate.count == 0 &&
        config->limit_count == 0 && config->kill_failures == 0)
        return ACKD_OK;
    struct gate *gate = NULL;
    ACKD_TRY(gate_new_open(consumer, &gate));
    rate_init(&gate->rate, config->rate.count, config->rate.per_ms);
    for (size_t i = 0; i < config->limit_count; i++)
        limit_member_join(&gate->member, host_limit(host, config->limits[i]->name));
    if (config->key_kind != CONFIG_KEY_NONE) {
        gate->seed = (struct key_seed){random_next(&host->random), random_next(&host->random)};
        int code = lanes_new(&gate->lanes);
        if (code != ACKD_OK) {
            gate_free(&gate);
            return code;
        }
    }
    *ret_gate = gate;
    return ACKD_OK;
}

void gate_free(struct gate **gate)
{
    struct gate *freed = *gate;
    if (freed == NULL)
        return;
    *gate = NULL;
    timer_stop(&freed->due);
    timer_stop(&freed->half_open);
    lanes_free(&freed->lanes);
    free(freed);
}

static const char *gate_property(const struct ackd_message *message, const char *name)
{
    static const struct {
        const char *name;
        const char *(*get)(const struct ackd_message *message);
    } properties[] = {
        {"message-id", ackd_message_id},
        {"correlation-id", ackd_message_correlation_id},
        {"type", ackd_message_type},
        {"reply-to", ackd_message_reply_to},
        {"app-id", ackd_message_app_id},
        {"user-id", ackd_message_user_id},
        {"content-type", ackd_message_content_type},
    };
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (strcmp(properties[i].name, name) == 0)
            return properties[i].get(message);
    }
    ackd_assert(!"the configuration knows which there are");
    return NULL;
}

enum { GATE_NUMBER_SIZE = 24 };

/* The bytes of the message's key; false where it has none. A number counts as its digits, so that
 * the size in which it was sent makes no difference. */
static bool gate_key(const struct gate *gate, const struct job *job, char *digits,
                     struct ackd_bytes *ret_key)
{
    const struct config_consumer *config = gate->consumer->config;
    const char *text = NULL;
    struct ackd_header header;
    if (config->key_kind == CONFIG_KEY_ROUTING_KEY) {
        text = ackd_message_routing_key(&job->message);
    } else if (config->key_kind == CONFIG_KEY_PROPERTY) {
        text = gate_property(&job->message, config->key_name);
    } else if (ackd_message_header(&job->message, config->key_name, &header)) {
        if (header.kind == ACKD_HEADER_TEXT || header.kind == ACKD_HEADER_BYTES) {
            *ret_key = header.bytes;
            return true;
        }
        if (header.kind == ACKD_HEADER_INTEGER || header.kind == ACKD_HEADER_BOOLEAN ||
            header.kind == ACKD_HEADER_TIMESTAMP) {
            snprintf(digits, GATE_NUMBER_SIZE, "%" PRId64, header.integer);
            text = digits;
        }
    }
    if (text == NULL)
        return false;
    *ret_key = ackd_bytes(text);
    return true;
}

int gate_add(struct gate *gate, struct job *job, bool first)
{
    char digits[GATE_NUMBER_SIZE];
    struct ackd_bytes key;
    if (gate->lanes == NULL)
        return ACKD_OK;
    list_init(&job->lane.node);
    if (gate_key(gate, job, digits, &key)) {
        uint64_t hash = key_hash(&gate->seed, key.data, key.size);
        return first ? lanes_add_first(gate->lanes, &job->lane, hash)
                     : lanes_add(gate->lanes, &job->lane, hash);
    }
    lanes_add_keyless(gate->lanes, &job->lane);
    return ACKD_OK;
}

void gate_withdraw(struct gate *gate)
{
    if (!limit_member_wants(&gate->member))
        return;
    limit_member_withdraw(&gate->member, gate_now_ns(gate));
    gate->consumer->host->again = true; /* another may have got what was given up */
}

/* When a group that it stands in line for goes on by itself; TIMER_NEVER: it does not. */
static uint64_t gate_limits_due_ns(const struct gate *gate)
{
    uint64_t first_ns = TIMER_NEVER;
    for (size_t i = 0; i < gate->member.count; i++) {
        uint64_t due_ns = limit_due_ns(gate->member.claims[i].limit);
        if (due_ns > 0 && due_ns < first_ns)
            first_ns = due_ns;
    }
    return first_ns;
}

static bool gate_has_any(const struct gate *gate)
{
    return gate->lanes == NULL ? !list_empty(&gate->consumer->jobs[JOB_QUEUED])
                               : lanes_ready(gate->lanes);
}

/* The first of those that may start, which there are: all has been looked at. */
static struct job *gate_pass(struct gate *gate, uint64_t now_ns)
{
    const struct list *queued = &gate->consumer->jobs[JOB_QUEUED];
    rate_spend(&gate->rate, now_ns);
    struct job *job = gate->lanes == NULL ? LIST_ITEM(queued->next, job, node)
                                          : LIST_ITEM(lanes_take(gate->lanes), job, lane);
    job->period = kill_switch_start(&gate->kill_switch);
    job->gated = true;
    return job;
}

struct job *gate_take(struct gate *gate)
{
    if (!gate_has_any(gate) || !kill_switch_allows(&gate->kill_switch)) {
        gate_withdraw(gate);
        return NULL;
    }
    uint64_t now_ns = gate_now_ns(gate);
    if (!rate_allows(&gate->rate, now_ns)) {
        gate_withdraw(gate);
        gate_arm(gate, &gate->due, rate_due_ns(&gate->rate));
        return NULL;
    }
    if (!limit_member_claim(&gate->member, now_ns)) {
        uint64_t due_ns = gate_limits_due_ns(gate);
        if (due_ns != TIMER_NEVER)
            gate_arm(gate, &gate->due, due_ns);
        return NULL;
    }
    return gate_pass(gate, now_ns);
}

struct job *gate_join(struct gate *gate)
{
    uint64_t now_ns = gate_now_ns(gate);
    if (!gate_has_any(gate) || !kill_switch_allows(&gate->kill_switch) ||
        !rate_allows(&gate->rate, now_ns))
        return NULL;
    return gate_pass(gate, now_ns);
}

void gate_begin_batch(struct gate *gate)
{
    if (gate->lanes != NULL)
        lanes_group_begin(gate->lanes);
}

void gate_end_batch(struct gate *gate)
{
    if (gate->lanes != NULL)
        lanes_group_end(gate->lanes);
}

bool gate_shares(const struct gate *gate)
{
    return gate->member.count > 0;
}

size_t gate_ready(const struct gate *gate)
{
    return gate->lanes == NULL ? gate->consumer->queued : lanes_startable(gate->lanes);
}

void gate_look_ahead(struct gate *gate)
{
    struct consumer *consumer = gate->consumer;
    const struct config_consumer *config = consumer->config;
    if (gate->lanes == NULL || consumer->prefetch_fixed || consumer->paused != 0 ||
        gate->rate.count > 0 || gate->kill_switch.state != KILL_SWITCH_CLOSED)
        return;
    if (consumer->prefetch > config->prefetch &&
        lanes_waiting(gate->lanes) < config->prefetch / GATE_AHEAD_LEFT) {
        consumer_set_prefetch(consumer, config->prefetch);
        return;
    }
    bool full = consumer->ledger.open >= consumer->prefetch;
    bool idle = consumer->running < consumer->concurrency && !lanes_ready(gate->lanes);
    uint64_t buffer = consumer->quota.share > 0 ? consumer->quota.share : consumer->inlet->held_max;
    bool room = (uint64_t)metric_load(&consumer->metrics, METRIC_bytes_buffered) <
                buffer / GATE_AHEAD_BUFFER;
    if (full && idle && room && consumer->prefetch < GATE_AHEAD_MAX)
        consumer_set_prefetch(consumer, consumer->prefetch * 2);
}

bool gate_is_strict(const struct gate *gate)
{
    return gate != NULL && gate->lanes != NULL &&
           gate->consumer->config->key_order == CONFIG_KEY_STRICT;
}

void gate_give_back(struct gate *gate, struct job *job)
{
    if (!job->gated)
        return; /* it started before there was a gate */
    job->gated = false;
    if (!job->joined)
        limit_member_leave(&gate->member, gate_now_ns(gate));
    if (!gate_is_strict(gate))
        gate_forget(gate, job);
}

void gate_forget(struct gate *gate, struct job *job)
{
    if (gate->lanes != NULL)
        lanes_done(gate->lanes, &job->lane);
}

static void gate_hold_over(struct timer *timer)
{
    struct job *job = LIST_ITEM(timer, job, pause);
    struct consumer *consumer = job->consumer;
    ackd_error_unref(job->error);
    job->error = NULL;
    job->message.attempt++;
    consumer_move(consumer, job, JOB_QUEUED);
    lanes_put_back(consumer->gate->lanes, &job->lane);
}

bool gate_hold(struct gate *gate, struct job *job, uint64_t delay_ms)
{
    struct consumer *consumer = gate->consumer;
    uint64_t now_ns = gate_now_ns(gate);
    ackd_assert(gate_is_strict(gate));
    if (job->hold_until_ns == 0)
        job->hold_until_ns = timer_after_ms(now_ns, consumer->config->key_hold_ms);
    if (job->lane.lane != NULL && now_ns >= job->hold_until_ns)
        return false;
    uint64_t due_ns = timer_after_ms(now_ns, delay_ms);
    consumer_move(consumer, job, JOB_RESTING);
    timer_init(&job->pause, gate_hold_over);
    gate_arm(gate, &job->pause, due_ns < job->hold_until_ns ? due_ns : job->hold_until_ns);
    return true;
}

static void gate_log_switch(const struct gate *gate)
{
    const struct kill_switch *kill_switch = &gate->kill_switch;
    const struct config_consumer *config = gate->consumer->config;
    struct ackd_log_field fields[] = {ACKD_FIELD("consumer", config->name),
                                      ACKD_FIELD_INT("pause_ms", config->kill_pause_ms)};
    if (kill_switch->state == KILL_SWITCH_OPEN)
        ackd_log_event(ACKD_LOG_ERROR, "kill-switch", fields, 2,
                       "%" PRIu32 "%% of the last %" PRIu32
                       " messages have failed, or the one that was tried: what has not started "
                       "goes back, and one is tried in %" PRIu64 " ms",
                       config->kill_failures, config->kill_of, config->kill_pause_ms);
    else
        ackd_log_event(ACKD_LOG_NOTICE, "kill-switch", fields, 1,
                       "the message that was tried is done: going on");
}

void gate_judge(struct gate *gate, const struct job *job)
{
    struct consumer *consumer = gate->consumer;
    if (gate->kill_switch.percent == 0)
        return;
    bool tells = job->verdict == ACKD_VERDICT_DONE || job->verdict == ACKD_VERDICT_RETRY ||
                 job->verdict == ACKD_VERDICT_DEAD || job->verdict == ACKD_VERDICT_DROP;
    if (!tells) {
        kill_switch_pass(&gate->kill_switch, job->period);
        return;
    }
    if (!kill_switch_note(&gate->kill_switch, job->period, job->verdict == ACKD_VERDICT_RETRY,
                          gate_now_ns(gate)))
        return;
    gate_log_switch(gate);
    if (gate->kill_switch.state == KILL_SWITCH_OPEN) {
        metric_add(&consumer->metrics, METRIC_kill_switch_trips, 1);
        gate_arm(gate, &gate->half_open, gate->kill_switch.due_ns);
        pause_begin(consumer, PAUSE_KILL_SWITCH, "most of its messages failed");
    } else {
        consumer_set_prefetch(consumer, consumer->prefetch);
    }
}

void gate_reset(struct gate *gate)
{
    timer_stop(&gate->half_open);
    kill_switch_reset(&gate->kill_switch);
    pause_end(gate->consumer, PAUSE_KILL_SWITCH);
    consumer_set_prefetch(gate->consumer, gate->consumer->prefetch);
}

uint32_t gate_prefetch(const struct gate *gate, uint32_t prefetch)
{
    return gate != NULL && gate->kill_switch.state == KILL_SWITCH_HALF_OPEN ? 1 : prefetch;
}
