/* SPDX-License-Identifier: MIT */
/*
 * position - how far a consumer has read its stream, and where it goes on.
 *
 * A stream forgets nothing that was read, and takes nothing back: there is no reject and no nack for
 * it, each closes the connection. An acknowledgement only makes room for more. So what was completed
 * is known here alone.
 *
 *   P1  The position is the first offset that is not completed: all in front of it are. It never goes
 *       back. It is stored after it is reached, so what is stored may be too low and never too high.
 *
 *   P2  A new channel reads from the position. On the same channel it goes on behind what was delivered.
 *
 *   P3  A message that is given back is not answered for. While the consumer runs it is tried again
 *       here; when it stops it stays open, and is the first to be read next time.
 */
#ifndef ACKD_HOST_POSITION_H
#define ACKD_HOST_POSITION_H

#include "amqp/channel.h"
#include "config/config.h"

struct consumer;
struct job;
struct position;

/*
 * For a consumer whose queue is a stream; *ret_position stays as it is for others. Reads what is
 * stored in @state_directory, which may be NULL. ACKD_E_CONFIG where it has to be stored and there is
 * no place to; ACKD_E_OS, ACKD_E_NOMEM. @field, which is borrowed, is kept as the argument that says
 * where to read from, at each time as it has to be sent next.
 */
ACKD_MUST_CHECK int position_new(const struct config_consumer *config, const char *state_directory,
                                 struct channel_field *field, struct position **ret_position);
/* Stores what is not stored yet. */
void position_free(struct position **position);

/* A new channel is open. @wall_ns: now, since 1970. */
void position_opened(struct position *position, uint64_t wall_ns);
/* @job came: note its offset. */
void position_delivered(struct position *position, struct job *job);
/* Answers of the consumer were sent: the position may be another. */
void position_settled(struct position *position, const struct consumer *consumer);

#endif
