/* SPDX-License-Identifier: MIT */
/* What handlers run beside their messages: when it begins, what its failure leads to, when it ends. */
#include <config.h>

#include <ackd/cancel.h>
#include <ackd/task.h>
#include <string.h>

#include "daemon.h"
#include "main.h"

enum { RUN_SEEDS = 20, RUN_LOOPS = 2, RUN_SHUTDOWN_MS = 10000 };

static struct daemon daemon;

/* What was seen of run() in this world. */
static struct {
    unsigned calls;
    unsigned alive;    /* calls that have not returned */
    unsigned detached; /* tasks that have not ended */
    unsigned canceled; /* with SHUTDOWN */
    unsigned fail;     /* so many calls fail */
    uint64_t lasts_ms;
    unsigned running; /* messages, when a call ended */
    bool stubborn;
    bool detaches;
    unsigned survivors; /* named in the log */
} seen;

static int run_detached(void *arg)
{
    (void)arg;
    seen.detached++;
    int code = ackd_delay(3600000);
    ACKD_TRY(ackd_cancel_reason() == ACKD_CANCEL_SHUTDOWN ? ACKD_OK : ACKD_E_USER);
    return code;
}

static int run_observe(const struct ackd_task *task, int code, const struct ackd_error *error,
                       void *arg)
{
    (void)task;
    (void)error;
    (void)arg;
    sim_equal(code == ACKD_CANCELED, true);
    seen.detached--;
    return ACKD_OK;
}

static int run_wait(void)
{
    if (seen.detaches)
        ACKD_TRY(ackd_spawn_detached(ackd_owner_current(), run_detached, NULL,
                                     &(struct ackd_task_options){.name = "detached"}, run_observe,
                                     NULL));
    if (seen.stubborn) {
        struct ackd_shield shield;
        ACKD_TRY(ackd_shield_push(&shield, 3600000));
        int code = ackd_delay(3600000);
        ackd_shield_pop(&shield);
        return code;
    }
    return ackd_delay(seen.lasts_ms);
}

static int run(void *state)
{
    (void)state;
    sim_that(daemon.started > 0); /* its start() has succeeded */
    seen.calls++;
    seen.alive++;
    bool fails = seen.calls <= seen.fail;
    int code = run_wait();
    seen.alive--;
    seen.running = daemon.running;
    seen.canceled += code == ACKD_CANCELED && ackd_cancel_reason() == ACKD_CANCEL_SHUTDOWN;
    if (!fails)
        return code;
    return ackd_fail(ACKD_E_USER, "on purpose");
}

/* stop() is called when nothing runs beside the messages any more. */
static void run_step(struct daemon *watched)
{
    const struct drain *drain = &watched->host->drain;
    seen.survivors = sim_logged("survivor");
    if (drain->stage == DRAIN_HOOKS && !drain->forced)
        sim_equal(seen.alive + seen.detached, 0);
}

static void begin(uint64_t seed, unsigned messages, unsigned delay_ms,
                  enum ackd_service_failure on_failure)
{
    struct daemon_options options = {.messages = messages,
                                     .concurrency = 10,
                                     .loops = RUN_LOOPS,
                                     .heartbeat_s = 10,
                                     .shutdown_ms = RUN_SHUTDOWN_MS,
                                     .delay_max_ms = delay_ms,
                                     .body_max = 500,
                                     .start_ms = 100,
                                     .run = run,
                                     .run_failure = on_failure};
    sim_begin(seed);
    memset(&seen, 0, sizeof seen);
    seen.lasts_ms = 3600000;
    daemon_begin(&daemon, &options);
    daemon.step = run_step;
}

static uint64_t elapsed_ms(void)
{
    return (daemon.ended_ns - daemon.signal_ns) / NS_PER_MS;
}

/* It serves the messages in flight to their end, is cancelled then, and stop() comes after it. */
static void run_to_the_end(uint64_t seed)
{
    begin(seed, 50, 300, ACKD_SERVICE_STOP_HOST);
    seen.detaches = sim_chance(50);
    daemon_signal_after(&daemon, sim_between(500, 3000) * NS_PER_MS);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(seen.calls, RUN_LOOPS);
    sim_equal(seen.canceled, RUN_LOOPS);
    sim_equal(seen.running, 0);
    sim_equal(seen.alive + seen.detached, 0);
    sim_that(elapsed_ms() < RUN_SHUTDOWN_MS / 2);
    daemon_end(&daemon);
}

/* Where messages are cancelled, so is what runs beside them: at the same time. */
static void run_is_cancelled_with_messages(uint64_t seed)
{
    begin(seed, 20, 3600000, ACKD_SERVICE_STOP_HOST);
    daemon.signals_more = 1;
    daemon.signals_apart_ns = 100 * NS_PER_MS;
    daemon_signal_after(&daemon, sim_between(1000, 3000) * NS_PER_MS);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(seen.canceled, RUN_LOOPS);
    sim_that(elapsed_ms() < 2000);
    daemon_end(&daemon);
}

/* One that does not end is left at the hard limit, and the status says so. */
static void run_that_does_not_end(uint64_t seed)
{
    begin(seed, 20, 50, ACKD_SERVICE_STOP_HOST);
    seen.stubborn = true;
    daemon_loosen(&daemon);
    daemon_signal_after(&daemon, sim_between(1000, 3000) * NS_PER_MS);
    sim_equal(daemon_run(&daemon), HOST_EXIT_FORCED);
    sim_that(elapsed_ms() >= RUN_SHUTDOWN_MS);
    sim_that(elapsed_ms() < RUN_SHUTDOWN_MS + 3000);
    sim_that(seen.survivors >= RUN_LOOPS);
    daemon_end(&daemon);
}

/* A failure stops the daemon in order, with nothing lost, and fails it. */
static void run_fails(uint64_t seed)
{
    begin(seed, 200, 100, ACKD_SERVICE_STOP_HOST);
    seen.fail = 1;
    seen.lasts_ms = sim_between(0, 2000);
    sim_equal(daemon_run(&daemon), HOST_EXIT_INTERNAL);
    sim_equal(sim_logged("service-failed"), 1);
    sim_equal(sim_notified("STOPPING=1"), 1);
    sim_equal(seen.alive, 0);
    daemon_end(&daemon);
}

static void run_is_called_again(uint64_t seed)
{
    begin(seed, 20, 100, ACKD_SERVICE_RESTART);
    seen.fail = 5;
    seen.lasts_ms = 20;
    daemon_signal_after(&daemon, 120 * NS_PER_S);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(sim_logged("service-restart"), 5);
    sim_equal(seen.calls, 5 + RUN_LOOPS); /* five failures, and one success on each loop */
    sim_equal(daemon_finished(&daemon), 20);
    daemon_end(&daemon);
}

static void run_is_not_missed(uint64_t seed)
{
    begin(seed, 20, 100, ACKD_SERVICE_IGNORE);
    seen.fail = RUN_LOOPS;
    seen.lasts_ms = 20;
    daemon_signal_after(&daemon, 20 * NS_PER_S);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(seen.calls, RUN_LOOPS);
    sim_equal(sim_logged("service-failed"), RUN_LOOPS);
    sim_equal(daemon_finished(&daemon), 20);
    daemon_end(&daemon);
}

/* The stop comes at any moment: before the start, during it, in a pause before the next call. */
static void run_meets_a_stop(uint64_t seed)
{
    begin(seed, 50, 300, ACKD_SERVICE_RESTART);
    seen.fail = (unsigned)sim_between(0, 100);
    seen.lasts_ms = sim_between(0, 500);
    seen.detaches = sim_chance(50);
    daemon_signal_after(&daemon, sim_between(0, 3000) * NS_PER_MS);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(seen.alive + seen.detached, 0);
    daemon_end(&daemon);
}

#define RUN_TEST(name, run)         \
    START_TEST(name)                \
    {                               \
        sim_each(RUN_SEEDS, (run)); \
    }                               \
    END_TEST

RUN_TEST(run_serves_messages_to_their_end_and_ends_before_stop, run_to_the_end)
RUN_TEST(run_is_cancelled_when_messages_are, run_is_cancelled_with_messages)
RUN_TEST(rule_h7_run_that_does_not_end_is_named_and_left, run_that_does_not_end)
RUN_TEST(rule_h4_a_failing_run_stops_the_daemon_and_fails_it, run_fails)
RUN_TEST(rule_h4_a_failing_run_is_called_again, run_is_called_again)
RUN_TEST(rule_h4_a_failing_run_may_be_ignored, run_is_not_missed)
RUN_TEST(a_stop_may_meet_run_at_any_moment, run_meets_a_stop)

Suite *test_suite(void)
{
    Suite *suite = suite_create("run");
    TCase *tcase = tcase_create("run");
    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, run_serves_messages_to_their_end_and_ends_before_stop);
    tcase_add_test(tcase, run_is_cancelled_when_messages_are);
    tcase_add_test(tcase, rule_h7_run_that_does_not_end_is_named_and_left);
    tcase_add_test(tcase, rule_h4_a_failing_run_stops_the_daemon_and_fails_it);
    tcase_add_test(tcase, rule_h4_a_failing_run_is_called_again);
    tcase_add_test(tcase, rule_h4_a_failing_run_may_be_ignored);
    tcase_add_test(tcase, a_stop_may_meet_run_at_any_moment);
    suite_add_tcase(suite, tcase);
    return suite;
}
