/* SPDX-License-Identifier: MIT */
/* sim_broker - see the header. */
#include <config.h>

#include "sim_broker.h"

#include <stdlib.h>

struct sim_link {
    struct list node;
    struct sim_broker *broker;
    struct fakebroker_link *link;
    struct sim_wire *wire;
    bool shut;
};

struct fakebroker *sim_broker_fake(struct sim_broker *broker)
{
    fakebroker_tick(broker->fake, sim_now_ns());
    return broker->fake;
}

static void sim_broker_arm(struct sim_broker *broker)
{
    uint64_t now_ns = sim_now_ns();
    uint64_t next_ns = fakebroker_next_ns(broker->fake);
    if (next_ns == UINT64_MAX) {
        timer_stop(&broker->tick);
    } else if (!timer_armed(&broker->tick) || next_ns != broker->tick_ns) {
        sim_after_ns(&broker->tick, next_ns > now_ns ? next_ns - now_ns : 0);
        broker->tick_ns = next_ns;
    }
    if (!timer_armed(&broker->confirm) && fakebroker_holds_confirms(broker->fake))
        sim_after_ns(&broker->confirm, sim_between(0, broker->confirm_max_ms * NS_PER_MS));
}

void sim_broker_changed(struct sim_broker *broker)
{
    list_for_each (node, &broker->links) {
        struct sim_link *link = LIST_ITEM(node, sim_link, node);
        if (buffer_size(fakebroker_output(link->link)) > 0)
            sim_wire_kick(link->wire);
        if (fakebroker_ended(link->link) && !link->shut) {
            link->shut = true;
            sim_wire_shut(link->wire);
        }
    }
    sim_broker_arm(broker);
}

static void sim_broker_tick(struct timer *timer)
{
    struct sim_broker *broker = LIST_ITEM(timer, sim_broker, tick);
    (void)sim_broker_fake(broker);
    sim_broker_changed(broker);
}

static void sim_broker_confirm(struct timer *timer)
{
    struct sim_broker *broker = LIST_ITEM(timer, sim_broker, confirm);
    fakebroker_say_confirms(sim_broker_fake(broker), (enum fakebroker_confirming)sim_between(
                                                         FAKEBROKER_EACH, FAKEBROKER_LAST));
    sim_broker_changed(broker);
}

static void *sim_broker_accept(struct sim_wire *wire, void *arg)
{
    struct sim_broker *broker = arg;
    struct sim_link *link = calloc(1, sizeof *link);
    sim_that(link != NULL);
    *link = (struct sim_link){
        .broker = broker, .link = fakebroker_accept(sim_broker_fake(broker)), .wire = wire};
    list_append(&broker->links, &link->node);
    return link;
}

static void sim_broker_received(void *arg, const uint8_t *bytes, size_t size)
{
    struct sim_link *link = arg;
    (void)sim_broker_fake(link->broker);
    fakebroker_receive(link->link, bytes, size);
    sim_broker_changed(link->broker);
}

static struct buffer *sim_broker_output(void *arg)
{
    struct sim_link *link = arg;
    return fakebroker_output(link->link);
}

static void sim_broker_sent(void *arg)
{
    struct sim_link *link = arg;
    fakebroker_sent(link->link);
    sim_broker_changed(link->broker);
}

static void sim_broker_lost(void *arg)
{
    struct sim_link *link = arg;
    struct sim_broker *broker = link->broker;
    list_remove(&link->node);
    (void)sim_broker_fake(broker);
    fakebroker_hang_up(&link->link);
    free(link);
    sim_broker_changed(broker);
}

static void sim_broker_ended(void *arg)
{
    struct sim_broker *broker = arg;
    sim_that(list_empty(&broker->links));
    timer_stop(&broker->tick);
    timer_stop(&broker->confirm);
}

void sim_broker_begin(struct sim_broker *broker, const struct fakebroker_options *options)
{
    *broker = (struct sim_broker){.fake = fakebroker_new(options), .confirm_max_ms = 5};
    list_init(&broker->links);
    timer_init(&broker->tick, sim_broker_tick);
    timer_init(&broker->confirm, sim_broker_confirm);
    fakebroker_hold_confirms(broker->fake, true);
    const struct sim_server server = {.accept = sim_broker_accept,
                                      .received = sim_broker_received,
                                      .output = sim_broker_output,
                                      .sent = sim_broker_sent,
                                      .lost = sim_broker_lost,
                                      .ended = sim_broker_ended,
                                      .arg = broker};
    sim_set_server(&server);
}

void sim_broker_end(struct sim_broker *broker)
{
    fakebroker_free(&broker->fake);
}

struct fakebroker_link *sim_broker_draw_link(struct sim_broker *broker)
{
    struct fakebroker_link *drawn = NULL;
    uint64_t count = 0;
    list_for_each (node, &broker->links) {
        struct sim_link *link = LIST_ITEM(node, sim_link, node);
        if (fakebroker_running(link->link) && sim_between(0, count++) == 0)
            drawn = link->link;
    }
    return drawn;
}

uint16_t sim_broker_draw_channel(const struct fakebroker_link *link)
{
    size_t count = 0;
    while (link != NULL && fakebroker_channel(link, count) != 0)
        count++;
    return count == 0 ? 0 : fakebroker_channel(link, sim_between(0, count - 1));
}
