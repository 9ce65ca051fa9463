/* SPDX-License-Identifier: MIT */
/* declare - see the header. Exchanges first, then the queue, then what binds them. */
#include <config.h>

#include "host/declare.h"

#include <ackd/error.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/error.h"

enum {
    DECLARE_AGAIN_FIRST_MS = 1000, /* of what may come by itself, as an exchange of others */
    DECLARE_AGAIN_MAX_MS = 60000,
    DECLARE_SLOW_FIRST_MS = 5000, /* of what takes a person */
    DECLARE_SLOW_MAX_MS = 300000,
    DECLARE_OWN_ARGUMENTS = 6 /* beside those of the configuration */
};

struct declare {
    struct topology_wish wish;
    struct topology *topology;
    struct link *link;
    struct timer again;
    struct backoff backoff;
    struct backoff slow;
    declare_done *done;
    void *arg;
    struct arena arena; /* of the steps */
};

static enum channel_field_kind declare_kind(enum config_argument_kind kind)
{
    static const enum channel_field_kind kinds[] = {[CONFIG_TEXT] = CHANNEL_TEXT,
                                                    [CONFIG_INTEGER] = CHANNEL_INTEGER,
                                                    [CONFIG_BOOLEAN] = CHANNEL_BOOLEAN,
                                                    [CONFIG_TIMESTAMP] = CHANNEL_TIMESTAMP};
    return kinds[kind];
}

void declare_arguments(const struct config_table *table, struct channel_field *fields)
{
    for (size_t i = 0; i < table->count; i++)
        fields[i] = (struct channel_field){.key = table->arguments[i].key,
                                           .kind = declare_kind(table->arguments[i].kind),
                                           .text = table->arguments[i].text,
                                           .number = table->arguments[i].number};
}

/* The arguments of @table, with room for @more behind them. */
static int declare_fields(struct declare *declare, const struct config_table *table, size_t more,
                          struct channel_field **ret_fields)
{
    struct channel_field *fields =
        arena_alloc(&declare->arena, (table->count + more + 1) * sizeof *fields);
    if (fields == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a declaration");
    declare_arguments(table, fields);
    *ret_fields = fields;
    return ACKD_OK;
}

static int declare_binding(struct declare *declare, const struct config_binding *binding,
                           enum topology_kind kind, const char *name,
                           struct topology_step *ret_step)
{
    struct channel_field *fields = NULL;
    ACKD_TRY(declare_fields(declare, &binding->arguments, 0, &fields));
    *ret_step = (struct topology_step){.kind = kind,
                                       .name = name,
                                       .source = binding->exchange,
                                       .routing_key = binding->key,
                                       .arguments = fields,
                                       .argument_count = binding->arguments.count};
    return ACKD_OK;
}

static int declare_exchange(struct declare *declare, const struct config_exchange *exchange,
                            struct topology_step *ret_step)
{
    struct channel_field *fields = NULL;
    ACKD_TRY(declare_fields(declare, &exchange->arguments, 0, &fields));
    *ret_step = (struct topology_step){.kind = TOPOLOGY_DECLARE_EXCHANGE,
                                       .how = (exchange->durable ? 0U : CHANNEL_TRANSIENT) |
                                              (exchange->internal ? CHANNEL_INTERNAL : 0U),
                                       .name = exchange->name,
                                       .type = exchange->type,
                                       .arguments = fields,
                                       .argument_count = exchange->arguments.count};
    return ACKD_OK;
}

static bool declare_has(const struct config_table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->arguments[i].key, key) == 0)
            return true;
    }
    return false;
}

static int declare_queue(struct declare *declare, const struct config_consumer *config,
                         struct topology_step *ret_step)
{
    static const char *const types[] = {"classic", "quorum", "stream"};
    const struct config_declare *wanted = &config->declare;
    struct channel_field *fields = NULL;
    ACKD_TRY(declare_fields(declare, &wanted->arguments, DECLARE_OWN_ARGUMENTS, &fields));
    size_t count = wanted->arguments.count;
    fields[count++] = (struct channel_field)CHANNEL_FIELD_TEXT("x-queue-type", types[wanted->type]);
    if (config->single_active)
        fields[count++] = (struct channel_field){
            .key = "x-single-active-consumer", .kind = CHANNEL_BOOLEAN, .number = 1};
    if (wanted->dead_exchange != NULL)
        fields[count++] = (struct channel_field)CHANNEL_FIELD_TEXT("x-dead-letter-exchange",
                                                                   wanted->dead_exchange);
    if (wanted->dead_key != NULL)
        fields[count++] =
            (struct channel_field)CHANNEL_FIELD_TEXT("x-dead-letter-routing-key", wanted->dead_key);
    if (wanted->dead_strategy == 1) {
        fields[count++] =
            (struct channel_field)CHANNEL_FIELD_TEXT("x-dead-letter-strategy", "at-least-once");
        if (!declare_has(&wanted->arguments, "x-overflow"))
            fields[count++] =
                (struct channel_field)CHANNEL_FIELD_TEXT("x-overflow", "reject-publish");
    }
    ackd_assert(count <= wanted->arguments.count + DECLARE_OWN_ARGUMENTS);
    *ret_step = (struct topology_step){.kind = TOPOLOGY_DECLARE_QUEUE,
                                       .how = wanted->durable ? 0U : CHANNEL_TRANSIENT,
                                       .name = config->queue,
                                       .arguments = fields,
                                       .argument_count = count};
    return ACKD_OK;
}

static int declare_write(struct declare *declare, const struct config_consumer *config)
{
    const struct config_declare *wanted = &config->declare;
    size_t count = 1 + wanted->exchange_count + wanted->bind_count;
    for (size_t i = 0; i < wanted->exchange_count; i++)
        count += wanted->exchanges[i].bind_count;
    struct topology_step *steps = arena_alloc(&declare->arena, count * sizeof *steps);
    if (steps == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a declaration");
    struct topology_step *step = steps;
    for (size_t i = 0; i < wanted->exchange_count; i++)
        ACKD_TRY(declare_exchange(declare, &wanted->exchanges[i], step++));
    for (size_t i = 0; i < wanted->exchange_count; i++) {
        const struct config_exchange *exchange = &wanted->exchanges[i];
        for (size_t j = 0; j < exchange->bind_count; j++)
            ACKD_TRY(declare_binding(declare, &exchange->bind[j], TOPOLOGY_BIND_EXCHANGE,
                                     exchange->name, step++));
    }
    ACKD_TRY(declare_queue(declare, config, step++));
    for (size_t i = 0; i < wanted->bind_count; i++)
        ACKD_TRY(
            declare_binding(declare, &wanted->bind[i], TOPOLOGY_BIND_QUEUE, config->queue, step++));
    declare->wish.steps = steps;
    declare->wish.count = count;
    return ACKD_OK;
}

static void declare_ended(struct topology_wish *wish, int code)
{
    struct declare *declare = LIST_ITEM(wish, declare, wish);
    uint64_t retry_ms = 0;
    if (code == ACKD_OK) {
        backoff_reset(&declare->backoff);
        backoff_reset(&declare->slow);
    } else {
        bool slow =
            code == ACKD_E_CONFIG || code == ACKD_E_REFUSED || code == ACKD_E_INVAL; /* D2 */
        struct loop *loop = link_loop(declare->link);
        retry_ms =
            backoff_next_ms(slow ? &declare->slow : &declare->backoff, link_random(declare->link));
        timer_start(loop_timers(loop), &declare->again,
                    timer_after_ms(loop_now_ns(loop), retry_ms));
    }
    declare->done(code, retry_ms, declare->arg);
}

static void declare_again(struct timer *timer)
{
    declare_start(LIST_ITEM(timer, declare, again));
}

int declare_new(const struct config_consumer *config, struct topology *topology, struct link *link,
                declare_done *done, void *arg, struct declare **ret_declare)
{
    struct declare *declare = calloc(1, sizeof *declare);
    if (declare == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a declaration");
    arena_init(&declare->arena, NULL, 0);
    declare->topology = topology;
    declare->link = link;
    declare->done = done;
    declare->arg = arg;
    declare->wish.done = declare_ended;
    list_init(&declare->wish.node);
    timer_init(&declare->again, declare_again);
    backoff_init(&declare->backoff, DECLARE_AGAIN_FIRST_MS, DECLARE_AGAIN_MAX_MS);
    backoff_init(&declare->slow, DECLARE_SLOW_FIRST_MS, DECLARE_SLOW_MAX_MS);
    int code = declare_write(declare, config);
    if (code != ACKD_OK) {
        declare_free(&declare);
        return code;
    }
    *ret_declare = declare;
    return ACKD_OK;
}

void declare_free(struct declare **declare)
{
    struct declare *freed = *declare;
    if (freed == NULL)
        return;
    *declare = NULL;
    declare_stop(freed);
    arena_fini(&freed->arena);
    free(freed);
}

void declare_start(struct declare *declare)
{
    if (list_empty(&declare->wish.node) && !timer_armed(&declare->again))
        topology_declare(declare->topology, &declare->wish);
}

void declare_stop(struct declare *declare)
{
    timer_stop(&declare->again);
    list_remove(&declare->wish.node);
}

const char *declare_advice(int code)
{
    switch (code) {
    case ACKD_E_CONFIG:
        return ". Nothing was changed: write what is there into 'declare:', or move its messages "
               "and delete it, so that it can be declared anew";
    case ACKD_E_REFUSED:
        return ". Give the user the permission to configure it, or leave 'declare:' out";
    case ACKD_E_NOT_FOUND:
        return ". Declare the exchange, in 'exchanges' or where it belongs";
    default:
        return "";
    }
}
