/* SPDX-License-Identifier: MIT */
/* fakelink - the inside of the fake broker: what its files share. */
#ifndef ACKD_TESTS_LIB_FAKELINK_H
#define ACKD_TESTS_LIB_FAKELINK_H

#include "amqp/frame.h"
#include "amqp/method.h"
#include "fakebroker.h"
#include "fakequeue.h"

struct fakelink_consumer {
    struct list in_queue;
    struct list in_channel;
    struct fakequeue *queue;
    struct fakebroker_link *link;
    struct fakelink_channel *channel;
    char *tag;
    uint64_t unacked;
    uint16_t prefetch; /* 0: any number */
    uint16_t strays;   /* so many deliveries to come have another consumer tag */
    bool no_ack;
    bool starved; /* is sent nothing */
};

/* A message that a client holds. */
struct fakelink_unacked {
    struct list node; /* by tag */
    uint64_t tag;
    uint64_t number; /* of its message */
    uint64_t serial;
    struct fakequeue_message *message;  /* NULL: its queue died under it */
    struct fakequeue *queue;            /* NULL: deleted */
    struct fakelink_consumer *consumer; /* NULL: canceled */
};

/* A publish on its way in. */
struct fakelink_publish {
    char *exchange; /* NULL: there is none on its way */
    char *routing_key;
    uint8_t *properties;
    size_t properties_size;
    uint8_t *body;
    uint64_t size;
    uint64_t left;
    bool mandatory;
    bool header; /* has come */
};

/* A confirm that is not said yet. */
struct fakelink_confirm {
    uint64_t tag;
    uint64_t number; /* of its message; 0: none was stored */
    bool taken;
    char routing_key[64];
};

struct fakelink_channel {
    struct list node;
    uint16_t number;
    bool closing; /* the broker's close was sent */
    bool confirms;
    uint16_t prefetch; /* of consumers to come */
    uint64_t next_tag;
    uint64_t next_confirm;
    struct fakelink_confirm *held; /* in order */
    size_t held_count;
    size_t held_room;
    struct list unacked;
    struct list consumers;
    struct fakelink_publish publish;
};

enum fakelink_state {
    FAKELINK_HEADER,
    FAKELINK_START,
    FAKELINK_TUNE,
    FAKELINK_OPEN,
    FAKELINK_RUNNING,
    FAKELINK_CLOSING, /* the broker's close was sent */
    FAKELINK_ENDED
};

struct fakebroker_link {
    struct list node;
    struct fakebroker *broker;
    enum fakelink_state state;
    struct buffer input; /* not yet read */
    struct buffer output;
    struct frame_limits limits;
    amqp_pool_t pool;
    struct list channels;
    uint32_t frame_max;
    uint16_t heartbeat_s; /* agreed */
    uint64_t heard_ns;
    uint64_t beat_ns; /* of the last heartbeat sent */
    bool silent;
    bool publishes; /* it has published */
    bool blocked;
    bool was_full; /* its output: nothing was delivered that could have been */
};

struct fakebroker {
    struct fakebroker_options options; /* its numbers; the strings are below */
    char *version;
    bool nack_counts; /* towards the delivery limit: below 4.3 */
    char *user;
    char *password;
    char *vhost;
    struct list queues;
    struct list bindings;
    struct list links;
    struct fakebroker_counts counts;
    uint64_t now_ns;
    uint16_t more; /* over-delivery */
    uint64_t serials;
    struct fakebroker_observer observer;
    char note[128]; /* the first slip of a client's */
    enum fakebroker_step silent_from;
    enum fakebroker_mangling mangling;
    bool silent;
    bool refuse_publishes;
    bool lose_routes;
    bool hold_confirms;
    bool refuse_logins;
    char *blocked; /* why; NULL: it is not */
};

/* Of fakebroker.c, for fakelink.c. */
struct fakequeue *fakebroker_find(const struct fakebroker *broker, const char *name);
/* How many queues took it. *ret_refused: one was full. -1: there is no such exchange. */
int fakebroker_route(struct fakebroker *broker, const char *exchange, const char *routing_key,
                     struct ackd_bytes properties, struct ackd_bytes body, bool *ret_refused);
/* Deliver whatever can be. */
void fakebroker_pump(struct fakebroker *broker);
/* A message that nobody wants: to its dead-letter queue, or dropped. Frees it. */
void fakebroker_bury(struct fakebroker *broker, struct fakequeue *queue,
                     struct fakequeue_message *message);
/* A queue, with what the version has for defaults. */
struct fakequeue *fakebroker_add_queue(struct fakebroker *broker, const char *name,
                                       struct ackd_bytes arguments);
/* Put back what a client held; @counted: towards the delivery limit. Frees nothing but @unacked. */
void fakebroker_requeue(struct fakebroker *broker, struct fakelink_unacked *unacked, bool counted);
/* Tell the observer. @queue: NULL if it is named by the message's routing key. */
void fakebroker_happened(struct fakebroker *broker, enum fakebroker_fate fate,
                         const struct fakequeue *queue, const struct fakequeue_message *message);
void fakebroker_tell(const struct fakebroker *broker, const struct fakebroker_event *event);
/* A client broke the rules. The first is kept. */
void fakebroker_note(struct fakebroker *broker, const char *text);
/* A copy. Never NULL. */
char *fakebroker_strdup(const char *text, size_t size);

/* Of fakesettle.c. */
void fakelink_say_content(struct fakebroker_link *link, uint16_t channel,
                          const struct fakequeue_message *message);
void fakelink_deliver(struct fakelink_consumer *consumer, struct fakequeue_message *message);
void fakelink_cancel(struct fakelink_consumer *consumer);
/* All that the channel holds; its consumers end. */
void fakelink_give_back(struct fakebroker_link *link, struct fakelink_channel *channel);
void fakelink_take_settlement(struct fakebroker_link *link, struct fakelink_channel *channel,
                              uint32_t id, const void *method);

/* Of fakepublish.c. */
void fakelink_drop_publish(struct fakelink_publish *publish);
void fakelink_take_publish(struct fakebroker_link *link, struct fakelink_channel *channel,
                           const amqp_basic_publish_t *method);
/* NULL, or why it is no content that may come now. */
const char *fakelink_take_content(struct fakebroker_link *link, struct fakelink_channel *channel,
                                  const struct frame *frame, const uint8_t *payload);
/* Say what is held. */
void fakelink_say_confirms(struct fakebroker_link *link, struct fakelink_channel *channel,
                           enum fakebroker_confirming how);

/* Of fakelink.c. */

/* Read what has come. */
void fakelink_read(struct fakebroker_link *link);
void fakelink_say(struct fakebroker_link *link, uint16_t channel, uint32_t id, const void *method);
struct fakelink_channel *fakelink_channel(struct fakebroker_link *link, uint16_t number);
void fakelink_close_channel(struct fakebroker_link *link, uint16_t number, uint16_t code,
                            uint32_t method, const char *text);
void fakelink_close(struct fakebroker_link *link, uint16_t code, uint32_t method, const char *text);
/* Give back all that it holds, and forget its channels. */
void fakelink_drop_channels(struct fakebroker_link *link);

#endif
