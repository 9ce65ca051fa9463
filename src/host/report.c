/* SPDX-License-Identifier: MIT */
/* report - see the header. */
#include <config.h>

#include "host/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/timer.h"
#include "host/message.h"

static const char *report_state(enum ackd_task_state state)
{
    static const char *const names[] = {"ready",     "running", "awaiting", "joining",
                                        "succeeded", "failed",  "cancelled"};
    return names[state];
}

static void report_task(const struct scheduler_view *view, void *arg)
{
    const bool *survivors = arg;
    const struct ackd_message *message = view->message;
    char doing[256];
    if (view->await_kind == NULL)
        snprintf(doing, sizeof doing, "%s", report_state(view->state));
    else
        snprintf(doing, sizeof doing, "awaiting %s%s%s in %s (%s:%d)", view->await_kind,
                 view->await_what == NULL ? "" : " ",
                 view->await_what == NULL ? "" : view->await_what, view->await_function,
                 view->await_file, view->await_line);
    struct ackd_log_field fields[] = {
        ACKD_FIELD_INT("task", view->id),
        ACKD_FIELD_INT("parent", view->parent_id),
        ACKD_FIELD_INT("since_ms", view->state_ns / NS_PER_MS),
        ACKD_FIELD_INT("age_ms", view->age_ns / NS_PER_MS),
        ACKD_FIELD_INT("tag", message == NULL ? 0 : message->delivery->tag),
    };
    ackd_log_event(
        *survivors ? ACKD_LOG_WARNING : ACKD_LOG_NOTICE, *survivors ? "survivor" : "task", fields,
        message == NULL ? 4 : 5, "#%" PRIu64 " %s: %s for %" PRIu64 " ms%s%s", view->id, view->name,
        doing, view->state_ns / NS_PER_MS,
        view->cancel_reason == ACKD_CANCEL_NONE ? "" : ", asked to stop: ",
        view->cancel_reason == ACKD_CANCEL_NONE ? ""
                                                : ackd_cancel_reason_name(view->cancel_reason));
}

void report_tasks(const struct scheduler *scheduler, bool survivors)
{
    struct scheduler_counts counts;
    scheduler_counts(scheduler, &counts);
    if (!survivors)
        ackd_log_notice("tasks",
                        "%" PRIu64 " tasks live, %" PRIu64 " ready, %" PRIu64 " stacks, %" PRIu64
                        " created, %" PRIu64 " failed, %" PRIu64 " cancelled",
                        counts.live, counts.ready, counts.stacks_live, counts.created,
                        counts.failed, counts.cancelled);
    scheduler_visit(scheduler, report_task, &survivors);
}
