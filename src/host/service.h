/* SPDX-License-Identifier: MIT */
/*
 * service - the services of a program: started in order, stopped in reverse, and what failed.
 *
 * Their functions are called on their loops, as those of a consumer are; this is who calls for
 * that, on the thread that holds the program.
 *
 *   V1  One start() at a time, in order; one service is being stopped at a time, in reverse.
 *   V2  run() is called once all have started, so that none of them can delay a start().
 *   V3  What did not start is not stopped; but what its start() has detached is ended.
 */
#ifndef ACKD_HOST_SERVICE_H
#define ACKD_HOST_SERVICE_H

#include <ackd/service.h>

#include "host/runner.h"

enum service_stage {
#define SERVICE_STAGE(name, text) SERVICE_##name,
#include "host/service.def"
#undef SERVICE_STAGE
};

struct service {
    struct ackd_service what;
    char name[STATION_NAME_SIZE];
    struct ackd_consumer handler; /* as a station wants it */
    struct station station;
    struct order cancel; /* of a start() that a stop comes in the way of */
    bool asked;          /* to start */
};

struct services {
    struct service **all;
    size_t count;
    enum service_stage stage;
    size_t next;  /* STARTING: the one whose turn it is; STOPPING: the one below it */
    bool waiting; /* for the answer of that one */
    bool stop;    /* asked to */
    const struct ackd_error **failures; /* owned, in the order in which they came */
    size_t failure_count;
};

/* ACKD_E_NOMEM. */
ACKD_MUST_CHECK int service_init(struct services *services);
void service_fini(struct services *services);
/* A copy of @what, whose name is checked. ACKD_E_INVAL, ACKD_E_NOMEM. */
ACKD_MUST_CHECK int service_add(struct services *services, const struct ackd_service *what);

/* Take the next step, if it is time for it. */
void service_go_on(struct services *services, struct runner *const *runners);
/* What came back of the service's station. */
void service_back(struct services *services, struct service *service,
                  const struct crossing *crossing);
/* The current error is one of theirs. */
void service_note_failure(struct services *services);
/* ACKD_OK, or all failures as one. */
ACKD_MUST_CHECK int service_result(const struct services *services);

#endif
