/* SPDX-License-Identifier: MIT */
/* derive_queue - see the header. It must not know how a queue is declared. */
#include <config.h>

#include "config/derive_queue.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "config/value.h"

static void derive_queue_say(struct findings *findings, const struct section *section,
                             enum options_section part, const char *key, const char *text)
{
    char where[SECTION_TEXT_SIZE];
    findings_add(findings, section_place(section, part, key), "'%s' of %s: %s", key,
                 section_describe(section, part, where), text);
}

/* An argument that has an option of its own. */
struct derive_queue_own {
    const char *key, *instead;
};

static void derive_queue_refuse(const struct derive *derive, const struct section *section,
                                enum options_section part, const struct config_table *table,
                                const struct derive_queue_own *own, size_t count)
{
    for (size_t i = 0; i < table->count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (strcmp(table->arguments[i].key, own[j].key) == 0)
                derive_queue_say(derive->findings, section, part, "arguments", own[j].instead);
        }
    }
}

static void derive_queue_subscription(const struct derive *derive, const struct section *section,
                                      const struct config_consumer *consumer)
{
    static const struct derive_queue_own own[] = {
        {"x-priority", "write 'priority' in place of x-priority"},
        {"x-stream-offset", "write 'offset' in place of x-stream-offset"},
    };
    derive_queue_refuse(derive, section, OPTIONS_CONSUMER, &consumer->arguments, own,
                        sizeof own / sizeof own[0]);
}

static void derive_queue_arguments(const struct derive *derive, const struct section *section,
                                   const struct config_declare *declare)
{
    static const struct derive_queue_own own[] = {
        {"x-queue-type", "write 'type' in place of x-queue-type"},
        {"x-single-active-consumer",
         "write 'single-active' of the consumer in place of x-single-active-consumer"},
        {"x-dead-letter-exchange", "write 'dead-letter' in place of x-dead-letter-exchange"},
        {"x-dead-letter-routing-key", "write 'dead-letter' in place of x-dead-letter-routing-key"},
        {"x-dead-letter-strategy", "write 'dead-letter' in place of x-dead-letter-strategy"},
    };
    derive_queue_refuse(derive, section, OPTIONS_DECLARE, &declare->arguments, own,
                        sizeof own / sizeof own[0]);
}

static void derive_queue_dead(const struct derive *derive, const struct section *section,
                              const struct config_declare *declare)
{
    if (!section_given(section, OPTIONS_DEAD))
        return;
    if (declare->type == 2)
        derive_queue_say(derive->findings, section, OPTIONS_DEAD, "exchange",
                         "a stream has no dead letters: it forgets the oldest");
    else if (declare->dead_exchange == NULL)
        derive_queue_say(derive->findings, section, OPTIONS_DEAD, "exchange",
                         "it is missing: write the exchange that they go to");
    else if (declare->type == 0 && declare->dead_strategy == 1)
        derive_queue_say(derive->findings, section, OPTIONS_DEAD, "strategy",
                         "only a quorum queue has at-least-once");
}

static void derive_queue_declare(const struct derive *derive, struct section *section,
                                 struct config_consumer *consumer)
{
    struct config_declare *declare = &consumer->declare;
    declare->given = section_given(section, OPTIONS_DECLARE);
    if (!declare->given)
        return;
    if (section_node(section, OPTIONS_CONSUMER, "queue-type") != NULL &&
        consumer->queue_type != CONFIG_QUEUE_ANY && consumer->queue_type != declare->type + 1)
        derive_queue_say(derive->findings, section, OPTIONS_CONSUMER, "queue-type",
                         "'type' of 'declare' says otherwise: leave it out");
    consumer->queue_type = declare->type + 1; /* the words stand in the same order */
    if (declare->type != 0 && !declare->durable)
        derive_queue_say(derive->findings, section, OPTIONS_DECLARE, "durable",
                         "quorum queues and streams are durable: leave it out, or write "
                         "'type: classic'");
    derive_queue_arguments(derive, section, declare);
    derive_queue_dead(derive, section, declare);
}

static void derive_queue_offset(const struct derive *derive, const struct section *section,
                                struct options_consumer *values)
{
    static const char *const words[] = {"stored", "first", "last", "next", NULL};
    struct config_consumer *consumer = &values->out;
    int word = 0;
    if (values->offset == NULL || value_choice(values->offset, words, &word) == ACKD_OK)
        consumer->offset_kind = (enum config_offset)word;
    else if (value_timestamp_s(values->offset, &consumer->offset) == ACKD_OK)
        consumer->offset_kind = CONFIG_OFFSET_TIMESTAMP;
    else if (value_integer(values->offset, &consumer->offset) == ACKD_OK && consumer->offset >= 0)
        consumer->offset_kind = CONFIG_OFFSET_NUMBER;
    else
        derive_queue_say(derive->findings, section, OPTIONS_CONSUMER, "offset",
                         "write first, last, next, stored, a time as 2026-01-31T12:00:00Z, or a "
                         "number");
    consumer->offset_else = (enum config_offset)(CONFIG_OFFSET_FIRST + values->offset_else);
}

static void derive_queue_stream(const struct derive *derive, const struct section *section,
                                struct options_consumer *values)
{
    struct config_consumer *consumer = &values->out;
    if (values->offset != NULL && consumer->queue_type == CONFIG_QUEUE_ANY)
        consumer->queue_type = CONFIG_QUEUE_STREAM;
    derive_queue_offset(derive, section, values);
    if (consumer->queue_type != CONFIG_QUEUE_STREAM) {
        if (values->offset != NULL)
            derive_queue_say(derive->findings, section, OPTIONS_CONSUMER, "offset",
                             "only a stream has offsets");
        return;
    }
    if (consumer->single_active)
        derive_queue_say(derive->findings, section, OPTIONS_CONSUMER, "single-active",
                         "a stream gives its messages to every consumer");
    if (consumer->offset_kind != CONFIG_OFFSET_STORED) {
        if (section_node(section, OPTIONS_CONSUMER, "offset-else") != NULL)
            derive_queue_say(derive->findings, section, OPTIONS_CONSUMER, "offset-else",
                             "it counts only with 'offset: stored'");
    } else if (derive->config->process.state_directory == NULL) {
        derive_queue_say(derive->warnings, section, OPTIONS_CONSUMER, "offset",
                         "there is no place to store it: write 'state' of 'runtime', or set "
                         "STATE_DIRECTORY");
    }
}

void derive_queue(const struct derive *derive, struct section *section)
{
    struct options_consumer *values = section->values;
    derive_queue_subscription(derive, section, &values->out);
    derive_queue_declare(derive, section, &values->out);
    derive_queue_stream(derive, section, values);
}
