/* SPDX-License-Identifier: MIT */
/*
 * fakebroker - RabbitMQ as far as a consumer host sees it, for tests: bytes in, bytes out.
 *
 * One broker with its queues, and a link for each connection of a client. Nothing happens but in
 * these calls, and always in the same order, so a test that is seeded stays so. The rules are those
 * that were measured on RabbitMQ 3.10.8; what 4.x does otherwise is chosen by the version.
 *
 *   B1  Tags start at 1 on each channel and are settled there. A settlement of an unknown tag, one
 *       settled before included, closes the channel with 406; so does `multiple` for such a tag,
 *       whatever it would cover.
 *   B2  What a channel or link has not settled when it ends goes back to its place, redelivered.
 *   B3  Behind a channel.close of the broker's only close and close-ok count on that channel; a
 *       second close-ok closes the connection with 504.
 *   B4  A basic.return comes in front of the confirm of the same message.
 *   B5  A publish is confirmed after it is in its queues.
 *   B6  An observer hears of everything that becomes of a message, in order.
 *
 * Messages that carry the headers of fakequeue.h are known to the observer by number.
 *
 * It must not know ackd's own client side, so that both are not wrong alike: it shares with it the
 * frames, the method codec, and the reading of properties.
 */
#ifndef ACKD_TESTS_LIB_FAKEBROKER_H
#define ACKD_TESTS_LIB_FAKEBROKER_H

#include <ackd/message.h>

#include "amqp/delivery.h"
#include "base/buffer.h"

struct fakebroker;
struct fakebroker_link;

/* Members that are 0 or NULL take the default. */
struct fakebroker_options {
    const char *version;  /* default "3.10.8" */
    const char *user;     /* default: everybody may log in */
    const char *password; /* compared where user is set */
    const char *vhost;    /* default "/" */
    uint32_t frame_max;   /* default 131072 */
    uint16_t channel_max; /* default 2047 */
    uint16_t heartbeat_s; /* that it offers; default 60 */
};

/* What happened, ever. */
struct fakebroker_counts {
    uint64_t published;     /* by clients */
    uint64_t confirmed;     /* with basic.ack */
    uint64_t refused;       /* with basic.nack */
    uint64_t returned;      /* unroutable */
    uint64_t delivered;     /* redeliveries included */
    uint64_t redelivered;   /* delivered with that flag */
    uint64_t acked;         /* messages, not frames */
    uint64_t ack_frames;    /* basic.ack */
    uint64_t released;      /* basic.nack, requeue */
    uint64_t retried;       /* basic.reject, requeue */
    uint64_t rejected;      /* nack or reject without requeue */
    uint64_t given_back;    /* because a channel or link ended */
    uint64_t expired;       /* ran out in a queue */
    uint64_t dead_lettered; /* routed as dead letters, for whatever reason */
    uint64_t dropped;       /* dead, and nowhere to go */
    uint64_t unknown_tags;  /* channels closed with 406 because of B1 */
    uint64_t faults;        /* connections closed because the client broke the protocol */
    uint64_t consumes;      /* basic.consume that were taken */
    uint64_t unbounded;     /* ... without a prefetch, or without acknowledgements */
    uint64_t logins;
    uint64_t logins_refused;
    uint64_t heartbeats; /* received */
};

/* What becomes of a message. */
enum fakebroker_fate {
    FAKEBROKER_STORED,    /* a client's publish: in its queues */
    FAKEBROKER_CONFIRMED, /* ... basic.ack for it is written */
    FAKEBROKER_REFUSED,   /* ... or basic.nack */
    FAKEBROKER_DELIVERED, /* is about to be written */
    FAKEBROKER_ACKED,
    FAKEBROKER_RELEASED,   /* basic.nack, requeue */
    FAKEBROKER_RETRIED,    /* basic.reject, requeue */
    FAKEBROKER_REJECTED,   /* not to be requeued */
    FAKEBROKER_GIVEN_BACK, /* its channel or link ended */
    FAKEBROKER_REPEATED,   /* the queue's process died: ready again, and still held */
    FAKEBROKER_MOVED,      /* as a dead letter, out of @queue */
    FAKEBROKER_DROPPED     /* a dead letter with nowhere to go */
};

struct fakebroker_event {
    enum fakebroker_fate fate;
    const char *queue;      /* where it happens; of a publish, its routing key */
    uint64_t number;        /* the message's, by its header; 0: it has none */
    uint64_t serial;        /* of the delivery */
    bool held;              /* ... that held the message: its queue has not died since */
    struct ackd_bytes body; /* of what was stored */
};

/* It may not call the broker. */
struct fakebroker_observer {
    void (*happened)(const struct fakebroker_event *event, void *arg);
    void *arg;
};

/* How far a login has come. */
enum fakebroker_step {
    FAKEBROKER_GREETING,
    FAKEBROKER_START,
    FAKEBROKER_TUNE,
    FAKEBROKER_OPENING,
    FAKEBROKER_RUNNING,
    FAKEBROKER_NEVER
};

struct fakebroker *fakebroker_new(const struct fakebroker_options *options);
/* With its links and queues. */
void fakebroker_free(struct fakebroker **broker);
void fakebroker_observe(struct fakebroker *broker, const struct fakebroker_observer *observer);
const struct fakebroker_counts *fakebroker_counts(const struct fakebroker *broker);
/* What the first unknown tag or fault was; "": there was none. */
const char *fakebroker_first_fault(const struct fakebroker *broker);

/*
 * Time. Messages run out, heartbeats go out every half interval, a client that was silent for three
 * is dropped without a word. The broker never reads a clock.
 */
void fakebroker_tick(struct fakebroker *broker, uint64_t now_ns);
/* When the next tick does something; UINT64_MAX: never. */
uint64_t fakebroker_next_ns(const struct fakebroker *broker);

/* Links. A client connected; it wrote @size bytes; what it is to read. */
struct fakebroker_link *fakebroker_accept(struct fakebroker *broker);
void fakebroker_receive(struct fakebroker_link *link, const void *bytes, size_t size);
struct buffer *fakebroker_output(struct fakebroker_link *link);
/* Something was taken from the output: more may be delivered, where it was full. */
void fakebroker_sent(struct fakebroker_link *link);
/* The broker is done with it: what is in the output may still be read, then comes the end. */
bool fakebroker_ended(const struct fakebroker_link *link);
/* It is logged in, and nobody closes it. */
bool fakebroker_running(const struct fakebroker_link *link);
/* The open channel at @index, in the order of opening; 0: there are no more. */
uint16_t fakebroker_channel(const struct fakebroker_link *link, size_t index);
/* The transport ended, whoever ended it: B2. Frees the link. */
void fakebroker_hang_up(struct fakebroker_link **link);
/* The first link, and the one behind @link; NULL at the end. In the order of fakebroker_accept. */
struct fakebroker_link *fakebroker_first_link(struct fakebroker *broker);
struct fakebroker_link *fakebroker_next_link(struct fakebroker_link *link);

/* Queues. An argument's text may be a number, where the broker wants one. */
struct fakebroker_argument {
    const char *key;
    const char *text;
};
void fakebroker_declare(struct fakebroker *broker, const char *queue,
                        const struct fakebroker_argument *arguments, size_t count);
/* Its consumers get basic.cancel, its messages are gone. */
void fakebroker_delete(struct fakebroker *broker, const char *queue);
bool fakebroker_has_queue(const struct fakebroker *broker, const char *queue);
/* Route what is published to @exchange with exactly @routing_key to @queue. Makes the exchange. */
void fakebroker_bind(struct fakebroker *broker, const char *exchange, const char *routing_key,
                     const char *queue);
/* Put a message into a queue. @properties: NULL for none. */
void fakebroker_put(struct fakebroker *broker, const char *queue,
                    const struct properties *properties, struct ackd_bytes body);
/* Messages that are ready; that are with consumers; consumers. */
size_t fakebroker_depth(const struct fakebroker *broker, const char *queue);
size_t fakebroker_unacked(const struct fakebroker *broker, const char *queue);
size_t fakebroker_consumers(const struct fakebroker *broker, const char *queue);
/* The body and properties of the ready message at @index; false if there is none. Borrowed; strings
 * of the properties are in @arena. */
bool fakebroker_look(const struct fakebroker *broker, const char *queue, size_t index,
                     struct arena *arena, struct ackd_bytes *ret_body,
                     struct properties *ret_properties);
/* Take the first ready message away; false if there is none. */
bool fakebroker_drop_first(struct fakebroker *broker, const char *queue);

/* Faults to inject. */

/* Close a channel; again, while its close-ok has not come, as RabbitMQ does at each tick. */
void fakebroker_close_channel(struct fakebroker_link *link, uint16_t channel, uint16_t code,
                              const char *text);
void fakebroker_close_connection(struct fakebroker_link *link, uint16_t code, const char *text);
/* basic.cancel to every consumer of the queue. What they hold stays with them. */
void fakebroker_cancel(struct fakebroker *broker, const char *queue);
/* The consumers that it has now are gone, and nobody is told; are counted, and sent nothing; are sent
 * the next @count messages under another consumer's tag. */
void fakebroker_forget(struct fakebroker *broker, const char *queue);
void fakebroker_starve(struct fakebroker *broker, const char *queue);
void fakebroker_stray(struct fakebroker *broker, const char *queue, uint16_t count);
/* The process of a classic queue is killed: what its consumers hold is delivered once more on the
 * same channels, and the old tags are still accepted. */
void fakebroker_kill_queue(struct fakebroker *broker, const char *queue);
/* Deliver so many more than the prefetch allows, from now on. */
void fakebroker_over_deliver(struct fakebroker *broker, uint16_t more);
/* A silent link is connected and neither reads nor writes; what it was sent waits. */
void fakebroker_silence(struct fakebroker_link *link, bool silent);
/* A silent broker leaves its links so from the moment on that they are accepted. */
void fakebroker_silence_all(struct fakebroker *broker, bool silent);
/* Links fall silent when their login comes to @step, and stay so. FAKEBROKER_NEVER: they do not. */
void fakebroker_silence_from(struct fakebroker *broker, enum fakebroker_step step);
/* connection.blocked and unblocked, to every link that has published. Until then it is not read. */
void fakebroker_block(struct fakebroker *broker, const char *reason);
void fakebroker_unblock(struct fakebroker *broker);
/* Answer publishes with basic.nack, having stored nothing. */
void fakebroker_refuse_publishes(struct fakebroker *broker, bool refuse);
/* Hold confirms back, until they are wanted again: then they come as one `multiple`. */
void fakebroker_hold_confirms(struct fakebroker *broker, bool hold);
/* Say those that are held now: each by itself, all by as few methods as can be, or only the last. */
enum fakebroker_confirming { FAKEBROKER_EACH, FAKEBROKER_TOGETHER, FAKEBROKER_LAST };
void fakebroker_say_confirms(struct fakebroker *broker, enum fakebroker_confirming how);
bool fakebroker_holds_confirms(const struct fakebroker *broker);
/* Route no publish of a client's anywhere: what is mandatory comes back. */
void fakebroker_lose_routes(struct fakebroker *broker, bool lose);
/* What becomes of the next answer to a client. */
enum fakebroker_mangling {
    FAKEBROKER_AS_IT_IS,
    FAKEBROKER_UNSAID,
    FAKEBROKER_TWICE, /* said twice */
    FAKEBROKER_WRONG  /* another one is said */
};
void fakebroker_mangle(struct fakebroker *broker, enum fakebroker_mangling mangling);
/* All links end, without a word; what was stored stays. */
void fakebroker_crash(struct fakebroker *broker);
/* Refuse logins: the password was changed. */
void fakebroker_refuse_logins(struct fakebroker *broker, bool refuse);

#endif
