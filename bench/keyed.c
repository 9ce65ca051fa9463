/* SPDX-License-Identifier: MIT */
/*
 * keyed - what messages of quiet keys wait beside a key that has very many.
 *
 * Its run() publishes a rush of one key, and then, at a steady pace, messages of other keys; its
 * handler takes as long for each, and notes for the quiet ones how long it is since they were
 * published. When all of those are done, it writes one line: their number, the median, the 99th
 * percentile and the longest, in microseconds.
 */
#include <ackd/ackd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEYED_QUIET_MAX = 1000, KEYED_KEYS = 20, KEYED_PACE_MS = 5 };

struct keyed {
    const char *queue;
    const char *file;
    uint64_t work; /* ms for each message */
    int64_t noisy; /* messages of the rush */
    int64_t quiet; /* ... and of the others */
    uint64_t waited_us[KEYED_QUIET_MAX];
    size_t count;
};

static const struct ackd_option options[] = {
    ACKD_OPTION(struct keyed, queue, STRING, .required = true, .help = "where it publishes"),
    ACKD_OPTION(struct keyed, file, PATH, .required = true, .help = "for the result"),
    ACKD_OPTION(struct keyed, work, DURATION, .fallback = "5ms", .help = "of each message"),
    ACKD_OPTION(struct keyed, noisy, INTEGER, .fallback = "400", .help = "messages of one key"),
    ACKD_OPTION(struct keyed, quiet, INTEGER, .fallback = "200", .help = "of other keys"),
    ACKD_OPTIONS_END};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int publish(const struct keyed *keyed, const char *key)
{
    uint64_t at_us = now_us();
    struct ackd_publication_header headers[] = {{.name = "key", .text = key}, {.name = NULL}};
    struct ackd_publication publication = {.routing_key = keyed->queue,
                                           .body = {&at_us, sizeof at_us},
                                           .transient = true,
                                           .headers = headers};
    return ackd_publish_message(&publication);
}

static int rush(void *arg)
{
    return publish(arg, "noisy");
}

static int run(void *state)
{
    struct keyed *keyed = state;
    for (int64_t done = 0; done < keyed->noisy;) {
        ACKD_SCOPE(some);
        for (int i = 0; i < 100 && done < keyed->noisy; i++, done++)
            ACKD_TRY(ackd_spawn(&some, rush, keyed));
        ACKD_TRY(ackd_scope_join(&some));
    }
    for (int64_t i = 0; i < keyed->quiet; i++) {
        char key[16];
        snprintf(key, sizeof key, "quiet-%d", (int)(i % KEYED_KEYS));
        ACKD_TRY(publish(keyed, key));
        ACKD_TRY(ackd_delay(KEYED_PACE_MS));
    }
    return ACKD_OK;
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

static int report(struct keyed *keyed)
{
    FILE *file = fopen(keyed->file, "w");
    if (file == NULL)
        return ackd_fail(ACKD_E_OS, "%s cannot be written", keyed->file);
    qsort(keyed->waited_us, keyed->count, sizeof keyed->waited_us[0], compare);
    fprintf(file, "%zu %llu %llu %llu\n", keyed->count,
            (unsigned long long)keyed->waited_us[keyed->count / 2],
            (unsigned long long)keyed->waited_us[keyed->count * 99 / 100],
            (unsigned long long)keyed->waited_us[keyed->count - 1]);
    fclose(file);
    return ACKD_OK;
}

static int handle(const struct ackd_message *message, void *state)
{
    struct keyed *keyed = state;
    struct ackd_header key;
    uint64_t at_us = 0;
    ACKD_TRY(ackd_delay(keyed->work));
    bool quiet = ackd_message_header(message, "key", &key) && key.bytes.size > 0 &&
                 *(const char *)key.bytes.data == 'q';
    if (!quiet || keyed->count == KEYED_QUIET_MAX)
        return ACKD_OK;
    memcpy(&at_us, ackd_message_body(message).data, sizeof at_us);
    keyed->waited_us[keyed->count++] = now_us() - at_us;
    return keyed->count == (size_t)keyed->quiet ? report(keyed) : ACKD_OK;
}

ACKD_CONSUMER(.name = "keyed", .options = options, .state_size = sizeof(struct keyed), .run = run,
              .handle = handle);
