/* SPDX-License-Identifier: MIT */
/* background - see the header. It must not know whose run() it is. */
#include <config.h>

#include "host/background.h"

#include <ackd/error.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "host/report.h"
#include "io/system.h"

enum {
    BACKGROUND_PAUSE_FIRST_MS = 500,
    BACKGROUND_PAUSE_MAX_MS = 30000,
    BACKGROUND_SOUND_MS = 60000 /* after running so long it starts with the first pause again */
};

static void background_end(struct background *background, int code, const struct ackd_error *error)
{
    background->alive = false;
    background->ended(code, error, background->arg); /* B2 */
}

static void background_log(const struct background *background, enum ackd_log_level level,
                           const char *event, const struct ackd_error *error, const char *what)
{
    char text[1024] = "";
    if (error != NULL)
        report_failure_line(error, text, sizeof text);
    const struct log_context *before = log_context_use(background->log_context);
    ackd_log_event(level, event, ACKD_FIELDS(ACKD_FIELD("task", background->name)), "'%s' %s%s%s",
                   background->name, what, text[0] == '\0' ? "" : ": ", text);
    (void)log_context_use(before);
}

static void background_pause(struct background *background, const struct ackd_error *error)
{
    uint64_t now_ns = executor_now_ns(background->executor);
    if (now_ns - background->called_ns >= BACKGROUND_SOUND_MS * (uint64_t)NS_PER_MS)
        backoff_reset(&background->pause);
    uint64_t ms = backoff_next_ms(&background->pause, &background->random);
    char what[64];
    snprintf(what, sizeof what, "failed, and is started again in %" PRIu64 " ms", ms);
    background_log(background, ACKD_LOG_ERROR, "service-restart", error, what);
    timer_start(scheduler_timers(executor_scheduler(background->executor)), &background->again,
                timer_after_ms(now_ns, ms));
}

static void background_failed(struct background *background, int code,
                              const struct ackd_error *error)
{
    if (background->stopping) {
        background_log(background, ACKD_LOG_ERROR, "service-failed", error,
                       "failed when it was to stop");
        background_end(background, code, error);
    } else if (background->on_failure == ACKD_SERVICE_RESTART) {
        background_pause(background, error);
    } else if (background->on_failure == ACKD_SERVICE_IGNORE) {
        background_log(background, ACKD_LOG_WARNING, "service-failed", error,
                       "failed, and everything goes on without it");
        background_end(background, ACKD_OK, NULL);
    } else {
        background_log(background, ACKD_LOG_ERROR, "service-failed", error,
                       "failed, and everything stops");
        background_end(background, code, error);
    }
}

static void background_done(struct ackd_task *task, int code, const struct ackd_error *error,
                            enum ackd_cancel_reason reason, void *arg)
{
    struct background *background = arg;
    (void)task;
    (void)reason;
    background->task = NULL;
    if (code != ACKD_OK && code != ACKD_CANCELED) {
        background_failed(background, code, error);
        return;
    }
    if (!background->stopping)
        background_log(background, ACKD_LOG_INFO, "service-ended", NULL, "returned");
    background_end(background, ACKD_OK, NULL);
}

static int background_run(void *arg)
{
    const struct background *background = arg;
    return background->run(background->state);
}

static void background_call(struct background *background)
{
    struct scheduler_root root = {.fn = background_run,
                                  .arg = background,
                                  .name = background->name,
                                  .stack_size = background->stack_size,
                                  .log_context = background->log_context,
                                  .owner = background->owner,
                                  .done = background_done};
    background->called_ns = executor_now_ns(background->executor);
    int code = scheduler_spawn(executor_scheduler(background->executor), &root, &background->task);
    if (code == ACKD_OK)
        return;
    const struct ackd_error *error = ackd_error_ref(error_for(code));
    background_failed(background, code, error);
    ackd_error_unref(error);
}

static void background_again(struct timer *timer)
{
    background_call(LIST_ITEM(timer, background, again));
}

void background_start(struct background *background)
{
    ackd_assert(!background->alive);
    ackd_assert(background->run != NULL);
    background->alive = true;
    background->stopping = false;
    background->task = NULL;
    timer_init(&background->again, background_again);
    backoff_init(&background->pause, BACKGROUND_PAUSE_FIRST_MS, BACKGROUND_PAUSE_MAX_MS);
    random_init(&background->random, system_seed());
    background_call(background);
}

void background_stop(struct background *background, enum ackd_cancel_reason reason)
{
    if (!background->alive)
        return;
    background->stopping = true;
    if (background->task != NULL) {
        ackd_task_cancel(background->task, reason);
        return;
    }
    timer_stop(&background->again);
    background_end(background, ACKD_OK, NULL);
}
