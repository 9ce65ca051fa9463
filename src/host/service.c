/* SPDX-License-Identifier: MIT */
/* service - see the header. It must not know who asks for the stop. */
#include <config.h>

#include "host/service.h"

#include <ackd/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/log.h"
#include "host/report.h"

int service_init(struct services *services)
{
    *services = (struct services){.stage = SERVICE_STARTING};
    services->failures = calloc(1, sizeof *services->failures);
    return services->failures == NULL ? ackd_fail(ACKD_E_NOMEM, "services") : ACKD_OK;
}

void service_fini(struct services *services)
{
    for (size_t i = 0; i < services->failure_count; i++)
        ackd_error_unref(services->failures[i]);
    for (size_t i = 0; i < services->count; i++) {
        runner_clear(&services->all[i]->station);
        free(services->all[i]);
    }
    free(services->failures);
    free(services->all);
    *services = (struct services){.stage = SERVICE_STOPPED};
}

int service_add(struct services *services, const struct ackd_service *what)
{
    if (what->name == NULL || what->name[0] == '\0')
        return ackd_fail(ACKD_E_INVAL, "a service needs a name");
    if ((unsigned)what->on_failure > ACKD_SERVICE_IGNORE)
        return ackd_fail(ACKD_E_INVAL, "service '%s': %d is no policy for its failure", what->name,
                         (int)what->on_failure);
    /* A failure for each of start(), run() and stop(), and one of the runtime itself. */
    size_t failures = 3 * (services->count + 1) + 1;
    struct service **all = realloc(services->all, (services->count + 1) * sizeof(struct service *));
    if (all != NULL)
        services->all = all;
    const struct ackd_error **kept =
        realloc(services->failures, failures * sizeof(const struct ackd_error *));
    if (kept != NULL)
        services->failures = kept;
    struct service *service = all == NULL || kept == NULL ? NULL : calloc(1, sizeof *service);
    if (service == NULL)
        return ackd_fail(ACKD_E_NOMEM, "the service '%s'", what->name);
    service->what = *what;
    snprintf(service->name, sizeof service->name, "%s", what->name);
    service->handler = (struct ackd_consumer){.size = sizeof service->handler,
                                              .name = service->name,
                                              .start = what->start,
                                              .run = what->run,
                                              .run_failure = what->on_failure,
                                              .stop = what->stop};
    services->all[services->count++] = service;
    return ACKD_OK;
}

void service_note_failure(struct services *services)
{
    services->failures[services->failure_count++] = ackd_error_ref(ackd_error_current());
}

int service_result(const struct services *services)
{
    return ackd_aggregate(services->failures, services->failure_count);
}

/* Note what came of one of its functions; run() has been logged by then. */
static void service_failed(struct services *services, const struct service *service,
                           const char *function, const struct ackd_error *error)
{
    (void)error_give(ackd_error_ref(error));
    if (strcmp(function, "run") != 0) {
        char text[1024];
        report_failure_line(error, text, sizeof text);
        ackd_log_event(ACKD_LOG_ERROR, "service-failed",
                       ACKD_FIELDS(ACKD_FIELD("service", service->name)),
                       "%s() of service '%s' failed: %s", function, service->name, text);
    }
    error_ignore(ackd_wrap(ackd_error_code(error), "%s() of service '%s' failed", function,
                           service->name)); /* kept for the result */
    service_note_failure(services);
}

static void service_send(struct service *service, struct crossing *crossing)
{
    runner_send(service->station.runner, crossing);
    runner_flush(service->station.runner);
}

static void service_ask(struct services *services, struct service *service, enum crossing_kind kind)
{
    services->waiting = true;
    service->station.crossing.kind = kind;
    service_send(service, &service->station.crossing);
}

static void service_start(struct services *services, struct runner *runner)
{
    struct service *service = services->all[services->next];
    service->station.handler = &service->handler;
    service->station.state = service->what.state;
    service->station.consumer = service->name;
    runner_place(runner, &service->station);
    service->station.field = (struct ackd_log_field)ACKD_FIELD("service", service->name);
    service->asked = true;
    service_ask(services, service, CROSSING_START);
}

/* A stop comes while start() of one is under way. */
static void service_cancel_start(struct service *service)
{
    if (service->cancel.reason != ACKD_CANCEL_NONE)
        return;
    service->cancel = (struct order){
        .crossing = {CROSSING_CANCEL}, .reason = ACKD_CANCEL_SHUTDOWN, .starts_only = true};
    service_send(service, &service->cancel.crossing);
}

static void service_enter(struct services *services, enum service_stage stage)
{
    static const char *const texts[] = {
#define SERVICE_STAGE(name, text) text,
#include "host/service.def"
#undef SERVICE_STAGE
    };
    ackd_assert(stage > services->stage);
    services->stage = stage;
    if (services->count > 0)
        ackd_log_event(ACKD_LOG_DEBUG, "services",
                       ACKD_FIELDS(ACKD_FIELD_INT("count", services->count)), "services: %s",
                       texts[stage]);
}

static void service_run_all(struct services *services)
{
    for (size_t i = 0; i < services->count; i++) {
        struct service *service = services->all[i];
        if (service->what.run != NULL)
            service_send(service, &service->station.run_crossing);
    }
}

/* The next one down that was asked to start: first what it runs, then stop(). */
static void service_stop_next(struct services *services)
{
    while (services->next > 0 && !services->all[services->next - 1]->asked)
        services->next--;
    if (services->next == 0)
        service_enter(services, SERVICE_STOPPED);
    else
        service_ask(services, services->all[services->next - 1], CROSSING_END);
}

void service_go_on(struct services *services, struct runner *const *runners)
{
    if (services->stage == SERVICE_STARTING && services->waiting && services->stop)
        service_cancel_start(services->all[services->next]);
    if (services->waiting)
        return;
    if (services->stage == SERVICE_STARTING && !services->stop) {
        if (services->next < services->count) {
            service_start(services, runners[services->all[services->next]->what.loop]);
            return;
        }
        service_enter(services, SERVICE_RUNNING);
        service_run_all(services);
    }
    if (services->stage <= SERVICE_RUNNING && services->stop) {
        service_enter(services, SERVICE_STOPPING);
        services->next = services->count;
    }
    if (services->stage == SERVICE_STOPPING)
        service_stop_next(services);
}

static void service_started(struct services *services, struct service *service)
{
    struct station *station = &service->station;
    station->started = station->code == ACKD_OK;
    if (station->started) {
        services->next++;
        return;
    }
    if (station->code != ACKD_CANCELED)
        service_failed(services, service, "start", station->error);
    services->stop = true;
}

static void service_ended(struct services *services, struct service *service)
{
    if (service->station.started) {
        service_ask(services, service, CROSSING_STOP);
        return;
    }
    services->next--;
}

void service_back(struct services *services, struct service *service,
                  const struct crossing *crossing)
{
    struct station *station = &service->station;
    if (crossing->kind == CROSSING_RUN) {
        if (station->run_code != ACKD_OK) {
            service_failed(services, service, "run", station->run_error);
            services->stop = true;
        }
        return;
    }
    services->waiting = false;
    if (crossing->kind == CROSSING_START) {
        service_started(services, service);
    } else if (crossing->kind == CROSSING_END) {
        service_ended(services, service);
    } else {
        if (station->code != ACKD_OK && station->code != ACKD_CANCELED)
            service_failed(services, service, "stop", station->error);
        services->next--;
    }
}
