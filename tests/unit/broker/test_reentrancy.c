/* SPDX-License-Identifier: MIT */
/* Whoever is called by a subscription or its link may call them back, with anything. */
#include <config.h>

#include "broker/subscription.h"

#include <ackd/error.h>

#include "amqp/delivery.h"
#include "main.h"
#include "sim_broker.h"

enum {
    REENTRANCY_SEEDS = 300,
    REENTRANCY_RUN_S = 120,
    REENTRANCY_CALM_S = 120,
    REENTRANCY_OPEN = 1000,
    REENTRANCY_MESSAGES = 400,
    REENTRANCY_KINDS = 12
};

static struct sim_broker broker;
static struct loop *loop;
static struct delivery_pool *pool;
static struct link *link_under_test;
static struct subscription *subscription;
static struct link_channel another;
static struct timer end, calm, trouble, nudge;
static uint64_t tags[REENTRANCY_OPEN]; /* that are open */
static size_t open;
static bool rough;      /* calls are made from callbacks */
static bool stopping;   /* the subscription was told to stop */
static bool may_stop;   /* this seed stops it in a callback */
static unsigned within; /* callbacks that run now */
static unsigned called[REENTRANCY_KINDS];

static void settle(void)
{
    if (open == 0)
        return;
    uint64_t tag = tags[--open];
    int code = sim_chance(50) ? subscription_ack(subscription, tag, false)
                              : subscription_nack(subscription, tag);
    sim_that(code == ACKD_OK || code == ACKD_E_NOT_OPEN);
}

static void fail_link(void)
{
    (void)ackd_fail(ACKD_E_DISCONNECTED, "on purpose");
    link_fail(link_under_test);
}

static void call_link(uint64_t which)
{
    if (which == 0)
        link_pause(link_under_test);
    else if (which == 1)
        link_resume(link_under_test);
    else if (which == 2)
        link_flush(link_under_test);
    else if (which == 3 && sim_chance(10) && link_state(link_under_test) != LINK_CLOSED)
        fail_link();
    else if (which == 4 && another.link == NULL)
        link_add(link_under_test, &another);
    else if (which == 4)
        link_remove(&another);
}

/* Any call that there is. */
static void call_something(void)
{
    if (!rough || within > 1 || sim_chance(50))
        return;
    uint64_t which = sim_between(0, REENTRANCY_KINDS - 1);
    called[which]++;
    if (which < 5)
        call_link(which);
    else if (which == 5)
        subscription_suspend(subscription);
    else if (which == 6)
        subscription_resume(subscription, (uint16_t)sim_between(1, 50));
    else if (which == 7)
        subscription_change(subscription, (uint16_t)sim_between(1, 50));
    else if (which == 8)
        subscription_hold(subscription, sim_between(0, 2000));
    else if (which == 9)
        settle();
    else if (which == 10 && may_stop && sim_chance(20)) {
        subscription_stop(subscription);
        stopping = true;
    } else if (which == 11 && stopping)
        subscription_close(subscription);
}

static void call_back(void)
{
    within++;
    call_something();
    within--;
}

static void on_opened(void *arg)
{
    (void)arg;
    open = 0;
    call_back();
}

static void on_active(uint32_t messages, uint32_t consumers, void *arg)
{
    (void)messages;
    (void)consumers;
    (void)arg;
    call_back();
}

static void on_delivery(struct delivery *delivery, void *arg)
{
    (void)arg;
    sim_that(open < REENTRANCY_OPEN);
    tags[open++] = delivery->tag;
    delivery_free(&delivery);
    if (!rough || sim_chance(70))
        settle();
    call_back();
}

static bool on_hungry(void *arg)
{
    (void)arg;
    return true;
}

static void on_canceled(uint64_t retry_ms, void *arg)
{
    (void)retry_ms;
    (void)arg;
    call_back();
}

static void on_lost(uint64_t retry_ms, void *arg)
{
    (void)retry_ms;
    (void)arg;
    open = 0;
    call_back();
}

static void on_up(struct link *link, void *arg)
{
    (void)link;
    (void)arg;
    call_back();
}

static void on_down(struct link *link, uint64_t retry_ms, bool severe, void *arg)
{
    (void)link;
    (void)retry_ms;
    (void)severe;
    (void)arg;
    call_back();
}

static void on_blocked(struct link *link, const char *why, void *arg)
{
    (void)link;
    (void)why;
    (void)arg;
    call_back();
}

static void on_another(struct link_channel *channel)
{
    (void)channel;
    call_back();
}

static void on_another_event(struct link_channel *channel, const struct connection_event *event)
{
    (void)channel;
    (void)event;
}

/* So that each callback is called: closes, cancels, losses, and messages. */
static void make_trouble(struct timer *timer)
{
    struct fakebroker *fake = sim_broker_fake(&broker);
    struct fakebroker_link *link = sim_broker_draw_link(&broker);
    uint16_t channel = link == NULL ? 0 : sim_broker_draw_channel(link);
    uint64_t draw = sim_between(0, 99);
    if (draw < 20 && channel != 0)
        fakebroker_close_channel(link, channel, 406, "PRECONDITION_FAILED - a test");
    else if (draw < 40)
        fakebroker_cancel(fake, "work");
    else if (draw < 45)
        fakebroker_crash(fake);
    else
        fakebroker_put(fake, "work", NULL, (struct ackd_bytes){.data = "body", .size = 4});
    sim_broker_changed(&broker);
    sim_after_ns(timer, sim_between(0, 500 * NS_PER_MS));
}

/* Whatever a callback stopped goes on. */
static void go_on(struct timer *timer)
{
    link_resume(link_under_test);
    if (!stopping)
        subscription_resume(subscription, (uint16_t)sim_between(1, 50));
    link_flush(link_under_test);
    timer_start(loop_timers(loop), timer, loop_now_ns(loop) + NS_PER_S);
}

static void on_calm(struct timer *timer)
{
    (void)timer;
    rough = false;
    timer_stop(&trouble);
    timer_stop(&nudge);
    link_resume(link_under_test);
    if (!stopping)
        subscription_resume(subscription, 10);
}

static void on_end(struct timer *timer)
{
    (void)timer;
    enum subscription_state state = subscription_state(subscription);
    if (!stopping)
        sim_equal(state, SUBSCRIPTION_ACTIVE);
    else
        sim_that(subscription_is_quiet(subscription));
    if (another.link != NULL)
        link_remove(&another);
    subscription_free(&subscription);
    link_close(link_under_test);
    fail_link();
    loop_stop(loop);
}

static void begin(void)
{
    static const struct link_events events = {.up = on_up, .down = on_down, .blocked = on_blocked};
    static const struct subscription_events hears = {.opened = on_opened,
                                                     .active = on_active,
                                                     .delivery = on_delivery,
                                                     .stray = on_delivery,
                                                     .hungry = on_hungry,
                                                     .canceled = on_canceled,
                                                     .lost = on_lost};
    static const struct link_host hosts[] = {{"one", 5672}};
    sim_broker_begin(&broker, &(struct fakebroker_options){.heartbeat_s = 60});
    fakebroker_tick(broker.fake, sim_now_ns());
    fakebroker_declare(broker.fake, "work", NULL, 0);
    for (unsigned i = 0; i < REENTRANCY_MESSAGES; i++)
        fakebroker_put(broker.fake, "work", NULL, (struct ackd_bytes){.data = "body", .size = 4});
    ck_assert_int_eq(loop_new("link", &loop), ACKD_OK);
    ck_assert_int_eq(delivery_pool_new(0, 1, &pool), ACKD_OK);
    struct link_options options = {
        .loop = loop,
        .random = sim_random(),
        .pool = pool,
        .login = {.user = "u", .password = "p", .vhost = "/", .name = "test", .version = "0"},
        .hosts = hosts,
        .host_count = 1,
        .reconnect_first_ms = 100,
        .reconnect_max_ms = 2000,
        .events = &events};
    options.login.heartbeat_s = 10;
    ck_assert_int_eq(link_new(&options, &link_under_test), ACKD_OK);
    struct subscription_options wanted = {.link = link_under_test,
                                          .name = "again",
                                          .queue = "work",
                                          .prefetch = 10,
                                          .probe_ms = 3000,
                                          .events = &hears};
    ck_assert_int_eq(subscription_new(&wanted, &subscription), ACKD_OK);
}

static void call_everything(uint64_t seed)
{
    sim_begin(seed);
    begin();
    rough = true;
    stopping = false;
    may_stop = seed % 3 == 0;
    open = within = 0;
    another =
        (struct link_channel){.up = on_another, .down = on_another, .event = on_another_event};
    list_init(&another.node);
    timer_init(&end, on_end);
    timer_init(&calm, on_calm);
    timer_init(&trouble, make_trouble);
    timer_init(&nudge, go_on);
    subscription_start(subscription);
    link_open(link_under_test);
    sim_after_ns(&trouble, 100 * NS_PER_MS);
    uint64_t now_ns = loop_now_ns(loop);
    timer_start(loop_timers(loop), &nudge, now_ns + NS_PER_S);
    timer_start(loop_timers(loop), &calm, now_ns + REENTRANCY_RUN_S * NS_PER_S);
    timer_start(loop_timers(loop), &end,
                now_ns + (REENTRANCY_RUN_S + REENTRANCY_CALM_S) * NS_PER_S);
    loop_run(loop);
    const struct fakebroker_counts *counts = fakebroker_counts(broker.fake);
    if (counts->faults + counts->unknown_tags > 0)
        sim_fail(__FILE__, __LINE__, "a slip: %s", fakebroker_first_fault(broker.fake));
    for (unsigned i = 0; i < REENTRANCY_KINDS; i++)
        sim_that(may_stop || i >= 10 || called[i] > 0);
    link_free(&link_under_test);
    delivery_pool_free(&pool);
    loop_free(&loop);
    sim_end();
    sim_broker_end(&broker);
}

START_TEST(promise_c9_whoever_is_called_back_may_call_anything)
{
    sim_each(REENTRANCY_SEEDS, call_everything);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("broker/reentrancy");
    TCase *tcase = tcase_create("reentrancy");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, promise_c9_whoever_is_called_back_may_call_anything);
    suite_add_tcase(suite, tcase);
    return suite;
}
