/* SPDX-License-Identifier: MIT */
/* test_stream_memory - S4: a stream that is warm does not allocate. The program counts malloc. */
#include <config.h>

#include <openssl/ssl.h>
#include <stdlib.h>
#include <unistd.h>

#include "authority.h"
#include "client.h"
#include "io/stream.h"
#include "io/system.h"
#include "main.h"
#include "peer.h"

#ifdef SANITIZED
#define COUNTS_MALLOC 0
#else
#define COUNTS_MALLOC 1
#endif

static _Thread_local unsigned long allocations;

#if COUNTS_MALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}
#endif

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

static void echo_tls(int fd, void *arg)
{
    char bytes[2048];
    int size;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(context, authority_file("right.pem"));
    SSL_CTX_use_PrivateKey_file(context, authority_file("right.key"), SSL_FILETYPE_PEM);
    SSL *ssl = SSL_new(context);
    (void)arg;
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        while ((size = SSL_read(ssl, bytes, sizeof bytes)) > 0)
            SSL_write(ssl, bytes, size);
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* A round trip of @size bytes, without a timer, which the test's own loop would need. */
static void round_trip(struct client *client, const uint8_t *bytes, size_t size)
{
    client->received_stop = client->received + size;
    test_that(client_send(client, bytes, size));
    while (client->received < client->received_stop)
        loop_run(client->loop);
}

START_TEST(test_a_warm_stream_does_not_allocate)
{
    static uint8_t bytes[30000];
    struct peer peer;
    struct client client;
    struct tls *tls = NULL;
    peer_start(&peer, _i == 0 ? echo : echo_tls, NULL);
    client_init(&client, peer.port);
    if (_i == 1) {
        const struct tls_options options = {.ca = authority_file("ca.pem"), .verify = true};
        ck_assert_int_eq(tls_new(&options, &tls), 0);
        client.options.tls = tls;
    }
    client.discard = true;
    client_connect(&client);
    ck_assert_uint_eq(client.opened, 1);
    for (size_t i = 0; i < 50; i++)
        round_trip(&client, bytes, sizeof bytes);
    unsigned long before = allocations;
    for (size_t i = 1; i <= 300; i++)
        round_trip(&client, bytes, i * 100);
    ck_assert_uint_eq(allocations, before);
    ck_assert(!COUNTS_MALLOC || before > 0);
    client_fini(&client);
    peer_stop(&peer);
    tls_free(&tls);
}
END_TEST

static void make(void)
{
    if (!authority_make())
        abort();
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/stream_memory");
    TCase *tc = tcase_create("stream_memory");
    tcase_set_timeout(tc, 60);
    tcase_add_unchecked_fixture(tc, make, authority_remove);
    tcase_add_checked_fixture(tc, system_prepare, NULL);
    tcase_add_loop_test(tc, test_a_warm_stream_does_not_allocate, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
