/* SPDX-License-Identifier: MIT */
/* chaos - see the header. */
#include <config.h>

#include "chaos.h"

#include <signal.h>

static struct sim_wire *chaos_wire(void)
{
    size_t count = 0;
    while (sim_wire_at(count) != NULL)
        count++;
    return count == 0 ? NULL : sim_wire_at(sim_between(0, count - 1));
}

static void chaos_cut(struct chaos *chaos)
{
    struct sim_wire *wire = chaos_wire();
    (void)chaos;
    if (wire != NULL)
        sim_wire_cut(wire, sim_chance(50), sim_between(0, sim_chance(50) ? 60 : 20000));
}

static void chaos_freeze(struct chaos *chaos)
{
    struct sim_wire *wire = chaos_wire();
    (void)chaos;
    if (wire != NULL)
        sim_wire_freeze(wire);
}

static struct rabbit_connection *chaos_connection(const struct chaos *chaos)
{
    struct rabbit_connection *chosen = NULL;
    uint64_t count = 0;
    list_for_each (node, &chaos->daemon->rabbit.connections) {
        struct rabbit_connection *connection = LIST_ITEM(node, rabbit_connection, node);
        if (connection->step == RABBIT_OPEN && sim_between(0, count++) == 0)
            chosen = connection;
    }
    return chosen;
}

static struct rabbit_channel *chaos_channel(const struct chaos *chaos)
{
    struct rabbit_connection *connection = chaos_connection(chaos);
    struct rabbit_channel *chosen = NULL;
    uint64_t count = 0;
    for (size_t i = 0; connection != NULL && i < RABBIT_CHANNELS; i++) {
        struct rabbit_channel *channel = connection->channels[i];
        if (channel != NULL && channel->open && sim_between(0, count++) == 0)
            chosen = channel;
    }
    return chosen;
}

static void chaos_close_channel(struct chaos *chaos)
{
    static const uint16_t codes[] = {311, 403, 404, 405, 406};
    struct rabbit_channel *channel = chaos_channel(chaos);
    if (channel != NULL)
        rabbit_close_channel(channel, codes[sim_between(0, 4)], "CHAOS");
}

static void chaos_close_connection(struct chaos *chaos)
{
    static const uint16_t codes[] = {200, 320, 402, 403, 501, 504, 530, 541};
    struct rabbit_connection *connection = chaos_connection(chaos);
    if (connection != NULL)
        rabbit_close_connection(connection, codes[sim_between(0, 7)], "CHAOS");
}

static void chaos_cancel(struct chaos *chaos)
{
    struct rabbit_channel *channel = chaos_channel(chaos);
    if (channel != NULL && channel->queue != NULL)
        rabbit_cancel(channel);
}

static void chaos_alarm(struct chaos *chaos)
{
    rabbit_set_alarm(&chaos->daemon->rabbit, !chaos->daemon->rabbit.alarm);
}

static void chaos_refuse(struct chaos *chaos)
{
    struct rabbit_queue *dead = rabbit_find(&chaos->daemon->rabbit, "work.dead");
    if (dead != NULL)
        dead->refuses = !dead->refuses;
}

static void chaos_mute(struct chaos *chaos)
{
    struct rabbit *rabbit = &chaos->daemon->rabbit;
    struct rabbit_connection *connection = chaos_connection(chaos);
    if (connection != NULL)
        connection->mute = true;
    rabbit->mute_from = sim_chance(50) ? RABBIT_GONE : (enum rabbit_step)sim_between(0, 3);
}

static void chaos_network(struct chaos *chaos)
{
    (void)chaos;
    sim_set_connect((enum sim_connect)sim_between(SIM_CONNECT, SIM_CONNECT_UNRESOLVED));
    chaos_cut(chaos);
}

static void chaos_flood(struct chaos *chaos)
{
    chaos->daemon->rabbit.floods = chaos->daemon->rabbit.flooded = true;
    rabbit_pump(&chaos->daemon->rabbit);
    chaos->daemon->rabbit.floods = false;
}

/* Somebody asks what goes on, or wants what is not to be had. */
static void chaos_ask(struct chaos *chaos)
{
    (void)chaos;
    sim_signal(sim_chance(80) ? SIGQUIT : SIGHUP);
}

static void (*const chaos_faults[])(struct chaos *chaos) = {
    chaos_cut,    chaos_cut,     chaos_freeze, chaos_close_channel,    chaos_close_channel,
    chaos_cancel, chaos_alarm,   chaos_refuse, chaos_close_connection, chaos_mute,
    chaos_flood,  chaos_network, chaos_ask,
};

static void chaos_calm(struct chaos *chaos)
{
    struct rabbit *rabbit = &chaos->daemon->rabbit;
    struct rabbit_queue *dead = rabbit_find(rabbit, "work.dead");
    sim_set_connect(SIM_CONNECT);
    rabbit_set_alarm(rabbit, false);
    rabbit->mute_from = RABBIT_GONE;
    if (dead != NULL)
        dead->refuses = false;
    chaos->calm_ns = sim_now_ns();
}

static void chaos_due(struct timer *timer)
{
    struct chaos *chaos = LIST_ITEM(timer, chaos, timer);
    if (chaos->faults == 0) {
        chaos_calm(chaos);
        return;
    }
    chaos->faults--;
    size_t count = sizeof chaos_faults / sizeof chaos_faults[0];
    chaos_faults[sim_between(0, count - 1)](chaos);
    sim_after_ns(timer, sim_between(0, chaos->apart_ms * NS_PER_MS));
}

void chaos_begin(struct chaos *chaos, struct daemon *daemon, unsigned faults, uint64_t apart_ms)
{
    *chaos = (struct chaos){.daemon = daemon, .faults = faults, .apart_ms = apart_ms};
    timer_init(&chaos->timer, chaos_due);
    sim_after_ns(&chaos->timer, sim_between(0, apart_ms * NS_PER_MS));
}

void chaos_end(struct chaos *chaos)
{
    timer_stop(&chaos->timer);
}
