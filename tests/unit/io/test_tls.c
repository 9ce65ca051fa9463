/* SPDX-License-Identifier: MIT */
#include <config.h>

#include <ackd/error.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authority.h"
#include "client.h"
#include "io/stream.h"
#include "io/system.h"
#include "main.h"
#include "peer.h"

/* What the peer is, and what the client expects of it. */
struct setting {
    const char *name; /* of the server's certificate */
    bool wants_client;
    size_t pours; /* bytes the server sends, instead of an echo */
    int version;  /* 0: any */
    struct tls_options options;
    struct peer peer;
    struct tls *tls;
    struct client client;
};

static SSL_CTX *server_context(const struct setting *setting)
{
    char file[64];
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    snprintf(file, sizeof file, "%s.pem", setting->name);
    SSL_CTX_use_certificate_chain_file(context, authority_file(file));
    snprintf(file, sizeof file, "%s.key", setting->name);
    SSL_CTX_use_PrivateKey_file(context, authority_file(file), SSL_FILETYPE_PEM);
    if (setting->version != 0) {
        SSL_CTX_set_min_proto_version(context, setting->version);
        SSL_CTX_set_max_proto_version(context, setting->version);
        SSL_CTX_set_security_level(context, 0);
    }
    if (setting->wants_client) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_load_verify_file(context, authority_file("ca.pem"));
    }
    return context;
}

static void server_pour(SSL *ssl, size_t size)
{
    uint8_t bytes[1500];
    for (size_t place = 0; place < size;) {
        size_t part = size - place < sizeof bytes ? size - place : sizeof bytes;
        for (size_t i = 0; i < part; i++)
            bytes[i] = client_byte(place + i);
        if (SSL_write(ssl, bytes, (int)part) <= 0)
            return;
        place += part;
    }
}

static void serve(int fd, void *arg)
{
    struct setting *setting = arg;
    SSL_CTX *context = server_context(setting);
    SSL *ssl = SSL_new(context);
    char bytes[1500];
    int size;
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        server_pour(ssl, setting->pours);
        while ((size = SSL_read(ssl, bytes, sizeof bytes)) > 0)
            if (SSL_write(ssl, bytes, size) <= 0)
                break;
    }
    /* Let the client read our alert before a reset could overtake it. */
    shutdown(fd, SHUT_WR);
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
}

/* A setting that works, to be spoiled by the test. */
static void setting_init(struct setting *setting)
{
    *setting = (struct setting){.name = "right"};
    setting->options = (struct tls_options){.ca = authority_file("ca.pem"), .verify = true};
}

static void setting_open(struct setting *setting)
{
    ck_assert_int_eq(tls_new(&setting->options, &setting->tls), 0);
    client_init(&setting->client, setting->peer.port);
    setting->client.options.tls = setting->tls;
}

static void setting_start(struct setting *setting)
{
    peer_start(&setting->peer, serve, setting);
    setting_open(setting);
}

static void setting_fini(struct setting *setting)
{
    client_fini(&setting->client);
    peer_stop(&setting->peer);
    tls_free(&setting->tls);
}

static void expect_failure(struct setting *setting, const char *words, const char *advice)
{
    setting_start(setting);
    client_connect(&setting->client);
    if (setting->client.opened == 1) /* TLS 1.3 hears of its certificate later */
        client_run(&setting->client, 20000);
    ck_assert_uint_eq(setting->client.closed, 1);
    ck_assert_int_eq(setting->client.code, ACKD_E_TLS);
    ck_assert_msg(strstr(setting->client.text, words) != NULL, "%s", setting->client.text);
    ck_assert_msg(strstr(setting->client.text, advice) != NULL, "%s", setting->client.text);
    setting_fini(setting);
}

START_TEST(test_talks_to_a_peer_whose_certificate_is_right)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    struct setting setting;
    setting_init(&setting);
    setting.version = versions[_i / 2];
    setting_start(&setting);
    setting.client.options.host = hosts[_i % 2];
    client_connect(&setting.client);
    ck_assert_msg(setting.client.opened == 1, "%s", setting.client.text);
    for (size_t i = 1; i <= 20; i++) {
        setting.client.received_stop = i * 5;
        ck_assert(client_send(&setting.client, "hello", 5));
        client_run(&setting.client, 20000);
    }
    ck_assert_uint_eq(setting.client.received, 100);
    setting_fini(&setting);
}
END_TEST

START_TEST(test_carries_much_both_ways_into_places_of_any_size)
{
    static const size_t spaces[] = {1, 1000, 65536};
    size_t size = _i == 0 ? test_scale(60000) : test_scale(2 << 20);
    struct setting setting;
    setting_init(&setting);
    setting_start(&setting);
    struct client *client = &setting.client;
    client->space = spaces[_i];
    client->checks = client->discard = true;
    client_connect(client);
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = client_byte(i);
    ck_assert(client_send(client, bytes, size));
    client->received_stop = size;
    while (client->received < size && client->closed == 0)
        client_run(client, 20000);
    ck_assert_uint_eq(client->received, size);
    ck_assert(!client->wrong);
    ck_assert_uint_eq(stream_unsent(client->stream), 0);
    setting_fini(&setting);
    free(bytes);
}
END_TEST

START_TEST(test_what_was_decrypted_waits_while_paused)
{
    struct setting setting;
    setting_init(&setting);
    setting.pours = 200000;
    setting_start(&setting);
    struct client *client = &setting.client;
    client->space = 10;
    client->checks = client->discard = true;
    client->received_stop = 1;
    client_open(client);
    while (client->received < setting.pours && client->closed == 0) {
        client_run(client, 20000);
        stream_pause(client->stream);
        uint64_t before = client->received;
        client_run(client, 5);
        ck_assert_uint_eq(client->received, before); /* S3 */
        client->received_stop = client->received + 40000;
        if (client->received_stop > setting.pours)
            client->received_stop = setting.pours;
        stream_resume(client->stream);
    }
    ck_assert_uint_eq(client->received, setting.pours);
    ck_assert(!client->wrong);
    setting_fini(&setting);
}
END_TEST

START_TEST(test_refuses_what_the_certificate_does_not_prove)
{
    static const struct {
        const char *name, *ca, *words, *advice;
    } cases[] = {
        {"right", "other.pem", "certificate verify failed", "tls.ca"},
        {"alone", "ca.pem", "self-signed certificate", "tls.ca"},
        {"name", "ca.pem", "mismatch", "a name that the certificate is for"},
        {"expired", "ca.pem", "expired", "renew"},
    };
    struct setting setting;
    setting_init(&setting);
    setting.name = cases[_i / 2].name;
    setting.options.ca = authority_file(cases[_i / 2].ca);
    setting.version = _i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
    expect_failure(&setting, cases[_i / 2].words, cases[_i / 2].advice);
}
END_TEST

START_TEST(test_refuses_a_version_that_is_too_old)
{
    struct setting setting;
    setting_init(&setting);
    setting.version = TLS1_1_VERSION;
    expect_failure(&setting, "127.0.0.1", "TLS");
}
END_TEST

START_TEST(test_without_verification_any_certificate_will_do)
{
    struct setting setting;
    setting_init(&setting);
    setting.name = "expired";
    setting.options = (struct tls_options){.verify = false};
    setting_start(&setting);
    client_connect(&setting.client);
    ck_assert_uint_eq(setting.client.opened, 1);
    setting_fini(&setting);
}
END_TEST

START_TEST(test_shows_its_own_certificate_where_the_peer_asks)
{
    struct setting setting;
    setting_init(&setting);
    setting.wants_client = true;
    setting.version = _i == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
    setting.options.cert = authority_file("client.pem");
    setting.options.key = authority_file("client.key");
    setting_start(&setting);
    client_connect(&setting.client);
    setting.client.received_stop = 5;
    ck_assert(client_send(&setting.client, "hello", 5));
    client_run(&setting.client, 20000);
    ck_assert_uint_eq(setting.client.received, 5);
    setting_fini(&setting);
}
END_TEST

START_TEST(test_a_missing_client_certificate_is_named)
{
    struct setting setting;
    setting_init(&setting);
    setting.wants_client = true;
    setting.version = _i == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
    expect_failure(&setting, "client certificate", "tls.cert");
}
END_TEST

static void answer(int fd, void *arg)
{
    char bytes[64];
    (void)!read(fd, bytes, sizeof bytes);
    peer_write(fd, arg, 8);
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

START_TEST(test_a_peer_that_does_not_speak_tls_is_named)
{
    static char amqp[] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};
    static char http[] = "HTTP/1.1 400 Bad Request";
    struct setting setting;
    setting_init(&setting);
    peer_start(&setting.peer, answer, _i == 0 ? amqp : http);
    setting_open(&setting);
    client_connect(&setting.client);
    ck_assert_int_eq(setting.client.code, ACKD_E_TLS);
    ck_assert_msg(strstr(setting.client.text, "does not speak TLS") != NULL, "%s",
                  setting.client.text);
    setting_fini(&setting);
}
END_TEST

static void hold(int fd, void *arg)
{
    char bytes[64];
    (void)arg;
    while (read(fd, bytes, sizeof bytes) > 0)
        ;
}

START_TEST(test_a_silent_peer_is_given_up_in_time)
{
    struct setting setting;
    setting_init(&setting);
    peer_start(&setting.peer, hold, NULL);
    setting_open(&setting);
    setting.client.options.tls_timeout_ms = 60;
    client_connect(&setting.client);
    ck_assert_int_eq(setting.client.code, ACKD_E_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(setting.client.text, "within 60 ms"));
    setting_fini(&setting);
}
END_TEST

static void hang_up(int fd, void *arg)
{
    char bytes[2048];
    (void)arg;
    (void)!read(fd, bytes, sizeof bytes);
}

START_TEST(test_a_peer_that_hangs_up_in_the_handshake_is_told_so)
{
    struct setting setting;
    setting_init(&setting);
    peer_start(&setting.peer, hang_up, NULL);
    setting_open(&setting);
    client_connect(&setting.client);
    ck_assert_uint_eq(setting.client.closed, 1);
    ck_assert_int_eq(setting.client.code, ACKD_E_TLS);
    ck_assert_ptr_nonnull(strstr(setting.client.text, "during the TLS handshake"));
    setting_fini(&setting);
}
END_TEST

START_TEST(test_closing_in_the_handshake_calls_nobody)
{
    struct setting setting;
    setting_init(&setting);
    peer_start(&setting.peer, hold, NULL);
    setting_open(&setting);
    client_open(&setting.client);
    client_run(&setting.client, 30);
    stream_close(&setting.client.stream);
    client_run(&setting.client, 10);
    ck_assert_uint_eq(setting.client.opened + setting.client.closed, 0);
    setting_fini(&setting);
}
END_TEST

START_TEST(test_files_that_will_not_do_are_named_with_their_option)
{
    const struct {
        struct tls_options options;
        const char *words;
    } cases[] = {
        {{.verify = true, .ca = "/nowhere/ca.pem"}, "tls.ca: cannot read /nowhere/ca.pem: No such"},
        {{.verify = true, .ca = authority_file("right.key")}, "tls.ca: "},
        {{.cert = "/nowhere/c.pem"}, "tls.cert: cannot read /nowhere/c.pem"},
        {{.cert = authority_file("client.pem"), .key = "/nowhere/k"}, "tls.key: cannot read"},
        {{.cert = authority_file("client.pem"), .key = authority_file("right.key")}, "tls.key: "},
        {{.cert = authority_file("client.pem"), .key = authority_file("locked.key")}, "passphrase"},
        {{.key = authority_file("client.key")}, "set tls.cert too"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls *tls = NULL;
        ck_assert_int_eq(tls_new(&cases[i].options, &tls), ACKD_E_TLS);
        ck_assert_ptr_null(tls);
        const char *text = ackd_error_text(ackd_error_current());
        ck_assert_msg(strstr(text, cases[i].words) != NULL, "%s", text);
    }
    struct tls *tls = NULL;
    tls_free(&tls);
}
END_TEST

static bool have_authority;

static void make(void)
{
    have_authority = authority_make();
}

static void prepare(void)
{
    system_prepare();
    ck_assert_msg(have_authority, "the openssl command could not make certificates");
}

static void refusal_tests(TCase *tc)
{
    tcase_add_loop_test(tc, test_refuses_what_the_certificate_does_not_prove, 0, 8);
    tcase_add_test(tc, test_refuses_a_version_that_is_too_old);
    tcase_add_loop_test(tc, test_a_missing_client_certificate_is_named, 0, 2);
    tcase_add_loop_test(tc, test_a_peer_that_does_not_speak_tls_is_named, 0, 2);
    tcase_add_test(tc, test_a_silent_peer_is_given_up_in_time);
    tcase_add_test(tc, test_a_peer_that_hangs_up_in_the_handshake_is_told_so);
    tcase_add_test(tc, test_closing_in_the_handshake_calls_nobody);
    tcase_add_test(tc, test_files_that_will_not_do_are_named_with_their_option);
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("io/tls");
    TCase *tc = tcase_create("tls");
    tcase_set_timeout(tc, 60);
    tcase_add_unchecked_fixture(tc, make, authority_remove);
    tcase_add_checked_fixture(tc, prepare, NULL);
    tcase_add_loop_test(tc, test_talks_to_a_peer_whose_certificate_is_right, 0, 4);
    tcase_add_loop_test(tc, test_carries_much_both_ways_into_places_of_any_size, 0, 3);
    tcase_add_test(tc, test_what_was_decrypted_waits_while_paused);
    tcase_add_test(tc, test_without_verification_any_certificate_will_do);
    tcase_add_loop_test(tc, test_shows_its_own_certificate_where_the_peer_asks, 0, 2);
    refusal_tests(tc);
    suite_add_tcase(suite, tc);
    return suite;
}
