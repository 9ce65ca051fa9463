/* SPDX-License-Identifier: MIT */
/*
 * test_outlet - what the code under a test publishes: kept to be looked at, and answered as the test
 * chose.
 *
 *   O1  Whatever comes is answered once; what is to have no answer, when its time limit is over or
 *       its caller is gone.
 */
#ifndef ACKD_HOST_TEST_OUTLET_H
#define ACKD_HOST_TEST_OUTLET_H

#include <ackd/test.h>

#include "host/publication.h"

struct scheduler;

/* Zeroed to begin with. */
struct test_outlet {
    struct test_outlet_kept **kept; /* owned, in order */
    size_t count, room;
    struct list unanswered; /* struct test_outlet_unanswered */
    ackd_test_publish_fn *answer;
    void *arg;
};

void test_outlet_init(struct test_outlet *outlet);
void test_outlet_fini(struct test_outlet *outlet);
/* A crossing of kind PUBLISH or WITHDRAW came at @now_ms of the test's clock, whose timers are those
 * of @scheduler. */
void test_outlet_receive(struct test_outlet *outlet, struct scheduler *scheduler, uint64_t now_ns,
                         uint64_t now_ms, struct crossing *crossing);
/* NULL beyond the last. */
const struct ackd_test_publication *test_outlet_at(const struct test_outlet *outlet, size_t index);

#endif
