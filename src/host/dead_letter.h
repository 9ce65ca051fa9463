/* SPDX-License-Identifier: MIT */
/*
 * dead_letter - a copy of a message for its dead-letter queue, with the story of what happened to
 * it.
 *
 * It keeps the body, the type, the ids, the time, the priority and the publisher's headers. It
 * drops what would act on the copy: CC and BCC (they duplicate), x-death and its like (a cycle
 * check could drop it), user-id (RabbitMQ closes the channel with 406 where it is not ours) and
 * expiration. What a former dead letter told (x-ackd-...) goes too: this one has its own story.
 */
#ifndef ACKD_HOST_DEAD_LETTER_H
#define ACKD_HOST_DEAD_LETTER_H

#include "host/consumer.h"

enum { DEAD_LETTER_TEXT_MAX = 8000 }; /* bytes of error text in a header */

struct dead_letter;

/* The error is current in done() unless @code is ACKD_OK. */
typedef void dead_letter_done(struct dead_letter *letter, struct job *job, int code);

ACKD_MUST_CHECK int dead_letter_new(struct consumer *consumer, struct job *job,
                                    const struct ackd_error *error, dead_letter_done *done,
                                    struct dead_letter **ret_letter);
void dead_letter_publish(struct dead_letter *letter);
void dead_letter_free(struct dead_letter **letter);

#endif
