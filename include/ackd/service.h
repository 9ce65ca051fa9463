/* SPDX-License-Identifier: MIT */
/*
 * service - work that runs beside the messages, as long as the host does; what BackgroundService is
 * to .NET.
 *
 * Services are started in order, each one's start() awaited before the next; the run()s begin once
 * all have started, so that none delays that. They are stopped in reverse order: run() is cancelled
 * with SHUTDOWN and waited for, as is what it detached, then stop() is awaited. No failure is silent:
 * what becomes of a failing run() is chosen below.
 */
#ifndef ACKD_SERVICE_H
#define ACKD_SERVICE_H

#include <ackd/abi.h>

ACKD_BEGIN_DECLS

/* What happens when run() fails. That it returns ACKD_OK early is not a failure. */
enum ackd_service_failure {
    ACKD_SERVICE_STOP_HOST, /* everything is stopped in order, and the program fails */
    ACKD_SERVICE_RESTART,   /* run() is called again, after a pause that grows to 30 s */
    ACKD_SERVICE_IGNORE     /* it is logged */
};

/* Each function may be NULL, runs as a task and may await. */
struct ackd_service {
    const char *name; /* required */
    void *state;      /* given to each */
    int (*start)(void *state);
    int (*run)(void *state);
    int (*stop)(void *state);
    enum ackd_service_failure on_failure;
    unsigned loop; /* index of the loop that it lives on */
};

ACKD_END_DECLS

#endif
