/* SPDX-License-Identifier: MIT */
/* A publisher against the simulated broker: each request ends once, soon, and with its reason. */
#include <config.h>

#include "broker/publisher.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "main.h"
#include "sim_broker.h"

enum { REQUESTS = 8, STEPS_MAX = 6, TEXT_SIZE = 200000, SOON_MS = 1000, LATER_MS = 3000 };

static struct sim_broker broker;
static struct loop *loop;
static struct link *publishing;
static struct publisher *publisher;
static struct timer begin, later, end;
static struct publisher_request requests[REQUESTS];
static int codes[REQUESTS];
static unsigned ends[REQUESTS];
static uint64_t began_ms[REQUESTS], ended_ms[REQUESTS];
static bool inside; /* publisher_publish */
static char text[TEXT_SIZE];
static struct channel_argument header = {"x-long", text};
static struct properties properties = {.priority = -1, .delivery_mode = 2};

static void on_up(struct link *link, void *arg)
{
    (void)link;
    (void)arg;
}

static void on_down(struct link *link, uint64_t retry_ms, bool severe, void *arg)
{
    (void)link;
    (void)retry_ms;
    (void)severe;
    (void)arg;
}

static void on_blocked(struct link *link, const char *why, void *arg)
{
    (void)link;
    (void)arg;
    publisher_block(publisher, why != NULL);
}

static void on_done(struct publisher_request *request, int code)
{
    size_t index = (size_t)(request - requests);
    sim_that(!inside); /* P1 */
    if (code != ACKD_OK && code != ACKD_CANCELED)
        sim_equal((unsigned)-ackd_error_code(ackd_error_current()), (unsigned)-code);
    codes[index] = code;
    ends[index]++;
    ended_ms[index] = sim_now_ms();
}

static void publish(size_t index, const char *queue, bool too_large)
{
    struct publisher_request *request = &requests[index];
    *request = (struct publisher_request){.exchange = "",
                                          .routing_key = queue,
                                          .properties = &properties,
                                          .headers = &header,
                                          .header_count = too_large ? 1 : 0,
                                          .body = {"body", 4},
                                          .done = on_done};
    snprintf(request->id, sizeof request->id, "id-%zu", index);
    began_ms[index] = sim_now_ms();
    inside = true;
    publisher_publish(publisher, request);
    inside = false;
}

static void on_begin(struct timer *timer)
{
    (void)timer;
    publish(0, "there", false);
    publish(1, "nowhere", false);
}

/* With nothing behind it whose confirm would be heard. */
static void on_later(struct timer *timer)
{
    (void)timer;
    publish(2, "there", true);
}

static void on_end(struct timer *timer)
{
    (void)timer;
    link_close(publishing);
    (void)ackd_fail(ACKD_E_CLOSED, "the end of the test");
    link_fail(publishing);
    loop_stop(loop);
}

static struct delivery_pool *pool;

static void set_up(uint64_t seed)
{
    static const struct link_events events = {.up = on_up, .down = on_down, .blocked = on_blocked};
    static const struct link_host host = {"one", 5672};
    sim_begin(seed);
    sim_broker_begin(&broker, &(struct fakebroker_options){.heartbeat_s = 60});
    fakebroker_declare(broker.fake, "there", NULL, 0);
    memset(text, 'x', sizeof text - 1);
    memset(ends, 0, sizeof ends);
    timer_init(&begin, on_begin);
    timer_init(&later, on_later);
    timer_init(&end, on_end);
    ck_assert_int_eq(loop_new("publisher", &loop), ACKD_OK);
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
                                   .hosts = &host,
                                   .host_count = 1,
                                   .reconnect_first_ms = 100,
                                   .reconnect_max_ms = 2000,
                                   .events = &events};
    ck_assert_int_eq(link_new(&options, &publishing), ACKD_OK);
    ck_assert_int_eq(publisher_new(publishing, &publisher), ACKD_OK);
    link_open(publishing);
}

static void run_until(uint64_t end_ms)
{
    timer_start(loop_timers(loop), &end, timer_after_ms(loop_now_ns(loop), end_ms));
    loop_run(loop);
    publisher_free(&publisher);
    link_free(&publishing);
    delivery_pool_free(&pool);
    loop_free(&loop);
    sim_end();
}

/* One request that is taken and one without a queue at @begin_ms; later one too large to be written.
 */
static void run(uint64_t seed, uint64_t begin_ms)
{
    set_up(seed);
    timer_start(loop_timers(loop), &begin, timer_after_ms(loop_now_ns(loop), begin_ms));
    timer_start(loop_timers(loop), &later,
                timer_after_ms(loop_now_ns(loop), begin_ms == 0 ? 0 : begin_ms + LATER_MS));
    run_until(40000);
    for (size_t i = 0; i < 3; i++) {
        sim_equal(ends[i], 1);
        if (begin_ms > 0)
            sim_that(ended_ms[i] - began_ms[i] < SOON_MS);
    }
    sim_that(codes[0] == ACKD_OK);
    sim_that(codes[1] == ACKD_E_RETURNED);
    sim_that(codes[2] == ACKD_E_TOO_LARGE);
    sim_broker_end(&broker);
}

/* What happens when. */
static struct timer steps[STEPS_MAX];
static size_t step_count;

static void at(uint64_t ms, void (*happens)(struct timer *timer))
{
    struct timer *step = &steps[step_count++];
    timer_init(step, happens);
    timer_start(loop_timers(loop), step, timer_after_ms(loop_now_ns(loop), ms));
}

static void publish_so(size_t index, const char *exchange, uint64_t timeout_ms)
{
    struct publisher_request *request = &requests[index];
    *request = (struct publisher_request){.exchange = exchange,
                                          .routing_key = "there",
                                          .properties = &properties,
                                          .body = {"body", 4},
                                          .timeout_ms = timeout_ms,
                                          .done = on_done};
    snprintf(request->id, sizeof request->id, "id-%zu", index);
    began_ms[index] = sim_now_ms();
    inside = true;
    publisher_publish(publisher, request);
    inside = false;
    link_flush(publishing);
}

static void begin_steps(uint64_t seed)
{
    step_count = 0;
    set_up(seed);
}

static void silence(struct timer *timer)
{
    (void)timer;
    fakebroker_silence_all(sim_broker_fake(&broker), true);
    sim_broker_changed(&broker);
}

static void publish_with_a_bad_one(struct timer *timer)
{
    (void)timer;
    publish_so(0, "", 0);
    publish_so(1, "nowhere", 0);
    publish_so(2, "", 0);
    publish_so(3, "", 0);
}

static void publish_the_bad_one_again(struct timer *timer)
{
    (void)timer;
    publish_so(4, "nowhere", 0);
}

static void refused_beside_others(uint64_t seed)
{
    begin_steps(seed);
    at(5000, publish_with_a_bad_one);
    at(5800, publish_the_bad_one_again);
    at(8001, publish_the_bad_one_again);
    run_until(20000);
    /* Taken: it is for the broker whether it says so before it closes the channel. */
    sim_that(codes[0] == ACKD_OK || codes[0] == ACKD_E_DISCONNECTED);
    sim_that(codes[1] == ACKD_E_NOT_FOUND);
    sim_that(codes[2] == ACKD_OK && codes[3] == ACKD_OK);
    sim_that(codes[4] == ACKD_E_NOT_FOUND);
    for (size_t i = 0; i < 4; i++)
        sim_equal(ends[i], 1);
    sim_equal(ends[4], 2); /* remembered, and asked again when that was long ago */
    sim_equal(fakebroker_depth(broker.fake, "there"), 3); /* nothing twice */
    sim_broker_end(&broker);
}

static void publish_in_no_order(struct timer *timer)
{
    (void)timer;
    publish_so(0, "", 3000);
    publish_so(1, "", 1000);
    publish_so(2, "", 2000);
    publish_so(3, "", 4000);
}

static void time_limits(uint64_t seed)
{
    static const uint64_t limits_ms[] = {3000, 1000, 2000, 4000};
    begin_steps(seed);
    at(4000, silence);
    at(5000, publish_in_no_order);
    run_until(40000);
    for (size_t i = 0; i < 4; i++) {
        sim_that(codes[i] == ACKD_E_TIMEOUT);
        sim_equal(ends[i], 1);
        sim_that(ended_ms[i] - began_ms[i] >= limits_ms[i]);
        sim_that(ended_ms[i] - began_ms[i] <= limits_ms[i] + SOON_MS);
    }
    sim_broker_end(&broker);
}

static void block(struct timer *timer)
{
    (void)timer;
    fakebroker_block(sim_broker_fake(&broker), "low on memory");
    sim_broker_changed(&broker);
}

static void unblock(struct timer *timer)
{
    (void)timer;
    fakebroker_unblock(sim_broker_fake(&broker));
    sim_broker_changed(&broker);
}

static void publish_blocked(struct timer *timer)
{
    (void)timer;
    publish_so(0, "", 1000); /* it tells the broker that we publish */
}

static void publish_and_withdraw(struct timer *timer)
{
    (void)timer;
    publish_so(1, "", 1000);
    publish_so(2, "", 0);
    publish_so(3, "", 0);
    publisher_withdraw(publisher, &requests[2]);
    sim_equal(ends[2], 1);
    publisher_withdraw(publisher, &requests[2]); /* it is done */
}

static void blocked(uint64_t seed)
{
    begin_steps(seed);
    at(4000, block);
    at(5000, publish_blocked);
    at(10000, publish_and_withdraw);
    at(15000, unblock);
    run_until(30000);
    sim_that(codes[0] == ACKD_E_BLOCKED && codes[1] == ACKD_E_BLOCKED);
    sim_that(codes[2] == ACKD_CANCELED);
    sim_that(codes[3] == ACKD_OK);
    for (size_t i = 0; i < 4; i++)
        sim_equal(ends[i], 1);
    /* The first was sent before we could know; the second and the third never were. */
    sim_equal(fakebroker_depth(broker.fake, "there"), 2);
    sim_broker_end(&broker);
}

static void give_up(struct timer *timer)
{
    (void)timer;
    publisher_give_up(publisher);
    publish_so(4, "", 0);
}

static void given_up(uint64_t seed)
{
    begin_steps(seed);
    at(4000, silence);
    at(5000, publish_in_no_order);
    at(5500, give_up);
    run_until(40000);
    for (size_t i = 0; i < 4; i++)
        sim_that(codes[i] == ACKD_E_TIMEOUT && ended_ms[i] - began_ms[i] == 500);
    sim_that(codes[4] == ACKD_E_CLOSED);
    for (size_t i = 0; i < 5; i++)
        sim_equal(ends[i], 1);
    sim_broker_end(&broker);
}

static void publish_when_ready(uint64_t seed)
{
    run(seed, 5000);
}

static void publish_before_it_is_ready(uint64_t seed)
{
    run(seed, 0);
}

START_TEST(each_request_ends_soon_with_its_own_reason)
{
    sim_each(20, publish_when_ready);
}
END_TEST

START_TEST(requests_wait_for_the_channel_and_end_with_their_reasons)
{
    sim_each(20, publish_before_it_is_ready);
}
END_TEST

START_TEST(promise_d13_publishes_beside_a_refused_one_end_or_are_sent_again)
{
    sim_each(20, refused_beside_others);
}
END_TEST

START_TEST(each_request_has_its_own_time_limit)
{
    sim_each(20, time_limits);
}
END_TEST

START_TEST(promise_r12_what_the_broker_blocks_waits_or_is_told_so)
{
    sim_each(20, blocked);
}
END_TEST

START_TEST(given_up_it_publishes_no_more)
{
    sim_each(20, given_up);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("publisher");
    TCase *tcase = tcase_create("publisher");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_request_ends_soon_with_its_own_reason);
    tcase_add_test(tcase, requests_wait_for_the_channel_and_end_with_their_reasons);
    tcase_add_test(tcase, promise_d13_publishes_beside_a_refused_one_end_or_are_sent_again);
    tcase_add_test(tcase, each_request_has_its_own_time_limit);
    tcase_add_test(tcase, promise_r12_what_the_broker_blocks_waits_or_is_told_so);
    tcase_add_test(tcase, given_up_it_publishes_no_more);
    suite_add_tcase(suite, tcase);
    return suite;
}
