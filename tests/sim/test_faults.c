/* SPDX-License-Identifier: MIT */
/* Whatever happens on the way to the broker: nothing is lost, and consuming goes on. */
#include <config.h>

#include <sys/mman.h>

#include "chaos.h"
#include "main.h"

enum {
    FAULTS_CALM_S = 900, /* of calm, and all is consumed: some wires take 3 s for a message */
    FAULTS_OUTCOMES = 4096,
    FAULTS_LAST_MS = 2000 /* beyond the budget, for a broker's last answers */
};

static struct daemon daemon;
static struct chaos chaos;

static void begin(uint64_t seed)
{
    struct daemon_options options;
    sim_begin(seed);
    daemon_draw_options(&options);
    options.messages = (unsigned)sim_between(20, 150);
    options.body_max =
        sim_chance(10) ? 20000 : 1000; /* on a slow wire too, what comes comes soon */
    options.unstarted = 0;             /* its waits would hide those that are looked for here */
    daemon_begin(&daemon, &options);
    chaos_begin(&chaos, &daemon, (unsigned)sim_between(1, 12),
                sim_chance(50) ? 300 : sim_between(1000, 20000));
}

static void consume_all(uint64_t seed)
{
    begin(seed);
    daemon.stop_when_done = true;
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), daemon.options.messages);
    if (chaos.calm_ns != 0)
        sim_that(daemon.signal_ns < chaos.calm_ns + FAULTS_CALM_S * NS_PER_S);
    chaos_end(&chaos);
    daemon_end(&daemon);
}

static void stop_anywhere(uint64_t seed)
{
    begin(seed);
    daemon_signal_after(&daemon, sim_between(0, sim_between(1, 60000) * NS_PER_MS));
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_that(daemon.ended_ns - daemon.signal_ns <
             (daemon.options.shutdown_ms + FAULTS_LAST_MS) * NS_PER_MS);
    chaos_end(&chaos);
    daemon_end(&daemon);
}

/* What runs came to, by seed; in memory that their processes share. */
static struct outcome {
    uint64_t steps, ended_ns, handled;
} * outcomes;

static void run_first(uint64_t seed)
{
    stop_anywhere(seed);
    outcomes[seed % FAULTS_OUTCOMES] =
        (struct outcome){sim_steps(), daemon.ended_ns, daemon.handled};
}

static void run_again(uint64_t seed)
{
    const struct outcome *outcome = &outcomes[seed % FAULTS_OUTCOMES];
    stop_anywhere(seed);
    sim_equal(sim_steps(), outcome->steps);
    sim_equal(daemon.ended_ns, outcome->ended_ns);
    sim_equal(daemon.handled, outcome->handled);
}

START_TEST(consuming_always_resumes_and_nothing_is_lost)
{
    sim_each(200, consume_all);
}
END_TEST

START_TEST(a_stop_amid_faults_loses_nothing)
{
    sim_each(200, stop_anywhere);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_run)
{
    size_t size = FAULTS_OUTCOMES * sizeof *outcomes;
    outcomes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(outcomes != MAP_FAILED);
    sim_each(20, run_first);
    sim_each(20, run_again);
    munmap(outcomes, size);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("faults");
    TCase *tcase = tcase_create("faults");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, consuming_always_resumes_and_nothing_is_lost);
    tcase_add_test(tcase, a_stop_amid_faults_loses_nothing);
    tcase_add_test(tcase, the_same_seed_gives_the_same_run);
    suite_add_tcase(suite, tcase);
    return suite;
}
