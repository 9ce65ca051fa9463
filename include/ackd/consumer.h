/* SPDX-License-Identifier: MIT */
/*
 * consumer - the one symbol a plugin exports: what it is called, what it can be told, what it does.
 *
 *     ACKD_CONSUMER(.name = "shop", .handle = handle, .options = options,
 *                   .state_size = sizeof(struct shop));
 *
 * The state is zeroed memory of state_size bytes, made once for each loop that the consumer runs
 * on, with its options filled in. Loops share nothing, so a handler needs no locks for what is in
 * its state.
 */
#ifndef ACKD_CONSUMER_H
#define ACKD_CONSUMER_H

#include <stddef.h>
#include <stdint.h>

#include <ackd/abi.h>
#include <ackd/batch.h>
#include <ackd/message.h>
#include <ackd/option.h>
#include <ackd/service.h>

ACKD_BEGIN_DECLS

struct ackd_consumer {
    uint32_t size; /* of this structure, as the plugin was compiled */
    uint16_t abi_major;
    uint16_t abi_minor;
    const char *name;                  /* as in 'handler: NAME' */
    const char *version;               /* free text for logs and dead letters; may be NULL */
    const char *help;                  /* one line for 'ackd handlers'; may be NULL */
    const struct ackd_option *options; /* ended by ACKD_OPTIONS_END; NULL: none */
    size_t state_size;                 /* bytes; 0: handlers get NULL */

    /* Each of these runs as a task and may await. */
    int (*start)(
        void *state); /* once per loop before the first message; a failure pauses the consumer */
    /* Once per message. What it returns decides on the message: see ackd_verdict in error.h. */
    int (*handle)(const struct ackd_message *message, void *state);
    int (*stop)(void *state); /* once per loop after the last message */

    /*
     * Once per loop, beside the messages, from start() on: a background service (service.h). At a
     * stop it is cancelled with SHUTDOWN when no message is in flight any more, or with those that
     * are; stop() is called when it and what was detached have ended.
     */
    int (*run)(void *state);
    enum ackd_service_failure run_failure;

    /* Since 1.1. In place of handle() for consumers with 'batch:', several messages at once: see
     * batch.h. A handler has one of the two at least; with both, 'batch:' chooses. */
    int (*handle_batch)(const struct ackd_batch *batch, void *state);
};

/* In C++ the members stand in the order above; so do those of an ACKD_OPTION. */
#define ACKD_CONSUMER(...)                                                            \
    extern ACKD_API const struct ackd_consumer ackd_consumer;                         \
    const struct ackd_consumer ackd_consumer = {.size = sizeof(struct ackd_consumer), \
                                                .abi_major = ACKD_ABI_MAJOR,          \
                                                .abi_minor = ACKD_ABI_MINOR,          \
                                                __VA_ARGS__}

ACKD_END_DECLS

#endif
