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
static unsigned long count;

static int handle(const struct ackd_message *message, void *state)
{
    (void)message;
    (void)state;
    return ACKD_OK;
}

static void stop_when_settled(struct daemon *stopped)
{
    if (fakebroker_counts(stopped->broker.fake)->acked == count && stopped->signals == 0 &&
        !timer_armed(&stopped->signal))
        daemon_signal_after(stopped, NS_PER_MS);
}

static void consume(void)
{
    static const struct daemon_options options = {.concurrency = INSTRUCTIONS_BATCH,
                                                  .prefetch = INSTRUCTIONS_BATCH,
                                                  .loops = 1,
                                                  .heartbeat_s = 60,
                                                  .shutdown_ms = 10000};
    static const struct properties properties = {.delivery_mode = 2, .priority = -1};
    static const uint8_t body[INSTRUCTIONS_BODY];
    static const struct sim_weather weather = {.latency_ns = 100 * NS_PER_US,
                                               .chunk_max = 1024 * 1024,
                                               .whole = true,
                                               .window = 1024 * 1024};
    sim_begin(1);
    sim_set_weather(&weather);
    daemon_begin(&daemon, &options);
    daemon.handler.handle = handle;
    daemon.step = stop_when_settled;
    for (unsigned long i = 0; i < count; i++)
        fakebroker_put(daemon.broker.fake, "work", &properties,
                       (struct ackd_bytes){.data = body, .size = sizeof body});
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    daemon_end(&daemon);
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
    count = strtoul(argv[1], NULL, 10);
    consume();
    return EXIT_SUCCESS;
}
