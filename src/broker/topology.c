/* SPDX-License-Identifier: MIT */
/* topology - see the header. For each wish: a passive declare; where that fails with 404, a real
 * one. */
#include <config.h>

#include "broker/topology.h"

#include <ackd/error.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"

enum { TOPOLOGY_STEP_MS = 20000 };

enum topology_step { TOPOLOGY_NO_CHANNEL, TOPOLOGY_OPENING, TOPOLOGY_READY, TOPOLOGY_ASKED };

struct topology {
    struct link_channel channel;
    struct list wishes; /* the first is being worked on */
    enum topology_step step;
    bool missing; /* the passive declare of the first wish said 404 */
    struct timer deadline;
};

static void topology_arm(struct topology *topology)
{
    struct loop *loop = link_loop(topology->channel.link);
    timer_start(loop_timers(loop), &topology->deadline,
                timer_after_ms(loop_now_ns(loop), TOPOLOGY_STEP_MS));
}

/* A fault that the next connection may not have: the wishes stay. */
static void topology_fail(struct topology *topology)
{
    link_fail(topology->channel.link);
}

/* Do the next step there is to do. */
static void topology_go_on(struct topology *topology)
{
    struct link *link = topology->channel.link;
    struct connection *connection = link_connection(link);
    if (connection == NULL || list_empty(&topology->wishes))
        return;
    int code = ACKD_OK;
    if (topology->step == TOPOLOGY_NO_CHANNEL) {
        code = link_take_number(&topology->channel);
        if (code == ACKD_OK)
            code = channel_open(connection, topology->channel.number);
        topology->step = TOPOLOGY_OPENING;
    } else if (topology->step == TOPOLOGY_READY) {
        struct topology_wish *wish = LIST_ITEM(topology->wishes.next, topology_wish, node);
        code = channel_declare_queue(connection, topology->channel.number, wish->queue,
                                     topology->missing ? 0 : CHANNEL_PASSIVE, wish->arguments,
                                     wish->count);
        topology->step = TOPOLOGY_ASKED;
    } else {
        return;
    }
    if (code == ACKD_OK)
        topology_arm(topology);
    else
        topology_fail(topology);
}

static void topology_finish(struct topology *topology, int code)
{
    topology->missing = false;
    ackd_assert(!list_empty(&topology->wishes));
    struct topology_wish *wish = LIST_ITEM(topology->wishes.next, topology_wish, node);
    list_remove(&wish->node);
    wish->done(wish, code);
}

static void topology_refused(struct topology *topology, const struct connection_event *event)
{
    bool asked = topology->step == TOPOLOGY_ASKED;
    link_drop_number(&topology->channel);
    topology->step = TOPOLOGY_NO_CHANNEL;
    if (asked && event->code == 404 && !topology->missing) {
        topology->missing = true;
    } else if (asked) {
        const struct topology_wish *wish = LIST_ITEM(topology->wishes.next, topology_wish, node);
        int code = ackd_fail(ACKD_E_REFUSED, "queue '%s' could not be declared: %u %s", wish->queue,
                             event->code, event->text);
        topology_finish(topology, code);
    }
}

static void topology_event(struct link_channel *channel, const struct connection_event *event)
{
    struct topology *topology = LIST_ITEM(channel, topology, channel);
    timer_stop(&topology->deadline);
    if (event->kind == CHANNEL_CLOSED) {
        topology_refused(topology, event);
    } else if (event->kind == CHANNEL_OPENED && topology->step == TOPOLOGY_OPENING) {
        topology->step = TOPOLOGY_READY;
    } else if (event->kind == CHANNEL_DECLARE_OK && topology->step == TOPOLOGY_ASKED) {
        topology->step = TOPOLOGY_READY;
        topology_finish(topology, ACKD_OK);
    } else {
        (void)ackd_fail(ACKD_E_PROTOCOL, "an unexpected answer while declaring queues");
        topology_fail(topology);
        return;
    }
    topology_go_on(topology);
}

static void topology_up(struct link_channel *channel)
{
    topology_go_on(LIST_ITEM(channel, topology, channel));
}

static void topology_down(struct link_channel *channel)
{
    struct topology *topology = LIST_ITEM(channel, topology, channel);
    timer_stop(&topology->deadline);
    topology->step = TOPOLOGY_NO_CHANNEL;
    topology->missing = false;
}

static void topology_deadline_over(struct timer *timer)
{
    struct topology *topology = LIST_ITEM(timer, topology, deadline);
    (void)ackd_fail(ACKD_E_TIMEOUT, "no answer while declaring queues");
    topology_fail(topology);
}

int topology_new(struct link *link, struct topology **ret_topology)
{
    struct topology *topology = calloc(1, sizeof *topology);
    if (topology == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a topology");
    list_init(&topology->wishes);
    timer_init(&topology->deadline, topology_deadline_over);
    topology->channel.up = topology_up;
    topology->channel.down = topology_down;
    topology->channel.event = topology_event;
    link_add(link, &topology->channel);
    *ret_topology = topology;
    return ACKD_OK;
}

void topology_free(struct topology **topology)
{
    struct topology *freed = *topology;
    if (freed == NULL)
        return;
    *topology = NULL;
    timer_stop(&freed->deadline);
    while (list_take(&freed->wishes) != NULL)
        ;
    link_remove(&freed->channel);
    free(freed);
}

void topology_declare(struct topology *topology, struct topology_wish *wish)
{
    list_append(&topology->wishes, &wish->node);
    topology_go_on(topology);
}
