/* SPDX-License-Identifier: MIT */
#define ACKD_ALLOW_BLOCKING /* it is the name server */
/*
 * test_resolve - names and addresses. The program brings a getaddrinfo of its own, in which a name
 * server can be silent.
 */
#include <config.h>

#include "io/resolve.h"

#include <ackd/ackd.h>
#include <arpa/inet.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "main.h"
#include "peer.h"
#include "stage.h"

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

/* What tasks see of it. */

static int resolve_figures(void *arg)
{
    struct ackd_address addresses[2];
    size_t count = 0;
    (void)arg;
    ACKD_TRY(ackd_resolve("192.0.2.7", 80, addresses, 2, &count));
    TASK_CHECK(count == 1 && strcmp(addresses[0].text, "192.0.2.7") == 0);
    const struct sockaddr_in *four = (const struct sockaddr_in *)addresses[0].socket;
    TASK_CHECK(four->sin_family == AF_INET && four->sin_port == htons(80));
    TASK_CHECK(addresses[0].socket_size == sizeof *four);
    ACKD_TRY(ackd_resolve("2001:db8::1", 443, addresses, 2, &count));
    TASK_CHECK(count == 1 && strcmp(addresses[0].text, "2001:db8::1") == 0);
    char long_name[300];
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    TASK_CHECK_CODE(ackd_resolve(long_name, 1, addresses, 2, &count), ACKD_E_INVAL);
    TASK_CHECK_CODE(ackd_resolve("", 1, addresses, 2, &count), ACKD_E_INVAL);
    TASK_CHECK_CODE(ackd_resolve(NULL, 1, addresses, 2, &count), ACKD_E_INVAL);
    TASK_CHECK_CODE(ackd_resolve("192.0.2.7", 1, addresses, 0, &count), ACKD_E_INVAL);
    return ACKD_OK;
}

START_TEST(test_figures_are_taken_as_they_are)
{
    unsigned before = stage_turns();
    stage_expect(resolve_figures, NULL);
    ck_assert_uint_le(stage_turns() - before, 2); /* it never waited */
}
END_TEST

static int resolve_several(void *arg)
{
    struct ackd_address addresses[8];
    size_t count = 0;
    (void)arg;
    ACKD_TRY(ackd_resolve("several.invalid", 80, addresses, 8, &count));
    TASK_CHECK(count == 3);
    TASK_CHECK(strcmp(addresses[0].text, "127.0.0.3") == 0);
    TASK_CHECK(strcmp(addresses[2].text, "127.0.0.1") == 0);
    ACKD_TRY(ackd_resolve("several.invalid", 80, addresses, 2, &count));
    TASK_CHECK(count == 2);
    TASK_CHECK_CODE(ackd_resolve("none.invalid", 80, addresses, 8, &count), ACKD_E_RESOLVE);
    TASK_CHECK_TEXT("cannot resolve the host 'none.invalid': Name or");
    return ACKD_OK;
}

START_TEST(test_a_task_gets_the_addresses_in_their_order)
{
    stage_expect(resolve_several, NULL);
}
END_TEST

static int connect_to_several(void *arg)
{
    const uint16_t *port = arg;
    ACKD_TCP(tcp);
    ACKD_TRY(ackd_tcp_connect("several.invalid", *port, &tcp));
    TASK_CHECK(strncmp(ackd_tcp_peer(tcp), "127.0.0.1:", 10) == 0);
    ACKD_TRY(ackd_tcp_write(tcp, "x", 1));
    ackd_tcp_close(&tcp);
    uint16_t nobody = peer_free_port();
    TASK_CHECK_CODE(ackd_tcp_connect("several.invalid", nobody, &tcp), ACKD_E_REFUSED);
    TASK_CHECK_TEXT("cannot connect to several.invalid:");
    TASK_CHECK_TEXT(
        "127.0.0.3: nothing listens there; 127.0.0.2: nothing listens there; 127.0.0.1");
    return ACKD_OK;
}

START_TEST(test_a_task_connects_to_the_address_that_answers)
{
    struct peer peer;
    peer_start(&peer, hold, NULL);
    stage_expect(connect_to_several, &peer.port);
    peer_stop(&peer);
}
END_TEST

static int give_up_the_silent(void *arg)
{
    struct ackd_address address;
    struct ackd_deadline limit;
    size_t count = 17;
    (void)arg;
    ackd_deadline_push(&limit, 20);
    int code = ackd_resolve("slow.invalid", 80, &address, 1, &count);
    TASK_CHECK_CODE(ackd_deadline_pop(&limit, code), ACKD_E_TIMEOUT);
    TASK_CHECK_TEXT("awaiting name slow.invalid");
    TASK_CHECK(count == 17);
    return ACKD_OK;
}

START_TEST(test_a_task_that_is_cancelled_leaves_the_look_up_alone)
{
    stage_expect(give_up_the_silent, NULL); /* the loop ends, the look-up hangs on */
    sem_post(&name_server);
}
END_TEST

enum { LOOK_UPS = 40 };

static unsigned looked_up;

static int look_up_slowly(void *arg)
{
    struct ackd_address address;
    size_t count;
    (void)arg;
    ACKD_TRY(ackd_resolve("slow.invalid", 80, &address, 1, &count));
    looked_up++;
    return ACKD_OK;
}

static int answer_one_by_one(void *arg)
{
    (void)arg;
    for (int i = 0; i < LOOK_UPS; i++) {
        TASK_CHECK(looked_up <= (unsigned)i);
        sem_post(&name_server);
        while (looked_up <= (unsigned)i)
            ACKD_TRY(ackd_delay(1));
    }
    return ACKD_OK;
}

static int look_up_many(void *arg)
{
    (void)arg;
    ACKD_SCOPE(scope);
    for (int i = 0; i < LOOK_UPS; i++)
        ACKD_TRY(ackd_spawn(&scope, look_up_slowly, NULL));
    ACKD_TRY(ackd_yield());
    /* One that waits for its turn and gives up changes nothing for the others. */
    ACKD_TRY(give_up_the_silent(NULL));
    ACKD_TRY(ackd_spawn(&scope, answer_one_by_one, NULL));
    return ackd_scope_join(&scope);
}

START_TEST(test_more_look_ups_than_threads_wait_for_one_another)
{
    stage_expect(look_up_many, NULL);
    ck_assert_uint_eq(looked_up, LOOK_UPS);
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
    tcase_add_test(tc, test_figures_are_taken_as_they_are);
    tcase_add_test(tc, test_a_task_gets_the_addresses_in_their_order);
    tcase_add_test(tc, test_a_task_connects_to_the_address_that_answers);
    tcase_add_test(tc, test_a_task_that_is_cancelled_leaves_the_look_up_alone);
    tcase_add_test(tc, test_more_look_ups_than_threads_wait_for_one_another);
    suite_add_tcase(suite, tc);
    return suite;
}
