/* SPDX-License-Identifier: MIT */
/* Brokers that say nothing: at every step somebody stops waiting; and hosts that start together. */
#include <config.h>

#include "broker/link.h"

#include <ackd/error.h>

#include "main.h"
#include "sim_broker.h"

enum {
    SILENCE_SEEDS = 20,
    SILENCE_RUN_S = 120,
    SILENCE_HEARTBEAT_S = 10,
    SILENCE_CONNECT_S = 5,
    SILENCE_LOGIN_S = 10,
    SILENCE_CLOSE_S = 2,
    SILENCE_SLACK_MS = 100, /* what comes on its way */
    SILENCE_CROWD = 50,
    SILENCE_SPREAD_MS = 250
};

static struct sim_broker broker;
static struct loop *loop;
static struct delivery_pool *pool;
static struct link *links[SILENCE_CROWD];
static uint64_t ups_ns[SILENCE_CROWD]; /* when each was first up */
static size_t count;
static struct timer end, action;
static uint64_t begun_ns, down_ns, acted_ns; /* the first loss */
static enum sim_connect then_connect;        /* after the first loss */

static void on_up(struct link *link, void *arg)
{
    uint64_t *up_ns = arg;
    (void)link;
    if (*up_ns == 0)
        *up_ns = sim_now_ns();
}

static void on_down(struct link *link, uint64_t retry_ms, bool severe, void *arg)
{
    (void)link;
    (void)retry_ms;
    (void)severe;
    (void)arg;
    if (down_ns == 0)
        down_ns = sim_now_ns();
    sim_set_connect(then_connect);
}

static void on_blocked(struct link *link, const char *why, void *arg)
{
    (void)link;
    (void)why;
    (void)arg;
}

static void on_end(struct timer *timer)
{
    (void)timer;
    timer_stop(&action);
    for (size_t i = 0; i < count; i++) {
        link_close(links[i]);
        (void)ackd_fail(ACKD_E_CLOSED, "the end of the test");
        link_fail(links[i]);
    }
    loop_stop(loop);
}

/* A world with @number links, not yet open. */
static void begin(uint64_t seed, size_t number, uint64_t spread_ms)
{
    static const struct link_events events = {.up = on_up, .down = on_down, .blocked = on_blocked};
    static const struct link_host hosts[] = {{"one", 5672}, {"two", 5672}, {"six", 5672}};
    sim_begin(seed);
    sim_broker_begin(&broker, &(struct fakebroker_options){.heartbeat_s = 60});
    sim_set_weather(&(struct sim_weather){
        .latency_ns = NS_PER_MS, .chunk_max = 4096, .whole = true, .window = 65536});
    ck_assert_int_eq(loop_new("link", &loop), ACKD_OK);
    ck_assert_int_eq(delivery_pool_new(0, 1, &pool), ACKD_OK);
    struct link_options options = {.loop = loop,
                                   .random = sim_random(),
                                   .pool = pool,
                                   .login = {.user = "u",
                                             .password = "p",
                                             .vhost = "/",
                                             .name = "test",
                                             .version = "0",
                                             .heartbeat_s = SILENCE_HEARTBEAT_S},
                                   .hosts = hosts,
                                   .host_count = sizeof hosts / sizeof hosts[0],
                                   .reconnect_first_ms = 100,
                                   .reconnect_max_ms = 2000,
                                   .spread_ms = spread_ms,
                                   .events = &events};
    down_ns = 0;
    then_connect = SIM_CONNECT;
    for (count = 0; count < number; count++) {
        ups_ns[count] = 0;
        options.arg = &ups_ns[count];
        ck_assert_int_eq(link_new(&options, &links[count]), ACKD_OK);
    }
    timer_init(&end, on_end);
    begun_ns = sim_now_ns();
}

/* Open them, let it go on for SILENCE_RUN_S, and tidy up. */
static void run(void)
{
    for (size_t i = 0; i < count; i++)
        link_open(links[i]);
    timer_start(loop_timers(loop), &end, loop_now_ns(loop) + SILENCE_RUN_S * NS_PER_S);
    loop_run(loop);
    for (size_t i = 0; i < count; i++)
        link_free(&links[i]);
    delivery_pool_free(&pool);
    loop_free(&loop);
    sim_end();
    sim_broker_end(&broker);
}

static void within(uint64_t from_ns, uint64_t at_ns, uint64_t least_ms, uint64_t most_ms)
{
    sim_that(at_ns >= from_ns + least_ms * NS_PER_MS);
    sim_that(at_ns <= from_ns + (most_ms + SILENCE_SLACK_MS) * NS_PER_MS);
}

static void freeze(struct timer *timer)
{
    (void)timer;
    acted_ns = sim_now_ns();
    fakebroker_silence(fakebroker_first_link(sim_broker_fake(&broker)), true);
    sim_broker_changed(&broker);
}

static void be_frozen(uint64_t seed)
{
    begin(seed, 1, 0);
    timer_init(&action, freeze);
    sim_after_ns(&action, sim_between(1000, 40000) * NS_PER_MS);
    run();
    /* Its last heartbeat may be half an interval old. */
    within(acted_ns, down_ns, 1500 * SILENCE_HEARTBEAT_S, 2000 * SILENCE_HEARTBEAT_S);
}

static void never_connect(uint64_t seed)
{
    begin(seed, 1, 0);
    sim_set_connect(seed % 2 == 0 ? SIM_CONNECT_SILENT : SIM_CONNECT_UNRESOLVED);
    run();
    within(begun_ns, down_ns, 1, 1000 * SILENCE_CONNECT_S);
    /* R13: the next host is tried at once. */
    within(down_ns, ups_ns[0], 0, 0);
}

static void never_log_in(uint64_t seed)
{
    begin(seed, 1, 0);
    fakebroker_silence_from(sim_broker_fake(&broker),
                            (enum fakebroker_step)(seed % FAKEBROKER_RUNNING));
    run();
    within(begun_ns, down_ns, 1000 * SILENCE_LOGIN_S, 1000 * SILENCE_LOGIN_S);
}

static void close_now(struct timer *timer)
{
    (void)timer;
    freeze(timer);
    link_close(links[0]);
}

static void look_closed(void *arg)
{
    (void)arg;
    if (link_state(links[0]) == LINK_CLOSED && down_ns == 0)
        down_ns = sim_now_ns();
}

static void never_close(uint64_t seed)
{
    begin(seed, 1, 0);
    sim_set_check(look_closed, NULL);
    timer_init(&action, close_now);
    timer_start(loop_timers(loop), &action, loop_now_ns(loop) + 5 * NS_PER_S);
    run();
    within(acted_ns, down_ns, 1000 * SILENCE_CLOSE_S, 1000 * SILENCE_CLOSE_S);
}

/* So many of one crowd at most within the tenth of a second that has most. */
static void come_together(uint64_t seed)
{
    size_t most = 0;
    begin(seed, SILENCE_CROWD, SILENCE_SPREAD_MS);
    run();
    for (size_t i = 0; i < count; i++) {
        size_t near = 0;
        for (size_t other = 0; other < count; other++)
            near += ups_ns[other] >= ups_ns[i] && ups_ns[other] - ups_ns[i] < 100 * NS_PER_MS;
        most = near > most ? near : most;
        within(begun_ns, ups_ns[i], 0, SILENCE_SPREAD_MS);
    }
    sim_that(most < SILENCE_CROWD * 4 / 5);
}

START_TEST(promise_r3_a_dead_peer_is_noticed_within_two_intervals)
{
    sim_each(SILENCE_SEEDS, be_frozen);
}
END_TEST

START_TEST(promise_r13_a_host_that_is_not_reached_is_left_for_the_next)
{
    sim_each(SILENCE_SEEDS, never_connect);
}
END_TEST

START_TEST(promise_r2_a_login_is_waited_for_ten_seconds_at_every_step)
{
    sim_each(SILENCE_SEEDS, never_log_in);
}
END_TEST

START_TEST(promise_r2_a_close_is_waited_for_two_seconds)
{
    sim_each(SILENCE_SEEDS, never_close);
}
END_TEST

START_TEST(promise_r15_a_crowd_that_starts_together_does_not_come_together)
{
    sim_each(SILENCE_SEEDS, come_together);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("silence");
    TCase *tcase = tcase_create("silence");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, promise_r3_a_dead_peer_is_noticed_within_two_intervals);
    tcase_add_test(tcase, promise_r13_a_host_that_is_not_reached_is_left_for_the_next);
    tcase_add_test(tcase, promise_r2_a_login_is_waited_for_ten_seconds_at_every_step);
    tcase_add_test(tcase, promise_r2_a_close_is_waited_for_two_seconds);
    tcase_add_test(tcase, promise_r15_a_crowd_that_starts_together_does_not_come_together);
    suite_add_tcase(suite, tcase);
    return suite;
}
