/* SPDX-License-Identifier: MIT */
/*
 * tls - OpenSSL between two buffers. It must not know sockets.
 *
 * OpenSSL reads from and writes to our buffers through a BIO of our own, so that nothing is copied
 * twice and nothing is allocated per record after the first.
 */
#include <config.h>

#include "io/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

enum { TLS_HOST_SIZE = 256, TLS_BUFFER_LIMIT = 256 * 1024 };

struct tls {
    SSL_CTX *context;   /* owned */
    BIO_METHOD *method; /* owned: the BIO between OpenSSL and the buffers */
};

struct tls_session {
    SSL *ssl; /* owned, and with it the BIO */
    char host[TLS_HOST_SIZE];
    struct buffer incoming;
    struct buffer outgoing;
};

static int tls_bio_write(BIO *bio, const char *bytes, int size)
{
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    return buffer_append(&session->outgoing, bytes, (size_t)size) == ACKD_OK ? size : -1;
}

static int tls_bio_read(BIO *bio, char *bytes, int size)
{
    struct tls_session *session = BIO_get_data(bio);
    size_t available = buffer_size(&session->incoming);
    BIO_clear_retry_flags(bio);
    if (available == 0 || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t taken = (size_t)size < available ? (size_t)size : available;
    memcpy(bytes, buffer_bytes(&session->incoming), taken);
    buffer_consume(&session->incoming, taken);
    return (int)taken;
}

static long tls_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ackd buffers");
    if (method == NULL)
        return NULL;
    BIO_meth_set_write(method, tls_bio_write);
    BIO_meth_set_read(method, tls_bio_read);
    BIO_meth_set_ctrl(method, tls_bio_control);
    return method;
}

/* The first reason in OpenSSL's queue, which is the deepest; empties the queue. */
static const char *tls_reason(void)
{
    unsigned long first = ERR_get_error();
    ERR_clear_error();
    if (first == 0)
        return "no reason given";
    if (ERR_SYSTEM_ERROR(first))
        return strerror(ERR_GET_REASON(first));
    const char *reason = ERR_reason_error_string(first);
    return reason == NULL ? "an unknown reason" : reason;
}

static int tls_no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return 0; /* OpenSSL would ask on the terminal */
}

static int tls_check_file(const char *option, const char *path)
{
    if (access(path, R_OK) == 0)
        return ACKD_OK;
    return ackd_fail(ACKD_E_TLS, "%s: cannot read %s: %s", option, path, strerror(errno));
}

static int tls_load_authorities(SSL_CTX *context, const char *ca)
{
    if (ca == NULL) {
        if (SSL_CTX_set_default_verify_paths(context) != 1)
            return ackd_fail(ACKD_E_TLS, "cannot read the system's authorities: %s", tls_reason());
        return ACKD_OK;
    }
    ACKD_TRY(tls_check_file("tls.ca", ca));
    if (SSL_CTX_load_verify_file(context, ca) != 1)
        return ackd_fail(ACKD_E_TLS, "tls.ca: %s holds no certificates in PEM: %s", ca,
                         tls_reason());
    return ACKD_OK;
}

static int tls_load_certificate(SSL_CTX *context, const char *cert, const char *key)
{
    if (cert == NULL)
        return key == NULL ? ACKD_OK
                           : ackd_fail(ACKD_E_TLS, "tls.key is %s: set tls.cert too", key);
    if (key == NULL)
        key = cert; /* one file may hold both */
    ACKD_TRY(tls_check_file("tls.cert", cert));
    ACKD_TRY(tls_check_file("tls.key", key));
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return ackd_fail(ACKD_E_TLS, "tls.cert: %s holds no certificate in PEM: %s", cert,
                         tls_reason());
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return ackd_fail(ACKD_E_TLS, "tls.key: %s holds no key in PEM without a passphrase: %s",
                         key, tls_reason());
    if (SSL_CTX_check_private_key(context) != 1)
        return ackd_fail(ACKD_E_TLS, "tls.key: the key in %s is not that of %s", key, cert);
    return ACKD_OK;
}

static int tls_configure(SSL_CTX *context, const struct tls_options *options)
{
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_passwd_cb(context, tls_no_passphrase);
    SSL_CTX_set_verify(context, options->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (options->verify)
        ACKD_TRY(tls_load_authorities(context, options->ca));
    return tls_load_certificate(context, options->cert, options->key);
}

int tls_new(const struct tls_options *options, struct tls **ret_tls)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return ackd_fail(ACKD_E_NOMEM, "TLS");
    ERR_clear_error();
    tls->context = SSL_CTX_new(TLS_client_method());
    tls->method = tls_bio_method();
    int code = tls->context == NULL || tls->method == NULL
                   ? ackd_fail(ACKD_E_TLS, "cannot start OpenSSL: %s", tls_reason())
                   : tls_configure(tls->context, options);
    if (code != ACKD_OK) {
        tls_free(&tls);
        return code;
    }
    *ret_tls = tls;
    return ACKD_OK;
}

void tls_free(struct tls **tls)
{
    struct tls *old = *tls;
    if (old == NULL)
        return;
    *tls = NULL;
    SSL_CTX_free(old->context);
    BIO_meth_free(old->method);
    free(old);
}

static bool tls_is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* What the peer's certificate must be for, and which name we ask for (SNI: RFC 6066, section 3,
 * which allows no addresses and no dot at the end). */
static bool tls_set_host(SSL *ssl, char *host)
{
    size_t length = strlen(host);
    if (length > 0 && host[length - 1] == '.')
        host[length - 1] = '\0';
    if (tls_is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool tls_connect_buffers(struct tls_session *session, const BIO_METHOD *method)
{
    BIO *bio = BIO_new(method);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_connect_state(session->ssl);
    return true;
}

int tls_session_new(struct tls *tls, const char *host, struct tls_session **ret_session)
{
    struct tls_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a TLS session with %s", host);
    snprintf(session->host, sizeof session->host, "%s", host);
    buffer_init(&session->incoming, TLS_BUFFER_LIMIT);
    buffer_init(&session->outgoing, TLS_BUFFER_LIMIT);
    ERR_clear_error();
    session->ssl = SSL_new(tls->context);
    if (session->ssl == NULL || !tls_connect_buffers(session, tls->method) ||
        !tls_set_host(session->ssl, session->host)) {
        (void)ackd_fail(ACKD_E_TLS, "cannot start TLS with %s: %s", host, tls_reason());
        tls_session_free(&session);
        return ACKD_E_TLS;
    }
    *ret_session = session;
    return ACKD_OK;
}

void tls_session_free(struct tls_session **session)
{
    struct tls_session *old = *session;
    if (old == NULL)
        return;
    *session = NULL;
    SSL_free(old->ssl);
    buffer_fini(&old->incoming);
    buffer_fini(&old->outgoing);
    free(old);
}

struct buffer *tls_session_incoming(struct tls_session *session)
{
    return &session->incoming;
}

struct buffer *tls_session_outgoing(struct tls_session *session)
{
    return &session->outgoing;
}

/* What to do about a certificate that is not accepted. */
static const char *tls_advice(long verdict)
{
    switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "renew the server's certificate";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "compare the clocks of both machines";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "connect by a name that the certificate is for";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "set tls.ca to the authority that signed it";
    default:
        return "see verify(1)";
    }
}

/* Why a handshake failed, in words for the operator. */
static int tls_fail_handshake(const struct tls_session *session)
{
    unsigned long error = ERR_peek_error();
    long verdict = SSL_get_verify_result(session->ssl);
    switch (ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        ERR_clear_error();
        return ackd_fail(ACKD_E_TLS, "certificate verify failed for %s: %s: %s", session->host,
                         X509_verify_cert_error_string(verdict), tls_advice(verdict));
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        ERR_clear_error();
        return ackd_fail(ACKD_E_TLS, "%s does not speak TLS on this port", session->host);
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return ackd_fail(ACKD_E_TLS,
                         "%s ended the TLS handshake: %s: does it want a client certificate "
                         "(tls.cert, tls.key)?",
                         session->host, tls_reason());
    default:
        return ackd_fail(ACKD_E_TLS, "the TLS handshake with %s failed: %s", session->host,
                         tls_reason());
    }
}

int tls_session_handshake(struct tls_session *session, bool *ret_done)
{
    ERR_clear_error();
    int status = SSL_do_handshake(session->ssl);
    if (status == 1) {
        *ret_done = true;
        return ACKD_OK;
    }
    *ret_done = false;
    if (SSL_get_error(session->ssl, status) == SSL_ERROR_WANT_READ)
        return ACKD_OK;
    return tls_fail_handshake(session);
}

bool tls_session_readable(const struct tls_session *session)
{
    return buffer_size(&session->incoming) > 0 || SSL_has_pending(session->ssl) == 1;
}

/* Failures once the connection stands; with TLS 1.3 a refused client certificate is one. */
static int tls_fail(const struct tls_session *session, const char *doing)
{
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED)
        return tls_fail_handshake(session);
    return ackd_fail(ACKD_E_TLS, "%s %s by TLS: %s", doing, session->host, tls_reason());
}

int tls_session_read(struct tls_session *session, uint8_t *at, size_t size, size_t *ret_size)
{
    ERR_clear_error();
    *ret_size = 0;
    int status = SSL_read_ex(session->ssl, at, size, ret_size);
    if (status == 1)
        return ACKD_OK;
    switch (SSL_get_error(session->ssl, status)) {
    case SSL_ERROR_WANT_READ:
        *ret_size = 0;
        return ACKD_OK;
    case SSL_ERROR_ZERO_RETURN:
        return ackd_fail(ACKD_E_DISCONNECTED, "%s closed the connection", session->host);
    default:
        return tls_fail(session, "reading from");
    }
}

int tls_session_write(struct tls_session *session, const uint8_t *at, size_t size)
{
    ERR_clear_error();
    size_t taken = 0;
    if (SSL_write_ex(session->ssl, at, size, &taken) == 1) {
        ackd_assert(taken == size);
        return ACKD_OK;
    }
    return tls_fail(session, "writing to");
}

void tls_session_shutdown(struct tls_session *session)
{
    ERR_clear_error();
    (void)SSL_shutdown(session->ssl);
    ERR_clear_error();
}
