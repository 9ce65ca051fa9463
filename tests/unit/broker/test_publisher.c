/* SPDX-License-Identifier: MIT */
/* A publisher against the simulated broker: each request ends once, soon, and with its reason. */
#include <config.h>

#include "broker/publisher.h"

#include <ackd/error.h>
#include <stdio.h>
#include <string.h>

#include "main.h"
#include "sim_broker.h"

enum { REQUESTS = 3, TEXT_SIZE = 200000, SOON_MS = 1000, LATER_MS = 3000 };

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
    if (code != ACKD_OK)
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

/* One request that is taken and one without a queue at @begin_ms; later one too large to be written.
 */
static void run(uint64_t seed, uint64_t begin_ms)
{
    static const struct link_events events = {.up = on_up, .down = on_down, .blocked = on_blocked};
    static const struct link_host host = {"one", 5672};
    struct delivery_pool *pool = NULL;
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
    timer_start(loop_timers(loop), &begin, timer_after_ms(loop_now_ns(loop), begin_ms));
    timer_start(loop_timers(loop), &later,
                timer_after_ms(loop_now_ns(loop), begin_ms == 0 ? 0 : begin_ms + LATER_MS));
    timer_start(loop_timers(loop), &end, timer_after_ms(loop_now_ns(loop), 40000));
    loop_run(loop);
    publisher_free(&publisher);
    link_free(&publishing);
    delivery_pool_free(&pool);
    loop_free(&loop);
    sim_end();
    for (size_t i = 0; i < REQUESTS; i++) {
        sim_equal(ends[i], 1);
        if (begin_ms > 0)
            sim_that(ended_ms[i] - began_ms[i] < SOON_MS);
    }
    sim_that(codes[0] == ACKD_OK);
    sim_that(codes[1] == ACKD_E_RETURNED);
    sim_that(codes[2] == ACKD_E_TOO_LARGE);
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

Suite *test_suite(void)
{
    Suite *suite = suite_create("publisher");
    TCase *tcase = tcase_create("publisher");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_request_ends_soon_with_its_own_reason);
    tcase_add_test(tcase, requests_wait_for_the_channel_and_end_with_their_reasons);
    suite_add_tcase(suite, tcase);
    return suite;
}
