/* SPDX-License-Identifier: MIT */
/*
 * fuzz_method - what is read as a method can be written and read again; basic.deliver, which is read
 * without librabbitmq, is what the library reads.
 */
#include <config.h>

#include "fuzz.h"

#include <ackd/error.h>
#include <string.h>

#include "amqp/content.h"
#include "amqp/method.h"
#include "amqp/wire.h"

static void same(const char *ours, amqp_bytes_t theirs)
{
    FUZZ_MUST(memcmp(ours, theirs.bytes, theirs.len) == 0);
    FUZZ_MUST(ours[theirs.len] == '\0');
}

static void compare_deliver(const uint8_t *data, size_t size, const amqp_basic_deliver_t *theirs)
{
    static struct delivery_pool *pool;
    if (pool == NULL)
        FUZZ_MUST(delivery_pool_new(0, 4, &pool) == ACKD_OK);
    struct connection connection = {.pool = pool, .state = INSIDE_OPEN};
    struct channel channel = {.state = CHANNEL_OPEN, .number = 1};
    int code = content_begin_deliver(&connection, &channel, data + 4, size - 4);
    FUZZ_MUST((code == ACKD_OK) == (theirs != NULL));
    if (theirs == NULL)
        return;
    const struct delivery *ours = channel.content.delivery;
    FUZZ_MUST(ours->tag == theirs->delivery_tag);
    FUZZ_MUST(ours->redelivered == (theirs->redelivered != 0));
    same(ours->consumer_tag, theirs->consumer_tag);
    same(ours->exchange, theirs->exchange);
    same(ours->routing_key, theirs->routing_key);
    content_drop(&channel);
}

static void write_again(uint32_t id, const void *method, size_t size)
{
    struct buffer output;
    amqp_pool_t pool;
    void *again = NULL;
    uint32_t id_again = 0;
    buffer_init(&output, SIZE_MAX / 2);
    init_amqp_pool(&pool, METHOD_POOL_PAGE);
    FUZZ_MUST(method_write(&output, 1, id, method, size + METHOD_ROOM) == ACKD_OK);
    FUZZ_MUST(method_read(&pool, buffer_bytes(&output) + 7, buffer_size(&output) - 8, &id_again,
                          &again) == ACKD_OK);
    FUZZ_MUST(id_again == id);
    empty_amqp_pool(&pool);
    buffer_fini(&output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    amqp_pool_t pool;
    uint32_t id = 0;
    void *method = NULL;
    init_amqp_pool(&pool, METHOD_POOL_PAGE);
    int code = method_read(&pool, data, size, &id, &method);
    FUZZ_MUST(code == ACKD_OK || code == ACKD_E_PROTOCOL);
    if (size >= 4 && wire_get_32(data) == AMQP_BASIC_DELIVER_METHOD)
        compare_deliver(data, size, code == ACKD_OK ? method : NULL);
    if (code == ACKD_OK) {
        FUZZ_MUST(method_name(id) != NULL && method_from(id) != 0);
        write_again(id, method, size);
    }
    empty_amqp_pool(&pool);
    return 0;
}
