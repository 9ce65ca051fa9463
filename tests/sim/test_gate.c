/* SPDX-License-Identifier: MIT */
/* What starts when: keys, rates, groups, the kill switch, pauses, and what an operator changes; the
 * whole host in virtual time, with handlers that this test times. */
#include <config.h>

#include <ackd/error.h>
#include <ackd/task.h>
#include <string.h>

#include "amqp/wire.h"
#include "daemon.h"
#include "host/control.h"
#include "host/gate.h"
#include "host/pause.h"
#include "main.h"

enum { GATE_SEEDS = 5, TICK_MS = 10, SIDES = 2, AGES = 4096 };

/* What the messages of one key do, and did; of two consumers, one has each. */
struct side {
    uint64_t work_ms;
    bool fails;
    uint64_t last; /* number that started last */
    bool disorder; /* one started before one that was put before it */
    unsigned put;
    unsigned running;
    unsigned started;
    unsigned done;
    unsigned canceled;
};

static struct daemon daemon;
static struct side sides[SIDES];
static struct timer tick;
static bool (*scene)(void); /* at each tick, as a part of a turn; true: the host is to stop */
static unsigned phase;
static bool over;
static uint64_t mark; /* of the scene */
static uint64_t began_ns;

static uint8_t *put_long(uint8_t *at, const char *name, uint64_t value)
{
    size_t size = strlen(name);
    at = wire_put_8(at, (uint8_t)size);
    memcpy(at, name, size);
    return wire_put_64(wire_put_8(at + size, 'l'), value);
}

static void put(const char *queue, size_t side, unsigned count)
{
    struct fakebroker *fake = sim_broker_fake(&daemon.broker);
    for (; count > 0; count--) {
        uint8_t bytes[64];
        uint8_t *at = put_long(bytes, "x-side", side);
        at = put_long(at, "x-n", ++sides[side].put);
        struct properties properties = {.delivery_mode = 2, .priority = -1};
        properties.headers = (struct ackd_bytes){.data = bytes, .size = (size_t)(at - bytes)};
        fakebroker_put(fake, queue, &properties, (struct ackd_bytes){"x", 1});
    }
    sim_broker_changed(&daemon.broker);
}

static uint64_t number_in(const struct ackd_message *message, const char *name)
{
    struct ackd_header header;
    sim_that(ackd_message_header(message, name, &header));
    return (uint64_t)header.integer;
}

static int work(const struct ackd_message *message, void *state)
{
    struct side *side = &sides[number_in(message, "x-side")];
    uint64_t number = number_in(message, "x-n");
    (void)state;
    side->disorder = side->disorder || number < side->last;
    side->last = number;
    side->started++;
    side->running++;
    int code = ackd_delay(side->work_ms);
    side->running--;
    side->canceled += code != ACKD_OK;
    if (code == ACKD_OK && side->fails)
        return ackd_fail(ACKD_E_USER, "on purpose");
    side->done += code == ACKD_OK;
    return code;
}

static void look(void *arg)
{
    (void)arg;
    over = over || scene();
}

static void ticked(struct timer *timer)
{
    sim_on_loop(daemon.host->loop, look, NULL);
    if (over)
        daemon_signal_now(&daemon);
    else
        sim_after_ns(timer, TICK_MS * NS_PER_MS);
}

/* @step may be NULL. */
static void play(uint64_t seed, unsigned concurrency, const char *lines, bool (*what)(void),
                 void (*step)(struct daemon *))
{
    const struct daemon_options options = {.concurrency = concurrency,
                                           .loops = 1,
                                           .heartbeat_s = 30,
                                           .shutdown_ms = 20000,
                                           .lines = lines};
    sim_begin(seed);
    memset(sides, 0, sizeof sides);
    daemon_begin(&daemon, &options);
    fakebroker_declare(sim_broker_fake(&daemon.broker), "more", NULL, 0);
    daemon.handler.handle = work;
    daemon.handler.start = NULL;
    daemon.handler.stop = NULL;
    daemon.step = step;
    daemon.flooded = true; /* what may be open is this test's to say */
    scene = what;
    phase = 0;
    over = false;
    mark = began_ns = 0;
    timer_init(&tick, ticked);
    sim_after_ns(&tick, NS_PER_S);
}

static void finish(void)
{
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    timer_stop(&tick);
    daemon_end(&daemon);
}

static bool all_done(void)
{
    return sides[0].done + sides[1].done >= sides[0].put + sides[1].put;
}

/* Unstarted for a quarter of consumer-timeout: given back, never kept for longer. */

static uint64_t seen_ns[AGES]; /* by tag: since when it waits here */

static void no_older_than_a_quarter(struct daemon *seen)
{
    const struct consumer *consumer = daemon_consumer(seen);
    list_for_each (node, &consumer->jobs[JOB_QUEUED]) {
        uint64_t tag = LIST_ITEM(node, job, node)->entry.tag;
        sim_that(tag < AGES);
        if (seen_ns[tag] == 0)
            seen_ns[tag] = sim_now_ns();
        sim_that(sim_now_ns() - seen_ns[tag] <=
                 consumer->config->consumer_timeout_ms / 4 * NS_PER_MS + NS_PER_S);
    }
}

static bool slow_ones(void)
{
    if (phase++ == 0) {
        sides[0].work_ms = 25000;
        put("work", 0, 30);
    }
    return all_done();
}

static void ages(uint64_t seed, const char *lines)
{
    memset(seen_ns, 0, sizeof seen_ns);
    play(seed, 1, lines, slow_ones, no_older_than_a_quarter);
    finish();
    sim_that(sim_logged("unstarted") > 0);
    sim_equal(sides[0].started, 30);
}

static void waits_too_long(uint64_t seed)
{
    ages(seed, "    prefetch: 10\n    consumer-timeout: 80s\n");
}

static void waits_too_long_for_its_key(uint64_t seed)
{
    ages(seed, "    prefetch: 10\n    consumer-timeout: 80s\n    key: header:x-side\n");
    sim_that(!sides[0].disorder); /* G3 of gate */
}

static bool quick_ones(void)
{
    if (phase++ == 0) {
        sides[0].work_ms = 900;
        put("work", 0, 200);
    }
    return all_done();
}

static void waits_not_too_long(uint64_t seed)
{
    memset(seen_ns, 0, sizeof seen_ns);
    play(seed, 1, "    prefetch: 10\n    consumer-timeout: 80s\n", quick_ones,
         no_older_than_a_quarter);
    finish();
    sim_equal(sim_logged("unstarted"), 0);
    sim_equal(sides[0].started, 200);
}

/* The prefetch grows while slots are idle behind one busy key, and shrinks again. */

static uint32_t prefetch_most;
static unsigned busy_done; /* when the quiet key's first one started */

static void follow_prefetch(struct daemon *seen)
{
    const struct consumer *consumer = daemon_consumer(seen);
    if (consumer->prefetch > prefetch_most)
        prefetch_most = consumer->prefetch;
    if (sides[1].started > 0 && busy_done == 0)
        busy_done = sides[0].done + 1;
    sim_that(consumer->epochs <= 1);
    sim_that(consumer->ledger.open <= (size_t)2 * prefetch_most);
}

static bool busy_and_quiet(void)
{
    if (phase++ == 0) {
        sides[0].work_ms = sides[1].work_ms = 20;
        put("work", 0, 2000);
        put("work", 1, 20);
    }
    return all_done();
}

static void look_ahead(uint64_t seed, const char *lines)
{
    prefetch_most = 0;
    busy_done = 0;
    play(seed, 4, lines, busy_and_quiet, follow_prefetch);
}

static void fetches_more(uint64_t seed)
{
    look_ahead(seed, "    key: header:x-side\n");
    finish();
    sim_that(prefetch_most >= 2048);
    sim_that(busy_done < 200);
    sim_that(!sides[0].disorder && !sides[1].disorder);
}

static bool and_then_less(void)
{
    bool done = busy_and_quiet();
    if (!done)
        return false;
    if (mark++ == 0)
        put("work", 1, 1);
    const struct consumer *consumer = daemon_consumer(&daemon);
    return consumer->prefetch == consumer->config->prefetch || mark > 1000;
}

static void fetches_less_again(uint64_t seed)
{
    look_ahead(seed, "    key: header:x-side\n");
    scene = and_then_less;
    finish();
    sim_that(prefetch_most >= 2048);
    sim_that(mark < 1000);
}

static void fetches_no_more(uint64_t seed)
{
    static const char *const lines[] = {"    key: header:x-side\n    prefetch: 512\n",
                                        "    key: header:x-side\n    exclusive: true\n",
                                        "    key: header:x-side\n    rate: 1000/s\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        look_ahead(seed, lines[i]);
        finish();
        sim_equal(prefetch_most, 512);
    }
}

/* Two consumers in one group. */

#define TWO(of_both, group)                                           \
    of_both "  other:\n    queue: more\n    handler: sim\n"           \
            "    concurrency: 10\n    loops: 1\n" of_both "limits:\n" \
            "  shared: {" group "}\n"

static void turn_by_turn(struct daemon *seen)
{
    (void)seen;
    unsigned running = sides[0].running + sides[1].running;
    sim_that(running <= 3);
    mark = running > mark ? running : mark;
    if (sides[0].started < sides[0].put && sides[1].started < sides[1].put && sides[1].put > 0)
        /* Who came first may have had all places, and stand in front. */
        sim_that(sides[0].started <= sides[1].started + 5 &&
                 sides[1].started <= sides[0].started + 5);
}

static bool both(void)
{
    if (phase++ == 0) {
        sides[0].work_ms = sides[1].work_ms = 100;
        put("more", 1, 150);
        put("work", 0, 150);
    }
    return all_done();
}

static void share_places(uint64_t seed)
{
    play(seed, 10, TWO("    limits: [shared]\n", "concurrency: 3"), both, turn_by_turn);
    finish();
    sim_equal(mark, 3);
    sim_equal(sides[0].done + sides[1].done, 300);
}

/* A group's rate, of 100 in a second: one burst beyond it at most, and half of it for each. */
static void in_time(struct daemon *seen)
{
    unsigned started = sides[0].started + sides[1].started;
    (void)seen;
    if (started == 0)
        return;
    if (began_ns == 0)
        began_ns = sim_now_ns();
    sim_that(started <= (sim_now_ns() - began_ns) / (10 * NS_PER_MS) + 3);
    mark = sim_now_ns();
    if (sides[0].started < sides[0].put && sides[1].started < sides[1].put)
        sim_that(sides[0].started <= sides[1].started + 5 &&
                 sides[1].started <= sides[0].started + 5);
}

static void share_a_rate(uint64_t seed)
{
    play(seed, 10, TWO("    limits: [shared]\n", "rate: 100/s"), both, in_time);
    finish();
    sim_that(mark - began_ns < 4 * NS_PER_S); /* 300 messages: R2 of rate */
}

/* What a busy consumer does not need of a group is the other's. */
static bool one_alone(void)
{
    if (phase++ == 0) {
        sides[0].work_ms = 100;
        put("work", 0, 150);
    }
    return all_done();
}

static void takes_what_is_free(uint64_t seed)
{
    play(seed, 10, TWO("    limits: [shared]\n", "concurrency: 3"), one_alone, turn_by_turn);
    finish();
    sim_equal(mark, 3);
}

/* A slow consumer beside a quick one, without a group: slots are its own. */
static bool slow_and_quick(void)
{
    if (phase++ == 0) {
        sides[0].work_ms = 60000;
        sides[1].work_ms = 1;
        put("work", 0, 100);
        put("more", 1, 500);
    }
    mark = phase;
    return sides[1].done == 500;
}

static void slow_beside_quick(uint64_t seed)
{
    play(seed, 2, TWO("", "concurrency: 1"), slow_and_quick, NULL);
    finish();
    sim_that(mark < 500); /* ticks: 5 s */
    sim_equal(sides[0].done, 0);
    sim_equal(sides[0].started, 2);
}

/* The kill switch. */

static const char kill_switch[] = "    kill-switch: {failures: 50%, of: 10, pause: 5s}\n";
static unsigned trips;
static enum kill_switch_state state_before;
static uint64_t open_ns;

static void obey_the_switch(struct daemon *seen)
{
    const struct consumer *consumer = daemon_consumer(seen);
    const struct kill_switch *state = &consumer->gate->kill_switch;
    if (state->state != state_before) {
        if (state->state == KILL_SWITCH_OPEN) {
            trips++;
            open_ns = sim_now_ns();
        } else if (state->state == KILL_SWITCH_HALF_OPEN) {
            sim_that(sim_now_ns() - open_ns >= 5 * NS_PER_S - 10 * NS_PER_MS);
        }
        state_before = state->state;
    }
    if (state->state == KILL_SWITCH_OPEN)
        sim_that(consumer->paused != 0 && list_empty(&consumer->jobs[JOB_QUEUED]));
    if (state->state == KILL_SWITCH_HALF_OPEN)
        sim_that(sides[0].running <= 1 && consumer->ledger.open <= 1);
}

static bool fail_and_mend(void)
{
    const struct consumer *consumer = daemon_consumer(&daemon);
    if (phase == 0) {
        sides[0].work_ms = 1;
        sides[0].fails = true;
        put("work", 0, 400);
        phase = 1;
    } else if (phase == 1 && trips >= 3) {
        sides[0].fails = false; /* at two trials that failed */
        mark = sides[0].started;
        phase = 2;
    }
    return phase == 2 && all_done() && consumer->gate->kill_switch.state == KILL_SWITCH_CLOSED;
}

static void trips_and_closes(uint64_t seed)
{
    trips = 0;
    state_before = KILL_SWITCH_CLOSED;
    play(seed, 4, kill_switch, fail_and_mend, obey_the_switch);
    finish();
    sim_equal(trips, 3);
    sim_that(mark <= 10 + 4 + 2); /* ten, those beside them, and two that were tried */
    sim_equal(sides[0].done, 400);
}

static bool fail_and_reset(void)
{
    const struct consumer *consumer = daemon_consumer(&daemon);
    if (phase == 0) {
        sides[0].work_ms = 1;
        sides[0].fails = true;
        put("work", 0, 100);
        phase = 1;
    } else if (phase == 1 && trips == 1) {
        sides[0].fails = false;
        sim_equal(control_resume(daemon.host, "sim"), ACKD_OK);
        sim_equal(consumer->gate->kill_switch.state, KILL_SWITCH_CLOSED);
        sim_that(consumer->paused == 0 && consumer->reason[0] == '\0');
        mark = sim_now_ns();
        phase = 2;
    }
    return phase == 2 && all_done();
}

static void resume_closes_it(uint64_t seed)
{
    trips = 0;
    state_before = KILL_SWITCH_CLOSED;
    play(seed, 4, kill_switch, fail_and_reset, obey_the_switch);
    finish();
    sim_equal(trips, 1);
    sim_that(mark - open_ns < NS_PER_S);
}

/* What an operator does. */

static bool pause_and_resume(void)
{
    const struct consumer *consumer = daemon_consumer(&daemon);
    const struct fakebroker *fake = daemon.broker.fake;
    bool first = phase == 0;
    if (first)
        put("work", 0, 100);
    phase++;
    sides[0].work_ms = 10000;
    if (phase == 100) {
        sim_equal(sides[0].running, 4);
        sim_equal(control_pause(daemon.host, "sim", mark == 1), ACKD_OK);
        sim_equal(control_pause(daemon.host, "sim", true), ACKD_OK); /* no effect any more */
        sim_that(list_empty(&consumer->jobs[JOB_QUEUED]));
    } else if (phase == 200) {
        /* A second later: with the broker is what runs, and nothing else. */
        size_t held = mark == 1 ? 0 : 4;
        sim_equal(sides[0].running, held);
        sim_equal(fakebroker_unacked(fake, "work"), held);
        sim_equal(fakebroker_consumers(fake, "work"), 0);
        sim_equal(subscription_state(consumer->subscription), SUBSCRIPTION_SUSPENDED);
        sim_that(strstr(consumer->reason, "operator") != NULL);
    } else if (phase == 1900) {
        sim_equal(sides[0].started, 4);
        sim_equal(control_resume(daemon.host, "sim"), ACKD_OK);
        sim_equal(control_resume(daemon.host, "sim"), ACKD_OK);
    } else if (phase == 2000) {
        sim_equal(fakebroker_consumers(fake, "work"), 1);
        sim_equal(sides[0].running, 4);
        sim_equal(consumer->epochs, 1);
        sim_that(consumer->reason[0] == '\0');
    }
    return phase == 2100;
}

static void pauses(uint64_t seed)
{
    play(seed, 4, "    prefetch: 20\n", pause_and_resume, NULL);
    finish();
    sim_equal(sides[0].started, 8);
    sim_that(!sides[0].disorder); /* what went back comes in its order */
}

static void pauses_and_cancels(uint64_t seed)
{
    play(seed, 4, "    prefetch: 20\n", pause_and_resume, NULL);
    mark = 1;
    finish();
    sim_equal(sides[0].canceled, 4);
    sim_equal(sides[0].done, 4);
}

/* Paused while the connection is lost: it stays paused on the next one. */
static bool pause_over_a_loss(void)
{
    const struct consumer *consumer = daemon_consumer(&daemon);
    if (phase == 0)
        put("work", 0, 100);
    phase++;
    sides[0].work_ms = 10;
    if (phase == 50) {
        fakebroker_crash(sim_broker_fake(&daemon.broker));
        sim_broker_changed(&daemon.broker);
        sim_equal(control_pause(daemon.host, "sim", false), ACKD_OK);
        mark = sides[0].started;
    } else if (phase == 1000) {
        sim_equal(link_state(consumer->broker->consuming), LINK_OPEN);
        sim_equal(fakebroker_consumers(daemon.broker.fake, "work"), 0);
        sim_equal(sides[0].started, mark);
        put("work", 0, 100);
        sim_equal(control_resume(daemon.host, "sim"), ACKD_OK);
    }
    return phase > 1000 && all_done();
}

static void stays_paused(uint64_t seed)
{
    play(seed, 1, "    prefetch: 20\n", pause_over_a_loss, NULL);
    finish();
}

static void within_the_prefetch(struct daemon *seen)
{
    const struct consumer *consumer = daemon_consumer(seen);
    if (phase > 150 && phase < 300) {
        sim_that(sides[0].running <= 2);
        sim_that(consumer->ledger.open <= 5);
    }
    sim_that(consumer->epochs <= 1);
}

static bool change_bounds(void)
{
    struct host *host = daemon.host;
    const struct consumer *consumer = daemon_consumer(&daemon);
    if (phase == 0)
        put("work", 0, 1000);
    phase++;
    sides[0].work_ms = 100;
    if (phase == 50) {
        sim_that(sides[0].running > 4);
        sim_equal(control_concurrency(host, "sim", 2), ACKD_OK);
        sim_equal(control_prefetch(host, "sim", 5), ACKD_OK);
        sim_that(sides[0].running > 4); /* C8: what runs goes on */
    } else if (phase == 300) {
        sim_equal(consumer->prefetch, 5);
        sim_equal(control_concurrency(host, "sim", 8), ACKD_OK);
        sim_that(consumer->prefetch >= 8); /* it is raised above it */
    } else if (phase == 350) {
        sim_that(sides[0].running > 4);
        sim_equal(control_rate(host, "sim", 10, 1000), ACKD_OK);
        mark = sides[0].started;
    } else if (phase == 1350) {
        sim_that(sides[0].started - mark >= 98 && sides[0].started - mark <= 103);
        sim_equal(control_rate(host, "sim", 0, 0), ACKD_OK);
    } else if (phase == 1400) {
        sim_that(sides[0].running > 4);
    }
    return phase > 1400 && all_done();
}

static void bounds_change(uint64_t seed)
{
    play(seed, 8, "    prefetch: 20\n", change_bounds, within_the_prefetch);
    finish();
    sim_equal(sides[0].canceled, 0);
}

static bool change_a_group(void)
{
    struct host *host = daemon.host;
    if (phase++ == 0) {
        sides[0].work_ms = sides[1].work_ms = 100;
        put("more", 1, 200);
        put("work", 0, 200);
    }
    unsigned running = sides[0].running + sides[1].running;
    if (phase == 50) {
        sim_that(running <= 3);
        sim_equal(control_limit(host, "shared", 1, 0, 0), ACKD_OK);
    } else if (phase == 100) {
        sim_that(running <= 1);
        sim_equal(control_limit(host, "shared", 0, 0, 0), ACKD_OK);
    } else if (phase == 150) {
        sim_that(running > 10); /* some are between two */
    }
    return phase > 150 && all_done();
}

static void group_changes(uint64_t seed)
{
    play(seed, 10, TWO("    limits: [shared]\n", "concurrency: 3"), change_a_group, NULL);
    finish();
}

static bool ask_wrongly(void)
{
    struct host *host = daemon.host;
    size_t count = 0;
    sim_equal(control_pause(host, "none", false), ACKD_E_NOT_FOUND);
    sim_equal(control_resume(host, "none"), ACKD_E_NOT_FOUND);
    sim_equal(control_concurrency(host, "none", 1), ACKD_E_NOT_FOUND);
    sim_equal(control_concurrency_max(host, "none"), 0);
    sim_equal(control_concurrency(host, "sim", 0), ACKD_E_INVAL);
    uint32_t most = control_concurrency_max(host, "sim");
    sim_equal(control_concurrency(host, "sim", most + 1), ACKD_E_INVAL);
    sim_equal(control_prefetch(host, "sim", 0), ACKD_E_INVAL);
    sim_equal(control_prefetch(host, "sim", 65536), ACKD_E_INVAL);
    sim_equal(control_rate(host, "sim", 1, 0), ACKD_E_INVAL);
    sim_equal(control_rate(host, "sim", 1, 86400001), ACKD_E_INVAL);
    sim_equal(control_limit(host, "none", 1, 0, 0), ACKD_E_NOT_FOUND);
    sim_equal(control_limit(host, "shared", 1, 1, 0), ACKD_E_INVAL);
    sim_equal(control_cancel(host, "none", 0, false, &count), ACKD_E_NOT_FOUND);
    sim_equal(control_cancel(host, "sim", 7, false, &count), ACKD_E_NOT_FOUND);
    const struct consumer *consumer = daemon_consumer(&daemon);
    sim_equal(consumer->concurrency, 4);
    sim_equal(consumer->prefetch, consumer->config->prefetch);
    return true;
}

static void refuse_when_stopping(struct daemon *seen)
{
    if (seen->host->drain.stage == DRAIN_NOT || mark > 0)
        return;
    sim_equal(control_pause(seen->host, "sim", false), ACKD_E_CLOSED);
    sim_equal(control_concurrency(seen->host, "sim", 1), ACKD_E_CLOSED);
    sim_equal(control_limit(seen->host, "shared", 1, 0, 0), ACKD_E_CLOSED);
    mark++;
}

static void control_refuses(uint64_t seed)
{
    play(seed, 4, TWO("    limits: [shared]\n", "concurrency: 3"), ask_wrongly,
         refuse_when_stopping);
    finish();
    sim_equal(mark, 1);
}

static bool cancel_some(void)
{
    struct host *host = daemon.host;
    const struct consumer *consumer = daemon_consumer(&daemon);
    size_t count = 0;
    if (phase == 0)
        put("work", 0, 4);
    phase++;
    sides[0].work_ms = phase < 100 ? 600000 : 10;
    if (phase == 50) {
        sim_equal(control_cancel(host, "sim", 2, true, &count), ACKD_OK);
        sim_equal(count, 1);
        sim_equal(control_cancel(host, "sim", 0, false, &count), ACKD_E_FULL);
    } else if (phase == 90) {
        sim_equal(sides[0].canceled, 1);
        sim_equal(sides[0].running, 3);
        sim_equal(fakebroker_depth(daemon.broker.fake, "work.dead"), 1);
        sim_equal(metric_load(&consumer->metrics, METRIC_messages_dead), 1);
    } else if (phase == 100) {
        sim_equal(control_cancel(host, "sim", 0, false, &count), ACKD_OK);
        sim_equal(count, 3);
    }
    return phase > 100 && sides[0].done == 3; /* those went back, and came again */
}

static void cancels(uint64_t seed)
{
    play(seed, 4, "    prefetch: 20\n", cancel_some, NULL);
    finish();
    sim_equal(sides[0].canceled, 4);
}

#define GATE_TESTS(X)                                                                       \
    X(test_nothing_waits_for_longer_than_a_quarter, waits_too_long)                         \
    X(test_nothing_waits_for_its_key_for_longer_than_a_quarter, waits_too_long_for_its_key) \
    X(test_what_waits_less_stays, waits_not_too_long)                                       \
    X(test_more_is_fetched_behind_a_busy_key, fetches_more)                                 \
    X(test_less_is_fetched_again, fetches_less_again)                                       \
    X(test_no_more_is_fetched_than_was_written, fetches_no_more)                            \
    X(test_two_share_places_turn_by_turn, share_places)                                     \
    X(test_two_share_a_rate, share_a_rate)                                                  \
    X(test_one_takes_what_the_other_leaves, takes_what_is_free)                             \
    X(promise_c4_a_slow_queue_stops_no_other, slow_beside_quick)                            \
    X(test_the_kill_switch_trips_tries_and_closes, trips_and_closes)                        \
    X(test_resume_closes_the_kill_switch, resume_closes_it)                                 \
    X(promise_s3_a_pause_gives_back_what_has_not_started, pauses)                           \
    X(test_a_pause_may_cancel, pauses_and_cancels)                                          \
    X(test_a_pause_outlives_its_connection, stays_paused)                                   \
    X(promise_c8_bounds_change_while_handlers_run, bounds_change)                           \
    X(test_a_group_changes, group_changes)                                                  \
    X(test_control_says_no, control_refuses)                                                \
    X(test_an_operator_cancels, cancels)

#define GATE_TEST(name, run)         \
    START_TEST(name)                 \
    {                                \
        sim_each(GATE_SEEDS, (run)); \
    }                                \
    END_TEST
GATE_TESTS(GATE_TEST)

Suite *test_suite(void)
{
    Suite *suite = suite_create("gate");
    TCase *tcase = tcase_create("gate");
    tcase_set_timeout(tcase, 300);
#define GATE_ADD(name, run) tcase_add_test(tcase, name);
    GATE_TESTS(GATE_ADD)
    suite_add_tcase(suite, tcase);
    return suite;
}
