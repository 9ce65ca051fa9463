/* SPDX-License-Identifier: MIT */
/* publisher - see the header. It must not know why something is published. */
#include <config.h>

#include "broker/publisher.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

enum {
    PUBLISHER_STEP_MS = 20000,
    PUBLISHER_HEADERS_MAX = 24,
    PUBLISHER_AGAIN_FIRST_MS = 20,
    PUBLISHER_AGAIN_MAX_MS = 2000, /* all who publish wait for it, also who did nothing wrong */
    PUBLISHER_STABLE_MS = 1000,    /* a channel that lived shorter does not reset the backoff */
    PUBLISHER_REFUSALS = 8,        /* exchanges that are remembered as refused */
    PUBLISHER_REFUSED_MS = 1000    /* ... and for how long, before the broker is asked again */
};

enum publisher_step {
    PUBLISHER_NO_CHANNEL,
    PUBLISHER_OPENING,
    PUBLISHER_SELECTING,
    PUBLISHER_READY
};

/* Publishing to this exchange closed the channel not long ago, and would again. */
struct publisher_refusal {
    char exchange[256];
    uint64_t until_ns;
    int code;
};

struct publisher {
    struct link_channel channel;
    enum publisher_step step;
    bool blocked;
    bool closed;             /* nothing is published any more */
    bool consumes;           /* replies, on this channel */
    uint64_t sequence;       /* of the last publish on this channel */
    uint64_t opened_ns;      /* when this channel was */
    uint64_t body_max;       /* bytes that the broker takes, once it has said so; 0: not known */
    struct list waiting;     /* not yet sent, in order */
    struct list unconfirmed; /* sent, by sequence */
    struct list replying;    /* confirmed, and waiting for their replies */
    struct timer deadline;   /* of the step, or the next try to open a channel */
    struct timer soon;       /* for requests that cannot be sent: see P1 */
    struct backoff again;
    struct publisher_refusal refusals[PUBLISHER_REFUSALS];
    size_t next_refusal; /* the oldest, or one that was not used yet */
};

static struct publisher_request *publisher_first(struct list *list)
{
    return LIST_ITEM(list->next, publisher_request, node);
}

static uint64_t publisher_now_ns(const struct publisher *publisher)
{
    return loop_now_ns(link_loop(publisher->channel.link));
}

static void publisher_arm(struct publisher *publisher, struct timer *timer, uint64_t ms)
{
    timer_start(loop_timers(link_loop(publisher->channel.link)), timer,
                timer_after_ms(publisher_now_ns(publisher), ms));
}

/* P1: the one place that ends a request. */
static void publisher_finish(struct publisher_request *request, int code)
{
    list_remove(&request->node);
    timer_stop(&request->patience);
    request->done(request, code);
}

/* Replies come to the channel that published, once it consumes them. */
static int publisher_consume(struct publisher *publisher)
{
    static const struct channel_terms terms = {.replies = true};
    if (publisher->consumes)
        return ACKD_OK;
    ACKD_TRY(channel_consume(link_connection(publisher->channel.link), publisher->channel.number,
                             PUBLISHER_REPLY_TO, "replies", &terms));
    publisher->consumes = true;
    return ACKD_OK;
}

static int publisher_send(struct publisher *publisher, struct publisher_request *request)
{
    struct channel_argument headers[PUBLISHER_HEADERS_MAX];
    ackd_assert(request->header_count < PUBLISHER_HEADERS_MAX);
    if (request->header_count > 0)
        memcpy(headers, request->headers, request->header_count * sizeof *headers);
    headers[request->header_count] = (struct channel_argument){"x-ackd-id", request->id};
    if (request->wants_reply)
        ACKD_TRY(publisher_consume(publisher));
    return channel_publish_how(link_connection(publisher->channel.link), publisher->channel.number,
                               request->optional ? CHANNEL_OPTIONAL : 0, request->exchange,
                               request->routing_key, request->properties, headers,
                               request->header_count + 1, request->body);
}

static void publisher_sent(struct publisher *publisher, struct publisher_request *request)
{
    request->sequence = ++publisher->sequence;
    list_remove(&request->node);
    list_append(&publisher->unconfirmed, &request->node);
}

/* Why @request is not even tried; ACKD_OK: it is. */
static int publisher_refuse(const struct publisher *publisher,
                            const struct publisher_request *request)
{
    if (publisher->closed)
        return ackd_fail(ACKD_E_CLOSED, "nothing is published any more: the host stops");
    if (publisher->body_max != 0 && request->body.size > publisher->body_max)
        return ackd_fail(ACKD_E_TOO_LARGE, "%zu bytes: the broker takes %" PRIu64 " at most",
                         request->body.size, publisher->body_max);
    if (__builtin_expect(publisher->next_refusal == 0 && publisher->refusals[0].until_ns == 0, 1))
        return ACKD_OK; /* there never was one */
    for (size_t i = 0; i < PUBLISHER_REFUSALS; i++) {
        const struct publisher_refusal *refusal = &publisher->refusals[i];
        if (strcmp(refusal->exchange, request->exchange) != 0 ||
            refusal->until_ns <= publisher_now_ns(publisher))
            continue;
        return ackd_fail(refusal->code,
                         "%s '%s': the broker said so less than %d ms ago, and is not asked again "
                         "before",
                         refusal->code == ACKD_E_NOT_FOUND ? "there is no exchange"
                                                           : "it is not allowed to publish to",
                         request->exchange, PUBLISHER_REFUSED_MS);
    }
    return ACKD_OK;
}

/* Send what waits, as far as it goes; end what never can be sent. */
static void publisher_go_on(struct publisher *publisher)
{
    while (!list_empty(&publisher->waiting)) {
        struct publisher_request *request = publisher_first(&publisher->waiting);
        int code = publisher_refuse(publisher, request);
        if (code == ACKD_OK && (publisher->step != PUBLISHER_READY || publisher->blocked))
            return;
        if (code == ACKD_OK)
            code = publisher_send(publisher, request);
        if (code == ACKD_E_FULL)
            return; /* the socket is behind: again when a confirm comes */
        if (code == ACKD_OK)
            publisher_sent(publisher, request);
        else
            publisher_finish(request, code);
    }
}

static void publisher_soon(struct timer *timer)
{
    struct publisher *publisher = LIST_ITEM(timer, publisher, soon);
    publisher_go_on(publisher);
    link_flush(publisher->channel.link);
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
    publisher_arm(publisher, &publisher->deadline, PUBLISHER_STEP_MS);
}

static void publisher_lose_list(struct list *list, const char *what)
{
    const struct ackd_error *reason = error_take();
    while (!list_empty(list)) {
        (void)error_give(ackd_error_ref(reason));
        int code = ackd_wrap(ACKD_E_DISCONNECTED, "the channel ended before the %s", what);
        publisher_finish(publisher_first(list), code);
    }
    (void)error_give(reason);
}

/* The channel is gone: what was sent and not confirmed is not known to be safe (P2), and replies go
 * nowhere. The current error says why, and stays current. */
static void publisher_lose(struct publisher *publisher)
{
    timer_stop(&publisher->deadline);
    publisher->step = PUBLISHER_NO_CHANNEL;
    publisher->sequence = 0;
    publisher->consumes = false;
    publisher_lose_list(&publisher->unconfirmed, "confirm");
    publisher_lose_list(&publisher->replying, "reply");
}

static void publisher_judge(struct publisher *publisher, struct publisher_request *request,
                            bool taken)
{
    int code = ACKD_OK;
    if (request->returned)
        code = ackd_fail(ACKD_E_RETURNED, "no queue for exchange '%s', routing key '%s'",
                         request->exchange, request->routing_key);
    else if (!taken)
        code = ackd_fail(ACKD_E_NACKED,
                         "a queue did not take what was published to exchange '%s', routing key "
                         "'%s': it is full, or has failed",
                         request->exchange, request->routing_key);
    if (code == ACKD_OK && request->wants_reply) {
        request->confirmed = true;
        list_remove(&request->node);
        list_append(&publisher->replying, &request->node);
        return;
    }
    publisher_finish(request, code);
}

static void publisher_confirmed(struct publisher *publisher, const struct connection_event *event)
{
    struct list *node = publisher->unconfirmed.next;
    while (node != &publisher->unconfirmed) {
        struct publisher_request *request = LIST_ITEM(node, publisher_request, node);
        node = node->next;
        if (request->sequence > event->tag)
            break;
        if (event->multiple || request->sequence == event->tag)
            publisher_judge(publisher, request, event->kind == CHANNEL_CONFIRMED);
    }
}

/* P3: the returned message tells by its header which one it is. */
static void publisher_mark_returned(struct publisher *publisher, const char *id, size_t size)
{
    list_for_each (node, &publisher->unconfirmed) {
        struct publisher_request *request = LIST_ITEM(node, publisher_request, node);
        if (strlen(request->id) == size && memcmp(request->id, id, size) == 0) {
            request->returned = true;
            return;
        }
    }
}

static void publisher_returned(struct publisher *publisher, struct delivery *delivery)
{
    struct ackd_headers headers = {.rest = delivery->properties.headers};
    struct ackd_header header;
    while (ackd_headers_next(&headers, &header)) {
        if (header.name_size == strlen("x-ackd-id") && header.kind == ACKD_HEADER_TEXT &&
            memcmp(header.name, "x-ackd-id", header.name_size) == 0)
            publisher_mark_returned(publisher, header.bytes.data, header.bytes.size);
    }
    delivery_free(&delivery);
}

static struct publisher_request *publisher_find_asking(struct list *list, const char *id)
{
    list_for_each (node, list) {
        struct publisher_request *request = LIST_ITEM(node, publisher_request, node);
        if (request->wants_reply && strcmp(request->id, id) == 0)
            return request;
    }
    return NULL;
}

/* It may be here before the confirm. One that nobody waits for any more is dropped. */
static void publisher_replied(struct publisher *publisher, struct delivery *delivery)
{
    const char *id = delivery->properties.correlation_id;
    struct publisher_request *request = NULL;
    if (delivery->poison == NULL && id != NULL)
        request = publisher_find_asking(&publisher->replying, id);
    if (request == NULL && delivery->poison == NULL && id != NULL)
        request = publisher_find_asking(&publisher->unconfirmed, id);
    if (request == NULL) {
        delivery_free(&delivery);
        return;
    }
    request->reply = delivery;
    publisher_finish(request, ACKD_OK);
}

/* What a close that complains of a publish is to be called. */
static int publisher_close_code(const struct connection_event *event)
{
    bool size = strstr(event->text, "message size") != NULL;
    return event->code == 404 ? ACKD_E_NOT_FOUND : size ? ACKD_E_TOO_LARGE : ACKD_E_REFUSED;
}

/* Whether the broker's text is about @request: it names the exchange, the size, or a property. */
static bool publisher_is_blamed(const struct publisher_request *request,
                                const struct connection_event *event)
{
    const struct properties *properties = request->properties;
    char part[320];
    if (event->code == 404 || event->code == 403)
        snprintf(part, sizeof part, "'%s'", request->exchange);
    else if (strstr(event->text, "message size") != NULL)
        snprintf(part, sizeof part, "message size %zu ", request->body.size);
    else if (strstr(event->text, "user_id") != NULL && properties->user_id != NULL)
        snprintf(part, sizeof part, "'%s'", properties->user_id);
    else if (strstr(event->text, "expiration") != NULL && properties->expiration != NULL)
        snprintf(part, sizeof part, "'%s'", properties->expiration);
    else
        return false;
    return strstr(event->text, part) != NULL;
}

/* P5: the request because of which the broker closed the channel; NULL: that cannot be told. */
static struct publisher_request *publisher_find_blamed(struct publisher *publisher,
                                                       const struct connection_event *event)
{
    enum { CLASS_BASIC = 60, METHOD_PUBLISH = 40 };
    struct list *unconfirmed = &publisher->unconfirmed;
    if (event->class_id != CLASS_BASIC || event->method_id != METHOD_PUBLISH)
        return NULL;
    list_for_each (node, unconfirmed) {
        struct publisher_request *request = LIST_ITEM(node, publisher_request, node);
        if (publisher_is_blamed(request, event))
            return request;
    }
    bool alone = !list_empty(unconfirmed) && unconfirmed->next == unconfirmed->previous;
    return alone ? publisher_first(unconfirmed) : NULL;
}

static void publisher_remember(struct publisher *publisher, const char *exchange, int code)
{
    struct publisher_refusal *refusal = &publisher->refusals[publisher->next_refusal];
    publisher->next_refusal = (publisher->next_refusal + 1) % PUBLISHER_REFUSALS;
    snprintf(refusal->exchange, sizeof refusal->exchange, "%s", exchange);
    refusal->code = code;
    refusal->until_ns = timer_after_ms(publisher_now_ns(publisher), PUBLISHER_REFUSED_MS);
}

/* P5: what was sent behind @blamed waits again, in front; the current error becomes that of @blamed.
 */
static void publisher_take_back(struct publisher *publisher, struct publisher_request *blamed,
                                const struct connection_event *event)
{
    struct list *place = &publisher->waiting;
    while (blamed->node.next != &publisher->unconfirmed) {
        struct publisher_request *request = LIST_ITEM(blamed->node.next, publisher_request, node);
        list_remove(&request->node);
        list_insert(place, &request->node);
        request->sequence = 0;
        request->returned = false;
        place = &request->node;
    }
    int code = publisher_close_code(event);
    const char *limit = strstr(event->text, "max size ");
    if (code == ACKD_E_TOO_LARGE && limit != NULL)
        publisher->body_max = strtoull(limit + strlen("max size "), NULL, 10);
    if (event->code == 404 || event->code == 403)
        publisher_remember(publisher, blamed->exchange, code);
    const struct ackd_error *reason = error_take();
    (void)ackd_fail(code, "the broker refused it: %u %s", event->code, event->text);
    publisher_finish(blamed, code);
    (void)error_give(reason);
}

static void publisher_closed(struct publisher *publisher, const struct connection_event *event)
{
    struct publisher_request *blamed = publisher_find_blamed(publisher, event);
    uint64_t lived_ns = publisher_now_ns(publisher) - publisher->opened_ns;
    (void)ackd_fail(ACKD_E_CLOSED, "the broker closed the publishing channel%s: %u %s",
                    blamed == NULL ? "" : " because of another message", event->code, event->text);
    link_drop_number(&publisher->channel);
    publisher->step = PUBLISHER_NO_CHANNEL;
    if (blamed != NULL)
        publisher_take_back(publisher, blamed, event);
    publisher_lose(publisher);
    if (lived_ns >= PUBLISHER_STABLE_MS * NS_PER_MS)
        backoff_reset(&publisher->again);
    publisher_arm(publisher, &publisher->deadline,
                  backoff_next_ms(&publisher->again, link_random(publisher->channel.link)));
}

static void publisher_select(struct publisher *publisher)
{
    publisher->step = PUBLISHER_SELECTING;
    if (channel_confirm_select(link_connection(publisher->channel.link),
                               publisher->channel.number) != ACKD_OK)
        link_fail(publisher->channel.link);
}

static void publisher_ready(struct publisher *publisher)
{
    timer_stop(&publisher->deadline);
    publisher->step = PUBLISHER_READY;
    publisher->opened_ns = publisher_now_ns(publisher);
    publisher_go_on(publisher);
}

static void publisher_event(struct link_channel *channel, const struct connection_event *event)
{
    struct publisher *publisher = LIST_ITEM(channel, publisher, channel);
    if (event->kind == CHANNEL_CONFIRMED || event->kind == CHANNEL_REFUSED) {
        publisher_confirmed(publisher, event);
        publisher_go_on(publisher);
    } else if (event->kind == CHANNEL_RETURNED) {
        publisher_returned(publisher, event->delivery);
    } else if (event->kind == CHANNEL_DELIVERY) {
        publisher_replied(publisher, event->delivery);
    } else if (event->kind == CHANNEL_OPENED && publisher->step == PUBLISHER_OPENING) {
        publisher_select(publisher);
    } else if (event->kind == CHANNEL_CONFIRM_OK && publisher->step == PUBLISHER_SELECTING) {
        publisher_ready(publisher);
    } else if (event->kind == CHANNEL_CLOSED) {
        publisher_closed(publisher, event);
    } else if (event->kind != CHANNEL_CONSUME_OK) {
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
    publisher->body_max = 0;
    publisher_lose(publisher);
}

static void publisher_deadline_over(struct timer *timer)
{
    struct publisher *publisher = LIST_ITEM(timer, publisher, deadline);
    if (link_state(publisher->channel.link) != LINK_OPEN)
        return; /* it is closing, and takes no channel any more */
    if (publisher->step == PUBLISHER_NO_CHANNEL) {
        publisher_open(publisher);
        link_flush(publisher->channel.link);
        return;
    }
    (void)ackd_fail(ACKD_E_TIMEOUT, "the broker did not open the publishing channel");
    link_fail(publisher->channel.link);
}

/* Why nothing is sent. */
static const char *publisher_holds_back(const struct publisher *publisher)
{
    if (publisher->step == PUBLISHER_READY)
        return "the connection takes no more bytes";
    return link_connection(publisher->channel.link) == NULL
               ? "there is no connection to the broker"
               : "the broker closed the publishing channel, which is not open again";
}

/* P4. */
static void publisher_patience_over(struct timer *timer)
{
    struct publisher_request *request = LIST_ITEM(timer, publisher_request, patience);
    const struct publisher *publisher = request->publisher;
    uint64_t ms = request->timeout_ms == 0 ? PUBLISHER_WAIT_MS : request->timeout_ms;
    bool sent = request->sequence != 0;
    int code;
    if (publisher->blocked)
        code = ackd_fail(ACKD_E_BLOCKED,
                         "not %s within %" PRIu64 " ms: the broker takes no publishes now; look at "
                         "its alarms",
                         sent ? "confirmed" : "sent", ms);
    else if (sent)
        code = ackd_fail(ACKD_E_TIMEOUT, "no %s within %" PRIu64 " ms",
                         request->wants_reply ? "reply" : "confirm", ms);
    else
        code = ackd_fail(ACKD_E_TIMEOUT, "not sent within %" PRIu64 " ms: %s", ms,
                         publisher_holds_back(publisher));
    publisher_finish(request, code);
}

int publisher_new(struct link *link, struct publisher **ret_publisher)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a publisher");
    list_init(&publisher->waiting);
    list_init(&publisher->unconfirmed);
    list_init(&publisher->replying);
    timer_init(&publisher->deadline, publisher_deadline_over);
    timer_init(&publisher->soon, publisher_soon);
    backoff_init(&publisher->again, PUBLISHER_AGAIN_FIRST_MS, PUBLISHER_AGAIN_MAX_MS);
    publisher->channel.up = publisher_up;
    publisher->channel.down = publisher_down;
    publisher->channel.event = publisher_event;
    link_add(link, &publisher->channel);
    *ret_publisher = publisher;
    return ACKD_OK;
}

static void publisher_forget(struct list *requests)
{
    for (struct list *node; (node = list_take(requests)) != NULL;)
        timer_stop(&LIST_ITEM(node, publisher_request, node)->patience);
}

void publisher_free(struct publisher **publisher)
{
    struct publisher *freed = *publisher;
    if (freed == NULL)
        return;
    *publisher = NULL;
    timer_stop(&freed->deadline);
    timer_stop(&freed->soon);
    publisher_forget(&freed->waiting);
    publisher_forget(&freed->unconfirmed);
    publisher_forget(&freed->replying);
    link_remove(&freed->channel);
    free(freed);
}

void publisher_publish(struct publisher *publisher, struct publisher_request *request)
{
    ackd_assert(request->id[0] != '\0');
    request->publisher = publisher;
    request->returned = request->confirmed = false;
    request->sequence = 0;
    request->reply = NULL;
    timer_init(&request->patience, publisher_patience_over);
    publisher_arm(publisher, &request->patience,
                  request->timeout_ms == 0 ? PUBLISHER_WAIT_MS : request->timeout_ms);
    list_append(&publisher->waiting, &request->node);
    int code = publisher_refuse(publisher, request);
    if (code == ACKD_OK && (publisher->step != PUBLISHER_READY || publisher->blocked ||
                            publisher_first(&publisher->waiting) != request))
        return;
    if (code == ACKD_OK)
        code = publisher_send(publisher, request);
    if (code == ACKD_OK)
        publisher_sent(publisher, request);
    else if (code != ACKD_E_FULL) /* it ends with that, but done() is not for in here (P1) */
        publisher_arm(publisher, &publisher->soon, 0);
}

void publisher_withdraw(struct publisher *publisher, struct publisher_request *request)
{
    (void)publisher;
    if (!list_empty(&request->node) && (request->sequence == 0 || request->confirmed))
        publisher_finish(request, ACKD_CANCELED);
}

static void publisher_give_up_list(struct list *list)
{
    while (!list_empty(list)) {
        struct publisher_request *request = publisher_first(list);
        int code = request->sequence == 0
                       ? ackd_fail(ACKD_E_CLOSED, "it was not sent before the end of the host")
                       : ackd_fail(ACKD_E_TIMEOUT, "the confirm is not waited for any longer");
        publisher_finish(request, code);
    }
}

void publisher_give_up(struct publisher *publisher)
{
    publisher->closed = true;
    publisher_give_up_list(&publisher->unconfirmed);
    publisher_give_up_list(&publisher->replying);
    publisher_give_up_list(&publisher->waiting);
}

void publisher_block(struct publisher *publisher, bool blocked)
{
    publisher->blocked = blocked;
    publisher_go_on(publisher);
}
