/* SPDX-License-Identifier: MIT */
/*
 * uri - where a broker is: scheme, hosts, virtual host, and perhaps a user.
 *
 *     amqps://user:password@rabbit-1,rabbit-2:5673,[::1]/vhost
 *
 * After the "AMQP URI Specification" of RabbitMQ, but for two things: several hosts, and an empty
 * path is the virtual host "/" whether a '/' ends the hosts or not.
 */
#ifndef ACKD_CONFIG_URI_H
#define ACKD_CONFIG_URI_H

#include <ackd/abi.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct arena;

enum { URI_HOSTS_MAX = 32, URI_PORT = 5672, URI_PORT_TLS = 5671 };

struct uri {
    bool tls;
    const struct config_host *hosts;
    size_t host_count;    /* 1 to URI_HOSTS_MAX */
    const char *vhost;    /* decoded */
    const char *user;     /* decoded; NULL: none */
    const char *password; /* decoded; NULL: none */
};

/*
 * ACKD_E_SYNTAX, with a text that completes the sentence "the uri ..." and holds nothing of what
 * may be a user or a password; ACKD_E_NOMEM.
 */
ACKD_MUST_CHECK int uri_parse(struct arena *arena, const char *text, struct uri *ret_uri);

/* Whether @host is this machine: localhost, 127.0.0.0/8 or ::1. */
bool uri_is_loopback(const char *host);

#endif
