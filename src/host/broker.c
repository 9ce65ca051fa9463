/* SPDX-License-Identifier: MIT */
/* broker - see the header. It says in the log what happens to its connections, in one line each. */
#include <config.h>

#include "host/broker.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/frame.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/consumer.h"
#include "host/host.h"
#include "host/job.h"
#include "host/report.h"
#include "io/system.h"

enum {
    BROKER_ERROR_SIZE = 1024,
    BROKER_NAME_SIZE = 512 /* of a connection */
};

static const char *broker_link_name(const struct broker *broker, const struct link *link)
{
    return link == broker->publishing ? "publishing" : "consuming";
}

static void broker_up(struct link *link, void *arg)
{
    struct broker *broker = arg;
    struct ackd_log_field fields[] = {ACKD_FIELD("broker", broker->config->name),
                                      ACKD_FIELD("link", broker_link_name(broker, link)),
                                      ACKD_FIELD("peer", link_peer(link))};
    if (link == broker->consuming) {
        broker->was_up = broker->tried = true;
        broker->attempts = 0;
    }
    ackd_log_event(ACKD_LOG_INFO, "connected", fields, 3, "connected to %s at %s for %s",
                   link_server(link), link_peer(link), broker_link_name(broker, link));
}

static struct inlet *broker_find_inlet(const struct broker *broker, const struct link *link)
{
    list_for_each (node, &broker->inlets) {
        struct inlet *inlet = LIST_ITEM(node, inlet, node);
        if (inlet->link == link)
            return inlet;
    }
    return NULL; /* it publishes */
}

/* A broker that is long away is told of at each try at first, and then twice a minute. */
static bool broker_tells(struct broker *broker)
{
    uint64_t now_ns = loop_now_ns(host_loop(broker->host));
    broker->attempts++;
    if (broker->attempts > BROKER_ATTEMPTS_TOLD &&
        now_ns - broker->told_ns < BROKER_TOLD_S * NS_PER_S)
        return false;
    broker->told_ns = now_ns;
    return true;
}

static void broker_down(struct link *link, uint64_t retry_ms, bool severe, void *arg)
{
    struct broker *broker = arg;
    char text[BROKER_ERROR_SIZE];
    report_error_line(ackd_error_current(), text, sizeof text);
    struct ackd_log_field fields[] = {ACKD_FIELD("broker", broker->config->name),
                                      ACKD_FIELD("link", broker_link_name(broker, link)),
                                      ACKD_FIELD_INT("retry_ms", retry_ms)};
    if (link == broker->consuming)
        broker->tried = true;
    if (link == broker->publishing)
        broker->blocked[0] = '\0';
    bool fault = link_closing(link) != NULL && link_closing(link)->act == CLOSING_FAULT;
    enum ackd_log_level level = severe || fault ? ACKD_LOG_ERROR : ACKD_LOG_WARNING;
    /* One line for one outage: where all are down, the first that consumes speaks. */
    if (link != broker->consuming && link_state(broker->consuming) != LINK_OPEN)
        level = ACKD_LOG_DEBUG;
    if (link == broker->consuming && !broker_tells(broker) && level == ACKD_LOG_WARNING)
        level = ACKD_LOG_DEBUG;
    ackd_log_event(level, "disconnected", fields, 3,
                   "no connection for %s: %s; next try in %" PRIu64 " ms%s",
                   broker_link_name(broker, link), text, retry_ms,
                   severe  ? ". This looks like a matter of configuration: see 'broker:'"
                   : fault ? ". This is a fault in ackd, please report it"
                           : "");
    struct inlet *inlet = broker_find_inlet(broker, link);
    if (fault && inlet != NULL) {
        metric_add(&broker->metrics, METRIC_protocol_faults, 1);
        inlet_fault(inlet, loop_now_ns(host_loop(broker->host)));
    }
}

static void broker_blocked(struct link *link, const char *why, void *arg)
{
    struct broker *broker = arg;
    struct ackd_log_field fields[] = {ACKD_FIELD("broker", broker->config->name)};
    if (link == broker->publishing) {
        publisher_block(broker->publisher, why != NULL);
        snprintf(broker->blocked, sizeof broker->blocked, "%s", why == NULL ? "" : why);
    }
    if (why != NULL)
        ackd_log_event(ACKD_LOG_WARNING, "blocked", fields, 1,
                       "the broker takes no publishes: %s; they wait", why);
    else
        ackd_log_event(ACKD_LOG_INFO, "unblocked", fields, 1, "the broker takes publishes again");
}

static const struct link_events broker_link_events = {
    .up = broker_up,
    .down = broker_down,
    .blocked = broker_blocked,
};

struct inlet *broker_inlet(const struct broker *broker, const struct config_consumer *consumer)
{
    list_for_each (node, &broker->inlets) {
        struct inlet *inlet = LIST_ITEM(node, inlet, node);
        if (inlet_is_of(inlet, consumer))
            return inlet;
    }
    return NULL; /* not yet made */
}

/* As it is shown by the broker: host, what for, and for whom, as far as that fits. @inlet NULL: of
 * all. */
static void broker_name_link(const struct broker *broker, const struct inlet *inlet, char *name,
                             size_t size)
{
    char hostname[256];
    system_hostname(hostname, sizeof hostname);
    size_t at = (size_t)snprintf(name, size, "ackd %s %s", hostname,
                                 inlet == NULL ? "publishing" : "consuming");
    const char *between = ": ";
    list_for_each (node, &broker->host->consumers) {
        const struct config_consumer *consumer = LIST_ITEM(node, consumer, node)->config;
        if (consumer->broker != broker->config || (inlet != NULL && !inlet_is_of(inlet, consumer)))
            continue;
        if (at + strlen(between) + strlen(consumer->name) + sizeof ", ..." > size) {
            snprintf(name + at, size - at, ", ...");
            return;
        }
        at += (size_t)snprintf(name + at, size - at, "%s%s", between, consumer->name);
        between = ", ";
    }
}

/* The largest message that a consumer of this broker takes: what they ask for may be as large. */
static uint64_t broker_message_max(const struct broker *broker)
{
    uint64_t most = 0;
    list_for_each (node, &broker->inlets) {
        const struct inlet *inlet = LIST_ITEM(node, inlet, node);
        most = inlet->message_max > most ? inlet->message_max : most;
    }
    return most;
}

static int broker_new_link(struct broker *broker, const struct inlet *inlet, struct link **ret_link)
{
    const struct config_broker *config = broker->config;
    char name[BROKER_NAME_SIZE];
    broker_name_link(broker, inlet, name, sizeof name);
    struct link_options options = {
        .loop = host_loop(broker->host),
        .random = host_random(broker->host),
        .pool = broker->deliveries,
        .login = {.mechanism = config->external ? CONNECTION_EXTERNAL : CONNECTION_PLAIN,
                  .user = config->user,
                  .password = config->password,
                  .vhost = config->vhost,
                  .name = name,
                  .version = PACKAGE_VERSION,
                  .heartbeat_s = (uint16_t)(config->heartbeat_ms / 1000),
                  .message_size_max =
                      inlet == NULL ? broker_message_max(broker) : inlet->message_max},
        .hosts = broker->hosts,
        .host_count = config->host_count,
        .tls = broker->tls,
        .reconnect_first_ms = config->reconnect_first_ms,
        .reconnect_max_ms = config->reconnect_max_ms,
        .spread_ms = config->reconnect_spread_ms,
        .events = &broker_link_events,
        .arg = broker,
    };
    return link_new(&options, ret_link);
}

/* The connection of @consumer, with its sizes; new where it is the first. */
static int broker_add_inlet(struct broker *broker, const struct config_consumer *consumer)
{
    struct inlet *inlet = broker_inlet(broker, consumer);
    if (inlet == NULL) {
        ACKD_TRY(inlet_new(broker, consumer->buffer == 0 ? NULL : consumer, &inlet));
        if (inlet->owner == NULL)
            list_insert(&broker->inlets, &inlet->node);
        else
            list_append(&broker->inlets, &inlet->node);
    }
    inlet_add(inlet, consumer);
    return ACKD_OK;
}

static int broker_add_inlets(struct broker *broker)
{
    list_for_each (node, &broker->host->consumers) {
        const struct config_consumer *consumer = LIST_ITEM(node, consumer, node)->config;
        if (consumer->broker == broker->config)
            ACKD_TRY(broker_add_inlet(broker, consumer));
    }
    ackd_assert(!list_empty(&broker->inlets)); /* a broker without a consumer is not made */
    list_for_each (node, &broker->inlets) {
        struct inlet *inlet = LIST_ITEM(node, inlet, node);
        ACKD_TRY(broker_new_link(broker, inlet, &inlet->link));
    }
    broker->consuming = LIST_ITEM(broker->inlets.next, inlet, node)->link;
    return ACKD_OK;
}

static int broker_set_up(struct broker *broker, size_t deliveries_max)
{
    const struct config_broker *config = broker->config;
    broker->hosts = calloc(config->host_count, sizeof *broker->hosts);
    if (broker->hosts == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a list of hosts");
    for (size_t i = 0; i < config->host_count; i++)
        broker->hosts[i] = (struct link_host){config->hosts[i].name, config->hosts[i].port};
    if (config->tls) {
        struct tls_options tls = {.ca = config->tls_ca,
                                  .cert = config->tls_cert,
                                  .key = config->tls_key,
                                  .verify = config->tls_verify};
        ACKD_TRY(tls_new(&tls, &broker->tls));
    }
    ACKD_TRY(delivery_pool_new(sizeof(struct job), deliveries_max, &broker->deliveries));
    ACKD_TRY(broker_add_inlets(broker));
    ACKD_TRY(broker_new_link(broker, NULL, &broker->publishing));
    ACKD_TRY(publisher_new(broker->publishing, &broker->publisher));
    /* Not on the publishing one: under an alarm the broker reads nothing there. */
    return topology_new(broker->consuming, &broker->topology);
}

int broker_new(struct host *host, const struct config_broker *config, size_t deliveries_max,
               struct broker **ret_broker)
{
    struct broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL)
        return ackd_fail(ACKD_E_NOMEM, "a broker");
    broker->host = host;
    broker->config = config;
    broker->any_author = config->user == NULL;
    list_init(&broker->node);
    list_init(&broker->inlets);
    int code = metric_register(&broker->metrics, "");
    if (code == ACKD_OK)
        code = broker_set_up(broker, deliveries_max);
    if (code != ACKD_OK) {
        broker_free(&broker);
        return code;
    }
    *ret_broker = broker;
    return ACKD_OK;
}

void broker_free(struct broker **broker)
{
    struct broker *freed = *broker;
    if (freed == NULL)
        return;
    *broker = NULL;
    publisher_free(&freed->publisher);
    topology_free(&freed->topology);
    link_free(&freed->publishing);
    while (!list_empty(&freed->inlets)) {
        struct inlet *inlet = LIST_ITEM(freed->inlets.next, inlet, node);
        inlet_free(&inlet);
    }
    delivery_pool_free(&freed->deliveries);
    tls_free(&freed->tls);
    free(freed->hosts);
    metric_retire(&freed->metrics);
    free(freed);
}

void broker_open(struct broker *broker)
{
    list_for_each (node, &broker->inlets)
        link_open(LIST_ITEM(node, inlet, node)->link);
    link_open(broker->publishing);
}

void broker_close(struct broker *broker)
{
    list_for_each (node, &broker->inlets)
        link_close(LIST_ITEM(node, inlet, node)->link);
    link_close(broker->publishing);
}

static void broker_cut_link(struct link *link)
{
    link_close(link); /* it may still read that we go */
    (void)ackd_fail(ACKD_E_TIMEOUT, "%s did not answer", link_peer(link));
    link_fail(link);
}

void broker_cut(struct broker *broker)
{
    list_for_each (node, &broker->inlets)
        broker_cut_link(LIST_ITEM(node, inlet, node)->link);
    broker_cut_link(broker->publishing);
}

bool broker_is_closed(const struct broker *broker)
{
    list_for_each (node, &broker->inlets) {
        if (link_state(LIST_ITEM(node, inlet, node)->link) != LINK_CLOSED)
            return false;
    }
    return link_state(broker->publishing) == LINK_CLOSED;
}

void broker_drain(struct broker *broker)
{
    list_for_each (node, &broker->inlets)
        inlet_drain(LIST_ITEM(node, inlet, node));
}

void broker_flush(struct broker *broker)
{
    list_for_each (node, &broker->inlets)
        link_flush(LIST_ITEM(node, inlet, node)->link);
    link_flush(broker->publishing);
}

const char *broker_user(const struct broker *broker)
{
    return broker->any_author ? NULL : broker->config->user;
}

void broker_distrust_user(struct broker *broker)
{
    if (broker->any_author)
        return;
    struct ackd_log_field fields[] = {ACKD_FIELD("broker", broker->config->name)};
    broker->any_author = true;
    ackd_log_event(
        ACKD_LOG_NOTICE, "user-distrusted", fields, 1,
        "the broker knows '%s' by another name: attempts are counted by headers that any "
        "publisher could write",
        broker->config->user);
}

size_t broker_publish_room(const struct broker *broker)
{
    const struct connection *connection = link_connection(broker->publishing);
    uint32_t frame_max = connection == NULL ? 0 : connection_frame_max(connection);
    return (frame_max == 0 ? FRAME_MAX_DEFAULT : frame_max) - FRAME_OVERHEAD;
}
