/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "io/stream.h"

#include <ackd/error.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "io/system.h"
#include "main.h"
#include "peer.h"

enum { BIG = 8 << 20 };

/* Send back what comes, until the end. */
static void echo(int fd, void *arg)
{
    char bytes[2048];
    (void)arg;
    for (;;) {
        ssize_t size = read(fd, bytes, sizeof bytes);
        if (size <= 0 || !peer_write(fd, bytes, (size_t)size))
            return;
    }
}

/* Say nothing until the other side goes away. */
static void hold(int fd, void *arg)
{
    char byte;
    (void)arg;
    while (read(fd, &byte, 1) > 0)
        ;
}

static void say_goodbye(int fd, void *arg)
{
    (void)arg;
    peer_write(fd, "goodbye", 7);
}

static void reset_after_5_bytes(int fd, void *arg)
{
    char bytes[5];
    (void)arg;
    peer_read(fd, bytes, 5);
    peer_write(fd, "hello", 5);
    peer_reset(fd);
}

static void pour(int fd, void *arg)
{
    size_t size = *(size_t *)arg;
    uint8_t bytes[2048];
    for (size_t place = 0; place < size;) {
        size_t part = size - place < sizeof bytes ? size - place : sizeof bytes;
        for (size_t i = 0; i < part; i++)
            bytes[i] = client_byte(place + i);
        if (!peer_write(fd, bytes, part))
            return;
        place += part;
    }
    hold(fd, NULL);
}

struct drain {
    sem_t start;
    size_t size;
    bool right;
};

static void drain(int fd, void *arg)
{
    struct drain *drain = arg;
    uint8_t bytes[2048];
    sem_wait(&drain->start);
    drain->right = true;
    for (size_t place = 0; place < drain->size;) {
        size_t part = drain->size - place < sizeof bytes ? drain->size - place : sizeof bytes;
        size_t got = peer_read(fd, bytes, part);
        for (size_t i = 0; i < got; i++)
            drain->right = drain->right && bytes[i] == client_byte(place + i);
        place += got;
        if (got < part) {
            drain->right = false;
            return;
        }
    }
    peer_write(fd, "done", 4);
    hold(fd, NULL);
}

START_TEST(test_connects_sends_and_receives)
{
    struct peer peer;
    struct client client;
    peer_start(&peer, echo, NULL);
    client_init(&client, peer.port);
    client_connect(&client);
    ck_assert_uint_eq(client.opened, 1);
    ck_assert_int_eq(strncmp(stream_peer(client.stream), "127.0.0.1:", 10), 0);
    client.received_stop = 5;
    ck_assert(client_send(&client, "hello", 5));
    ck_assert_uint_eq(stream_unsent(client.stream), 0);
    client_run(&client, 20000);
    ck_assert_uint_eq(client.received, 5);
    ck_assert_mem_eq(buffer_bytes(&client.in), "hello", 5);
    ck_assert_uint_eq(client.sent, 0);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_connects_by_name_trying_each_address)
{
    struct peer peer;
    struct client client;
    peer_start(&peer, echo, NULL);
    client_init(&client, peer.port);
    client.options.host = "localhost"; /* often ::1 first, where nobody listens */
    client_connect(&client);
    ck_assert_msg(client.opened == 1, "%s", client.text);
    ck_assert_int_eq(strncmp(stream_peer(client.stream), "127.0.0.1:", 10), 0);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_a_refused_connection_says_where_and_why)
{
    struct client client;
    client_init(&client, peer_free_port());
    client_connect(&client);
    ck_assert_uint_eq(client.opened, 0);
    ck_assert_uint_eq(client.closed, 1);
    ck_assert_int_eq(client.code, ACKD_E_OS);
    ck_assert_ptr_nonnull(strstr(client.text, "cannot connect to 127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(client.text, "nothing listens there"));
    client_fini(&client);
}
END_TEST

START_TEST(test_an_unknown_host_says_so)
{
    struct client client;
    client_init(&client, 5672);
    client.options.host = "no-such-host.invalid";
    client_connect(&client);
    ck_assert_uint_eq(client.closed, 1);
    ck_assert_msg(client.code == ACKD_E_RESOLVE || client.code == ACKD_E_TIMEOUT, "%s",
                  client.text);
    ck_assert_ptr_nonnull(strstr(client.text, "no-such-host.invalid"));
    client_fini(&client);
}
END_TEST

START_TEST(test_the_peer_closing_is_told_after_its_last_bytes)
{
    struct peer peer;
    struct client client;
    peer_start(&peer, say_goodbye, NULL);
    client_init(&client, peer.port);
    client_open(&client);
    client_run(&client, 20000);
    ck_assert_uint_eq(client.opened, 1);
    ck_assert_uint_eq(client.received, 7);
    ck_assert_uint_eq(client.closed, 1);
    ck_assert_int_eq(client.code, ACKD_E_DISCONNECTED);
    ck_assert_ptr_nonnull(strstr(client.text, "127.0.0.1:"));
    client_run(&client, 20);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_a_reset_is_a_lost_connection)
{
    struct peer peer;
    struct client client;
    peer_start(&peer, reset_after_5_bytes, NULL);
    client_init(&client, peer.port);
    client_connect(&client);
    ck_assert(client_send(&client, "hello, more", 11));
    client_run(&client, 20000);
    ck_assert_uint_eq(client.closed, 1);
    ck_assert_int_eq(client.code, ACKD_E_DISCONNECTED);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_a_write_to_a_gone_peer_fails_without_a_signal)
{
    struct peer peer;
    struct client client;
    uint8_t *bytes = calloc(1, BIG);
    peer_start(&peer, reset_after_5_bytes, NULL);
    client_init(&client, peer.port);
    client_connect(&client);
    ck_assert(client_send(&client, bytes, BIG));
    stream_pause(client.stream);
    ck_assert_uint_gt(stream_unsent(client.stream), 0);
    ck_assert(!client_send(&client, "more", 4));
    client_run(&client, 20000);
    ck_assert_uint_eq(client.closed, 1);
    ck_assert_uint_eq(client.sent, 0);
    ck_assert_int_eq(client.code, ACKD_E_DISCONNECTED);
    client_fini(&client);
    peer_stop(&peer);
    free(bytes);
}
END_TEST

START_TEST(test_receives_much_into_places_of_any_size)
{
    static const size_t spaces[] = {1, 7, 4096, 65536};
    size_t size = _i == 0 ? test_scale(100000) : test_scale(4 << 20);
    struct peer peer;
    struct client client;
    peer_start(&peer, pour, &size);
    client_init(&client, peer.port);
    client.space = spaces[_i];
    client.checks = client.discard = true;
    client.received_stop = size;
    client_open(&client);
    client_run(&client, 50000);
    ck_assert_uint_eq(client.received, size);
    ck_assert(!client.wrong);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_sends_much_in_one_piece_and_tells_when_it_is_gone)
{
    struct drain job = {.size = BIG};
    struct peer peer;
    struct client client;
    uint8_t *bytes = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = client_byte(i);
    sem_init(&job.start, 0, 0);
    peer_start(&peer, drain, &job);
    client_init(&client, peer.port);
    client_connect(&client);
    ck_assert(client_send(&client, bytes, BIG));
    size_t unsent = stream_unsent(client.stream);
    ck_assert_uint_gt(unsent, 0);
    ck_assert_uint_lt(unsent, BIG);
    client_run(&client, 20);
    ck_assert_uint_eq(client.sent, 0);
    sem_post(&job.start);
    client_run(&client, 20000);
    ck_assert_uint_eq(client.sent, 1);
    client.received_stop = 4;
    client_run(&client, 20000);
    ck_assert(job.right);
    client_fini(&client);
    peer_stop(&peer);
    sem_destroy(&job.start);
    free(bytes);
}
END_TEST

START_TEST(test_the_memory_of_writes_is_exchanged_and_not_grown)
{
    struct peer peer;
    struct client client;
    peer_start(&peer, echo, NULL);
    client_init(&client, peer.port);
    client_connect(&client);
    const uint8_t *places[2] = {NULL, NULL};
    for (size_t i = 0; i < 100; i++) {
        client.received_stop = (i + 1) * 5;
        ck_assert_int_eq(buffer_append(&client.out, "hello", 5), 0);
        if (i < 2)
            places[i] = client.out.data;
        ck_assert_ptr_eq(client.out.data, places[i % 2]);
        ck_assert(client_send(&client, NULL, 0));
        ck_assert_uint_eq(client.out.limit, 64 << 20);
        client_run(&client, 20000);
    }
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_receives_nothing_while_paused_and_all_of_it_later)
{
    size_t size = 100000;
    struct peer peer;
    struct client client;
    peer_start(&peer, pour, &size);
    client_init(&client, peer.port);
    client_open(&client);
    stream_pause(client.stream);
    client_run(&client, 50);
    ck_assert_uint_eq(client.opened, 1);
    ck_assert_uint_eq(client.received, 0);
    client.checks = true;
    client.space = 64;
    client.received_stop = 10000;
    stream_resume(client.stream);
    client_run(&client, 20000);
    stream_pause(client.stream);
    uint64_t before = client.received;
    client_run(&client, 50);
    ck_assert_uint_eq(client.received, before); /* S3 */
    client.received_stop = size;
    stream_resume(client.stream);
    client_run(&client, 20000);
    ck_assert_uint_eq(client.received, size);
    ck_assert(!client.wrong);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_closing_at_once_calls_nobody)
{
    struct client client;
    client_init(&client, peer_free_port());
    client.options.host = _i == 0 ? "127.0.0.1" : _i == 1 ? "localhost" : "no-such-host.invalid";
    client_open(&client);
    stream_close(&client.stream);
    ck_assert_ptr_null(client.stream);
    client_run(&client, 50);
    ck_assert_uint_eq(client.opened + client.closed, 0);
    client_fini(&client);
}
END_TEST

START_TEST(test_closing_while_it_connects_calls_nobody)
{
    struct client client;
    int fillers[4];
    client_init(&client, 1);
    int listener = peer_hanging_listener(&client.options.port, fillers, 4);
    client_open(&client);
    client_run(&client, 30);
    stream_close(&client.stream);
    client_run(&client, 30);
    ck_assert_uint_eq(client.opened + client.closed, 0);
    client_fini(&client);
    close(listener);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
}
END_TEST

START_TEST(test_closing_inside_opened_is_safe)
{
    struct peer peer;
    struct client client;
    peer_start(&peer, hold, NULL);
    client_init(&client, peer.port);
    client.close_opened = true;
    client_connect(&client);
    ck_assert_uint_eq(client.opened, 1);
    ck_assert_uint_eq(client.closed, 0);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_closing_with_a_write_under_way_is_safe)
{
    struct drain job = {.size = BIG};
    struct peer peer;
    struct client client;
    uint8_t *bytes = calloc(1, BIG);
    sem_init(&job.start, 0, 0);
    peer_start(&peer, drain, &job);
    client_init(&client, peer.port);
    client_connect(&client);
    ck_assert(client_send(&client, bytes, BIG));
    ck_assert_uint_gt(stream_unsent(client.stream), 0);
    stream_close(&client.stream);
    client_run(&client, 30);
    ck_assert_uint_eq(client.sent + client.closed, 0);
    client_fini(&client);
    sem_post(&job.start);
    peer_stop(&peer);
    sem_destroy(&job.start);
    free(bytes);
}
END_TEST

START_TEST(test_an_address_that_does_not_answer_is_given_up_in_time)
{
    struct client client;
    int fillers[4];
    client_init(&client, 1);
    int listener = peer_hanging_listener(&client.options.port, fillers, 4);
    client.options.connect_timeout_ms = 60;
    uint64_t start_ns = loop_now_ns(client.loop);
    client_connect(&client);
    ck_assert_uint_eq(client.closed, 1);
    ck_assert_int_eq(client.code, ACKD_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(client.text, "no answer within 60 ms"));
    ck_assert_uint_ge(loop_now_ns(client.loop) - start_ns, 60 * NS_PER_MS);
    client_fini(&client);
    close(listener);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
}
END_TEST

START_TEST(test_a_loop_ends_while_names_are_still_looked_up)
{
    struct client clients[3];
    for (int i = 0; i < 3; i++) {
        client_init(&clients[i], 5672);
        clients[i].options.host = "no-such-host.invalid";
        client_open(&clients[i]);
        client_fini(&clients[i]);
    }
}
END_TEST

static void prepare(void)
{
    system_prepare();
}

static void closing_tests(TCase *tc)
{
    tcase_add_loop_test(tc, test_closing_at_once_calls_nobody, 0, 3);
    tcase_add_test(tc, test_closing_while_it_connects_calls_nobody);
    tcase_add_test(tc, test_closing_inside_opened_is_safe);
    tcase_add_test(tc, test_closing_with_a_write_under_way_is_safe);
    tcase_add_test(tc, test_an_address_that_does_not_answer_is_given_up_in_time);
    tcase_add_test(tc, test_a_loop_ends_while_names_are_still_looked_up);
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/stream");
    TCase *tc = tcase_create("stream");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, prepare, NULL);
    tcase_add_test(tc, test_connects_sends_and_receives);
    tcase_add_test(tc, test_connects_by_name_trying_each_address);
    tcase_add_test(tc, test_a_refused_connection_says_where_and_why);
    tcase_add_test(tc, test_an_unknown_host_says_so);
    tcase_add_test(tc, test_the_peer_closing_is_told_after_its_last_bytes);
    tcase_add_test(tc, test_a_reset_is_a_lost_connection);
    tcase_add_test(tc, test_a_write_to_a_gone_peer_fails_without_a_signal);
    tcase_add_loop_test(tc, test_receives_much_into_places_of_any_size, 0, 4);
    tcase_add_test(tc, test_sends_much_in_one_piece_and_tells_when_it_is_gone);
    tcase_add_test(tc, test_the_memory_of_writes_is_exchanged_and_not_grown);
    tcase_add_test(tc, test_receives_nothing_while_paused_and_all_of_it_later);
    closing_tests(tc);
    suite_add_tcase(suite, tc);
    return suite;
}
