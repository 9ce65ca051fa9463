/* SPDX-License-Identifier: MIT */
/*
 * test_resolve - names and addresses. The program brings a getaddrinfo of its own, in which a name
 * server can be silent.
 */
#include <config.h>

#include "io/resolve.h"

#include <ackd/error.h>
#include <arpa/inet.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "main.h"
#include "peer.h"

static sem_t name_server; /* a look-up of slow.invalid waits for it */

static struct addrinfo *make_address(const char *host, const char *port, struct addrinfo *next)
{
    struct addrinfo *found = calloc(1, sizeof *found + sizeof(struct sockaddr_in));
    struct sockaddr_in *address = (struct sockaddr_in *)(found + 1);
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)atoi(port));
    inet_pton(AF_INET, host, &address->sin_addr);
    found->ai_family = AF_INET;
    found->ai_socktype = SOCK_STREAM;
    found->ai_addr = (struct sockaddr *)address;
    found->ai_addrlen = sizeof *address;
    found->ai_next = next;
    return found;
}

int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints,
                struct addrinfo **ret_found)
{
    if (hints->ai_flags & AI_NUMERICHOST) /* asked first, on the loop: it must not wait */
        return EAI_NONAME;
    if (strcmp(name, "slow.invalid") == 0)
        sem_wait(&name_server);
    if (strcmp(name, "none.invalid") == 0)
        return EAI_NONAME;
    *ret_found = make_address("127.0.0.1", port, NULL);
    if (strcmp(name, "several.invalid") == 0) /* nobody listens at the first two */
        *ret_found = make_address("127.0.0.3", port, make_address("127.0.0.2", port, *ret_found));
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    while (found != NULL) {
        struct addrinfo *next = found->ai_next;
        free(found);
        found = next;
    }
}

static void hold(int fd, void *arg)
{
    char byte;
    (void)arg;
    while (read(fd, &byte, 1) > 0)
        ;
}

START_TEST(test_each_address_of_a_name_is_tried_in_turn)
{
    struct peer peer;
    struct client client;
    peer_start(&peer, hold, NULL);
    client_init(&client, peer.port);
    client.options.host = "several.invalid";
    client_connect(&client);
    ck_assert_msg(client.opened == 1, "%s", client.text);
    ck_assert_int_eq(strncmp(stream_peer(client.stream), "127.0.0.1:", 10), 0);
    client_fini(&client);
    peer_stop(&peer);
}
END_TEST

START_TEST(test_where_no_address_will_do_each_is_named)
{
    struct client client;
    client_init(&client, peer_free_port());
    client.options.host = "several.invalid";
    client_connect(&client);
    ck_assert_int_eq(client.code, ACKD_E_OS);
    ck_assert_ptr_nonnull(strstr(client.text, "cannot connect to several.invalid:"));
    ck_assert_ptr_nonnull(strstr(client.text, "127.0.0.3:"));
    ck_assert_ptr_nonnull(strstr(client.text, "127.0.0.2:"));
    ck_assert_ptr_nonnull(strstr(client.text, "127.0.0.1:"));
    client_fini(&client);
}
END_TEST

START_TEST(test_a_name_that_is_not_known_is_told)
{
    struct client client;
    client_init(&client, 5672);
    client.options.host = "none.invalid";
    client_connect(&client);
    ck_assert_int_eq(client.code, ACKD_E_RESOLVE);
    ck_assert_ptr_nonnull(strstr(client.text, "cannot resolve the host 'none.invalid': Name or"));
    client_fini(&client);
}
END_TEST

START_TEST(test_a_silent_name_server_is_given_up_in_time_and_holds_up_nothing)
{
    struct client client;
    client_init(&client, 5672);
    client.options.host = "slow.invalid";
    client.options.resolve_timeout_ms = 60;
    client_connect(&client);
    ck_assert_uint_eq(client.closed, 1);
    ck_assert_int_eq(client.code, ACKD_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(client.text, "did not resolve within 60 ms"));
    client_fini(&client); /* while the look-up still waits */
    sem_post(&name_server);
}
END_TEST

START_TEST(test_closing_while_it_looks_up_calls_nobody)
{
    struct client client;
    client_init(&client, 5672);
    client.options.host = "slow.invalid";
    client_open(&client);
    client_run(&client, 10);
    stream_close(&client.stream);
    sem_post(&name_server);
    client_run(&client, 30);
    ck_assert_uint_eq(client.opened + client.closed, 0);
    client_fini(&client);
}
END_TEST

START_TEST(test_look_ups_that_hang_are_bounded)
{
    enum { MANY = 40 };
    static struct client clients[MANY];
    unsigned refused = 0;
    for (int i = 0; i < MANY; i++) {
        client_init(&clients[i], 5672);
        clients[i].options.host = "slow.invalid";
        client_open(&clients[i]);
        client_run(&clients[i], 1);
        refused += clients[i].code == ACKD_E_RESOLVE;
    }
    ck_assert_uint_eq(refused, MANY - 16);
    for (int i = 0; i < MANY; i++)
        client_fini(&clients[i]);
    for (int i = 0; i < 16; i++)
        sem_post(&name_server);
}
END_TEST

static void start_name_server(void)
{
    sem_init(&name_server, 0, 0);
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/resolve");
    TCase *tc = tcase_create("resolve");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, start_name_server, NULL);
    tcase_add_test(tc, test_each_address_of_a_name_is_tried_in_turn);
    tcase_add_test(tc, test_where_no_address_will_do_each_is_named);
    tcase_add_test(tc, test_a_name_that_is_not_known_is_told);
    tcase_add_test(tc, test_a_silent_name_server_is_given_up_in_time_and_holds_up_nothing);
    tcase_add_test(tc, test_closing_while_it_looks_up_calls_nobody);
    tcase_add_test(tc, test_look_ups_that_hang_are_bounded);
    suite_add_tcase(suite, tc);
    return suite;
}
