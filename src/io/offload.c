/* SPDX-License-Identifier: MIT */
/*
 * offload - the side of <ackd/offload.h> that waits: a task, and on its stack the job, the wait for
 * its end and the source of its token. It must not know how the pool shares out its threads.
 *
 *   O1  It is left only when the job will never run, or has ended and its loop knows.
 */
#include <config.h>

#include <ackd/cancel.h>
#include <ackd/error.h>
#include <ackd/offload.h>
#include <ackd/task.h>
#include <pthread.h>

#include "base/assert.h"
#include "base/error.h"
#include "io/pool.h"
#include "io/thread.h"
#include "task/source.h"
#include "task/wait.h"

struct offload {
    struct pool_job job; /* first */
    struct wait_stated stated;
    struct ackd_cancel_source source; /* of the job's token */
};

/* On the loop, outside of tasks. */
static void offload_ended(struct scheduler_post *post)
{
    struct offload *offload = (struct offload *)post;
    if (offload->job.error != NULL)
        (void)error_give(offload->job.error);
    offload->job.error = NULL;
    wait_finish(&offload->stated.wait, offload->job.code);
}

static void offload_init(struct offload *offload, enum wait_kind kind, ackd_cpu_fn *fn, void *arg,
                         const char *name, const char *file, int line, const char *function)
{
    wait_init(&offload->stated.wait, kind, name, file, line, function);
    atomic_init(&offload->stated.state, NULL);
    source_init(&offload->source);
    const struct log_context *log_context = log_context_use(NULL);
    log_context_use(log_context);
    const struct ackd_task *task = ackd_task_current();
    offload->job = (struct pool_job){
        .post = {.run = offload_ended},
        .scheduler = scheduler_current(),
        .fn = fn,
        .arg = arg,
        .token = ackd_cancel_source_token(&offload->source),
        .origin = {name, ackd_task_id(task), ackd_task_name(task)},
        .file = file,
        .function = function,
        .line = line,
        .log_context = log_context,
        .progress = &offload->stated.state,
        .state = POOL_NEW,
    };
}

static int offload_await(struct offload *offload)
{
    int code = wait_park(&offload->stated.wait);
    if (code == ACKD_CANCELED && !wait_finished(&offload->stated.wait) &&
        !pool_withdraw(&offload->job)) {
        ackd_cancel(&offload->source, ackd_cancel_reason(), offload->job.origin.task_name);
        code = wait_park_to_end(&offload->stated.wait); /* O1 */
    }
    source_fini(&offload->source);
    return code;
}

static int offload_check(ackd_cpu_fn *fn, const char *name, const char *file, int line,
                         const char *function)
{
    ACKD_TRY(wait_check(file, line, function));
    if (name == NULL || name[0] == '\0')
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "a job needs a name");
    if (fn == NULL)
        return ackd_fail_at(ACKD_E_INVAL, file, line, function, "the job '%s' has nothing to run",
                            name);
    return ACKD_OK;
}

int ackd_offload_at(ackd_cpu_fn *fn, void *arg, const struct ackd_offload_options *options,
                    const char *file, int line, const char *function)
{
    struct offload offload;
    ACKD_TRY(offload_check(fn, options == NULL ? NULL : options->name, file, line, function));
    offload_init(&offload, WAIT_OFFLOAD, fn, arg, options->name, file, line, function);
    int code = pool_submit(&offload.job, options->or_full);
    if (code != ACKD_OK) {
        source_fini(&offload.source);
        return code;
    }
    return offload_await(&offload);
}

static void *offload_thread(void *arg)
{
    struct offload *offload = arg;
    struct overflow overflow = {.stack = NULL};
    thread_set_name(offload->job.origin.name);
    pool_step_back();
    overflow_install(&overflow);
    pool_run(&offload->job);
    overflow_remove(&overflow);
    bool posted = scheduler_post(offload->job.scheduler, &offload->job.post);
    ackd_assert(posted);
    return NULL;
}

int ackd_thread_at(ackd_cpu_fn *fn, void *arg, const char *name, const char *file, int line,
                   const char *function)
{
    struct offload offload;
    ACKD_TRY(offload_check(fn, name, file, line, function));
    offload_init(&offload, WAIT_THREAD, fn, arg, name, file, line, function);
    offload.job.state = POOL_RUNNING;
    int code = thread_start(name, offload_thread, &offload, NULL);
    if (code != ACKD_OK) {
        source_fini(&offload.source);
        return code;
    }
    return offload_await(&offload);
}
