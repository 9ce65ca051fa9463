/* SPDX-License-Identifier: MIT */
/*
 * method - between payloads and librabbitmq's structures.
 *
 * A table inside a method is scanned before librabbitmq decodes it by recursion; where it stands is
 * in methods.def. It must not know the state of anything.
 */
#include <config.h>

#include "amqp/method.h"

#include <ackd/error.h>
#include <string.h>

#include "amqp/frame.h"
#include "amqp/table.h"
#include "amqp/wire.h"
#include "base/assert.h"
#include "base/error.h"

/* The codec takes bytes that it does not change as ones that it may change. */
static amqp_bytes_t method_bytes(const void *bytes, size_t size)
{
    union {
        const void *given;
        void *wanted;
    } pointer = {.given = bytes};
    return (amqp_bytes_t){.len = size, .bytes = pointer.wanted};
}

#define METHOD_CASE(id) case AMQP_##id##_METHOD:

const char *method_name(uint32_t id)
{
    switch (id) {
#define METHOD(id, name, from, table) METHOD_CASE(id) return name;
#include "amqp/methods.def"
#undef METHOD
    default:
        return NULL;
    }
}

unsigned method_from(uint32_t id)
{
    switch (id) {
#define METHOD(id, name, from, table) METHOD_CASE(id) return from;
#include "amqp/methods.def"
#undef METHOD
    default:
        return 0;
    }
}

/* What stands in front of the method's table; NULL if it has none. */
static const char *method_table_place(uint32_t id)
{
    switch (id) {
#define METHOD(id, name, from, table) METHOD_CASE(id) return table;
#include "amqp/methods.def"
#undef METHOD
    default:
        return NULL;
    }
}

/* Scan the table behind @place in the arguments between @at and @end. */
static int method_check_table(const char *place, const uint8_t *at, const uint8_t *end)
{
    for (; *place != '\0'; place++) {
        size_t room = (size_t)(end - at);
        size_t size = (size_t)(*place - '0');
        if (*place == 's')
            size = room == 0 ? 1 : (size_t)at[0] + 1;
        if (size > room)
            return ackd_fail(ACKD_E_PROTOCOL, "its arguments are cut off");
        at += size;
    }
    size_t room = (size_t)(end - at);
    if (room < 4 || wire_get_32(at) > room - 4)
        return ackd_fail(ACKD_E_PROTOCOL, "its table is cut off");
    return table_check(at + 4, wire_get_32(at));
}

static int method_unknown(uint32_t id)
{
    return ackd_fail(ACKD_E_PROTOCOL, "unknown method %u of class %u", id & 0xffff, id >> 16);
}

int method_read(amqp_pool_t *pool, const uint8_t *payload, size_t size, uint32_t *ret_id,
                void **ret_decoded)
{
    if (size < 4)
        return ackd_fail(ACKD_E_PROTOCOL, "a method frame of %zu bytes", size);
    uint32_t id = wire_get_32(payload);
    const char *place = method_table_place(id);
    if (place != NULL && method_check_table(place, payload + 4, payload + size) != ACKD_OK)
        return ackd_wrap(ACKD_E_PROTOCOL, "%s cannot be read", method_name(id));
    recycle_amqp_pool(pool);
    int status = amqp_decode_method(id, pool, method_bytes(payload + 4, size - 4), ret_decoded);
    if (status == AMQP_STATUS_NO_MEMORY)
        return ackd_fail(ACKD_E_NOMEM, "to read %s", method_name(id));
    if (status != AMQP_STATUS_OK)
        return method_name(id) == NULL
                   ? method_unknown(id)
                   : ackd_fail(ACKD_E_PROTOCOL, "%s cannot be read: its arguments are cut off",
                               method_name(id));
    *ret_id = id;
    return ACKD_OK;
}

int method_write(struct buffer *output, uint16_t channel, uint32_t id, const void *decoded,
                 size_t room)
{
    union {
        const void *given;
        void *wanted;
    } arguments = {.given = decoded};
    uint8_t *at = NULL;
    ACKD_TRY(buffer_reserve(output, room + FRAME_OVERHEAD, &at));
    uint8_t *payload = at + FRAME_HEAD_SIZE;
    int size = amqp_encode_method(id, arguments.wanted, method_bytes(payload + 4, room - 4));
    if (size < 0)
        return ackd_fail(ACKD_E_INTERNAL, "%s could not be written: %s", method_name(id),
                         amqp_error_string2(size));
    wire_put_32(payload, id);
    frame_put_head(at, FRAME_METHOD, channel, (uint32_t)size + 4);
    frame_put_end(payload + 4 + size);
    buffer_commit(output, (size_t)size + 4 + FRAME_OVERHEAD);
    return ACKD_OK;
}

uint8_t *method_put_settle(uint8_t *at, uint16_t channel, uint32_t id, uint64_t tag, uint8_t bits)
{
    at = frame_put_head(at, FRAME_METHOD, channel, METHOD_SETTLE_SIZE - FRAME_OVERHEAD);
    at = wire_put_32(at, id);
    at = wire_put_64(at, tag);
    at = wire_put_8(at, bits);
    return frame_put_end(at);
}

int method_string(const char *text, const char *what, amqp_bytes_t *ret_string)
{
    size_t size = strlen(text);
    if (size > METHOD_NAME_MAX)
        return ackd_fail(ACKD_E_INVAL, "the %s '%.40s...' has %zu bytes, at most %d", what, text,
                         size, METHOD_NAME_MAX);
    *ret_string = method_bytes(text, size);
    return ACKD_OK;
}
