/* SPDX-License-Identifier: MIT */
/* publisher - see the header. It must not know why something is published. */
#include <config.h>

#include "broker/publisher.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum { PUBLISHER_STEP_MS = 20000, PUBLISHER_HEADERS_MAX = 24, PUBLISHER_AGAIN_MS = 1000 };

enum publisher_step {
    PUBLISHER_NO_CHANNEL,
    PUBLISHER_OPENING,
    PUBLISHER_SELECTING,
    PUBLISHER_READY
};

struct publisher {
    struct link_channel channel;
    enum publisher_step step;
    bool blocked;
    uint64_t sequence;       /* of the last publish on this channel */
    struct list waiting;     /* not yet sent, in order */
    struct list unconfirmed; /* sent, by sequence */
    struct timer deadline;   /* of the step, or the next try to open a channel */
    struct timer patience;   /* of the oldest request, or for one that cannot be written */
};

static struct publisher_request *publisher_first(struct list *list)
{
    return LIST_ITEM(list->next, publisher_request, node);
}

static uint64_t publisher_now_ns(const struct publisher *publisher)
{
    return loop_now_ns(link_loop(publisher->channel.link));
}

static void publisher_arm(struct publisher *publisher, struct timer *timer, uint64_t due_ns)
{
    timer_start(loop_timers(link_loop(publisher->channel.link)), timer, due_ns);
}

/* P1: the one place that ends a request. */
static void publisher_finish(struct publisher_request *request, int code)
{
    list_remove(&request->node);
    request->done(request, code);
}

static int publisher_send(struct publisher *publisher, struct publisher_request *request)
{
    struct channel_argument headers[PUBLISHER_HEADERS_MAX];
    ackd_assert(request->header_count < PUBLISHER_HEADERS_MAX);
    if (request->header_count > 0)
        memcpy(headers, request->headers, request->header_count * sizeof *headers);
    headers[request->header_count] = (struct channel_argument){"x-ackd-id", request->id};
    return channel_publish(link_connection(publisher->channel.link), publisher->channel.number,
                           request->exchange, request->routing_key, request->properties, headers,
                           request->header_count + 1, request->body);
}

/* Each list is in the order of publishing, so its first is the one that has waited longest (P4). */
static void publisher_sent(struct publisher *publisher, struct publisher_request *request)
{
    request->sequence = ++publisher->sequence;
    list_remove(&request->node);
    list_append(&publisher->unconfirmed, &request->node);
}

/* Send what waits, as far as it goes. */
static void publisher_go_on(struct publisher *publisher)
{
    while (publisher->step == PUBLISHER_READY && !publisher->blocked &&
           !list_empty(&publisher->waiting)) {
        struct publisher_request *request = publisher_first(&publisher->waiting);
        int code = publisher_send(publisher, request);
        if (code == ACKD_E_FULL)
            return; /* the socket is behind: again when a confirm comes */
        if (code != ACKD_OK) {
            publisher_finish(request, code);
            continue;
        }
        publisher_sent(publisher, request);
    }
}

static void publisher_open(struct publisher *publisher)
{
    int code = link_take_number(&publisher->channel);
    if (code == ACKD_OK)
        code = channel_open(link_connection(publisher->channel.link), publisher->channel.number);
    if (code != ACKD_OK) {
        link_fail(publisher->channel.link);
        return;
    }
    publisher->step = PUBLISHER_OPENING;
    publisher_arm(publisher, &publisher->deadline,
                  timer_after_ms(publisher_now_ns(publisher), PUBLISHER_STEP_MS));
}

/* The channel is gone: what was sent and not confirmed is not known to be safe (P2). */
static void publisher_lose(struct publisher *publisher)
{
    timer_stop(&publisher->deadline);
    publisher->step = PUBLISHER_NO_CHANNEL;
    publisher->sequence = 0;
    const struct ackd_error *reason = error_take();
    while (!list_empty(&publisher->unconfirmed)) {
        (void)error_give(ackd_error_ref(reason));
        int code = ackd_wrap(ACKD_E_DISCONNECTED, "the channel ended before the confirm");
        publisher_finish(publisher_first(&publisher->unconfirmed), code);
    }
    (void)error_give(reason);
}

static void publisher_confirmed(struct publisher *publisher, const struct connection_event *event)
{
    bool taken = event->kind == CHANNEL_CONFIRMED;
    struct list *node = publisher->unconfirmed.next;
    while (node != &publisher->unconfirmed) {
        struct publisher_request *request = LIST_ITEM(node, publisher_request, node);
        node = node->next;
        if (request->sequence > event->tag)
            break;
        if (!event->multiple && request->sequence != event->tag)
            continue;
        int code = ACKD_OK;
        if (request->returned)
            code = ackd_fail(ACKD_E_RETURNED, "no queue for exchange '%s', routing key '%s'",
                             request->exchange, request->routing_key);
        else if (!taken)
            code = ackd_fail(ACKD_E_NACKED, "queue '%s' did not take the message",
                             request->routing_key);
        publisher_finish(request, code);
    }
}

/* P3: the returned message tells by its header which one it is. */
static void publisher_returned(struct publisher *publisher, struct delivery *delivery)
{
    struct ackd_headers headers = {.rest = delivery->properties.headers};
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        if (header.name_size != strlen("x-ackd-id") || header.kind != ACKD_HEADER_TEXT ||
            memcmp(header.name, "x-ackd-id", header.name_size) != 0)
            continue;
        list_for_each (node, &publisher->unconfirmed) {
            struct publisher_request *request = LIST_ITEM(node, publisher_request, node);
            if (strlen(request->id) == header.bytes.size &&
                memcmp(request->id, header.bytes.data, header.bytes.size) == 0)
                request->returned = true;
        }
    }
    delivery_free(&delivery);
}

static void publisher_closed(struct publisher *publisher, const struct connection_event *event)
{
    (void)ackd_fail(ACKD_E_CLOSED, "the broker closed the publishing channel: %u %s", event->code,
                    event->text);
    link_drop_number(&publisher->channel);
    publisher_lose(publisher);
    publisher_arm(publisher, &publisher->deadline,
                  timer_after_ms(publisher_now_ns(publisher), PUBLISHER_AGAIN_MS));
}

static void publisher_select(struct publisher *publisher)
{
    publisher->step = PUBLISHER_SELECTING;
    if (channel_confirm_select(link_connection(publisher->channel.link),
                               publisher->channel.number) != ACKD_OK)
        link_fail(publisher->channel.link);
}

static void publisher_event(struct link_channel *channel, const struct connection_event *event)
{
    struct publisher *publisher = LIST_ITEM(channel, publisher, channel);
    if (event->kind == CHANNEL_CONFIRMED || event->kind == CHANNEL_REFUSED) {
        publisher_confirmed(publisher, event);
        publisher_go_on(publisher);
    } else if (event->kind == CHANNEL_RETURNED) {
        publisher_returned(publisher, event->delivery);
    } else if (event->kind == CHANNEL_OPENED && publisher->step == PUBLISHER_OPENING) {
        publisher_select(publisher);
    } else if (event->kind == CHANNEL_CONFIRM_OK && publisher->step == PUBLISHER_SELECTING) {
        timer_stop(&publisher->deadline);
        publisher->step = PUBLISHER_READY;
        publisher_go_on(publisher);
    } else if (event->kind == CHANNEL_CLOSED) {
        publisher_closed(publisher, event);
    } else {
        (void)ackd_fail(ACKD_E_PROTOCOL, "an unexpected answer on the publishing channel");
        link_fail(channel->link);
    }
}

static void publisher_up(struct link_channel *channel)
{
    struct publisher *publisher = LIST_ITEM(channel, publisher, channel);
    if (publisher->step == PUBLISHER_NO_CHANNEL)
        publisher_open(publisher);
}

static void publisher_down(struct link_channel *channel)
{
    struct publisher *publisher = LIST_ITEM(channel, publisher, channel);
    publisher->blocked = false; /* that was said of this connection */
    publisher_lose(publisher);
}

static void publisher_deadline_over(struct timer *timer)
{
    struct publisher *publisher = LIST_ITEM(timer, publisher, deadline);
    if (link_state(publisher->channel.link) != LINK_OPEN)
        return; /* it is closing, and takes no channel any more */
    if (publisher->step == PUBLISHER_NO_CHANNEL) {
        publisher_open(publisher);
        return;
    }
    (void)ackd_fail(ACKD_E_TIMEOUT, "the broker did not open the publishing channel");
    link_fail(publisher->channel.link);
}

static void publisher_expire(struct publisher *publisher, struct list *list, uint64_t now_ns)
{
    while (!list_empty(list) && publisher_first(list)->deadline_ns <= now_ns) {
        int code =
            ackd_fail(ACKD_E_TIMEOUT, "not confirmed within %d s%s", PUBLISHER_WAIT_MS / 1000,
                      publisher->blocked ? ": the broker blocks publishes" : "");
        publisher_finish(publisher_first(list), code);
    }
}

static uint64_t publisher_oldest_ns(struct list *list)
{
    return list_empty(list) ? TIMER_NEVER : publisher_first(list)->deadline_ns;
}

static void publisher_patience_over(struct timer *timer)
{
    struct publisher *publisher = LIST_ITEM(timer, publisher, patience);
    uint64_t now_ns = publisher_now_ns(publisher);
    publisher_go_on(publisher); /* what cannot be written ends with the reason */
    publisher_expire(publisher, &publisher->unconfirmed, now_ns);
    publisher_expire(publisher, &publisher->waiting, now_ns);
    uint64_t sent_ns = publisher_oldest_ns(&publisher->unconfirmed);
    uint64_t waiting_ns = publisher_oldest_ns(&publisher->waiting);
    uint64_t next_ns = sent_ns < waiting_ns ? sent_ns : waiting_ns;
    if (next_ns != TIMER_NEVER)
        publisher_arm(publisher, &publisher->patience, next_ns);
}

int publisher_new(struct link *link, struct publisher **ret_publisher)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a publisher");
    list_init(&publisher->waiting);
    list_init(&publisher->unconfirmed);
    timer_init(&publisher->deadline, publisher_deadline_over);
    timer_init(&publisher->patience, publisher_patience_over);
    publisher->channel.up = publisher_up;
    publisher->channel.down = publisher_down;
    publisher->channel.event = publisher_event;
    link_add(link, &publisher->channel);
    *ret_publisher = publisher;
    return ACKD_OK;
}

void publisher_free(struct publisher **publisher)
{
    struct publisher *freed = *publisher;
    if (freed == NULL)
        return;
    *publisher = NULL;
    timer_stop(&freed->deadline);
    timer_stop(&freed->patience);
    while (list_take(&freed->waiting) != NULL || list_take(&freed->unconfirmed) != NULL)
        ;
    link_remove(&freed->channel);
    free(freed);
}

void publisher_publish(struct publisher *publisher, struct publisher_request *request)
{
    ackd_assert(request->id[0] != '\0');
    request->returned = false;
    request->sequence = 0;
    request->deadline_ns = timer_after_ms(publisher_now_ns(publisher), PUBLISHER_WAIT_MS);
    list_append(&publisher->waiting, &request->node);
    if (!timer_armed(&publisher->patience))
        publisher_arm(publisher, &publisher->patience, request->deadline_ns);
    if (publisher->step != PUBLISHER_READY || publisher->blocked ||
        publisher_first(&publisher->waiting) != request)
        return;
    int code = publisher_send(publisher, request);
    if (code == ACKD_OK)
        publisher_sent(publisher, request);
    else if (code != ACKD_E_FULL) /* it ends with that, but done() is not for in here (P1) */
        publisher_arm(publisher, &publisher->patience, publisher_now_ns(publisher));
}

void publisher_withdraw(struct publisher *publisher, struct publisher_request *request)
{
    (void)publisher;
    /* One that has ended is in no list. */
    if (!list_empty(&request->node) && request->sequence == 0)
        publisher_finish(request, ACKD_CANCELED);
}

static void publisher_give_up_list(struct list *list)
{
    while (!list_empty(list)) {
        int code = ackd_fail(ACKD_E_TIMEOUT, "the confirm is not waited for any longer");
        publisher_finish(publisher_first(list), code);
    }
}

void publisher_give_up(struct publisher *publisher)
{
    publisher_give_up_list(&publisher->unconfirmed);
    publisher_give_up_list(&publisher->waiting);
}

void publisher_block(struct publisher *publisher, bool blocked)
{
    publisher->blocked = blocked;
    publisher_go_on(publisher);
}
