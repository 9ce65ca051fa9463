/* SPDX-License-Identifier: MIT */
/*
 * connection - bytes in, events out: the frames of a connection in their order.
 *
 * Method and header frames are taken when they are whole; the payload of a body frame is taken as
 * it comes, and read straight into the body where it is large. It must not know what a method
 * means.
 */
#include <config.h>

#include "amqp/connection.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/content.h"
#include "amqp/incoming.h"
#include "amqp/inside.h"
#include "amqp/login.h"
#include "amqp/method.h"
#include "amqp/peer.h"
#include "amqp/properties.h"
#include "amqp/whole.h"
#include "base/assert.h"
#include "base/error.h"

enum {
    CONNECTION_INPUT_SIZE = 65536, /* one read of the socket; small messages by the hundred */
    CONNECTION_DIRECT_MIN = 16384, /* a body of which more is to come is read into its place */
    CONNECTION_HEADER_MAX = 1024 * 1024,
    CONNECTION_MESSAGE_MAX = 64 * 1024 * 1024,
    CONNECTION_OUTPUT_MAX = 256 * 1024 * 1024,
    CONNECTION_OVERSIZED = 64 /* so many times header_frame_max a header may have and be skipped */
};

static int copy_text(const char *text, char **ret_copy)
{
    *ret_copy = strdup(text == NULL ? "" : text);
    return *ret_copy == NULL ? ackd_fail(ACKD_E_NOMEM, "the options of a connection") : ACKD_OK;
}

static int copy_options(struct connection *connection, const struct connection_options *options)
{
    ACKD_TRY(copy_text(options->user, &connection->user));
    ACKD_TRY(copy_text(options->password, &connection->password));
    ACKD_TRY(copy_text(options->vhost, &connection->vhost));
    ACKD_TRY(copy_text(options->name, &connection->name));
    ACKD_TRY(copy_text(options->version, &connection->version));
    connection->mechanism = options->mechanism;
    connection->heartbeat_s = options->heartbeat_s;
    connection->header_frame_max =
        options->header_frame_max == 0 ? CONNECTION_HEADER_MAX : options->header_frame_max;
    connection->message_size_max =
        options->message_size_max == 0 ? CONNECTION_MESSAGE_MAX : options->message_size_max;
    if (connection->message_size_max > SIZE_MAX / 2)
        connection->message_size_max = SIZE_MAX / 2;
    return ACKD_OK;
}

int connection_new(const struct connection_options *options, struct delivery_pool *pool,
                   struct connection **ret_connection)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a connection");
    init_amqp_pool(&connection->methods, METHOD_POOL_PAGE);
    buffer_init(&connection->output,
                options->output_max == 0 ? CONNECTION_OUTPUT_MAX : options->output_max);
    connection->pool = pool;
    connection->limits.method_max = LOGIN_INPUT_SIZE - FRAME_OVERHEAD;
    int code = copy_options(connection, options);
    if (code == ACKD_OK)
        code = input_init(&connection->input, LOGIN_INPUT_SIZE);
    if (code != ACKD_OK) {
        connection_free(&connection);
        return code;
    }
    *ret_connection = connection;
    return ACKD_OK;
}

void connection_free(struct connection **connection)
{
    struct connection *freed = *connection;
    if (freed == NULL)
        return;
    for (size_t i = 0; i < freed->channel_count; i++)
        content_drop(&freed->channels[i]);
    free(freed->channels);
    login_wipe(freed);
    free(freed->vhost);
    free(freed->name);
    free(freed->version);
    input_fini(&freed->input);
    buffer_fini(&freed->output);
    empty_amqp_pool(&freed->methods);
    free(freed);
    *connection = NULL;
}

int connection_start(struct connection *connection)
{
    if (connection->state != INSIDE_NEW)
        return ackd_fail(ACKD_E_NOT_OPEN, "the connection was started before");
    ACKD_TRY(login_header(connection));
    connection->state = INSIDE_STARTING;
    return ACKD_OK;
}

/* The channel whose message the open fragment belongs to; NULL where its bytes are dropped. */
static struct channel *fragment_channel(const struct connection *connection)
{
    struct channel *channel = inside_channel(connection, connection->fragment.frame.channel);
    return channel == NULL || !inside_counts(connection, channel) ? NULL : channel;
}

/* Whether the next bytes are read into a body: none of it is in the input, and it is worth it. */
static bool space_in_body(struct connection *connection)
{
    struct fragment *fragment = &connection->fragment;
    if (!fragment->open || fragment->left == 0 || fragment->frame.type != FRAME_BODY ||
        input_size(&connection->input) > 0)
        return false;
    const struct channel *channel = fragment_channel(connection);
    if (channel == NULL)
        return false;
    const struct content *content = &channel->content;
    if (content->at == NULL || content->delivery->large_body == NULL)
        return false;
    if (content->left >= CONNECTION_DIRECT_MIN)
        fragment->direct = true;
    return fragment->direct;
}

/* How many bytes may follow those in the input, when the rest is better read into a body; 0: any.
 */
static size_t space_bound(const struct connection *connection)
{
    size_t size = input_size(&connection->input);
    if (!connection->body_goes_on || size >= FRAME_OVERHEAD)
        return 0;
    if (connection->fragment.open)
        return connection->fragment.left == 0 ? FRAME_OVERHEAD - size : 0;
    return size < FRAME_HEAD_SIZE ? FRAME_HEAD_SIZE - size : 0;
}

void connection_space(struct connection *connection, uint8_t **ret_at, size_t *ret_size)
{
    if (connection->state == INSIDE_DEAD)
        input_clear(&connection->input);
    connection->space_is_body = connection->state != INSIDE_DEAD && space_in_body(connection);
    if (connection->space_is_body) {
        *ret_at = fragment_channel(connection)->content.at;
        *ret_size = (size_t)connection->fragment.left + FRAME_OVERHEAD;
        return;
    }
    input_space(&connection->input, ret_at, ret_size);
    ackd_assert(*ret_size > 0);
    size_t bound = space_bound(connection);
    if (bound > 0 && bound < *ret_size)
        *ret_size = bound;
}

/* The end octet and the next head came with the last bytes of a fragment: they go where the next
 * bytes of the body do, so they are moved out first. */
static void received_behind(struct connection *connection, const uint8_t *bytes, size_t size)
{
    uint8_t *at = NULL;
    size_t room = 0;
    input_space(&connection->input, &at, &room);
    ackd_assert(size <= room);
    memcpy(at, bytes, size);
    connection->input.end += size;
}

void connection_received(struct connection *connection, size_t size)
{
    if (!connection->space_is_body) {
        ackd_assert(size <= connection->input.capacity - connection->input.end);
        connection->input.end += size;
        return;
    }
    connection->space_is_body = false;
    struct channel *channel = fragment_channel(connection);
    ackd_assert(channel != NULL);
    struct content *content = &channel->content;
    size_t left = connection->fragment.left;
    size_t taken = size < left ? size : left;
    ackd_assert(size - taken <= FRAME_OVERHEAD);
    if (size > taken)
        received_behind(connection, content->at + taken, size - taken);
    content_fill(content, NULL, taken);
    connection->fragment.left -= (uint32_t)taken;
}

struct buffer *connection_output(struct connection *connection)
{
    return &connection->output;
}

/* Whether so much of the body is to come that it is better read into its place. */
static bool fragment_goes_on(const struct channel *channel)
{
    return channel != NULL && channel->content.at != NULL &&
           channel->content.left >= CONNECTION_DIRECT_MIN;
}

/* Go on with the open fragment. */
static int fragment_next(struct connection *connection, struct connection_event *event)
{
    struct fragment *fragment = &connection->fragment;
    struct input *input = &connection->input;
    struct channel *channel = fragment_channel(connection);
    size_t size = input_size(input);
    if (size > fragment->left)
        size = fragment->left;
    if (size > 0) {
        if (channel != NULL && fragment->frame.type == FRAME_BODY)
            content_fill(&channel->content, input_bytes(input), size);
        fragment->left -= (uint32_t)size;
        input_take(input, size);
    }
    connection->body_goes_on = fragment_goes_on(channel);
    if (fragment->left > 0 || input_size(input) == 0)
        return TAKEN_NOTHING;
    connection->fault = FAULT_FRAME;
    ACKD_TRY(frame_end(&fragment->frame, *input_bytes(input)));
    connection->fault = 0;
    input_take(input, FRAME_END_SIZE);
    fragment->open = false;
    return channel == NULL ? TAKEN_SILENT : content_end(channel, event);
}

static void fragment_open(struct connection *connection, const struct frame *frame, uint32_t taken)
{
    connection->fragment =
        (struct fragment){.frame = *frame, .left = frame->size - taken, .open = true};
    input_take(&connection->input, FRAME_HEAD_SIZE + (size_t)taken);
}

/* The channel that content belongs to; NULL where it is ignored. ACKD_E_PROTOCOL if it was never
 * opened. */
static int content_channel(struct connection *connection, const struct frame *frame,
                           struct channel **ret_channel)
{
    struct channel *channel = inside_channel(connection, frame->channel);
    if (connection->state == INSIDE_OPEN && (channel == NULL || channel->state == CHANNEL_FREE))
        return inside_fault(connection, FAULT_CHANNEL, "a %s frame on channel %u, which %s",
                            frame_type_name(frame->type), frame->channel,
                            incoming_channel_state(connection, frame->channel));
    *ret_channel = channel != NULL && inside_counts(connection, channel) ? channel : NULL;
    return ACKD_OK;
}

static int take_body(struct connection *connection, const struct frame *frame,
                     struct connection_event *event)
{
    struct channel *channel = NULL;
    ACKD_TRY(content_channel(connection, frame, &channel));
    if (channel != NULL)
        ACKD_TRY(content_body(connection, channel, frame->size));
    fragment_open(connection, frame, 0);
    return fragment_next(connection, event);
}

static int take_header_oversized(struct connection *connection, const struct frame *frame,
                                 struct connection_event *event)
{
    struct channel *channel = NULL;
    ACKD_TRY(content_channel(connection, frame, &channel));
    if (input_size(&connection->input) < FRAME_HEAD_SIZE + PROPERTIES_PREFIX_SIZE)
        return TAKEN_NOTHING;
    if (channel != NULL)
        ACKD_TRY(content_header_oversized(
            connection, channel, input_bytes(&connection->input) + FRAME_HEAD_SIZE, frame->size));
    fragment_open(connection, frame, PROPERTIES_PREFIX_SIZE);
    return fragment_next(connection, event);
}

/* A frame that is whole and is not a body. */
static int take_frame(struct connection *connection, const struct frame *frame,
                      const uint8_t *payload, struct connection_event *event)
{
    if (frame->type == FRAME_METHOD)
        return incoming_method(connection, frame->channel, payload, frame->size, event);
    if (frame->type == FRAME_HEARTBEAT)
        return TAKEN_SILENT;
    struct channel *channel = NULL;
    ACKD_TRY(content_channel(connection, frame, &channel));
    return channel == NULL ? TAKEN_SILENT
                           : content_header(connection, channel, payload, frame->size, event);
}

/* Whatever comes next in the input. */
static int take_next(struct connection *connection, struct connection_event *event)
{
    struct input *input = &connection->input;
    if (connection->fragment.open) {
        event->channel = connection->fragment.frame.channel;
        return fragment_next(connection, event);
    }
    int whole_message = whole_take(connection, event);
    if (whole_message != TAKEN_NOTHING)
        return whole_message;
    if (connection->state == INSIDE_STARTING) {
        bool known = false;
        ACKD_TRY(peer_check(input_bytes(input), input_size(input), &known));
        if (!known)
            return TAKEN_NOTHING;
    }
    if (input_size(input) < FRAME_HEAD_SIZE)
        return TAKEN_NOTHING;
    struct frame frame;
    connection->fault = FAULT_FRAME;
    ACKD_TRY(frame_head(input_bytes(input), &connection->limits, &frame));
    connection->fault = 0;
    connection->body_goes_on = false;
    event->channel = frame.channel;
    if (frame.type == FRAME_BODY)
        return take_body(connection, &frame, event);
    if (frame.type == FRAME_HEADER && frame.size > connection->header_frame_max)
        return take_header_oversized(connection, &frame, event);
    size_t whole = (size_t)frame.size + FRAME_OVERHEAD;
    if (input_size(input) < whole) {
        ACKD_TRY(input_want(input, whole));
        return TAKEN_NOTHING;
    }
    const uint8_t *bytes = input_bytes(input);
    connection->fault = FAULT_FRAME;
    ACKD_TRY(frame_end(&frame, bytes[whole - 1]));
    connection->fault = 0;
    int taken = take_frame(connection, &frame, bytes + FRAME_HEAD_SIZE, event);
    if (taken >= 0)
        input_take(input, whole);
    return taken;
}

static uint32_t least_of(uint32_t one, uint32_t other)
{
    return one < other ? one : other;
}

/* The limits that were agreed hold from now on, and there is room to read fast. */
static int opened(struct connection *connection)
{
    uint32_t payload_max = connection->frame_max - FRAME_OVERHEAD;
    uint32_t skipped_max = UINT32_MAX / CONNECTION_OVERSIZED;
    connection->limits = (struct frame_limits){
        .method_max = least_of(payload_max, CONNECTION_HEADER_MAX),
        .header_max = least_of(connection->header_frame_max, skipped_max) * CONNECTION_OVERSIZED,
        .body_max = payload_max,
        .channel_max = connection->channel_max,
    };
    connection->limits.least_max = least_of(connection->limits.method_max, payload_max);
    connection->limits.least_max =
        least_of(connection->limits.least_max, connection->limits.header_max);
    return input_resize(&connection->input, CONNECTION_INPUT_SIZE);
}

/* Tell the peer why, where he lets us; the error stays the current one. */
static void fail_close(struct connection *connection)
{
    const struct ackd_error *error = error_take();
    const char *text = ackd_error_text(error);
    size_t size = strlen(text);
    amqp_connection_close_t close = {
        .reply_code = connection->fault,
        .reply_text = amqp_cstring_bytes(text),
        .class_id = connection->fault_class,
        .method_id = connection->fault_method,
    };
    if (size > METHOD_NAME_MAX)
        close.reply_text.len = METHOD_NAME_MAX;
    if (method_write(&connection->output, 0, AMQP_CONNECTION_CLOSE_METHOD, &close, METHOD_ROOM) !=
        ACKD_OK)
        error_clear();
    if (error != NULL)
        error_give(error);
}

static void fail(struct connection *connection, int code, struct connection_event *event)
{
    const char *text = ackd_error_text(error_for(code));
    if (connection->fault == 0)
        connection->fault = code == ACKD_E_PROTOCOL ? FAULT_FRAME : FAULT_INTERNAL;
    *event = (struct connection_event){
        .kind = CONNECTION_FAILED,
        .code = connection->fault,
        .class_id = connection->fault_class,
        .method_id = connection->fault_method,
        .text = incoming_text(connection, text, strlen(text)),
    };
    if (connection->state == INSIDE_OPEN)
        fail_close(connection);
    connection->state = INSIDE_DEAD;
    connection->fragment.open = false;
}

bool connection_next(struct connection *connection, struct connection_event *ret_event)
{
    if (connection->state == INSIDE_DEAD || connection->state == INSIDE_NEW)
        return false;
    *ret_event = (struct connection_event){.text = ""};
    int taken = TAKEN_NOTHING;
    do {
        taken = take_next(connection, ret_event);
    } while (taken == TAKEN_SILENT);
    if (taken == TAKEN_NOTHING)
        return false;
    if (taken == TAKEN_EVENT && ret_event->kind == CONNECTION_OPENED)
        taken = opened(connection) == ACKD_OK ? TAKEN_EVENT : ACKD_E_NOMEM;
    if (taken < 0)
        fail(connection, taken, ret_event);
    return true;
}

uint32_t connection_frame_max(const struct connection *connection)
{
    return connection->frame_max;
}

uint16_t connection_heartbeat_s(const struct connection *connection)
{
    return connection->heartbeat_s;
}

uint16_t connection_channel_max(const struct connection *connection)
{
    return connection->channel_max;
}

const char *connection_server(const struct connection *connection)
{
    return connection->server;
}

const char *connection_step(const struct connection *connection)
{
    static const char *const steps[] = {
        [INSIDE_NEW] = "the protocol header",
        [INSIDE_STARTING] = "connection.start",
        [INSIDE_TUNING] = "connection.tune",
        [INSIDE_OPENING] = "connection.open-ok",
        [INSIDE_OPEN] = "open",
        [INSIDE_CLOSING] = "connection.close-ok",
        [INSIDE_DEAD] = "closed",
    };
    return steps[connection->state];
}

int connection_heartbeat(struct connection *connection)
{
    if (connection->state != INSIDE_OPENING && connection->state != INSIDE_OPEN)
        return ackd_fail(ACKD_E_NOT_OPEN, "a heartbeat while %s is awaited",
                         connection_step(connection));
    uint8_t bytes[FRAME_OVERHEAD];
    frame_put_end(frame_put_head(bytes, FRAME_HEARTBEAT, 0, 0));
    return buffer_append(&connection->output, bytes, sizeof bytes);
}

int connection_close(struct connection *connection, uint16_t code, const char *text)
{
    if (connection->state != INSIDE_OPEN)
        return ackd_fail(ACKD_E_NOT_OPEN, "the connection is not open: %s",
                         connection_step(connection));
    amqp_connection_close_t close = {.reply_code = code};
    ACKD_TRY(method_string(text, "reason of a close", &close.reply_text));
    ACKD_TRY(
        method_write(&connection->output, 0, AMQP_CONNECTION_CLOSE_METHOD, &close, METHOD_ROOM));
    connection->state = INSIDE_CLOSING;
    for (size_t i = 0; i < connection->channel_count; i++)
        content_drop(&connection->channels[i]);
    return ACKD_OK;
}
