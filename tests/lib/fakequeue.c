/* SPDX-License-Identifier: MIT */
/* fakequeue - lists of messages by position. */
#include <config.h>

#include "fakequeue.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/properties.h"
#include "amqp/wire.h"
#include "base/assert.h"
#include "base/timer.h"

static void *copy_bytes(const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    ackd_assert(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    copy[size] = 0;
    return copy;
}

/* What the publisher's `expiration` says, in ms. */
static uint64_t message_expiration_ms(const struct fakequeue_message *message)
{
    struct arena arena;
    struct properties properties;
    uint64_t ms = UINT64_MAX;
    arena_init(&arena, NULL, 0);
    if (properties_read(message->properties, message->properties_size, &arena, &properties) ==
            ACKD_OK &&
        properties.expiration != NULL)
        ms = strtoull(properties.expiration, NULL, 10);
    arena_fini(&arena);
    return ms;
}

/* Where the integer header @name has its value; 0: nowhere. */
static size_t find_integer(const struct fakequeue_message *message, const char *name)
{
    size_t size = strlen(name);
    const uint8_t *found = memmem(message->properties, message->properties_size, name, size);
    if (found == NULL || found[size] != 'l')
        return 0;
    return (size_t)(found - message->properties) + size + 1;
}

static void find_marks(struct fakequeue_message *message)
{
    size_t number_at = find_integer(message, FAKEQUEUE_NUMBER);
    message->number = number_at == 0 ? 0 : wire_get_64(message->properties + number_at);
    message->serial_at = number_at == 0 ? 0 : find_integer(message, FAKEQUEUE_SERIAL);
}

void fakequeue_message_set_serial(struct fakequeue_message *message, uint64_t serial)
{
    message->serial = serial;
    if (message->serial_at != 0)
        wire_put_64(message->properties + message->serial_at, serial);
}

struct fakequeue_message *fakequeue_message_new(const char *exchange, const char *routing_key,
                                                struct ackd_bytes properties,
                                                struct ackd_bytes body)
{
    struct fakequeue_message *message = calloc(1, sizeof *message);
    ackd_assert(message != NULL);
    list_init(&message->node);
    message->exchange = copy_bytes(exchange, strlen(exchange));
    message->routing_key = copy_bytes(routing_key, strlen(routing_key));
    message->properties = copy_bytes(properties.data, properties.size);
    message->properties_size = properties.size;
    message->body = copy_bytes(body.data, body.size);
    message->body_size = body.size;
    find_marks(message);
    return message;
}

void fakequeue_message_free(struct fakequeue_message *message)
{
    list_remove(&message->node);
    free(message->exchange);
    free(message->routing_key);
    free(message->properties);
    free(message->body);
    free(message);
}

static bool named(const struct ackd_header *header, const char *name)
{
    return header->name_size == strlen(name) && memcmp(header->name, name, strlen(name)) == 0;
}

/* The headers at @at without those called @name; returns the place behind them. */
static uint8_t *copy_headers(uint8_t *at, struct ackd_bytes headers, const char *name)
{
    struct ackd_headers walk = {.rest = headers};
    struct ackd_header header;
    const uint8_t *start = headers.data;
    while (ackd_headers_next(&walk, &header)) {
        const uint8_t *end = walk.rest.data;
        if (!named(&header, name)) {
            memcpy(at, start, (size_t)(end - start));
            at += end - start;
        }
        start = end;
    }
    return at;
}

void fakequeue_message_set_integer(struct fakequeue_message *message, const char *name,
                                   int64_t value)
{
    struct arena arena;
    struct properties properties;
    arena_init(&arena, NULL, 0);
    int code = properties_read(message->properties, message->properties_size, &arena, &properties);
    ackd_assert(code == ACKD_OK);
    size_t length = strlen(name);
    uint8_t *headers = arena_alloc(&arena, properties.headers.size + length + 10);
    ackd_assert(headers != NULL);
    uint8_t *at = copy_headers(headers, properties.headers, name);
    at = wire_put_8(at, (uint8_t)length);
    memcpy(at, name, length);
    at = wire_put_64(wire_put_8(at + length, 'l'), (uint64_t)value);
    properties.headers = (struct ackd_bytes){.data = headers, .size = (size_t)(at - headers)};
    size_t size = 0;
    code = properties_measure(&properties, NULL, 0, &size);
    ackd_assert(code == ACKD_OK);
    uint8_t *bytes = malloc(size);
    ackd_assert(bytes != NULL);
    properties_write(bytes, &properties, NULL, 0);
    free(message->properties);
    message->properties = bytes;
    message->properties_size = size;
    find_marks(message);
    arena_fini(&arena);
}

static void read_argument(struct fakequeue *queue, const struct ackd_header *header)
{
    const void *text = header->bytes.data;
    size_t size = header->bytes.size;
    uint64_t number = header->kind == ACKD_HEADER_TEXT ? strtoull(size == 0 ? "" : text, NULL, 10)
                                                       : (uint64_t)header->integer;
    if (named(header, "x-queue-type")) {
        queue->quorum = size == 6 && memcmp(text, "quorum", 6) == 0;
    } else if (named(header, "x-dead-letter-exchange")) {
        free(queue->dead_exchange);
        queue->dead_exchange = copy_bytes(text, size);
        queue->dead_letters = true;
    } else if (named(header, "x-dead-letter-routing-key")) {
        free(queue->dead_key);
        queue->dead_key = copy_bytes(text, size);
    } else if (named(header, "x-overflow")) {
        queue->reject_publish = size >= 14 && memcmp(text, "reject-publish", 14) == 0;
    } else if (named(header, "x-single-active-consumer")) {
        queue->single_active = header->integer != 0;
    } else if (named(header, "x-message-ttl")) {
        queue->ttl_ms = number;
    } else if (named(header, "x-max-length")) {
        queue->max_length = number;
    } else if (named(header, "x-delivery-limit")) {
        queue->delivery_limit = number;
    }
}

struct fakequeue *fakequeue_new(const char *name, struct ackd_bytes arguments)
{
    struct fakequeue *queue = calloc(1, sizeof *queue);
    ackd_assert(queue != NULL);
    list_init(&queue->node);
    list_init(&queue->ready);
    list_init(&queue->consumers);
    queue->name = copy_bytes(name, strlen(name));
    queue->arguments = copy_bytes(arguments.data, arguments.size);
    queue->arguments_size = arguments.size;
    queue->ttl_ms = UINT64_MAX;
    queue->max_length = UINT64_MAX;
    queue->delivery_limit = UINT64_MAX;
    struct ackd_headers walk = {.rest = {.data = queue->arguments, .size = arguments.size}};
    struct ackd_header header;
    while (ackd_headers_next(&walk, &header))
        read_argument(queue, &header);
    return queue;
}

void fakequeue_free(struct fakequeue *queue)
{
    struct list *node;
    while ((node = list_take(&queue->ready)) != NULL)
        fakequeue_message_free(LIST_ITEM(node, fakequeue_message, node));
    ackd_assert(list_empty(&queue->consumers));
    list_remove(&queue->node);
    free(queue->name);
    free(queue->arguments);
    free(queue->dead_exchange);
    free(queue->dead_key);
    free(queue);
}

void fakequeue_put(struct fakequeue *queue, struct fakequeue_message *message, uint64_t now_ns)
{
    uint64_t ms = message_expiration_ms(message);
    if (queue->ttl_ms < ms)
        ms = queue->ttl_ms;
    message->due_ns = ms == UINT64_MAX ? UINT64_MAX : timer_after_ms(now_ns, ms);
    message->position = queue->next_position++;
    list_append(&queue->ready, &message->node);
    queue->depth++;
}

struct fakequeue_message *fakequeue_take(struct fakequeue *queue)
{
    struct list *node = list_take(&queue->ready);
    if (node == NULL)
        return NULL;
    queue->depth--;
    return LIST_ITEM(node, fakequeue_message, node);
}

void fakequeue_give_back(struct fakequeue *queue, struct fakequeue_message *message)
{
    struct list *place = &queue->ready;
    list_for_each (node, &queue->ready) {
        if (LIST_ITEM(node, fakequeue_message, node)->position > message->position)
            break;
        place = node;
    }
    message->redelivered = true;
    list_insert(place, &message->node);
    queue->depth++;
}

uint64_t fakequeue_due_ns(const struct fakequeue *queue)
{
    if (list_empty(&queue->ready))
        return UINT64_MAX;
    return LIST_ITEM(queue->ready.next, fakequeue_message, node)->due_ns;
}

struct fakequeue_message *fakequeue_take_due(struct fakequeue *queue, uint64_t now_ns)
{
    uint64_t due_ns = fakequeue_due_ns(queue);
    return due_ns == UINT64_MAX || due_ns > now_ns ? NULL : fakequeue_take(queue);
}
