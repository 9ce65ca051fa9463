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

static void chaos_close_channel(struct chaos *chaos)
{
    static const uint16_t codes[] = {311, 403, 404, 405, 406};
    struct fakebroker_link *link = sim_broker_draw_link(&chaos->daemon->broker);
    uint16_t channel = sim_broker_draw_channel(link);
    if (channel != 0)
        fakebroker_close_channel(link, channel, codes[sim_between(0, 4)], "CHAOS");
}

static void chaos_close_connection(struct chaos *chaos)
{
    static const uint16_t codes[] = {200, 320, 402, 403, 501, 504, 530, 541};
    struct fakebroker_link *link = sim_broker_draw_link(&chaos->daemon->broker);
    if (link != NULL)
        fakebroker_close_connection(link, codes[sim_between(0, 7)], "CHAOS");
}

/* What a cancelled consumer holds does not count against the prefetch of the next one. */
static void chaos_cancel(struct chaos *chaos)
{
    chaos->daemon->flooded = true;
    fakebroker_cancel(chaos->daemon->broker.fake, "work");
}

static void chaos_alarm(struct chaos *chaos)
{
    chaos->alarm = !chaos->alarm;
    if (chaos->alarm)
        fakebroker_block(chaos->daemon->broker.fake, "low on memory");
    else
        fakebroker_unblock(chaos->daemon->broker.fake);
}

static void chaos_refuse(struct chaos *chaos)
{
    chaos->refuse = !chaos->refuse;
    fakebroker_refuse_publishes(chaos->daemon->broker.fake, chaos->refuse && sim_chance(50));
    fakebroker_lose_routes(chaos->daemon->broker.fake, chaos->refuse && sim_chance(50));
}

static void chaos_mute(struct chaos *chaos)
{
    struct fakebroker_link *link = sim_broker_draw_link(&chaos->daemon->broker);
    if (link != NULL)
        fakebroker_silence(link, true);
    fakebroker_silence_from(chaos->daemon->broker.fake,
                            sim_chance(50) ? FAKEBROKER_NEVER
                                           : (enum fakebroker_step)sim_between(FAKEBROKER_GREETING,
                                                                               FAKEBROKER_OPENING));
}

static void chaos_network(struct chaos *chaos)
{
    sim_set_connect((enum sim_connect)sim_between(SIM_CONNECT, SIM_CONNECT_UNRESOLVED));
    chaos_cut(chaos);
}

static void chaos_flood(struct chaos *chaos)
{
    chaos->daemon->flooded = true;
    fakebroker_over_deliver(chaos->daemon->broker.fake, UINT16_MAX);
    fakebroker_over_deliver(chaos->daemon->broker.fake, 0);
}

/* Of a quorum queue another member goes on, and nobody sees it. */
static void chaos_kill_queue(struct chaos *chaos)
{
    if (chaos->daemon->options.quorum)
        return;
    chaos->daemon->flooded = true;
    fakebroker_kill_queue(chaos->daemon->broker.fake, "work");
}

static void chaos_mangle(struct chaos *chaos)
{
    fakebroker_mangle(chaos->daemon->broker.fake,
                      (enum fakebroker_mangling)sim_between(FAKEBROKER_UNSAID, FAKEBROKER_WRONG));
}

static void chaos_crash(struct chaos *chaos)
{
    if (sim_chance(50))
        sim_set_connect(SIM_CONNECT_REFUSED);
    fakebroker_crash(chaos->daemon->broker.fake);
}

/* The next that connects finds out. */
static void chaos_password(struct chaos *chaos)
{
    fakebroker_refuse_logins(chaos->daemon->broker.fake, sim_chance(50));
    chaos_crash(chaos);
}

/* Somebody asks what goes on, or wants what is not to be had. */
static void chaos_ask(struct chaos *chaos)
{
    (void)chaos;
    sim_signal(sim_chance(80) ? SIGQUIT : SIGHUP);
}

static void (*const chaos_faults[])(struct chaos *chaos) = {
    chaos_cut,    chaos_cut,     chaos_freeze,   chaos_close_channel,    chaos_close_channel,
    chaos_cancel, chaos_alarm,   chaos_refuse,   chaos_close_connection, chaos_mute,
    chaos_flood,  chaos_network, chaos_ask,      chaos_kill_queue,       chaos_mangle,
    chaos_mangle, chaos_crash,   chaos_password,
};

static void chaos_calm(struct chaos *chaos)
{
    struct fakebroker *broker = chaos->daemon->broker.fake;
    sim_set_connect(SIM_CONNECT);
    fakebroker_unblock(broker);
    fakebroker_silence_from(broker, FAKEBROKER_NEVER);
    fakebroker_silence_all(broker, false);
    fakebroker_refuse_publishes(broker, false);
    fakebroker_lose_routes(broker, false);
    fakebroker_refuse_logins(broker, false);
    fakebroker_mangle(broker, FAKEBROKER_AS_IT_IS);
    chaos->calm_ns = sim_now_ns();
}

static void chaos_due(struct timer *timer)
{
    struct chaos *chaos = LIST_ITEM(timer, chaos, timer);
    (void)sim_broker_fake(&chaos->daemon->broker);
    if (chaos->faults == 0) {
        chaos_calm(chaos);
        sim_broker_changed(&chaos->daemon->broker);
        return;
    }
    chaos->faults--;
    chaos->done++;
    size_t count = sizeof chaos_faults / sizeof chaos_faults[0];
    chaos_faults[sim_between(0, count - 1)](chaos);
    sim_broker_changed(&chaos->daemon->broker);
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
