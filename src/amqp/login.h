/* SPDX-License-Identifier: MIT */
/*
 * login - from the protocol header to connection.open: what ackd says of itself, who it is, and
 * what is agreed.
 *
 * Each function takes what the server said and writes our answer. They return what event handlers
 * of connection.c return: enum inside_taken, or an error.
 */
#ifndef ACKD_AMQP_LOGIN_H
#define ACKD_AMQP_LOGIN_H

#include "amqp/inside.h"

enum {
    LOGIN_FRAME_MAX = 4096,   /* RabbitMQ 3 answers nothing to a larger start-ok */
    LOGIN_INPUT_SIZE = 16384, /* all that a peer can make us keep before he let us in (N3) */
    LOGIN_FRAME_MAX_LEAST = 4096,
    LOGIN_CHANNEL_MAX = 65535
};

ACKD_MUST_CHECK int login_header(struct connection *connection);
/* ACKD_E_REFUSED if our mechanism is not offered; ACKD_E_TOO_LARGE for LOGIN_FRAME_MAX. */
ACKD_MUST_CHECK int login_start(struct connection *connection, const void *method,
                                struct connection_event *event);
ACKD_MUST_CHECK int login_secure(struct connection *connection, const void *method,
                                 struct connection_event *event);
ACKD_MUST_CHECK int login_tune(struct connection *connection, const void *method,
                               struct connection_event *event);
/* Forget user and password. */
void login_wipe(struct connection *connection);

#endif
