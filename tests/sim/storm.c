/* SPDX-License-Identifier: MIT */
/* storm - see the header. */
#include <config.h>

#include "storm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "chaos.h"

enum {
    STORM_CALM_S = 1500,      /* of calm, and all is consumed: the longest waits are of a minute */
    STORM_STUBBORN_LEAST = 5, /* concurrency: each may stay for minutes */
    STORM_CONFIRM_MS = 5,
    STORM_LATE_CONFIRM_MS = 60000,
    STORM_ABOUT_SIZE = 1024,
    STORM_LINES_SIZE = 512
};

static struct {
    struct daemon daemon;
    struct chaos chaos;
    struct timer death;
    struct timer memory;
    unsigned shortages;           /* of memory, to come */
    unsigned lives;               /* processes that are stopped or killed, to come */
    char lines[STORM_LINES_SIZE]; /* of the consumer's options */
    char about[STORM_ABOUT_SIZE];
} storm;

const char *storm_about(void)
{
    return storm.about;
}

static unsigned storm_draw(unsigned percent, uint64_t least, uint64_t most)
{
    return sim_chance(percent) ? (unsigned)sim_between(least, most) : 0;
}

static void storm_draw_handler(struct daemon_options *options)
{
    options->delay_max_ms = sim_chance(70) ? 20 : (unsigned)sim_between(1, 1000);
    options->awaits = (unsigned)sim_between(1, 2);
    options->fail = storm_draw(70, 1, 20);
    options->dead = storm_draw(50, 1, 5);
    options->drop = storm_draw(50, 1, 5);
    options->nested = storm_draw(30, 1, 15);
    options->orphaned = storm_draw(50, 1, 30);
    options->strange = storm_draw(30, 1, 5);
    options->offloads = sim_chance(10);
    options->publish = storm_draw(30, 1, 30);
    options->full = storm_draw(10, 1, 50);
    options->start_ms = storm_draw(20, 1, 3000);
    options->stop_ms = storm_draw(20, 1, 3000);
    options->unstarted = storm_draw(5, 1, 40);
    if (options->concurrency >= STORM_STUBBORN_LEAST)
        options->stubborn = storm_draw(10, 1, 2);
    if (sim_chance(20))
        options->timeout_ms = 3 * options->delay_max_ms;
}

static void storm_draw_options(struct daemon_options *options)
{
    *options = (struct daemon_options){.messages = (unsigned)sim_between(1000, 1100),
                                       .concurrency = (unsigned)sim_between(1, 60),
                                       .loops = (unsigned)sim_between(1, 3),
                                       .heartbeat_s = (unsigned)sim_between(2, 20),
                                       .shutdown_ms = 20000,
                                       .body_max = sim_chance(5) ? 2000 : 100};
    storm_draw_handler(options);
    if (sim_chance(30))
        options->prefetch = options->concurrency + (unsigned)sim_between(0, 200);
    if (sim_chance(10)) {
        options->body_max = 3000;
        options->buffer_kib = (unsigned)sim_between(64, 256);
    }
    options->quorum = sim_chance(50);
    options->version = sim_chance(50) ? "3.10.8" : "4.3.0";
    if (sim_chance(15)) {
        options->batch = (unsigned)sim_between(1, 20);
        options->concurrency = (unsigned)sim_between(1, 10);
        options->prefetch = 0;
    }
    if (options->loops > options->concurrency)
        options->loops = options->concurrency;
    options->fed = (unsigned)sim_between(100, sim_chance(50) ? 2000 : 20000);
}

__attribute__((format(printf, 1, 2))) static void storm_add_line(const char *format, ...)
{
    size_t size = strlen(storm.lines);
    va_list args;
    va_start(args, format);
    vsnprintf(storm.lines + size, sizeof storm.lines - size, format, args);
    va_end(args);
}

static void storm_draw_lines(struct daemon_options *options)
{
    storm.lines[0] = '\0';
    options->ids = sim_chance(50);
    if (options->ids)
        storm_add_line("    message-ids: unique\n");
    if (sim_chance(30))
        storm_add_line("    orphans: cancel\n");
    options->keyed = sim_chance(25);
    if (options->keyed)
        storm_add_line("    key: header:x-sim-key\n    key-order: %s\n    key-hold: %ums\n",
                       sim_chance(50) ? "strict" : "relaxed", (unsigned)sim_between(1, 3000));
    if (sim_chance(15))
        storm_add_line("    rate: %u/s\n", (unsigned)sim_between(50, 2000));
    options->attempts = storm_draw(60, 1, 6);
    /* Most often above what fails anyhow: one that always trips goes on by a message a pause. */
    if (sim_chance(15))
        storm_add_line("    kill-switch: {failures: %u%%, of: %u, pause: %ums}\n",
                       (unsigned)sim_between(40, 90), (unsigned)sim_between(4, 50),
                       (unsigned)sim_between(100, 5000));
    options->lines = storm.lines[0] == '\0' ? NULL : storm.lines;
}

static void storm_describe(const struct daemon_options *options)
{
    snprintf(storm.about, sizeof storm.about,
             "%u messages of at most %u bytes over %u ms, concurrency %u, prefetch %u, loops %u, "
             "timeout %u ms, buffer %u KiB, batch %u, publish %u into %u, %s %s; delays to %u ms, "
             "of 100: "
             "fail %u, dead %u, drop %u, "
             "nested %u, stubborn %u; %u faults, %u shortages of memory, %u stops and kills\n%s",
             options->messages, options->body_max, options->fed, options->concurrency,
             options->prefetch, options->loops, options->timeout_ms, options->buffer_kib,
             options->batch, options->publish, options->full, options->version,
             options->quorum ? "quorum" : "classic", options->delay_max_ms, options->fail,
             options->dead, options->drop, options->nested, options->stubborn, storm.chaos.faults,
             storm.shortages, storm.lives, storm.lines);
}

/* The process is to be killed now, or stopped. */
static void storm_death(struct timer *timer)
{
    struct daemon *daemon = &storm.daemon;
    (void)timer;
    if (storm.lives == 0)
        return;
    storm.lives--;
    if (sim_chance(50)) {
        daemon_kill_now(daemon);
        return;
    }
    daemon->signals_more = (unsigned)sim_between(0, 2);
    daemon->signals_apart_ns = 5000 * NS_PER_MS;
    daemon_signal_after(daemon, 0);
}

/* An allocation to come fails, or some in a row. */
static void storm_shortage(struct timer *timer)
{
    if (storm.shortages == 0)
        return;
    storm.shortages--;
    sim_memory_fail(sim_between(1, sim_chance(50) ? 10 : 200),
                    sim_chance(70) ? 1 : sim_between(2, 8));
    sim_after_ns(timer, sim_between(0, storm.daemon.options.fed * NS_PER_MS / 2));
}

/* How long after calm has come everything is done: handlers take their time, twice for what fails. */
static uint64_t storm_bound_ns(const struct daemon_options *options)
{
    uint64_t each_ms = (uint64_t)(options->awaits + 1) * options->delay_max_ms;
    uint64_t stays = (uint64_t)options->messages * options->stubborn / 50 + 1;
    uint64_t work_ms =
        2 * (options->messages * each_ms + stays * 4 * options->shutdown_ms) / options->concurrency;
    return STORM_CALM_S * NS_PER_S + work_ms * NS_PER_MS;
}

/* Once there is calm, confirms come soon, and somebody takes the products. */
static void storm_step(struct daemon *daemon)
{
    if (storm.chaos.calm_ns == 0)
        return;
    daemon->broker.confirm_max_ms = STORM_CONFIRM_MS;
    while (daemon->options.full > 0 && fakebroker_drop_first(daemon->broker.fake, "products"))
        ;
}

static bool storm_done(void)
{
    return storm.daemon.books.finished == storm.daemon.options.messages;
}

/* One process after the other, until everything is done. */
static uint64_t storm_live(void)
{
    struct daemon *daemon = &storm.daemon;
    uint64_t processes = 0;
    for (;;) {
        if (storm.lives > 0)
            sim_after_ns(&storm.death, sim_between(0, 2 * daemon->options.fed * NS_PER_MS));
        int status = daemon_run(daemon);
        timer_stop(&storm.death);
        bool short_of_memory = sim_memory_failed() > 0 && status == HOST_EXIT_INTERNAL;
        sim_that(status == HOST_EXIT_OK || status == HOST_EXIT_FORCED || status == DAEMON_KILLED ||
                 short_of_memory);
        if (storm_done())
            return processes;
        processes++;
        daemon_again(daemon);
    }
}

void storm_run(uint64_t seed, struct storm_counts *ret_counts)
{
    struct daemon *daemon = &storm.daemon;
    struct daemon_options options;
    sim_begin(seed);
    storm_draw_options(&options);
    storm_draw_lines(&options);
    daemon_begin(daemon, &options);
    daemon->stop_when_done = true;
    daemon->step = storm_step;
    if (sim_chance(10))
        daemon->broker.confirm_max_ms = sim_between(STORM_CONFIRM_MS, STORM_LATE_CONFIRM_MS);
    storm.lives = storm_draw(60, 1, 4);
    timer_init(&storm.death, storm_death);
    timer_init(&storm.memory, storm_shortage);
    storm.shortages = storm_draw(30, 1, 10);
    unsigned faults = (unsigned)sim_between(STORM_FAULTS, STORM_FAULTS + 10);
    chaos_begin(&storm.chaos, daemon, faults, 2 * options.fed / faults + 1);
    storm_describe(&options);
    storm_shortage(&storm.memory);
    uint64_t processes = storm_live();
    if (storm.chaos.calm_ns != 0)
        sim_that(daemon->ended_ns < storm.chaos.calm_ns + storm_bound_ns(&options));
    chaos_end(&storm.chaos);
    timer_stop(&storm.memory);
    sim_memory_fail(0, 0);
    *ret_counts =
        (struct storm_counts){.seeds = 1,
                              .messages = options.messages,
                              .deliveries = daemon->books.delivered,
                              .faults = storm.chaos.done + processes + sim_memory_failed(),
                              .processes = processes,
                              .again = daemon->books.again,
                              .virtual_ms = sim_now_ms(),
                              .steps = sim_steps()};
    daemon_end(daemon);
}
