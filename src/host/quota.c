/* SPDX-License-Identifier: MIT */
/* quota - see the header. */
#include <config.h>

#include "host/quota.h"

#include <inttypes.h>

#include "base/log.h"
#include "host/consumer.h"
#include "host/settle.h"

/* Parts of the share. What is held when it goes on, and what it fetches then, fit together; a doubled
 * prefetch fits, with what was held before. */
enum { QUOTA_GO_ON = 4, QUOTA_FETCH = 4, QUOTA_FETCH_OF = 3, QUOTA_GROW = 4 };

void quota_init(struct consumer *consumer)
{
    const struct config_consumer *config = consumer->config;
    /* To cancel would hand the queue to another host; a stream is left only with its channel. */
    if (consumer->inlet->consumers < 2 || config->exclusive || config->single_active ||
        config->queue_type == CONFIG_QUEUE_STREAM || settle_stops_by_close(consumer))
        return;
    consumer->quota.share = consumer->inlet->held_max / consumer->inlet->consumers;
}

static void quota_log(const struct consumer *consumer, uint64_t bytes)
{
    struct ackd_log_field fields[] = {ACKD_FIELD("consumer", consumer->config->name),
                                      ACKD_FIELD_INT("bytes", bytes),
                                      ACKD_FIELD_INT("prefetch", consumer->quota.prefetch)};
    ackd_log_event(ACKD_LOG_DEBUG, "share", fields, 3,
                   "%" PRIu64 " bytes of a share of %" PRIu64 ": at most %" PRIu32
                   " messages are fetched",
                   bytes, consumer->quota.share, consumer->quota.prefetch);
}

static void quota_stop(struct consumer *consumer, uint64_t bytes)
{
    struct quota *quota = &consumer->quota;
    uint64_t fitting = quota->share / QUOTA_FETCH * QUOTA_FETCH_OF * consumer->ledger.open / bytes;
    quota->stopped = true;
    quota->prefetch = fitting == 0                   ? 1
                      : fitting < consumer->prefetch ? (uint32_t)fitting
                                                     : consumer->prefetch;
    quota_log(consumer, bytes);
    subscription_suspend(consumer->subscription);
}

static void quota_grow(struct consumer *consumer, uint64_t bytes)
{
    struct quota *quota = &consumer->quota;
    quota->prefetch *= 2;
    if (quota->prefetch >= consumer->prefetch)
        quota->prefetch = 0;
    quota_log(consumer, bytes);
    consumer_set_prefetch(consumer, consumer->prefetch);
}

void quota_look(struct consumer *consumer)
{
    struct quota *quota = &consumer->quota;
    uint64_t bytes = quota->held;
    if (consumer->stopping)
        return;
    if (quota->stopped) {
        if (bytes > quota->share / QUOTA_GO_ON)
            return;
        quota->stopped = false;
        if (consumer->paused == 0)
            subscription_resume(consumer->subscription, (uint16_t)consumer_prefetch_now(consumer));
    } else if (bytes > quota->share) {
        quota_stop(consumer, bytes);
    } else if (quota->prefetch > 0 && consumer->ledger.open >= quota->prefetch &&
               bytes < quota->share / QUOTA_GROW && consumer->paused == 0) {
        quota_grow(consumer, bytes);
    }
}

uint32_t quota_prefetch(const struct consumer *consumer, uint32_t prefetch)
{
    uint32_t most = consumer->quota.prefetch;
    return most > 0 && most < prefetch ? most : prefetch;
}
