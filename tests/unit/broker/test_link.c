/* SPDX-License-Identifier: MIT */
/* A link over several hosts, in the simulated world: it comes back, and never in a tight circle. */
#include <config.h>

#include "broker/link.h"

#include <ackd/error.h>

#include "main.h"
#include "sim_broker.h"

enum { LINK_RUN_S = 60, LINK_HOSTS = 3, LINK_FIRST_MS = 100, LINK_MAX_MS = 2000 };
enum { OUTAGE_S = 40, OUTAGE_MAX_MS = 30000, KNOCK_MS = 1500 };

static struct sim_broker broker;
static struct loop *loop;
static struct link *link_under_test;
static struct timer end;
static unsigned ups;
static unsigned waits; /* tries that had to wait */
static uint64_t live_ns;
static struct timer failure;
static uint64_t max_ms = LINK_MAX_MS;
static uint64_t up_ns; /* when it was first up */
static bool with_outage;
static uint64_t outage_ns; /* with it, nobody listens until then */
static struct timer outage;

static void fail_now(struct timer *timer)
{
    (void)timer;
    (void)ackd_fail(ACKD_E_DISCONNECTED, "on purpose");
    link_fail(link_under_test);
}

static void on_up(struct link *link, void *arg)
{
    (void)link;
    (void)arg;
    if (ups++ == 0)
        up_ns = loop_now_ns(loop);
    timer_start(loop_timers(loop), &failure, loop_now_ns(loop) + live_ns);
}

static void on_down(struct link *link, uint64_t retry_ms, bool severe, void *arg)
{
    (void)link;
    (void)severe;
    (void)arg;
    if (retry_ms > 0)
        waits++;
}

static void on_blocked(struct link *link, const char *why, void *arg)
{
    (void)link;
    (void)why;
    (void)arg;
}

static void on_outage_over(struct timer *timer)
{
    (void)timer;
    sim_set_connect(SIM_CONNECT);
}

static void on_end(struct timer *timer)
{
    (void)timer;
    timer_stop(&failure);
    timer_stop(&outage);
    link_close(link_under_test);
    (void)ackd_fail(ACKD_E_CLOSED, "the end of the test");
    link_fail(link_under_test);
    loop_stop(loop);
}

/* Connections that end after @alive_ns, for LINK_RUN_S. */
static void run(uint64_t seed, uint64_t alive_ns)
{
    static const struct link_events events = {.up = on_up, .down = on_down, .blocked = on_blocked};
    static const struct link_host hosts[LINK_HOSTS] = {{"one", 5672}, {"two", 5672}, {"six", 5672}};
    struct delivery_pool *pool = NULL;
    sim_begin(seed);
    sim_broker_begin(&broker, &(struct fakebroker_options){.heartbeat_s = 60});
    sim_set_weather(&(struct sim_weather){
        .latency_ns = NS_PER_MS, .chunk_max = 4096, .whole = true, .window = 65536});
    ups = waits = 0;
    live_ns = alive_ns;
    timer_init(&failure, fail_now);
    timer_init(&end, on_end);
    timer_init(&outage, on_outage_over);
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
                                             .heartbeat_s = 10},
                                   .hosts = hosts,
                                   .host_count = LINK_HOSTS,
                                   .reconnect_first_ms = LINK_FIRST_MS,
                                   .reconnect_max_ms = max_ms,
                                   .events = &events};
    ck_assert_int_eq(link_new(&options, &link_under_test), ACKD_OK);
    outage_ns = loop_now_ns(loop) + OUTAGE_S * NS_PER_S;
    if (with_outage) {
        sim_set_connect(SIM_CONNECT_REFUSED);
        timer_start(loop_timers(loop), &outage, outage_ns);
    }
    link_open(link_under_test);
    timer_start(loop_timers(loop), &end, loop_now_ns(loop) + LINK_RUN_S * NS_PER_S);
    loop_run(loop);
    link_free(&link_under_test);
    delivery_pool_free(&pool);
    loop_free(&loop);
    sim_end();
    sim_broker_end(&broker);
}

/* Each round of hosts ends with a wait, and the bound of the wait has grown to its maximum. */
static void open_and_die(uint64_t seed)
{
    run(seed, 0);
    sim_that(ups > LINK_HOSTS);
    sim_that(ups < LINK_HOSTS * (LINK_RUN_S * 1000 / (LINK_MAX_MS / 4)));
    sim_that(waits >= ups / LINK_HOSTS - 1);
}

/* The next host is tried at once, and the wait is the shortest. */
static void live_long_and_die(uint64_t seed)
{
    run(seed, 11 * NS_PER_S);
    sim_that(ups >= LINK_RUN_S / 12);
    sim_equal(waits, 0);
}

/* Where nobody listens the bound stays short, however long it lasts and whatever 'max' is. */
static void be_refused(uint64_t seed)
{
    with_outage = true;
    max_ms = OUTAGE_MAX_MS;
    run(seed, 11 * NS_PER_S);
    with_outage = false;
    max_ms = LINK_MAX_MS;
    sim_that(up_ns >= outage_ns);
    sim_that(waits >= OUTAGE_S * 1000 / KNOCK_MS);
    sim_that(up_ns < outage_ns + (KNOCK_MS + 100) * NS_PER_MS);
}

START_TEST(where_nobody_listens_a_broker_that_is_back_is_found_soon)
{
    sim_each(10, be_refused);
}
END_TEST

START_TEST(promise_r1_hosts_that_drop_each_connection_are_backed_off_from)
{
    sim_each(10, open_and_die);
}
END_TEST

START_TEST(promise_r1_after_a_connection_that_lived_the_next_host_is_tried_at_once)
{
    sim_each(10, live_long_and_die);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("link");
    TCase *tcase = tcase_create("link");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, where_nobody_listens_a_broker_that_is_back_is_found_soon);
    tcase_add_test(tcase, promise_r1_hosts_that_drop_each_connection_are_backed_off_from);
    tcase_add_test(tcase, promise_r1_after_a_connection_that_lived_the_next_host_is_tried_at_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
