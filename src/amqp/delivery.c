/* SPDX-License-Identifier: MIT */
/*
 * delivery - blocks that are used again. A block holds the delivery, its owner's extra bytes and
 * the first bytes of its arena, so a small message is one block. It must not know frames.
 */
#include <config.h>

#include "amqp/delivery.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { DELIVERY_ARENA_SIZE = 2048 }; /* names, properties and body of most messages */

struct delivery_pool {
    struct list idle; /* deliveries, the one used last first: it is still in the cache */
    size_t idle_count;
    size_t kept;
    size_t live;
    size_t extra_size; /* rounded up to the alignment of anything */
};

/* Bytes in front of the arena's. */
static size_t delivery_prefix(const struct delivery_pool *pool)
{
    size_t alignment = _Alignof(max_align_t);
    return (sizeof(struct delivery) + alignment - 1) / alignment * alignment + pool->extra_size;
}

int delivery_pool_new(size_t extra_size, size_t kept, struct delivery_pool **ret_pool)
{
    size_t alignment = _Alignof(max_align_t);
    ackd_assert(extra_size < SIZE_MAX / 2);
    struct delivery_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a pool of deliveries");
    list_init(&pool->idle);
    pool->kept = kept;
    pool->extra_size = (extra_size + alignment - 1) / alignment * alignment;
    *ret_pool = pool;
    return ACKD_OK;
}

static void delivery_destroy(struct delivery *delivery)
{
    arena_fini(&delivery->arena);
    free(delivery);
}

void delivery_pool_free(struct delivery_pool **pool)
{
    if (*pool == NULL)
        return;
    ackd_assert((*pool)->live == 0);
    struct list *node;
    while ((node = list_take(&(*pool)->idle)) != NULL)
        delivery_destroy(LIST_ITEM(node, delivery, node));
    free(*pool);
    *pool = NULL;
}

size_t delivery_pool_live(const struct delivery_pool *pool)
{
    return pool->live;
}

static struct delivery *delivery_create(struct delivery_pool *pool)
{
    size_t prefix = delivery_prefix(pool);
    uint8_t *block = malloc(prefix + DELIVERY_ARENA_SIZE);
    if (block == NULL) {
        int code = ackd_fail(ACKD_E_NOMEM, "a delivery of %zu bytes", prefix + DELIVERY_ARENA_SIZE);
        (void)code;
        return NULL;
    }
    struct delivery *delivery = (struct delivery *)block;
    arena_init(&delivery->arena, block + prefix, DELIVERY_ARENA_SIZE);
    delivery->pool = pool;
    delivery->extra = block + prefix - pool->extra_size;
    return delivery;
}

/* All but what belongs to the block. */
static void delivery_clear(struct delivery *delivery)
{
    delivery->tag = 0;
    delivery->consumer_tag = "";
    delivery->exchange = "";
    delivery->routing_key = "";
    delivery->properties =
        (struct properties){.delivery_mode = -1, .priority = -1, .headers.data = ""};
    delivery->body_size = 0;
    delivery->body = (struct ackd_bytes){.data = ""};
    delivery->poison = NULL;
    delivery->return_code = 0;
    delivery->return_text = "";
    delivery->channel = 0;
    delivery->redelivered = false;
    delivery->large_body = NULL;
}

struct delivery *delivery_new(struct delivery_pool *pool)
{
    struct list *node = list_take(&pool->idle);
    struct delivery *delivery = NULL;
    if (node != NULL) {
        delivery = LIST_ITEM(node, delivery, node);
        pool->idle_count--;
    } else {
        delivery = delivery_create(pool);
        if (delivery == NULL)
            return NULL;
        list_init(&delivery->node);
    }
    delivery_clear(delivery);
    memset(delivery->extra, 0, pool->extra_size);
    pool->live++;
    return delivery;
}

void delivery_free(struct delivery **delivery)
{
    struct delivery *freed = *delivery;
    if (freed == NULL)
        return;
    struct delivery_pool *pool = freed->pool;
    ackd_assert(pool->live > 0);
    ackd_assert(list_empty(&freed->node));
    *delivery = NULL;
    pool->live--;
    free(freed->large_body);
    freed->large_body = NULL;
    if (pool->idle_count == pool->kept) {
        delivery_destroy(freed);
        return;
    }
    arena_reset(&freed->arena);
    list_insert(&pool->idle, &freed->node);
    pool->idle_count++;
}
