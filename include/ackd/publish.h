/* SPDX-License-Identifier: MIT */
/*
 * publish - messages that a handler sends: each call waits until the broker has confirmed.
 *
 * What returns ACKD_OK is in a queue, and safe as that queue is; so a handler that returns ACKD_OK
 * after it has its message acknowledged after its publishes were confirmed, never before. They go
 * to the consumer's own broker, over a connection of their own, from wherever a consumer's code
 * runs: handle, run(), start(), stop(), their children, and what they detach.
 *
 * The errors are those of the broker, each by its own name:
 *
 *     ACKD_E_RETURNED      no queue takes such a message: not one bound to the exchange
 *     ACKD_E_NACKED        a queue did not take it: it is full (x-overflow: reject-publish), or failed
 *     ACKD_E_NOT_FOUND     there is no such exchange
 *     ACKD_E_REFUSED       the broker does not allow it: no permission, or a property it forbids
 *     ACKD_E_TOO_LARGE     larger than the broker takes, or than the room there is for publishes
 *     ACKD_E_DISCONNECTED  the connection or its channel was lost before the confirm: whether the
 *                          message is in a queue is not known
 *     ACKD_E_BLOCKED       the broker takes no publishes now (it is low on memory or disk), and did
 *                          not within the time limit
 *     ACKD_E_TIMEOUT       no confirm within the time limit; here, and in the line above, whether the
 *                          message is in a queue is not known, unless the text says that it was not
 *                          sent
 *     ACKD_E_CLOSED        the host stops, and publishes no more
 *     ACKD_E_INVAL         a name or property beyond 255 bytes
 *     ACKD_E_NOT_OPEN      there is no broker where this runs: a service of a runtime
 *     ACKD_E_NOMEM, ACKD_E_NOT_IN_TASK, ACKD_E_SUSPEND
 *
 * Whoever tries again after a failure may publish twice: a handler that fails is called again, with
 * all its publishes. Cancellation returns ACKD_CANCELED at once; what was not sent then is not sent
 * any more, what was sent may arrive.
 *
 * Publishes of one task are in order: each is confirmed before the next is sent. Publishes of tasks
 * side by side are sent in the order of the calls. Publishes under way are bounded for each loop
 * (publishes-max and publish-buffer of 'runtime:'); who comes beyond that waits, in order.
 */
#ifndef ACKD_PUBLISH_H
#define ACKD_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/message.h>

ACKD_BEGIN_DECLS

/* A header: text if @text is set, else the integer. */
struct ackd_publication_header {
    const char *name;
    const char *text;
    int64_t integer;
};

/*
 * What is zero is absent. All of it is the caller's, and read before the call waits. Every message
 * has a header x-ackd-id beside those given.
 */
struct ackd_publication {
    const char *exchange; /* NULL: the default exchange, whose routing keys are names of queues */
    const char *routing_key; /* NULL: "" */
    struct ackd_bytes body;
    const char *content_type, *content_encoding, *correlation_id, *reply_to, *expiration, *id,
        *type, *user_id, *app_id;
    uint64_t timestamp_s;
    int priority;
    bool transient;              /* it may be lost when the broker stops */
    bool optional;               /* that no queue takes it is no failure */
    struct ackd_headers forward; /* headers of a message, to be sent on as they are */
    const struct ackd_publication_header *headers; /* ended by a NULL name */
    uint64_t timeout_ms;                           /* until the confirm; 0: 30 seconds */
};

/* Publish @body, persistent and with no other property, and wait for the confirm. */
#define ackd_publish(exchange, routing_key, ...) /* body */ \
    ackd_publish_at((exchange), (routing_key), (__VA_ARGS__), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_publish_at(const char *exchange, const char *routing_key,
                                           struct ackd_bytes body, const char *file, int line,
                                           const char *function);

/* The same with all that a message can have. */
#define ackd_publish_message(publication) ackd_publish_message_at((publication), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_publish_message_at(const struct ackd_publication *publication,
                                                   const char *file, int line,
                                                   const char *function);

/*
 * Answer @message: @body to the queue that it asks replies to, with its correlation id. What is
 * returned is as above, but for the replies of ackd_request and its like (amq.rabbitmq.reply-to.*):
 * the broker hands those over without a queue, and ACKD_OK says that it took the reply, not that
 * anybody still waits for it. ACKD_E_INVAL where @message asks for no reply.
 */
#define ackd_reply(message, ...) /* body */ ackd_reply_at((message), (__VA_ARGS__), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_reply_at(const struct ackd_message *message, struct ackd_bytes body,
                                         const char *file, int line, const char *function);

/*
 * Publish @publication and wait for the reply to it, *ret_reply: it lives until the task ends. Its
 * reply_to and correlation_id are ackd's own; its time limit is for all of it. The reply comes
 * without a queue (direct reply-to): one that comes after the wait has ended, or to a connection
 * that was lost meanwhile (ACKD_E_DISCONNECTED), is gone. So is one that is larger than the
 * consumer's message-size (ACKD_E_TIMEOUT).
 */
#define ackd_request(publication, ret_reply) ackd_request_at((publication), (ret_reply), ACKD_HERE)
ACKD_API ACKD_SUSPENDS int ackd_request_at(const struct ackd_publication *publication,
                                           struct ackd_bytes *ret_reply, const char *file, int line,
                                           const char *function);

ACKD_END_DECLS

#endif
