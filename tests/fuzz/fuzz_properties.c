/* SPDX-License-Identifier: MIT */
/*
 * fuzz_properties - what is read can be written and read again, and is what librabbitmq reads.
 */
#include <config.h>

#include "fuzz.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/librabbitmq.h"
#include "amqp/properties.h"

/* A string with a zero octet inside reads as ending there. */
static void same(const char *ours, amqp_bytes_t theirs, bool there)
{
    FUZZ_MUST((ours != NULL) == there);
    if (there)
        FUZZ_MUST(strlen(ours) == strnlen(theirs.bytes, theirs.len) &&
                  memcmp(ours, theirs.bytes, strlen(ours)) == 0);
}

static void compare(const struct properties *ours, const uint8_t *data, size_t size)
{
    amqp_pool_t pool;
    void *decoded = NULL;
    uint8_t *copy = malloc(size);
    FUZZ_MUST(copy != NULL);
    memcpy(copy, data, size);
    init_amqp_pool(&pool, 4096);
    FUZZ_MUST(amqp_decode_properties(60, &pool, (amqp_bytes_t){.len = size, .bytes = copy},
                                     &decoded) == AMQP_STATUS_OK);
    const amqp_basic_properties_t *theirs = decoded;
    amqp_flags_t flags = theirs->_flags;
#define HAS(flag) ((flags & AMQP_BASIC_##flag##_FLAG) != 0)
    same(ours->content_type, theirs->content_type, HAS(CONTENT_TYPE));
    same(ours->content_encoding, theirs->content_encoding, HAS(CONTENT_ENCODING));
    same(ours->correlation_id, theirs->correlation_id, HAS(CORRELATION_ID));
    same(ours->reply_to, theirs->reply_to, HAS(REPLY_TO));
    same(ours->expiration, theirs->expiration, HAS(EXPIRATION));
    same(ours->message_id, theirs->message_id, HAS(MESSAGE_ID));
    same(ours->type, theirs->type, HAS(TYPE));
    same(ours->user_id, theirs->user_id, HAS(USER_ID));
    same(ours->app_id, theirs->app_id, HAS(APP_ID));
    FUZZ_MUST(ours->timestamp_s == (HAS(TIMESTAMP) ? theirs->timestamp : 0));
    FUZZ_MUST(ours->delivery_mode == (HAS(DELIVERY_MODE) ? theirs->delivery_mode : -1));
    FUZZ_MUST(ours->priority == (HAS(PRIORITY) ? theirs->priority : -1));
#undef HAS
    empty_amqp_pool(&pool);
    free(copy);
}

static void again(const struct properties *first)
{
    struct properties second;
    struct arena arena;
    size_t size = 0;
    arena_init(&arena, NULL, 0);
    FUZZ_MUST(properties_measure(first, NULL, 0, &size) == ACKD_OK);
    uint8_t *bytes = malloc(size);
    FUZZ_MUST(bytes != NULL);
    FUZZ_MUST(properties_write(bytes, first, NULL, 0) == bytes + size);
    FUZZ_MUST(properties_read(bytes, size, &arena, &second) == ACKD_OK);
    FUZZ_MUST(second.headers.size == first->headers.size);
    FUZZ_MUST(second.priority == first->priority);
    FUZZ_MUST(second.timestamp_s == first->timestamp_s);
    FUZZ_MUST((second.app_id == NULL) == (first->app_id == NULL));
    FUZZ_MUST(second.app_id == NULL || strcmp(second.app_id, first->app_id) == 0);
    free(bytes);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct properties properties;
    struct arena arena;
    arena_init(&arena, NULL, 0);
    int code = properties_read(data, size, &arena, &properties);
    FUZZ_MUST(code == ACKD_OK || code == ACKD_E_POISON);
    if (code == ACKD_OK) {
        compare(&properties, data, size);
        again(&properties);
    }
    arena_fini(&arena);
    return 0;
}
