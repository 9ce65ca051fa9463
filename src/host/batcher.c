/* SPDX-License-Identifier: MIT */
/* batcher - see the header. It must not know what lets a message start, nor what becomes of it. */
#include <config.h>

#include "host/batcher.h"

#include <ackd/error.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/log.h"
#include "host/dispatch.h"
#include "host/host.h"
#include "host/settle.h"

/* Without memory for one more batch: how long until it is tried again, where nothing else happens. */
enum { BATCHER_AGAIN_MS = 1000 };

static void batcher_arm(struct batcher *batcher, uint64_t ms)
{
    struct loop *loop = batcher->consumer->host->loop;
    timer_start(loop_timers(loop), &batcher->wait, timer_after_ms(loop_now_ns(loop), ms));
}

/* The turn that this is part of goes on. */
static void batcher_wait_over(struct timer *timer)
{
    LIST_ITEM(timer, batcher, wait)->due = true;
}

/* What has waited begins to wait anew. */
static void batcher_rest(struct batcher *batcher)
{
    timer_stop(&batcher->wait);
    batcher->due = false;
}

int batcher_check(const struct config_consumer *config, const struct ackd_consumer *handler)
{
    if (config->batch_size > 0 && handler->handle_batch == NULL)
        return ackd_fail(
            ACKD_E_CONFIG,
            "%s:%d: consumer '%s' has 'batch', but its handler '%s' takes no batches: it "
            "has no handle_batch",
            config->file, config->line, config->name, handler->name);
    if (config->batch_size == 0 && handler->handle == NULL)
        return ackd_fail(ACKD_E_CONFIG,
                         "%s:%d: the handler '%s' of consumer '%s' takes batches and nothing else: "
                         "give the consumer 'batch: {size: ...}'",
                         config->file, config->line, handler->name, config->name);
    return ACKD_OK;
}

int batcher_new(struct consumer *consumer, struct batcher **ret_batcher)
{
    *ret_batcher = NULL;
    if (consumer->config->batch_size == 0)
        return ACKD_OK;
    struct batcher *batcher = calloc(1, sizeof *batcher);
    if (batcher == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the batches of consumer '%s'", consumer->config->name);
    batcher->consumer = consumer;
    list_init(&batcher->idle);
    timer_init(&batcher->wait, batcher_wait_over);
    *ret_batcher = batcher;
    return ACKD_OK;
}

void batcher_free(struct batcher **batcher)
{
    struct batcher *freed = *batcher;
    if (freed == NULL)
        return;
    *batcher = NULL;
    timer_stop(&freed->wait);
    for (struct list *node; (node = list_take(&freed->idle)) != NULL;) {
        struct batch *batch = LIST_ITEM(node, batch, node);
        batch_free(&batch);
    }
    free(freed);
}

/* One that is idle, or one more: there are as many as ever ran at once. NULL: no memory. */
static struct batch *batcher_find(struct batcher *batcher)
{
    const struct config_consumer *config = batcher->consumer->config;
    struct batch *batch = NULL;
    if (!list_empty(&batcher->idle))
        return LIST_ITEM(list_take(&batcher->idle), batch, node);
    if (batch_new(config->batch_size, &batch) == ACKD_OK)
        return batch;
    ackd_log_error("no-memory", "consumer '%s' waits: %s", config->name,
                   ackd_error_text(ackd_error_current()));
    batcher_arm(batcher, BATCHER_AGAIN_MS);
    return NULL;
}

/* W1, but for the slot. */
static bool batcher_is_due(struct batcher *batcher)
{
    const struct config_consumer *config = batcher->consumer->config;
    size_t ready = dispatch_ready(batcher->consumer);
    if (ready == 0) {
        batcher_rest(batcher);
        return false;
    }
    if (ready >= config->batch_size || config->batch_wait_ms == 0 || batcher->due)
        return true;
    if (!timer_armed(&batcher->wait))
        batcher_arm(batcher, config->batch_wait_ms);
    dispatch_wait(batcher->consumer);
    return false;
}

/* Start one, if it gets what it needs. */
static bool batcher_start(struct batcher *batcher)
{
    struct consumer *consumer = batcher->consumer;
    struct batch *batch = batcher_find(batcher);
    if (batch == NULL)
        return false;
    dispatch_take_batch(consumer, batch);
    if (batch->count == 0) {
        list_append(&batcher->idle, &batch->node);
        return false;
    }
    struct station *station = dispatch_station(consumer);
    station->running += (uint32_t)batch->count;
    batch_begin(batch, station);
    runner_send(station->runner, &batch->crossing);
    batcher_rest(batcher);
    return true;
}

void batcher_go_on(struct batcher *batcher)
{
    if (batcher->consumer->paused != 0) {
        batcher_rest(batcher);
        dispatch_wait(batcher->consumer);
        return;
    }
    while (batcher_is_due(batcher) && batcher_start(batcher)) {
        if (dispatch_yields(batcher->consumer))
            return;
    }
}

void batcher_receive(struct batch *batch)
{
    struct consumer *consumer = batch->station->owner;
    for (struct job *job; (job = batch_take(batch)) != NULL;)
        settle_verdict(consumer, job);
    list_append(&consumer->batcher->idle, &batch->node);
}
