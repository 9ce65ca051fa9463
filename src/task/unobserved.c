/* SPDX-License-Identifier: MIT */
/* unobserved - the event and its count. It must not know why nobody looked. */
#include <config.h>

#include "task/unobserved.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "task/engine.h"
#include "task/owner.h"
#include "task/task.h"

enum { UNOBSERVED_TEXT_SIZE = 768 };

static void unobserved_text(const struct ackd_error *error, char *text)
{
    ackd_error_format(error, text, UNOBSERVED_TEXT_SIZE);
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '\n')
        text[length - 1] = '\0';
}

void unobserved_forget(const char *event, const struct ackd_error *error)
{
    if (error == NULL)
        return;
    if (ackd_log_enabled(ACKD_LOG_DEBUG)) {
        char text[UNOBSERVED_TEXT_SIZE];
        unobserved_text(error, text);
        ackd_log_debug(event, "%s", text);
    }
    ackd_error_unref(error);
}

void unobserved_report(const struct ackd_task *task, const struct ackd_error *error)
{
    task->scheduler->counts.unobserved++;
    char place[256];
    snprintf(place, sizeof place, "%s:%d", task->file == NULL ? "" : task->file, task->line);
    char text[UNOBSERVED_TEXT_SIZE];
    unobserved_text(error, text);
    /* The message, or whatever else the task was for, may be gone; its owner is not. */
    const struct log_context *before =
        log_context_use(task->owner == NULL ? NULL : task->owner->log_context);
    log_limited("unobserved-failure",
                ACKD_FIELDS(ACKD_FIELD("task", task->name), ACKD_FIELD_INT("task_id", task->id),
                            ACKD_FIELD("spawned_at", place),
                            ACKD_FIELD("code", error_name(ackd_error_code(error)).text)),
                "nobody looked at a failure: %s", text);
    log_context_use(before);
}

void unobserved_keep(struct ackd_task *task)
{
    list_append(&task->scheduler->failed, &task->all);
}

uint64_t unobserved_report_pending(struct scheduler *scheduler)
{
    uint64_t count = 0;
    for (struct list *link; (link = list_take(&scheduler->failed)) != NULL;) {
        struct ackd_task *task = LIST_ITEM(link, ackd_task, all);
        if (task->observed)
            continue;
        task->observed = true;
        unobserved_report(task, task->error);
        count++;
    }
    return count;
}
