/* SPDX-License-Identifier: MIT */
/* pause - see the header. */
#include <config.h>

#include "host/pause.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "host/dispatch.h"
#include "host/gate.h"
#include "host/settle.h"

static const char *const pause_cause_names[] = {
#define PAUSE_CAUSE(name, text) text,
#include "host/pause.def"
#undef PAUSE_CAUSE
};

const char *pause_cause_name(enum pause_cause cause)
{
    ackd_assert(cause < PAUSE_CAUSE_COUNT);
    return pause_cause_names[cause];
}

bool pause_holds(const struct consumer *consumer, enum pause_cause cause)
{
    return (consumer->paused & 1U << cause) != 0;
}

static void pause_log(const struct consumer *consumer, const char *event, const char *text)
{
    struct ackd_log_field fields[] = {ACKD_FIELD("consumer", consumer->config->name),
                                      ACKD_FIELD("queue", consumer->config->queue)};
    ackd_log_event(ACKD_LOG_NOTICE, event, fields, 2, "%s", text);
}

void pause_begin(struct consumer *consumer, enum pause_cause cause, const char *why)
{
    if (pause_holds(consumer, cause))
        return;
    bool paused = consumer->paused != 0;
    consumer->paused |= 1U << cause;
    if (consumer->stopping)
        return;
    if (cause != PAUSE_ORDER) {
        snprintf(consumer->reason, sizeof consumer->reason, "%s: %.400s", pause_cause_name(cause),
                 why);
        pause_log(consumer, "paused", consumer->reason);
    }
    if (paused)
        return;
    /* The broker reads the cancel before it reads what goes back, and so does not send that here
     * again. */
    subscription_suspend(consumer->subscription);
    dispatch_give_up(consumer);
}

void pause_end(struct consumer *consumer, enum pause_cause cause)
{
    if (!pause_holds(consumer, cause))
        return;
    consumer->paused &= ~(1U << cause);
    if (consumer->stopping || consumer->paused != 0)
        return;
    if (cause != PAUSE_ORDER) {
        consumer->reason[0] = '\0';
        pause_log(consumer, "resumed", "consuming again");
    }
    if (!consumer->quota.stopped)
        subscription_resume(consumer->subscription, (uint16_t)consumer_prefetch_now(consumer));
}

void pause_go_on(struct consumer *consumer)
{
    enum subscription_state state = subscription_state(consumer->subscription);
    if (settle_stops_by_close(consumer) ||
        (state != SUBSCRIPTION_ACTIVE && state != SUBSCRIPTION_CANCELING))
        pause_end(consumer, PAUSE_ORDER);
}
