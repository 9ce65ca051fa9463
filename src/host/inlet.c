/* SPDX-License-Identifier: MIT */
/* inlet - see the header. */
#include <config.h>

#include "host/inlet.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "host/broker.h"
#include "host/consumer.h"
#include "host/host.h"

enum {
    INLET_FAULTS_MS = 60000, /* so many faults within it, and a consumer is set aside */
    INLET_ISOLATION_MS = 60000
};

int inlet_new(struct broker *broker, const struct config_consumer *owner, struct inlet **ret_inlet)
{
    struct inlet *inlet = calloc(1, sizeof *inlet);
    if (inlet == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a connection that consumes");
    inlet->broker = broker;
    inlet->owner = owner;
    inlet->held_max = owner == NULL ? config_buffer(broker->host->config) : owner->buffer;
    list_init(&inlet->node);
    *ret_inlet = inlet;
    return ACKD_OK;
}

void inlet_free(struct inlet **inlet)
{
    struct inlet *freed = *inlet;
    if (freed == NULL)
        return;
    *inlet = NULL;
    list_remove(&freed->node);
    link_free(&freed->link);
    free(freed);
}

bool inlet_is_of(const struct inlet *inlet, const struct config_consumer *consumer)
{
    return inlet->owner == (consumer->buffer == 0 ? NULL : consumer);
}

void inlet_add(struct inlet *inlet, const struct config_consumer *consumer)
{
    inlet->consumers++;
    if (consumer->message_size_max > inlet->message_max)
        inlet->message_max = consumer->message_size_max;
}

void inlet_hold(struct inlet *inlet, uint64_t size)
{
    inlet->held += size;
    if (inlet->held > inlet->held_max && !inlet->draining)
        link_pause(inlet->link);
}

void inlet_let_go(struct inlet *inlet, uint64_t size)
{
    ackd_assert(inlet->held >= size);
    inlet->held -= size;
    if (inlet->held <= inlet->held_max / 2)
        link_resume(inlet->link);
}

void inlet_drain(struct inlet *inlet)
{
    inlet->draining = true;
    link_resume(inlet->link);
}

/*
 * A message may make us say what the broker does not take, and come again on each connection: where
 * faults come thick, the consumer that was last sent something waits, so that the others live.
 */
void inlet_fault(struct inlet *inlet, uint64_t now_ns)
{
    memmove(&inlet->faults_ns[0], &inlet->faults_ns[1],
            (INLET_FAULTS - 1) * sizeof inlet->faults_ns[0]);
    inlet->faults_ns[INLET_FAULTS - 1] = now_ns;
    uint64_t oldest_ns = inlet->faults_ns[0];
    if (inlet->last_active == NULL || oldest_ns == 0 ||
        now_ns - oldest_ns > INLET_FAULTS_MS * NS_PER_MS)
        return;
    memset(inlet->faults_ns, 0, sizeof inlet->faults_ns);
    const struct ackd_error *reason = ackd_error_ref(ackd_error_current());
    consumer_isolate(inlet->last_active, INLET_ISOLATION_MS);
    (void)error_give(reason);
}
