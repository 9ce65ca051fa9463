/* SPDX-License-Identifier: MIT */
/* client - callbacks of a stream that count. It must not know what the peer does. */
#include <config.h>

#include "client.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "main.h"

enum { CLIENT_SPACE = 16384 };

uint8_t client_byte(uint64_t place)
{
    return (uint8_t)(place * 7 + place / 251);
}

static struct client *client_called(void *arg)
{
    struct client *client = arg;
    if (client->inside)
        client->calls_inside++;
    return client;
}

static void client_opened(void *arg)
{
    struct client *client = client_called(arg);
    client->opened++;
    if (client->close_opened) {
        stream_close(&client->stream);
        loop_stop(client->loop);
    }
    if (client->stop_opened)
        loop_stop(client->loop);
}

static void client_space(void *arg, uint8_t **ret_at, size_t *ret_size)
{
    struct client *client = client_called(arg);
    *ret_size = client->space == 0 ? CLIENT_SPACE : client->space;
    test_that(buffer_reserve(&client->in, *ret_size, ret_at) == 0);
}

static void client_received(void *arg, size_t size)
{
    struct client *client = client_called(arg);
    test_that(size > 0);
    buffer_commit(&client->in, size);
    if (client->checks) {
        const uint8_t *at = buffer_bytes(&client->in) + buffer_size(&client->in) - size;
        for (size_t i = 0; i < size; i++)
            client->wrong = client->wrong || at[i] != client_byte(client->received + i);
    }
    client->received += size;
    if (client->discard)
        buffer_clear(&client->in);
    if (client->received_stop > 0 && client->received >= client->received_stop)
        loop_stop(client->loop);
}

static void client_sent(void *arg)
{
    struct client *client = client_called(arg);
    client->sent++;
    test_that(stream_unsent(client->stream) == 0);
    loop_stop(client->loop);
}

static void client_closed(void *arg, int code)
{
    struct client *client = client_called(arg);
    client->closed++;
    client->code = code;
    ck_assert_int_eq(ackd_error_code(ackd_error_current()), code);
    snprintf(client->text, sizeof client->text, "%s", ackd_error_text(ackd_error_current()));
    stream_close(&client->stream);
    loop_stop(client->loop);
}

void client_init(struct client *client, uint16_t port)
{
    *client = (struct client){.options = {.host = "127.0.0.1", .port = port}};
    buffer_init(&client->in, 64 << 20);
    buffer_init(&client->out, 64 << 20);
    ck_assert_int_eq(loop_new("client", &client->loop), 0);
}

void client_fini(struct client *client)
{
    stream_close(&client->stream);
    loop_free(&client->loop);
    buffer_fini(&client->in);
    buffer_fini(&client->out);
    ck_assert_uint_eq(client->calls_inside, 0);
    ck_assert_uint_le(client->closed, 1);
}

void client_open(struct client *client)
{
    static const struct stream_events events = {.opened = client_opened,
                                                .space = client_space,
                                                .received = client_received,
                                                .sent = client_sent,
                                                .closed = client_closed};
    client->inside = true;
    ck_assert_int_eq(stream_open(client->loop, &client->options, &events, client, &client->stream),
                     0);
    client->inside = false;
}

struct client_limit {
    struct timer timer;
    struct loop *loop;
};

static void client_stop(struct timer *timer)
{
    loop_stop(LIST_ITEM(timer, client_limit, timer)->loop);
}

void client_run(struct client *client, uint64_t ms)
{
    struct client_limit limit = {.loop = client->loop};
    timer_init(&limit.timer, client_stop);
    timer_start(loop_timers(client->loop), &limit.timer,
                timer_after_ms(loop_now_ns(client->loop), ms));
    loop_run(client->loop);
    timer_stop(&limit.timer);
}

void client_connect(struct client *client)
{
    client->stop_opened = true;
    client_open(client);
    client_run(client, 20000);
    client->stop_opened = false;
}

bool client_send(struct client *client, const void *at, size_t size)
{
    test_that(buffer_append(&client->out, at, size) == 0);
    client->inside = true;
    bool taken = stream_send(client->stream, &client->out);
    client->inside = false;
    test_that(!taken || buffer_size(&client->out) == 0);
    return taken;
}
