/* SPDX-License-Identifier: MIT */
/*
 * instructions - a daemon that consumes so many messages of 100 bytes, in batches of 64, with a
 * handler that returns at once: instructions.sh counts what that takes under Callgrind.
 *
 * Prints why the count would say nothing, if it would not.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"

enum { INSTRUCTIONS_BATCH = 64, INSTRUCTIONS_BODY = 100 };

static struct daemon daemon;
static unsigned long left;

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

static void settled(const struct rabbit_message *message, enum rabbit_answer answer, void *arg)
{
    (void)message;
    (void)arg;
    sim_that(answer == RABBIT_ACK);
    if (--left == 0)
        daemon_signal_after(&daemon, NS_PER_MS);
}

static void put(void)
{
    static const uint8_t header[] = {0x10, 0x00, 2}; /* a delivery mode, and nothing else */
    struct rabbit_message *message = calloc(1, sizeof *message);
    sim_that(message != NULL);
    list_init(&message->node);
    message->header_size = sizeof header;
    message->header = malloc(sizeof header);
    message->body_size = INSTRUCTIONS_BODY;
    message->body = calloc(1, INSTRUCTIONS_BODY);
    sim_that(message->header != NULL && message->body != NULL);
    memcpy(message->header, header, sizeof header);
    rabbit_put(&daemon.rabbit, daemon.queue, message);
}

static void consume(unsigned long count)
{
    static const struct daemon_options options = {.concurrency = INSTRUCTIONS_BATCH,
                                                  .prefetch = INSTRUCTIONS_BATCH,
                                                  .loops = 1,
                                                  .heartbeat_s = 60,
                                                  .shutdown_ms = 10000};
    static const struct sim_weather weather = {.latency_ns = 100 * NS_PER_US,
                                               .chunk_max = 1024 * 1024,
                                               .whole = true,
                                               .window = 1024 * 1024};
    sim_begin(1);
    sim_set_weather(&weather);
    daemon_begin(&daemon, &options);
    daemon.handler.handle = handle;
    daemon.rabbit.settled = settled;
    left = count;
    for (unsigned long i = 0; i < count; i++)
        put();
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_end();
    rabbit_fini(&daemon.rabbit);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: instructions COUNT\n");
        return EXIT_FAILURE;
    }
#ifndef __OPTIMIZE__
    printf("built without optimisation\n");
#elif defined(SANITIZED)
    printf("built with sanitizers\n");
#elif !defined(HAVE_VALGRIND_VALGRIND_H)
    printf("built without the headers of Valgrind\n");
#endif
    consume(strtoul(argv[1], NULL, 10));
    return EXIT_SUCCESS;
}
