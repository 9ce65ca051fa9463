/* SPDX-License-Identifier: MIT */
/* uri - where a broker is. It must not know how one connects to it. */
#include <config.h>

#include "config/uri.h"

#include <ackd/error.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/assert.h"
#include "config/findings.h"
#include "config/value.h"

enum { URI_VHOST_MAX = 255 };

static int uri_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decode %XX in @size bytes at @text. @part is for the error: "the user". */
static int uri_decode(struct arena *arena, const char *text, size_t size, const char *part,
                      const char **ret_text)
{
    char *decoded = arena_alloc_bytes(arena, size + 1);
    if (decoded == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a uri");
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '%') {
            decoded[length++] = text[i];
            continue;
        }
        int high = i + 2 < size ? uri_hex(text[i + 1]) : -1;
        int low = i + 2 < size ? uri_hex(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            return ackd_fail(ACKD_E_SYNTAX,
                             "has a '%%' in %s that two hexadecimal digits do not "
                             "follow: write %%25 for a '%%'",
                             part);
        if (high == 0 && low == 0)
            return ackd_fail(ACKD_E_SYNTAX, "has a NUL byte (%%00) in %s", part);
        decoded[length++] = (char)(high << 4 | low);
        i += 2;
    }
    decoded[length] = '\0';
    if (!value_is_utf8(decoded, length, NULL))
        return ackd_fail(ACKD_E_SYNTAX, "has bytes in %s that are not UTF-8", part);
    *ret_text = decoded;
    return ACKD_OK;
}

static int uri_scheme(const char *text, bool *ret_tls, const char **ret_rest)
{
    static const char plain[] = "amqp://";
    static const char tls[] = "amqps://";
    *ret_tls = strncasecmp(text, tls, strlen(tls)) == 0;
    if (!*ret_tls && strncasecmp(text, plain, strlen(plain)) != 0)
        return ackd_fail(ACKD_E_SYNTAX, "does not start with amqp:// or amqps://: write "
                                        "amqps://HOST, as in amqps://rabbit-1/prod");
    *ret_rest = text + (*ret_tls ? strlen(tls) : strlen(plain));
    return ACKD_OK;
}

static int uri_user(struct arena *arena, const char *text, size_t size, struct uri *uri)
{
    const char *colon = memchr(text, ':', size);
    size_t length = colon == NULL ? size : (size_t)(colon - text);
    if (length == 0)
        return ackd_fail(ACKD_E_SYNTAX, "has an empty user before the '@'");
    ACKD_TRY(uri_decode(arena, text, length, "the user", &uri->user));
    if (colon != NULL)
        ACKD_TRY(uri_decode(arena, colon + 1, size - length - 1, "the password", &uri->password));
    return ACKD_OK;
}

static int uri_port(const char *text, size_t size, uint16_t *ret_port)
{
    unsigned port = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || i == 5)
            return ackd_fail(ACKD_E_SYNTAX, "has a port that is not a number from 1 to 65535");
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return ackd_fail(ACKD_E_SYNTAX, "has a port that is not a number from 1 to 65535");
    *ret_port = (uint16_t)port;
    return ACKD_OK;
}

static int uri_check_name(const char *name, bool brackets)
{
    static const char of_names[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    static const char of_addresses[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:%";
    if (*name == '\0')
        return ackd_fail(ACKD_E_SYNTAX, "has an empty host");
    if (strlen(name) > 255)
        return ackd_fail(ACKD_E_SYNTAX, "has a host of more than 255 characters");
    if (name[strspn(name, brackets ? of_addresses : of_names)] != '\0')
        return ackd_fail(ACKD_E_SYNTAX, "has a host with a character that no host has: write "
                                        "HOST, HOST:PORT or [ADDRESS]:PORT, with ',' between them");
    return ACKD_OK;
}

static int uri_host(struct arena *arena, const char *text, size_t size, struct config_host *host)
{
    const char *end = text + size;
    bool brackets = size > 0 && *text == '[';
    text += brackets;
    const char *stop = memchr(text, brackets ? ']' : ':', (size_t)(end - text));
    if (stop == NULL && brackets)
        return ackd_fail(ACKD_E_SYNTAX, "has a '[' without ']'");
    if (stop == NULL)
        stop = end;
    ACKD_TRY(uri_decode(arena, text, (size_t)(stop - text), "a host", &host->name));
    ACKD_TRY(uri_check_name(host->name, brackets));
    const char *port = stop + brackets;
    if (port == end)
        return ACKD_OK;
    if (*port != ':')
        return ackd_fail(ACKD_E_SYNTAX, "has something other than ':PORT' behind a ']'");
    return uri_port(port + 1, (size_t)(end - port) - 1, &host->port);
}

static int uri_hosts(struct arena *arena, const char *text, size_t size, struct uri *uri)
{
    struct config_host *hosts = arena_alloc(arena, URI_HOSTS_MAX * sizeof *hosts);
    if (hosts == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a uri");
    size_t count = 0;
    const char *end = text + size;
    for (;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        const char *stop = comma == NULL ? end : comma;
        if (count == URI_HOSTS_MAX)
            return ackd_fail(ACKD_E_SYNTAX, "has more than %d hosts", URI_HOSTS_MAX);
        hosts[count].port = uri->tls ? URI_PORT_TLS : URI_PORT;
        ACKD_TRY(uri_host(arena, text, (size_t)(stop - text), &hosts[count]));
        count++;
        if (comma == NULL)
            break;
        text = comma + 1;
    }
    uri->hosts = hosts;
    uri->host_count = count;
    return ACKD_OK;
}

static int uri_vhost(struct arena *arena, const char *path, struct uri *uri)
{
    if (path[0] == '\0' || path[1] == '\0') {
        uri->vhost = "/";
        return ACKD_OK;
    }
    if (strchr(path + 1, '/') != NULL)
        return ackd_fail(ACKD_E_SYNTAX, "has a '/' in the virtual host: write %%2F for it");
    ACKD_TRY(uri_decode(arena, path + 1, strlen(path + 1), "the virtual host", &uri->vhost));
    if (strlen(uri->vhost) > URI_VHOST_MAX)
        return ackd_fail(ACKD_E_SYNTAX, "has a virtual host of more than %d bytes", URI_VHOST_MAX);
    return ACKD_OK;
}

int uri_parse(struct arena *arena, const char *text, struct uri *ret_uri)
{
    ackd_assert(text != NULL);
    struct uri uri = {.tls = false};
    const char *authority = NULL;
    ACKD_TRY(uri_scheme(text, &uri.tls, &authority));
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || *at == 0x7f)
            return ackd_fail(ACKD_E_SYNTAX, "has a space or a control character in it: write %%20 "
                                            "and the like");
    }
    const char *path = authority + strcspn(authority, "/?#");
    /* The last '@': a user who did not encode his own still gets what he meant. */
    const char *at = memrchr(authority, '@', (size_t)(path - authority));
    if (at == NULL && *path != '\0' && strchr(path, '@') != NULL)
        return ackd_fail(ACKD_E_SYNTAX, "has a '/', '?' or '#' before an '@': in a user or a "
                                        "password write %%2F, %%3F and %%23");
    if (path[strcspn(path, "?#")] != '\0')
        return ackd_fail(ACKD_E_SYNTAX,
                         "has a '?' or a '#' in it: options are written below 'broker', and in a "
                         "user, a password or a virtual host these are %%3F and %%23");
    if (at != NULL)
        ACKD_TRY(uri_user(arena, authority, (size_t)(at - authority), &uri));
    const char *hosts = at == NULL ? authority : at + 1;
    ACKD_TRY(uri_hosts(arena, hosts, (size_t)(path - hosts), &uri));
    ACKD_TRY(uri_vhost(arena, path, &uri));
    *ret_uri = uri;
    return ACKD_OK;
}

bool uri_is_loopback(const char *host)
{
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "::1") == 0)
        return true;
    /* 127.0.0.0/8 as four numbers: 127.example.com is another machine. */
    if (strncmp(host, "127.", 4) != 0 || host[strspn(host, "0123456789.")] != '\0')
        return false;
    size_t dots = 0;
    for (const char *at = host; *at != '\0'; at++)
        dots += *at == '.';
    return dots == 3;
}
