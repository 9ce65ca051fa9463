/* SPDX-License-Identifier: MIT */
/* topology - see the header. Each step is one question, which the channel's end answers too. */
#include <config.h>

#include "broker/topology.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { TOPOLOGY_STEP_MS = 20000, TOPOLOGY_AGAIN_FIRST_MS = 500, TOPOLOGY_AGAIN_MAX_MS = 30000 };

enum topology_state {
    TOPOLOGY_NO_CHANNEL,
    TOPOLOGY_OPENING,
    TOPOLOGY_READY,
    TOPOLOGY_ASKED,
    TOPOLOGY_WAITING /* there is no channel, and the timer says when there will be one (T3) */
};

struct topology {
    struct link_channel channel;
    struct list wishes; /* the first is being worked on */
    enum topology_state state;
    bool missing; /* the step at hand was looked for, and is not there */
    struct timer timer;
    struct backoff backoff;
};

static void topology_arm(struct topology *topology, uint64_t ms)
{
    struct loop *loop = link_loop(topology->channel.link);
    timer_start(loop_timers(loop), &topology->timer, timer_after_ms(loop_now_ns(loop), ms));
}

static struct topology_wish *topology_wish(const struct topology *topology)
{
    ackd_assert(!list_empty(&topology->wishes));
    return LIST_ITEM(topology->wishes.next, topology_wish, node);
}

static const struct topology_step *topology_step(const struct topology *topology)
{
    const struct topology_wish *wish = topology_wish(topology);
    ackd_assert(wish->at < wish->count);
    return &wish->steps[wish->at];
}

/* Write the question of the step at hand. */
static int topology_ask(struct topology *topology)
{
    const struct topology_step *step = topology_step(topology);
    struct connection *connection = link_connection(topology->channel.link);
    uint16_t number = topology->channel.number;
    struct channel_binding binding = {.source = step->source,
                                      .destination = step->name,
                                      .routing_key = step->routing_key,
                                      .arguments = step->arguments,
                                      .argument_count = step->argument_count};
    switch (step->kind) {
    case TOPOLOGY_HAVE_QUEUE:
        if (!topology->missing)
            return channel_declare_queue(connection, number, step->name, CHANNEL_PASSIVE, NULL, 0);
        return channel_declare_queue(connection, number, step->name, step->how, step->arguments,
                                     step->argument_count);
    case TOPOLOGY_DECLARE_QUEUE:
        return channel_declare_queue(connection, number, step->name, step->how, step->arguments,
                                     step->argument_count);
    case TOPOLOGY_FIND_QUEUE:
        return channel_declare_queue(connection, number, step->name, CHANNEL_PASSIVE, NULL, 0);
    case TOPOLOGY_FIND_EXCHANGE:
        return channel_declare_exchange(connection, number, step->name, "", CHANNEL_PASSIVE, NULL,
                                        0);
    case TOPOLOGY_DECLARE_EXCHANGE:
        return channel_declare_exchange(connection, number, step->name, step->type, step->how,
                                        step->arguments, step->argument_count);
    case TOPOLOGY_BIND_QUEUE:
        return channel_bind_queue(connection, number, &binding);
    case TOPOLOGY_BIND_EXCHANGE:
        return channel_bind_exchange(connection, number, &binding);
    }
    return ackd_fail(ACKD_E_INTERNAL, "an unknown step of a topology");
}

static void topology_describe(const struct topology_step *step, char *text, size_t size)
{
    switch (step->kind) {
    case TOPOLOGY_HAVE_QUEUE:
    case TOPOLOGY_DECLARE_QUEUE:
    case TOPOLOGY_FIND_QUEUE:
        snprintf(text, size, "queue '%.255s'", step->name);
        return;
    case TOPOLOGY_FIND_EXCHANGE:
    case TOPOLOGY_DECLARE_EXCHANGE:
        snprintf(text, size, "exchange '%.255s'", step->name);
        return;
    case TOPOLOGY_BIND_QUEUE:
    case TOPOLOGY_BIND_EXCHANGE:
        snprintf(text, size, "the binding of '%.255s' to exchange '%.255s' by '%.255s'", step->name,
                 step->source, step->routing_key);
        return;
    }
}

static void topology_finish(struct topology *topology, int code)
{
    struct topology_wish *wish = topology_wish(topology);
    topology->missing = false;
    list_remove(&wish->node);
    wish->done(wish, code); /* T1 */
}

/* The wish at hand has failed, for the reason that is current. */
static void topology_fail(struct topology *topology, int code)
{
    char what[1024];
    topology_describe(topology_step(topology), what, sizeof what);
    topology_finish(topology, ackd_wrap(code, "%s cannot be had", what));
}

/* There is no channel any more, and nobody asked for anything: another one, after a while. */
static void topology_wait(struct topology *topology)
{
    topology->state = TOPOLOGY_WAITING;
    topology_arm(topology,
                 backoff_next_ms(&topology->backoff, link_random(topology->channel.link)));
}

static void topology_open(struct topology *topology)
{
    struct connection *connection = link_connection(topology->channel.link);
    int code = link_take_number(&topology->channel);
    if (code == ACKD_OK)
        code = channel_open(connection, topology->channel.number);
    if (code != ACKD_OK) {
        link_drop_number(&topology->channel);
        topology_wait(topology);
        return;
    }
    topology->state = TOPOLOGY_OPENING;
    topology_arm(topology, TOPOLOGY_STEP_MS);
}

/* Do what there is to do next. */
static void topology_go_on(struct topology *topology)
{
    if (link_state(topology->channel.link) != LINK_OPEN)
        return;
    while (!list_empty(&topology->wishes)) {
        const struct topology_wish *wish = topology_wish(topology);
        if (wish->at == wish->count) {
            topology_finish(topology, ACKD_OK);
            continue;
        }
        if (topology->state == TOPOLOGY_NO_CHANNEL)
            topology_open(topology);
        if (topology->state != TOPOLOGY_READY)
            return;
        int code = topology_ask(topology);
        if (code == ACKD_OK) {
            topology->state = TOPOLOGY_ASKED;
            topology_arm(topology, TOPOLOGY_STEP_MS);
            return;
        }
        topology_fail(topology, code);
    }
}

/* RabbitMQ's "inequivalent arg 'A' for queue 'Q' in vhost '/': received R but current is C". */
static int topology_mismatch(const char *text)
{
    static const char start[] = "inequivalent arg '", middle[] = ": received ",
                      last[] = " but current is ";
    const char *argument = strstr(text, start);
    const char *received = argument == NULL ? NULL : strstr(argument, middle);
    const char *current = received == NULL ? NULL : strstr(received, last);
    if (current == NULL)
        return ACKD_E_CONFIG;
    argument += strlen(start);
    received += strlen(middle);
    return ackd_wrap(ACKD_E_CONFIG,
                     "it is there, but its %.*s is %s at the broker, where %.*s is wanted",
                     (int)strcspn(argument, "'"), argument, current + strlen(last),
                     (int)(current - received), received);
}

/* What a close says about the step at hand. */
static void topology_refused(struct topology *topology, const struct connection_event *event)
{
    enum topology_kind kind = topology_step(topology)->kind;
    if (event->code == 404 && kind == TOPOLOGY_HAVE_QUEUE && !topology->missing) {
        topology->missing = true;
        return;
    }
    int code = event->code == 404   ? ACKD_E_NOT_FOUND
               : event->code == 406 ? ACKD_E_CONFIG
                                    : ACKD_E_REFUSED;
    code = ackd_fail(code, "the broker says: %u %s", event->code, event->text);
    topology_fail(topology, code == ACKD_E_CONFIG ? topology_mismatch(event->text) : code);
}

static void topology_closed(struct topology *topology, const struct connection_event *event)
{
    bool asked = topology->state == TOPOLOGY_ASKED;
    link_drop_number(&topology->channel);
    topology->state = TOPOLOGY_NO_CHANNEL;
    if (asked) {
        backoff_reset(&topology->backoff);
        topology_refused(topology, event);
    } else {
        topology_wait(topology); /* T3 */
    }
}

/* Close the channel from our side without waiting, because of the current error. */
static void topology_abandon(struct topology *topology)
{
    struct link *link = topology->channel.link;
    const struct ackd_error *reason = error_take();
    bool asked = topology->state == TOPOLOGY_ASKED;
    int closed = channel_close(link_connection(link), topology->channel.number, 200, "given up");
    int code = error_give(reason);
    if (closed != ACKD_OK && closed != ACKD_E_NOT_OPEN) {
        link_fail(link); /* T2 */
        return;
    }
    link_drop_number(&topology->channel);
    topology->state = TOPOLOGY_NO_CHANNEL;
    if (asked)
        topology_fail(topology, code);
    else
        topology_wait(topology);
}

static void topology_answered(struct topology *topology, enum connection_event_kind kind)
{
    static const enum connection_event_kind answers[] = {
        [TOPOLOGY_FIND_QUEUE] = CHANNEL_DECLARE_OK,
        [TOPOLOGY_HAVE_QUEUE] = CHANNEL_DECLARE_OK,
        [TOPOLOGY_DECLARE_QUEUE] = CHANNEL_DECLARE_OK,
        [TOPOLOGY_FIND_EXCHANGE] = CHANNEL_EXCHANGE_OK,
        [TOPOLOGY_DECLARE_EXCHANGE] = CHANNEL_EXCHANGE_OK,
        [TOPOLOGY_BIND_QUEUE] = CHANNEL_BIND_OK,
        [TOPOLOGY_BIND_EXCHANGE] = CHANNEL_BIND_OK,
    };
    if (topology->state == TOPOLOGY_OPENING && kind == CHANNEL_OPENED) {
        topology->state = TOPOLOGY_READY;
    } else if (topology->state == TOPOLOGY_ASKED &&
               kind == answers[topology_step(topology)->kind]) {
        topology->state = TOPOLOGY_READY;
        topology->missing = false;
        topology_wish(topology)->at++;
    } else {
        (void)ackd_fail(ACKD_E_PROTOCOL, "an unexpected answer");
        topology_abandon(topology);
    }
}

static void topology_event(struct link_channel *channel, const struct connection_event *event)
{
    struct topology *topology = LIST_ITEM(channel, topology, channel);
    timer_stop(&topology->timer);
    if (event->kind == CHANNEL_CLOSED)
        topology_closed(topology, event);
    else
        topology_answered(topology, event->kind);
    topology_go_on(topology);
}

static void topology_up(struct link_channel *channel)
{
    topology_go_on(LIST_ITEM(channel, topology, channel));
}

/* The broker ended the connection because of the step at hand, instead of its channel. */
static bool topology_is_why(const struct topology *topology)
{
    const struct closing *closing = link_closing(topology->channel.link);
    return closing != NULL && closing->error == ACKD_E_CONFIG &&
           topology_step(topology)->kind == TOPOLOGY_DECLARE_EXCHANGE;
}

static void topology_down(struct link_channel *channel)
{
    struct topology *topology = LIST_ITEM(channel, topology, channel);
    bool asked = topology->state == TOPOLOGY_ASKED;
    timer_stop(&topology->timer);
    topology->state = TOPOLOGY_NO_CHANNEL;
    topology->missing = false;
    if (asked && topology_is_why(topology))
        topology_fail(topology, ACKD_E_INVAL); /* not T2: it would end the next one, too */
}

static void topology_time_over(struct timer *timer)
{
    struct topology *topology = LIST_ITEM(timer, topology, timer);
    if (topology->state == TOPOLOGY_WAITING) {
        topology->state = TOPOLOGY_NO_CHANNEL;
    } else if (link_paused(topology->channel.link)) {
        topology_arm(topology, TOPOLOGY_STEP_MS); /* the answer may be there, unread */
        return;
    } else {
        (void)ackd_fail(ACKD_E_TIMEOUT, "the broker gave no answer");
        topology_abandon(topology);
    }
    topology_go_on(topology);
}

int topology_new(struct link *link, struct topology **ret_topology)
{
    struct topology *topology = calloc(1, sizeof *topology);
    if (topology == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a topology");
    list_init(&topology->wishes);
    timer_init(&topology->timer, topology_time_over);
    backoff_init(&topology->backoff, TOPOLOGY_AGAIN_FIRST_MS, TOPOLOGY_AGAIN_MAX_MS);
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
    timer_stop(&freed->timer);
    while (list_take(&freed->wishes) != NULL)
        ;
    link_remove(&freed->channel);
    free(freed);
}

void topology_declare(struct topology *topology, struct topology_wish *wish)
{
    wish->at = 0;
    list_append(&topology->wishes, &wish->node);
    topology_go_on(topology);
}
