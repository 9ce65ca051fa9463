/* SPDX-License-Identifier: MIT */
/* publication - see the header. It must not know connections. */
#include <config.h>

#include "host/publication.h"

#include <ackd/memory.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/wire.h"
#include "base/assert.h"
#include "base/error.h"
#include "host/runner.h"
#include "task/owner.h"
#include "task/refusal.h"

enum {
    PUBLICATION_ROOM_MIN = 1024,    /* bytes of copies */
    PUBLICATION_KEPT_MAX = 4 << 20, /* bytes of copies that a loop keeps without need */
    PUBLICATION_STRINGS = 11,
    PUBLICATION_SHORT_MAX = 255 /* bytes of a name in a table */
};

/* One call, until it has a publication. */
struct publication_call {
    const struct ackd_publication *what;
    struct ackd_bytes *ret_reply; /* NULL: none is wanted */
    struct station *station;
    struct publication_pool *pool;
    size_t size; /* of the copies */
    const char *file, *function;
    int line;
};

/* Who waits for room, on its own stack. */
struct publication_waiter {
    struct wait wait;
    struct list node;
    size_t size;
};

void publication_pool_init(struct publication_pool *pool, struct runner *runner, size_t max,
                           size_t bytes_max, uint64_t seed)
{
    *pool = (struct publication_pool){
        .runner = runner, .max = max, .bytes_max = bytes_max, .next_id = seed};
    list_init(&pool->all);
    list_init(&pool->unused);
    list_init(&pool->waiting);
}

void publication_pool_fini(struct publication_pool *pool)
{
    for (struct list *node; (node = list_take(&pool->all)) != NULL;) {
        struct publication *publication = LIST_ITEM(node, publication, all);
        ackd_error_unref(publication->error);
        free(publication->bytes);
        free(publication);
    }
}

static bool publication_fits(const struct publication_pool *pool, size_t size)
{
    return pool->under_way == 0 || (pool->under_way < pool->max && size <= pool->bytes_max &&
                                    pool->bytes <= pool->bytes_max - size);
}

static void publication_enter(struct publication_pool *pool, size_t size)
{
    pool->under_way++;
    pool->bytes += size;
}

/* Let in who waits, as far as there is room. */
static void publication_serve(struct publication_pool *pool)
{
    while (!list_empty(&pool->waiting)) {
        struct publication_waiter *first = LIST_ITEM(pool->waiting.next, publication_waiter, node);
        if (!publication_fits(pool, first->size))
            return;
        list_remove(&first->node);
        publication_enter(pool, first->size);
        wait_finish(&first->wait, ACKD_OK);
    }
}

static void publication_leave(struct publication_pool *pool, size_t size)
{
    pool->under_way--;
    pool->bytes -= size;
    publication_serve(pool);
}

/* Let it be used again. */
static void publication_release(struct publication *publication)
{
    struct publication_pool *pool = publication->pool;
    ackd_error_unref(publication->error);
    publication->error = NULL;
    if (pool->kept + publication->room > PUBLICATION_KEPT_MAX) {
        free(publication->bytes);
        publication->bytes = NULL;
        publication->room = 0;
    }
    pool->kept += publication->room;
    list_append(&pool->unused, &publication->unused);
    publication_leave(pool, publication->used);
}

/* Room for its copies; the caller has entered (B2). NULL, with the error set, when out of memory. */
static struct publication *publication_take(struct publication_pool *pool, size_t size)
{
    struct publication *publication = NULL;
    if (list_empty(&pool->unused)) {
        publication = calloc(1, sizeof *publication);
        if (publication == NULL)
            return NULL;
        publication->crossing.kind = CROSSING_PUBLISH;
        publication->withdrawal.kind = CROSSING_WITHDRAW;
        publication->pool = pool;
        list_init(&publication->unused);
        list_init(&publication->request.node);
        list_append(&pool->all, &publication->all);
    } else {
        /* The one used last: its memory is the warmest. */
        publication = LIST_ITEM(pool->unused.previous, publication, unused);
        list_remove(&publication->unused);
        pool->kept -= publication->room;
    }
    if (publication->room < size) {
        size_t room = PUBLICATION_ROOM_MIN;
        while (room < size && room <= SIZE_MAX / 2)
            room *= 2;
        free(publication->bytes);
        publication->bytes = malloc(room);
        publication->room = publication->bytes == NULL ? 0 : room;
        if (publication->bytes == NULL) {
            list_append(&pool->unused, &publication->unused);
            return NULL;
        }
    }
    publication->used = size;
    return publication;
}

static size_t publication_string_size(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

/* Name, kind, value: AMQP 0-9-1, section 4.2.5.5. */
static size_t publication_header_size(const struct ackd_publication_header *header)
{
    return 1 + strlen(header->name) + 1 + (header->text == NULL ? 8 : 4 + strlen(header->text));
}

static int publication_measure(struct publication_call *call)
{
    const struct ackd_publication *what = call->what;
    const char *const strings[PUBLICATION_STRINGS] = {
        what->exchange,   what->routing_key, what->content_type, what->content_encoding,
        what->expiration, what->id,          what->type,         what->correlation_id,
        what->reply_to,   what->user_id,     what->app_id};
    call->size = what->body.size + what->forward.rest.size;
    for (size_t i = 0; i < PUBLICATION_STRINGS; i++)
        call->size += publication_string_size(strings[i]);
    for (const struct ackd_publication_header *header = what->headers;
         header != NULL && header->name != NULL; header++) {
        if (strlen(header->name) > PUBLICATION_SHORT_MAX)
            return ackd_fail_at(ACKD_E_INVAL, call->file, call->line, call->function,
                                "the header name '%.40s...' has %zu bytes, at most %d",
                                header->name, strlen(header->name), PUBLICATION_SHORT_MAX);
        call->size += publication_header_size(header);
    }
    return ACKD_OK;
}

static uint8_t *publication_put(uint8_t *at, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(at, bytes, size);
    return at + size;
}

static const char *publication_string(uint8_t **at, const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = (char *)*at;
    *at = publication_put(*at, text, strlen(text) + 1);
    return copy;
}

static uint8_t *publication_put_header(uint8_t *at, const struct ackd_publication_header *header)
{
    size_t size = strlen(header->name);
    at = publication_put(wire_put_8(at, (uint8_t)size), header->name, size);
    if (header->text == NULL)
        return wire_put_64(wire_put_8(at, 'l'), (uint64_t)header->integer);
    size = strlen(header->text);
    at = wire_put_32(wire_put_8(at, 'S'), (uint32_t)size);
    return publication_put(at, header->text, size);
}

static struct ackd_bytes publication_headers(uint8_t **at, const struct ackd_publication *what)
{
    uint8_t *begin = *at;
    *at = publication_put(begin, what->forward.rest.data, what->forward.rest.size);
    for (const struct ackd_publication_header *header = what->headers;
         header != NULL && header->name != NULL; header++)
        *at = publication_put_header(*at, header);
    return (struct ackd_bytes){begin, (size_t)(*at - begin)};
}

/* x-ackd-id: it must differ from that of all others that are under way. */
static void publication_name(struct publication *publication, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    char *at = publication->request.id;
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = digits[number >> shift & 15];
    *at = '\0';
}

static void publication_fill(struct publication *publication, const struct publication_call *call)
{
    const struct ackd_publication *what = call->what;
    struct publisher_request *request = &publication->request;
    uint8_t *at = publication->bytes;
    request->exchange = what->exchange == NULL ? "" : publication_string(&at, what->exchange);
    request->routing_key =
        what->routing_key == NULL ? "" : publication_string(&at, what->routing_key);
    publication->properties =
        (struct properties){.content_type = publication_string(&at, what->content_type),
                            .content_encoding = publication_string(&at, what->content_encoding),
                            .correlation_id = publication_string(&at, what->correlation_id),
                            .reply_to = publication_string(&at, what->reply_to),
                            .expiration = publication_string(&at, what->expiration),
                            .message_id = publication_string(&at, what->id),
                            .type = publication_string(&at, what->type),
                            .user_id = publication_string(&at, what->user_id),
                            .app_id = publication_string(&at, what->app_id),
                            .timestamp_s = what->timestamp_s,
                            .delivery_mode = what->transient ? 1 : 2,
                            .priority = what->priority == 0 ? -1 : what->priority};
    publication->properties.headers = publication_headers(&at, what);
    request->body = (struct ackd_bytes){at, what->body.size};
    at = publication_put(at, what->body.data, what->body.size);
    ackd_assert((size_t)(at - publication->bytes) == publication->used);
    request->properties = &publication->properties;
    request->headers = NULL;
    request->header_count = 0;
    request->optional = what->optional;
    request->timeout_ms = what->timeout_ms;
    request->wants_reply = call->ret_reply != NULL;
    publication_name(publication, ++publication->pool->next_id);
    if (request->wants_reply) {
        publication->properties.reply_to = PUBLISHER_REPLY_TO;
        publication->properties.correlation_id = request->id;
    }
    publication->reply = (struct ackd_bytes){NULL, 0};
    publication->station = call->station;
    publication->message = scheduler_message();
}

static void publication_send(struct publication *publication, struct crossing *crossing)
{
    publication->under_way++;
    runner_send_out(publication->pool->runner, crossing);
}

void publication_back(struct crossing *crossing)
{
    struct publication *publication = publication_of(crossing);
    ackd_assert(publication->under_way > 0);
    publication->under_way--;
    if (publication->wait != NULL)
        wait_finish(publication->wait, ACKD_OK);
    else if (publication->under_way == 0)
        publication_release(publication);
}

void publication_answer(struct publication *publication, int code)
{
    publication->code = code;
    publication->error = code == ACKD_OK || code == ACKD_CANCELED ? NULL : error_take();
    runner_send(publication->pool->runner, &publication->crossing);
}

int publication_set_reply(struct publication *publication, struct ackd_bytes reply)
{
    if (publication->room < reply.size) {
        uint8_t *bytes = malloc(reply.size);
        if (bytes == NULL)
            return ackd_fail(ACKD_E_NOMEM, "a reply of %zu bytes", reply.size);
        free(publication->bytes);
        publication->bytes = bytes;
        publication->room = reply.size;
    }
    publication_put(publication->bytes, reply.data, reply.size);
    publication->reply = (struct ackd_bytes){publication->bytes, reply.size};
    return ACKD_OK;
}

/* For the rest of the task's life. */
static int publication_take_reply(const struct publication *publication, struct ackd_bytes *ret)
{
    uint8_t *copy = ackd_alloc(publication->reply.size + 1);
    if (copy == NULL)
        return ACKD_E_NOMEM;
    publication_put(copy, publication->reply.data, publication->reply.size);
    copy[publication->reply.size] = '\0'; /* for those who will take it for a string */
    *ret = (struct ackd_bytes){copy, publication->reply.size};
    return ACKD_OK;
}

/* B2. */
static bool publication_enter_now(const struct publication_call *call)
{
    struct publication_pool *pool = call->pool;
    if (!list_empty(&pool->waiting) || !publication_fits(pool, call->size))
        return false;
    publication_enter(pool, call->size);
    return true;
}

static int publication_wait_for_room(const struct publication_call *call)
{
    struct publication_waiter waiter = {.size = call->size};
    struct publication_pool *pool = call->pool;
    wait_init(&waiter.wait, WAIT_PUBLISH, "room for it", call->file, call->line, call->function);
    list_init(&waiter.node);
    list_append(&pool->waiting, &waiter.node);
    int code = wait_park(&waiter.wait);
    if (!wait_finished(&waiter.wait)) {
        list_remove(&waiter.node);
        publication_serve(pool);
    } else if (ackd_cancellation_requested()) {
        publication_leave(pool, call->size); /* it was granted, and is not wanted any more */
        code = ACKD_CANCELED;
    }
    return code;
}

/* Until it has come back, or the caller is cancelled: then it goes on without it. */
static int publication_await(struct publication *publication, const struct publication_call *call)
{
    struct wait wait;
    const char *key = publication->request.routing_key;
    wait_init(&wait, WAIT_PUBLISH, key[0] == '\0' ? publication->request.exchange : key, call->file,
              call->line, call->function);
    publication->wait = &wait;
    publication_send(publication, &publication->crossing);
    int code = wait_park(&wait);
    publication->wait = NULL;
    if (!wait_finished(&wait)) {
        publication_send(publication, &publication->withdrawal);
        return code;
    }
    code = publication->code;
    if (publication->error != NULL) {
        code = error_give(publication->error);
        publication->error = NULL;
    }
    if (code == ACKD_OK && call->ret_reply != NULL)
        code = publication_take_reply(publication, call->ret_reply);
    publication_release(publication);
    return code == ACKD_OK ? ACKD_OK : ackd_trace_at(code, call->file, call->line, call->function);
}

/* What publishes here: the consumer that the running task belongs to. */
static int publication_find_station(struct publication_call *call)
{
    const struct ackd_owner *owner = ackd_owner_current();
    call->station = owner == NULL ? NULL : owner->context;
    if (call->station == NULL || !call->station->publishes)
        return refusal_at(ACKD_E_NOT_OPEN, NULL, call->file, call->line, call->function,
                          "there is no broker to publish to: only the code of a consumer has one");
    call->pool = runner_publications(call->station->runner);
    return ACKD_OK;
}

/* It has entered. */
static int publication_do(const struct publication_call *call)
{
    struct publication *publication = publication_take(call->pool, call->size);
    if (publication == NULL) {
        publication_leave(call->pool, call->size);
        return ackd_fail_at(ACKD_E_NOMEM, call->file, call->line, call->function,
                            "a message of %zu bytes", call->what->body.size);
    }
    publication_fill(publication, call);
    return publication_await(publication, call);
}

static int publication_run(const struct ackd_publication *what, struct ackd_bytes *ret_reply,
                           const char *file, int line, const char *function)
{
    struct publication_call call = {
        .what = what, .ret_reply = ret_reply, .file = file, .line = line, .function = function};
    ACKD_TRY(wait_check(file, line, function));
    ACKD_TRY(publication_find_station(&call));
    ACKD_TRY(publication_measure(&call));
    if (publication_enter_now(&call))
        return publication_do(&call);
    /* The time that it waits for room counts. */
    struct ackd_deadline deadline;
    ackd_deadline_push_at(&deadline, what->timeout_ms == 0 ? PUBLISHER_WAIT_MS : what->timeout_ms,
                          file, line, function);
    int code = publication_wait_for_room(&call);
    if (code == ACKD_OK)
        code = publication_do(&call);
    return ackd_deadline_pop(&deadline, code);
}

int ackd_publish_message_at(const struct ackd_publication *what, const char *file, int line,
                            const char *function)
{
    return publication_run(what, NULL, file, line, function);
}

int ackd_request_at(const struct ackd_publication *what, struct ackd_bytes *ret_reply,
                    const char *file, int line, const char *function)
{
    struct ackd_publication asking = *what;
    asking.reply_to = asking.correlation_id = NULL;
    return publication_run(&asking, ret_reply, file, line, function);
}

int ackd_reply_at(const struct ackd_message *message, struct ackd_bytes body, const char *file,
                  int line, const char *function)
{
    static const char direct[] = PUBLISHER_REPLY_TO ".";
    const char *reply_to = ackd_message_reply_to(message);
    if (reply_to == NULL)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function,
                            "the message asks for no reply: it has no reply-to");
    /* The broker says of a direct reply, delivered or not, that no queue took it. */
    const struct ackd_publication reply = {.routing_key = reply_to,
                                           .body = body,
                                           .correlation_id = ackd_message_correlation_id(message),
                                           .optional =
                                               strncmp(reply_to, direct, sizeof direct - 1) == 0};
    return publication_run(&reply, NULL, file, line, function);
}

int ackd_publish_at(const char *exchange, const char *routing_key, struct ackd_bytes body,
                    const char *file, int line, const char *function)
{
    const struct ackd_publication publication = {
        .exchange = exchange, .routing_key = routing_key, .body = body};
    return ackd_publish_message_at(&publication, file, line, function);
}
