/* SPDX-License-Identifier: MIT */
/* The fake broker and the client's side against each other. */
#include <config.h>

#include "fakebroker.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/channel.h"
#include "amqp/connection.h"
#include "main.h"

enum { EVENTS_MAX = 256 };

/* A client of the broker, and what it was told. */
struct client {
    struct fakebroker_link *link;
    struct connection *connection;
    struct connection_event events[EVENTS_MAX];
    char texts[EVENTS_MAX][256];
    size_t count; /* events; read from the front by next() */
    size_t at;
};

static struct fakebroker *broker;
static struct delivery_pool *pool;

static struct ackd_bytes bytes_of(const char *text)
{
    return (struct ackd_bytes){.data = text, .size = strlen(text)};
}

static void setup(void)
{
    struct fakebroker_options options = {.user = "guest", .password = "secret"};
    broker = fakebroker_new(&options);
    ck_assert_int_eq(delivery_pool_new(0, 16, &pool), ACKD_OK);
}

static void teardown(void)
{
    fakebroker_free(&broker);
    delivery_pool_free(&pool);
}

static void take_events(struct client *client)
{
    struct connection_event event;
    while (connection_next(client->connection, &event)) {
        test_that(client->count < EVENTS_MAX);
        snprintf(client->texts[client->count], sizeof client->texts[0], "%s", event.text);
        client->events[client->count++] = event;
    }
}

/* Carry bytes both ways until nothing moves. */
static void run(struct client *client)
{
    bool moved = true;
    while (moved) {
        moved = false;
        struct buffer *out = connection_output(client->connection);
        if (buffer_size(out) > 0) {
            fakebroker_receive(client->link, buffer_bytes(out), buffer_size(out));
            buffer_clear(out);
            moved = true;
        }
        struct buffer *in = fakebroker_output(client->link);
        while (buffer_size(in) > 0) {
            uint8_t *at = NULL;
            size_t size = 0;
            connection_space(client->connection, &at, &size);
            size = size < buffer_size(in) ? size : buffer_size(in);
            memcpy(at, buffer_bytes(in), size);
            buffer_consume(in, size);
            connection_received(client->connection, size);
            take_events(client);
            fakebroker_sent(client->link);
            moved = true;
        }
    }
}

static struct connection_event *next(struct client *client, enum connection_event_kind kind)
{
    run(client);
    if (client->at == client->count)
        ck_abort_msg("nothing came, expected an event %d", (int)kind);
    struct connection_event *event = &client->events[client->at];
    if (event->kind != kind)
        ck_abort_msg("an event %d (%s), expected %d", (int)event->kind, client->texts[client->at],
                     (int)kind);
    event->text = client->texts[client->at++];
    return event;
}

static void nothing(struct client *client)
{
    run(client);
    if (client->at != client->count)
        ck_abort_msg("an event %d (%s), expected none", (int)client->events[client->at].kind,
                     client->texts[client->at]);
}

static struct client *connect_as(const char *password)
{
    struct client *client = calloc(1, sizeof *client);
    test_that(client != NULL);
    struct connection_options options = {.user = "guest",
                                         .password = password,
                                         .vhost = "/",
                                         .name = "test",
                                         .version = "0",
                                         .heartbeat_s = 10};
    client->link = fakebroker_accept(broker);
    ck_assert_int_eq(connection_new(&options, pool, &client->connection), ACKD_OK);
    ck_assert_int_eq(connection_start(client->connection), ACKD_OK);
    run(client);
    return client;
}

static struct client *connect_with_channel(void)
{
    struct client *client = connect_as("secret");
    next(client, CONNECTION_OPENED);
    ck_assert_int_eq(channel_open(client->connection, 1), ACKD_OK);
    next(client, CHANNEL_OPENED);
    return client;
}

static void gone(struct client *client)
{
    for (size_t i = client->at; i < client->count; i++)
        delivery_free(&client->events[i].delivery);
    if (client->link != NULL)
        fakebroker_hang_up(&client->link);
    connection_free(&client->connection);
    free(client);
}

static void put(const char *queue, const char *body)
{
    fakebroker_put(broker, queue, NULL, bytes_of(body));
}

static void consume(struct client *client, const char *queue, uint16_t prefetch)
{
    ck_assert_int_eq(channel_qos(client->connection, 1, prefetch), ACKD_OK);
    next(client, CHANNEL_QOS_OK);
    ck_assert_int_eq(channel_consume(client->connection, 1, queue, "c", NULL), ACKD_OK);
    ck_assert_str_eq(next(client, CHANNEL_CONSUME_OK)->text, "c");
}

/* The next delivery, which must be of @body; returns its tag. */
static uint64_t expect(struct client *client, const char *body, bool redelivered)
{
    struct connection_event *event = next(client, CHANNEL_DELIVERY);
    struct delivery *delivery = event->delivery;
    if (delivery->body.size != strlen(body) || memcmp(delivery->body.data, body, strlen(body)) != 0)
        ck_abort_msg("it was %.*s, expected %s", (int)delivery->body.size,
                     (const char *)delivery->body.data, body);
    ck_assert_int_eq(delivery->redelivered, redelivered);
    uint64_t tag = delivery->tag;
    delivery_free(&event->delivery);
    return tag;
}

START_TEST(test_a_login_with_the_wrong_password_is_refused)
{
    struct client *client = connect_as("wrong");
    struct connection_event *event = next(client, CONNECTION_CLOSED);
    ck_assert_uint_eq(event->code, 403);
    ck_assert(fakebroker_ended(client->link));
    ck_assert_uint_eq(fakebroker_counts(broker)->logins_refused, 1);
    gone(client);
}
END_TEST

START_TEST(test_messages_come_in_order_up_to_the_prefetch)
{
    fakebroker_declare(broker, "q", NULL, 0);
    put("q", "1");
    put("q", "2");
    put("q", "3");
    struct client *client = connect_with_channel();
    consume(client, "q", 2);
    ck_assert_uint_eq(expect(client, "1", false), 1);
    ck_assert_uint_eq(expect(client, "2", false), 2);
    nothing(client);
    ck_assert_uint_eq(fakebroker_depth(broker, "q"), 1);
    ck_assert_uint_eq(fakebroker_unacked(broker, "q"), 2);
    ck_assert_int_eq(channel_ack(client->connection, 1, 1, false), ACKD_OK);
    ck_assert_uint_eq(expect(client, "3", false), 3);
    ck_assert_int_eq(channel_ack(client->connection, 1, 3, true), ACKD_OK);
    nothing(client);
    ck_assert_uint_eq(fakebroker_counts(broker)->acked, 3);
    ck_assert_uint_eq(fakebroker_counts(broker)->ack_frames, 2);
    ck_assert_uint_eq(fakebroker_unacked(broker, "q"), 0);
    gone(client);
}
END_TEST

/* B1 */
START_TEST(test_a_wrong_tag_closes_the_channel)
{
    static const struct {
        uint64_t tag;
        bool multiple;
    } rows[] = {{4, false}, {1, false}, {1, true}, {4, true}, {UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        teardown();
        setup();
        fakebroker_declare(broker, "q", NULL, 0);
        for (int j = 0; j < 3; j++)
            put("q", "x");
        struct client *client = connect_with_channel();
        consume(client, "q", 10);
        for (int j = 0; j < 3; j++)
            expect(client, "x", false);
        ck_assert_int_eq(channel_ack(client->connection, 1, 1, false), ACKD_OK);
        ck_assert_int_eq(channel_ack(client->connection, 1, rows[i].tag, rows[i].multiple),
                         ACKD_OK);
        struct connection_event *event = next(client, CHANNEL_CLOSED);
        ck_assert_uint_eq(event->code, 406);
        ck_assert_uint_eq(event->class_id, 60);
        ck_assert_uint_eq(event->method_id, 80);
        ck_assert_ptr_nonnull(strstr(event->text, "PRECONDITION_FAILED - unknown delivery tag"));
        nothing(client);
        ck_assert_uint_eq(fakebroker_counts(broker)->unknown_tags, 1);
        ck_assert_uint_eq(fakebroker_depth(broker, "q"), 2);
        ck_assert_uint_eq(fakebroker_counts(broker)->faults, 0);
        gone(client);
    }
}
END_TEST

/* B2 */
START_TEST(test_what_is_not_settled_goes_back_to_its_place)
{
    fakebroker_declare(broker, "q", NULL, 0);
    const char *bodies[] = {"0", "1", "2", "3", "4"};
    for (int i = 0; i < 5; i++)
        put("q", bodies[i]);
    struct client *client = connect_with_channel();
    consume(client, "q", 4);
    for (int i = 0; i < 4; i++)
        expect(client, bodies[i], false);
    ck_assert_int_eq(channel_ack(client->connection, 1, 3, false), ACKD_OK);
    expect(client, "4", false);
    gone(client);
    client = connect_with_channel();
    consume(client, "q", 10);
    expect(client, "0", true);
    expect(client, "1", true);
    expect(client, "3", true);
    ck_assert_uint_eq(expect(client, "4", true), 4);
    nothing(client);
    gone(client);
}
END_TEST

START_TEST(test_nack_and_reject_requeue_or_drop)
{
    fakebroker_declare(broker, "q", NULL, 0);
    put("q", "a");
    struct client *client = connect_with_channel();
    consume(client, "q", 1);
    expect(client, "a", false);
    ck_assert_int_eq(channel_nack(client->connection, 1, 1, false, true), ACKD_OK);
    expect(client, "a", true);
    ck_assert_int_eq(channel_reject(client->connection, 1, 2, true), ACKD_OK);
    expect(client, "a", true);
    ck_assert_int_eq(channel_reject(client->connection, 1, 3, false), ACKD_OK);
    nothing(client);
    const struct fakebroker_counts *counts = fakebroker_counts(broker);
    ck_assert_uint_eq(counts->released, 1);
    ck_assert_uint_eq(counts->retried, 1);
    ck_assert_uint_eq(counts->rejected, 1);
    ck_assert_uint_eq(counts->dropped, 1);
    gone(client);
}
END_TEST

START_TEST(test_publishes_are_stored_then_confirmed_and_returned_before_that)
{
    fakebroker_declare(broker, "q", NULL, 0);
    struct client *client = connect_with_channel();
    ck_assert_int_eq(channel_confirm_select(client->connection, 1), ACKD_OK);
    next(client, CHANNEL_CONFIRM_OK);
    struct properties properties = {.delivery_mode = 2, .priority = -1, .message_id = "m-1"};
    struct channel_argument more = {"x-why", "because"};
    char *body = calloc(1, 300000);
    memset(body, 'b', 300000);
    ck_assert_int_eq(channel_publish(client->connection, 1, "", "q", &properties, &more, 1,
                                     (struct ackd_bytes){.data = body, .size = 300000}),
                     ACKD_OK);
    ck_assert_uint_eq(next(client, CHANNEL_CONFIRMED)->tag, 1);
    struct arena arena;
    arena_init(&arena, NULL, 0);
    struct ackd_bytes stored;
    struct properties read;
    ck_assert(fakebroker_look(broker, "q", 0, &arena, &stored, &read));
    ck_assert_uint_eq(stored.size, 300000);
    ck_assert_mem_eq(stored.data, body, 300000);
    ck_assert_str_eq(read.message_id, "m-1");
    ck_assert_uint_eq(read.headers.size, 1 + 5 + 1 + 4 + 7);
    arena_fini(&arena);
    ck_assert_int_eq(
        channel_publish(client->connection, 1, "", "nowhere", &properties, NULL, 0, bytes_of("x")),
        ACKD_OK);
    struct connection_event *event = next(client, CHANNEL_RETURNED);
    ck_assert_int_eq(event->delivery->return_code, 312);
    delivery_free(&event->delivery);
    ck_assert_uint_eq(next(client, CHANNEL_CONFIRMED)->tag, 2);
    fakebroker_refuse_publishes(broker, true);
    ck_assert_int_eq(
        channel_publish(client->connection, 1, "", "q", &properties, NULL, 0, bytes_of("")),
        ACKD_OK);
    ck_assert_uint_eq(next(client, CHANNEL_REFUSED)->tag, 3);
    fakebroker_refuse_publishes(broker, false);
    ck_assert_int_eq(
        channel_publish(client->connection, 1, "no such", "q", &properties, NULL, 0, bytes_of("")),
        ACKD_OK);
    ck_assert_uint_eq(next(client, CHANNEL_CLOSED)->code, 404);
    free(body);
    gone(client);
}
END_TEST

START_TEST(test_held_confirms_come_as_one)
{
    fakebroker_declare(broker, "q", NULL, 0);
    struct client *client = connect_with_channel();
    ck_assert_int_eq(channel_confirm_select(client->connection, 1), ACKD_OK);
    next(client, CHANNEL_CONFIRM_OK);
    struct properties none = {.delivery_mode = -1, .priority = -1};
    fakebroker_hold_confirms(broker, true);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            channel_publish(client->connection, 1, "", "q", &none, NULL, 0, bytes_of("x")),
            ACKD_OK);
    nothing(client);
    ck_assert_uint_eq(fakebroker_depth(broker, "q"), 3);
    fakebroker_hold_confirms(broker, false);
    struct connection_event *event = next(client, CHANNEL_CONFIRMED);
    ck_assert_uint_eq(event->tag, 3);
    ck_assert(event->multiple);
    gone(client);
}
END_TEST

START_TEST(test_a_lane_gives_its_messages_back_when_their_time_has_come)
{
    static const struct fakebroker_argument lane[] = {{"x-queue-type", "quorum"},
                                                      {"x-message-ttl", "1000"},
                                                      {"x-dead-letter-exchange", ""},
                                                      {"x-dead-letter-routing-key", "q"}};
    fakebroker_declare(broker, "q", NULL, 0);
    fakebroker_declare(broker, "q.retry.1000", lane, 4);
    fakebroker_tick(broker, 1000000000);
    put("q.retry.1000", "later");
    ck_assert_uint_eq(fakebroker_next_ns(broker), 2000000000);
    fakebroker_tick(broker, 1999999999);
    ck_assert_uint_eq(fakebroker_depth(broker, "q"), 0);
    fakebroker_tick(broker, 2000000000);
    ck_assert_uint_eq(fakebroker_depth(broker, "q"), 1);
    ck_assert_uint_eq(fakebroker_depth(broker, "q.retry.1000"), 0);
    ck_assert_uint_eq(fakebroker_counts(broker)->dead_lettered, 1);
}
END_TEST

START_TEST(test_a_quorum_queue_counts_deliveries_up_to_its_limit)
{
    static const struct fakebroker_argument arguments[] = {{"x-queue-type", "quorum"},
                                                           {"x-delivery-limit", "2"}};
    fakebroker_declare(broker, "q", arguments, 2);
    put("q", "a");
    struct client *client = connect_with_channel();
    consume(client, "q", 1);
    for (uint64_t i = 0; i < 3; i++) {
        struct delivery *delivery = next(client, CHANNEL_DELIVERY)->delivery;
        struct ackd_headers walk = {.rest = delivery->properties.headers};
        struct ackd_header header = {0};
        ck_assert_int_eq(ackd_headers_next(&walk, &header), i > 0);
        ck_assert_int_eq(header.integer, (int64_t)i);
        ck_assert_int_eq(channel_nack(client->connection, 1, delivery->tag, false, true), ACKD_OK);
        client->events[client->at - 1].delivery = NULL;
        delivery_free(&delivery);
    }
    nothing(client);
    ck_assert_uint_eq(fakebroker_counts(broker)->dropped, 1);
    gone(client);
}
END_TEST

START_TEST(test_queues_are_declared_asked_for_and_missed)
{
    struct client *client = connect_with_channel();
    struct channel_field arguments[] = {CHANNEL_FIELD_TEXT("x-queue-type", "quorum")};
    ck_assert_int_eq(channel_declare_queue(client->connection, 1, "q", false, arguments, 1),
                     ACKD_OK);
    ck_assert_str_eq(next(client, CHANNEL_DECLARE_OK)->text, "q");
    put("q", "x");
    ck_assert_int_eq(channel_declare_queue(client->connection, 1, "q", true, NULL, 0), ACKD_OK);
    struct connection_event *event = next(client, CHANNEL_DECLARE_OK);
    ck_assert_uint_eq(event->messages, 1);
    ck_assert_uint_eq(event->consumers, 0);
    ck_assert_int_eq(channel_declare_queue(client->connection, 1, "q", false, NULL, 0), ACKD_OK);
    ck_assert_uint_eq(next(client, CHANNEL_CLOSED)->code, 406);
    ck_assert_uint_eq(channel_free_number(client->connection), 2);
    ck_assert_int_eq(channel_open(client->connection, 1), ACKD_E_NOT_OPEN); /* N2 */
    ck_assert_int_eq(channel_open(client->connection, 2), ACKD_OK);
    next(client, CHANNEL_OPENED);
    ck_assert_int_eq(channel_declare_queue(client->connection, 2, "p", true, NULL, 0), ACKD_OK);
    event = next(client, CHANNEL_CLOSED);
    ck_assert_uint_eq(event->code, 404);
    ck_assert_uint_eq(event->channel, 2);
    ck_assert_str_eq(event->text, "NOT_FOUND - no queue 'p' in vhost '/'");
    gone(client);
}
END_TEST

/* R6, B3: it is repeated until the close-ok has come, which is said once. */
START_TEST(test_a_repeated_channel_close_is_answered_once)
{
    struct client *client = connect_with_channel();
    fakebroker_close_channel(client->link, 1, 406, "PRECONDITION_FAILED - timed out");
    fakebroker_close_channel(client->link, 1, 406, "PRECONDITION_FAILED - timed out");
    fakebroker_close_channel(client->link, 1, 406, "PRECONDITION_FAILED - timed out");
    ck_assert_uint_eq(next(client, CHANNEL_CLOSED)->code, 406);
    nothing(client);
    ck_assert_uint_eq(fakebroker_counts(broker)->faults, 0);
    ck_assert_int_eq(channel_open(client->connection, 2), ACKD_OK);
    next(client, CHANNEL_OPENED);
    gone(client);
}
END_TEST

START_TEST(test_deliveries_behind_our_close_are_dropped)
{
    fakebroker_declare(broker, "q", NULL, 0);
    struct client *client = connect_with_channel();
    consume(client, "q", 10);
    ck_assert_int_eq(channel_close(client->connection, 1, 200, "bye"), ACKD_OK);
    put("q", "late"); /* is in the broker's output before it reads our close */
    next(client, CHANNEL_CLOSE_OK);
    nothing(client);
    ck_assert_uint_eq(fakebroker_depth(broker, "q"), 1);
    ck_assert_int_eq(channel_open(client->connection, 1), ACKD_OK);
    next(client, CHANNEL_OPENED);
    consume(client, "q", 10);
    ck_assert_uint_eq(expect(client, "late", true), 1);
    gone(client);
}
END_TEST

START_TEST(test_both_close_a_channel_at_once)
{
    struct client *client = connect_with_channel();
    ck_assert_int_eq(channel_close(client->connection, 1, 200, "bye"), ACKD_OK);
    fakebroker_close_channel(client->link, 1, 406, "no");
    ck_assert_uint_eq(next(client, CHANNEL_CLOSED)->code, 406);
    nothing(client);
    ck_assert_uint_eq(fakebroker_counts(broker)->faults, 0);
    gone(client);
}
END_TEST

START_TEST(test_a_connection_closes_in_order_from_both_sides)
{
    fakebroker_declare(broker, "q", NULL, 0);
    put("q", "x");
    struct client *client = connect_with_channel();
    consume(client, "q", 10);
    expect(client, "x", false);
    ck_assert_int_eq(channel_ack(client->connection, 1, 1, false), ACKD_OK);
    ck_assert_int_eq(connection_close(client->connection, 200, "bye"), ACKD_OK);
    next(client, CONNECTION_CLOSE_OK);
    ck_assert(fakebroker_ended(client->link));
    ck_assert_uint_eq(fakebroker_counts(broker)->acked, 1);
    ck_assert_int_eq(channel_ack(client->connection, 1, 1, false), ACKD_E_NOT_OPEN);
    gone(client);
    client = connect_with_channel();
    fakebroker_close_connection(client->link, 320, "CONNECTION_FORCED - why");
    struct connection_event *event = next(client, CONNECTION_CLOSED);
    ck_assert_uint_eq(event->code, 320);
    nothing(client);
    ck_assert(fakebroker_ended(client->link));
    ck_assert_uint_eq(fakebroker_counts(broker)->faults, 0);
    gone(client);
}
END_TEST

START_TEST(test_canceled_consumers_keep_what_they_hold)
{
    fakebroker_declare(broker, "q", NULL, 0);
    put("q", "x");
    put("q", "y");
    struct client *client = connect_with_channel();
    consume(client, "q", 1);
    expect(client, "x", false);
    fakebroker_cancel(broker, "q");
    ck_assert_str_eq(next(client, CHANNEL_CANCELED)->text, "c");
    ck_assert_uint_eq(fakebroker_consumers(broker, "q"), 0);
    ck_assert_int_eq(channel_ack(client->connection, 1, 1, false), ACKD_OK);
    ck_assert_int_eq(channel_cancel(client->connection, 1, "unknown"), ACKD_OK);
    next(client, CHANNEL_CANCEL_OK);
    ck_assert_uint_eq(fakebroker_counts(broker)->acked, 1);
    fakebroker_delete(broker, "q");
    ck_assert(!fakebroker_has_queue(broker, "q"));
    gone(client);
}
END_TEST

START_TEST(test_more_than_the_prefetch_can_come)
{
    fakebroker_declare(broker, "q", NULL, 0);
    for (int i = 0; i < 4; i++)
        put("q", "x");
    struct client *client = connect_with_channel();
    consume(client, "q", 1);
    expect(client, "x", false);
    fakebroker_over_deliver(broker, 1);
    expect(client, "x", false);
    nothing(client);
    fakebroker_over_deliver(broker, 0);
    fakebroker_kill_queue(broker, "q"); /* row 23: once more, and the old tags are accepted */
    ck_assert_uint_eq(expect(client, "x", true), 3);
    nothing(client);
    ck_assert_int_eq(channel_ack(client->connection, 1, 1, false), ACKD_OK);
    ck_assert_int_eq(channel_ack(client->connection, 1, 2, false), ACKD_OK);
    nothing(client);
    ck_assert_uint_eq(fakebroker_counts(broker)->unknown_tags, 0);
    gone(client);
}
END_TEST

START_TEST(test_a_silent_link_says_nothing_until_it_speaks_again)
{
    fakebroker_declare(broker, "q", NULL, 0);
    struct client *client = connect_with_channel();
    consume(client, "q", 10);
    fakebroker_silence(client->link, true);
    put("q", "x");
    ck_assert_int_eq(channel_cancel(client->connection, 1, "c"), ACKD_OK);
    fakebroker_tick(broker, UINT64_C(6000000000));
    nothing(client);
    fakebroker_silence(client->link, false);
    next(client, CHANNEL_CANCEL_OK);
    nothing(client);
    gone(client);
}
END_TEST

START_TEST(test_heartbeats_go_out_and_a_client_without_is_dropped)
{
    struct client *client = connect_with_channel();
    ck_assert_uint_eq(fakebroker_next_ns(broker), UINT64_C(5000000000));
    fakebroker_tick(broker, UINT64_C(5000000000));
    ck_assert_uint_eq(buffer_size(fakebroker_output(client->link)), 8);
    nothing(client);
    ck_assert_int_eq(connection_heartbeat(client->connection), ACKD_OK);
    nothing(client);
    ck_assert_uint_eq(fakebroker_counts(broker)->heartbeats, 1);
    fakebroker_tick(broker, UINT64_C(34000000000));
    ck_assert(!fakebroker_ended(client->link));
    fakebroker_tick(broker, UINT64_C(35000000000));
    ck_assert(fakebroker_ended(client->link));
    gone(client);
}
END_TEST

START_TEST(test_a_blocked_broker_does_not_read_who_publishes)
{
    fakebroker_declare(broker, "q", NULL, 0);
    struct client *publisher = connect_with_channel();
    struct client *consumer = connect_with_channel();
    consume(consumer, "q", 10);
    struct properties none = {.delivery_mode = -1, .priority = -1};
    fakebroker_block(broker, "low on memory");
    nothing(publisher);
    ck_assert_int_eq(
        channel_publish(publisher->connection, 1, "", "q", &none, NULL, 0, bytes_of("x")), ACKD_OK);
    ck_assert_str_eq(next(publisher, CONNECTION_BLOCKED)->text, "low on memory");
    nothing(consumer);
    fakebroker_unblock(broker);
    next(publisher, CONNECTION_UNBLOCKED);
    expect(consumer, "x", false);
    gone(publisher);
    gone(consumer);
}
END_TEST

START_TEST(test_a_client_that_breaks_the_protocol_is_closed)
{
    struct fakebroker_link *link = fakebroker_accept(broker);
    fakebroker_receive(link, "GET / HTTP/1.1\r\n", 16);
    ck_assert(fakebroker_ended(link));
    ck_assert_mem_eq(buffer_bytes(fakebroker_output(link)), "AMQP\0\0\x09\x01", 8);
    fakebroker_hang_up(&link);
    ck_assert_uint_eq(fakebroker_counts(broker)->faults, 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("amqp/fakebroker");
    TCase *tc = tcase_create("fakebroker");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_a_login_with_the_wrong_password_is_refused);
    tcase_add_test(tc, test_messages_come_in_order_up_to_the_prefetch);
    tcase_add_test(tc, test_a_wrong_tag_closes_the_channel);
    tcase_add_test(tc, test_what_is_not_settled_goes_back_to_its_place);
    tcase_add_test(tc, test_nack_and_reject_requeue_or_drop);
    tcase_add_test(tc, test_publishes_are_stored_then_confirmed_and_returned_before_that);
    tcase_add_test(tc, test_held_confirms_come_as_one);
    tcase_add_test(tc, test_a_lane_gives_its_messages_back_when_their_time_has_come);
    tcase_add_test(tc, test_a_quorum_queue_counts_deliveries_up_to_its_limit);
    tcase_add_test(tc, test_queues_are_declared_asked_for_and_missed);
    tcase_add_test(tc, test_a_repeated_channel_close_is_answered_once);
    tcase_add_test(tc, test_deliveries_behind_our_close_are_dropped);
    tcase_add_test(tc, test_both_close_a_channel_at_once);
    tcase_add_test(tc, test_a_connection_closes_in_order_from_both_sides);
    tcase_add_test(tc, test_canceled_consumers_keep_what_they_hold);
    tcase_add_test(tc, test_more_than_the_prefetch_can_come);
    tcase_add_test(tc, test_a_silent_link_says_nothing_until_it_speaks_again);
    tcase_add_test(tc, test_heartbeats_go_out_and_a_client_without_is_dropped);
    tcase_add_test(tc, test_a_blocked_broker_does_not_read_who_publishes);
    tcase_add_test(tc, test_a_client_that_breaks_the_protocol_is_closed);
    suite_add_tcase(suite, tc);
    return suite;
}
