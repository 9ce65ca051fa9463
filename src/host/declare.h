/* SPDX-License-Identifier: MIT */
/*
 * declare - what a consumer's 'declare:' asks of the broker, as a program for its topology.
 *
 *   D1  Nothing is deleted or changed. What differs from what is asked for is a failure, told with
 *       what differs and what can be done.
 *
 *   D2  After a failure it is tried again, with a wait that grows: a mismatch and a missing permission
 *       after minutes, because they take a person.
 */
#ifndef ACKD_HOST_DECLARE_H
#define ACKD_HOST_DECLARE_H

#include "broker/topology.h"
#include "config/config.h"

struct declare;

/* ACKD_OK: all is as asked for. Else the error is current, and it is tried again in @retry_ms. */
typedef void declare_done(int code, uint64_t retry_ms, void *arg);

/* @config is borrowed. */
ACKD_MUST_CHECK int declare_new(const struct config_consumer *config, struct topology *topology,
                                struct link *link, declare_done *done, void *arg,
                                struct declare **ret_declare);
void declare_free(struct declare **declare);
/* Do it, now or when the connection is there; nothing where it is under way, or waits. */
void declare_start(struct declare *declare);
/* Try no more. */
void declare_stop(struct declare *declare);
/* @table as the broker is sent it, in as many of @fields; its texts are borrowed. */
void declare_arguments(const struct config_table *table, struct channel_field *fields);
/* What a person can do about a failure of @code, for the end of a line in the log. */
const char *declare_advice(int code);

#endif
