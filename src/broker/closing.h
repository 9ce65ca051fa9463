/* SPDX-License-Identifier: MIT */
/*
 * closing - what to do when the broker closes a channel or a connection: the table closing.def.
 *
 *   O1  Every code has a row: the last one of each scope takes what no other does.
 */
#ifndef ACKD_BROKER_CLOSING_H
#define ACKD_BROKER_CLOSING_H

#include <ackd/error.h>
#include <stdint.h>

enum closing_scope { CLOSING_CONNECTION, CLOSING_CHANNEL };

enum closing_act {
    CLOSING_AGAIN,  /* come back, with the usual backoff */
    CLOSING_SLOWLY, /* it takes an operator: come back, but not soon */
    CLOSING_FAULT,  /* we broke the protocol: come back, and count it */
    CLOSING_LATE    /* a message was not answered in time: come back on a new channel */
};

struct closing {
    enum closing_scope scope;
    uint16_t code; /* 0: any */
    const char *text;
    enum closing_act act;
    int error;
    const char *hint; /* "": none */
};

/* The row for @code and @text of a close. Never NULL. */
const struct closing *closing_find(enum closing_scope scope, uint16_t code, const char *text);

/* Make the error of a close by the broker current; @who closed what, in words. Returns its code. */
int closing_fail(const struct closing *closing, const char *who, uint16_t code, const char *text);

#endif
