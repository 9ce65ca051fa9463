/* SPDX-License-Identifier: MIT */
/* What comes back after a loss, and how: handlers whose channel died, and their results. */
#include <config.h>

#include "daemon.h"
#include "main.h"

enum {
    RECOVERY_SEEDS = 100,
    RECOVERY_APART_MS = 3000,
    RECOVERY_CANCEL_MS = 100,
    RECOVERY_PROBED_S = 60
};

static struct daemon daemon;
static struct timer fault;
static unsigned faults;     /* to come */
static uint64_t orphans_ns; /* since when there are some */

enum recovery_fault { RECOVERY_FORGET, RECOVERY_STARVE, RECOVERY_STRAY };
static enum recovery_fault silent_fault;
static uint64_t silent_ns; /* when it happened; 0: not yet */

/* Something that the broker tells nobody of. */
static void fail_silently(struct timer *timer)
{
    struct fakebroker *broker = sim_broker_fake(&daemon.broker);
    if (fakebroker_consumers(broker, "work") == 0) {
        sim_after_ns(timer, NS_PER_MS);
        return;
    }
    silent_ns = sim_now_ns();
    if (silent_fault == RECOVERY_FORGET)
        fakebroker_forget(broker, "work");
    else if (silent_fault == RECOVERY_STARVE)
        fakebroker_starve(broker, "work");
    else
        fakebroker_stray(broker, "work", (uint16_t)sim_between(1, 30));
    sim_broker_changed(&daemon.broker);
}

/* A channel, or the whole connection, is closed by the broker. */
static void lose(struct timer *timer)
{
    struct fakebroker_link *link = sim_broker_draw_link(&daemon.broker);
    uint16_t channel = link == NULL ? 0 : sim_broker_draw_channel(link);
    (void)sim_broker_fake(&daemon.broker);
    if (channel != 0 && sim_chance(70))
        fakebroker_close_channel(link, channel, 541, "INTERNAL_ERROR");
    else if (link != NULL)
        fakebroker_close_connection(link, 320, "CONNECTION_FORCED");
    sim_broker_changed(&daemon.broker);
    if (--faults > 0)
        sim_after_ns(timer, sim_between(0, RECOVERY_APART_MS * NS_PER_MS));
}

/* A daemon with handlers that succeed, of @lines, and up to so many losses. */
static void begin(const char *lines, uint64_t delay_max_ms)
{
    struct daemon_options options;
    daemon_draw_options(&options);
    options.messages = (unsigned)sim_between(20, 100);
    options.fail = options.dead = options.drop = options.timeout_ms = options.unstarted = 0;
    options.delay_max_ms = (unsigned)sim_between(1, delay_max_ms);
    options.buffer_kib = 0;
    options.body_max = 1000;
    options.ids = true;
    options.lines = lines;
    daemon_begin(&daemon, &options);
    daemon.stop_when_done = true;
    daemon.flooded = true; /* what was acknowledged, and lost */
    timer_init(&fault, lose);
    faults = (unsigned)sim_between(1, 5);
    sim_after_ns(&fault, sim_between(0, RECOVERY_APART_MS * NS_PER_MS));
}

static void end(void)
{
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(daemon_finished(&daemon), daemon.options.messages);
    timer_stop(&fault);
    daemon_end(&daemon);
}

/* Whatever was lost between a handler's end and the broker's knowledge of it. */
static void run_once(uint64_t seed)
{
    sim_begin(seed);
    begin("    message-ids: unique\n", 5000);
    end();
    sim_equal(daemon.handled, daemon.options.messages);
}

/* Whoever was asked to stop does so. */
static void look_for_orphans(struct daemon *seen)
{
    if (daemon_consumer(seen)->orphans.alive == 0)
        orphans_ns = sim_now_ns();
    sim_that(sim_now_ns() - orphans_ns < RECOVERY_CANCEL_MS * NS_PER_MS);
}

static void cancel_orphans(uint64_t seed)
{
    sim_begin(seed);
    begin("    orphans: cancel\n    message-ids: unique\n", 5000);
    orphans_ns = sim_now_ns();
    daemon.step = look_for_orphans;
    end();
}

static void without_ids(uint64_t seed)
{
    sim_begin(seed);
    begin("    orphans: finish\n", 5000);
    end();
}

/* One silent fault in a stream of messages. */
static void begin_silent(uint64_t seed, enum recovery_fault what)
{
    sim_begin(seed);
    begin("    probe: 5s\n", 100);
    timer_stop(&fault);
    timer_init(&fault, fail_silently);
    silent_fault = what;
    silent_ns = 0;
    sim_after_ns(&fault, sim_between(0, 200) * NS_PER_MS);
}

static void forget(uint64_t seed)
{
    begin_silent(seed, RECOVERY_FORGET);
    end();
    sim_that(silent_ns == 0 || daemon.signal_ns - silent_ns < RECOVERY_PROBED_S * NS_PER_S);
}

static void starve(uint64_t seed)
{
    begin_silent(seed, RECOVERY_STARVE);
    end();
    sim_that(silent_ns == 0 || daemon.signal_ns - silent_ns < RECOVERY_PROBED_S * NS_PER_S);
}

static void stray(uint64_t seed)
{
    begin_silent(seed, RECOVERY_STRAY);
    end();
}

/* Nothing comes for long, and nothing is wrong. */
static void idle(uint64_t seed)
{
    sim_begin(seed);
    begin("    probe: 1s\n", 100);
    timer_stop(&fault);
    daemon.stop_when_done = false;
    daemon_signal_after(&daemon, 600 * NS_PER_S);
    end();
    sim_equal(sim_logged("consuming"), 1);
}

/* Messages are on their way when it is stopped. */
static void stop_while_delivered(uint64_t seed)
{
    sim_begin(seed);
    begin(NULL, 100);
    timer_stop(&fault);
    daemon.stop_when_done = false;
    daemon_signal_after(&daemon, sim_between(0, 1000) * NS_PER_MS);
    sim_equal(daemon_run(&daemon), HOST_EXIT_OK);
    sim_equal(fakebroker_unacked(daemon.broker.fake, "work"), 0);
    daemon_end(&daemon);
}

START_TEST(promise_r10_a_subscription_that_is_forgotten_is_made_again)
{
    sim_each(RECOVERY_SEEDS, forget);
}
END_TEST

START_TEST(promise_r10_a_subscription_that_is_sent_nothing_is_made_again)
{
    sim_each(RECOVERY_SEEDS, starve);
}
END_TEST

START_TEST(promise_r10_an_idle_subscription_is_left_alone)
{
    sim_each(RECOVERY_SEEDS / 5, idle);
}
END_TEST

/* The broker says that we broke the protocol, again and again. */
static void accuse(struct timer *timer)
{
    struct fakebroker *broker = sim_broker_fake(&daemon.broker);
    struct fakebroker_link *link = sim_broker_draw_link(&daemon.broker);
    bool consumed = fakebroker_consumers(broker, "work") > 0;
    if (consumed && link != NULL)
        fakebroker_close_connection(link, 501, "FRAME_ERROR - on purpose");
    if (consumed && fakebroker_consumers(broker, "work") == 0) {
        faults--;
        silent_ns = sim_now_ns();
    }
    sim_broker_changed(&daemon.broker);
    if (faults > 0)
        sim_after_ns(timer, sim_between(1, 100) * NS_PER_MS);
}

static void be_accused(uint64_t seed)
{
    sim_begin(seed);
    begin(NULL, 2000);
    timer_stop(&fault);
    timer_init(&fault, accuse);
    faults = 3;
    sim_after_ns(&fault, sim_between(0, 20) * NS_PER_MS);
    end();
    if (faults > 0)
        return; /* all was done before */
    sim_that(sim_logged("isolated") <= 1);
    if (sim_logged("isolated") == 1 && daemon.signal_ns > silent_ns + NS_PER_S)
        sim_that(daemon.signal_ns > silent_ns + 59 * NS_PER_S);
}

START_TEST(promise_r5_who_is_last_where_faults_come_thick_is_set_aside)
{
    sim_each(RECOVERY_SEEDS, be_accused);
}
END_TEST

START_TEST(promise_d8_messages_for_another_consumer_tag_go_back)
{
    sim_each(RECOVERY_SEEDS, stray);
}
END_TEST

START_TEST(promise_d9_what_comes_after_the_cancel_goes_back)
{
    sim_each(RECOVERY_SEEDS, stop_while_delivered);
}
END_TEST

START_TEST(promise_a3_results_of_a_lost_channel_are_not_sent)
{
    sim_each(RECOVERY_SEEDS, without_ids);
}
END_TEST

START_TEST(what_has_ended_well_does_not_run_again)
{
    sim_each(RECOVERY_SEEDS, run_once);
}
END_TEST

START_TEST(promise_r11_handlers_of_a_lost_channel_are_cancelled_if_so_configured)
{
    sim_each(RECOVERY_SEEDS, cancel_orphans);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("recovery");
    TCase *tcase = tcase_create("recovery");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, promise_a3_results_of_a_lost_channel_are_not_sent);
    tcase_add_test(tcase, what_has_ended_well_does_not_run_again);
    tcase_add_test(tcase, promise_r11_handlers_of_a_lost_channel_are_cancelled_if_so_configured);
    tcase_add_test(tcase, promise_r10_a_subscription_that_is_forgotten_is_made_again);
    tcase_add_test(tcase, promise_r10_a_subscription_that_is_sent_nothing_is_made_again);
    tcase_add_test(tcase, promise_r10_an_idle_subscription_is_left_alone);
    tcase_add_test(tcase, promise_d8_messages_for_another_consumer_tag_go_back);
    tcase_add_test(tcase, promise_d9_what_comes_after_the_cancel_goes_back);
    tcase_add_test(tcase, promise_r5_who_is_last_where_faults_come_thick_is_set_aside);
    suite_add_tcase(suite, tcase);
    return suite;
}
