/* SPDX-License-Identifier: MIT */
/* In a small life each call for memory fails once, by itself and with those that follow. */
#include <config.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "daemon.h"
#include "main.h"

enum { MEMORY_LIFE = 1, MEMORY_PROCESSES = 3, MEMORY_BURST = 5, MEMORY_LEAST = 100 };

static struct daemon daemon;

static const struct daemon_options life = {.messages = 20,
                                           .concurrency = 4,
                                           .loops = 2,
                                           .heartbeat_s = 5,
                                           .shutdown_ms = 20000,
                                           .delay_max_ms = 20,
                                           .body_max = 200,
                                           .fail = 15,
                                           .dead = 10,
                                           .nested = 20,
                                           .publish = 20,
                                           .fed = 500};

/* The connection breaks in the middle of the work, once. */
static void cut(struct daemon *cut)
{
    if (cut->handled < cut->options.messages / 2 || cut->flooded)
        return;
    cut->flooded = true;
    fakebroker_crash(cut->broker.fake);
    sim_broker_changed(&cut->broker);
}

/* The same life each time, in which the calls for memory from @first on fail, @count of them. */
static void live(uint64_t first, uint64_t count)
{
    sim_begin(first); /* what is told of a failure */
    random_init(sim_random(), MEMORY_LIFE);
    sim_memory_fail(first, count);
    daemon_begin(&daemon, &life);
    daemon.stop_when_done = true;
    daemon.step = cut;
    for (unsigned processes = 1;; processes++) {
        int status = daemon_run(&daemon);
        sim_that(status == HOST_EXIT_OK || status == HOST_EXIT_INTERNAL);
        if (daemon_finished(&daemon) == life.messages)
            break;
        sim_that(processes < MEMORY_PROCESSES);
        daemon_again(&daemon);
    }
    daemon_end(&daemon);
}

static uint64_t *calls; /* of that life, for memory: shared with other processes */

static void count_calls(uint64_t seed)
{
    (void)seed;
    live(0, 0);
    *calls = sim_memory_counted();
    sim_that(sim_memory_failed() == 0);
}

static void fail_one(uint64_t which)
{
    live(which, 1);
}

static void fail_some(uint64_t first)
{
    live(first, MEMORY_BURST);
}

static void sweep(void (*run)(uint64_t which))
{
    calls = mmap(NULL, sizeof *calls, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(calls != MAP_FAILED);
    if (getenv("SIM_SEED") == NULL) {
        sim_each(1, count_calls);
        ck_assert_uint_gt(*calls, MEMORY_LEAST);
    }
    sim_each(*calls, run);
}

START_TEST(each_allocation_fails_once)
{
    sweep(fail_one);
}
END_TEST

START_TEST(allocations_fail_in_a_row)
{
    sweep(fail_some);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, each_allocation_fails_once);
    tcase_add_test(tcase, allocations_fail_in_a_row);
    suite_add_tcase(suite, tcase);
    return suite;
}
